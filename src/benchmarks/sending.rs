//! A sender with one broker that takes everything: what becomes of batches from their notices to
//! their callbacks, without sockets and threads.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use super::{Queues, described, produced};
use crate::accumulator::Outcome;
use crate::address::Address;
use crate::backoff::Backoff;
use crate::ids::{NodeId, RequestId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::InitProducerIdResponse;
use crate::protocol::{Request, Response};
use crate::sender::{Command, CommandId, Input, Output, Sender, Settings};
use crate::sync::Arc;

/// A producer without threads: its queues and its sender.
pub struct Sending {
    queues: Queues,
    sender: Sender,
    now: Instant,
    unanswered: VecDeque<(RequestId, Request)>,
}

/// `linger.ms`.
const LINGER: Duration = Duration::from_millis(5);

impl Sending {
    /// Knows its broker, which leads all partitions, and its producer id.
    pub fn new(now: Instant, partitions: usize, batch_size: usize, buffer_memory: usize) -> Self {
        let mut sending = Self {
            queues: Queues::new(partitions, batch_size, buffer_memory, None),
            sender: Sender::new(now, settings(), Arc::default()),
            now,
            unanswered: VecDeque::new(),
        };
        let command = Command::AwaitTopic {
            topic: Arc::from(super::TOPIC),
            partition: None,
            deadline: None,
        };
        sending.handle(Input::Command(CommandId(0), command));
        sending.answer_all();
        sending
    }

    /// Appends so many records to each partition, in turn.
    ///
    /// # Panics
    /// If memory is short.
    pub fn append(&self, records: usize, value: &[u8]) {
        let partitions = self.queues.topic.partition_count();
        for _ in 0..records {
            for partition in 0..partitions {
                let appended = self.queues.append(&|| self.now, Some(partition), value);
                assert!(appended, "memory is short");
            }
        }
    }

    /// Lets `linger.ms` pass, sends everything, and answers it; returns how many batches that were.
    pub fn send(&mut self) -> usize {
        self.poll();
        self.now += LINGER;
        self.poll() + self.answer_all()
    }

    fn answer_all(&mut self) -> usize {
        let mut delivered = 0;
        while let Some((id, request)) = self.unanswered.pop_front() {
            delivered += self.handle(Input::Response(id, self.answer(&request)));
        }
        delivered
    }

    fn handle(&mut self, input: Input) -> usize {
        let accumulator = &self.queues.accumulator;
        self.sender.handle(self.now, input, accumulator);
        self.poll()
    }

    fn poll(&mut self) -> usize {
        let mut delivered = 0;
        loop {
            match self.sender.poll(self.now, &self.queues.accumulator) {
                Output::Connect { node, .. } => {
                    let ready = Input::Ready(node);
                    self.sender
                        .handle(self.now, ready, &self.queues.accumulator);
                }
                Output::Send(_, id, request) => self.unanswered.push_back((id, request)),
                Output::Deliver(outcome) => {
                    tell(outcome);
                    delivered += 1;
                }
                Output::Disconnect(_)
                | Output::Publish { .. }
                | Output::Finish(..)
                | Output::Doom(_)
                | Output::Report(_)
                | Output::Purged(..) => {}
                Output::Wait(_) | Output::Yield | Output::Stop => return delivered,
            }
        }
    }

    fn answer(&self, request: &Request) -> Response {
        match request {
            Request::Produce(request) => {
                let topics = request.topics.iter().flat_map(|topic| &topic.partitions);
                let indexes = topics.map(|partition| partition.index);
                let mut response = produced(super::TOPIC, indexes);
                for topic in &mut response.topics {
                    topic.name.clear();
                    topic.id = super::TOPIC_ID;
                }
                Response::Produce(response)
            }
            Request::InitProducerId(_) => Response::InitProducerId(InitProducerIdResponse {
                throttle_time_ms: 0,
                error: ErrorCode::NONE,
                producer_id: 1,
                producer_epoch: 0,
            }),
            _ => {
                let mut response = described(super::TOPIC, self.queues.topic.partition_count());
                response.brokers.truncate(1);
                for partition in response
                    .topics
                    .iter_mut()
                    .flat_map(|one| &mut one.partitions)
                {
                    partition.leader = NodeId(1);
                }
                Response::Metadata(response)
            }
        }
    }
}

fn tell(outcome: Outcome) {
    outcome.run_callbacks(|_, called| called.expect("what does nothing does not panic"));
}

fn settings() -> Settings {
    let backoff = Backoff {
        initial: Duration::from_millis(100),
        max: Duration::from_secs(1),
    };
    Settings {
        bootstrap: vec![Address {
            host: "localhost".to_owned(),
            port: 9092,
        }],
        retries: u32::MAX,
        idempotence: true,
        transactional: None,
        linger: LINGER,
        request_timeout: Duration::from_secs(30),
        max_request_size: 1 << 20,
        max_in_flight: 5,
        retry_backoff: backoff,
        reconnect_backoff: backoff,
        setup_timeout: Backoff {
            initial: Duration::from_secs(10),
            max: Duration::from_secs(30),
        },
        metadata_max_age: Duration::from_secs(300),
        metadata_max_idle: Duration::from_secs(300),
        checks_cluster: true,
        rebootstrap: None,
        resolve_timeout: None,
        connections_max_idle: None,
        availability_timeout: None,
        seed: 1,
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}

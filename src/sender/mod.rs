//! Decides what to send next. Owns no socket and reads no clock: events and time come in as
//! arguments, work goes out as [`Output`]s. Never runs a callback: outcomes go out too. Runs on the
//! I/O thread, or in a simulation.
//!
//! The contract:
//!
//! 1. After any number of [`handle`](Sender::handle), call [`poll`](Sender::poll) until it returns
//!    `Wait` (or `Yield`, and begin again), handing in between what carrying out its outputs led to. Then wait for the deadline or
//!    the next input. Appends need no input: the driver is woken and polls.
//! 2. `now` never goes backwards. The only randomness is a generator seeded in `new`.
//! 3. One `poll` does bounded work: the in-flight limit bounds requests, the request size bounds
//!    batches. What takes long to compress ends the series of polls with `Yield`.
//! 4. After `Stop` there is nothing more to do.
//!
//! The state is kept by seven types, each of which knows one thing and answers for it; none looks into
//! another; only a partition reaches into the requests, by a slot, for its batches on their way. What
//! concerns several of them is an `impl` of [`Sender`], one file for each story.
//!
//! | state | knows |
//! |---|---|
//! | [`Metadata`] | the cluster, when to ask for it, callers who wait for a topic |
//! | [`Nodes`] | each broker: its connection, its throttling, the partitions that wait for it |
//! | [`ProducerIds`] | producer id and epoch, and the inquiry for them |
//! | [`Partitions`] | each partition: its stage, batches, sequences; which batches have no outcome |
//! | [`Requests`] | requests on their way, and the batches in them |
//! | [`Commands`] | callers who flush or close |
//! | [`Transaction`] | the open transaction, its coordinator, callers who wait for its end |
//!
//! | story | file |
//! |---|---|
//! | a batch is opened, lingers, becomes ready | `scheduling` |
//! | a batch is sent | `produce_request` |
//! | its answer: an outcome, a retry, a split | `produce_response`, by `verdict`'s table |
//! | no answer: it expires, or cannot be sent again | `expiry` |
//! | a connection comes and goes | `connections` |
//! | the cluster changes | `cluster_changes` |
//! | a caller takes records back | `purge` |
//! | a transaction begins and ends | `transactions` |
//!
//! Two arguments go everywhere: the [`Step`], which is the time and the queues of callers, and the
//! [`Agenda`], to which outputs and timers are added.

mod cluster_changes;
mod commands;
mod complaint;
mod connections;
mod event;
mod expiry;
mod metadata;
mod nodes;
mod partitions;
mod produce_request;
mod produce_response;
mod producer_ids;
mod purge;
mod refusal;
mod requests;
mod scheduling;
mod sequence;
mod step;
mod timers;
mod transaction;
mod transactions;
mod verdict;
mod work;

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;

use std::time::{Duration, Instant};

pub(crate) use event::{
    Command, CommandId, GroupMember, Input, OffsetsOrder, Output, PartitionOffset, PurgeId,
    PurgeOrder, Purged, Report, TopicOffsets,
};

use crate::accumulator::{Accumulator, BatchId, Notice};
use crate::address::Address;
use crate::backoff::Backoff;
use crate::ids::{NodeId, RequestId};
use crate::metrics::Counters;
use crate::protocol::messages::InitProducerIdResponse;
use crate::protocol::{Request, Response};
use crate::sync::Arc;
use commands::Commands;
use metadata::Metadata;
use nodes::Nodes;
use partitions::Partitions;
use producer_ids::{Answer, ProducerIds};
use requests::{Content, Requests};
use step::{Agenda, Step};
use timers::Timer;
use transaction::Transaction;
use work::Work;

/// What the sender goes by. Durations are short enough to be added to any point in time.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) bootstrap: Vec<Address>,
    pub(crate) retries: u32,
    /// Whether batches carry a producer id and sequences.
    pub(crate) idempotence: bool,
    /// With a transactional id, records belong to transactions.
    pub(crate) transactional: Option<Transactional>,
    pub(crate) linger: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) max_request_size: usize,
    pub(crate) max_in_flight: usize,
    pub(crate) retry_backoff: Backoff,
    pub(crate) reconnect_backoff: Backoff,
    /// How long an attempt to connect to a node may take: twice as long after each attempt that failed
    /// (KIP-601). Has no jitter.
    pub(crate) setup_timeout: Backoff,
    pub(crate) metadata_max_age: Duration,
    pub(crate) metadata_max_idle: Duration,
    /// `metadata.cluster.check.enable`.
    pub(crate) checks_cluster: bool,
    /// After how long without metadata to begin again with the bootstrap addresses; `None` never
    /// does (`metadata.recovery.strategy=none`).
    pub(crate) rebootstrap: Option<Duration>,
    /// How long the bootstrap servers' names may lead nowhere; `None`: for ever.
    pub(crate) resolve_timeout: Option<Duration>,
    pub(crate) connections_max_idle: Option<Duration>,
    pub(crate) availability_timeout: Option<Duration>,
    pub(crate) seed: u64,
}

/// What makes a producer transactional.
#[derive(Clone, Debug)]
pub(crate) struct Transactional {
    /// `transactional.id`.
    pub(crate) id: Arc<str>,
    /// `transaction.timeout.ms`.
    pub(crate) timeout: Duration,
}

/// Pauses are no shorter than this, whatever is set: without any, a broker that refuses, or a port where
/// nobody listens, would be tried again as fast as it can say no.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// Minimum for limits that are looked at again and again: one of zero would be over before anything
/// could happen, and the driver would never sleep.
const SHORTEST: Duration = Duration::from_millis(1);

/// Decides what to send next; no socket, no clock, no thread.
#[derive(Debug)]
pub(crate) struct Sender {
    settings: Settings,
    counters: Arc<Counters>,
    agenda: Agenda,
    metadata: Metadata,
    nodes: Nodes,
    producer_ids: ProducerIds,
    partitions: Partitions,
    requests: Requests,
    commands: Commands,
    /// `None` without a transactional id.
    transaction: Option<Transaction>,
    /// Batches below this one do not linger: a caller was refused because they held the memory.
    hurried_before: BatchId,
    /// What was compressed since the driver looked at the sockets.
    work: Work,
    /// The node whose name has led to no address just now.
    unresolved: Option<NodeId>,
    /// Kept for its allocation.
    notices: Vec<Notice>,
}

impl Sender {
    pub(crate) fn new(now: Instant, mut settings: Settings, counters: Arc<Counters>) -> Self {
        for limit in [
            &mut settings.rebootstrap,
            &mut settings.connections_max_idle,
        ] {
            *limit = limit.map(|limit| limit.max(SHORTEST));
        }
        for pauses in [&mut settings.retry_backoff, &mut settings.reconnect_backoff] {
            pauses.initial = pauses.initial.max(SHORTEST_PAUSE);
            pauses.max = pauses.max.max(SHORTEST_PAUSE);
        }
        Self {
            agenda: Agenda::new(settings.seed),
            metadata: Metadata::new(&settings),
            nodes: Nodes::new(now, &settings),
            producer_ids: ProducerIds::new(&settings),
            partitions: Partitions::default(),
            requests: Requests::default(),
            commands: Commands::default(),
            transaction: Transaction::new(&settings),
            hurried_before: BatchId::new(0),
            work: Work::default(),
            unresolved: None,
            notices: Vec::new(),
            settings,
            counters,
        }
    }

    /// Something happened.
    pub(crate) fn handle(&mut self, now: Instant, input: Input, accumulator: &Accumulator) {
        let step = Step { now, accumulator };
        // What happened may concern a batch that was opened since: first things first.
        self.handle_notices(step);
        match input {
            Input::Features(features) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.handle_features(features);
                }
            }
            Input::Ready(node) => self.handle_ready(step, node),
            Input::Unresolved(node) => self.unresolved = Some(node),
            Input::Disconnected(node, error, unwritten) => {
                self.handle_disconnected(step, node, &error, &unwritten);
            }
            Input::Response(id, response) => self.handle_response(step, id, &response),
            Input::Sent(id) => self.handle_sent(step, id),
            Input::Refused(id, error) => self.handle_refused(step, id, &error),
            Input::Command(id, command) => self.handle_command(step, id, command),
            Input::Purge(id, order) => self.purge(step, id, &order),
        }
        self.note_failures();
    }

    /// The next thing to do.
    pub(crate) fn poll(&mut self, now: Instant, accumulator: &Accumulator) -> Output {
        if !self.agenda.has_outputs() {
            self.advance(Step { now, accumulator });
        }
        match self.agenda.poll_output() {
            Some(output) => output,
            None if self.work.end() => Output::Yield,
            None => Output::Wait(self.deadline(now)),
        }
    }

    /// The order matters: what has expired is not sent, metadata goes before batches, and batches
    /// that cannot be sent without a producer id ask for one.
    fn advance(&mut self, step: Step<'_>) {
        self.handle_notices(step);
        while let Some(timer) = self.agenda.poll_timer(step.now) {
            self.handle_timer(step, timer);
        }
        self.poll_metadata(step);
        self.poll_transaction(step);
        self.send_batches(step);
        self.poll_producer_id(step);
        let oldest = self.partitions.oldest_incomplete();
        self.commands.finish_flushes(oldest, &mut self.agenda);
        let transaction = self.transaction.as_ref();
        if oldest.is_none() && transaction.is_none_or(Transaction::is_at_rest) {
            self.commands.finish_close(&mut self.agenda);
        }
    }

    /// When there is something to do next, as far as that is known. A time that is over would make
    /// the driver spin.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let metadata = self.metadata.next_due(now);
        [self.agenda.next_timer(), metadata]
            .into_iter()
            .flatten()
            .min()
    }

    fn handle_timer(&mut self, step: Step<'_>, timer: Timer) {
        match timer {
            Timer::Partition(id) => {
                self.partitions.handle_pause_over(id);
                self.update_stage(step, id);
            }
            Timer::Delivery(id, batch) => self.expire(step, id, batch),
            Timer::Node(id) => {
                if let Some(node) = self.nodes.get_mut(id) {
                    node.handle_pause_over(step.now);
                }
            }
            Timer::Availability(id) => self.handle_availability_timeout(step, id),
            Timer::Idle(id) => self.handle_idle(step, id),
            // What they are for is asked for later in this step, another broker if need be.
            Timer::Stagger | Timer::Identity | Timer::Transaction => {}
            Timer::Slow(id) => self.handle_slow(id),
            Timer::Rebootstrap => self.handle_metadata_overdue(step),
            Timer::Resolve => self.metadata.handle_resolve_timeout(&mut self.agenda),
            Timer::Topic(id) => {
                let unreachable = self.nodes.why_silent(step.now);
                let agenda = &mut self.agenda;
                self.metadata
                    .handle_wait_timeout(step.now, id, unreachable.as_ref(), agenda);
            }
            Timer::Close => self.handle_close_timeout(),
        }
    }

    fn handle_command(&mut self, step: Step<'_>, id: CommandId, command: Command) {
        match command {
            Command::AwaitTopic {
                topic,
                partition,
                deadline,
            } => {
                let agenda = &mut self.agenda;
                self.metadata
                    .await_topic(step.now, id, topic, partition, deadline, agenda);
                if self.commands.is_closing() {
                    self.metadata.refuse_waits(agenda);
                }
            }
            Command::Track(topic) => {
                // A topic that is known lacks the partition that was asked for.
                self.metadata.track(step.now, &topic);
                self.agenda.push(Output::Finish(id, Ok(())));
            }
            Command::Flush(before) => {
                self.commands.flush(id, before);
                self.hurry_all(step);
            }
            Command::Close(deadline) => {
                self.commands.close(id, deadline, &mut self.agenda);
                self.metadata.refuse_waits(&mut self.agenda);
                if let Some(transaction) = &mut self.transaction {
                    let before = step.accumulator.next_batch();
                    transaction.close(before, &mut self.agenda);
                }
                self.hurry_all(step);
            }
            Command::InitTransactions => {
                self.ask_transaction(id, |transaction, agenda| transaction.init(id, agenda));
            }
            Command::SendOffsets(order) => {
                self.ask_transaction(id, |transaction, agenda| {
                    transaction.send_offsets(id, *order, agenda);
                });
            }
            Command::EndTransaction { commit, before } => {
                self.ask_transaction(id, |transaction, agenda| {
                    transaction.end(Some(id), commit, before, agenda);
                });
                self.hurry_all(step);
            }
        }
    }

    fn handle_response(&mut self, step: Step<'_>, id: RequestId, response: &Response) {
        let Some((node, content)) = self.end_request(step.now, id) else {
            return;
        };
        let pause = response.throttle_time();
        self.nodes
            .handle_answer(step.now, node, pause, &mut self.agenda);
        match (content, response) {
            (Content::Metadata(inquiry, _), Response::Metadata(response)) => {
                self.handle_metadata(step, node, &inquiry, response);
            }
            (Content::Transaction(call, _), response) => {
                self.handle_called(step, node, call, response);
            }
            (Content::InitProducerId, Response::InitProducerId(response)) => {
                self.handle_producer_id(step, node, response);
            }
            (Content::Produce(batches), Response::Produce(response)) => {
                self.handle_produced(step, node, batches, response);
            }
            // The connection decodes an answer by the request it belongs to.
            (_, response) => debug_assert!(false, "an answer to another question: {response:?}"),
        }
    }

    /// Asks for a producer id if one is wanted and a broker can be asked; else connects to one.
    fn poll_producer_id(&mut self, step: Step<'_>) {
        if self.producer_ids.is_due(step.now)
            && let Some(node) = self.any_broker(step.now, true)
        {
            let request = Request::InitProducerId(self.producer_ids.start_request());
            self.send(step.now, node, Content::InitProducerId, request);
        }
    }

    fn handle_producer_id(
        &mut self,
        step: Step<'_>,
        node: NodeId,
        response: &InitProducerIdResponse,
    ) {
        let name = self.nodes.name(node);
        let agenda = &mut self.agenda;
        let answer = self
            .producer_ids
            .handle_response(step.now, &name, response, agenda);
        match answer {
            Answer::Identified => {
                for id in self.partitions.take_unidentified() {
                    self.update_stage(step, id);
                }
            }
            Answer::Later => {}
            Answer::Refused(error) => self.refuse_unidentified(step, &error),
        }
    }
}

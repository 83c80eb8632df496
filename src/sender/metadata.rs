//! Asking for metadata, following it, and the callers who wait for a topic. An `impl` of
//! [`Sender`]; runs on the I/O thread, or in a simulation.

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::time::Instant;

use crate::accumulator::Accumulator;
use crate::address::Address;
use crate::cluster::ClusterView;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{NodeId, RequestId};
use crate::protocol::Request;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{MetadataRequest, MetadataResponse, ProduceResponse};
use crate::sender::Sender;
use crate::sender::event::{CommandId, Output, Reply};
use crate::sender::nodes::Choice;
use crate::sender::produce::Attempt;
use crate::sender::requests::Content;
use crate::sender::timers::Timer;
use crate::sync::Arc;

/// A caller that waits for a topic.
#[derive(Debug)]
pub(super) struct TopicWait {
    topic: Arc<str>,
    partition: Option<i32>,
    since: Instant,
    deadline: Option<Instant>,
}

impl Sender {
    /// Asks for metadata if that is due and somebody can be asked; else connects to somebody.
    pub(super) fn ask_for_metadata(&mut self, now: Instant) {
        if !self.refresh.is_due(now) {
            return;
        }
        let (waits, partitions) = (&self.topic_waits, &self.partitions);
        // Looked at only if some topic has been idle for long.
        let needed = LazyCell::new(|| {
            let waits = waits.values().map(|wait| &wait.topic);
            let queues = partitions.values().map(|partition| &partition.queue);
            let queued = queues
                .filter(|queue| queue.load() > 0)
                .map(|queue| queue.topic());
            waits
                .chain(queued)
                .map(|topic| &**topic)
                .collect::<BTreeSet<&str>>()
        });
        if !self
            .refresh
            .forget_idle(now, |topic| needed.contains(topic))
        {
            self.note_metadata_answered();
            return;
        }
        self.note_metadata_wanted(now);
        match self.any_broker(now) {
            Choice::Ask(node) => {
                let topics = Some(self.refresh.start());
                let request = MetadataRequest {
                    topics,
                    allow_auto_topic_creation: true,
                    include_topic_operations: false,
                };
                self.send(now, node, Content::Metadata, Request::Metadata(request));
            }
            Choice::Connect(node) => self.connect(now, node),
            Choice::Wait(Some(until)) => self.timers.set(until, Timer::Stagger),
            Choice::Wait(None) => {}
        }
    }

    /// A broker that can be asked what any broker knows.
    pub(super) fn any_broker(&self, now: Instant) -> Choice {
        let use_bootstrap = self.settings.rebootstrap.is_some() || self.view.brokers.is_empty();
        self.nodes
            .for_metadata(now, self.settings.max_in_flight, use_bootstrap)
    }

    /// Starts the clock of `metadata.recovery.rebootstrap.trigger.ms` (KIP-1102).
    fn note_metadata_wanted(&mut self, now: Instant) {
        // There is nothing to start over from while no broker of the cluster is known.
        if let Some(trigger) = self.settings.rebootstrap
            && self.metadata_wanted_since.is_none()
            && !self.view.brokers.is_empty()
        {
            self.metadata_wanted_since = Some(now);
            self.timers.set(now + trigger, Timer::Rebootstrap);
        }
    }

    /// Metadata has come, or none is wanted any more: stops that clock.
    fn note_metadata_answered(&mut self) {
        let since = self.metadata_wanted_since.take();
        if let Some((since, trigger)) = since.zip(self.settings.rebootstrap) {
            self.timers.cancel(since + trigger, Timer::Rebootstrap);
        }
    }

    /// The brokers that are known do not tell who leads what.
    pub(super) fn on_metadata_overdue(&mut self, now: Instant, accumulator: &Accumulator) {
        log::warn!("no broker has answered with metadata for long");
        self.metadata_wanted_since = None;
        self.start_over(now, accumulator);
    }

    /// Forgets the brokers and begins again with the bootstrap addresses (KIP-1102).
    fn start_over(&mut self, now: Instant, accumulator: &Accumulator) {
        self.note_metadata_answered();
        if self.view.brokers.is_empty() {
            return;
        }
        log::warn!("starting over with the bootstrap servers");
        let view = self.view.without_brokers();
        self.adopt(now, view, accumulator);
        self.refresh.request();
    }

    pub(super) fn on_metadata(
        &mut self,
        now: Instant,
        node: NodeId,
        response: &MetadataResponse,
        accumulator: &Accumulator,
    ) {
        if response.brokers.is_empty() || response.error != ErrorCode::NONE {
            log::warn!("broker {node} answered with metadata that names no broker");
            self.on_metadata_failure(now);
            let start_over = response.error == ErrorCode::REBOOTSTRAP_REQUIRED;
            if start_over && self.settings.rebootstrap.is_some() {
                self.start_over(now, accumulator);
            }
            return;
        }
        self.note_metadata_answered();
        let (view, update) = self
            .view
            .merged(response, |topic| self.refresh.is_tracked(topic));
        for (topic, code) in &update.refused {
            log::warn!("broker {node} has no metadata for topic \"{topic}\": {code}");
        }
        let wait_goes_on = self
            .topic_waits
            .values()
            .any(|wait| wait.is_short_of(&view));
        let (backoff, rng) = (self.settings.retry_backoff, &mut self.rng);
        self.refresh
            .on_answer(now, update.is_incomplete || wait_goes_on, |attempts| {
                backoff.pause(attempts, rng)
            });
        self.refused = update.refused;
        self.adopt(now, view, accumulator);
    }

    fn adopt(&mut self, now: Instant, view: ClusterView, accumulator: &Accumulator) {
        let any_stuck = self.nodes.any_stuck();
        self.view = Arc::new(view);
        self.outputs
            .push_back(Output::Publish(Arc::clone(&self.view)));
        for stale in self.nodes.update(now, &self.view.brokers) {
            self.outputs.push_back(Output::Disconnect(stale));
            let text = format!("broker {stale} has left the cluster or moved");
            self.on_disconnected(
                now,
                stale,
                Error::new(ErrorKind::Disconnected, text),
                accumulator,
            );
            if !self.view.brokers.contains_key(&stale) {
                self.nodes.remove(stale);
                self.connect_errors.remove(&stale);
            }
        }
        self.follow_leaders(now, accumulator);
        if any_stuck {
            self.mark_stuck_partitions(accumulator);
        }
        self.answer_topic_waits();
    }

    pub(super) fn on_metadata_failure(&mut self, now: Instant) {
        let (backoff, rng) = (self.settings.retry_backoff, &mut self.rng);
        self.refresh
            .on_failure(now, |attempts| backoff.pause(attempts, rng));
    }

    /// Leaders that a produce response names (KIP-951) save the wait for metadata.
    pub(super) fn follow_hints(
        &mut self,
        now: Instant,
        response: &ProduceResponse,
        accumulator: &Accumulator,
    ) {
        let mut view = None;
        let mut is_news = false;
        for topic in &response.topics {
            let told = topic.partitions.iter();
            for (index, hint) in told.filter_map(|one| Some((one.index, one.current_leader?))) {
                let view = view.get_or_insert_with(|| (*self.view).clone());
                let endpoint = response
                    .node_endpoints
                    .iter()
                    .find(|end| end.node == hint.leader);
                if let Some(endpoint) = endpoint.filter(|end| end.node.0 >= 0)
                    && let Some(address) = Address::advertised(&endpoint.host, endpoint.port)
                {
                    view.brokers.entry(hint.leader).or_insert(address);
                }
                let name = match topic.name.as_str() {
                    "" => view.name_of(topic.id),
                    name => Some(Arc::from(name)),
                };
                if let Some(name) = name {
                    is_news |= view.follow(&name, index, hint.leader, hint.leader_epoch);
                }
            }
        }
        if let Some(view) = view.filter(|_| is_news) {
            self.adopt(now, view, accumulator);
        }
    }

    pub(super) fn on_await_topic(
        &mut self,
        now: Instant,
        id: CommandId,
        topic: Arc<str>,
        partition: Option<i32>,
        deadline: Option<Instant>,
    ) {
        self.refresh.track(now, &topic);
        // What was refused once may be allowed by now: only an answer that is still to come counts.
        self.refused.remove(&topic);
        let wait = TopicWait {
            topic,
            partition,
            since: now,
            deadline,
        };
        if !wait.is_short_of(&self.view) {
            self.outputs.push_back(Output::Finish(id, Ok(Reply::Done)));
            return;
        }
        self.refresh.request();
        if let Some(deadline) = deadline {
            self.timers.set(deadline, Timer::Topic(id));
        }
        self.topic_waits.insert(id, wait);
        if self.is_closing() {
            self.refuse_topic_waits();
        }
    }

    /// Answers the callers whose topic has come, or will never come.
    fn answer_topic_waits(&mut self) {
        let mut answers = Vec::new();
        for (id, wait) in &self.topic_waits {
            if !wait.is_short_of(&self.view) {
                answers.push((*id, Ok(())));
                continue;
            }
            match self.refused.get(&wait.topic) {
                Some(code) if *code != ErrorCode::NONE && !code.is_retriable() => {
                    let topic = &wait.topic;
                    let text = format!("the brokers refuse topic \"{topic}\": {code}");
                    let error = Error::new(ErrorKind::Broker(*code), text);
                    answers.push((*id, Err(error)));
                }
                _ => {}
            }
        }
        for (id, answer) in answers {
            self.end_topic_wait(id, answer);
        }
    }

    pub(super) fn end_topic_wait(&mut self, id: CommandId, answer: Result<()>) {
        if let Some(wait) = self.topic_waits.remove(&id) {
            if let Some(deadline) = wait.deadline {
                self.timers.cancel(deadline, Timer::Topic(id));
            }
            let answer = answer.map(|()| Reply::Done);
            self.outputs.push_back(Output::Finish(id, answer));
        }
    }

    /// The caller has waited for as long as it may.
    pub(super) fn on_topic_timeout(&mut self, now: Instant, id: CommandId) {
        let Some(wait) = self.topic_waits.get(&id) else {
            return;
        };
        let error = self.missing_topic(now, wait);
        self.end_topic_wait(id, Err(error));
    }

    fn missing_topic(&self, now: Instant, wait: &TopicWait) -> Error {
        let waited = now.saturating_duration_since(wait.since).as_millis();
        let topic = &wait.topic;
        if let Some(view) = self.view.topics.get(&**topic) {
            let (count, partition) = (view.partitions.len(), wait.partition.unwrap_or(-1));
            let text = format!(
                "partition {partition} of topic \"{topic}\" does not exist: the topic has {count} \
                 partitions (waited {waited} ms for more)"
            );
            return Error::new(ErrorKind::UnknownTopicOrPartition, text);
        }
        if let Some(code) = self.refused.get(topic) {
            let text = format!("topic \"{topic}\" is not available: {code}, for {waited} ms");
            return Error::new(ErrorKind::UnknownTopicOrPartition, text);
        }
        let text = format!("no metadata for topic \"{topic}\" within {waited} ms");
        match self.connect_errors.values().next_back() {
            Some(error) => Error::with_source(
                ErrorKind::TimedOut,
                format!("{text}: no broker could be asked; last error: {error}"),
                error.clone(),
            ),
            None => Error::new(
                ErrorKind::TimedOut,
                format!("{text}: no broker has answered yet"),
            ),
        }
    }

    /// The connection did not take the request: not a byte of it has left.
    pub(super) fn on_refused(
        &mut self,
        now: Instant,
        id: RequestId,
        error: &Error,
        accumulator: &Accumulator,
    ) {
        self.requests.note_unwritten(id);
        self.drop_request(now, id, error, accumulator);
    }

    /// The request came to nothing; somebody else is asked after a pause.
    pub(super) fn drop_request(
        &mut self,
        now: Instant,
        id: RequestId,
        error: &Error,
        accumulator: &Accumulator,
    ) {
        match self.end_request(now, id) {
            Some((node, Content::Metadata)) => {
                if error.kind() == ErrorKind::UnsupportedVersion {
                    // For those who wait for metadata the broker might as well be unreachable.
                    self.connect_errors.insert(node, error.clone());
                }
                self.on_metadata_failure(now);
            }
            Some((_, Content::InitProducerId)) if error.kind() == ErrorKind::UnsupportedVersion => {
                self.refuse_unidentified(now, error, accumulator);
            }
            Some((_, Content::InitProducerId)) => self.on_identity_failure(now),
            Some((_, Content::Produce(batches))) => {
                for flying in batches {
                    self.try_again(now, flying, error.clone(), Attempt::Doubtful, accumulator);
                }
            }
            None => {}
        }
    }
}

impl TopicWait {
    fn is_short_of(&self, view: &ClusterView) -> bool {
        let Some(topic) = view.topics.get(&*self.topic) else {
            return true;
        };
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        self.partition.is_some_and(|partition| partition >= count)
    }
}

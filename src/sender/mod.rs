//! Decides what to send next. Owns no socket and reads no clock: events and time come in as
//! arguments, work goes out as [`Output`]s. Never runs a callback: outcomes go out too. Runs on the
//! I/O thread, or in a simulation.
//!
//! The contract:
//!
//! 1. After one [`handle`](Sender::handle), call [`poll`](Sender::poll) until it returns `Wait`.
//!    Then wait for the deadline or the next input. Appends need no input: the driver is woken and
//!    polls.
//! 2. `now` never goes backwards. The only randomness is a generator seeded in `new`.
//! 3. One `poll` does bounded work: the in-flight limit bounds requests, the request size bounds
//!    batches.
//! 4. After `Stop` there is nothing more to do.

mod availability;
mod closing;
mod event;
mod identity;
mod lines;
mod metadata;
mod nodes;
mod outcomes;
mod partitions;
mod produce;
mod purge;
mod refusal;
mod requests;
mod sequence;
mod table;
mod timers;
mod verdict;

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

pub(crate) use event::{Command, CommandId, Input, Output, PurgeOrder, Purged, Reply};

use crate::accumulator::{Accumulator, BatchId, Notice, PartitionId, PartitionQueue};
use crate::address::Address;
use crate::backoff::Backoff;
use crate::cluster::{ClusterView, Due, Refresh};
use crate::error::{Error, ErrorKind};
use crate::ids::{NodeId, RequestId};
use crate::metrics::Counters;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::{Request, Response};
use crate::random::Rng;
use crate::sync::Arc;
use closing::{Closing, Flush};
use identity::Inquiry;
use metadata::TopicWait;
use nodes::{Link, Nodes};
use partitions::Place;
use requests::{Content, Requests};
use sequence::Producer;
use table::Table;
use timers::{Timer, Timers};

/// What the sender goes by. Durations are short enough to be added to any point in time.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) bootstrap: Vec<Address>,
    pub(crate) retries: u32,
    /// Whether batches carry a producer id and sequences.
    pub(crate) idempotence: bool,
    pub(crate) linger: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) max_request_size: usize,
    pub(crate) max_in_flight: usize,
    pub(crate) retry_backoff: Backoff,
    pub(crate) reconnect_backoff: Backoff,
    /// How long the first attempt to connect to a node may take; twice as long after each attempt
    /// that failed (KIP-601).
    pub(crate) setup_timeout: Duration,
    /// Up to this.
    pub(crate) setup_timeout_max: Duration,
    pub(crate) metadata_max_age: Duration,
    pub(crate) metadata_max_idle: Duration,
    /// After how long without metadata to begin again with the bootstrap addresses; `None` never
    /// does (`metadata.recovery.strategy=none`).
    pub(crate) rebootstrap: Option<Duration>,
    pub(crate) connections_max_idle: Option<Duration>,
    pub(crate) availability_timeout: Option<Duration>,
    pub(crate) seed: u64,
}

/// No limit that is looked at again and again is shorter.
const SHORTEST: Duration = Duration::from_millis(1);

/// Decides what to send next; no socket, no clock, no thread.
#[derive(Debug)]
pub(crate) struct Sender {
    settings: Settings,
    counters: Arc<Counters>,
    rng: Rng,
    timers: Timers,
    nodes: Nodes,
    /// Why brokers could not be reached, until they are.
    connect_errors: BTreeMap<NodeId, Error>,
    view: Arc<ClusterView>,
    refresh: Refresh,
    /// Since when metadata has been wanted in vain.
    metadata_wanted_since: Option<Instant>,
    /// Topics that the newest metadata refuses.
    refused: BTreeMap<Arc<str>, ErrorCode>,
    topic_waits: BTreeMap<CommandId, TopicWait>,
    partitions: Table,
    /// Partitions that wait for `linger.ms`.
    lingering: BTreeSet<PartitionId>,
    /// Batches below this one do not linger: somebody was refused because they held the memory.
    hurried_before: BatchId,
    /// Partitions that are ready, but nobody leads them.
    leaderless: BTreeSet<PartitionId>,
    /// Partitions that are ready, but the producer has no id.
    unidentified: BTreeSet<PartitionId>,
    producer: Producer,
    inquiry: Inquiry,
    inquiry_failures: u32,
    requests: Requests,
    /// Batches without an outcome, oldest first.
    incomplete: BTreeSet<BatchId>,
    flushes: Vec<Flush>,
    closing: Option<Closing>,
    outputs: VecDeque<Output>,
    /// Kept for its allocation.
    notices: Vec<Notice>,
}

impl Sender {
    pub(crate) fn new(now: Instant, mut settings: Settings, counters: Arc<Counters>) -> Self {
        // A limit of nothing would be over before anything could happen, time and again.
        for limit in [
            &mut settings.rebootstrap,
            &mut settings.connections_max_idle,
        ] {
            *limit = limit.map(|limit| limit.max(SHORTEST));
        }
        Self {
            rng: Rng::with_seed(settings.seed),
            timers: Timers::default(),
            nodes: Nodes::new(now, &settings.bootstrap),
            connect_errors: BTreeMap::new(),
            view: Arc::default(),
            refresh: Refresh::new(settings.metadata_max_age, settings.metadata_max_idle),
            metadata_wanted_since: None,
            refused: BTreeMap::new(),
            topic_waits: BTreeMap::new(),
            partitions: Table::default(),
            lingering: BTreeSet::new(),
            hurried_before: BatchId::new(0),
            leaderless: BTreeSet::new(),
            unidentified: BTreeSet::new(),
            producer: match settings.idempotence {
                true => Producer::Unidentified,
                false => Producer::Anonymous,
            },
            inquiry: Inquiry::NotNeeded,
            inquiry_failures: 0,
            requests: Requests::default(),
            incomplete: BTreeSet::new(),
            flushes: Vec::new(),
            closing: None,
            outputs: VecDeque::new(),
            notices: Vec::new(),
            settings,
            counters,
        }
    }

    /// Something happened.
    pub(crate) fn handle(&mut self, now: Instant, input: Input, accumulator: &Accumulator) {
        // Whatever happened may concern a batch that was opened since: first things first.
        self.take_notices(now, accumulator);
        match input {
            Input::Ready(node) => self.on_ready(now, node, accumulator),
            Input::Disconnected(node, error, unwritten) => {
                self.on_lost(now, node, error, unwritten, accumulator);
            }
            Input::Response(id, response) => self.on_response(now, id, &response, accumulator),
            Input::Written(id) => self.on_written(now, id, accumulator),
            Input::Refused(id, error) => self.on_refused(now, id, &error, accumulator),
            Input::Command(id, command) => self.on_command(now, id, command, accumulator),
        }
    }

    /// The next thing to do.
    pub(crate) fn poll(&mut self, now: Instant, accumulator: &Accumulator) -> Output {
        if self.outputs.is_empty() {
            self.advance(now, accumulator);
        }
        match self.outputs.pop_front() {
            Some(output) => output,
            None => Output::Wait(self.deadline(now)),
        }
    }

    /// The order matters: what has expired is not sent, metadata goes before batches, and batches
    /// that cannot be sent without a producer id ask for one.
    fn advance(&mut self, now: Instant, accumulator: &Accumulator) {
        self.take_notices(now, accumulator);
        while let Some(timer) = self.timers.pop(now) {
            self.on_timer(now, timer, accumulator);
        }
        self.ask_for_metadata(now);
        self.send_batches(now, accumulator);
        self.ask_for_identity(now);
        self.finish_flushes();
        self.finish_closing();
    }

    fn on_timer(&mut self, now: Instant, timer: Timer, accumulator: &Accumulator) {
        match timer {
            Timer::Partition(id) => self.on_pause_of_partition_over(now, id, accumulator),
            Timer::Delivery(id, batch) => self.expire(now, id, batch, accumulator),
            Timer::Node(id) => self.on_pause_over(now, id),
            Timer::Availability(id) => self.on_availability_timeout(now, id, accumulator),
            Timer::Idle(id) => self.on_idle(now, id, accumulator),
            // Metadata is asked for below, with another broker if need be.
            Timer::Stagger | Timer::Identity => {}
            Timer::Rebootstrap => self.on_metadata_overdue(now, accumulator),
            Timer::Topic(id) => self.on_topic_timeout(now, id),
            Timer::Close => self.on_close_timeout(),
        }
    }

    fn on_command(
        &mut self,
        now: Instant,
        id: CommandId,
        command: Command,
        accumulator: &Accumulator,
    ) {
        match command {
            Command::AwaitTopic {
                topic,
                partition,
                deadline,
            } => {
                self.on_await_topic(now, id, topic, partition, deadline);
            }
            Command::Track(topic) => {
                // A topic that is known lacks the partition that was asked for.
                self.refresh.track(now, &topic);
                self.refresh.request();
                self.outputs.push_back(Output::Finish(id, Ok(Reply::Done)));
            }
            Command::Flush(before) => self.on_flush(now, id, before, accumulator),
            Command::Purge(order) => self.on_purge(now, id, &order, accumulator),
            Command::Close(deadline) => self.on_close(now, id, deadline, accumulator),
        }
    }

    fn on_response(
        &mut self,
        now: Instant,
        id: RequestId,
        response: &Response,
        accumulator: &Accumulator,
    ) {
        let Some((node, content)) = self.end_request(now, id) else {
            return;
        };
        self.throttle(now, node, response.throttle_time());
        match (content, response) {
            (Content::Metadata, Response::Metadata(response)) => {
                self.on_metadata(now, node, response, accumulator);
            }
            (Content::InitProducerId, Response::InitProducerId(response)) => {
                self.on_identity(now, node, response, accumulator);
            }
            (Content::Produce(batches), Response::Produce(response)) => {
                self.on_produced(now, node, batches, response, accumulator);
            }
            // The connection decodes an answer by the request it belongs to.
            (_, response) => debug_assert!(false, "an answer to another question: {response:?}"),
        }
    }

    fn send(&mut self, now: Instant, node: NodeId, content: Content, request: Request) {
        let id = self.requests.add(node, content);
        if let Some(node) = self.nodes.find(node) {
            node.requests.insert(id);
            node.last_used = now;
        }
        self.counters.requests_sent.add(1);
        self.outputs.push_back(Output::Send(node, id, request));
    }

    /// A request has ended, in whatever way.
    fn end_request(&mut self, now: Instant, id: RequestId) -> Option<(NodeId, Content)> {
        let request = self.requests.remove(id)?;
        if let Some(node) = self.nodes.find(request.node) {
            node.requests.remove(&id);
            node.last_used = now;
        }
        Some((request.node, request.content))
    }

    fn queue_of(&self, id: PartitionId) -> Option<Arc<PartitionQueue>> {
        self.partitions
            .get(id)
            .map(|partition| Arc::clone(&partition.queue))
    }

    fn connect(&mut self, now: Instant, id: NodeId) {
        if let Some(node) = self.nodes.find(id) {
            node.link = Link::Connecting(now);
            node.last_attempt = Some(now);
            let failures = node.failed_setups;
            let Settings {
                setup_timeout,
                setup_timeout_max,
                ..
            } = self.settings;
            let doubled =
                setup_timeout.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX));
            self.outputs.push_back(Output::Connect {
                node: id,
                address: node.address.clone(),
                setup_timeout: doubled.min(setup_timeout_max.max(setup_timeout)),
                // A host may have an address that never answers. Always beginning with the same
                // one would spend every attempt's time on it.
                first_address: failures,
            });
        }
    }

    /// Connects to a broker that has something to take. Partitions that went elsewhere since, or
    /// whose batches expired, are no reason.
    fn connect_if_needed(&mut self, now: Instant, id: NodeId) {
        let partitions = &self.partitions;
        let Some(node) = self.nodes.find(id).filter(|node| node.link == Link::Down) else {
            return;
        };
        node.ready.retain(|partition| {
            let partition = partitions.get(partition);
            partition.is_some_and(|partition| partition.place == Place::Queued(id))
        });
        if !node.ready.is_empty() {
            self.connect(now, id);
        }
    }

    fn on_ready(&mut self, now: Instant, id: NodeId, accumulator: &Accumulator) {
        // A connection that was given up just now may have become ready in the same moment.
        let wanted = |node: &&mut nodes::Node| matches!(node.link, Link::Connecting(_));
        let Some(node) = self.nodes.find(id).filter(wanted) else {
            return;
        };
        node.link = Link::Ready;
        node.failures = 0;
        node.failed_setups = 0;
        node.last_used = now;
        self.connect_errors.remove(&id);
        // There is somebody to ask: nobody else has to be tried beside it.
        self.timers.cancel_all(Timer::Stagger);
        if let Some(idle) = self.settings.connections_max_idle {
            self.timers.set(now + idle, Timer::Idle(id));
        }
        // A broker of the cluster answers: the bootstrap connection has done its work.
        if id.0 >= 0 {
            for bootstrap in self.nodes.ids().into_iter().take_while(|id| id.0 < 0) {
                let done =
                    |node: &mut nodes::Node| node.link == Link::Ready && node.requests.is_empty();
                if self.nodes.find(bootstrap).is_some_and(done) {
                    self.hang_up(now, bootstrap, accumulator);
                }
            }
        }
    }

    /// Ends a connection that nothing is wrong with.
    fn hang_up(&mut self, now: Instant, id: NodeId, accumulator: &Accumulator) {
        self.outputs.push_back(Output::Disconnect(id));
        let error = Error::new(
            ErrorKind::Disconnected,
            "the connection was not needed any more",
        );
        self.lose_requests(now, id, &error, accumulator);
        if let Some(node) = self.nodes.find(id) {
            node.link = Link::Down;
        }
    }

    /// The driver lost a connection, or could not make it.
    fn on_lost(
        &mut self,
        now: Instant,
        id: NodeId,
        error: Error,
        unwritten: Vec<RequestId>,
        accumulator: &Accumulator,
    ) {
        for request in unwritten {
            self.requests.note_unwritten(request);
        }
        let is_wanted =
            |node: &&mut nodes::Node| matches!(node.link, Link::Connecting(_) | Link::Ready);
        if let Some(node) = self.nodes.find(id).filter(is_wanted) {
            if matches!(node.link, Link::Connecting(_)) {
                node.failed_setups = node.failed_setups.saturating_add(1);
            }
            self.on_disconnected(now, id, error, accumulator);
        }
    }

    fn on_disconnected(
        &mut self,
        now: Instant,
        id: NodeId,
        error: Error,
        accumulator: &Accumulator,
    ) {
        log::info!("{error}");
        let Some(node) = self.nodes.find(id) else {
            return;
        };
        let pause = self
            .settings
            .reconnect_backoff
            .pause(node.failures, &mut self.rng);
        node.failures = node.failures.saturating_add(1);
        node.link = Link::BackingOff(now + pause);
        node.throttled_until = None;
        self.timers.set(now + pause, Timer::Node(id));
        // Whoever led its partitions may lead them no more.
        self.refresh.request();
        self.lose_requests(now, id, &error, accumulator);
        self.connect_errors.insert(id, error);
    }

    /// Requests on a connection that is gone get no answer any more.
    fn lose_requests(
        &mut self,
        now: Instant,
        id: NodeId,
        error: &Error,
        accumulator: &Accumulator,
    ) {
        let Some(node) = self.nodes.find(id) else {
            return;
        };
        for request in std::mem::take(&mut node.requests) {
            self.drop_request(now, request, error, accumulator);
        }
    }

    fn on_pause_over(&mut self, now: Instant, id: NodeId) {
        let Some(node) = self.nodes.find(id) else {
            return;
        };
        if matches!(node.link, Link::BackingOff(until) if until <= now) {
            node.link = Link::Down;
        }
        if node.throttled_until.is_some_and(|until| until <= now) {
            node.throttled_until = None;
        }
    }

    fn on_idle(&mut self, now: Instant, id: NodeId, accumulator: &Accumulator) {
        let Some(idle) = self.settings.connections_max_idle else {
            return;
        };
        let Some(node) = self.nodes.find(id).filter(|node| node.link == Link::Ready) else {
            return;
        };
        let until = node.last_used + idle;
        // What is due now is sent later in this turn.
        let is_wanted = !node.requests.is_empty() || !node.ready.is_empty();
        if until > now || is_wanted || self.refresh.is_due(now) {
            let again = now + (idle / 2).max(SHORTEST);
            self.timers.set(until.max(again), Timer::Idle(id));
        } else {
            self.hang_up(now, id, accumulator);
        }
    }

    /// A client over its quota is asked for a pause; it is never shortened (KIP-219).
    fn throttle(&mut self, now: Instant, id: NodeId, pause: Duration) {
        let until = now + pause;
        if let Some(node) = self.nodes.find(id).filter(|_| until > now) {
            node.throttled_until = node.throttled_until.max(Some(until));
            self.timers.set(until, Timer::Node(id));
        }
    }

    fn deadline(&self, now: Instant) -> Option<Instant> {
        let refresh = match self.refresh.due() {
            // Past: somebody has to become reachable first, and that has its own timer.
            Some(Due::At(at)) if at > now => Some(at),
            _ => None,
        };
        [self.timers.next(), refresh].into_iter().flatten().min()
    }
}

//! Where each partition's next batch stands: lingering, backing off, waiting for its broker, or on
//! its way. An `impl` of [`Sender`]; runs on the I/O thread, or in a simulation.
//!
//! ```text
//!            a batch opens                linger over, full, hurry          drained
//!    Idle ─────────────────> Waiting ───────────────────────> Queued ───────────────> in flight
//!     ^                         ^                       (Leaderless, Unidentified)      │  │
//!     │                         └──────────────── retry, after a pause ─────────────────┘  │
//!     └──────────────────────────────────── outcome, and nothing more ─────────────────────┘
//! ```
//!
//! Without idempotence one batch of a partition is on its way at a time. With it there may be
//! [`PIPELINE`] of them; a retry goes only as the oldest unresolved one, so that order is kept.
//!
//! A batch that will never be in the log, or of which that is not known, leaves a gap in the
//! sequences: everything after it would be refused. The partition is then `broken`: it sends
//! nothing until all that is on its way has ended, and goes on under a new epoch. What may be in
//! the log is not sent again under the new epoch, where the broker could not tell that it has it;
//! it fails, as "may be written", in its turn. What is certainly not in the log goes on.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::accumulator::{
    Accumulator, BatchId, Head, Notice, Outcome, PartitionId, PartitionQueue, SealedBatch,
};
use crate::error::{Error, ErrorKind};
use crate::ids::NodeId;
use crate::sender::Sender;
use crate::sender::lines::Terms;
use crate::sender::requests::Seat;
use crate::sender::sequence::{Producer, Sequences};
use crate::sender::timers::Timer;
use crate::sync::Arc;

/// How many batches of a partition may be on their way, or acknowledged behind one that is not: a
/// broker remembers the last five of each producer. What a purge took counts as well while its outcome
/// is held back, although no broker has heard of it: fewer are on their way until then.
const PIPELINE: usize = 5;

/// A partition that has had a batch.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) queue: Arc<PartitionQueue>,
    pub(super) leader: Option<NodeId>,
    pub(super) place: Place,
    /// Batches on their way, oldest first. One that has expired stays here until its request ends.
    pub(super) in_flight: VecDeque<(BatchId, Seat)>,
    /// Batches to be sent again, oldest first.
    pub(super) retries: VecDeque<Retry>,
    /// Outcomes that an older batch without one holds back.
    pub(super) held: BTreeMap<BatchId, Outcome>,
    pub(super) sequences: Sequences,
    /// Whether the sequences have a gap.
    pub(super) is_broken: bool,
}

/// A batch to be sent again.
#[derive(Debug)]
pub(super) struct Retry {
    pub(super) batch: SealedBatch,
    pub(super) not_before: Instant,
    /// Whether it must not be sent after all: it fails when those before it have their outcomes.
    pub(super) is_lost: bool,
}

/// Where a partition's next batch stands, apart from those on their way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// There is none, or those on their way have to be finished first.
    Idle,
    /// Lingering or backing off until then.
    Waiting(Instant),
    /// In the line of its leader.
    Queued(NodeId),
    /// Ready, but nobody leads the partition.
    Leaderless,
    /// Ready, but the producer has no id yet.
    Unidentified,
}

/// What a partition could send next.
enum Next {
    /// Nothing, for now.
    Nothing,
    Retry(Instant),
    New(Head),
}

impl Partition {
    fn new(queue: &Arc<PartitionQueue>, leader: Option<NodeId>) -> Self {
        Self {
            queue: Arc::clone(queue),
            leader,
            place: Place::Idle,
            in_flight: VecDeque::new(),
            retries: VecDeque::new(),
            held: BTreeMap::new(),
            sequences: Sequences::default(),
            is_broken: false,
        }
    }

    /// Whether there is something that may go now. What stands in a broker's line may have to wait
    /// after all, as the producer has moved to another epoch since.
    pub(super) fn may_send(&self, producer: Producer) -> bool {
        !matches!(self.next(producer), Next::Nothing)
    }

    fn next(&self, producer: Producer) -> Next {
        if self.is_broken {
            return Next::Nothing;
        }
        let oldest = self.in_flight.front().map(|(id, _)| *id);
        if let Some(retry) = self.retries.front() {
            // A newer batch on its way is refused for its sequence and comes back; an older one
            // has to end first.
            let is_oldest = oldest.is_none_or(|oldest| retry.batch.id < oldest);
            return if is_oldest && !retry.is_lost {
                Next::Retry(retry.not_before)
            } else {
                Next::Nothing
            };
        }
        let has_room = match (oldest, producer) {
            (None, _) => true,
            (Some(_), Producer::Anonymous | Producer::Unidentified) => false,
            // What is under an older epoch has to end before the partition moves to the new one,
            // and what is on its way to another broker before this one gets anything.
            (Some(_), Producer::Identified(identity)) => {
                self.in_flight.len() + self.held.len() < PIPELINE
                    && self.sequences.is_established()
                    && self.sequences.identity() == Some(identity)
                    && self
                        .in_flight
                        .iter()
                        .all(|(_, seat)| Some(seat.node) == self.leader)
            }
        };
        // The queue's lock is left alone as long as nothing of it may go.
        match has_room.then(|| self.queue.head()).flatten() {
            // What a caller compresses is not there yet: it tells when it is done.
            Some(head) if !head.is_compressing => Next::New(head),
            _ => Next::Nothing,
        }
    }

    /// Whether a batch older than this one is unresolved.
    pub(super) fn has_older(&self, id: BatchId) -> bool {
        let in_flight = self
            .in_flight
            .front()
            .is_some_and(|(oldest, _)| *oldest < id);
        in_flight
            || self
                .retries
                .front()
                .is_some_and(|retry| retry.batch.id < id)
    }

    /// A batch is on its way. A retry takes its place before newer ones.
    pub(super) fn depart(&mut self, id: BatchId, seat: Seat) {
        let place = self.in_flight.partition_point(|(other, _)| *other < id);
        self.in_flight.insert(place, (id, seat));
    }

    /// A request with this batch has ended.
    pub(super) fn land(&mut self, id: BatchId) {
        self.in_flight.retain(|(flying, _)| *flying != id);
    }

    /// Keeps a batch to be sent again, in its place among the others.
    pub(super) fn keep(&mut self, retry: Retry) {
        let place = self
            .retries
            .partition_point(|other| other.batch.id < retry.batch.id);
        self.retries.insert(place, retry);
    }
}

impl Sender {
    /// Looks at what callers did since the last time.
    pub(super) fn take_notices(&mut self, now: Instant, accumulator: &Accumulator) {
        let budget = accumulator.budget();
        // Before the notices: whoever is refused after this look wakes the I/O thread, also for the
        // batch that it has found to be full.
        let refused = budget.take_refused();
        let mut notices = std::mem::take(&mut self.notices);
        accumulator.take_notices(&mut notices);
        for notice in notices.drain(..) {
            match notice {
                Notice::Opened {
                    queue,
                    batch,
                    opened,
                } => {
                    self.incomplete.insert(batch);
                    let deadline = opened + queue.settings().delivery_timeout;
                    self.timers
                        .set(deadline, Timer::Delivery(queue.id(), batch));
                    self.refresh.touch(now, queue.topic());
                    self.register(&queue);
                    self.evaluate(now, queue.id(), accumulator);
                }
                Notice::Ready(queue) => {
                    self.register(&queue);
                    self.evaluate(now, queue.id(), accumulator);
                }
            }
        }
        self.notices = notices;
        if refused {
            self.hurried_before = accumulator.next_batch();
        }
        if refused || budget.has_waiters() {
            self.hurry_all(now, accumulator);
        }
    }

    fn register(&mut self, queue: &Arc<PartitionQueue>) {
        if self.partitions.get(queue.id()).is_none() {
            let leader = self.view.leader(queue.topic(), queue.index());
            queue.set_stuck(leader.is_some_and(|id| self.nodes.is_stuck(id)));
            let partition = Partition::new(queue, leader);
            self.partitions.insert(queue.id(), partition);
        }
        self.want_identity();
    }

    /// Makes everything that lingers ready: memory is short, or somebody flushes or closes.
    pub(super) fn hurry_all(&mut self, now: Instant, accumulator: &Accumulator) {
        for id in std::mem::take(&mut self.lingering) {
            self.evaluate(now, id, accumulator);
        }
    }

    /// Decides where the partition's next batch stands now.
    pub(super) fn evaluate(&mut self, now: Instant, id: PartitionId, accumulator: &Accumulator) {
        let Some(partition) = self.partitions.get(id) else {
            return;
        };
        let due = match partition.next(self.producer) {
            Next::Nothing => None,
            Next::Retry(not_before) => Some(not_before),
            // Of a batch whose notice has not been taken yet the sender knows no deadline.
            Next::New(head) if !self.incomplete.contains(&head.id) => None,
            Next::New(head) => {
                let hurry = head.is_ready || self.is_hurried(head.id, accumulator);
                Some(if hurry {
                    now
                } else {
                    head.opened + self.settings.linger
                })
            }
        };
        match due {
            None => self.place(id, Place::Idle),
            Some(due) if due > now => self.place(id, Place::Waiting(due)),
            Some(_) if self.producer == Producer::Unidentified => {
                self.place(id, Place::Unidentified);
                // An id may have been refused while the batch lingered.
                self.want_identity();
            }
            Some(_) => self.line_up(now, id),
        }
    }

    /// The time is over until which the partition's next batch lingers, or backs off.
    pub(super) fn on_pause_of_partition_over(
        &mut self,
        now: Instant,
        id: PartitionId,
        accumulator: &Accumulator,
    ) {
        // Its timer is set no more, so there is none to search for and cancel.
        if let Some(partition) = self.partitions.get_mut(id) {
            partition.place = Place::Idle;
            self.lingering.remove(&id);
        }
        self.evaluate(now, id, accumulator);
    }

    fn is_hurried(&self, batch: BatchId, accumulator: &Accumulator) -> bool {
        self.is_closing()
            || batch < self.hurried_before
            || self.flushes.iter().any(|flush| batch < flush.before)
            || accumulator.budget().has_waiters()
    }

    /// Puts a ready partition into its leader's line, if it does not stand there yet.
    fn line_up(&mut self, now: Instant, id: PartitionId) {
        let Some(partition) = self.partitions.get(id) else {
            return;
        };
        let leader = partition.leader;
        let Some((leader, node)) = leader.and_then(|id| Some((id, self.nodes.find(id)?))) else {
            self.place(id, Place::Leaderless);
            self.refresh.request();
            return;
        };
        if partition.place != Place::Queued(leader) {
            let terms = Terms::of(partition.queue.settings());
            node.ready.push(terms, id);
            self.note_waiting(now, leader);
            self.place(id, Place::Queued(leader));
        }
    }

    /// Moves a partition from one place to another, with the timers and lists that belong to them.
    pub(super) fn place(&mut self, id: PartitionId, place: Place) {
        let Some(partition) = self.partitions.get_mut(id) else {
            return;
        };
        match std::mem::replace(&mut partition.place, place) {
            Place::Waiting(until) => {
                self.timers.cancel(until, Timer::Partition(id));
                self.lingering.remove(&id);
            }
            Place::Leaderless => _ = self.leaderless.remove(&id),
            Place::Unidentified => _ = self.unidentified.remove(&id),
            Place::Idle | Place::Queued(_) => {}
        }
        match place {
            Place::Waiting(until) => {
                self.timers.set(until, Timer::Partition(id));
                if partition.retries.is_empty() {
                    self.lingering.insert(id);
                }
            }
            Place::Leaderless => _ = self.leaderless.insert(id),
            Place::Unidentified => _ = self.unidentified.insert(id),
            Place::Idle | Place::Queued(_) => {}
        }
    }

    /// Follows the view: partitions whose leader changed stand in the new one's line.
    pub(super) fn follow_leaders(&mut self, now: Instant, accumulator: &Accumulator) {
        let timeout = self.settings.availability_timeout;
        let mut moved = Vec::new();
        for partition in self.partitions.values_mut() {
            let leader = self
                .view
                .leader(partition.queue.topic(), partition.queue.index());
            if leader != partition.leader {
                partition.leader = leader;
                let new = leader.and_then(|leader| self.nodes.find(leader));
                let is_stuck = new.is_some_and(|node| node.is_stuck(now, timeout));
                partition.queue.set_stuck(is_stuck);
                // A new leader may take at once what the old one refused.
                for retry in &mut partition.retries {
                    retry.not_before = now;
                }
                moved.push(partition.queue.id());
            }
        }
        moved.extend(self.leaderless.iter().copied());
        for id in moved {
            self.evaluate(now, id, accumulator);
        }
    }

    /// A batch has reached `delivery.timeout.ms` without an outcome.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        id: PartitionId,
        batch: BatchId,
        accumulator: &Accumulator,
    ) {
        let Some(queue) = self.queue_of(id) else {
            return;
        };
        let timeout = queue.settings().delivery_timeout.as_millis();
        let limit = accumulator
            .settings()
            .delivery_timeout_property(queue.topic());
        self.resolve_early(id, batch, |attempts, cause| {
            let tried = match attempts {
                0 => "never sent".to_owned(),
                1 => "sent once".to_owned(),
                _ => format!("sent {attempts} times"),
            };
            let cause = cause
                .map(|error| format!("; last error: {error}"))
                .unwrap_or_default();
            let text = format!("not acknowledged within {limit} ({timeout} ms), {tried}{cause}");
            (ErrorKind::TimedOut, text)
        });
        self.go_on(now, id, accumulator);
    }

    /// Fails a batch that has no outcome yet, wherever it is. The error's text follows the name of
    /// the partition.
    pub(super) fn resolve_early(
        &mut self,
        id: PartitionId,
        batch: BatchId,
        describe: impl FnOnce(u32, Option<&Error>) -> (ErrorKind, String),
    ) {
        let Some(partition) = self.partitions.get_mut(id) else {
            return;
        };
        let queue = Arc::clone(&partition.queue);
        let name = format!("\"{}\"-{}", queue.topic(), queue.index());
        let unreachable = || {
            let leader = partition.leader?;
            self.connect_errors.get(&leader)
        };
        let mut in_flight = partition.in_flight.iter();
        let carrier = in_flight.find(|(flying, _)| *flying == batch);
        let retry = partition
            .retries
            .iter()
            .position(|retry| retry.batch.id == batch);
        let outcome = if let Some((_, seat)) = carrier {
            // Whether it leaves a gap shows when its request ends.
            let Some(flying) = self.requests.take_batch(*seat, batch) else {
                return;
            };
            let (kind, text) = describe(flying.attempts, flying.last_error.as_ref());
            flying
                .doubted()
                .fail(Error::new(kind, format!("{name}: {text}")))
        } else if let Some(retry) = retry.and_then(|index| partition.retries.remove(index)) {
            let batch = retry.batch;
            partition.is_broken |= batch.stamp.is_some();
            let (kind, text) = describe(batch.attempts, batch.last_error.as_ref());
            batch.fail(Error::new(kind, format!("{name}: {text}")))
        } else if let Some(open) = queue.take_if(batch) {
            let no_leader = Error::new(
                ErrorKind::UnknownTopicOrPartition,
                "the partition has no leader that a broker would name",
            );
            let cause = match partition.leader {
                None => Some(&no_leader),
                Some(_) => unreachable(),
            };
            let (kind, text) = describe(0, cause);
            open.fail(&queue, Error::new(kind, format!("{name}: {text}")))
        } else {
            return;
        };
        self.deliver(outcome);
    }

    /// If the partition's sequences have a gap and nothing of it is on its way any more, it goes on
    /// under a new epoch (KIP-360), with what is certainly not in the log.
    pub(super) fn mend(&mut self, id: PartitionId) {
        let Some(partition) = self.partitions.get_mut(id) else {
            return;
        };
        if !partition.is_broken || !partition.in_flight.is_empty() {
            return;
        }
        partition.is_broken = false;
        if let Some(identity) = partition.sequences.identity() {
            self.producer.bump(identity);
        }
        partition.sequences.reset();
        for retry in &mut partition.retries {
            retry.batch.stamp = None;
            retry.is_lost = retry.batch.is_doubtful;
        }
        self.want_identity();
    }

    /// Fails the batches that a gap has made impossible to send again, as far as nothing older is
    /// unresolved: callbacks keep their order.
    pub(super) fn fail_lost(&mut self, id: PartitionId) {
        while let Some(partition) = self.partitions.get_mut(id) {
            let is_lost = partition.retries.front().is_some_and(|retry| retry.is_lost);
            if !is_lost || !partition.in_flight.is_empty() {
                return;
            }
            let Some(Retry { batch, .. }) = partition.retries.pop_front() else {
                return;
            };
            let cause = batch.last_error.as_ref().map(|error| format!(": {error}"));
            let text = format!(
                "{}: it may be in the log, and an earlier batch failed, so it cannot be sent again \
                 without the risk of a duplicate{}",
                batch.name(),
                cause.unwrap_or_default()
            );
            let kind = batch
                .last_error
                .as_ref()
                .map_or(ErrorKind::Disconnected, Error::kind);
            self.deliver(batch.fail(Error::new(kind, text)));
        }
    }
}

//! One partition: what of it is on its way, what is to be sent again, which outcomes are held back,
//! and whether its sequences have a gap. Pure but for its queue's lock.
//!
//! **Order.** Without idempotence one batch is on its way at a time, so a retry is never overtaken.
//! With it there may be [`PIPELINE`] of them, and a retry goes only as the oldest unresolved one:
//! the broker refuses the newer ones for their sequence, and they come back (KAFKA-3197).
//!
//! **Gaps.** A batch that will never be in the log, or of which that is not known, leaves a gap in the
//! sequences: everything after it would be refused. The partition then sends nothing until all that
//! is on its way has ended: to move while requests are out would let batches of the old epoch land
//! among those of the new one (KAFKA-8483). It continues under a new epoch (KIP-360), from sequence
//! 0. What may be in the log is not sent again there, where the broker could not know that it has it; it
//! fails, as "may be written", in its turn. What is certainly not in the log is sent again.

use crate::sorted_map::SortedMap;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::accumulator::{BatchId, Head, Outcome, PartitionQueue, SealedBatch};
use crate::error::{Error, ErrorKind, Fate};
use crate::ids::NodeId;
use crate::record::batch::ProducerStamp;
use crate::sender::partitions::Stage;
use crate::sender::producer_ids::ProducerIdState;
use crate::sender::requests::{RequestSlot, Requests};
use crate::sender::sequence::{Identity, Sequences};
use crate::sync::Arc;

/// How many batches of a partition may be on their way, or acknowledged behind one that is not: a
/// broker remembers the last five of each producer. What was purged before it was sent does not count,
/// though its outcome may be held as well: no broker has heard of it.
const PIPELINE: usize = 5;

/// A partition that has had a batch.
#[derive(Debug)]
pub(in crate::sender) struct Partition {
    queue: Arc<PartitionQueue>,
    leader: Option<NodeId>,
    stage: Stage,
    /// Batches in requests that have not ended, oldest first.
    in_flight: VecDeque<InFlight>,
    /// Batches to be sent again, oldest first.
    retries: VecDeque<Retry>,
    /// Outcomes that an older batch without one holds back.
    held: SortedMap<BatchId, Outcome>,
    /// How many of these are about batches that a broker has heard of.
    held_sent: usize,
    sequences: Sequences,
    /// Whether the sequences have a gap.
    has_gap: bool,
    /// Whether batches have gone to a leader that was hinted at without the rest of their pause, and
    /// none has been acknowledged since.
    has_followed: bool,
}

/// A batch in a request that has not ended.
#[derive(Debug)]
struct InFlight {
    id: BatchId,
    slot: RequestSlot,
    /// Whether it has its outcome already. It stays here until its request ends, since nothing may
    /// overtake what may still be written.
    is_expired: bool,
}

/// A batch to be sent again.
#[derive(Debug)]
struct Retry {
    batch: SealedBatch,
    not_before: Instant,
    /// Why it must not be sent after all: it fails when those before it have their outcomes.
    unsendable: Option<Unsendable>,
}

/// Why a batch that may be in the log is not sent again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::sender) enum Unsendable {
    /// A gap came before it, so it would have another place in the sequences.
    Gap,
    /// It was sent to another cluster.
    OtherCluster,
}

/// What it takes to send a batch.
#[derive(Clone, Copy, Debug)]
pub(in crate::sender) struct Cost {
    /// Its size on the wire, by a guess if it is still to be compressed.
    pub(in crate::sender) bytes: usize,
    /// About how long it takes to compress it, if that is still to be done.
    pub(in crate::sender) work: Duration,
}

/// What a partition could send next.
pub(in crate::sender) enum Next {
    /// Nothing, for now.
    Nothing,
    Retry(Instant),
    New(Head),
}

impl Partition {
    pub(super) fn new(queue: &Arc<PartitionQueue>, leader: Option<NodeId>) -> Self {
        Self {
            queue: Arc::clone(queue),
            leader,
            stage: Stage::Idle,
            in_flight: VecDeque::new(),
            retries: VecDeque::new(),
            held: SortedMap::new(),
            held_sent: 0,
            sequences: Sequences::default(),
            has_gap: false,
            has_followed: false,
        }
    }

    pub(in crate::sender) fn queue(&self) -> &Arc<PartitionQueue> {
        &self.queue
    }

    pub(in crate::sender) fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// Another broker leads the partition, or none. It may take at once what the old one refused, so
    /// retries do not wait for the end of their pause.
    pub(in crate::sender) fn set_leader(&mut self, now: Instant, leader: Option<NodeId>) {
        self.leader = leader;
        for retry in &mut self.retries {
            retry.not_before = now;
        }
    }

    /// The same after the hint of a broker. Only the first of them ends the pause.
    pub(in crate::sender) fn follow_hint(&mut self, now: Instant, leader: Option<NodeId>) {
        if std::mem::replace(&mut self.has_followed, true) {
            self.leader = leader;
        } else {
            self.set_leader(now, leader);
        }
    }

    /// A batch was acknowledged: whoever took it leads the partition.
    pub(in crate::sender) fn handle_taken(&mut self) {
        self.has_followed = false;
    }

    /// Whether its next batch waits for a leader.
    pub(in crate::sender) fn is_leaderless(&self) -> bool {
        self.stage == Stage::Leaderless
    }

    pub(super) fn replace_stage(&mut self, stage: Stage) -> Stage {
        std::mem::replace(&mut self.stage, stage)
    }

    /// Whether its next batch is queued for this broker.
    pub(in crate::sender) fn is_queued_for(&self, node: NodeId) -> bool {
        self.stage == Stage::Queued(node)
    }
}

/// What goes next.
impl Partition {
    /// Whether there is something that may go now. What is queued for a broker may have to wait after
    /// all, as the producer has moved to another epoch since.
    pub(in crate::sender) fn may_send(&self, producer: ProducerIdState) -> bool {
        !matches!(self.next(producer), Next::Nothing)
    }

    pub(in crate::sender) fn next(&self, producer: ProducerIdState) -> Next {
        if self.has_gap {
            return Next::Nothing;
        }
        let oldest = self.in_flight.front().map(|one| one.id);
        if let Some(retry) = self.retries.front() {
            // A newer batch on its way is refused for its sequence and comes back; an older one
            // has to end first.
            let is_oldest = oldest.is_none_or(|oldest| retry.batch.id < oldest);
            return if is_oldest && retry.unsendable.is_none() {
                Next::Retry(retry.not_before)
            } else {
                Next::Nothing
            };
        }
        // The queue's lock is left alone as long as nothing of it may go.
        let has_room = oldest.is_none() || self.has_room_behind(producer);
        match has_room.then(|| self.queue.head()).flatten() {
            // One that a caller compresses is not there yet: a notice says when that is done.
            Some(head) if !head.is_compressing => Next::New(head),
            _ => Next::Nothing,
        }
    }

    /// Whether a new batch may go while others are on their way.
    fn has_room_behind(&self, producer: ProducerIdState) -> bool {
        let ProducerIdState::Identified(identity) = producer else {
            // Without sequences a broker takes batches in whatever order they come.
            return false;
        };
        // Until the first batch is acknowledged the second waits, since a broker that does not know the
        // producer takes whatever comes first. What is under an older epoch has to end before the
        // partition moves to the new one; and what is at another broker, before this one gets any:
        // the new leader would refuse it, or take it without the older ones.
        self.in_flight.len() + self.held_sent < PIPELINE
            && self.sequences.is_established()
            && self.sequences.identity() == Some(identity)
            && self
                .in_flight
                .iter()
                .all(|one| Some(one.slot.node()) == self.leader)
    }

    /// The cost of the batch that is queued for this broker, if one is. An entry in the broker's queue
    /// may be out of date: the partition has moved since, or its batch has expired.
    pub(in crate::sender) fn cost_for(&self, node: NodeId) -> Option<Cost> {
        if !self.is_queued_for(node) {
            return None;
        }
        match self.retries.front() {
            Some(retry) => Some(Cost {
                bytes: retry.batch.len(),
                work: Duration::ZERO,
            }),
            None => self.queue.head().map(|head| Cost {
                bytes: head.bytes,
                work: head.work,
            }),
        }
    }

    /// Takes out what goes next, with its place in the sequences if there are any. A retry keeps the
    /// sequence that it has: under another one a broker that has it already would write it again
    /// (KAFKA-13574).
    pub(in crate::sender) fn take_next(
        &mut self,
        now: Instant,
        identity: Option<Identity>,
    ) -> Option<SealedBatch> {
        if self.in_flight.is_empty() {
            self.sequences.handle_alone(now);
        }
        let Some(mut batch) = self.take_retry() else {
            let queued = self.queue.take()?;
            let records = queued.completions.len();
            let stamp = identity.map(|identity| self.sequences.stamp(identity, records));
            return Some(queued.seal(&self.queue, stamp));
        };
        if let (Some(identity), None) = (identity, batch.stamp) {
            batch.set_stamp(self.sequences.stamp(identity, batch.completions.len()));
        }
        Some(batch)
    }

    /// Takes out the oldest batch that is to be sent again.
    pub(in crate::sender) fn take_retry(&mut self) -> Option<SealedBatch> {
        self.retries.pop_front().map(|retry| retry.batch)
    }

    pub(super) fn has_retries(&self) -> bool {
        !self.retries.is_empty()
    }
}

/// What is on its way.
impl Partition {
    /// A batch is on its way. A retry goes before newer ones.
    pub(in crate::sender) fn add_in_flight(&mut self, id: BatchId, slot: RequestSlot) {
        let index = self.in_flight.partition_point(|other| other.id < id);
        let one = InFlight {
            id,
            slot,
            is_expired: false,
        };
        self.in_flight.insert(index, one);
    }

    /// The request that had this batch has ended, in whatever way.
    pub(in crate::sender) fn end_in_flight(&mut self, id: BatchId) {
        self.in_flight.retain(|one| one.id != id);
    }

    /// The broker has acknowledged a batch with this stamp.
    pub(in crate::sender) fn handle_acknowledged(&mut self, now: Instant, stamp: ProducerStamp) {
        self.sequences.handle_acknowledged(now, stamp);
    }

    /// Keeps a batch to be sent again, in its order among the others.
    pub(in crate::sender) fn add_retry(&mut self, batch: SealedBatch, not_before: Instant) {
        let index = self
            .retries
            .partition_point(|other| other.batch.id < batch.id);
        let retry = Retry {
            batch,
            not_before,
            unsendable: None,
        };
        self.retries.insert(index, retry);
    }

    /// Whether a batch older than this one may still be answered, or is to be sent again.
    pub(in crate::sender) fn has_older(&self, id: BatchId) -> bool {
        let in_flight = self.in_flight.front().map(|one| one.id);
        let retry = self.retries.front().map(|retry| retry.batch.id);
        let mut oldest = in_flight.into_iter().chain(retry);
        oldest.any(|oldest| oldest < id)
    }

    /// The oldest batch that was taken to be sent and has no outcome. What callers have queued is
    /// newer.
    fn oldest_taken(&self) -> Option<BatchId> {
        let mut in_flight = self.in_flight.iter();
        let in_flight = in_flight.find(|one| !one.is_expired).map(|one| one.id);
        let retry = self.retries.front().map(|retry| retry.batch.id);
        in_flight.into_iter().chain(retry).min()
    }

    /// The oldest batch that has no outcome, wherever it is.
    pub(in crate::sender) fn oldest(&self) -> Option<BatchId> {
        let queued = || self.queue.head().map(|head| head.id);
        self.oldest_taken().or_else(queued)
    }

    /// The oldest batch that is not on its way: one to be sent again, or one that callers have queued.
    pub(in crate::sender) fn oldest_unsent(&self) -> Option<BatchId> {
        let retry = self.retries.front().map(|retry| retry.batch.id);
        retry.or_else(|| self.queue.head().map(|head| head.id))
    }

    /// Records that were taken from the queue and have no outcome.
    pub(in crate::sender) fn records_taken(&self, requests: &Requests) -> u64 {
        let in_flight = self.in_flight.iter();
        let in_flight = in_flight.filter_map(|one| requests.batch(one.slot, one.id));
        let retries = self.retries.iter().map(|retry| &retry.batch);
        let batches = in_flight.chain(retries);
        batches.map(|batch| batch.completions.len() as u64).sum()
    }
}

/// Outcomes.
impl Partition {
    /// Fails a batch that has no outcome yet, wherever it is. `unreachable` is why the leader cannot
    /// be connected to, if so. The error's text follows the name of the partition.
    ///
    /// One on its way may be written: its bytes may have arrived. Whether it leaves a gap shows when
    /// its request ends.
    pub(in crate::sender) fn fail_early(
        &mut self,
        id: BatchId,
        requests: &mut Requests,
        unreachable: Option<&Error>,
        describe: impl FnOnce(u32, Option<&Error>) -> (ErrorKind, String),
    ) -> Option<Outcome> {
        let name = self.queue.name();
        let named = |(kind, text): (ErrorKind, String)| Error::new(kind, format!("{name}: {text}"));
        let mut in_flight = self.in_flight.iter_mut();
        if let Some(one) = in_flight.find(|one| one.id == id) {
            let batch = requests.take_batch(one.slot, id)?;
            one.is_expired = true;
            let error = named(describe(batch.attempts, batch.last_error.as_ref()));
            return Some(batch.doubted().fail(error));
        }
        let mut retries = self.retries.iter();
        if let Some(index) = retries.position(|retry| retry.batch.id == id) {
            let batch = self.retries.remove(index)?.batch;
            self.has_gap |= batch.stamp.is_some();
            let error = named(describe(batch.attempts, batch.last_error.as_ref()));
            return Some(batch.fail(error));
        }
        let queued = self.queue.take_if(id)?;
        let no_leader = Error::new(
            ErrorKind::UnknownTopicOrPartition,
            "the partition has no leader that a broker would name",
        );
        let cause = match self.leader {
            None => Some(&no_leader),
            Some(_) => unreachable,
        };
        Some(queued.fail(&self.queue, named(describe(0, cause))))
    }

    /// Takes the outcome of one of its batches, and gives `deliver` all that no older batch holds back
    /// any more, in order.
    pub(super) fn add_outcome(&mut self, outcome: Outcome, mut deliver: impl FnMut(Outcome)) {
        let oldest = self.oldest_taken();
        let is_next = |id: BatchId| oldest.is_none_or(|oldest| id < oldest);
        // Most often nothing is older, and nothing waits for it.
        if self.held.is_empty() && is_next(outcome.batch) {
            return deliver(outcome);
        }
        self.held_sent += usize::from(outcome.was_sent);
        let second = self.held.insert(outcome.batch, outcome);
        debug_assert!(second.is_none(), "a second outcome");
        for (_, held) in self.held.drain_while(|id| is_next(*id)) {
            self.held_sent -= usize::from(held.was_sent);
            deliver(held);
        }
    }

    /// Batches to be sent again, and outcomes that are held back.
    pub(super) fn into_batches(
        self,
    ) -> (
        impl Iterator<Item = SealedBatch>,
        impl Iterator<Item = Outcome>,
    ) {
        let retries = self.retries.into_iter().map(|retry| retry.batch);
        (retries, self.held.into_values())
    }
}

/// Gaps.
impl Partition {
    /// A batch that has a sequence will not be written, or may not be: the sequences have a gap.
    pub(in crate::sender) fn leave_gap(&mut self) {
        self.has_gap = true;
    }

    /// If the sequences have a gap and nothing is on its way any more, forgets them, and returns the
    /// identity that the partition leaves. Batches that are certainly not in the log are sent again under
    /// the next identity.
    pub(in crate::sender) fn close_gap(&mut self) -> Option<Identity> {
        if !self.has_gap || !self.in_flight.is_empty() {
            return None;
        }
        self.has_gap = false;
        for retry in &mut self.retries {
            retry.give_up_if_doubtful(Unsendable::Gap);
        }
        self.sequences.reset()
    }

    /// The cluster that it was sent to has gone, with all connections. Batches that are certainly not in
    /// its log go to the next one.
    pub(in crate::sender) fn leave_cluster(&mut self) {
        debug_assert!(self.in_flight.is_empty(), "no connection is left");
        for retry in &mut self.retries {
            retry.give_up_if_doubtful(Unsendable::OtherCluster);
        }
        self.has_gap = false;
        self.sequences.reset();
    }

    /// Takes out the oldest batch if it cannot be sent again and nothing older is on its way: callbacks
    /// keep their order.
    pub(in crate::sender) fn take_unsendable(&mut self) -> Option<(SealedBatch, Unsendable)> {
        let why = self.retries.front()?.unsendable?;
        if !self.in_flight.is_empty() {
            return None;
        }
        self.take_retry().map(|batch| (batch, why))
    }
}

impl Retry {
    /// Its place in the sequences is lost. If it may be in the log, it fails: nobody could recognise it as
    /// a repeat.
    fn give_up_if_doubtful(&mut self, why: Unsendable) {
        if self.batch.fate() == Fate::MayBeWritten {
            self.unsendable.get_or_insert(why);
        }
        self.batch.clear_stamp();
    }
}

#[cfg(test)]
impl Partition {
    /// As if a partition that has nothing under way had sent so much that this sequence comes next.
    /// False if it is not one that could have.
    pub(in crate::sender) fn wind_sequences(&mut self, next: i32) -> bool {
        let is_quiet = self.in_flight.is_empty() && self.retries.is_empty();
        let may = is_quiet && !self.has_gap && self.sequences.is_established();
        if may {
            self.sequences.wind(next);
        }
        may
    }
}

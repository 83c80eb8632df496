//! Watches the producer from outside, and ends the schedule when a [promise](super::promise)
//! is broken. Knows nothing of how the producer works.
//!
//! Here are the records, from `send` to the end, and what is checked after each step; in files of
//! their own: `outcomes` of records, `requests` at brokers, `logs` at the end, `purges`. `limits`
//! holds what a seed has drawn, `pace` how much work is too much.

mod limits;
mod logs;
mod outcomes;
mod pace;
mod purges;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::accumulator::{Accumulator, BatchId};
use crate::error::{ErrorKind, Result};
use crate::ids::NodeId;
use crate::protocol::messages::MetadataRequest;
use crate::sim::ledger::Ledger;
use crate::sim::options::{Options, TOPIC};
use crate::sim::promise::{I1, I6, I7, I8, I10, I13, broken_if};
use crate::sim::record::{CallbackLog, Group, RecordId, Sent, id_of};
use crate::testing::MockRecord;
use limits::Limits;
use pace::Pace;
use purges::Purges;

/// Everything that was sent, and what became of it.
#[derive(Debug)]
pub(super) struct Checker {
    /// What callbacks were called with; [`on_told`](Self::on_told) takes it out.
    pub(super) callbacks: CallbackLog,
    /// Writes to the same log, for records that have no callback of their own.
    pub(super) group: Group,
    limits: Limits,
    records: Vec<Sent>,
    accepted: usize,
    /// Of the accepted ones, those without an outcome.
    open: BTreeSet<RecordId>,
    /// The same, in the order of acceptance.
    open_in_order: BTreeSet<(usize, RecordId)>,
    /// By partition: how many records had been accepted before the newest one that has its outcome,
    /// and when it got it.
    newest_told: BTreeMap<i32, (usize, Instant)>,
    purges: Purges,
    /// What the open records cost.
    ledger: Ledger,
    pace: Pace,
    /// When each batch was opened, as far as the checker can see.
    opened: BTreeMap<BatchId, Instant>,
    /// The bytes of each batch that has arrived, by its first record, and how often it has.
    arrived: BTreeMap<(RecordId, usize), (Vec<u8>, u32)>,
    /// Times at which the client did nothing: it cannot be blamed for deadlines in there.
    pauses: Vec<(Instant, Instant)>,
    /// Whether a broker that has acknowledged a batch still knows its producer later.
    has_memory: bool,
    /// When the last fault ended.
    healed: Option<Instant>,
    /// When nothing was left of any fault, not even a silent connection.
    settled: Option<Instant>,
    pub(super) acknowledged: u32,
    pub(super) failed: u32,
}

impl Checker {
    pub(super) fn new(options: &Options) -> Self {
        let callbacks = CallbackLog::default();
        Self {
            group: Group::writing_to(&callbacks),
            callbacks,
            limits: Limits::new(options),
            records: Vec::new(),
            accepted: 0,
            open: BTreeSet::new(),
            open_in_order: BTreeSet::new(),
            newest_told: BTreeMap::new(),
            purges: Purges::new(options),
            ledger: Ledger::default(),
            pace: Pace::new(options),
            opened: BTreeMap::new(),
            arrived: BTreeMap::new(),
            pauses: Vec::new(),
            has_memory: true,
            healed: None,
            settled: None,
            acknowledged: 0,
            failed: 0,
        }
    }

    /// A record that is about to be sent: `size` bytes, of which the first ones are its number.
    pub(super) fn draft(&mut self, partition: i32, size: u32) -> RecordId {
        let id = RecordId::try_from(self.records.len()).expect("few records");
        let mut value = id.to_be_bytes().to_vec();
        value.extend(partition.to_be_bytes());
        let filler = |index: u32| (id.wrapping_mul(31).wrapping_add(index * 7) % 251) as u8;
        value.extend((8..size.max(8)).map(filler));
        self.records.push(Sent {
            partition,
            key: (id % 3 == 0).then(|| id.to_le_bytes().to_vec()),
            value,
            header: id % 5 == 0,
            deadline: None,
            accepted: None,
            batch: None,
            order: usize::MAX,
            outcome: None,
            is_absent: false,
        });
        id
    }

    pub(super) fn record(&self, id: RecordId) -> &Sent {
        &self.records[id as usize]
    }

    fn order(&self, id: RecordId) -> usize {
        self.records
            .get(id as usize)
            .map_or(usize::MAX, |record| record.order)
    }

    /// Where the partitioner has put it.
    pub(super) fn redirect(&mut self, id: RecordId, partition: i32) {
        self.records[id as usize].partition = partition;
    }

    pub(super) fn on_accepted(&mut self, now: Instant, id: RecordId, batch: BatchId) {
        let opened = *self.opened.entry(batch).or_insert(now);
        let record = &mut self.records[id as usize];
        record.deadline = Some(opened + self.limits.delivery_timeout);
        record.accepted = Some(now);
        record.order = self.accepted;
        self.accepted += 1;
        self.open.insert(id);
        self.open_in_order.insert((record.order, id));
        record.batch = Some(batch.number);
        self.ledger.on_accepted(batch.number, record.value.len());
    }

    pub(super) fn on_pause(&mut self, from: Instant, to: Instant) {
        self.pauses.push((from, to));
    }

    pub(super) fn on_healed(&mut self, now: Instant) {
        self.healed = Some(now);
    }

    pub(super) fn on_settled(&mut self, now: Instant) {
        self.settled = Some(now);
    }

    /// A request is sent.
    pub(super) fn on_sent(&mut self, elapsed: Duration) {
        self.pace.on_sent(elapsed, self.accepted);
    }

    /// A connection attempt begins.
    pub(super) fn on_connecting(&mut self, elapsed: Duration) {
        self.pace.on_connecting(elapsed);
    }

    /// Metadata is asked for.
    pub(super) fn on_asked(&mut self, now: Instant, request: &MetadataRequest) {
        self.pace.on_asked(now, request);
    }

    /// Records accepted and without an outcome.
    pub(super) fn open(&self) -> BTreeSet<RecordId> {
        self.open.clone()
    }

    /// The deadline, moved to the end of the pauses that it fell into.
    fn fair(&self, deadline: Instant) -> Instant {
        let pauses = self.pauses.iter();
        pauses.fold(deadline, |deadline, (from, to)| {
            let is_in_it = *from <= deadline && deadline <= *to;
            if is_in_it { *to } else { deadline }
        })
    }

    /// A call that blocks has ended.
    pub(super) fn on_unblocked(&self, now: Instant, what: &str, deadline: Instant) {
        broken_if(I7, now > self.fair(deadline), || {
            format!("{what} returned {:?} after its deadline", now - deadline)
        });
    }

    /// A flush has returned that was called at `since`.
    pub(super) fn check_flush(&self, now: Instant, since: Instant) {
        let is_calm =
            self.settled.is_some_and(|settled| since >= settled) && self.limits.retries > 10;
        // What is flushed does not linger.
        let took = now - since;
        broken_if(
            I8,
            is_calm && took > self.limits.quick - self.limits.linger,
            || format!("a flush took {took:?} although nothing was wrong"),
        );
    }

    /// A flush has returned that was called while `before` were open.
    pub(super) fn on_flushed(&self, before: &BTreeSet<RecordId>) {
        let left: Vec<_> = before.intersection(&self.open).collect();
        broken_if(I13, !left.is_empty(), || {
            format!("flush returned before records {left:?}")
        });
    }

    /// Whatever happened has been dealt with.
    pub(super) fn after_step(
        &self,
        now: Instant,
        accumulator: &Accumulator,
        in_flight: impl Iterator<Item = (NodeId, usize)>,
    ) {
        let budget = accumulator.budget();
        let (used, total) = (budget.used(), budget.total());
        broken_if(I6, used > total, || {
            format!("{used} of {total} bytes of memory are in use")
        });
        let least = self.ledger.least(self.limits.compresses);
        broken_if(I6, used < least, || {
            format!("{used} bytes in use for records that cost {least}")
        });
        for (node, requests) in in_flight {
            broken_if(I10, requests > self.limits.max_in_flight, || {
                format!("{requests} requests are on their way to node {node}")
            });
        }
        // The one accepted first has the earliest deadline: its batch was opened by then.
        if let Some((_, id)) = self.open_in_order.first() {
            let deadline = self
                .record(*id)
                .deadline
                .expect("open records were accepted");
            broken_if(I7, now > self.fair(deadline), || {
                format!(
                    "record {id} has no outcome {:?} after its deadline",
                    now - deadline
                )
            });
        }
    }

    /// No request carries anything, and no memory waits for whom it was given to.
    pub(super) fn check_cost(&self, accumulator: &Accumulator) {
        let (used, most) = (accumulator.budget().used(), self.ledger.most());
        broken_if(I6, used > most, || {
            format!("{used} bytes in use for records that cost no more than {most}")
        });
    }

    /// The producer has stopped.
    pub(super) fn finish(&self, accumulator: &Accumulator) {
        broken_if(I1, !self.open.is_empty(), || {
            format!("no outcome for records {:?}", self.open)
        });
        self.check_purged();
        let used = accumulator.budget().used();
        broken_if(I6, used != 0, || {
            format!("{used} bytes of memory are still in use at the end")
        });
        broken_if(I6, accumulator.budget().has_waiters(), || {
            "somebody still waits for memory at the end".to_owned()
        });
        let topic = accumulator.topic(TOPIC);
        let queues = topic
            .iter()
            .flat_map(|topic| (0..topic.partition_count()).filter_map(|index| topic.queue(index)));
        for queue in queues {
            broken_if(I6, queue.load() != 0, || {
                format!(
                    "partition {} counts {} batches at the end",
                    queue.index(),
                    queue.load()
                )
            });
        }
    }

    /// Whether a record of this partition has no outcome yet.
    pub(super) fn has_open(&self, partition: i32) -> bool {
        let mut open = self.open.iter();
        open.any(|id| self.record(*id).partition == partition)
    }

    /// Whether all has been quiet in this partition, and for so long that a broker may forget who
    /// wrote to it. Really that takes a day.
    pub(super) fn may_be_forgotten(&self, now: Instant, partition: i32) -> bool {
        let told = self.newest_told.get(&partition);
        !self.has_open(partition)
            && told.is_some_and(|(_, told)| now - *told >= Duration::from_secs(1))
    }

    /// A topic was made again: of two batches on their way the second may be the first that the new
    /// topic takes.
    pub(super) fn on_recreated(&mut self) {
        self.has_memory = false;
    }

    /// The numbers of the records in a log.
    pub(super) fn ids(log: &[MockRecord]) -> Vec<RecordId> {
        log.iter()
            .map(|record| id_of(record.value.as_deref()))
            .collect()
    }

    pub(super) fn outcome(&self, id: RecordId) -> Option<Result<Option<i64>, ErrorKind>> {
        self.record(id).outcome
    }
}

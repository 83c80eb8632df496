//! One partition's queue of batches: callers append to its back, the I/O thread takes from its front.
//! Its lock is held for a few lines, never across a callback, a wait or a system call. HOT.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::accumulator::batch::{BatchId, CompressState, QueuedBatch};
use crate::accumulator::lanes::this_thread;
use crate::accumulator::topic_compression::TopicCompression;
use crate::config::TopicSettings;
use crate::record::batch::{BatchEncoder, PackedBatch};
use crate::sync::{Arc, AtomicBool, AtomicUsize, Mutex, Ordering, Rank, Ranked};

/// A partition's number in this producer, over all topics; counts from 0 and is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartitionId(pub(crate) usize);

/// The batches of one partition that the I/O thread has not taken yet.
#[derive(Debug)]
pub(crate) struct PartitionQueue {
    id: PartitionId,
    topic: Arc<str>,
    index: i32,
    settings: TopicSettings,
    /// How its batches are compressed, if they are.
    compression: Option<Arc<TopicCompression>>,
    pub(super) state: Mutex<QueueState>,
    /// How many batches are queued, or sent and not acknowledged yet: the load that the built-in
    /// partitioner balances (KIP-794). Written under the lock or by the I/O thread.
    load: AtomicUsize,
    /// Whether its leader has taken nothing for `partitioner.availability.timeout.ms`: keyless records
    /// then go elsewhere. Written by the I/O thread.
    stuck: AtomicBool,
    /// The [thread](this_thread) that has opened the latest batch; 0 before the first.
    caller: AtomicUsize,
}

#[derive(Debug, Default)]
pub(super) struct QueueState {
    /// In append order. Invariant: only the last one has room.
    pub(super) batches: VecDeque<QueuedBatch>,
    /// Whether appends are refused. Set once, under this lock: from then on the I/O thread, which
    /// looks under the same lock, sees every record that was ever accepted.
    pub(super) closed: bool,
    /// Whether the last batch that left was full. The next one probably will be, too, so it borrows
    /// the memory of a finished batch at once and does not grow step by step.
    pub(super) is_busy: bool,
    /// Records accepted so far.
    pub(super) accepted: u64,
    /// Bytes that the built-in partitioner has appended here since this partition's turn began.
    pub(super) turn_bytes: usize,
}

/// What the sender has to know about the oldest batch in a queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) id: BatchId,
    pub(crate) opened: Instant,
    /// Whether it need not linger: it is full, or a caller waits for one of its records.
    pub(crate) is_ready: bool,
    /// Whether a caller compresses it: it is not ready before that is done.
    pub(crate) is_compressing: bool,
    /// On the wire, by a guess if it is to be compressed.
    pub(crate) bytes: usize,
    /// About how long the I/O thread would compress it.
    pub(crate) work: Duration,
}

impl QueueState {
    /// The batch, if the I/O thread has not taken it.
    pub(super) fn find(&mut self, id: BatchId) -> Option<&mut QueuedBatch> {
        let index = self.batches.partition_point(|batch| batch.id < id);
        self.batches.get_mut(index).filter(|batch| batch.id == id)
    }

    fn take(&mut self) -> Option<QueuedBatch> {
        let batch = self.batches.pop_front()?;
        self.is_busy = batch.is_full;
        Some(batch)
    }
}

impl PartitionQueue {
    pub(super) fn new(
        id: PartitionId,
        topic: Arc<str>,
        index: i32,
        settings: TopicSettings,
        compression: Option<Arc<TopicCompression>>,
    ) -> Self {
        Self {
            id,
            topic,
            index,
            settings,
            compression,
            state: Mutex::ranked(Rank::Partition, QueueState::default()),
            load: AtomicUsize::new(0),
            stuck: AtomicBool::new(false),
            caller: AtomicUsize::new(0),
        }
    }

    pub(crate) fn id(&self) -> PartitionId {
        self.id
    }

    pub(crate) fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    pub(crate) fn index(&self) -> i32 {
        self.index
    }

    /// The partition as messages name it: `"orders"-0`.
    pub(crate) fn name(&self) -> String {
        format!("\"{}\"-{}", self.topic, self.index)
    }

    /// What holds for its records, as for all of its topic.
    pub(crate) fn settings(&self) -> &TopicSettings {
        &self.settings
    }

    /// When a batch that was opened then fails, if it has no outcome by that time.
    pub(crate) fn deadline_of(&self, opened: Instant) -> Instant {
        opened + self.settings.delivery_timeout
    }

    /// How its batches are compressed, if they are.
    pub(crate) fn compression(&self) -> Option<&Arc<TopicCompression>> {
        self.compression.as_ref()
    }

    /// Ends the encoding of a batch: compressed, if its topic is.
    pub(super) fn pack(&self, batch: BatchEncoder) -> PackedBatch {
        match &self.compression {
            Some(compression) => compression.pack(batch),
            None => batch.pack(),
        }
    }

    /// Batches that are not acknowledged yet, queued or sent.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Whether keyless records should go elsewhere.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed)
    }

    /// Runs on: I/O thread.
    pub(crate) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Relaxed);
    }

    /// One more batch: it was opened, or split off another one.
    pub(crate) fn increase_load(&self) {
        self.load.fetch_add(1, Ordering::Relaxed);
    }

    /// Remembers that this thread has opened the latest batch. Runs on: caller.
    pub(super) fn remember_caller(&self) {
        self.caller.store(this_thread(), Ordering::Relaxed);
    }

    /// Whether another caller has opened the latest batch. If not, it is the I/O thread that holds the
    /// lock when this caller finds it taken. Runs on: caller.
    pub(super) fn has_other_caller(&self) -> bool {
        ![0, this_thread()].contains(&self.caller.load(Ordering::Relaxed))
    }

    /// One batch less: it has its outcome. Runs on: I/O thread.
    pub(crate) fn decrease_load(&self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }

    /// Records accepted so far.
    pub(super) fn accepted(&self) -> u64 {
        self.state.lock().accepted
    }

    /// The oldest batch, if any. Runs on: I/O thread.
    pub(crate) fn head(&self) -> Option<Head> {
        let state = self.state.lock();
        let batch = state.batches.front()?;
        Some(Head {
            id: batch.id,
            opened: batch.opened,
            is_ready: batch.is_full || batch.is_urgent || state.batches.len() > 1,
            is_compressing: batch.is_compressing(),
            bytes: batch.estimated_len(),
            work: self.work(batch),
        })
    }

    /// About how long the I/O thread would compress the batch.
    fn work(&self, batch: &QueuedBatch) -> Duration {
        let compression = self.compression.as_ref().zip(batch.uncompressed_len());
        compression.map_or(Duration::ZERO, |(one, bytes)| one.work(bytes))
    }

    /// Takes the oldest batch out. Runs on: I/O thread.
    pub(crate) fn take(&self) -> Option<QueuedBatch> {
        self.state.lock().take()
    }

    /// Takes the oldest batch out if it is this one. Runs on: I/O thread.
    pub(crate) fn take_if(&self, id: BatchId) -> Option<QueuedBatch> {
        let mut state = self.state.lock();
        state.batches.front().filter(|batch| batch.id == id)?;
        state.take()
    }

    /// Its broker cannot be reached: what was left to the I/O thread to compress is not what keeps that
    /// thread busy, and callers should not compress everything else on its account. Runs on: I/O thread.
    pub(crate) fn discount_left_batches(&self) {
        let Some(compression) = &self.compression else {
            return;
        };
        for batch in &mut self.state.lock().batches {
            if matches!(batch.compress, Some(CompressState::LeftToIoThread)) {
                batch.compress = None;
                compression.finish_left_batch();
            }
        }
    }

    /// Records in batches that the I/O thread has not taken. Runs on: I/O thread.
    pub(crate) fn queued_records(&self) -> usize {
        let records = |batch: &QueuedBatch| batch.completions.len();
        self.state.lock().batches.iter().map(records).sum()
    }

    /// Marks the batch so that it leaves without lingering, if it has not left.
    ///
    /// Runs on: caller that waits for one of its records.
    pub(super) fn expedite(&self, id: BatchId) -> bool {
        let expedite = |batch: &mut QueuedBatch| batch.is_urgent = true;
        self.state.lock().find(id).map(expedite).is_some()
    }

    /// Refuses appends from now on.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
    }
}

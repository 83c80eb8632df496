//! Every record accepted and not yet drained: the one place where callers and the I/O thread meet
//! over records. Opens no socket, runs no callback and knows nothing of the I/O thread.
//!
//! ```text
//!   callers                                          the I/O thread
//!   append ──────> topic ──> partition's deque ──> head, take ──> seal
//!                  │  ▲      │                        ▲
//!         budget ──┘  │      └── notices ─────────────┘
//!                  publish  (a batch was opened, a batch is full)
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `append` | the caller's half: from a record to a place in a batch |
//! | `topics`, `partition`, `batch` | where batches are, and what becomes of one |
//! | `completion`, `group` | who is told, and how |
//! | `budget`, `recycler` | `buffer.memory`, and memory that is used again |
//! | `packing`, `compressing` | who compresses a full batch, and how large it will be |
//! | `undelivered` | what a close or a purge hands back |
//!
//! Lock order: topics (to replace them; they are read without a lock), then one partition, then the
//! notices, the recycler or the line of the budget. No lock is held while waiting for memory.
//!
//! The sender learns of work from [`Notice`]s, one or two per batch, so that finding what is ready
//! costs what is ready and not the number of partitions.

mod append;
mod batch;
mod budget;
mod callback;
mod completion;
mod compressing;
mod group;
#[cfg(test)]
#[cfg(shuttle)]
mod model;
mod packing;
mod partition;
mod recycler;
mod tally;
mod topics;
mod undelivered;

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;

use std::time::Instant;

pub(crate) use append::{Appended, NewRecord, Refused, Target, most_needed};
#[cfg(feature = "testing")]
pub(crate) use batch::OpenBatch;
pub(crate) use batch::{BatchId, Outcome, SealedBatch};
#[cfg(test)]
pub(crate) use budget::InLine;
pub(crate) use budget::{MemoryBudget, NoMemory, Reservation};
pub(crate) use callback::{GroupToken, OnCompletion, OwnCallback};
pub(crate) use completion::{Failure, Panicked, caught};
pub(crate) use group::GroupFunction;
pub(crate) use partition::{Head, PartitionId, PartitionQueue};
pub(crate) use tally::{Tally, Totals};
pub(crate) use topics::{CachedTopics, Topic, Topics};
pub use undelivered::UndeliveredRecord;

use crate::config::TopicTable;
use crate::error::Error;
use crate::ids::ProcessId;
use crate::interceptor::{Interceptors, Watch};
use crate::sync::{Arc, AtomicU64, Mutex, Ordering, Rank, Ranked, Swap, unique_number};

/// The queues, the memory they may hold, and what the sender has not heard of yet.
#[derive(Debug)]
pub(crate) struct Accumulator {
    batch_size: usize,
    budget: Arc<MemoryBudget>,
    topics: Swap<Topics>,
    /// Of the topics; no other accumulator has the same.
    version: AtomicU64,
    /// Whoever replaces the topics.
    changes: Mutex<()>,
    notices: Mutex<Vec<Notice>>,
    next_batch: AtomicU64,
    /// Where batches are drained.
    home: ProcessId,
    tally: Tally,
    /// Who is told of outcomes before the callers.
    interceptors: Option<Arc<Interceptors>>,
}

impl Drop for Accumulator {
    /// Callers' [views](CachedTopics) may keep the topics for a while yet, but not what compressors hold.
    fn drop(&mut self) {
        self.topics.load().compressors().clear();
    }
}

/// What the sender should look at.
#[derive(Debug)]
pub(crate) enum Notice {
    /// A batch has its first record.
    Opened {
        /// Where.
        queue: Arc<PartitionQueue>,
        batch: BatchId,
        opened: Instant,
    },
    /// A batch of this partition need not linger any more.
    Full(Arc<PartitionQueue>),
}

impl Accumulator {
    pub(crate) fn new(batch_size: usize, buffer_memory: usize, adaptive: bool) -> Self {
        Self {
            batch_size,
            budget: Arc::new(MemoryBudget::new(buffer_memory, batch_size)),
            topics: Swap::from_pointee(Topics::new(adaptive)),
            version: AtomicU64::new(unique_number()),
            changes: Mutex::ranked(Rank::Topics, ()),
            notices: Mutex::ranked(Rank::Notices, Vec::new()),
            next_batch: AtomicU64::new(0),
            home: ProcessId::current(),
            tally: Tally::default(),
            interceptors: None,
        }
    }

    /// The same, with other settings of topics than the defaults.
    pub(crate) fn with_settings(self, settings: TopicTable) -> Self {
        self.change(|topics| topics.set_settings(settings));
        self
    }

    /// The same, with interceptors that are told of outcomes.
    pub(crate) fn with_interceptors(mut self, interceptors: Option<Arc<Interceptors>>) -> Self {
        self.interceptors = interceptors;
        self
    }

    /// What a new batch of this partition has its outcomes watched by.
    fn watch(&self, queue: &PartitionQueue) -> Option<Arc<Watch>> {
        let interceptors = self.interceptors.as_ref()?;
        let watch = Watch::new(interceptors, queue.topic(), queue.index());
        Some(Arc::new(watch))
    }

    /// What holds for the records of each topic; a queue knows its own.
    pub(crate) fn settings(&self) -> Arc<TopicTable> {
        Arc::clone(self.topics.load().settings())
    }

    /// The process that made it, the only one where batches are drained.
    pub(crate) fn home(&self) -> ProcessId {
        self.home
    }

    pub(crate) fn budget(&self) -> &Arc<MemoryBudget> {
        &self.budget
    }

    /// The latest topics. The caller borrows them from `cache`, which stays as it is until the next
    /// call, whatever metadata comes meanwhile.
    ///
    /// Runs on: caller.
    #[inline]
    pub(crate) fn topics<'c>(&self, cache: &'c mut Option<CachedTopics>) -> &'c Topics {
        let version = self.version.load(Ordering::Acquire);
        if cache
            .as_ref()
            .is_none_or(|cached| cached.version != version)
        {
            self.refresh(version, cache);
        }
        &cache.as_ref().expect("it was just refreshed").topics
    }

    #[cold]
    fn refresh(&self, version: u64, cache: &mut Option<CachedTopics>) {
        let topics = self.topics.load_full();
        *cache = Some(CachedTopics { version, topics });
    }

    /// The topic, if metadata about it has come.
    pub(crate) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.load().find(name).cloned()
    }

    /// Whether appends are refused.
    pub(crate) fn is_closed(&self) -> bool {
        self.topics.load().is_closed()
    }

    /// Records accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        let topics = self.topics.load();
        topics.queues().map(|queue| queue.accepted()).sum()
    }

    /// What has become of the accepted records.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Records accepted whose callbacks have not all returned.
    pub(crate) fn pending(&self) -> u64 {
        let finished = self.tally.totals().finished();
        self.accepted().saturating_sub(finished)
    }

    /// A number above that of every batch opened so far.
    pub(crate) fn next_batch(&self) -> BatchId {
        BatchId::new(self.next_batch.load(Ordering::SeqCst))
    }

    /// Somebody waits for a record of this batch; returns whether it has not left yet.
    ///
    /// Runs on: caller.
    pub(crate) fn expedite(&self, queue: &Arc<PartitionQueue>, batch: BatchId) -> bool {
        let waits = queue.expedite(batch);
        if waits {
            self.notify(Notice::Full(Arc::clone(queue)));
        }
        waits
    }

    /// Makes topics and their partitions known to callers, all of them at once.
    ///
    /// Runs on: I/O thread.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Topics)) {
        let _one_at_a_time = self.changes.lock();
        let mut topics = Topics::clone(&self.topics.load());
        change(&mut topics);
        self.topics.store(Arc::new(topics));
        // After them: who sees this number sees these topics, or later ones.
        self.version.store(unique_number(), Ordering::Release);
    }

    /// Makes one topic's partitions known to callers.
    #[cfg(test)]
    pub(crate) fn publish(&self, name: &Arc<str>, partitions: usize, available: Vec<i32>) {
        self.change(|topics| topics.publish(name, partitions, available));
    }

    /// Moves what happened since the last call to the end of `notices`. Runs on: I/O thread.
    pub(crate) fn take_notices(&self, notices: &mut Vec<Notice>) {
        notices.append(&mut self.notices.lock());
    }

    /// Refuses appends and everybody who waits for memory. What is queued stays.
    pub(crate) fn close(&self) {
        self.change(Topics::close);
        self.budget.close();
    }

    /// The I/O thread has died: whatever is still queued fails, in order per partition. It was never
    /// sent. Nothing is accepted any more.
    pub(crate) fn abandon(&self, error: &Error) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for queue in self.topics.load().queues() {
            while let Some(batch) = queue.take() {
                outcomes.push(batch.fail(queue, error.clone()));
            }
        }
        self.notices.lock().clear();
        outcomes
    }

    fn notify(&self, notice: Notice) {
        self.notices.lock().push(notice);
    }
}

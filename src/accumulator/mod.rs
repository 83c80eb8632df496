//! Every accepted record until its callback has run: the queues, the batches in each of their forms,
//! and their memory. Callers and the I/O thread meet here over records. Opens no socket, runs no callback of its own accord, and does not know that there is an
//! I/O thread: "wake it" is a return value.
//!
//! ```text
//!   callers                                          the I/O thread
//!   append ──────> topic ──> partition's queue ──> head, take ──> seal ──> outcome
//!                  │  ▲      │                        ▲
//!         budget ──┘  │      └── notices ─────────────┘
//!                  publish  (a batch was opened, a batch is ready)
//! ```
//!
//! Each row uses those below it only; a test (`tests/it/tidy.rs`) checks that.
//!
//! | file | holds |
//! |---|---|
//! | `append` | the caller's half: a record is added to a batch |
//! | `topics` | the topics that callers can append to, and the choice of a sticky partition |
//! | `sealed` | a batch whose bytes are final, on its way to a broker |
//! | `outcome` | a finished batch, whose callbacks are to be run |
//! | `compress_job` | a caller compresses the batch that it has filled |
//! | `notices` | what the sender should look at |
//! | `partition` | one partition's queue of batches |
//! | `batch` | a batch that takes records |
//! | `record_limit` | how many records may be on their way |
//! | `budget` | `buffer.memory`, and who waits for it |
//! | `recycler` | memory of finished batches, to be used again |
//! | `callback` | a callback or token on its way into a batch |
//! | `completion` | what a batch's records call when it is finished |
//! | `topic_compression` | how a topic is compressed, and the compressors |
//! | `group`, `lanes`, `losses`, `ratio`, `tally`, `undelivered` | functions of groups; which partition a thread sticks to; where records failed while a producer closes; how well records compress; what has become of all records; what a close or a purge hands back |
//!
//! Lock order: topics (to replace them; they are read without a lock), then one partition, then the
//! notices, the recycler or the budget's queue. No lock is held while a caller waits for memory.

mod append;
mod batch;
mod budget;
mod callback;
mod completion;
mod compress_job;
mod group;
mod lanes;
mod losses;
#[cfg(test)]
#[cfg(shuttle)]
mod model;
mod notices;
mod outcome;
mod queue;
mod ratio;
mod record_limit;
mod recycler;
mod sealed;
mod tally;
mod topic_compression;
mod topics;
mod undelivered;

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;

pub(crate) use append::{Appended, Caller, NewRecord, Refused, Target, most_needed};
pub(crate) use batch::BatchId;
#[cfg(feature = "testing")]
pub(crate) use batch::QueuedBatch;
#[cfg(test)]
pub(crate) use budget::QueuedCaller;
pub(crate) use budget::{MemoryBudget, NoMemory, Reservation};
pub(crate) use callback::{CallbackRef, GroupToken, OwnCallback};
pub(crate) use completion::{Failure, caught};
pub(crate) use group::GroupFunction;
pub(crate) use losses::FailedByPartition;
pub use losses::PartitionFailures;
pub(crate) use notices::Notice;
use notices::Notices;
pub(crate) use outcome::Outcome;
pub(crate) use queue::{Head, PartitionId, PartitionQueue};
pub(crate) use record_limit::{Place, RecordLimit};
pub(crate) use sealed::SealedBatch;
pub(crate) use tally::Tally;
pub(crate) use topics::{CachedTopics, Topic, Topics};
pub use undelivered::UndeliveredRecord;

use crate::config::TopicTable;
use crate::error::{Error, Result};
use crate::ids::ProcessId;
use crate::interceptor::{Interceptors, PartitionInterceptors};
use crate::sync::{Arc, AtomicU64, Mutex, Ordering, Rank, Ranked, Swap, unique_number};

/// The queues, the memory they may hold, and what the sender has not looked at yet.
#[derive(Debug)]
pub(crate) struct Accumulator {
    batch_size: usize,
    /// How many records a batch may have; `usize::MAX` for no limit.
    batch_records: usize,
    budget: Arc<MemoryBudget>,
    /// How many records there may be at the same time, if that is limited.
    record_limit: Option<RecordLimit>,
    /// Whether batches belong to transactions.
    is_transactional: bool,
    topics: Swap<Topics>,
    /// The version of `topics`: a number that no other accumulator has either, so that a thread's
    /// cache of another producer's topics is not mistaken for one of these.
    version: AtomicU64,
    /// Held while `topics` are replaced, so that no change overwrites another.
    changes: Mutex<()>,
    notices: Notices,
    next_batch: AtomicU64,
    tally: Tally,
    /// The process whose I/O thread sends the batches.
    home: ProcessId,
    /// Notified of each record's outcome before its callback runs.
    interceptors: Option<Arc<Interceptors>>,
}

impl Drop for Accumulator {
    /// Threads may keep the topics [cached](CachedTopics) for a while yet, but not the compressors'
    /// memory.
    fn drop(&mut self) {
        self.topics.load().compressors().clear();
    }
}

impl Accumulator {
    pub(crate) fn new(batch_size: usize, buffer_memory: usize, adaptive: bool) -> Self {
        Self {
            batch_size,
            batch_records: usize::MAX,
            record_limit: None,
            is_transactional: false,
            budget: Arc::new(MemoryBudget::new(buffer_memory, batch_size)),
            topics: Swap::from_pointee(Topics::new(adaptive)),
            version: AtomicU64::new(unique_number()),
            changes: Mutex::ranked(Rank::Topics, ()),
            notices: Notices::new(),
            next_batch: AtomicU64::new(0),
            home: ProcessId::current(),
            tally: Tally::default(),
            interceptors: None,
        }
    }

    /// The same, with settings of topics in place of the defaults.
    pub(crate) fn with_settings(self, settings: TopicTable) -> Self {
        self.change(|topics| topics.set_settings(settings));
        self
    }

    /// The same, with limits to the number of records: in a batch, and in all.
    pub(crate) fn with_record_limits(
        mut self,
        batch: Option<usize>,
        in_all: Option<usize>,
    ) -> Self {
        self.batch_records = batch.unwrap_or(usize::MAX);
        self.record_limit = in_all.map(RecordLimit::new);
        self
    }

    /// The same; its batches belong to transactions, or do not.
    pub(crate) fn with_transactions(mut self, is_transactional: bool) -> Self {
        self.is_transactional = is_transactional;
        self
    }

    /// The same, with interceptors.
    pub(crate) fn with_interceptors(mut self, interceptors: Option<Arc<Interceptors>>) -> Self {
        self.interceptors = interceptors;
        self
    }

    /// The interceptors to notify of the outcomes of a new batch.
    fn interceptors_of(&self, queue: &PartitionQueue) -> Option<Arc<PartitionInterceptors>> {
        let all = self.interceptors.as_ref()?;
        let interceptors = PartitionInterceptors::new(all, queue.topic(), queue.index());
        Some(Arc::new(interceptors))
    }

    /// The settings of each topic; a queue knows those of its own.
    pub(crate) fn settings(&self) -> Arc<TopicTable> {
        Arc::clone(self.topics.load().settings())
    }

    /// The process that made it, the only one where its batches are sent.
    pub(crate) fn home(&self) -> ProcessId {
        self.home
    }

    pub(crate) fn budget(&self) -> &Arc<MemoryBudget> {
        &self.budget
    }

    /// How many records there may be, if that is limited.
    #[inline]
    pub(crate) fn record_limit(&self) -> Option<&RecordLimit> {
        self.record_limit.as_ref()
    }

    /// Whether a caller waits for room: batches then leave without waiting for `linger.ms`.
    pub(crate) fn has_waiters(&self) -> bool {
        let is_short = |limit: &RecordLimit| limit.has_waiters();
        self.budget.has_waiters() || self.record_limit.as_ref().is_some_and(is_short)
    }

    /// Whether a caller that must not wait was refused since the last call, as there was no room.
    /// Runs on: I/O thread.
    pub(crate) fn take_refused(&self) -> bool {
        let limit = self.record_limit.as_ref();
        let for_a_place = limit.is_some_and(RecordLimit::take_refused);
        self.budget.take_refused() || for_a_place
    }

    /// One more record has its outcome, and its callback has returned. Runs on: I/O thread.
    pub(crate) fn finish_record(&self, result: Result<(), &Error>) {
        self.tally.count(result);
        if let Some(limit) = &self.record_limit {
            limit.finish_one();
        }
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

    /// A caller waits for a record of this batch, which therefore leaves without lingering; returns
    /// whether it is still queued, and the I/O thread to be woken.
    ///
    /// Runs on: caller.
    pub(crate) fn expedite(&self, queue: &Arc<PartitionQueue>, batch: BatchId) -> bool {
        let is_queued = queue.expedite(batch);
        if is_queued {
            self.notices.push(Notice::Ready(Arc::clone(queue)));
        }
        is_queued
    }

    /// Makes topics and their partitions known to callers, all of them at once.
    ///
    /// Runs on: I/O thread.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Topics)) {
        let _one_at_a_time = self.changes.lock();
        let mut topics = Topics::clone(&self.topics.load());
        change(&mut topics);
        self.topics.store(Arc::new(topics));
        // Stored after the topics: a thread that sees this number finds these topics, or later ones.
        self.version.store(unique_number(), Ordering::Release);
    }

    /// Makes one topic's partitions known to callers.
    #[cfg(test)]
    pub(crate) fn publish(&self, name: &Arc<str>, partitions: usize, available: Vec<i32>) {
        self.change(|topics| topics.publish(name, partitions, available, Vec::new()));
    }

    /// Moves what callers have left since the last call to the end of `notices`. Runs on: I/O thread.
    pub(crate) fn take_notices(&self, notices: &mut Vec<Notice>) {
        self.notices.take(notices);
    }

    /// Refuses appends, and callers that wait for memory. What is queued stays.
    pub(crate) fn close(&self) {
        self.change(Topics::close);
        self.budget.close();
        if let Some(limit) = &self.record_limit {
            limit.close();
        }
    }

    /// Fails all that is queued, in order per partition, because the I/O thread has died. None of it
    /// was ever sent. The accumulator is closed already, so no more comes.
    pub(crate) fn abandon(&self, error: &Error) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for queue in self.topics.load().queues() {
            while let Some(batch) = queue.take() {
                outcomes.push(batch.fail(queue, error.clone()));
            }
        }
        self.notices.clear();
        outcomes
    }
}

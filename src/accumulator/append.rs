//! The caller's half: a record is added to the last batch of its partition's queue. HOT: once a batch
//! is open, nothing here allocates but the growth of the batch, and nothing is touched that callers on
//! other partitions touch. Blocks for the partition's lock only. Runs on: caller.

use std::time::Instant;

use crate::accumulator::Accumulator;
use crate::accumulator::batch::{BatchId, CompressState, QueuedBatch};
use crate::accumulator::budget::Reservation;
use crate::accumulator::callback::{CallbackRef, OnCompletion};
use crate::accumulator::completion::{Completion, Completions};
use crate::accumulator::compress_job::CompressJobs;
use crate::accumulator::lanes::step_aside;
use crate::accumulator::notices::Notice;
use crate::accumulator::queue::{PartitionQueue, QueueState};
use crate::accumulator::ratio::estimated_len;
use crate::accumulator::topic_compression::TopicCompression;
use crate::accumulator::topics::Topic;
use crate::record::batch::{BatchEncoder, Next};
use crate::record::{Record, encoded_size_upper_bound};
use crate::sync::{Arc, MutexGuard, Ordering};

/// What `buffer.memory` is charged for a batch besides its encoded records: the batch's header, its
/// bookkeeping here and in the sender, and its entry in a request.
pub(crate) const BATCH_COST: usize = 512;

/// What `buffer.memory` is charged for a record besides its encoded bytes and what its callback
/// captures, or its token takes.
pub(crate) const RECORD_COST: usize = size_of::<Completion>();

/// Where a record goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'t> {
    Partition(&'t Arc<PartitionQueue>),
    /// To the partition that keyless records of this topic go to at the moment.
    Sticky(&'t Topic),
}

/// A record is in a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appended<'t> {
    pub(crate) queue: &'t Arc<PartitionQueue>,
    pub(crate) batch: BatchId,
    /// Bytes by which the batch grew, its header included if the record opened it.
    bytes: usize,
    /// Whether the batch takes no more records.
    pub(crate) filled: bool,
    /// Whether the caller must wake the I/O thread: there is a new batch, or one is full.
    pub(crate) wake: bool,
}

/// Why a record was refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Refused {
    /// Memory is short. Wait for [`most_needed`], then come again with the reservation.
    NoMemory,
    /// The producer is closed.
    Closed,
    /// The record would open a batch in a forked child, which has no I/O thread to send it.
    Forked,
}

/// Whoever appends, as [`Accumulator::append`] asks it when a record opens or fills a batch.
pub(crate) trait Caller {
    /// The time, at which a batch opens.
    fn now(&self) -> Instant;

    /// Whether it may take the time to compress a batch. One that must not wait, or that holds up the I/O
    /// thread, must not compress either: that takes as long as the codec's level says.
    fn may_compress(&self) -> bool;
}

/// A clock alone stands for a caller that has time.
impl<F: Fn() -> Instant> Caller for F {
    fn now(&self) -> Instant {
        self()
    }

    fn may_compress(&self) -> bool {
        true
    }
}

/// The most that [`Accumulator::append`] can charge for a record with this content, whose callback
/// captures so many bytes.
pub(crate) fn most_needed(content: usize, callback_bytes: usize) -> usize {
    encoded_size_upper_bound(content).saturating_add(BATCH_COST + RECORD_COST + callback_bytes)
}

/// A record to be appended, and what its outcome will call.
pub(crate) struct NewRecord<'a> {
    pub(crate) record: Record<'a>,
    /// Its [content size](Record::content_size).
    pub(crate) content: usize,
    /// What its callback captures, or its token takes, in bytes.
    pub(crate) callback_bytes: usize,
    /// Moved into the batch together with the record.
    pub(crate) callback: &'a mut dyn OnCompletion,
}

impl<'a> NewRecord<'a> {
    #[inline]
    pub(crate) fn new(record: Record<'a>, callback: &'a mut CallbackRef<'_>) -> Self {
        Self {
            content: record.content_size(),
            callback_bytes: callback.charged_bytes,
            record,
            callback: &mut *callback.callback,
        }
    }
}

impl Accumulator {
    /// Adds a record to its partition's open batch, or to a new one. Waits for nothing but the
    /// partition's lock; a caller that may compress does so with the batch that it fills.
    ///
    /// `reserved`, if given, holds what [`most_needed`] says; what is left of it goes back.
    #[inline]
    pub(crate) fn append<'t>(
        &self,
        caller: &dyn Caller,
        target: Target<'t>,
        new: &mut NewRecord<'_>,
        mut reserved: Option<Reservation>,
    ) -> Result<Appended<'t>, Refused> {
        let mut has_ended_turn = false;
        loop {
            let (queue, mut state) = target.lock();
            let next = self.fit_in_open_batch(caller, queue, &mut state, new);
            if let Target::Sticky(topic) = target
                && next.is_none()
                && state.turn_is_over(self.batch_size)
            {
                has_ended_turn = true;
                state.turn_bytes = 0;
                self.unlock(queue, state, || topic.end_turn(queue));
                continue;
            }
            let appended = self.add(caller, queue, &mut state, new, next, reserved.as_mut());
            match (target, &appended) {
                (Target::Sticky(topic), Ok(appended)) if appended.filled => {
                    state.turn_bytes = 0;
                    self.unlock(queue, state, || topic.end_turn(queue));
                }
                (Target::Sticky(_), Ok(appended)) => {
                    state.turn_bytes = state.turn_bytes.saturating_add(appended.bytes);
                    self.unlock(queue, state, || ());
                }
                _ => self.unlock(queue, state, || ()),
            }
            let mut appended = appended?;
            // The batch that had no room for the record is full, though the record went elsewhere.
            appended.wake |= has_ended_turn;
            return Ok(appended);
        }
    }

    /// Unlocks the partition, does what comes `next`, and then compresses the batches that this
    /// caller has filled.
    #[inline]
    fn unlock(
        &self,
        queue: &Arc<PartitionQueue>,
        mut state: MutexGuard<'_, QueueState>,
        next: impl FnOnce(),
    ) {
        let compression = queue.compression();
        let jobs = compression
            .map(|compression| CompressJobs::claim(&self.notices, queue, compression, &mut state));
        drop(state);
        next();
        if let Some(jobs) = jobs {
            jobs.run();
        }
    }

    /// How the record will be encoded in the open batch; `None` if none is open. A batch that has no
    /// room for it is full from now on.
    #[inline]
    fn fit_in_open_batch(
        &self,
        caller: &dyn Caller,
        queue: &Arc<PartitionQueue>,
        state: &mut QueueState,
        new: &NewRecord<'_>,
    ) -> Option<Next> {
        let batch = state.batches.back_mut().filter(|batch| !batch.is_full)?;
        let encoder = &batch.encoder;
        let next = encoder.next(new.record.timestamp_ms, new.content);
        let bytes = next.bytes();
        // The new record counts uncompressed. The ratio is an average; a record that compresses badly
        // could otherwise push the batch over the broker's limit.
        let fits = estimated_len(encoder, batch.ratio) + bytes <= self.batch_size
            && (batch.ratio.is_none() || encoder.len() + bytes <= encoder.size_limit());
        if fits {
            return Some(next);
        }
        self.mark_full(caller, queue, batch);
        None
    }

    /// Adds the record to the open batch as `next` says, or else to a new batch.
    #[inline]
    fn add<'t>(
        &self,
        caller: &dyn Caller,
        queue: &'t Arc<PartitionQueue>,
        state: &mut QueueState,
        new: &mut NewRecord<'_>,
        next: Option<Next>,
        reserved: Option<&mut Reservation>,
    ) -> Result<Appended<'t>, Refused> {
        if state.closed {
            return Err(Refused::Closed);
        }
        let cost = RECORD_COST + new.callback_bytes;
        let next = match (next, state.batches.back_mut()) {
            (Some(next), Some(batch)) => {
                charge(&mut batch.reservation, next.bytes() + cost, reserved)?;
                next
            }
            _ => self.open_batch(caller, queue, state, new, cost, reserved)?,
        };
        let batch = state.batches.back_mut().expect("one is open");
        let is_new = batch.completions.len() == 0;
        batch.encoder.append(&new.record, next);
        new.callback.attach(&mut batch.completions, &new.record);
        let filled = estimated_len(&batch.encoder, batch.ratio) >= self.batch_size
            || batch.encoder.record_count() >= self.batch_records;
        if filled {
            self.mark_full(caller, queue, batch);
        }
        let header = if is_new {
            BatchEncoder::HEADER_BYTES
        } else {
            0
        };
        let appended = Appended {
            queue,
            batch: batch.id,
            bytes: header + next.bytes(),
            filled,
            wake: is_new || filled,
        };
        state.accepted += 1;
        Ok(appended)
    }

    /// How large a batch may become before it is compressed. However well its records compress, they
    /// are held as they are until then, and a few batches must not hold all of the memory. Nor must one of
    /// them keep a thread for long: at a slow level that limit is the lower one.
    fn size_limit(&self, compression: Option<&TopicCompression>) -> usize {
        const SHARE: usize = 8;
        // A batch's size has 31 bits on the wire.
        const MOST: usize = 1 << 30;
        let Some(compression) = compression else {
            return self.batch_size;
        };
        let share = (self.budget.total() / SHARE).min(MOST);
        share.max(self.batch_size).min(compression.most_at_once())
    }

    /// The batch takes no more records. The I/O thread gets a notice now, or, if this caller is to
    /// compress the batch, when that is done.
    #[cold]
    fn mark_full(&self, caller: &dyn Caller, queue: &Arc<PartitionQueue>, batch: &mut QueuedBatch) {
        batch.is_full = true;
        batch.reservation.settle();
        if let Some(compression) = queue.compression() {
            if compression.io_thread_has_enough() && caller.may_compress() {
                batch.compress = Some(CompressState::Claimed);
                return;
            }
            compression.leave_to_io_thread();
            batch.compress = Some(CompressState::LeftToIoThread);
        }
        self.notices.push(Notice::Ready(Arc::clone(queue)));
    }

    /// Opens a batch for the record, and says how it will be encoded there.
    #[cold]
    fn open_batch(
        &self,
        caller: &dyn Caller,
        queue: &Arc<PartitionQueue>,
        state: &mut QueueState,
        new: &NewRecord<'_>,
        cost: usize,
        reserved: Option<&mut Reservation>,
    ) -> Result<Next, Refused> {
        if !self.home.is_current() {
            return Err(Refused::Forked);
        }
        let compression = queue.compression();
        let limit = self.size_limit(compression.map(|one| &**one));
        let next = BatchEncoder::new(limit).next(new.record.timestamp_ms, new.content);
        let mut reservation = Reservation::empty(&self.budget);
        charge(&mut reservation, BATCH_COST + next.bytes() + cost, reserved)?;
        let (buffer, records) = match state.is_busy {
            true => reservation.borrow_memory().unwrap_or_default(),
            false => Default::default(),
        };
        // Never older than the batch before it, whatever clock a caller has: a batch expires only at the
        // front of its queue, so that an older one behind a younger one would stay there beyond its
        // deadline.
        let last = state.batches.back().map(|batch| batch.opened);
        let now = caller.now();
        let opened = last.map_or(now, |last| now.max(last));
        let id = BatchId::new(self.next_batch.fetch_add(1, Ordering::SeqCst));
        queue.increase_load();
        queue.remember_caller();
        self.notices.push(Notice::Opened {
            queue: Arc::clone(queue),
            batch: id,
            opened,
        });
        if state.batches.capacity() == 0 {
            // Left to itself the queue would begin with room for four, a KiB in each partition.
            state.batches.reserve_exact(1);
        }
        state.batches.push_back(QueuedBatch {
            id,
            opened,
            encoder: BatchEncoder::with_buffer(buffer, limit).in_transaction(self.is_transactional),
            compress: None,
            ratio: compression.map(|compression| compression.ratio()),
            completions: Completions::in_memory_of(records, self.interceptors_of(queue)),
            reservation,
            is_full: false,
            is_urgent: false,
        });
        Ok(next)
    }
}

impl QueueState {
    /// Whether the next partition's turn comes, for a record that does not fit in the open batch. A
    /// turn lasts until a batch is full, or until `batch.size` bytes have gone into batches that left
    /// before they were full. It does not end in the middle of a batch: each partition would be left with
    /// one that is half full.
    fn turn_is_over(&self, batch_size: usize) -> bool {
        self.turn_bytes > 0 && (!self.batches.is_empty() || self.turn_bytes >= batch_size)
    }
}

impl<'t> Target<'t> {
    /// Locks the partition. For keyless records: if another caller holds the lock, this one switches
    /// to the next lane and appends there, since to wait would cost more than to begin a batch
    /// elsewhere. If it is the I/O thread that holds the lock, it waits, as that takes a moment only;
    /// so a single caller fills one batch after the other.
    #[inline]
    fn lock(self) -> (&'t Arc<PartitionQueue>, MutexGuard<'t, QueueState>) {
        let queue = match self {
            Self::Partition(queue) => queue,
            Self::Sticky(topic) => {
                let queue = topic.sticky_partition();
                if let Some(state) = queue.state.try_lock() {
                    return (queue, state);
                }
                if queue.has_other_caller() {
                    step_aside();
                }
                topic.sticky_partition()
            }
        };
        (queue, queue.state.lock())
    }
}

/// Charges a batch, from the caller's reservation if it has waited for one.
#[inline]
fn charge(
    batch: &mut Reservation,
    bytes: usize,
    reserved: Option<&mut Reservation>,
) -> Result<(), Refused> {
    match reserved {
        Some(reserved) => {
            batch.take_from(reserved, bytes);
            Ok(())
        }
        None if batch.try_grow(bytes) => Ok(()),
        None => Err(Refused::NoMemory),
    }
}

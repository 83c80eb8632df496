//! The caller's half: a record goes to the end of its partition's queue. HOT: after a batch is
//! open, nothing here allocates but the growth of the batch, and nothing is touched that callers on
//! other partitions touch. Blocks for the partition's lock only.

use std::time::Instant;

use crate::accumulator::batch::{BatchId, OpenBatch};
use crate::accumulator::budget::Reservation;
use crate::accumulator::completion::{Completion, Completions};
use crate::accumulator::packing::{Jobs, Packing};
use crate::accumulator::partition::{PartitionQueue, QueueState};
use crate::accumulator::topics::{Topic, step_aside};
use crate::accumulator::{Accumulator, Notice};
use crate::record::batch::BatchEncoder;
use crate::record::{Record, encoded_size_upper_bound};
use crate::sync::{Arc, MutexGuard, Ordering};

/// What `buffer.memory` is charged for a batch besides its encoded records: the batch's header, its
/// bookkeeping here and in the sender, and its place in a request.
pub(crate) const BATCH_COST: usize = 512;

/// What `buffer.memory` is charged for a record besides its encoded bytes and what its callback
/// captures, or its token takes.
pub(crate) const RECORD_COST: usize = size_of::<Completion>();

/// A record is in a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appended {
    pub(crate) batch: BatchId,
    /// Bytes by which the batch grew, its header included if the record opened it.
    bytes: usize,
    /// Whether the batch takes no more.
    pub(crate) filled: bool,
    /// Whether the I/O thread must be told: there is a batch it does not know, or one is full.
    pub(crate) wake: bool,
}

/// Why a record was not taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Refused {
    /// Memory is short. Wait for [`most_needed`], then come again with the reservation.
    NoMemory,
    /// The producer is closed.
    Closed,
    /// The record would open a batch in a forked child, where nobody drains it.
    Forked,
}

/// The most that [`Accumulator::append`] can charge for a record with this content, whose callback
/// captures so many bytes.
pub(crate) fn most_needed(content: usize, callback_bytes: usize) -> usize {
    encoded_size_upper_bound(content).saturating_add(BATCH_COST + RECORD_COST + callback_bytes)
}

/// A record that comes to be appended, with what was brought for it.
pub(crate) struct Arrival<'a> {
    pub(crate) record: Record<'a>,
    /// Its [content size](Record::content_size).
    pub(crate) content: usize,
    /// What its callback captures, or its token takes, in bytes.
    pub(crate) callback_bytes: usize,
    /// Gives the callback or the token away: called once, when the record is in its batch.
    owed: &'a mut Owed<'a>,
}

/// Adds what a record's caller is owed to what its batch owes.
pub(crate) type Owed<'a> = dyn FnMut(&mut Completions, &Record<'_>) + 'a;

impl<'a> Arrival<'a> {
    pub(crate) fn new(record: Record<'a>, callback_bytes: usize, owed: &'a mut Owed<'a>) -> Self {
        Self {
            content: record.content_size(),
            record,
            callback_bytes,
            owed,
        }
    }
}

/// A callback, ready to be given away once.
#[cfg(test)]
pub(crate) fn boxed<F>(callback: F) -> impl FnMut(&mut Completions, &Record<'_>)
where
    F: FnOnce(crate::error::Result<crate::RecordMetadata>) + Send + 'static,
{
    let mut callback = Some(callback);
    move |completions: &mut Completions, record: &Record<'_>| {
        completions.push(Box::new(callback.take().expect("given away once")), record);
    }
}

impl Accumulator {
    /// Adds a record to its partition's open batch, or to a new one, and returns at once.
    ///
    /// `reserved`, if given, holds what [`most_needed`] says; what is left of it goes back. `clock`
    /// is read if the record opens a batch.
    ///
    /// Runs on: caller.
    pub(crate) fn append(
        &self,
        clock: &dyn Fn() -> Instant,
        queue: &Arc<PartitionQueue>,
        arrival: &mut Arrival<'_>,
        reserved: Option<Reservation>,
    ) -> Result<Appended, Refused> {
        let mut state = queue.state.lock();
        let appended = self.add(clock, queue, &mut state, arrival, reserved);
        self.leave(queue, state, || ());
        appended
    }

    /// [`append`](Self::append) for a record without a key, in the partition whose turn it is.
    ///
    /// Runs on: caller.
    pub(crate) fn append_keyless<'t>(
        &self,
        clock: &dyn Fn() -> Instant,
        topic: &'t Topic,
        arrival: &mut Arrival<'_>,
        reserved: Option<Reservation>,
    ) -> Result<(Appended, &'t Arc<PartitionQueue>), Refused> {
        let mut has_ended_turn = false;
        loop {
            let (queue, mut state) = enter(topic);
            if self.turn_is_over(queue, &mut state, arrival) {
                has_ended_turn = true;
                self.leave(queue, state, || topic.end_turn(queue));
                continue;
            }
            let appended = self.add(clock, queue, &mut state, arrival, reserved);
            let has_filled = matches!(&appended, Ok(appended) if appended.filled);
            if has_filled {
                state.turn_bytes = 0;
            } else if let Ok(appended) = &appended {
                state.turn_bytes = state.turn_bytes.saturating_add(appended.bytes);
            }
            self.leave(queue, state, || {
                if has_filled {
                    topic.end_turn(queue);
                }
            });
            let mut appended = appended?;
            // The batch that it had no room in is full, though the record went elsewhere.
            appended.wake |= has_ended_turn;
            return Ok((appended, queue));
        }
    }

    /// Lets others at the partition, does what comes `next`, and then compresses what this caller has
    /// found to be full.
    fn leave(
        &self,
        queue: &Arc<PartitionQueue>,
        mut state: MutexGuard<'_, QueueState>,
        next: impl FnOnce(),
    ) {
        let compressing = queue.compressing();
        let jobs = compressing.map(|one| Jobs::claim(self, queue, one, &mut state));
        drop(state);
        next();
        if let Some(jobs) = jobs {
            jobs.run();
        }
    }

    /// A turn lasts until a batch is full, or `batch.size` bytes have gone into batches that left
    /// before they were: never to the middle of a batch, for half-full ones would be left behind.
    fn turn_is_over(
        &self,
        queue: &Arc<PartitionQueue>,
        state: &mut QueueState,
        arrival: &Arrival<'_>,
    ) -> bool {
        if state.turn_bytes == 0 {
            return false;
        }
        let is_over = match state.batches.back_mut() {
            Some(batch) => self.room_for(queue, batch, arrival).is_none(),
            None => state.turn_bytes >= self.batch_size,
        };
        if is_over {
            state.turn_bytes = 0;
        }
        is_over
    }

    fn add(
        &self,
        clock: &dyn Fn() -> Instant,
        queue: &Arc<PartitionQueue>,
        state: &mut QueueState,
        arrival: &mut Arrival<'_>,
        mut reserved: Option<Reservation>,
    ) -> Result<Appended, Refused> {
        if state.closed {
            return Err(Refused::Closed);
        }
        let cost = RECORD_COST + arrival.callback_bytes;
        let open = state.batches.back_mut();
        let open = open.and_then(|batch| Some((self.room_for(queue, batch, arrival)?, batch)));
        let is_new = open.is_none();
        let (before, batch) = match open {
            Some((bytes, batch)) => {
                charge(&mut batch.reservation, bytes + cost, reserved.as_mut())?;
                (batch.encoder.len(), batch)
            }
            None => {
                // A queue whose batches did not expire from front to back would keep one for ever.
                let last = state.batches.back().map(|batch| batch.opened);
                let now = clock();
                let now = last.map_or(now, |last| now.max(last));
                let batch =
                    self.open(now, queue, state.is_busy, arrival, cost, reserved.as_mut())?;
                queue.note_opened();
                queue.note_caller();
                self.notify(Notice::Opened {
                    queue: Arc::clone(queue),
                    batch: batch.id,
                    opened: batch.opened,
                });
                state.batches.push_back(batch);
                let pushed = state.batches.back_mut();
                (0, pushed.expect("it was pushed just now"))
            }
        };
        state.accepted += 1;
        batch.encoder.append(&arrival.record, arrival.content);
        (arrival.owed)(&mut batch.completions, &arrival.record);
        let filled = batch.estimated_len() >= self.batch_size;
        if filled {
            self.fill(queue, batch);
        }
        Ok(Appended {
            batch: batch.id,
            bytes: batch.encoder.len() - before,
            filled,
            wake: is_new || filled,
        })
    }

    /// How many bytes the record takes in this batch; if it has no room for them, it is full from
    /// now on.
    fn room_for(
        &self,
        queue: &Arc<PartitionQueue>,
        batch: &mut OpenBatch,
        arrival: &Arrival<'_>,
    ) -> Option<usize> {
        if batch.is_full {
            return None;
        }
        let encoder = &batch.encoder;
        let bytes = encoder.size_of_next(arrival.record.timestamp_ms, arrival.content);
        // How well the record can be compressed is not guessed: an uncommon one may be large.
        let fits = batch.estimated_len() + bytes <= self.batch_size
            && encoder.len() + bytes <= self.raw_limit();
        if fits {
            return Some(bytes);
        }
        self.fill(queue, batch);
        None
    }

    /// How large a batch may become that is to be compressed: however well that goes, a few batches
    /// must not hold all of the memory.
    fn raw_limit(&self) -> usize {
        const SHARE: usize = 8;
        // A batch's size is 32 bits on the wire.
        const MOST: usize = 1 << 30;
        self.batch_size.max((self.budget.total() / SHARE).min(MOST))
    }

    /// The batch takes no more. The I/O thread hears of it now, or when this caller has compressed
    /// it.
    fn fill(&self, queue: &Arc<PartitionQueue>, batch: &mut OpenBatch) {
        batch.is_full = true;
        batch.reservation.settle();
        if let Some(compressing) = queue.compressing() {
            if compressing.note_more_work() {
                batch.packing = Some(Packing::Asked);
                return;
            }
            batch.packing = Some(Packing::Left);
        }
        self.notify(Notice::Full(Arc::clone(queue)));
    }

    fn open(
        &self,
        now: Instant,
        queue: &PartitionQueue,
        is_busy: bool,
        arrival: &Arrival<'_>,
        cost: usize,
        reserved: Option<&mut Reservation>,
    ) -> Result<OpenBatch, Refused> {
        if !self.home.is_current() {
            return Err(Refused::Forked);
        }
        let compressing = queue.compressing();
        let limit = compressing.map_or(self.batch_size, |_| self.raw_limit());
        let (timestamp_ms, content) = (arrival.record.timestamp_ms, arrival.content);
        let bytes = BatchEncoder::new(limit).size_of_next(timestamp_ms, content);
        let mut reservation = Reservation::empty(&self.budget);
        charge(&mut reservation, BATCH_COST + bytes + cost, reserved)?;
        let (buffer, records) = match is_busy {
            true => reservation.borrow_memory().unwrap_or_default(),
            false => Default::default(),
        };
        let encoder = BatchEncoder::with_buffer(buffer, limit);
        Ok(OpenBatch {
            id: BatchId::new(self.next_batch.fetch_add(1, Ordering::SeqCst)),
            opened: now,
            encoder,
            packing: None,
            ratio: compressing.map(|compressing| compressing.ratio()),
            completions: Completions::in_memory_of(records),
            reservation,
            is_full: false,
            is_urgent: false,
        })
    }
}

/// The partition whose turn it is, for this caller alone. One that another caller is at leads to
/// another lane: to wait for it would cost more than to begin a batch elsewhere. The I/O thread is
/// waited for, and a caller without company fills one batch after the other.
fn enter(topic: &Topic) -> (&Arc<PartitionQueue>, MutexGuard<'_, QueueState>) {
    let queue = topic.sticky_partition();
    if let Some(state) = queue.state.try_lock() {
        return (queue, state);
    }
    if queue.is_shared() {
        step_aside();
    }
    let queue = topic.sticky_partition();
    (queue, queue.state.lock())
}

/// Charges a batch, from the caller's reservation if it has waited for one.
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

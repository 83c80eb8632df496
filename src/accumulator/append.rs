//! The caller's half: a record goes to the end of its partition's queue. HOT: after a batch is
//! open, nothing here allocates but the growth of the batch, and nothing is touched that callers on
//! other partitions touch. Blocks for the partition's lock only.

use std::time::Instant;

use crate::accumulator::batch::{BatchId, OpenBatch};
use crate::accumulator::budget::Reservation;
use crate::accumulator::completion::{Callback, Completion};
use crate::accumulator::partition::{PartitionQueue, QueueState};
use crate::accumulator::topics::{Lane, Topic};
use crate::accumulator::{Accumulator, Notice};
use crate::error::Result;
use crate::record::Record;
use crate::record::batch::BatchEncoder;
use crate::record::metadata::RecordMetadata;
use crate::sync::{Arc, Ordering};

/// What `buffer.memory` is charged for a batch besides its encoded records: the batch's header, its
/// bookkeeping here and in the sender, and its place in a request.
pub(crate) const BATCH_COST: usize = 512;

/// What `buffer.memory` is charged for a record besides its encoded bytes and what its callback
/// captures.
pub(crate) const RECORD_COST: usize = size_of::<Completion>();

/// A record is in a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appended {
    pub(crate) batch: BatchId,
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

/// The most that [`Accumulator::try_append`] can charge for a record.
pub(crate) fn most_needed<F>(record: &Record<'_>) -> usize {
    let bytes = usize::try_from(record.encoded_size_upper_bound()).unwrap_or(usize::MAX);
    bytes.saturating_add(BATCH_COST + RECORD_COST + size_of::<F>())
}

/// A record that comes to be appended, with what was brought for it.
struct Arrival<'a, C> {
    record: &'a Record<'a>,
    /// What its callback captures, in bytes.
    callback_bytes: usize,
    reserved: Option<Reservation>,
    clock: C,
}

impl Accumulator {
    /// Adds a record to its partition's open batch, or to a new one, and returns at once. A refusal
    /// hands the callback back.
    ///
    /// `reserved`, if given, holds what [`most_needed`] says; what is left of it goes back. `clock`
    /// is read if the record opens a batch.
    ///
    /// Runs on: caller.
    pub(crate) fn try_append<F>(
        &self,
        clock: impl FnOnce() -> Instant,
        queue: &Arc<PartitionQueue>,
        record: &Record<'_>,
        callback: Box<F>,
        reserved: Option<Reservation>,
    ) -> Result<Appended, (Refused, Box<F>)>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        let arrival = Arrival {
            record,
            callback_bytes: size_of::<F>(),
            reserved,
            clock,
        };
        let mut state = queue.state.lock();
        self.append_to(queue, &mut state, arrival, callback)
    }

    /// [`try_append`](Self::try_append) for a record without a key, to the partition whose turn it
    /// is. Returns the partition as well, also with a refusal: whoever waits for memory may find it
    /// another one's turn.
    ///
    /// Runs on: caller.
    pub(crate) fn try_append_keyless<'t, F>(
        &self,
        clock: impl FnOnce() -> Instant,
        topic: &'t Topic,
        lane: &Lane,
        record: &Record<'_>,
        callback: Box<F>,
        reserved: Option<Reservation>,
    ) -> Result<(Appended, &'t Arc<PartitionQueue>), (Refused, Box<F>)>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        let arrival = Arrival {
            record,
            callback_bytes: size_of::<F>(),
            reserved,
            clock,
        };
        loop {
            let mut queue = topic.sticky_partition(lane);
            let mut state = match queue.state.try_lock() {
                Some(state) => state,
                None => {
                    lane.step_aside();
                    queue = topic.sticky_partition(lane);
                    queue.state.lock()
                }
            };
            if self.turn_is_over(queue, &mut state, record) {
                drop(state);
                topic.end_turn(lane, queue);
                continue;
            }
            let appended = self.append_to(queue, &mut state, arrival, callback)?;
            state.turn_bytes = state.turn_bytes.saturating_add(record.content_size());
            if appended.filled {
                state.turn_bytes = 0;
                drop(state);
                topic.end_turn(lane, queue);
            }
            return Ok((appended, queue));
        }
    }

    /// A turn lasts until a batch is full, or `batch.size` bytes have gone into batches that left
    /// before they were: never to the middle of a batch, for half-full ones would be left behind.
    fn turn_is_over(
        &self,
        queue: &Arc<PartitionQueue>,
        state: &mut QueueState,
        record: &Record<'_>,
    ) -> bool {
        if state.turn_bytes == 0 {
            return false;
        }
        let is_over = match state.batches.back_mut() {
            Some(batch) => !self.has_room(queue, batch, record),
            None => state.turn_bytes >= self.batch_size,
        };
        if is_over {
            state.turn_bytes = 0;
        }
        is_over
    }

    fn append_to<F>(
        &self,
        queue: &Arc<PartitionQueue>,
        state: &mut QueueState,
        arrival: Arrival<'_, impl FnOnce() -> Instant>,
        callback: Box<F>,
    ) -> Result<Appended, (Refused, Box<F>)>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        let record = arrival.record;
        match self.place(queue, state, arrival) {
            Ok((batch, appended)) => {
                let callback: Box<Callback> = callback;
                batch.completions.push(Completion::new(
                    callback,
                    record.timestamp_ms,
                    record.key,
                    record.value,
                ));
                state.accepted += 1;
                Ok(appended)
            }
            Err(refused) => Err((refused, callback)),
        }
    }

    fn place<'a>(
        &self,
        queue: &Arc<PartitionQueue>,
        state: &'a mut QueueState,
        arrival: Arrival<'_, impl FnOnce() -> Instant>,
    ) -> Result<(&'a mut OpenBatch, Appended), Refused> {
        if state.closed {
            return Err(Refused::Closed);
        }
        let Arrival {
            record,
            callback_bytes,
            mut reserved,
            clock,
        } = arrival;
        let cost = RECORD_COST + callback_bytes;
        let has_room = state
            .batches
            .back_mut()
            .is_some_and(|batch| self.has_room(queue, batch, record));
        if has_room {
            let batch = state
                .batches
                .back_mut()
                .expect("has_room() saw it under this lock");
            let bytes = batch.encoder.size_of_next(record);
            charge(&mut batch.reservation, bytes + cost, reserved.as_mut())?;
        } else {
            // A queue whose batches did not expire from front to back would keep one for ever.
            let last = state.batches.back().map(|batch| batch.opened);
            let now = clock();
            let now = last.map_or(now, |last| now.max(last));
            let opened = self.open(now, queue, record, cost, reserved.as_mut())?;
            let notice = Notice::Opened {
                queue: Arc::clone(queue),
                batch: opened.id,
                opened: opened.opened,
            };
            queue.note_opened();
            state.batches.push_back(opened);
            self.notify(notice);
        }
        let batch = state
            .batches
            .back_mut()
            .expect("there is a batch, found or pushed");
        batch.encoder.append(record);
        let filled = batch.estimated_len() >= self.batch_size;
        if filled && !batch.is_full {
            self.fill(queue, batch);
        }
        let appended = Appended {
            batch: batch.id,
            filled,
            wake: !has_room || filled,
        };
        Ok((batch, appended))
    }

    /// Whether the record goes into this batch; if not, the batch is full from now on.
    fn has_room(
        &self,
        queue: &Arc<PartitionQueue>,
        batch: &mut OpenBatch,
        record: &Record<'_>,
    ) -> bool {
        if batch.is_full {
            return false;
        }
        // How well the record can be compressed is not guessed: an uncommon one may be large.
        let bytes = batch.encoder.size_of_next(record);
        let fits = batch.estimated_len() + bytes <= self.batch_size
            && batch.encoder.len() + bytes <= self.raw_limit();
        if !fits {
            self.fill(queue, batch);
        }
        fits
    }

    /// How large a batch may become that is to be compressed: however well that goes, a few batches
    /// must not hold all of the memory.
    fn raw_limit(&self) -> usize {
        const SHARE: usize = 8;
        self.batch_size.max(self.budget.total() / SHARE)
    }

    fn fill(&self, queue: &Arc<PartitionQueue>, batch: &mut OpenBatch) {
        batch.is_full = true;
        self.notify(Notice::Full(Arc::clone(queue)));
    }

    fn open(
        &self,
        now: Instant,
        queue: &PartitionQueue,
        record: &Record<'_>,
        cost: usize,
        reserved: Option<&mut Reservation>,
    ) -> Result<OpenBatch, Refused> {
        if !self.home.is_current() {
            return Err(Refused::Forked);
        }
        let compressing = queue.compressing();
        let limit = compressing.map_or(self.batch_size, |_| self.raw_limit());
        let encoder = BatchEncoder::new(limit);
        let bytes = encoder.size_of_next(record);
        let mut reservation = Reservation::empty(&self.budget);
        charge(&mut reservation, BATCH_COST + bytes + cost, reserved)?;
        Ok(OpenBatch {
            id: BatchId::new(self.next_batch.fetch_add(1, Ordering::SeqCst)),
            opened: now,
            encoder,
            ratio: compressing.map(|compressing| compressing.ratio()),
            completions: Vec::new(),
            reservation,
            is_full: false,
            is_urgent: false,
        })
    }
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

//! The caller's half: a record goes to the end of its partition's queue. HOT: after a batch is
//! open, nothing here allocates but the growth of the batch. Never blocks.

use std::time::Instant;

use crate::accumulator::batch::{BatchId, OpenBatch};
use crate::accumulator::budget::Reservation;
use crate::accumulator::completion::{Callback, Completion};
use crate::accumulator::partition::{PartitionQueue, QueueState};
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
    /// Bytes by which the batch grew, its header included if the record opened it.
    pub(crate) bytes: usize,
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

impl Accumulator {
    /// Adds a record to its partition's open batch, or to a new one, and returns at once. A refusal
    /// hands the callback back.
    ///
    /// `reserved`, if given, holds what [`most_needed`] says; what is left of it goes back.
    ///
    /// Runs on: caller.
    pub(crate) fn try_append<F>(
        &self,
        now: Instant,
        queue: &Arc<PartitionQueue>,
        record: &Record<'_>,
        callback: Box<F>,
        reserved: Option<Reservation>,
    ) -> Result<Appended, (Refused, Box<F>)>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        let mut state = queue.state.lock();
        match self.place(now, queue, &mut state, record, size_of::<F>(), reserved) {
            Ok((batch, appended)) => {
                let callback: Box<Callback> = callback;
                batch.completions.push(Completion::new(
                    callback,
                    record.timestamp_ms,
                    record.key,
                    record.value,
                ));
                Ok(appended)
            }
            Err(refused) => {
                drop(state);
                Err((refused, callback))
            }
        }
    }

    fn place<'a>(
        &self,
        now: Instant,
        queue: &Arc<PartitionQueue>,
        state: &'a mut QueueState,
        record: &Record<'_>,
        callback_bytes: usize,
        reserved: Option<Reservation>,
    ) -> Result<(&'a mut OpenBatch, Appended), Refused> {
        if state.closed {
            return Err(Refused::Closed);
        }
        let has_room = state
            .batches
            .back_mut()
            .is_some_and(|batch| self.has_room(queue, batch, record));
        let cost = RECORD_COST + callback_bytes;
        let mut reserved = reserved;
        if has_room {
            let batch = state
                .batches
                .back_mut()
                .expect("has_room() saw it under this lock");
            let bytes = batch.encoder.size_of_next(record);
            charge(&mut batch.reservation, bytes + cost, reserved.as_mut())?;
        } else {
            // Callers read the clock before they get the lock. A queue whose batches did not expire
            // from front to back would keep one for ever.
            let last = state.batches.back().map(|batch| batch.opened);
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
        let before = if has_room { batch.estimated_len() } else { 0 };
        batch.encoder.append(record);
        let after = batch.estimated_len();
        let filled = after >= self.batch_size;
        if filled && !batch.is_full {
            self.fill(queue, batch);
        }
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let appended = Appended {
            batch: batch.id,
            bytes: after - before,
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

//! A batch that is finished: what is left is to call back for each of its records, and to give its
//! memory back. Runs on: I/O thread.

use std::time::Instant;

use crate::accumulator::batch::BatchId;
use crate::accumulator::budget::Reservation;
use crate::accumulator::completion::{Completions, Failure, Panicked, Written};
use crate::accumulator::queue::PartitionQueue;
use crate::accumulator::undelivered::UndeliveredRecord;
use crate::error::{Error, Result};
use crate::protocol::frame::SharedBytes;
use crate::record::batch::BatchEncoder;
use crate::record::decode::{DecodedRecord, decode};
use crate::sync::Arc;

/// A finished batch: its completions and the result that they share. It holds its memory until the
/// callbacks have run, so that slow callbacks slow down those who send, and do not pile up records.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) batch: BatchId,
    pub(crate) opened: Instant,
    pub(crate) queue: Arc<PartitionQueue>,
    pub(crate) completions: Completions,
    pub(crate) result: Result<Written, Failure>,
    /// Whether a broker may have heard of it.
    pub(crate) was_sent: bool,
    /// `None` once they are released.
    pub(super) bytes: Option<SharedBytes>,
    pub(super) reservation: Arc<Reservation>,
}

impl Outcome {
    /// Runs the callback of each record, in the order of `send`; `after_each` gets the record's
    /// result, and whether its callback has panicked.
    ///
    /// Runs on: I/O thread, with no lock held.
    pub(crate) fn run_callbacks(
        mut self,
        after_each: impl FnMut(Result<(), &Error>, Result<(), Panicked>),
    ) {
        self.completions.run(&self.result, after_each);
        let memory = self.completions.finish();
        self.reservation.recycler().give_completions(memory);
    }

    /// By when it was due.
    pub(crate) fn deadline(&self) -> Instant {
        self.queue.deadline_of(self.opened)
    }

    /// Gives back the memory of its records, which are not sent any more; what their callbacks take
    /// stays charged until they have run.
    pub(crate) fn release_bytes(&mut self) {
        let Some(bytes) = self.bytes.take() else {
            return;
        };
        let records = bytes.as_slice().len() - BatchEncoder::HEADER_BYTES;
        drop(bytes);
        // While a request carries the bytes, or another part of a split batch shares their
        // reservation, they are not free yet.
        if let Some(reservation) = Arc::get_mut(&mut self.reservation) {
            reservation.give_back(records);
        }
    }

    /// Copies of its records, in order, if they failed and their bytes are still there.
    pub(crate) fn undelivered(&self) -> Vec<UndeliveredRecord> {
        let (Err(failure), Some(bytes)) = (&self.result, &self.bytes) else {
            return Vec::new();
        };
        let (_, records) = decode(bytes.as_slice()).expect("the encoder sealed this batch");
        let size = |bytes: &Option<Vec<u8>>| match bytes {
            Some(bytes) => i32::try_from(bytes.len()).unwrap_or(i32::MAX),
            None => -1,
        };
        let undelivered = |record: DecodedRecord| {
            let error = failure.of_record(record.offset_delta.into()).clone();
            UndeliveredRecord {
                topic: Arc::clone(self.queue.topic()),
                partition: self.queue.index(),
                error: error.of_record((size(&record.key), size(&record.value))),
                record,
            }
        };
        records.into_iter().map(undelivered).collect()
    }
}

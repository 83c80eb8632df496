//! A batch: open while records are added, then sealed, then an outcome. It moves by value, so it is
//! in one place; its bytes are shared with the request that carries them.

use std::time::Instant;

use crate::accumulator::budget::Reservation;
use crate::accumulator::completion::{Completions, Failure, Panicked, Written};
use crate::accumulator::compressing::estimated_len;
use crate::accumulator::packing::Packing;
use crate::accumulator::partition::PartitionQueue;
use crate::accumulator::undelivered::UndeliveredRecord;
use crate::error::{Error, Fate, Result};
use crate::protocol::frame::SharedBytes;
use crate::record::batch::{BatchEncoder, PackedBatch, ProducerStamp, max_timestamp_ms, restamp};
use crate::record::decode::{DecodedRecord, decode};
use crate::record::split::split;
use crate::sync::Arc;

/// The order in which batches were opened, over all partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchId {
    pub(crate) number: u64,
    /// For a part of a batch that was too large: how many records of it come before.
    pub(crate) offset: u32,
}

impl BatchId {
    pub(crate) fn new(number: u64) -> Self {
        Self { number, offset: 0 }
    }
}

/// Records still being added. Lives under its partition's lock.
#[derive(Debug)]
pub(crate) struct OpenBatch {
    pub(crate) id: BatchId,
    pub(crate) opened: Instant,
    pub(crate) encoder: BatchEncoder,
    /// Once it is full, if it is to be compressed.
    pub(super) packing: Option<Packing>,
    /// What compressing is guessed to leave of it; `None` if it stays as it is.
    pub(crate) ratio: Option<f64>,
    pub(crate) completions: Completions,
    pub(crate) reservation: Reservation,
    /// Whether nothing more goes in: it reached `batch.size`, or a record did not fit any more.
    pub(crate) is_full: bool,
    /// Whether somebody waits for one of its records: it leaves without lingering.
    pub(crate) is_urgent: bool,
}

impl OpenBatch {
    /// Its size on the wire, by a guess if it is to be compressed.
    pub(crate) fn estimated_len(&self) -> usize {
        match &self.packing {
            None | Some(Packing::Left | Packing::Asked) => estimated_len(&self.encoder, self.ratio),
            Some(Packing::Under(records)) => estimated_len(records, self.ratio),
            Some(Packing::Done(packed)) => packed.len(),
        }
    }

    /// Whether a caller compresses it, who will tell when that is done.
    pub(super) fn is_packing(&self) -> bool {
        matches!(self.packing, Some(Packing::Under(_)))
    }

    /// Ends the batch: compresses it, unless a caller has done that, and writes its header and
    /// checksum. Runs on: I/O thread, with no lock held.
    pub(crate) fn seal(
        self,
        queue: &Arc<PartitionQueue>,
        stamp: Option<ProducerStamp>,
    ) -> SealedBatch {
        self.seal_as(queue, stamp, |encoder| match queue.compressing() {
            Some(compressing) => compressing.pack(encoder),
            None => encoder.pack(),
        })
    }

    fn seal_as(
        mut self,
        queue: &Arc<PartitionQueue>,
        stamp: Option<ProducerStamp>,
        pack: impl FnOnce(BatchEncoder) -> PackedBatch,
    ) -> SealedBatch {
        self.reservation.settle();
        let pack = |records: BatchEncoder| {
            let before = records.len();
            let packed = pack(records);
            self.reservation.give_back(before - packed.len());
            packed
        };
        let packed = match self.packing {
            None | Some(Packing::Asked) => pack(self.encoder),
            Some(Packing::Left) => {
                let packed = pack(self.encoder);
                if let Some(compressing) = queue.compressing() {
                    compressing.note_less_work();
                }
                packed
            }
            // A caller compresses it, but its time has come.
            Some(Packing::Under(records)) => {
                let own = |records: Arc<BatchEncoder>| BatchEncoder::clone(&records);
                pack(Arc::try_unwrap(records).unwrap_or_else(own))
            }
            Some(Packing::Done(packed)) => packed,
        };
        let bytes = packed.seal(stamp.unwrap_or(ProducerStamp::NONE));
        let reservation = Arc::new(self.reservation);
        SealedBatch {
            id: self.id,
            queue: Arc::clone(queue),
            opened: self.opened,
            bytes: SharedBytes::new(ChargedBytes {
                bytes,
                reservation: Arc::clone(&reservation),
            }),
            reservation,
            completions: self.completions,
            stamp,
            attempts: 0,
            last_error: None,
            fate: Fate::NotWritten,
        }
    }

    /// Ends the batch unsent.
    pub(crate) fn fail(self, queue: &Arc<PartitionQueue>, error: Error) -> Outcome {
        self.seal_as(queue, None, BatchEncoder::pack).fail(error)
    }
}

/// Encoded bytes together with their share of `buffer.memory`, which they give back when the last
/// owner is gone: the outcome after its callbacks, or the request that still carries them.
struct ChargedBytes {
    bytes: Vec<u8>,
    reservation: Arc<Reservation>,
}

impl Drop for ChargedBytes {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.reservation.recycler().give_buffer(bytes);
    }
}

impl AsRef<[u8]> for ChargedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Immutable bytes on their way to a broker. A retry is the same batch to the byte; only a batch
/// that is certainly not in any log gets another stamp.
#[derive(Debug)]
pub(crate) struct SealedBatch {
    pub(crate) id: BatchId,
    pub(crate) queue: Arc<PartitionQueue>,
    pub(crate) opened: Instant,
    pub(crate) bytes: SharedBytes,
    reservation: Arc<Reservation>,
    pub(crate) completions: Completions,
    /// Its place in the partition's sequences, once it has one.
    pub(crate) stamp: Option<ProducerStamp>,
    /// How often it was handed to a connection.
    pub(crate) attempts: u32,
    pub(crate) last_error: Option<Error>,
    /// What its attempts so far have left in the log.
    fate: Fate,
}

impl SealedBatch {
    pub(crate) fn len(&self) -> usize {
        self.bytes.as_slice().len()
    }

    /// Whether there is anything to split.
    pub(crate) fn has_several(&self) -> bool {
        self.completions.len() > 1
    }

    /// When it fails, if it has no outcome by then.
    pub(crate) fn deadline(&self) -> Instant {
        self.opened + self.queue.settings().delivery_timeout
    }

    /// Its partition, as errors name it.
    pub(crate) fn name(&self) -> String {
        format!("\"{}\"-{}", self.queue.topic(), self.queue.index())
    }

    /// Gives the batch its place in the partition's sequences; its records stay as they are.
    pub(crate) fn set_stamp(&mut self, stamp: ProducerStamp) {
        let bytes = restamp(self.bytes.as_slice(), stamp);
        let reservation = Arc::clone(&self.reservation);
        self.bytes = SharedBytes::new(ChargedBytes { bytes, reservation });
        self.stamp = Some(stamp);
    }

    /// Takes a batch of several records apart into smaller ones, in order, each with its place in
    /// the sequences; the first has this one's id. They share its memory and its deadline.
    pub(crate) fn split(self) -> Vec<Self> {
        let pack = |encoder: BatchEncoder| match self.queue.compressing() {
            Some(compressing) => compressing.pack(encoder),
            None => encoder.pack(),
        };
        let parts = split(self.bytes.as_slice(), self.len() / 2, pack);
        let mut completions = self.completions;
        let mut batches = Vec::with_capacity(parts.len());
        let mut records_before = 0usize;
        for part in parts {
            let offset = self.id.offset + u32::try_from(records_before).unwrap_or(u32::MAX);
            batches.push(Self {
                id: BatchId { offset, ..self.id },
                queue: Arc::clone(&self.queue),
                opened: self.opened,
                bytes: SharedBytes::new(ChargedBytes {
                    bytes: part.bytes,
                    reservation: Arc::clone(&self.reservation),
                }),
                reservation: Arc::clone(&self.reservation),
                completions: completions.split_off_front(part.records),
                stamp: self.stamp.map(|stamp| stamp.after(records_before)),
                attempts: 0,
                last_error: self.last_error.clone(),
                fate: self.fate,
            });
            records_before += part.records;
        }
        batches
    }

    /// An attempt has ended without an acknowledgement, and has left this in the log.
    ///
    /// Once it may be written, that stays so: what a later attempt proves about itself, it does not
    /// prove about an earlier one, whose bytes may still lie in the socket of a broker that stalls.
    pub(crate) fn add_attempt(&mut self, left: Fate) {
        if left == Fate::MayBeWritten {
            self.fate = left;
        }
    }

    /// The same, after an attempt of which nobody knows how it ended.
    pub(crate) fn doubted(mut self) -> Self {
        self.add_attempt(Fate::MayBeWritten);
        self
    }

    /// Ends the batch as acknowledged.
    ///
    /// A broker that knows a repeated batch answers with the largest timestamp in its copy, whether
    /// that is a time of its own or one of the records'. So the largest one of this batch is no time
    /// of a broker's if the batch was sent more than once.
    pub(crate) fn succeed(
        self,
        base_offset: Option<i64>,
        log_append_time_ms: Option<i64>,
    ) -> Outcome {
        let is_own = |time: &i64| {
            self.attempts > 1 && Some(*time) == max_timestamp_ms(self.bytes.as_slice())
        };
        let log_append_time_ms = log_append_time_ms.filter(|time| !is_own(time));
        let written = Written {
            topic: Arc::clone(self.queue.topic()),
            partition: self.queue.index(),
            base_offset,
            log_append_time_ms,
        };
        self.finish(Ok(written))
    }

    /// Ends the batch with its own [fate](Self::fate), whatever the error said of one.
    pub(crate) fn fail(self, failure: impl Into<Failure>) -> Outcome {
        let failure = failure.into().with_fate(self.fate());
        self.finish(Err(failure))
    }

    /// Whether its records may be in the log.
    pub(crate) fn fate(&self) -> Fate {
        self.fate
    }

    fn finish(self, result: Result<Written, Failure>) -> Outcome {
        Outcome {
            batch: self.id,
            opened: self.opened,
            queue: self.queue,
            completions: self.completions,
            result,
            bytes: Some(self.bytes),
            reservation: self.reservation,
        }
    }
}

/// A finished batch: its completions and the result that they share. Holds its memory until the
/// callbacks have run, so that a slow callback slows its callers down.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) batch: BatchId,
    pub(crate) opened: Instant,
    pub(crate) queue: Arc<PartitionQueue>,
    pub(crate) completions: Completions,
    pub(crate) result: Result<Written, Failure>,
    /// `None` once they are released.
    bytes: Option<SharedBytes>,
    reservation: Arc<Reservation>,
}

impl Outcome {
    /// Calls for each record, in the order of `send`; `told` hears of each record's result, and of
    /// its call. Returns whether what groups end with has panicked.
    ///
    /// Runs on: I/O thread, with no lock held.
    pub(crate) fn tell(
        mut self,
        told: impl FnMut(Result<(), &Error>, Result<(), Panicked>),
    ) -> Result<(), Panicked> {
        self.completions.tell(&self.result, told);
        let (memory, ended) = self.completions.finish();
        self.reservation.recycler().give_completions(memory);
        ended
    }

    /// By when it was due.
    pub(crate) fn deadline(&self) -> Instant {
        self.opened + self.queue.settings().delivery_timeout
    }

    /// Gives back the memory of its records, which nobody sends any more; what their callbacks take
    /// stays charged until they have run.
    pub(crate) fn release_bytes(&mut self) {
        let Some(bytes) = self.bytes.take() else {
            return;
        };
        let records = bytes.as_slice().len() - BatchEncoder::HEADER_BYTES;
        drop(bytes);
        // A request may still carry them, or another part of the batch: then they are not free yet.
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
        let undelivered = |record: DecodedRecord| UndeliveredRecord {
            topic: Arc::clone(self.queue.topic()),
            partition: self.queue.index(),
            error: failure.of_record(record.offset_delta.into()).clone(),
            record,
        };
        records.into_iter().map(undelivered).collect()
    }
}

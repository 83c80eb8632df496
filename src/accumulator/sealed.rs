//! A batch that is sealed: header and checksum are written, and its bytes do not change any more. It
//! moves by value from the queue to the request to the outcome, so it is in one place at a time; its
//! bytes are shared with the request that carries them. HOT. Runs on: I/O thread, with no lock held.

use std::time::Instant;

use crate::accumulator::batch::{BatchId, CompressState, QueuedBatch};
use crate::accumulator::budget::Reservation;
use crate::accumulator::completion::{Completions, Failure, Written};
use crate::accumulator::outcome::Outcome;
use crate::accumulator::queue::PartitionQueue;
use crate::error::{Error, Fate, Result};
use crate::protocol::frame::SharedBytes;
use crate::record::batch::{BatchEncoder, PackedBatch, ProducerStamp, max_timestamp_ms, restamp};
use crate::record::split::split;
use crate::sync::Arc;

impl QueuedBatch {
    /// Ends the batch: compresses it, unless a caller has done that, and writes its header and
    /// checksum.
    pub(crate) fn seal(
        self,
        queue: &Arc<PartitionQueue>,
        stamp: Option<ProducerStamp>,
    ) -> SealedBatch {
        self.seal_as(queue, stamp, |encoder| queue.pack(encoder))
    }

    /// Ends the batch unsent, without compressing it.
    pub(crate) fn fail(self, queue: &Arc<PartitionQueue>, error: Error) -> Outcome {
        self.seal_as(queue, None, BatchEncoder::pack).fail(error)
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
        let packed = match self.compress {
            None | Some(CompressState::Claimed) => pack(self.encoder),
            Some(CompressState::LeftToIoThread) => {
                let packed = pack(self.encoder);
                if let Some(compression) = queue.compression() {
                    compression.finish_left_batch();
                }
                packed
            }
            // A caller still compresses it, but the batch has expired, or the producer closes. That
            // caller keeps its records until it is done, so they are copied.
            Some(CompressState::Running(records)) => {
                let own = |records: Arc<BatchEncoder>| BatchEncoder::clone(&records);
                pack(Arc::try_unwrap(records).unwrap_or_else(own))
            }
            Some(CompressState::Done(packed)) => packed,
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
}

/// Encoded bytes together with their share of `buffer.memory`, which they give back when the last
/// owner drops them: the outcome after its callbacks, or the request that still carries them.
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

/// Immutable bytes to send to a broker. A retry sends the same bytes again, so that the broker
/// recognizes a batch that it has written already. Only a batch that is certainly in no log gets
/// another stamp.
#[derive(Debug)]
pub(crate) struct SealedBatch {
    pub(crate) id: BatchId,
    pub(crate) queue: Arc<PartitionQueue>,
    pub(crate) opened: Instant,
    pub(crate) bytes: SharedBytes,
    reservation: Arc<Reservation>,
    pub(crate) completions: Completions,
    /// Its producer id, epoch and first sequence number, once it has them.
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
        self.queue.deadline_of(self.opened)
    }

    /// Its partition, as errors name it.
    pub(crate) fn name(&self) -> String {
        self.queue.name()
    }

    /// Gives the batch its producer id, epoch and sequence number; its records stay as they are.
    pub(crate) fn set_stamp(&mut self, stamp: ProducerStamp) {
        let bytes = restamp(self.bytes.as_slice(), stamp);
        let reservation = Arc::clone(&self.reservation);
        self.bytes = SharedBytes::new(ChargedBytes { bytes, reservation });
        self.stamp = Some(stamp);
    }

    /// Removes its stamp. It gets a new one before it is sent again. Its fate does not change: that is
    /// about the earlier attempts.
    pub(crate) fn clear_stamp(&mut self) {
        self.stamp = None;
    }

    /// Takes a batch of several records apart into smaller ones, in order, whose sequence numbers
    /// follow each other as their records' did. The first part keeps this batch's id. All parts share
    /// its memory and its deadline.
    pub(crate) fn split(self) -> Vec<Self> {
        let pack = |encoder| self.queue.pack(encoder);
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

    /// The batch is put into a request.
    pub(crate) fn begin_attempt(&mut self) {
        self.attempts += 1;
    }

    /// Not a byte of that request has left: it was no attempt.
    pub(crate) fn undo_attempt(&mut self) {
        self.attempts = self.attempts.saturating_sub(1);
    }

    /// An attempt has ended without an acknowledgement, and has left this in the log.
    ///
    /// Once it may be written, that stays so: what a later attempt proves about itself, it does not
    /// prove about an earlier one, whose bytes may still lie in the socket of a broker that stalls.
    pub(crate) fn merge_fate(&mut self, left: Fate) {
        if left == Fate::MayBeWritten {
            self.fate = left;
        }
    }

    /// The same, after an attempt that no answer has ended.
    pub(crate) fn doubted(mut self) -> Self {
        self.merge_fate(Fate::MayBeWritten);
        self
    }

    /// Ends the batch as acknowledged.
    ///
    /// A broker that recognizes a repeated batch answers with the largest timestamp in its copy,
    /// whether that is a log-append time or one of the records' own. So if the batch was sent more
    /// than once, a time equal to its own largest timestamp is taken for the latter. Otherwise all of
    /// its records would be reported with the time of one of them.
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

    /// Ends the batch as failed. Its own [fate](Self::fate) replaces the error's, which is about the last
    /// attempt only.
    pub(crate) fn fail(self, failure: impl Into<Failure>) -> Outcome {
        let (topic, partition) = (self.queue.topic(), self.queue.index());
        let failure = failure.into().with_fate(self.fate()).at(topic, partition);
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
            was_sent: self.attempts > 0,
            bytes: Some(self.bytes),
            reservation: self.reservation,
        }
    }
}

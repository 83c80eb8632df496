//! A batch that takes records. It is in its partition's queue, and under the queue's lock, until the
//! I/O thread takes it out and [seals](super::sealed) it.

use std::time::Instant;

use crate::accumulator::budget::Reservation;
use crate::accumulator::completion::Completions;
use crate::accumulator::ratio::estimated_len;
use crate::record::batch::{BatchEncoder, PackedBatch};
use crate::sync::Arc;

/// The order in which batches were opened, over all partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchId {
    pub(crate) number: u64,
    /// For a part of a batch that was too large and was split: how many of its records come before.
    pub(crate) offset: u32,
}

impl BatchId {
    pub(crate) fn new(number: u64) -> Self {
        Self { number, offset: 0 }
    }
}

/// Records, what their outcomes will call, and the memory that both are charged.
#[derive(Debug)]
pub(crate) struct QueuedBatch {
    pub(crate) id: BatchId,
    /// When it was opened: its `linger.ms` and `delivery.timeout.ms` begin here.
    pub(crate) opened: Instant,
    pub(crate) encoder: BatchEncoder,
    /// `None` while it takes records, if it stays uncompressed, if a caller has panicked over it, and if it
    /// was left to the I/O thread, but its broker cannot be reached.
    pub(super) compress: Option<CompressState>,
    /// What compressing is guessed to leave of it; `None` if it stays as it is.
    pub(crate) ratio: Option<f64>,
    pub(crate) completions: Completions,
    pub(crate) reservation: Reservation,
    /// Whether it takes no more records: it has reached `batch.size`, or a record did not fit.
    pub(crate) is_full: bool,
    /// Whether a caller waits for one of its records: it leaves without lingering.
    pub(crate) is_urgent: bool,
}

/// Where the records of a full batch are, and who compresses them; see
/// [`compress_job`](super::compress_job).
#[derive(Debug)]
pub(super) enum CompressState {
    /// In the batch. The I/O thread compresses them when it takes the batch.
    LeftToIoThread,
    /// In the batch. The caller that filled it takes them out before it unlocks the partition.
    Claimed,
    /// With the caller that compresses them. There is no other owner than the two.
    Running(Arc<BatchEncoder>),
    /// Compressed, unless that made them no smaller.
    Done(PackedBatch),
}

impl QueuedBatch {
    /// Its size on the wire, by a guess if it is to be compressed.
    pub(crate) fn estimated_len(&self) -> usize {
        match &self.compress {
            None | Some(CompressState::LeftToIoThread | CompressState::Claimed) => {
                estimated_len(&self.encoder, self.ratio)
            }
            Some(CompressState::Running(records)) => estimated_len(records, self.ratio),
            Some(CompressState::Done(packed)) => packed.len(),
        }
    }

    /// How many bytes the I/O thread would have to compress, if it is the one to do it.
    pub(super) fn uncompressed_len(&self) -> Option<usize> {
        match &self.compress {
            None | Some(CompressState::LeftToIoThread | CompressState::Claimed) => {
                Some(self.encoder.len())
            }
            Some(CompressState::Running(_) | CompressState::Done(_)) => None,
        }
    }

    /// Whether a caller compresses it. That caller leaves a notice when it is done.
    pub(super) fn is_compressing(&self) -> bool {
        matches!(self.compress, Some(CompressState::Running(_)))
    }
}

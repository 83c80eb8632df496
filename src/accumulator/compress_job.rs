//! Who compresses a batch that is full: the I/O thread, or, once that has enough to compress, the
//! caller that filled it. No lock is held meanwhile, and no thread waits for another: if the batch
//! expires or fails before its caller has compressed it, the caller finds it gone and drops its work.
//!
//! ```text
//!   add fills   ──┬── the I/O thread has nothing ──> LeftToIoThread ───────────────────> seal
//!   a batch       │   to compress                                                         ^
//!   (under the    └── it has ──> Claimed ──> Running ──> compress ──> Done ───────────────┤
//!   lock)                                   (unlock)    (no lock)  └─ panic ──> as it was ┘
//! ```

use crate::accumulator::batch::{BatchId, CompressState, QueuedBatch};
use crate::accumulator::notices::{Notice, Notices};
use crate::accumulator::queue::{PartitionQueue, QueueState};
use crate::accumulator::topic_compression::TopicCompression;
use crate::record::batch::{BatchEncoder, PackedBatch};
use crate::sync::Arc;

/// A batch that this caller compresses. A job that is dropped unfinished leaves the batch to the I/O
/// thread.
struct CompressJob<'a> {
    notices: &'a Notices,
    queue: &'a Arc<PartitionQueue>,
    compression: &'a TopicCompression,
    batch: BatchId,
    /// `None` once they are given back.
    records: Option<Arc<BatchEncoder>>,
}

/// What has come of a job.
enum Packed {
    Smaller(PackedBatch),
    NotSmaller,
    /// The compressor has panicked.
    Unfinished,
}

/// The batches that a caller has filled while it held a partition's lock, to be compressed after it
/// has unlocked it.
#[must_use = "the batches wait for their records"]
pub(super) struct CompressJobs<'a>([Option<CompressJob<'a>>; 2]);

impl<'a> CompressJobs<'a> {
    /// Takes the records of the batches that were filled under this lock. There are two of them at
    /// most: one that had no room for a record, and one that the record has filled on its own.
    pub(super) fn claim(
        notices: &'a Notices,
        queue: &'a Arc<PartitionQueue>,
        compression: &'a TopicCompression,
        state: &mut QueueState,
    ) -> Self {
        let mut last = state.batches.iter_mut().rev();
        let claim = |batch: &mut QueuedBatch| {
            matches!(batch.compress, Some(CompressState::Claimed)).then(|| {
                let records = std::mem::replace(&mut batch.encoder, BatchEncoder::new(0));
                let records = Arc::new(records);
                batch.compress = Some(CompressState::Running(Arc::clone(&records)));
                CompressJob {
                    notices,
                    queue,
                    compression,
                    batch: batch.id,
                    records: Some(records),
                }
            })
        };
        let [newer, older] = [(); 2].map(|()| last.next().and_then(claim));
        Self([older, newer])
    }

    /// Compresses them. Runs on: caller, with no lock held.
    pub(super) fn run(self) {
        self.0.into_iter().flatten().for_each(CompressJob::run);
    }
}

impl CompressJob<'_> {
    fn run(mut self) {
        let Some(records) = &self.records else { return };
        let packed = match self.compression.try_pack(records) {
            Some(packed) => Packed::Smaller(packed),
            None => Packed::NotSmaller,
        };
        self.give_back(packed);
    }

    /// Puts the records back into the batch, if it is still there, and leaves the I/O thread a notice.
    fn give_back(&mut self, packed: Packed) {
        let Some(records) = self.records.take() else {
            return;
        };
        let mut state = self.queue.state.lock();
        let Some(batch) = state.find(self.batch) else {
            return;
        };
        let Some(CompressState::Running(shared)) = batch.compress.take() else {
            unreachable!("what one caller compresses no other does");
        };
        drop(records);
        let records = Arc::into_inner(shared).expect("this caller was the only other owner");
        let mut useless = None;
        batch.compress = match packed {
            Packed::Smaller(packed) => {
                batch.reservation.give_back(records.len() - packed.len());
                useless = Some(records);
                Some(CompressState::Done(packed))
            }
            Packed::NotSmaller => Some(CompressState::Done(records.pack())),
            Packed::Unfinished => {
                batch.encoder = records;
                None
            }
        };
        drop(state);
        // Memory is freed after the lock is.
        drop(useless);
        let queue = Arc::clone(self.queue);
        self.notices.push(Notice::Ready(queue));
    }
}

impl Drop for CompressJob<'_> {
    fn drop(&mut self) {
        self.give_back(Packed::Unfinished);
    }
}

//! Who compresses a batch that is full: the caller that filled it, once the I/O thread has enough to
//! do. No lock is held meanwhile, and nobody waits: a batch that expires, or that the producer
//! abandons, is simply gone when its caller comes back with it.
//!
//! ```text
//!   add fills a batch ──┬── the I/O thread has nothing to compress ──> Left ───────────> seal
//!   (under the lock)    │                                                                 ^
//!                       └── it has ──> Asked ──> Under ──> compress ──> Done ─────────────┤
//!                                      (unlock)  (no lock)      └─ panic ──> as it was ───┘
//! ```

use crate::accumulator::batch::{BatchId, OpenBatch};
use crate::accumulator::compressing::Compressing;
use crate::accumulator::partition::{PartitionQueue, QueueState};
use crate::accumulator::{Accumulator, Notice};
use crate::record::batch::{BatchEncoder, PackedBatch};
use crate::sync::Arc;

/// Where the records of a batch are, and who compresses them, once it is full.
#[derive(Debug)]
pub(super) enum Packing {
    /// In the batch. The I/O thread compresses them when it takes the batch.
    Left,
    /// In the batch. The caller that filled it is about to take them.
    Asked,
    /// A caller compresses them. It is the only other owner.
    Under(Arc<BatchEncoder>),
    /// Compressed, unless that made them no smaller.
    Done(PackedBatch),
}

/// A batch that this caller compresses. Dropped before it is done, it leaves that to the I/O thread.
struct Job<'a> {
    accumulator: &'a Accumulator,
    queue: &'a Arc<PartitionQueue>,
    compressing: &'a Compressing,
    batch: BatchId,
    /// `None` once they are given back.
    records: Option<Arc<BatchEncoder>>,
}

/// What a caller brings back.
enum Result {
    Smaller(PackedBatch),
    NotSmaller,
    Nothing,
}

/// The batches that this caller has filled under a lock that it holds no more.
#[must_use = "their records are in nobody's hands"]
pub(super) struct Jobs<'a>([Option<Job<'a>>; 2]);

impl<'a> Jobs<'a> {
    /// Takes the records of the batches that were filled under this lock. There are two of them at
    /// most: one that had no room for a record, and one that the record has filled on its own.
    pub(super) fn claim(
        accumulator: &'a Accumulator,
        queue: &'a Arc<PartitionQueue>,
        compressing: &'a Compressing,
        state: &mut QueueState,
    ) -> Self {
        let mut last = state.batches.iter_mut().rev();
        let claim = |batch: &mut OpenBatch| {
            matches!(batch.packing, Some(Packing::Asked)).then(|| {
                let records = std::mem::replace(&mut batch.encoder, BatchEncoder::new(0));
                let records = Arc::new(records);
                batch.packing = Some(Packing::Under(Arc::clone(&records)));
                Job {
                    accumulator,
                    queue,
                    compressing,
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
        self.0.into_iter().flatten().for_each(Job::run);
    }
}

impl Job<'_> {
    fn run(mut self) {
        let Some(records) = &self.records else { return };
        let result = match self.compressing.try_pack(records) {
            Some(packed) => Result::Smaller(packed),
            None => Result::NotSmaller,
        };
        self.give_back(result);
    }

    /// Puts the records back into the batch, if it is still there, and tells the I/O thread.
    fn give_back(&mut self, result: Result) {
        let Some(records) = self.records.take() else {
            return;
        };
        let mut state = self.queue.state.lock();
        let Some(batch) = state.find(self.batch) else {
            return;
        };
        let Some(Packing::Under(shared)) = batch.packing.take() else {
            unreachable!("what one caller compresses no other does");
        };
        drop(records);
        let records = Arc::into_inner(shared).expect("this caller was the only other owner");
        let mut useless = None;
        batch.packing = match result {
            Result::Smaller(packed) => {
                batch.reservation.give_back(records.len() - packed.len());
                useless = Some(records);
                Some(Packing::Done(packed))
            }
            Result::NotSmaller => Some(Packing::Done(records.pack())),
            Result::Nothing => {
                batch.encoder = records;
                None
            }
        };
        drop(state);
        drop(useless);
        let queue = Arc::clone(self.queue);
        self.accumulator.notify(Notice::Full(queue));
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        self.give_back(Result::Nothing);
    }
}

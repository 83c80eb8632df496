//! What fails while a caller closes the producer, for its report: counted by partition, and, if it has
//! asked for them, the records themselves. Runs on: I/O thread; callers read.

use crate::accumulator::{
    BatchId, FailedByPartition, Outcome, PartitionFailures, PartitionQueue, UndeliveredRecord,
};
use crate::driver::Shared;
use crate::error::Error;
use crate::sorted_map::SortedMap;

/// What has failed since a caller began to close the producer.
#[derive(Debug, Default)]
pub(super) struct Losses {
    by_partition: FailedByPartition,
    /// The records themselves, batch by batch, if a caller has asked for them.
    records: Option<SortedMap<BatchId, Vec<UndeliveredRecord>>>,
}

impl Shared {
    /// Counts what fails from now on by its partition; gives this moment.
    pub(crate) fn count_losses(&self) -> usize {
        let mut losses = self.losses.lock();
        losses.get_or_insert_default().by_partition.mark()
    }

    /// What was counted since then.
    pub(crate) fn losses_since(&self, mark: usize) -> Vec<PartitionFailures> {
        let since = |losses: &Losses| losses.by_partition.since(mark);
        self.losses.lock().as_ref().map(since).unwrap_or_default()
    }

    /// Also keeps the records that fail from now on.
    pub(crate) fn keep_undelivered(&self) {
        let mut losses = self.losses.lock();
        losses
            .get_or_insert_default()
            .records
            .get_or_insert_default();
    }

    /// The records that were kept, oldest batch first; keeps no more of them.
    pub(crate) fn take_undelivered(&self) -> Vec<UndeliveredRecord> {
        let mut losses = self.losses.lock();
        let kept = losses.as_mut().and_then(|losses| losses.records.take());
        drop(losses);
        kept.unwrap_or_default().into_values().flatten().collect()
    }

    /// Keeps the records of a batch that has failed, if a caller has asked for them.
    pub(super) fn keep_records_of(&self, outcome: &Outcome) {
        if let Some(losses) = &mut *self.losses.lock()
            && let Some(kept) = &mut losses.records
        {
            kept.insert(outcome.batch, outcome.undelivered());
        }
    }

    /// One record has failed.
    pub(super) fn count_loss(&self, queue: &PartitionQueue, error: &Error) {
        if let Some(losses) = &mut *self.losses.lock() {
            losses
                .by_partition
                .count(queue.topic(), queue.index(), error);
        }
    }
}

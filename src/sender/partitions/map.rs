//! What the sender knows of each partition, by number. Numbers are given without gaps, so finding one
//! costs a look and not a search, however many partitions there are. Pure.

use crate::accumulator::PartitionId;
use crate::sender::partitions::partition::Partition;

/// The partitions that have had a batch; those that have not take the room of a pointer.
#[derive(Debug, Default)]
pub(super) struct PartitionMap(Vec<Option<Box<Partition>>>);

impl PartitionMap {
    pub(super) fn get(&self, id: PartitionId) -> Option<&Partition> {
        self.0.get(id.0)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, id: PartitionId) -> Option<&mut Partition> {
        self.0.get_mut(id.0)?.as_deref_mut()
    }

    /// Adds a partition that is not there yet.
    pub(super) fn insert(&mut self, id: PartitionId, partition: Partition) {
        if self.0.len() <= id.0 {
            self.0.resize_with(id.0 + 1, || None);
        }
        if let Some(entry) = self.0.get_mut(id.0) {
            *entry = Some(Box::new(partition));
        }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Partition> {
        self.0.iter().flatten().map(|one| &**one)
    }

    #[cfg(test)]
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Partition> {
        self.0.iter_mut().flatten().map(|one| &mut **one)
    }

    pub(super) fn into_values(self) -> impl Iterator<Item = Partition> {
        self.0.into_iter().flatten().map(|one| *one)
    }
}

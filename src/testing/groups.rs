//! The offsets that consumer groups have committed in transactions. There are no members: whoever names
//! one is believed. No socket, no clock.

use std::collections::BTreeMap;

use crate::sync::Arc;

/// A partition of a topic.
type TopicPartition = (Arc<str>, i32);

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: BTreeMap<Arc<str>, Group>,
}

#[derive(Debug, Default)]
struct Group {
    committed: BTreeMap<TopicPartition, Position>,
    /// Those of open transactions, by producer id.
    pending: BTreeMap<i64, BTreeMap<TopicPartition, Position>>,
}

/// How far a group has come in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    pub(super) metadata: Option<String>,
}

/// A consumer group's offset of one partition, as a mock cluster has it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockCommittedOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset at which the group goes on.
    pub offset: i64,
    /// The leader epoch of the last record before it, or −1.
    pub leader_epoch: i32,
    /// What the consumer keeps beside the offset.
    pub metadata: Option<String>,
}

impl Groups {
    /// Offsets of an open transaction.
    pub(super) fn add(
        &mut self,
        group: &Arc<str>,
        producer_id: i64,
        offsets: impl IntoIterator<Item = (TopicPartition, Position)>,
    ) {
        let group = self.groups.entry(Arc::clone(group)).or_default();
        let pending = group.pending.entry(producer_id).or_default();
        pending.extend(offsets);
    }

    /// The producer's transaction has ended.
    pub(super) fn settle(&mut self, group: &str, producer_id: i64, committed: bool) {
        let Some(group) = self.groups.get_mut(group) else {
            return;
        };
        let pending = group.pending.remove(&producer_id).unwrap_or_default();
        if committed {
            group.committed.extend(pending);
        }
    }

    /// What the group has committed, in the order of topics and partitions.
    pub(super) fn committed(&self, group: &str) -> Vec<MockCommittedOffset> {
        let Some(group) = self.groups.get(group) else {
            return Vec::new();
        };
        let offset =
            |((topic, partition), position): (&TopicPartition, &Position)| MockCommittedOffset {
                topic: topic.to_string(),
                partition: *partition,
                offset: position.offset,
                leader_epoch: position.leader_epoch,
                metadata: position.metadata.clone(),
            };
        group.committed.iter().map(offset).collect()
    }
}

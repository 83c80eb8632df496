//! What a consumer has read, to be committed with a transaction: in terms of Kafka's protocol, which any
//! consumer can give. Runs on: caller.

use crate::error::{Error, ErrorKind, Result};
use crate::producer::gate::check_topic_name;
use crate::sender::{GroupMember, OffsetsOrder, PartitionOffset, TopicOffsets};
use crate::sorted_map::SortedMap;
use crate::sync::Arc;

/// How far a consumer group has read one partition; see [`ConsumerOffsets`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerOffset {
    /// The topic.
    pub topic: String,
    /// The partition, from 0.
    pub partition: i32,
    /// The offset of the record to be read **next**: one more than that of the last one read.
    pub offset: i64,
    /// The leader epoch of the last record read, if the consumer knows it.
    pub leader_epoch: Option<i32>,
    /// Text of the program's own, kept beside the offset. Brokers take 4096 bytes by default.
    pub metadata: Option<String>,
}

impl ConsumerOffset {
    /// `offset` is that of the record to be read next.
    pub fn new(topic: impl Into<String>, partition: i32, offset: i64) -> Self {
        Self {
            topic: topic.into(),
            partition,
            offset,
            leader_epoch: None,
            metadata: None,
        }
    }

    /// Sets the leader epoch of the last record read: it lets a consumer notice that the log was cut.
    #[must_use]
    pub fn leader_epoch(self, epoch: i32) -> Self {
        Self {
            leader_epoch: Some(epoch),
            ..self
        }
    }

    /// Sets text of the program's own.
    #[must_use]
    pub fn metadata(self, metadata: impl Into<String>) -> Self {
        Self {
            metadata: Some(metadata.into()),
            ..self
        }
    }
}

/// How far a consumer group has read, to be committed with a transaction; see
/// [`Transaction::send_offsets`](crate::Transaction::send_offsets). Of each partition the last one that was
/// [set](Self::set) counts.
///
/// ```
/// use linger::{ConsumerOffset, ConsumerOffsets};
///
/// let mut offsets = ConsumerOffsets::new();
/// for read in [41, 42] {
///     // The one to be read next, not the one that was read.
///     offsets.set(ConsumerOffset::new("orders", 0, read + 1));
/// }
/// assert_eq!(offsets.len(), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ConsumerOffsets {
    topics: SortedMap<Arc<str>, SortedMap<i32, ConsumerOffset>>,
}

impl ConsumerOffsets {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the offset of a partition, or replaces the one that was set for it before.
    pub fn set(&mut self, offset: ConsumerOffset) {
        let topic = match self.topics.get_key(&*offset.topic) {
            Some(topic) => Arc::clone(topic),
            None => Arc::from(&*offset.topic),
        };
        let partitions = self.topics.get_or_insert_with(topic, SortedMap::new);
        partitions.insert(offset.partition, offset);
    }

    /// Of how many partitions there is one.
    pub fn len(&self) -> usize {
        self.topics.values().map(|one| one.keys().count()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// In the terms of the I/O thread; `None` if there are none.
    pub(super) fn order(&self, group: &ConsumerGroup) -> Result<Option<Box<OffsetsOrder>>> {
        let group = group.member_of()?;
        let mut offsets = Vec::new();
        for (topic, partitions) in self.topics.iter() {
            check_topic_name(topic).map_err(|error| error.at(Arc::clone(topic), None))?;
            let partitions = partitions.values().map(ConsumerOffset::order);
            offsets.push(TopicOffsets {
                topic: Arc::clone(topic),
                partitions: partitions.collect::<Result<_>>()?,
            });
        }
        let order = (!offsets.is_empty()).then(|| Box::new(OffsetsOrder { group, offsets }));
        Ok(order)
    }
}

impl ConsumerOffset {
    fn order(&self) -> Result<PartitionOffset> {
        let refused = |what: &str, number: i64| {
            let text = format!(
                "an offset of \"{}\"-{}: {what} must not be negative, and is {number}",
                self.topic, self.partition
            );
            Err(misuse(text).at(self.topic.as_str(), Some(self.partition)))
        };
        if self.partition < 0 {
            return refused("a partition", self.partition.into());
        }
        if self.offset < 0 {
            return refused("the offset to be read next", self.offset);
        }
        if let Some(epoch) = self.leader_epoch.filter(|epoch| *epoch < 0) {
            return refused("a leader epoch", epoch.into());
        }
        if let Some(metadata) = &self.metadata {
            check_length("the metadata of an offset", metadata)?;
        }
        Ok(PartitionOffset {
            partition: self.partition,
            offset: self.offset,
            leader_epoch: self.leader_epoch.unwrap_or(-1),
            metadata: self.metadata.clone(),
        })
    }
}

impl Extend<ConsumerOffset> for ConsumerOffsets {
    fn extend<I: IntoIterator<Item = ConsumerOffset>>(&mut self, offsets: I) {
        offsets.into_iter().for_each(|offset| self.set(offset));
    }
}

impl FromIterator<ConsumerOffset> for ConsumerOffsets {
    fn from_iter<I: IntoIterator<Item = ConsumerOffset>>(offsets: I) -> Self {
        let mut all = Self::new();
        all.extend(offsets);
        all
    }
}

impl<const N: usize> From<[ConsumerOffset; N]> for ConsumerOffsets {
    fn from(offsets: [ConsumerOffset; N]) -> Self {
        offsets.into_iter().collect()
    }
}

/// The consumer group that has read, for [`Transaction::send_offsets`](crate::Transaction::send_offsets).
///
/// With only its id, brokers take the offsets from anybody. With the member, and the generation (or the
/// member epoch, in the newer protocol of consumer groups) that its consumer is in, they refuse offsets
/// of a member that has lost its partitions to another one meanwhile: then the transaction can only be
/// aborted, and nothing is processed twice.
///
/// ```
/// use linger::ConsumerGroup;
///
/// let anybody = ConsumerGroup::new("billing");
/// let member = ConsumerGroup::new("billing").generation(7).member("billing-1-5f0c");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroup {
    id: String,
    generation: Option<i32>,
    member: String,
    instance: Option<String>,
}

impl ConsumerGroup {
    /// The group with this `group.id`, and no member of it in particular.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            generation: None,
            member: String::new(),
            instance: None,
        }
    }

    /// Sets the generation that the consumer is in, or its member epoch. Needs
    /// [`member`](Self::member).
    #[must_use]
    pub fn generation(self, generation: i32) -> Self {
        Self {
            generation: Some(generation),
            ..self
        }
    }

    /// Sets the member id that the group's coordinator gave to the consumer.
    #[must_use]
    pub fn member(self, id: impl Into<String>) -> Self {
        Self {
            member: id.into(),
            ..self
        }
    }

    /// Sets the consumer's `group.instance.id`, if it has one.
    #[must_use]
    pub fn instance(self, id: impl Into<String>) -> Self {
        Self {
            instance: Some(id.into()),
            ..self
        }
    }

    fn member_of(&self) -> Result<GroupMember> {
        if self.id.is_empty() {
            return Err(misuse("a consumer group's id must not be empty"));
        }
        if let Some(generation) = self.generation.filter(|generation| *generation < 0) {
            return Err(misuse(format!(
                "a generation must not be negative, and is {generation}: without one, leave it out"
            )));
        }
        if self.generation.is_some_and(|generation| generation > 0) && self.member.is_empty() {
            return Err(misuse(
                "a generation needs a member id: it is that member's",
            ));
        }
        check_length("a consumer group's id", &self.id)?;
        check_length("a member id", &self.member)?;
        check_length(
            "an instance id",
            self.instance.as_deref().unwrap_or_default(),
        )?;
        Ok(GroupMember {
            group_id: Arc::from(&*self.id),
            generation: self.generation.unwrap_or(-1),
            member_id: self.member.clone(),
            instance_id: self.instance.clone(),
        })
    }
}

/// In a request, the length of a text has 16 bits.
fn check_length(what: &str, text: &str) -> Result<()> {
    match i16::try_from(text.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(misuse(format!(
            "{what} has {} bytes; it may have at most {}",
            text.len(),
            i16::MAX
        ))),
    }
}

fn misuse(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Misuse, text)
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    fn group() -> ConsumerGroup {
        ConsumerGroup::new("g")
    }

    #[track_caller]
    fn refused(offset: ConsumerOffset, group: &ConsumerGroup) -> String {
        let error = ConsumerOffsets::from([offset]).order(group).unwrap_err();
        error.to_string()
    }

    #[test]
    fn the_last_offset_of_a_partition_counts() {
        let offsets = ConsumerOffsets::from([
            ConsumerOffset::new("b", 0, 1),
            ConsumerOffset::new("a", 1, 5).leader_epoch(3).metadata("m"),
            ConsumerOffset::new("a", 0, 7),
            ConsumerOffset::new("b", 0, 2),
        ]);
        assert_eq!(offsets.len(), 3);
        let member = group().generation(4).member("m-1").instance("i");
        let order = offsets.order(&member).unwrap().unwrap();
        let group = order.group;
        assert_eq!((&*group.group_id, group.generation), ("g", 4));
        assert_eq!(
            (&*group.member_id, group.instance_id.as_deref()),
            ("m-1", Some("i"))
        );
        let flat: Vec<_> = order
            .offsets
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|one| (&*topic.topic, one)))
            .map(|(topic, one)| {
                let metadata = one.metadata.as_deref();
                (topic, one.partition, one.offset, one.leader_epoch, metadata)
            })
            .collect();
        let expected = [
            ("a", 0, 7, -1, None),
            ("a", 1, 5, 3, Some("m")),
            ("b", 0, 2, -1, None),
        ];
        assert_eq!(flat, expected);
    }

    #[test]
    fn none_are_no_order_and_a_group_alone_is_enough() {
        assert!(ConsumerOffsets::new().order(&group()).unwrap().is_none());
        let one = ConsumerOffsets::from([ConsumerOffset::new("a", 0, 0)]);
        let order = one.order(&group()).unwrap().unwrap();
        assert_eq!((order.group.generation, &*order.group.member_id), (-1, ""));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = || ConsumerOffset::new("a", 0, 1);
        let long = "x".repeat(32_768);
        let cases = [
            (
                ConsumerOffset::new("a", 0, -1),
                group(),
                "the offset to be read next must not",
            ),
            (
                ConsumerOffset::new("a", -2, 1),
                group(),
                "a partition must not be negative",
            ),
            (
                good().leader_epoch(-1),
                group(),
                "a leader epoch must not be negative",
            ),
            (
                good().metadata(&*long),
                group(),
                "the metadata of an offset has 32768 bytes",
            ),
            (
                ConsumerOffset::new("a b", 0, 1),
                group(),
                "not a legal topic name",
            ),
            (good(), ConsumerGroup::new(""), "id must not be empty"),
            (good(), ConsumerGroup::new(&*long), "id has 32768 bytes"),
            (
                good(),
                group().generation(3),
                "a generation needs a member id",
            ),
            (
                good(),
                group().generation(-1).member("m"),
                "a generation must not be negative",
            ),
            (
                good(),
                group().instance(&*long),
                "an instance id has 32768 bytes",
            ),
        ];
        for (offset, group, message) in cases {
            let told = refused(offset, &group);
            assert!(told.contains(message), "{told}");
        }
        let wrong_although_empty = ConsumerOffsets::new().order(&ConsumerGroup::new(""));
        wrong_although_empty.unwrap_err();
    }
}

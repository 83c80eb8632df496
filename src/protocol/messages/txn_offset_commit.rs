//! `TxnOffsetCommit`: commits a consumer group's offsets in a transaction (KIP-98). Goes to the
//! group's coordinator, not to the transaction's.
//!
//! | version | what it adds |
//! |--:|---|
//! | 2 | leader epochs (KIP-320) |
//! | 3 | flexible; the group's member (KIP-447) |
//! | 4 | an error code (KIP-890) |
//! | 5 | adds the group to the transaction as well: version 2 of transactions (KIP-890) |
//! | 6 | topic ids instead of names, and a member's epoch (KIP-1319) |

use crate::ids::TopicId;
use crate::protocol::messages::{
    RequestMessage, ResponseMessage, TxnPartitionResult, read_topic, write_topic,
};
use crate::protocol::version::{TransactionVersion, VersionRange};
use crate::protocol::wire::{DecodeError, Reader, Writer};
use crate::sync::Arc;

/// Offsets that become the group's when the transaction is committed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TxnOffsetCommitRequest {
    pub(crate) transactional_id: Arc<str>,
    pub(crate) group_id: Arc<str>,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    /// The group's generation, or from version 6 its member's epoch; −1: none. Like the two fields
    /// below it is there from version 3 (KIP-447), and lets the coordinator refuse offsets of a
    /// member that has lost its partitions.
    pub(crate) generation: i32,
    /// Empty: none.
    pub(crate) member_id: Arc<str>,
    pub(crate) group_instance_id: Option<Arc<str>>,
    pub(crate) topics: Vec<TxnOffsetTopic>,
    /// By which version the transaction is spoken: it decides in which versions of this request
    /// offsets can be part of it, and is not written.
    pub(crate) transactions: TransactionVersion,
}

impl TxnOffsetCommitRequest {
    /// The first version that has room for the group's member (KIP-447).
    pub(crate) const FIRST_WITH_MEMBER: i16 = 3;
    /// The first version that is for transactions of version 2: it adds the group to them.
    pub(crate) const FIRST_OF_V2: i16 = 5;
    /// The last version that names topics; later ones have room for their ids only.
    pub(crate) const LAST_WITH_NAMES: i16 = 5;

    /// Whether it names the group's member, which older versions have no room for.
    pub(crate) fn has_member(&self) -> bool {
        self.generation >= 0 || !self.member_id.is_empty() || self.group_instance_id.is_some()
    }
}

impl RequestMessage for TxnOffsetCommitRequest {
    const KEY: i16 = 28;
    const VERSIONS: VersionRange = VersionRange::new(0, 6);
    const FIRST_FLEXIBLE: i16 = 3;
    type Response = TxnOffsetCommitResponse;

    /// From version 6 every topic needs its id.
    fn encode(&self, writer: &mut Writer, version: i16) {
        writer.string(&self.transactional_id);
        writer.string(&self.group_id);
        writer.i64(self.producer_id);
        writer.i16(self.producer_epoch);
        if version >= Self::FIRST_WITH_MEMBER {
            writer.i32(self.generation);
            writer.string(&self.member_id);
            writer.nullable_string(self.group_instance_id.as_deref());
        }
        writer.array(&self.topics, |writer, topic| topic.encode(writer, version));
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut request = Self {
            transactional_id: Arc::from(reader.string()?),
            group_id: Arc::from(reader.string()?),
            producer_id: reader.i64()?,
            producer_epoch: reader.i16()?,
            generation: -1,
            member_id: Arc::from(""),
            group_instance_id: None,
            topics: Vec::new(),
            transactions: TransactionVersion::of(version, Self::FIRST_OF_V2),
        };
        if version >= Self::FIRST_WITH_MEMBER {
            request.generation = reader.i32()?;
            request.member_id = Arc::from(reader.string()?);
            request.group_instance_id = reader.nullable_string()?.map(Arc::from);
        }
        request.topics = reader.array(|reader| TxnOffsetTopic::decode(reader, version))?;
        reader.skip_tags()?;
        Ok(request)
    }
}

/// The first version that has leader epochs (KIP-320).
const LEADER_EPOCHS: i16 = 2;

/// Whether topics are given by id instead of by name (KIP-1319).
fn has_topic_ids(version: i16) -> bool {
    version > TxnOffsetCommitRequest::LAST_WITH_NAMES
}

/// The offsets of one topic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TxnOffsetTopic {
    /// Written up to version 5; empty in a request that was read in a later one.
    pub(crate) name: Arc<str>,
    /// Written from version 6; zeroes in a request that was read in an older one.
    pub(crate) id: TopicId,
    pub(crate) partitions: Vec<TxnOffset>,
}

impl TxnOffsetTopic {
    fn encode(&self, writer: &mut Writer, version: i16) {
        let by_id = has_topic_ids(version);
        debug_assert!(!by_id || self.id.is_known(), "{} has no id", self.name);
        write_topic(writer, by_id, &self.name, self.id);
        writer.array(&self.partitions, |writer, offset| {
            offset.encode(writer, version);
        });
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let (name, id) = read_topic(reader, has_topic_ids(version))?;
        let topic = Self {
            name: Arc::from(name),
            id,
            partitions: reader.array(|reader| TxnOffset::decode(reader, version))?,
        };
        reader.skip_tags()?;
        Ok(topic)
    }
}

/// The offset of one partition: that of the first record that the group has not processed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TxnOffset {
    pub(crate) index: i32,
    pub(crate) offset: i64,
    /// The leader epoch of the last record that was processed (from version 2, KIP-320); −1: not
    /// known.
    pub(crate) leader_epoch: i32,
    /// What the user keeps beside the offset.
    pub(crate) metadata: Option<Arc<str>>,
}

impl TxnOffset {
    fn encode(&self, writer: &mut Writer, version: i16) {
        writer.i32(self.index);
        writer.i64(self.offset);
        if version >= LEADER_EPOCHS {
            writer.i32(self.leader_epoch);
        }
        writer.nullable_string(self.metadata.as_deref());
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let offset = Self {
            index: reader.i32()?,
            offset: reader.i64()?,
            leader_epoch: match version {
                LEADER_EPOCHS.. => reader.i32()?,
                _ => -1,
            },
            metadata: reader.nullable_string()?.map(Arc::from),
        };
        reader.skip_tags()?;
        Ok(offset)
    }
}

/// What became of each offset.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TxnOffsetCommitResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) topics: Vec<TxnOffsetTopicResult>,
}

impl ResponseMessage for TxnOffsetCommitResponse {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let response = Self {
            throttle_time_ms: reader.i32()?,
            topics: reader.array(|reader| TxnOffsetTopicResult::decode(reader, version))?,
        };
        reader.skip_tags()?;
        Ok(response)
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer, version: i16) {
        writer.i32(self.throttle_time_ms);
        writer.array(&self.topics, |writer, topic| topic.encode(writer, version));
        writer.no_tags();
    }
}

/// What became of the offsets of one topic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TxnOffsetTopicResult {
    /// Up to version 5; empty from 6.
    pub(crate) name: String,
    /// From version 6; zeroes before.
    pub(crate) id: TopicId,
    pub(crate) partitions: Vec<TxnPartitionResult>,
}

impl TxnOffsetTopicResult {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let (name, id) = read_topic(reader, has_topic_ids(version))?;
        let topic = Self {
            name: name.to_owned(),
            id,
            partitions: reader.array(TxnPartitionResult::decode)?,
        };
        reader.skip_tags()?;
        Ok(topic)
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer, version: i16) {
        write_topic(writer, has_topic_ids(version), &self.name, self.id);
        writer.array(&self.partitions, |writer, partition| {
            partition.encode(writer);
        });
        writer.no_tags();
    }
}

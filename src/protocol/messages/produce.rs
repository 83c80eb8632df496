//! `Produce` (key 0), versions 3 to 13; flexible from 9. From 13 on, topics go by id.

use crate::ids::{NodeId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::frame::SharedBytes;
use crate::protocol::wire::{DecodeError, Reader, Writer};
use crate::sync::Arc;

/// Brings one batch for each of some partitions of one broker. With `acks` 0 there is no answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProduceRequest {
    pub(crate) transactional_id: Option<Arc<str>>,
    /// 0, 1, or −1 for all.
    pub(crate) acks: i16,
    pub(crate) timeout_ms: i32,
    pub(crate) topics: Vec<ProduceTopic>,
}

impl ProduceRequest {
    /// From version 13 every topic needs its id.
    pub(crate) fn encode(&self, writer: &mut Writer, version: i16) {
        writer.nullable_string(self.transactional_id.as_deref());
        writer.i16(self.acks);
        writer.i32(self.timeout_ms);
        writer.array(&self.topics, |writer, topic| topic.encode(writer, version));
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let request = Self {
            transactional_id: reader.nullable_string()?.map(Arc::from),
            acks: reader.i16()?,
            timeout_ms: reader.i32()?,
            topics: reader.array(|reader| ProduceTopic::decode(reader, version))?,
        };
        reader.skip_tags()?;
        Ok(request)
    }
}

/// Whether topics go by id instead of by name (KIP-516).
fn has_topic_ids(version: i16) -> bool {
    version >= 13
}

/// The batches of one topic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProduceTopic {
    /// On the wire up to version 12. Empty in a request decoded at 13.
    pub(crate) name: Arc<str>,
    /// On the wire from version 13.
    pub(crate) id: TopicId,
    pub(crate) partitions: Vec<ProducePartition>,
}

impl ProduceTopic {
    fn encode(&self, writer: &mut Writer, version: i16) {
        if has_topic_ids(version) {
            debug_assert!(self.id.is_known(), "{} goes by an id", self.name);
            writer.uuid(&self.id.0);
        } else {
            writer.string(&self.name);
        }
        writer.array(&self.partitions, |writer, partition| {
            writer.i32(partition.index);
            writer.records(&partition.records);
            writer.no_tags();
        });
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let (name, id) = decode_topic(reader, version)?;
        let topic = Self {
            name: Arc::from(name),
            id,
            partitions: reader.array(ProducePartition::decode)?,
        };
        reader.skip_tags()?;
        Ok(topic)
    }
}

fn decode_topic<'a>(
    reader: &mut Reader<'a>,
    version: i16,
) -> Result<(&'a str, TopicId), DecodeError> {
    if has_topic_ids(version) {
        Ok(("", TopicId(reader.uuid()?)))
    } else {
        Ok((reader.string()?, TopicId::default()))
    }
}

/// The batch for one partition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProducePartition {
    pub(crate) index: i32,
    /// One record batch.
    pub(crate) records: SharedBytes,
}

#[cfg(any(test, feature = "testing"))]
impl ProducePartition {
    /// Copies the records; null ones become empty ones.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let partition = Self {
            index: reader.i32()?,
            records: SharedBytes::new(reader.nullable_bytes()?.unwrap_or_default().to_vec()),
        };
        reader.skip_tags()?;
        Ok(partition)
    }
}

/// What became of the batches.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ProduceResponse {
    pub(crate) topics: Vec<ProduceTopicResponse>,
    pub(crate) throttle_time_ms: i32,
    /// Where the leaders named in `current_leader` can be reached (KIP-951, version 10).
    pub(crate) node_endpoints: Vec<NodeEndpoint>,
}

impl ProduceResponse {
    pub(crate) fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let topics = reader.array(|reader| ProduceTopicResponse::decode(reader, version))?;
        let throttle_time_ms = reader.i32()?;
        let mut node_endpoints = Vec::new();
        reader.tags(|tag, field| {
            if version >= LEADER_HINTS && tag == 0 {
                node_endpoints = field.array(NodeEndpoint::decode)?;
            }
            Ok(())
        })?;
        Ok(Self {
            topics,
            throttle_time_ms,
            node_endpoints,
        })
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn encode(&self, writer: &mut Writer, version: i16) {
        writer.array(&self.topics, |writer, topic| topic.encode(writer, version));
        writer.i32(self.throttle_time_ms);
        if version >= LEADER_HINTS && !self.node_endpoints.is_empty() {
            writer.one_tag(0, |field| {
                field.array(&self.node_endpoints, |field, node| node.encode(field));
            });
        } else {
            writer.no_tags();
        }
    }
}

/// The first version whose answers say where a partition's leader went (KIP-951).
const LEADER_HINTS: i16 = 10;

/// What became of the batches of one topic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProduceTopicResponse {
    /// Up to version 12; empty from 13.
    pub(crate) name: String,
    /// From version 13; zeroes before.
    pub(crate) id: TopicId,
    pub(crate) partitions: Vec<ProducePartitionResponse>,
}

impl ProduceTopicResponse {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let (name, id) = decode_topic(reader, version)?;
        let topic = Self {
            name: name.to_owned(),
            id,
            partitions: reader.array(|reader| ProducePartitionResponse::decode(reader, version))?,
        };
        reader.skip_tags()?;
        Ok(topic)
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer, version: i16) {
        if has_topic_ids(version) {
            writer.uuid(&self.id.0);
        } else {
            writer.string(&self.name);
        }
        writer.array(&self.partitions, |writer, partition| {
            partition.encode(writer, version);
        });
        writer.no_tags();
    }
}

/// What became of one batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProducePartitionResponse {
    pub(crate) index: i32,
    pub(crate) error: ErrorCode,
    /// −1 where unknown.
    pub(crate) base_offset: i64,
    /// −1 unless the topic stamps records with the time of append.
    pub(crate) log_append_time_ms: i64,
    pub(crate) log_start_offset: i64,
    /// The records to blame (KIP-467, version 8).
    pub(crate) record_errors: Vec<RecordError>,
    pub(crate) error_message: Option<String>,
    /// The leader by now (KIP-951, version 10); `None` also where the broker names node −1.
    pub(crate) current_leader: Option<CurrentLeader>,
}

impl ProducePartitionResponse {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut partition = Self {
            index: reader.i32()?,
            error: ErrorCode::from(reader.i16()?),
            base_offset: reader.i64()?,
            log_append_time_ms: reader.i64()?,
            log_start_offset: if version >= 5 { reader.i64()? } else { -1 },
            record_errors: Vec::new(),
            error_message: None,
            current_leader: None,
        };
        if version >= 8 {
            partition.record_errors = reader.array(RecordError::decode)?;
            partition.error_message = reader.nullable_string()?.map(str::to_owned);
        }
        reader.tags(|tag, field| {
            if version >= LEADER_HINTS && tag == 0 {
                partition.current_leader = CurrentLeader::decode(field)?;
            }
            Ok(())
        })?;
        Ok(partition)
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer, version: i16) {
        writer.i32(self.index);
        writer.i16(self.error.code());
        writer.i64(self.base_offset);
        writer.i64(self.log_append_time_ms);
        if version >= 5 {
            writer.i64(self.log_start_offset);
        }
        if version >= 8 {
            writer.array(&self.record_errors, |writer, error| error.encode(writer));
            writer.nullable_string(self.error_message.as_deref());
        }
        match self.current_leader {
            Some(leader) if version >= LEADER_HINTS => {
                writer.one_tag(0, |field| leader.encode(field));
            }
            _ => writer.no_tags(),
        }
    }
}

/// A record that its broker refused, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RecordError {
    pub(crate) batch_index: i32,
    pub(crate) message: Option<String>,
}

impl RecordError {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let error = Self {
            batch_index: reader.i32()?,
            message: reader.nullable_string()?.map(str::to_owned),
        };
        reader.skip_tags()?;
        Ok(error)
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer) {
        writer.i32(self.batch_index);
        writer.nullable_string(self.message.as_deref());
        writer.no_tags();
    }
}

/// Who leads a partition by now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CurrentLeader {
    pub(crate) leader: NodeId,
    pub(crate) leader_epoch: i32,
}

impl CurrentLeader {
    fn decode(field: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let leader = Self {
            leader: NodeId(field.i32()?),
            leader_epoch: field.i32()?,
        };
        field.skip_tags()?;
        Ok((leader.leader != NodeId(-1)).then_some(leader))
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(self, field: &mut Writer) {
        field.i32(self.leader.0);
        field.i32(self.leader_epoch);
        field.no_tags();
    }
}

/// Where a leader can be reached.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeEndpoint {
    pub(crate) node: NodeId,
    pub(crate) host: String,
    pub(crate) port: i32,
    pub(crate) rack: Option<String>,
}

impl NodeEndpoint {
    fn decode(field: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let node = Self {
            node: NodeId(field.i32()?),
            host: field.string()?.to_owned(),
            port: field.i32()?,
            rack: field.nullable_string()?.map(str::to_owned),
        };
        field.skip_tags()?;
        Ok(node)
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, field: &mut Writer) {
        field.i32(self.node.0);
        field.string(&self.host);
        field.i32(self.port);
        field.nullable_string(self.rack.as_deref());
        field.no_tags();
    }
}

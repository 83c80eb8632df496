//! `Produce`: brings record batches to the leaders of their partitions.
//!
//! | version | what it adds |
//! |--:|---|
//! | 3 | today's record batches (KIP-98); brokers since 4.0 refuse what is older |
//! | 5 | where the log starts |
//! | 7 | batches compressed with zstd (KIP-110) |
//! | 8 | which records are to blame, and a text (KIP-467) |
//! | 9 | flexible |
//! | 10 | the new leader, if the broker no longer leads (KIP-951) |
//! | 11 | an error code (KIP-890) |
//! | 12 | adds partitions to the transaction: version 2 of transactions (KIP-890) |
//! | 13 | topic ids instead of names (KIP-516) |

use crate::ids::{NodeId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::frame::SharedBytes;
use crate::protocol::messages::{RequestMessage, ResponseMessage, read_topic, write_topic};
use crate::protocol::version::{TransactionVersion, VersionRange};
use crate::protocol::wire::{DecodeError, Reader, Writer};
use crate::sync::Arc;

/// One batch for each of some partitions, all of them led by one broker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProduceRequest {
    /// Whose transaction the batches belong to; `None`: they belong to none.
    pub(crate) transactional_id: Option<Arc<str>>,
    /// By which version the transaction is spoken: it decides in which versions of this request batches
    /// can be part of it, and is not written. Without a transaction: V1.
    pub(crate) transactions: TransactionVersion,
    /// How many replicas have to have the batches before the broker answers: 0 (it does not answer
    /// at all), 1, or −1 for all that are in sync.
    pub(crate) acks: i16,
    /// How long the broker may wait for the other replicas.
    pub(crate) timeout_ms: i32,
    pub(crate) topics: Vec<ProduceTopic>,
}

impl ProduceRequest {
    /// The last version that names topics; later ones have room for their ids only, which brokers
    /// before 2.8 do not give (KIP-516).
    pub(crate) const LAST_WITH_NAMES: i16 = 12;
    /// The first version in which a broker accepts batches compressed with zstd; in an older one it
    /// refuses the request as a whole (KIP-110).
    pub(crate) const FIRST_WITH_ZSTD: i16 = 7;
    /// The first version that is for transactions of version 2: it adds partitions to them (KIP-890).
    pub(crate) const FIRST_OF_V2: i16 = 12;
}

impl RequestMessage for ProduceRequest {
    const KEY: i16 = 0;
    const VERSIONS: VersionRange = VersionRange::new(3, 13);
    const FIRST_FLEXIBLE: i16 = 9;
    type Response = ProduceResponse;

    /// With `acks` 0 there is no answer, not even to say that something went wrong. A client that
    /// waited for one would take the answer to its next request for it.
    fn is_answered(&self) -> bool {
        self.acks != 0
    }

    /// From version 13 every topic needs its id. The batches are not copied.
    fn encode(&self, writer: &mut Writer, version: i16) {
        writer.nullable_string(self.transactional_id.as_deref());
        writer.i16(self.acks);
        writer.i32(self.timeout_ms);
        writer.array(&self.topics, |writer, topic| topic.encode(writer, version));
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let transactional_id = reader.nullable_string()?.map(Arc::from);
        let request = Self {
            transactions: match transactional_id {
                Some(_) => TransactionVersion::of(version, Self::FIRST_OF_V2),
                None => TransactionVersion::V1,
            },
            transactional_id,
            acks: reader.i16()?,
            timeout_ms: reader.i32()?,
            topics: reader.array(|reader| ProduceTopic::decode(reader, version))?,
        };
        reader.skip_tags()?;
        Ok(request)
    }
}

/// Whether topics are given by id instead of by name (KIP-516).
fn has_topic_ids(version: i16) -> bool {
    version > ProduceRequest::LAST_WITH_NAMES
}

/// The batches of one topic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProduceTopic {
    /// Written up to version 12; empty in a request that was read in a later one.
    pub(crate) name: Arc<str>,
    /// Written from version 13; zeroes in a request that was read in an older one.
    pub(crate) id: TopicId,
    pub(crate) partitions: Vec<ProducePartition>,
}

impl ProduceTopic {
    fn encode(&self, writer: &mut Writer, version: i16) {
        let by_id = has_topic_ids(version);
        debug_assert!(!by_id || self.id.is_known(), "{} has no id", self.name);
        write_topic(writer, by_id, &self.name, self.id);
        writer.array(&self.partitions, |writer, partition| {
            writer.i32(partition.index);
            writer.records(&partition.records);
            writer.no_tags();
        });
        writer.no_tags();
    }

    #[cfg(any(test, feature = "testing"))]
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let (name, id) = read_topic(reader, has_topic_ids(version))?;
        let topic = Self {
            name: Arc::from(name),
            id,
            partitions: reader.array(ProducePartition::decode)?,
        };
        reader.skip_tags()?;
        Ok(topic)
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
    /// Copies the batch; null becomes an empty one.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let partition = Self {
            index: reader.i32()?,
            records: SharedBytes::new(reader.nullable_bytes()?.unwrap_or_default().to_vec()),
        };
        reader.skip_tags()?;
        Ok(partition)
    }
}

/// What became of each batch of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ProduceResponse {
    pub(crate) topics: Vec<ProduceTopicResponse>,
    pub(crate) throttle_time_ms: i32,
    /// The addresses of the leaders named in `current_leader` (from version 10, KIP-951).
    pub(crate) node_endpoints: Vec<NodeEndpoint>,
}

impl ResponseMessage for ProduceResponse {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
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

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer, version: i16) {
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

/// The first version whose answers say where the log starts, so that a client can tell a gap in a
/// sequence from records that have expired.
const LOG_START: i16 = 5;

/// The first version whose answers say which records are to blame (KIP-467).
const RECORD_ERRORS: i16 = 8;

/// The first version whose answers name the partition's new leader (KIP-951).
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
        let (name, id) = read_topic(reader, has_topic_ids(version))?;
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
        write_topic(writer, has_topic_ids(version), &self.name, self.id);
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
    /// −1 unless the topic stamps records with the time of append; but also set, to the batch's
    /// largest timestamp, for a batch that the log already had.
    pub(crate) log_append_time_ms: i64,
    pub(crate) log_start_offset: i64,
    /// The records because of which the batch was refused (from version 8, KIP-467).
    pub(crate) record_errors: Vec<RecordError>,
    pub(crate) error_message: Option<String>,
    /// The current leader, if the broker that was asked is not it (from version 10, KIP-951); `None`
    /// also if the broker names node −1, which means that it does not know.
    pub(crate) current_leader: Option<CurrentLeader>,
}

impl ProducePartitionResponse {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut partition = Self {
            index: reader.i32()?,
            error: ErrorCode::from(reader.i16()?),
            base_offset: reader.i64()?,
            log_append_time_ms: reader.i64()?,
            log_start_offset: if version >= LOG_START {
                reader.i64()?
            } else {
                -1
            },
            record_errors: Vec::new(),
            error_message: None,
            current_leader: None,
        };
        if version >= RECORD_ERRORS {
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
        if version >= LOG_START {
            writer.i64(self.log_start_offset);
        }
        if version >= RECORD_ERRORS {
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

/// A record that the broker refused, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RecordError {
    /// Which record of the batch, counted from 0.
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

/// A partition's current leader.
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

/// The address of a partition's new leader.
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

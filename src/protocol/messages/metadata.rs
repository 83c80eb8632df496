//! `Metadata`: the brokers of a cluster, and which of them leads which partition.
//!
//! | version | what it adds |
//! |--:|---|
//! | 4 | whether a topic that does not exist may be created |
//! | 5 | offline replicas |
//! | 7 | leader epochs (KIP-320) |
//! | 8 | authorized operations, of the cluster until 10 and of topics (KIP-430) |
//! | 9 | flexible |
//! | 10 | topic ids (KIP-516) |
//! | 12 | topics asked for by id, whose name may be null in the answer |
//! | 13 | an error for the request as a whole |
//!
//! Versions before 4 are left out: no broker since 2.1 needs them. The operations that this client
//! is authorized for on the cluster are never asked for.

use crate::ids::{NodeId, TopicId, misleads};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{RequestMessage, ResponseMessage};
use crate::protocol::version::VersionRange;
use crate::protocol::wire::{DecodeError, Reader, Writer};
use crate::sync::Arc;

/// Asks for the brokers, and for the leaders of some topics' partitions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataRequest {
    /// The topics asked for; `None` asks for all of them.
    pub(crate) topics: Option<Vec<Arc<str>>>,
    pub(crate) allow_auto_topic_creation: bool,
    /// Whether to say which operations this client is authorized for on each topic. Not written
    /// before version 8.
    pub(crate) include_topic_operations: bool,
}

impl RequestMessage for MetadataRequest {
    const KEY: i16 = 3;
    const VERSIONS: VersionRange = VersionRange::new(4, 13);
    const FIRST_FLEXIBLE: i16 = 9;
    type Response = MetadataResponse;

    fn encode(&self, writer: &mut Writer, version: i16) {
        writer.nullable_array(self.topics.as_deref(), |writer, name| {
            // Zeroes: brokers of versions 10 and 11 do not look topics up by their id.
            if version >= TOPIC_IDS {
                writer.uuid(&TopicId::default().0);
            }
            writer.string(name);
            writer.no_tags();
        });
        writer.bool(self.allow_auto_topic_creation);
        if has_cluster_operations(version) {
            writer.bool(false);
        }
        if has_topic_operations(version) {
            writer.bool(self.include_topic_operations);
        }
        writer.no_tags();
    }

    /// Fails for topics that are asked for by id, as no producer does.
    #[cfg(any(test, feature = "testing"))]
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let topics = reader.nullable_array(|reader| {
            if version >= TOPIC_IDS {
                reader.uuid()?;
            }
            let name = Arc::from(reader.string()?);
            reader.skip_tags()?;
            Ok(name)
        })?;
        let allow_auto_topic_creation = reader.bool()?;
        if has_cluster_operations(version) {
            reader.bool()?;
        }
        let include_topic_operations = has_topic_operations(version) && reader.bool()?;
        reader.skip_tags()?;
        Ok(Self {
            topics,
            allow_auto_topic_creation,
            include_topic_operations,
        })
    }
}

/// The first version that has topic ids (KIP-516).
const TOPIC_IDS: i16 = 10;

/// Whether the operations that a client is authorized for on the cluster are in the message: from
/// version 8 (KIP-430) until they moved to `DescribeCluster` (KIP-700).
fn has_cluster_operations(version: i16) -> bool {
    (8..=10).contains(&version)
}

/// Whether the operations that a client is authorized for on each topic are in the message
/// (KIP-430).
fn has_topic_operations(version: i16) -> bool {
    version >= 8
}

/// The brokers, and the leaders of the topics that were asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MetadataResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) brokers: Vec<MetadataBroker>,
    pub(crate) cluster_id: Option<String>,
    pub(crate) controller: i32,
    pub(crate) topics: Vec<MetadataTopic>,
    /// Why the request failed as a whole (from version 13).
    pub(crate) error: ErrorCode,
}

impl MetadataResponse {
    /// The cluster that the broker belongs to, if it says so. What would garble a log line is no name.
    pub(crate) fn cluster_id(&self) -> Option<&str> {
        const LONGEST: usize = 255;
        let is_usable = |id: &&str| (1..=LONGEST).contains(&id.len()) && !id.contains(misleads);
        self.cluster_id.as_deref().filter(is_usable)
    }
}

impl ResponseMessage for MetadataResponse {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let throttle_time_ms = reader.i32()?;
        let brokers = reader.array(MetadataBroker::decode)?;
        let cluster_id = reader.nullable_string()?.map(str::to_owned);
        let controller = reader.i32()?;
        let topics = reader.array(|reader| MetadataTopic::decode(reader, version))?;
        if has_cluster_operations(version) {
            reader.i32()?;
        }
        let error = if version >= 13 { reader.i16()? } else { 0 };
        reader.skip_tags()?;
        Ok(Self {
            throttle_time_ms,
            brokers,
            cluster_id,
            controller,
            topics,
            error: ErrorCode::from(error),
        })
    }

    fn throttle_time_ms(&self) -> i32 {
        self.throttle_time_ms
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer, version: i16) {
        writer.i32(self.throttle_time_ms);
        writer.array(&self.brokers, |writer, broker| broker.encode(writer));
        writer.nullable_string(self.cluster_id.as_deref());
        writer.i32(self.controller);
        writer.array(&self.topics, |writer, topic| topic.encode(writer, version));
        if has_cluster_operations(version) {
            writer.i32(Operations::OMITTED.0);
        }
        if version >= 13 {
            writer.i16(self.error.code());
        }
        writer.no_tags();
    }
}

/// The operations that a client is authorized for: a bit for each, by its number in Kafka's
/// `AclOperation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operations(pub(crate) i32);

impl Operations {
    /// Not a set: nobody asked for it, or the broker does not say.
    pub(crate) const OMITTED: Self = Self(i32::MIN);
    /// What a broker without access rules answers for every topic: read, write, create, delete,
    /// alter, describe, and describe and alter its configuration.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) const ALL_OF_A_TOPIC: Self = Self(0b1101_1111_1000);
    const WRITE: i32 = 1 << 4;

    /// Whether the client may write; `None` if the broker did not say.
    pub(crate) fn may_write(self) -> Option<bool> {
        (self != Self::OMITTED).then_some(self.0 & Self::WRITE != 0)
    }
}

/// Where a broker can be reached.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataBroker {
    pub(crate) node: NodeId,
    pub(crate) host: String,
    pub(crate) port: i32,
    pub(crate) rack: Option<String>,
}

impl MetadataBroker {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let broker = Self {
            node: NodeId(reader.i32()?),
            host: reader.string()?.to_owned(),
            port: reader.i32()?,
            rack: reader.nullable_string()?.map(str::to_owned),
        };
        reader.skip_tags()?;
        Ok(broker)
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer) {
        writer.i32(self.node.0);
        writer.string(&self.host);
        writer.i32(self.port);
        writer.nullable_string(self.rack.as_deref());
        writer.no_tags();
    }
}

/// A topic, or why it cannot be described.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataTopic {
    pub(crate) error: ErrorCode,
    /// Null only from version 12, and only if the request asked by id.
    pub(crate) name: Option<String>,
    pub(crate) id: TopicId,
    pub(crate) is_internal: bool,
    pub(crate) partitions: Vec<MetadataPartition>,
    pub(crate) operations: Operations,
}

/// The first version in which a topic that was asked for by id may have no name.
const NULL_NAMES: i16 = 12;

impl MetadataTopic {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let error = ErrorCode::from(reader.i16()?);
        let name = if version >= NULL_NAMES {
            reader.nullable_string()?
        } else {
            Some(reader.string()?)
        };
        let mut topic = Self {
            error,
            name: name.map(str::to_owned),
            id: TopicId(if version >= TOPIC_IDS {
                reader.uuid()?
            } else {
                [0; 16]
            }),
            is_internal: reader.bool()?,
            partitions: reader.array(|reader| MetadataPartition::decode(reader, version))?,
            operations: Operations::OMITTED,
        };
        if has_topic_operations(version) {
            topic.operations = Operations(reader.i32()?);
        }
        reader.skip_tags()?;
        Ok(topic)
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer, version: i16) {
        writer.i16(self.error.code());
        if version >= NULL_NAMES {
            writer.nullable_string(self.name.as_deref());
        } else {
            writer.string(self.name.as_deref().unwrap_or_default());
        }
        if version >= TOPIC_IDS {
            writer.uuid(&self.id.0);
        }
        writer.bool(self.is_internal);
        writer.array(&self.partitions, |writer, partition| {
            partition.encode(writer, version);
        });
        if has_topic_operations(version) {
            writer.i32(self.operations.0);
        }
        writer.no_tags();
    }
}

/// A partition's leader and replicas.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataPartition {
    pub(crate) error: ErrorCode,
    pub(crate) index: i32,
    /// −1: no leader at the moment.
    pub(crate) leader: NodeId,
    /// −1 before version 7.
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<NodeId>,
    pub(crate) in_sync_replicas: Vec<NodeId>,
    pub(crate) offline_replicas: Vec<NodeId>,
}

/// The first version that has leader epochs (KIP-320).
const LEADER_EPOCHS: i16 = 7;

/// The first version that says which replicas are offline.
const OFFLINE_REPLICAS: i16 = 5;

impl MetadataPartition {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let nodes = |reader: &mut Reader<'_>| reader.array(|reader| reader.i32().map(NodeId));
        let partition = Self {
            error: ErrorCode::from(reader.i16()?),
            index: reader.i32()?,
            leader: NodeId(reader.i32()?),
            leader_epoch: if version >= LEADER_EPOCHS {
                reader.i32()?
            } else {
                -1
            },
            replicas: nodes(reader)?,
            in_sync_replicas: nodes(reader)?,
            offline_replicas: if version >= OFFLINE_REPLICAS {
                nodes(reader)?
            } else {
                Vec::new()
            },
        };
        reader.skip_tags()?;
        Ok(partition)
    }

    #[cfg(any(test, feature = "testing"))]
    fn encode(&self, writer: &mut Writer, version: i16) {
        let nodes = |writer: &mut Writer, nodes: &[NodeId]| {
            writer.array(nodes, |writer, node| writer.i32(node.0));
        };
        writer.i16(self.error.code());
        writer.i32(self.index);
        writer.i32(self.leader.0);
        if version >= LEADER_EPOCHS {
            writer.i32(self.leader_epoch);
        }
        nodes(writer, &self.replicas);
        nodes(writer, &self.in_sync_replicas);
        if version >= OFFLINE_REPLICAS {
            nodes(writer, &self.offline_replicas);
        }
        writer.no_tags();
    }
}

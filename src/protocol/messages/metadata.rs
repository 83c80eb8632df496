//! `Metadata` (key 3), versions 4 to 13; flexible from 9. What this client may do to the cluster is
//! never asked for; to the topics, from version 8.

use crate::ids::{NodeId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::wire::{DecodeError, Reader, Writer};
use crate::sync::Arc;

/// Asks who leads which partition of some topics.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataRequest {
    /// The topics asked for; `None` asks for all of them.
    pub(crate) topics: Option<Vec<Arc<str>>>,
    pub(crate) allow_auto_topic_creation: bool,
    /// Whether to tell what this client may do to each topic. Lost before version 8.
    pub(crate) include_topic_operations: bool,
}

impl MetadataRequest {
    pub(crate) fn encode(&self, writer: &mut Writer, version: i16) {
        writer.nullable_array(self.topics.as_deref(), |writer, name| {
            if version >= 10 {
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

    /// Refuses topics that are asked for by id: producers do not.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let topics = reader.nullable_array(|reader| {
            if version >= 10 {
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

/// What a client may do to the cluster is told in these versions only.
fn has_cluster_operations(version: i16) -> bool {
    (8..=10).contains(&version)
}

/// What a client may do to each topic is told from this version on.
fn has_topic_operations(version: i16) -> bool {
    version >= 8
}

/// Brokers, and the leaders of the topics that were asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MetadataResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) brokers: Vec<MetadataBroker>,
    pub(crate) cluster_id: Option<String>,
    pub(crate) controller: i32,
    pub(crate) topics: Vec<MetadataTopic>,
    /// Version 13: the whole request failed.
    pub(crate) error: ErrorCode,
}

impl MetadataResponse {
    pub(crate) fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
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

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn encode(&self, writer: &mut Writer, version: i16) {
        writer.i32(self.throttle_time_ms);
        writer.array(&self.brokers, |writer, broker| broker.encode(writer));
        writer.nullable_string(self.cluster_id.as_deref());
        writer.i32(self.controller);
        writer.array(&self.topics, |writer, topic| topic.encode(writer, version));
        if has_cluster_operations(version) {
            writer.i32(Operations::UNTOLD.0);
        }
        if version >= 13 {
            writer.i16(self.error.code());
        }
        writer.no_tags();
    }
}

/// What a client may do: a bit for each operation, by its number in Kafka's `AclOperation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operations(pub(crate) i32);

impl Operations {
    /// Stands for a set that was not asked for, or that the broker does not tell.
    pub(crate) const UNTOLD: Self = Self(i32::MIN);
    /// What a broker without access rules tells of each topic: read, write, create, delete, alter,
    /// describe, and describe and alter its configuration.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) const ALL_OF_A_TOPIC: Self = Self(0b1101_1111_1000);
    const WRITE: i32 = 1 << 4;

    /// Whether the client may write; `None` if the broker did not tell.
    pub(crate) fn may_write(self) -> Option<bool> {
        (self != Self::UNTOLD).then_some(self.0 & Self::WRITE != 0)
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

/// One topic, or why there is nothing to tell about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataTopic {
    pub(crate) error: ErrorCode,
    /// Null only from version 12, and only where the request asked by id.
    pub(crate) name: Option<String>,
    pub(crate) id: TopicId,
    pub(crate) is_internal: bool,
    pub(crate) partitions: Vec<MetadataPartition>,
    pub(crate) operations: Operations,
}

impl MetadataTopic {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let error = ErrorCode::from(reader.i16()?);
        let name = if version >= 12 {
            reader.nullable_string()?
        } else {
            Some(reader.string()?)
        };
        let mut topic = Self {
            error,
            name: name.map(str::to_owned),
            id: TopicId(if version >= 10 {
                reader.uuid()?
            } else {
                [0; 16]
            }),
            is_internal: reader.bool()?,
            partitions: reader.array(|reader| MetadataPartition::decode(reader, version))?,
            operations: Operations::UNTOLD,
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
        if version >= 12 {
            writer.nullable_string(self.name.as_deref());
        } else {
            writer.string(self.name.as_deref().unwrap_or_default());
        }
        if version >= 10 {
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

/// Who leads a partition and who follows.
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

impl MetadataPartition {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, DecodeError> {
        let nodes = |reader: &mut Reader<'_>| reader.array(|reader| reader.i32().map(NodeId));
        let partition = Self {
            error: ErrorCode::from(reader.i16()?),
            index: reader.i32()?,
            leader: NodeId(reader.i32()?),
            leader_epoch: if version >= 7 { reader.i32()? } else { -1 },
            replicas: nodes(reader)?,
            in_sync_replicas: nodes(reader)?,
            offline_replicas: if version >= 5 {
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
        if version >= 7 {
            writer.i32(self.leader_epoch);
        }
        nodes(writer, &self.replicas);
        nodes(writer, &self.in_sync_replicas);
        if version >= 5 {
            nodes(writer, &self.offline_replicas);
        }
        writer.no_tags();
    }
}

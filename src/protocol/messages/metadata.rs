//! `Metadata` (key 3), versions 0 to 13; flexible from 9.

use crate::ids::{NodeId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataRequest {
    /// The topics asked for; `None` asks for all of them.
    pub(crate) topics: Option<Vec<Arc<str>>>,
    pub(crate) allow_auto_topic_creation: bool,
}

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

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataBroker {
    pub(crate) node: NodeId,
    pub(crate) host: String,
    pub(crate) port: i32,
    pub(crate) rack: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataTopic {
    pub(crate) error: ErrorCode,
    /// Null only from version 12, and only where the request asked by id.
    pub(crate) name: Option<String>,
    pub(crate) id: TopicId,
    pub(crate) is_internal: bool,
    pub(crate) partitions: Vec<MetadataPartition>,
}

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

//! `Produce` (key 0), versions 3 to 13; flexible from 9. From 13 on, topics go by id.

use crate::ids::{NodeId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::frame::SharedBytes;
use crate::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) struct ProduceRequest {
    pub(crate) transactional_id: Option<Arc<str>>,
    /// 0, 1, or −1 for all.
    pub(crate) acks: i16,
    pub(crate) timeout_ms: i32,
    pub(crate) topics: Vec<ProduceTopic>,
}

#[derive(Clone, Debug)]
pub(crate) struct ProduceTopic {
    /// On the wire up to version 12. Empty in a request decoded at 13.
    pub(crate) name: Arc<str>,
    /// On the wire from version 13.
    pub(crate) id: TopicId,
    pub(crate) partitions: Vec<ProducePartition>,
}

#[derive(Clone, Debug)]
pub(crate) struct ProducePartition {
    pub(crate) index: i32,
    /// One record batch.
    pub(crate) records: SharedBytes,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ProduceResponse {
    pub(crate) topics: Vec<ProduceTopicResponse>,
    pub(crate) throttle_time_ms: i32,
    /// Where the leaders named in `current_leader` can be reached (KIP-951, version 10).
    pub(crate) node_endpoints: Vec<NodeEndpoint>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProduceTopicResponse {
    /// Up to version 12; empty from 13.
    pub(crate) name: String,
    /// From version 13; zeroes before.
    pub(crate) id: TopicId,
    pub(crate) partitions: Vec<ProducePartitionResponse>,
}

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
    /// The leader by now (KIP-951, version 10).
    pub(crate) current_leader: Option<CurrentLeader>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RecordError {
    pub(crate) batch_index: i32,
    pub(crate) message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CurrentLeader {
    pub(crate) leader: NodeId,
    pub(crate) leader_epoch: i32,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeEndpoint {
    pub(crate) node: NodeId,
    pub(crate) host: String,
    pub(crate) port: i32,
    pub(crate) rack: Option<String>,
}

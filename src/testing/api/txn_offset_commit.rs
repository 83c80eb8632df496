//! `TxnOffsetCommit`, versions 0 to 6: offsets of a consumer group, which become the group's when the
//! transaction is committed. From version 5 on, the group joins the transaction by it.
//!
//! | what is wrong | answer |
//! |---|---|
//! | another broker coordinates the group | `NOT_COORDINATOR` |
//! | no such topic id, from version 6 | `UNKNOWN_TOPIC_ID` |
//! | no such topic or partition | `UNKNOWN_TOPIC_OR_PARTITION` |
//! | more than 4096 bytes of metadata | `OFFSET_METADATA_TOO_LARGE` |
//! | the group is not part of the transaction, before version 5 | `TRANSACTION_ABORTABLE`, before version 4 `INVALID_TXN_STATE` |
//! | the producer's id is not that of the transactional id | `INVALID_PRODUCER_ID_MAPPING` |
//! | it has another epoch | `INVALID_PRODUCER_EPOCH` |
//! | the transaction before is not complete | `CONCURRENT_TRANSACTIONS`, before version 5 `COORDINATOR_NOT_AVAILABLE` |
//!
//! Groups have no members here: whoever names one is believed. A test that wants `ILLEGAL_GENERATION` or
//! `UNKNOWN_MEMBER_ID` scripts a fault.

use crate::ErrorCode;
use crate::protocol::Response;
use crate::protocol::messages::{
    TxnOffset, TxnOffsetCommitRequest, TxnOffsetCommitResponse, TxnOffsetTopic,
    TxnOffsetTopicResult, TxnPartitionResult,
};
use crate::sync::Arc;
use crate::testing::MockRequestContent;
use crate::testing::api::{Answer, Arrival, Handler, first_error};
use crate::testing::faults::Subject;
use crate::testing::groups::Position;
use crate::testing::state::ClusterState;
use crate::testing::transactions::{Identity, Joining, Key};

/// The first version that has `TRANSACTION_ABORTABLE` (KIP-890).
const ABORTABLE: i16 = 4;
/// `offset.metadata.max.bytes`, as Kafka has it by default.
const MAX_METADATA_BYTES: usize = 4096;

impl Handler for TxnOffsetCommitRequest {
    fn content(&self, state: &ClusterState) -> MockRequestContent {
        let offsets = self.offsets(state);
        MockRequestContent::TxnOffsetCommit {
            transactional_id: self.transactional_id.to_string(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            group_id: self.group_id.to_string(),
            generation: self.generation,
            member_id: self.member_id.to_string(),
            offsets: offsets
                .map(|(topic, one)| (topic.to_string(), one.index, one.offset))
                .collect(),
        }
    }

    fn subjects(&self, state: &ClusterState) -> Vec<Subject> {
        let offsets = self.offsets(state);
        offsets
            .map(|(topic, one)| (topic, Some(one.index)))
            .collect()
    }

    fn handle(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let joined = match self.has_any(state, arrival) {
            true => self.join(state, arrival),
            false => ErrorCode::NONE,
        };
        let mut topics = Vec::new();
        for topic in &self.topics {
            let name = name_of(state, topic);
            let mut partitions = Vec::new();
            for offset in &topic.partitions {
                let error = self.commit(state, arrival, name.as_ref(), offset, joined);
                partitions.push(TxnPartitionResult {
                    index: offset.index,
                    error,
                });
            }
            topics.push(TxnOffsetTopicResult {
                name: topic.name.to_string(),
                id: topic.id,
                partitions,
            });
        }
        let first = first_error(topics.iter().flat_map(|topic| &topic.partitions));
        let response = TxnOffsetCommitResponse {
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            topics,
        };
        Answer::Send(Response::TxnOffsetCommit(response), first)
    }
}

impl TxnOffsetCommitRequest {
    fn offsets(&self, state: &ClusterState) -> impl Iterator<Item = (Arc<str>, &TxnOffset)> {
        self.topics.iter().flat_map(|topic| {
            let name = name_of(state, topic).unwrap_or_else(|| "".into());
            let offsets = topic.partitions.iter();
            offsets.map(move |one| (Arc::clone(&name), one))
        })
    }

    /// Whether the group's coordinator hears of the request: not if no partition of it is there, or if a
    /// test wants nothing of it to happen.
    fn has_any(&self, state: &ClusterState, arrival: &Arrival<'_>) -> bool {
        self.offsets(state).any(|(topic, one)| {
            let refusal = arrival.plan.partition(&topic, one.index);
            refusal.is_none_or(|refusal| refusal.applied)
                && state.partition(&topic, one.index).is_some()
        })
    }

    /// The group joins the transaction, or has joined it already.
    fn join(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> ErrorCode {
        if self.group_id.is_empty() {
            return ErrorCode::INVALID_GROUP_ID;
        }
        let key = Key::Group(Arc::clone(&self.group_id));
        if !state.coordinates(arrival.node, key) {
            return ErrorCode::NOT_COORDINATOR;
        }
        let joining = Joining {
            transactional_id: &self.transactional_id,
            producer: Identity {
                producer_id: self.producer_id,
                epoch: self.producer_epoch,
            },
            transactions: self.transactions,
            knows_abortable: arrival.version >= ABORTABLE,
        };
        let joined = state.join_group(joining, &self.group_id);
        joined.err().unwrap_or_default()
    }

    fn commit(
        &self,
        state: &mut ClusterState,
        arrival: &Arrival<'_>,
        topic: Option<&Arc<str>>,
        offset: &TxnOffset,
        joined: ErrorCode,
    ) -> ErrorCode {
        let name = topic.map_or("", |name| name);
        let scripted = arrival.plan.partition(name, offset.index);
        if let Some(refusal) = scripted.filter(|refusal| !refusal.applied) {
            return refusal.code;
        }
        let Some(topic) = topic else {
            return ErrorCode::UNKNOWN_TOPIC_ID;
        };
        let metadata = offset.metadata.as_deref();
        if state.partition(topic, offset.index).is_none() {
            return ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        } else if metadata.map_or(0, str::len) > MAX_METADATA_BYTES {
            return ErrorCode::OFFSET_METADATA_TOO_LARGE;
        } else if joined != ErrorCode::NONE {
            return joined;
        }
        let position = Position {
            offset: offset.offset,
            leader_epoch: offset.leader_epoch,
            metadata: metadata.map(str::to_owned),
        };
        let partition = (Arc::clone(topic), offset.index);
        let group = &self.group_id;
        (state.groups).add(group, self.producer_id, [(partition, position)]);
        scripted.map_or(ErrorCode::NONE, |refusal| refusal.code)
    }
}

/// The topic's name, which requests do not carry from version 6; none if there is no such id.
fn name_of(state: &ClusterState, topic: &TxnOffsetTopic) -> Option<Arc<str>> {
    if topic.name.is_empty() {
        return state.topic_name(topic.id);
    }
    Some(Arc::clone(&topic.name))
}

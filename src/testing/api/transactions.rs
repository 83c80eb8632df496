//! `AddPartitionsToTxn`, `AddOffsetsToTxn`, `EndTxn` and `TxnOffsetCommit`: nobody coordinates
//! transactions here (`NOT_COORDINATOR`).

use crate::ErrorCode;
use crate::protocol::Response;
use crate::protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse, EndTxnRequest, EndTxnResponse, TxnOffsetCommitRequest,
    TxnOffsetCommitResponse, TxnOffsetTopicResult, TxnPartitionResult, TxnTopicResult,
};
use crate::testing::MockRequestContent;
use crate::testing::api::{Answer, Arrival, Handler};
use crate::testing::state::ClusterState;

impl Handler for AddPartitionsToTxnRequest {
    fn content(&self, _state: &ClusterState) -> MockRequestContent {
        let topics = self.topics.iter();
        let partitions = topics.flat_map(|topic| {
            let name = topic.name.to_string();
            let partitions = topic.partitions.iter();
            partitions.map(move |index| (name.clone(), *index))
        });
        MockRequestContent::AddPartitionsToTxn {
            transactional_id: self.transactional_id.to_string(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            partitions: partitions.collect(),
        }
    }

    fn handle(&self, _state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let error = ErrorCode::NOT_COORDINATOR;
        let topics = self.topics.iter().map(|topic| TxnTopicResult {
            name: topic.name.to_string(),
            partitions: (topic.partitions.iter().copied())
                .map(|index| TxnPartitionResult { index, error })
                .collect(),
        });
        let response = AddPartitionsToTxnResponse {
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            topics: topics.collect(),
        };
        Answer::Send(Response::AddPartitionsToTxn(response), error)
    }
}

impl Handler for AddOffsetsToTxnRequest {
    fn content(&self, _state: &ClusterState) -> MockRequestContent {
        MockRequestContent::AddOffsetsToTxn {
            transactional_id: self.transactional_id.to_string(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            group_id: self.group_id.to_string(),
        }
    }

    fn handle(&self, _state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let error = ErrorCode::NOT_COORDINATOR;
        let response = AddOffsetsToTxnResponse {
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            error,
        };
        Answer::Send(Response::AddOffsetsToTxn(response), error)
    }
}

impl Handler for EndTxnRequest {
    fn content(&self, _state: &ClusterState) -> MockRequestContent {
        MockRequestContent::EndTxn {
            transactional_id: self.transactional_id.to_string(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            committed: self.committed,
        }
    }

    fn handle(&self, _state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let error = ErrorCode::NOT_COORDINATOR;
        let response = EndTxnResponse {
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            error,
            producer_id: -1,
            producer_epoch: -1,
        };
        Answer::Send(Response::EndTxn(response), error)
    }
}

impl Handler for TxnOffsetCommitRequest {
    fn content(&self, state: &ClusterState) -> MockRequestContent {
        let topics = self.topics.iter();
        let offsets = topics.flat_map(|topic| {
            let name = match &*topic.name {
                "" => state.topic_name(topic.id).unwrap_or_default(),
                name => name.into(),
            };
            let partitions = topic.partitions.iter();
            partitions.map(move |one| (name.to_string(), one.index, one.offset))
        });
        MockRequestContent::TxnOffsetCommit {
            transactional_id: self.transactional_id.to_string(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            group_id: self.group_id.to_string(),
            generation: self.generation,
            member_id: self.member_id.to_string(),
            offsets: offsets.collect(),
        }
    }

    fn handle(&self, _state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let error = ErrorCode::NOT_COORDINATOR;
        let topics = self.topics.iter().map(|topic| TxnOffsetTopicResult {
            name: topic.name.to_string(),
            id: topic.id,
            partitions: (topic.partitions.iter())
                .map(|one| TxnPartitionResult {
                    index: one.index,
                    error,
                })
                .collect(),
        });
        let response = TxnOffsetCommitResponse {
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            topics: topics.collect(),
        };
        Answer::Send(Response::TxnOffsetCommit(response), error)
    }
}

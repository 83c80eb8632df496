//! `AddPartitionsToTxn`, versions 0 to 3: partitions join a transaction of version 1, and begin it if
//! they are the first.
//!
//! | what is wrong | answer |
//! |---|---|
//! | another broker coordinates the id | `NOT_COORDINATOR` |
//! | no such topic or partition | `UNKNOWN_TOPIC_OR_PARTITION`, and for the others `OPERATION_NOT_ATTEMPTED` |
//! | the producer's id is not that of the transactional id | `INVALID_PRODUCER_ID_MAPPING` |
//! | it has another epoch | `PRODUCER_FENCED`, before version 2 `INVALID_PRODUCER_EPOCH` |
//! | the transaction before is not complete | `CONCURRENT_TRANSACTIONS` |

use crate::ErrorCode;
use crate::protocol::Response;
use crate::protocol::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, TxnPartitionResult, TxnTopicResult,
};
use crate::sync::Arc;
use crate::testing::MockRequestContent;
use crate::testing::api::{Answer, Arrival, Handler, first_error, since};
use crate::testing::faults::Subject;
use crate::testing::state::ClusterState;
use crate::testing::transactions::{Identity, Key};

/// The first version that has `PRODUCER_FENCED` (KIP-588).
const FENCED: i16 = 2;

impl Handler for AddPartitionsToTxnRequest {
    fn content(&self, _state: &ClusterState) -> MockRequestContent {
        let partitions = self.partitions();
        MockRequestContent::AddPartitionsToTxn {
            transactional_id: self.transactional_id.to_string(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            partitions: partitions
                .map(|(topic, index)| (topic.to_string(), index))
                .collect(),
        }
    }

    fn subjects(&self, _state: &ClusterState) -> Vec<Subject> {
        let partitions = self.partitions();
        partitions
            .map(|(topic, index)| (topic, Some(index)))
            .collect()
    }

    fn handle(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let refused = |topic: &str, index| self.refusal(state, arrival, topic, index);
        let refusals: Vec<_> = self
            .partitions()
            .map(|(topic, index)| refused(&topic, index))
            .collect();
        let outcome = if refusals.iter().any(Option::is_some) {
            ErrorCode::OPERATION_NOT_ATTEMPTED
        } else {
            self.add(state, arrival)
        };
        let mut codes = refusals.into_iter().map(|code| code.unwrap_or(outcome));
        let mut topics = Vec::new();
        for topic in &self.topics {
            let partitions = topic.partitions.iter().zip(&mut codes);
            let result = |(index, error): (&i32, ErrorCode)| TxnPartitionResult {
                index: *index,
                error: applied(arrival, &topic.name, *index, error),
            };
            topics.push(TxnTopicResult {
                name: topic.name.to_string(),
                partitions: partitions.map(result).collect(),
            });
        }
        let first = first_error(topics.iter().flat_map(|topic| &topic.partitions));
        let response = AddPartitionsToTxnResponse {
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            topics,
        };
        Answer::Send(Response::AddPartitionsToTxn(response), first)
    }
}

impl AddPartitionsToTxnRequest {
    fn partitions(&self) -> impl Iterator<Item = Subjected> {
        self.topics.iter().flat_map(|topic| {
            let partitions = topic.partitions.iter();
            partitions.map(|index| (Arc::clone(&topic.name), *index))
        })
    }

    /// Why a partition cannot be added, whatever the coordinator knows.
    fn refusal(
        &self,
        state: &ClusterState,
        arrival: &Arrival<'_>,
        topic: &str,
        index: i32,
    ) -> Option<ErrorCode> {
        match arrival.plan.partition(topic, index) {
            Some(refusal) if !refusal.applied => Some(refusal.code),
            _ if state.partition(topic, index).is_none() => {
                Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
            }
            _ => None,
        }
    }

    fn add(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> ErrorCode {
        let key = Key::TransactionalId(Arc::clone(&self.transactional_id));
        if !state.coordinates(arrival.node, key) {
            return ErrorCode::NOT_COORDINATOR;
        }
        let producer = Identity {
            producer_id: self.producer_id,
            epoch: self.producer_epoch,
        };
        let added = state.add_partitions(&self.transactional_id, producer, self.partitions());
        since(FENCED, arrival.version, added.err().unwrap_or_default())
    }
}

/// A topic and a partition.
type Subjected = (Arc<str>, i32);

/// What the answer says of a partition that was added: perhaps a test wants it to hide that.
fn applied(arrival: &Arrival<'_>, topic: &str, index: i32, error: ErrorCode) -> ErrorCode {
    match arrival.plan.partition(topic, index) {
        Some(refusal) if error == ErrorCode::NONE => refusal.code,
        _ => error,
    }
}

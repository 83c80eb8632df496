//! `AddOffsetsToTxn`, versions 0 to 4: a consumer group joins a transaction of version 1, and begins it
//! if it is the first. What can be wrong is that of
//! [`AddPartitionsToTxn`](super::add_partitions_to_txn), but for topics. As in Kafka, nobody asks whether
//! there is such a group.

use crate::ErrorCode;
use crate::protocol::Response;
use crate::protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use crate::sync::Arc;
use crate::testing::MockRequestContent;
use crate::testing::api::{Answer, Arrival, Handler, scripted, since};
use crate::testing::state::ClusterState;
use crate::testing::transactions::{Identity, Key};

/// The first version that has `PRODUCER_FENCED` (KIP-588).
const FENCED: i16 = 2;

impl Handler for AddOffsetsToTxnRequest {
    fn content(&self, _state: &ClusterState) -> MockRequestContent {
        MockRequestContent::AddOffsetsToTxn {
            transactional_id: self.transactional_id.to_string(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            group_id: self.group_id.to_string(),
        }
    }

    fn handle(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let added = scripted(arrival.plan.request(), || self.add(state, arrival));
        let error = since(FENCED, arrival.version, added.err().unwrap_or_default());
        let response = AddOffsetsToTxnResponse {
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            error,
        };
        Answer::Send(Response::AddOffsetsToTxn(response), error)
    }
}

impl AddOffsetsToTxnRequest {
    fn add(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Result<(), ErrorCode> {
        let key = Key::TransactionalId(Arc::clone(&self.transactional_id));
        if !state.coordinates(arrival.node, key) {
            return Err(ErrorCode::NOT_COORDINATOR);
        }
        let producer = Identity {
            producer_id: self.producer_id,
            epoch: self.producer_epoch,
        };
        let id = &self.transactional_id;
        state.add_group(id, producer, &self.group_id)
    }
}

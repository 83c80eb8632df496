//! `InitProducerId`, versions 0 to 5: hands out the ids of idempotent producers.
//!
//! As in Kafka, any broker answers, ids are unique in the cluster, and a request without a
//! transactional id gets a new id in epoch 0 even if it names the id that the producer has: only
//! the coordinator of a transactional id increments its epoch, and there are none here
//! (`NOT_COORDINATOR`). An id without an epoch, or the reverse, is an `INVALID_REQUEST`.

use crate::ErrorCode;
use crate::protocol::Response;
use crate::protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};
use crate::testing::MockRequestContent;
use crate::testing::api::{Answer, Arrival, Handler};
use crate::testing::state::ClusterState;

impl Handler for InitProducerIdRequest {
    fn content(&self, _state: &ClusterState) -> MockRequestContent {
        MockRequestContent::InitProducerId {
            transactional_id: self.transactional_id.as_ref().map(ToString::to_string),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
        }
    }

    fn handle(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let has_id = self.producer_id >= 0;
        let has_epoch = self.producer_epoch >= 0;
        let error = if let Some(refusal) = arrival.plan.request() {
            refusal.code
        } else if has_id != has_epoch {
            ErrorCode::INVALID_REQUEST
        } else if self.transactional_id.is_some() {
            ErrorCode::NOT_COORDINATOR
        } else {
            ErrorCode::NONE
        };
        let (producer_id, producer_epoch) = if error == ErrorCode::NONE {
            state.next_producer_id += 1;
            (state.next_producer_id - 1, state.settings.first_epoch)
        } else {
            (-1, -1)
        };
        let response = InitProducerIdResponse {
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            error,
            producer_id,
            producer_epoch,
        };
        Answer::Send(Response::InitProducerId(response), error)
    }
}

//! `InitProducerId`, versions 0 to 5: hands out the ids of idempotent producers.
//!
//! As in Kafka, any broker answers, ids are unique in the cluster, and a request without a
//! transactional id gets a new id in epoch 0 even if it names the id that the producer has: only
//! the coordinator of a transactional id moves its epoch on, and there are none here
//! (`NOT_COORDINATOR`). An id without an epoch, or the reverse, is an `INVALID_REQUEST`.

use crate::ErrorCode;
use crate::protocol::Response;
use crate::protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};
use crate::testing::faults::Plan;
use crate::testing::state::{Answer, ClusterState};

pub(in crate::testing) fn handle(
    state: &mut ClusterState,
    request: &InitProducerIdRequest,
    plan: &Plan,
) -> Answer {
    let has_id = request.producer_id >= 0;
    let has_epoch = request.producer_epoch >= 0;
    let error = if let Some(refusal) = plan.request() {
        refusal.code
    } else if has_id != has_epoch {
        ErrorCode::INVALID_REQUEST
    } else if request.transactional_id.is_some() {
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
    Answer::Response(Response::InitProducerId(InitProducerIdResponse {
        throttle_time_ms: plan.throttle_time_ms(),
        error,
        producer_id,
        producer_epoch,
    }))
}

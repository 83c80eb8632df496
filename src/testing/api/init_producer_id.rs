//! `InitProducerId`, versions 0 to 5: hands out the ids and epochs of producers.
//!
//! As in Kafka, any broker answers a request without a transactional id, with a new id in epoch 0, even
//! if it names the id that the producer has. One with a transactional id is for its coordinator: what
//! becomes of it is in [`transactions`](crate::testing::transactions).
//!
//! | what is wrong | answer |
//! |---|---|
//! | an id without an epoch, or the reverse, or an empty transactional id | `INVALID_REQUEST` |
//! | another broker coordinates the transactional id | `NOT_COORDINATOR` |
//! | a transaction timeout that is none, or above a quarter of an hour | `INVALID_TRANSACTION_TIMEOUT` |
//! | an earlier transaction is open, or not complete: it is aborted | `CONCURRENT_TRANSACTIONS` |
//! | the id or epoch that the producer names is not its own any more | `PRODUCER_FENCED`, before version 4 `INVALID_PRODUCER_EPOCH` |

use crate::ErrorCode;
use crate::protocol::Response;
use crate::protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};
use crate::sync::Arc;
use crate::testing::MockRequestContent;
use crate::testing::api::{Answer, Arrival, Handler, scripted, since};
use crate::testing::state::ClusterState;
use crate::testing::transactions::{Identity, Key};

/// The first version that has `PRODUCER_FENCED` (KIP-588).
const FENCED: i16 = 4;

impl Handler for InitProducerIdRequest {
    fn content(&self, _state: &ClusterState) -> MockRequestContent {
        MockRequestContent::InitProducerId {
            transactional_id: self.transactional_id.as_ref().map(ToString::to_string),
            transaction_timeout_ms: self.transaction_timeout_ms,
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
        }
    }

    fn handle(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let made = scripted(arrival.plan.request(), || self.init(state, arrival));
        let error = made.err().unwrap_or_default();
        let error = since(FENCED, arrival.version, error);
        let made = made.ok();
        let response = InitProducerIdResponse {
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            error,
            producer_id: made.map_or(-1, |made| made.producer_id),
            producer_epoch: made.map_or(-1, |made| made.epoch),
        };
        Answer::Send(Response::InitProducerId(response), error)
    }
}

impl InitProducerIdRequest {
    fn init(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Result<Identity, ErrorCode> {
        let has_id = self.producer_id >= 0;
        let has_epoch = self.producer_epoch >= 0;
        if has_id != has_epoch {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let Some(id) = &self.transactional_id else {
            return Ok(Identity {
                producer_id: state.new_producer_id(),
                epoch: state.settings.first_epoch,
            });
        };
        if !state.coordinates(arrival.node, Key::TransactionalId(Arc::clone(id))) {
            return Err(ErrorCode::NOT_COORDINATOR);
        }
        let known = has_id.then_some(Identity {
            producer_id: self.producer_id,
            epoch: self.producer_epoch,
        });
        state.init_transactions(id, self.transaction_timeout_ms, known)
    }
}

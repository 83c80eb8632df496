//! `EndTxn`, versions 0 to 5: commits or aborts a transaction. From version 5 on, the answer has the id
//! and the epoch for the next one.
//!
//! | what is wrong | answer |
//! |---|---|
//! | another broker coordinates the id | `NOT_COORDINATOR` |
//! | the producer's id is not that of the transactional id | `INVALID_PRODUCER_ID_MAPPING` |
//! | it has another epoch | `PRODUCER_FENCED`, before version 2 `INVALID_PRODUCER_EPOCH` |
//! | the transaction is ending so already | `CONCURRENT_TRANSACTIONS` |
//! | it has ended so already: the answer was lost | none |
//! | it has ended otherwise, or there is none to commit | `INVALID_TXN_STATE` |
//!
//! From version 5 on, the epoch tells whether the transaction before is meant; an abort of none raises
//! the epoch.

use crate::ErrorCode;
use crate::protocol::Response;
use crate::protocol::messages::{EndTxnRequest, EndTxnResponse};
use crate::sync::Arc;
use crate::testing::MockRequestContent;
use crate::testing::api::{Answer, Arrival, Handler, scripted, since};
use crate::testing::state::ClusterState;
use crate::testing::transactions::{Identity, Key};

/// The first version that has `PRODUCER_FENCED` (KIP-588).
const FENCED: i16 = 2;

impl Handler for EndTxnRequest {
    fn content(&self, _state: &ClusterState) -> MockRequestContent {
        MockRequestContent::EndTxn {
            transactional_id: self.transactional_id.to_string(),
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            committed: self.committed,
        }
    }

    fn handle(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let ended = scripted(arrival.plan.request(), || self.end(state, arrival));
        let error = ended.err().unwrap_or_default();
        let error = since(FENCED, arrival.version, error);
        let next = ended.ok();
        let response = EndTxnResponse {
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            error,
            producer_id: next.map_or(-1, |next| next.producer_id),
            producer_epoch: next.map_or(-1, |next| next.epoch),
        };
        Answer::Send(Response::EndTxn(response), error)
    }
}

impl EndTxnRequest {
    fn end(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Result<Identity, ErrorCode> {
        let key = Key::TransactionalId(Arc::clone(&self.transactional_id));
        if !state.coordinates(arrival.node, key) {
            return Err(ErrorCode::NOT_COORDINATOR);
        }
        let producer = Identity {
            producer_id: self.producer_id,
            epoch: self.producer_epoch,
        };
        let id = &self.transactional_id;
        state.end_transaction(id, producer, self.committed, self.transactions)
    }
}

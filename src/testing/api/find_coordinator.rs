//! `FindCoordinator`, versions 0 to 6: which broker coordinates a group or a transactional id. Every
//! broker answers the same. A broker that is down stays in the answer until
//! [`MockCluster::fail_over`](crate::testing::MockCluster::fail_over); if none runs, the answer is
//! `COORDINATOR_NOT_AVAILABLE`. There are no share groups (`INVALID_REQUEST`).

use crate::ErrorCode;
use crate::ids::NodeId;
use crate::protocol::Response;
use crate::protocol::messages::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse, KeyType, NodeEndpoint,
};
use crate::sync::Arc;
use crate::testing::MockRequestContent;
use crate::testing::api::{Answer, Arrival, Handler};
use crate::testing::state::ClusterState;
use crate::testing::transactions::Key;

impl Handler for FindCoordinatorRequest {
    fn content(&self, _state: &ClusterState) -> MockRequestContent {
        MockRequestContent::FindCoordinator {
            key_type: self.key_type.0,
            keys: self.keys.iter().map(ToString::to_string).collect(),
        }
    }

    fn handle(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let mut first = ErrorCode::NONE;
        let mut coordinators = Vec::new();
        for key in &self.keys {
            let found = match arrival.plan.request() {
                Some(refusal) => Err(refusal.code),
                None => find(state, self.key_type, key),
            };
            if first == ErrorCode::NONE {
                first = found.as_ref().err().copied().unwrap_or_default();
            }
            coordinators.push(answer(key, found));
        }
        let response = FindCoordinatorResponse {
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            coordinators,
        };
        Answer::Send(Response::FindCoordinator(response), first)
    }
}

fn find(
    state: &mut ClusterState,
    key_type: KeyType,
    key: &Arc<str>,
) -> Result<NodeEndpoint, ErrorCode> {
    let key = match key_type {
        KeyType::GROUP => Key::Group(Arc::clone(key)),
        KeyType::TRANSACTIONAL_ID => Key::TransactionalId(Arc::clone(key)),
        _ => return Err(ErrorCode::INVALID_REQUEST),
    };
    let node = state.coordinator(key);
    let endpoint = node.and_then(|node| state.endpoint(node));
    endpoint.ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)
}

fn answer(key: &str, found: Result<NodeEndpoint, ErrorCode>) -> Coordinator {
    let error = found.as_ref().err().copied().unwrap_or_default();
    let (node, host, port) = match found {
        Ok(endpoint) => (endpoint.node, endpoint.host, endpoint.port),
        Err(_) => (NodeId(-1), String::new(), -1),
    };
    Coordinator {
        key: key.to_owned(),
        node,
        host,
        port,
        error,
        error_message: (error != ErrorCode::NONE).then(|| error.to_string()),
    }
}

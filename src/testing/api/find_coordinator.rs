//! `FindCoordinator`, versions 0 to 6, which the cluster refuses: it has no transactions and no
//! groups. But clients take a closed connection for a failure that passes, and try again for a
//! minute; so they get an error after which they do not try again, with a text that says why.

use crate::ErrorCode;
use crate::ids::NodeId;
use crate::protocol::Response;
use crate::protocol::messages::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse, KeyType,
};
use crate::testing::MockRequestContent;
use crate::testing::api::{Answer, Arrival, Handler};
use crate::testing::state::ClusterState;

impl Handler for FindCoordinatorRequest {
    fn content(&self, _state: &ClusterState) -> MockRequestContent {
        MockRequestContent::FindCoordinator {
            key_type: self.key_type.0,
            keys: self.keys.iter().map(ToString::to_string).collect(),
        }
    }

    fn handle(&self, _state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let (error, why) = match self.key_type {
            KeyType::GROUP => (
                ErrorCode::GROUP_AUTHORIZATION_FAILED,
                "the mock cluster has no groups",
            ),
            KeyType::TRANSACTIONAL_ID => (
                ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                "the mock cluster has no transactions",
            ),
            _ => (
                ErrorCode::INVALID_REQUEST,
                "the mock cluster has no coordinators",
            ),
        };
        let coordinator = |key: &crate::sync::Arc<str>| Coordinator {
            key: key.to_string(),
            node: NodeId(-1),
            host: String::new(),
            port: -1,
            error,
            error_message: Some(why.to_owned()),
        };
        let response = FindCoordinatorResponse {
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            coordinators: self.keys.iter().map(coordinator).collect(),
        };
        Answer::Send(Response::FindCoordinator(response), error)
    }
}

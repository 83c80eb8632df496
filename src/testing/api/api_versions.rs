//! `ApiVersions`, versions 0 to 5: which APIs a broker offers, in which versions.
//!
//! - As Kafka 4 does, the brokers offer Produce from version 0, because librdkafka looks for it
//!   (KAFKA-18659), though they refuse what is below 3.
//! - They name Fetch and `ListOffsets`, which librdkafka takes as the sign of a broker that knows record
//!   batches, but serve neither: a request costs the connection.
//! - From version 3 on, they say which version of transactions the cluster has finalized
//!   (`transaction.version`).
//! - A version of this API that a broker does not know is answered in version 0, with
//!   `UNSUPPORTED_VERSION` and its own range (KIP-511).
//! - A client that means another cluster or another broker is told to look for them, from version 5
//!   on (`REBOOTSTRAP_REQUIRED`, KIP-1242).

use crate::ErrorCode;
use crate::ids::NodeId;
use crate::protocol::messages::{
    ApiVersionRange, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeature,
};
use crate::protocol::version::{TRANSACTION_VERSION, TransactionVersion, VersionRange};
use crate::protocol::{ApiKey, Response};
use crate::testing::MockRequestContent;
use crate::testing::api::{Answer, Arrival, Handler};
use crate::testing::state::ClusterState;

/// Keys and versions of what is offered and not served: Fetch, `ListOffsets`.
const NAMED_ONLY: [(i16, VersionRange); 2] =
    [(1, VersionRange::new(4, 17)), (2, VersionRange::new(1, 10))];

impl Handler for ApiVersionsRequest {
    fn content(&self, _state: &ClusterState) -> MockRequestContent {
        MockRequestContent::ApiVersions {
            software_name: self.client_software_name.clone(),
            software_version: self.client_software_version.clone(),
            cluster_id: self.cluster_id.clone(),
            node: self.node.0,
        }
    }

    fn handle(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let error = if let Some(refusal) = arrival.plan.request() {
            refusal.code
        } else if !self.has_valid_destination()
            || arrival.version >= 3 && !self.has_valid_software()
        {
            ErrorCode::INVALID_REQUEST
        } else if self.means_another(state, arrival.node) {
            ErrorCode::REBOOTSTRAP_REQUIRED
        } else {
            ErrorCode::NONE
        };
        let apis = match error {
            ErrorCode::NONE => offered(state),
            ErrorCode::UNSUPPORTED_VERSION => unsupported(state).apis,
            _ => Vec::new(),
        };
        let (finalized_features_epoch, finalized_features) = match error {
            ErrorCode::NONE => (state.transactions.features_epoch, features(state)),
            _ => (-1, Vec::new()),
        };
        let response = ApiVersionsResponse {
            error,
            apis,
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            finalized_features_epoch,
            finalized_features,
        };
        Answer::Send(Response::ApiVersions(response), error)
    }
}

impl ApiVersionsRequest {
    /// Whether the client means another cluster or another broker than the one it has reached.
    fn means_another(&self, state: &ClusterState, node: NodeId) -> bool {
        let cluster_id = state.settings.cluster_id.as_deref();
        let is_meant = |meant: &str| cluster_id == Some(meant) && self.node == node;
        let meant = self.cluster_id.as_deref();
        meant.is_some_and(|meant| !is_meant(meant))
    }
}

/// The answer, in version 0, to a version that is not offered.
pub(in crate::testing) fn unsupported(state: &ClusterState) -> ApiVersionsResponse {
    let apis = vec![range(state, ApiKey::ApiVersions)];
    ApiVersionsResponse::new(ErrorCode::UNSUPPORTED_VERSION, apis)
}

fn offered(state: &ClusterState) -> Vec<ApiVersionRange> {
    let served = ApiKey::ALL.iter().map(|api| range(state, *api));
    let named = NAMED_ONLY
        .into_iter()
        .map(|(api_key, VersionRange { min, max })| ApiVersionRange { api_key, min, max });
    let mut apis: Vec<_> = served.chain(named).collect();
    apis.sort_by_key(|api| api.api_key);
    apis
}

/// What the cluster has switched on.
fn features(state: &ClusterState) -> Vec<FinalizedFeature> {
    let level = match state.transactions.version {
        TransactionVersion::V1 => 1,
        TransactionVersion::V2 => 2,
    };
    vec![FinalizedFeature {
        name: TRANSACTION_VERSION.to_owned(),
        max_level: level,
        min_level: level,
    }]
}

fn range(state: &ClusterState, api: ApiKey) -> ApiVersionRange {
    let versions = state.versions(api);
    let is_default = !state.settings.versions.contains_key(&api);
    ApiVersionRange {
        api_key: api.code(),
        min: if api == ApiKey::Produce && is_default {
            0
        } else {
            versions.min
        },
        max: versions.max,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Request, decode_response, encode_request};
    use crate::testing::state::{Action, Settings};

    /// What broker 1 of cluster "ours" answers.
    fn answer(cluster_id: Option<&str>, node: i32) -> ErrorCode {
        let settings = Settings {
            cluster_id: Some("ours".to_owned()),
            ..Settings::default()
        };
        let mut state = ClusterState::new(settings, vec![("localhost".to_owned(), 9)]);
        let request = Request::ApiVersions(ApiVersionsRequest {
            cluster_id: cluster_id.map(str::to_owned),
            node: NodeId(node),
            ..ApiVersionsRequest::ours()
        });
        let frame = encode_request(&request, 5, 7, "tester").to_vec();
        let reaction = state.handle(0, NodeId(1), &frame[4..]);
        let Action::Send(frame) = reaction.action else {
            panic!("{reaction:?}");
        };
        match decode_response(ApiKey::ApiVersions, 5, &frame[4..]) {
            Ok((7, Response::ApiVersions(response))) => response.error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_client_that_means_another_cluster_or_broker_has_to_start_over() {
        assert_eq!(answer(None, -1), ErrorCode::NONE);
        assert_eq!(answer(Some("ours"), 1), ErrorCode::NONE);
        let start_over = ErrorCode::REBOOTSTRAP_REQUIRED;
        assert_eq!(answer(Some("theirs"), 1), start_over);
        assert_eq!(answer(Some("ours"), 2), start_over);
        let invalid = ErrorCode::INVALID_REQUEST;
        assert_eq!(answer(Some("ours"), -1), invalid);
        assert_eq!(answer(None, 1), invalid);
    }
}

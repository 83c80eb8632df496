//! `ApiVersions`, versions 0 to 4: which APIs a broker offers, in which versions.
//!
//! - As Kafka 4 does, the brokers offer Produce from version 0, because librdkafka looks for it
//!   (KAFKA-18659), though they refuse what is below 3.
//! - They name Fetch, `ListOffsets` and `FindCoordinator`, which librdkafka takes as the sign of a
//!   broker that knows record batches, but serve none of these: `FindCoordinator` is
//!   [refused](super::find_coordinator), the others cost the connection.
//! - A version of this API that a broker does not know is answered in version 0, with
//!   `UNSUPPORTED_VERSION` and its own range (KIP-511).

use crate::ErrorCode;
use crate::protocol::messages::{ApiVersionRange, ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::version::VersionRange;
use crate::protocol::{ApiKey, Response};
use crate::testing::MockRequestContent;
use crate::testing::api::{Answer, Arrival, Handler, find_coordinator};
use crate::testing::state::ClusterState;

/// Keys and versions of what is offered and not served: Fetch, `ListOffsets`, `FindCoordinator`.
const NAMED_ONLY: [(i16, VersionRange); 3] = [
    (1, VersionRange::new(4, 17)),
    (2, VersionRange::new(1, 10)),
    (find_coordinator::KEY, find_coordinator::VERSIONS),
];

impl Handler for ApiVersionsRequest {
    fn content(&self, _state: &ClusterState) -> MockRequestContent {
        MockRequestContent::ApiVersions {
            software_name: self.client_software_name.clone(),
            software_version: self.client_software_version.clone(),
        }
    }

    fn handle(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let error = if let Some(refusal) = arrival.plan.request() {
            refusal.code
        } else if arrival.version >= 3 && !self.has_valid_software() {
            ErrorCode::INVALID_REQUEST
        } else {
            ErrorCode::NONE
        };
        let apis = match error {
            ErrorCode::NONE => offered(state),
            ErrorCode::UNSUPPORTED_VERSION => unsupported(state).apis,
            _ => Vec::new(),
        };
        let response = ApiVersionsResponse {
            error,
            apis,
            throttle_time_ms: arrival.plan.throttle_time_ms(),
        };
        Answer::Send(Response::ApiVersions(response), error)
    }
}

/// The answer, in version 0, to a version that is not offered.
pub(in crate::testing) fn unsupported(state: &ClusterState) -> ApiVersionsResponse {
    ApiVersionsResponse {
        error: ErrorCode::UNSUPPORTED_VERSION,
        apis: vec![range(state, ApiKey::ApiVersions)],
        throttle_time_ms: 0,
    }
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

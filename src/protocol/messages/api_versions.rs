//! `ApiVersions` (key 18), versions 0 to 4; flexible from 3.

use crate::protocol::error_code::ErrorCode;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiVersionsRequest {
    pub(crate) client_software_name: String,
    pub(crate) client_software_version: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiVersionsResponse {
    pub(crate) error: ErrorCode,
    pub(crate) apis: Vec<ApiVersionRange>,
    pub(crate) throttle_time_ms: i32,
}

/// What one broker speaks of one API.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ApiVersionRange {
    pub(crate) api_key: i16,
    pub(crate) min: i16,
    pub(crate) max: i16,
}

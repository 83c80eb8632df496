//! Kafka's wire protocol, as far as a producer and its tests need it: messages to bytes and back.
//! Owns no socket and no thread; used by the I/O thread and by the mock cluster.
//!
//! Versions are chosen once, by [`version`], and passed along with every message; the two sides of
//! a message live in one file of [`messages`].

#[cfg(any(test, feature = "testing"))]
pub(crate) mod broker;
pub(crate) mod error_code;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod messages;
// Run by the package tests/codec, which has what they need.
#[cfg(test)]
#[cfg(feature = "oracle")]
mod tests;
pub(crate) mod varint;
pub(crate) mod version;
pub(crate) mod wire;

use std::fmt;
use std::time::Duration;

use frame::Frame;
use header::{read_response_header, write_request_header};
use messages::{
    ApiVersionsRequest, ApiVersionsResponse, InitProducerIdRequest, InitProducerIdResponse,
    MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse,
};
use version::VersionRange;
use wire::{DecodeError, Reader, Writer};

/// The APIs this crate speaks, by their number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub(crate) enum ApiKey {
    Produce = 0,
    Metadata = 3,
    ApiVersions = 18,
    InitProducerId = 22,
}

impl ApiKey {
    pub(crate) const ALL: [Self; 4] = [
        Self::Produce,
        Self::Metadata,
        Self::ApiVersions,
        Self::InitProducerId,
    ];

    pub(crate) fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.code() == code)
    }

    pub(crate) fn code(self) -> i16 {
        self as i16
    }

    /// The versions this crate speaks. Brokers since 2.1 speak all of these APIs at one of them:
    /// `Metadata` could go back to 0, but no such broker needs that.
    pub(crate) fn versions(self) -> VersionRange {
        match self {
            Self::Produce => VersionRange::new(3, 13),
            Self::Metadata => VersionRange::new(4, 13),
            Self::ApiVersions => VersionRange::new(0, 4),
            Self::InitProducerId => VersionRange::new(0, 5),
        }
    }

    /// Whether `version` is written with compact lengths and tagged fields (KIP-482).
    pub(crate) fn is_flexible(self, version: i16) -> bool {
        match self {
            Self::Produce | Self::Metadata => version >= 9,
            Self::ApiVersions => version >= 3,
            Self::InitProducerId => version >= 2,
        }
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A request of any kind this crate speaks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    Produce(ProduceRequest),
    Metadata(MetadataRequest),
    ApiVersions(ApiVersionsRequest),
    InitProducerId(InitProducerIdRequest),
}

impl Request {
    pub(crate) fn api_key(&self) -> ApiKey {
        match self {
            Self::Produce(_) => ApiKey::Produce,
            Self::Metadata(_) => ApiKey::Metadata,
            Self::ApiVersions(_) => ApiKey::ApiVersions,
            Self::InitProducerId(_) => ApiKey::InitProducerId,
        }
    }
}

/// The answer to a [`Request`] of the same name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Response {
    Produce(ProduceResponse),
    Metadata(MetadataResponse),
    ApiVersions(ApiVersionsResponse),
    InitProducerId(InitProducerIdResponse),
}

/// No broker keeps us quiet for longer after one answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Response {
    /// How long the broker will not look at this client's next requests (KIP-219).
    pub(crate) fn throttle_time(&self) -> Duration {
        let ms = match self {
            Self::Produce(response) => response.throttle_time_ms,
            Self::Metadata(response) => response.throttle_time_ms,
            Self::ApiVersions(response) => response.throttle_time_ms,
            Self::InitProducerId(response) => response.throttle_time_ms,
        };
        Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(LONGEST_PAUSE)
    }
}

/// A request as a frame. `version` is one of [`ApiKey::versions`] that the broker speaks too.
pub(crate) fn encode_request(
    request: &Request,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> Frame {
    let api = request.api_key();
    debug_assert!(
        api.versions().contains(version),
        "{api} has no version {version}"
    );
    let mut writer = Writer::new(api.is_flexible(version));
    write_request_header(&mut writer, api, version, correlation_id, client_id);
    match request {
        Request::Produce(request) => request.encode(&mut writer, version),
        Request::Metadata(request) => request.encode(&mut writer, version),
        Request::ApiVersions(request) => request.encode(&mut writer, version),
        Request::InitProducerId(request) => request.encode(&mut writer, version),
    }
    writer.into_frame()
}

/// The correlation id and the message in the body of a frame (its length is not part of it) that
/// answers a request of `api` in `version`.
pub(crate) fn decode_response(
    api: ApiKey,
    version: i16,
    body: &[u8],
) -> Result<(i32, Response), DecodeError> {
    let mut reader = Reader::new(body, api.is_flexible(version));
    let correlation_id = read_response_header(&mut reader, api)?;
    let response = match api {
        ApiKey::Produce => Response::Produce(ProduceResponse::decode(&mut reader, version)?),
        ApiKey::Metadata => Response::Metadata(MetadataResponse::decode(&mut reader, version)?),
        ApiKey::ApiVersions => {
            Response::ApiVersions(ApiVersionsResponse::decode(&mut reader, version)?)
        }
        ApiKey::InitProducerId => {
            Response::InitProducerId(InitProducerIdResponse::decode(&mut reader)?)
        }
    };
    reader.finish()?;
    Ok((correlation_id, response))
}

//! The broker's side of the codec: requests from bytes, responses to bytes. Compiled for tests and for
//! the mock cluster only.

use std::error::Error as StdError;
use std::fmt;

pub(crate) use crate::protocol::header::RequestHeader;

use crate::protocol::frame::Frame;
use crate::protocol::header::write_response_header;
use crate::protocol::wire::{DecodeError, Reader, Writer};
use crate::protocol::{ApiKey, Request, Response};

/// Why the body of a frame is not a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestError {
    /// The header is fine, but names an API or a version that this crate does not speak.
    Unsupported(RequestHeader),
    /// The bytes are not what the header says, or there is no header.
    Malformed(Option<RequestHeader>, DecodeError),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(header) => match ApiKey::from_code(header.api_key) {
                Some(api) => {
                    let (version, served) = (header.api_version, api.versions());
                    write!(f, "{api} version {version} is not one of {served}")
                }
                None => write!(f, "API {} is not served", header.api_key),
            },
            Self::Malformed(None, error) => write!(f, "not a request: {error}"),
            Self::Malformed(Some(header), error) => {
                let version = header.api_version;
                match ApiKey::from_code(header.api_key) {
                    Some(api) => write!(f, "not {api} version {version}: {error}"),
                    None => error.fmt(f),
                }
            }
        }
    }
}

impl StdError for RequestError {}

/// The header and the message in the body of a frame (its length is not part of it). What stands behind
/// the message is left alone, as Kafka's brokers do: librdkafka's `Metadata` requests had three bytes
/// there.
pub(crate) fn decode_request(body: &[u8]) -> Result<(RequestHeader, Request), RequestError> {
    let mut reader = Reader::new(body, false);
    let header =
        RequestHeader::read(&mut reader).map_err(|error| RequestError::Malformed(None, error))?;
    let version = header.api_version;
    let api = ApiKey::from_code(header.api_key).filter(|api| api.versions().contains(version));
    let Some(api) = api else {
        return Err(RequestError::Unsupported(header));
    };
    reader.set_flexible(api.is_flexible(version));
    let decoded = reader
        .skip_tags()
        .and_then(|()| Request::decode(api, &mut reader, version));
    match decoded {
        Ok(request) => Ok((header, request)),
        Err(error) => Err(RequestError::Malformed(Some(header), error)),
    }
}

/// A response as a frame. Answer an `ApiVersions` request of an unknown version in version 0, with
/// `UNSUPPORTED_VERSION`.
pub(crate) fn encode_response(response: &Response, version: i16, correlation_id: i32) -> Frame {
    let api = response.api_key();
    let mut writer = Writer::new(api.is_flexible(version));
    write_response_header(&mut writer, api, correlation_id);
    response.encode(&mut writer, version);
    writer.into_frame()
}

//! Kafka's wire protocol, as far as a producer and its tests need it: messages to bytes and back.
//! Owns no socket and no thread; used by the I/O thread and by the mock cluster.
//!
//! | what | where |
//! |---|---|
//! | an API: key, versions, request and response | its file in [`messages`] |
//! | which APIs there are | the table in [`api`] |
//! | the client's side: a request to bytes, a response from bytes | here |
//! | the broker's side: the reverse | `broker` |
//! | what stands in front of a message | [`header`], [`frame`] |
//! | numbers, strings, arrays, tagged fields | [`wire`], [`varint`] |
//!
//! A version is chosen for each request, among those that both sides speak ([`version`]), and
//! passed along with the message.

pub(crate) mod api;
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

pub(crate) use api::{ApiKey, Request, Response};

use frame::Frame;
use header::{read_response_header, write_request_header};
use wire::{DecodeError, Reader, Writer};

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
    request.encode(&mut writer, version);
    writer.into_frame()
}

/// The correlation id and the message in the body of a frame (its length is not part of it) that
/// answers a request of `api` in `version`. What stands behind the message is left alone, as Kafka's own
/// clients do: who refused it would never get on with a broker that adds a byte.
pub(crate) fn decode_response(
    api: ApiKey,
    version: i16,
    body: &[u8],
) -> Result<(i32, Response), DecodeError> {
    let mut reader = Reader::new(body, api.is_flexible(version));
    let correlation_id = read_response_header(&mut reader, api)?;
    let response = Response::decode(api, &mut reader, version)?;
    Ok((correlation_id, response))
}

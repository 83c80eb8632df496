//! `FindCoordinator`, versions 0 to 6, which the cluster refuses: it has no transactions and no
//! groups. But clients take a closed connection for a failure that passes, and try again for a
//! minute; so they get an error after which they do not try again, with a text that says why.
//!
//! This crate's own producer does not speak the API yet, so it has no file in `protocol/messages`
//! and no row in the tables: the two halves that a refusal needs are here.

use crate::ErrorCode;
use crate::protocol::broker::RequestHeader;
use crate::protocol::version::VersionRange;
use crate::protocol::wire::{DecodeError, Reader, Writer};

pub(super) const KEY: i16 = 10;
pub(super) const VERSIONS: VersionRange = VersionRange::new(0, 6);
const FIRST_FLEXIBLE: i16 = 3;
/// The first version that asks for several coordinators at once (KIP-699).
const BATCHED: i16 = 4;

/// The answer, its length in front, and what it says; none if the request is for another API, or
/// malformed.
pub(in crate::testing) fn refuse(
    header: &RequestHeader,
    body: &[u8],
) -> Option<(Vec<u8>, ErrorCode, &'static str)> {
    let version = header.api_version;
    if header.api_key != KEY || !VERSIONS.contains(version) {
        return None;
    }
    let (keys, key_type) = read(version, body).ok()?;
    let (error, why) = match key_type {
        0 => (
            ErrorCode::GROUP_AUTHORIZATION_FAILED,
            "the mock cluster has no groups",
        ),
        1 => (
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "the mock cluster has no transactions",
        ),
        _ => (
            ErrorCode::INVALID_REQUEST,
            "the mock cluster has no coordinators",
        ),
    };
    Some((write(header, &keys, error, why), error, why))
}

fn read(version: i16, body: &[u8]) -> Result<(Vec<String>, i8), DecodeError> {
    let mut reader = Reader::new(body, false);
    RequestHeader::read(&mut reader)?;
    reader.set_flexible(version >= FIRST_FLEXIBLE);
    reader.skip_tags()?;
    let mut keys = Vec::new();
    if version < BATCHED {
        keys.push(reader.string()?.to_owned());
    }
    let key_type = if version >= 1 { reader.i8()? } else { 0 };
    if version >= BATCHED {
        keys = reader.array(|reader| reader.string().map(str::to_owned))?;
    }
    reader.skip_tags()?;
    Ok((keys, key_type))
}

fn write(header: &RequestHeader, keys: &[String], error: ErrorCode, why: &str) -> Vec<u8> {
    let version = header.api_version;
    let mut writer = Writer::new(version >= FIRST_FLEXIBLE);
    writer.i32(header.correlation_id);
    writer.no_tags();
    if version >= 1 {
        writer.i32(0);
    }
    let no_node = |writer: &mut Writer| {
        writer.i32(-1);
        writer.string("");
        writer.i32(-1);
    };
    let refusal = |writer: &mut Writer| {
        writer.i16(error.code());
        if version >= 1 {
            writer.nullable_string(Some(why));
        }
    };
    if version >= BATCHED {
        writer.array(keys, |writer, key| {
            writer.string(key);
            no_node(writer);
            refusal(writer);
            writer.no_tags();
        });
    } else {
        refusal(&mut writer);
        no_node(&mut writer);
    }
    writer.no_tags();
    writer.into_frame().to_vec()
}

// Run by the package tests/codec, which has what they need.
#[cfg(test)]
#[cfg(feature = "oracle")]
mod tests {
    use kafka_protocol::messages::{
        FindCoordinatorRequest, FindCoordinatorResponse, RequestHeader as TheirHeader,
        ResponseHeader,
    };
    use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

    use super::*;

    /// A request by another codec.
    fn request(version: i16, key_type: i8) -> Vec<u8> {
        let key = StrBytes::from_static_str("payments");
        let mut request = FindCoordinatorRequest::default();
        if version >= 1 {
            request.key_type = key_type;
        }
        if version >= BATCHED {
            request.coordinator_keys = vec![key];
        } else {
            request.key = key;
        }
        let mut header = TheirHeader::default();
        header.request_api_key = KEY;
        header.request_api_version = version;
        header.correlation_id = 7;
        let mut bytes = Vec::new();
        let header_version = FindCoordinatorRequest::header_version(version);
        header.encode(&mut bytes, header_version).unwrap();
        request.encode(&mut bytes, version).unwrap();
        bytes
    }

    fn header(version: i16) -> RequestHeader {
        RequestHeader {
            api_key: KEY,
            api_version: version,
            correlation_id: 7,
            client_id: None,
        }
    }

    #[test]
    fn another_codec_reads_the_refusal_in_every_version() {
        for version in VERSIONS.iter() {
            let key_type = i8::from(version >= 1);
            let (frame, error, why) =
                refuse(&header(version), &request(version, key_type)).unwrap();
            let mut bytes = &frame[4..];
            let header_version = FindCoordinatorResponse::header_version(version);
            let header = ResponseHeader::decode(&mut bytes, header_version).unwrap();
            assert_eq!(header.correlation_id, 7);
            let response = FindCoordinatorResponse::decode(&mut bytes, version).unwrap();
            assert!(bytes.is_empty());
            let (code, message) = match response.coordinators.first() {
                Some(coordinator) => {
                    assert_eq!(coordinator.key.as_str(), "payments");
                    (coordinator.error_code, coordinator.error_message.clone())
                }
                None => (response.error_code, response.error_message),
            };
            assert_eq!(code, error.code());
            // The first version has no room for a text.
            let message = message.filter(|_| version >= 1);
            let said = message.as_ref().map(|text| text.as_str());
            assert_eq!(said, (version >= 1).then_some(why), "{version}");
            let expected = match version {
                0 => ErrorCode::GROUP_AUTHORIZATION_FAILED,
                _ => ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            };
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn leaves_alone_what_it_does_not_know() {
        let good = request(4, 1);
        assert!(refuse(&header(VERSIONS.max + 1), &good).is_none());
        assert!(refuse(&header(4), &good[..good.len() - 1]).is_none());
        let other = RequestHeader {
            api_key: KEY + 1,
            ..header(4)
        };
        assert!(refuse(&other, &good).is_none());
    }
}

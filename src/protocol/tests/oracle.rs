//! Another implementation of Kafka's protocol, to compare with: the kafka-protocol crate, which is
//! generated from Kafka's schemas.

use std::fmt::Debug;

use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

use crate::protocol::ApiKey;

pub(super) fn bytes<H: Encodable, M: Encodable + HeaderVersion>(
    header: &H,
    message: &M,
    version: i16,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    header
        .encode(&mut bytes, M::header_version(version))
        .expect("a header it knows");
    message
        .encode(&mut bytes, version)
        .expect("a version it knows");
    bytes
}

pub(super) fn assert_reads<H, M>(mut body: &[u8], header: &H, message: &M, version: i16)
where
    H: Decodable + Debug + PartialEq,
    M: Decodable + HeaderVersion + Debug + PartialEq,
{
    let read = H::decode(&mut body, M::header_version(version)).expect("our header");
    assert_eq!(&read, header);
    let read = M::decode(&mut body, version).expect("our message");
    assert_eq!(&read, message);
    assert!(body.is_empty(), "it stops before our end");
}

pub(super) fn request_header(api: ApiKey, version: i16) -> RequestHeader {
    RequestHeader::default()
        .with_request_api_key(api.code())
        .with_request_api_version(version)
        .with_correlation_id(77)
        .with_client_id(Some(StrBytes::from_static_str("tester")))
}

pub(super) fn response_header() -> ResponseHeader {
    ResponseHeader::default().with_correlation_id(78)
}

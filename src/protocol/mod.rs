//! Kafka's wire protocol, as far as a producer and its tests need it: messages to bytes and back.
//! Owns no socket and no thread; used by the I/O thread and by the mock cluster.

pub(crate) mod error_code;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod messages;
pub(crate) mod varint;
pub(crate) mod version;
pub(crate) mod wire;

use messages::{
    ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse, ProduceRequest,
    ProduceResponse,
};

/// A request of any kind this crate speaks.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Produce(ProduceRequest),
    Metadata(MetadataRequest),
    ApiVersions(ApiVersionsRequest),
}

/// The answer to a [`Request`] of the same name.
#[derive(Clone, Debug)]
pub(crate) enum Response {
    Produce(ProduceResponse),
    Metadata(MetadataResponse),
    ApiVersions(ApiVersionsResponse),
}

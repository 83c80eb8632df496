//! What the tests know of each message: one file per API, in which [`Specimen`] is implemented for
//! its request and its response. One more API is one more file here and one more row in the table.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod api_versions;
mod end_txn;
mod find_coordinator;
mod init_producer_id;
mod metadata;
mod produce;
mod txn_offset_commit;

use std::fmt::Debug;

use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, StrBytes};
use proptest::prelude::*;

use super::oracle;
use crate::ids::{NodeId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::*;
use crate::protocol::version::TransactionVersion;
use crate::protocol::{ApiKey, Request, Response};
use crate::sync::Arc;

/// What the tests know of a message.
pub(super) trait Specimen: Sized {
    /// The same message in the oracle's crate.
    type Theirs: Encodable + Decodable + HeaderVersion + Message + Debug + PartialEq;

    /// Messages of all shapes.
    fn any() -> BoxedStrategy<Self>;

    /// The same message every time, with something in every field.
    fn example() -> Self;

    /// Takes away what `version` has no room for.
    fn cut(&mut self, version: i16);

    /// The memory that it holds on the heap, spare room included.
    fn heap_bytes(&self) -> usize;

    /// The same message for the oracle, with `strangers` also fields that this crate does not know
    /// or does not use.
    fn theirs(&self, version: i16, strangers: bool) -> Self::Theirs;
}

/// For each row, the name of an API and its request, the functions below call the [`Specimen`] of the
/// right type.
macro_rules! specimens {
    ($($name:ident($request:ident),)*) => {
        pub(super) fn any_request() -> impl Strategy<Value = Request> {
            prop_oneof![$($request::any().prop_map(Request::$name),)*]
        }

        pub(super) fn any_response() -> impl Strategy<Value = Response> {
            prop_oneof![$(Specimen::any().prop_map(Response::$name),)*]
        }

        pub(super) fn example_request(api: ApiKey) -> Request {
            match api {
                $(ApiKey::$name => Request::$name(Specimen::example()),)*
            }
        }

        pub(super) fn example_response(api: ApiKey) -> Response {
            match api {
                $(ApiKey::$name => Response::$name(Specimen::example()),)*
            }
        }

        /// What is left of a request on its way through `version`.
        pub(super) fn request_at(version: i16, request: &Request) -> Request {
            let mut request = request.clone();
            match &mut request {
                $(Request::$name(request) => request.cut(version),)*
            }
            request
        }

        /// What is left of a response on its way through `version`.
        pub(super) fn response_at(version: i16, response: &Response) -> Response {
            let mut response = response.clone();
            match &mut response {
                $(Response::$name(response) => response.cut(version),)*
            }
            response
        }

        pub(super) fn request_bytes(request: &Request) -> usize {
            match request {
                $(Request::$name(request) => request.heap_bytes(),)*
            }
        }

        pub(super) fn response_bytes(response: &Response) -> usize {
            match response {
                $(Response::$name(response) => response.heap_bytes(),)*
            }
        }

        /// Whether the oracle knows this version of a request.
        pub(super) fn oracle_knows(api: ApiKey, version: i16) -> bool {
            let versions = match api {
                $(ApiKey::$name => <$request as Specimen>::Theirs::VERSIONS,)*
            };
            (versions.min..=versions.max).contains(&version)
        }

        /// Our versions that the oracle knows, too.
        pub(super) fn oracle_versions(api: ApiKey) -> impl Iterator<Item = i16> {
            let versions = api.versions();
            versions.iter().filter(move |version| oracle_knows(api, *version))
        }

        /// A request as the oracle writes it, like the parent's `request_body`.
        pub(super) fn oracle_request(request: &Request, version: i16, strangers: bool) -> Vec<u8> {
            let header = oracle::request_header(request.api_key(), version);
            let header = estranged!(header, strangers);
            match request_at(version, request) {
                $(Request::$name(request) => {
                    oracle::bytes(&header, &request.theirs(version, strangers), version)
                })*
            }
        }

        /// A response as the oracle writes it, like the parent's `response_body`.
        pub(super) fn oracle_response(response: &Response, version: i16, strangers: bool) -> Vec<u8> {
            let header = estranged!(oracle::response_header(), strangers);
            match response_at(version, response) {
                $(Response::$name(response) => {
                    oracle::bytes(&header, &response.theirs(version, strangers), version)
                })*
            }
        }

        pub(super) fn assert_oracle_reads_request(body: &[u8], request: &Request, version: i16) {
            let header = oracle::request_header(request.api_key(), version);
            match request_at(version, request) {
                $(Request::$name(request) => {
                    oracle::assert_reads(body, &header, &request.theirs(version, false), version);
                })*
            }
        }

        pub(super) fn assert_oracle_reads_response(body: &[u8], response: &Response, version: i16) {
            let header = oracle::response_header();
            match response_at(version, response) {
                $(Response::$name(response) => {
                    oracle::assert_reads(body, &header, &response.theirs(version, false), version);
                })*
            }
        }
    };
}

/// Puts unknown tagged fields into a structure of the oracle's.
macro_rules! estranged {
    ($message:expr, $strangers:expr) => {{
        let message = $message;
        if $strangers {
            message
                .with_unknown_tagged_field(90, vec![1, 2, 3].into())
                .with_unknown_tagged_field(300, Vec::new().into())
        } else {
            message
        }
    }};
}
use estranged;

specimens! {
    Produce(ProduceRequest),
    Metadata(MetadataRequest),
    FindCoordinator(FindCoordinatorRequest),
    ApiVersions(ApiVersionsRequest),
    InitProducerId(InitProducerIdRequest),
    AddPartitionsToTxn(AddPartitionsToTxnRequest),
    AddOffsetsToTxn(AddOffsetsToTxnRequest),
    EndTxn(EndTxnRequest),
    TxnOffsetCommit(TxnOffsetCommitRequest),
}

/// Around 127 bytes, the length of a compact string takes a second byte.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-zé]{0,8}", 1 => "[a-z]{120,130}"]
}

fn error_code() -> impl Strategy<Value = ErrorCode> {
    any::<i16>().prop_map(ErrorCode::from)
}

fn node() -> impl Strategy<Value = NodeId> {
    any::<i32>().prop_map(NodeId)
}

/// Never the zeroes that stand for an unknown id.
fn topic_id() -> impl Strategy<Value = TopicId> {
    any::<[u8; 16]>().prop_map(|mut id| {
        id[0] |= 1;
        TopicId(id)
    })
}

/// The part of a name in a message.
fn name() -> impl Strategy<Value = Arc<str>> {
    text().prop_map(Arc::from)
}

/// What a request says of the transaction that it belongs to is not written: its version tells.
fn transactions() -> impl Strategy<Value = TransactionVersion> {
    prop_oneof![Just(TransactionVersion::V1), Just(TransactionVersion::V2)]
}

fn transactional_id(id: &str) -> theirs::TransactionalId {
    theirs::TransactionalId(string(id))
}

fn string(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn optional(text: Option<&String>) -> Option<StrBytes> {
    text.map(|text| string(text))
}

/// Their type for UUIDs belongs to a crate that we do not depend on.
fn uuid<U: TryFrom<Vec<u8>, Error: Debug>>(id: TopicId) -> U {
    U::try_from(id.0.to_vec()).expect("sixteen bytes")
}

/// What a vector holds, its spare room included.
fn vec_bytes<T>(elements: &Vec<T>, inside: impl Fn(&T) -> usize) -> usize {
    elements.capacity() * size_of::<T>() + elements.iter().map(inside).sum::<usize>()
}

//! What the mock's brokers answer: one file per API, which implements [`Handler`] for its request.
//!
//! One more API is one more file here and one more row in each of the two functions and two enums
//! below; the compiler asks for all of them.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
pub(super) mod api_versions;
mod end_txn;
mod find_coordinator;
mod init_producer_id;
mod metadata;
pub(super) mod produce;
mod txn_offset_commit;

use crate::ErrorCode;
use crate::ids::NodeId;
use crate::protocol::messages::TxnPartitionResult;
use crate::protocol::{ApiKey, Request, Response};
use crate::testing::faults::{Plan, Refusal, Subject};
use crate::testing::log::MockProducedPartition;
use crate::testing::state::ClusterState;

/// How the brokers treat a request of one API. They call the methods in this order.
pub(super) trait Handler {
    /// The request as tests see it.
    fn content(&self, state: &ClusterState) -> MockRequestContent;

    /// Looks for what no correct producer sends, before any fault changes what happens.
    fn check_legality(&self, _state: &mut ClusterState) {}

    /// The topics or partitions in the request, to which a fault can be limited.
    fn subjects(&self, _state: &ClusterState) -> Vec<Subject> {
        Vec::new()
    }

    /// Does what is asked for, as far as the faults in `arrival.plan` let it.
    fn handle(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer;
}

/// How a request arrived, and what shall go wrong with it.
#[derive(Debug)]
pub(super) struct Arrival<'a> {
    /// Milliseconds since 1970, for topics that stamp records with the time.
    pub(super) now_ms: i64,
    /// The broker that received it.
    pub(super) node: NodeId,
    pub(super) version: i16,
    pub(super) plan: &'a Plan,
}

/// What a [`Handler`] makes of a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// The response, and for the cluster's observer what is wrong with the request as a whole.
    Send(Response, ErrorCode),
    /// The client wants no answer.
    None,
    /// The client wants no answer, but has to notice that something went wrong.
    Close,
}

/// What comes of a request whose refusal a test has perhaps scripted: that, after it has acted, in place
/// of acting, or not at all.
fn scripted<T>(
    refusal: Option<&Refusal>,
    act: impl FnOnce() -> Result<T, ErrorCode>,
) -> Result<T, ErrorCode> {
    match refusal {
        None => act(),
        Some(refusal) if refusal.applied => act().and(Err(refusal.code)),
        Some(refusal) => Err(refusal.code),
    }
}

/// What a request of this version is told in place of `PRODUCER_FENCED`, which it has since `first`.
fn since(first: i16, version: i16, error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::PRODUCER_FENCED if version < first => ErrorCode::INVALID_PRODUCER_EPOCH,
        error => error,
    }
}

/// What the observer is told of a request whose partitions have errors of their own.
fn first_error<'a>(partitions: impl Iterator<Item = &'a TxnPartitionResult>) -> ErrorCode {
    let mut errors = partitions.map(|partition| partition.error);
    let error = errors.find(|error| *error != ErrorCode::NONE);
    error.unwrap_or(ErrorCode::NONE)
}

/// The handler of a request.
pub(super) fn handler(request: &Request) -> &dyn Handler {
    match request {
        Request::Produce(request) => request,
        Request::Metadata(request) => request,
        Request::FindCoordinator(request) => request,
        Request::ApiVersions(request) => request,
        Request::InitProducerId(request) => request,
        Request::AddPartitionsToTxn(request) => request,
        Request::AddOffsetsToTxn(request) => request,
        Request::EndTxn(request) => request,
        Request::TxnOffsetCommit(request) => request,
    }
}

/// A kind of request.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    /// Writes records.
    Produce,
    /// Asks for brokers, topics and leaders.
    Metadata,
    /// Asks who coordinates a group or a transactional id.
    FindCoordinator,
    /// Asks which versions a broker speaks.
    ApiVersions,
    /// Asks for a producer's id and epoch.
    InitProducerId,
    /// Adds partitions to a transaction, in version 1 of transactions.
    AddPartitionsToTxn,
    /// Adds a group's offsets to a transaction, in version 1 of transactions.
    AddOffsetsToTxn,
    /// Commits or aborts a transaction.
    EndTxn,
    /// Commits a group's offsets in a transaction.
    TxnOffsetCommit,
    /// Any other, by its number in Kafka's protocol; the mock cluster serves none of these.
    Other(i16),
}

impl Api {
    fn of(key: ApiKey) -> Self {
        match key {
            ApiKey::Produce => Self::Produce,
            ApiKey::Metadata => Self::Metadata,
            ApiKey::FindCoordinator => Self::FindCoordinator,
            ApiKey::ApiVersions => Self::ApiVersions,
            ApiKey::InitProducerId => Self::InitProducerId,
            ApiKey::AddPartitionsToTxn => Self::AddPartitionsToTxn,
            ApiKey::AddOffsetsToTxn => Self::AddOffsetsToTxn,
            ApiKey::EndTxn => Self::EndTxn,
            ApiKey::TxnOffsetCommit => Self::TxnOffsetCommit,
        }
    }

    /// The API with this number on the wire.
    pub(crate) fn from_code(code: i16) -> Self {
        ApiKey::from_code(code).map_or(Self::Other(code), Self::of)
    }

    /// None for an API that this crate does not speak.
    pub(super) fn key(self) -> Option<ApiKey> {
        let mut keys = ApiKey::ALL.iter().copied();
        keys.find(|key| Self::of(*key) == self)
    }
}

/// What a [`MockRequest`](super::MockRequest) contained.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MockRequestContent {
    /// Records to be written.
    Produce {
        /// Whose transaction the records belong to; none: they belong to none.
        transactional_id: Option<String>,
        /// 0, 1, or −1 for all.
        acks: i16,
        /// How long the broker may wait for its followers.
        timeout_ms: i32,
        /// One batch each.
        partitions: Vec<MockProducedPartition>,
    },
    /// A question for brokers, topics and leaders.
    Metadata {
        /// The topics asked for; `None` asked for all of them.
        topics: Option<Vec<String>>,
        /// Whether topics that do not exist should be made.
        allow_auto_topic_creation: bool,
    },
    /// The question who coordinates a group or a transactional id.
    FindCoordinator {
        /// 0: the keys are group ids; 1: transactional ids.
        key_type: i8,
        /// Whose coordinators are asked for.
        keys: Vec<String>,
    },
    /// The question which versions the broker speaks.
    ApiVersions {
        /// The client's name for itself; empty below version 3.
        software_name: String,
        /// The client's version; empty below version 3.
        software_version: String,
        /// The cluster that the client means to reach (from version 5).
        cluster_id: Option<String>,
        /// The broker that it means to reach, or −1.
        node: i32,
    },
    /// A request for a producer's id and epoch.
    InitProducerId {
        /// None: an idempotent producer without transactions.
        transactional_id: Option<String>,
        /// The producer's `transaction.timeout.ms`; meaningless without a transactional id.
        transaction_timeout_ms: i32,
        /// The id that the producer has, or −1.
        producer_id: i64,
        /// The epoch that the producer has, or −1.
        producer_epoch: i16,
    },
    /// Partitions for a transaction.
    AddPartitionsToTxn {
        /// Whose transaction it is.
        transactional_id: String,
        /// The id that the producer has.
        producer_id: i64,
        /// The epoch that the producer has.
        producer_epoch: i16,
        /// Topics and partitions.
        partitions: Vec<(String, i32)>,
    },
    /// A group for a transaction.
    AddOffsetsToTxn {
        /// Whose transaction it is.
        transactional_id: String,
        /// The id that the producer has.
        producer_id: i64,
        /// The epoch that the producer has.
        producer_epoch: i16,
        /// The group whose offsets will be committed.
        group_id: String,
    },
    /// The end of a transaction.
    EndTxn {
        /// Whose transaction it is.
        transactional_id: String,
        /// The id that the producer has.
        producer_id: i64,
        /// The epoch that the producer has.
        producer_epoch: i16,
        /// Whether it shall be committed; if not, aborted.
        committed: bool,
    },
    /// Offsets of a group, to be committed in a transaction.
    TxnOffsetCommit {
        /// Whose transaction it is.
        transactional_id: String,
        /// The id that the producer has.
        producer_id: i64,
        /// The epoch that the producer has.
        producer_epoch: i16,
        /// The group.
        group_id: String,
        /// The group's generation or its member's epoch, or −1.
        generation: i32,
        /// The group's member; empty: none is named.
        member_id: String,
        /// Topics (empty if the cluster does not know their ids), partitions and offsets.
        offsets: Vec<(String, i32, i64)>,
    },
    /// The broker closed the connection, or for `ApiVersions` answered with its own range; this says
    /// why.
    Refused(String),
}

//! What a check has found out so far, kept as it came; `summary` judges it at the end.

use std::io;
use std::time::Duration;

use super::probe::Failure;
use crate::address::Address;
use crate::protocol::messages::{MetadataBroker, MetadataResponse};
use crate::protocol::version::ApiVersions;
use crate::transport::SocketAddr;

/// Everything that is known so far.
#[derive(Default)]
pub(super) struct Evidence {
    /// The bootstrap servers in their order, then the brokers that are somewhere else.
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) cluster: Option<Cluster>,
    /// The metadata of the topics; `None` if no broker was asked for it, or none answered in time.
    pub(super) topics: Option<Result<MetadataResponse, Failure>>,
}

/// A host and port, of a bootstrap server or of a broker.
pub(super) struct Endpoint {
    pub(super) address: Address,
    /// `None`: the resolver has not answered yet.
    pub(super) resolved: Option<io::Result<Vec<Candidate>>>,
}

/// One of its addresses.
pub(super) struct Candidate {
    pub(super) address: SocketAddr,
    /// What came of talking to it; `None`: nothing yet.
    pub(super) outcome: Option<Result<BrokerAnswer, Failure>>,
}

/// What a broker has answered.
pub(super) struct BrokerAnswer {
    pub(super) versions: ApiVersions,
    pub(super) answered_after: Duration,
    /// Which cluster it says it is in.
    pub(super) cluster_id: Result<Option<String>, Failure>,
}

/// The cluster as the first broker that answered describes it.
pub(super) struct Cluster {
    /// The index of the endpoint that described it.
    pub(super) told_by: usize,
    /// The address of that endpoint that answered, which is asked about the topics as well.
    pub(super) asked: SocketAddr,
    pub(super) id: Option<String>,
    pub(super) controller: i32,
    /// By id.
    pub(super) brokers: Vec<Member>,
    /// The ids of the brokers beyond the largest number that is looked at.
    pub(super) left_out: Vec<i32>,
}

/// A broker, as the cluster's metadata describes it.
pub(super) struct Member {
    pub(super) described: MetadataBroker,
    /// The index of its endpoint; `None`: what it advertises cannot be an address.
    pub(super) endpoint: Option<usize>,
}

//! What a check comes to, as data. How it is printed stands in [`text`](super::text), how it comes
//! about in the [module](super).

use std::time::Duration;

use crate::protocol::error_code::ErrorCode;
use crate::transport::SocketAddr;

/// What a check has found: the bootstrap servers, the cluster behind them, its brokers, the topics
/// that were asked about, and what is wrong with each. Printed with `{}`, it is text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Each entry of `bootstrap.servers`, in its order.
    pub servers: Vec<CheckedServer>,
    /// The cluster, as the first broker that answered describes it; `None` if none did.
    pub cluster: Option<CheckedCluster>,
    /// The brokers of the cluster, by id.
    pub brokers: Vec<CheckedBroker>,
    /// The topics that were asked about, in that order.
    pub topics: Vec<CheckedTopic>,
    /// How long it took.
    pub took: Duration,
}

impl CheckReport {
    /// All findings, in the order of the report.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        let servers = self.servers.iter().map(|server| &server.findings);
        let cluster = self.cluster.iter().map(|cluster| &cluster.findings);
        let brokers = self.brokers.iter().map(|broker| &broker.server.findings);
        let topics = self.topics.iter().map(|topic| &topic.findings);
        servers
            .chain(cluster)
            .chain(brokers)
            .chain(topics)
            .flatten()
    }

    /// The worst of the findings; [`Ok`](Severity::Ok) if there are none.
    pub fn severity(&self) -> Severity {
        worst(self.findings())
    }

    /// Whether a producer can work here: there may be warnings, but no problems.
    pub fn is_healthy(&self) -> bool {
        self.severity() < Severity::Problem
    }
}

/// The worst of these findings.
pub(super) fn worst<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Severity {
    let severities = findings.into_iter().map(|finding| finding.severity);
    severities.max().unwrap_or(Severity::Ok)
}

/// A host and port, each of its addresses, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedServer {
    /// The name or address, as it stands in `bootstrap.servers` or in the brokers' metadata.
    pub host: String,
    /// The port; 0 if a broker advertised an impossible one.
    pub port: u16,
    /// What the name resolves to, in the system's order; the first 16.
    pub addresses: Vec<CheckedAddress>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// One address, and what answers there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedAddress {
    /// The address.
    pub address: SocketAddr,
    /// How long it took from the start of the connection attempt to the answer with the versions;
    /// `None` if it is no broker that this crate can talk to.
    pub answered_after: Option<Duration>,
    /// The APIs that a producer needs once it is connected, with the broker's versions of them. Empty
    /// if it is no broker.
    pub apis: Vec<CheckedApi>,
}

/// The versions of an API: client and broker have to have one in common.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedApi {
    /// Kafka's name for it: `Produce`.
    pub name: String,
    /// The oldest and the newest version that the broker speaks; `None` if it lacks the API.
    pub broker: Option<(i16, i16)>,
    /// The version that a producer uses with this broker; `None` if there is none in common.
    pub used: Option<i16>,
}

/// What the brokers say of the cluster as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedCluster {
    /// The cluster's id, if it has one.
    pub id: Option<String>,
    /// The id of the broker that the metadata names as the controller.
    pub controller: Option<i32>,
    /// The bootstrap server that this comes from, as host and port.
    pub told_by: String,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// A broker of the cluster, at the address that it advertises (`advertised.listeners`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedBroker {
    /// Its id.
    pub id: i32,
    /// Its rack (`broker.rack`), if it has one.
    pub rack: Option<String>,
    /// Its address, and what was found there.
    pub server: CheckedServer,
}

/// A topic that was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedTopic {
    /// Its name.
    pub name: String,
    /// How many partitions it has; 0 if it does not exist, or no broker could be asked.
    pub partitions: usize,
    /// The partitions that have no leader at the moment.
    pub without_leader: Vec<i32>,
    /// The partitions whose leader cannot be reached from here.
    pub with_unreachable_leader: Vec<i32>,
    /// The partitions with fewer in-sync replicas than replicas.
    pub under_replicated: Vec<i32>,
    /// Whether this client may write to it; `None` if the broker does not say: brokers
    /// before 2.3 never do.
    pub may_write: Option<bool>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The kind of finding, for programs.
    pub cause: Cause,
    /// Where to look for the fault first.
    pub suspect: Suspect,
    /// What it is about: `bootstrap server localhost:9092`, `broker 2 at kafka-2:9092`, `topic orders`.
    pub subject: String,
    /// What is wrong, in a sentence or two.
    pub message: String,
    /// What to do about it.
    pub advice: String,
}

/// How bad a finding is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Not at all.
    Ok,
    /// A producer can work, but has less to fall back on than it should.
    Warning,
    /// A producer cannot work, or not with all of the brokers and topics; or that could not be
    /// checked.
    Problem,
}

impl Severity {
    /// `ok`, `warning` or `problem`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// Where to look for the fault first.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suspect {
    /// This program: its properties, the topics it names, this version of the crate.
    Client,
    /// What is in between: names, routes, firewalls, and what listens where.
    Network,
    /// The brokers, their properties, and the cluster's topics and access rules.
    Cluster,
}

impl Suspect {
    /// `client`, `network` or `cluster`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Network => "network",
            Self::Cluster => "cluster",
        }
    }
}

/// The kind of a finding.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The host name has no address.
    Unresolved,
    /// Nothing listens at the port.
    Refused,
    /// There is no route to the address.
    Unreachable,
    /// Connecting got no answer: a firewall, or a host that is down.
    ConnectTimedOut,
    /// It accepts connections, but sends nothing.
    Silent,
    /// It closes connections without an answer.
    Closed,
    /// It answers like a broker, but closes the connection when it is asked for metadata: it requires
    /// a login first.
    WantsLogin,
    /// It speaks TLS.
    SpeaksTls,
    /// It is a web server.
    SpeaksHttp,
    /// It answers with something that is not Kafka's protocol.
    NotKafka,
    /// It speaks Kafka's protocol, but is no broker: a controller (KRaft), for example.
    NotABroker,
    /// It is a broker that is too old for this crate.
    BrokerTooOld,
    /// It is a broker that has dropped all versions of an API that this crate speaks.
    BrokerTooNew,
    /// The broker refused what it was asked, with this code.
    BrokerRefused(ErrorCode),
    /// It belongs to another cluster than the one that the report is about.
    OtherCluster,
    /// The cluster names no brokers.
    NoBrokers,
    /// A broker advertises an impossible address.
    ImpossibleAddress,
    /// Several brokers advertise the same address, which can belong to only one of them.
    SharedAddress,
    /// No topic can have this name.
    IllegalTopicName,
    /// The topic does not exist.
    UnknownTopic,
    /// The topic is an internal one of the brokers, which refuse records from clients.
    InternalTopic,
    /// The brokers refuse to describe the topic, with this code.
    TopicRefused(ErrorCode),
    /// Partitions have no leader.
    NoLeader,
    /// The leaders of partitions cannot be reached.
    LeaderUnreachable,
    /// Partitions have fewer in-sync replicas than replicas.
    UnderReplicated,
    /// This client may not write to the topic.
    MayNotWrite,
    /// It was not checked: the time was up, or no broker could be asked.
    NotChecked,
}

impl Cause {
    /// The name in lower case, as in `connect_timed_out`, without the code that some carry.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::ConnectTimedOut => "connect_timed_out",
            Self::Silent => "silent",
            Self::Closed => "closed",
            Self::WantsLogin => "wants_login",
            Self::SpeaksTls => "speaks_tls",
            Self::SpeaksHttp => "speaks_http",
            Self::NotKafka => "not_kafka",
            Self::NotABroker => "not_a_broker",
            Self::BrokerTooOld => "broker_too_old",
            Self::BrokerTooNew => "broker_too_new",
            Self::BrokerRefused(_) => "broker_refused",
            Self::OtherCluster => "other_cluster",
            Self::NoBrokers => "no_brokers",
            Self::ImpossibleAddress => "impossible_address",
            Self::SharedAddress => "shared_address",
            Self::IllegalTopicName => "illegal_topic_name",
            Self::UnknownTopic => "unknown_topic",
            Self::InternalTopic => "internal_topic",
            Self::TopicRefused(_) => "topic_refused",
            Self::NoLeader => "no_leader",
            Self::LeaderUnreachable => "leader_unreachable",
            Self::UnderReplicated => "under_replicated",
            Self::MayNotWrite => "may_not_write",
            Self::NotChecked => "not_checked",
        }
    }
}

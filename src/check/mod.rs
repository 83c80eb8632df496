//! A look at the cluster before anything is sent: who answers at the bootstrap servers, who leads
//! the topics, whether the brokers can be reached where they say, and what to do where not.
//!
//! [`Producer::check`](crate::Producer::check) and
//! [`Producer::check_topics`](crate::Producer::check_topics) come back with a [`CheckReport`]: data
//! for programs, and a page for people when it is printed.
//!
//! ```
//! use std::time::Duration;
//!
//! use linger::{Producer, Properties};
//! # let cluster = linger::testing::MockCluster::builder().topic("orders", 6).start()?;
//! # let server = cluster.bootstrap_servers();
//!
//! let properties = Properties::new()
//!     .set("bootstrap.servers", server) // "localhost:9092", for example
//!     .set("key.serializer", "string")
//!     .set("value.serializer", "string");
//! let producer: Producer<str, str> = Producer::new(&properties)?;
//! let report = producer.check_topics(&["orders"], Duration::from_secs(10))?;
//! for finding in report.findings() {
//!     eprintln!("{}: {} {}", finding.subject, finding.message, finding.advice);
//! }
//! assert!(report.is_healthy());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is looked at
//!
//! - Each entry of `bootstrap.servers` is resolved, and each of its addresses connected to and
//!   asked which versions it speaks, and of which cluster it is. Whoever does not answer as a
//!   broker is greeted as a web server and as a TLS server would be, to find out what it is.
//! - Each broker of the cluster is looked at in the same way, where it tells clients to connect.
//! - The topics: whether they exist, have leaders that can be reached and replicas in sync, and
//!   whether this client may write to them. Nothing is made and nothing is written.
//!
//! All of this happens on connections of its own, at the same time, and ends when the time is over.
//! It needs nothing of the I/O thread, so it works also while the producer is stuck.

// The check runs on the caller's thread, which waits, and on helper threads (`crew`), which talk
// (`probe`, `stranger`). It never touches the producer's connections and never outlasts its
// deadline.

mod crew;
mod probe;
mod report;
mod stranger;
mod summary;
mod text;
mod topics;
mod words;

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

pub use report::{
    Cause, CheckReport, CheckedAddress, CheckedApi, CheckedBroker, CheckedCluster, CheckedServer,
    CheckedTopic, Finding, Severity, Suspect,
};

use crate::address::Address;
use crate::config::ProducerConfig;
use crate::connection;
use crate::ids::topic_name_fault;
use crate::protocol::frame::MAX_FRAME_BYTES;
use crate::protocol::messages::{MetadataBroker, MetadataResponse};
use crate::protocol::version::ApiVersions;
use crate::sync::Arc;
use crate::transport::{SocketAddr, resolve};
use crew::Crew;
use probe::{Failure, Probe, Spoken};

/// What a check goes by.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    servers: Vec<Address>,
    client_id: Arc<str>,
    setup_timeout: Duration,
    idempotence: bool,
}

impl Settings {
    pub(crate) fn new(config: &ProducerConfig) -> Self {
        Self {
            servers: config.bootstrap_servers().to_vec(),
            client_id: Arc::from(config.client_id()),
            setup_timeout: config.connection_setup_timeout().max.min(LONGEST),
            idempotence: config.idempotence(),
        }
    }

    fn connection(&self, max_response_bytes: usize) -> Arc<connection::Settings> {
        Arc::new(connection::Settings {
            client_id: Arc::clone(&self.client_id),
            // A probe has a deadline of its own.
            request_timeout: LONGEST,
            max_in_flight: 1,
            max_response_bytes,
        })
    }
}

/// No check takes longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How many addresses of a host, and brokers of a cluster, are looked at.
const MAX_ADDRESSES: usize = 16;
const MAX_BROKERS: usize = 1_000;

/// What brokers tell of a cluster without topics is short, and many are asked at once. Of topics
/// only one is asked, which may say as much as to a producer.
const MAX_CLUSTER_BYTES: usize = 1024 * 1024;

/// Looks at everything, within the time. Runs on: caller.
pub(crate) fn check(settings: &Settings, topics: Vec<Arc<str>>, timeout: Duration) -> CheckReport {
    let started = now();
    let mut check = Check::new(settings, topics, started + timeout.min(LONGEST));
    for server in &settings.servers {
        check.look_at(server.clone());
    }
    while let Some(told) = check.crew.next() {
        check.take(told);
    }
    let mut report = summary::report(&check);
    report.took = now().saturating_duration_since(started);
    report
}

/// Everything that is known so far.
struct Check<'a> {
    settings: &'a Settings,
    topics: Vec<Arc<str>>,
    crew: Crew<Told>,
    /// The bootstrap servers first, then brokers that are somewhere else.
    endpoints: Vec<Endpoint>,
    cluster: Option<Cluster>,
    /// What was told of the topics; `None` if nobody was asked, or has answered in time.
    told_topics: Option<Result<MetadataResponse, Failure>>,
}

/// A host and port.
struct Endpoint {
    address: Address,
    /// `None`: the resolver has not answered yet.
    resolved: Option<io::Result<Vec<Candidate>>>,
}

/// One of its addresses.
struct Candidate {
    address: SocketAddr,
    /// `None`: not looked at yet.
    heard: Option<Result<Heard, Failure>>,
}

/// What a broker has told.
struct Heard {
    versions: ApiVersions,
    answered_after: Duration,
    /// Which cluster it says it is in.
    cluster_id: Result<Option<String>, Failure>,
}

/// The cluster as the first broker that answered describes it.
struct Cluster {
    /// The endpoint that told.
    told_by: usize,
    /// Its address, which is asked about the topics as well.
    asked: SocketAddr,
    id: Option<String>,
    controller: i32,
    /// By id.
    brokers: Vec<Member>,
    /// The ids of those that are too many to be looked at.
    left_out: Vec<i32>,
}

/// A broker of the cluster.
struct Member {
    told: MetadataBroker,
    /// `None`: where it says it is, nothing can be.
    endpoint: Option<usize>,
}

/// What a helper thread comes back with.
enum Told {
    Resolved(usize, io::Result<Vec<SocketAddr>>),
    /// Endpoint, address, and what came of it.
    Probed(usize, SocketAddr, Box<Result<Spoken, Failure>>),
    Topics(Box<Result<Spoken, Failure>>),
}

impl<'a> Check<'a> {
    fn new(settings: &'a Settings, topics: Vec<Arc<str>>, deadline: Instant) -> Self {
        let mut seen = BTreeSet::new();
        let is_new = |topic: &Arc<str>| seen.insert(Arc::clone(topic));
        Self {
            settings,
            topics: topics.into_iter().filter(is_new).collect(),
            crew: Crew::new(deadline),
            endpoints: Vec::new(),
            cluster: None,
            told_topics: None,
        }
    }

    /// The endpoint of this address, which is looked at unless it has been already.
    fn look_at(&mut self, address: Address) -> usize {
        let mut known = self.endpoints.iter();
        if let Some(index) = known.position(|one| one.address == address) {
            return index;
        }
        let index = self.endpoints.len();
        let Address { host, port } = address.clone();
        self.crew
            .add(move |_| Told::Resolved(index, resolve(&host, port)));
        self.endpoints.push(Endpoint {
            address,
            resolved: None,
        });
        index
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Resolved(index, resolved) => self.on_resolved(index, resolved),
            Told::Probed(index, address, outcome) => self.on_probed(index, address, *outcome),
            Told::Topics(outcome) => {
                self.told_topics = Some(outcome.and_then(|spoken| spoken.metadata));
            }
        }
    }

    fn on_resolved(&mut self, index: usize, resolved: io::Result<Vec<SocketAddr>>) {
        let addresses = resolved.as_ref().map(Vec::as_slice).unwrap_or_default();
        for address in addresses.iter().take(MAX_ADDRESSES).copied() {
            let probe = self.probe(address, Vec::new(), MAX_CLUSTER_BYTES);
            self.crew
                .add(move |time| Told::Probed(index, address, Box::new(probe.run(time))));
        }
        let candidate = |address| Candidate {
            address,
            heard: None,
        };
        let candidates = |addresses: Vec<SocketAddr>| {
            let some = addresses.into_iter().take(MAX_ADDRESSES);
            some.map(candidate).collect()
        };
        if let Some(endpoint) = self.endpoints.get_mut(index) {
            endpoint.resolved = Some(resolved.map(candidates));
        }
    }

    fn on_probed(&mut self, index: usize, address: SocketAddr, outcome: Result<Spoken, Failure>) {
        let heard = outcome.map(|spoken| Heard {
            versions: spoken.versions,
            answered_after: spoken.answered_after,
            cluster_id: spoken.metadata.map(|metadata| {
                let id = metadata.cluster_id.as_deref().map(words::clean);
                self.adopt(index, address, metadata);
                id
            }),
        });
        let endpoint = self.endpoints.get_mut(index);
        let resolved = endpoint.and_then(|endpoint| endpoint.resolved.as_mut());
        if let Some(Ok(candidates)) = resolved {
            let candidate = candidates.iter_mut().find(|one| one.address == address);
            if let Some(candidate) = candidate {
                candidate.heard = Some(heard);
            }
        }
    }

    /// Looks at the cluster that the first broker to answer describes.
    fn adopt(&mut self, index: usize, address: SocketAddr, metadata: MetadataResponse) {
        if self.cluster.is_some() {
            return;
        }
        let legal = self.topics.iter();
        let legal = legal.filter(|topic| topic_name_fault(topic).is_none());
        let legal: Vec<Arc<str>> = legal.map(Arc::clone).collect();
        if !legal.is_empty() {
            let probe = self.probe(address, legal, MAX_FRAME_BYTES);
            self.crew
                .add(move |time| Told::Topics(Box::new(probe.run(time))));
        }
        let mut brokers = metadata.brokers;
        brokers.sort_by_key(|broker| broker.node);
        brokers.dedup_by_key(|broker| broker.node);
        let left_out = brokers.split_off(brokers.len().min(MAX_BROKERS));
        let member = |told: MetadataBroker| Member {
            endpoint: Address::advertised(&told.host, told.port)
                .map(|address| self.look_at(address)),
            told,
        };
        let brokers = brokers.into_iter().map(member).collect();
        self.cluster = Some(Cluster {
            told_by: index,
            asked: address,
            id: metadata.cluster_id.as_deref().map(words::clean),
            controller: metadata.controller,
            brokers,
            left_out: left_out.iter().map(|broker| broker.node.0).collect(),
        });
    }

    fn probe(&self, address: SocketAddr, topics: Vec<Arc<str>>, max_bytes: usize) -> Probe {
        Probe {
            address,
            topics,
            connection: self.settings.connection(max_bytes),
            setup_timeout: self.settings.setup_timeout,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a check divides its time, and tells how long it took"
)]
fn now() -> Instant {
    Instant::now()
}

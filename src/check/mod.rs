//! A look at the cluster before anything is sent: what answers at the bootstrap servers, which
//! brokers lead the topics, whether each broker can be reached at the address it advertises, and
//! what to do about whatever is wrong.
//!
//! [`Producer::check`](crate::Producer::check) and
//! [`Producer::check_topics`](crate::Producer::check_topics) return a [`CheckReport`]: data for
//! programs, and readable text when it is printed.
//!
//! ```
//! use std::time::Duration;
//!
//! use linger::{Producer, Properties};
//! # let cluster = linger::testing::MockCluster::builder().topic("orders", 6).start()?;
//! # let server = cluster.bootstrap_servers();
//!
//! let properties = Properties::new()
//!     .set("bootstrap.servers", server); // "localhost:9092", for example
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
//!   asked which versions it speaks and which cluster it belongs to. If something there does not
//!   answer like a broker, the check tries HTTP and TLS to find out what it is.
//! - Each broker of the cluster is looked at in the same way, at the address that it advertises.
//! - The topics: whether they exist, have leaders that can be reached and replicas in sync, and
//!   whether this client may write to them. Nothing is created and nothing is written.
//!
//! A check uses connections of its own, looks at everything in parallel, and ends when its time is
//! up. It does not need the I/O thread, so it works even while the producer is stuck.

// The caller's thread starts helper threads (`helpers`) and collects what they find; they resolve
// names and talk to addresses (`probe`, `other_protocols`). A check never touches the producer's own
// connections and never outlasts its deadline.
//
// The files in their order, each using only those before it: `clock`, `settings`, `report` (what the
// user gets), `findings`, `helpers`, `other_protocols`, `probe`, `evidence` (what was found), then
// what judges it: `wording`, `topics`, `summary`; and `page`, the report as text.

mod clock;
mod evidence;
mod findings;
mod helpers;
mod other_protocols;
mod page;
mod probe;
mod report;
mod settings;
mod summary;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
mod topics;
mod wording;

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

pub use report::{
    Cause, CheckReport, CheckedAddress, CheckedApi, CheckedBroker, CheckedCluster, CheckedServer,
    CheckedTopic, Finding, Severity, Suspect,
};

use crate::address::Address;
use crate::ids::topic_name_fault;
use crate::protocol::frame::MAX_FRAME_BYTES;
use crate::protocol::messages::{MetadataBroker, MetadataResponse};
use crate::sync::Arc;
use crate::transport::{SocketAddr, resolve};
use clock::now;
use evidence::{BrokerAnswer, Candidate, Cluster, Endpoint, Evidence, Member};
use helpers::HelperThreads;
use probe::{Failure, Probe, ProbeAnswer};
pub(crate) use settings::Settings;

/// How many addresses of one host are looked at.
const MAX_ADDRESSES: usize = 16;
/// How many brokers of a cluster are looked at.
const MAX_BROKERS: usize = 1_000;

/// The largest answer that is read from an address when it is only asked about its cluster. Such an
/// answer is short, and many addresses are asked at once: if each could send a frame of the usual
/// limit, a hostile network could take gigabytes. The one broker that is asked about topics may
/// answer as much as to a producer.
const MAX_CLUSTER_BYTES: usize = 1024 * 1024;

/// Looks at everything, within the time. Runs on: caller.
pub(crate) fn check(settings: &Settings, topics: Vec<Arc<str>>, timeout: Duration) -> CheckReport {
    let started = now();
    let mut check = Check::new(settings, topics, started + timeout.min(settings::LONGEST));
    for server in &settings.servers {
        check.look_at(server.clone());
    }
    while let Some(result) = check.helpers.next() {
        check.handle(result);
    }
    let mut report = summary::report(settings, &check.topics, &check.evidence);
    report.took = now().saturating_duration_since(started);
    report
}

/// A check that is under way: each result may give the helper threads more to do.
struct Check<'a> {
    settings: &'a Settings,
    /// Each once.
    topics: Vec<Arc<str>>,
    helpers: HelperThreads<JobResult>,
    evidence: Evidence,
}

/// What a job of a helper thread came to.
enum JobResult {
    /// The index of an endpoint, and its addresses.
    Resolved(usize, io::Result<Vec<SocketAddr>>),
    /// The index of an endpoint, one of its addresses, and what came of talking to it.
    Probed(usize, SocketAddr, Box<Result<ProbeAnswer, Failure>>),
    /// What came of asking about the topics.
    Topics(Box<Result<ProbeAnswer, Failure>>),
}

impl<'a> Check<'a> {
    fn new(settings: &'a Settings, topics: Vec<Arc<str>>, deadline: Instant) -> Self {
        let mut seen = BTreeSet::new();
        let is_new = |topic: &Arc<str>| seen.insert(Arc::clone(topic));
        Self {
            settings,
            topics: topics.into_iter().filter(is_new).collect(),
            helpers: HelperThreads::new(deadline),
            evidence: Evidence::default(),
        }
    }

    /// Looks at an address, unless that has begun already; returns the index of its endpoint.
    fn look_at(&mut self, address: Address) -> usize {
        let endpoints = &mut self.evidence.endpoints;
        if let Some(index) = endpoints.iter().position(|one| one.address == address) {
            return index;
        }
        let index = endpoints.len();
        let Address { host, port } = address.clone();
        endpoints.push(Endpoint {
            address,
            resolved: None,
        });
        let family = self.settings.family;
        self.helpers
            .add(move |_| JobResult::Resolved(index, resolve(&host, port, family)));
        index
    }

    fn handle(&mut self, result: JobResult) {
        match result {
            JobResult::Resolved(index, resolved) => self.handle_resolved(index, resolved),
            JobResult::Probed(index, address, outcome) => {
                self.handle_probed(index, address, *outcome);
            }
            JobResult::Topics(outcome) => {
                self.evidence.topics = Some(outcome.and_then(|answer| answer.metadata));
            }
        }
    }

    /// Talks to each address of the host.
    fn handle_resolved(&mut self, index: usize, resolved: io::Result<Vec<SocketAddr>>) {
        let resolved = resolved.map(|mut addresses| {
            addresses.truncate(MAX_ADDRESSES);
            addresses
        });
        for address in resolved.iter().flatten().copied() {
            let probe = self.probe(address, Vec::new(), MAX_CLUSTER_BYTES);
            self.helpers
                .add(move |time| JobResult::Probed(index, address, Box::new(probe.run(time))));
        }
        let candidate = |address| Candidate {
            address,
            outcome: None,
        };
        let candidates =
            |addresses: Vec<SocketAddr>| addresses.into_iter().map(candidate).collect();
        if let Some(endpoint) = self.evidence.endpoints.get_mut(index) {
            endpoint.resolved = Some(resolved.map(candidates));
        }
    }

    fn handle_probed(
        &mut self,
        index: usize,
        address: SocketAddr,
        outcome: Result<ProbeAnswer, Failure>,
    ) {
        let outcome = outcome.map(|answer| BrokerAnswer {
            versions: answer.versions,
            answered_after: answer.answered_after,
            cluster_id: answer.metadata.map(|metadata| {
                let id = metadata.cluster_id.as_deref().map(wording::clean);
                self.handle_cluster(index, address, metadata);
                id
            }),
        });
        let endpoint = self.evidence.endpoints.get_mut(index);
        let resolved = endpoint.and_then(|endpoint| endpoint.resolved.as_mut());
        if let Some(Ok(candidates)) = resolved {
            let candidate = candidates.iter_mut().find(|one| one.address == address);
            if let Some(candidate) = candidate {
                candidate.outcome = Some(outcome);
            }
        }
    }

    /// The first broker to answer describes the cluster: looks at its brokers, and asks this one
    /// about the topics.
    fn handle_cluster(&mut self, index: usize, address: SocketAddr, metadata: MetadataResponse) {
        if self.evidence.cluster.is_some() {
            return;
        }
        let legal = self.topics.iter();
        let legal = legal.filter(|topic| topic_name_fault(topic).is_none());
        let legal: Vec<Arc<str>> = legal.map(Arc::clone).collect();
        if !legal.is_empty() {
            let probe = self.probe(address, legal, MAX_FRAME_BYTES);
            self.helpers
                .add(move |time| JobResult::Topics(Box::new(probe.run(time))));
        }
        let mut brokers = metadata.brokers;
        brokers.sort_by_key(|broker| broker.node);
        brokers.dedup_by_key(|broker| broker.node);
        let left_out = brokers.split_off(brokers.len().min(MAX_BROKERS));
        let member = |described: MetadataBroker| Member {
            endpoint: Address::advertised(&described.host, described.port)
                .map(|address| self.look_at(address)),
            described,
        };
        let brokers = brokers.into_iter().map(member).collect();
        self.evidence.cluster = Some(Cluster {
            told_by: index,
            asked: address,
            id: metadata.cluster_id.as_deref().map(wording::clean),
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

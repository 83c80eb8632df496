//! A Kafka cluster in this process, for tests and examples: real frames on loopback ports, no
//! Kafka, no Java, no containers. With the feature `testing`.
//!
//! ```
//! use std::time::Duration;
//!
//! use linger::testing::{Api, MockCluster};
//! use linger::ErrorCode;
//!
//! # fn main() -> std::io::Result<()> {
//! let cluster = MockCluster::builder().brokers(3).topic("orders", 6).start()?;
//! let bootstrap = cluster.bootstrap_servers(); // for `bootstrap.servers`
//!
//! // The next two Produce requests that carry orders-0 are told to look for another leader.
//! cluster
//!     .on(Api::Produce)
//!     .partition("orders", 0)
//!     .times(2)
//!     .answer(ErrorCode::NOT_LEADER_OR_FOLLOWER);
//!
//! // … a producer sends; the test waits for what should happen, and looks.
//! # assert!(bootstrap.starts_with("127.0.0.1:"));
//! let arrived = cluster.wait_for_records("orders", 0, Duration::from_secs(10));
//! assert!(arrived);
//! assert!(cluster.records("orders", 2).is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # What it is
//!
//! Brokers are numbered from 1 and answer `ApiVersions`, `Metadata` and `Produce` in the versions
//! that this crate speaks, the same as Kafka 4 would where a producer can see it: each file in
//! `api/` says how. Kafka's own Java tools and librdkafka can produce to it as well. It has no
//! followers, no transactions, no duplicate detection, and takes no compressed batches yet.
//!
//! # Faults
//!
//! - scripted, request by request: [`MockCluster::on`]
//! - brokers: [`stop_broker`](MockCluster::stop_broker) and
//!   [`restart_broker`](MockCluster::restart_broker),
//!   [`pause_broker`](MockCluster::pause_broker) and
//!   [`resume_broker`](MockCluster::resume_broker),
//!   [`close_connections`](MockCluster::close_connections),
//!   [`advertise`](MockCluster::advertise)
//! - leaders: [`move_leader`](MockCluster::move_leader),
//!   [`remove_leader`](MockCluster::remove_leader), [`fail_over`](MockCluster::fail_over)
//! - older brokers: [`MockClusterBuilder::versions`], [`MockClusterBuilder::without_topic_ids`]
//!
//! # Threads
//!
//! One for each broker and one for each connection; dropping the cluster ends them all.

mod api;
mod builder;
mod cluster;
mod faults;
mod log;
mod server;
pub(crate) mod state;
#[cfg(test)]
mod tests;

pub use builder::MockClusterBuilder;
pub use cluster::{MockCluster, MockView};
pub use faults::Fault;
pub use log::{
    MockBatch, MockCounters, MockProducedPartition, MockRecord, MockRequest, MockRequestContent,
};

use crate::protocol::ApiKey;

/// A kind of request.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    /// Writes records.
    Produce,
    /// Asks for brokers, topics and leaders.
    Metadata,
    /// Asks which versions a broker speaks.
    ApiVersions,
    /// Any other, by its number in Kafka's protocol; the mock cluster serves none of these.
    Other(i16),
}

impl Api {
    fn from_code(code: i16) -> Self {
        match ApiKey::from_code(code) {
            Some(ApiKey::Produce) => Self::Produce,
            Some(ApiKey::Metadata) => Self::Metadata,
            Some(ApiKey::ApiVersions) => Self::ApiVersions,
            None => Self::Other(code),
        }
    }

    fn key(self) -> Option<ApiKey> {
        match self {
            Self::Produce => Some(ApiKey::Produce),
            Self::Metadata => Some(ApiKey::Metadata),
            Self::ApiVersions => Some(ApiKey::ApiVersions),
            Self::Other(_) => None,
        }
    }
}

//! A Kafka cluster in this process, for tests and examples: real frames on loopback ports, no
//! Kafka, no Java, no containers. With the feature `testing`.
//!
//! ```
//! use linger::testing::{Api, MockCluster};
//! use linger::{ErrorCode, Producer, ProducerRecord, Properties};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = MockCluster::builder().brokers(3).topic("orders", 6).start()?;
//!
//! // The next two Produce requests that carry orders-2 are told to look for another leader.
//! cluster
//!     .on(Api::Produce)
//!     .partition("orders", 2)
//!     .times(2)
//!     .answer(ErrorCode::NOT_LEADER_OR_FOLLOWER);
//!
//! let properties = Properties::new()
//!     .set("bootstrap.servers", cluster.bootstrap_servers())
//!     .set("key.serializer", "string")
//!     .set("value.serializer", "string");
//! let producer: Producer<str, str> = Producer::new(&properties)?;
//! let metadata = producer.send_wait(ProducerRecord::new("orders", "order_placed").partition(2))?;
//! assert_eq!(metadata.to_string(), "orders-2@0");
//!
//! assert_eq!(cluster.pending_faults(), 0);
//! let records = cluster.records("orders", 2);
//! assert_eq!(records[0].value.as_deref(), Some(&b"order_placed"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! Wait for events, not for time to pass: [`MockCluster::wait_for_records`] for records that are
//! sent in the background, [`MockCluster::wait_until`] for anything else.
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
#[cfg(test)]
pub(crate) mod simulated;
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

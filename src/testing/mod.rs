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
//! let properties = Properties::new().set("bootstrap.servers", cluster.bootstrap_servers());
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
//! Brokers are numbered from 1 and answer `ApiVersions`, `Metadata`, `InitProducerId`, `Produce` and
//! the requests of transactions in the versions that this crate speaks, the same as Kafka 4 would where
//! a producer can see it: each file in `api/` says how. Kafka's own Java tools, librdkafka and franz-go
//! can produce to it. Compressed batches are decompressed and checked, where the codec's feature is on.
//! The cluster has no followers and no consumers.
//!
//! # Idempotent producers
//!
//! Each partition remembers the epoch and the last five batches of every producer id, and answers
//! a repeated batch with the offset that it got at first, a gap with
//! `OUT_OF_ORDER_SEQUENCE_NUMBER`, an old epoch with `INVALID_PRODUCER_EPOCH`. That memory moves
//! with the partition to its next leader; [`MockCluster::forget_producers`] wipes it, as time does
//! in Kafka. Of more than 1,000 ids in a partition the one that has been silent for longest is forgotten.
//! [`MockCluster::batches`] shows who wrote what in which sequence, and
//! [`MockCluster::violations`] what a producer sent that no correct one sends.
//!
//! # Transactions
//!
//! Each transactional id has a coordinator among the brokers, and so has each consumer group. They fence
//! and abort as Kafka's do, in version 2 of transactions or, with
//! [`MockClusterBuilder::transaction_version`], in version 1. What a consumer with
//! `isolation.level=read_committed` would see is in [`MockCluster::committed_records`] and
//! [`MockCluster::committed_offsets`]; [`MockCluster::batches`] also shows the markers.
//!
//! - [`transaction`](MockCluster::transaction) tells what the coordinator knows of a transactional id
//! - [`expire_transaction`](MockCluster::expire_transaction) aborts one that takes too long
//! - [`hold_markers`](MockCluster::hold_markers) and
//!   [`release_markers`](MockCluster::release_markers) make the next transaction wait
//! - [`move_transaction_coordinator`](MockCluster::move_transaction_coordinator),
//!   [`move_group_coordinator`](MockCluster::move_group_coordinator);
//!   [`fail_over`](MockCluster::fail_over) moves what the broker coordinates
//! - [`set_transaction_version`](MockCluster::set_transaction_version) changes the version of a cluster
//!   that runs
//!
//! It is simpler than Kafka in this: markers are in every partition at once, also in one without a
//! leader; groups have no members, so whoever names one is believed; and nothing that is not asked for
//! takes time, so `CONCURRENT_TRANSACTIONS` comes only after a takeover or while markers are held.
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
//! - producer ids: [`forget_producers`](MockCluster::forget_producers)
//! - another cluster at the same addresses: [`make_anew`](MockCluster::make_anew)
//! - by chance: [`Fault::chance`], drawn from [`MockClusterBuilder::seed`]
//! - older brokers: [`MockClusterBuilder::versions`], [`MockClusterBuilder::without_topic_ids`],
//!   [`MockClusterBuilder::unknown_producer_id_is_an_error`]
//!
//! # For hours
//!
//! A cluster keeps every record and every request, for tests to look at. One that runs for long, or
//! takes millions of records, is better off with [`MockClusterBuilder::discard_records`], and with
//! [`MockClusterBuilder::observer`] to see what comes. The example `mock_cluster` does the same: it is
//! this cluster as a program, for producers in other languages.
//!
//! # Threads
//!
//! One for each broker and one for each connection; dropping the cluster ends them all.

mod api;
mod builder;
mod chance;
mod cluster;
mod content;
mod events;
mod faults;
mod groups;
mod legality;
mod log;
mod partition_log;
pub(crate) mod producers;
mod recent;
mod server;
#[cfg(test)]
pub(crate) mod simulated;
pub(crate) mod state;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
mod topics;
mod transactions;

pub use api::{Api, MockRequestContent};
pub use builder::MockClusterBuilder;
pub use cluster::{MockCluster, MockView};
pub use events::{MockAnswer, MockArrival, MockEvent, MockHandled};
pub use faults::Fault;
pub use groups::MockCommittedOffset;
pub use log::{
    MockBatch, MockCounters, MockMarker, MockProducedPartition, MockRecord, MockRequest,
};
pub use transactions::{MockTransaction, MockTransactionState};

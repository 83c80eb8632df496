//! Linger is a Kafka producer for plain Rust programs: synchronous, with threads and callbacks. No
//! async runtime, no librdkafka, no JVM, and no poll loop that a user could forget.
//!
//! ```
//! use linger::{Producer, ProducerRecord, Properties};
//! # let cluster = linger::testing::MockCluster::start()?;
//! # let server = cluster.bootstrap_servers();
//!
//! let properties = Properties::new()
//!     .set("bootstrap.servers", server); // "localhost:9092", for example
//! let producer: Producer<str, str> = Producer::new(&properties)?;
//! producer.send(
//!     ProducerRecord::new("orders", "order_placed").key("user123"),
//!     |result| match result {
//!         Ok(metadata) => println!("{metadata}"), // orders-2@41
//!         Err(error) => eprintln!("{error}"),
//!     },
//! )?;
//! producer.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! [`Producer::send`] serializes the record on the caller's thread, picks its partition, and appends
//! it to that partition's batch, within `buffer.memory`. One thread, named `linger-io`, owns every
//! socket: it takes batches that are full (`batch.size`) or old enough (`linger.ms`), sends them to
//! the brokers that lead their partitions, retries what is worth retrying, and calls each record's
//! callback exactly once.
//!
//! Records that share a function and need no closure of their own go through a [`Group`]: it allocates
//! nothing per record. A [`GroupOnce`] calls once, when all of its records have their outcome.
//!
//! A [`ProducerInterceptor`] sees each record before it is sent, and may change it, and sees each
//! outcome.
//!
//! [`Producer::purge`] takes back the records that are queued and were never sent, of one topic or of
//! all; the producer stays in use.
//!
//! # What is promised
//!
//! - Every accepted record's callback runs exactly once: on success, failure, close, drop, and after
//!   a panic in another callback.
//! - Records of one partition are written in the order of `send`, through retries too, and their
//!   callbacks run in that order.
//! - With idempotence, the default, no retry writes a record twice. When a record fails and it is
//!   unknown whether it is in the log, it is not sent again, and its error says so
//!   ([`Error::fate`]).
//! - No call blocks for longer than its limit: `max.block.ms` for [`send`](Producer::send),
//!   `delivery.timeout.ms` for an outcome, and the argument of methods whose names end in `_timeout`,
//!   such as [`close_timeout`](Producer::close_timeout). If a callback blocks, they may return up to a
//!   tenth of a second late.
//! - Memory for records stays within `buffer.memory`, and all of it is given back.
//!
//! Without idempotence (`enable.idempotence=false`, or `acks` other than `all`) a retry can write a
//! record twice, when the answer to the first attempt was lost.
//!
//! # Health
//!
//! [`Producer::state`] tells, at once and on any thread, whether brokers are connected, what failed last and
//! what is pending; [`Properties::on_event`] calls a function of yours when that changes.
//!
//! # From async code
//!
//! No call here is async and no runtime is needed. A [`SendHandle`] is a future, for every runtime, which
//! the I/O thread completes:
//!
//! ```
//! # use linger::{BytesProducer, ProducerRecord, RecordMetadata};
//! async fn place(producer: &BytesProducer, order: &[u8]) -> linger::Result<RecordMetadata> {
//!     producer.try_send_with_handle(ProducerRecord::new("orders", order))?.await
//! }
//! ```
//!
//! | call | blocks | so |
//! |---|---|---|
//! | those whose names begin with `try_send`, and awaiting a handle | never | call them anywhere |
//! | `send`, `send_with_handle`, [`partitions_for`](Producer::partitions_for), [`prepare`](Producer::prepare) | while `buffer.memory` is full or the topic is not known yet: up to `max.block.ms` (60 s) | on a thread for blocking calls (`spawn_blocking` in Tokio) |
//! | `send_wait`, [`SendHandle::wait`], `flush` | until records have their outcomes: up to `delivery.timeout.ms` (120 s) | await handles instead |
//! | `close`, and dropping the last clone or group | up to `delivery.timeout.ms` | keep a clone outside of the tasks, and close it on a thread for blocking calls before the runtime ends |
//! | [`Producer::new`] | not for the network: it starts a thread | call it anywhere |
//!
//! `try_send` refuses records for a topic that is not known yet: call `prepare` once, before the
//! tasks start. When memory is full ([`BufferFull`](ErrorKind::BufferFull)) a task slows itself down: it
//! awaits one of its older handles, or hands the record as [`OwnedProducerRecord`] to a thread for
//! blocking calls, which calls `send_with_handle`. A task or future that is dropped does not take its
//! record back. Callbacks and wakers run on the I/O thread: use them to wake, not to work.
//!
//! # Transactions
//!
//! A [`TransactionalProducer`] writes records on several topics and partitions, and the offsets of what was
//! read for them, all or none: [`begin`](TransactionalProducer::begin), send,
//! [`commit`](Transaction::commit). [`SharedTransactionalProducer`] has the calls of Kafka's Java producer.
//! [docs/TRANSACTIONS.md] says what is promised, and what to do about each error.
//!
//! [docs/TRANSACTIONS.md]: https://docs.rs/crate/linger/latest/source/docs/TRANSACTIONS.md
//!
//! # At the end
//!
//! What is waiting in memory is sent by [`close`](Producer::close), or when the last clone is dropped. A
//! `static` is never dropped: **a producer in one loses what it has not sent at the end of `main`**,
//! unless you close it there. [In a static](Producer#in-a-static) shows how.
//!
//! # A check before you start
//!
//! [`Producer::check`] looks at the cluster and reports what is wrong, where the fault most likely
//! lies, and what to do: see [`check`].
//!
//! # Properties
//!
//! Kafka's own names and defaults, from pairs, a `.properties` file ([`Properties`]), or typed
//! ([`ProducerConfig::builder`]). What each one does, and which are not supported yet, is in
//! [docs/CONFIGURATION.md]. A property that would change behaviour and is not supported is refused,
//! never ignored.
//!
//! [docs/CONFIGURATION.md]: https://docs.rs/crate/linger/latest/source/docs/CONFIGURATION.md
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `gzip` | yes | `compression.type=gzip`, in Rust |
//! | `snappy` | yes | `compression.type=snappy`, in Rust |
//! | `lz4` | yes | `compression.type=lz4` with all its levels; compiles C |
//! | `lz4-flex` | no | `compression.type=lz4` at its default level, in Rust; no effect beside `lz4` |
//! | `zstd` | yes | `compression.type=zstd`; compiles C |
//! | `testing` | no | [`testing::MockCluster`](crate#features), a Kafka cluster in this process: real frames on loopback ports, readable logs, scripted faults; [`MockProducer`](crate#features), a [`Produce`] in memory |
//!
//! # Log levels
//!
//! Through the [`log`](https://docs.rs/log) facade, never to a terminal:
//!
//! | level | contains |
//! |---|---|
//! | error | what no call or callback reports: a panic in a callback or in `on_event`, a failure of an interceptor, the death of the I/O thread, records that the end of `main` has cost |
//! | warn | what an operator should look at: a broker that cannot be reached or whose connection was lost, that no broker can be reached, a topic that brokers refuse or do not know, a broker that gives out no producer id, how many records failed when a producer was dropped, callbacks that take more than a second, properties that have no effect |
//! | info | that a broker can be reached again or knows a topic again, that one has left the cluster, a batch that its broker finds too large |
//! | debug | every batch that is sent again, and why |
//!
//! What goes wrong again and again is said the first time, again as soon as it is something else, and
//! then once a minute with how often it has happened.
//!
//! A logger that panics, as `println!` does when the pipe behind it is closed, ends no thread, and
//! nothing is lost but the line: see [panics in your code](Producer#panics-in-your-code).

// Model tests are built without the code that has no threads, and without the network.
#![cfg_attr(
    all(test, shuttle),
    expect(
        dead_code,
        unused_imports,
        reason = "what only other tests and the network use"
    )
)]

mod accumulator;
mod address;
mod backoff;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod benchmarks;
mod channel;
pub mod check;
mod cluster;
mod compression;
mod config;
mod connection;
mod driver;
mod error;
mod event;
mod foreign;
mod given;
mod ids;
mod interceptor;
mod metrics;
mod partitioner;
mod producer;
mod protocol;
mod random;
mod record;
mod sender;
mod serializer;
#[cfg(all(test, not(shuttle), feature = "testing"))]
mod sim;
mod sorted_map;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod transport;

/// The code in README and in the pages for those who come from other clients compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/TRANSACTIONS.md")]
#[doc = include_str!("../docs/migrating/rust-rdkafka.md")]
#[doc = include_str!("../docs/migrating/kafka-rust.md")]
#[doc = include_str!("../docs/migrating/rskafka.md")]
struct Documents;

pub use accumulator::{PartitionFailures, UndeliveredRecord};
pub use config::{
    Acks, AddressFamily, CompressionType, MetadataRecovery, ProducerConfig, ProducerConfigBuilder,
    Properties, PropertyObject, ServerList,
};
pub use error::{Error, ErrorKind, Fate, Result};
pub use event::{Broker, ProducerEvent};
pub use given::GivenProperties;
pub use interceptor::{Acknowledgement, InterceptedRecord, ProducerInterceptor};
pub use metrics::ProducerMetrics;
pub use partitioner::{PartitionRequest, Partitioner, RoundRobinPartitioner, TopicPartitions};
#[cfg(feature = "testing")]
pub use producer::MockProducer;
pub use producer::{
    BrokerState, BytesProducer, Callback, CloseReport, ConsumerGroup, ConsumerOffset,
    ConsumerOffsets, CowHeader, Group, GroupFailure, GroupOnce, GroupReport, IntoCow, IntoHeader,
    Node, OwnedProducerRecord, PartitionInfo, Produce, Producer, ProducerRecord, ProducerState,
    Purge, PurgeReport, SendError, SendHandle, SharedTransactionalProducer, Transaction,
    TransactionGroup, TransactionGroupOnce, TransactionalProducer,
};
pub use protocol::error_code::ErrorCode;
pub use record::Header;
pub use record::metadata::RecordMetadata;
pub use serializer::{Context, Serialized, Serializer};

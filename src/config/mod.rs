//! Kafka's properties: from text, pairs or a typed builder to one checked, immutable
//! [`ProducerConfig`].
//!
//! Nothing here connects, starts a thread or reads a clock. A value is checked once, on its way in;
//! later code relies on it and never checks again: no time is longer than a hundred years, no backoff
//! starts above its maximum. Runs on: caller, when a producer is made.
//!
//! The way of a value, which is also the order of the files; each uses only those before it:
//!
//! 1. `syntax` reads a `.properties` file; `object` is a value that is no text.
//! 2. `table` has a row for each of Kafka's properties: kind, default, meaning, whether it is supported.
//! 3. `properties` holds names and values as the user gave them. Nothing is checked there; a `fault` in
//!    how one was written down is kept with it.
//! 4. `librdkafka` translates librdkafka's names into Kafka's.
//! 5. `values` checks each value against its row. `unknown` speaks of names without one: `strangers`
//!    knows whose they are, and `nearest` what a misspelled one was meant to be.
//! 6. `classes` finds serializers, partitioners and interceptors; `topic_rules` makes the settings of
//!    each topic (`topics`, `choices`); `producer_config` applies the rules that span properties.
//! 7. `builder` sets properties through typed methods.
//!
//! What is wrong goes to `findings`, and is reported in one round. What `shown` and `torn` say is secret
//! is never part of a message.
//!
//! `docs` (a test) writes the tables of `docs/CONFIGURATION.md` from the rows.

use std::fmt;
use std::time::Duration;

use crate::address::Address;
use crate::backoff::Backoff;
use crate::error::Result;
use crate::event::EventListener;
use crate::foreign::logging::log_warn;
use crate::interceptor::Interceptors;
use crate::partitioner::{ByKey, Partitioning};
use crate::serializer::Serializer;
use crate::sync::Arc;

mod builder;
mod choices;
mod classes;
#[cfg(test)]
mod docs;
mod fault;
mod findings;
mod librdkafka;
mod nearest;
mod object;
mod producer_config;
mod properties;
mod server_list;
mod shown;
mod strangers;
mod syntax;
mod table;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
mod topic_rules;
mod topics;
mod torn;
mod unknown;
mod values;

pub use builder::ProducerConfigBuilder;
pub use choices::{Acks, AddressFamily, CompressionType, MetadataRecovery};
use classes::SerializerChoice;
pub use object::PropertyObject;
use producer_config::Misfit;
pub use properties::Properties;
pub use server_list::ServerList;
pub(crate) use topics::{TopicSettings, TopicTable};

/// The settings of a producer: complete, checked, immutable.
///
/// Made from [`Properties`] or by [`ProducerConfig::builder`]; both go through the same checks.
/// The builder's methods and `docs/CONFIGURATION.md` say what each setting means, with its default and
/// range.
#[derive(Clone)]
pub struct ProducerConfig {
    bootstrap_servers: Vec<Address>,
    client_id: String,
    key_serializer: SerializerChoice,
    value_serializer: SerializerChoice,
    partitioner: Option<Partitioning>,
    ignore_keys: bool,
    adaptive_partitioning: bool,
    partition_availability_timeout: Option<Duration>,
    rack: Option<String>,
    interceptors: Option<Arc<Interceptors>>,
    listener: Option<EventListener>,

    topics: TopicTable,
    retries: u32,
    retry_backoff: Backoff,
    request_timeout: Duration,
    idempotence: bool,
    transactional: Option<TransactionalSettings>,
    max_in_flight: usize,

    linger: Duration,
    batch_size: usize,
    buffer_memory: usize,
    batch_records: Option<usize>,
    pending_records: Option<usize>,
    max_block: Duration,
    max_request_size: usize,

    reconnect_backoff: Backoff,
    connection_setup_timeout: Backoff,
    connections_max_idle: Option<Duration>,
    address_family: AddressFamily,
    send_buffer: Option<usize>,
    receive_buffer: Option<usize>,

    metadata_max_age: Duration,
    metadata_max_idle: Duration,
    metadata_recovery: MetadataRecovery,
    bootstrap_resolve_timeout: Option<Duration>,
    metadata_cluster_check: bool,
    rebootstrap_trigger: Duration,
}

/// What makes a producer transactional.
#[derive(Clone)]
pub(crate) struct TransactionalSettings {
    /// `transactional.id`; fits a string of the protocol.
    pub(crate) id: Arc<str>,
    /// `transaction.timeout.ms`; at least one.
    pub(crate) timeout: Duration,
}

impl ProducerConfig {
    /// Checks all properties, each for itself and against each other.
    ///
    /// Values that are legal but may surprise are logged as warnings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), with all problems in one message: a
    /// property that is unknown, malformed, out of range, missing, not supported yet, or that
    /// contradicts another one.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        Self::check(properties, &|_, _| None)
    }

    /// The same for keys of type `K` and values of type `V`, so that serializers that do not serve them
    /// are among the problems.
    pub(crate) fn for_types<K: ?Sized + 'static, V: ?Sized + 'static>(
        properties: &Properties,
    ) -> Result<Self> {
        Self::check(properties, &|choice, is_key| match is_key {
            true => choice.serving::<K>("key").err(),
            false => choice.serving::<V>("value").err(),
        })
    }

    fn check(properties: &Properties, misfit: Misfit<'_>) -> Result<Self> {
        let (config, warnings) = producer_config::check(properties, misfit)?;
        for warning in warnings {
            log_warn!("{warning}");
        }
        Ok(config)
    }

    /// A builder with typed methods, which starts from the defaults.
    pub fn builder() -> ProducerConfigBuilder {
        ProducerConfigBuilder::default()
    }

    /// The serializers for keys of type `K` and values of type `V`; an error that names the types if a
    /// configured one serves others.
    pub(crate) fn serializers<K: ?Sized + 'static, V: ?Sized + 'static>(
        &self,
    ) -> Result<Serializers<K, V>> {
        misfits(&self.key_serializer, &self.value_serializer)
            .map_err(|complaints| findings::error(complaints, 0))
    }

    /// At least one.
    pub(crate) fn bootstrap_servers(&self) -> &[Address] {
        &self.bootstrap_servers
    }

    /// Fits a string of the protocol. May be empty, if it was set so.
    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// How the partition is chosen for a record that does not name one.
    pub(crate) fn partitioning(&self) -> Partitioning {
        match &self.partitioner {
            Some(partitioner) => partitioner.clone(),
            None if self.ignore_keys => Partitioning::ByKey(ByKey::ignoring_keys()),
            None => Partitioning::ByKey(ByKey::java()),
        }
    }

    /// Whether partitions with long queues get fewer of the keyless records.
    pub(crate) fn adaptive_partitioning(&self) -> bool {
        self.adaptive_partitioning
    }

    /// After this long without accepting a batch, a broker's partitions get no keyless records;
    /// `None`: they always do.
    pub(crate) fn partition_availability_timeout(&self) -> Option<Duration> {
        self.partition_availability_timeout
    }

    /// The program's function for events.
    pub(crate) fn listener(&self) -> Option<&EventListener> {
        self.listener.as_ref()
    }

    /// The interceptors in their order; `None` if there are none.
    pub(crate) fn interceptors(&self) -> Option<&Arc<Interceptors>> {
        self.interceptors.as_ref()
    }

    /// The settings of each topic. With idempotence all `acks` are [`Acks::All`].
    pub(crate) fn topics(&self) -> &TopicTable {
        &self.topics
    }

    /// How often a batch may be sent again.
    pub(crate) fn retries(&self) -> u32 {
        self.retries
    }

    pub(crate) fn retry_backoff(&self) -> Backoff {
        self.retry_backoff
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// `enable.idempotence`, unless other settings rule it out.
    pub(crate) fn idempotence(&self) -> bool {
        self.idempotence
    }

    /// `None` without `transactional.id`; with it, there is [idempotence](Self::idempotence).
    pub(crate) fn transactional(&self) -> Option<&TransactionalSettings> {
        self.transactional.as_ref()
    }

    /// How many requests may be unanswered on one connection; at least 1.
    pub(crate) fn max_in_flight(&self) -> usize {
        self.max_in_flight
    }

    pub(crate) fn linger(&self) -> Duration {
        self.linger
    }

    /// In bytes; at least 1, and at most `buffer_memory` and 1 GiB.
    pub(crate) fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// In bytes.
    pub(crate) fn buffer_memory(&self) -> usize {
        self.buffer_memory
    }

    /// How many records a batch may have, if that is limited.
    pub(crate) fn batch_records(&self) -> Option<usize> {
        self.batch_records
    }

    /// How many records may be without an outcome, if that is limited.
    pub(crate) fn pending_records(&self) -> Option<usize> {
        self.pending_records
    }

    /// The producer's own rack, if the built-in choice of a partition is to keep to it.
    pub(crate) fn rack(&self) -> Option<&str> {
        self.rack.as_deref()
    }

    pub(crate) fn max_block(&self) -> Duration {
        self.max_block
    }

    /// In bytes; at most 1 GiB, so that a request of that size, with its topic names, fits a frame of
    /// 2 GiB.
    pub(crate) fn max_request_size(&self) -> usize {
        const ROOM_FOR_NAMES: usize = 128 * 1024;
        self.max_request_size.min(0x7fff_ffff - ROOM_FOR_NAMES)
    }

    pub(crate) fn reconnect_backoff(&self) -> Backoff {
        self.reconnect_backoff
    }

    /// How long an attempt to connect may take; twice as long after each failure.
    pub(crate) fn connection_setup_timeout(&self) -> Backoff {
        self.connection_setup_timeout
    }

    /// `None`: connections stay open however long they are idle.
    pub(crate) fn connections_max_idle(&self) -> Option<Duration> {
        self.connections_max_idle
    }

    pub(crate) fn address_family(&self) -> AddressFamily {
        self.address_family
    }

    /// `SO_SNDBUF` in bytes; `None`: the operating system's default.
    pub(crate) fn send_buffer(&self) -> Option<usize> {
        self.send_buffer
    }

    /// `SO_RCVBUF` in bytes; `None`: the operating system's default.
    pub(crate) fn receive_buffer(&self) -> Option<usize> {
        self.receive_buffer
    }

    /// After this time metadata is requested again, even if nothing seems to have changed.
    pub(crate) fn metadata_max_age(&self) -> Duration {
        self.metadata_max_age
    }

    /// A topic to which nothing was sent for this long is forgotten.
    pub(crate) fn metadata_max_idle(&self) -> Duration {
        self.metadata_max_idle
    }

    pub(crate) fn metadata_recovery(&self) -> MetadataRecovery {
        self.metadata_recovery
    }

    /// How long the bootstrap servers' names may lead to no address; `None`: for ever.
    pub(crate) fn bootstrap_resolve_timeout(&self) -> Option<Duration> {
        self.bootstrap_resolve_timeout
    }

    /// Whether brokers are told which cluster and broker a connection is meant to reach.
    pub(crate) fn metadata_cluster_check(&self) -> bool {
        self.metadata_cluster_check
    }

    /// With [`MetadataRecovery::Rebootstrap`]: after this long without metadata the producer starts
    /// again with the bootstrap servers.
    pub(crate) fn rebootstrap_trigger(&self) -> Duration {
        self.rebootstrap_trigger
    }
}

/// Serializers of keys and of values.
pub(crate) type Serializers<K, V> = (Arc<dyn Serializer<K>>, Arc<dyn Serializer<V>>);

/// The serializers that were chosen, as far as they fit; the errors say for each why it does not.
fn misfits<K: ?Sized + 'static, V: ?Sized + 'static>(
    key: &SerializerChoice,
    value: &SerializerChoice,
) -> Result<Serializers<K, V>, Vec<String>> {
    match (key.serving("key"), value.serving("value")) {
        (Ok(key), Ok(value)) => Ok((key, value)),
        (key, value) => Err([key.err(), value.err()].into_iter().flatten().collect()),
    }
}

impl fmt::Debug for ProducerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerConfig")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("client_id", &self.client_id)
            .field("key_serializer", &self.key_serializer)
            .field("value_serializer", &self.value_serializer)
            .field("topics", &self.topics)
            .field("linger", &self.linger)
            .field("batch_size", &self.batch_size)
            .field("buffer_memory", &self.buffer_memory)
            .finish_non_exhaustive()
    }
}

//! Kafka's properties: from text, pairs or a typed builder to one checked, immutable
//! [`ProducerConfig`].
//!
//! Nothing here connects, starts a thread or reads a clock. A value is checked once, on the way
//! in; later code never checks again. Runs on: caller, when a producer is made.

use std::fmt;
use std::time::Duration;

use crate::address::Address;
use crate::backoff::Backoff;
use crate::error::Result;
use crate::interceptor::Interceptors;
use crate::partitioner::{ByKey, Partitioning};
use crate::serializer::Serializer;
use crate::sync::Arc;

mod builder;
mod choices;
mod classes;
#[cfg(test)]
mod docs;
mod librdkafka;
mod nearest;
mod object;
mod producer_config;
mod properties;
mod syntax;
mod table;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
mod topic_rules;
mod topics;
mod values;

pub use builder::ProducerConfigBuilder;
pub use choices::{Acks, CompressionType, MetadataRecovery};
use classes::SerializerChoice;
pub use object::PropertyObject;
pub use properties::Properties;
pub(crate) use topics::{TopicSettings, TopicTable};

/// The settings of a producer: complete, checked, immutable.
///
/// Made from [`Properties`] or by [`ProducerConfig::builder`]; both go through the same checks.
/// What each setting means, with its default and range, is said at the builder's methods and in
/// `docs/CONFIGURATION.md`.
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
    interceptors: Option<Arc<Interceptors>>,

    topics: TopicTable,
    retries: u32,
    retry_backoff: Backoff,
    request_timeout: Duration,
    idempotence: bool,
    max_in_flight: usize,

    linger: Duration,
    batch_size: usize,
    buffer_memory: usize,
    max_block: Duration,
    max_request_size: usize,

    reconnect_backoff: Backoff,
    connection_setup_timeout: Backoff,
    connections_max_idle: Option<Duration>,
    send_buffer: Option<usize>,
    receive_buffer: Option<usize>,

    metadata_max_age: Duration,
    metadata_max_idle: Duration,
    metadata_recovery: MetadataRecovery,
    rebootstrap_trigger: Duration,
}

impl ProducerConfig {
    /// Checks all properties, each for itself and against each other.
    ///
    /// What is legal but will surprise is logged as a warning.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), with all problems in one message: a
    /// property that is unknown, malformed, out of range, missing, not supported yet, or that
    /// contradicts another one.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        let (config, warnings) = producer_config::check(properties)?;
        for warning in warnings {
            log::warn!("{warning}");
        }
        Ok(config)
    }

    /// The typed way to a configuration, starting from the defaults.
    pub fn builder() -> ProducerConfigBuilder {
        ProducerConfigBuilder::default()
    }

    /// The serializer for keys of type `K`; an error that names both types if the configured one
    /// serves another.
    pub(crate) fn key_serializer<K: ?Sized + 'static>(&self) -> Result<Arc<dyn Serializer<K>>> {
        self.key_serializer.serving("key")
    }

    /// As [`key_serializer`](Self::key_serializer), for values.
    pub(crate) fn value_serializer<V: ?Sized + 'static>(&self) -> Result<Arc<dyn Serializer<V>>> {
        self.value_serializer.serving("value")
    }

    /// At least one.
    pub(crate) fn bootstrap_servers(&self) -> &[Address] {
        &self.bootstrap_servers
    }

    /// Fits a string of the protocol. May be empty, if it was set so.
    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What says the partition of a record that does not name its own.
    pub(crate) fn partitioning(&self) -> Partitioning {
        match &self.partitioner {
            Some(partitioner) => partitioner.clone(),
            None if self.ignore_keys => Partitioning::ByKey(ByKey::ignoring_keys()),
            None => Partitioning::ByKey(ByKey::java()),
        }
    }

    /// Whether full queues get fewer of the records without key.
    pub(crate) fn adaptive_partitioning(&self) -> bool {
        self.adaptive_partitioning
    }

    /// How long a broker may take no batches before its partitions are left out; `None`: for ever.
    pub(crate) fn partition_availability_timeout(&self) -> Option<Duration> {
        self.partition_availability_timeout
    }

    /// What sees records and their outcomes, in order; `None` if nothing does.
    pub(crate) fn interceptors(&self) -> Option<&Arc<Interceptors>> {
        self.interceptors.as_ref()
    }

    /// What holds for each topic. With idempotence all `acks` are [`Acks::All`].
    pub(crate) fn topics(&self) -> &TopicTable {
        &self.topics
    }

    /// How often a batch is sent again after the first time.
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

    /// Requests without an answer, by connection; at least 1.
    pub(crate) fn max_in_flight(&self) -> usize {
        self.max_in_flight
    }

    pub(crate) fn linger(&self) -> Duration {
        self.linger
    }

    /// In bytes; at least 1 and at most `buffer_memory`.
    pub(crate) fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// In bytes.
    pub(crate) fn buffer_memory(&self) -> usize {
        self.buffer_memory
    }

    pub(crate) fn max_block(&self) -> Duration {
        self.max_block
    }

    /// In bytes; less than was set if no frame could hold it, which is 2 GiB with all its names.
    pub(crate) fn max_request_size(&self) -> usize {
        const ROOM_FOR_NAMES: usize = 128 * 1024;
        self.max_request_size.min(0x7fff_ffff - ROOM_FOR_NAMES)
    }

    pub(crate) fn reconnect_backoff(&self) -> Backoff {
        self.reconnect_backoff
    }

    /// How long one attempt to connect may take; longer after each failure.
    pub(crate) fn connection_setup_timeout(&self) -> Backoff {
        self.connection_setup_timeout
    }

    /// `None`: connections stay open however long they are idle.
    pub(crate) fn connections_max_idle(&self) -> Option<Duration> {
        self.connections_max_idle
    }

    /// `SO_SNDBUF` in bytes; `None`: as the operating system likes.
    pub(crate) fn send_buffer(&self) -> Option<usize> {
        self.send_buffer
    }

    /// `SO_RCVBUF` in bytes; `None`: as the operating system likes.
    pub(crate) fn receive_buffer(&self) -> Option<usize> {
        self.receive_buffer
    }

    /// After this time metadata is asked for again, even if nothing seems to have changed.
    pub(crate) fn metadata_max_age(&self) -> Duration {
        self.metadata_max_age
    }

    /// A topic that nothing was sent to for this long is forgotten.
    pub(crate) fn metadata_max_idle(&self) -> Duration {
        self.metadata_max_idle
    }

    pub(crate) fn metadata_recovery(&self) -> MetadataRecovery {
        self.metadata_recovery
    }

    /// With [`MetadataRecovery::Rebootstrap`]: how long no broker may have answered.
    pub(crate) fn rebootstrap_trigger(&self) -> Duration {
        self.rebootstrap_trigger
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

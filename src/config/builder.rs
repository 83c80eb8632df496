//! Typed methods for the properties. They set the same names and texts that a file would, so that the
//! same code checks both.

use std::time::Duration;

use super::server_list::ServerList;
use super::{
    Acks, AddressFamily, CompressionType, MetadataRecovery, ProducerConfig, Properties,
    PropertyObject,
};
use crate::error::Result;
use crate::event::ProducerEvent;

/// Makes a [`ProducerConfig`], setting by setting.
///
/// Only `bootstrap_servers` must be set, and the serializers for types other than bytes and text. Durations count in whole
/// milliseconds, rounded up.
///
/// ```
/// use std::time::Duration;
///
/// use linger::ProducerConfig;
///
/// let config = ProducerConfig::builder()
///     .bootstrap_servers("localhost:9092")
///     .acks(linger::Acks::All)
///     .linger(Duration::from_millis(20))
///     .build()?;
/// # Ok::<(), linger::Error>(())
/// ```
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct ProducerConfigBuilder {
    pub(super) properties: Properties,
}

impl ProducerConfigBuilder {
    /// Checks all settings, each for itself and against each other.
    ///
    /// # Errors
    /// As [`ProducerConfig::from_properties`]; messages call the settings by Kafka's names.
    pub fn build(self) -> Result<ProducerConfig> {
        ProducerConfig::from_properties(&self.properties)
    }

    /// Adds properties, those of a file for example. They override what was set before, and are
    /// overridden by what is set later.
    pub fn properties(mut self, properties: Properties) -> Self {
        self.properties = self.properties.merge(properties);
        self
    }

    /// Where to find the cluster: some of its brokers as `host:port`; the others are found through
    /// these. One text with commas, or an array, a slice or a `Vec` of texts. Must be set. Kafka's name:
    /// `bootstrap.servers`.
    ///
    /// ```
    /// # use linger::ProducerConfig;
    /// ProducerConfig::builder().bootstrap_servers("a:9092,b:9092").build()?;
    /// ProducerConfig::builder().bootstrap_servers(["a:9092", "b:9092"]).build()?;
    /// let servers = (1..=3).map(|number| format!("broker{number}:9092"));
    /// ProducerConfig::builder().bootstrap_servers_from(servers).build()?;
    /// # Ok::<(), linger::Error>(())
    /// ```
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a text or an array reads better without a reference"
    )]
    pub fn bootstrap_servers(self, servers: impl ServerList) -> Self {
        self.set("bootstrap.servers", servers.joined())
    }

    /// The same from an iterator.
    pub fn bootstrap_servers_from<S: Into<String>>(
        self,
        servers: impl IntoIterator<Item = S>,
    ) -> Self {
        let servers: Vec<String> = servers.into_iter().map(Into::into).collect();
        self.bootstrap_servers(servers)
    }

    /// How brokers call this producer in their logs, metrics and quotas. Default: `producer-` and
    /// a number, counted from 1 in this process. Kafka's name: `client.id`.
    pub fn client_id(self, id: &str) -> Self {
        self.set("client.id", id)
    }
}

/// From objects to bytes, past whom, and to which partition.
impl ProducerConfigBuilder {
    /// The serializer of keys, by name: `bytes`, `string`, `short`, `integer`, `long`, `float`,
    /// `double`, `boolean`, `uuid`, `void`, or Java's class name. Default: `bytes` for keys of type
    /// `[u8]` and `Vec<u8>`, `string` for `str` and `String`; for other types this or
    /// [`key_serializer_object`](Self::key_serializer_object) must be called. Kafka's name:
    /// `key.serializer`.
    pub fn key_serializer(self, name: &str) -> Self {
        self.set("key.serializer", name)
    }

    /// The serializer of keys, as an object. Kafka's name: `key.serializer`.
    pub fn key_serializer_object(self, serializer: PropertyObject) -> Self {
        self.set_object("key.serializer", serializer)
    }

    /// The serializer of values, by name, as for keys. Kafka's name: `value.serializer`.
    pub fn value_serializer(self, name: &str) -> Self {
        self.set("value.serializer", name)
    }

    /// The serializer of values, as an object. Kafka's name: `value.serializer`.
    pub fn value_serializer_object(self, serializer: PropertyObject) -> Self {
        self.set_object("value.serializer", serializer)
    }

    /// A partitioner in place of the built-in choice, by name: `round_robin` or Java's class
    /// name for it, or one of librdkafka's (`consistent_random`, `murmur2`, `fnv1a_random` …).
    /// Default: the built-in choice, by the hash of the key, or without a key `batch.size` bytes at a
    /// time.
    /// Kafka's name: `partitioner.class`.
    pub fn partitioner(self, name: &str) -> Self {
        self.set("partitioner.class", name)
    }

    /// A partitioner in place of the built-in choice, as an object. Kafka's name:
    /// `partitioner.class`.
    pub fn partitioner_object(self, partitioner: PropertyObject) -> Self {
        self.set_object("partitioner.class", partitioner)
    }

    /// What sees every record before it is sent and every outcome, by the names that the program has
    /// [registered](Properties::register), separated by commas. Default: nothing. Kafka's name:
    /// `interceptor.classes`.
    pub fn interceptors(self, names: &str) -> Self {
        self.set("interceptor.classes", names)
    }

    /// What sees every record before it is sent and every outcome, as objects, in the order in which
    /// they are called. Kafka's name: `interceptor.classes`.
    pub fn interceptor_objects(
        self,
        interceptors: impl IntoIterator<Item = PropertyObject>,
    ) -> Self {
        self.set_object("interceptor.classes", PropertyObject::list(interceptors))
    }

    /// Has the producer call `listener` for each [`ProducerEvent`], as
    /// [`Properties::on_event`] does. Default: nothing is called.
    pub fn on_event(mut self, listener: impl Fn(&ProducerEvent) + Send + Sync + 'static) -> Self {
        self.properties = self.properties.on_event(listener);
        self
    }

    /// Whether the built-in choice treats records with a key like those without. Default: false.
    /// Kafka's name: `partitioner.ignore.keys`.
    pub fn ignore_keys(self, ignore: bool) -> Self {
        self.set("partitioner.ignore.keys", ignore)
    }

    /// Whether the built-in choice gives fewer of the records without key to partitions whose
    /// queues are longer. Default: true. Kafka's name: `partitioner.adaptive.partitioning.enable`.
    pub fn adaptive_partitioning(self, adaptive: bool) -> Self {
        self.set("partitioner.adaptive.partitioning.enable", adaptive)
    }

    /// How long a broker may take none of the batches that are ready for it, before the built-in
    /// choice leaves out its partitions. Default: `None`, for ever. Kafka's name:
    /// `partitioner.availability.timeout.ms`, with 0 for `None`.
    pub fn partition_availability_timeout(self, timeout: Option<Duration>) -> Self {
        self.set(
            "partitioner.availability.timeout.ms",
            timeout.map_or(0, millis),
        )
    }
}

/// Racks.
impl ProducerConfigBuilder {
    /// The rack or zone that this producer runs in, as the brokers' `broker.rack` calls it. Default: none.
    /// Kafka's name: `client.rack`.
    pub fn rack(self, rack: &str) -> Self {
        self.set("client.rack", rack)
    }

    /// Whether the built-in choice keeps to partitions whose leader is in [`rack`](Self::rack), for
    /// records without key. While there is none, it chooses among all; a broker that
    /// cannot be reached counts as none after `partitioner.availability.timeout.ms`, if that is set.
    /// Default: false. Kafka's name: `partitioner.rack.aware`.
    pub fn rack_aware_partitioning(self, aware: bool) -> Self {
        self.set("partitioner.rack.aware", aware)
    }
}

/// Batches and memory.
impl ProducerConfigBuilder {
    /// How long a batch waits for more records before it is sent although it is not full.
    /// Default: 5 ms. Kafka's name: `linger.ms`.
    pub fn linger(self, linger: Duration) -> Self {
        self.set("linger.ms", millis(linger))
    }

    /// How large a batch of records for one partition becomes, in bytes. A record that is larger
    /// gets a batch of its own; 0 gives one to every record. At most `buffer_memory`; more than 1 GiB
    /// counts as 1 GiB. Default: 16384. Kafka's name: `batch.size`.
    pub fn batch_size(self, bytes: usize) -> Self {
        self.set("batch.size", bytes)
    }

    /// How much memory the records may take that were accepted and are not yet acknowledged, in
    /// bytes. A batch reserves up to 16 KiB ahead; memory kept for reuse and the codecs' tables come on
    /// top. Default: 33554432. Kafka's name: `buffer.memory`.
    pub fn buffer_memory(self, bytes: usize) -> Self {
        self.set("buffer.memory", bytes)
    }

    /// How many records a batch may have, whatever their size. Default: 0, for as many as
    /// [`batch_size`](Self::batch_size) has room for. librdkafka's name: `batch.num.messages`; Kafka has
    /// none.
    pub fn batch_records(self, most: usize) -> Self {
        self.set("batch.num.messages", most)
    }

    /// How many records may be accepted and without an outcome, whatever their size: `send` waits beyond
    /// that as it does for memory. Default: 0, for as many as [`buffer_memory`](Self::buffer_memory) has
    /// room for. librdkafka's name: `queue.buffering.max.messages`; Kafka has none.
    pub fn pending_records(self, most: usize) -> Self {
        self.set("queue.buffering.max.messages", most)
    }

    /// How long `send` may block, for metadata and memory together. Default: 60 s. Kafka's name:
    /// `max.block.ms`.
    pub fn max_block(self, limit: Duration) -> Self {
        self.set("max.block.ms", millis(limit))
    }

    /// How large a request, and so a record, may be, in bytes. Brokers have limits of their own
    /// (`message.max.bytes`). More than 1 GiB counts as 1 GiB. Default: 1048576. Kafka's name:
    /// `max.request.size`.
    pub fn max_request_size(self, bytes: usize) -> Self {
        self.set("max.request.size", bytes)
    }
}

/// Compression.
impl ProducerConfigBuilder {
    /// How batches are compressed, each as a whole. A codec or level that this build lacks is an error of
    /// [`build`](Self::build). Default: [`CompressionType::None`]. Kafka's name: `compression.type`.
    pub fn compression(self, compression: CompressionType) -> Self {
        self.set("compression.type", compression.name())
    }

    /// How hard gzip tries, from 1 to 9; `None`: its own default, which is 6. Default: `None`.
    /// Kafka's name: `compression.gzip.level`, with -1 for `None`.
    pub fn gzip_level(self, level: Option<u32>) -> Self {
        self.set("compression.gzip.level", level.map_or(-1, i64::from))
    }

    /// How hard lz4 tries, from 1 to 17. As in Kafka, 9 is the fast compressor, and all others are
    /// slow ones that compress better; those above 12 do what 12 does. Default: 9. Kafka's name:
    /// `compression.lz4.level`.
    pub fn lz4_level(self, level: u32) -> Self {
        self.set("compression.lz4.level", level)
    }

    /// How hard zstd tries, from -131072 to 22; 0 counts as 3, and negative levels are faster than
    /// 1. Default: 3. Kafka's name: `compression.zstd.level`.
    pub fn zstd_level(self, level: i32) -> Self {
        self.set("compression.zstd.level", level)
    }
}

/// Acknowledgements and retries.
impl ProducerConfigBuilder {
    /// How many acknowledgements make a record count as written. Default: [`Acks::All`]. Kafka's
    /// name: `acks`.
    pub fn acks(self, acks: Acks) -> Self {
        self.set("acks", acks.wire())
    }

    /// How often a batch is sent again after a failure that may pass, within the delivery
    /// timeout. Default: 2147483647, which is also the most. Kafka's name: `retries`.
    pub fn retries(self, retries: u32) -> Self {
        self.set("retries", retries)
    }

    /// How long to wait before the first retry of a batch or a metadata request; the time doubles
    /// with each failure up to [`retry_backoff_max`](Self::retry_backoff_max). Default: 100 ms.
    /// Kafka's name: `retry.backoff.ms`.
    pub fn retry_backoff(self, backoff: Duration) -> Self {
        self.set("retry.backoff.ms", millis(backoff))
    }

    /// The longest wait between retries. Default: 1 s. Kafka's name: `retry.backoff.max.ms`.
    pub fn retry_backoff_max(self, backoff: Duration) -> Self {
        self.set("retry.backoff.max.ms", millis(backoff))
    }

    /// How long to wait for the answer to a request before its connection is given up. Default:
    /// 30 s; at least 1 ms. Kafka's name: `request.timeout.ms`.
    pub fn request_timeout(self, timeout: Duration) -> Self {
        self.set("request.timeout.ms", int_millis(timeout))
    }

    /// How long after `send` returned a record is certain to have succeeded or failed. At least
    /// the linger and the request timeout together. Default: 120 s. Kafka's name:
    /// `delivery.timeout.ms`.
    pub fn delivery_timeout(self, timeout: Duration) -> Self {
        self.set("delivery.timeout.ms", int_millis(timeout))
    }

    /// Whether retries are kept from writing a record twice. Needs [`acks`](Self::acks) all,
    /// [`retries`](Self::retries) above 0 and at most 5 requests in flight. Default: true. Kafka's
    /// name: `enable.idempotence`.
    pub fn idempotence(self, enable: bool) -> Self {
        self.set("enable.idempotence", enable)
    }

    /// The name that tells this producer's transactions from those of others, for a
    /// [`TransactionalProducer`](crate::TransactionalProducer) only. Default: none. Kafka's name:
    /// `transactional.id`.
    pub fn transactional_id(self, id: &str) -> Self {
        self.set("transactional.id", id)
    }

    /// How long a transaction may stay open before the brokers abort it. Default: 60 s. Kafka's name:
    /// `transaction.timeout.ms`.
    pub fn transaction_timeout(self, timeout: Duration) -> Self {
        self.set("transaction.timeout.ms", int_millis(timeout))
    }

    /// How many requests a connection may have without an answer. At least 1. Default: 5. Kafka's
    /// name: `max.in.flight.requests.per.connection`.
    pub fn max_in_flight(self, requests: usize) -> Self {
        self.set("max.in.flight.requests.per.connection", requests)
    }
}

/// One topic, where it differs from the others. The property is `topic.NAME.` and the name of the one
/// for all topics, and the same values are legal.
impl ProducerConfigBuilder {
    /// [`acks`](Self::acks) for the records of one topic. With [`idempotence`](Self::idempotence),
    /// which is on by default and holds for all topics, anything but [`Acks::All`] is an error.
    pub fn topic_acks(self, topic: &str, acks: Acks) -> Self {
        self.set_for(topic, "acks", acks.wire())
    }

    /// [`delivery_timeout`](Self::delivery_timeout) for the records of one topic.
    pub fn topic_delivery_timeout(self, topic: &str, timeout: Duration) -> Self {
        self.set_for(topic, "delivery.timeout.ms", int_millis(timeout))
    }

    /// [`compression`](Self::compression) for the batches of one topic.
    pub fn topic_compression(self, topic: &str, compression: CompressionType) -> Self {
        self.set_for(topic, "compression.type", compression.name())
    }

    /// [`gzip_level`](Self::gzip_level) for the batches of one topic.
    pub fn topic_gzip_level(self, topic: &str, level: Option<u32>) -> Self {
        let level = level.map_or(-1, i64::from);
        self.set_for(topic, "compression.gzip.level", level)
    }

    /// [`lz4_level`](Self::lz4_level) for the batches of one topic.
    pub fn topic_lz4_level(self, topic: &str, level: u32) -> Self {
        self.set_for(topic, "compression.lz4.level", level)
    }

    /// [`zstd_level`](Self::zstd_level) for the batches of one topic.
    pub fn topic_zstd_level(self, topic: &str, level: i32) -> Self {
        self.set_for(topic, "compression.zstd.level", level)
    }
}

/// Connections and metadata.
impl ProducerConfigBuilder {
    /// How long to wait before the first new attempt to reach a broker; the time doubles with each
    /// failure up to [`reconnect_backoff_max`](Self::reconnect_backoff_max). Default: 50 ms.
    /// Kafka's name: `reconnect.backoff.ms`.
    pub fn reconnect_backoff(self, backoff: Duration) -> Self {
        self.set("reconnect.backoff.ms", millis(backoff))
    }

    /// The longest wait between attempts to reach a broker. Default: 1 s; if only
    /// [`reconnect_backoff`](Self::reconnect_backoff) is set, as long as that. Kafka's name:
    /// `reconnect.backoff.max.ms`.
    pub fn reconnect_backoff_max(self, backoff: Duration) -> Self {
        self.set("reconnect.backoff.max.ms", millis(backoff))
    }

    /// How long an attempt to connect may take; the time doubles with each failure up to
    /// [`connection_setup_timeout_max`](Self::connection_setup_timeout_max). Default: 10 s.
    /// Kafka's name: `socket.connection.setup.timeout.ms`.
    pub fn connection_setup_timeout(self, timeout: Duration) -> Self {
        self.set("socket.connection.setup.timeout.ms", millis(timeout))
    }

    /// The longest time an attempt to connect may take. Default: 30 s. Kafka's name:
    /// `socket.connection.setup.timeout.max.ms`.
    pub fn connection_setup_timeout_max(self, timeout: Duration) -> Self {
        self.set("socket.connection.setup.timeout.max.ms", millis(timeout))
    }

    /// After how long without use a connection is closed; `None`: never. Default: 9 min. Kafka's
    /// name: `connections.max.idle.ms`, with -1 for `None`.
    pub fn connections_max_idle(self, idle: Option<Duration>) -> Self {
        self.set("connections.max.idle.ms", idle.map_or(-1, millis))
    }

    /// Which of a broker's addresses are connected to. Default: [`AddressFamily::Any`]. librdkafka's
    /// name: `broker.address.family`.
    pub fn address_family(self, family: AddressFamily) -> Self {
        self.set("broker.address.family", family.name())
    }

    /// The size of a socket's send buffer, in bytes; `None`: the system's. Default: 131072.
    /// Kafka's name: `send.buffer.bytes`, with -1 for `None`.
    pub fn send_buffer(self, bytes: Option<usize>) -> Self {
        self.set("send.buffer.bytes", or_minus_one(bytes))
    }

    /// The size of a socket's receive buffer, in bytes; `None`: the system's. Default: 32768.
    /// Kafka's name: `receive.buffer.bytes`, with -1 for `None`.
    pub fn receive_buffer(self, bytes: Option<usize>) -> Self {
        self.set("receive.buffer.bytes", or_minus_one(bytes))
    }

    /// After how long metadata is asked for again although nothing failed. Default: 5 min.
    /// Kafka's name: `metadata.max.age.ms`.
    pub fn metadata_max_age(self, age: Duration) -> Self {
        self.set("metadata.max.age.ms", millis(age))
    }

    /// After how long without a record a topic is forgotten. At least 5 s. Default: 5 min. Kafka's
    /// name: `metadata.max.idle.ms`.
    pub fn metadata_max_idle(self, idle: Duration) -> Self {
        self.set("metadata.max.idle.ms", millis(idle))
    }

    /// How long the names of the bootstrap servers may lead to no address before the producer gives up
    /// for good; `None`: for ever. Default: `None`. Kafka's name: `bootstrap.resolve.timeout.ms`, with 0
    /// for `None`.
    pub fn bootstrap_resolve_timeout(self, timeout: Option<Duration>) -> Self {
        let timeout = timeout.map_or(0, |timeout| millis(timeout).max(1));
        self.set("bootstrap.resolve.timeout.ms", timeout)
    }

    /// What to do when none of the known brokers can be reached. Default:
    /// [`MetadataRecovery::Rebootstrap`]. Kafka's name: `metadata.recovery.strategy`.
    pub fn metadata_recovery(self, strategy: MetadataRecovery) -> Self {
        let name = match strategy {
            MetadataRecovery::None => "none",
            MetadataRecovery::Rebootstrap => "rebootstrap",
        };
        self.set("metadata.recovery.strategy", name)
    }

    /// Whether brokers of Kafka 4.4 are told which cluster and broker a connection is meant to reach, so
    /// that another one refuses it. Default: yes. Kafka's name: `metadata.cluster.check.enable`.
    pub fn metadata_cluster_check(self, check: bool) -> Self {
        self.set("metadata.cluster.check.enable", check)
    }

    /// With [`MetadataRecovery::Rebootstrap`]: begins again with the bootstrap servers after no
    /// metadata could be had for this long. Default: 5 min. Kafka's name:
    /// `metadata.recovery.rebootstrap.trigger.ms`.
    pub fn rebootstrap_trigger(self, trigger: Duration) -> Self {
        self.set("metadata.recovery.rebootstrap.trigger.ms", millis(trigger))
    }
}

impl ProducerConfigBuilder {
    fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.properties = self.properties.set(name, value);
        self
    }

    fn set_for(self, topic: &str, name: &str, value: impl ToString) -> Self {
        self.set(&format!("topic.{topic}.{name}"), value)
    }

    fn set_object(mut self, name: &str, object: PropertyObject) -> Self {
        self.properties = self.properties.set_object(name, object);
        self
    }
}

/// Whole milliseconds, rounded up, so that a short time does not become none.
fn millis(duration: Duration) -> i64 {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// As [`millis`], for what Kafka keeps in 32 bits; longer than that is for ever, too.
fn int_millis(duration: Duration) -> i64 {
    millis(duration).min(i64::from(i32::MAX))
}

fn or_minus_one(bytes: Option<usize>) -> String {
    bytes.map_or_else(|| "-1".to_owned(), |bytes| bytes.to_string())
}

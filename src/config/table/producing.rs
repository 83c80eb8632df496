//! The properties of sending: what becomes a batch, where it goes, how long it may take.

use super::{Class, Definition, Kind, Preset, inert, later, required, supported};

pub(super) const ROWS: &[Definition] = &[
    required(
        "bootstrap.servers",
        Kind::List,
        "Some of the cluster's brokers as `host:port` or `[address]:port`, separated by commas; \
         the others are learned from these.",
    ),
    supported(
        "bootstrap.resolve.timeout.ms",
        Kind::long(0),
        "0",
        "How long the names in `bootstrap.servers` may lead to no address, counted from the first \
         attempt, before the producer gives up for good: from then on every `send` to a topic that \
         is not known yet fails at once. 0: for ever, within the limits of each call. Unlike \
         Kafka's, a new producer looks up no name, and is made even if none resolves.",
    ),
    supported(
        "key.serializer",
        Kind::Class,
        "",
        "What turns keys into bytes: `bytes`, `string`, `short`, `integer`, `long`, `float`, \
         `double`, `boolean`, `uuid`, `void`, the name of Java's class for one of these, a name \
         that the program has registered, or an object. If it is not set, the type of the keys \
         decides: `bytes` for `[u8]` and `Vec<u8>`, `string` for `str` and `String`; for any other \
         type it must be set, as it must in Kafka.",
    )
    .with_preset(Preset::Null),
    supported(
        "value.serializer",
        Kind::Class,
        "",
        "What turns values into bytes; as `key.serializer`.",
    )
    .with_preset(Preset::Null),
    supported(
        "client.id",
        Kind::Text,
        "",
        "The producer's name in the brokers' logs, metrics and quotas; at most 32767 bytes. If \
         not set, it is `producer-` and a number, counted from 1 in this process; an empty value \
         stays empty.",
    ),
    // Partitions.
    supported(
        "partitioner.class",
        Kind::Class,
        "",
        "What chooses partitions instead of the built-in choice (by the hash of the key; without \
         a key, `batch.size` bytes at a time): `round_robin`, the name of Java's class for it, one of \
         librdkafka's names (`consistent_random` and others), a name that the program has \
         registered, or an object.",
    )
    .with_preset(Preset::Null),
    supported(
        "partitioner.ignore.keys",
        Kind::Boolean,
        "false",
        "Whether the built-in choice treats records with a key like those without.",
    ),
    supported(
        "partitioner.adaptive.partitioning.enable",
        Kind::Boolean,
        "true",
        "Whether the built-in choice sends fewer of the records without a key to partitions with \
         longer queues.",
    ),
    supported(
        "partitioner.availability.timeout.ms",
        Kind::long(0),
        "0",
        "How long batches may be ready for a broker that accepts none, before the built-in choice \
         leaves out its partitions; 0: for ever.",
    ),
    supported(
        "partitioner.rack.aware",
        Kind::Boolean,
        "false",
        "Whether the built-in choice keeps to partitions whose leader is in the rack that \
         `client.rack` names, for records without key (KIP-1123). While there is none, it \
         chooses among all; a broker that cannot be reached counts as none after \
         `partitioner.availability.timeout.ms`, if that is set. Needs `client.rack`.",
    ),
    supported(
        "client.rack",
        Kind::Text,
        "",
        "The rack or zone that this producer runs in, as the brokers' `broker.rack` calls it. Only \
         `partitioner.rack.aware` asks for it.",
    ),
    // Interceptors.
    supported(
        "interceptor.classes",
        Kind::Classes,
        "",
        "Interceptors, which see every record before it is sent and may change it, and see every \
         outcome before its callback: names that the program has registered, or objects. Each \
         gets the record as the one before it left it.",
    ),
    // Batches and memory.
    supported(
        "linger.ms",
        Kind::long(0),
        "5",
        "How long a batch that is not full waits for more records before it is sent. More than \
         2147483647 counts as that.",
    ),
    supported(
        "batch.size",
        Kind::int(0),
        "16384",
        "How large, in bytes, a batch of records for one partition may grow. A larger record gets \
         a batch of its own; with 0 every record does. With compression the compressed size \
         counts, estimated from earlier batches; such a batch takes up to an eighth of \
         `buffer.memory` before it is compressed, and at a slow level no more than takes a moment to \
         compress: see [compression](#compression). At most `buffer.memory`, which Kafka finds out \
         only when it sends. More than 1 GiB counts as 1 GiB.",
    ),
    supported(
        "buffer.memory",
        Kind::long(0),
        "33554432",
        "How much memory, in bytes, records may take that are accepted and not yet acknowledged. \
         A batch reserves up to 16 KiB ahead. Memory that is kept for reuse and the codecs' \
         tables are extra.",
    ),
    supported(
        "buffer.memory.allocation.strategy",
        Kind::Choice {
            values: &["full", "incremental"],
            later: &[],
            ignores_case: true,
        },
        "full",
        "Whether a new batch takes `batch.size` bytes of `buffer.memory` at once, or grows as \
         records come (KIP-1332). Batches here always grow, in steps of up to 16 KiB. In upper or \
         lower case.",
    )
    .of_class(Class::Accepted),
    supported(
        "max.block.ms",
        Kind::long(0),
        "60000",
        "How long `send` may block, for metadata and memory together.",
    ),
    supported(
        "max.request.size",
        Kind::int(0),
        "1048576",
        "How large, in bytes, a request may be, and therefore a record before compression. \
         Brokers have their own limit, `message.max.bytes`. More than 1 GiB counts as 1 GiB.",
    ),
    // Acknowledgements and retries.
    supported(
        "acks",
        Kind::Choice {
            values: &["all", "-1", "0", "1"],
            later: &[],
            ignores_case: false,
        },
        "all",
        "Which acknowledgements a record waits for: `0` none, `1` the leader's, `all` (or `-1`) \
         those of all in-sync replicas.",
    )
    .per_topic(),
    supported(
        "retries",
        Kind::int(0),
        "2147483647",
        "How often a batch is retried after a temporary failure, within `delivery.timeout.ms`.",
    ),
    supported(
        "retry.backoff.ms",
        Kind::long(0),
        "100",
        "The wait before the first retry of a batch or a metadata request; it doubles with each \
         failure. Less than 10 counts as 10; more than `retry.backoff.max.ms` counts as that, with a \
         warning. Metadata is never asked for twice without this wait, except for a topic that was \
         not asked for before.",
    ),
    supported(
        "retry.backoff.max.ms",
        Kind::long(0),
        "1000",
        "The longest wait between retries.",
    ),
    supported(
        "request.timeout.ms",
        Kind::int(1),
        "30000",
        "How long an answer may take before the connection is closed; a pause that the broker has \
         announced (throttling) does not count, up to a minute each time. If an answer to a metadata \
         request takes more than a second, another broker is asked beside. Also how long the system waits for \
         acknowledgements of sent bytes before it closes a connection (`TCP_USER_TIMEOUT`). Kafka \
         takes 0, with which nothing can be sent.",
    ),
    supported(
        "delivery.timeout.ms",
        Kind::int(1),
        "120000",
        "How long after `send` a record has succeeded or failed at the latest. At least \
         `linger.ms` + `request.timeout.ms`: if it is set to less, that is an error; if it is not \
         set, it is raised to that with a warning.",
    )
    .per_topic(),
    supported(
        "max.in.flight.requests.per.connection",
        Kind::int(1),
        "5",
        "How many requests a connection may have in flight, without an answer.",
    ),
    // Connections.
    supported(
        "client.dns.lookup",
        Kind::Choice {
            values: &["use_all_dns_ips"],
            later: &["resolve_canonical_bootstrap_servers_only"],
            ignores_case: false,
        },
        "use_all_dns_ips",
        "What to do with a host name that has several addresses: all are tried in turn.",
    ),
    supported(
        "reconnect.backoff.ms",
        Kind::long(0),
        "50",
        "The wait before the first new attempt to reach a broker; it doubles with each failure. \
         Less than 10 counts as 10. If it is set and `reconnect.backoff.max.ms` is not, all waits are this long.",
    ),
    supported(
        "reconnect.backoff.max.ms",
        Kind::long(0),
        "1000",
        "The longest wait between attempts to reach a broker.",
    ),
    supported(
        "socket.connection.setup.timeout.ms",
        Kind::long(1),
        "10000",
        "How long an attempt to connect may take; it doubles with each failure. More than \
         `socket.connection.setup.timeout.max.ms` counts as that, with a warning. Kafka does not \
         refuse 0 and negative times, with which no connection can be made.",
    ),
    supported(
        "socket.connection.setup.timeout.max.ms",
        Kind::long(1),
        "30000",
        "The longest time an attempt to connect may take. Kafka does not refuse 0 and negative \
         times, with which no connection can be made.",
    ),
    supported(
        "connections.max.idle.ms",
        Kind::ANY_LONG,
        "540000",
        "How long a connection may be unused before it is closed; negative: for ever.",
    ),
    supported(
        "send.buffer.bytes",
        Kind::int(-1),
        "131072",
        "The size of a socket's send buffer (`SO_SNDBUF`); -1: the system's.",
    ),
    supported(
        "receive.buffer.bytes",
        Kind::int(-1),
        "32768",
        "The size of a socket's receive buffer (`SO_RCVBUF`); -1: the system's.",
    ),
    // Metadata.
    supported(
        "metadata.max.age.ms",
        Kind::long(0),
        "300000",
        "How old metadata may become before it is requested again, for all topics together, even if \
         nothing failed. Less than 100 counts as 100.",
    ),
    supported(
        "metadata.max.idle.ms",
        Kind::long(5000),
        "300000",
        "How long a topic may go without a record before its metadata is forgotten.",
    ),
    supported(
        "metadata.recovery.strategy",
        Kind::Choice {
            values: &["rebootstrap", "none"],
            later: &[],
            ignores_case: true,
        },
        "rebootstrap",
        "What to do when none of the known brokers can be reached: start over with \
         `bootstrap.servers`, or keep trying. In upper or lower case.",
    ),
    supported(
        "metadata.recovery.rebootstrap.trigger.ms",
        Kind::long(0),
        "300000",
        "With `metadata.recovery.strategy=rebootstrap`: start over if no metadata has arrived for \
         this long.",
    ),
    supported(
        "metadata.cluster.check.enable",
        Kind::Boolean,
        "true",
        "Whether brokers of Kafka 4.4 are told which cluster and broker a connection is meant to \
         reach, and refuse one that is meant for another (KIP-1242). False is for what stands between \
         and counts brokers otherwise. Not told with `metadata.recovery.strategy=none`. Brokers that \
         are not told, and older ones, are asked which cluster they belong to instead.",
    ),
    // Idempotence and transactions.
    supported(
        "enable.idempotence",
        Kind::Boolean,
        "true",
        "Whether brokers recognize retries, so that no record is written twice and order is kept \
         with several batches of a partition in flight. Needs `acks=all`, `retries` above 0 and \
         at most 5 requests in flight. If it is set to true, anything else is an error; if it is \
         not set, other values of `acks` and `retries` turn it off with a warning.",
    ),
    supported(
        "transactional.id",
        Kind::NonEmptyText,
        "",
        "The name that tells this producer's transactions from those of others; only a \
         `TransactionalProducer` takes it. The same after a restart, and in one producer at a time: a \
         new one fences the one before. Needs idempotence, which is then not turned off by `acks` or \
         `retries`: what contradicts is an error.",
    )
    .with_preset(Preset::Null),
    supported(
        "transaction.timeout.ms",
        Kind::int(1),
        "60000",
        "How long a transaction may stay open before the brokers abort it; they refuse more than \
         their `transaction.max.timeout.ms` (15 min). Without `transactional.id` it has no meaning.",
    ),
    later(
        "transaction.two.phase.commit.enable",
        Kind::Boolean,
        Preset::Text("false"),
        "Whether transactions are part of an external two-phase commit.",
    ),
    // Compression.
    supported(
        "compression.type",
        Kind::Choice {
            values: &["none", "gzip", "snappy", "lz4", "zstd"],
            later: &[],
            ignores_case: false,
        },
        "none",
        "How batches are compressed, each as a whole. Needs the crate's feature with the codec's \
         name, which is on by default.",
    )
    .per_topic(),
    supported(
        "compression.gzip.level",
        Kind::Level { min: 1, max: 9 },
        "-1",
        "How hard gzip tries; -1: its own default, which is 6.",
    )
    .per_topic(),
    supported(
        "compression.lz4.level",
        Kind::Integer { min: 1, max: 17 },
        "9",
        "How hard lz4 tries. As in Kafka, 9 is the fast compressor, and all others are slow ones \
         that compress better; those above 12 do what 12 does.",
    )
    .per_topic(),
    supported(
        "compression.zstd.level",
        Kind::Integer {
            min: -131_072,
            max: 22,
        },
        "3",
        "How hard zstd tries; 0 counts as 3, and negative levels are faster than 1.",
    )
    .per_topic(),
    // Metrics and plugins.
    later(
        "enable.metrics.push",
        Kind::Boolean,
        Preset::Text("true"),
        "Whether brokers that ask for this producer's metrics get them. Nothing is pushed yet, \
         whatever the value; setting it to true gives a warning.",
    )
    .of_class(Class::LaterSwitch),
    later(
        "metrics.num.samples",
        Kind::int(1),
        Preset::Text("2"),
        "From how many windows of time a metric is computed.",
    ),
    later(
        "metrics.sample.window.ms",
        Kind::long(0),
        Preset::Text("30000"),
        "How long a window of time is that a metric is computed from.",
    ),
    later(
        "metrics.recording.level",
        Kind::Choice {
            values: &["INFO", "DEBUG", "TRACE"],
            later: &[],
            ignores_case: false,
        },
        Preset::Text("INFO"),
        "How detailed metrics are.",
    ),
    inert(
        "metric.reporters",
        Kind::List,
        Preset::Text("org.apache.kafka.common.metrics.JmxReporter"),
        "Java classes that publish metrics; there is no JMX here.",
    ),
    later(
        "config.providers",
        Kind::List,
        Preset::Text(""),
        "What replaces `${provider:path:key}` in the values of other properties.",
    ),
];

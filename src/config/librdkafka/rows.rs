//! Every property that librdkafka has for all its clients or for producers, and what becomes of it here:
//! one row each, and nothing is decided anywhere else. Its consumers' properties are here, too, because
//! programs share files.

use super::{Fate, Row, Value};

pub(super) const ROWS: &[Row] = &[
    // Other names for what Kafka's producer has.
    alias(
        &["metadata.broker.list"],
        "bootstrap.servers",
        Value::Servers,
    ),
    alias(
        &["max.in.flight"],
        "max.in.flight.requests.per.connection",
        Value::AsIs,
    )
    .there("1000000"),
    alias(&["message.max.bytes"], "max.request.size", Value::AsIs).there("1000000"),
    alias(
        &["topic.metadata.refresh.interval.ms"],
        "metadata.max.age.ms",
        Value::MillisOrNever,
    ),
    alias(&["socket.timeout.ms"], "request.timeout.ms", Value::AsIs).there("60000"),
    alias(
        &["socket.send.buffer.bytes"],
        "send.buffer.bytes",
        Value::ZeroForTheSystems,
    )
    .there("0"),
    alias(
        &["socket.receive.buffer.bytes"],
        "receive.buffer.bytes",
        Value::ZeroForTheSystems,
    )
    .there("0"),
    alias(
        &["queue.buffering.max.ms"],
        "linger.ms",
        Value::MillisRoundedUp,
    ),
    alias(
        &["queue.buffering.max.kbytes"],
        "buffer.memory",
        Value::Kibibytes,
    )
    .there("1048576"),
    alias(&["message.send.max.retries"], "retries", Value::AsIs),
    alias(&["compression.codec"], "compression.type", Value::AsIs),
    alias(&["request.required.acks"], "acks", Value::AsIs),
    alias(
        &["message.timeout.ms"],
        "delivery.timeout.ms",
        Value::MillisZeroForNever,
    )
    .there("300000"),
    alias(&["partitioner"], "partitioner.class", Value::AsIs).there("consistent_random"),
    alias(&["sasl.mechanisms"], "sasl.mechanism", Value::AsIs),
    alias(
        &["sasl.oauthbearer.client.id"],
        "sasl.oauthbearer.client.credentials.client.id",
        Value::AsIs,
    ),
    alias(
        &["sasl.oauthbearer.client.secret"],
        "sasl.oauthbearer.client.credentials.client.secret",
        Value::AsIs,
    ),
    alias(
        &["sasl.oauthbearer.assertion.jwt.template.file"],
        "sasl.oauthbearer.assertion.template.file",
        Value::AsIs,
    ),
    row(
        &["compression.level"],
        Fate::Levels,
        "the level of whichever codec is used; of lz4's, those below 3 are the fast compressor, \
         which is 9 here, and 9 counts as 10; gzip's 0 counts as 1",
    ),
    // The same names, with another default or meaning, or none of the two.
    same(&["client.id"]).there("rdkafka"),
    same(&["max.in.flight.requests.per.connection"]).there("1000000"),
    same(&["delivery.timeout.ms"]).there("300000"),
    same(&["batch.size"]).there("1000000"),
    same(&["enable.idempotence"]).there("false"),
    same(&["socket.connection.setup.timeout.ms"]).there("30000"),
    same(&["reconnect.backoff.ms"]).there("100"),
    same(&["reconnect.backoff.max.ms"]).there("10000"),
    same(&["connections.max.idle.ms"])
        .there("0")
        .but("0 closes a connection at once; never is -1"),
    same(&["batch.num.messages"]).there("10000"),
    same(&["queue.buffering.max.messages"]).there("100000"),
    same(&["client.rack"]).but(
        "it is the rack of the leaders that keyless records go to, if \
         partitioner.rack.aware is on, and not about where consumers read",
    ),
    same(&["request.timeout.ms"])
        .but("it is also how long an answer may take, for which librdkafka has socket.timeout.ms"),
    same(&["metadata.max.age.ms"]).but(
        "it is how often metadata is asked for, for which librdkafka has \
             topic.metadata.refresh.interval.ms",
    ),
    same(&[
        "acks",
        "bootstrap.servers",
        "broker.address.family",
        "client.dns.lookup",
        "compression.type",
        "enable.metrics.push",
        "linger.ms",
        "metadata.recovery.rebootstrap.trigger.ms",
        "metadata.recovery.strategy",
        "retries",
        "retry.backoff.max.ms",
        "retry.backoff.ms",
        "sasl.kerberos.kinit.cmd",
        "sasl.kerberos.min.time.before.relogin",
        "sasl.kerberos.service.name",
        "sasl.mechanism",
        "sasl.oauthbearer.assertion.algorithm",
        "sasl.oauthbearer.assertion.claim.aud",
        "sasl.oauthbearer.assertion.claim.exp.seconds",
        "sasl.oauthbearer.assertion.claim.iss",
        "sasl.oauthbearer.assertion.claim.jti.include",
        "sasl.oauthbearer.assertion.claim.nbf.seconds",
        "sasl.oauthbearer.assertion.claim.sub",
        "sasl.oauthbearer.assertion.file",
        "sasl.oauthbearer.assertion.private.key.file",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.client.credentials.client.id",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.scope",
        "sasl.oauthbearer.sub.claim.name",
        "sasl.oauthbearer.token.endpoint.url",
        "security.protocol",
        "ssl.cipher.suites",
        "ssl.endpoint.identification.algorithm",
        "ssl.key.password",
        "ssl.keystore.location",
        "ssl.keystore.password",
        "transaction.timeout.ms",
        "transactional.id",
    ]),
    // Always so here, or nothing that a program could tell.
    no_effect(
        &[
            "debug",
            "log_level",
            "log.queue",
            "log.thread.name",
            "log.connection.close",
        ],
        "what is logged is up to the log crate and the program's logger",
    ),
    no_effect(
        &["message.copy.max.bytes"],
        "every record is encoded where it stays, and copied once",
    ),
    no_effect(
        &["receive.message.max.bytes"],
        "an answer may have up to 100 MiB, always",
    ),
    no_effect(
        &[
            "topic.metadata.refresh.fast.interval.ms",
            "topic.metadata.refresh.fast.cnt",
        ],
        "metadata is asked for again after retry.backoff.ms",
    ),
    no_effect(
        &["topic.metadata.propagation.max.ms"],
        "a topic that is not known yet is waited for within max.block.ms",
    ),
    no_effect(
        &["socket.keepalive.enable"],
        "connections are always kept alive (SO_KEEPALIVE)",
    ),
    no_effect(
        &["broker.address.ttl"],
        "a broker's name is resolved anew whenever it is connected to",
    ),
    no_effect(
        &["sticky.partitioning.linger.ms"],
        "records without a key change partitions batch by batch, whatever the time",
    ),
    no_effect(
        &["queue.buffering.backpressure.threshold"],
        "batches go on filling for as long as max.in.flight.requests.per.connection keeps them \
         waiting",
    ),
    no_effect(
        &[
            "api.version.request.timeout.ms",
            "api.version.fallback.ms",
            "broker.version.fallback",
        ],
        "brokers are always asked for their versions, within request.timeout.ms",
    ),
    no_effect(
        &["internal.termination.signal", "enable.random.seed"],
        "it is about librdkafka's own threads",
    ),
    no_effect(
        &[
            "socket.blocking.max.ms",
            "reconnect.backoff.jitter.ms",
            "produce.offset.report",
        ],
        "librdkafka itself does not use it any more",
    ),
    no_effect(
        &[
            "ssl.curves.list",
            "ssl.sigalgs.list",
            "ssl.key.location",
            "ssl.key.pem",
            "ssl.certificate.location",
            "ssl.certificate.pem",
            "ssl.ca.location",
            "ssl.ca.pem",
            "ssl.ca.certificate.stores",
            "ssl.crl.location",
            "ssl.providers",
            "ssl.engine.location",
            "ssl.engine.id",
            "https.ca.location",
            "https.ca.pem",
            "enable.ssl.certificate.verification",
            "sasl.kerberos.principal",
            "sasl.kerberos.keytab",
            "sasl.username",
            "sasl.password",
            "sasl.oauthbearer.config",
            "sasl.oauthbearer.method",
            "sasl.oauthbearer.metadata.authentication.type",
            "sasl.oauthbearer.extensions",
            "sasl.oauthbearer.grant.type",
            "sasl.oauthbearer.assertion.private.key.pem",
            "enable.sasl.oauthbearer.unsecure.jwt",
        ],
        "security.protocol is PLAINTEXT",
    ),
    no_effect(
        &[
            "auto.commit.enable",
            "auto.commit.interval.ms",
            "auto.offset.reset",
            "check.crcs",
            "consume.callback.max.messages",
            "coordinator.query.interval.ms",
            "enable.auto.commit",
            "enable.auto.offset.store",
            "enable.partition.eof",
            "fetch.error.backoff.ms",
            "fetch.max.bytes",
            "fetch.message.max.bytes",
            "fetch.min.bytes",
            "fetch.queue.backoff.ms",
            "fetch.wait.max.ms",
            "group.id",
            "group.instance.id",
            "group.protocol",
            "group.protocol.type",
            "group.remote.assignor",
            "heartbeat.interval.ms",
            "isolation.level",
            "max.partition.fetch.bytes",
            "max.poll.interval.ms",
            "offset.store.method",
            "offset.store.path",
            "offset.store.sync.interval.ms",
            "partition.assignment.strategy",
            "queued.max.messages.kbytes",
            "queued.min.messages",
            "session.timeout.ms",
        ],
        ABOUT_CONSUMERS,
    ),
    // One value is how it always is here; the others would change what a program sees.
    always(
        "true",
        &["socket.nagle.disable"],
        "no request waits for the one before it",
    ),
    always(
        "1",
        &["socket.max.fails"],
        "a connection ends with the first request that times out",
    ),
    always(
        "true",
        &["topic.metadata.refresh.sparse"],
        "only topics in use are asked about",
    ),
    always(
        "true",
        &["api.version.request"],
        "all brokers since 2.1 say their versions",
    ),
    only(
        "true",
        &["allow.auto.create.topics"],
        "as with Kafka's own producer, it is up to the broker whether a topic is made",
    ),
    always(
        "0",
        &["statistics.interval.ms"],
        "nothing calls with statistics; producer.metrics() has the counters at any time",
    ),
    only(
        "0",
        &["enabled_events"],
        "there are callbacks, and no queue of events to poll",
    ),
    only(
        "false",
        &["enable.gapless.guarantee"],
        "a producer goes on after records that failed; each tells its fate",
    ),
    only(
        "false",
        &["delivery.report.only.error"],
        "callbacks are told of every record; they can ignore what was written",
    ),
    only(
        "fifo",
        &["queuing.strategy"],
        "the records of a partition stay in order",
    ),
    // Nothing like it.
    refused(
        &["topic.blacklist"],
        "there is no list of topics to ignore; nothing is sent but what the program sends",
    ),
    refused(
        &["builtin.features"],
        "the crate's features say what is compiled in; a codec that is missing is an error",
    ),
    refused(
        &["plugin.library.paths"],
        "there are no plugins; serializers, partitioners and interceptors are objects of the program",
    ),
    refused(
        &[
            "background_event_cb",
            "closesocket_cb",
            "connect_cb",
            "consume_cb",
            "default_topic_conf",
            "dr_cb",
            "dr_msg_cb",
            "error_cb",
            "interceptors",
            "log_cb",
            "msg_order_cmp",
            "oauthbearer_token_refresh_cb",
            "offset_commit_cb",
            "opaque",
            "open_cb",
            "partitioner_cb",
            "rebalance_cb",
            "resolve_cb",
            "socket_cb",
            "ssl.certificate.verify_cb",
            "ssl_ca",
            "ssl_certificate",
            "ssl_engine_callback_data",
            "ssl_key",
            "stats_cb",
            "throttle_cb",
        ],
        "it is no text with librdkafka either, but a call; here send takes a callback, and \
         set_object a serializer, a partitioner or interceptors",
    ),
];

const fn row(names: &'static [&'static str], fate: Fate, remark: &'static str) -> Row {
    Row {
        names,
        fate,
        remark,
        default: None,
    }
}

const fn alias(names: &'static [&'static str], of: &'static str, value: Value) -> Row {
    row(names, Fate::Alias(of, value), "")
}

const fn same(names: &'static [&'static str]) -> Row {
    row(names, Fate::Same, "")
}

/// Kafka's own consumers have these names, too, so they say nothing of whom a program comes from.
pub(super) const ABOUT_CONSUMERS: &str = "it is about consumers";

const fn no_effect(names: &'static [&'static str], why: &'static str) -> Row {
    row(names, Fate::NoEffect, why)
}

const fn only(value: &'static str, names: &'static [&'static str], why: &'static str) -> Row {
    row(names, Fate::Only(value), why)
}

const fn always(value: &'static str, names: &'static [&'static str], why: &'static str) -> Row {
    row(names, Fate::Always(value), why)
}

const fn refused(names: &'static [&'static str], why: &'static str) -> Row {
    row(names, Fate::Refused, why)
}

impl Row {
    /// The default that librdkafka has, where it is not ours.
    const fn there(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// The name is the same, and the meaning is not.
    const fn but(mut self, remark: &'static str) -> Self {
        self.remark = remark;
        self
    }
}

//! Properties that exist, but not for a producer, or not any more: what to say about them instead of
//! "did you mean".

/// What an unknown property turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// Kafka or librdkafka has removed it. A clause that says what came instead.
    Removed(&'static str),
    /// It is about consumers. Programs share files, so it is no problem.
    Consumers,
    /// It belongs to somebody else: what stands behind its name to say so.
    Others(&'static str),
}

/// What is known about a property that is neither Kafka's producer's nor librdkafka's.
pub(super) fn find(name: &str) -> Option<Stranger> {
    if let Some((_, instead)) = REMOVED.iter().find(|(removed, _)| *removed == name) {
        return Some(Stranger::Removed(instead));
    }
    if CONSUMERS.contains(&name) {
        return Some(Stranger::Consumers);
    }
    let is_in = |names: &[&str], prefixes: &[&str]| {
        names.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
    };
    let owners = OWNERS
        .iter()
        .find(|(names, prefixes, _)| is_in(names, prefixes));
    owners.map(|(_, _, what)| Stranger::Others(what))
}

/// Of Kafka's producer, of the one before it (in Scala), and of librdkafka.
const REMOVED: &[(&str, &str)] = &[
    (
        "block.on.buffer.full",
        "send waits for memory within max.block.ms, and try_send never does",
    ),
    (
        "metadata.fetch.timeout.ms",
        "max.block.ms limits how long send waits for metadata",
    ),
    (
        "timeout.ms",
        "request.timeout.ms limits how long an answer may take, and delivery.timeout.ms how long a \
         record may",
    ),
    (
        "auto.include.jmx.reporter",
        "metric.reporters names what publishes metrics, in a JVM",
    ),
    (
        "producer.type",
        "send never waits for an answer, and send_wait does",
    ),
    (
        "serializer.class",
        "there are key.serializer and value.serializer",
    ),
    ("key.serializer.class", "it is key.serializer"),
    ("compressed.topics", "it is topic.NAME.compression.type"),
    (
        "queue.enqueue.timeout.ms",
        "max.block.ms limits how long send waits for memory",
    ),
    (
        "topic.metadata.max.age.ms",
        "metadata.max.age.ms is for all topics",
    ),
    (
        "metadata.request.timeout.ms",
        "request.timeout.ms limits all requests",
    ),
    ("broker.list", "it is bootstrap.servers"),
    (
        "zookeeper.connect",
        "bootstrap.servers names brokers; no client asks ZooKeeper any more",
    ),
    (
        "zk.connect",
        "bootstrap.servers names brokers; no client asks ZooKeeper any more",
    ),
];

/// Those of Java's consumer that librdkafka does not have.
const CONSUMERS: &[&str] = &[
    "default.api.timeout.ms",
    "exclude.internal.topics",
    "fetch.max.wait.ms",
    "internal.leave.group.on.close",
    "key.deserializer",
    "max.poll.records",
    "share.acknowledgement.mode",
    "value.deserializer",
];

/// Names and prefixes of names, and whose they are. The first that fits counts.
const OWNERS: &[(&[&str], &[&str], &str)] = &[
    (
        &[
            "application.id",
            "num.stream.threads",
            "processing.guarantee",
            "state.dir",
        ],
        &[
            "default.deserialization.",
            "default.key.serde",
            "default.value.serde",
        ],
        "belongs to Kafka Streams",
    ),
    (
        &[
            "cleanup.policy",
            "delete.retention.ms",
            "file.delete.delay.ms",
            "flush.messages",
            "flush.ms",
            "follower.replication.throttled.replicas",
            "index.interval.bytes",
            "leader.replication.throttled.replicas",
            "max.compaction.lag.ms",
            "max.message.bytes",
            "message.downconversion.enable",
            "message.format.version",
            "min.cleanable.dirty.ratio",
            "min.compaction.lag.ms",
            "min.insync.replicas",
            "preallocate",
            "remote.storage.enable",
            "replication.factor",
            "unclean.leader.election.enable",
        ],
        &[
            "local.retention.",
            "message.timestamp.",
            "retention.",
            "segment.",
        ],
        "is a setting of topics, not of producers",
    ),
    (
        &[
            "allow.everyone.if.no.acl.found",
            "alter.config.policy.class.name",
            "authorizer.class.name",
            "auto.create.topics.enable",
            "auto.leader.rebalance.enable",
            "background.threads",
            "broker.id",
            "broker.rack",
            "connections.max.reauth.ms",
            "create.topic.policy.class.name",
            "default.replication.factor",
            "delete.topic.enable",
            "early.start.listeners",
            "group.initial.rebalance.delay.ms",
            "group.max.session.timeout.ms",
            "group.min.session.timeout.ms",
            "host.name",
            "listeners",
            "node.id",
            "port",
            "principal.builder.class",
            "process.roles",
            "queued.max.requests",
            "sasl.enabled.mechanisms",
            "socket.listen.backlog.size",
            "socket.request.max.bytes",
            "ssl.client.auth",
            "ssl.principal.mapping.rules",
            "super.users",
        ],
        &[
            "advertised.",
            "broker.",
            "controller.",
            "delegation.token.",
            "group.consumer.",
            "group.coordinator.",
            "group.share.",
            "initial.broker.",
            "inter.broker.",
            "leader.imbalance.",
            "listener.",
            "log.",
            "max.connection",
            "metadata.log.",
            "num.",
            "offsets.",
            "password.encoder.",
            "producer.id.expiration.",
            "quota.",
            "remote.log.",
            "replica.",
            "sasl.mechanism.",
            "share.coordinator.",
            "transaction.state.log.",
            "zookeeper.",
        ],
        "is a setting of brokers, not of producers",
    ),
    (
        &[
            "auto.register.schemas",
            "basic.auth.credentials.source",
            "basic.auth.user.info",
            "key.subject.name.strategy",
            "use.latest.version",
            "value.subject.name.strategy",
        ],
        &["bearer.auth.", "schema.registry."],
        "is for serializers with a schema registry: one of your own gets it in configure",
    ),
    (
        &[
            "connector.class",
            "key.converter",
            "plugin.path",
            "tasks.max",
            "value.converter",
        ],
        &["config.storage.", "offset.storage.", "status.storage."],
        "belongs to Kafka Connect",
    ),
    (&[], &["confluent."], "belongs to Confluent's own programs"),
    (
        &[],
        &["spring."],
        "is Spring's: Properties::subset can take the prefix off Kafka's names",
    ),
];

#[cfg(test)]
mod tests {
    use super::super::shown::is_known;
    use super::*;

    #[test]
    fn none_of_them_is_known_here() {
        let removed = REMOVED.iter().map(|(name, _)| *name);
        let owned = OWNERS.iter().flat_map(|(names, _, _)| *names);
        for name in removed
            .chain(CONSUMERS.iter().copied())
            .chain(owned.copied())
        {
            assert!(!is_known(name), "{name}");
        }
    }
}

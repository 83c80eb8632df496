//! The clients: what they are called, which codecs they have, and what they do otherwise than others.

/// A program that takes BOOTSTRAP TOPIC ROUNDS PER_ROUND CODEC, sends the numbers from 0 on as keys, with
/// 200 dots behind them as values, waits after each round until all are settled, and prints
/// `acked=N failed=N ERROR`.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// The client's release, as it is pinned.
    pub(crate) version: &'static str,
    pub(crate) language: Language,
    /// Its program, as its language finds it.
    pub(crate) program: &'static str,
    pub(crate) codecs: &'static [&'static str],
    /// Whether its records have sequences, so that a repeated batch is not appended twice.
    pub(crate) is_idempotent: bool,
    /// Scenarios that it does not survive for a reason of its own, which is the second.
    pub(crate) gives_up: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Language {
    Python,
    Node,
    Go,
    Rust,
    /// Installed by the system's package manager.
    System,
}

/// In its `sendMessages.js`, whose retry leaves out each broker that has answered.
const FORGETS_WHAT_MOVED: &str = "a retry does not send partitions whose new leader has answered for \
    others already: they count as acknowledged and are lost, whatever the broker is";

const ALL: &[&str] = &["gzip", "snappy", "lz4", "zstd"];

pub(crate) const CLIENTS: &[Client] = &[
    Client {
        name: "kafka-python",
        version: "3.0.12",
        language: Language::Python,
        program: "kafka_python.py",
        codecs: ALL,
        is_idempotent: true,
        gives_up: &[],
    },
    Client {
        name: "aiokafka",
        version: "0.14.0",
        language: Language::Python,
        program: "aio_kafka.py",
        codecs: ALL,
        is_idempotent: true,
        gives_up: &[],
    },
    Client {
        name: "confluent-kafka",
        version: "2.16.1",
        language: Language::Python,
        program: "confluent.py",
        codecs: ALL,
        is_idempotent: true,
        gives_up: &[],
    },
    Client {
        name: "kafkajs",
        version: "2.2.4",
        language: Language::Node,
        program: "kafkajs.mjs",
        codecs: &["gzip"],
        is_idempotent: true,
        gives_up: &[
            ("leaders move", FORGETS_WHAT_MOVED),
            ("a broker stops", FORGETS_WHAT_MOVED),
        ],
    },
    Client {
        name: "platformatic",
        version: "2.12.1",
        language: Language::Node,
        program: "platformatic.mjs",
        codecs: &["gzip", "snappy", "lz4"],
        is_idempotent: true,
        gives_up: &[],
    },
    Client {
        name: "sarama",
        version: "1.61.1",
        language: Language::Go,
        program: "sarama",
        codecs: ALL,
        is_idempotent: true,
        gives_up: &[],
    },
    Client {
        name: "kafka-go",
        version: "0.4.51",
        language: Language::Go,
        program: "kafkago",
        codecs: ALL,
        is_idempotent: false,
        gives_up: &[(
            "no leader known",
            "it does not try again when metadata says so (segmentio/kafka-go#1208)",
        )],
    },
    Client {
        name: "franz-go",
        version: "1.22.3",
        language: Language::Go,
        program: "franz",
        codecs: ALL,
        is_idempotent: true,
        gives_up: &[],
    },
    Client {
        name: "krafka",
        version: "0.28.1",
        language: Language::Rust,
        program: "krafka",
        codecs: ALL,
        is_idempotent: true,
        gives_up: &[],
    },
    Client {
        name: "rskafka",
        version: "0.6.0",
        language: Language::Rust,
        program: "rskafka",
        codecs: ALL,
        is_idempotent: false,
        gives_up: &[(
            "too few replicas",
            "it does not send again what NOT_ENOUGH_REPLICAS refused (its `maybe_retry`)",
        )],
    },
    Client {
        name: "kcat",
        version: "the system's",
        language: Language::System,
        program: "kcat.sh",
        codecs: ALL,
        is_idempotent: true,
        gives_up: &[],
    },
];

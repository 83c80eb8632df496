//! The settings of a mock cluster, and its start. No other logic.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::ops::RangeInclusive;

use crate::protocol::version::VersionRange;
use crate::testing::events::{MockEvent, Observer};
use crate::testing::server::Server;
use crate::testing::state::{FirstTopic, Settings};
use crate::testing::transactions::version_of;
use crate::testing::{Api, MockCluster};

/// The settings of a [`MockCluster`], each with the default that Kafka has unless stated.
#[derive(Clone, Debug)]
#[must_use = "a cluster runs after start()"]
pub struct MockClusterBuilder {
    brokers: usize,
    first_port: u16,
    settings: Settings,
}

impl MockClusterBuilder {
    pub(super) fn new() -> Self {
        Self {
            brokers: 1,
            first_port: 0,
            settings: Settings {
                cluster_id: Some(random_cluster_id()),
                ..Settings::default()
            },
        }
    }

    /// How many brokers, numbered from 1. Default: 1.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn brokers(mut self, brokers: usize) -> Self {
        assert!(brokers > 0, "a cluster has at least one broker");
        self.brokers = brokers;
        self
    }

    /// The racks of the brokers, in their order (`broker.rack`). Default: none has one.
    pub fn racks<R: Into<String>>(mut self, racks: impl IntoIterator<Item = R>) -> Self {
        self.settings.racks = racks.into_iter().map(Into::into).collect();
        self
    }

    /// The port of the first broker; the next one listens at the next port, and so on. Default: 0,
    /// for any free ports.
    pub fn port(mut self, first: u16) -> Self {
        self.first_port = first;
        self
    }

    /// A topic that exists from the start, its leaders spread over the brokers.
    pub fn topic(mut self, name: &str, partitions: i32) -> Self {
        self.settings.topics.push(FirstTopic {
            name: name.to_owned(),
            partitions,
            log_append_time: false,
        });
        self
    }

    /// A topic like those of [`topic`](Self::topic) whose records get the broker's time of append
    /// (`message.timestamp.type=LogAppendTime`).
    pub fn log_append_time_topic(mut self, name: &str, partitions: i32) -> Self {
        self.settings.topics.push(FirstTopic {
            name: name.to_owned(),
            partitions,
            log_append_time: true,
        });
        self
    }

    /// What the brokers call their cluster. Default: an id of its own for each cluster that is
    /// started, like Kafka's.
    pub fn cluster_id(mut self, id: &str) -> Self {
        self.settings.cluster_id = Some(id.to_owned());
        self
    }

    /// The brokers do not say which cluster they belong to, as some programs that speak Kafka's protocol
    /// do not. A producer cannot notice then that its cluster was
    /// [made anew](MockCluster::make_anew).
    pub fn without_cluster_id(mut self) -> Self {
        self.settings.cluster_id = None;
        self
    }

    /// Whether topics are created when a producer asks for them. Default: yes.
    pub fn auto_create_topics(mut self, auto_create: bool) -> Self {
        self.settings.auto_create = auto_create;
        self
    }

    /// How many partitions a topic gets that is created when a producer asks for it
    /// (`num.partitions`). Default: 1.
    pub fn default_partitions(mut self, partitions: i32) -> Self {
        self.settings.auto_create_partitions = partitions;
        self
    }

    /// The largest batch that the brokers take, in bytes (`message.max.bytes`). Default: 1048588.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_message_bytes = bytes;
        self
    }

    /// The versions that the brokers speak of one API, to be like an older Kafka. Default: all
    /// that this crate speaks.
    ///
    /// Kafka 2.1, for example, has `Produce` up to 7, `Metadata` up to 7 and `ApiVersions` up
    /// to 2; to `ApiVersions` 3 it answers in version 0 that it does not know that version.
    ///
    /// # Panics
    ///
    /// For an API that the cluster does not serve.
    pub fn versions(mut self, api: Api, versions: RangeInclusive<i16>) -> Self {
        let key = api
            .key()
            .unwrap_or_else(|| panic!("the mock cluster does not serve {api:?}"));
        let range = VersionRange::new(*versions.start(), *versions.end());
        self.settings.versions.insert(key, range);
        self
    }

    /// Topics have no ids, so a producer has to stay at Produce 12. Java's does not check that (brokers
    /// that speak Produce 13 always have ids): for it, limit the [`versions`](Self::versions) too.
    pub fn without_topic_ids(mut self) -> Self {
        self.settings.topic_ids = false;
        self
    }

    /// A partition refuses a producer id that it does not know, unless the batch has sequence 0,
    /// as brokers before KIP-360 did (`UNKNOWN_PRODUCER_ID`). Later ones take any sequence then.
    pub fn unknown_producer_id_is_an_error(mut self) -> Self {
        self.settings.unknown_producer_is_an_error = true;
        self
    }

    /// By which version transactions are spoken, 1 or 2: the level of the cluster's feature
    /// `transaction.version`. Default: 2, as in clusters made by Kafka since 4.0. A running cluster is
    /// changed by [`set_transaction_version`](MockCluster::set_transaction_version).
    ///
    /// # Panics
    ///
    /// If it is neither 1 nor 2.
    pub fn transaction_version(mut self, version: i16) -> Self {
        self.settings.transactions = version_of(version);
        self
    }

    /// Where the draws of [faults by chance](crate::testing::Fault::chance) begin: the same seed
    /// strikes the same batches of each partition again. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// Keeps neither records nor requests, only their [counters](MockCluster::counters), so that
    /// memory stays flat in a benchmark, or for hours. Batches are still checked.
    pub fn discard_records(mut self) -> Self {
        self.settings.keep = false;
        self
    }

    /// Calls `observer` with each batch and each request, when it has been handled and before it is
    /// answered, in the order in which they were handled; also while records are discarded.
    ///
    /// `observer` must not call the cluster, which waits for it. It is called on the threads of the
    /// connections, by one of them at a time.
    pub fn observer(mut self, observer: impl Fn(&MockEvent) + Send + Sync + 'static) -> Self {
        self.settings.observer = Some(Observer::new(observer));
        self
    }

    /// The brokers start [paused](MockCluster::pause_broker), each until it is
    /// [resumed](MockCluster::resume_broker): so faults come before the first request, even where
    /// producers know the [`port`](Self::port).
    pub fn paused(mut self) -> Self {
        self.settings.paused = true;
        self
    }

    /// Opens the ports and starts the brokers.
    ///
    /// # Errors
    ///
    /// If a loopback port cannot be had, which is then named, or no thread.
    pub fn start(self) -> io::Result<MockCluster> {
        let server = Server::start(self.settings, self.first_port, self.brokers)?;
        Ok(MockCluster::new(server))
    }
}

/// An id that no other cluster has: 16 random bytes, written as Kafka writes its own.
pub(super) fn random_cluster_id() -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let random = || RandomState::new().build_hasher().finish();
    let bits = u128::from(random()) << 64 | u128::from(random());
    let letter = |index: u32| {
        let letter = usize::try_from(bits.rotate_right(6 * index) % 64).unwrap_or(0);
        char::from(LETTERS.get(letter).copied().unwrap_or(b'A'))
    };
    (0..22).map(letter).collect()
}

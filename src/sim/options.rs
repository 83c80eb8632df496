//! What a seed draws before anything happens: the cluster, the producer's settings, the workload,
//! and which faults exist at all (swarm testing: a mix of everything hides deep states). Numbers are
//! small on purpose, so that limits are hit.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::address::Address;
use crate::backoff::Backoff;
use crate::compression::{Codec, Compression};
use crate::config::{Acks, TopicSettings, TopicTable};
use crate::protocol::ApiKey;
use crate::protocol::version::VersionRange;
use crate::sender::Settings;
use crate::sim::dice::{Dice, Stream};

/// One simulated world.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) brokers: u16,
    pub(super) partitions: i32,
    /// Versions that the brokers speak, where not the newest.
    pub(super) versions: BTreeMap<ApiKey, VersionRange>,
    pub(super) topic_ids: bool,
    pub(super) batch_size: usize,
    pub(super) buffer_memory: usize,
    pub(super) max_block: Duration,
    pub(super) sender: Settings,
    /// What holds for each topic; only [`TOPIC`] is sent to.
    pub(super) topics: TopicTable,
    pub(super) setup_timeout: Duration,
    /// Between machines, one way.
    pub(super) latency: (Duration, Duration),
    /// What a socket takes before the other side has read.
    pub(super) socket_bytes: usize,
    pub(super) callers: usize,
    /// In all.
    pub(super) records: u32,
    pub(super) value_bytes: (u32, u32),
    /// The longest pause of a caller between two things it does.
    pub(super) gap: Duration,
    /// The largest batch that brokers take.
    pub(super) max_message_bytes: usize,
    /// When all faults end.
    pub(super) heal_after: Duration,
    /// How often a caller purges instead of sending, in a thousand.
    pub(super) purges: u32,
    /// When a caller closes the producer; `None`: only at the end.
    pub(super) close_after: Option<Duration>,
    pub(super) close_timeout: Duration,
    /// The epoch of a new producer id.
    pub(super) first_epoch: i16,
    /// Whether brokers answer a batch that they have with DUPLICATE_SEQUENCE_NUMBER.
    pub(super) tells_duplicates: bool,
    /// Whether the connections go through a [layer](super::layer).
    pub(super) is_sealed: bool,
    pub(super) faults: FaultMix,
}

/// How often each fault happens, in a thousand chances; 0: never.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultMix {
    pub(super) slow: u32,
    pub(super) refuse_connect: u32,
    pub(super) silent_connect: u32,
    pub(super) split: u32,
    pub(super) cut_request: u32,
    pub(super) cut_answer: u32,
    pub(super) silence: u32,
    pub(super) lose_answers: u32,
    /// Whether a broker still processes what it has received from a client that is gone.
    pub(super) late: u32,
    pub(super) refuse: u32,
    pub(super) refuse_for_good: u32,
    /// A batch is too large for its broker: it is split, if there is anything to split.
    pub(super) too_large: u32,
    pub(super) apply_and_refuse: u32,
    pub(super) throttle: u32,
    pub(super) delay_answer: u32,
    pub(super) close: u32,
    pub(super) broker_silence: u32,
    pub(super) garbage: u32,
    pub(super) refuse_metadata: u32,
    pub(super) stale_metadata: u32,
    /// A broker crashes, with or without a word to its clients.
    pub(super) crash: u32,
    /// A broker stops for a while and then continues with what it has.
    pub(super) stall: u32,
    pub(super) move_leader: u32,
    pub(super) no_leader: u32,
    /// The whole client stops for a while.
    pub(super) client_pause: u32,
    /// An answer comes twice.
    pub(super) repeat_answer: u32,
    pub(super) refuse_identity: u32,
    /// A caller reads the clock, and gets to append later.
    pub(super) preempt: u32,
    /// A socket takes nothing for a while.
    pub(super) full_socket: u32,
    /// Bytes come a few at a time.
    pub(super) drip: u32,
    /// A partition's sequences come close to the largest one.
    pub(super) wind: u32,
    /// Nothing gets through to the broker any more.
    pub(super) mute: u32,
    /// A partition forgets its producers while nothing of theirs is under way.
    pub(super) forget: u32,
    /// The topic is deleted and made again.
    pub(super) recreate: u32,
    /// The topic gets another partition.
    pub(super) grow: u32,
    /// Another cluster takes the place of the one that there was.
    pub(super) replace_cluster: u32,
    /// A broker names a wrong leader.
    pub(super) hint: u32,
    /// A broker names a wrong leader, as of an epoch that is yet to come.
    pub(super) far_hint: u32,
    /// A coordinator refuses a request of a transaction.
    pub(super) refuse_transaction: u32,
    /// A transaction has taken too long, and is aborted.
    pub(super) expire_transaction: u32,
    /// Another broker coordinates.
    pub(super) move_coordinator: u32,
    /// The markers of a transaction's end come late.
    pub(super) hold_markers: u32,
    /// Another version of transactions is switched on.
    pub(super) switch_version: u32,
    /// Metadata leaves something out.
    pub(super) omit: u32,
    /// A Produce answer has its partitions in another order than the request.
    pub(super) shuffle: u32,
    /// A Produce answer says too little, too much, or something twice.
    pub(super) mangle: u32,
    /// How long between calamities (crashes, stalls, leaders, pauses), in milliseconds.
    pub(super) calamity_ms: u32,
    /// How long the weather stays as it is, in milliseconds.
    pub(super) weather_ms: u32,
}

/// What a broker's limit has to be to take every batch.
pub(super) const ANY_SIZE: usize = 1 << 20;
/// Takes any request at once.
const LARGE_SOCKET: usize = 64 * 1024;
/// Where brokers listen: this plus their id.
pub(super) const FIRST_PORT: u16 = 9_000;
pub(super) const TOPIC: &str = "t";
/// A calamity lasts no longer.
pub(super) const LONGEST_CALAMITY_MS: u32 = 1_500;
/// A broker asks for no longer pause.
pub(super) const LONGEST_THROTTLE_MS: u32 = 300;

fn ms(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}

fn bootstrap(broker: u16) -> Address {
    Address {
        host: "broker".to_owned(),
        port: FIRST_PORT + broker,
    }
}

impl Options {
    /// Three brokers, three partitions, and nothing goes wrong that a scenario does not ask for.
    pub(super) fn calm() -> Self {
        Self {
            brokers: 3,
            partitions: 3,
            versions: BTreeMap::new(),
            topic_ids: true,
            batch_size: 1_000,
            buffer_memory: 100_000,
            max_block: ms(5_000),
            sender: Settings {
                bootstrap: vec![bootstrap(1)],
                retries: u32::MAX,
                idempotence: false,
                transactional: None,
                linger: ms(5),
                request_timeout: ms(1_000),
                max_request_size: 10_000,
                max_in_flight: 5,
                retry_backoff: Backoff {
                    initial: ms(100),
                    max: ms(1_000),
                },
                reconnect_backoff: Backoff {
                    initial: ms(50),
                    max: ms(1_000),
                },
                setup_timeout: Backoff {
                    initial: ms(500),
                    max: ms(1_000),
                },
                metadata_max_age: ms(300_000),
                metadata_max_idle: ms(300_000),
                checks_cluster: true,
                rebootstrap: None,
                resolve_timeout: None,
                connections_max_idle: None,
                availability_timeout: None,
                seed: 1,
            },
            topics: TopicTable::new(TopicSettings {
                delivery_timeout: ms(10_000),
                ..TopicSettings::default()
            }),
            setup_timeout: ms(500),
            latency: (Duration::from_micros(400), Duration::from_micros(600)),
            socket_bytes: LARGE_SOCKET,
            callers: 0,
            records: 0,
            value_bytes: (20, 20),
            gap: ms(10),
            max_message_bytes: ANY_SIZE,
            heal_after: Duration::ZERO,
            purges: 0,
            close_after: None,
            close_timeout: ms(10_000),
            first_epoch: 0,
            tells_duplicates: false,
            is_sealed: false,
            faults: FaultMix::default(),
        }
    }

    pub(super) fn swarm(seed: u64) -> Self {
        let mut dice = Dice::new(seed, Stream::Options);
        let d = &mut dice;
        let brokers = d.pick(&[1, 2, 3, 3, 3, 5]);
        let value_bytes = d.pick(&[(12, 12), (12, 100), (12, 400), (100, 300)]);
        let largest = value_bytes.1 as usize + 800;
        let heal_after = ms(d.pick(&[0, 500, 3_000, 3_000, 10_000]));
        let (versions, topic_ids) = versions(d);
        let partitions = d.pick(&[1, 1, 2, 3, 3, 8]);
        let batch_size = d.pick(&[0, 1, 100, 200, 500, 500, 2_000]);
        let buffer_memory = largest * d.pick(&[1, 2, 4, 10, 100]);
        let max_block = ms(d.pick(&[0, 100, 1_000, 1_000, 5_000, 5_000]));
        let (sender, topic) = sender_settings(seed, brokers, d);
        let mut options = Self {
            brokers,
            partitions,
            versions,
            topic_ids,
            batch_size,
            buffer_memory,
            max_block,
            sender,
            topics: topics(seed, topic),
            setup_timeout: ms(d.pick(&[100, 300, 1_000])),
            latency: d.pick(&[
                (Duration::from_micros(50), Duration::from_micros(200)),
                (Duration::from_micros(500), ms(3)),
                (ms(1), ms(20)),
            ]),
            socket_bytes: d.pick(&[64, 300, 2_000, LARGE_SOCKET, LARGE_SOCKET]),
            callers: d.pick(&[1, 1, 2, 3]),
            records: d.pick(&[3, 20, 20, 60, 60, 200]),
            value_bytes,
            gap: ms(d.pick(&[1, 10, 10, 50, 200])),
            max_message_bytes: ANY_SIZE,
            heal_after,
            purges: purges(seed),
            close_after: d.chance(150).then(|| d.millis(0, 4_000)),
            close_timeout: ms(d.pick(&[0, 50, 1_000, 20_000])),
            first_epoch: d.pick(&[0, 0, i16::MAX - 1, i16::MAX]),
            tells_duplicates: false,
            is_sealed: false,
            faults: FaultMix::swarm(d),
        };
        // Through a layer that shakes hands itself, a handshake takes up to five round trips.
        options.setup_timeout = options.setup_timeout.max(options.latency.1 * 15);
        options.sender.setup_timeout = Backoff {
            initial: options.setup_timeout,
            max: options.setup_timeout * 2,
        };
        options.faults.shuffle = shuffle(seed);
        options.faults.far_hint = far_hint(seed);
        options.faults.replace_cluster = replace_cluster(seed);
        options.sender.checks_cluster = checks_cluster(seed);
        // Every record fits into such a batch alone, or most do.
        let most = value_bytes.1 as usize;
        options.max_message_bytes = d.pick(&[ANY_SIZE, ANY_SIZE, most + 150, most / 2 + 150]);
        // Through a small socket over a long way a request would not get in its time.
        let trips = options.sender.max_request_size.max(largest) / options.socket_bytes + 2;
        let trips = u32::try_from(trips).expect("small requests");
        if options.latency.1 * trips * 4 > options.sender.request_timeout {
            options.socket_bytes = LARGE_SOCKET;
        }
        options
    }

    /// For schedules without bytes: fewer records in less time.
    pub(super) fn short(seed: u64) -> Self {
        let mut options = Self::swarm(seed);
        let d = &mut Dice::new(seed, Stream::Short);
        options.brokers = d.pick(&[1, 2, 3]);
        options.partitions = d.pick(&[1, 1, 2, 3]);
        options.batch_size = d.pick(&[0, 90, 150, 200]);
        options.buffer_memory = d.pick(&[2_000, 5_000, 100_000, 100_000]);
        options.socket_bytes = LARGE_SOCKET;
        options.records = d.pick(&[3, 8, 15, 15, 30, 100]);
        options.heal_after = ms(d.pick(&[200, 1_000, 1_000, 3_000]));
        options.tells_duplicates = d.chance(300);
        options.sender.metadata_max_age = ms(d.pick(&[500, 300_000, 300_000, 300_000]));
        let brokers = 1..=options.brokers;
        options.sender.bootstrap = brokers.map(bootstrap).collect();
        options
    }

    /// As a transactional producer has to be.
    pub(super) fn make_idempotent(&mut self) {
        self.sender.idempotence = true;
        self.sender.retries = u32::MAX;
        let topic = TopicSettings {
            acks: Acks::All,
            ..self.topic()
        };
        self.topics.set(TOPIC, topic);
    }

    /// What holds for the topic that is sent to.
    pub(super) fn topic(&self) -> TopicSettings {
        self.topics.of(TOPIC)
    }

    /// Whether the brokers are too old for the codec: zstd came with Produce 7 (KIP-110).
    pub(super) fn refuses_codec(&self) -> bool {
        let codec = self.topic().compression.map(Compression::codec);
        let produce = self.versions.get(&ApiKey::Produce);
        codec == Some(Codec::Zstd) && produce.is_some_and(|versions| versions.max < 7)
    }

    pub(super) fn set_delivery_timeout(&mut self, timeout: Duration) {
        let topic = TopicSettings {
            delivery_timeout: timeout,
            ..self.topic()
        };
        self.topics.set(TOPIC, topic);
    }

    /// A time within which a record is written where nothing is wrong: connect, ask, send.
    pub(super) fn quick(&self) -> Duration {
        let sender = &self.sender;
        let pauses = (sender.retry_backoff.max + sender.reconnect_backoff.max) * 2;
        let trips = self.latency.1
            * if self.socket_bytes < LARGE_SOCKET {
                150
            } else {
                20
            };
        // A cluster that was made anew while nothing was sent is noticed only now: another way to the
        // brokers, by the bootstrap servers.
        let again = match self.faults.replace_cluster {
            0 => Duration::ZERO,
            _ => trips,
        };
        sender.linger + pauses + trips + again
    }

    /// A time within which everything that can succeed does so once nothing goes wrong any more:
    /// silent connections and attempts have to be given up one after the other.
    pub(super) fn patience(&self) -> Duration {
        let sender = &self.sender;
        let pauses = (sender.retry_backoff.max + sender.reconnect_backoff.max) * 6;
        let silence = (sender.request_timeout + self.setup_timeout * 2) * 4;
        let rest = ms(LONGEST_CALAMITY_MS + LONGEST_THROTTLE_MS) * 2 + sender.linger;
        // Small sockets take a round trip for every few bytes.
        let trips = self.latency.1 * 40 * if self.socket_bytes < 1_000 { 20 } else { 4 };
        pauses + silence + rest + trips
    }
}

fn sender_settings(seed: u64, brokers: u16, d: &mut Dice) -> (Settings, TopicSettings) {
    let linger = ms(d.pick(&[0, 0, 5, 50, 300]));
    let request_timeout = ms(d.pick(&[100, 300, 1_000, 3_000]));
    // A tight one is there to expire batches, a long one to see that nothing hangs behind it.
    let slack = ms(d.pick(&[1, 100, 1_000, 30_000, 120_000]));
    let backoff = |d: &mut Dice| {
        let initial = d.pick(&[0, 10, 100]);
        Backoff {
            initial: ms(initial),
            max: ms(initial.max(d.pick(&[10, 100, 1_000]))),
        }
    };
    let max_age = d.pick(&[300, 2_000, 2_000, 300_000, 300_000, 300_000]);
    let servers = d.between(1, brokers.into());
    let acks = d.pick(&[Acks::All, Acks::All, Acks::All, Acks::Leader, Acks::None]);
    let retries = d.pick(&[0, 1, 3, u32::MAX, u32::MAX, u32::MAX]);
    let settings = Settings {
        bootstrap: (1..=brokers)
            .take(servers as usize)
            .map(bootstrap)
            .collect(),
        retries,
        // As the configuration has it: other settings rule it out.
        transactional: None,
        idempotence: acks == Acks::All && retries > 0 && d.chance(700),
        linger,
        request_timeout,
        max_request_size: d.pick(&[1_000, 2_000, 10_000]),
        max_in_flight: d.pick(&[1, 2, 5, 5]),
        retry_backoff: backoff(d),
        reconnect_backoff: backoff(d),
        // Drawn later.
        setup_timeout: Backoff {
            initial: Duration::ZERO,
            max: Duration::ZERO,
        },
        metadata_max_age: ms(max_age),
        metadata_max_idle: ms(d.pick(&[1_000, 5_000])),
        resolve_timeout: None,
        checks_cluster: true,
        rebootstrap: d.pick(&[None, Some(300), Some(5_000)]).map(ms),
        connections_max_idle: d.pick(&[None, None, Some(200), Some(5_000)]).map(ms),
        availability_timeout: d.pick(&[None, Some(50)]).map(ms),
        seed: Dice::new(seed, Stream::Sender).number(),
    };
    let topic = TopicSettings {
        acks,
        delivery_timeout: linger + request_timeout + slack,
        compression: compression(seed),
    };
    (settings, topic)
}

/// The settings are those of all topics, or the topic's own beside others.
fn topics(seed: u64, topic: TopicSettings) -> TopicTable {
    let d = &mut Dice::new(seed, Stream::Topics);
    if d.chance(500) {
        return TopicTable::new(topic);
    }
    let mut topics = TopicTable::new(TopicSettings {
        acks: d.pick(&[Acks::All, Acks::Leader, Acks::None]),
        delivery_timeout: topic.delivery_timeout * d.between(1, 3) / 2,
        compression: topic.compression.filter(|_| d.chance(500)),
    });
    topics.set(TOPIC, topic);
    topics
}

/// Mostly none.
fn purges(seed: u64) -> u32 {
    let d = &mut Dice::new(seed, Stream::Purges);
    match d.chance(250) {
        true => d.pick(&[20, 100, 300]),
        false => 0,
    }
}

/// How often answers come in another order.
fn shuffle(seed: u64) -> u32 {
    let d = &mut Dice::new(seed, Stream::Answers);
    d.pick(&[0, 0, 100, 500])
}

/// How often a broker invents a leader and its epoch. Not at all where nothing else is wrong.
fn far_hint(seed: u64) -> u32 {
    let d = &mut Dice::new(seed, Stream::Hints);
    d.pick(&[0, 0, 0, 300, 900])
}

/// How often another cluster comes. Mostly never.
fn replace_cluster(seed: u64) -> u32 {
    let d = &mut Dice::new(seed, Stream::Clusters);
    match d.chance(200) {
        true => d.pick(&[20, 100, 300]),
        false => 0,
    }
}

/// Whether brokers are told which cluster is meant.
fn checks_cluster(seed: u64) -> bool {
    let d = &mut Dice::new(seed, Stream::ClusterChecks);
    d.chance(700)
}

/// Mostly none, which is fastest.
fn compression(seed: u64) -> Option<Compression> {
    let d = &mut Dice::new(seed, Stream::Compression);
    let (codec, level) = d.pick(&[
        (Codec::Gzip, 1),
        (Codec::Snappy, 0),
        (Codec::Lz4, Compression::FAST_LZ4),
        (Codec::Zstd, 1),
    ]);
    d.chance(200)
        .then(|| Compression::new(codec, level).ok())
        .flatten()
}

/// Brokers of many ages.
fn versions(d: &mut Dice) -> (BTreeMap<ApiKey, VersionRange>, bool) {
    if d.chance(600) {
        return (BTreeMap::new(), true);
    }
    let produce = i16::try_from(d.between(3, 13)).expect("small");
    let metadata = i16::try_from(d.between(4, 13)).expect("small");
    let api_versions = i16::try_from(d.between(0, 4)).expect("small");
    let versions = BTreeMap::from([
        (ApiKey::Produce, VersionRange::new(3, produce)),
        (ApiKey::Metadata, VersionRange::new(4, metadata)),
        (ApiKey::ApiVersions, VersionRange::new(0, api_versions)),
    ]);
    (versions, metadata >= 10 || produce == 13 || d.chance(500))
}

impl FaultMix {
    fn swarm(d: &mut Dice) -> Self {
        if d.chance(100) {
            return Self::default();
        }
        let often = d.pick(&[10, 50, 200]);
        let mut draw = |usual: u32| {
            let exists = d.chance(350);
            let rate = d.between(1, usual * often / 50 + 1);
            if exists { rate.min(500) } else { 0 }
        };
        Self {
            slow: draw(50),
            refuse_connect: draw(300),
            silent_connect: draw(200),
            split: draw(500),
            cut_request: draw(50),
            cut_answer: draw(50),
            silence: draw(20),
            lose_answers: draw(30),
            late: draw(500),
            refuse: draw(100),
            refuse_for_good: draw(20),
            apply_and_refuse: draw(60),
            throttle: draw(50),
            delay_answer: draw(50),
            close: draw(50),
            broker_silence: draw(20),
            garbage: draw(10),
            refuse_metadata: draw(200),
            stale_metadata: draw(300),
            crash: draw(300),
            stall: draw(300),
            move_leader: draw(500),
            no_leader: draw(300),
            client_pause: draw(200),
            preempt: draw(300),
            full_socket: draw(50),
            drip: draw(30),
            too_large: draw(150),
            wind: draw(1_000),
            mute: draw(20),
            forget: draw(300),
            recreate: draw(30),
            grow: draw(50),
            hint: draw(500),
            omit: draw(200),
            mangle: draw(50),
            // From a stream of its own, like everything that came later.
            shuffle: 0,
            far_hint: 0,
            refuse_transaction: 0,
            expire_transaction: 0,
            move_coordinator: 0,
            hold_markers: 0,
            switch_version: 0,
            replace_cluster: 0,
            repeat_answer: draw(20),
            refuse_identity: draw(300),
            calamity_ms: d.pick(&[20, 100, 400]),
            weather_ms: d.pick(&[300, 1_000, 100_000]),
        }
    }
}

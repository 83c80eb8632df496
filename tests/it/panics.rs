//! Foreign code panics: a user's, or a logger's. Wherever it does, on whatever thread, and if the
//! panic's payload panics in its turn when it is dropped, nothing of ours ends: the producer goes on,
//! each callback runs once, and the counters add up.

use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, Sender};
use std::thread;

use linger::testing::{Api, MockCluster};
use linger::{
    Acknowledgement, Context, Error, ErrorCode, Group, GroupReport, InterceptedRecord,
    PartitionRequest, Partitioner, Producer, ProducerInterceptor, ProducerRecord, Properties,
    PropertyObject, RecordMetadata, Result, Serialized, Serializer, TopicPartitions,
};

use crate::logged::{FATAL_THREAD, has_panicked_at, keep_log};
use crate::support::{Outcomes, Setup, close_within, ignore};

/// Panics when it is dropped, and the payload of that panic does, too.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        explode();
    }
}

/// As `panic_any` does, without a message of the panic hook's.
fn explode() -> ! {
    resume_unwind(Box::new(Bomb))
}

type Failed = Box<dyn StdError + Send + Sync>;

/// An error that panics when it is shown and when it is dropped.
#[derive(Debug)]
struct Unspeakable(#[expect(dead_code, reason = "it is dropped")] Option<Bomb>);

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        explode()
    }
}

impl StdError for Unspeakable {}

/// What a serializer, partitioner or interceptor does with a value.
fn suffer(value: &[u8]) -> Result<(), Failed> {
    match value {
        b"panics" => explode(),
        b"cannot be said" => Err(Box::new(Unspeakable(None))),
        b"cannot be dropped" => Err(Box::new(Unspeakable(Some(Bomb)))),
        _ => Ok(()),
    }
}

/// Panics in every way there is, and as it is dropped.
struct Suffers(Bomb);

impl Serializer<str> for Suffers {
    fn serialize<'a>(
        &self,
        _: &Context<'_>,
        text: &'a str,
        _: &mut Vec<u8>,
    ) -> Result<Serialized<'a>, Failed> {
        suffer(text.as_bytes())?;
        Ok(Serialized::Bytes(text.as_bytes()))
    }
}

impl Partitioner for Suffers {
    fn partition(
        &self,
        record: &PartitionRequest<'_>,
        _: &TopicPartitions<'_>,
    ) -> Result<i32, Failed> {
        suffer(record.value().unwrap_or_default())?;
        Ok(0)
    }
}

impl ProducerInterceptor for Suffers {
    fn on_send(&self, record: &mut InterceptedRecord<'_>) -> Result<(), Failed> {
        suffer(record.value().unwrap_or_default())
    }

    fn on_acknowledgement(&self, _: &Acknowledgement<'_>) {
        explode();
    }
}

/// Where something panics: what the producer is made with, and what sends records 0, 1 and so on. It
/// says how many there are, and how many panics are counted.
type Place = (&'static str, fn(Properties) -> Properties, Sending);
type Sending = fn(&MockCluster, &Producer<str, str>, &Sender<u64>) -> (u64, u64);

fn record(value: &str) -> ProducerRecord<'_, str, str> {
    ProducerRecord::new("orders", value)
}

/// A callback.
fn tells(told: &Sender<u64>, tag: u64) -> impl FnOnce(Result<RecordMetadata>) + Send + use<> {
    let told = told.clone();
    move |_| told.send(tag).unwrap()
}

fn usual(properties: Properties) -> Properties {
    properties
}

fn suffering_serializers(properties: Properties) -> Properties {
    let suffers = || PropertyObject::serializer::<str>(Suffers(Bomb));
    properties
        .set_object("key.serializer", suffers())
        .set_object("value.serializer", suffers())
}

fn suffering_partitioner(properties: Properties) -> Properties {
    let suffers = PropertyObject::partitioner(Suffers(Bomb));
    properties.set_object("partitioner.class", suffers)
}

fn suffering_interceptors(properties: Properties) -> Properties {
    let suffers = || PropertyObject::interceptor(Suffers(Bomb));
    let two = PropertyObject::list([suffers(), suffers()]);
    properties.set_object("interceptor.classes", two)
}

/// A group whose tokens are tags, and which captures a bomb.
fn explosive(producer: &Producer<str, str>, told: &Sender<u64>) -> Group<str, str, u64> {
    let (told, bomb) = (told.clone(), Bomb);
    producer.group(move |tag, _: Result<&RecordMetadata, &Error>| {
        let _used = &bomb;
        told.send(tag).unwrap();
    })
}

/// The caller sees the panic; its payload is better not dropped.
fn assert_panics(call: impl FnOnce()) {
    let payload = catch_unwind(AssertUnwindSafe(call)).expect_err("it panics");
    std::mem::forget(payload);
}

/// Sends what a serializer or partitioner refuses, and what it panics at: the callbacks are not called.
fn send_to_suffer(
    _: &MockCluster,
    producer: &Producer<str, str>,
    told: &Sender<u64>,
) -> (u64, u64) {
    let group = producer.group(|_: Bomb, _: Result<&RecordMetadata, &Error>| ());
    for _ in 0..2 {
        let bomb = Bomb;
        let callback = move |_: Result<_>| drop(bomb);
        assert_panics(|| drop(producer.send(record("panics"), callback)));
        assert_panics(|| drop(group.send(record("panics"), Bomb)));
    }
    let refused = producer.send(record("cannot be said"), ignore).unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("an error whose text panicked"), "{text}");
    producer.send(record("fine"), tells(told, 0)).unwrap();
    (1, 0)
}

const PLACES: &[Place] = &[
    ("callbacks", usual, |_, producer, told| {
        for tag in 0..4 {
            let callback = tells(told, tag);
            let panics = move |result: Result<_>| {
                callback(result);
                explode();
            };
            producer.send(record("x"), panics).unwrap();
        }
        (4, 4)
    }),
    ("what callbacks capture", usual, |_, producer, told| {
        for tag in 0..4 {
            let (callback, bomb) = (tells(told, tag), Bomb);
            let panics = move |result: Result<_>| {
                let _dropped_at_the_end = bomb;
                callback(result);
            };
            producer.send(record("x"), panics).unwrap();
        }
        (4, 4)
    }),
    ("a group's function", usual, |_, producer, told| {
        let told = told.clone();
        let group = producer.group(move |tag, _: Result<&RecordMetadata, &Error>| {
            told.send(tag).unwrap();
            explode();
        });
        for tag in 0..4 {
            group.send(record("x"), tag).unwrap();
        }
        (4, 4)
    }),
    ("a group's tokens", usual, |_, producer, told| {
        let told = told.clone();
        let function = move |token: (u64, Bomb), _: Result<&RecordMetadata, &Error>| {
            told.send(token.0).unwrap();
        };
        let group = producer.group(function);
        for tag in 0..4 {
            group.send(record("x"), (tag, Bomb)).unwrap();
        }
        (4, 4)
    }),
    (
        "what groups capture that end with their records",
        usual,
        |_, producer, told| {
            for tag in 0..4 {
                let group = explosive(producer, told);
                group.send(record("x"), tag).unwrap();
            }
            (4, 4)
        },
    ),
    (
        "what groups capture that end on their caller's thread",
        usual,
        |_, producer, told| {
            let [first, second] = [0, 1].map(|tag| {
                let group = explosive(producer, told);
                group.send(record("x"), tag).unwrap();
                group
            });
            producer.flush().unwrap();
            drop(first);
            let unwinds = AssertUnwindSafe(move || {
                let _dropped_on_the_way = second;
                resume_unwind(Box::new("a caller's own"));
            });
            let words = catch_unwind(unwinds).unwrap_err();
            assert_eq!(words.downcast_ref(), Some(&"a caller's own"));
            (2, 2)
        },
    ),
    (
        "functions that are called once for a group",
        usual,
        |_, producer, told| {
            for tag in 0..4 {
                let told = told.clone();
                let group = producer.group_once(move |report: GroupReport<u64>| {
                    assert_eq!(report.acknowledged, 1);
                    told.send(tag).unwrap();
                    explode();
                });
                group.send(record("x"), tag).unwrap();
            }
            (4, 4)
        },
    ),
    (
        "tokens that come back in a group's report",
        usual,
        |cluster, producer, _| {
            let refuse = cluster.on(Api::Produce);
            refuse.answer(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
            for _ in 0..4 {
                let group = producer.group_once(|report| {
                    assert_eq!(report.failures.len(), 1);
                });
                group.send(record("x"), Bomb).unwrap();
            }
            (0, 4)
        },
    ),
    (
        "interceptors",
        suffering_interceptors,
        |_, producer, told| {
            let values = ["panics", "cannot be said", "cannot be dropped", "fine"];
            for (tag, value) in (0..).zip(values) {
                producer.send(record(value), tells(told, tag)).unwrap();
            }
            (4, 0)
        },
    ),
    ("serializers", suffering_serializers, send_to_suffer),
    ("a partitioner", suffering_partitioner, send_to_suffer),
    (
        "a partitioner, with interceptors",
        |properties| {
            let properties = suffering_partitioner(properties);
            let listens = PropertyObject::interceptor(Listens);
            properties.set_object("interceptor.classes", listens)
        },
        send_to_suffer,
    ),
];

struct Listens;

impl ProducerInterceptor for Listens {}

#[test]
fn wherever_foreign_code_panics_the_producer_goes_on() {
    for (place, properties, send) in PLACES {
        println!("{place}");
        let (cluster, producer) = Setup::new()
            .topic("orders", 1)
            // All of them are in one batch.
            .set("linger.ms", 60_000)
            .properties(properties)
            .start();
        let (tell, told) = mpsc::channel();
        let (records, counted) = send(&cluster, &producer, &tell);
        producer.flush().unwrap();
        let tags: Vec<u64> = told.try_iter().collect();
        assert_eq!(tags, (0..records).collect::<Vec<_>>(), "{place}");
        producer.send_wait(record("fine")).unwrap();
        producer.close().unwrap();
        let metrics = producer.metrics();
        assert_eq!(metrics.callbacks_panicked, counted, "{place}");
        let ended = metrics.records_acknowledged + metrics.records_failed;
        assert_eq!(metrics.records_accepted, ended, "{place}");
        assert_eq!(metrics.buffer_used_bytes, 0, "{place}");
    }
}

/// Everything there is to log, on the threads of a producer and on one that calls it.
fn make_noise() -> u64 {
    let (cluster, producer) = Setup::new()
        .topic("orders", 1)
        .set("client.id", FATAL_THREAD)
        .set("acks", "1")
        .set("linger.ms", 0)
        .set("retry.backoff.ms", 1)
        .set("retry.backoff.max.ms", 1)
        .properties(suffering_interceptors)
        .start();
    let outcomes = Outcomes::new();
    let refused = cluster.on(Api::Metadata).topic("forbidden").always();
    refused.answer(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    let lost = cluster.on(Api::Produce);
    lost.times(2).answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    for tag in 0..10 {
        let callback = outcomes.callback(tag);
        let panics = move |result: Result<_>| {
            callback(result);
            explode();
        };
        producer.send(record("panics"), panics).unwrap();
        assert!(
            producer
                .send(ProducerRecord::new("forbidden", "x"), ignore)
                .is_err()
        );
    }
    for tag in 0..10 {
        assert_eq!(outcomes.next().0, tag);
    }
    cluster.restart_broker(1).unwrap();
    producer.send_wait(record("the producer goes on")).unwrap();
    producer.flush().unwrap();
    cluster.pause_broker(1);
    producer.send(record("x"), ignore).unwrap();
    assert_eq!(close_within(&producer, std::time::Duration::ZERO), (0, 1));
    assert!(outcomes.is_empty(), "each once");
    let metrics = producer.metrics();
    let ended = metrics.records_acknowledged + metrics.records_failed;
    assert_eq!((metrics.records_accepted, ended), (12, 12));
    metrics.callbacks_panicked
}

#[test]
fn a_logger_that_panics_at_every_line_ends_no_thread() {
    keep_log();
    let caller = thread::Builder::new().name(FATAL_THREAD.to_owned());
    let caller = caller.spawn(make_noise).unwrap();
    assert_eq!(caller.join().expect("nor the caller's"), 10);
    for level in [log::Level::Error, log::Level::Warn, log::Level::Debug] {
        assert!(has_panicked_at(level), "at {level}");
    }
}

#[test]
fn interceptors_hear_whose_panic_ended_a_call() {
    struct Hears(Sender<String>);
    impl ProducerInterceptor for Hears {
        fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
            if let Err(error) = acknowledgement.result() {
                self.0.send(error.to_string()).unwrap();
            }
        }
    }
    struct Panics;
    impl Partitioner for Panics {
        fn partition(
            &self,
            _: &PartitionRequest<'_>,
            _: &TopicPartitions<'_>,
        ) -> Result<i32, Failed> {
            resume_unwind(Box::new("its own words"))
        }
    }
    let (tell, told) = mpsc::channel();
    let (_cluster, producer) = Setup::new()
        .properties(|properties| {
            properties
                .set_object(
                    "interceptor.classes",
                    PropertyObject::interceptor(Hears(tell)),
                )
                .set_object("partitioner.class", PropertyObject::partitioner(Panics))
        })
        .start();
    assert_panics(|| drop(producer.send(record("x"), ignore)));
    let told: Vec<String> = told.try_iter().collect();
    let expected = "the partitioner panicked over a record for \"orders\": its own words";
    assert_eq!(told, [expected]);
}

//! Interceptors: what they change is what arrives, what they break breaks nothing, and each of them
//! sees each outcome once, before the record's callback.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use linger::testing::Api;
use linger::{
    Acknowledgement, Context, Error, ErrorCode, ErrorKind, InterceptedRecord, PartitionRequest,
    Partitioner, Producer, ProducerInterceptor, ProducerRecord, Properties, PropertyObject,
    RecordMetadata, Serialized, Serializer, TopicPartitions,
};

use crate::logged::{is_logged, keep_log};
use crate::observe::eventually;
use crate::support::{Outcomes, PATIENCE, Setup, close_within, ignore, values};

type Outcome<T> = Result<T, Box<dyn StdError + Send + Sync>>;

/// Somebody has heard of an outcome.
#[derive(Debug)]
struct Told {
    who: &'static str,
    what: String,
    thread: ThreadId,
}

impl Told {
    fn new(who: &'static str, result: Result<&RecordMetadata, &Error>) -> Self {
        Self {
            who,
            what: match result {
                Ok(metadata) => metadata.to_string(),
                Err(error) => format!("{:?} {:?}", error.kind(), error.fate()),
            },
            thread: thread::current().id(),
        }
    }
}

/// Marks each record with its name, and passes on each outcome.
struct Spy(&'static str, Sender<Told>);

impl ProducerInterceptor for Spy {
    fn on_send(&self, record: &mut InterceptedRecord<'_>) -> Outcome<()> {
        record.add_header(self.0, b"seen");
        Ok(())
    }

    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
        if let Ok(metadata) = acknowledgement.result() {
            assert_eq!(metadata.topic(), acknowledgement.topic());
            assert_eq!(Some(metadata.partition()), acknowledgement.partition());
        }
        let mut told = Told::new(self.0, acknowledgement.result());
        if acknowledgement.result().is_err() {
            let partition = acknowledgement.partition();
            told.what += &format!(" {} {partition:?}", acknowledgement.topic());
        }
        self.1.send(told).unwrap();
    }
}

/// Does this with each record.
struct Does<F>(F);

impl<F> ProducerInterceptor for Does<F>
where
    F: Fn(&mut InterceptedRecord<'_>) -> Outcome<()> + Send + Sync,
{
    fn on_send(&self, record: &mut InterceptedRecord<'_>) -> Outcome<()> {
        (self.0)(record)
    }
}

fn does<F>(on_send: F) -> PropertyObject
where
    F: Fn(&mut InterceptedRecord<'_>) -> Outcome<()> + Send + Sync + 'static,
{
    PropertyObject::interceptor(Does(on_send))
}

/// A panic without its words on standard error.
fn mistake() -> ! {
    resume_unwind(Box::new("a user's mistake"))
}

/// Panics whatever it is asked.
struct Panics;

impl ProducerInterceptor for Panics {
    fn on_send(&self, record: &mut InterceptedRecord<'_>) -> Outcome<()> {
        record.set_topic("spoilt");
        record.remove_value();
        mistake()
    }

    fn on_acknowledgement(&self, _: &Acknowledgement<'_>) {
        mistake()
    }
}

fn setup() -> Setup {
    Setup::new()
        .topic("orders", 3)
        .set("batch.size", 400)
        .set("retry.backoff.ms", 2)
        .set("retry.backoff.max.ms", 2)
        .set("reconnect.backoff.ms", 2)
}

trait Intercepted {
    fn intercepted(self, by: impl IntoIterator<Item = PropertyObject>) -> Self;
}

impl Intercepted for Setup {
    fn intercepted(self, by: impl IntoIterator<Item = PropertyObject>) -> Self {
        let objects = PropertyObject::list(by);
        self.properties(|properties| properties.set_object("interceptor.classes", objects))
    }
}

/// Two spies, and what they and the callbacks tell.
fn spies() -> ([PropertyObject; 2], Sender<Told>, Receiver<Told>) {
    let (tell, told) = mpsc::channel();
    let spies =
        ["first", "second"].map(|name| PropertyObject::interceptor(Spy(name, tell.clone())));
    (spies, tell, told)
}

/// Sends records by turns with a callback and in two groups, to the partitions in turn.
fn send_mixed(producer: &Producer<str, str>, tell: &Sender<Told>, records: usize) {
    let groups = [(); 2].map(|()| {
        let tell = tell.clone();
        producer.group(move |(), result: Result<&RecordMetadata, &Error>| {
            tell.send(Told::new("record", result)).unwrap();
        })
    });
    for number in 0..records {
        let value = number.to_string();
        let partition = i32::try_from(number % 3).unwrap();
        let record = ProducerRecord::new("orders", &value).partition(partition);
        match number % 4 {
            0 => groups[0].send(record, ()).unwrap(),
            1 => groups[1].send(record, ()).unwrap(),
            _ => {
                let tell = tell.clone();
                let callback = move |result: Result<RecordMetadata, Error>| {
                    tell.send(Told::new("record", result.as_ref())).unwrap();
                };
                producer.send(record, callback).unwrap();
            }
        }
    }
}

/// Each record was told to the first spy, to the second one and then to its sender, of one outcome
/// and on one thread; gives the outcomes.
fn outcomes_in_order(told: &Receiver<Told>, records: usize) -> Vec<String> {
    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(told.len(), 3 * records, "each of the three hears of each");
    let each = told.chunks(3).map(|told| {
        let who: Vec<_> = told.iter().map(|told| told.who).collect();
        assert_eq!(who, ["first", "second", "record"]);
        assert_eq!(told[0].what, told[1].what);
        assert!(told[0].what.starts_with(&told[2].what), "{told:?}");
        assert!(told.iter().all(|one| one.thread == told[0].thread));
        assert_ne!(told[0].thread, thread::current().id());
        told[0].what.clone()
    });
    each.collect()
}

#[test]
fn each_outcome_is_told_once_and_before_callbacks_through_retries_and_splits() {
    let (spies, tell, told) = spies();
    // Whatever leaves is full, so that a batch that is found too large can be split.
    let setup = setup().brokers(2).set("linger.ms", 60_000);
    let (cluster, producer) = setup.intercepted(spies).start();
    let produce = || cluster.on(Api::Produce);
    let retry = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    produce().times(2).answer(ErrorCode::MESSAGE_TOO_LARGE);
    produce().skip(2).times(2).answer(retry);
    produce().skip(4).times(1).close_after();
    send_mixed(&producer, &tell, 300);
    producer.flush().unwrap();
    let outcomes = outcomes_in_order(&told, 300);
    let landed: BTreeSet<_> = outcomes.iter().collect();
    assert_eq!(landed.len(), 300, "each lies somewhere else");
    assert!(outcomes.iter().all(|one| one.starts_with("orders-")));
    assert_eq!(producer.metrics().records_acknowledged, 300);
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
}

#[test]
fn records_that_fail_while_closing_are_told_with_their_partition() {
    let (spies, tell, told) = spies();
    let (cluster, producer) = setup().intercepted(spies).start();
    producer.partitions_for("orders").unwrap();
    cluster.pause_broker(1);
    send_mixed(&producer, &tell, 60);
    let (_, failed) = close_within(&producer, Duration::ZERO);
    assert_eq!(failed, 60);
    let outcomes = outcomes_in_order(&told, 60);
    for partition in 0..3 {
        let end = format!("orders Some({partition})");
        let here = outcomes.iter().filter(|one| one.ends_with(&end));
        assert_eq!(here.count(), 20);
    }
    assert!(outcomes.iter().all(|one| one.starts_with("Closed")));
}

#[test]
fn the_death_of_the_io_thread_is_told_for_each_record() {
    let (spies, tell, told) = spies();
    let (cluster, producer) = setup().intercepted(spies).start();
    producer.partitions_for("orders").unwrap();
    cluster.on(Api::Produce).always().silence();
    send_mixed(&producer, &tell, 30);
    producer.kill_io_thread();
    eventually("all memory is back", || {
        producer.metrics().buffer_used_bytes == 0
    });
    let told: Vec<_> = told.try_iter().collect();
    let of = |who| told.iter().filter(move |told| told.who == who);
    assert_eq!(of("record").count(), 30);
    assert!(of("record").all(|told| told.what.starts_with("Internal")));
    assert_eq!((of("first").count(), of("second").count()), (30, 30));
}

#[test]
fn handles_and_waiting_calls_come_after_the_interceptors() {
    let (spies, _tell, told) = spies();
    let (_cluster, producer) = setup().intercepted(spies).start();
    let record = || ProducerRecord::new("orders", "x").partition(1);
    let heard = || -> Vec<_> {
        let told = told.try_iter();
        told.map(|told| (told.who, told.what)).collect()
    };
    let expected = |what: &str| [("first", what.to_owned()), ("second", what.to_owned())];
    let metadata = producer.send_wait(record()).unwrap();
    assert_eq!(heard(), expected("orders-1@0"));
    let headers = "first".len() + "second".len();
    assert_eq!(metadata.value_size(), Some(1), "not {headers} more");
    producer.send_with_handle(record()).unwrap().wait().unwrap();
    assert_eq!(heard(), expected("orders-1@1"));
}

#[test]
fn what_they_change_is_what_arrives_and_what_is_told() {
    let (spies, _tell, told) = spies();
    let [first, second] = spies;
    let change = does(|record| {
        assert_eq!(record.headers().count(), 2, "the first one came before");
        assert_eq!(record.key(), Some(b"user123".as_slice()));
        assert_eq!((record.partition(), record.timestamp_ms()), (None, None));
        record.set_key([b"hash of ", record.key().unwrap()].concat());
        record.set_value(b"masked");
        record.set_partition(Some(2));
        record.set_timestamp_ms(Some(1_234));
        record.remove_headers("secret");
        Ok(())
    });
    let (cluster, producer) = setup().intercepted([first, change, second]).start();
    let record = ProducerRecord::new("orders", "plain")
        .key("user123")
        .header("secret", b"1");
    let metadata = producer.send_wait(record).unwrap();
    let (key, value) = (b"hash of user123".as_slice(), b"masked".as_slice());
    assert_eq!(metadata.to_string(), "orders-2@0");
    assert_eq!(metadata.timestamp_ms(), 1_234);
    let sizes = (metadata.key_size(), metadata.value_size());
    assert_eq!(sizes, (Some(key.len()), Some(value.len())));
    let record = cluster.records("orders", 2).remove(0);
    assert_eq!(record.key.as_deref(), Some(key));
    assert_eq!(record.value.as_deref(), Some(value));
    assert_eq!(record.timestamp_ms, 1_234);
    let seen = |name: &str| (name.to_owned(), Some(b"seen".to_vec()));
    assert_eq!(record.headers, [seen("first"), seen("second")]);
    assert_eq!(told.try_iter().count(), 2);
    assert_eq!(cluster.violations(), [""; 0]);
}

#[test]
fn a_record_may_go_to_another_topic_with_the_settings_of_that_one() {
    let (cluster, producer) = setup()
        .cluster(|cluster| cluster.auto_create_topics(false))
        .set("topic.orders.compression.type", "gzip")
        .intercepted([does(|record| {
            record.set_topic("orders");
            Ok(())
        })])
        .start();
    let value = "x".repeat(300);
    let record = ProducerRecord::new("nowhere", &value);
    let metadata = producer.send_wait(record).unwrap();
    assert_eq!(metadata.topic(), "orders");
    let batch = cluster.batches("orders", metadata.partition()).remove(0);
    assert_eq!(batch.compression, "gzip");
    // The known topic's other settings are not asked for the unknown one, on which all would wait.
    assert!(
        producer
            .try_send(ProducerRecord::new("nowhere", "x"), ignore)
            .is_ok()
    );
}

#[test]
fn one_that_panics_or_fails_harms_nothing_and_is_logged_by_name() {
    keep_log();
    let (tell, told) = mpsc::channel();
    let fails = does(|record| {
        record.add_header("half", b"done");
        Err("no time".into())
    });
    let (cluster, producer) = setup()
        // All of them are sent before the first one has its outcome.
        .set("linger.ms", 60_000)
        .properties(|properties| {
            properties
                .register("com.example.Panics", PropertyObject::interceptor(Panics))
                .register("com.example.Fails", fails)
                .register(
                    "com.example.Spy",
                    PropertyObject::interceptor(Spy("spy", tell)),
                )
                .set(
                    "interceptor.classes",
                    "com.example.Panics, com.example.Fails, com.example.Spy",
                )
        })
        .start();
    let outcomes = Outcomes::new();
    for number in 0..3 {
        let record = ProducerRecord::new("orders", "whole").partition(0);
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    producer.flush().unwrap();
    assert_eq!(outcomes.acknowledged(3).len(), 3);
    assert!(outcomes.is_empty(), "each callback once");
    assert_eq!(values(&cluster, "orders", 0), ["whole"; 3]);
    let headers = cluster.records("orders", 0).remove(0).headers;
    assert_eq!(headers, [("spy".to_owned(), Some(b"seen".to_vec()))]);
    assert_eq!(told.try_iter().count(), 3, "the last one heard of all");
    assert_eq!(producer.metrics().callbacks_panicked, 0);
    let name = "\"com.example.Panics\"";
    let words = "a user's mistake";
    assert!(is_logged(&[
        "ERROR",
        "on_send",
        name,
        "panicked (failure 1)",
        words
    ]));
    let fourth = ["ERROR", "on_acknowledgement", name, "(failure 4)", words];
    assert!(is_logged(&fourth));
    assert!(!is_logged(&[name, "(failure 3)"]), "less and less often");
    let failed = ["on_send", "\"com.example.Fails\"", "failed", "no time"];
    assert!(is_logged(&failed));
}

/// Refuses some values.
struct Picky;

impl Serializer<str> for Picky {
    fn serialize<'a>(
        &self,
        _: &Context<'_>,
        text: &'a str,
        _: &mut Vec<u8>,
    ) -> Outcome<Serialized<'a>> {
        match text {
            "ugly" => Err("not that".into()),
            _ => Ok(Serialized::Bytes(text.as_bytes())),
        }
    }
}

/// Refuses others, and panics at some.
struct Nervous;

impl Partitioner for Nervous {
    fn partition(&self, record: &PartitionRequest<'_>, _: &TopicPartitions<'_>) -> Outcome<i32> {
        match record.value() {
            Some(b"boo") => mistake(),
            Some(b"nowhere") => Err("no place".into()),
            _ => Ok(0),
        }
    }
}

/// What two spies hear of a refused record, on this thread.
fn assert_heard(told: &Receiver<Told>, what: &str) {
    let told: Vec<_> = told.try_iter().collect();
    let heard: Vec<_> = told.iter().map(|told| (told.who, &*told.what)).collect();
    assert_eq!(heard, [("first", what), ("second", what)]);
    assert!(
        told.iter()
            .all(|told| told.thread == thread::current().id())
    );
}

fn picky() -> (Setup, Receiver<Told>) {
    let (spies, _, told) = spies();
    let setup = setup()
        .cluster(|cluster| cluster.auto_create_topics(false))
        .set("max.request.size", 2_000)
        .set("buffer.memory", 10_000)
        .properties(|properties| {
            properties
                .set_object("value.serializer", PropertyObject::serializer(Picky))
                .set_object("partitioner.class", PropertyObject::partitioner(Nervous))
        })
        .intercepted(spies);
    (setup, told)
}

#[test]
fn refused_records_are_told_once_on_their_callers_thread() {
    let (setup, told) = picky();
    let (cluster, producer) = setup.start();
    producer.partitions_for("orders").unwrap();
    // No answer about the unknown topic comes in between.
    cluster.pause_broker(1);
    let big: &str = &"x".repeat(3_000);
    let record = ProducerRecord::new;
    let cases = [
        (
            record("orders", big).partition(1),
            "RecordTooLarge NotWritten orders Some(1)",
        ),
        (
            record("orders", "ugly").partition(1),
            "Serialization NotWritten orders Some(1)",
        ),
        (
            record("no topic", "x"),
            "InvalidRecord NotWritten no topic None",
        ),
        (
            record("orders", "x").partition(-1),
            "InvalidRecord NotWritten orders Some(-1)",
        ),
        (
            record("orders", "x").timestamp(-1),
            "InvalidRecord NotWritten orders None",
        ),
        (
            record("orders", "nowhere"),
            "InvalidRecord NotWritten orders None",
        ),
        (record("unknown", "x"), "TimedOut NotWritten unknown None"),
        (
            record("orders", "x").partition(3),
            "UnknownTopicOrPartition NotWritten orders Some(3)",
        ),
    ];
    for (record, what) in cases {
        let before = format!("{record:?}");
        let refused = producer
            .send_or_return(record, Some(Duration::ZERO), ignore)
            .unwrap_err();
        assert_heard(&told, what);
        let (_, record, _) = refused.into_parts();
        assert_eq!(format!("{record:?}"), before, "it comes back as it was");
    }
    let panics = || producer.try_send(record("orders", "boo"), ignore).is_ok();
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_heard(&told, "InvalidRecord NotWritten orders None");
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
    producer.close().unwrap();
    assert!(producer.send(record("orders", "x"), ignore).is_err());
    assert_heard(&told, "Closed NotWritten orders None");
}

#[test]
fn a_record_that_finds_no_memory_is_told_once() {
    let (setup, told) = picky();
    let (cluster, producer) = setup.start();
    producer.partitions_for("orders").unwrap();
    cluster.pause_broker(1);
    let value = "x".repeat(1_000);
    let record = || ProducerRecord::new("orders", &value);
    let refused = loop {
        if let Err(refused) = producer.try_send(record(), ignore) {
            break refused;
        }
    };
    assert_eq!(refused.kind(), ErrorKind::BufferFull);
    assert_heard(&told, "BufferFull NotWritten orders None");
    let short = Duration::from_millis(1);
    assert!(producer.send_timeout(record(), short, ignore).is_err());
    assert_heard(&told, "BufferFull NotWritten orders None");
    close_within(&producer, Duration::ZERO);
}

#[test]
fn a_file_names_them_in_their_order() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        &file,
        "interceptor.classes = com.example.B , com.example.A\n",
    )
    .unwrap();
    let from_file = Properties::from_file(&file).unwrap();
    let marks = |name: &'static str| {
        does(move |record| {
            record.add_header(name, b"");
            Ok(())
        })
    };
    let (cluster, producer) = setup()
        .properties(|properties| {
            properties
                .merge(from_file)
                .register("com.example.A", marks("a"))
                .register("com.example.B", marks("b"))
        })
        .start();
    let record = ProducerRecord::new("orders", "x")
        .partition(0)
        .header("own", b"");
    producer.send_wait(record).unwrap();
    let headers = cluster.records("orders", 0).remove(0).headers;
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["own", "b", "a"]);
}

/// Sends a note of its own for the outcome of another record, with the producer that it is given.
struct Notes(Mutex<Receiver<Producer<str, str>>>, Sender<ErrorKind>);

impl ProducerInterceptor for Notes {
    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
        if acknowledgement.topic() == "notes" {
            return;
        }
        let producer = self.0.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        let note = ProducerRecord::new("notes", "seen");
        producer.send(note, ignore).unwrap();
        self.1.send(producer.flush().unwrap_err().kind()).unwrap();
    }
}

#[test]
fn one_may_send_where_callbacks_run_and_must_not_wait() {
    let (give, taken) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let notes = Notes(Mutex::new(taken), tell);
    let (cluster, producer) = setup()
        .topic("notes", 1)
        .intercepted([PropertyObject::interceptor(notes)])
        .start();
    producer.partitions_for("notes").unwrap();
    give.send(producer.clone()).unwrap();
    producer
        .send_wait(ProducerRecord::new("orders", "x"))
        .unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), ErrorKind::Misuse);
    producer.flush().unwrap();
    assert_eq!(values(&cluster, "notes", 0), ["seen"]);
}

#[test]
fn one_is_let_go_with_the_last_producer() {
    let spy = Arc::new(Panics);
    let object = PropertyObject::interceptor(Arc::clone(&spy));
    let (_cluster, producer) = setup().intercepted([object]).start();
    producer
        .send_wait(ProducerRecord::new("orders", "x"))
        .unwrap();
    assert!(Arc::strong_count(&spy) > 1);
    drop(producer);
    assert_eq!(Arc::strong_count(&spy), 1);
}

//! Records that are taken back before they were sent: each has its outcome, none comes to a broker,
//! and the producer goes on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use linger::testing::Api;
use linger::{ErrorKind, Fate, Producer, ProducerRecord, Purge, Result};

use crate::hand_back::{send_fifty_each, values_of};
use crate::observe::{eventually, this_thread, wait_until_asleep};
use crate::support::{
    Outcomes, PATIENCE, Setup, close_and_return_at_once, ignore, send_all, values,
};

/// Two topics of two partitions; nothing leaves before somebody asks for it.
fn setup() -> Setup {
    Setup::new()
        .topic("orders", 2)
        .topic("clicks", 2)
        .set("linger.ms", 60_000)
        .set("delivery.timeout.ms", 90_000)
}

fn send(producer: &Producer<str, str>, topic: &str, value: &str) {
    let record = ProducerRecord::new(topic, value).partition(0);
    producer.send(record, ignore).unwrap();
}

#[test]
fn purge_hands_back_what_was_never_sent_and_the_producer_goes_on() {
    let (cluster, producer) = setup().start();
    let outcomes = Outcomes::new();
    let values = send_fifty_each(&producer, &outcomes);
    let (report, records) = producer.purge_and_return(Purge::All).unwrap();
    assert_eq!((report.purged, report.left), (100, 0));
    for partition in [0, 1] {
        assert_eq!(
            values_of(&records, partition),
            values,
            "in the order of send"
        );
    }
    for record in &records {
        assert_eq!(record.error().kind(), ErrorKind::Purged);
        assert_eq!(record.fate(), Fate::NotWritten);
        let text = record.error().to_string();
        let expected = format!("\"orders\"-{}: purged by the program", record.partition());
        assert!(text.starts_with(&expected), "{text}");
    }
    for _ in 0..100 {
        let ((partition, value), result) = outcomes.next();
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Purged, "{partition}: {value}");
        assert!(!error.is_retriable() && !error.is_closed());
    }
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
    assert_eq!(producer.metrics().records_failed, 100);

    send(&producer, "orders", "afterwards");
    let report = producer.close().unwrap();
    assert_eq!((report.acknowledged, report.failed), (1, 0));
    assert_eq!(
        crate::support::values(&cluster, "orders", 0),
        ["afterwards"]
    );
    assert!(outcomes.is_empty(), "nobody is told twice");
}

#[test]
fn purge_of_a_topic_leaves_the_others_alone() {
    let (cluster, producer) = setup().start();
    send(&producer, "orders", "taken back");
    send(&producer, "clicks", "stays");
    let nothing = producer.purge(Purge::Topic("unknown")).unwrap();
    assert_eq!((nothing.purged, nothing.left), (0, 0));
    let report = producer.purge(Purge::Topic("orders")).unwrap();
    assert_eq!((report.purged, report.left), (1, 0));
    producer.flush().unwrap();
    assert_eq!(values(&cluster, "clicks", 0), ["stays"]);
    assert!(values(&cluster, "orders", 0).is_empty());
}

#[test]
fn what_is_on_its_way_is_left_alone_and_told_first() {
    let (cluster, producer) = setup()
        .set("linger.ms", 0)
        .set("max.in.flight.requests.per.connection", 1)
        .start();
    send_all(&producer, "orders", &["the topic is known"]);
    cluster.pause_broker(1);
    let outcomes = Outcomes::new();
    let send = |value: &'static str| {
        let record = ProducerRecord::new("orders", value).partition(0);
        producer.send(record, outcomes.callback(value)).unwrap();
    };
    let sent = producer.metrics().records_sent;
    send("on its way");
    eventually("it is on its way", || {
        producer.metrics().records_sent > sent
    });
    let behind = ["a", "b", "c", "d", "e", "f", "g", "h"];
    behind.iter().for_each(|value| send(value));
    let (report, records) = producer.purge_and_return(Purge::Topic("orders")).unwrap();
    assert_eq!((report.purged, report.left), (8, 1));
    assert_eq!(values_of(&records, 0), behind);
    assert_eq!(outcomes.ready(), 0, "callbacks keep their order");
    cluster.resume_broker(1);
    producer.flush().unwrap();
    let told: Vec<_> = (0..9).map(|_| outcomes.next()).collect();
    let tags: Vec<_> = told.iter().map(|(tag, _)| *tag).collect();
    assert_eq!(tags, [&["on its way"], &behind[..]].concat());
    let is_failed: Vec<_> = told.iter().map(|(_, result)| result.is_err()).collect();
    assert_eq!(is_failed, [&[false][..], &[true; 8]].concat());
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
}

#[test]
fn purge_frees_memory_for_callers_who_wait_for_it() {
    let (cluster, producer) = setup()
        .set("linger.ms", 0)
        .set("buffer.memory", 20_000)
        .set("batch.size", 1_000)
        .set("max.block.ms", 60_000)
        // One batch is on its way, and the others are queued.
        .set("max.in.flight.requests.per.connection", 1)
        .start();
    send_all(&producer, "orders", &["the topic is known"]);
    cluster.pause_broker(1);
    let record = || ProducerRecord::new("orders", "value").partition(0);
    let moment = Duration::from_millis(100);
    while producer.send_timeout(record(), moment, ignore).is_ok() {}
    let purged = thread::scope(|scope| {
        let (id, thread) = mpsc::channel();
        let producer = &producer;
        let waiting = scope.spawn(move || {
            id.send(this_thread()).unwrap();
            producer.send(record(), ignore).is_ok()
        });
        wait_until_asleep(&thread.recv_timeout(PATIENCE).unwrap());
        let purged = producer.purge(Purge::All).unwrap().purged;
        assert!(waiting.join().unwrap(), "the send goes on");
        purged
    });
    assert!(purged > 0);
    cluster.resume_broker(1);
    producer.close().unwrap();
    assert_eq!(producer.metrics().records_failed, purged);
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
}

/// How many callbacks were told what.
#[derive(Default)]
struct Counts {
    acknowledged: Arc<AtomicU64>,
    purged: Arc<AtomicU64>,
}

impl Counts {
    fn of_sending(&self, producer: &Producer<str, str>, records: u32) {
        for number in 0..records {
            let value = format!("a record with some text: {number:0>40}");
            let [acknowledged, purged] = [&self.acknowledged, &self.purged].map(Arc::clone);
            let callback = move |result: Result<_>| match result {
                Ok(_) => _ = acknowledged.fetch_add(1, Ordering::SeqCst),
                Err(error) if error.kind() == ErrorKind::Purged => {
                    purged.fetch_add(1, Ordering::SeqCst);
                }
                Err(error) => panic!("{error}"),
            };
            let record = ProducerRecord::new("orders", &value);
            producer.send(record, callback).unwrap();
        }
    }

    fn read(&self) -> [u64; 2] {
        [&self.acknowledged, &self.purged].map(|count| count.load(Ordering::SeqCst))
    }
}

#[test]
fn sends_that_race_with_purges_have_one_outcome_each() {
    for codec in ["none", "gzip"] {
        let (cluster, producer) = setup()
            .set("linger.ms", 0)
            .set("batch.size", 500)
            .set("compression.type", codec)
            .start();
        send_all(&producer, "orders", &["the topic is known"]);
        let counts = Counts::default();
        let taken_back: u64 = thread::scope(|scope| {
            let sending = [(); 3].map(|()| scope.spawn(|| counts.of_sending(&producer, 3_000)));
            let mut taken_back = 0;
            while !sending.iter().all(|one| one.is_finished()) {
                taken_back += producer.purge(Purge::All).unwrap().purged;
            }
            taken_back
        });
        producer.close().unwrap();
        let [acknowledged, purged] = counts.read();
        assert_eq!(purged, taken_back, "{codec}");
        assert_eq!(acknowledged + purged, 9_000, "{codec}");
        let written = cluster.counters().records;
        assert_eq!(written, acknowledged + 1, "{codec}");
        assert_eq!(producer.metrics().buffer_used_bytes, 0, "{codec}");
    }
}

#[test]
fn a_close_does_not_hand_back_what_was_purged_before() {
    let (cluster, producer) = setup().start();
    cluster.on(Api::Produce).silence();
    send(&producer, "orders", "purged");
    assert_eq!(producer.purge(Purge::All).unwrap().purged, 1);
    send(&producer, "orders", "closed");
    let (report, records) = close_and_return_at_once(&producer);
    assert_eq!((report.failed, report.not_written), (1, 1));
    assert_eq!(values_of(&records, 0), ["closed"]);
}

#[test]
fn purge_is_refused_inside_a_callback_and_after_a_close() {
    let (_cluster, producer) = setup().set("linger.ms", 0).start();
    let (results, result) = mpsc::channel();
    let clone = producer.clone();
    let callback = move |_: Result<_>| {
        let purge = clone.purge(Purge::All).map(|_| ());
        let purge_and_return = clone.purge_and_return(Purge::All).map(|_| ());
        results.send([purge, purge_and_return]).unwrap();
    };
    let record = ProducerRecord::new("orders", "value");
    producer.send(record, callback).unwrap();
    for refused in result.recv_timeout(PATIENCE).unwrap() {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
        assert!(error.to_string().starts_with("purge"), "{error}");
    }
    producer.close().unwrap();
    let error = producer.purge(Purge::All).unwrap_err();
    assert!(error.is_closed(), "{error}");
    let error = producer.purge_and_return(Purge::All).unwrap_err();
    assert!(error.is_closed(), "{error}");
}

#[test]
fn a_record_that_somebody_waits_for_is_told_that_it_was_purged() {
    let (_cluster, producer) = setup().start();
    let record = ProducerRecord::new("orders", "value");
    let handle = producer.send_with_handle(record).unwrap();
    producer.purge(Purge::All).unwrap();
    let error = handle.wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Purged);
}

#[test]
fn purge_says_so_when_a_callback_does_not_return() {
    let (_cluster, producer) = setup()
        .set("linger.ms", 0)
        .set("request.timeout.ms", 1_000)
        .set("delivery.timeout.ms", 1_000)
        .start();
    let (release, released) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel();
    let record = ProducerRecord::new("orders", "blocks").partition(0);
    producer
        .send(record, move |_| {
            entered.send(()).unwrap();
            released.recv_timeout(PATIENCE).unwrap();
        })
        .unwrap();
    inside.recv_timeout(PATIENCE).unwrap();
    let outcomes = Outcomes::new();
    let record = ProducerRecord::new("orders", "queued").partition(0);
    producer.send(record, outcomes.callback("queued")).unwrap();
    let error = producer.purge(Purge::All).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("callbacks"), "{error}");
    release.send(()).unwrap();
    let (_, result) = outcomes.next();
    assert_eq!(result.unwrap_err().fate(), Fate::NotWritten);
}

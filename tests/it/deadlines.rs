//! Limits of time: whatever a call waits for, a silent broker, memory, metadata or a thread that is
//! held up in a callback, it is back soon after its limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use linger::testing::MockCluster;
use linger::{Error, ErrorKind, Producer, ProducerRecord, Result};

use crate::observe::{eventually, now, timed};
use crate::support::{Outcomes, PATIENCE, Setup, close_within, ignore, send_all};

/// The limit that calls get here.
const LIMIT: Duration = Duration::from_millis(200);
/// How much later they may be back: a machine under load stands still for as long, and whatever a
/// call might wait for instead takes half a minute or never comes.
const TOLERANCE: Duration = Duration::from_secs(2);

/// A topic that is known; `max.block.ms` is the limit.
fn start() -> (MockCluster, Producer<str, str>) {
    let setup = Setup::new().topic("orders", 1).set("linger.ms", 0);
    let setup = setup
        .set("max.block.ms", LIMIT.as_millis())
        .set("buffer.memory", 20_000)
        .set("batch.size", 1_000);
    let (cluster, producer) = setup.start();
    // The broker may be slow to accept us.
    eventually("the topic is known", || {
        producer.partitions_for("orders").is_ok()
    });
    send_all(&producer, "orders", &["the connection is made"]);
    (cluster, producer)
}

/// Measures in one new setting after the other until a call was on time. That a machine stands still
/// for a moment is not the call's fault, but it does not do so each time.
fn assert_on_time(mut measure: impl FnMut() -> Duration) {
    let mut late = Vec::new();
    for _ in 0..5 {
        let took = measure();
        assert!(took >= LIMIT, "it did not wait: {took:?}");
        if took <= LIMIT + TOLERANCE {
            return;
        }
        late.push(took);
    }
    panic!("always late: {late:?}");
}

/// Sends a record whose callback keeps the I/O thread until the result is dropped.
fn hold_up(producer: &Producer<str, str>) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let record = ProducerRecord::new("orders", "holds up");
    let callback = move |_: Result<_>| {
        tell.send(()).unwrap();
        released.recv().unwrap_err();
    };
    producer.send(record, callback).unwrap();
    told.recv_timeout(PATIENCE).unwrap();
    release
}

/// Sends until memory is full, to nobody who would take it.
fn fill_memory(producer: &Producer<str, str>) {
    for bytes in [500, 50, 1] {
        let value = "x".repeat(bytes);
        let record = || ProducerRecord::new("orders", &value);
        while producer.try_send(record(), ignore).is_ok() {}
    }
}

/// Runs a call that must run into its limit.
fn timed_out<T>(kind: ErrorKind, call: impl FnOnce() -> Result<T, Error>) -> Duration {
    let (result, took) = timed(call);
    let error = result.err().expect("it runs out of time");
    assert_eq!(error.kind(), kind, "{error}");
    took
}

fn send_to(producer: &Producer<str, str>, topic: &str) -> Result<()> {
    producer.send(ProducerRecord::new(topic, "x"), ignore)
}

#[test]
fn a_send_that_waits_for_metadata_of_a_silent_broker_is_on_time() {
    assert_on_time(|| {
        let (cluster, producer) = start();
        cluster.pause_broker(1);
        timed_out(ErrorKind::TimedOut, || send_to(&producer, "unknown"))
    });
}

#[test]
fn a_send_that_waits_for_metadata_while_a_callback_blocks_is_on_time() {
    assert_on_time(|| {
        let (_cluster, producer) = start();
        let _held = hold_up(&producer);
        timed_out(ErrorKind::TimedOut, || send_to(&producer, "unknown"))
    });
}

#[test]
fn partitions_of_an_unknown_topic_are_told_on_time() {
    assert_on_time(|| {
        let (_cluster, producer) = start();
        let _held = hold_up(&producer);
        timed_out(ErrorKind::TimedOut, || producer.partitions_for("unknown"))
    });
}

#[test]
fn a_send_that_waits_for_memory_is_on_time() {
    assert_on_time(|| {
        let (cluster, producer) = start();
        cluster.pause_broker(1);
        fill_memory(&producer);
        let took = timed_out(ErrorKind::BufferFull, || send_to(&producer, "orders"));
        close_within(&producer, Duration::ZERO);
        took
    });
}

#[test]
fn a_send_that_waits_for_memory_while_a_callback_blocks_is_on_time() {
    assert_on_time(|| {
        let (_cluster, producer) = start();
        let _held = hold_up(&producer);
        fill_memory(&producer);
        timed_out(ErrorKind::BufferFull, || send_to(&producer, "orders"))
    });
}

#[test]
fn a_handle_is_waited_for_no_longer_than_asked() {
    assert_on_time(|| {
        let (cluster, producer) = start();
        cluster.pause_broker(1);
        let record = ProducerRecord::new("orders", "x");
        let handle = producer.send_with_handle(record).unwrap();
        let took = timed_out(ErrorKind::TimedOut, || handle.wait_timeout(LIMIT));
        close_within(&producer, Duration::ZERO);
        took
    });
}

#[test]
fn a_flush_with_a_limit_is_on_time_and_counts_what_is_pending() {
    assert_on_time(|| {
        let (cluster, producer) = start();
        cluster.pause_broker(1);
        for _ in 0..3 {
            send_to(&producer, "orders").unwrap();
        }
        let (flushed, took) = timed(|| producer.flush_timeout(LIMIT));
        let error = flushed.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.to_string().contains("3 records"), "{error}");
        cluster.resume_broker(1);
        producer.flush_timeout(PATIENCE).unwrap();
        took
    });
}

#[test]
fn a_flush_with_a_limit_waits_for_no_callback_that_blocks() {
    assert_on_time(|| {
        let (_cluster, producer) = start();
        let _held = hold_up(&producer);
        timed_out(ErrorKind::TimedOut, || producer.flush_timeout(LIMIT))
    });
}

#[test]
fn a_close_with_a_silent_broker_is_on_time() {
    assert_on_time(|| {
        let (cluster, producer) = start();
        cluster.pause_broker(1);
        let outcomes = Outcomes::new();
        for number in 0..10 {
            let record = ProducerRecord::new("orders", "x");
            producer.send(record, outcomes.callback(number)).unwrap();
        }
        let (closed, took) = timed(|| producer.close_timeout(LIMIT));
        let report = match closed {
            Ok(report) => report,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
                return Duration::MAX;
            }
        };
        assert_eq!((report.acknowledged, report.failed), (0, 10));
        assert_eq!(outcomes.ready(), 10);
        took
    });
}

#[test]
fn a_close_while_a_callback_blocks_is_on_time_and_no_callback_is_lost() {
    assert_on_time(|| {
        let (_cluster, producer) = start();
        let held = hold_up(&producer);
        let outcomes = Outcomes::new();
        for number in 0..10 {
            let record = ProducerRecord::new("orders", "x");
            producer.send(record, outcomes.callback(number)).unwrap();
        }
        let took = timed_out(ErrorKind::TimedOut, || producer.close_timeout(LIMIT));
        drop(held);
        // What the thread finds then, an answer or the limit of the first close, does not matter.
        producer.close().unwrap();
        assert_eq!(outcomes.ready(), 10);
        took
    });
}

#[test]
fn a_close_waits_for_many_quick_callbacks_no_longer_than_for_a_slow_one() {
    // Seconds of work.
    const RECORDS: usize = 5_000;
    let (_cluster, producer) = Setup::new()
        .topic("orders", 1)
        .set("linger.ms", 60_000)
        .set("delivery.timeout.ms", 90_000)
        .set("batch.size", 1_000_000)
        .start();
    let called = Arc::new(AtomicUsize::new(0));
    let is_back = Arc::new(AtomicBool::new(false));
    for _ in 0..RECORDS {
        let (called, is_back) = (Arc::clone(&called), Arc::clone(&is_back));
        let quick = move |_: Result<_>| {
            // A millisecond of work; once it does not matter any more, none.
            let started = now();
            while started.elapsed() < Duration::from_millis(1) && !is_back.load(Ordering::SeqCst) {}
            called.fetch_add(1, Ordering::SeqCst);
        };
        producer
            .send(ProducerRecord::new("orders", "x"), quick)
            .unwrap();
    }
    let error = producer.close_timeout(Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let called_by_then = called.load(Ordering::SeqCst);
    assert!(called_by_then < RECORDS, "it did not wait for all of them");
    is_back.store(true, Ordering::SeqCst);
    producer.close().unwrap();
    assert_eq!(called.load(Ordering::SeqCst), RECORDS);
}

#[test]
fn an_outcome_is_on_time() {
    assert_on_time(|| {
        let (cluster, producer) = Setup::new()
            .topic("orders", 1)
            .set("linger.ms", 0)
            .set("request.timeout.ms", LIMIT.as_millis())
            .set("delivery.timeout.ms", LIMIT.as_millis())
            .start();
        eventually("the topic is known", || {
            producer.partitions_for("orders").is_ok()
        });
        cluster.pause_broker(1);
        let record = ProducerRecord::new("orders", "x");
        let (outcome, took) = timed(|| producer.send_wait(record));
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TimedOut);
        took
    });
}

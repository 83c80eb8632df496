//! Flush, close and drop: what is accepted gets its outcome, nobody waits for ever, and no thread
//! stays.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use linger::testing::{Api, MockCluster};
use linger::{ErrorCode, ErrorKind, Producer, ProducerRecord, Result};

use crate::observe::{eventually, io_threads, this_thread, timed, wait_until_asleep};
use crate::support::{
    Outcomes, PATIENCE, Setup, close_within, ignore, send_all, values, wait_for_records,
};

const LONG: u64 = 60_000;

/// One topic of one partition; nothing leaves before somebody asks for it.
fn setup() -> Setup {
    Setup::new()
        .topic("orders", 1)
        .set("linger.ms", LONG)
        .set("delivery.timeout.ms", LONG + 30_000)
        .set("max.block.ms", LONG)
        .set("reconnect.backoff.ms", 5)
        .set("retry.backoff.ms", 5)
        .set("retry.backoff.max.ms", 5)
}

/// Sends records 0 to `count` − 1, and counts their callbacks.
fn send_counted(producer: &Producer<str, str>, count: usize) -> Arc<AtomicUsize> {
    let called = Arc::new(AtomicUsize::new(0));
    for number in 0..count {
        let called = Arc::clone(&called);
        let text = number.to_string();
        let record = ProducerRecord::new("orders", &text);
        let callback = move |_: Result<_>| _ = called.fetch_add(1, Ordering::SeqCst);
        producer.send(record, callback).unwrap();
    }
    called
}

/// Waits until the cluster has got that many Produce requests.
fn wait_for_produce(cluster: &MockCluster, requests: u64) {
    assert!(cluster.wait_until(PATIENCE, |view| {
        view.counters().produce_requests >= requests
    }));
}

#[test]
fn close_flushes_and_reports_what_it_acknowledged() {
    let (cluster, producer) = setup().start();
    let called = send_counted(&producer, 10);
    let report = producer.close().unwrap();
    assert_eq!((report.acknowledged, report.failed), (10, 0));
    assert_eq!(called.load(Ordering::SeqCst), 10);
    assert_eq!(values(&cluster, "orders", 0).len(), 10);
}

#[test]
fn close_reports_what_failed() {
    let (cluster, producer) = setup().topic("other", 1).start();
    let refuse = cluster.on(Api::Produce).topic("orders");
    refuse.answer(ErrorCode::POLICY_VIOLATION);
    let called = send_counted(&producer, 3);
    producer
        .send(ProducerRecord::new("other", "good"), ignore)
        .unwrap();
    let report = producer.close().unwrap();
    assert_eq!((report.acknowledged, report.failed), (1, 3));
    assert_eq!(called.load(Ordering::SeqCst), 3);
}

#[test]
fn closing_twice_is_no_error() {
    let (_cluster, producer) = setup().start();
    send_counted(&producer, 1);
    producer.close().unwrap();
    let report = producer.close().unwrap();
    assert_eq!((report.acknowledged, report.failed), (0, 0));
    producer.close_timeout(Duration::ZERO).unwrap();
}

#[test]
fn many_threads_may_close_at_once() {
    let (cluster, producer) = setup().start();
    let called = send_counted(&producer, 100);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| producer.close().unwrap());
        }
    });
    assert_eq!(called.load(Ordering::SeqCst), 100);
    assert_eq!(values(&cluster, "orders", 0).len(), 100);
}

#[test]
fn close_closes_all_clones() {
    let (cluster, producer) = setup().start();
    let clone = producer.clone();
    send_counted(&clone, 1);
    producer.close().unwrap();
    assert_eq!(values(&cluster, "orders", 0).len(), 1);
    let refused = clone.send(ProducerRecord::new("orders", "late"), ignore);
    assert!(refused.unwrap_err().is_closed());
    let refused = clone.try_send(ProducerRecord::new("orders", "late"), ignore);
    assert!(refused.unwrap_err().is_closed());
    let refused = clone.send_wait(ProducerRecord::new("unknown", "late"));
    assert!(refused.unwrap_err().is_closed());
    assert!(clone.flush().unwrap_err().is_closed());
    assert!(clone.partitions_for("orders").unwrap_err().is_closed());
    assert!(clone.partitions_for("unknown").unwrap_err().is_closed());
}

#[test]
fn close_without_time_fails_what_is_unsent_before_it_returns() {
    let (cluster, producer) = setup().start();
    let outcomes = Outcomes::new();
    for number in 0..10 {
        producer
            .send(
                ProducerRecord::new("orders", "never sent"),
                outcomes.callback(number),
            )
            .unwrap();
    }
    let called = send_counted(&producer, 90);
    assert_eq!(close_within(&producer, Duration::ZERO), (0, 100));
    assert_eq!(called.load(Ordering::SeqCst), 90);
    for number in 0..10 {
        let (tag, result) = outcomes.next();
        let error = result.unwrap_err();
        assert_eq!(tag, number);
        assert!(error.is_closed(), "{error}");
        assert!(error.to_string().contains("\"orders\"-0"), "{error}");
    }
    assert!(outcomes.is_empty());
    assert!(cluster.records("orders", 0).is_empty());
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
}

#[test]
fn close_without_time_fails_what_is_on_its_way() {
    let (cluster, producer) = setup().set("linger.ms", 0).start();
    cluster.on(Api::Produce).silence();
    let outcomes = Outcomes::new();
    producer
        .send(
            ProducerRecord::new("orders", "on its way"),
            outcomes.callback(0),
        )
        .unwrap();
    wait_for_produce(&cluster, 1);
    producer
        .send(
            ProducerRecord::new("orders", "behind"),
            outcomes.callback(1),
        )
        .unwrap();
    assert_eq!(close_within(&producer, Duration::ZERO), (0, 2));
    assert!(outcomes.next().1.unwrap_err().is_closed());
    assert!(outcomes.next().1.unwrap_err().is_closed());
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
}

#[test]
fn close_fails_what_waits_for_another_attempt() {
    let (cluster, producer) = setup()
        .set("linger.ms", 0)
        .set("retry.backoff.ms", LONG)
        .set("retry.backoff.max.ms", LONG)
        .start();
    cluster
        .on(Api::Produce)
        .answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    let outcomes = Outcomes::new();
    producer
        .send(ProducerRecord::new("orders", "again"), outcomes.callback(0))
        .unwrap();
    eventually("the batch is to be sent again", || {
        producer.metrics().records_retried == 1
    });
    assert_eq!(close_within(&producer, Duration::from_millis(50)), (0, 1));
    assert!(outcomes.next().1.unwrap_err().is_closed());
}

#[test]
fn of_two_closes_the_less_patient_one_decides() {
    let (cluster, producer) = setup().set("linger.ms", 0).start();
    cluster.on(Api::Produce).silence();
    let called = send_counted(&producer, 1);
    wait_for_produce(&cluster, 1);
    thread::scope(|scope| {
        let patient = scope.spawn(|| producer.close());
        eventually("the producer is closing", || {
            producer.partitions_for("orders").is_err()
        });
        assert_eq!(close_within(&producer, Duration::ZERO), (0, 1));
        patient.join().unwrap().unwrap();
    });
    assert_eq!(called.load(Ordering::SeqCst), 1);
}

#[test]
fn close_ends_a_send_that_waits_for_memory() {
    let (cluster, producer) = setup()
        .set("linger.ms", 0)
        .set("buffer.memory", 20_000)
        .set("batch.size", 1_000)
        .start();
    send_all(&producer, "orders", &["the topic is known"]);
    cluster.pause_broker(1);
    let (tell, told) = mpsc::channel();
    let value = "x".repeat(900);
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            loop {
                tell.send(this_thread()).unwrap();
                if let Err(refused) = producer.send(ProducerRecord::new("orders", &value), ignore) {
                    return refused;
                }
            }
        });
        eventually("memory is used up", || {
            producer.metrics().buffer_used_bytes > 18_000
        });
        wait_until_asleep(&told.recv_timeout(PATIENCE).unwrap());
        let (_, took) = timed(|| close_within(&producer, Duration::ZERO));
        let error = sending.join().unwrap();
        assert!(error.is_closed(), "{error}");
        assert!(took < PATIENCE);
    });
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
}

#[test]
fn close_ends_a_send_that_waits_for_metadata() {
    let (cluster, producer) = setup().start();
    cluster.pause_broker(1);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            tell.send(this_thread()).unwrap();
            producer.send_wait(ProducerRecord::new("orders", "x"))
        });
        wait_until_asleep(&told.recv_timeout(PATIENCE).unwrap());
        let (closed, took) = timed(|| producer.close());
        closed.unwrap();
        let error = sending.join().unwrap().unwrap_err();
        assert!(error.is_closed(), "{error}");
        assert!(took < PATIENCE);
    });
}

#[test]
fn a_send_that_comes_while_others_close_is_refused_at_once() {
    let (cluster, producer) = setup().set("linger.ms", 0).start();
    send_all(&producer, "orders", &["the topic is known"]);
    cluster.pause_broker(1);
    let called = send_counted(&producer, 1);
    thread::scope(|scope| {
        let closing = scope.spawn(|| producer.close());
        eventually("the producer is closing", || {
            producer.partitions_for("orders").is_err()
        });
        for topic in ["orders", "unknown"] {
            let (refused, took) = timed(|| producer.send(ProducerRecord::new(topic, "x"), ignore));
            let refused = refused.unwrap_err();
            assert!(refused.is_closed(), "{topic}: {refused}");
            assert!(took < PATIENCE, "{topic}: {took:?}");
        }
        assert_eq!(called.load(Ordering::SeqCst), 0);
        cluster.resume_broker(1);
        assert_eq!(closing.join().unwrap().unwrap().acknowledged, 1);
    });
}

/// Sends until the producer is closed, counts the callbacks, and gives how many records were taken.
fn send_until_closed(
    producer: &Producer<str, str>,
    topic: &str,
    called: &Arc<AtomicUsize>,
) -> usize {
    let mut accepted = 0;
    loop {
        let called = Arc::clone(called);
        let count = move |_: Result<_>| _ = called.fetch_add(1, Ordering::SeqCst);
        if let Err(refused) = producer.send(ProducerRecord::new(topic, "x"), count) {
            assert!(refused.is_closed(), "{refused}");
            return accepted;
        }
        accepted += 1;
    }
}

#[test]
fn sends_that_race_with_close_are_either_delivered_or_refused_as_closed() {
    for _ in 0..20 {
        let (cluster, producer) = setup().start();
        send_all(&producer, "orders", &["the topic is known"]);
        let called = Arc::new(AtomicUsize::new(0));
        let accepted: usize = thread::scope(|scope| {
            let send = |topic| {
                let (producer, called) = (&producer, &called);
                scope.spawn(move || send_until_closed(producer, topic, called))
            };
            let sending = ["orders", "orders", "new", "newer"].map(send);
            eventually("records are accepted", || {
                producer.metrics().records_accepted > 100
            });
            producer.close().unwrap();
            sending.map(|one| one.join().unwrap()).iter().sum()
        });
        assert_eq!(called.load(Ordering::SeqCst), accepted);
        assert_eq!(cluster.counters().records, accepted as u64 + 1);
    }
}

#[test]
fn dropping_the_last_clone_flushes() {
    let (cluster, producer) = setup().start();
    let called = send_counted(&producer, 10);
    let clone = producer.clone();
    drop(producer);
    assert!(cluster.records("orders", 0).is_empty());
    drop(clone);
    assert_eq!(called.load(Ordering::SeqCst), 10);
    assert_eq!(values(&cluster, "orders", 0).len(), 10);
}

#[test]
fn a_producer_that_is_dropped_in_its_own_callback_ends_its_thread() {
    let (cluster, producer) = setup().set("client.id", "sd-cb").start();
    let last = producer.clone();
    let outcomes = Outcomes::new();
    let done = outcomes.callback("first");
    let record = ProducerRecord::new("orders", "first");
    producer
        .send(record, move |result| {
            drop(last);
            done(result);
        })
        .unwrap();
    // Of the same batch, and of one that nobody waits for.
    for (partition, tag) in [("orders", "second"), ("other", "third")] {
        let record = ProducerRecord::new(partition, tag);
        producer.send(record, outcomes.callback(tag)).unwrap();
    }
    cluster.pause_broker(1);
    let handle = producer
        .send_with_handle(ProducerRecord::new("orders", "waited for"))
        .unwrap();
    drop(producer);
    cluster.resume_broker(1);
    handle.wait().unwrap();
    let mut tags: Vec<_> = outcomes
        .acknowledged(3)
        .into_iter()
        .map(|(tag, _)| tag)
        .collect();
    tags.sort_unstable();
    assert_eq!(tags, ["first", "second", "third"]);
    #[cfg(target_os = "linux")]
    eventually("the thread ends", || io_threads("sd-cb").is_empty());
}

#[test]
fn close_tells_how_many_wait_when_a_callback_does_not_return() {
    let (_cluster, producer) = setup().start();
    let (release, released) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel();
    let record = ProducerRecord::new("orders", "blocks");
    producer
        .send(record, move |_| {
            entered.send(()).unwrap();
            released.recv_timeout(PATIENCE).unwrap();
        })
        .unwrap();
    let called = send_counted(&producer, 4);
    let error = producer.close_timeout(Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("callback"), "{error}");
    assert!(error.to_string().contains("5 records"), "{error}");
    inside.recv_timeout(PATIENCE).unwrap();
    assert_eq!(called.load(Ordering::SeqCst), 0);
    let refused = producer.send(ProducerRecord::new("orders", "late"), ignore);
    assert!(refused.unwrap_err().is_closed());

    release.send(()).unwrap();
    producer.close().unwrap();
    assert_eq!(called.load(Ordering::SeqCst), 4);
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
}

#[test]
fn close_ends_the_thread() {
    let (_cluster, producer) = setup().set("client.id", "sd-cl").start();
    send_counted(&producer, 1);
    #[cfg(target_os = "linux")]
    crate::observe::io_thread("sd-cl");
    producer.close().unwrap();
    #[cfg(target_os = "linux")]
    eventually("the thread ends", || io_threads("sd-cl").is_empty());
}

#[test]
fn a_producer_that_was_never_used_connects_to_nobody_and_closes_at_once() {
    let (cluster, producer) = setup().start();
    let (report, took) = timed(|| producer.close());
    assert_eq!((report.unwrap().acknowledged, took < PATIENCE), (0, true));
    assert_eq!(cluster.counters().connections_accepted, 0);
}

#[test]
fn close_ends_by_delivery_timeout_when_the_broker_says_nothing() {
    let (cluster, producer) = setup()
        .set("linger.ms", 0)
        .set("request.timeout.ms", 2_000)
        .set("delivery.timeout.ms", 2_000)
        .start();
    send_all(&producer, "orders", &["the topic is known"]);
    cluster.pause_broker(1);
    let called = send_counted(&producer, 5);
    let (report, took) = timed(|| producer.close());
    assert_eq!(report.unwrap().failed, 5);
    assert_eq!(called.load(Ordering::SeqCst), 5);
    assert!(took < PATIENCE);
}

#[test]
fn flush_waits_for_what_was_accepted_before_it() {
    let (cluster, producer) = setup().start();
    cluster
        .on(Api::Produce)
        .times(3)
        .answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    let called = send_counted(&producer, 10);
    producer.flush().unwrap();
    assert_eq!(called.load(Ordering::SeqCst), 10);
    producer.flush().unwrap();
}

#[test]
fn flush_is_not_held_up_by_records_that_come_after_it() {
    let (cluster, producer) = setup().start();
    send_all(&producer, "orders", &["the topic is known"]);
    cluster.pause_broker(1);
    send_counted(&producer, 1);
    thread::scope(|scope| {
        let flushing = scope.spawn(|| producer.flush());
        // The flush has taken its batch away when a record opens the next one.
        eventually("the batch has left", || {
            producer.metrics().batches_sent == 2
        });
        let late = send_counted(&producer, 1);
        cluster.resume_broker(1);
        flushing.join().unwrap().unwrap();
        assert_eq!(late.load(Ordering::SeqCst), 0);
    });
    wait_for_records(&cluster, "orders", 2);
}

#[test]
fn close_ends_a_flush_with_the_records() {
    let (cluster, producer) = setup().set("linger.ms", 0).start();
    cluster.on(Api::Produce).silence();
    let called = send_counted(&producer, 1);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let flushing = scope.spawn(|| {
            tell.send(this_thread()).unwrap();
            producer.flush()
        });
        wait_until_asleep(&told.recv_timeout(PATIENCE).unwrap());
        close_within(&producer, Duration::ZERO);
        // It came before the close, and what it waited for is decided; or after it.
        let flushed = flushing.join().unwrap();
        assert!(flushed.is_ok() || flushed.unwrap_err().is_closed());
    });
    assert_eq!(called.load(Ordering::SeqCst), 1);
}

#[test]
fn a_handle_keeps_its_outcome_after_close() {
    let (cluster, producer) = setup().start();
    let handle = producer
        .send_with_handle(ProducerRecord::new("orders", "x"))
        .unwrap();
    assert!(handle.try_get().is_none());
    // Whoever waits makes the batch leave, and this thread may be slower than the answer.
    cluster.pause_broker(1);
    let late = handle.wait_timeout(Duration::ZERO);
    assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
    cluster.resume_broker(1);
    drop(producer);
    assert_eq!(handle.wait().unwrap().offset(), Some(0));
    assert!(handle.try_get().unwrap().is_ok());
}

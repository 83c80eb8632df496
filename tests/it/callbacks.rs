//! Callbacks: exactly once, in order, whatever happens; and what they may and may not do.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use linger::testing::{Api, MockCluster};
use linger::{Error, ErrorCode, ErrorKind, Producer, ProducerRecord, Result};

use crate::logged::{is_logged, keep_log};
use crate::observe::{eventually, timed};
use crate::support::{Outcomes, PATIENCE, Setup, close_within, ignore, produced, send_all, values};

fn setup() -> Setup {
    Setup::new()
        .topic("orders", 1)
        .set("linger.ms", 0)
        .set("retry.backoff.ms", 2)
        .set("retry.backoff.max.ms", 2)
        .set("reconnect.backoff.ms", 2)
}

/// Runs something inside a callback of a producer that goes on living, and gives its result.
fn inside_a_callback<T: Send + 'static>(
    producer: &Producer<str, str>,
    act: impl FnOnce(&Producer<str, str>) -> T + Send + 'static,
) -> T {
    let (tell, told) = mpsc::channel();
    let clone = producer.clone();
    let record = ProducerRecord::new("orders", "outer");
    let callback = move |result: Result<_>| {
        result.unwrap();
        // The clone must not be the last one, whatever the test does next.
        let result = act(&clone);
        drop(clone);
        tell.send(result).unwrap();
    };
    producer.send(record, callback).unwrap();
    told.recv_timeout(PATIENCE).unwrap()
}

fn assert_misuse(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.to_string().contains("callback"), "{error}");
}

#[test]
fn waiting_inside_a_callback_is_a_misuse_and_not_a_deadlock() {
    let (cluster, producer) = setup().start();
    let errors = inside_a_callback(&producer, |producer| {
        vec![
            producer.flush().unwrap_err(),
            producer.close().unwrap_err(),
            producer.close_timeout(Duration::ZERO).unwrap_err(),
            producer
                .send_wait(ProducerRecord::new("orders", "inner"))
                .unwrap_err(),
        ]
    });
    errors.iter().for_each(assert_misuse);
    // None of them did anything.
    send_all(&producer, "orders", &["after"]);
    assert_eq!(values(&cluster, "orders", 0), ["outer", "after"]);
}

#[test]
fn a_handle_inside_a_callback_tells_only_what_is_known() {
    let (_cluster, producer) = setup().start();
    let (open, done) = inside_a_callback(&producer, |producer| {
        let handle = producer
            .send_with_handle(ProducerRecord::new("orders", "inner"))
            .unwrap();
        assert_misuse(&handle.wait().unwrap_err());
        assert_misuse(&handle.wait_timeout(Duration::ZERO).unwrap_err());
        (handle.try_get().is_none(), handle)
    });
    assert!(open);
    assert_eq!(done.wait().unwrap().offset(), Some(1));
    let offset = inside_a_callback(&producer, move |_| done.wait().unwrap().offset());
    assert_eq!(offset, Some(1), "what is known needs no waiting");
}

#[test]
fn a_callback_may_send() {
    let (cluster, producer) = setup().start();
    let outcomes = Outcomes::new();
    let callback = outcomes.callback("inner");
    inside_a_callback(&producer, |producer| {
        producer
            .send(ProducerRecord::new("orders", "inner"), callback)
            .unwrap();
    });
    outcomes.acknowledged(1);
    assert_eq!(values(&cluster, "orders", 0), ["outer", "inner"]);
}

#[test]
fn callbacks_may_send_one_after_the_other_for_as_long_as_they_like() {
    fn next(producer: &Producer<str, str>, left: u32, done: mpsc::Sender<()>) {
        if left == 0 {
            return done.send(()).unwrap();
        }
        let clone = producer.clone();
        let record = ProducerRecord::new("orders", "link");
        let sent = producer.send(record, move |_| next(&clone, left - 1, done));
        sent.unwrap();
    }
    let (cluster, producer) = setup().start();
    let (done, all_done) = mpsc::channel();
    next(&producer, 100, done);
    all_done.recv_timeout(PATIENCE).unwrap();
    assert_eq!(cluster.records("orders", 0).len(), 100);
}

#[test]
fn a_send_inside_a_callback_does_not_wait_for_metadata() {
    let (cluster, producer) = setup().start();
    let error = inside_a_callback(&producer, |producer| {
        let record = ProducerRecord::new("unknown", "inner");
        let refused = producer.send(record, ignore).unwrap_err();
        let again = producer.send_timeout(record_again(), PATIENCE, ignore);
        assert_eq!(again.unwrap_err().kind(), refused.kind());
        assert!(producer.partitions_for("unknown").is_err());
        refused
    });
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    // But it has been asked for.
    assert!(cluster.wait_until(PATIENCE, |view| view.partition_count("unknown") == 1));
    eventually("the topic is known inside callbacks, too", || {
        inside_a_callback(&producer, |producer| {
            producer.send(record_again(), ignore).is_ok()
        })
    });
}

fn record_again() -> ProducerRecord<'static, str, str> {
    ProducerRecord::new("unknown", "inner")
}

#[test]
fn a_send_inside_a_callback_does_not_wait_for_memory() {
    let (_cluster, producer) = setup()
        .set("buffer.memory", 10_000)
        .set("batch.size", 1_000)
        .start();
    let error = inside_a_callback(&producer, |producer| {
        let value = "x".repeat(900);
        loop {
            let record = ProducerRecord::new("orders", &value);
            if let Err(refused) = producer.send(record, ignore) {
                return refused;
            }
        }
    });
    assert_eq!(error.kind(), ErrorKind::BufferFull);
    assert!(error.to_string().contains("buffer.memory"), "{error}");
    producer.flush().unwrap();
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
}

#[test]
fn a_callback_that_panics_is_counted_and_the_others_run() {
    let (_cluster, producer) = setup().set("linger.ms", 60_000).start();
    let outcomes = Outcomes::new();
    for number in 0..10 {
        let callback = outcomes.callback(number);
        let record = ProducerRecord::new("orders", "x");
        let panicking = move |result| {
            callback(result);
            if number % 3 == 0 {
                // As panic! does, without its words on standard error.
                resume_unwind(Box::new("a user's mistake"));
            }
        };
        producer.send(record, panicking).unwrap();
    }
    producer.flush().unwrap();
    let order: Vec<i32> = outcomes
        .acknowledged(10)
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    assert_eq!(order, (0..10).collect::<Vec<_>>());
    let metrics = producer.metrics();
    assert_eq!(
        (metrics.callbacks_panicked, metrics.records_acknowledged),
        (4, 10)
    );
    send_all(&producer, "orders", &["the producer goes on"]);
}

#[test]
fn callbacks_that_panic_while_the_producer_closes_are_no_trouble() {
    let (_cluster, producer) = setup().set("linger.ms", 60_000).start();
    for _ in 0..3 {
        let panicking = |_: Result<_>| resume_unwind(Box::new("a user's mistake"));
        producer
            .send(ProducerRecord::new("orders", "x"), panicking)
            .unwrap();
    }
    assert_eq!(close_within(&producer, Duration::ZERO), (0, 3));
    assert_eq!(producer.metrics().callbacks_panicked, 3);
}

#[test]
fn callbacks_of_a_partition_run_in_the_order_of_send() {
    let (cluster, producer) = setup().topic("many", 3).set("batch.size", 200).start();
    let refuse = cluster.on(Api::Produce).partition("many", 1).times(5);
    refuse.answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    let outcomes = Outcomes::new();
    for number in 0..300 {
        let record = ProducerRecord::new("many", "x").partition(number % 3);
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    let mut offsets = [0; 3];
    for (number, metadata) in outcomes.acknowledged(300) {
        let partition = usize::try_from(metadata.partition()).unwrap();
        assert_eq!(metadata.offset(), Some(offsets[partition]));
        assert_eq!(i64::from(number / 3), offsets[partition]);
        offsets[partition] += 1;
    }
}

/// How often each record's callback ran, and with what result.
struct Calls {
    by_record: Vec<AtomicU32>,
    acknowledged: AtomicUsize,
}

const THREADS: usize = 4;
const RECORDS: usize = 1_000;

impl Calls {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            by_record: (0..THREADS * RECORDS).map(|_| AtomicU32::new(0)).collect(),
            acknowledged: AtomicUsize::new(0),
        })
    }

    /// What one of the threads sends.
    fn send(self: &Arc<Self>, producer: &Producer<str, str>, thread: usize) {
        for record in thread * RECORDS..(thread + 1) * RECORDS {
            let calls = Arc::clone(self);
            let callback = move |result: Result<_>| calls.note(record, &result);
            let key = record.to_string();
            let data = ProducerRecord::new("many", "some value").key(&key);
            if let Err(refused) = producer.send_or_return(data, None, callback) {
                // Handed back uncalled: we call it ourselves.
                let (error, _, callback) = refused.into_parts();
                callback(Err(error));
            }
        }
    }

    fn note<T>(&self, record: usize, result: &Result<T>) {
        let calls = self.by_record.get(record).unwrap();
        calls.fetch_add(1, Ordering::SeqCst);
        if result.is_ok() {
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn assert_each_once(&self, cluster: &MockCluster) {
        for (record, calls) in self.by_record.iter().enumerate() {
            assert_eq!(calls.load(Ordering::SeqCst), 1, "record {record}");
        }
        // Nothing acknowledged is missing; without idempotence there may be more.
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        assert!(cluster.counters().records >= acknowledged as u64);
    }
}

/// Many threads send while the cluster misbehaves; then the producer ends in some way.
fn each_once(setup: Setup, harm: impl Fn(&MockCluster), end: impl FnOnce(&Producer<str, str>)) {
    let (cluster, producer) = setup
        .brokers(3)
        .topic("many", 12)
        .set("batch.size", 1_000)
        .set("buffer.memory", 200_000)
        .start();
    let calls = Calls::new();
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (calls, producer) = (&calls, &producer);
            scope.spawn(move || calls.send(producer, number));
        }
        harm(&cluster);
    });
    end(&producer);
    calls.assert_each_once(&cluster);
}

fn close(producer: &Producer<str, str>) {
    producer.close().unwrap();
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
}

#[test]
fn each_callback_runs_once_while_connections_close() {
    let harm = |cluster: &MockCluster| {
        for round in 0..20 {
            cluster.on(Api::Produce).close_after();
            cluster.on(Api::Metadata).close_before();
            cluster.close_connections(round % 3 + 1);
        }
    };
    each_once(setup(), harm, close);
}

#[test]
fn each_callback_runs_once_while_brokers_refuse() {
    let harm = |cluster: &MockCluster| {
        // A duplicate is in the log, so it counts as acknowledged; the mock only says that it is.
        let codes = (1..=130).map(ErrorCode::from);
        for code in codes.filter(|code| *code != ErrorCode::DUPLICATE_SEQUENCE_NUMBER) {
            cluster.on(Api::Produce).answer(code);
        }
    };
    each_once(setup(), harm, close);
}

#[test]
fn each_callback_runs_once_while_leaders_and_brokers_come_and_go() {
    let harm = |cluster: &MockCluster| {
        for round in 0..12 {
            let node = round % 3 + 1;
            cluster.stop_broker(node);
            cluster.fail_over(node);
            for partition in 0..12 {
                cluster.move_leader("many", partition, node % 3 + 1);
            }
            cluster.restart_broker(node).unwrap();
        }
    };
    each_once(setup(), harm, close);
}

#[test]
fn each_callback_runs_once_while_brokers_say_nothing_in_time() {
    let setup = setup()
        .set("request.timeout.ms", 50)
        .set("delivery.timeout.ms", 200)
        .set("max.block.ms", 500);
    let harm = |cluster: &MockCluster| {
        cluster.on(Api::Produce).times(10).silence_after();
        cluster.on(Api::Metadata).times(2).silence();
        cluster.pause_broker(2);
    };
    each_once(setup, harm, |producer| {
        close_within(producer, Duration::from_millis(100));
    });
}

#[test]
fn each_callback_runs_once_when_the_producer_closes_in_the_middle() {
    for _ in 0..5 {
        let (cluster, producer) = setup().topic("many", 12).start();
        let calls = Calls::new();
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (calls, producer) = (&calls, &producer);
                scope.spawn(move || calls.send(producer, number));
            }
            eventually("some records are accepted", || {
                producer.metrics().records_accepted > 100
            });
            close_within(&producer, Duration::ZERO);
        });
        calls.assert_each_once(&cluster);
    }
}

#[test]
fn a_slow_callback_is_warned_about() {
    keep_log();
    let (_cluster, producer) = setup().start();
    let slow = |_: Result<_>| {
        // More than the second that callbacks of a batch may take before somebody is told.
        let (_nobody, never) = mpsc::channel::<()>();
        let waited = never.recv_timeout(Duration::from_millis(1_050));
        assert!(waited.is_err());
    };
    producer
        .send(ProducerRecord::new("slowly-called", "x"), slow)
        .unwrap();
    producer
        .send(ProducerRecord::new("quickly-called", "x"), ignore)
        .unwrap();
    producer.close().unwrap();
    assert!(is_logged(&["WARN", "callbacks", "\"slowly-called\"-0"]));
    assert!(!is_logged(&["\"quickly-called\""]));
}

#[test]
fn a_callback_that_panics_is_logged_with_its_words() {
    keep_log();
    let (_cluster, producer) = setup().start();
    for words in ["in a str", "in a String"] {
        let record = ProducerRecord::new("orders", "x");
        let panicking = move |_: Result<_>| {
            if words == "in a str" {
                resume_unwind(Box::new("words in a str"));
            }
            resume_unwind(Box::new(format!("words {words}")));
        };
        producer.send(record, panicking).unwrap();
    }
    producer
        .send(ProducerRecord::new("orders", "x"), |_| {
            resume_unwind(Box::new(4711))
        })
        .unwrap();
    producer.close().unwrap();
    for words in ["words in a str", "words in a String"] {
        assert!(is_logged(&["ERROR", "callback", words]));
    }
    assert_eq!(producer.metrics().callbacks_panicked, 3);
}

#[test]
fn a_slow_callback_does_not_make_answers_time_out_that_have_come() {
    let (cluster, producer) = setup()
        .brokers(2)
        .topic("many", 2)
        .set("request.timeout.ms", 2_000)
        .start();
    send_all(&producer, "many", &["the topic is known"]);
    let before = producer.metrics().records_retried;
    let outcomes = Outcomes::new();
    let (blocked, waiting) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    producer
        .send(ProducerRecord::new("many", "x").partition(0), move |_| {
            blocked.send(()).unwrap();
            // Longer than an answer may take.
            let waited = released.recv_timeout(Duration::from_millis(2_500));
            assert!(waited.is_err());
        })
        .unwrap();
    cluster
        .on(Api::Produce)
        .partition("many", 1)
        .delay(Duration::from_millis(50));
    producer
        .send(
            ProducerRecord::new("many", "x").partition(1),
            outcomes.callback("other"),
        )
        .unwrap();
    waiting.recv_timeout(PATIENCE).unwrap();
    let (_, took) = timed(|| outcomes.acknowledged(1));
    assert!(took < PATIENCE);
    drop(release);
    producer.close().unwrap();
    assert_eq!(
        producer.metrics().records_retried,
        before,
        "{:?}",
        produced(&cluster)
    );
}

#[test]
fn a_callback_may_own_what_blocks_until_it_is_dropped() {
    // Its captures are dropped when it has run, not when the producer is.
    let (_cluster, producer) = setup().start();
    let (owned, dropped) = mpsc::channel::<()>();
    producer
        .send(ProducerRecord::new("orders", "x"), move |_| drop(owned))
        .unwrap();
    assert_eq!(
        dropped.recv_timeout(PATIENCE),
        Err(RecvTimeoutError::Disconnected)
    );
    let (owned, dropped) = mpsc::channel::<()>();
    let refused = producer.send(ProducerRecord::new("two words", "x"), move |_| drop(owned));
    drop(refused);
    assert_eq!(
        dropped.recv_timeout(PATIENCE),
        Err(RecvTimeoutError::Disconnected)
    );
}

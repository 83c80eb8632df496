//! Memory: `buffer.memory` holds, callers wait in line, and nothing is kept when idle.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use linger::testing::{Api, MockCluster};
use linger::{ErrorCode, ErrorKind, Producer, ProducerRecord, Purge};

use crate::observe::eventually;
use crate::support::{Outcomes, PATIENCE, Setup, ignore, values, wait_for_records};

/// Longer than any test may take: what lingers so long has to be fetched.
const FOR_EVER_MS: u64 = 300_000;

const SMALL_BUFFER: usize = 20_000;

fn small_buffer() -> Setup {
    Setup::new()
        .topic("t", 1)
        .set("buffer.memory", SMALL_BUFFER)
        .set("request.timeout.ms", 15_000)
        .set("delivery.timeout.ms", 20_000)
        .set("batch.size", 1_000)
}

fn used(producer: &Producer<str, str>) -> usize {
    usize::try_from(producer.metrics().buffer_used_bytes).unwrap()
}

/// A producer whose buffer is full, because its broker hangs; gives how many records there were.
fn full(setup: Setup) -> (MockCluster, Producer<str, str>, u64) {
    let (cluster, producer) = setup.start();
    // However short max.block.ms is.
    eventually("the topic is known", || {
        producer.partitions_for("t").is_ok()
    });
    producer
        .send_wait(ProducerRecord::new("t", "first"))
        .unwrap();
    // The first record's memory is back.
    producer.flush().unwrap();
    cluster.pause_broker(1);
    // Who waits a moment also gets what batches had reserved and give back when they leave, which may
    // take the I/O thread a while.
    let record = || ProducerRecord::new("t", "v").partition(0);
    let moment = Duration::from_secs(1);
    while producer.send_timeout(record(), moment, ignore).is_ok() {}
    let accepted = producer.metrics().records_accepted;
    (cluster, producer, accepted)
}

#[expect(clippy::disallowed_methods, reason = "blocking is about time")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn buffer_memory_is_never_exceeded_and_all_of_it_comes_back() {
    let (cluster, producer) = small_buffer().start();
    let done = AtomicBool::new(false);
    let most = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(used(&producer));
            }
            most
        });
        let senders: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for length in (0..500).map(|number| number % 400) {
                        let value = "x".repeat(length);
                        producer
                            .send(ProducerRecord::new("t", &value), ignore)
                            .unwrap();
                    }
                })
            })
            .collect();
        senders
            .into_iter()
            .for_each(|sender| sender.join().unwrap());
        producer.flush().unwrap();
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert!(
        (1..=SMALL_BUFFER).contains(&most),
        "{most} bytes of {SMALL_BUFFER}"
    );
    assert_eq!(used(&producer), 0);
    assert_eq!(cluster.counters().records, 2_000);
}

#[test]
fn a_send_that_must_not_wait_hands_record_and_callback_back_when_memory_is_full() {
    let (cluster, producer, held) = full(small_buffer());
    assert!(used(&producer) <= SMALL_BUFFER);
    assert!(
        used(&producer) > SMALL_BUFFER - 1_000,
        "full to the last record"
    );
    let outcomes = Outcomes::new();
    let record = ProducerRecord::new("t", "mine")
        .partition(0)
        .null_header("h");
    let refused = producer
        .send_or_return(record, Some(Duration::ZERO), outcomes.callback("mine"))
        .unwrap_err();
    assert_eq!(refused.error().kind(), ErrorKind::BufferFull);
    assert!(refused.error().is_retriable());
    let text =
        "buffer.memory (20000 bytes) is full: records come faster than the brokers take them";
    assert_eq!(refused.to_string(), text);
    let (_, record, callback) = refused.into_parts();
    assert!(outcomes.is_empty(), "the callback has not run");

    cluster.resume_broker(1);
    producer.flush().unwrap();
    assert_eq!(used(&producer), 0);
    producer.try_send(record, callback).unwrap();
    producer.flush().unwrap();
    outcomes.acknowledged(1);
    assert_eq!(cluster.counters().records, held + 1);
    let last = cluster.records("t", 0).pop().unwrap();
    assert_eq!(last.value.as_deref(), Some(b"mine".as_slice()));
    assert_eq!(last.headers, [("h".to_owned(), None)]);
}

#[test]
fn send_blocks_while_memory_is_full_and_goes_on_when_the_broker_does() {
    let (cluster, producer, held) = full(small_buffer());
    let resumed = AtomicBool::new(false);
    thread::scope(|scope| {
        let senders: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    producer
                        .send(ProducerRecord::new("t", "blocked"), ignore)
                        .unwrap();
                    assert!(resumed.load(Ordering::SeqCst), "there was no room before");
                })
            })
            .collect();
        resumed.store(true, Ordering::SeqCst);
        cluster.resume_broker(1);
        senders
            .into_iter()
            .for_each(|sender| sender.join().unwrap());
    });
    producer.flush().unwrap();
    assert_eq!(cluster.counters().records, held + 3);
    assert_eq!(used(&producer), 0);
}

#[test]
fn send_blocks_for_max_block_ms_and_send_timeout_for_its_own_limit() {
    let (cluster, producer, _) = full(small_buffer().set("max.block.ms", 80));
    let record = || ProducerRecord::new("t", "v").partition(0);
    let started = now();
    let error = producer.send(record(), ignore).unwrap_err();
    let waited = now() - started;
    assert!(
        (Duration::from_millis(80)..PATIENCE).contains(&waited),
        "{waited:?}"
    );
    assert_eq!(error.kind(), ErrorKind::BufferFull);
    assert!(
        error
            .to_string()
            .contains("stayed so for max.block.ms (80 ms)"),
        "{error}"
    );

    let started = now();
    let limit = Duration::from_millis(20);
    let error = producer.send_timeout(record(), limit, ignore).unwrap_err();
    assert!(now() - started >= limit);
    assert!(error.to_string().contains("stayed so for 20 ms"), "{error}");
    cluster.resume_broker(1);
    producer.flush().unwrap();
    assert_eq!(used(&producer), 0, "those who gave up hold nothing");
}

/// Without this a full buffer of lingering batches would wait for the linger, and its callers, too.
#[test]
fn callers_who_wait_for_memory_make_lingering_batches_leave() {
    let (cluster, producer) = small_buffer()
        .topic("other", 1)
        .set("batch.size", SMALL_BUFFER)
        .set("linger.ms", FOR_EVER_MS)
        .set("delivery.timeout.ms", 2 * FOR_EVER_MS)
        .start();
    let value = "x".repeat(100);
    for _ in 0..1_000 {
        producer
            .send(ProducerRecord::new("t", &value), ignore)
            .unwrap();
    }
    producer.flush().unwrap();
    assert_eq!(cluster.counters().records, 1_000);
}

#[test]
fn a_refused_try_send_makes_lingering_batches_leave() {
    let (cluster, producer) = small_buffer()
        .topic("other", 1)
        .set("batch.size", SMALL_BUFFER)
        .set("linger.ms", FOR_EVER_MS)
        .set("delivery.timeout.ms", 2 * FOR_EVER_MS)
        .start();
    producer.partitions_for("t").unwrap();
    while producer
        .try_send(ProducerRecord::new("t", "v"), ignore)
        .is_ok()
    {}
    let accepted = producer.metrics().records_accepted;
    wait_for_records(&cluster, "t", accepted);
    producer.flush().unwrap();
    // What comes now lingers again, while something else of the same broker goes.
    producer
        .try_send(ProducerRecord::new("t", "later"), ignore)
        .unwrap();
    producer
        .send_wait(ProducerRecord::new("other", "now"))
        .unwrap();
    assert!(!values(&cluster, "t", 0).contains(&"later".to_owned()));
}

/// Two threads take whatever memory there is for small records; a record of most of the buffer gets
/// its turn nevertheless, long before they stop.
#[test]
fn a_large_record_is_not_starved_by_small_ones() {
    let (cluster, producer) = small_buffer().start();
    cluster
        .on(Api::Produce)
        .always()
        .delay(Duration::from_millis(1));
    let stop = AtomicBool::new(false);
    let (small, large) = ("x".repeat(500), "x".repeat(SMALL_BUFFER * 9 / 10));
    let grab = || {
        let refused = producer.try_send(ProducerRecord::new("t", &small), ignore);
        if refused.is_err() {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    grab();
                }
            });
        }
        // The two are at it by now.
        wait_for_records(&cluster, "t", 100);
        let sent = producer.send(ProducerRecord::new("t", &large), ignore);
        stop.store(true, Ordering::Relaxed);
        sent.unwrap();
    });
    producer.flush().unwrap();
    assert_eq!(used(&producer), 0);
}

#[test]
fn ten_thousand_partitions_with_a_small_record_each_fit_the_default_buffer() {
    const PARTITIONS: i32 = 10_000;
    let (cluster, producer) = Setup::new()
        .topic("t", PARTITIONS)
        .set("linger.ms", FOR_EVER_MS)
        .set("delivery.timeout.ms", 2 * FOR_EVER_MS)
        .start();
    producer.partitions_for("t").unwrap();
    for partition in 0..PARTITIONS {
        let record = ProducerRecord::new("t", "small").partition(partition);
        producer.try_send(record, ignore).unwrap();
    }
    let all = producer.metrics();
    assert_eq!(all.buffer_total_bytes, 32 * 1024 * 1024);
    assert!(
        all.buffer_used_bytes < all.buffer_total_bytes / 2,
        "{all:?}"
    );
    assert_eq!(all.batches_sent, 0, "nobody was short of memory");
    producer.flush().unwrap();
    assert_eq!(cluster.counters().records, 10_000);
    assert_eq!(used(&producer), 0);
}

#[test]
fn records_that_fail_give_their_memory_back() {
    let (cluster, producer) = small_buffer().start();
    cluster
        .on(Api::Produce)
        .times(1)
        .answer(ErrorCode::MESSAGE_TOO_LARGE);
    let error = producer
        .send_wait(ProducerRecord::new("t", "v"))
        .unwrap_err();
    assert_eq!(error.broker_code(), Some(ErrorCode::MESSAGE_TOO_LARGE));
    producer.flush().unwrap();
    assert_eq!(used(&producer), 0);
}

/// A slow callback slows its callers down instead of hiding how much there is to do.
#[test]
fn memory_is_held_until_the_callback_has_run() {
    let (_cluster, producer) = small_buffer().start();
    let (running, runs) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let callback = move |_: linger::Result<_>| {
        running.send(()).unwrap();
        may_go_on.recv_timeout(PATIENCE).unwrap();
    };
    producer
        .send(ProducerRecord::new("t", "v"), callback)
        .unwrap();
    runs.recv_timeout(PATIENCE).unwrap();
    assert!(used(&producer) > 0);
    go_on.send(()).unwrap();
    producer.flush().unwrap();
    assert_eq!(used(&producer), 0);
}

#[test]
fn what_a_callback_captures_counts() {
    let (cluster, producer, _) = full(small_buffer());
    cluster.resume_broker(1);
    producer.flush().unwrap();
    cluster.pause_broker(1);
    let captured = [1u8; 5_000];
    let callback = move |_: linger::Result<_>| assert_eq!(captured[4_999], 1);
    producer
        .send(ProducerRecord::new("t", "v"), callback)
        .unwrap();
    assert!(used(&producer) > 5_000);
    cluster.resume_broker(1);
    producer.flush().unwrap();
    assert_eq!(used(&producer), 0);
}

/// As many records as may be without an outcome.
const PLACES: usize = 3;

fn few_places() -> Setup {
    let lingering = Setup::new().topic("t", 1).set("linger.ms", FOR_EVER_MS);
    lingering
        .set("delivery.timeout.ms", 2 * FOR_EVER_MS)
        .set("queue.buffering.max.messages", PLACES)
}

#[test]
fn no_more_records_are_accepted_than_there_are_places() {
    let (cluster, producer) = few_places().start();
    producer.partitions_for("t").unwrap();
    cluster.pause_broker(1);
    let record = || ProducerRecord::new("t", "v");
    for _ in 0..PLACES {
        producer.try_send(record(), ignore).unwrap();
    }
    let refused = producer.try_send(record(), ignore).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::BufferFull);
    assert_eq!(
        refused.to_string(),
        "queue.buffering.max.messages (3 records) is full: records come faster than the brokers \
         take them"
    );
    let moment = Duration::from_millis(1);
    let refused = producer.send_timeout(record(), moment, ignore).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::BufferFull);
    cluster.resume_broker(1);
    producer.flush().unwrap();
    // Each place is free again, and no more than these.
    for _ in 0..PLACES {
        producer.try_send(record(), ignore).unwrap();
    }
    assert!(producer.try_send(record(), ignore).is_err());
}

#[test]
fn a_send_waits_for_a_place_and_what_lingers_leaves_for_it() {
    let (cluster, producer) = few_places().start();
    let sent: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    for value in &sent {
        producer
            .send(ProducerRecord::new("t", value), ignore)
            .unwrap();
    }
    producer.flush().unwrap();
    assert_eq!(values(&cluster, "t", 0), sent);
    let most = cluster
        .batches("t", 0)
        .iter()
        .map(|batch| batch.records)
        .max();
    assert!(most <= Some(PLACES), "{most:?}");
}

#[test]
fn a_refused_record_and_a_purged_one_give_their_places_back() {
    let (_cluster, producer) = few_places().set("max.request.size", 1_000).start();
    producer.partitions_for("t").unwrap();
    let too_large = "x".repeat(2_000);
    for _ in 0..2 * PLACES {
        let refused = producer.try_send(ProducerRecord::new("t", &too_large), ignore);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::RecordTooLarge);
        let unknown = ProducerRecord::new("t", "v").partition(7);
        producer.try_send(unknown, ignore).unwrap_err();
    }
    for _ in 0..2 {
        for _ in 0..PLACES {
            producer
                .try_send(ProducerRecord::new("t", "v"), ignore)
                .unwrap();
        }
        assert_eq!(producer.purge(Purge::All).unwrap().purged, PLACES as u64);
    }
}

#[test]
fn a_batch_has_no_more_records_than_batch_num_messages() {
    let (cluster, producer) = Setup::new()
        .topic("t", 1)
        .set("linger.ms", FOR_EVER_MS)
        .set("delivery.timeout.ms", 2 * FOR_EVER_MS)
        .set("batch.num.messages", 4)
        .start();
    for number in 0..10 {
        let value = number.to_string();
        producer
            .send(ProducerRecord::new("t", &value), ignore)
            .unwrap();
    }
    producer.flush().unwrap();
    let batches = cluster.batches("t", 0);
    let counts: Vec<_> = batches.iter().map(|batch| batch.records).collect();
    assert_eq!(counts, [4, 4, 2]);
}

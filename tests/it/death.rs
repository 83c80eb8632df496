//! The I/O thread dies, as a test has asked for: every record has its outcome, with a true fate, and
//! nobody waits any more.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use linger::testing::{Api, MockCluster};
use linger::{
    Error, ErrorCode, ErrorKind, Fate, GroupReport, Producer, ProducerRecord, RecordMetadata,
    Result,
};

use crate::logged::{is_logged, keep_log};
use crate::observe::{eventually, this_thread, timed, wait_until_asleep};
use crate::support::{Outcomes, PATIENCE, Setup, ignore};

/// Two brokers, of which the one that leads partition 1 falls silent.
fn start() -> (MockCluster, Producer<str, str>) {
    let (cluster, producer) = Setup::new()
        .brokers(2)
        .topic("orders", 2)
        .set("enable.idempotence", false)
        .set("linger.ms", 0)
        .set("max.block.ms", 60_000)
        .set("buffer.memory", 20_000)
        .set("batch.size", 1_000)
        .start();
    keep_log();
    for partition in [0, 1] {
        let record = ProducerRecord::new("orders", "x").partition(partition);
        producer.send_wait(record).unwrap();
    }
    let leaders = [0, 1].map(|partition| cluster.leader("orders", partition).unwrap());
    assert_ne!(leaders[0], leaders[1]);
    cluster.pause_broker(leaders[1]);
    (cluster, producer)
}

fn died(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    assert!(error.to_string().contains("I/O thread"), "{error}");
}

#[test]
fn every_record_has_its_outcome_and_a_true_fate() {
    let (_cluster, producer) = start();
    let outcomes = Outcomes::new();
    let before = producer.metrics().batches_sent;
    for tag in ["on its way", "behind", "behind"] {
        let record = ProducerRecord::new("orders", tag).partition(1);
        producer.send(record, outcomes.callback(tag)).unwrap();
        eventually("one batch is on its way", || {
            producer.metrics().batches_sent == before + 1
        });
    }
    producer.kill_io_thread();
    for expected in ["on its way", "behind", "behind"] {
        let (tag, result) = outcomes.next();
        let error = result.unwrap_err();
        died(&error);
        let fate = match expected {
            "behind" => Fate::NotWritten,
            _ => Fate::MayBeWritten,
        };
        assert_eq!((tag, error.fate()), (expected, fate), "{error}");
    }
    died(&producer.flush().unwrap_err());
    eventually("the thread has done its last", || {
        is_logged(&["ERROR", "the I/O thread has panicked"])
    });
    eventually("all memory is back", || {
        producer.metrics().buffer_used_bytes == 0
    });
    assert!(outcomes.is_empty(), "each callback once");
    assert_eq!(producer.metrics().records_failed, 3);
}

#[test]
fn groups_are_told_of_every_record_and_of_their_end() {
    let (_cluster, producer) = start();
    let outcomes = Outcomes::new();
    let callbacks = outcomes.callbacks();
    let group = producer.group(move |tag, result: Result<&RecordMetadata, &Error>| {
        callbacks.tagged(tag)(result.cloned().map_err(Error::clone));
    });
    let (tell, told) = mpsc::channel();
    let once = producer.group_once(move |report: GroupReport<u32>| tell.send(report).unwrap());
    for tag in 0..100 {
        let record = || ProducerRecord::new("orders", "x").partition(1);
        match tag % 3 {
            0 => group.send(record(), tag).unwrap(),
            1 => once.send(record(), tag).unwrap(),
            _ => producer.send(record(), outcomes.callback(tag)).unwrap(),
        }
    }
    once.done();
    producer.kill_io_thread();
    for tag in (0..100).filter(|tag| tag % 3 != 1) {
        let (told, result) = outcomes.next();
        assert_eq!(told, tag);
        died(&result.unwrap_err());
    }
    let report = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(report.acknowledged, 0);
    let tokens: Vec<_> = report.failures.iter().map(|one| one.token).collect();
    assert_eq!(
        tokens,
        (0..100).filter(|tag| tag % 3 == 1).collect::<Vec<_>>()
    );
    report.failures.iter().for_each(|one| died(&one.error));
    eventually("all memory is back", || {
        producer.metrics().buffer_used_bytes == 0
    });
    assert!(outcomes.is_empty(), "each record once");
    assert!(told.recv().is_err(), "and the group once");
}

#[test]
fn afterwards_every_call_is_refused_at_once() {
    let (_cluster, producer) = start();
    producer.kill_io_thread();
    eventually("it is dead", || {
        producer
            .flush_timeout(Duration::ZERO)
            .is_err_and(|error| error.kind() == ErrorKind::Internal)
    });
    let ((), took) = timed(|| {
        let record = || ProducerRecord::new("orders", "x");
        died(&producer.send(record(), ignore).unwrap_err());
        died(&producer.try_send(record(), ignore).unwrap_err());
        died(&producer.send_wait(record()).unwrap_err());
        died(
            &producer
                .send_wait(ProducerRecord::new("unknown", "x"))
                .unwrap_err(),
        );
        died(&producer.partitions_for("unknown").unwrap_err());
        died(&producer.flush().unwrap_err());
        died(&producer.close().unwrap_err());
        died(&producer.close_and_return(PATIENCE).unwrap_err());
        drop(producer);
    });
    assert!(took < PATIENCE, "{took:?}");
}

/// Runs a call on a thread of its own, until it waits; gives its error when it is back.
fn waiting(call: impl FnOnce() -> Result<()> + Send + 'static) -> thread::JoinHandle<Error> {
    let (tell, told) = mpsc::channel();
    let thread = thread::Builder::new().spawn(move || {
        tell.send(this_thread()).unwrap();
        call().unwrap_err()
    });
    wait_until_asleep(&told.recv_timeout(PATIENCE).unwrap());
    thread.unwrap()
}

#[test]
fn everybody_who_waits_is_told() {
    let (cluster, producer) = start();
    let unknown = cluster.on(Api::Metadata).topic("unknown").always();
    unknown.answer(ErrorCode::LEADER_NOT_AVAILABLE);
    let before = producer.metrics().batches_sent;
    let record = ProducerRecord::new("orders", "x").partition(1);
    let handle = producer.send_with_handle(record).unwrap();
    // A batch gives room back that it has not used as it leaves.
    eventually("one batch is on its way", || {
        producer.metrics().batches_sent == before + 1
    });
    let value = "x".repeat(400);
    for value in [&*value, "x"] {
        let record = || ProducerRecord::new("orders", value).partition(1);
        while producer.try_send(record(), ignore).is_ok() {}
    }
    let clones = [0; 4].map(|_| producer.clone());
    let [for_memory, for_metadata, for_partitions, for_flush] = clones;
    let memory = move || {
        let record = ProducerRecord::new("orders", &value).partition(1);
        for_memory.send(record, ignore)
    };
    let metadata = move || for_metadata.send(ProducerRecord::new("unknown", "x"), ignore);
    let calls = [
        waiting(memory),
        waiting(metadata),
        waiting(move || for_partitions.partitions_for("unknown").map(drop)),
        waiting(move || for_flush.flush()),
        waiting(move || handle.wait().map(drop)),
    ];
    producer.kill_io_thread();
    for call in calls {
        died(&call.join().unwrap());
    }
}

#[test]
fn a_close_that_waits_is_told() {
    let (_cluster, producer) = start();
    let outcomes = Outcomes::new();
    let record = ProducerRecord::new("orders", "x").partition(1);
    producer.send(record, outcomes.callback(())).unwrap();
    let closing = producer.clone();
    let close = waiting(move || closing.close().map(drop));
    producer.kill_io_thread();
    died(&close.join().unwrap());
    died(&outcomes.next().1.unwrap_err());
}

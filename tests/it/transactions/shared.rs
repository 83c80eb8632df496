//! The producer that threads share: its states, and sends beside an end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use linger::testing::{Api, MockCluster};
use linger::{ErrorCode, ErrorKind, Fate, ProducerRecord, SharedTransactionalProducer};

use super::{committed, setup};
use crate::observe::{eventually, this_thread, wait_until_asleep};
use crate::support::{PATIENCE, Setup, ignore};

type Shared = SharedTransactionalProducer<str, str>;

fn start_with(setup: Setup) -> (MockCluster, Shared) {
    let (cluster, properties) = setup.start_cluster();
    (cluster, Shared::new(&properties).unwrap())
}

fn record(value: &str) -> ProducerRecord<'_, str, str> {
    ProducerRecord::new("orders", value)
}

#[track_caller]
fn assert_misuse(result: linger::Result<()>, call: &str, state: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("{call}: ")), "{text}");
    assert!(
        text.ends_with(&format!("the producer is {state}")),
        "{text}"
    );
}

#[test]
fn each_call_in_the_wrong_state_names_the_state_and_changes_nothing() {
    let (cluster, producer) = start_with(setup());
    let state = "UNINITIALIZED";
    assert_misuse(producer.begin_transaction(), "begin_transaction", state);
    assert_misuse(producer.commit_transaction(), "commit_transaction", state);
    assert_misuse(producer.abort_transaction(), "abort_transaction", state);
    assert_misuse(producer.send(record("x"), ignore), "send", state);
    producer.init_transactions().unwrap();
    let state = "READY";
    assert_misuse(producer.init_transactions(), "init_transactions", state);
    assert_misuse(producer.commit_transaction(), "commit_transaction", state);
    assert_misuse(producer.abort_transaction(), "abort_transaction", state);
    assert_misuse(producer.send(record("x"), ignore), "send", state);
    producer.begin_transaction().unwrap();
    let state = "IN_TRANSACTION";
    assert_misuse(producer.begin_transaction(), "begin_transaction", state);
    assert_misuse(producer.init_transactions(), "init_transactions", state);
    producer.send(record("one"), ignore).unwrap();
    producer.commit_transaction().unwrap();
    assert_misuse(producer.commit_transaction(), "commit_transaction", "READY");
    assert_eq!(committed(&cluster, "orders"), ["one"]);
    let closed = producer.clone();
    producer.close().unwrap();
    assert!(closed.begin_transaction().unwrap_err().is_closed());
}

#[test]
fn a_failed_commit_leaves_the_transaction_to_be_aborted_by_the_program() {
    let (cluster, producer) = start_with(setup());
    producer.init_transactions().unwrap();
    producer.begin_transaction().unwrap();
    cluster.on(Api::Produce).answer(ErrorCode::INVALID_RECORD);
    producer.send(record("one"), ignore).unwrap();
    assert!(producer.commit_transaction().unwrap_err().is_abortable());
    let state = "ABORTABLE_ERROR";
    assert!(format!("{producer:?}").contains(state));
    assert_misuse(producer.begin_transaction(), "begin_transaction", state);
    assert!(
        producer
            .send(record("x"), ignore)
            .unwrap_err()
            .is_abortable()
    );
    assert!(producer.commit_transaction().unwrap_err().is_abortable());
    producer.abort_transaction().unwrap();
    producer.begin_transaction().unwrap();
    producer.send(record("two"), ignore).unwrap();
    producer.commit_transaction().unwrap();
    assert_eq!(committed(&cluster, "orders"), ["two"]);
}

#[test]
fn a_commit_without_an_answer_is_waited_for_by_the_same_call() {
    let (cluster, producer) = start_with(setup().set("max.block.ms", 500));
    producer.init_transactions().unwrap();
    producer.begin_transaction().unwrap();
    producer.send(record("one"), ignore).unwrap();
    cluster.on(Api::EndTxn).silence_after();
    let error = producer.commit_transaction().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert_eq!(error.fate(), Fate::MayBeWritten);
    let state = "COMMITTING";
    assert_misuse(producer.begin_transaction(), "begin_transaction", state);
    assert_misuse(producer.abort_transaction(), "abort_transaction", state);
    assert_misuse(producer.send(record("x"), ignore), "send", state);
    cluster.close_connections(1);
    producer.commit_transaction().unwrap();
    assert_eq!(committed(&cluster, "orders"), ["one"]);
}

#[test]
fn sends_beside_ends_are_in_a_transaction_as_a_whole_or_refused() {
    const TRANSACTIONS: usize = 30;
    let (cluster, producer) = start_with(setup());
    producer.init_transactions().unwrap();
    let (accepted, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let send_until_done = || {
        while done.load(Ordering::Relaxed) == 0 {
            if let Err(error) = producer.send(record("x"), ignore) {
                assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
                thread::yield_now();
                continue;
            }
            accepted.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(send_until_done);
        }
        for _ in 0..TRANSACTIONS {
            producer.begin_transaction().unwrap();
            let before = accepted.load(Ordering::Relaxed);
            eventually("something is sent", || {
                accepted.load(Ordering::Relaxed) > before
            });
            producer.commit_transaction().unwrap();
            // Nothing of this transaction is still to come, and nothing of the next one has.
            cluster.view(|view| {
                let (stable, end) = (
                    view.last_stable_offset("orders", 0),
                    view.end_offset("orders", 0),
                );
                assert_eq!(stable, end, "no record is outside of a transaction");
            });
        }
        done.store(1, Ordering::Relaxed);
    });
    let seen = committed(&cluster, "orders").len() as u64;
    assert_eq!(seen, accepted.load(Ordering::Relaxed));
    assert_eq!(cluster.violations(), [""; 0]);
}

#[test]
fn a_commit_waits_for_a_send_that_waits_for_memory() {
    let (cluster, producer) = start_with(
        setup()
            .set("buffer.memory", 2_000)
            .set("batch.size", 1_000)
            .set("max.block.ms", 60_000),
    );
    producer.init_transactions().unwrap();
    producer.begin_transaction().unwrap();
    producer.send_wait(record("first")).unwrap();
    cluster.pause_broker(1);
    let large = "x".repeat(900);
    producer.send(record(&large), ignore).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let blocked = scope.spawn(|| {
            tell.send(this_thread()).unwrap();
            producer.send(record(&large), ignore)
        });
        wait_until_asleep(&told.recv_timeout(PATIENCE).unwrap());
        let commit = scope.spawn(|| producer.commit_transaction());
        eventually("the commit has begun", || {
            let error = producer.try_send(record("late"), ignore).unwrap_err();
            error.kind() == ErrorKind::Misuse
        });
        cluster.resume_broker(1);
        blocked.join().unwrap().unwrap();
        commit.join().unwrap().unwrap();
    });
    assert_eq!(committed(&cluster, "orders").len(), 3);
}

#[test]
fn calls_that_begin_and_end_do_not_meet() {
    let (cluster, producer) = start_with(setup());
    producer.init_transactions().unwrap();
    producer.begin_transaction().unwrap();
    producer.send_wait(record("one")).unwrap();
    cluster.on(Api::EndTxn).silence();
    thread::scope(|scope| {
        let commit = scope.spawn(|| producer.commit_transaction());
        eventually("the commit is asked for", || cluster.pending_faults() == 0);
        let error = producer.abort_transaction().unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{text}");
        assert!(text.contains("commit_transaction is under way"), "{text}");
        cluster.close_connections(1);
        commit.join().unwrap().unwrap();
    });
    assert_eq!(committed(&cluster, "orders"), ["one"]);
}

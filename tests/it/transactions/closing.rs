//! Producers that were closed, or can only be closed: what each call says then.

use std::thread;
use std::time::Duration;

use linger::testing::{Api, MockCluster};
use linger::{
    ErrorCode, ErrorKind, Fate, ProducerRecord, SharedTransactionalProducer, TransactionalProducer,
};

use super::{committed, send_to_all, setup, start, start_with};
use crate::observe::eventually;
use crate::support::{Outcomes, ignore};

type Shared = SharedTransactionalProducer<str, str>;

/// A transaction is open, with one record.
fn start_shared() -> (MockCluster, Shared) {
    let (cluster, properties) = setup().start_cluster();
    let producer = Shared::new(&properties).unwrap();
    producer.init_transactions().unwrap();
    producer.begin_transaction().unwrap();
    producer.send_wait(record("one")).unwrap();
    (cluster, producer)
}

fn record(value: &str) -> ProducerRecord<'_, str, str> {
    ProducerRecord::new("orders", value)
}

#[track_caller]
fn assert_closed(producer: &Shared) {
    let calls = [
        producer.init_transactions(),
        producer.begin_transaction(),
        producer.send(record("x"), ignore),
        producer.commit_transaction(),
        producer.abort_transaction(),
    ];
    for result in calls {
        let error = result.unwrap_err();
        assert!(error.is_closed(), "{error}");
    }
}

#[test]
fn a_shared_producer_that_is_closed_in_a_transaction_says_that_it_is_closed() {
    let (cluster, producer) = start_shared();
    producer.close().unwrap();
    assert_closed(&producer);
    assert_eq!(committed(&cluster, "orders"), [""; 0]);
}

#[test]
fn a_dead_io_thread_is_what_each_call_tells_of() {
    let (_cluster, producer) = start_shared();
    producer.kill_io_thread();
    eventually("it has died", || producer.flush().is_err());
    let calls = [
        producer.commit_transaction(),
        producer.abort_transaction(),
        producer.begin_transaction(),
        producer.init_transactions(),
    ];
    for result in calls {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    }
}

#[test]
fn a_close_beside_a_commit_waits_for_its_answer() {
    let (cluster, producer) = start_shared();
    let delay = Duration::from_millis(100);
    cluster.on(Api::EndTxn).delay(delay);
    thread::scope(|scope| {
        let commit = scope.spawn(|| producer.commit_transaction());
        eventually("the commit is asked for", || cluster.pending_faults() == 0);
        producer.close().unwrap();
        commit.join().unwrap().unwrap();
    });
    assert_eq!(committed(&cluster, "orders"), ["one"]);
}

/// Ends the transaction while the broker is silent, closes meanwhile, and gives the end's error.
fn close_beside(end: impl Fn(&Shared) -> linger::Result<()> + Sync) -> linger::Error {
    let (cluster, producer) = start_shared();
    cluster.on(Api::EndTxn).silence();
    let error = thread::scope(|scope| {
        let ends = scope.spawn(|| end(&producer));
        eventually("the end is asked for", || cluster.pending_faults() == 0);
        producer.close_timeout(Duration::from_millis(50)).unwrap();
        ends.join().unwrap().unwrap_err()
    });
    assert!(error.is_closed(), "{error}");
    assert_closed(&producer);
    error
}

#[test]
fn a_close_that_cannot_wait_for_a_commit_leaves_it_unknown_and_says_so() {
    let error = close_beside(Shared::commit_transaction);
    assert_eq!(error.fate(), Fate::MayBeWritten, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("whether the transaction was committed is not known"),
        "{text}"
    );
}

#[test]
fn a_close_that_cannot_wait_for_an_abort_does_not_call_it_committed() {
    let error = close_beside(Shared::abort_transaction);
    assert_eq!(error.fate(), Fate::NotWritten, "{error}");
}

#[test]
fn a_producer_that_is_closed_does_not_ask_for_another_try() {
    let (cluster, mut producer) = start_with(setup().set("max.block.ms", 300));
    let outcomes = Outcomes::new();
    let transaction = producer.begin().unwrap();
    transaction
        .send_wait(ProducerRecord::new("payments", "one"))
        .unwrap();
    cluster.on(Api::Produce).silence();
    transaction
        .send(record("one"), outcomes.callback(()))
        .unwrap();
    let error = transaction.commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    producer.close_timeout(Duration::from_millis(50)).unwrap();
    outcomes.next().1.unwrap_err();
    // Whatever the commit has come to, it is told once.
    producer.resolve_commit().unwrap_err();
    for _ in 0..3 {
        let error = producer.begin().unwrap_err();
        assert!(error.is_closed() && !error.is_abortable(), "{error}");
    }
}

#[test]
fn a_record_that_is_refused_after_an_unknown_commit_was_not_written() {
    let (cluster, producer) = start_shared();
    cluster.on(Api::EndTxn).close_after();
    let fenced = ErrorCode::PRODUCER_FENCED;
    cluster.on(Api::EndTxn).answer(fenced);
    let error = producer.commit_transaction().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    assert_eq!(error.fate(), Fate::MayBeWritten, "{error}");
    let error = producer.send(record("two"), ignore).unwrap_err();
    assert!(error.is_fatal(), "{error}");
    assert_eq!(error.fate(), Fate::NotWritten, "{error}");
    let text = error.to_string();
    assert!(!text.contains("is not known"), "{text}");
}

#[test]
fn a_fatal_error_says_that_the_producer_can_only_be_closed() {
    let (cluster, mut producer) = start();
    cluster.on(Api::EndTxn).answer(ErrorCode::PRODUCER_FENCED);
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "one");
    let error = transaction.commit().unwrap_err();
    assert!(error.is_fatal(), "{error}");
    assert!(error.to_string().contains("can only be closed"), "{error}");
    drop::<TransactionalProducer<str, str>>(producer);
}

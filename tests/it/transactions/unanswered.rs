//! Ends of transactions whose answer comes after the caller's time is over.

use linger::testing::{Api, MockCluster};
use linger::{ErrorCode, ErrorKind, Fate, TransactionalProducer};

use super::{TOPICS, assert_committed, send_to_all, setup, start_with};
use crate::support::PATIENCE;

/// A commit waits for half a second; no answer to its request comes until the connection is closed.
fn start() -> (MockCluster, TransactionalProducer<str, str>) {
    let (cluster, producer) =
        start_with(setup().set("max.block.ms", 500).set("retry.backoff.ms", 10));
    // Answers come in the order of requests: one that is held back would hold back metadata, too.
    producer.prepare(&TOPICS, PATIENCE).unwrap();
    (cluster, producer)
}

/// Commits a value, and is not told what became of it.
fn commit_unanswered(cluster: &MockCluster, producer: &mut TransactionalProducer<str, str>) {
    cluster.on(Api::EndTxn).silence_after();
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "one");
    let error = transaction.commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert_eq!(error.fate(), Fate::MayBeWritten, "{error}");
    assert!(!error.is_abortable() && !error.is_fatal(), "{error}");
    assert!(error.to_string().contains("resolve_commit"), "{error}");
}

fn commits(cluster: &MockCluster) -> usize {
    let markers = cluster.batches("orders", 0).into_iter();
    markers.filter(|batch| batch.marker.is_some()).count()
}

#[test]
fn a_commit_is_resolved_and_never_asked_for_as_another_one() {
    let (cluster, mut producer) = start();
    commit_unanswered(&cluster, &mut producer);
    let still = producer.resolve_commit().unwrap_err();
    assert_eq!(still.kind(), ErrorKind::TimedOut, "{still}");
    cluster.close_connections(1);
    producer.resolve_commit().unwrap();
    assert_committed(&cluster, &["one"]);
    assert_eq!(commits(&cluster), 1);
    let nothing = producer.resolve_commit().unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::Misuse, "{nothing}");
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "two");
    transaction.commit().unwrap();
    assert_committed(&cluster, &["one", "two"]);
}

#[test]
fn the_next_begin_settles_a_commit() {
    let (cluster, mut producer) = start();
    commit_unanswered(&cluster, &mut producer);
    let still = producer.begin().unwrap_err();
    assert_eq!(still.fate(), Fate::MayBeWritten, "{still}");
    cluster.close_connections(1);
    let transaction = producer.begin().unwrap();
    assert_committed(&cluster, &["one"]);
    send_to_all(&transaction, "two");
    transaction.commit().unwrap();
    assert_committed(&cluster, &["one", "two"]);
}

#[test]
fn a_commit_that_was_not_done_is_told_by_the_next_begin_once() {
    let (cluster, mut producer) = start();
    cluster.on(Api::Produce).partition("orders", 0).silence();
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "one");
    let error = transaction.commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    cluster
        .on(Api::Produce)
        .partition("orders", 0)
        .answer(ErrorCode::INVALID_RECORD);
    cluster.close_connections(1);
    let error = producer.begin().unwrap_err();
    assert!(error.is_abortable(), "{error}");
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "two");
    transaction.commit().unwrap();
    assert_committed(&cluster, &["two"]);
}

#[test]
fn an_abort_goes_on_and_the_next_begin_waits_for_it() {
    let (cluster, mut producer) = start();
    cluster.on(Api::EndTxn).silence();
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "one");
    transaction.flush().unwrap();
    let error = transaction.abort().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert_eq!(error.fate(), Fate::NotWritten, "{error}");
    assert_eq!(producer.begin().unwrap_err().kind(), ErrorKind::TimedOut);
    cluster.close_connections(1);
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "two");
    transaction.commit().unwrap();
    assert_committed(&cluster, &["two"]);
}

#[test]
fn a_producer_that_closes_waits_for_the_answer_to_a_commit() {
    let (cluster, mut producer) = start();
    commit_unanswered(&cluster, &mut producer);
    cluster.close_connections(1);
    producer.close_timeout(PATIENCE).unwrap();
    producer.resolve_commit().unwrap();
    assert_committed(&cluster, &["one"]);
}

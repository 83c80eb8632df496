//! Transactions that cannot be committed, and calls where they cannot be made.

use std::sync::mpsc;

use linger::testing::Api;
use linger::{
    ErrorCode, ErrorKind, Fate, ProducerRecord, Properties, SharedTransactionalProducer,
    TransactionalProducer,
};

use super::{assert_committed, send_to_all, setup, start, start_with};
use crate::observe::eventually;
use crate::support::{Outcomes, PATIENCE, ignore};

#[test]
fn a_commit_with_a_failed_record_says_so_and_nothing_of_it_is_seen() {
    let (cluster, mut producer) = start();
    cluster
        .on(Api::Produce)
        .partition("payments", 0)
        .answer(ErrorCode::INVALID_RECORD);
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "one");
    let error = transaction.commit().unwrap_err();
    assert!(error.is_abortable() && !error.is_fatal(), "{error}");
    let text = error.to_string();
    assert!(text.contains("not committed, and aborted"), "{text}");
    assert!(text.contains("1 of its records has failed"), "{text}");
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "two");
    transaction.commit().unwrap();
    assert_committed(&cluster, &["two"]);
}

#[test]
fn no_record_is_taken_into_a_transaction_that_can_only_be_aborted() {
    let (cluster, mut producer) = start();
    cluster.on(Api::Produce).answer(ErrorCode::INVALID_RECORD);
    let transaction = producer.begin().unwrap();
    let record = || ProducerRecord::new("orders", "one");
    transaction.send_wait(record()).unwrap_err();
    let error = transaction.send(record(), ignore).unwrap_err();
    assert!(error.is_abortable(), "{error}");
    assert_eq!(error.topic(), Some("orders"));
    assert_eq!(error.fate(), Fate::NotWritten);
    let group = transaction.group(|(), _| ());
    assert!(group.send(record(), ()).unwrap_err().is_abortable());
    drop(group);
    transaction.abort().unwrap();
    let transaction = producer.begin().unwrap();
    transaction.send_wait(record()).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn an_abort_fails_what_was_not_sent_and_says_why() {
    let (cluster, mut producer) = start_with(
        setup()
            .set("linger.ms", 60_000)
            .set("delivery.timeout.ms", 120_000),
    );
    let outcomes = Outcomes::new();
    let transaction = producer.begin().unwrap();
    let record = ProducerRecord::new("orders", "x");
    transaction.send(record, outcomes.callback(())).unwrap();
    transaction.abort().unwrap();
    let error = outcomes.next().1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TransactionAborted, "{error}");
    assert_eq!(error.fate(), Fate::NotWritten);
    assert_committed(&cluster, &[]);
}

#[test]
fn an_id_that_the_brokers_refuse_is_an_error_of_new() {
    let (cluster, properties) = setup().start_cluster();
    let refusal = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    cluster.on(Api::InitProducerId).always().answer(refusal);
    let error = TransactionalProducer::<str, str>::new(&properties).unwrap_err();
    assert_eq!(error.broker_code(), Some(refusal), "{error}");
    assert!(
        error.to_string().contains("TransactionalProducer::new"),
        "{error}"
    );
}

#[test]
fn that_no_broker_can_be_reached_is_an_error_of_new() {
    let (cluster, properties) = setup().set("max.block.ms", 300).start_cluster();
    cluster.stop_broker(1);
    let error = TransactionalProducer::<str, str>::new(&properties).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("max.block.ms (300 ms)"), "{text}");
    assert!(text.contains("transactional.id"), "{text}");
}

#[test]
fn calls_inside_a_callback_that_would_wait_are_refused() {
    let (cluster, properties) = setup().start_cluster();
    let shared: SharedTransactionalProducer<str, str> =
        SharedTransactionalProducer::new(&properties).unwrap();
    shared.init_transactions().unwrap();
    shared.begin_transaction().unwrap();
    let (tell, told) = mpsc::channel();
    let inside = shared.clone();
    let record = ProducerRecord::new("orders", "one");
    let sent = shared.send(record, move |_| {
        let offsets = linger::ConsumerOffsets::new();
        let group = linger::ConsumerGroup::new("g");
        let refused = [
            inside.commit_transaction(),
            inside.abort_transaction(),
            inside.begin_transaction(),
            inside.init_transactions(),
            inside.send_offsets_to_transaction(&offsets, &group),
        ];
        let sent = inside.send(ProducerRecord::new("orders", "two"), |_| {});
        tell.send((refused, sent)).unwrap();
    });
    sent.unwrap();
    let (refused, sent) = told.recv_timeout(PATIENCE).unwrap();
    for result in refused {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains("inside a callback"), "{error}");
    }
    sent.unwrap();
    shared.commit_transaction().unwrap();
    assert_eq!(super::committed(&cluster, "orders"), ["one", "two"]);
}

#[test]
fn a_producer_that_is_closed_or_whose_thread_died_says_so() {
    let (_cluster, mut producer) = start();
    producer.close().unwrap();
    assert!(producer.begin().unwrap_err().is_closed());
    let misuse = producer.resolve_commit().unwrap_err();
    assert_eq!(misuse.kind(), ErrorKind::Misuse, "{misuse}");

    let (cluster, mut producer) = start();
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "x");
    transaction.flush().unwrap();
    #[expect(clippy::mem_forget, reason = "its producer is needed")]
    std::mem::forget(transaction);
    producer.kill_io_thread();
    eventually("it is known to be dead", || !producer.state().is_alive);
    let error = producer.begin().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
    assert_committed(&cluster, &[]);
}

#[test]
fn a_thread_that_dies_while_a_commit_waits_leaves_nobody_waiting() {
    let (cluster, properties) = setup().start_cluster();
    let shared: SharedTransactionalProducer<str, str> =
        SharedTransactionalProducer::new(&properties).unwrap();
    shared.init_transactions().unwrap();
    shared.begin_transaction().unwrap();
    shared
        .send_wait(ProducerRecord::new("orders", "x"))
        .unwrap();
    cluster.on(Api::EndTxn).silence();
    std::thread::scope(|scope| {
        let commit = scope.spawn(|| shared.commit_transaction());
        eventually("the commit is asked for", || cluster.pending_faults() == 0);
        shared.kill_io_thread();
        let error = commit.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
        assert_eq!(error.fate(), Fate::MayBeWritten, "{error}");
    });
}

#[test]
fn a_typed_configuration_does_as_well() {
    let (cluster, properties) = setup().start_cluster();
    let servers = cluster.bootstrap_servers();
    let config = linger::ProducerConfig::builder()
        .properties(Properties::new())
        .bootstrap_servers(servers)
        .transactional_id("typed")
        .build()
        .unwrap();
    let mut producer = TransactionalProducer::<str, str>::with_config(&config).unwrap();
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "one");
    transaction.commit().unwrap();
    assert_committed(&cluster, &["one"]);
    drop(properties);
}

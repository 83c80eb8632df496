//! Transactions: what is seen of them, how they end, and what is refused. Against the mock cluster, in
//! both versions where it may matter.

mod closing;
mod failing;
mod offsets;
mod shared;
mod unanswered;

use std::thread;

use linger::testing::MockCluster;
use linger::{
    ErrorKind, GroupReport, OwnedProducerRecord, Produce, Producer, ProducerRecord, Properties,
    Purge, Transaction, TransactionalProducer,
};

use crate::support::{Outcomes, PATIENCE, Setup, ignore, values};

const ID: &str = "shop-1";
const TOPICS: [&str; 2] = ["orders", "payments"];

/// One partition each, and nothing lingers.
fn setup() -> Setup {
    let setup = TOPICS
        .into_iter()
        .fold(Setup::new(), |setup, topic| setup.topic(topic, 1));
    setup.set("transactional.id", ID).set("linger.ms", 0)
}

fn start_with(setup: Setup) -> (MockCluster, TransactionalProducer<str, str>) {
    let (cluster, properties) = setup.start_cluster();
    let producer = TransactionalProducer::new(&properties).unwrap();
    (cluster, producer)
}

fn start() -> (MockCluster, TransactionalProducer<str, str>) {
    start_with(setup())
}

fn in_both_versions(test: impl Fn(MockCluster, TransactionalProducer<str, str>)) {
    for version in [1, 2] {
        let (cluster, producer) =
            start_with(setup().cluster(|cluster| cluster.transaction_version(version)));
        test(cluster, producer);
    }
}

/// Sends a value to each topic.
fn send_to_all(transaction: &Transaction<'_, str, str>, value: &str) {
    for topic in TOPICS {
        let record = ProducerRecord::new(topic, value);
        transaction.send(record, ignore).unwrap();
    }
}

/// What a consumer of committed records sees in each topic.
#[track_caller]
fn assert_committed(cluster: &MockCluster, expected: &[&str]) {
    for topic in TOPICS {
        assert_eq!(committed(cluster, topic), expected, "{topic}");
    }
}

fn committed(cluster: &MockCluster, topic: &str) -> Vec<String> {
    let records = cluster.committed_records(topic, 0).into_iter();
    records
        .map(|record| String::from_utf8(record.value.unwrap()).unwrap())
        .collect()
}

#[test]
fn what_is_committed_is_seen_and_what_is_aborted_is_not() {
    in_both_versions(|cluster, mut producer| {
        let transaction = producer.begin().unwrap();
        send_to_all(&transaction, "one");
        transaction.flush().unwrap();
        assert_committed(&cluster, &[]);
        transaction.commit().unwrap();
        assert_committed(&cluster, &["one"]);

        let transaction = producer.begin().unwrap();
        send_to_all(&transaction, "two");
        transaction.flush().unwrap();
        transaction.abort().unwrap();
        assert_committed(&cluster, &["one"]);

        let transaction = producer.begin().unwrap();
        send_to_all(&transaction, "three");
        transaction.commit().unwrap();
        assert_committed(&cluster, &["one", "three"]);
        let all = values(&cluster, "orders", 0);
        assert_eq!(
            all,
            ["one", "two", "three"],
            "an aborted record stays in the log"
        );
        assert_eq!(cluster.violations(), [""; 0]);
    });
}

#[test]
fn a_transaction_that_is_dropped_is_aborted_before_the_next_one() {
    in_both_versions(|cluster, mut producer| {
        let transaction = producer.begin().unwrap();
        send_to_all(&transaction, "dropped");
        transaction.flush().unwrap();
        drop(transaction);
        let transaction = producer.begin().unwrap();
        send_to_all(&transaction, "kept");
        transaction.commit().unwrap();
        assert_committed(&cluster, &["kept"]);
    });
}

#[test]
fn a_transaction_that_was_leaked_is_aborted_before_the_next_one() {
    let (cluster, mut producer) = start();
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "leaked");
    transaction.flush().unwrap();
    #[expect(clippy::mem_forget, reason = "what this is about")]
    std::mem::forget(transaction);
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "kept");
    transaction.commit().unwrap();
    assert_committed(&cluster, &["kept"]);
}

#[test]
fn an_open_transaction_is_aborted_by_the_end_of_its_producer() {
    let (cluster, mut producer) = start();
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "left");
    transaction.flush().unwrap();
    #[expect(clippy::mem_forget, reason = "it stays open")]
    std::mem::forget(transaction);
    producer.close().unwrap();
    assert_committed(&cluster, &[]);
    let is_over = cluster.last_stable_offset("orders", 0) > 0;
    assert!(is_over, "no reader waits for it any more");
}

#[test]
fn a_transaction_of_nothing_asks_no_broker() {
    let (cluster, mut producer) = start();
    let before = cluster.requests().len();
    producer.begin().unwrap().commit().unwrap();
    producer.begin().unwrap().abort().unwrap();
    drop(producer.begin().unwrap());
    producer.begin().unwrap().commit().unwrap();
    assert_eq!(cluster.requests().len(), before);
}

#[test]
fn threads_share_a_transaction() {
    let (cluster, mut producer) = start();
    let transaction = producer.begin().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    send_to_all(&transaction, "x");
                }
            });
        }
    });
    transaction.commit().unwrap();
    assert_committed(&cluster, &["x"; 200]);
}

#[test]
fn everything_that_a_producer_sends_with_sends_in_a_transaction() {
    let (cluster, mut producer) = start();
    producer.prepare(&TOPICS, PATIENCE).unwrap();
    let outcomes = Outcomes::new();
    let transaction = producer.begin().unwrap();
    let record = |value| ProducerRecord::<str, str>::new("orders", value);
    let sent = || outcomes.callback(());
    transaction.send(record("send"), sent()).unwrap();
    transaction.try_send(record("try"), sent()).unwrap();
    transaction
        .send_timeout(record("timeout"), PATIENCE, sent())
        .unwrap();
    transaction
        .send_or_return(record("return"), None, sent())
        .unwrap();
    let owned: OwnedProducerRecord<String, String> =
        OwnedProducerRecord::new("orders", "owned".to_owned());
    transaction.send_owned(&owned, sent()).unwrap();
    outcomes.acknowledged(5);
    transaction.send_wait(record("wait")).unwrap();
    let handle = transaction.send_with_handle(record("handle")).unwrap();
    handle.wait().unwrap();
    let handle = transaction.try_send_with_handle(record("again")).unwrap();
    handle.wait().unwrap();
    let group = transaction.group(|_: u64, _| ());
    group.send(record("group"), 1).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let once = transaction.group_once(move |report: GroupReport<u64>| {
        tell.send(report.acknowledged).unwrap();
    });
    once.clone().send(record("once"), 1).unwrap();
    once.done();
    drop(group);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), 1);
    let as_any: &dyn Produce<str, str> = &transaction;
    as_any.send(record("trait"), Box::new(ignore)).unwrap();
    let refused = as_any.close().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misuse, "{refused}");
    transaction.commit().unwrap();
    let expected = [
        "send", "try", "timeout", "return", "owned", "wait", "handle", "again", "group", "once",
        "trait",
    ];
    assert_eq!(committed(&cluster, "orders"), expected);
}

#[test]
fn records_that_are_purged_leave_a_transaction_to_be_aborted() {
    let (cluster, mut producer) = start_with(
        setup()
            .set("linger.ms", 60_000)
            .set("delivery.timeout.ms", 120_000),
    );
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "purged");
    let report = transaction.purge(Purge::All).unwrap();
    assert_eq!(report.purged, 2);
    let error = transaction.commit().unwrap_err();
    assert!(error.is_abortable() && !error.is_fatal(), "{error}");
    let transaction = producer.begin().unwrap();
    send_to_all(&transaction, "kept");
    transaction.commit().unwrap();
    assert_committed(&cluster, &["kept"]);
}

#[test]
fn a_newer_producer_with_the_same_id_fences_the_older_one() {
    for version in [1, 2] {
        let (cluster, properties) = setup()
            .cluster(|cluster| cluster.transaction_version(version))
            .start_cluster();
        let mut old: TransactionalProducer<str, str> =
            TransactionalProducer::new(&properties).unwrap();
        let transaction = old.begin().unwrap();
        send_to_all(&transaction, "old");
        transaction.flush().unwrap();
        let mut new: TransactionalProducer<str, str> =
            TransactionalProducer::new(&properties).unwrap();
        let error = transaction.commit().unwrap_err();
        assert!(error.is_abortable() || error.is_fatal(), "{error}");
        assert_committed(&cluster, &[]);
        let transaction = new.begin().unwrap();
        send_to_all(&transaction, "new");
        transaction.commit().unwrap();
        assert_committed(&cluster, &["new"]);
    }
}

#[test]
fn each_kind_of_producer_asks_for_its_own_properties() {
    let (_cluster, properties) = setup().start_cluster();
    let plain = Producer::<str, str>::new(&properties).unwrap_err();
    assert_eq!(plain.kind(), ErrorKind::Config);
    assert!(
        plain.to_string().contains("TransactionalProducer"),
        "{plain}"
    );
    let without: Properties = properties
        .iter()
        .filter(|(name, _)| *name != "transactional.id")
        .collect();
    let error = TransactionalProducer::<str, str>::new(&without).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error
            .to_string()
            .starts_with("transactional.id must be set"),
        "{error}"
    );
}

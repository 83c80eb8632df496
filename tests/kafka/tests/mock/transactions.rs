//! Transactions of other producers on the mock cluster, in both versions: what is committed is seen, all
//! of it, and nothing of what is aborted.

use std::time::Duration;

use linger::ErrorCode;
use linger::testing::{
    Api, MockCluster, MockMarker, MockRequestContent, MockTransactionState, MockView,
};
use linger_kafka_tests::{PATIENCE, run_kafka_tool, transact_as_java};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

const ID: &str = "copier";
const GROUP: &str = "billing";

fn cluster(version: i16) -> MockCluster {
    MockCluster::builder()
        .brokers(3)
        .topic("t", 2)
        .topic("u", 1)
        .transaction_version(version)
        .start()
        .expect("ports")
}

/// The values that a consumer of committed records sees in all partitions, in their order.
fn committed(cluster: &MockCluster) -> Vec<String> {
    let partitions = [("t", 0), ("t", 1), ("u", 0)];
    let records = partitions.map(|(topic, index)| cluster.committed_records(topic, index));
    let text = |value: Option<Vec<u8>>| String::from_utf8(value.expect("a value")).expect("text");
    records
        .into_iter()
        .flatten()
        .map(|record| text(record.value))
        .collect()
}

fn offsets(cluster: &MockCluster) -> Vec<(String, i32, i64)> {
    let offsets = cluster.committed_offsets(GROUP).into_iter();
    offsets
        .map(|one| (one.topic, one.partition, one.offset))
        .collect()
}

/// The newest version in which each API was asked.
fn newest(cluster: &MockCluster, api: Api) -> Option<i16> {
    let requests = cluster.requests();
    let of_api = requests.iter().filter(|request| request.api == api);
    of_api.map(|request| request.version).max()
}

fn java(cluster: &MockCluster, steps: &[&str]) {
    for line in transact_as_java(&cluster.bootstrap_servers(), ID, steps) {
        assert!(line.ends_with(" ok"), "{line}");
    }
}

#[test]
fn java_commits_and_aborts() {
    for version in [1, 2] {
        let cluster = cluster(version);
        let steps = [
            "0.init",
            "0.begin",
            "0.send=t:0:a",
            "0.send=t:1:b",
            "0.send=u:0:c",
            "0.offset=billing:u:0:7",
            "0.commit",
            "0.begin",
            "0.send=t:0:not",
            "0.send=u:0:not",
            "0.offset=billing:u:0:8",
            "0.abort",
            "0.begin",
            "0.commit",
            "0.begin",
            "0.send=t:1:d",
            "0.commit",
        ];
        java(&cluster, &steps);
        assert_eq!(committed(&cluster), ["a", "b", "d", "c"]);
        assert_eq!(offsets(&cluster), [("u".to_owned(), 0, 7)]);
        assert_eq!(
            cluster.records("t", 0).len(),
            2,
            "the aborted one is there, unseen"
        );
        assert_eq!(cluster.violations(), [""; 0]);
        for request in cluster.requests() {
            let is_refused = matches!(request.content, MockRequestContent::Refused(_));
            assert!(!is_refused, "{request:?}");
        }
        // As it was told by the feature, not by the versions of requests.
        let spoken = [Api::Produce, Api::EndTxn, Api::AddPartitionsToTxn];
        let spoken = spoken.map(|api| newest(&cluster, api));
        match version {
            1 => assert_eq!(spoken, [Some(11), Some(4), Some(3)]),
            _ => assert_eq!(spoken, [Some(13), Some(5), None]),
        }
    }
}

#[test]
fn java_s_new_producer_fences_the_one_before() {
    for version in [1, 2] {
        let cluster = cluster(version);
        let steps = [
            "0.init",
            "0.begin",
            "0.send=t:0:left-open",
            "1.init",
            "0.send=t:0:zombie",
            "0.commit",
            "1.begin",
            "1.send=t:1:new",
            "1.commit",
        ];
        let said = transact_as_java(&cluster.bootstrap_servers(), ID, &steps);
        let outcome = |step: usize| said[step].rsplit(' ').next().unwrap_or_default();
        let good: Vec<&str> = [0, 1, 2, 3, 6, 7, 8].map(outcome).into();
        assert_eq!(good, ["ok"; 7], "{said:?}");
        assert!(outcome(4) != "ok" && outcome(5) != "ok", "{said:?}");
        assert_eq!(committed(&cluster), ["new"]);
        assert_eq!(cluster.records("t", 0).len(), 1, "the zombie wrote nothing");
        assert_eq!(cluster.violations(), [""; 0]);
    }
}

#[test]
fn java_gets_through_lost_answers_and_moving_coordinators() {
    for version in [1, 2] {
        let cluster = cluster(version);
        cluster
            .on(Api::FindCoordinator)
            .answer(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        cluster
            .on(Api::InitProducerId)
            .answer(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        cluster.on(Api::EndTxn).close_after();
        cluster.on(Api::EndTxn).answer(ErrorCode::NOT_COORDINATOR);
        cluster
            .on(Api::TxnOffsetCommit)
            .answer(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        cluster.on(Api::Produce).close_after();
        let steps = [
            "0.init",
            "0.begin",
            "0.send=t:0:a",
            "0.offset=billing:u:0:7",
            "0.commit",
            "0.begin",
            "0.send=t:0:b",
            "0.abort",
            "0.begin",
            "0.send=t:0:c",
            "0.commit",
        ];
        java(&cluster, &steps);
        assert_eq!(cluster.pending_faults(), 0);
        assert_eq!(committed(&cluster), ["a", "c"]);
        assert_eq!(offsets(&cluster), [("u".to_owned(), 0, 7)]);
        assert_eq!(cluster.violations(), [""; 0]);
    }
}

#[test]
fn producer_performance_commits_what_it_sends() {
    let cluster = cluster(2);
    let bootstrap = format!("bootstrap.servers={}", cluster.bootstrap_servers());
    let args = [
        "--topic",
        "t",
        "--num-records",
        "5000",
        "--record-size",
        "100",
        "--throughput",
        "-1",
        "--transactional-id",
        ID,
        "--transaction-duration-ms",
        "20",
        "--command-property",
        &bootstrap,
    ];
    let output = run_kafka_tool("org.apache.kafka.tools.ProducerPerformance", &args, "");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(committed(&cluster).len(), 5_000);
    let batches = [cluster.batches("t", 0), cluster.batches("t", 1)].concat();
    assert!(batches.iter().all(|batch| batch.is_transactional));
    let ends = batches.iter().filter_map(|batch| batch.marker);
    let ends: Vec<MockMarker> = ends.collect();
    assert!(!ends.is_empty() && ends.iter().all(|end| *end == MockMarker::Commit));
    assert_eq!(cluster.violations(), [""; 0]);
}

fn librdkafka(cluster: &MockCluster) -> BaseProducer {
    ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("transactional.id", ID)
        .set("retry.backoff.ms", "20")
        .set("linger.ms", "1")
        .create()
        .expect("valid settings")
}

fn send(producer: &BaseProducer, topic: &str, partition: i32, value: &str) {
    let record: BaseRecord<'_, str, str> = BaseRecord::to(topic);
    let record = record.partition(partition).payload(value);
    producer
        .send(record)
        .map_err(|(error, _)| error)
        .expect("accepted");
}

/// Offset `offset` of partition 0 of `u`, for the group.
fn send_offset(cluster: &MockCluster, producer: &BaseProducer, offset: i64) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", GROUP)
        .create()
        .expect("valid settings");
    let mut offsets = TopicPartitionList::new();
    offsets
        .add_partition_offset("u", 0, Offset::Offset(offset))
        .expect("an offset");
    let group = consumer.group_metadata().expect("it has a group");
    producer
        .send_offsets_to_transaction(&offsets, &group, PATIENCE)
        .expect("taken");
}

#[test]
fn librdkafka_commits_and_aborts() {
    for version in [1, 2] {
        let cluster = cluster(version);
        let producer = librdkafka(&cluster);
        producer.init_transactions(PATIENCE).expect("begun");
        for (value, commits, offset) in [("a", true, 7), ("not", false, 8), ("b", true, 9)] {
            producer.begin_transaction().expect("open");
            for (topic, partition) in [("t", 0), ("t", 1), ("u", 0)] {
                send(&producer, topic, partition, value);
            }
            send_offset(&cluster, &producer, offset);
            if commits {
                producer.commit_transaction(PATIENCE).expect("committed");
            } else {
                producer.flush(PATIENCE).expect("it is in the log");
                producer.abort_transaction(PATIENCE).expect("aborted");
            }
        }
        assert_eq!(committed(&cluster), ["a", "b", "a", "b", "a", "b"]);
        assert_eq!(
            cluster.records("t", 0).len(),
            3,
            "the aborted one is there, unseen"
        );
        assert_eq!(offsets(&cluster), [("u".to_owned(), 0, 9)]);
        assert_eq!(cluster.violations(), [""; 0]);
    }
}

#[test]
fn librdkafka_is_fenced_and_told_of_time_outs() {
    let cluster = cluster(1);
    let old = librdkafka(&cluster);
    old.init_transactions(PATIENCE).expect("begun");
    old.begin_transaction().expect("open");
    send(&old, "t", 0, "left open");
    old.flush(PATIENCE).expect("it is in the log");

    let new = librdkafka(&cluster);
    new.init_transactions(PATIENCE).expect("it takes over");
    let ended = cluster.transaction(ID).expect("known").state;
    assert_eq!(ended, MockTransactionState::Empty, "of the new producer");
    send(&old, "t", 0, "zombie");
    let error = old.commit_transaction(PATIENCE).expect_err("fenced");
    let KafkaError::Transaction(error) = error else {
        panic!("{error:?}");
    };
    assert!(error.is_fatal(), "{error:?}");
    assert_eq!(error.code(), RDKafkaErrorCode::Fenced, "{error:?}");

    new.begin_transaction().expect("open");
    send(&new, "t", 1, "slow");
    new.flush(PATIENCE).expect("it is in the log");
    assert!(cluster.expire_transaction(ID));
    let error = new.commit_transaction(PATIENCE).expect_err("too late");
    assert!(matches!(error, KafkaError::Transaction(_)), "{error:?}");
    assert_eq!(committed(&cluster), [""; 0]);
    assert_eq!(cluster.violations(), [""; 0]);
}

#[test]
fn librdkafka_waits_for_markers_and_gets_through_faults() {
    let cluster = cluster(1);
    let producer = librdkafka(&cluster);
    cluster
        .on(Api::InitProducerId)
        .answer(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    producer.init_transactions(PATIENCE).expect("begun");
    producer.begin_transaction().expect("open");
    send(&producer, "t", 0, "a");
    cluster.on(Api::EndTxn).close_after();
    cluster.hold_markers();
    std::thread::scope(|scope| {
        scope.spawn(|| producer.commit_transaction(PATIENCE).expect("committed"));
        let is_told_to_wait = |view: &MockView<'_>| {
            let ends = view.requests().iter().filter(|one| one.api == Api::EndTxn);
            ends.count() > 1
        };
        assert!(cluster.wait_until(PATIENCE, is_told_to_wait));
        assert_eq!(committed(&cluster), [""; 0]);
        cluster.release_markers();
    });
    producer.begin_transaction().expect("open");
    send(&producer, "t", 0, "b");
    producer
        .flush(Duration::from_secs(60))
        .expect("it is in the log");
    producer.commit_transaction(PATIENCE).expect("committed");
    assert_eq!(committed(&cluster), ["a", "b"]);
    assert_eq!(cluster.violations(), [""; 0]);
}

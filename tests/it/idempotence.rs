//! Idempotence end to end: brokers check the sequences, so whatever goes wrong on the way, each
//! record is in the log once, in order, and the producer sent nothing that no correct one sends.

use linger::testing::{Api, Fault, MockCluster};
use linger::{ErrorCode, Fate, Producer, ProducerRecord};

use crate::support::{Outcomes, Setup};

const RECORDS: usize = 60;

/// Every record has a batch of its own.
fn setup() -> Setup {
    Setup::new()
        .brokers(2)
        .topic("t", 2)
        .set("batch.size", 0)
        .set("linger.ms", 0)
        .set("retry.backoff.ms", 2)
        .set("retry.backoff.max.ms", 5)
        .set("reconnect.backoff.ms", 2)
        .set("reconnect.backoff.max.ms", 5)
}

fn send_all(producer: &Producer<str, str>, outcomes: &Outcomes<usize>, from: usize) {
    for number in from..from + RECORDS {
        let value = number.to_string();
        let record = ProducerRecord::new("t", &*value).partition(0);
        producer.send(record, outcomes.callback(number)).unwrap();
    }
}

fn values(cluster: &MockCluster) -> Vec<usize> {
    let value = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap()).unwrap();
    let records = cluster.records("t", 0).into_iter();
    records
        .map(|one| value(one.value).parse().unwrap())
        .collect()
}

fn assert_exactly_once_in_order(faults: &[fn(Fault<'_>)]) {
    let (cluster, producer) = setup().start();
    for (fault, skip) in faults
        .iter()
        .zip([3, 2, 1, 0, 4, 1, 0, 2].into_iter().cycle())
    {
        fault(cluster.on(Api::Produce).partition("t", 0).skip(skip));
    }
    let outcomes = Outcomes::new();
    send_all(&producer, &outcomes, 0);
    let acknowledged = outcomes.acknowledged(RECORDS);
    assert_eq!(cluster.violations(), Vec::<String>::new());
    assert_eq!(values(&cluster), (0..RECORDS).collect::<Vec<_>>());
    assert_eq!(cluster.pending_faults(), 0);
    let told: Vec<_> = acknowledged.iter().map(|(tag, _)| *tag).collect();
    assert_eq!(told, (0..RECORDS).collect::<Vec<_>>(), "order of callbacks");
}

#[test]
fn each_record_is_written_once_in_order_whatever_the_broker_answers() {
    assert_exactly_once_in_order(&[
        |fault| fault.answer(ErrorCode::NOT_ENOUGH_REPLICAS),
        |fault| fault.answer(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        |fault| fault.times(2).answer(ErrorCode::CORRUPT_MESSAGE),
        |fault| fault.answer(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    ]);
}

#[test]
fn each_record_is_written_once_in_order_whenever_the_connection_ends() {
    assert_exactly_once_in_order(&[
        |fault| fault.close_before(),
        |fault| fault.close_after(),
        |fault| fault.garbage([0, 0, 0, 2, 1, 1]),
        |fault| fault.close_after(),
    ]);
}

#[test]
fn a_leader_that_moves_to_and_fro_neither_doubles_nor_swaps_records() {
    let (cluster, producer) = setup().start();
    let outcomes = Outcomes::new();
    let nodes = cluster.nodes();
    for round in 0..6 {
        send_all(&producer, &outcomes, round * RECORDS);
        cluster.move_leader("t", 0, nodes[round % nodes.len()]);
    }
    producer.flush().unwrap();
    let acknowledged = outcomes.acknowledged(6 * RECORDS);
    let all: Vec<_> = (0..6 * RECORDS).collect();
    assert_eq!(values(&cluster), all);
    assert_eq!(cluster.violations(), Vec::<String>::new());
    let told: Vec<_> = acknowledged.iter().map(|(tag, _)| *tag).collect();
    assert_eq!(told, all);
}

#[test]
fn a_record_that_is_refused_in_the_middle_stops_nobody_behind_it() {
    let (cluster, producer) = setup().start();
    let refuse: [fn(Fault<'_>); 3] = [
        |fault| fault.answer(ErrorCode::INVALID_RECORD),
        |fault| fault.times(2).answer(ErrorCode::MESSAGE_TOO_LARGE),
        |fault| fault.answer(ErrorCode::UNKNOWN_SERVER_ERROR),
    ];
    for refuse in refuse {
        refuse(cluster.on(Api::Produce).partition("t", 0).skip(4));
    }
    let outcomes = Outcomes::new();
    send_all(&producer, &outcomes, 0);
    producer.flush().unwrap();
    let told: Vec<_> = (0..RECORDS).map(|_| outcomes.next()).collect();
    let tags: Vec<_> = told.iter().map(|(tag, _)| *tag).collect();
    assert_eq!(tags, (0..RECORDS).collect::<Vec<_>>());
    let written = values(&cluster);
    for (tag, result) in &told {
        match result {
            Ok(_) => assert!(written.contains(tag)),
            Err(error) if error.fate() == Fate::NotWritten => assert!(!written.contains(tag)),
            Err(_) => {}
        }
    }
    assert!(told.iter().filter(|(_, result)| result.is_err()).count() < 10);
    assert!(written.is_sorted(), "{written:?}");
    assert_eq!(cluster.violations(), Vec::<String>::new());
}

#[test]
fn brokers_that_forget_the_producer_lose_nothing() {
    let (cluster, producer) = setup()
        .cluster(|cluster| cluster.unknown_producer_id_is_an_error())
        .start();
    let outcomes = Outcomes::new();
    for round in 0..3 {
        send_all(&producer, &outcomes, round * RECORDS);
        producer.flush().unwrap();
        cluster.forget_producers("t", 0);
    }
    outcomes.acknowledged(3 * RECORDS);
    assert_eq!(values(&cluster), (0..3 * RECORDS).collect::<Vec<_>>());
    assert_eq!(cluster.violations(), Vec::<String>::new());
}

#[test]
fn batches_that_are_too_large_are_split_without_a_gap() {
    let (cluster, producer) = setup()
        .set("batch.size", 4_000)
        .set("linger.ms", 5)
        .cluster(|cluster| cluster.max_message_bytes(300))
        .start();
    let outcomes = Outcomes::new();
    for round in 0..5 {
        send_all(&producer, &outcomes, round * RECORDS);
    }
    producer.flush().unwrap();
    assert_eq!(outcomes.acknowledged(5 * RECORDS).len(), 5 * RECORDS);
    assert_eq!(values(&cluster), (0..5 * RECORDS).collect::<Vec<_>>());
    assert_eq!(cluster.violations(), Vec::<String>::new());
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
}

#[test]
fn nobody_gives_an_id_and_later_somebody_does() {
    let (cluster, producer) = setup().start();
    let refused = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
    cluster.on(Api::InitProducerId).answer(refused);
    let outcomes = Outcomes::new();
    let record = || ProducerRecord::new("t", "1").partition(0);
    producer.send(record(), outcomes.callback(0)).unwrap();
    let error = outcomes.next().1.unwrap_err();
    assert_eq!(error.fate(), Fate::NotWritten);
    producer.send(record(), outcomes.callback(1)).unwrap();
    outcomes.acknowledged(1);
    assert_eq!(values(&cluster), [1]);
}

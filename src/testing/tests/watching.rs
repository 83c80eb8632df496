//! The events of an observer, faults by chance, given ports, and what a cluster that discards records
//! keeps.

use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::testing::{MockAnswer, MockArrival, MockEvent, MockHandled};

fn watched(builder: MockClusterBuilder) -> (MockCluster, Receiver<MockEvent>) {
    let (sender, events) = channel();
    let builder = builder.observer(move |event| sender.send(event.clone()).unwrap());
    (start(builder), events)
}

fn next_batch(events: &Receiver<MockEvent>) -> MockArrival {
    match events.recv_timeout(PATIENCE).unwrap() {
        MockEvent::Batch(batch) => batch,
        other @ MockEvent::Request(_) => panic!("{other:?}"),
    }
}

fn next_request(events: &Receiver<MockEvent>) -> MockHandled {
    match events.recv_timeout(PATIENCE).unwrap() {
        MockEvent::Request(request) => request,
        other @ MockEvent::Batch(_) => panic!("{other:?}"),
    }
}

#[test]
fn an_observer_gets_each_batch_and_its_outcome() {
    let builder = MockCluster::builder().topic("t", 1).discard_records();
    let (cluster, events) = watched(builder);
    let mut client = Client::connect(&cluster, 1);
    let stamp = ProducerStamp {
        producer_id: 4,
        epoch: 0,
        base_sequence: 0,
    };
    let sent = stamped(&["a", "b"], stamp);
    client.produce_at(12, &one("t", 0, sent.clone()));
    let first = next_batch(&events);
    assert_eq!(
        (first.node, first.topic.as_str(), first.partition),
        (1, "t", 0)
    );
    assert_eq!(
        (first.acks, first.error, first.is_repeated),
        (-1, ErrorCode::NONE, false)
    );
    let batch = &first.batch;
    assert_eq!(
        (batch.base_offset, batch.records, batch.bytes),
        (0, 2, sent.len())
    );
    assert_eq!((batch.compression, batch.max_timestamp_ms), ("none", 1_001));
    assert_eq!(
        (batch.producer_id, batch.producer_epoch, batch.base_sequence),
        (4, 0, 0)
    );
    let read: Vec<_> = first
        .records()
        .into_iter()
        .map(|record| (record.offset, record.value.unwrap()))
        .collect();
    assert_eq!(read, [(0, b"a".to_vec()), (1, b"b".to_vec())]);
    let request = next_request(&events);
    assert_eq!(
        (request.request.api, request.answer),
        (Api::Produce, MockAnswer::Sent)
    );

    client.produce_at(12, &one("t", 0, sent.clone()));
    let again = next_batch(&events);
    assert_eq!((again.is_repeated, again.batch.base_offset), (true, 0));
    next_request(&events);

    let mut damaged = sent;
    *damaged.last_mut().unwrap() ^= 1;
    client.produce_at(12, &one("t", 0, damaged));
    let damaged = next_batch(&events);
    assert_eq!(
        (damaged.error, damaged.batch.base_offset),
        (ErrorCode::CORRUPT_MESSAGE, -1)
    );
    assert_eq!((damaged.batch.records, damaged.records().len()), (2, 0));
    next_request(&events);

    client.produce_at(12, &one("t", 0, vec![1]));
    let stump = next_batch(&events);
    assert_eq!((stump.batch.bytes, stump.batch.records), (1, 0));
    assert_eq!(stump.batch.producer_id, -1);
}

/// The end of a fault in the making.
type Happen = fn(crate::testing::Fault<'_>);

#[test]
fn an_observer_gets_each_request_and_its_answer() {
    let (cluster, events) = watched(MockCluster::builder().topic("t", 1));
    let mut client = Client::connect(&cluster, 1);
    client.api_versions(4);
    let handled = next_request(&events);
    assert_eq!(handled.request, cluster.requests()[0]);
    assert_eq!(
        (handled.error, handled.answer),
        (ErrorCode::NONE, MockAnswer::Sent)
    );

    cluster
        .on(Api::Metadata)
        .answer(ErrorCode::LEADER_NOT_AVAILABLE);
    client.metadata("t");
    assert_eq!(next_request(&events).error, ErrorCode::LEADER_NOT_AVAILABLE);

    client.send(&with_acks(0, "t", 0, batch(&["a"])), 12);
    next_batch(&events);
    assert_eq!(next_request(&events).answer, MockAnswer::None);

    let closed = |applied| MockAnswer::Closed { applied };
    let silent = |applied| MockAnswer::Silence { applied };
    let on = || cluster.on(Api::Produce);
    let ends: [(Happen, MockAnswer, bool); 5] = [
        (|fault| fault.close_before(), closed(false), false),
        (|fault| fault.close_after(), closed(true), true),
        (|fault| fault.silence(), silent(false), false),
        (|fault| fault.silence_after(), silent(true), true),
        (|fault| fault.garbage(*b"?"), MockAnswer::Garbage, false),
    ];
    for (happen, answer, applied) in ends {
        happen(on());
        let mut client = Client::connect(&cluster, 1);
        client.send(&one("t", 0, batch(&["b"])), 12);
        if applied {
            next_batch(&events);
        }
        assert_eq!(next_request(&events).answer, answer);
    }

    // A version that does not exist.
    let mut client = Client::connect(&cluster, 1);
    let frame = b"\0\0\0\x0a\0\x12\0\x63\0\0\0\x01\xff\xff";
    client.stream.write_all(frame).unwrap();
    let unknown = next_request(&events);
    assert_eq!(unknown.error, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(unknown.answer, MockAnswer::Sent);
    // An API that is not served.
    let mut client = Client::connect(&cluster, 1);
    let frame = b"\0\0\0\x0a\0\x01\0\x0b\0\0\0\x01\xff\xff";
    client.stream.write_all(frame).unwrap();
    let unknown = next_request(&events);
    assert_eq!(
        (unknown.request.api, unknown.answer),
        (Api::Other(1), closed(false))
    );
    assert!(client.is_closed());
}

/// Which of the first batches of `t-1` a cluster with this seed refuses, if it refuses half.
fn refused(seed: u64, with_others: bool) -> Vec<bool> {
    let builder = MockCluster::builder().topic("t", 2).seed(seed);
    let cluster = start(builder);
    let on = cluster.on(Api::Produce).always();
    on.chance(0.5).answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    let mut client = Client::connect(&cluster, 1);
    let mut refused = Vec::new();
    for _ in 0..64 {
        if with_others {
            client.produce("t", 0, "x");
        }
        refused.push(client.produce("t", 1, "x").error == ErrorCode::NOT_ENOUGH_REPLICAS);
    }
    refused
}

#[test]
fn the_same_seed_strikes_the_same_batches_of_a_partition() {
    let struck = refused(1, false);
    assert!(struck.contains(&true) && struck.contains(&false));
    assert_eq!(refused(1, true), struck);
    assert_ne!(refused(2, false), struck);
}

#[test]
fn a_fault_by_chance_counts_when_it_happens() {
    let cluster = one_broker();
    let on = || cluster.on(Api::Produce);
    on().chance(0.0).answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    on().chance(1.0).times(2).close_before();
    for _ in 0..2 {
        let mut client = Client::connect(&cluster, 1);
        client.send(&one("t", 0, batch(&["x"])), 12);
        assert!(client.is_closed());
    }
    let mut client = Client::connect(&cluster, 1);
    assert_eq!(client.produce("t", 0, "x").error, ErrorCode::NONE);
    assert_eq!(cluster.pending_faults(), 1);
}

#[test]
fn chance_is_drawn_for_each_partition_of_a_request() {
    let cluster = start(MockCluster::builder().topic("t", 64));
    let on = cluster.on(Api::Produce).always();
    on.chance(0.5).answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    let partitions = (0..64).map(|index| ProducePartition {
        index,
        records: SharedBytes::new(batch(&["x"])),
    });
    let request = Request::Produce(ProduceRequest {
        transactional_id: None,
        transactions: TransactionVersion::V1,
        acks: -1,
        timeout_ms: 30_000,
        topics: vec![ProduceTopic {
            name: "t".into(),
            id: TopicId::default(),
            partitions: partitions.collect(),
        }],
    });
    let answer = Client::connect(&cluster, 1).produce_at(12, &request);
    let errors: Vec<_> = answer.topics[0]
        .partitions
        .iter()
        .map(|one| one.error)
        .collect();
    assert!(errors.contains(&ErrorCode::NONE));
    assert!(errors.contains(&ErrorCode::NOT_ENOUGH_REPLICAS));
}

#[test]
fn listens_at_the_given_ports_and_names_one_that_is_taken() {
    // Two free neighbours are found by trying.
    let (cluster, first) = (20_001..32_000)
        .step_by(7)
        .find_map(|port| {
            let cluster = MockCluster::builder().brokers(2).port(port).start();
            Some((cluster.ok()?, port))
        })
        .unwrap();
    let second = first + 1;
    assert_eq!(
        cluster.bootstrap_servers(),
        format!("127.0.0.1:{first},127.0.0.1:{second}")
    );
    assert_eq!(
        Client::connect(&cluster, 2)
            .produce("t", 1, "x")
            .error
            .code(),
        3
    );

    let taken = MockCluster::builder().port(second).start().unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    let words = format!("cannot listen on 127.0.0.1:{second}: ");
    assert!(taken.to_string().starts_with(&words), "{taken}");

    let most = MockCluster::builder().brokers(70_000).port(65_535);
    assert!(most.start().is_err());
}

#[test]
fn can_count_without_keeping() {
    let cluster = start(MockCluster::builder().topic("t", 1).discard_records());
    let mut client = Client::connect(&cluster, 1);
    assert_eq!(client.produce("t", 0, "a").base_offset, 0);
    assert_eq!(client.produce("t", 0, "b").base_offset, 1);
    assert_eq!(cluster.view(|view| view.end_offset("t", 0)), 2);
    assert_eq!(cluster.counters().records, 2);
    assert!(cluster.requests().is_empty());
}

#[test]
fn discarding_keeps_no_refused_requests_either() {
    let cluster = start(MockCluster::builder().discard_records());
    for _ in 0..3 {
        let mut client = Client::connect(&cluster, 1);
        client.stream.write_all(b"\0\0\0\x03abc").unwrap();
        assert!(client.is_closed());
    }
    assert_eq!(cluster.counters().requests, 3);
    assert!(cluster.requests().is_empty());
}

#[test]
fn faults_come_before_the_first_request_where_brokers_start_paused() {
    let builder = MockCluster::builder().brokers(2).topic("t", 2);
    let cluster = start(builder.paused());
    let mut client = Client::connect(&cluster, 1);
    client.send(&one("t", 0, batch(&["a"])), 12);
    // Time enough for the first broker, if it used it.
    cluster.resume_broker(2);
    Client::connect(&cluster, 2).produce("t", 1, "b");
    cluster
        .on(Api::Produce)
        .answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    cluster.resume_broker(1);
    let Response::Produce(mut answer) = client.receive(ApiKey::Produce, 12) else {
        panic!("another answer");
    };
    let partition = answer.topics.remove(0).partitions.remove(0);
    assert_eq!(partition.error, ErrorCode::NOT_ENOUGH_REPLICAS);
    assert!(values(&cluster, "t", 0).is_empty());
}

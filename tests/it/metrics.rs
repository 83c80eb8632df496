//! What the counters count.

use linger::testing::{Api, MockRequest};
use linger::{ErrorCode, ProducerRecord};

use crate::support::{Outcomes, Setup, ignore, send_all};

#[test]
fn counters_agree_with_what_the_cluster_got() {
    let (cluster, producer) = Setup::new()
        .brokers(2)
        .topic("t", 4)
        .set("batch.size", 500)
        .start();
    for number in 0..200 {
        let text = "x".repeat(number);
        producer
            .send(ProducerRecord::new("t", &text), ignore)
            .unwrap();
    }
    producer.flush().unwrap();
    let (ours, theirs) = (producer.metrics(), cluster.counters());
    assert_eq!(ours.records_accepted, 200);
    assert_eq!(ours.records_sent, 200);
    assert_eq!(ours.records_acknowledged, 200);
    assert_eq!((ours.records_failed, ours.records_retried), (0, 0));
    assert_eq!(ours.batches_sent, theirs.batches);
    assert_eq!(ours.bytes_sent, theirs.batch_bytes);
    // Those of a connection's handshake do not count.
    let counts = |request: &MockRequest| request.api != Api::ApiVersions;
    let requests = cluster.requests().into_iter().filter(counts).count();
    assert_eq!(ours.requests_sent, requests as u64);
    assert_eq!(ours.buffer_used_bytes, 0);
    assert_eq!(ours.buffer_total_bytes, 32 * 1024 * 1024);
}

#[test]
fn a_fresh_producer_has_counted_nothing() {
    let (_cluster, producer) = Setup::new().set("buffer.memory", 123_456).start();
    let metrics = producer.metrics();
    assert_eq!(metrics.buffer_total_bytes, 123_456);
    let nothing = linger::ProducerMetrics::default();
    assert_eq!(metrics.records_accepted, nothing.records_accepted);
    assert_eq!(
        metrics.requests_sent, nothing.requests_sent,
        "nobody is asked yet"
    );
    assert_eq!(metrics.buffer_used_bytes, 0);
}

#[test]
fn a_retry_counts_its_records_again_as_sent() {
    let (cluster, producer) = Setup::new()
        .topic("t", 1)
        .set("linger.ms", 60_000)
        .set("retry.backoff.ms", 1)
        .start();
    cluster
        .on(Api::Produce)
        .times(2)
        .answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    send_all(&producer, "t", &["a", "b", "c"]);
    let metrics = producer.metrics();
    assert_eq!(metrics.records_accepted, 3);
    assert_eq!(metrics.records_retried, 6);
    assert_eq!((metrics.records_sent, metrics.batches_sent), (9, 3));
    assert_eq!(
        (metrics.records_acknowledged, metrics.records_failed),
        (3, 0)
    );
    assert_eq!(metrics.bytes_sent, 3 * cluster.counters().batch_bytes);
}

#[test]
fn records_that_fail_count_as_failed() {
    let (cluster, producer) = Setup::new().topic("t", 1).set("linger.ms", 60_000).start();
    cluster.on(Api::Produce).answer(ErrorCode::INVALID_RECORD);
    let outcomes = Outcomes::new();
    for number in 0..3 {
        let record = ProducerRecord::new("t", "v");
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    producer.flush().unwrap();
    for number in 0..3 {
        let (tag, result) = outcomes.next();
        assert_eq!(tag, number);
        assert_eq!(
            result.unwrap_err().broker_code(),
            Some(ErrorCode::INVALID_RECORD)
        );
    }
    let metrics = producer.metrics();
    assert_eq!(
        (metrics.records_acknowledged, metrics.records_failed),
        (0, 3)
    );
    assert_eq!((metrics.records_sent, metrics.records_retried), (3, 0));
}

#[test]
fn refused_records_count_nowhere() {
    let (_cluster, producer) = Setup::new().topic("t", 1).start();
    let record = ProducerRecord::new("t", "v").timestamp(-1);
    producer.send(record, ignore).unwrap_err();
    assert_eq!(producer.metrics().records_accepted, 0);
    assert_eq!(producer.metrics().records_failed, 0);
}

#[test]
fn callbacks_that_panic_are_counted_and_their_records_too() {
    let (_cluster, producer) = Setup::new().topic("t", 1).start();
    let outcomes = Outcomes::new();
    let panics = |_: linger::Result<_>| panic!("a user's mistake");
    producer
        .send(ProducerRecord::new("t", "a"), panics)
        .unwrap();
    producer
        .send(ProducerRecord::new("t", "b"), outcomes.callback("b"))
        .unwrap();
    producer.flush().unwrap();
    outcomes.acknowledged(1);
    let metrics = producer.metrics();
    assert_eq!(metrics.callbacks_panicked, 1);
    assert_eq!(metrics.records_acknowledged, 2);
    assert_eq!(metrics.buffer_used_bytes, 0);
}

#[test]
fn clones_count_together() {
    let (_cluster, producer) = Setup::new().topic("t", 1).start();
    let clone = producer.clone();
    send_all(&producer, "t", &["a"]);
    send_all(&clone, "t", &["b", "c"]);
    assert_eq!(producer.metrics(), clone.metrics());
    assert_eq!(producer.metrics().records_acknowledged, 3);
    drop(clone);
    producer.close().unwrap();
    assert_eq!(
        producer.metrics().records_acknowledged,
        3,
        "and after a close"
    );
}

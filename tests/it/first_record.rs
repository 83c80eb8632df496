//! The first record of a topic: what `try_send` says while its topic is not known, that every way to send
//! says the same of the same cause, and how a program gets to know topics before it sends.

use std::time::Duration;

use linger::testing::{Api, MockCluster};
use linger::{Error, ErrorCode, ErrorKind, Producer, ProducerRecord, Result};

use crate::observe::{eventually, timed};
use crate::support::{PATIENCE, Setup, ignore, meant_error, send_all, values};

fn setup() -> Setup {
    Setup::new()
        .set("linger.ms", 0)
        .set("retry.backoff.ms", 2)
        .set("retry.backoff.max.ms", 2)
        .set("reconnect.backoff.ms", 2)
        .set("reconnect.backoff.max.ms", 2)
}

/// What each way to send says of a record to this topic. None of them waits for long.
fn refusals(producer: &Producer<str, str>, topic: &str) -> [Error; 3] {
    let record = || ProducerRecord::new(topic, "x");
    let limits = [None, Some(Duration::ZERO), Some(Duration::from_millis(100))];
    limits.map(|limit| {
        let sent = match limit {
            None => producer.try_send(record(), ignore),
            Some(limit) => producer.send_timeout(record(), limit, ignore),
        };
        sent.expect_err("the topic cannot be sent to")
    })
}

/// Waits until every way to send says this.
fn all_say(producer: &Producer<str, str>, topic: &str, kind: ErrorKind) -> [Error; 3] {
    let mut said = None;
    eventually("all ways to send say the same", || {
        let errors = refusals(producer, topic);
        let are_all = errors.iter().all(|error| error.kind() == kind);
        said = Some(errors);
        are_all
    });
    said.expect("it was tried")
}

fn try_send(producer: &Producer<str, str>, topic: &str) -> Result<()> {
    producer.try_send(ProducerRecord::new(topic, "x"), ignore)
}

/// Repeats a `try_send` that is refused as being of this kind until it is taken.
fn try_until_taken(
    cluster: &MockCluster,
    producer: &Producer<str, str>,
    record: &ProducerRecord<'_, str, str>,
    kind: ErrorKind,
) {
    let before = cluster.counters().metadata_requests;
    let refused = producer.try_send(record.clone(), ignore).unwrap_err();
    assert_eq!(refused.kind(), kind);
    assert!(refused.is_retriable());
    // That was enough to have the cluster asked.
    assert!(cluster.wait_until(PATIENCE, |view| {
        view.counters().metadata_requests > before
    }));
    eventually("the record is taken", || {
        producer.try_send(record.clone(), ignore).is_ok()
    });
    producer.flush().unwrap();
}

#[test]
fn try_send_asks_for_an_unknown_topic_and_succeeds_later() {
    let (cluster, producer) = setup().start();
    let record = ProducerRecord::new("new", "x");
    try_until_taken(&cluster, &producer, &record, ErrorKind::TimedOut);
    assert_eq!(values(&cluster, "new", 0), ["x"]);
}

#[test]
fn try_send_asks_for_an_unknown_partition_and_succeeds_later() {
    let (cluster, producer) = setup().topic("orders", 1).start();
    send_all(&producer, "orders", &["the topic is known"]);
    cluster.add_partitions("orders", 2);
    let record = ProducerRecord::new("orders", "x").partition(1);
    let kind = ErrorKind::UnknownTopicOrPartition;
    try_until_taken(&cluster, &producer, &record, kind);
    assert_eq!(values(&cluster, "orders", 1), ["x"]);
}

#[test]
fn a_topic_that_no_broker_has_told_of_yet_is_a_matter_of_time() {
    let (cluster, producer) = setup().start();
    cluster.on(Api::Metadata).always().silence();
    for error in all_say(&producer, "orders", ErrorKind::TimedOut) {
        assert!(error.is_retriable() && error.is_timeout(), "{error}");
        assert!(error.to_string().contains("\"orders\""), "{error}");
    }
}

#[test]
fn a_topic_that_does_not_exist_is_unknown_however_it_is_sent_to() {
    let (_cluster, producer) = setup()
        .cluster(|cluster| cluster.auto_create_topics(false))
        .start();
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    for error in all_say(&producer, "missing", ErrorKind::UnknownTopicOrPartition) {
        assert_eq!(error.broker_code(), Some(unknown), "{error}");
        assert!(error.is_retriable(), "it may be made yet: {error}");
    }
}

#[test]
fn a_topic_that_the_brokers_forbid_is_refused_however_it_is_sent_to() {
    let (cluster, producer) = setup().start();
    let forbidden = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    let fault = cluster.on(Api::Metadata).topic("secret");
    fault.always().answer(forbidden);
    for error in all_say(&producer, "secret", ErrorKind::Broker(forbidden)) {
        assert!(!error.is_retriable(), "{error}");
    }
    // Each attempt asks again, so once it is allowed nobody remembers the refusal.
    cluster.clear_faults();
    eventually("the record is taken", || {
        try_send(&producer, "secret").is_ok()
    });
}

#[test]
fn that_no_broker_can_be_reached_is_told_with_the_reason_however_it_is_sent() {
    let (cluster, producer) = setup().start();
    cluster.stop_broker(1);
    for error in all_say(&producer, "orders", ErrorKind::Connect) {
        assert!(error.to_string().contains("refused"), "{error}");
        assert!(error.is_retriable());
    }
    cluster.restart_broker(1).unwrap();
    eventually("the record is taken", || {
        try_send(&producer, "orders").is_ok()
    });
}

#[test]
fn what_was_prepared_is_taken_at_once() {
    let (cluster, producer) = setup().topic("orders", 3).start();
    producer
        .prepare(&["orders", "new", "orders"], PATIENCE)
        .unwrap();
    for topic in ["orders", "new"] {
        try_send(&producer, topic).unwrap();
    }
    producer.flush().unwrap();
    assert_eq!(cluster.counters().records, 2);
    // What is known need not be asked for.
    producer.prepare(&["orders"], Duration::ZERO).unwrap();
    producer.prepare(&[], Duration::ZERO).unwrap();
}

#[test]
fn each_topic_that_cannot_be_prepared_is_named_with_the_reason() {
    let (cluster, producer) = setup()
        .topic("orders", 1)
        .cluster(|cluster| cluster.auto_create_topics(false))
        .start();
    let forbidden = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    let fault = cluster.on(Api::Metadata).topic("secret");
    fault.always().answer(forbidden);
    let topics = ["missing", "orders", "secret", "two words"];
    let limit = Duration::from_millis(500);
    let fail = || producer.prepare(&topics, limit).unwrap_err();
    let error = meant_error(fail, |error| {
        error.to_string().contains("UNKNOWN_TOPIC_OR_PARTITION")
    });
    let text = error.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "3 of 4 topics are not ready:");
    let reasons = [
        ("\"missing\"", "UNKNOWN_TOPIC_OR_PARTITION"),
        ("\"secret\"", "TOPIC_AUTHORIZATION_FAILED"),
        ("\"two words\"", "not a legal topic name"),
    ];
    for (line, (topic, reason)) in lines[1..].iter().zip(reasons) {
        assert!(line.contains(topic) && line.contains(reason), "{text}");
    }
    // That which waiting does not mend.
    assert_eq!(error.kind(), ErrorKind::Broker(forbidden));
    // One alone is refused without waiting.
    let (error, took) = timed(|| producer.prepare(&["secret"], PATIENCE).unwrap_err());
    assert_eq!(error.broker_code(), Some(forbidden));
    assert!(took < PATIENCE);
}

#[test]
fn a_closed_producer_prepares_nothing() {
    let (_cluster, producer) = setup().start();
    producer.close().unwrap();
    let error = producer.prepare(&["orders"], PATIENCE).unwrap_err();
    assert!(error.is_closed(), "{error}");
}

#[test]
fn a_topic_that_a_check_has_found_is_taken_at_once() {
    let (cluster, producer) = setup().topic("orders", 3).start();
    let report = producer.check_topics(&["orders"], PATIENCE).unwrap();
    assert!(report.is_healthy(), "{report}");
    let record = ProducerRecord::new("orders", "x").partition(2);
    producer.try_send(record, ignore).unwrap();
    producer.flush().unwrap();
    assert_eq!(values(&cluster, "orders", 2), ["x"]);
}

#[test]
fn a_topic_that_a_check_has_not_found_is_not_made_by_it() {
    let (cluster, producer) = setup().start();
    let report = producer.check_topics(&["missing"], PATIENCE).unwrap();
    assert!(!report.is_healthy(), "{report}");
    assert_eq!(cluster.topics(), [""; 0]);
    try_send(&producer, "missing").unwrap_err();
}

//! Quotas: a broker that asks for a pause gets it, and is not taken for dead meanwhile (KIP-219).

use std::time::Duration;

use linger::ProducerRecord;
use linger::testing::Api;

use crate::observe::{eventually, timed};
use crate::support::{Outcomes, Setup, send_all};

/// Two partitions of one broker, no lingering.
fn setup() -> Setup {
    Setup::new().topic("orders", 2).set("linger.ms", 0)
}

#[test]
fn a_broker_that_asks_for_a_pause_gets_it() {
    let (cluster, producer) = setup().start();
    send_all(&producer, "orders", &["the topic is known"]);
    let pause = Duration::from_millis(200);
    cluster.on(Api::Produce).throttle(pause);
    let throttled = producer.send_wait(ProducerRecord::new("orders", "throttled"));
    throttled.unwrap();
    let (sent, took) = timed(|| producer.send_wait(ProducerRecord::new("orders", "after")));
    sent.unwrap();
    // The pause began a little before the first call returned.
    assert!(took >= pause / 2, "{took:?}");
}

#[test]
fn a_pause_is_no_silence_to_the_requests_behind_it() {
    let setup = setup().set("request.timeout.ms", 400);
    let (cluster, producer) = setup.start();
    send_all(&producer, "orders", &["the topic is known"]);
    let answers = cluster.on(Api::Produce).partition("orders", 0);
    answers.delay(Duration::from_millis(200));
    let answers = cluster.on(Api::Produce).partition("orders", 0);
    answers.throttle(Duration::from_secs(20));
    // Brokers answer in order: half a second and more after it was asked.
    let answers = cluster.on(Api::Produce).partition("orders", 1);
    answers.delay(Duration::from_millis(500));
    let outcomes = Outcomes::new();
    for partition in [0, 1] {
        let before = producer.metrics().batches_sent;
        let record = ProducerRecord::new("orders", "x").partition(partition);
        let callback = outcomes.callback(partition);
        producer.send(record, callback).unwrap();
        // Each in a request of its own.
        eventually("the batch has left", || {
            producer.metrics().batches_sent > before
        });
    }
    outcomes.acknowledged(2);
    assert_eq!(producer.metrics().records_retried, 0);
}

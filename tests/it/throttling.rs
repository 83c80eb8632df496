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
    // The pause begins between the two.
    let ((), took) = timed(|| {
        for value in ["throttled", "after"] {
            let sent = producer.send_wait(ProducerRecord::new("orders", value));
            sent.unwrap();
        }
    });
    assert!(took >= pause, "{took:?}");
}

#[test]
fn a_pause_is_no_silence_to_the_requests_behind_it() {
    let setup = setup().set("request.timeout.ms", 2_000);
    let (cluster, producer) = setup.start();
    send_all(&producer, "orders", &["the topic is known"]);
    let answers = cluster.on(Api::Produce).partition("orders", 0);
    answers.delay(Duration::from_millis(100));
    let answers = cluster.on(Api::Produce).partition("orders", 0);
    answers.throttle(Duration::from_secs(20));
    // Brokers answer in order: two seconds and a half after it was asked.
    let answers = cluster.on(Api::Produce).partition("orders", 1);
    answers.delay(Duration::from_millis(2_500));
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

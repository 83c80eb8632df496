//! Answers to Produce requests that are no answers, from brokers that have appended. Nothing of what
//! was asked is known then, and whoever takes such an answer for one, or waits for the rest of it,
//! leaves records without any outcome.

use std::time::Duration;

use linger::Producer;
use linger_kafka_tests::{
    Hostile, Load, Proxy, Verifiable, is_long, properties, rounds, wait_until,
};

use crate::{await_faults, new_topic, three_nodes};

#[test]
fn answers_that_are_none_cost_an_attempt_and_nothing_else() {
    let cluster = three_nodes();
    let topics = ["lies", "lies-process"].map(|name| new_topic(&cluster, name, 6));
    let properties = properties(&cluster.proxied_bootstrap());
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topics[0]);
    let process = Verifiable::start(&cluster, &topics[1], &[]);
    process.await_acknowledged(500);
    load.send_during(6, || {
        for node in 1..=3 {
            let lies = Hostile::ALL.repeat(rounds(3));
            cluster.proxy(node).answer_next(&lies);
        }
        await_faults(&cluster, &topics[0], Proxy::hostile_to_come);
        process.await_acknowledged(500);
    });
    producer.close().expect("nothing is pending");

    load.assert_all_stored(&cluster);
    let account = process.finish();
    assert_eq!(account.failed(), 0, "{account:?}");
    assert!(account.retries > 0, "{account:?}");
}

/// What may be added to a deadline where nothing else runs.
const SLACK: Duration = Duration::from_millis(500);

#[test]
fn every_record_has_a_true_outcome_in_time_when_no_answer_is_one() {
    const TIMEOUT: Duration = Duration::from_millis(1_500);
    let cluster = three_nodes();
    let topics = ["all-lies", "all-lies-process"].map(|name| new_topic(&cluster, name, 3));
    let settings = [
        ("linger.ms", "0"),
        ("request.timeout.ms", "1000"),
        ("delivery.timeout.ms", "1500"),
    ];
    let properties = settings
        .iter()
        .fold(properties(&cluster.proxied_bootstrap()), |all, one| {
            all.set(one.0, one.1)
        });
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topics[0]);
    let process = Verifiable::start(&cluster, &topics[1], &settings);
    load.send_during(3, || {
        for hostile in Hostile::ALL.repeat(rounds(1)) {
            process.await_acknowledged(300);
            let acknowledged = producer.metrics().records_acknowledged;
            wait_until("acknowledgements", || {
                producer.metrics().records_acknowledged > acknowledged + 300
            });
            for node in 1..=3 {
                cluster.proxy(node).answer_always(hostile);
            }
            // Nothing that is sent from now on is answered truly while the lies go on.
            load.send(3, 1);
            let (sent, failed) = (load.so_far(), process.failed());
            wait_until("outcomes without true answers", || {
                sent.has_ended() && process.failed() > failed
            });
            for node in 1..=3 {
                cluster.proxy(node).heal();
            }
        }
        process.await_acknowledged(300);
    });
    producer.close().expect("open");

    let limit = is_long().then_some(TIMEOUT + SLACK);
    let tally = load.assert_all_true_within(&cluster, limit.unwrap_or(Duration::MAX));
    assert!(tally.doubtful_stored > 0, "{tally:?}");
    let account = process.finish();
    assert!(account.tally.doubtful_stored > 0, "{account:?}");
}

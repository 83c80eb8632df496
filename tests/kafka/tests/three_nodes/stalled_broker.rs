//! A broker that stops in its tracks: its sockets stay open and nothing comes back.

use std::collections::HashMap;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use linger::{Producer, ProducerRecord};
use linger_kafka_tests::{properties, topic_name};

use crate::three_nodes;

/// How long the broker is stopped.
const STALL: Duration = Duration::from_secs(30);
/// What a record may take on a broker that is well, on a busy machine with two cores.
const USUAL: Duration = Duration::from_millis(1_500);
const INTERVAL: Duration = Duration::from_millis(1);

#[test]
fn records_for_other_brokers_go_on_while_one_is_stopped() {
    let cluster = three_nodes();
    let topic = topic_name("stalled");
    // One partition on each node, with no replicas elsewhere that could take over.
    cluster.create_unreplicated_topic(&topic, 3);
    let leaders: HashMap<i32, i32> = cluster
        .leaders(&topic)
        .iter()
        .map(|now| (now.partition, now.leader))
        .collect();
    let stalled_node = leaders[&0];
    let properties = properties(&cluster.bootstrap())
        .set("acks", "all")
        .set("linger.ms", 5);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let (told, outcomes) = mpsc::channel();
    let send = |number: usize| {
        let partition = i32::try_from(number % 3).expect("below 3");
        let value = format!("v-{number}");
        let record = ProducerRecord::new(&topic, value.as_bytes()).partition(partition);
        let (told, sent) = (told.clone(), Instant::now());
        producer
            .send(record, move |outcome| {
                drop(told.send((partition, sent.elapsed(), outcome.map(|_| ()))));
            })
            .expect("accepted");
    };
    (0..300).for_each(send);
    producer.flush().expect("open");
    cluster.pause(stalled_node);
    let stalled_at = Instant::now();
    let mut number = 300;
    while stalled_at.elapsed() < STALL {
        send(number);
        number += 1;
        thread::sleep(INTERVAL);
    }
    cluster.resume(stalled_node);
    producer.close().expect("all is delivered in time");
    drop(told);

    let mut slowest: HashMap<i32, Duration> = HashMap::new();
    for (partition, took, outcome) in outcomes {
        assert!(outcome.is_ok(), "{outcome:?}");
        let slowest = slowest.entry(partition).or_default();
        *slowest = took.max(*slowest);
    }
    assert!(
        slowest[&0] > STALL / 2,
        "the stopped broker was needed: {slowest:?}"
    );
    for partition in [1, 2] {
        assert_ne!(leaders[&partition], stalled_node);
        assert!(
            slowest[&partition] < USUAL,
            "partition {partition}: {slowest:?}"
        );
    }
    let stored: i64 = cluster.end_offsets(&topic).iter().sum();
    assert_eq!(usize::try_from(stored), Ok(number), "records stored");
}

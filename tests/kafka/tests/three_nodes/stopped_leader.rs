//! Leaders that are stopped in their tracks (SIGSTOP) with several batches on their way, and go on
//! (SIGCONT) when these have been sent again, or given up: what lay in their sockets is then
//! processed all the same.

use std::thread;
use std::time::Duration;

use linger::Producer;
use linger_kafka_tests::{Cluster, Load, Tally, properties, topic_name, wait_until};

use crate::three_nodes;

const ROUNDS: usize = 3;

/// Stops the leader of partition 0 again and again for that long under load.
fn stop_leaders(cluster: &Cluster, topic: &str, timeouts: (u64, u64), stop: Duration) -> Tally {
    let (request_timeout, delivery_timeout) = timeouts;
    let properties = properties(&cluster.bootstrap())
        .set("linger.ms", 0)
        .set("request.timeout.ms", request_timeout)
        .set("delivery.timeout.ms", delivery_timeout);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, topic);
    load.send_during(3, || {
        for _ in 0..ROUNDS {
            let before = producer.metrics().records_acknowledged;
            wait_until("sending is under way", 60, || {
                producer.metrics().records_acknowledged > before + 1_000
            });
            wait_until("a leader", 60, || cluster.leaders(topic)[0].leader >= 0);
            let leader = cluster.leaders(topic)[0].leader;
            cluster.pause(leader);
            thread::sleep(stop);
            cluster.resume(leader);
        }
        let before = producer.metrics().records_acknowledged;
        wait_until("sending goes on", 60, || {
            producer.metrics().records_acknowledged > before + 1_000
        });
    });
    producer.close().expect("open");
    let metrics = producer.metrics();
    assert!(metrics.records_retried > 0, "{metrics:?}");
    load.assert_all_true(cluster)
}

#[test]
fn a_leader_that_stops_beyond_the_request_timeout_fails_nothing() {
    let cluster = three_nodes();
    let topic = topic_name("stopped-briefly");
    cluster.create_topic(&topic, 3, &[]);
    cluster.await_in_sync(&topic, 3);
    let tally = stop_leaders(&cluster, &topic, (1_000, 120_000), Duration::from_secs(2));
    assert_eq!(
        tally,
        Tally {
            acknowledged: tally.acknowledged,
            ..Tally::default()
        }
    );
}

#[test]
fn each_fate_is_true_when_a_leader_stops_beyond_the_delivery_timeout() {
    let cluster = three_nodes();
    let topic = topic_name("stopped-replicated");
    cluster.create_topic(&topic, 3, &[]);
    cluster.await_in_sync(&topic, 3);
    let tally = stop_leaders(&cluster, &topic, (1_000, 1_200), Duration::from_secs(5));
    assert!(
        tally.doubtful_stored + tally.doubtful_absent > 0,
        "{tally:?}"
    );
}

#[test]
fn each_fate_is_true_when_nobody_takes_over_from_a_stopped_leader() {
    let cluster = three_nodes();
    let topic = topic_name("stopped-alone");
    cluster.create_unreplicated_topic(&topic, 3);
    let tally = stop_leaders(
        &cluster,
        &topic,
        (1_000, 1_200),
        Duration::from_millis(2_500),
    );
    assert!(tally.doubtful_stored > 0, "{tally:?}");
}

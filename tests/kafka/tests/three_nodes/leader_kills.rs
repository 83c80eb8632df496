//! Leaders that are killed (SIGKILL) and started again while records are on their way.

use std::thread;
use std::time::Duration;

use linger::Producer;
use linger_kafka_tests::{Cluster, Load, Verifiable, properties, rounds, wait_until};

use crate::{first_leader, new_topic, three_nodes};

/// Mostly enough, at the rates of these tests, for the leader to owe answers when it dies.
const STALL: Duration = Duration::from_millis(100);

/// Kills the leader of each topic's partition 0 with requests on their way to it, and brings it
/// back once another has taken over.
fn kill_a_leader(cluster: &Cluster, topics: &[String]) {
    let leader = first_leader(cluster, &topics[0]);
    cluster.pause(leader);
    thread::sleep(STALL);
    cluster.kill(leader);
    for topic in topics {
        wait_until("another leader", || {
            cluster
                .leaders(topic)
                .iter()
                .all(|now| now.leader != leader && now.leader >= 0)
        });
    }
    cluster.restart(leader);
    for topic in topics {
        cluster.await_in_sync(topic, 3);
    }
}

#[test]
fn every_record_is_stored_once_and_in_order_when_leaders_die() {
    let cluster = three_nodes();
    let topics = ["kills", "kills-process"].map(|name| new_topic(&cluster, name, 3));
    let properties = properties(&cluster.bootstrap()).set("linger.ms", 2);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topics[0]);
    let process = Verifiable::start(&cluster, &topics[1], &[]);
    let is_sent_again =
        || producer.metrics().records_retried > 0 && process.logged().contains(" again: ");
    load.send_during(3, || {
        // Some more where one of the two was never at work while a leader was stopped.
        for kill in 0..3 * rounds(3) {
            if kill >= rounds(3) && is_sent_again() {
                break;
            }
            let before = producer.metrics().records_acknowledged;
            wait_until("sending is under way", || {
                producer.metrics().records_acknowledged > before + 300
            });
            process.await_acknowledged(300);
            kill_a_leader(&cluster, &topics);
        }
        process.await_acknowledged(300);
    });
    producer.close().expect("nothing is pending");

    let metrics = producer.metrics();
    assert!(metrics.records_retried > 0, "{metrics:?}");
    load.assert_all_stored(&cluster);
    let account = process.finish();
    assert_eq!(account.failed(), 0, "{account:?}");
    assert!(account.retries > 0, "{account:?}");
}

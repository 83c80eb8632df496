//! Brokers that are shut down in order (SIGTERM) and started again, one after the other.

use linger::Producer;
use linger_kafka_tests::{Load, Verifiable, properties, rounds};

use crate::{new_topic, three_nodes};

#[test]
fn nothing_fails_over_a_rolling_restart() {
    let cluster = three_nodes();
    let topics = ["rolling", "rolling-process"].map(|name| new_topic(&cluster, name, 3));
    let properties = properties(&cluster.bootstrap());
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topics[0]);
    let process = Verifiable::start(&cluster, &topics[1], &[]);
    load.send_during(3, || {
        for node in [1, 2, 3].repeat(rounds(1)) {
            process.await_acknowledged(500);
            cluster.shut_down(node);
            process.await_acknowledged(500);
            cluster.restart(node);
            for topic in &topics {
                cluster.await_in_sync(topic, 3);
            }
        }
        process.await_acknowledged(500);
    });
    producer.close().expect("nothing is pending");

    load.assert_all_stored(&cluster);
    let account = process.finish();
    assert_eq!(account.failed(), 0, "{account:?}");
}

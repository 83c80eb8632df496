//! The process's limit of open files is lowered below what is open, as sandboxes do, and the system
//! refuses to wait for that many sockets: a binary of its own, because the limit holds for the whole
//! process.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers outside of test functions are tests, too"
)]

use std::time::Duration;

use linger::testing::MockCluster;
use linger::{ErrorKind, Producer, ProducerRecord, Properties};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sets how many descriptors may be opened from now on; those that are open stay so.
fn allow(descriptors: Option<u64>) {
    let limit = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: descriptors,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
}

#[test]
fn a_producer_outlives_a_limit_below_its_open_sockets() {
    let before = getrlimit(Resource::Nofile).current;
    let cluster = MockCluster::builder()
        .brokers(3)
        .topic("orders", 3)
        .start()
        .unwrap();
    let properties = Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("key.serializer", "string")
        .set("value.serializer", "string")
        .set("linger.ms", 0)
        .set("request.timeout.ms", 200)
        .set("delivery.timeout.ms", 400);
    let producer: Producer<str, str> = Producer::new(&properties).unwrap();
    let send = |partition| {
        let record = ProducerRecord::new("orders", "x").partition(partition);
        producer.send_wait(record)
    };
    for partition in 0..3 {
        send(partition).unwrap();
    }
    // Two, and even the waker is one too many.
    for limit in [4, 0] {
        allow(Some(limit));
        for partition in 0..3 {
            send(partition).expect("what is open stays in use");
        }
    }
    // Nor does a broker that is silent hold up anything beyond its records' deadlines.
    cluster.pause_broker(cluster.leader("orders", 0).unwrap());
    let error = send(0).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::TimedOut | ErrorKind::Connect | ErrorKind::Disconnected
        ),
        "{error}"
    );
    send(1).expect("the others take their records");
    allow(before);
    cluster.resume_broker(cluster.leader("orders", 0).unwrap());
    send(0).expect("all is as it was");
    let closed = producer.close_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(closed.failed, 0);
    assert_eq!(producer.metrics().records_accepted, 12);
}

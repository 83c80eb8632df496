//! A cluster that is deleted and made anew on the same ports, under the hands of a producer. It gives
//! the producer's id to another one. Alone in its process, since it deletes its cluster.

use linger::{Producer, ProducerRecord};
use linger_kafka_tests::{Cluster, Options, properties};

const TOPIC: &str = "t";

#[test]
fn nothing_acknowledged_is_missing_from_a_cluster_that_was_made_anew() {
    let cluster = Cluster::start(&Options::new(1));
    cluster.create_topic(TOPIC, 1, &[]);
    let producer = producer(&cluster);
    assert_eq!(send(&producer, "p", 0, 5), all("p", 0, 5));

    cluster.make_anew();
    cluster.create_topic(TOPIC, 1, &[]);
    // Gets the id that the first producer had in the old cluster.
    let mut expected = send(&self::producer(&cluster), "q", 0, 10);
    assert_eq!(expected, all("q", 0, 10));
    expected.extend(send(&producer, "p", 5, 12));
    assert!(expected.ends_with(&all("p", 8, 12)), "{expected:?}");

    let text = |value: Vec<u8>| String::from_utf8(value).expect("text");
    let records = cluster.read(TOPIC).into_iter();
    let values: Vec<_> = records.filter_map(|one| one.value).map(text).collect();
    assert_eq!(values, expected);
}

fn producer(cluster: &Cluster) -> Producer<[u8], [u8]> {
    Producer::new(&properties(&cluster.bootstrap())).expect("valid properties")
}

fn all(name: &str, from: u32, to: u32) -> Vec<String> {
    (from..to).map(|number| format!("{name}{number}")).collect()
}

/// One after the other; gives those that were acknowledged.
fn send(producer: &Producer<[u8], [u8]>, name: &str, from: u32, to: u32) -> Vec<String> {
    let mut values = all(name, from, to);
    values.retain(|value| {
        let record = ProducerRecord::new(TOPIC, value.as_bytes());
        producer.send_wait(record).is_ok()
    });
    values
}

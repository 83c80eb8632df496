//! Topics that come into being and grow while a producer is at work.

use std::collections::HashSet;
use std::time::Instant;

use linger::{Producer, ProducerRecord};
use linger_kafka_tests::{
    Deliveries, PATIENCE, assert_all_stored, assert_in_order, one_node, properties, topic_name,
};

#[test]
fn creates_a_topic_by_sending_to_it() {
    let cluster = one_node();
    let topic = topic_name("auto-created");
    let producer: Producer<[u8], [u8]> =
        Producer::new(&properties(&cluster.bootstrap())).expect("valid properties");
    let value: &[u8] = b"first";
    let metadata = producer
        .send_wait(ProducerRecord::new(&topic, value))
        .expect("stored");
    producer.close().expect("nothing is pending");
    assert_eq!(metadata.to_string(), format!("{topic}-0@0"));
    assert_eq!(cluster.read(&topic)[0].text(), "first");
}

#[test]
fn finds_the_partitions_that_a_topic_gets_while_sending() {
    let cluster = one_node();
    let topic = topic_name("growing");
    cluster.create_topic(&topic, 2, &[]);
    let properties = properties(&cluster.bootstrap()).set("metadata.max.age.ms", 300);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let deliveries = Deliveries::default();
    let mut told = Vec::new();
    let mut used = HashSet::new();
    let mut number = 0_u64;
    let mut hundred = || {
        for _ in 0..100 {
            let value = format!("v-{number}");
            let key = number.to_string();
            let record = ProducerRecord::new(&topic, value.as_bytes()).key(key.as_bytes());
            producer
                .send(record, deliveries.callback(&value))
                .expect("accepted");
            number += 1;
        }
        producer.flush().expect("open");
        deliveries.so_far().collect::<Vec<_>>()
    };
    let mut grown = false;
    let deadline = Instant::now() + PATIENCE;
    while used.len() < 7 {
        assert!(
            Instant::now() < deadline,
            "only {used:?} of 7 partitions used by {} records",
            told.len()
        );
        for delivery in hundred() {
            used.extend(
                delivery
                    .outcome
                    .as_ref()
                    .map(|metadata| metadata.partition()),
            );
            told.push(delivery);
        }
        if !grown {
            assert_eq!(used, HashSet::from([0, 1]));
            cluster.grow_topic(&topic, 7);
            grown = true;
        }
    }
    // The last of them may have been sent by two partitions still; all of these are sent by seven.
    told.extend(hundred());
    producer.close().expect("nothing is pending");

    let records = cluster.read(&topic);
    assert_all_stored(&told, &records);
    assert_in_order(&records);
    // The keys of the last hundred are where Java puts them among seven.
    let last: Vec<_> = told.iter().rev().take(100).rev().collect();
    let keys: Vec<Vec<u8>> = last
        .iter()
        .map(|delivery| delivery.value.trim_start_matches("v-").into())
        .collect();
    let picked: Vec<i32> = last
        .iter()
        .map(|delivery| {
            delivery
                .outcome
                .as_ref()
                .expect("all were stored")
                .partition()
        })
        .collect();
    assert_eq!(picked, cluster.partitions_for_keys(7, &keys));
}

//! All brokers gone at once, and back; and none there when a producer starts.

use std::time::{Duration, Instant};

use linger::{Fate, Producer, ProducerRecord};
use linger_kafka_tests::{
    Deliveries, Verifiable, assert_all_stored, assert_in_order, is_long, properties, rounds,
    wait_until,
};

use crate::{new_topic, three_nodes};

const MAX_BLOCK: Duration = Duration::from_secs(1);
/// Far more than is needed, and less than any other time that a caller could wait for.
const TOO_LONG: Duration = Duration::from_secs(20);
/// The same where nothing else runs.
const TOO_LONG_ALONE: Duration = Duration::from_millis(1_500);

#[test]
fn records_outlast_a_cluster_that_is_gone_or_not_there_yet() {
    for _ in 0..rounds(1) {
        one_outage();
    }
}

fn one_outage() {
    let cluster = three_nodes();
    let topic = new_topic(&cluster, "outage", 3);
    let process_topics = ["outage-process", "all-down"].map(|name| new_topic(&cluster, name, 3));
    let properties = properties(&cluster.bootstrap());
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let deliveries = Deliveries::default();
    let send = |number: i32| {
        let value = format!("v-{number}");
        let record = ProducerRecord::new(&topic, value.as_bytes()).partition(number % 3);
        producer
            .send(record, deliveries.callback(&value))
            .expect("accepted");
    };
    (0..300).for_each(send);
    producer.flush().expect("open");
    let process = Verifiable::start(&cluster, &process_topics[0], &[]);
    process.await_acknowledged(500);

    (1..=3).for_each(|node| cluster.kill(node));
    (300..600).for_each(send);
    let early = Verifiable::start(&cluster, &process_topics[1], &[]);
    let max_block = u64::try_from(MAX_BLOCK.as_millis()).expect("a second");
    let properties = properties.set("max.block.ms", max_block);
    let hurried: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let value: &[u8] = b"nobody has it";
    let asked = Instant::now();
    let refused = hurried
        .send_wait(ProducerRecord::new(&topic, value))
        .expect_err("nobody is there");
    let waited = asked.elapsed();
    let too_long = if is_long() { TOO_LONG_ALONE } else { TOO_LONG };
    assert!((MAX_BLOCK..too_long).contains(&waited), "{waited:?}");
    assert_eq!(refused.fate(), Fate::NotWritten, "{refused}");

    cluster.heal();
    (600..900).for_each(send);
    wait_until("all is acknowledged", || {
        producer.metrics().records_acknowledged == 900
    });
    let number = "v-900".to_owned();
    let record = ProducerRecord::new(&topic, number.as_bytes()).partition(0);
    hurried
        .send(record, deliveries.callback(&number))
        .expect("accepted");
    for producer in [producer, hurried] {
        producer.close().expect("nothing is pending");
    }
    for process in [process, early] {
        process.await_acknowledged(500);
        let account = process.finish();
        assert_eq!(account.failed(), 0, "{account:?}");
    }

    let told = deliveries.all();
    assert_eq!(told.len(), 901);
    let records = cluster.read(&topic);
    assert_all_stored(&told, &records);
    assert_in_order(&records);
}

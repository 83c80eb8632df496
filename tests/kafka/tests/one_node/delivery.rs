//! What callbacks are told, with one broker that is well: offsets, order, and what it refuses.

use std::thread;

use linger::{ErrorCode, ErrorKind, Producer, ProducerRecord};
use linger_kafka_tests::{
    Deliveries, assert_all_stored, assert_in_order, one_node, properties, topic_name,
};

#[test]
fn offsets_are_those_that_were_reported_with_acks_1_and_all() {
    let cluster = one_node();
    for acks in ["1", "all"] {
        let topic = topic_name("acks");
        cluster.create_topic(&topic, 3, &[]);
        let properties = properties(&cluster.bootstrap()).set("acks", acks);
        let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
        let deliveries = Deliveries::default();
        for number in 0..3_000 {
            let value = format!("v-{number}");
            let record = ProducerRecord::new(&topic, value.as_bytes());
            producer
                .send(record, deliveries.callback(&value))
                .expect("accepted");
        }
        producer.close().expect("nothing is pending");
        let records = cluster.read(&topic);
        assert_eq!(records.len(), 3_000);
        assert_all_stored(&deliveries.all(), &records);
        assert_in_order(&records);
    }
}

#[test]
fn acks_0_delivers_without_an_offset() {
    let cluster = one_node();
    let topic = topic_name("acks-0");
    cluster.create_topic(&topic, 1, &[]);
    let properties = properties(&cluster.bootstrap()).set("acks", "0");
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let deliveries = Deliveries::default();
    for number in 0..1_000 {
        let value = format!("v-{number}");
        let record = ProducerRecord::new(&topic, value.as_bytes());
        producer
            .send(record, deliveries.callback(&value))
            .expect("accepted");
    }
    producer.close().expect("nothing is pending");

    let deliveries = deliveries.all();
    assert_eq!(deliveries.len(), 1_000);
    for delivery in deliveries {
        let metadata = delivery.outcome.expect("sent");
        assert_eq!((metadata.partition(), metadata.offset()), (0, None));
    }
    // Nobody waits for a broker with acks=0: it may still be reading what close has written.
    linger_kafka_tests::wait_until("all 1,000 records", || {
        cluster.end_offsets(&topic) == [1_000]
    });
    let records = cluster.read(&topic);
    assert_in_order(&records);
}

#[test]
fn many_threads_keep_their_order_in_each_partition() {
    const THREADS: usize = 4;
    const RECORDS: usize = 10_000;
    let cluster = one_node();
    let topic = topic_name("threads");
    cluster.create_topic(&topic, 6, &[]);
    let properties = properties(&cluster.bootstrap()).set("linger.ms", 5);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let deliveries = Deliveries::default();
    thread::scope(|scope| {
        for source in 0..THREADS {
            let (producer, told, topic) = (producer.clone(), deliveries.sender(), &topic);
            scope.spawn(move || {
                for number in 0..RECORDS {
                    let value = format!("thread{source}-{number}");
                    let key = (number % 10).to_string();
                    let record = ProducerRecord::new(topic, value.as_bytes()).key(key.as_bytes());
                    producer
                        .send(record, Deliveries::telling(&told, value.clone()))
                        .expect("accepted");
                }
            });
        }
    });
    producer.close().expect("nothing is pending");
    let records = cluster.read(&topic);
    assert_eq!(records.len(), THREADS * RECORDS);
    assert_all_stored(&deliveries.all(), &records);
    assert_in_order(&records);
}

#[test]
fn a_record_too_large_for_its_topic_fails_alone() {
    let cluster = one_node();
    let topic = topic_name("small-messages");
    cluster.create_topic(&topic, 1, &[("max.message.bytes", "1000")]);
    let producer: Producer<[u8], [u8]> =
        Producer::new(&properties(&cluster.bootstrap())).expect("valid properties");
    let small = vec![b's'; 500];
    let large = vec![b'l'; 2_000];
    let first = producer
        .send_wait(ProducerRecord::new(&topic, &small[..]))
        .expect("stored");
    let refused = producer
        .send_wait(ProducerRecord::new(&topic, &large[..]))
        .expect_err("refused");
    let second = producer
        .send_wait(ProducerRecord::new(&topic, &small[..]))
        .expect("stored");
    producer.close().expect("nothing is pending");

    assert_eq!(
        refused.kind(),
        ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE),
        "{refused}"
    );
    assert!(!refused.is_retriable());
    assert!(refused.to_string().contains(&topic), "{refused}");
    assert_eq!((first.offset(), second.offset()), (Some(0), Some(1)));
    assert_eq!(cluster.end_offsets(&topic), [2]);
}

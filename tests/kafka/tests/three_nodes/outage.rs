//! All brokers gone at once, and back.

use linger::{Producer, ProducerRecord};
use linger_kafka_tests::{
    Deliveries, assert_all_stored, assert_in_order, properties, topic_name, wait_until,
};

use crate::three_nodes;

#[test]
fn records_outlast_a_cluster_that_is_gone() {
    let cluster = three_nodes();
    let topic = topic_name("outage");
    cluster.create_topic(&topic, 3, &[]);
    cluster.await_in_sync(&topic, 3);
    let properties = properties(&cluster.bootstrap()).set("acks", "all");
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
    (1..=3).for_each(|node| cluster.kill(node));
    (300..600).for_each(send);
    cluster.heal();
    (600..900).for_each(send);
    wait_until("all is acknowledged", 60, || {
        producer.metrics().records_acknowledged == 900
    });
    producer.close().expect("nothing is pending");

    let told = deliveries.all();
    assert_eq!(told.len(), 900);
    let records = cluster.read(&topic);
    assert_all_stored(&told, &records);
    assert_in_order(&records);
}

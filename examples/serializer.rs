//! A serializer and a partitioner of your own: the producer takes your types, and you decide which
//! partition a record goes to.
//!
//! `cargo run --example serializer`
#![expect(clippy::print_stdout, reason = "an example prints what happens")]

use std::error::Error;

use linger::testing::MockCluster;
use linger::{
    Context, PartitionRequest, Partitioner, Producer, ProducerRecord, Properties, PropertyObject,
    Serialized, Serializer, TopicPartitions,
};

struct Order {
    id: u64,
    item: &'static str,
}

/// Writes an order as JSON.
struct OrderSerializer;

impl Serializer<Order> for OrderSerializer {
    fn serialize<'a>(
        &self,
        _context: &Context<'_>,
        order: &'a Order,
        buffer: &mut Vec<u8>,
    ) -> Result<Serialized<'a>, Box<dyn Error + Send + Sync>> {
        let json = format!(r#"{{"id":{},"item":"{}"}}"#, order.id, order.item);
        buffer.extend_from_slice(json.as_bytes());
        Ok(Serialized::Buffer) // Or Serialized::Bytes(…), to borrow bytes that the order has anyway.
    }
}

/// Keeps partition 0 for one large customer, and spreads the others by the first byte of their name.
struct LargeCustomerFirst;

impl Partitioner for LargeCustomerFirst {
    fn partition(
        &self,
        record: &PartitionRequest<'_>,
        partitions: &TopicPartitions<'_>,
    ) -> Result<i32, Box<dyn Error + Send + Sync>> {
        match record.key() {
            Some(b"megacorp") => Ok(0),
            Some([first, ..]) => Ok(1 + i32::from(*first) % (partitions.count() - 1)),
            _ => Err("an order needs a customer".into()), // `send` returns this error.
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = MockCluster::builder().topic("orders", 4).start()?;
    let properties = Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set_object(
            "value.serializer",
            PropertyObject::serializer(OrderSerializer),
        )
        .set_object(
            "partitioner.class",
            PropertyObject::partitioner(LargeCustomerFirst),
        );
    let producer: Producer<str, Order> = Producer::new(&properties)?;

    for (id, customer) in (1..).zip(["megacorp", "alice", "bob"]) {
        let order = Order { id, item: "book" };
        let metadata = producer.send_wait(ProducerRecord::new("orders", &order).key(customer))?;
        println!("{customer}: {metadata}");
    }
    let order = Order { id: 4, item: "pen" };
    if let Err(error) = producer.send_wait(ProducerRecord::new("orders", &order)) {
        println!("without a customer: {error}");
    }

    for record in cluster.records("orders", 0) {
        let value = record.value.unwrap_or_default();
        println!("partition 0 has {}", String::from_utf8_lossy(&value));
    }
    producer.close()?;
    Ok(())
}

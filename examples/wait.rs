//! Waiting for a record: at once with `send_wait`, or later with a handle.
//!
//! `cargo run --example wait`
#![expect(clippy::print_stdout, reason = "an example prints what happens")]

use std::error::Error;
use std::time::Duration;

use linger::testing::MockCluster;
use linger::{Producer, ProducerRecord, Properties};

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = MockCluster::builder().topic("orders", 3).start()?;
    let properties = Properties::new().set("bootstrap.servers", cluster.bootstrap_servers());
    let producer: Producer<str, str> = Producer::new(&properties)?;

    // Blocks until the record is acknowledged or has failed. Its batch does not wait for linger.ms.
    let metadata = producer.send_wait(ProducerRecord::new("orders", "placed").key("alice"))?;
    println!("placed: {metadata}"); // Topic, partition and offset: orders-2@0

    // One round trip for each record is slow. Send all of them first, and wait afterwards.
    let mut handles = Vec::new();
    for event in ["paid", "packed", "shipped"] {
        let record = ProducerRecord::new("orders", event).key("alice");
        handles.push((event, producer.send_with_handle(record)?));
    }
    for (event, handle) in &handles {
        let metadata = handle.wait_timeout(Duration::from_secs(30))?;
        println!("{event}: {metadata}");
    }

    producer.close()?;
    Ok(())
}

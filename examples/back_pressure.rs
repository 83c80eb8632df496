//! Sending without ever blocking: `try_send` refuses a record that does not fit into
//! `buffer.memory`, and the program decides what to do with it.
//!
//! `cargo run --example back_pressure`
#![expect(clippy::print_stdout, reason = "an example prints what happens")]

use std::error::Error;
use std::time::Duration;

use linger::testing::MockCluster;
use linger::{ErrorKind, Producer, ProducerRecord, Properties};

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = MockCluster::builder().topic("readings", 1).start()?;
    let properties = Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("key.serializer", "bytes")
        .set("value.serializer", "bytes")
        .set("buffer.memory", 64 * 1024)
        .set("batch.size", 16 * 1024);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties)?;

    // `try_send` waits for nothing, not even for the partitions of a topic that it does not know yet.
    producer.prepare(&["readings"], Duration::from_secs(10))?;
    // Nobody answers for a while, so that memory fills up.
    cluster.pause_broker(1);

    let reading = [7; 1000];
    let (mut accepted, mut dropped) = (0, 0);
    for _ in 0..100 {
        match producer.try_send(ProducerRecord::new("readings", &reading), |_| ()) {
            Ok(()) => accepted += 1,
            // The record is still ours: it could be kept for later, or be sent again with `send`, which
            // waits for memory, for max.block.ms at most. If the callback has captured something that
            // is worth keeping, `send_or_return` hands it back.
            Err(error) if error.kind() == ErrorKind::BufferFull => dropped += 1,
            Err(error) => return Err(error.into()),
        }
    }
    println!("the broker is silent: {accepted} readings buffered, {dropped} dropped");

    cluster.resume_broker(1);
    let report = producer.close()?;
    println!(
        "the broker is back: {} readings written",
        report.acknowledged
    );
    Ok(())
}

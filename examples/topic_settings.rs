//! Settings of one topic: `topic.NAME.` before a property. Kafka's own producer needs a second
//! producer for this.
//!
//! `cargo run --example topic_settings`
#![expect(clippy::print_stdout, reason = "an example prints what happens")]

use std::error::Error;

use linger::testing::MockCluster;
use linger::{Producer, ProducerRecord, Properties};

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = MockCluster::builder()
        .topic("audit", 1)
        .topic("photos", 1)
        .start()?;

    // A file has the same lines: topic.photos.compression.type=none
    let properties = Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("compression.type", "gzip")
        .set("topic.photos.compression.type", "none") // They are compressed already.
        .set("topic.audit.delivery.timeout.ms", 600_000); // Not one of these should be lost.
    let producer: Producer<str, str> = Producer::new(&properties)?;

    let text = "the same words again and again ".repeat(100);
    for topic in ["audit", "photos"] {
        producer.send(ProducerRecord::new(topic, &text), |_| ())?;
    }
    producer.close()?;

    for topic in ["audit", "photos"] {
        for batch in cluster.batches(topic, 0) {
            println!(
                "{topic}: {} record(s), {:?}",
                batch.records, batch.compression
            );
        }
    }
    Ok(())
}

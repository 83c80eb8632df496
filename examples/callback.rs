//! A callback for each record: what to do when it is acknowledged, and when it is not.
//!
//! `cargo run --example callback`
#![expect(clippy::print_stdout, reason = "an example prints what happens")]

use std::error::Error;

use linger::testing::MockCluster;
use linger::{Fate, Producer, ProducerRecord, Properties};

fn main() -> Result<(), Box<dyn Error>> {
    // A Kafka cluster inside this process. With a real one, set its address instead.
    let cluster = MockCluster::builder().topic("orders", 3).start()?;
    let properties = Properties::new().set("bootstrap.servers", cluster.bootstrap_servers());
    let producer: Producer<str, str> = Producer::new(&properties)?;

    for (customer, event) in [("alice", "ordered"), ("dora", "ordered"), ("alice", "paid")] {
        let record = ProducerRecord::new("orders", event).key(customer);
        // `send` returns as soon as the record is in its batch. The callback runs later, exactly
        // once, on the producer's own thread: keep it short, or hand its work to another thread.
        producer.send(record, move |result| match result {
            Ok(metadata) => println!("{customer} {event}: written at {metadata}"),
            Err(error) => match error.fate() {
                Fate::NotWritten => println!("{customer} {event}: not in the log: {error}"),
                Fate::MayBeWritten => println!("{customer} {event}: may be in the log: {error}"),
            },
        })?; // An error here means that the record was refused; then its callback never runs.
    }

    // Waits until the callbacks of everything sent so far have run. The producer stays open.
    producer.flush()?;
    println!("all callbacks have run");
    producer.close()?;
    Ok(())
}

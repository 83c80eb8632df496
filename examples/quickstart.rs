//! Sends records with and without keys, and prints where each of them landed.
//!
//! Without arguments the brokers are a mock cluster inside this process; a real one is as good:
//! `cargo run --release --example quickstart -- --bootstrap-server localhost:9092`

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to its reader"
)]

use std::error::Error;

use clap::Parser;
use linger::testing::MockCluster;
use linger::{Producer, ProducerRecord, Properties};

/// Sends records to Kafka, or to a mock cluster inside this process.
#[derive(Parser)]
struct Args {
    /// A Kafka broker; without one, a mock cluster is started.
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap_server: Option<String>,

    /// The topic; most brokers create it with the first record.
    #[arg(long, default_value = "orders")]
    topic: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let args = Args::parse();
    match args.bootstrap_server {
        Some(server) => send_records(&server, &args.topic)?,
        None => {
            let cluster = MockCluster::builder().topic(&args.topic, 3).start()?;
            send_records(&cluster.bootstrap_servers(), &args.topic)?;
        }
    }
    Ok(())
}

fn send_records(servers: &str, topic: &str) -> linger::Result<()> {
    let properties = Properties::new()
        .set("bootstrap.servers", servers)
        .set("key.serializer", "string")
        .set("value.serializer", "string");
    let producer: Producer<str, str> = Producer::new(&properties)?;

    // Records with the same key land in the same partition, in the order in which they are sent.
    for (customer, event) in [("alice", "placed"), ("bob", "placed"), ("alice", "paid")] {
        let record = ProducerRecord::new(topic, event).key(customer);
        producer.send(record, move |result| match result {
            Ok(metadata) => println!("{customer} {event}: {metadata}"),
            Err(error) => eprintln!("{customer} {event}: {error}"),
        })?;
    }

    // Without a key, the producer spreads them over the partitions, batch by batch.
    for visit in 1..=3 {
        let record = ProducerRecord::new(topic, "somebody looked around");
        producer.send(record, move |result| match result {
            Ok(metadata) => println!("visit {visit}: {metadata}"),
            Err(error) => eprintln!("visit {visit}: {error}"),
        })?;
    }

    // Closing sends what is still waiting; after it, every callback has run.
    producer.close()?;
    let metrics = producer.metrics();
    println!(
        "{} records acknowledged, {} failed; they went to {servers} in {} batches.",
        metrics.records_acknowledged, metrics.records_failed, metrics.batches_sent,
    );
    Ok(())
}

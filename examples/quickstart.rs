//! Sends records with and without keys, and prints where each of them landed.
//!
//! Without arguments the brokers are a mock cluster inside this process; a real one is as good:
//! `cargo run --example quickstart -- --bootstrap-server localhost:9092`

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use linger::testing::MockCluster;
use linger::{Producer, ProducerRecord, Properties};

const TOPIC: &str = "orders";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [] => {
            let cluster = MockCluster::builder().topic(TOPIC, 3).start();
            let cluster = cluster.expect("there are free ports on loopback");
            send_records(&cluster.bootstrap_servers())
        }
        ["--bootstrap-server", servers] => send_records(servers),
        _ => {
            complain("usage: quickstart [--bootstrap-server HOST:PORT]");
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = result {
        complain(&error.to_string());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn send_records(servers: &str) -> linger::Result<()> {
    let properties = Properties::new().set("bootstrap.servers", servers);
    let producer: Producer<str, str> = Producer::new(&properties)?;

    // Records with the same key land in the same partition, in the order in which they are sent.
    for (customer, event) in [("alice", "ordered"), ("dora", "ordered"), ("alice", "paid")] {
        let record = ProducerRecord::new(TOPIC, event).key(customer);
        producer.send(record, move |result| match result {
            Ok(metadata) => say(&format!("{customer} {event}: {metadata}")),
            Err(error) => complain(&format!("{customer} {event}: {error}")),
        })?;
    }

    // Without a key, the producer spreads them over the partitions, batch by batch.
    for visit in 1..=3 {
        let record = ProducerRecord::new(TOPIC, "somebody looked around");
        producer.send(record, move |result| match result {
            Ok(metadata) => say(&format!("visit {visit}: {metadata}")),
            Err(error) => complain(&format!("visit {visit}: {error}")),
        })?;
    }

    // Closing sends what is still waiting; after it, every callback has run.
    producer.close()?;
    let metrics = producer.metrics();
    say(&format!(
        "{} records reached {servers} in {} batches, {} failed.",
        metrics.records_acknowledged, metrics.batches_sent, metrics.records_failed,
    ));
    Ok(())
}

/// Prints a line. Nobody left to read it is no reason to panic, as `println!` would.
fn say(line: &str) {
    writeln!(io::stdout(), "{line}").ok();
}

fn complain(line: &str) {
    writeln!(io::stderr(), "{line}").ok();
}

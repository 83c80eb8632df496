//! One function for many records, and one call when all of them are done. A record carries a token
//! of any type instead of a closure of its own, so that sending it allocates nothing.
//!
//! `cargo run --example group`
#![expect(clippy::print_stdout, reason = "an example prints what happens")]

use std::error::Error;

use linger::testing::MockCluster;
use linger::{Producer, ProducerRecord, Properties};

const LINES: [&str; 3] = ["the first line", "the second line", "the third line"];

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = MockCluster::builder().topic("lines", 2).start()?;
    let properties = Properties::new().set("bootstrap.servers", cluster.bootstrap_servers());
    let producer: Producer<str, str> = Producer::new(&properties)?;

    // A group: the function is called once for each record, with the token of that record.
    let each = producer.group(|line: usize, result| match result {
        Ok(metadata) => println!("line {line}: {metadata}"),
        Err(error) => println!("line {line} failed: {error}"),
    });
    for (line, text) in (1..).zip(LINES) {
        each.send(ProducerRecord::new("lines", text), line)?;
    }

    // The other kind: the function is called once for all records, with those that failed.
    let file = producer.group_once(|report| {
        let failed = report.failures.len();
        println!(
            "the file: {} lines written, {failed} failed",
            report.acknowledged
        );
        for failure in report.failures {
            println!("line {}: {}", failure.token, failure.error);
        }
    });
    for (line, text) in (1..).zip(LINES) {
        file.send(ProducerRecord::new("lines", text), line)?;
    }
    file.done(); // No more records will come, so the report can be made when all have an outcome.

    producer.close()?;
    Ok(())
}

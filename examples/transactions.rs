//! Commits one transaction, aborts another, and prints what a consumer of committed records sees.
//!
//! Without arguments the brokers are a mock cluster inside this process. A real one is as good:
//! `cargo run --example transactions -- --bootstrap-server localhost:9092`; then
//! `kafka-console-consumer.sh --isolation-level read_committed` shows what is seen.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use linger::testing::MockCluster;
use linger::{ProducerRecord, Properties, Result, Transaction, TransactionalProducer};

const TOPICS: [&str; 2] = ["orders", "payments"];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [] => on_a_mock_cluster(),
        ["--bootstrap-server", servers] => run(servers, &|_| {}),
        _ => {
            complain("usage: transactions [--bootstrap-server HOST:PORT]");
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = result {
        complain(&error.to_string());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn on_a_mock_cluster() -> Result<()> {
    let cluster = MockCluster::builder().topic("orders", 1);
    let cluster = cluster.topic("payments", 1).start();
    let cluster = cluster.expect("there are free ports on loopback");
    run(&cluster.bootstrap_servers(), &|when| {
        for topic in TOPICS {
            let in_log = cluster.records(topic, 0).len();
            let seen = cluster.committed_records(topic, 0).len();
            say(&format!(
                "{when}: {topic} has {in_log} records, read_committed sees {seen}"
            ));
        }
    })
}

fn run(servers: &str, look: &dyn Fn(&str)) -> Result<()> {
    let properties = Properties::new()
        .set("bootstrap.servers", servers)
        .set("transactional.id", "shop-1");
    // From now on, older producers with this id are fenced.
    let mut producer: TransactionalProducer<str, str> = TransactionalProducer::new(&properties)?;

    let transaction = producer.begin()?;
    place(&transaction, "alice")?;
    transaction.flush()?; // Only to show that this is not enough: commit does it, too.
    look("sent");
    transaction.commit()?;
    look("committed");

    let transaction = producer.begin()?;
    place(&transaction, "mallory")?;
    transaction.flush()?;
    transaction.abort()?; // As dropping it does.
    look("aborted");
    producer.close()?;
    Ok(())
}

/// Both records, or none of them.
fn place(transaction: &Transaction<'_, str, str>, customer: &str) -> Result<()> {
    for (topic, event) in TOPICS.into_iter().zip(["placed", "due"]) {
        let record = ProducerRecord::new(topic, event).key(customer);
        transaction.send(record, |result| {
            if let Err(error) = result {
                complain(&error.to_string());
            }
        })?;
    }
    Ok(())
}

/// Prints a line. Nobody left to read it is no reason to panic, as `println!` would.
fn say(line: &str) {
    writeln!(io::stdout(), "{line}").ok();
}

fn complain(line: &str) {
    writeln!(io::stderr(), "{line}").ok();
}

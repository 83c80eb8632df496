//! Testing a program that produces: the mock cluster takes the place of Kafka, and fails on request.
//! In a program's own manifest: `linger = { …, features = ["testing"] }` under `[dev-dependencies]`.
//!
//! `cargo run --example mock_in_tests`, or as tests: `cargo test --example mock_in_tests`
#![expect(clippy::print_stdout, reason = "an example prints what happens")]

use std::error::Error;

use linger::testing::{Api, MockCluster};
use linger::{ErrorCode, Producer, ProducerRecord, Properties};

/// The code to be tested.
fn place_order(producer: &Producer<str, str>, customer: &str) -> Result<String, linger::Error> {
    let record = ProducerRecord::new("orders", "placed").key(customer);
    producer
        .send_wait(record)
        .map(|metadata| metadata.to_string())
}

fn producer_for(cluster: &MockCluster) -> linger::Result<Producer<str, str>> {
    let properties = Properties::new().set("bootstrap.servers", cluster.bootstrap_servers());
    Producer::new(&properties)
}

#[cfg_attr(test, test)]
fn an_order_is_written_once_although_the_first_answer_is_lost() -> Result<(), Box<dyn Error>> {
    let cluster = MockCluster::builder().topic("orders", 1).start()?;
    // The broker writes the record, and closes the connection instead of answering.
    cluster.on(Api::Produce).times(1).close_after();
    let producer = producer_for(&cluster)?;

    assert_eq!(place_order(&producer, "alice")?, "orders-0@0");
    let records = cluster.records("orders", 0);
    let keys: Vec<_> = records.iter().map(|one| one.key.as_deref()).collect();
    assert_eq!(
        keys,
        [Some(&b"alice"[..])],
        "the broker recognized the retry"
    );
    assert_eq!(cluster.pending_faults(), 0, "the fault did happen");
    Ok(())
}

#[cfg_attr(test, test)]
fn an_order_that_may_not_be_written_is_reported() -> Result<(), Box<dyn Error>> {
    let cluster = MockCluster::builder().topic("orders", 1).start()?;
    let refusal = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    cluster.on(Api::Produce).always().answer(refusal);
    let producer = producer_for(&cluster)?;

    let error = place_order(&producer, "bob").expect_err("the broker refuses it");
    assert_eq!(error.broker_code(), Some(refusal));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    an_order_is_written_once_although_the_first_answer_is_lost()?;
    println!("an order is written once although the first answer is lost: ok");
    an_order_that_may_not_be_written_is_reported()?;
    println!("an order that may not be written is reported: ok");
    Ok(())
}

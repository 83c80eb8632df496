//! The example programs against a real broker.

use std::process::Command;

use linger_kafka_tests::{Program, linger_example, one_node, topic_name};
use serde_json::Value;

#[test]
fn verifiable_producer_reports_where_each_of_100000_messages_lies() {
    const MESSAGES: usize = 100_000;
    let cluster = one_node();
    let topic = topic_name("verifiable");
    cluster.create_topic(&topic, 3, &[]);
    let mut command = Command::new(linger_example("verifiable_producer"));
    command.args([
        "--bootstrap-server",
        &cluster.bootstrap(),
        "--topic",
        &topic,
    ]);
    command.args(["--max-messages", &MESSAGES.to_string()]);
    let (status, lines) = Program::start(command, |_| ()).finish();
    assert!(status.success(), "{:?}", lines.last());

    let events: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let mut reported: Vec<(i64, i64, &str)> = Vec::new();
    for event in &events {
        if event["name"] == "producer_send_success" {
            let number = |field: &str| event[field].as_i64().expect("a number");
            let value = event["value"].as_str().expect("a text");
            reported.push((number("partition"), number("offset"), value));
        }
    }
    reported.sort_unstable();
    assert_eq!(reported.len(), MESSAGES);
    let records = cluster.read(&topic);
    let stored: Vec<(i64, i64, &str)> = records
        .iter()
        .map(|record| (i64::from(record.partition), record.offset, record.text()))
        .collect();
    assert!(reported == stored, "what is reported is what is stored");
    let mut values: Vec<usize> = stored
        .iter()
        .map(|(_, _, value)| value.parse().expect("a number"))
        .collect();
    values.sort_unstable();
    assert!(
        values.into_iter().eq(0..MESSAGES),
        "each message is stored once"
    );
    let names: Vec<&Value> = events.iter().map(|event| &event["name"]).collect();
    assert_eq!(names[0], "startup_complete");
    assert_eq!(names[names.len() - 2..], ["shutdown_complete", "tool_data"]);
}

#[test]
fn quickstart_lands_its_records_on_a_real_broker() {
    let cluster = one_node();
    let mut command = Command::new(linger_example("quickstart"));
    command.args(["--bootstrap-server", &cluster.bootstrap()]);
    let (status, lines) = Program::start(command, |_| ()).finish();
    assert!(status.success(), "{lines:?}");
    let landed = lines.iter().filter(|line| line.contains("orders-")).count();
    assert!(landed > 0, "{lines:?}");
    let ends: i64 = cluster.end_offsets("orders").iter().sum();
    assert_eq!(usize::try_from(ends), Ok(landed), "{lines:?}");
}

#[test]
fn producer_perf_test_sends_what_it_counts() {
    let cluster = one_node();
    let topic = topic_name("perf");
    cluster.create_topic(&topic, 2, &[]);
    let mut command = Command::new(linger_example("producer_perf_test"));
    command.args([
        "--bootstrap-server",
        &cluster.bootstrap(),
        "--topic",
        &topic,
    ]);
    command.args([
        "--num-records",
        "50000",
        "--record-size",
        "100",
        "--throughput",
        "-1",
    ]);
    let (status, lines) = Program::start(command, |_| ()).finish();
    assert!(status.success(), "{lines:?}");
    let last = lines.last().expect("a summary");
    assert!(
        last.starts_with("50000 records sent, ") && last.ends_with(" 99.9th."),
        "{last}"
    );
    let records = cluster.read(&topic);
    assert_eq!(records.len(), 50_000);
    assert!(records.iter().all(|record| record.text().len() == 100));
}

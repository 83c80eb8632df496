//! Leaders that are killed (SIGKILL) and started again while records are on their way.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use linger::Producer;
use linger_kafka_tests::{
    Cluster, Load, Program, ReadRecord, linger_example, properties, topic_name, wait_until,
};
use serde_json::Value;

use crate::three_nodes;

/// Long enough, at the rates of these tests, that the leader owes an answer when it dies.
const STALL: Duration = Duration::from_millis(100);

/// Kills the leader of partition 0 with requests on their way to it, and brings it back once
/// another has taken over.
fn kill_a_leader(cluster: &Cluster, topic: &str) {
    let leader = cluster.leaders(topic)[0].leader;
    cluster.pause(leader);
    thread::sleep(STALL);
    cluster.kill(leader);
    wait_until("another leader", 60, || {
        cluster
            .leaders(topic)
            .iter()
            .all(|now| now.leader != leader && now.leader >= 0)
    });
    cluster.restart(leader);
    cluster.await_in_sync(topic, 3);
}

#[test]
fn every_record_is_stored_once_and_in_order_when_leaders_die() {
    const KILLS: u32 = 3;
    let cluster = three_nodes();
    let topic = topic_name("leader-dies");
    cluster.create_topic(&topic, 3, &[]);
    cluster.await_in_sync(&topic, 3);
    let properties = properties(&cluster.bootstrap()).set("linger.ms", 2);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topic);
    load.send_during(3, || {
        for _ in 0..KILLS {
            let before = producer.metrics().records_acknowledged;
            wait_until("sending is under way", 60, || {
                producer.metrics().records_acknowledged > before + 300
            });
            kill_a_leader(&cluster, &topic);
        }
    });
    producer.close().expect("nothing is pending");

    let metrics = producer.metrics();
    assert!(metrics.records_retried > 0, "{metrics:?}");
    load.assert_all_stored(&cluster);
}

#[test]
fn verifiable_producer_loses_nothing_over_five_leader_kills() {
    const KILLS: usize = 5;
    let cluster = three_nodes();
    let topic = topic_name("five-kills");
    cluster.create_topic(&topic, 3, &[]);
    cluster.await_in_sync(&topic, 3);
    let scratch = cluster.data_dir(1);
    let (config, log) = (
        scratch.join("../verifiable.properties"),
        scratch.join("../verifiable.log"),
    );
    fs::write(&config, "retries=2147483647\nretry.backoff.ms=100\n").expect("a scratch file");
    let mut command = Command::new(linger_example("verifiable_producer"));
    command.args([
        "--bootstrap-server",
        &cluster.bootstrap(),
        "--topic",
        &topic,
    ]);
    command
        .args(["--throughput", "2000", "--acks", "-1", "--command-config"])
        .arg(&config);
    // The sender says so when it sends something again.
    command.env("RUST_LOG", "linger::sender=debug");
    command.stderr(fs::File::create(&log).expect("a scratch file"));
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&acknowledged);
    let program = Program::start(command, move |line| {
        if line.contains("producer_send_success") {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    for _ in 0..KILLS {
        // Each time, sending has gone on since the kill before.
        let before = acknowledged.load(Ordering::Relaxed);
        wait_until("1,000 more messages", 60, || {
            acknowledged.load(Ordering::Relaxed) > before + 1_000
        });
        kill_a_leader(&cluster, &topic);
    }
    let before = acknowledged.load(Ordering::Relaxed);
    wait_until("1,000 last messages", 60, || {
        acknowledged.load(Ordering::Relaxed) > before + 1_000
    });
    let pid = program.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .expect("kill runs")
            .success()
    );
    let (status, lines) = program.finish();
    // As shells and Java count an end by SIGTERM.
    assert_eq!(status.code(), Some(143), "{:?}", lines.last());

    let events: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let records = cluster.read(&topic);
    let stored: std::collections::HashMap<(i64, i64), &str> = records
        .iter()
        .map(|record| ((record.partition.into(), record.offset), record.text()))
        .collect();
    let mut successes = 0;
    for event in events
        .iter()
        .filter(|event| event["name"] == "producer_send_success")
    {
        let number = |field: &str| event[field].as_i64().expect("a number");
        let found = stored
            .get(&(number("partition"), number("offset")))
            .copied();
        assert_eq!(found, event["value"].as_str(), "{event}");
        successes += 1;
    }
    assert_eq!(records.len(), successes, "records stored and acknowledged");
    let place = |record: &ReadRecord| {
        let number: u64 = record.text().parse().expect("the number of a message");
        (record.partition, number)
    };
    let order: Vec<(i32, u64)> = records.iter().map(place).collect();
    assert!(order.is_sorted_by(|one, next| one < next), "{order:?}");
    let failures = events
        .iter()
        .filter(|event| event["name"] == "producer_send_error")
        .count();
    assert_eq!(failures, 0, "retries outlast a kill");
    let tool_data = events.last().expect("a last line");
    assert_eq!(tool_data["name"], "tool_data");
    assert_eq!(
        (&tool_data["sent"], &tool_data["acked"]),
        (&successes.into(), &successes.into())
    );
    let log = fs::read_to_string(&log).expect("a text file");
    let retries = log.lines().filter(|line| line.contains(" again: ")).count();
    assert!(retries > 0, "{log}");
}

//! The whole tool against a mock cluster: what it prints is what the cluster has.

use std::sync::Arc;

use clap::Parser;
use linger::ErrorCode;
use linger::testing::{Api, MockCluster};
use parking_lot::Mutex;

use super::*;

/// Collects what is written.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs the tool with these flags; returns its lines without their timestamps.
fn run_tool(cluster: &MockCluster, flags: &str) -> Vec<String> {
    let servers = cluster.bootstrap_servers();
    let line = format!("verifiable --topic orders --bootstrap-server {servers} {flags}");
    let args = Args::try_parse_from(line.split_whitespace()).unwrap();
    let lines = Lines::default();
    let producer = Producer::new(&properties(&args).unwrap()).unwrap();
    run(&args, &producer, &Stop::default(), lines.clone());
    let text = String::from_utf8(lines.0.lock().clone()).unwrap();
    text.lines().map(without_timestamp).collect()
}

fn without_timestamp(line: &str) -> String {
    let (head, rest) = line.split_once(',').unwrap();
    let digits = head.strip_prefix("{\"timestamp\":").unwrap();
    assert!(
        digits.len() == 13 && digits.bytes().all(|digit| digit.is_ascii_digit()),
        "{line}"
    );
    rest.to_owned()
}

#[test]
fn tells_where_every_message_landed() {
    let cluster = MockCluster::builder().topic("orders", 1).start().unwrap();
    let lines = run_tool(
        &cluster,
        "--max-messages 3 --repeating-keys 2 --value-prefix 7",
    );
    assert_eq!(
        lines[..5],
        [
            r#""name":"startup_complete"}"#,
            r#""name":"producer_send_success","key":"0","value":"7.0","offset":0,"topic":"orders","partition":0}"#,
            r#""name":"producer_send_success","key":"1","value":"7.1","offset":1,"topic":"orders","partition":0}"#,
            r#""name":"producer_send_success","key":"0","value":"7.2","offset":2,"topic":"orders","partition":0}"#,
            r#""name":"shutdown_complete"}"#,
        ]
    );
    let sums = r#""name":"tool_data","sent":3,"acked":3,"target_throughput":-1,"avg_throughput":"#;
    assert!(lines[5].starts_with(sums), "{}", lines[5]);
    assert_eq!(lines.len(), 6);
    assert_eq!(cluster.records("orders", 0).len(), 3);
}

#[test]
fn says_with_the_class_of_java_what_a_broker_refused() {
    let cluster = MockCluster::builder().topic("orders", 1).start().unwrap();
    cluster
        .on(Api::Produce)
        .always()
        .answer(ErrorCode::MESSAGE_TOO_LARGE);
    let lines = run_tool(&cluster, "--max-messages 1 --acks 1");
    let error = r#""name":"producer_send_error","topic":"orders","key":null,"value":"0","exception":"class org.apache.kafka.common.errors.RecordTooLargeException","message":""#;
    assert!(lines[1].starts_with(error), "{}", lines[1]);
    let sums =
        r#""name":"tool_data","sent":1,"acked":0,"target_throughput":-1,"avg_throughput":0.0}"#;
    assert_eq!(lines.last().unwrap(), sums);
}

#[test]
fn does_not_send_again_what_was_refused_unless_told_to() {
    let cluster = MockCluster::builder().topic("orders", 1).start().unwrap();
    cluster
        .on(Api::Produce)
        .times(1)
        .answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    let lines = run_tool(&cluster, "--max-messages 1");
    assert!(
        lines[1].contains("errors.NotEnoughReplicasException"),
        "{}",
        lines[1]
    );

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "retries=5\nretry.backoff.ms=1\n").unwrap();
    cluster
        .on(Api::Produce)
        .times(1)
        .answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    let flags = format!(
        "--max-messages 1 --command-config {}",
        file.path().display()
    );
    let lines = run_tool(&cluster, &flags);
    assert!(lines[1].contains("producer_send_success"), "{}", lines[1]);
}

#[test]
fn messages_carry_the_timestamps_that_were_asked_for() {
    let cluster = MockCluster::builder().topic("orders", 1).start().unwrap();
    run_tool(
        &cluster,
        "--max-messages 1 --message-create-time 1700000000000",
    );
    assert_eq!(
        cluster.records("orders", 0)[0].timestamp_ms,
        1_700_000_000_000
    );
}

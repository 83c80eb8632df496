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
    let producer = AnyProducer::start(&args, &properties(&args).unwrap()).unwrap();
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

#[test]
fn tells_how_each_transaction_ended_and_the_log_agrees() {
    let cluster = MockCluster::builder().topic("orders", 1).start().unwrap();
    let lines = run_tool(
        &cluster,
        "--max-messages 5 --transactional-id t --transaction-records 2 --abort-every 2",
    );
    let of_transactions: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("\"transaction_"))
        .collect();
    assert_eq!(
        of_transactions,
        [
            r#""name":"transaction_begun","transaction":1,"first":"0"}"#,
            r#""name":"transaction_committed","transaction":1,"first":"0","last":"1"}"#,
            r#""name":"transaction_begun","transaction":2,"first":"2"}"#,
            r#""name":"transaction_aborted","transaction":2,"first":"2","last":"3"}"#,
            r#""name":"transaction_begun","transaction":3,"first":"4"}"#,
            r#""name":"transaction_committed","transaction":3,"first":"4","last":"4"}"#,
        ]
    );
    let seen = cluster.committed_records("orders", 0).into_iter();
    let values: Vec<_> = seen.map(|record| record.value.unwrap()).collect();
    assert_eq!(values, [b"0", b"1", b"4"]);
}

#[test]
fn tells_that_a_transaction_failed_and_goes_on() {
    let cluster = MockCluster::builder().topic("orders", 1).start().unwrap();
    cluster.on(Api::Produce).answer(ErrorCode::INVALID_RECORD);
    let lines = run_tool(
        &cluster,
        "--max-messages 2 --transactional-id t --transaction-records 1",
    );
    let failed = r#""name":"transaction_failed","transaction":1,"first":"0","last":"0","kind":"abortable","message":"#;
    let has = |start: &str| lines.iter().any(|line| line.starts_with(start));
    assert!(has(failed), "{lines:#?}");
    assert!(
        has(r#""name":"transaction_committed","transaction":2"#),
        "{lines:#?}"
    );
}

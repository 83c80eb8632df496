//! The example programs as processes: what becomes of their output when it cannot be written, and of a
//! second signal.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use linger::ErrorCode;
use linger::testing::{Api, MockCluster};
use linger_kafka_tests::{linger_example, wait_until};

/// Runs a tool whose standard output is a full disk.
fn on_a_full_disk(tool: &str, flags: &[&str]) -> Output {
    let full = File::options().write(true).open("/dev/full");
    let mut command = Command::new(linger_example(tool));
    command.args(flags).stdin(Stdio::null());
    let output = command.stdout(full.expect("Linux has it")).output();
    output.expect("it runs")
}

#[test]
fn a_tool_whose_output_is_lost_says_so_and_does_not_succeed() {
    let cluster = MockCluster::builder().topic("orders", 1).start();
    let cluster = cluster.expect("there are free ports");
    let servers = cluster.bootstrap_servers();
    let to = ["--bootstrap-server", &servers, "--topic", "orders"];
    let verifiable = [&to[..], &["--max-messages", "3"]].concat();
    let perf = [
        "--num-records",
        "9",
        "--throughput",
        "-1",
        "--record-size",
        "9",
    ];
    let cases: [(&str, &[&str]); 10] = [
        ("doctor", &to),
        ("doctor", &[&to[..], &["--json"]].concat()),
        ("doctor", &["--help"]),
        ("verifiable_producer", &verifiable),
        ("verifiable_producer", &["--help"]),
        ("producer_perf_test", &[&to[..], &perf].concat()),
        ("producer_perf_test", &[]),
        ("console_producer", &["--version"]),
        ("mock_cluster", &["--help"]),
        ("mock_cluster", &["--version"]),
    ];
    for (tool, flags) in cases {
        let output = on_a_full_disk(tool, flags);
        let said = String::from_utf8_lossy(&output.stderr);
        let words = format!("{tool}: cannot write to standard output: ");
        assert!(said.contains(&words), "{tool} {flags:?}: {said}");
        let code = output.status.code();
        assert!(matches!(code, Some(1 | 2)), "{tool} {flags:?}: {code:?}");
    }
    // Nothing was wrong with what they did.
    assert_eq!(cluster.counters().records, 12);
}

#[test]
fn a_measurement_of_records_that_failed_is_no_success() {
    let cluster = MockCluster::builder().topic("orders", 1).start();
    let cluster = cluster.expect("there are free ports");
    let fault = cluster.on(Api::Produce).always();
    fault.answer(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    let mut command = Command::new(linger_example("producer_perf_test"));
    command.args([
        "--topic",
        "orders",
        "--num-records",
        "7",
        "--record-size",
        "9",
    ]);
    command.args(["--throughput", "-1", "--bootstrap-server"]);
    let output = command.arg(cluster.bootstrap_servers()).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("7 of 7 records failed"), "{said}");
}

/// The records cannot be sent, so the first signal alone would not end it for minutes.
#[test]
fn a_second_signal_ends_a_tool_at_once_and_is_told() {
    let cluster = MockCluster::builder().topic("orders", 1).start();
    let cluster = cluster.expect("there are free ports");
    cluster.on(Api::Produce).always().silence();
    for tool in ["verifiable_producer", "console_producer"] {
        let mut command = Command::new(linger_example(tool));
        command.args(["--topic", "orders", "--bootstrap-server"]);
        command.arg(cluster.bootstrap_servers());
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut process = command.stderr(Stdio::piped()).spawn().expect("it runs");
        if let Some(stdin) = &mut process.stdin {
            use std::io::Write;

            stdin.write_all(b"a line\n").expect("it reads");
        }
        let produced = cluster.counters().produce_requests;
        wait_until("records are on their way", || {
            cluster.counters().produce_requests > produced
        });
        // Two at the same time count as one.
        wait_until("the tool ends", || {
            let mut kill = Command::new("kill");
            kill.args(["-s", "INT", &process.id().to_string()]);
            // There is nobody to hear it in the end.
            let _ = kill.stderr(Stdio::null()).status().expect("kill runs");
            process.try_wait().expect("our child").is_some()
        });
        let output = process.wait_with_output().expect("our child");
        assert_eq!(
            output.status.code(),
            Some(130),
            "{:?}",
            output.status.signal()
        );
        let said = String::from_utf8_lossy(&output.stderr);
        let words = format!("{tool}: ended at once by a second signal (SIGINT)");
        assert!(said.contains(&words), "{said}");
    }
}

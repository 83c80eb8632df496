//! The whole tool against a mock cluster.

use clap::Parser;
use linger::testing::Api;
use parking_lot::Mutex;

use super::*;

/// Collects what is written.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs the tool with these flags and returns its lines.
fn run_tool(flags: &str) -> Vec<String> {
    let line = format!("perf --topic orders --num-records 40 {flags}");
    let args = Args::try_parse_from(line.split_whitespace()).unwrap();
    let output = Output::default();
    let screen = Arc::new(Screen::new(40, output.clone()));
    run(&args, &screen).unwrap_or_else(|error| panic!("{error}"));
    let text = String::from_utf8(output.0.lock().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The line with every number replaced, so that lines of the same form are equal.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for character in line.chars() {
        if !character.is_ascii_digit() {
            shape.push(character);
        } else if !shape.ends_with('9') {
            shape.push('9');
        }
    }
    shape
}

#[track_caller]
fn assert_shape_recorded(line: &str) {
    let mut recorded = include_str!("kafka-output.txt").lines();
    assert!(
        recorded.any(|recorded| shape(recorded) == shape(line)),
        "Kafka never printed {line}"
    );
}

#[test]
fn starts_a_cluster_of_its_own_and_sums_up() {
    let lines = run_tool("--throughput -1 --record-size 10");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("40 records sent, "), "{}", lines[0]);
    assert_shape_recorded(&lines[0]);
}

#[test]
fn tells_of_windows_and_of_the_steady_state() {
    // Both halves take longer than the interval, because records linger for some milliseconds.
    let flags = "--throughput 200 --record-size 10 --reporting-interval 1 --warmup-records 20";
    let lines = run_tool(flags);
    assert!(
        lines[0].starts_with("Warmup first 20 records. "),
        "{}",
        lines[0]
    );
    assert!(lines.contains(&"In steady state.".to_owned()), "{lines:?}");
    assert!(
        lines[lines.len() - 2].starts_with("40 records sent, "),
        "{lines:?}"
    );
    assert!(
        lines[lines.len() - 1].starts_with("20 steady state records sent, "),
        "{lines:?}"
    );
    lines.iter().for_each(|line| assert_shape_recorded(line));
}

#[test]
fn sends_to_the_cluster_it_is_told_with_the_properties_it_is_told() {
    let cluster = MockCluster::builder().topic("orders", 1).start().unwrap();
    let servers = cluster.bootstrap_servers();
    let lines = run_tool(&format!(
        "--throughput -1 --payload-monotonic --print-metrics \
         --producer-props bootstrap.servers={servers} client.id=mine"
    ));
    let values: Vec<_> = cluster
        .records("orders", 0)
        .into_iter()
        .map(|one| one.value)
        .collect();
    let sent: Vec<_> = (0..40)
        .map(|index| Some(index.to_string().into_bytes()))
        .collect();
    assert_eq!(values, sent);
    assert_shape_recorded(&lines[0]);
    let sent = "producer-metrics:record-send-total:{client-id=mine}      : 40.000";
    assert!(lines.contains(&sent.to_owned()), "{lines:?}");
}

#[test]
fn refuses_what_is_wrong_before_it_sends() {
    for (flags, why) in [
        (
            "--record-size 1 --command-property linger.ms",
            "Invalid property: linger.ms",
        ),
        (
            "--record-size 1 --command-property linger.ms=x",
            "linger.ms",
        ),
        (
            "--record-size 1 --command-config /no/such/file",
            "/no/such/file",
        ),
        ("--payload-file /no/such/file", "/no/such/file"),
    ] {
        let line = format!("perf --topic orders --num-records 40 --throughput -1 {flags}");
        let args = Args::try_parse_from(line.split_whitespace()).unwrap();
        let error = run(&args, &Arc::new(Screen::new(40, io::sink()))).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

/// Runs the tool on a cluster of its own, and returns the cluster.
fn in_transactions(flags: &str) -> MockCluster {
    let cluster = MockCluster::builder().topic("orders", 1).start().unwrap();
    let servers = cluster.bootstrap_servers();
    run_tool(&format!(
        "--payload-monotonic --bootstrap-server {servers} {flags}"
    ));
    assert_eq!(cluster.committed_records("orders", 0).len(), 40);
    cluster
}

fn commits(cluster: &MockCluster) -> usize {
    let requests = cluster.requests();
    let ends = requests.iter().filter(|one| one.api == Api::EndTxn);
    ends.count()
}

#[test]
fn commits_each_transaction_after_its_duration_and_the_last_at_the_end() {
    // The rate makes it take a fifth of a second.
    let cluster = in_transactions("--throughput 200 --transaction-duration-ms 1");
    assert!((2..=40).contains(&commits(&cluster)));
    // An id alone, by flag or as a property: three seconds.
    for flags in [
        "--throughput -1 --transactional-id mine",
        "--throughput -1 --command-property transactional.id=mine",
    ] {
        assert_eq!(commits(&in_transactions(flags)), 1);
    }
}

#[test]
fn the_transactional_id_is_that_of_the_flag_of_the_properties_or_a_random_one() {
    let id = |flags: &str| {
        let line =
            format!("perf --topic t --num-records 1 --throughput -1 --record-size 1 {flags}");
        let args = Args::try_parse_from(line.split_whitespace()).unwrap();
        assert_eq!(args.check(), Ok(()));
        let properties = properties(&args).unwrap();
        properties.get("transactional.id").map(str::to_owned)
    };
    assert_eq!(id(""), None);
    let property = "--command-property transactional.id=theirs";
    assert_eq!(
        id(&format!("{property} --transaction-duration-ms 5")).as_deref(),
        Some("theirs")
    );
    assert_eq!(
        id(&format!("{property} --transactional-id mine")).as_deref(),
        Some("mine")
    );
    let random = id("--transaction-duration-ms 5").unwrap();
    let uuid = random.strip_prefix("performance-producer-").unwrap();
    let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
    assert_ne!(id("--transaction-duration-ms 5").unwrap(), random);
}

//! Kafka's own producer tools, with what they default to: idempotence, unless `acks` is less than all.

use linger::ErrorCode;
use linger::testing::{Api, MockCluster, MockRequestContent};
use linger_kafka_tests::{PATIENCE, run_kafka_tool};
use serde_json::Value;

#[test]
fn producer_performance_finds_every_record_taken() {
    for acks in ["0", "1", "all"] {
        let cluster = MockCluster::builder()
            .brokers(2)
            .topic("perf", 4)
            .start()
            .expect("ports");
        let bootstrap = format!("bootstrap.servers={}", cluster.bootstrap_servers());
        let acks = format!("acks={acks}");
        let args = [
            "--topic",
            "perf",
            "--num-records",
            "5000",
            "--record-size",
            "100",
        ];
        let rest = [
            "--throughput",
            "-1",
            "--command-property",
            &bootstrap,
            &acks,
        ];
        let args = [&args[..], &rest[..]].concat();
        let output = run_kafka_tool("org.apache.kafka.tools.ProducerPerformance", &args, "");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{output:?}");
        let summary = said.lines().last().unwrap_or_default();
        assert!(summary.starts_with("5000 records sent, "), "{said}");
        // With acks=0 the tool may end before the mock has read all that it wrote.
        let all = cluster.wait_for_records("perf", 5_000, PATIENCE);
        assert!(all, "{acks}: {:?}", cluster.counters());
        assert_eq!(cluster.violations(), [""; 0]);
        // Where they go is up to Java, which draws partitions and avoids slow ones.
        for partition in 0..4 {
            for (offset, record) in (0..).zip(&cluster.records("perf", partition)) {
                assert_eq!(record.offset, offset);
                assert_eq!(record.key, None);
                assert_eq!(record.value.as_ref().map(Vec::len), Some(100));
            }
            for batch in cluster.batches("perf", partition) {
                assert_eq!(batch.producer_id >= 0, acks == "acks=all", "{batch:?}");
            }
        }
    }
}

#[test]
fn java_speaks_the_newest_versions_to_the_mock() {
    let cluster = MockCluster::builder().topic("t", 1).start().expect("ports");
    run_verifiable_producer(&cluster, &["--topic", "t", "--max-messages", "10"]);
    let mut newest = [0; 4];
    for request in cluster.requests() {
        let at = match request.api {
            Api::Produce => 0,
            Api::Metadata => 1,
            Api::ApiVersions => 2,
            Api::InitProducerId => 3,
            other => panic!("Java asked for {other:?}, which the mock did not offer"),
        };
        newest[at] = request.version.max(newest[at]);
        if let MockRequestContent::Refused(_) = request.content {
            panic!("the mock refused {request:?}");
        }
    }
    let apis = "Produce, Metadata, ApiVersions, InitProducerId";
    assert_eq!(newest, [13, 13, 5, 5], "{apis}");
}

#[test]
fn verifiable_producer_is_told_what_the_log_holds_through_faults() {
    let cluster = MockCluster::builder()
        .brokers(3)
        .topic("t", 3)
        .start()
        .expect("ports");
    let produce = || cluster.on(Api::Produce);
    produce()
        .partition("t", 0)
        .times(2)
        .answer(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    produce().partition("t", 1).skip(1).times(1).close_before();
    produce()
        .partition("t", 2)
        .times(3)
        .answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    let args = [
        "--topic",
        "t",
        "--max-messages",
        "2000",
        "--acks",
        "-1",
        "--repeating-keys",
        "40",
    ];
    let events = run_verifiable_producer(&cluster, &args);
    assert_eq!(cluster.pending_faults(), 0);

    let mut acknowledged = 0;
    let logs: Vec<_> = (0..3)
        .map(|partition| cluster.records("t", partition))
        .collect();
    for event in events
        .iter()
        .filter(|event| event["name"] == "producer_send_success")
    {
        let number = |field: &str| {
            event[field]
                .as_u64()
                .and_then(|number| usize::try_from(number).ok())
                .expect("a number")
        };
        let record = &logs[number("partition")][number("offset")];
        let text = |bytes: &Option<Vec<u8>>| {
            let bytes = bytes.as_deref().expect("it has one");
            Value::from(std::str::from_utf8(bytes).expect("text"))
        };
        assert_eq!(
            (text(&record.key), text(&record.value)),
            (event["key"].clone(), event["value"].clone())
        );
        acknowledged += 1;
    }
    assert_eq!(acknowledged, 2_000, "{:?}", events.last());
    assert!(
        logs.iter().all(|log| !log.is_empty()),
        "40 keys reach every partition"
    );
    assert_eq!(cluster.violations(), [""; 0]);
}

fn run_verifiable_producer(cluster: &MockCluster, args: &[&str]) -> Vec<Value> {
    let bootstrap = cluster.bootstrap_servers();
    // No other cluster has this port, in this process or another.
    let port = bootstrap.rsplit(':').next().expect("host:port");
    let config = std::env::temp_dir().join(format!("linger-mock-{port}.properties"));
    // The tool sets retries=0, as faults are what it usually looks for. Several batches for each
    // partition, however late Java's sender is; one at a time, or the second may be taken although
    // the first was refused, when the broker does not know the producer id yet.
    let properties = "retries=2147483647\nretry.backoff.ms=20\nreconnect.backoff.ms=20\n\
                      max.in.flight.requests.per.connection=1\nbatch.size=1000\n";
    std::fs::write(&config, properties).expect("a scratch file");
    let config_file = config.to_str().expect("a path of ASCII");
    let connection = [
        "--bootstrap-server",
        &bootstrap,
        "--command-config",
        config_file,
    ];
    let args = [args, &connection[..]].concat();
    let output = run_kafka_tool("org.apache.kafka.tools.VerifiableProducer", &args, "");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

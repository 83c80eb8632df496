//! The example `mock_cluster`, which is the mock cluster as a program: Kafka's tools and librdkafka
//! send to it with their default settings, in calm and through faults, and what it has printed is
//! what they were told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::mpsc::channel;

use linger_kafka_tests::{PATIENCE, Program, linger_example, run_kafka_tool};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

/// Faults that come to an end, and others by chance that never do.
const FAULTS: [&str; 12] = [
    "--fail",
    "produce:NOT_ENOUGH_REPLICAS:3x",
    "--fail",
    "produce:NOT_LEADER_OR_FOLLOWER:0.05",
    "--close-after",
    "2x",
    "--close-before",
    "metadata:1x",
    "--delay",
    "2ms",
    "--seed",
    "42",
];

/// With faults that refuse single batches. If the first of a partition is refused and the one behind
/// it is not, a broker takes that: it does not know the producer id yet. The first can then never be
/// written, and clients that wait for it give up only at their delivery timeout.
const ONE_AT_A_TIME: &str = "max.in.flight.requests.per.connection=1";

struct Mock {
    program: Program,
    bootstrap: String,
}

/// What a mock has printed.
struct Printed {
    lines: Vec<String>,
}

impl Mock {
    /// Starts the program on free ports with these flags beside `--print`.
    fn start(flags: &[&str]) -> Self {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        let mut command = Command::new(PROGRAM.get_or_init(|| linger_example("mock_cluster")));
        command.args(["--port", "0", "--print"]).args(flags);
        let (said, first) = channel();
        let program = Program::start(command, move |line| {
            // Nobody listens after the first one.
            let _ = said.send(line.to_owned());
        });
        let first = first.recv_timeout(PATIENCE).expect("it says where it is");
        let bootstrap = first.strip_prefix("bootstrap.servers=");
        Self {
            bootstrap: bootstrap
                .expect("the first line says where it is")
                .to_owned(),
            program,
        }
    }

    /// Ends it as a shell does.
    fn end(self) -> Printed {
        self.program.signal("TERM");
        let (status, lines) = self.program.finish_in_time();
        assert_eq!(status.code(), Some(143), "{:?}", lines.last());
        Printed { lines }
    }
}

impl Printed {
    /// The lines of batches, each as its partition and its pairs of name and value.
    fn batches(&self) -> Vec<(&str, BTreeMap<&str, &str>)> {
        let batch = |line| {
            let mut words = str::split_whitespace(line).skip(1);
            let place = words.next()?;
            let pairs: BTreeMap<_, _> = words.filter_map(|word| word.split_once('=')).collect();
            pairs.contains_key("codec").then_some((place, pairs))
        };
        self.lines
            .iter()
            .map(String::as_str)
            .filter_map(batch)
            .collect()
    }

    /// Records written, by the lines of the batches: those that came again are counted once.
    fn written(&self) -> usize {
        let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
        for (place, batch) in self.batches() {
            let Some(offset) = batch.get("offset") else {
                continue;
            };
            let first: usize = offset.parse().expect("a number");
            let records: usize = batch["records"].parse().expect("a number");
            let end = ends.entry(place).or_default();
            assert!(first <= *end, "{place} has a gap before {first}");
            *end = (first + records).max(*end);
        }
        ends.values().sum()
    }

    /// A number of the summary: `records` of `written:`.
    fn sum(&self, of: &str, name: &str) -> usize {
        let line = self.lines.iter().rfind(|line| line.starts_with(of));
        let mut words = line.into_iter().flat_map(|line| line.split_whitespace());
        let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.map_or(0, |value| value.parse().expect("a number"))
    }

    /// That all is well with so many records, and that faults have happened if there were any.
    fn check(&self, records: usize, with_faults: bool) {
        assert_eq!(self.written(), records);
        assert_eq!(self.sum("written:", "records"), records);
        let wrong = self
            .lines
            .iter()
            .find(|line| line.starts_with("no correct"));
        assert_eq!(wrong, None, "{:?}", self.lines.last());
        let refused = self.sum("refused:", "NOT_ENOUGH_REPLICAS");
        let closed = self.sum("asked:", "closed");
        if with_faults {
            assert!(refused >= 3, "{refused}");
            assert_eq!(closed, 3);
        } else {
            assert_eq!((refused, closed), (0, 0));
        }
    }
}

fn flags_of(with_faults: bool) -> Vec<&'static str> {
    let mut flags = vec!["--brokers", "2", "--topic", "orders:4"];
    if with_faults {
        flags.extend(FAULTS);
    }
    flags
}

#[test]
fn producer_performance_finds_every_record_taken() {
    for with_faults in [false, true] {
        let mock = Mock::start(&flags_of(with_faults));
        let bootstrap = format!("bootstrap.servers={}", mock.bootstrap);
        let args = [
            "--topic",
            "orders",
            "--num-records",
            "20000",
            "--record-size",
            "100",
            "--throughput",
            "-1",
            "--command-property",
            &bootstrap,
        ];
        let args = [&args[..], &[ONE_AT_A_TIME][..usize::from(with_faults)]].concat();
        let output = run_kafka_tool("org.apache.kafka.tools.ProducerPerformance", &args, "");
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let summary = said.lines().last().unwrap_or_default();
        assert!(summary.starts_with("20000 records sent, "), "{said}");
        let printed = mock.end();
        printed.check(20_000, with_faults);
        for (place, batch) in printed.batches() {
            assert!(place.starts_with("orders-"), "{place}");
            assert_ne!(batch["producer"], "none", "Java is idempotent by default");
            assert_eq!((batch["codec"], batch["acks"]), ("none", "all"));
        }
    }
}

/// Runs the tool for 2,000 messages; returns how many it was told are written.
fn acknowledged_messages(mock: &Mock, more: &[&str]) -> usize {
    let args = ["--topic", "orders", "--max-messages", "2000"];
    let bootstrap = ["--bootstrap-server", &mock.bootstrap];
    let args = [&args[..], &bootstrap[..], more].concat();
    let output = run_kafka_tool("org.apache.kafka.tools.VerifiableProducer", &args, "");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let events = said.lines().map(|line| {
        let event: Value = serde_json::from_str(line).expect("JSON");
        event["name"].as_str().expect("a name").to_owned()
    });
    let events: Vec<String> = events.collect();
    let count = |name: &str| events.iter().filter(|event| *event == name).count();
    let acknowledged = count("producer_send_success");
    assert_eq!(acknowledged + count("producer_send_error"), 2_000);
    acknowledged
}

#[test]
fn verifiable_producer_is_told_what_is_written() {
    let mock = Mock::start(&flags_of(false));
    assert_eq!(acknowledged_messages(&mock, &[]), 2_000);
    mock.end().check(2_000, false);

    // As the tool is, it sends nothing again. What is refused is not written.
    let refusing = [
        "--topic",
        "orders:4",
        "--fail",
        "produce:NOT_ENOUGH_REPLICAS:2x",
    ];
    let mock = Mock::start(&refusing);
    let acknowledged = acknowledged_messages(&mock, &[]);
    assert!(acknowledged < 2_000, "something was refused");
    let printed = mock.end();
    assert_eq!(printed.written(), acknowledged);
    assert_eq!(printed.sum("written:", "records"), acknowledged);

    // Told to, it is idempotent and sends again.
    let config = std::env::temp_dir().join(format!("linger-mock-program-{}", std::process::id()));
    let properties = format!("retries=2147483647\n{ONE_AT_A_TIME}\n");
    std::fs::write(&config, properties).expect("a scratch file");
    // Slowly enough for more than a few requests.
    let more = ["--throughput", "1000", "--command-config"];
    let more = [&more[..], &[config.to_str().expect("a path of ASCII")]].concat();
    let mock = Mock::start(&flags_of(true));
    assert_eq!(acknowledged_messages(&mock, &more), 2_000);
    std::fs::remove_file(&config).expect("just written");
    mock.end().check(2_000, true);
}

#[test]
fn librdkafka_finds_every_record_taken() {
    const RECORDS: usize = 5_000;
    let idempotent = [("enable.idempotence", "true"), ("linger.ms", "1")];
    for (settings, with_faults) in [(&[][..], false), (&idempotent, false), (&idempotent, true)] {
        let mock = Mock::start(&flags_of(with_faults));
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &mock.bootstrap);
        for (name, value) in settings {
            config.set(*name, *value);
        }
        if with_faults {
            let (name, value) = ONE_AT_A_TIME.split_once('=').expect("a pair");
            config.set(name, value);
        }
        let producer: BaseProducer = config.create().expect("valid settings");
        for number in 0..RECORDS {
            let value = number.to_string();
            let record: BaseRecord<'_, str, str> = BaseRecord::to("orders").key(&value);
            let sent = producer.send(record.payload(&value));
            sent.map_err(|(error, _)| error).expect("accepted");
            // Many small requests, each with its chance to meet a fault.
            if with_faults && number % 500 == 0 {
                producer.flush(PATIENCE).expect("all is delivered");
            }
        }
        producer.flush(PATIENCE).expect("all is delivered");
        drop(producer);
        let printed = mock.end();
        printed.check(RECORDS, with_faults);
        for (_, batch) in printed.batches() {
            assert_eq!(
                batch["producer"] == "none",
                settings.is_empty(),
                "{batch:?}"
            );
        }
    }
}

#[test]
fn says_what_is_wrong_and_ends_as_scripts_expect() {
    let program = linger_example("mock_cluster");
    let run = |flags: &[&str]| {
        let output = Command::new(&program)
            .args(flags)
            .output()
            .expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), errors)
    };
    let (code, errors) = run(&["--fail", "produce:NO_SUCH"]);
    assert_eq!(code, Some(2), "{errors}");
    let words = "invalid value 'produce:NO_SUCH' for '--fail <API:ERROR[:HOW-OFTEN]>': \
                 Kafka has no error called 'NO_SUCH'";
    assert!(errors.contains(words), "{errors}");

    let mock = Mock::start(&[]);
    let port = mock
        .bootstrap
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    let (code, errors) = run(&["--port", &port]);
    assert_eq!(code, Some(1), "{errors}");
    let words = format!("mock_cluster: cannot listen on 127.0.0.1:{port}: ");
    assert!(errors.starts_with(&words), "{errors}");
    mock.end();
}

#[test]
fn goes_on_although_nobody_reads_what_it_says() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let mut command = Command::new(linger_example("mock_cluster"));
    command.args(["--port", "0", "--print=records"]);
    let mut process = command.stdout(Stdio::piped()).spawn().expect("it runs");
    let mut first = String::new();
    let mut stdout = BufReader::new(process.stdout.take().expect("stdout is piped"));
    stdout.read_line(&mut first).expect("it says where it is");
    drop(stdout);
    let bootstrap = first.trim_end().strip_prefix("bootstrap.servers=");
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap.expect("it says where it is"));
    let producer: BaseProducer = config.create().expect("valid settings");
    let value = "x".repeat(1_000);
    for _ in 0..1_000 {
        let record: BaseRecord<'_, str, str> = BaseRecord::to("orders").payload(&value);
        let sent = producer.send(record);
        sent.map_err(|(error, _)| error).expect("accepted");
    }
    producer.flush(PATIENCE).expect("all is delivered");
    let mut kill = Command::new("kill");
    kill.args(["-s", "INT", &process.id().to_string()]);
    assert!(kill.status().expect("kill runs").success());
    assert_eq!(process.wait().expect("our child").code(), Some(130));
}

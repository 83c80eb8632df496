//! Linger's `verifiable_producer`, as a process of its own that sends while faults happen, and the
//! account of the lines that it prints.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use linger::Fate;
use serde_json::Value;

use crate::audit::{Log, Numbered, Tally, Told, check};
use crate::cluster::Cluster;
use crate::programs::{Program, linger_example};
use crate::wait_until;

/// Messages per second.
const THROUGHPUT: u32 = 1_000;
/// So many that each partition gets its share.
const KEYS: u32 = 60;

/// The running program. It sends numbers to one topic, through the proxies, until
/// [`finish`](Self::finish).
pub struct Verifiable<'a> {
    cluster: &'a Cluster,
    topic: String,
    program: Program,
    counts: Arc<Counts>,
    log: PathBuf,
}

#[derive(Debug, Default)]
struct Counts {
    acknowledged: AtomicUsize,
    failed: AtomicUsize,
}

/// What became of the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// How they ended, all of it true.
    pub tally: Tally,
    /// Batches that were sent again.
    pub retries: usize,
}

impl Account {
    /// How many messages failed.
    pub fn failed(&self) -> usize {
        self.tally.not_written + self.tally.doubtful_stored + self.tally.doubtful_absent
    }
}

impl<'a> Verifiable<'a> {
    /// Starts it with the producer's default settings but for these. (By itself the program sends
    /// nothing again, as Kafka's does.)
    ///
    /// # Panics
    ///
    /// Panics when it cannot be built or started.
    pub fn start(cluster: &'a Cluster, topic: &str, settings: &[(&str, &str)]) -> Self {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        let file = |kind: &str| cluster.scratch_dir().join(format!("{topic}.{kind}"));
        let (config, log) = (file("properties"), file("log"));
        let settings = [("retries", "2147483647")].iter().chain(settings);
        let lines: Vec<String> = settings
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        fs::write(&config, lines.concat()).expect("a scratch file");
        let mut command =
            Command::new(PROGRAM.get_or_init(|| linger_example("verifiable_producer")));
        let servers = cluster.proxied_bootstrap();
        command.args(["--bootstrap-server", &servers, "--topic", topic]);
        command.args(["--throughput", &THROUGHPUT.to_string(), "--acks", "-1"]);
        command.args(["--repeating-keys", &KEYS.to_string()]);
        command.arg("--command-config").arg(&config);
        // The sender says so when it sends something again.
        command.env("RUST_LOG", "linger::sender=debug");
        command.stderr(File::create(&log).expect("a scratch file"));
        let counts = Arc::new(Counts::default());
        let counter = Arc::clone(&counts);
        let program = Program::start(command, move |line| counter.count(line));
        Self {
            cluster,
            topic: topic.to_owned(),
            program,
            counts,
            log,
        }
    }

    /// Messages acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.counts.acknowledged.load(Ordering::Relaxed)
    }

    /// Messages that have failed so far.
    pub fn failed(&self) -> usize {
        self.counts.failed.load(Ordering::Relaxed)
    }

    /// Waits for so many further acknowledgements.
    ///
    /// # Panics
    ///
    /// Panics when they do not come.
    pub fn await_acknowledged(&self, more: usize) {
        let before = self.acknowledged();
        wait_until("further acknowledgements", || {
            self.acknowledged() >= before + more
        });
    }

    /// What the program has logged so far.
    ///
    /// # Panics
    ///
    /// Panics when its file has gone.
    pub fn logged(&self) -> String {
        fs::read_to_string(&self.log).expect("a text file")
    }

    /// Stops it (SIGTERM), reads the topic back, and checks every line that it has printed: each
    /// message has one outcome, each outcome is true.
    ///
    /// # Panics
    ///
    /// Panics if not, or if it does not end.
    pub fn finish(self) -> Account {
        self.finish_with(Log::Whole)
    }

    /// As [`finish`](Self::finish), when the topic was deleted and created again.
    ///
    /// # Panics
    ///
    /// As `finish`.
    pub fn finish_since_recreation(self) -> Account {
        self.finish_with(Log::SinceRecreation)
    }

    fn finish_with(self, log: Log) -> Account {
        self.program.signal("TERM");
        let (status, lines) = self.program.finish_in_time();
        // As shells and Java count an end by SIGTERM.
        assert_eq!(status.code(), Some(143), "{:?}", lines.last());
        let events: Vec<Value> = lines
            .iter()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let tool_data = events.last().expect("a last line");
        assert_eq!(tool_data["name"], "tool_data");
        let sent: Vec<Numbered> = (0..number(tool_data, "sent")).map(Numbered).collect();
        let records = self.cluster.read(&self.topic);
        let tally = check(&sent, events.iter().filter_map(told), &records, log);
        let acknowledged = tally.acknowledged + tally.deleted;
        assert_eq!(tool_data["acked"], acknowledged, "{tally:?}");
        let logged = fs::read_to_string(&self.log).expect("a text file");
        let retries = logged
            .lines()
            .filter(|line| line.contains(" again: "))
            .count();
        let account = Account { tally, retries };
        println!("{}: {account:?}", self.topic);
        account
    }
}

impl Counts {
    fn count(&self, line: &str) {
        if line.contains(r#""name":"producer_send_success""#) {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        } else if line.contains(r#""name":"producer_send_error""#) {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A message and its outcome, if the event is one.
fn told(event: &Value) -> Option<(&str, Told)> {
    let told = match event["name"].as_str()? {
        "producer_send_success" => {
            let partition = event["partition"].as_i64().expect("a number");
            let offset = event["offset"].as_i64().expect("a number");
            let partition = i32::try_from(partition).expect("a partition's number");
            Told::Stored(partition, (offset >= 0).then_some(offset))
        }
        "producer_send_error" => Told::Failed(match event["fate"].as_str() {
            Some("NotWritten") => Fate::NotWritten,
            Some("MayBeWritten") => Fate::MayBeWritten,
            other => panic!("{other:?} is no fate: {event}"),
        }),
        _ => return None,
    };
    Some((event["value"].as_str().expect("a text"), told))
}

fn number(event: &Value, field: &str) -> u64 {
    event[field].as_u64().expect("a number")
}

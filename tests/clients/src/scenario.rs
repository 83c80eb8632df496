//! What happens to the clients, and what must have become of their records.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use linger::ErrorCode;
use linger::testing::{Api, MockCluster};

use crate::clients::Client;
use crate::install::Programs;

const TOPIC: &str = "orders";
const PARTITIONS: i32 = 3;
const ROUNDS: u64 = 6;
const PER_ROUND: u64 = 50;

/// Longer than any client needs; one that hangs fails.
const PATIENCE: Duration = Duration::from_secs(90);

/// Something to do to a cluster.
type Act = fn(&MockCluster);

/// A cluster with something wrong, and records sent to it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Sets the faults up before the client starts.
    prepare: Act,
    /// Does more when so many records are in the log.
    after: Option<(u64, Act)>,
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("plain", |_| {}),
    Scenario::new("gzip", |_| {}),
    Scenario::new("snappy", |_| {}),
    Scenario::new("lz4", |_| {}),
    Scenario::new("zstd", |_| {}),
    Scenario::new("too few replicas", |cluster| {
        let fault = cluster.on(Api::Produce).skip(1).times(3);
        fault.answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    }),
    Scenario::new("not the leader", |cluster| {
        let fault = cluster.on(Api::Produce).skip(1).times(3);
        fault.answer(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    }),
    Scenario::new("no leader known", |cluster| {
        let fault = cluster.on(Api::Metadata).topic(TOPIC).times(2);
        fault.answer(ErrorCode::LEADER_NOT_AVAILABLE);
    }),
    Scenario::new("closed before", |cluster| {
        cluster.on(Api::Produce).skip(1).times(2).close_before();
    }),
    Scenario::new("closed after", |cluster| {
        cluster.on(Api::Produce).skip(1).times(2).close_after();
    }),
    Scenario::new("late answers", |cluster| {
        let late = Duration::from_millis(300);
        cluster.on(Api::Produce).skip(1).times(6).delay(late);
    }),
    Scenario {
        name: "leaders move",
        prepare: |_| {},
        after: Some((100, |cluster| {
            for partition in 0..PARTITIONS {
                let leader = cluster.leader(TOPIC, partition).unwrap_or(1);
                cluster.move_leader(TOPIC, partition, leader % 3 + 1);
            }
        })),
    },
    Scenario {
        name: "a broker stops",
        prepare: |_| {},
        after: Some((100, |cluster| {
            cluster.stop_broker(2);
            cluster.fail_over(2);
        })),
    },
];

const CODECS: [&str; 4] = ["gzip", "snappy", "lz4", "zstd"];

impl Scenario {
    const fn new(name: &'static str, prepare: Act) -> Self {
        Self {
            name,
            prepare,
            after: None,
        }
    }

    /// Why the client or the mock failed; none if the client has no such codec, or is known not to
    /// survive.
    pub(crate) fn run(&self, client: &Client, programs: &Programs) -> Option<Result<(), String>> {
        let codec = CODECS.iter().find(|codec| **codec == self.name);
        let is_left_out = codec.is_some_and(|codec| !client.codecs.contains(codec))
            || client.gives_up.iter().any(|(name, _)| *name == self.name);
        if is_left_out {
            return None;
        }
        Some(self.send(client, programs, codec.unwrap_or(&"none")))
    }

    fn send(&self, client: &Client, programs: &Programs, codec: &str) -> Result<(), String> {
        let cluster = MockCluster::builder().brokers(3).topic(TOPIC, PARTITIONS);
        let cluster = cluster.start().map_err(|error| error.to_string())?;
        (self.prepare)(&cluster);
        let mut command = programs.command(client);
        command.args([&cluster.bootstrap_servers(), TOPIC]);
        command.args([ROUNDS, PER_ROUND].map(|number| number.to_string()));
        command.arg(codec).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = command.spawn();
        let mut process = process.map_err(|error| format!("cannot run {command:?}: {error}"))?;
        if let Some((records, act)) = self.after {
            let a_moment = Duration::from_millis(20);
            while !cluster.wait_for_records(TOPIC, records, a_moment) {
                if process.try_wait().is_ok_and(|ended| ended.is_some()) {
                    break;
                }
            }
            act(&cluster);
        }
        let said = end(process)?;
        let acked = number(&said, "acked=").ok_or_else(|| format!("it said: {said}"))?;
        if acked != ROUNDS * PER_ROUND {
            return Err(said);
        }
        check(&cluster, client, codec)
    }
}

/// Whether the log is what the client was told.
fn check(cluster: &MockCluster, client: &Client, codec: &str) -> Result<(), String> {
    if let Some(violation) = cluster.violations().first() {
        return Err(violation.clone());
    }
    if cluster.pending_faults() > 0 {
        return Err("a fault did not happen".to_owned());
    }
    let mut found: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    for partition in 0..PARTITIONS {
        for record in cluster.records(TOPIC, partition) {
            let key = record.key.unwrap_or_default();
            let expected = [&key[..], &[b'.'; 200]].concat();
            if record.value != Some(expected) {
                return Err(format!(
                    "the value of {:?} is another",
                    String::from_utf8_lossy(&key)
                ));
            }
            *found.entry(key).or_default() += 1;
        }
        for batch in cluster.batches(TOPIC, partition) {
            if batch.compression != codec {
                return Err(format!("a batch has the codec {}", batch.compression));
            }
            if client.is_idempotent != (batch.producer_id >= 0) {
                return Err(format!("a batch has the producer id {}", batch.producer_id));
            }
        }
    }
    for value in 0..ROUNDS * PER_ROUND {
        match found.remove(value.to_string().as_bytes()) {
            None => return Err(format!("{value} was acknowledged and is not in the log")),
            Some(times) if times > 1 && client.is_idempotent => {
                return Err(format!("{value} is in the log {times} times"));
            }
            Some(_) => {}
        }
    }
    match found.first_key_value() {
        Some((value, _)) => Err(format!("nobody sent {value:?}")),
        None => Ok(()),
    }
}

/// Waits for a client, and returns its last line; what it writes is short.
fn end(mut process: Child) -> Result<String, String> {
    let started = Instant::now();
    let status = loop {
        match process.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() > PATIENCE => {
                // Both fail if it has ended just now.
                let _ = process.kill();
                let _ = process.wait();
                return Err(format!("it did not end within {PATIENCE:?}"));
            }
            Ok(None) => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(error.to_string()),
        }
    };
    let (mut out, mut err) = (String::new(), String::new());
    let read = process
        .stdout
        .take()
        .map(|mut from| from.read_to_string(&mut out));
    let read_err = process
        .stderr
        .take()
        .map(|mut from| from.read_to_string(&mut err));
    if let Some(Err(error)) = read.or(read_err) {
        return Err(error.to_string());
    }
    let last = |text: &str| text.lines().last().unwrap_or_default().trim().to_owned();
    match status.success() {
        true => Ok(last(&out)),
        false => Err(format!("it ended with {status}: {}", last(&err))),
    }
}

fn number(line: &str, name: &str) -> Option<u64> {
    { line.split(' ') }.find_map(|word| word.strip_prefix(name)?.parse().ok())
}

//! The copy test: what `copy_topic` has copied is equal to its input, each record once and in order, although
//! it was killed at random moments. Alone in its process, since it changes a feature of its cluster.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use linger::{ProducerRecord, TransactionalProducer};
use linger_kafka_tests::{
    Cluster, PATIENCE, Program, ReadRecord, one_node, properties, rounds, wait_until,
};

const PARTITIONS: i32 = 3;
/// Of each version of transactions; `LINGER_FAULTS=long` makes it 200 together.
const KILLS: usize = 10;
/// Each so manyth transaction of the copying program is aborted.
const ABORT_EVERY: &str = "3";

#[test]
fn a_copy_in_transactions_is_complete_however_often_it_is_killed() {
    let cluster = one_node();
    for version in [2, 1] {
        cluster.set_feature("transaction.version", version);
        copies(cluster, version);
    }
}

fn copies(cluster: &Cluster, version: i16) {
    let (from, to) = (format!("from-{version}"), format!("to-{version}"));
    for topic in [&from, &to] {
        cluster.create_topic(topic, PARTITIONS, &[]);
    }
    let mut counts = Counts::default();
    let is_enough = AtomicBool::new(false);
    let last = thread::scope(|scope| {
        let _stop = OnDrop(&is_enough);
        let writing = scope.spawn(|| write_input(cluster, &from, &is_enough));
        for number in 0..rounds(KILLS) {
            let mut instance = Instance::start(cluster, &from, &to);
            if number % 4 > 0 {
                // All others may be killed before they have begun.
                instance.await_one("committed", &mut counts);
            }
            // No moment is better than another.
            thread::sleep(Duration::from_millis(random_below(300)));
            instance.kill(&mut counts);
        }
        let mut last = Instance::start(cluster, &from, &to);
        last.await_one("aborted", &mut counts);
        is_enough.store(true, Ordering::Relaxed);
        writing.join().expect("a producer that nobody fences");
        last
    });

    let input = cluster.read_committed(&from);
    let mut ends: BTreeMap<i32, i64> = BTreeMap::new();
    for record in &input {
        ends.insert(record.partition, record.offset + 1);
    }
    let ends: Vec<String> = ends
        .iter()
        .map(|(partition, offset)| format!("{from} {partition} {offset}"))
        .collect();
    assert_eq!(ends.len(), PARTITIONS as usize, "{ends:?}");
    let group = format!("copy-{to}");
    wait_until("all is copied", || {
        let mut committed = cluster.group_offsets(&group);
        committed.sort_unstable();
        committed == ends
    });
    last.kill(&mut counts);
    wait_until("no transaction is open", || {
        let all = cluster.transactions();
        assert!(!all.is_empty());
        all.iter()
            .all(|one| one.contains("Complete") || one.contains("Empty"))
    });

    let output = cluster.read_committed(&to);
    assert_same(&input, &output);
    assert!(counts.kills > rounds(KILLS) && counts.commits >= rounds(KILLS) / 2);
    let not_seen = cluster.read(&to).len() - output.len();
    println!(
        "version {version}: {} kills, {} transactions committed, {} aborted, {} failed; {} records \
         copied, {not_seen} of aborted transactions beside them",
        counts.kills,
        counts.commits,
        counts.aborts,
        counts.failures,
        output.len()
    );
}

/// Transactions of some records to each partition, each fifth aborted, until there is enough.
fn write_input(cluster: &Cluster, topic: &str, is_enough: &AtomicBool) {
    let properties = properties(&cluster.bootstrap()).set("transactional.id", topic);
    let mut producer: TransactionalProducer<[u8], [u8]> =
        TransactionalProducer::new(&properties).expect("valid properties and brokers");
    let mut number = 0;
    while !is_enough.load(Ordering::Relaxed) {
        let transaction = producer.begin().expect("nothing is open");
        for _ in 0..20 {
            for partition in 0..PARTITIONS {
                let (key, value) = (format!("key {partition}"), format!("record {number}"));
                let record = ProducerRecord::new(topic, value.as_bytes());
                let record = record.key(key.as_bytes()).partition(partition);
                transaction.send(record, |_| {}).expect("room and a topic");
                number += 1;
            }
        }
        if number % 300 == 0 {
            transaction.flush().expect("a broker that answers");
            transaction.abort().expect("an abort");
        } else {
            transaction.commit().expect("a commit");
        }
        // Slower than it is copied, so that the last instance has little left to do.
        thread::sleep(Duration::from_millis(30));
    }
}

#[derive(Default)]
struct Counts {
    kills: usize,
    commits: usize,
    aborts: usize,
    failures: usize,
}

impl Counts {
    fn count(&mut self, line: &str) {
        if line.starts_with("committed") {
            self.commits += usize::from(line != "committed 0");
        } else if line.starts_with("aborted") {
            self.aborts += usize::from(line != "aborted 0");
        } else if line.starts_with("failed") {
            println!("{line}");
            self.failures += 1;
        }
    }
}

/// A running `copy_topic`.
struct Instance {
    program: Program,
    lines: Receiver<String>,
}

impl Instance {
    fn start(cluster: &Cluster, from: &str, to: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_copy_topic"));
        command.args([&cluster.bootstrap(), from, to, ABORT_EVERY]);
        let (teller, lines) = channel();
        let program = Program::start(command, move |line| {
            // Nobody listens any more once it is killed.
            let _ = teller.send(line.to_owned());
        });
        Self { program, lines }
    }

    /// Waits until a transaction that has records has ended in this way.
    fn await_one(&mut self, ending: &str, counts: &mut Counts) {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.expect("the program goes on");
            counts.count(&line);
            if line.starts_with(ending) && !line.ends_with(" 0") {
                return;
            }
        }
    }

    fn kill(self, counts: &mut Counts) {
        self.program.signal("KILL");
        let (status, _) = self.program.finish();
        assert_eq!(status.signal(), Some(9), "it ended by itself: {status}");
        self.lines.iter().for_each(|line| counts.count(&line));
        counts.kills += 1;
    }
}

/// Partition by partition the same keys and values in the same order.
fn assert_same(input: &[ReadRecord], output: &[ReadRecord]) {
    for partition in 0..PARTITIONS {
        let of = |records: &[ReadRecord]| -> Vec<(Option<Vec<u8>>, String)> {
            let records = records.iter().filter(|one| one.partition == partition);
            records
                .map(|one| (one.key.clone(), one.text().to_owned()))
                .collect()
        };
        let (input, output) = (of(input), of(output));
        let pairs = input.iter().zip(&output).enumerate();
        if let Some((index, (wanted, found))) = pairs.into_iter().find(|(_, (a, b))| a != b) {
            panic!("record {index} of partition {partition} is {found:?}, not {wanted:?}");
        }
        assert_eq!(output.len(), input.len(), "partition {partition}");
        assert!(!input.is_empty());
    }
}

/// Lets the writing thread end when the test fails.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// From the seed of the standard hash maps.
fn random_below(limit: u64) -> u64 {
    RandomState::new().hash_one(0) % limit
}

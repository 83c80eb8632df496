//! A producer in a static at the end of `main`: what is lost is logged, and the pattern that the
//! documentation shows loses nothing. A program without a test harness, because only the end of a real
//! `main` shows it: it runs itself, once for each ending.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "all of this program is a test"
)]

use std::env;
use std::process::Command;
use std::sync::OnceLock;

use linger::testing::MockCluster;
use linger::{Producer, ProducerRecord, Properties};

static PRODUCER: OnceLock<Producer<str, str>> = OnceLock::new();

/// The documented pattern: closes the producer however `main` ends.
struct CloseAtEnd;

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        if let Some(producer) = PRODUCER.get() {
            producer.close().unwrap();
        }
    }
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        eprintln!("{} {}", record.level(), record.args());
    }

    fn flush(&self) {}
}

fn main() {
    let Some(ending) = env::args()
        .skip(1)
        .find(|one| one == "open" || one == "closed")
    else {
        return judge();
    };
    log::set_logger(&Logger).unwrap();
    log::set_max_level(log::LevelFilter::Error);
    let cluster = MockCluster::builder().topic("orders", 1).start().unwrap();
    let _closes = (ending == "closed").then_some(CloseAtEnd);
    let properties = Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("linger.ms", 60_000)
        .set("key.serializer", "string")
        .set("value.serializer", "string");
    let producer = PRODUCER.get_or_init(|| Producer::new(&properties).unwrap());
    for value in ["one", "two"] {
        let told = move |result: linger::Result<_>| eprintln!("{value}: {}", result.is_ok());
        producer
            .send(ProducerRecord::new("orders", value), told)
            .unwrap();
    }
}

/// Runs the two programs.
fn judge() {
    let stderr = |ending| {
        let program = env::current_exe().unwrap();
        let output = Command::new(program).arg(ending).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(stderr("closed"), "one: true\ntwo: true\n");
    let lost = stderr("open");
    let line = "ERROR main has ended, and 2 records of a producer that was not closed are lost";
    // Not every system ends what belongs to the main thread.
    if cfg!(target_os = "linux") {
        assert!(lost.starts_with(line), "{lost}");
    }
}

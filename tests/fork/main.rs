//! A producer in a forked child: refuses what it cannot do, waits for nothing, and leaves the parent's
//! alone. A program without a test harness, whose threads would not come along.
#![expect(clippy::unwrap_used, reason = "all of this program is a test")]

use std::error::Error as StdError;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{self, Command};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use fork::Fork;
use linger::testing::MockCluster;
use linger::{
    Error, ErrorKind, Producer, ProducerRecord, Properties, Purge, RecordMetadata, Result,
    SendHandle,
};

fn main() -> Result<(), Box<dyn StdError>> {
    let cluster = MockCluster::builder().topic("orders", 3).start()?;
    let server = cluster.bootstrap_servers();
    let producer = start(&server)?;
    producer.send(record(0, "before the fork"), ignore)?;
    producer.flush()?;
    producer.send(record(1, "open at the fork"), ignore)?;
    let handle = producer.send_with_handle(record(2, "waited for"))?;
    assert!(eventually(others_sleep), "all other threads come to rest");

    let parent = process::id().to_string();
    let child = match fork::fork()? {
        Fork::Parent(child) => child,
        Fork::Child => {
            let test = || in_the_child(producer, &handle, &parent, &server);
            let result = catch_unwind(AssertUnwindSafe(test));
            // What else belongs to the parent is not dropped here.
            process::exit(i32::from(result.is_err()));
        }
    };
    let mut status = None;
    let has_ended = eventually(|| {
        status = fork::waitpid_nohang(child).unwrap();
        status.is_some()
    });
    if !has_ended {
        Command::new("kill")
            .args(["-9", &child.to_string()])
            .status()?;
    }
    assert_eq!(
        status,
        Some(0),
        "the child ends, and has said what is wrong"
    );

    // For the parent nothing has happened.
    producer.flush()?;
    assert_eq!(handle.wait()?.offset(), Some(0));
    assert_eq!(values(&cluster, 0), ["before the fork", "the child's own"]);
    assert_eq!(values(&cluster, 1), ["open at the fork"]);
    assert!(cluster.violations().is_empty());
    assert_eq!(producer.close()?.failed, 0);
    Ok(())
}

/// Nothing here waits for the I/O thread that the child does not have.
fn in_the_child(producer: Producer<str, str>, handle: &SendHandle, parent: &str, server: &str) {
    let refused = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
        assert!(error.to_string().contains(parent), "{error}");
    };
    refused(producer.send(record(0, "x"), ignore).unwrap_err());
    refused(producer.try_send(record(0, "x"), ignore).unwrap_err());
    refused(producer.send_wait(record(0, "x")).unwrap_err());
    refused(handle.wait().unwrap_err());
    refused(handle.wait_timeout(Duration::ZERO).unwrap_err());
    let unknown = ProducerRecord::new("unknown", "x");
    refused(producer.try_send(unknown, ignore).unwrap_err());
    refused(producer.partitions_for("unknown").unwrap_err());
    refused(producer.flush().unwrap_err());
    refused(producer.flush_timeout(Duration::ZERO).unwrap_err());
    refused(producer.close_timeout(Duration::ZERO).unwrap_err());
    refused(producer.close_and_return(Duration::ZERO).unwrap_err());
    refused(producer.purge(Purge::All).unwrap_err());

    // A batch that was open takes what fits, and the next one is not opened.
    let value = "x".repeat(1_000);
    let error = loop {
        if let Err(refused) = producer.send(record(1, &value), ignore) {
            break refused;
        }
    };
    refused(error);

    refused(producer.close().unwrap_err());
    drop(producer.clone());
    drop(producer);
    let own = start(server).unwrap();
    own.send_wait(record(0, "the child's own")).unwrap();
}

/// Batches stay open until somebody asks for them.
fn start(server: &str) -> Result<Producer<str, str>> {
    let properties = Properties::new()
        .set("bootstrap.servers", server)
        .set("key.serializer", "string")
        .set("value.serializer", "string")
        .set("linger.ms", 60_000)
        .set("delivery.timeout.ms", 120_000)
        .set("batch.size", 16_384);
    Producer::new(&properties)
}

fn record(partition: i32, value: &str) -> ProducerRecord<'_, str, str> {
    ProducerRecord::new("orders", value).partition(partition)
}

fn ignore(_: Result<RecordMetadata>) {}

fn values(cluster: &MockCluster, partition: i32) -> Vec<String> {
    let records = cluster.records("orders", partition).into_iter();
    let text = |value: Vec<u8>| String::from_utf8(value).unwrap();
    records.map(|record| text(record.value.unwrap())).collect()
}

/// Looks again and again, a millisecond apart, whether something is so in the end.
fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    const TIMES: u32 = 30_000;
    let (lock, never) = (Mutex::new(()), Condvar::new());
    (0..TIMES).any(|_| {
        let a_moment = Duration::from_millis(1);
        drop(never.wait_timeout(lock.lock().unwrap(), a_moment).unwrap());
        is_so()
    })
}

/// Whether no other thread can hold a lock at this moment.
fn others_sleep() -> bool {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        // Not on this system; it is most likely so.
        return true;
    };
    let this = fs::read_link("/proc/thread-self").unwrap();
    let mut others = tasks
        .map(|task| task.unwrap())
        .filter(|task| Some(&*task.file_name()) != this.file_name());
    others.all(|task| {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        status.contains("State:\tS")
    })
}

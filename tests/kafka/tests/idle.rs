//! What a producer with nothing to do costs. Alone in its process, since it counts threads.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

use linger::{Producer, ProducerRecord};
use linger_kafka_tests::{one_node, properties, topic_name, wait_until};

#[test]
fn an_idle_producer_is_one_thread_that_sleeps() {
    let cluster = one_node();
    let topic = topic_name("idle");
    cluster.create_topic(&topic, 1, &[]);
    let before = threads();
    let producer: Producer<[u8], [u8]> =
        Producer::new(&properties(&cluster.bootstrap())).expect("valid properties");
    let value: &[u8] = b"v";
    producer
        .send_wait(ProducerRecord::new(&topic, value))
        .expect("stored");
    let own = || threads().difference(&before).copied().collect::<Vec<_>>();
    wait_until("the helper thread that connected has ended", || {
        own().len() == 1
    });
    let thread_id = own()[0];

    // A timer would show each time; that the thread was held up by a busy machine does not.
    let looks = || {
        let before = wake_ups(thread_id);
        thread::sleep(Duration::from_secs(10));
        wake_ups(thread_id) - before
    };
    let (mut seen, mut again) = (Vec::new(), (0..3).map(|_| looks()));
    let is_quiet = again.any(|wake_ups| {
        seen.push(wake_ups);
        wake_ups <= 1
    });
    assert!(
        is_quiet,
        "{seen:?} wake-ups in 10 s each with nothing to do"
    );
    assert_eq!(own(), [thread_id]);
    producer.close().expect("nothing is pending");
}

fn threads() -> BTreeSet<u32> {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux has it");
    let ids = tasks.map(|task| task.expect("it is readable").file_name());
    ids.map(|id| id.to_string_lossy().parse().expect("a number"))
        .collect()
}

/// How often the thread has gone to sleep and woken again.
fn wake_ups(thread_id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/self/task/{thread_id}/status"));
    let status = status.expect("the thread runs");
    let count = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count
        .expect("Linux counts them")
        .trim()
        .parse()
        .expect("a number")
}

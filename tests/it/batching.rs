//! When records leave: lingering, full batches, requests, and who cuts the wait short.

use std::time::{Duration, Instant};

use linger::testing::MockCluster;
use linger::{Producer, ProducerRecord};

use crate::support::{Outcomes, PATIENCE, Setup, ignore, produced, send_all, wait_for_records};

/// Longer than any test may take: what lingers so long has to be fetched.
const FOR_EVER_MS: u64 = 300_000;

fn lingering_for_ever() -> Setup {
    Setup::new()
        .set("linger.ms", FOR_EVER_MS)
        .set("delivery.timeout.ms", 2 * FOR_EVER_MS)
}

#[expect(clippy::disallowed_methods, reason = "lingering is about time")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn a_batch_leaves_when_it_has_lingered_and_not_before() {
    let linger = Duration::from_secs(1);
    let (cluster, producer) = Setup::new()
        .topic("t", 1)
        .set("linger.ms", linger.as_millis())
        .start();
    producer.partitions_for("t").unwrap();
    let outcomes = Outcomes::new();
    let first_sent = now();
    for number in 0..3 {
        let record = ProducerRecord::new("t", "v");
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    outcomes.acknowledged(3);
    let waited = now() - first_sent;
    assert!(waited >= linger, "left after {waited:?} only");
    // A generous bound: the machine may be busy, but nothing else would have sent it.
    assert!(waited < PATIENCE);
    assert_eq!(cluster.batches("t", 0).len(), 1);
}

#[test]
fn without_linger_a_record_leaves_at_once() {
    let (cluster, producer) = Setup::new().topic("t", 1).set("linger.ms", 0).start();
    let outcomes = Outcomes::new();
    for number in 0..3 {
        let record = ProducerRecord::new("t", "v");
        producer.send(record, outcomes.callback(number)).unwrap();
        assert_eq!(outcomes.acknowledged(1)[0].0, number);
    }
    assert_eq!(cluster.batches("t", 0).len(), 3);
}

#[test]
fn a_full_batch_does_not_linger_and_stays_within_batch_size() {
    let (cluster, producer) = lingering_for_ever()
        .topic("t", 1)
        .set("batch.size", 1_000)
        .start();
    let value = "x".repeat(90);
    for _ in 0..25 {
        producer
            .send(ProducerRecord::new("t", &value), ignore)
            .unwrap();
    }
    // Nine records fit; the tenth finds no room, and the full batch leaves.
    wait_for_records(&cluster, "t", 18);
    for batch in cluster.batches("t", 0) {
        assert_eq!(batch.records, 9);
        assert!(batch.bytes <= 1_000, "{} bytes", batch.bytes);
    }
    producer.close().unwrap();
    let records: Vec<_> = cluster
        .batches("t", 0)
        .iter()
        .map(|one| one.records)
        .collect();
    assert_eq!(records, [9, 9, 7], "what was left waited for the close");
}

#[test]
fn a_record_that_is_larger_than_a_batch_gets_one_of_its_own_at_once() {
    let (cluster, producer) = lingering_for_ever()
        .topic("t", 1)
        .set("batch.size", 500)
        .start();
    let large = "x".repeat(5_000);
    producer
        .send(ProducerRecord::new("t", "small"), ignore)
        .unwrap();
    producer
        .send(ProducerRecord::new("t", &large), ignore)
        .unwrap();
    wait_for_records(&cluster, "t", 2);
    let records: Vec<_> = cluster
        .batches("t", 0)
        .iter()
        .map(|one| one.records)
        .collect();
    assert_eq!(records, [1, 1]);
}

#[test]
fn a_batch_size_of_zero_gives_every_record_a_batch() {
    let (cluster, producer) = lingering_for_ever()
        .topic("t", 1)
        .set("batch.size", 0)
        .start();
    for _ in 0..5 {
        producer
            .send(ProducerRecord::new("t", "v"), ignore)
            .unwrap();
    }
    wait_for_records(&cluster, "t", 5);
    assert_eq!(cluster.batches("t", 0).len(), 5);
}

#[test]
fn one_request_carries_all_that_is_ready_for_a_broker() {
    let (cluster, producer) = lingering_for_ever().brokers(2).topic("t", 8).start();
    for partition in 0..8 {
        let record = ProducerRecord::new("t", "v").partition(partition);
        producer.send(record, ignore).unwrap();
    }
    producer.flush().unwrap();
    let mut requests = produced(&cluster);
    requests.sort_by_key(|(node, _)| *node);
    assert_eq!(requests.len(), 2, "one for each broker: {requests:?}");
    for (node, batches) in requests {
        assert_eq!(batches.len(), 4, "broker {node}");
        for batch in batches {
            assert_eq!(cluster.leader("t", batch.partition), Some(node));
        }
    }
}

#[test]
fn one_request_carries_partitions_of_several_topics() {
    let (cluster, producer) = lingering_for_ever().topic("a", 2).topic("b", 2).start();
    for (topic, partition) in [("a", 0), ("b", 1), ("a", 1), ("b", 0)] {
        let record = ProducerRecord::new(topic, "v").partition(partition);
        producer.send(record, ignore).unwrap();
    }
    producer.flush().unwrap();
    let requests = produced(&cluster);
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(requests[0].1.len(), 4);
}

#[test]
fn max_request_size_splits_what_is_ready_into_several_requests() {
    let (cluster, producer) = lingering_for_ever()
        .topic("t", 7)
        .set("max.request.size", 2_500)
        .start();
    let value = "x".repeat(900);
    for partition in 0..7 {
        let record = ProducerRecord::new("t", &value).partition(partition);
        producer.send(record, ignore).unwrap();
    }
    producer.flush().unwrap();
    let batches: Vec<_> = produced(&cluster)
        .iter()
        .map(|(_, one)| one.len())
        .collect();
    assert_eq!(batches, [2, 2, 2, 1]);
    for (_, batches) in produced(&cluster) {
        let bytes: usize = batches.iter().map(|batch| batch.bytes).sum();
        assert!(bytes <= 2_500, "{bytes} bytes of batches");
    }
}

#[test]
fn flush_sends_what_lingers_and_waits_for_its_callbacks() {
    let (cluster, producer) = lingering_for_ever().topic("t", 3).start();
    let outcomes = Outcomes::new();
    for number in 0..30 {
        let record = ProducerRecord::new("t", "v").partition(number % 3);
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    assert!(outcomes.is_empty(), "nothing has left yet");
    producer.flush().unwrap();
    let counters = producer.metrics();
    assert_eq!(counters.records_acknowledged, 30);
    assert_eq!(
        outcomes.ready(),
        30,
        "all callbacks ran before flush returned"
    );
    assert_eq!(cluster.counters().batches, 3);
    // A flush of nothing returns, too.
    producer.flush().unwrap();
}

/// A flush must not go on hurrying what comes after it.
#[test]
fn records_after_a_flush_linger_again() {
    let (cluster, producer) = lingering_for_ever().topic("t", 1).start();
    send_all(&producer, "t", &["a"]);
    for _ in 0..10 {
        producer
            .send(ProducerRecord::new("t", "b"), ignore)
            .unwrap();
    }
    send_all(&producer, "t", &["c"]);
    let records: Vec<_> = cluster
        .batches("t", 0)
        .iter()
        .map(|one| one.records)
        .collect();
    assert_eq!(records, [1, 11]);
}

#[test]
fn close_sends_what_lingers_and_waits_for_its_callbacks() {
    let (cluster, producer) = lingering_for_ever().topic("t", 3).start();
    let outcomes = Outcomes::new();
    for number in 0..30 {
        let record = ProducerRecord::new("t", "v").partition(number % 3);
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    let report = producer.close().unwrap();
    assert_eq!((report.acknowledged, report.failed), (30, 0));
    assert_eq!(
        outcomes.ready(),
        30,
        "all callbacks ran before close returned"
    );
    assert_eq!(cluster.counters().batches, 3);
}

/// Two brokers, of which the first hangs while records are sent to it; the second one shows when
/// the I/O thread has looked at them.
struct Hanging {
    cluster: MockCluster,
    producer: Producer<str, str>,
    partitions: [Vec<i32>; 2],
    batches_before: u64,
}

impl Hanging {
    fn new(setup: Setup) -> Self {
        let (cluster, producer) = setup.brokers(2).topic("t", 16).set("linger.ms", 0).start();
        let led_by = |node| {
            (0..16)
                .filter(|one| cluster.leader("t", *one) == Some(node))
                .collect()
        };
        let partitions: [Vec<i32>; 2] = [led_by(1), led_by(2)];
        for led in &partitions {
            // Both are connected from here on.
            let record = ProducerRecord::new("t", "first").partition(led[0]);
            producer.send_wait(record).unwrap();
        }
        cluster.pause_broker(1);
        let batches_before = producer.metrics().batches_sent;
        Self {
            cluster,
            producer,
            partitions,
            batches_before,
        }
    }

    /// Sends a record to the broker that hangs; gives how many batches it was sent so far.
    fn send(&mut self, index: usize, outcomes: &Outcomes<usize>) -> u64 {
        let record = ProducerRecord::new("t", "v").partition(self.partitions[0][index]);
        self.producer
            .send(record, outcomes.callback(index))
            .unwrap();
        let sync = ProducerRecord::new("t", "sync").partition(self.partitions[1][0]);
        self.producer.send_wait(sync).unwrap();
        self.batches_before += 1;
        self.producer.metrics().batches_sent - self.batches_before
    }

    /// How many batches each Produce request had that the broker got from now on.
    fn batches_after_resuming(&self, outcomes: &Outcomes<usize>, records: usize) -> Vec<usize> {
        let before = produced(&self.cluster).len();
        self.cluster.resume_broker(1);
        outcomes.acknowledged(records);
        let requests = produced(&self.cluster).split_off(before);
        requests.iter().map(|(_, batches)| batches.len()).collect()
    }
}

/// Until its batch is acknowledged the next one waits, so that a retry is not overtaken.
#[test]
fn without_idempotence_a_partition_has_at_most_one_unacknowledged_batch() {
    let setup = Setup::new()
        .set("enable.idempotence", false)
        .set("batch.size", 0);
    let mut hanging = Hanging::new(setup);
    let outcomes = Outcomes::new();
    let in_flight: Vec<_> = (0..4).map(|_| hanging.send(0, &outcomes)).collect();
    assert_eq!(in_flight, [1, 1, 1, 1]);
    assert_eq!(hanging.send(1, &outcomes), 2, "another partition goes on");
    let requests = hanging.batches_after_resuming(&outcomes, 5);
    assert_eq!(requests, [1, 1, 1, 1, 1]);
}

/// The broker puts what it gets into order by its sequences, once it has taken the first batch.
#[test]
fn with_idempotence_a_partition_has_at_most_five_unacknowledged_batches() {
    let mut hanging = Hanging::new(Setup::new().set("batch.size", 0));
    let outcomes = Outcomes::new();
    let in_flight: Vec<_> = (0..7).map(|_| hanging.send(0, &outcomes)).collect();
    assert_eq!(in_flight, [1, 2, 3, 4, 5, 5, 5]);
    let requests = hanging.batches_after_resuming(&outcomes, 7);
    assert_eq!(requests, [1; 7]);

    let mut hanging = Hanging::new(Setup::new().set("batch.size", 0));
    let in_flight: Vec<_> = (0..3).map(|_| hanging.send(1, &outcomes)).collect();
    assert_eq!(in_flight, [1, 1, 1], "its first batch is not acknowledged");
    hanging.batches_after_resuming(&outcomes, 3);
}

#[test]
fn requests_in_flight_are_limited_for_each_connection() {
    let in_flight = "max.in.flight.requests.per.connection";
    let mut hanging = Hanging::new(Setup::new().set(in_flight, 3));
    let outcomes = Outcomes::new();
    let sent: Vec<_> = (0..8).map(|one| hanging.send(one, &outcomes)).collect();
    assert_eq!(sent, [1, 2, 3, 3, 3, 3, 3, 3]);
    // All that has waited meanwhile goes into one request.
    assert_eq!(hanging.batches_after_resuming(&outcomes, 8), [1, 1, 1, 5]);
}

#[test]
fn with_one_request_in_flight_batches_gather_behind_it() {
    let in_flight = "max.in.flight.requests.per.connection";
    let mut hanging = Hanging::new(Setup::new().set(in_flight, 1));
    let outcomes = Outcomes::new();
    let sent: Vec<_> = (0..8).map(|one| hanging.send(one, &outcomes)).collect();
    assert_eq!(sent, [1; 8]);
    assert_eq!(hanging.batches_after_resuming(&outcomes, 8), [1, 7]);
}

/// While its predecessor is on its way a batch goes on filling.
#[test]
fn records_gather_in_one_batch_while_the_one_before_is_on_its_way() {
    let mut hanging = Hanging::new(Setup::new().set("enable.idempotence", false));
    let outcomes = Outcomes::new();
    for _ in 0..6 {
        hanging.send(2, &outcomes);
    }
    let partition = hanging.partitions[0][2];
    assert_eq!(hanging.batches_after_resuming(&outcomes, 6), [1, 1]);
    let batches = hanging.cluster.batches("t", partition);
    let records: Vec<_> = batches.iter().map(|one| one.records).collect();
    assert_eq!(records, [1, 5]);
}

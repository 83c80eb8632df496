//! What a record allocates on its way into an open batch: a binary of its own, because it counts every
//! allocation of a thread.
#![expect(
    clippy::unwrap_used,
    reason = "helpers outside of test functions are tests, too"
)]

use allocation_counter::measure;
use linger::testing::MockCluster;
use linger::{Error, GroupReport, Producer, ProducerRecord, Properties, RecordMetadata};

const RECORDS: u64 = 10_000;
/// How often a batch of so many records grows: its bytes, its list of records and its list of tokens
/// double about twenty times each.
const GROWTH: u64 = 60;

/// A producer whose first batch takes all records, and stays open.
fn start() -> (MockCluster, Producer<str, str>) {
    let cluster = MockCluster::builder().topic("t", 1).start().unwrap();
    let properties = Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("batch.size", 8 * 1024 * 1024)
        .set("max.request.size", 10 * 1024 * 1024)
        .set("linger.ms", 60_000)
        .set("key.serializer", "string")
        .set("value.serializer", "string");
    (cluster, Producer::new(&properties).unwrap())
}

/// Counts what this thread allocates while it sends the records after the first one.
fn allocations(
    producer: &Producer<str, str>,
    mut send: impl FnMut(ProducerRecord<'_, str, str>, u64),
) -> u64 {
    let value = "v".repeat(100);
    let record = || ProducerRecord::new("t", &value);
    send(record(), 0);
    let counted = measure(|| {
        for number in 1..RECORDS {
            match number % 2 {
                0 => send(record(), number),
                _ => send(record().key("user123"), number),
            }
        }
    });
    assert_eq!(producer.metrics().batches_sent, 0, "all in one open batch");
    producer.flush().unwrap();
    assert_eq!(producer.metrics().records_acknowledged, RECORDS);
    counted.count_total
}

#[test]
fn a_callback_that_captures_nothing_costs_nothing() {
    let (_cluster, producer) = start();
    let count = allocations(&producer, |record, _| {
        producer.send(record, |_| ()).unwrap();
    });
    assert!(count <= GROWTH, "{count}");
}

#[test]
fn a_callback_that_captures_something_is_one_allocation() {
    let (_cluster, producer) = start();
    let count = allocations(&producer, |record, number| {
        let callback = move |_| assert!(number < RECORDS);
        producer.send(record, callback).unwrap();
    });
    let expected = RECORDS - 1..=RECORDS - 1 + GROWTH;
    assert!(expected.contains(&count), "the counter counts: {count}");
}

#[test]
fn a_record_of_a_group_costs_nothing_whatever_its_token_is() {
    let (_cluster, producer) = start();
    let group = producer.group(|number: [u64; 4], _: Result<&RecordMetadata, &Error>| {
        assert!(number.iter().all(|one| *one < RECORDS));
    });
    let count = allocations(&producer, |record, number| {
        group.send(record, [number; 4]).unwrap();
    });
    assert!(count <= GROWTH, "{count}");
}

#[test]
fn nor_if_several_groups_take_turns() {
    let (_cluster, producer) = start();
    let each = producer.group(|_: u64, _: Result<&RecordMetadata, &Error>| ());
    let once = producer.group_once(|report: GroupReport<u64>| {
        assert_eq!(report.acknowledged, RECORDS.div_ceil(3));
    });
    let count = allocations(&producer, |record, number| match number % 3 {
        0 => once.send(record, number).unwrap(),
        1 => each.send(record, number).unwrap(),
        _ => producer.send(record, |_| ()).unwrap(),
    });
    once.done();
    assert!(count <= 2 * GROWTH, "{count}");
    assert_eq!(producer.metrics().callbacks_panicked, 0);
}

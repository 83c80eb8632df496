//! What a record allocates on its way into an open batch: a binary of its own, because it counts every
//! allocation of a thread.
#![expect(
    clippy::unwrap_used,
    reason = "helpers outside of test functions are tests, too"
)]

use allocation_counter::measure;
use linger::testing::MockCluster;
use linger::{
    Acknowledgement, Error, GroupReport, InterceptedRecord, Producer, ProducerInterceptor,
    ProducerRecord, Properties, PropertyObject, RecordMetadata,
};

const RECORDS: u64 = 10_000;
/// How often a batch of so many records grows: its bytes, its list of records and its list of tokens
/// double about twenty times each.
const GROWTH: u64 = 60;

/// A producer whose first batch takes all records, and stays open.
fn start() -> (MockCluster, Producer<str, str>) {
    start_with(Properties::new())
}

/// The same, with more properties.
fn start_with(more: Properties) -> (MockCluster, Producer<str, str>) {
    let cluster = MockCluster::builder().topic("t", 1).start().unwrap();
    let properties = more
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

/// Looks at all of a record, and changes what takes no memory.
struct Looks;

impl ProducerInterceptor for Looks {
    fn on_send(
        &self,
        record: &mut InterceptedRecord<'_>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        assert_eq!(record.headers().count(), 0);
        assert_eq!(record.value().map(<[u8]>::len), Some(100));
        record.set_timestamp_ms(Some(1));
        record.set_value(b"static");
        Ok(())
    }

    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
        assert!(acknowledgement.result().is_ok());
    }
}

#[test]
fn nor_does_an_interceptor_that_makes_nothing_new() {
    let looks = PropertyObject::interceptor(Looks);
    let (cluster, producer) =
        start_with(Properties::new().set_object("interceptor.classes", looks));
    let count = allocations(&producer, |record, _| {
        producer.send(record, |_| ()).unwrap();
    });
    assert!(count <= GROWTH, "{count}");
    let last = cluster.records("t", 0).pop().unwrap();
    assert_eq!(last.value.as_deref(), Some(b"static".as_slice()), "it ran");
}

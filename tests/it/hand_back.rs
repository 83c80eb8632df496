//! Records that a close could not deliver: counted by fate, and handed back to whoever asks.

use linger::testing::Api;
use linger::{ErrorCode, Fate, Producer, ProducerRecord, UndeliveredRecord};

use crate::logged::{is_logged, keep_log};
use crate::support::{
    Outcomes, PATIENCE, Setup, close_and_return_at_once, ignore, send_all, values,
};

/// Two partitions; nothing leaves before somebody asks for it.
fn setup() -> Setup {
    Setup::new()
        .topic("orders", 2)
        .set("linger.ms", 60_000)
        .set("delivery.timeout.ms", 90_000)
}

fn send(producer: &Producer<str, str>, partition: i32, value: &str) {
    let record = ProducerRecord::new("orders", value).partition(partition);
    producer.send(record, ignore).unwrap();
}

/// The values of a partition's records, in the order in which they came back.
pub(crate) fn values_of(records: &[UndeliveredRecord], partition: i32) -> Vec<String> {
    let of_partition = records.iter().filter(|one| one.partition() == partition);
    of_partition
        .map(|one| String::from_utf8(one.value().unwrap().to_vec()).unwrap())
        .collect()
}

/// Fifty values to each of two partitions in turn; a callback's tag is partition and value.
pub(crate) fn send_fifty_each(
    producer: &Producer<str, str>,
    outcomes: &Outcomes<(i32, String)>,
) -> Vec<String> {
    let values: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    for value in &values {
        for partition in [1, 0] {
            let record = ProducerRecord::new("orders", value).partition(partition);
            let callback = outcomes.callback((partition, value.clone()));
            producer.send(record, callback).unwrap();
        }
    }
    values
}

#[test]
fn close_hands_back_what_was_never_sent_in_the_order_of_send() {
    let (cluster, producer) = setup().start();
    let outcomes = Outcomes::new();
    let values = send_fifty_each(&producer, &outcomes);
    let (report, records) = close_and_return_at_once(&producer);
    assert_eq!((report.acknowledged, report.failed), (0, 100));
    assert_eq!((report.not_written, report.may_be_written), (100, 0));
    assert_eq!(values_of(&records, 0), values);
    assert_eq!(values_of(&records, 1), values);
    for record in &records {
        assert_eq!(record.topic(), "orders");
        assert_eq!(record.fate(), Fate::NotWritten);
        assert!(record.error().is_closed(), "{record:?}");
    }
    assert_eq!(outcomes.ready(), 100, "their callbacks have run");
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
    assert_eq!(cluster.counters().records, 0);
}

#[test]
fn close_tells_apart_what_was_sent_and_what_was_not() {
    let (cluster, producer) = setup().set("linger.ms", 0).set("batch.size", 200).start();
    cluster.on(Api::Produce).silence();
    send(&producer, 0, "on its way");
    assert!(cluster.wait_until(PATIENCE, |view| view.counters().produce_requests == 1));
    let behind: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    for value in &behind {
        send(&producer, 0, value);
    }
    let (report, records) = close_and_return_at_once(&producer);
    assert_eq!((report.not_written, report.may_be_written), (50, 1));
    assert_eq!((report.acknowledged, report.failed), (0, 51));
    let returned = values_of(&records, 0);
    assert_eq!((&*returned[0], &returned[1..]), ("on its way", &behind[..]));
    let doubtful = |one: &&UndeliveredRecord| one.fate() == Fate::MayBeWritten;
    assert_eq!(records.iter().take_while(doubtful).count(), 1);
    assert_eq!(records.iter().filter(doubtful).count(), 1);
}

#[test]
fn a_record_comes_back_whole_and_can_be_sent_again() {
    let (_cluster, producer) = setup().start();
    let record = ProducerRecord::new("orders", "value")
        .key("key")
        .partition(1)
        .timestamp(4711)
        .header("name", "one")
        .null_header("name");
    producer.send(record, ignore).unwrap();
    let record = ProducerRecord::tombstone("orders").partition(1);
    producer.send(record, ignore).unwrap();
    let (_, records) = close_and_return_at_once(&producer);
    let [whole, tombstone] = &records[..] else {
        panic!("two records: {records:?}");
    };
    assert_eq!(
        (whole.timestamp_ms(), whole.key()),
        (4711, Some(&b"key"[..]))
    );
    let headers: Vec<_> = whole.headers().collect();
    assert_eq!(headers, [("name", Some(&b"one"[..])), ("name", None)]);
    assert_eq!((tombstone.key(), tombstone.value()), (None, None));

    let (cluster, again) = Setup::new()
        .set("key.serializer", "bytes")
        .set("value.serializer", "bytes")
        .topic("orders", 2)
        .start_for::<[u8], [u8]>();
    for record in &records {
        again.send(record.as_record(), ignore).unwrap();
    }
    again.close().unwrap();
    let written = cluster.records("orders", 1);
    assert_eq!(written[0].timestamp_ms, 4711);
    assert_eq!(written[0].key.as_deref(), whole.key());
    assert_eq!(written[0].value.as_deref(), whole.value());
    assert_eq!(written[0].headers.len(), 2);
    assert_eq!(written[1].value, None);
}

#[test]
fn what_is_acknowledged_or_failed_before_does_not_come_back() {
    let (cluster, producer) = setup().start();
    send_all(&producer, "orders", &["acknowledged"]);
    cluster.on(Api::Produce).answer(ErrorCode::POLICY_VIOLATION);
    send(&producer, 0, "refused");
    producer.flush().unwrap();
    send(&producer, 0, "acknowledged while closing");
    let (report, records) = producer.close_and_return(PATIENCE).unwrap();
    assert_eq!((report.acknowledged, report.failed), (1, 0));
    assert!(records.is_empty(), "{records:?}");
    let (_, records) = producer.close_and_return(PATIENCE).unwrap();
    assert!(records.is_empty(), "closing again finds nothing");
}

#[test]
fn a_record_that_a_broker_refuses_while_closing_comes_back_with_its_error() {
    let (cluster, producer) = setup().start();
    let fault = cluster.on(Api::Produce).message("too blue");
    fault.answer(ErrorCode::POLICY_VIOLATION);
    send(&producer, 0, "blue");
    let (report, records) = producer.close_and_return(PATIENCE).unwrap();
    assert_eq!((report.not_written, report.may_be_written), (1, 0));
    assert_eq!(values_of(&records, 0), ["blue"]);
    let error = records[0].error();
    assert_eq!(error.broker_code(), Some(ErrorCode::POLICY_VIOLATION));
    assert!(values(&cluster, "orders", 0).is_empty());
}

#[test]
fn a_drop_that_loses_records_says_how_many() {
    keep_log();
    let (cluster, producer) = setup()
        .set("linger.ms", 0)
        .set("request.timeout.ms", 2_000)
        .set("delivery.timeout.ms", 2_000)
        .start();
    cluster.on(Api::Produce).silence();
    send(&producer, 0, "on its way");
    assert!(cluster.wait_until(PATIENCE, |view| view.counters().produce_requests == 1));
    // No other connection is taken up, so whichever records outlive the first are not sent either.
    cluster.pause_broker(1);
    for _ in 0..17 {
        send(&producer, 0, "behind");
    }
    drop(producer);
    assert!(is_logged(&[
        "WARN",
        "17 records were not written, 1 may be"
    ]));
}

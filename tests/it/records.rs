//! Records that own what they are made of, and how they leave the function that made them.

use std::borrow::Cow;
use std::sync::Arc;

use linger::{BytesProducer, Header, OwnedProducerRecord, Producer, ProducerRecord};

use crate::support::{Outcomes, Setup, ignore};

/// Adds what is made here.
fn traced<'a>(record: ProducerRecord<'a, str, str>, id: u64) -> ProducerRecord<'a, str, str> {
    record
        .header("id", id.to_be_bytes())
        .header(format!("id-{id}"), format!("{id}"))
        .header("text", id.to_string().into_bytes())
}

/// A topic that is made here.
fn of_tenant<'a>(tenant: &str, value: &'a str) -> ProducerRecord<'a, str, str> {
    ProducerRecord::new(format!("orders-{tenant}"), value)
}

fn owned(id: u64, value: Option<&str>) -> OwnedProducerRecord<String, Vec<u8>> {
    let record = match value {
        Some(value) => OwnedProducerRecord::new(format!("orders-{id}"), value.into()),
        None => OwnedProducerRecord::tombstone(format!("orders-{id}")),
    };
    record
        .key(format!("order-{id}"))
        .partition(0)
        .timestamp(1_234)
        .header("source", "shop")
        .header("id", id.to_be_bytes())
        .null_header("none")
}

#[test]
fn a_record_may_own_its_topic_and_its_headers() {
    let (cluster, producer) = Setup::new().start();
    let record = traced(of_tenant("7", "placed"), 42);
    let kept = record.to_owned_record();
    producer.send(record, ignore).unwrap();
    producer.flush().unwrap();
    let seen = cluster.records("orders-7", 0).remove(0);
    let expected = [
        ("id".to_owned(), Some(42u64.to_be_bytes().to_vec())),
        ("id-42".to_owned(), Some(b"42".to_vec())),
        ("text".to_owned(), Some(b"42".to_vec())),
    ];
    assert_eq!(seen.headers, expected);
    assert_eq!(kept.headers, expected);
    assert_eq!(kept.topic, "orders-7");
}

#[test]
fn a_topic_may_be_whatever_is_a_text() {
    let shared: Arc<str> = Arc::from("t");
    let (string, boxed) = (String::from("t"), Box::<str>::from("t"));
    let records: [ProducerRecord<'_, str, str>; 7] = [
        ProducerRecord::new("t", "v"),
        ProducerRecord::new("t", "v"),
        ProducerRecord::new(&string, "v"),
        ProducerRecord::new(string.clone(), "v"),
        ProducerRecord::new(&shared, "v"),
        ProducerRecord::new(&boxed, "v"),
        ProducerRecord::new(Cow::Borrowed("t"), "v"),
    ];
    let (_cluster, producer) = Setup::new().topic("t", 1).start();
    for record in records {
        assert_eq!(producer.send_wait(record).unwrap().topic(), "t");
    }
}

#[test]
fn headers_come_from_an_iterator() {
    let (cluster, producer) = Setup::new().topic("t", 1).start();
    let from_elsewhere = vec![
        ("a".to_owned(), Some(b"1".to_vec())),
        ("b".to_owned(), None),
    ];
    let record = ProducerRecord::new("t", "v")
        .headers(
            from_elsewhere
                .iter()
                .map(|(name, value)| (name, value.as_ref())),
        )
        .headers([("c", "3"), ("d", "")])
        .headers([Header {
            name: "e",
            value: None,
        }])
        .headers([("a", [7u8])])
        .headers(from_elsewhere.clone());
    producer.send_wait(record).unwrap();
    let seen = cluster.records("t", 0).remove(0).headers;
    let text = |value: &Option<Vec<u8>>| value.as_deref().map(<[u8]>::to_vec);
    let seen: Vec<_> = seen
        .iter()
        .map(|(name, value)| (name.as_str(), text(value)))
        .collect();
    let some = |bytes: &[u8]| Some(bytes.to_vec());
    let expected = [
        ("a", some(b"1")),
        ("b", None),
        ("c", some(b"3")),
        ("d", some(b"")),
        ("e", None),
        ("a", some(&[7])),
        ("a", some(b"1")),
        ("b", None),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_key_may_be_left_out() {
    let (cluster, producer) = Setup::new().topic("t", 1).start();
    let key = Some(String::from("k"));
    for key in [key.as_ref(), None] {
        producer
            .send_wait(ProducerRecord::new("t", "v").key_opt(key))
            .unwrap();
    }
    let keys: Vec<_> = cluster
        .records("t", 0)
        .into_iter()
        .map(|one| one.key)
        .collect();
    assert_eq!(keys, [Some(b"k".to_vec()), None]);
}

#[test]
fn an_owned_record_is_built_sent_and_sent_again() {
    let (cluster, producer): (_, Producer<str, [u8]>) =
        Setup::new().set("value.serializer", "bytes").start_for();
    let outcomes = Outcomes::new();
    let (placed, deleted) = (owned(1, Some("placed")), owned(1, None));
    producer.send_owned(&placed, outcomes.callback(1)).unwrap();
    let group = producer.group(|_: u8, result| assert!(result.is_ok()));
    group.send_owned(&deleted, 1).unwrap();
    let once = producer.group_once(|report| assert_eq!(report.acknowledged, 1));
    once.send_owned(&placed, 1).unwrap();
    once.done();
    producer.close().unwrap();
    outcomes.acknowledged(1);
    assert_eq!(producer.metrics().callbacks_panicked, 0);
    let seen = cluster.records("orders-1", 0);
    let values: Vec<_> = seen.iter().map(|one| one.value.as_deref()).collect();
    let value = Some(b"placed".as_slice());
    assert_eq!(values, [value, None, value]);
    for record in seen {
        assert_eq!(record.key.as_deref(), Some(b"order-1".as_slice()));
        assert_eq!(record.timestamp_ms, 1_234);
        assert_eq!(record.headers, placed.headers);
    }
    let late = producer.send_owned(&placed, ignore).unwrap_err();
    assert!(late.is_closed(), "and it is still ours: {placed:?}");
}

#[test]
fn a_producer_of_bytes_takes_all_that_borrow_as_bytes() {
    let (cluster, producer): (_, BytesProducer) = Setup::new()
        .set("key.serializer", "bytes")
        .set("value.serializer", "bytes")
        .topic("t", 1)
        .start_for();
    let (text, vec) = (String::from("text"), vec![1, 2]);
    for record in [
        ProducerRecord::new("t", b"array"),
        ProducerRecord::new("t", &vec).key(b"k"),
        ProducerRecord::new("t", text.as_bytes()),
    ] {
        producer.send_wait(record).unwrap();
    }
    assert_eq!(cluster.records("t", 0).len(), 3);
}

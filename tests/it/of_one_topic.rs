//! Settings of one topic: what brokers see of them, and when records of each topic fail.

use std::collections::BTreeSet;
use std::sync::Arc;

use linger::testing::MockRequestContent;
use linger::{ErrorKind, Producer, ProducerRecord, Properties, Result};

use crate::support::{Outcomes, Setup, ignore, send_all, values, wait_for_records};

/// Two brokers, three topics, and each of them asks for other acks.
fn three_kinds() -> Setup {
    let setup = Setup::new().brokers(2).set("enable.idempotence", false);
    let setup = ["orders", "my.clicks", "logs"]
        .into_iter()
        .fold(setup, |setup, topic| setup.topic(topic, 2));
    setup
        .set("topic.my.clicks.acks", 0)
        .set("topic.logs.acks", 1)
}

fn acks_of(topic: &str) -> i16 {
    match topic {
        "orders" => -1,
        "my.clicks" => 0,
        _ => 1,
    }
}

#[test]
fn acks_are_asked_for_by_topic_in_requests_of_their_own() {
    let (cluster, producer) = three_kinds()
        .set("linger.ms", 1)
        .set("batch.size", 200)
        .start();
    let outcomes = Outcomes::new();
    let topics = ["orders", "my.clicks", "logs"];
    for number in 0..200 {
        for topic in topics {
            let value = format!("{number:03}");
            let record = ProducerRecord::new(topic, value.as_str()).partition(number % 2);
            producer.send(record, outcomes.callback(topic)).unwrap();
        }
    }
    producer.flush().unwrap();
    for (topic, landed) in outcomes.acknowledged(600) {
        assert_eq!(landed.offset().is_some(), topic != "my.clicks", "{landed}");
    }
    let mut seen = BTreeSet::new();
    for request in cluster.requests() {
        let MockRequestContent::Produce {
            acks, partitions, ..
        } = request.content
        else {
            continue;
        };
        for partition in partitions {
            assert_eq!(acks, acks_of(&partition.topic), "{partition:?}");
            seen.insert(partition.topic);
        }
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    for topic in topics {
        for partition in 0..2 {
            // Without acks a callback does not wait for the broker.
            wait_for_records(&cluster, topic, 200);
            let sent = (0..200).filter(|number| number % 2 == partition);
            let sent: Vec<_> = sent.map(|number| format!("{number:03}")).collect();
            assert_eq!(values(&cluster, topic, partition), sent, "{topic}");
        }
    }
    assert_eq!(cluster.violations(), [""; 0]);
}

#[test]
fn idempotence_goes_with_a_topic_of_its_own_time() {
    let (cluster, producer) = Setup::new()
        .topic("orders", 1)
        .topic("logs", 1)
        .set("topic.logs.acks", "all")
        .set("topic.logs.delivery.timeout.ms", 60_000)
        .start();
    send_all(&producer, "orders", &["a"]);
    send_all(&producer, "logs", &["b"]);
    for topic in ["orders", "logs"] {
        assert!(cluster.batches(topic, 0)[0].producer_id >= 0, "{topic}");
    }
}

#[test]
fn batches_are_compressed_as_their_topic_says() {
    let topics = [
        ("common", "zstd"),
        ("plain", "none"),
        ("my.json", "gzip"),
        ("fast", "lz4"),
    ];
    let setup = topics
        .into_iter()
        .fold(Setup::new(), |setup, (topic, _)| setup.topic(topic, 1));
    let (cluster, producer) = setup
        .set("compression.type", "zstd")
        .set("topic.plain.compression.type", "none")
        .set("topic.my.json.compression.type", "gzip")
        .set("topic.my.json.compression.gzip.level", 9)
        .set("topic.fast.compression.type", "lz4")
        .start();
    let value = "the same words again and again, ".repeat(20);
    for (topic, codec) in topics {
        send_all(&producer, topic, &[&value]);
        assert_eq!(cluster.batches(topic, 0)[0].compression, codec, "{topic}");
        assert_eq!(values(&cluster, topic, 0), [value.as_str()], "{topic}");
    }
}

#[test]
fn a_level_of_one_topic_makes_its_batches_smaller() {
    let (cluster, producer) = Setup::new()
        .topic("quick", 1)
        .topic("small", 1)
        .set("compression.type", "zstd")
        .set("compression.zstd.level", -1_000)
        .set("topic.small.compression.zstd.level", 19)
        .start();
    let text = |number: u64| format!("{},{};", number * number % 977, number % 7);
    let value: String = (0..2_000).map(text).collect();
    for topic in ["quick", "small"] {
        send_all(&producer, topic, &[&value]);
    }
    let bytes = |topic: &str| cluster.batches(topic, 0)[0].bytes;
    let (quick, small) = (bytes("quick"), bytes("small"));
    assert!(small < quick, "{small} and {quick} bytes");
}

/// Records of "hasty" have two seconds, the others a minute.
fn two_times() -> Setup {
    Setup::new()
        .topic("patient", 1)
        .topic("hasty", 1)
        .set("linger.ms", 0)
        .set("request.timeout.ms", 200)
        .set("delivery.timeout.ms", 60_000)
        .set("topic.hasty.delivery.timeout.ms", 2_000)
}

#[test]
fn records_of_each_topic_expire_in_its_own_time() {
    let (cluster, producer) = two_times().start();
    send_all(&producer, "patient", &["the topics are known"]);
    send_all(&producer, "hasty", &["the topics are known"]);
    cluster.pause_broker(1);
    let outcomes = Outcomes::new();
    for topic in ["patient", "hasty"] {
        let record = ProducerRecord::new(topic, "late");
        producer.send(record, outcomes.callback(topic)).unwrap();
    }
    let (topic, result) = outcomes.next();
    assert_eq!(topic, "hasty");
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let limit = "topic.hasty.delivery.timeout.ms (2000 ms)";
    assert!(error.to_string().contains(limit), "{error}");
    cluster.resume_broker(1);
    assert_eq!(outcomes.acknowledged(1)[0].0, "patient");
}

#[test]
fn close_waits_for_the_topic_that_may_take_longest() {
    let setup = two_times()
        .set("delivery.timeout.ms", 300)
        .set("topic.patient.delivery.timeout.ms", 60_000);
    let (cluster, producer) = setup.start();
    let cluster = Arc::new(cluster);
    send_all(&producer, "patient", &["the topics are known"]);
    send_all(&producer, "hasty", &["the topics are known"]);
    cluster.pause_broker(1);
    let patient = ProducerRecord::new("patient", "late");
    producer.send(patient, ignore).unwrap();
    let hasty = ProducerRecord::new("hasty", "late");
    let other = Arc::clone(&cluster);
    let tell = move |_: Result<_>| other.resume_broker(1);
    producer.send(hasty, tell).unwrap();
    let report = producer.close().unwrap();
    assert_eq!((report.acknowledged, report.failed), (1, 1));
}

#[test]
fn a_producer_is_not_made_from_what_contradicts_itself() {
    let properties = Properties::from([
        ("bootstrap.servers", "localhost:1"),
        ("key.serializer", "string"),
        ("value.serializer", "string"),
        ("topic.my.logs.acks", "1"),
    ]);
    let error = Producer::<str, str>::new(&properties).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.starts_with("topic.my.logs.acks must be all"), "{text}");
}

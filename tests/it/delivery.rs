//! What was sent is what arrives, and the outcome tells where.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use linger::testing::{Api, MockCluster, MockRequestContent, MockView};
use linger::{ErrorKind, OwnedProducerRecord, Producer, ProducerRecord};

use crate::fakes::Padder;
use crate::support::{Outcomes, PATIENCE, Setup, ignore, values, wait_for_records};

/// Longer than any test may take: whoever waits for it fails.
const FOR_EVER_MS: u64 = 300_000;

#[test]
fn the_outcome_prints_where_the_record_landed() {
    let (cluster, producer) = Setup::new().topic("orders", 3).start();
    let outcomes = Outcomes::new();
    for number in 0..2 {
        let record = ProducerRecord::new("orders", "placed")
            .key("user123")
            .partition(2);
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    producer.flush().unwrap();
    let landed = outcomes.acknowledged(2);
    assert_eq!(landed[0].1.to_string(), "orders-2@0");
    assert_eq!(landed[1].1.to_string(), "orders-2@1");
    assert_eq!(landed[1].1.topic(), "orders");
    assert_eq!(landed[1].1.partition(), 2);
    assert_eq!(landed[1].1.offset(), Some(1));
    assert_eq!(landed[1].1.key_size(), Some(7));
    assert_eq!(landed[1].1.value_size(), Some(6));
    assert_eq!(cluster.records("orders", 2).len(), 2);
}

#[test]
fn keys_values_headers_and_timestamps_arrive_as_they_were_sent() {
    let (cluster, producer) = Setup::new().topic("t", 1).start();
    let full = ProducerRecord::new("t", "value")
        .key("key")
        .timestamp(1_700_000_000_123)
        .header("name", b"first")
        .header("other", [0, 255])
        .header("name", b"second")
        .header("empty", b"")
        .null_header("null")
        .header("", b"no name");
    let earlier = ProducerRecord::new("t", "").key("").timestamp(0);
    let nothing = ProducerRecord::tombstone("t").timestamp(i64::MAX);
    let sent = [full, earlier, nothing];
    let handles = sent.map(|record| producer.send_with_handle(record).unwrap());
    let landed = handles.map(|handle| handle.wait().unwrap());

    let records = cluster.records("t", 0);
    assert_eq!(records[0].key.as_deref(), Some(b"key".as_slice()));
    assert_eq!(records[0].value.as_deref(), Some(b"value".as_slice()));
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let headers = [
        header("name", Some(b"first")),
        header("other", Some(&[0, 255])),
        header("name", Some(b"second")),
        header("empty", Some(b"")),
        header("null", None),
        header("", Some(b"no name")),
    ];
    assert_eq!(records[0].headers, headers);
    assert_eq!(records[1].key.as_deref(), Some([].as_slice()));
    assert_eq!(records[1].value.as_deref(), Some([].as_slice()));
    assert!(records[1].headers.is_empty());
    assert_eq!((&records[2].key, &records[2].value), (&None, &None));

    let timestamps = [1_700_000_000_123, 0, i64::MAX];
    assert_eq!(
        landed.each_ref().map(|one| one.timestamp_ms()),
        timestamps,
        "told to the caller"
    );
    let written: Vec<_> = records.iter().map(|record| record.timestamp_ms).collect();
    assert_eq!(written, timestamps, "written to the log");
    let sizes = landed.map(|one| (one.key_size(), one.value_size()));
    assert_eq!(
        sizes,
        [(Some(3), Some(5)), (Some(0), Some(0)), (None, None)]
    );
}

#[test]
fn a_record_without_a_timestamp_gets_the_time_of_send() {
    let (cluster, producer) = Setup::new().topic("t", 1).start();
    let before = now_ms();
    let landed = producer.send_wait(ProducerRecord::new("t", "v")).unwrap();
    assert!((before..=now_ms()).contains(&landed.timestamp_ms()));
    let written = cluster.records("t", 0)[0].timestamp_ms;
    assert_eq!(landed.timestamp_ms(), written);
}

#[test]
fn a_topic_that_stamps_records_itself_tells_the_brokers_time() {
    let (cluster, producer) = Setup::new()
        .cluster(|cluster| cluster.log_append_time_topic("t", 1))
        .start();
    let before = now_ms();
    let record = ProducerRecord::new("t", "v").timestamp(17);
    let landed = producer.send_wait(record).unwrap();
    assert!((before..=now_ms()).contains(&landed.timestamp_ms()));
    assert_eq!(
        cluster.records("t", 0)[0].timestamp_ms,
        landed.timestamp_ms()
    );
}

#[expect(clippy::disallowed_methods, reason = "compared with a broker's stamp")]
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_millis()).unwrap()
}

#[test]
fn every_level_of_acks_is_asked_for_and_only_zero_has_no_offset() {
    for (acks, wire, offset) in [("0", 0, None), ("1", 1, Some(0)), ("all", -1, Some(0))] {
        let (cluster, producer) = Setup::new().topic("t", 1).set("acks", acks).start();
        let landed = producer.send_wait(ProducerRecord::new("t", "v")).unwrap();
        assert_eq!(landed.offset(), offset, "acks={acks}");
        let printed = if offset.is_some() { "t-0@0" } else { "t-0@?" };
        assert_eq!(landed.to_string(), printed);
        wait_for_records(&cluster, "t", 1);
        let asked = cluster
            .requests()
            .into_iter()
            .find_map(|one| match one.content {
                MockRequestContent::Produce { acks, .. } => Some(acks),
                _ => None,
            });
        assert_eq!(asked, Some(wire), "acks={acks}");
    }
}

#[test]
fn without_acks_many_records_arrive_in_order() {
    let (cluster, producer) = Setup::new()
        .topic("t", 1)
        .set("acks", 0)
        .set("batch.size", 200)
        .start();
    let outcomes = Outcomes::new();
    for number in 0..500 {
        let text = number.to_string();
        let record = ProducerRecord::new("t", &text);
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    producer.close().unwrap();
    let order = outcomes.acknowledged(500).into_iter().map(|(tag, _)| tag);
    assert!(order.eq(0..500));
    wait_for_records(&cluster, "t", 500);
    let sent: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    assert_eq!(values(&cluster, "t", 0), sent);
}

#[test]
fn callbacks_run_in_send_order_in_each_partition() {
    let (cluster, producer) = Setup::new()
        .brokers(3)
        .topic("t", 3)
        .set("batch.size", 300)
        .start();
    let outcomes = Outcomes::new();
    for number in 0..900 {
        let text = number.to_string();
        let record = ProducerRecord::new("t", &text).partition(number % 3);
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    producer.flush().unwrap();
    let mut by_partition: BTreeMap<i32, Vec<(i32, i64)>> = BTreeMap::new();
    for (number, landed) in outcomes.acknowledged(900) {
        assert_eq!(landed.partition(), number % 3);
        let one = by_partition.entry(landed.partition()).or_default();
        one.push((number, landed.offset().unwrap()));
    }
    for (partition, callbacks) in by_partition {
        let expected = (0..300).map(|turn| (turn * 3 + partition, i64::from(turn)));
        assert!(callbacks.into_iter().eq(expected), "partition {partition}");
        let sent: Vec<_> = (0..300)
            .map(|turn| (turn * 3 + partition).to_string())
            .collect();
        assert_eq!(values(&cluster, "t", partition), sent);
    }
}

/// Four threads, each with a clone of the producer, send to five partitions by turns.
#[test]
fn threads_that_share_a_producer_lose_nothing_and_keep_their_order() {
    const THREADS: usize = 4;
    const EACH: usize = 1_000;
    let (cluster, producer) = Setup::new()
        .brokers(2)
        .topic("t", 5)
        .set("batch.size", 1_000)
        .set("linger.ms", 1)
        .start();
    let outcomes = Outcomes::new();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (producer, callbacks) = (producer.clone(), outcomes.callbacks());
            scope.spawn(move || {
                for number in 0..EACH {
                    let text = format!("{thread} {number}");
                    let partition = i32::try_from((thread + number) % 5).unwrap();
                    let record = ProducerRecord::new("t", &text).partition(partition);
                    producer
                        .send(record, callbacks.tagged((thread, number)))
                        .unwrap();
                }
            });
        }
    });
    producer.flush().unwrap();

    let mut arrived: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for partition in 0..5 {
        let mut last = [None; THREADS];
        for value in values(&cluster, "t", partition) {
            let (thread, number) = value.split_once(' ').unwrap();
            let (thread, number): (usize, usize) =
                (thread.parse().unwrap(), number.parse().unwrap());
            assert!(
                last[thread] < Some(number),
                "{thread}'s order in {partition}"
            );
            last[thread] = Some(number);
            arrived.entry(thread).or_default().push(number);
        }
    }
    let mut last = [[None; 5]; THREADS];
    for ((thread, number), landed) in outcomes.acknowledged(THREADS * EACH) {
        let partition = usize::try_from(landed.partition()).unwrap();
        assert!(last[thread][partition] < Some(number), "callbacks in order");
        last[thread][partition] = Some(number);
    }
    assert!(outcomes.is_empty(), "every callback ran once");
    for numbers in arrived.values_mut() {
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..EACH), "each record once");
    }
    assert_eq!(arrived.len(), THREADS);
}

#[test]
fn owned_records_go_through_a_queue_to_another_thread() {
    let (cluster, producer) = Setup::new().topic("t", 2).start();
    let (queue, records) = mpsc::channel::<OwnedProducerRecord<String, String>>();
    let sender = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for owned in records {
                producer.send(owned.as_record(), ignore).unwrap();
            }
            producer.flush()
        });
        let borrowed: ProducerRecord<'_, str, str> = ProducerRecord::new("t", "a")
            .key("k")
            .partition(1)
            .timestamp(5)
            .header("h", b"x")
            .null_header("n");
        queue.send(borrowed.to_owned_record()).unwrap();
        let mut own = OwnedProducerRecord::new("t", "b".to_owned());
        own.partition = Some(1);
        queue.send(own).unwrap();
        drop(queue);
        sender.join().unwrap()
    });
    sender.unwrap();
    assert_eq!(values(&cluster, "t", 1), ["a", "b"]);
    let first = &cluster.records("t", 1)[0];
    assert_eq!(first.key.as_deref(), Some(b"k".as_slice()));
    assert_eq!(first.timestamp_ms, 5);
    let headers = [
        ("h".to_owned(), Some(b"x".to_vec())),
        ("n".to_owned(), None),
    ];
    assert_eq!(first.headers, headers);
}

/// Keys and values may be secret, and what is printed ends up in logs.
#[test]
fn records_print_without_what_they_hold() {
    let record: ProducerRecord<'_, str, str> = ProducerRecord::new("orders", "s3cret")
        .key("s3cret")
        .header("trace", b"s3cret");
    for printed in [
        format!("{record:?}"),
        format!("{:?}", record.to_owned_record()),
    ] {
        assert!(printed.contains("orders"), "{printed}");
        let bytes = format!("{:?}", b"s3cret");
        assert!(
            !printed.contains("s3cret") && !printed.contains(&bytes),
            "{printed}"
        );
    }
}

#[test]
fn whoever_waits_for_a_record_does_not_wait_for_the_linger() {
    let (cluster, producer) = lingering_for_ever().start();
    let landed = producer.send_wait(ProducerRecord::new("t", "now")).unwrap();
    assert_eq!(landed.to_string(), "t-0@0");
    // Its batch takes along what lingered in it, and so does a handle's.
    producer
        .send(ProducerRecord::new("t", "before"), ignore)
        .unwrap();
    let handle = producer.send_with_handle(ProducerRecord::new("t", "with"));
    let landed = handle.unwrap().wait_timeout(PATIENCE).unwrap();
    assert_eq!(landed.offset(), Some(2));
    assert_eq!(values(&cluster, "t", 0), ["now", "before", "with"]);
}

#[test]
fn a_handle_tells_what_it_knows_and_can_be_asked_again() {
    let (cluster, producer) = lingering_for_ever().start();
    producer.partitions_for("t").unwrap();
    cluster.pause_broker(1);
    let handle = producer
        .send_with_handle(ProducerRecord::new("t", "v"))
        .unwrap();
    assert!(handle.try_get().is_none());
    let error = handle.wait_timeout(Duration::from_millis(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(
        error.to_string(),
        "no outcome yet for the record of \"t\"-0"
    );
    cluster.resume_broker(1);
    assert_eq!(handle.wait().unwrap().offset(), Some(0));
    assert_eq!(handle.try_get().unwrap().unwrap().offset(), Some(0));
    assert_eq!(
        handle.wait_timeout(Duration::ZERO).unwrap().offset(),
        Some(0)
    );
}

#[test]
fn many_handles_are_waited_for_together() {
    let (_cluster, producer) = lingering_for_ever().start();
    let handles: Vec<_> = (0..100)
        .map(|_| {
            producer
                .send_with_handle(ProducerRecord::new("t", "v"))
                .unwrap()
        })
        .collect();
    for (offset, handle) in (0..).zip(handles) {
        assert_eq!(handle.wait().unwrap().offset(), Some(offset));
    }
}

fn lingering_for_ever() -> Setup {
    Setup::new()
        .topic("t", 1)
        .set("linger.ms", FOR_EVER_MS)
        .set("delivery.timeout.ms", 2 * FOR_EVER_MS)
}

#[test]
fn a_callback_may_send_the_next_record() {
    let (cluster, producer) = Setup::new().topic("t", 1).start();
    let outcomes = Outcomes::new();
    let (next, outcome) = (producer.clone(), outcomes.callback("second"));
    let first = move |result: linger::Result<_>| {
        result.unwrap();
        next.send(ProducerRecord::new("t", "second"), outcome)
            .unwrap();
    };
    producer
        .send(ProducerRecord::new("t", "first"), first)
        .unwrap();
    let landed = outcomes.acknowledged(1);
    assert_eq!(landed[0].1.to_string(), "t-0@1");
    assert_eq!(values(&cluster, "t", 0), ["first", "second"]);
}

#[test]
fn a_topic_that_grows_while_records_are_sent_gets_them_in_its_new_partitions() {
    let (cluster, producer) = Setup::new()
        .topic("t", 1)
        .set("metadata.max.age.ms", 20)
        .start();
    producer.send_wait(ProducerRecord::new("t", "old")).unwrap();
    cluster.add_partitions("t", 3);
    // Naming the new partition waits for metadata that has it.
    let record = ProducerRecord::new("t", "named").partition(2);
    assert_eq!(producer.send_wait(record).unwrap().to_string(), "t-2@0");
    assert_eq!(producer.partitions_for("t").unwrap().len(), 3);
    // The key is partition 0's of one, but 1's of three.
    let record = ProducerRecord::new("t", "keyed").key("key");
    assert_eq!(producer.send_wait(record).unwrap().to_string(), "t-1@0");
}

#[test]
fn records_sent_while_a_topic_grows_arrive_once_each() {
    const EACH: usize = 500;
    let (cluster, producer) = Setup::new()
        .brokers(2)
        .topic("t", 1)
        .set("metadata.max.age.ms", 5)
        .start();
    let outcomes = Outcomes::new();
    thread::scope(|scope| {
        for thread in 0..2 {
            let (producer, callbacks) = (producer.clone(), outcomes.callbacks());
            scope.spawn(move || {
                for number in 0..EACH {
                    let (key, text) = (number.to_string(), format!("{thread} {number}"));
                    let record = ProducerRecord::new("t", &text).key(&key);
                    let callback = callbacks.tagged(text.clone());
                    producer.send(record, callback).unwrap();
                }
            });
        }
        for (records, partitions) in [(100, 2), (300, 5), (500, 6)] {
            wait_for_records(&cluster, "t", records);
            cluster.add_partitions("t", partitions);
        }
    });
    producer.flush().unwrap();
    let landed = outcomes.acknowledged(2 * EACH);
    assert!(outcomes.is_empty(), "every callback ran once");
    let count = |partition| values(&cluster, "t", partition).len();
    assert_eq!((0..6).map(count).sum::<usize>(), 2 * EACH);
    for (text, metadata) in landed {
        let offset = usize::try_from(metadata.offset().unwrap()).unwrap();
        let record = &cluster.records("t", metadata.partition())[offset];
        assert_eq!(record.value.as_deref(), Some(text.as_bytes()));
    }
}

/// Metadata would be asked for in five minutes; `try_send` does not wait for it, but asks.
#[test]
fn try_send_finds_a_partition_that_is_new() {
    let (cluster, producer) = Setup::new()
        .topic("t", 1)
        .set("retry.backoff.ms", 1)
        .set("retry.backoff.max.ms", 1)
        .start();
    producer.send_wait(ProducerRecord::new("t", "old")).unwrap();
    cluster.add_partitions("t", 3);
    let asked = cluster.counters().metadata_requests;
    let record = ProducerRecord::new("t", "new").partition(2);
    let refused = producer.try_send(record.clone(), ignore).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "partition 2 of topic \"t\" does not exist: the topic has 1 partition (metadata has been \
         asked for again)"
    );
    let asks = |now: &MockView<'_>| now.counters().metadata_requests > asked;
    assert!(cluster.wait_until(PATIENCE, asks), "as the error says");
    // Waits for the answer, not for the partition: it is in there.
    assert_eq!(producer.send_wait(record.clone()).unwrap().partition(), 2);
    producer.try_send(record, ignore).unwrap();
}

#[test]
fn keyed_records_follow_the_new_partition_count_without_being_asked_to() {
    let (cluster, producer) = Setup::new()
        .topic("t", 1)
        .set("metadata.max.age.ms", 20)
        .start();
    let keyed = || ProducerRecord::new("t", "v").key("key");
    producer.send_wait(keyed()).unwrap();
    cluster.add_partitions("t", 3);
    let asked = cluster.counters().metadata_requests;
    // Two more answers: the first may have been on its way when the topic grew.
    let refreshed = cluster.wait_until(PATIENCE, |now| {
        now.counters().metadata_requests >= asked + 3
    });
    assert!(refreshed, "metadata is asked for every 20 ms");
    assert_eq!(producer.send_wait(keyed()).unwrap().partition(), 1);
}

#[test]
fn records_wait_in_order_for_a_broker_that_answers_late() {
    let (cluster, producer) = Setup::new().topic("t", 1).set("linger.ms", 0).start();
    cluster
        .on(Api::Produce)
        .times(3)
        .delay(Duration::from_millis(30));
    let outcomes = Outcomes::new();
    let texts: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    for text in &texts {
        let record = ProducerRecord::new("t", text);
        producer
            .send(record, outcomes.callback(text.clone()))
            .unwrap();
    }
    let order: Vec<_> = outcomes
        .acknowledged(50)
        .into_iter()
        .map(|(tag, _)| tag)
        .collect();
    assert_eq!(order, texts);
    assert_eq!(values(&cluster, "t", 0), texts);
}

#[test]
fn producers_of_one_program_do_not_disturb_each_other() {
    let (cluster, first) = Setup::new().topic("t", 1).start();
    let properties = linger::Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("key.serializer", "bytes")
        .set("value.serializer", "bytes")
        .set("client.id", "second");
    let second: Producer<[u8], [u8]> = Producer::new(&properties).unwrap();
    first.send_wait(ProducerRecord::new("t", "first")).unwrap();
    first.close().unwrap();
    second
        .send_wait(ProducerRecord::new("t", b"second"))
        .unwrap();
    assert_eq!(values(&cluster, "t", 0), ["first", "second"]);
}

/// As Kafka's Java client does, and librdkafka.
#[test]
fn answers_with_bytes_behind_them_are_answers_all_the_same() {
    let cluster = MockCluster::builder().topic("t", 1).start().unwrap();
    let padder = Padder::start(cluster.address(1).parse().unwrap());
    let address = padder.address();
    cluster.advertise(1, &address.ip().to_string(), address.port());
    let properties = linger::Properties::new()
        .set("bootstrap.servers", address)
        .set("key.serializer", "string")
        .set("value.serializer", "string");
    let producer: Producer<str, str> = Producer::new(&properties).unwrap();
    producer
        .send_wait(ProducerRecord::new("t", "value"))
        .unwrap();
    assert_eq!(values(&cluster, "t", 0), ["value"]);
    let report = producer.check_topics(&["t"], PATIENCE).unwrap();
    assert_eq!(report.findings().count(), 0, "{report}");
    // ApiVersions, Metadata, InitProducerId, Produce, and what the check asks for.
    assert!(padder.padded() >= 6, "{}", padder.padded());
}

//! Keys, values, headers and timestamps, as Kafka's consumer sees them; keys to partitions, as
//! Kafka's partitioner does it; batches, as they lie on the disk.

use linger::{Producer, ProducerRecord};
use linger_kafka_tests::{one_node, properties, run_kafka_tool, topic_name};

type BytesProducer = Producer<[u8], [u8]>;

fn producer(extra: &[(&str, &str)]) -> BytesProducer {
    let properties = properties(&one_node().bootstrap());
    let properties = extra.iter().fold(properties, |properties, (name, value)| {
        properties.set(*name, value)
    });
    Producer::new(&properties).expect("valid properties")
}

#[test]
fn everything_a_record_carries_arrives_as_sent() {
    let cluster = one_node();
    let topic = topic_name("content");
    cluster.create_topic(&topic, 3, &[]);
    let producer = producer(&[]);
    let binary: Vec<u8> = (0..=255).collect();
    let large = vec![b'x'; 900_000];
    let headers = [
        ("repeated", Some(&b"1"[..])),
        ("repeated", Some(b"2")),
        ("null", None),
        ("empty", Some(b"")),
        ("größe", Some(&binary)),
    ];
    let mut record = ProducerRecord::new(&topic, &binary[..])
        .key(&b"k\0\xff"[..])
        .partition(2);
    record = record.timestamp(1_234_567_890_123);
    for (name, value) in headers {
        record = match value {
            Some(value) => record.header(name, value),
            None => record.null_header(name),
        };
    }
    let full = producer.send_wait(record).expect("stored");
    let record = ProducerRecord::new(&topic, &large[..]).partition(2);
    let bare = producer.send_wait(record).expect("stored");
    producer.close().expect("nothing is pending");

    assert_eq!(full.to_string(), format!("{topic}-2@0"));
    assert_eq!((full.key_size(), full.value_size()), (Some(3), Some(256)));
    assert_eq!(full.timestamp_ms(), 1_234_567_890_123);
    assert_eq!(
        (bare.offset(), bare.key_size(), bare.value_size()),
        (Some(1), None, Some(900_000))
    );

    let records = cluster.read(&topic);
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].partition, records[0].offset), (2, 0));
    assert_eq!(records[0].timestamp, 1_234_567_890_123);
    assert_eq!(records[0].timestamp_type, "CreateTime");
    assert_eq!(records[0].key.as_deref(), Some(&b"k\0\xff"[..]));
    assert_eq!(records[0].value.as_deref(), Some(&binary[..]));
    let sent = headers.map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)));
    assert_eq!(records[0].headers, sent);
    assert_eq!((records[1].partition, records[1].offset), (2, 1));
    assert_eq!(records[1].timestamp, bare.timestamp_ms());
    assert_eq!(records[1].key, None);
    assert_eq!(records[1].value.as_deref(), Some(&large[..]));
    assert!(records[1].headers.is_empty());
}

#[test]
fn null_and_empty_are_told_apart() {
    let cluster = one_node();
    let topic = topic_name("null-and-empty");
    cluster.create_topic(&topic, 1, &[]);
    let producer = producer(&[]);
    let empty: &[u8] = b"";
    let records: [ProducerRecord<'_, [u8], [u8]>; 4] = [
        ProducerRecord::new(&topic, empty),
        ProducerRecord::new(&topic, empty).key(empty),
        ProducerRecord::tombstone(&topic),
        ProducerRecord::tombstone(&topic).key(empty),
    ];
    for record in records {
        producer
            .send(record, |outcome| assert!(outcome.is_ok()))
            .expect("accepted");
    }
    producer.close().expect("nothing is pending");

    let read = cluster.read(&topic);
    let read: Vec<_> = read
        .iter()
        .map(|r| (r.key.as_deref(), r.value.as_deref()))
        .collect();
    let some = Some(empty);
    assert_eq!(
        read,
        [(None, some), (some, some), (None, None), (some, None)]
    );
}

#[test]
fn the_brokers_time_is_reported_where_the_topic_wants_it() {
    let cluster = one_node();
    let topic = topic_name("log-append-time");
    cluster.create_topic(&topic, 1, &[("message.timestamp.type", "LogAppendTime")]);
    let producer = producer(&[]);
    let value: &[u8] = b"v";
    let record = ProducerRecord::new(&topic, value).timestamp(1_000);
    let metadata = producer.send_wait(record).expect("stored");
    producer.close().expect("nothing is pending");

    let records = cluster.read(&topic);
    assert_eq!(records[0].timestamp_type, "LogAppendTime");
    assert_ne!(records[0].timestamp, 1_000);
    assert_eq!(metadata.timestamp_ms(), records[0].timestamp);
}

#[test]
fn keys_go_to_the_partitions_that_java_picks() {
    const PARTITIONS: i32 = 13;
    let cluster = one_node();
    let topic = topic_name("keys");
    cluster.create_topic(&topic, PARTITIONS, &[]);
    let keys = random_keys(10_000);
    let producer = producer(&[("linger.ms", "50")]);
    let value: &[u8] = b"v";
    for key in &keys {
        let record = ProducerRecord::new(&topic, value).key(&key[..]);
        producer
            .send(record, |outcome| assert!(outcome.is_ok()))
            .expect("accepted");
    }
    producer.close().expect("nothing is pending");

    let picked_by_java = cluster.partitions_for_keys(PARTITIONS, &keys);
    let mut expected: Vec<(i32, Vec<u8>)> = picked_by_java.into_iter().zip(keys).collect();
    let records = cluster.read(&topic);
    let mut stored: Vec<(i32, Vec<u8>)> = records
        .into_iter()
        .filter_map(|r| Some((r.partition, r.key?)))
        .collect();
    expected.sort_unstable();
    stored.sort_unstable();
    assert_eq!(stored.len(), 10_000);
    assert!(stored == expected, "some key went elsewhere");
}

/// Keys of 0 to 40 bytes from a fixed seed, so that a failure can be repeated.
fn random_keys(count: usize) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut key = || {
        let length = next() % 41;
        (0..length).map(|_| next().to_le_bytes()[3]).collect()
    };
    (0..count).map(|_| key()).collect()
}

#[test]
fn batches_on_the_disk_are_what_kafka_expects() {
    let cluster = one_node();
    let topic = topic_name("batches");
    cluster.create_topic(&topic, 1, &[]);
    let producer = producer(&[("linger.ms", "10000")]);
    for number in 0_i64..100 {
        let value = number.to_string();
        let record = ProducerRecord::new(&topic, value.as_bytes()).timestamp(5_000 + number);
        producer
            .send(record, |outcome| assert!(outcome.is_ok()))
            .expect("accepted");
    }
    producer.close().expect("nothing is pending");

    let log = cluster
        .data_dir(1)
        .join(format!("{topic}-0/00000000000000000000.log"));
    let args = [
        "--print-data-log",
        "--files",
        log.to_str().expect("a path of ASCII"),
    ];
    let output = run_kafka_tool("org.apache.kafka.tools.DumpLogSegments", &args, "");
    let text = String::from_utf8_lossy(&output.stdout);
    let batches: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("baseOffset"))
        .collect();
    assert_eq!(
        batches.len(),
        1,
        "close sends what lingers as one batch: {text}"
    );
    for fact in [
        "baseOffset: 0 lastOffset: 99 count: 100",
        "baseSequence: 0 lastSequence: 99 producerId: ",
        "producerEpoch: 0",
        "isTransactional: false isControl: false",
        "CreateTime: 5099",
        "magic: 2",
        "compresscodec: none",
        "isvalid: true",
    ] {
        assert!(batches[0].contains(fact), "{fact} in {}", batches[0]);
    }
    let last = text.lines().last().expect("a record");
    assert!(last.contains("offset: 99 CreateTime: 5099"), "{last}");
    assert!(last.ends_with("payload: 99"), "{last}");
}

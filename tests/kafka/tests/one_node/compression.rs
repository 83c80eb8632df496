//! Every codec at several levels and batch sizes: what Kafka's own consumer reads back, and what
//! Kafka finds on its disk.

use linger::{Producer, ProducerRecord};
use linger_kafka_tests::{one_node, properties, run_kafka_tool, topic_name};

/// A codec, the property of its levels, and some of them.
const CODECS: [(&str, &str, &[&str]); 4] = [
    ("gzip", "compression.gzip.level", &["-1", "1", "9"]),
    ("snappy", "compression.gzip.level", &["-1"]),
    ("lz4", "compression.lz4.level", &["9", "1", "12", "17"]),
    ("zstd", "compression.zstd.level", &["3", "-50", "1", "22"]),
];

const BATCH_SIZES: [&str; 3] = ["500", "16384", "1000000"];

const RECORDS: usize = 400;

/// What a record is made of: sizes around the limits of a batch, nulls, and what hardly compresses.
struct Sent {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn sent(number: usize) -> Sent {
    let text = format!("{{\"number\":{number},\"event\":\"click\"}}").into_bytes();
    let value = match number % 8 {
        0 => None,
        1 => Some(Vec::new()),
        2 => Some(noise(number, 700)),
        3 => Some(text.repeat(number)),
        _ => Some(text),
    };
    let headers = match number % 3 {
        0 => vec![("trace".to_owned(), Some(noise(number, 16)))],
        1 => vec![
            ("null".to_owned(), None),
            ("null".to_owned(), Some(Vec::new())),
        ],
        _ => Vec::new(),
    };
    let key = number
        .is_multiple_of(2)
        .then(|| format!("key {}", number % 10).into_bytes());
    Sent {
        key,
        value,
        headers,
    }
}

fn noise(seed: usize, bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed as u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..bytes).map(|_| next()).collect()
}

fn send_all(topic: &str, settings: &[(&str, &str)]) {
    let properties = properties(&one_node().bootstrap()).set("linger.ms", "1000");
    let properties = settings
        .iter()
        .fold(properties, |properties, (name, value)| {
            properties.set(*name, value)
        });
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    for number in 0..RECORDS {
        let sent = sent(number);
        let mut record = match &sent.value {
            Some(value) => ProducerRecord::new(topic, value.as_slice()),
            None => ProducerRecord::tombstone(topic),
        };
        record = record.partition(0);
        if let Some(key) = &sent.key {
            record = record.key(key.as_slice());
        }
        for (name, value) in &sent.headers {
            record = match value {
                Some(value) => record.header(name, value),
                None => record.null_header(name),
            };
        }
        producer
            .send(record, |outcome| assert!(outcome.is_ok(), "{outcome:?}"))
            .expect("accepted");
    }
    producer.close().expect("nothing is pending");
}

#[test]
fn every_codec_is_read_by_kafkas_consumer_and_valid_on_the_disk() {
    let cluster = one_node();
    for (codec, level_name, levels) in CODECS {
        let topic = topic_name(codec);
        cluster.create_topic(&topic, 1, &[]);
        let mut rounds = 0;
        for level in levels {
            for batch_size in BATCH_SIZES {
                let settings = [
                    ("compression.type", codec),
                    (level_name, *level),
                    ("batch.size", batch_size),
                ];
                send_all(&topic, &settings);
                rounds += 1;
            }
        }

        let records = cluster.read(&topic);
        assert_eq!(records.len(), rounds * RECORDS, "{codec}");
        for (offset, record) in records.iter().enumerate() {
            let sent = sent(offset % RECORDS);
            assert_eq!(record.offset, i64::try_from(offset).expect("small"));
            assert_eq!(record.key, sent.key, "{codec}, offset {offset}");
            assert!(record.value == sent.value, "{codec}, offset {offset}");
            assert_eq!(record.headers, sent.headers, "{codec}, offset {offset}");
        }

        let log = cluster
            .data_dir(1)
            .join(format!("{topic}-0/00000000000000000000.log"));
        let log = log.to_str().expect("a path of ASCII");
        let args = ["--deep-iteration", "--files", log];
        let output = run_kafka_tool("org.apache.kafka.tools.DumpLogSegments", &args, "");
        let text = String::from_utf8_lossy(&output.stdout);
        let batches: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("baseOffset"))
            .collect();
        assert!(batches.len() > rounds, "{text}");
        let compressed = format!("compresscodec: {codec}");
        for batch in &batches {
            assert!(batch.contains("isvalid: true"), "{batch}");
            // A batch of noise, or of nothing much, does not get smaller.
            let as_it_is = batch.contains("compresscodec: none");
            assert!(as_it_is || batch.contains(&compressed), "{batch}");
        }
        let of_codec = batches.iter().filter(|batch| batch.contains(&compressed));
        assert!(of_codec.count() * 2 > batches.len(), "{codec}: {text}");
        let found = text
            .lines()
            .filter(|line| line.starts_with("| offset"))
            .count();
        assert_eq!(
            found,
            rounds * RECORDS,
            "{codec}: every record was looked at"
        );
    }
}

//! Compressed batches: what reaches the log, how large they become, and who is told what when a
//! broker does not want them.

use linger::testing::{Api, MockCluster};
use linger::{ErrorCode, ErrorKind, ProducerRecord};

use crate::support::{
    Outcomes, PATIENCE, Setup, close_and_return_at_once, ignore, produced, send_all, values,
};

const CODECS: [&str; 4] = ["gzip", "snappy", "lz4", "zstd"];

fn setup(codec: &str) -> Setup {
    let lingering = Setup::new()
        .topic("t", 1)
        .set("linger.ms", 300_000)
        .set("delivery.timeout.ms", 600_000);
    lingering.set("compression.type", codec)
}

/// Values that compress well, each of them different.
fn clicks(count: usize) -> Vec<String> {
    let click = |n| {
        format!(
            "{{\"user\":{},\"event\":\"click\",\"page\":\"/home\"}}",
            n * 7_919
        )
    };
    (0..count).map(click).collect()
}

/// Characters that hardly compress.
fn noise(bytes: usize, seed: u32) -> String {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        char::from_u32(33 + state % 94).unwrap()
    };
    (0..bytes).map(|_| step()).collect()
}

fn texts(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

fn sizes(cluster: &MockCluster) -> Vec<usize> {
    let batches = cluster.batches("t", 0).into_iter();
    batches.map(|batch| batch.bytes).collect()
}

#[test]
fn every_codec_brings_the_records_in_fewer_bytes() {
    let sent = clicks(200);
    let raw: usize = sent.iter().map(String::len).sum();
    for codec in CODECS {
        let (cluster, producer) = setup(codec).start();
        send_all(&producer, "t", &texts(&sent));
        assert_eq!(values(&cluster, "t", 0), sent, "{codec}");
        let batches = cluster.batches("t", 0);
        let [batch] = batches.as_slice() else {
            panic!("one batch: {batches:?}")
        };
        assert_eq!(batch.compression, codec);
        assert!(batch.bytes < raw / 2, "{codec}: {} bytes", batch.bytes);
        assert_eq!(cluster.violations(), Vec::<String>::new());
    }
}

#[test]
fn headers_keys_and_nulls_survive_every_codec() {
    for codec in CODECS {
        let (cluster, producer) = setup(codec).start();
        for number in 0..50 {
            let name = format!("header {number}");
            let mut record = ProducerRecord::new("t", "the same value again and again");
            record = record.header(&name, "value").null_header("null");
            if number % 2 == 0 {
                record = record.key("key");
            }
            producer.send(record, ignore).unwrap();
            let tombstone = ProducerRecord::tombstone("t").key("key");
            producer.send(tombstone, ignore).unwrap();
        }
        producer.close().unwrap();
        assert_eq!(cluster.batches("t", 0)[0].compression, codec);
        let records = cluster.records("t", 0);
        assert_eq!(records.len(), 100);
        assert_eq!(records[6].headers[0].0, "header 3");
        assert_eq!(records[6].headers[1], ("null".to_owned(), None));
        assert_eq!(records[6].key, None);
        assert_eq!(records[8].key.as_deref(), Some(&b"key"[..]));
        assert_eq!((&records[7].value, records[7].headers.len()), (&None, 0));
    }
}

#[test]
fn what_does_not_get_smaller_is_sent_as_it_is() {
    for codec in CODECS {
        let (cluster, producer) = setup(codec).start();
        send_all(&producer, "t", &["x"]);
        let batch = &cluster.batches("t", 0)[0];
        assert_eq!((batch.compression, batch.records), ("none", 1));
        assert_eq!(values(&cluster, "t", 0), ["x"]);
    }
}

#[test]
fn batches_fill_to_batch_size_of_compressed_bytes() {
    for codec in CODECS {
        // Little memory: batches open no faster than others are seen to become smaller.
        let (cluster, producer) = setup(codec)
            .set("batch.size", 2_000)
            .set("buffer.memory", 200_000)
            .start();
        let sent = clicks(60_000);
        for value in &sent {
            producer
                .send(ProducerRecord::new("t", value), ignore)
                .unwrap();
        }
        producer.close().unwrap();
        assert_eq!(values(&cluster, "t", 0), sent);
        let sizes = sizes(&cluster);
        // Until it is known how well that goes, they are smaller.
        let later = &sizes[sizes.len() * 3 / 4..sizes.len() - 1];
        let average = later.iter().sum::<usize>() / later.len();
        assert!((1_500..=2_000).contains(&average), "{codec}: {average}");
        let too_large = sizes.iter().filter(|bytes| **bytes > 2_000).count();
        assert!(too_large * 10 < sizes.len(), "{codec}: {sizes:?}");
    }
}

#[test]
fn few_batches_outgrow_batch_size_where_some_records_compress_worse() {
    let (cluster, producer) = setup("lz4").set("batch.size", 4_000).start();
    for (number, click) in (0..).zip(clicks(20_000)) {
        let value = match number % 3 {
            0 => noise(60, number),
            _ => click,
        };
        producer
            .send(ProducerRecord::new("t", &value), ignore)
            .unwrap();
    }
    producer.close().unwrap();
    let sizes = sizes(&cluster);
    let too_large = sizes.iter().filter(|bytes| **bytes > 4_000).count();
    assert!(
        too_large * 10 < sizes.len(),
        "{too_large} of {}",
        sizes.len()
    );
    assert_eq!(values(&cluster, "t", 0).len(), 20_000);
}

#[test]
fn a_batch_that_outgrows_a_request_goes_in_parts() {
    let (cluster, producer) = setup("zstd")
        .set("batch.size", 4_000)
        .set("max.request.size", 6_000)
        .start();
    let mut sent = clicks(4_000);
    sent.extend((0..200).map(|seed| noise(200, seed)));
    let outcomes = Outcomes::new();
    for (number, value) in sent.iter().enumerate() {
        let record = ProducerRecord::new("t", value);
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    producer.close().unwrap();
    let told = outcomes.acknowledged(sent.len());
    for (number, (tag, metadata)) in told.iter().enumerate() {
        assert_eq!(
            (*tag, metadata.offset()),
            (number, i64::try_from(number).ok())
        );
    }
    assert_eq!(values(&cluster, "t", 0), sent);
    let largest = sizes(&cluster).into_iter().max();
    assert!(largest <= Some(6_000), "{largest:?}");
    let requests = produced(&cluster).into_iter();
    let largest = requests.map(|(_, batches)| batches[0].bytes).max();
    assert!(largest <= Some(6_000), "nor was it tried: {largest:?}");
    assert_eq!(cluster.violations(), Vec::<String>::new());
}

#[test]
fn a_batch_that_is_too_large_for_its_broker_goes_in_compressed_parts() {
    for codec in CODECS {
        let (cluster, producer) = setup(codec)
            .cluster(|cluster| cluster.max_message_bytes(1_500))
            .start();
        let sent = clicks(800);
        send_all(&producer, "t", &texts(&sent));
        assert_eq!(values(&cluster, "t", 0), sent, "{codec}");
        for batch in cluster.batches("t", 0) {
            assert_eq!(batch.compression, codec);
            assert!(batch.bytes <= 1_500);
        }
        // The next ones are filled as if nothing made them smaller.
        assert_eq!(cluster.violations(), Vec::<String>::new());
    }
}

#[test]
fn close_hands_compressed_records_back() {
    let sent = clicks(100);
    for codec in CODECS {
        let (cluster, producer) = setup(codec).set("linger.ms", 0).start();
        cluster.on(Api::Produce).always().silence();
        for value in &sent {
            producer
                .send(ProducerRecord::new("t", value), ignore)
                .unwrap();
        }
        assert!(cluster.wait_until(PATIENCE, |view| { view.counters().produce_requests > 0 }));
        let (report, records) = close_and_return_at_once(&producer);
        assert_eq!(report.failed, 100);
        let back = records
            .iter()
            .map(|record| record.value().unwrap().to_vec());
        let back: Vec<_> = back
            .map(|value| String::from_utf8(value).unwrap())
            .collect();
        assert_eq!(back, sent, "{codec}");
        assert_eq!(producer.metrics().buffer_used_bytes, 0);
    }
}

#[test]
fn a_broker_too_old_for_zstd_is_told_apart() {
    let old = |cluster: linger::testing::MockClusterBuilder| cluster.versions(Api::Produce, 0..=6);
    let (_cluster, producer) = setup("zstd").cluster(old).start();
    let outcomes = Outcomes::new();
    for value in clicks(50) {
        let record = ProducerRecord::new("t", &value);
        producer.send(record, outcomes.callback(())).unwrap();
    }
    producer.flush().unwrap();
    let (_, result) = outcomes.next();
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
    let text = error.to_string();
    let reason = "Produce versions 0 to 6, this client 7 to 13 for compression.type=zstd";
    assert!(text.contains(reason), "{text}");
    let (cluster, producer) = setup("lz4").cluster(old).start();
    send_all(&producer, "t", &texts(&clicks(50)));
    assert_eq!(cluster.batches("t", 0)[0].compression, "lz4");
}

#[test]
fn a_broker_that_refuses_the_codec_is_quoted() {
    let (cluster, producer) = setup("snappy").start();
    let code = ErrorCode::UNSUPPORTED_COMPRESSION_TYPE;
    cluster.on(Api::Produce).answer(code);
    let outcomes = Outcomes::new();
    let record = ProducerRecord::new("t", "v");
    producer.send(record, outcomes.callback(())).unwrap();
    producer.flush().unwrap();
    let error = outcomes.next().1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Broker(code));
    let text = error.to_string();
    assert!(text.ends_with("(compression.type is snappy)"), "{text}");
}

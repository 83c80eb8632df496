//! librdkafka's partitioners and ours of the same names, side by side: the same records to the same
//! mock cluster, and where each landed.

use std::collections::{BTreeMap, BTreeSet};

use linger::testing::MockCluster;
use linger::{Producer, ProducerRecord, Properties};
use linger_kafka_tests::PATIENCE;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

/// By number of the key: its partition.
type Partitions = BTreeMap<usize, i32>;

/// `None` is a record without a key.
type Keys = Vec<Option<Vec<u8>>>;

/// Where librdkafka sends these keys, and where we do.
fn both(partitioner: &str, partitions: i32, keys: &Keys) -> (Partitions, Partitions) {
    let cluster = MockCluster::builder()
        .topic("theirs", partitions)
        .topic("ours", partitions)
        .start()
        .expect("ports");
    let theirs: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("partitioner", partitioner)
        // Or records without a key would stay together for a time, whatever the partitioner.
        .set("sticky.partitioning.linger.ms", "0")
        .create()
        .expect("valid settings");
    let bootstrap = cluster.bootstrap_servers();
    let properties = Properties::from([
        ("bootstrap.servers", bootstrap.as_str()),
        ("key.serializer", "bytes"),
        ("value.serializer", "string"),
        ("partitioner.class", partitioner),
        // Small batches, so that records without a key change partitions.
        ("batch.size", "200"),
    ]);
    let ours: Producer<[u8], str> = Producer::new(&properties).expect("valid properties");
    for (number, key) in keys.iter().enumerate() {
        let value = number.to_string();
        let record: BaseRecord<'_, [u8], str> = BaseRecord::to("theirs").payload(&value);
        let sent = theirs.send(match key {
            Some(key) => record.key(&key[..]),
            None => record,
        });
        sent.map_err(|(error, _)| error).expect("accepted");
        let record = ProducerRecord::new("ours", &*value);
        let record = match key {
            Some(key) => record.key(&**key),
            None => record,
        };
        ours.send(record, |result| {
            result.expect("written");
        })
        .expect("accepted");
    }
    theirs.flush(PATIENCE).expect("all is delivered");
    ours.flush().expect("all is delivered");
    let landed = |topic| landed(&cluster, topic, partitions);
    let (theirs, ours) = (landed("theirs"), landed("ours"));
    assert_eq!((theirs.len(), ours.len()), (keys.len(), keys.len()));
    (theirs, ours)
}

fn landed(cluster: &MockCluster, topic: &str, partitions: i32) -> Partitions {
    let number = |value: &Option<Vec<u8>>| -> usize {
        let value = value.clone().expect("a value");
        let text = String::from_utf8(value).expect("digits");
        text.parse().expect("a number")
    };
    (0..partitions)
        .flat_map(|partition| {
            let records = cluster.records(topic, partition);
            let pairs = records
                .iter()
                .map(|record| (number(&record.value), partition));
            pairs.collect::<Vec<_>>()
        })
        .collect()
}

/// Keys of all lengths up to 40 with all kinds of bytes: the same ones in each run.
fn keys(count: usize) -> Keys {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    (0..count)
        .map(|number| Some((0..1 + number % 40).map(|_| byte()).collect()))
        .collect()
}

#[track_caller]
fn assert_same((theirs, ours): &(Partitions, Partitions), keys: &Keys, case: &str) {
    let differing = keys
        .iter()
        .enumerate()
        .find(|(number, _)| theirs[number] != ours[number]);
    if let Some((number, key)) = differing {
        let (theirs, ours) = (theirs[&number], ours[&number]);
        panic!("{case}: key {key:?} goes to {theirs} with librdkafka, and to {ours} here");
    }
}

fn used(partitions: &Partitions) -> usize {
    partitions.values().collect::<BTreeSet<_>>().len()
}

const HASHING: [&str; 6] = [
    "consistent",
    "consistent_random",
    "murmur2",
    "murmur2_random",
    "fnv1a",
    "fnv1a_random",
];

#[test]
fn keys_go_where_librdkafka_sends_them() {
    for partitioner in HASHING {
        for partitions in [1, 12, 97] {
            let keys = keys(3_000);
            let case = format!("{partitioner}, {partitions} partitions");
            assert_same(&both(partitioner, partitions, &keys), &keys, &case);
        }
    }
}

#[test]
fn empty_and_missing_keys_count_as_keys_where_they_do_with_librdkafka() {
    let (empty, missing) = (vec![Some(Vec::new()); 200], vec![None; 200]);
    for partitioner in ["consistent", "murmur2", "fnv1a"] {
        for keys in [&empty, &missing] {
            let landed = both(partitioner, 97, keys);
            assert_same(&landed, keys, partitioner);
            assert_eq!(used(&landed.1), 1, "{partitioner} {:?}", keys[0]);
        }
    }
    for partitioner in ["murmur2_random", "fnv1a_random"] {
        assert_same(&both(partitioner, 97, &empty), &empty, partitioner);
    }
}

#[test]
fn what_librdkafka_spreads_at_random_is_spread() {
    let (empty, missing) = (vec![Some(Vec::new()); 400], vec![None; 400]);
    let same = vec![Some(b"same".to_vec()); 400];
    for (partitioner, keys) in [
        ("consistent_random", &empty),
        ("consistent_random", &missing),
        ("murmur2_random", &missing),
        ("fnv1a_random", &missing),
        ("random", &missing),
        ("random", &empty),
        ("random", &same),
    ] {
        let (theirs, ours) = both(partitioner, 5, keys);
        let case = format!("{partitioner} {:?}", keys[0]);
        assert_eq!((used(&theirs), used(&ours)), (5, 5), "{case}");
    }
}

//! Which partition a record goes to.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::time::Duration;

use linger::testing::MockCluster;
use linger::{
    ErrorKind, PartitionRequest, Partitioner, Producer, ProducerRecord, PropertyObject,
    TopicPartitions,
};

use crate::observe::eventually;
use crate::support::{Outcomes, PATIENCE, Setup, ignore, values};

/// Sends records without key, one after the other; gives their partitions.
fn landed_one_by_one(producer: &Producer<str, str>, records: usize) -> Vec<i32> {
    let send = |_| {
        let handle = producer.send_with_handle(ProducerRecord::new("t", "v"));
        handle.unwrap().wait_timeout(PATIENCE).unwrap()
    };
    (0..records)
        .map(send)
        .map(|landed| landed.partition())
        .collect()
}

/// Sends records without key, all at once; gives their partitions in the order of `send`.
fn landed_at_once(producer: &Producer<str, str>, value: &str, records: usize) -> Vec<i32> {
    let outcomes = Outcomes::new();
    for number in 0..records {
        let record = ProducerRecord::new("t", value);
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    producer.flush().unwrap();
    let mut landed = outcomes.acknowledged(records);
    landed.sort_by_key(|(number, _)| *number);
    landed
        .iter()
        .map(|(_, landed)| landed.partition())
        .collect()
}

/// How many times each value comes in a row.
fn runs(of: &[i32]) -> Vec<(i32, usize)> {
    let same = |one: &[i32]| (one[0], one.len());
    of.chunk_by(|a, b| a == b).map(same).collect()
}

#[test]
fn keys_choose_partitions_as_javas_murmur2_does() {
    let (_cluster, producer) = Setup::new().topic("t", 10).start();
    let java = [("", 1), ("21", 0), ("foobar", 6), ("abc", 7), ("key", 1)];
    for (key, partition) in java {
        let record = ProducerRecord::new("t", "v").key(key);
        assert_eq!(
            producer.send_wait(record).unwrap().partition(),
            partition,
            "{key}"
        );
    }
}

#[test]
fn a_partition_that_the_record_names_is_taken_whatever_its_key() {
    let (_cluster, producer) = Setup::new().topic("t", 10).start();
    for partition in 0..10 {
        let record = ProducerRecord::new("t", "v")
            .key("key")
            .partition(partition);
        assert_eq!(producer.send_wait(record).unwrap().partition(), partition);
    }
}

/// Ten records fill a batch to the byte, and then it is the next partition's turn.
#[test]
fn records_without_key_go_round_the_partitions_batch_by_batch() {
    let (cluster, producer) = Setup::new()
        .topic("t", 4)
        .set("linger.ms", 10_000)
        .set("batch.size", 61 + 10 * 100)
        .set("partitioner.adaptive.partitioning.enable", false)
        .start();
    // Seven bytes go to lengths, attributes, timestamp, offset and null key; one to no headers.
    let landed = landed_at_once(&producer, &"x".repeat(100 - 9), 80);
    let expected: Vec<_> = (0..8).map(|turn| (turn % 4, 10)).collect();
    assert_eq!(runs(&landed), expected);
    for partition in 0..4 {
        let batches = cluster.batches("t", partition);
        let records: Vec<_> = batches.iter().map(|one| one.records).collect();
        assert_eq!(records, [10, 10], "partition {partition}");
    }
}

/// Batches that leave early, here because somebody waits, do not shorten or prolong a turn.
#[test]
fn a_turn_is_worth_batch_size_bytes_also_when_batches_leave_half_empty() {
    let (_cluster, producer) = Setup::new()
        .topic("t", 3)
        .set("batch.size", 1_000)
        .set("partitioner.adaptive.partitioning.enable", false)
        .start();
    // Each record has a batch of its own: 61 bytes of header and eight of record.
    let landed = landed_one_by_one(&producer, 75);
    let turn = 1_000usize.div_ceil(61 + 8);
    let expected: Vec<_> = (0..5).map(|number| (number % 3, turn)).collect();
    assert_eq!(runs(&landed), expected);
}

#[test]
fn equal_queues_get_equal_shares_of_the_records_without_key() {
    let (cluster, producer) = Setup::new().topic("t", 5).set("batch.size", 0).start();
    producer
        .send_wait(ProducerRecord::new("t", "v").partition(0))
        .unwrap();
    // While the broker hangs no queue gets shorter, so all grow alike.
    cluster.pause_broker(1);
    for _ in 0..100 {
        producer
            .send(ProducerRecord::new("t", "v"), ignore)
            .unwrap();
    }
    cluster.resume_broker(1);
    producer.flush().unwrap();
    let shares: Vec<_> = (0..5).map(|one| cluster.records("t", one).len()).collect();
    assert_eq!(shares.iter().sum::<usize>(), 101);
    assert!(
        shares.iter().all(|share| (19..=21).contains(share)),
        "{shares:?}"
    );
}

#[test]
fn records_without_key_skip_partitions_without_a_leader() {
    let setup = Setup::new().topic("t", 4).set("batch.size", 0);
    let (cluster, producer) = setup.start();
    cluster.remove_leader("t", 1);
    cluster.remove_leader("t", 2);
    let landed: BTreeSet<_> = landed_one_by_one(&producer, 20).into_iter().collect();
    assert_eq!(landed, BTreeSet::from([0, 3]));
}

#[test]
fn keys_may_be_ignored() {
    let (_cluster, producer) = Setup::new()
        .topic("t", 3)
        .set("batch.size", 0)
        .set("partitioner.ignore.keys", true)
        .set("partitioner.adaptive.partitioning.enable", false)
        .start();
    let send = |_| {
        producer
            .send_wait(ProducerRecord::new("t", "v").key("same"))
            .unwrap()
    };
    let landed: Vec<_> = (0..6).map(send).map(|landed| landed.partition()).collect();
    assert_eq!(landed, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn the_round_robin_partitioner_takes_turns_record_by_record_whatever_the_key() {
    for name in [
        "round_robin",
        "org.apache.kafka.clients.producer.RoundRobinPartitioner",
    ] {
        let (cluster, producer) = Setup::new()
            .topic("t", 3)
            .set("partitioner.class", name)
            .start();
        for value in ["a", "b", "c", "d", "e", "f"] {
            producer
                .send(ProducerRecord::new("t", value).key("same"), ignore)
                .unwrap();
        }
        producer.flush().unwrap();
        assert_eq!(values(&cluster, "t", 0), ["a", "d"], "{name}");
        assert_eq!(values(&cluster, "t", 1), ["b", "e"]);
        assert_eq!(values(&cluster, "t", 2), ["c", "f"]);
    }
}

#[test]
fn librdkafkas_partitioners_hash_keys_and_leave_the_rest_to_the_round() {
    // Of "key", and of no key; `None` goes round.
    let partitions = [
        ("consistent", 7, Some(0)),
        ("consistent_random", 7, None),
        ("murmur2", 1, Some(1)),
        ("murmur2_random", 1, None),
        ("fnv1a", 8, Some(5)),
        ("fnv1a_random", 8, None),
    ];
    for (name, of_the_key, of_none) in partitions {
        let (_cluster, producer) = Setup::new()
            .topic("t", 10)
            .set("batch.size", 0)
            .set("partitioner.adaptive.partitioning.enable", false)
            .set("partitioner", name)
            .start();
        let record = ProducerRecord::new("t", "v").key("key");
        let landed = producer.send_wait(record).unwrap();
        assert_eq!(landed.partition(), of_the_key, "{name}");
        let expected = match of_none {
            Some(partition) => vec![partition; 3],
            None => vec![0, 1, 2],
        };
        assert_eq!(landed_one_by_one(&producer, 3), expected, "{name}");
    }
}

#[test]
fn librdkafkas_random_partitioner_spreads_a_key_and_leaves_what_has_none_to_the_round() {
    let (_cluster, producer) = Setup::new()
        .topic("t", 3)
        .set("batch.size", 0)
        .set("partitioner.adaptive.partitioning.enable", false)
        .set("partitioner", "random")
        .start();
    let outcomes = Outcomes::new();
    for number in 0..300 {
        let record = ProducerRecord::new("t", "v").key("same");
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    producer.flush().unwrap();
    let landed = outcomes.acknowledged(300);
    for partition in 0..3 {
        let here = landed
            .iter()
            .filter(|(_, one)| one.partition() == partition);
        // Not once in 10^15 runs is it otherwise.
        assert!((30..=170).contains(&here.count()), "{partition}");
    }
    assert_eq!(landed_one_by_one(&producer, 3), [0, 1, 2]);
}

/// Takes the record's value for the partition.
struct AsTheValueSays;

impl Partitioner for AsTheValueSays {
    fn partition(
        &self,
        record: &PartitionRequest<'_>,
        partitions: &TopicPartitions<'_>,
    ) -> Result<i32, Box<dyn StdError + Send + Sync>> {
        assert_eq!((record.topic(), partitions.count()), ("t", 3));
        assert_eq!(partitions.available(), [0, 1, 2]);
        let value = std::str::from_utf8(record.value().unwrap_or_default())?;
        Ok(value.parse()?)
    }
}

#[test]
fn a_partitioner_of_the_users_own_decides_and_its_mistakes_are_told() {
    let object = PropertyObject::partitioner(AsTheValueSays);
    let (cluster, producer) = Setup::new()
        .topic("t", 3)
        .properties(|properties| properties.set_object("partitioner.class", object))
        .start();
    for (value, told) in [
        (
            "3",
            "the partitioner chose partition 3 of topic \"t\", which has 3 partitions",
        ),
        (
            "-1",
            "the partitioner chose partition -1 of topic \"t\", which has 3 partitions",
        ),
        (
            "x",
            "the partitioner refused a record for \"t\": invalid digit found in string",
        ),
    ] {
        let refused = producer
            .send(ProducerRecord::new("t", value), ignore)
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidRecord);
        assert_eq!(refused.to_string(), told);
    }
    for value in ["2", "0", "2"] {
        producer
            .send(ProducerRecord::new("t", value), ignore)
            .unwrap();
    }
    producer.flush().unwrap();
    assert_eq!(values(&cluster, "t", 2), ["2", "2"]);
    assert_eq!(values(&cluster, "t", 0), ["0"]);
}

/// How many of 100 records without key go to the partition whose broker hangs; there is another
/// partition, whose broker answers at once.
fn share_of_a_broker_that_hangs(adaptive: bool) -> usize {
    let (cluster, producer) = Setup::new()
        .brokers(2)
        .topic("t", 2)
        .set("linger.ms", 0)
        .set("batch.size", 0)
        .set("partitioner.adaptive.partitioning.enable", adaptive)
        .start();
    let hanging = i32::from(cluster.leader("t", 1) == Some(1));
    for partition in [0, 1] {
        let record = ProducerRecord::new("t", "v").partition(partition);
        producer.send_wait(record).unwrap();
    }
    cluster.pause_broker(1);
    for _ in 0..100 {
        producer
            .send(ProducerRecord::new("t", "v"), ignore)
            .unwrap();
        // Its queue is empty again before the next choice.
        let record = ProducerRecord::new("t", "v").partition(1 - hanging);
        producer.send_wait(record).unwrap();
    }
    cluster.resume_broker(1);
    producer.flush().unwrap();
    cluster.records("t", hanging).len() - 1
}

#[test]
fn a_partition_with_a_long_queue_gets_fewer_records_without_key() {
    let share = share_of_a_broker_that_hangs(true);
    assert!((1..25).contains(&share), "{share} of 100");
    assert_eq!(
        share_of_a_broker_that_hangs(false),
        50,
        "unless that is switched off"
    );
}

/// Two brokers with four partitions each, of which the first hangs and has not taken a batch for
/// longer than `partitioner.availability.timeout.ms`.
struct Stuck {
    cluster: MockCluster,
    producer: Producer<str, str>,
    /// The partitions of the broker that hangs.
    partitions: Vec<i32>,
    /// Of the records that the broker that hangs has got.
    outcomes: Outcomes<&'static str>,
}

impl Stuck {
    fn new() -> Self {
        let (cluster, producer) = Setup::new()
            .brokers(2)
            .topic("t", 8)
            .set("linger.ms", 0)
            .set("batch.size", 0)
            .set("max.in.flight.requests.per.connection", 1)
            .set("partitioner.adaptive.partitioning.enable", false)
            .set("partitioner.availability.timeout.ms", 1_000)
            .start();
        let led_by = |node| {
            (0..8)
                .filter(|one| cluster.leader("t", *one) == Some(node))
                .collect()
        };
        let (partitions, others): (Vec<i32>, Vec<i32>) = (led_by(1), led_by(2));
        let outcomes = Outcomes::new();
        let send = |partition, tag| {
            let record = ProducerRecord::new("t", "v").partition(partition);
            producer.send(record, outcomes.callback(tag)).unwrap();
        };
        for partition in [partitions[0], others[0]] {
            send(partition, "connects");
            outcomes.acknowledged(1);
        }
        cluster.pause_broker(1);
        send(partitions[0], "in flight");
        // An answer from the other broker shows that the I/O thread has seen what came before.
        let io_thread_has_seen_it = || {
            let record = ProducerRecord::new("t", "v").partition(others[0]);
            producer.send_wait(record).unwrap();
        };
        io_thread_has_seen_it();
        send(partitions[1], "waits for its turn");
        io_thread_has_seen_it();
        // Waits in vain, for longer than the timeout.
        let nowhere = ProducerRecord::new("t", "v").partition(99);
        let timeout = Duration::from_millis(1_100);
        producer.send_timeout(nowhere, timeout, ignore).unwrap_err();
        io_thread_has_seen_it();
        Self {
            cluster,
            producer,
            partitions,
            outcomes,
        }
    }

    /// Where the next records without key go: one to each partition that is in the round.
    fn round(&self) -> BTreeSet<i32> {
        let round = landed_one_by_one(&self.producer, 16);
        round.into_iter().collect()
    }
}

#[test]
fn a_broker_that_takes_nothing_is_left_out_until_it_takes_something() {
    let stuck = Stuck::new();
    let round = stuck.round();
    assert_eq!(round.len(), 4);
    assert!(
        stuck.partitions.iter().all(|one| !round.contains(one)),
        "{round:?}"
    );
    stuck.cluster.resume_broker(1);
    stuck.outcomes.acknowledged(2);
    assert_eq!(stuck.round().len(), 8, "all are in the round again");
}

#[test]
fn a_partition_that_moves_away_from_a_broker_that_takes_nothing_is_in_the_round_again() {
    let stuck = Stuck::new();
    assert_eq!(stuck.round().len(), 4);
    // One that waits for the broker that hangs, and one that has had no record at all.
    for moves in [stuck.partitions[1], stuck.partitions[3]] {
        stuck.cluster.move_leader("t", moves, 2);
        eventually("the partition is in the round again", || {
            // A partition that there is not has the topic asked for again.
            let nowhere = ProducerRecord::new("t", "v").partition(99);
            stuck.producer.try_send(nowhere, ignore).unwrap_err();
            stuck.round().contains(&moves)
        });
    }
    assert_eq!(stuck.round().len(), 6);
    stuck.cluster.resume_broker(1);
    stuck.outcomes.acknowledged(2);
}

/// Three brokers, each in a rack of its own.
fn in_racks(rack: &str) -> (MockCluster, Producer<str, str>) {
    Setup::new()
        .brokers(3)
        .topic("t", 6)
        .cluster(|cluster| cluster.racks(["a", "b", "c"]))
        .set("batch.size", 1)
        .set("client.rack", rack)
        .set("partitioner.rack.aware", true)
        .start()
}

/// The partitions that a broker leads.
fn led_by(producer: &Producer<str, str>, broker: i32) -> BTreeSet<i32> {
    let partitions = producer.partitions_for("t").unwrap().into_iter();
    let leads = |leader: &linger::Node| leader.id == broker;
    let led = partitions.filter(|one| one.leader.as_ref().is_some_and(leads));
    led.map(|one| one.partition).collect()
}

/// KIP-1123.
#[test]
fn keyless_records_stay_in_the_rack_of_their_producer() {
    let (cluster, producer) = in_racks("b");
    let near = led_by(&producer, 2);
    assert_eq!(near.len(), 2);
    let landed: BTreeSet<_> = landed_one_by_one(&producer, 8).into_iter().collect();
    assert_eq!(landed, near);
    let landed: BTreeSet<_> = landed_at_once(&producer, &"x".repeat(9_000), 8)
        .into_iter()
        .collect();
    assert_eq!(landed, near);
    // Another broker leads them: as metadata says so, the choice is among all.
    for partition in near {
        cluster.move_leader("t", partition, 1);
        let record = ProducerRecord::new("t", "v").partition(partition);
        producer.send_wait(record).unwrap();
    }
    let landed: BTreeSet<_> = landed_one_by_one(&producer, 12).into_iter().collect();
    assert_eq!(landed, (0..6).collect());
}

#[test]
fn a_rack_without_a_broker_and_records_with_a_key_go_everywhere() {
    let (_cluster, producer) = in_racks("elsewhere");
    let landed: BTreeSet<_> = landed_one_by_one(&producer, 12).into_iter().collect();
    assert_eq!(landed, (0..6).collect());
    let (_cluster, producer) = in_racks("b");
    let keyed = |key: i32| {
        let key = key.to_string();
        let record = ProducerRecord::new("t", "v").key(&key);
        producer.send_wait(record).unwrap().partition()
    };
    let landed: BTreeSet<_> = (0..60).map(keyed).collect();
    assert_eq!(landed, (0..6).collect());
}

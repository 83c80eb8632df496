//! What the partitions of other brokers notice of one that stops in its tracks: its sockets stay
//! open and nothing comes back, to a metadata request either.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use linger::{Producer, ProducerRecord};
use linger_kafka_tests::{
    Cluster, Deliveries, Delivery, is_long, properties, rounds, topic_name, wait_until,
};

use crate::{new_topic, three_nodes};

/// Until everybody is up to speed, the brokers' compilers included.
const WARM_UP: Duration = Duration::from_secs(3);
const CALM: Duration = Duration::from_secs(4);
/// Longer than it takes the others to notice.
const STOP: Duration = Duration::from_secs(6);
const INTERVAL: Duration = Duration::from_millis(1);
/// What the scheduler may add where nothing else runs.
const SLACK: Duration = Duration::from_millis(5);

/// A topic with a partition on each node, and no replicas elsewhere for whose leader to wait.
fn one_partition_each(cluster: &Cluster) -> String {
    // For which all nodes must be there.
    new_topic(cluster, "all-there", 1);
    let mut topic = String::new();
    wait_until("each node has a partition", || {
        topic = topic_name("neighbours");
        cluster.create_unreplicated_topic(&topic, 3);
        let leaders = cluster.leaders(&topic);
        let nodes: BTreeSet<i32> = leaders.iter().map(|one| one.leader).collect();
        nodes == BTreeSet::from([1, 2, 3])
    });
    topic
}

/// Sends to the partitions in turn for that long; returns the numbers sent.
fn send(producer: &Producer<[u8], [u8]>, topic: &str, told: &Deliveries, time: Duration) {
    let started = Instant::now();
    for number in 0.. {
        if started.elapsed() >= time {
            return;
        }
        let partition = number % 3;
        let value = format!("{partition}");
        let record = ProducerRecord::new(topic, value.as_bytes()).partition(partition);
        producer
            .send(record, told.callback(value.as_str()))
            .expect("accepted");
        thread::sleep(INTERVAL);
    }
}

/// What records for other brokers took: the latency that half of them exceed, and the one that one
/// in a hundred exceeds.
fn latency(told: &[Delivery]) -> [Duration; 2] {
    let elsewhere = told.iter().filter(|one| one.value != "0");
    let mut latencies: Vec<Duration> = elsewhere.map(|one| one.took).collect();
    latencies.sort_unstable();
    assert!(latencies.len() > 200, "{} records", latencies.len());
    [50, 99].map(|percent| latencies[latencies.len() * percent / 100])
}

#[test]
fn records_for_other_brokers_are_as_fast_as_ever_while_one_is_stopped() {
    let cluster = three_nodes();
    let topic = one_partition_each(&cluster);
    let stopped = cluster.leaders(&topic)[0].leader;
    // Metadata is asked for all the time, of the stopped broker, too.
    let properties = properties(&cluster.bootstrap()).set("metadata.max.age.ms", 500);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    send(&producer, &topic, &Deliveries::default(), WARM_UP);
    let (mut good, wanted) = (0, rounds(1));
    for _ in 0..3 * wanted {
        let [calm, frozen] = [CALM, STOP].map(|time| {
            let told = Deliveries::default();
            if time == STOP {
                cluster.pause(stopped);
            }
            send(&producer, &topic, &told, time);
            cluster.resume(stopped);
            producer.flush().expect("open");
            told.all()
        });
        assert!(calm.iter().chain(&frozen).all(|one| one.outcome.is_ok()));
        let slowest = frozen.iter().map(|one| one.took).max();
        assert!(slowest > Some(STOP / 2), "{slowest:?}: nobody was stopped");
        let [calm, frozen] = [calm, frozen].map(|told| latency(&told));
        println!(
            "other partitions, p50 and p99: {calm:?}; while one broker is stopped: {frozen:?}"
        );
        // Who waits for the stopped one waits for most of its time.
        let limit = if is_long() {
            2 * calm[1] + SLACK
        } else {
            STOP / 3
        };
        good += usize::from(frozen[1] <= limit);
        if good == wanted {
            break;
        }
    }
    producer.close().expect("nothing is pending");
    assert_eq!(good, wanted, "good rounds, of three times as many");
}

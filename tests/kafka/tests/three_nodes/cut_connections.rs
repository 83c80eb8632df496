//! Connections that end at a bad moment: inside a request, inside an answer, or when the broker has
//! appended and its answer is lost. With the default settings nobody notices but the sender.

use std::time::Duration;

use linger::{Producer, ProducerRecord};
use linger_kafka_tests::{Cluster, Direction, Load, Tally, properties, topic_name, wait_until};

use crate::three_nodes;

/// In the length, the header, the batch's header, and the records.
const CUTS: [usize; 8] = [1, 4, 7, 30, 60, 110, 300, 900];

/// Cuts the next Produce frames to or from each leader, and waits until that has happened.
fn cut_everywhere(cluster: &Cluster, topic: &str, direction: Direction, bytes: &[usize]) {
    (1..=3).for_each(|node| cluster.proxy(node).cut_next(direction, bytes));
    wait_until("all cuts", 60, || {
        let to_come = |node: &i32| cluster.proxy(*node).cuts_to_come() > 0;
        let waiting: Vec<i32> = (1..=3).filter(to_come).collect();
        // On a machine that is too busy for it, a broker may lose what it leads.
        let leads = |node| cluster.leaders(topic).iter().any(|one| one.leader == node);
        !waiting.into_iter().any(leads)
    });
}

#[test]
fn answers_that_are_lost_after_the_append_leave_no_doubles() {
    let cluster = three_nodes();
    let topic = topic_name("swallowed");
    cluster.create_topic(&topic, 6, &[]);
    cluster.await_in_sync(&topic, 3);
    let properties = properties(&cluster.proxied_bootstrap());
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topic);
    load.send_during(6, || {
        cut_everywhere(&cluster, &topic, Direction::ToClient, &[0; 10]);
    });
    producer.close().expect("nothing is pending");

    let metrics = producer.metrics();
    assert!(metrics.records_retried > 0, "{metrics:?}");
    load.assert_all_stored(&cluster);
}

#[test]
fn connections_that_end_inside_frames_lose_and_double_nothing() {
    let cluster = three_nodes();
    let topic = topic_name("cut-frames");
    cluster.create_topic(&topic, 6, &[]);
    cluster.await_in_sync(&topic, 3);
    let properties = properties(&cluster.proxied_bootstrap());
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topic);
    load.send_during(6, || {
        cut_everywhere(&cluster, &topic, Direction::ToBroker, &CUTS);
        cut_everywhere(&cluster, &topic, Direction::ToClient, &CUTS);
    });
    producer.close().expect("nothing is pending");

    let metrics = producer.metrics();
    assert!(metrics.records_retried > 0, "{metrics:?}");
    load.assert_all_stored(&cluster);
}

#[test]
fn answers_that_stall_beyond_the_request_timeout_leave_no_doubles() {
    let cluster = three_nodes();
    let topic = topic_name("stalled-answers");
    cluster.create_topic(&topic, 6, &[]);
    cluster.await_in_sync(&topic, 3);
    let properties = properties(&cluster.proxied_bootstrap()).set("request.timeout.ms", 1_000);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topic);
    // Whose connections are not there yet sends nothing that could be lost.
    load.send(6, 1);
    producer.flush().expect("open");
    load.send_during(6, || {
        for node in 1..=3 {
            let before = producer.metrics().records_retried;
            cluster.proxy(node).hold(Direction::ToClient);
            wait_until("a retry", 60, || {
                producer.metrics().records_retried > before
            });
            cluster.proxy(node).heal();
        }
    });
    producer.close().expect("nothing is pending");
    load.assert_all_stored(&cluster);
}

#[test]
fn a_broker_that_never_answers_keeps_nobody_from_starting() {
    let cluster = three_nodes();
    let topic = topic_name("silent-at-start");
    cluster.create_topic(&topic, 6, &[]);
    cluster.await_in_sync(&topic, 3);
    let leaders = cluster.leaders(&topic);
    for silent in 1..=3 {
        cluster.proxy(silent).hold(Direction::ToClient);
        let properties = properties(&cluster.proxied_bootstrap()).set("request.timeout.ms", 1_000);
        let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
        let others = leaders.iter().filter(|one| one.leader != silent);
        let value: &[u8] = b"v";
        for one in others {
            let record = ProducerRecord::new(&topic, value).partition(one.partition);
            producer.send_wait(record).expect("its leader answers");
        }
        cluster.proxy(silent).heal();
        producer.close().expect("nothing is pending");
    }
}

#[test]
fn each_fate_is_true_when_connections_end_at_the_last_attempt() {
    let cluster = three_nodes();
    let topic = topic_name("no-retries-left");
    cluster.create_topic(&topic, 6, &[]);
    cluster.await_in_sync(&topic, 3);
    let properties = properties(&cluster.proxied_bootstrap()).set("retries", 1);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topic);
    load.send_during(6, || {
        for direction in [Direction::ToBroker, Direction::ToClient] {
            for bytes in [0, 20] {
                cut_everywhere(&cluster, &topic, direction, &[bytes; 8]);
                // Until something succeeds again, one batch after the other fails.
                let before = producer.metrics().records_acknowledged;
                wait_until("acknowledgements", 60, || {
                    producer.metrics().records_acknowledged > before + 100
                });
            }
        }
    });
    producer.close().expect("nothing is pending");

    let tally: Tally = load.assert_all_true(&cluster);
    assert!(tally.doubtful_stored > 0, "{tally:?}");
    assert!(tally.doubtful_absent > 0, "{tally:?}");
}

/// Timeouts so short that faults outlast them.
const IMPATIENCE: u64 = 1_000;

#[test]
fn each_fate_is_true_when_batches_expire_amid_faults_at_random() {
    const ROUNDS: u64 = 12;
    let cluster = three_nodes();
    let topic = topic_name("at-random");
    cluster.create_topic(&topic, 6, &[]);
    cluster.await_in_sync(&topic, 3);
    let properties = properties(&cluster.proxied_bootstrap())
        .set("linger.ms", 0)
        .set("request.timeout.ms", IMPATIENCE)
        .set("delivery.timeout.ms", IMPATIENCE + 300);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topic);
    let seed = std::process::id().into();
    let mut random = Random(seed);
    load.send_during(6, || {
        for _ in 0..ROUNDS {
            for node in 1..=3 {
                let proxy = cluster.proxy(node);
                let direction = random.one_of([Direction::ToBroker, Direction::ToClient]);
                match random.below(4) {
                    0 => proxy.hold(direction),
                    1 => proxy.hold_present(direction),
                    2 => proxy.cut_next(direction, &[random.one_of([0, 4, 50, 400]); 3]),
                    _ => {}
                }
            }
            // How long a fault lasts is what is drawn here; nothing is waited for.
            std::thread::sleep(Duration::from_millis(200 + random.below(2_000)));
            (1..=3).for_each(|node| cluster.proxy(node).heal());
            std::thread::sleep(Duration::from_millis(random.below(500)));
        }
    });
    producer.close().expect("open");

    println!("seed {seed}");
    let tally = load.assert_all_true(&cluster);
    let failed = tally.doubtful_stored + tally.doubtful_absent + tally.not_written;
    assert!(failed > 0, "{tally:?}");
    assert!(tally.acknowledged > 0, "{tally:?}");
}

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn one_of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[usize::try_from(self.below(N as u64)).expect("below N")]
    }
}

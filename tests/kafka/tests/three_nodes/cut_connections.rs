//! Connections that end at a bad moment: inside a request, inside an answer, or when the broker has
//! appended and its answer is lost. With the default settings nobody notices but the sender.

use std::time::Duration;

use linger::{Producer, ProducerRecord};
use linger_kafka_tests::{
    Cluster, Direction, Load, Proxy, Tally, Verifiable, properties, rounds, wait_until,
};

use crate::{await_faults, new_topic, three_nodes};

/// Where to cut frames: in the length, the header, the batches' headers, the records. At each of
/// the first bytes and then in ever longer steps; ten times as dense where there is time.
fn sweep(end: usize) -> Vec<usize> {
    let dense = rounds(10);
    std::iter::successors(Some(0), |at| Some(at + 1 + at / dense))
        .take_while(|at| *at < end)
        .collect()
}

/// Cuts the next Produce frames to or from the leaders, each at one of these, and waits until that
/// has happened.
fn cut_everywhere(cluster: &Cluster, topic: &str, direction: Direction, bytes: &[usize]) {
    for (node, at) in [1, 2, 3].iter().cycle().zip(bytes) {
        cluster.proxy(*node).cut_next(direction, &[*at]);
    }
    await_faults(cluster, topic, Proxy::cuts_to_come);
}

/// Cuts under load, from this process and another, and expects that nobody notices.
fn assert_cuts_go_unnoticed(name: &str, cuts: &[(Direction, Vec<usize>)]) {
    let cluster = three_nodes();
    let topic = new_topic(&cluster, name, 6);
    let process_topic = new_topic(&cluster, &format!("{name}-process"), 6);
    // For frames of some length.
    let properties = properties(&cluster.proxied_bootstrap()).set("linger.ms", 20);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topic);
    let process = Verifiable::start(&cluster, &process_topic, &[]);
    process.await_acknowledged(500);
    load.send_during(6, || {
        for (direction, bytes) in cuts {
            cut_everywhere(&cluster, &topic, *direction, bytes);
        }
        process.await_acknowledged(500);
    });
    producer.close().expect("nothing is pending");

    let metrics = producer.metrics();
    assert!(metrics.records_retried > 0, "{metrics:?}");
    load.assert_all_stored(&cluster);
    let account = process.finish();
    assert_eq!(account.failed(), 0, "{account:?}");
    assert!(account.retries > 0, "{account:?}");
}

#[test]
fn answers_that_are_lost_after_the_append_leave_no_doubles() {
    let swallow = vec![0; rounds(60)];
    assert_cuts_go_unnoticed("swallowed", &[(Direction::ToClient, swallow)]);
}

#[test]
fn connections_that_end_inside_frames_lose_and_double_nothing() {
    let requests = sweep(4_000).repeat(2);
    let answers = sweep(150).repeat(2);
    let cuts = [
        (Direction::ToBroker, requests),
        (Direction::ToClient, answers),
    ];
    assert_cuts_go_unnoticed("cut-frames", &cuts);
}

#[test]
fn answers_that_stall_beyond_the_request_timeout_leave_no_doubles() {
    let cluster = three_nodes();
    let topic = new_topic(&cluster, "stalled-answers", 6);
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
            wait_until("a retry", || producer.metrics().records_retried > before);
            cluster.proxy(node).heal();
        }
    });
    producer.close().expect("nothing is pending");
    load.assert_all_stored(&cluster);
}

#[test]
fn a_broker_that_never_answers_keeps_nobody_from_starting() {
    let cluster = three_nodes();
    let topic = new_topic(&cluster, "silent-at-start", 6);
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
    let topic = new_topic(&cluster, "no-retries-left", 6);
    let properties = properties(&cluster.proxied_bootstrap()).set("retries", 1);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topic);
    load.send_during(6, || {
        for direction in [Direction::ToBroker, Direction::ToClient] {
            for bytes in [0, 20] {
                cut_everywhere(&cluster, &topic, direction, &[bytes; 8]);
                // Until something succeeds again, one batch after the other fails.
                let before = producer.metrics().records_acknowledged;
                wait_until("acknowledgements", || {
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
    let cluster = three_nodes();
    let topic = new_topic(&cluster, "at-random", 6);
    let properties = properties(&cluster.proxied_bootstrap())
        .set("linger.ms", 0)
        .set("request.timeout.ms", IMPATIENCE)
        .set("delivery.timeout.ms", IMPATIENCE + 300);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topic);
    let process_topic = new_topic(&cluster, "at-random-process", 6);
    let timeouts = [IMPATIENCE, IMPATIENCE + 300].map(|time| time.to_string());
    let settings = [
        ("linger.ms", "0"),
        ("request.timeout.ms", &timeouts[0]),
        ("delivery.timeout.ms", &timeouts[1]),
    ];
    let process = Verifiable::start(&cluster, &process_topic, &settings);
    process.await_acknowledged(500);
    let seed = std::process::id().into();
    let mut random = Random(seed);
    load.send_during(6, || {
        for _ in 0..rounds(12) {
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
        // Whatever was drawn, this one lasts until something expires.
        for node in 1..=3 {
            cluster.proxy(node).hold(Direction::ToBroker);
        }
        wait_until("something expires", || {
            producer.metrics().records_failed > 0 && process.failed() > 0
        });
        (1..=3).for_each(|node| cluster.proxy(node).heal());
    });
    producer.close().expect("open");

    println!("seed {seed}");
    let tally = load.assert_all_true(&cluster);
    let failed = tally.doubtful_stored + tally.doubtful_absent + tally.not_written;
    assert!(failed > 0, "{tally:?}");
    assert!(tally.acknowledged > 0, "{tally:?}");
    let account = process.finish();
    assert!(account.failed() > 0, "{account:?}");
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

//! Leaders that are stopped in their tracks (SIGSTOP) with several batches on their way, and go on
//! (SIGCONT) when these have been sent again, or given up: what lay in their sockets is then
//! processed all the same.

use std::thread;
use std::time::Duration;

use linger::Producer;
use linger_kafka_tests::{
    Account, Load, Verifiable, is_long, properties, rounds, topic_name, wait_until,
};

use crate::{first_leader, new_topic, three_nodes};

/// Beyond the request timeout and, for those that give up soon, the delivery timeout. The longest
/// lets another leader take over.
const STOPS: [Duration; 3] = [
    Duration::from_secs(5),
    Duration::from_millis(2_500),
    Duration::from_secs(2),
];
const REQUEST_TIMEOUT: &str = "1000";
const SOON: &str = "1200";
/// The same, and what may be added where nothing else runs.
const SOON_ENOUGH: Duration = Duration::from_millis(1_700);

#[test]
fn a_leader_that_stops_in_its_tracks_makes_nobody_lie() {
    let cluster = three_nodes();
    let patient = new_topic(&cluster, "stopped-patient", 3);
    let impatient = new_topic(&cluster, "stopped-impatient", 3);
    // Nobody takes over from the leaders of these, so everything that lay there arrives.
    let alone = ["stopped-alone", "stopped-alone-process"].map(topic_name);
    for topic in &alone {
        cluster.create_unreplicated_topic(topic, 3);
    }
    let properties = properties(&cluster.proxied_bootstrap())
        .set("linger.ms", 0)
        .set("request.timeout.ms", REQUEST_TIMEOUT)
        .set("delivery.timeout.ms", SOON);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &alone[0]);
    let waits = [("linger.ms", "0"), ("request.timeout.ms", REQUEST_TIMEOUT)];
    let gives_up = [&waits[..], &[("delivery.timeout.ms", SOON)]].concat();
    let processes = [
        Verifiable::start(&cluster, &patient, &waits),
        Verifiable::start(&cluster, &impatient, &gives_up),
        Verifiable::start(&cluster, &alone[1], &gives_up),
    ];
    load.send_during(3, || {
        for stop in STOPS.repeat(rounds(1)) {
            for process in &processes {
                process.await_acknowledged(500);
            }
            let before = producer.metrics().records_acknowledged;
            wait_until("sending is under way", || {
                producer.metrics().records_acknowledged > before + 1_000
            });
            let leader = first_leader(&cluster, &patient);
            cluster.pause(leader);
            load.send(3, 1);
            let sent = load.so_far();
            thread::sleep(stop);
            wait_until("nobody waits for the leader", || sent.has_ended());
            cluster.resume(leader);
        }
        for process in &processes {
            process.await_acknowledged(500);
        }
    });
    producer.close().expect("open");

    let limit = is_long().then_some(SOON_ENOUGH);
    let tally = load.assert_all_true_within(&cluster, limit.unwrap_or(Duration::MAX));
    assert!(tally.doubtful_stored > 0, "{tally:?}");
    let [patient, impatient, alone] = processes.map(Verifiable::finish);
    assert_eq!(patient.failed(), 0, "{patient:?}");
    assert!(patient.retries > 0, "{patient:?}");
    let doubtful = |one: &Account| one.tally.doubtful_stored + one.tally.doubtful_absent;
    assert!(doubtful(&impatient) > 0, "{impatient:?}");
    assert!(alone.tally.doubtful_stored > 0, "{alone:?}");
}

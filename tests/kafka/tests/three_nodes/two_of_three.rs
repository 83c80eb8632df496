//! Two brokers of three gone, so that too few replicas are left for `acks=all`.

use linger_kafka_tests::{Verifiable, rounds, topic_name, wait_until};

use crate::{new_topic, three_nodes};

#[test]
fn records_outlast_two_brokers_of_three_or_expire_truthfully() {
    let cluster = three_nodes();
    let patient = new_topic(&cluster, "two-gone", 3);
    let impatient = new_topic(&cluster, "two-gone-impatient", 3);
    // Refuses as soon as one is gone. Of the others, the leader appends and waits in vain.
    let strict = topic_name("one-gone");
    cluster.create_topic(&strict, 3, &[("min.insync.replicas", "3")]);
    cluster.await_in_sync(&strict, 3);
    let topics = [patient, impatient, strict];
    let waits = [("request.timeout.ms", "2000")];
    let gives_up = [
        ("request.timeout.ms", "1000"),
        ("delivery.timeout.ms", "1500"),
    ];
    let processes = [
        Verifiable::start(&cluster, &topics[0], &waits),
        Verifiable::start(&cluster, &topics[1], &gives_up),
        Verifiable::start(&cluster, &topics[2], &waits),
    ];
    let [patient, impatient, strict] = &processes;
    for round in 0..rounds(1) {
        for process in &processes {
            process.await_acknowledged(500);
        }
        let node = |offset: usize| [1, 2, 3][(round + offset) % 3];
        let refused = || strict.logged().matches("NOT_ENOUGH_REPLICAS").count();
        let before = refused();
        cluster.kill(node(0));
        wait_until("too few replicas", || refused() > before);
        let (failed, again) = (impatient.failed(), patient.logged().len());
        cluster.kill(node(1));
        wait_until("records are given up", || impatient.failed() > failed + 500);
        wait_until("others are sent again", || patient.logged().len() > again);
        cluster.heal();
        for topic in &topics {
            cluster.await_in_sync(topic, 3);
        }
    }
    for process in &processes {
        process.await_acknowledged(500);
    }

    let [patient, impatient, strict] = processes.map(Verifiable::finish);
    for whole in [patient, strict] {
        assert_eq!(whole.failed(), 0, "{whole:?}");
        assert!(whole.retries > 0, "{whole:?}");
    }
    assert!(impatient.failed() > 0, "{impatient:?}");
}

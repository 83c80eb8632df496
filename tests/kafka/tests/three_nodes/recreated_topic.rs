//! A topic that is deleted and created again under the hands of those who send to it.

use linger_kafka_tests::{Verifiable, rounds, wait_until};

use crate::{new_topic, three_nodes};

#[test]
fn a_topic_that_is_deleted_and_created_again_takes_what_comes_after() {
    let cluster = three_nodes();
    let topics = ["recreated", "recreated-impatient"].map(|name| new_topic(&cluster, name, 3));
    let gives_up = [
        ("request.timeout.ms", "1000"),
        ("delivery.timeout.ms", "1500"),
    ];
    let processes = [
        Verifiable::start(&cluster, &topics[0], &[]),
        Verifiable::start(&cluster, &topics[1], &gives_up),
    ];
    for _ in 0..rounds(2) {
        for process in &processes {
            process.await_acknowledged(500);
        }
        let failed = processes[1].failed();
        for topic in &topics {
            cluster.delete_topic(topic);
        }
        wait_until("records are given up", || {
            processes[1].failed() > failed + 500
        });
        for topic in &topics {
            cluster.create_topic(topic, 3, &[]);
            cluster.await_in_sync(topic, 3);
        }
    }
    for process in &processes {
        process.await_acknowledged(2_000);
    }

    let [patient, impatient] = processes.map(Verifiable::finish_since_recreation);
    assert!(patient.tally.acknowledged >= 2_000, "{patient:?}");
    assert!(patient.tally.deleted >= 1_000, "{patient:?}");
    assert!(impatient.tally.acknowledged >= 1_000, "{impatient:?}");
    assert!(impatient.failed() >= 500, "{impatient:?}");
}

//! A topic that does not exist and may not be created.

use std::time::{Duration, Instant};

use linger::{Error, ErrorKind, Producer, ProducerRecord};
use linger_kafka_tests::{properties, topic_name};

use crate::three_nodes;

#[test]
fn a_topic_that_may_not_be_created_is_refused_in_time_and_harms_no_other() {
    let cluster = three_nodes();
    let topic = topic_name("present");
    cluster.create_topic(&topic, 1, &[]);
    let properties = properties(&cluster.bootstrap()).set("max.block.ms", 2_000);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let value: &[u8] = b"v";
    let store = || producer.send_wait(ProducerRecord::new(&topic, value));
    // Connects, which may take a busy machine longer than `max.block.ms`.
    let mut tries = (0..5).map(|_| store());
    let first = tries.find_map(Result::ok).expect("one in five is stored");
    let refuse = || {
        let before = Instant::now();
        let refused = producer
            .send_wait(ProducerRecord::new("absent", value))
            .expect_err("there is no topic");
        (refused, before.elapsed())
    };
    // On a machine that stands still for a moment, the thread that knows why may come too late.
    let in_time = |error: &Error| !error.to_string().contains("I/O thread is busy");
    let mut refusals = (0..5).map(|_| refuse());
    let (refused, waited) = refusals
        .find(|(error, _)| in_time(error))
        .expect("one in five is told why");
    let stored = store().expect("stored");
    producer.close().expect("nothing is pending");

    assert_eq!(
        refused.kind(),
        ErrorKind::UnknownTopicOrPartition,
        "{refused}"
    );
    assert!(refused.to_string().contains("absent"), "{refused}");
    assert!(
        waited >= Duration::from_secs(2) && waited < Duration::from_secs(30),
        "{waited:?}"
    );
    assert_eq!((first.offset(), stored.offset()), (Some(0), Some(1)));
    assert_eq!(cluster.end_offsets(&topic), [2]);
}

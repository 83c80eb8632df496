//! The harness itself, with nothing of Linger in between: what Kafka's own tools write comes back,
//! and nodes come and go as told.

use std::sync::{Mutex, PoisonError};

use linger_kafka_tests::{Cluster, Options, run_kafka_tool, topic_name};

/// One cluster at a time: their brokers want memory, and all cores while they start.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn reads_back_what_the_console_producer_wrote() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = Cluster::start(&Options::new(1));
    let topic = topic_name("console");
    cluster.create_topic(&topic, 1, &[]);
    let output = run_kafka_tool(
        "org.apache.kafka.tools.ConsoleProducer",
        &[
            "--bootstrap-server",
            &cluster.bootstrap(),
            "--topic",
            &topic,
            "--reader-property",
            "parse.key=true",
            "--reader-property",
            "parse.headers=true",
            "--reader-property",
            "null.marker=NULL",
        ],
        "h:1,h:2\tk\tv\nNULL\tNULL\tNULL\n",
    );
    assert!(output.status.success(), "{output:?}");
    let records = cluster.read(&topic);
    assert_eq!(cluster.end_offsets(&topic), [2]);
    assert_eq!(records[0].offset, 0);
    assert_eq!(records[0].key.as_deref(), Some(&b"k"[..]));
    assert_eq!(records[0].text(), "v");
    let header = |value: &[u8]| ("h".to_owned(), Some(value.to_vec()));
    assert_eq!(records[0].headers, [header(b"1"), header(b"2")]);
    assert_eq!((&records[1].key, &records[1].value), (&None, &None));
    assert_eq!(records[1].timestamp_type, "CreateTime");
}

#[test]
fn a_killed_leader_is_replaced_and_comes_back() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = Cluster::start(&Options::new(3));
    let topic = topic_name("failover");
    cluster.create_topic(&topic, 1, &[]);
    cluster.await_in_sync(&topic, 3);
    let first = cluster.leaders(&topic)[0].leader;
    cluster.kill(first);
    cluster.await_in_sync(&topic, 2);
    assert_ne!(cluster.leaders(&topic)[0].leader, first);
    cluster.restart(first);
    cluster.await_in_sync(&topic, 3);
    cluster.grow_topic(&topic, 2);
    assert_eq!(cluster.end_offsets(&topic), [0, 0]);
}

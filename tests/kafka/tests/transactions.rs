//! Transactions on real brokers, in both versions, read by Kafka's own consumer with
//! `isolation.level=read_committed`. Alone in its process, since it stops brokers and changes a feature of
//! its cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use linger::{
    ConsumerGroup, ConsumerOffset, ConsumerOffsets, ErrorKind, Fate, ProducerRecord,
    TransactionalProducer,
};
use linger_kafka_tests::{Cluster, Options, have_transactions_2, properties, rounds, wait_until};

const FEATURE: &str = "transaction.version";
const PARTITIONS: i32 = 3;

#[test]
fn all_of_a_transaction_is_read_or_nothing() {
    let cluster = Cluster::start(&Options::new(3));
    let has_2 = have_transactions_2();
    for version in if has_2 { &[2, 1][..] } else { &[1] } {
        let version = *version;
        if has_2 {
            cluster.set_feature(FEATURE, version);
        }
        commits_and_aborts(&cluster, version);
        fences(&cluster, version);
        survives_brokers(&cluster, version);
    }
    let mut last = "brokers-1";
    if has_2 {
        last = "changes";
        survives_another_version(&cluster, last);
    }
    // A broker that has just come back is asked only once all know it.
    cluster.await_in_sync(last, 3);
    wait_until("no transaction is open", || {
        let all = cluster.transactions();
        assert!(!all.is_empty());
        all.iter()
            .all(|one| one.contains("Complete") || one.contains("Empty"))
    });
}

fn producer(cluster: &Cluster, id: &str) -> TransactionalProducer<[u8], [u8]> {
    let properties = properties(&cluster.bootstrap())
        .set("transactional.id", id)
        .set("max.block.ms", "120000")
        .set("retry.backoff.ms", "50");
    TransactionalProducer::new(&properties).expect("valid properties and brokers")
}

/// One record to each partition, with this text as value.
fn send(transaction: &linger::Transaction<'_, [u8], [u8]>, topic: &str, text: &str) -> bool {
    (0..PARTITIONS).all(|partition| {
        let record = ProducerRecord::new(topic, text.as_bytes()).partition(partition);
        transaction.send(record, |_| {}).is_ok()
    })
}

/// The values that are visible, each of them in every partition.
fn committed(cluster: &Cluster, topic: &str) -> BTreeSet<String> {
    let mut counts = std::collections::BTreeMap::new();
    for record in cluster.read_committed(topic) {
        *counts.entry(record.text().to_owned()).or_insert(0) += 1;
    }
    for (text, count) in &counts {
        assert_eq!(*count, PARTITIONS, "{text} is visible in part, or twice");
    }
    counts.into_keys().collect()
}

fn commits_and_aborts(cluster: &Cluster, version: i16) {
    let (topic, group) = (format!("plain-{version}"), format!("readers-{version}"));
    cluster.create_topic(&topic, PARTITIONS, &[]);
    cluster.create_topic(&format!("input-{version}"), 1, &[]);
    let mut producer = producer(cluster, &format!("plain-{version}"));
    let mut expected = BTreeSet::new();
    for number in 0..20 {
        let text = format!("transaction {number}");
        let transaction = producer.begin().expect("nothing is open");
        assert!(send(&transaction, &topic, &text));
        let mut offsets = ConsumerOffsets::new();
        offsets.set(ConsumerOffset::new(
            format!("input-{version}"),
            0,
            number + 1,
        ));
        let read = transaction.send_offsets(&offsets, &ConsumerGroup::new(&*group));
        read.expect("a group that nobody is in");
        // So that what is aborted lies in the log.
        transaction.flush().expect("brokers that answer");
        match number % 4 {
            0 => transaction.abort().expect("an abort"),
            1 => drop(transaction),
            _ => {
                transaction.commit().expect("a commit");
                expected.insert(text);
            }
        }
    }
    // What was dropped last is aborted by now, or will be.
    producer
        .begin()
        .expect("the last is over")
        .commit()
        .expect("a commit of nothing");
    assert_eq!(committed(cluster, &topic), expected);
    assert_eq!(
        cluster.group_offsets(&group),
        [format!("input-{version} 0 20")]
    );
    let all = cluster.read(&topic).len();
    assert_eq!(
        all,
        20 * PARTITIONS as usize,
        "those that are aborted lie in the log"
    );
}

/// A second producer with the same id: the first one commits nothing any more.
fn fences(cluster: &Cluster, version: i16) {
    let topic = format!("fenced-{version}");
    cluster.create_topic(&topic, PARTITIONS, &[]);
    let id = format!("fenced-{version}");
    let mut first = producer(cluster, &id);
    let transaction = first.begin().expect("nothing is open");
    assert!(send(&transaction, &topic, "of the first"));
    transaction.flush().expect("brokers that answer");

    let mut second = producer(cluster, &id);
    let other = second.begin().expect("nothing is open");
    assert!(send(&other, &topic, "of the second"));
    other.commit().expect("a commit");

    let error = transaction
        .commit()
        .expect_err("another producer has the id");
    assert!(error.is_fatal() || error.is_abortable(), "{error}");
    let error = match first.begin().and_then(|next| {
        send(&next, &topic, "too late");
        next.commit()
    }) {
        Ok(()) => panic!("a fenced producer commits"),
        Err(error) => error,
    };
    assert!(error.is_fatal(), "{error}");
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    assert_eq!(
        committed(cluster, &topic),
        ["of the second".to_owned()].into()
    );
}

/// Brokers are killed, paused and restarted one after the other, the coordinator among them.
fn survives_brokers(cluster: &Cluster, version: i16) {
    let topic = format!("brokers-{version}");
    cluster.create_topic(&topic, PARTITIONS, &[]);
    let mut producer = producer(cluster, &format!("brokers-{version}"));
    let (mut visible, mut unknown, mut refused) = (BTreeSet::new(), BTreeSet::new(), 0);
    std::thread::scope(|scope| {
        let chaos = scope.spawn(|| {
            for round in 0..rounds(1) as i32 * 3 {
                // Whoever coordinates is among the three.
                let node = round % 3 + 1;
                if round % 2 == 0 {
                    cluster.kill(node);
                    std::thread::sleep(Duration::from_secs(2));
                    cluster.restart(node);
                } else {
                    cluster.pause(node);
                    std::thread::sleep(Duration::from_secs(2));
                    cluster.resume(node);
                }
                std::thread::sleep(Duration::from_secs(2));
            }
        });
        let mut number = 0;
        while !chaos.is_finished() {
            number += 1;
            let text = format!("transaction {number}");
            let Ok(transaction) = producer.begin() else {
                refused += 1;
                continue;
            };
            let _complete = send(&transaction, &topic, &text);
            match transaction.commit() {
                Ok(()) => _ = visible.insert(text),
                Err(error) if error.fate() == Fate::MayBeWritten => {
                    if producer.resolve_commit().is_ok() {
                        visible.insert(text);
                    } else {
                        unknown.insert(text);
                    }
                }
                Err(error) => {
                    assert!(error.is_abortable(), "{error}");
                    refused += 1;
                }
            }
        }
        println!(
            "version {version}: {number} transactions, {} committed, {} unknown, {refused} aborted",
            visible.len(),
            unknown.len()
        );
    });
    cluster.heal();
    let transaction = producer.begin().expect("all brokers are up");
    assert!(send(&transaction, &topic, "the last"));
    transaction.commit().expect("all brokers are up");
    visible.insert("the last".to_owned());
    let seen = committed(cluster, &topic);
    let missing: Vec<_> = visible.difference(&seen).collect();
    assert!(missing.is_empty(), "committed and not visible: {missing:?}");
    let surplus: Vec<_> = seen
        .difference(&visible)
        .filter(|text| !unknown.contains(*text))
        .collect();
    assert!(surplus.is_empty(), "visible and not committed: {surplus:?}");
    assert!(visible.len() > 20, "{}", visible.len());
}

/// The feature changes under a running producer, from 1 to 2 and back.
fn survives_another_version(cluster: &Cluster, topic: &str) {
    cluster.create_topic(topic, PARTITIONS, &[]);
    let mut producer = producer(cluster, topic);
    let mut expected = BTreeSet::new();
    for (number, level) in [1, 2, 1].into_iter().enumerate() {
        cluster.set_feature(FEATURE, level);
        // It is noticed on new connections.
        if number > 0 {
            (1..=3).for_each(|node| cluster.kill(node));
            cluster.heal();
        }
        for part in 0..3 {
            let text = format!("transaction {number}.{part}");
            let transaction = producer.begin().expect("the last one is over");
            let is_sent = send(&transaction, topic, &text);
            if transaction.commit().is_ok() && is_sent {
                expected.insert(text);
            }
        }
    }
    assert!(expected.len() >= 6, "{expected:?}");
    assert_eq!(committed(cluster, topic), expected);
}

//! Errors name the record that they are about, as data: topic, partition, and the sizes of key and value.

use std::sync::mpsc;
use std::time::Duration;

use linger::{
    CloseReport, Error, ErrorKind, Fate, OwnedProducerRecord, Producer, ProducerRecord, Purge,
};

use crate::support::{Outcomes, PATIENCE, Setup, close_and_return_at_once, ignore};

type Named = (Option<String>, Option<i32>, Option<usize>, Option<usize>);

/// All that an error says of its record.
fn named(error: &Error) -> Named {
    (
        error.topic().map(str::to_owned),
        error.partition(),
        error.key_size(),
        error.value_size(),
    )
}

fn of(topic: &str, partition: Option<i32>, key: Option<usize>, value: Option<usize>) -> Named {
    (Some(topic.to_owned()), partition, key, value)
}

#[test]
fn a_refusal_names_its_record() {
    let (cluster, producer) = Setup::new()
        .topic("t", 3)
        .set("max.request.size", 2_000)
        .set("buffer.memory", 20_000)
        .set("batch.size", 1_000)
        .set("max.block.ms", 0)
        .start();
    let refused = |record| producer.try_send(record, ignore).unwrap_err();
    let unknown = refused(ProducerRecord::new("another", "v").key("key"));
    assert_eq!(named(&unknown), of("another", None, None, None));
    let wrong = refused(ProducerRecord::new("t", "v").partition(-1));
    assert_eq!(named(&wrong), of("t", Some(-1), None, None));
    while producer.partitions_for("t").is_err() {}
    let large = "x".repeat(3_000);
    let too_large = refused(ProducerRecord::new("t", &large).key("key"));
    assert_eq!(too_large.kind(), ErrorKind::RecordTooLarge);
    assert_eq!(named(&too_large), of("t", None, Some(3), Some(3_000)));
    cluster.pause_broker(1);
    let value = "v".repeat(900);
    let full = loop {
        let record = ProducerRecord::new("t", &value).partition(1);
        if let Err(full) = producer.send_with_handle(record) {
            break full;
        }
    };
    assert_eq!(full.kind(), ErrorKind::BufferFull);
    assert_eq!(named(&full), of("t", Some(1), None, Some(900)));
    let keyed = refused(ProducerRecord::new("t", &value).key("key"));
    assert!(
        keyed.partition().is_some(),
        "its key has chosen one: {keyed:?}"
    );
    cluster.resume_broker(1);
}

#[test]
fn a_question_about_a_topic_names_it() {
    let (_cluster, producer) = Setup::new().start();
    let error = producer.partitions_for("not a name").unwrap_err();
    assert_eq!(named(&error), of("not a name", None, None, None));
    let about_none = producer.close().and_then(|_| producer.flush()).unwrap_err();
    assert_eq!(named(&about_none), (None, None, None, None));
}

/// Three records that go into one batch and are never sent.
fn purged(producer: &Producer<str, str>, mut send: impl FnMut(ProducerRecord<'_, str, str>)) {
    let record = |value| ProducerRecord::new("t", value).partition(0);
    send(record("four").key("k"));
    send(record(""));
    send(ProducerRecord::tombstone("t").partition(0).key(""));
    producer.purge(Purge::All).unwrap();
}

fn expected() -> Vec<Named> {
    vec![
        of("t", Some(0), Some(1), Some(4)),
        of("t", Some(0), None, Some(0)),
        of("t", Some(0), Some(0), None),
    ]
}

#[test]
fn a_callback_hears_which_record_failed_and_so_does_a_group() {
    let (_cluster, producer) = Setup::new().topic("t", 1).set("linger.ms", 60_000).start();
    let outcomes = Outcomes::new();
    purged(&producer, |record| {
        producer.send(record, outcomes.callback(())).unwrap();
    });
    let heard = (0..3).map(|_| named(&outcomes.next().1.unwrap_err()));
    assert_eq!(heard.collect::<Vec<_>>(), expected());

    let (tell, told) = mpsc::channel();
    let group = producer.group(move |(), result| tell.send(named(result.unwrap_err())).unwrap());
    purged(&producer, |record| group.send(record, ()).unwrap());
    let heard: Vec<_> = told.iter().take(3).collect();
    assert_eq!(heard, expected());

    let (tell, told) = mpsc::channel();
    let once = producer.group_once(move |report| tell.send(report).unwrap());
    purged(&producer, |record| once.send(record, ()).unwrap());
    once.done();
    let report = told.recv_timeout(PATIENCE).unwrap();
    let heard = report.failures.iter().map(|failure| named(&failure.error));
    assert_eq!(heard.collect::<Vec<_>>(), expected());
}

#[test]
fn so_does_who_waits_for_it_and_who_gets_it_back() {
    let (cluster, producer) = Setup::new().topic("t", 1).start();
    let outcomes = Outcomes::new();
    producer.partitions_for("t").unwrap();
    cluster.pause_broker(1);
    let record = ProducerRecord::new("t", "four").key("k");
    let handle = producer.send_with_handle(record.clone()).unwrap();
    let not_yet = handle.wait_timeout(Duration::ZERO).unwrap_err();
    assert_eq!(named(&not_yet), of("t", Some(0), None, None));
    producer.send(record, outcomes.callback(())).unwrap();
    let (_, records) = close_and_return_at_once(&producer);
    for record in &records {
        assert_eq!(named(record.error()), of("t", Some(0), Some(1), Some(4)));
    }
    assert_eq!(records.len(), 2);
}

/// Closes at once; as patient with a slow machine as the other tests.
fn close_at_once(producer: &Producer<str, str>) -> Option<CloseReport> {
    producer.close_timeout(Duration::ZERO).ok()
}

#[test]
fn a_close_reports_where_records_failed_and_why() {
    let report = loop {
        let (cluster, producer) = Setup::new()
            .topic("b", 2)
            .topic("a", 1)
            .set("linger.ms", 60_000)
            .start();
        let send = |topic: &str, partition, count| {
            let record = OwnedProducerRecord::<String, _>::new(topic, "v".to_owned());
            for _ in 0..count {
                let record = record.clone().partition(partition);
                producer.send_owned(&record, ignore).unwrap();
            }
        };
        producer.partitions_for("a").unwrap();
        // Failed before the close: not in its report.
        send("b", 1, 5);
        producer.purge(Purge::All).unwrap();
        cluster.pause_broker(1);
        send("b", 1, 1);
        send("b", 0, 3);
        send("a", 0, 2);
        let report = close_at_once(&producer);
        // On a machine that stands still for a moment, the callbacks come too late for a report.
        if let Some(report) = report {
            let again = producer.close().unwrap();
            assert_eq!((again.failed, again.failures.len()), (0, 0));
            break report;
        }
    };
    assert_eq!((report.acknowledged, report.failed), (0, 6));
    let failures: Vec<_> = report
        .failures
        .iter()
        .map(|one| {
            (
                &*one.topic,
                one.partition,
                one.not_written + one.may_be_written,
            )
        })
        .collect();
    assert_eq!(failures, [("a", 0, 2), ("b", 0, 3), ("b", 1, 1)]);
    let sum: u64 = report.failures.iter().map(|one| one.not_written).sum();
    assert_eq!(sum, report.not_written);
    for failed in &report.failures {
        let error = &failed.first_error;
        assert!(error.is_closed(), "{error}");
        assert_eq!(error.topic(), Some(&*failed.topic));
        assert_eq!(error.partition(), Some(failed.partition));
        let is_clear = error.fate() == Fate::NotWritten;
        assert_eq!(is_clear, failed.not_written > 0, "{error}");
    }
}

//! A mock producer against what its documentation says of it.

use crate::foreign::contain;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use super::*;
use crate::producer::{Produce, Purge};
use crate::protocol::error_code::ErrorCode;

type Mock = MockProducer<str, str>;
type Outcome = (&'static str, Result<RecordMetadata>);

fn mock() -> Mock {
    MockProducer::new(&Properties::new()).unwrap()
}

/// A mock whose test completes, and what callbacks hear.
fn by_hand() -> (Mock, mpsc::Sender<Outcome>, Receiver<Outcome>) {
    let mock = mock();
    mock.set_auto_complete(false);
    let (sender, receiver) = mpsc::channel();
    (mock, sender, receiver)
}

fn record(value: &str) -> ProducerRecord<'_, str, str> {
    ProducerRecord::new("orders", value)
}

fn telling(sender: &mpsc::Sender<Outcome>, value: &'static str) -> Callback {
    let sender = sender.clone();
    Box::new(move |result| drop(sender.send((value, result))))
}

fn ignore() -> Callback {
    Box::new(|_| {})
}

#[test]
fn records_are_acknowledged_within_send_as_in_a_log() {
    let mock = mock();
    let (sender, outcomes) = mpsc::channel();
    for value in ["a", "b"] {
        mock.send(record(value), telling(&sender, value)).unwrap();
        let (told, result) = outcomes.try_recv().unwrap();
        let expected = if value == "a" {
            "orders-0@0"
        } else {
            "orders-0@1"
        };
        assert_eq!(
            (told, result.unwrap().to_string()),
            (value, expected.to_owned())
        );
    }
    let values: Vec<_> = mock.history().into_iter().map(|one| one.value).collect();
    assert_eq!(values, [Some("a".to_owned()), Some("b".to_owned())]);
    assert_eq!(mock.metrics().records_acknowledged, 2);
    mock.clear();
    assert_eq!(mock.history(), []);
}

#[test]
fn the_test_decides_which_outcome_comes_when() {
    let (mock, sender, outcomes) = by_hand();
    for value in ["a", "b", "c", "d"] {
        mock.send(record(value), telling(&sender, value)).unwrap();
    }
    assert!(outcomes.try_recv().is_err());
    assert!(mock.complete_next());
    let (value, result) = outcomes.try_recv().unwrap();
    assert_eq!((value, result.is_ok()), ("a", true));
    let kind = ErrorKind::Broker(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    assert!(mock.error_next(kind, Fate::MayBeWritten));
    let (value, result) = outcomes.try_recv().unwrap();
    let error = result.unwrap_err();
    assert_eq!(
        (value, error.kind(), error.fate()),
        ("b", kind, Fate::MayBeWritten)
    );
    assert_eq!(mock.pending(), 2);
    mock.flush().unwrap();
    assert_eq!(
        outcomes
            .try_iter()
            .map(|(value, _)| value)
            .collect::<Vec<_>>(),
        ["c", "d"]
    );
    assert_eq!((mock.flushes(), mock.pending()), (1, 0));
    assert!(!mock.complete_next() && !mock.error_next(kind, Fate::NotWritten));
}

#[test]
fn failures_are_scripted_for_records_to_come() {
    let mock = mock();
    mock.fail_next_send(ErrorKind::TimedOut, Fate::NotWritten);
    let failed = mock.send_wait(record("a")).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::TimedOut);
    assert_eq!(mock.send_wait(record("b")).unwrap().offset(), Some(0));
    mock.refuse_sends(ErrorKind::BufferFull);
    let refused = mock.try_send(record("c"), ignore()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::BufferFull);
    mock.refuse_sends(None);
    mock.send(record("d"), ignore()).unwrap();
    assert_eq!(mock.history().len(), 3, "the refused one is not in it");
}

#[test]
fn partitions_are_those_of_the_real_producer() {
    let mock = mock();
    mock.add_topic("orders", 3);
    let partition = |record| mock.send_wait(record).unwrap().partition();
    // As Java's murmur2 has it.
    let key = b"alice";
    let partitions = TopicPartitions::new(3, &[]);
    let expected = crate::partitioner::ByKey::java().partition(Some(key), &partitions);
    assert_eq!(Some(partition(record("x").key("alice"))), expected);
    let in_turn: Vec<_> = (0..4).map(|_| partition(record("x"))).collect();
    assert_eq!(in_turn, [0, 1, 2, 0]);
    assert_eq!(partition(record("x").partition(2)), 2);
    let refused = |record| mock.send(record, ignore()).unwrap_err().kind();
    assert_eq!(
        refused(record("x").partition(3)),
        ErrorKind::UnknownTopicOrPartition
    );
    assert_eq!(refused(record("x").partition(-1)), ErrorKind::InvalidRecord);
    let elsewhere = ProducerRecord::new("payments", "x");
    assert_eq!(refused(elsewhere), ErrorKind::UnknownTopicOrPartition);
    assert_eq!(mock.partitions_for("orders").unwrap().len(), 3);
    assert!(
        mock.prepare(&["orders", "payments"], Duration::ZERO)
            .is_err()
    );
}

#[test]
fn what_its_properties_say_holds() {
    let properties = Properties::new()
        .set("max.request.size", 100)
        .set("partitioner.class", "round_robin");
    let mock: Mock = MockProducer::new(&properties).unwrap();
    mock.add_topic("orders", 2);
    let large = "x".repeat(101);
    let refused = mock.send(record(&large), ignore()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::RecordTooLarge);
    let partition = || mock.send_wait(record("x").key("k")).unwrap().partition();
    assert_ne!(partition(), partition());
    let wrong = Properties::new().set("acks", "some");
    let refused = MockProducer::<str, str>::new(&wrong).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
}

#[test]
fn a_close_completes_what_is_pending_and_refuses_the_rest() {
    let (mock, sender, outcomes) = by_hand();
    mock.send(record("a"), telling(&sender, "a")).unwrap();
    let report = mock.close().unwrap();
    assert_eq!((report.acknowledged, report.failed), (1, 0));
    assert!(outcomes.try_recv().unwrap().1.is_ok());
    assert!(mock.is_closed() && !Produce::state(&mock).is_ready());
    assert!(mock.send(record("b"), ignore()).unwrap_err().is_closed());
    assert!(mock.flush().unwrap_err().is_closed());
    mock.close().unwrap();

    let (mock, sender, outcomes) = by_hand();
    mock.send(record("a"), telling(&sender, "a")).unwrap();
    let report = mock.close_timeout(Duration::ZERO).unwrap();
    assert_eq!((report.acknowledged, report.not_written), (0, 1));
    assert!(outcomes.try_recv().unwrap().1.unwrap_err().is_closed());
}

#[test]
fn a_purge_takes_what_is_pending_of_a_topic() {
    let (mock, sender, outcomes) = by_hand();
    mock.send(ProducerRecord::new("payments", "x"), ignore())
        .unwrap();
    mock.send(record("a"), telling(&sender, "a")).unwrap();
    assert_eq!(mock.purge(Purge::Topic("orders")).unwrap().purged, 1);
    let error = outcomes.try_recv().unwrap().1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Purged);
    assert_eq!(mock.purge(Purge::All).unwrap().purged, 1);
}

#[test]
fn a_callback_may_send_but_must_not_wait() {
    let mock = mock();
    let (sender, outcomes) = mpsc::channel();
    let inner = mock.clone();
    let callback = Box::new(move |result: Result<RecordMetadata>| {
        inner.send(record("b"), telling(&sender, "b")).unwrap();
        let waits = [
            inner.flush().unwrap_err(),
            inner.close().unwrap_err(),
            inner.send_wait(record("c")).unwrap_err(),
        ];
        assert!(waits.iter().all(|error| error.kind() == ErrorKind::Misuse));
        sender.send(("a", result)).unwrap();
    });
    mock.send(record("a"), callback).unwrap();
    let order: Vec<_> = outcomes.try_iter().map(|(value, _)| value).collect();
    assert_eq!(
        order,
        ["a", "b"],
        "one after the other, not one inside the other"
    );
}

#[test]
fn an_assertion_that_fails_in_a_callback_fails_the_test() {
    let mock = mock();
    let callback = Box::new(|_: Result<RecordMetadata>| panic!("not what was expected"));
    let send = || mock.send(record("a"), callback);
    assert!(contain(send).is_err());
    mock.send_wait(record("b")).unwrap();
}

#[test]
fn threads_that_share_it_get_every_outcome_once() {
    let mock = mock();
    let (sender, outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    mock.send(record("x"), telling(&sender, "x")).unwrap();
                }
            });
        }
    });
    mock.flush().unwrap();
    let offset = |(_, result): Outcome| result.unwrap().offset().unwrap();
    let offsets: Vec<_> = outcomes.try_iter().map(offset).collect();
    assert_eq!(offsets, (0..400).collect::<Vec<_>>());
}

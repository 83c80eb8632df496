//! What a failed record's error says: whether the record may be in the log, and which record of a
//! batch the broker blames.

use std::time::Duration;

use linger::testing::{Api, Fault};
use linger::{ErrorCode, ErrorKind, Fate, ProducerRecord};

use crate::support::{Outcomes, Setup, close_within, ignore};

#[test]
fn a_refused_record_was_not_written() {
    let (cluster, producer) = Setup::new().topic("t", 1).start();
    let record = ProducerRecord::new("t", "v").timestamp(-1);
    let refused = producer.send(record, ignore).unwrap_err();
    assert_eq!(refused.fate(), Fate::NotWritten);
    assert!(cluster.batches("t", 0).is_empty());
}

#[test]
fn a_record_that_was_never_sent_was_not_written() {
    let (cluster, producer) = Setup::new()
        .topic("t", 1)
        .set("linger.ms", 60_000)
        .set("delivery.timeout.ms", 120_000)
        .start();
    let outcomes = Outcomes::new();
    let record = ProducerRecord::new("t", "v");
    producer.send(record, outcomes.callback(())).unwrap();
    close_within(&producer, Duration::ZERO);
    let error = outcomes.next().1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(error.fate(), Fate::NotWritten);
    assert!(cluster.batches("t", 0).is_empty());
}

/// The fate of a record whose first attempts go wrong like this; the last one is not tried again.
fn fate_after(attempts: &[fn(Fault<'_>)]) -> Fate {
    let (cluster, producer) = Setup::new()
        .topic("t", 1)
        .set("enable.idempotence", false)
        .set("retries", attempts.len() - 1)
        .set("retry.backoff.ms", 1)
        .start();
    for attempt in attempts {
        attempt(cluster.on(Api::Produce));
    }
    let outcomes = Outcomes::new();
    let record = ProducerRecord::new("t", "v");
    producer.send(record, outcomes.callback(())).unwrap();
    let error = outcomes.next().1.unwrap_err();
    let written = !cluster.batches("t", 0).is_empty();
    assert!(!written || error.fate() == Fate::MayBeWritten, "{error}");
    error.fate()
}

const REFUSED: fn(Fault<'_>) = |fault| fault.answer(ErrorCode::NOT_ENOUGH_REPLICAS);
const TOO_LARGE: fn(Fault<'_>) = |fault| fault.answer(ErrorCode::MESSAGE_TOO_LARGE);
const LATE: fn(Fault<'_>) = |fault| fault.apply_and_answer(ErrorCode::REQUEST_TIMED_OUT);
const NOT_LEADER: fn(Fault<'_>) = |fault| fault.answer(ErrorCode::NOT_LEADER_OR_FOLLOWER);
const CLOSED: fn(Fault<'_>) = |fault| fault.close_after();
const UNKNOWN: fn(Fault<'_>) = |fault| fault.answer(ErrorCode::from(9_999));

#[test]
fn a_record_whose_every_attempt_was_refused_before_the_append_was_not_written() {
    assert_eq!(fate_after(&[REFUSED]), Fate::NotWritten);
    assert_eq!(fate_after(&[REFUSED, REFUSED, TOO_LARGE]), Fate::NotWritten);
}

#[test]
fn one_attempt_without_such_proof_makes_the_fate_doubtful_for_ever() {
    for doubtful in [LATE, NOT_LEADER, CLOSED] {
        assert_eq!(fate_after(&[doubtful]), Fate::MayBeWritten);
        assert_eq!(fate_after(&[doubtful, REFUSED]), Fate::MayBeWritten);
        assert_eq!(
            fate_after(&[REFUSED, doubtful, TOO_LARGE]),
            Fate::MayBeWritten
        );
    }
    assert_eq!(fate_after(&[UNKNOWN]), Fate::MayBeWritten);
}

#[test]
fn waiting_in_vain_for_a_record_says_that_it_may_be_written() {
    let (cluster, producer) = Setup::new().topic("t", 1).start();
    cluster.on(Api::Produce).always().silence();
    let handle = producer
        .send_with_handle(ProducerRecord::new("t", "v"))
        .unwrap();
    let error = handle.wait_timeout(Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.fate(), Fate::MayBeWritten);
    cluster.clear_faults();
    close_within(&producer, Duration::ZERO);
}

#[test]
fn the_broker_blames_one_record_and_the_others_of_its_batch_hear_that_they_are_not_it() {
    let (cluster, producer) = Setup::new()
        .topic("t", 1)
        .set("linger.ms", 60_000)
        .set("delivery.timeout.ms", 120_000)
        .start();
    cluster
        .on(Api::Produce)
        .message("one of them is blue")
        .record_error(1, "too blue")
        .answer(ErrorCode::INVALID_RECORD);
    let outcomes = Outcomes::new();
    for number in 0..3 {
        let record = ProducerRecord::new("t", "v");
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    producer.flush().unwrap();
    for number in 0..3 {
        let (tag, result) = outcomes.next();
        let error = result.unwrap_err();
        assert_eq!(tag, number);
        if number == 1 {
            let code = ErrorCode::INVALID_RECORD;
            assert_eq!(error.kind(), ErrorKind::Broker(code));
            assert!(error.to_string().ends_with("too blue"), "{error}");
            assert!(!error.is_retriable());
        } else {
            assert_eq!(error.kind(), ErrorKind::BatchRejected);
            assert!(error.is_retriable());
        }
    }
    assert!(cluster.batches("t", 0).is_empty());
}

//! Closing: everything gets its outcome, in time.

use super::*;
use crate::error::Fate;

fn closed(value: &str) -> (String, ErrorKind) {
    (value.to_owned(), ErrorKind::Closed)
}

#[test]
fn sends_what_is_queued_and_stops() {
    let mut world = World::ready(settings());
    world.append(0, "a");
    world.append(2, "b");
    let close = world.close(ms(1_000));
    let requests = world.produced();
    assert_eq!(requests.len(), 2, "nothing lingers any more");
    world.answer(&requests[0], ErrorCode::NONE);
    assert!(!world.stopped);
    world.answer(&requests[1], ErrorCode::NONE);
    assert!(world.stopped && world.finished[&close].is_ok());
    assert_eq!(world.acknowledged(), ["a", "b"]);
    world.assert_idle();
}

#[test]
fn stops_at_once_when_there_is_nothing_to_do() {
    let mut world = World::new(settings());
    let close = world.close(ms(1_000));
    assert!(world.stopped && world.finished[&close].is_ok());
}

#[test]
fn fails_what_is_left_at_its_deadline_wherever_it_is() {
    let mut world = World::ready(settings());
    world.send(0, "on its way");
    world.send(0, "behind it");
    world.send(1, "backs off");
    let requests = world.produced();
    world.answer(&requests[1], ErrorCode::NOT_ENOUGH_REPLICAS);
    world.lose(TWO);
    world.append(2, "unreachable");
    let close = world.close(ms(50));
    assert!(!world.stopped);
    world.advance(ms(50));
    assert!(world.stopped && world.finished[&close].is_ok());
    let mut failed = world.failed();
    failed.sort_by(|one, other| one.0.cmp(&other.0));
    let values = ["backs off", "behind it", "on its way", "unreachable"];
    assert_eq!(failed, values.map(closed));
    world.sent.clear();
    world.assert_idle();
}

#[test]
fn a_timeout_of_zero_fails_everything_at_once() {
    let mut world = World::ready(settings());
    world.append(0, "a");
    world.close(Duration::ZERO);
    assert!(world.stopped);
    assert_eq!(world.failed(), [closed("a")]);
    world.assert_idle();
}

#[test]
fn the_least_patient_of_several_callers_decides() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    let patient = world.close(ms(1_000));
    let hasty = world.close(ms(100));
    world.close(ms(1_000));
    world.advance(ms(100));
    assert!(world.stopped);
    assert!(world.finished[&patient].is_ok() && world.finished[&hasty].is_ok());
}

#[test]
fn retries_continue_until_the_deadline() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    world.close(ms(1_000));
    let request = world.the_request();
    world.answer(&request, ErrorCode::NOT_ENOUGH_REPLICAS);
    world.advance(BACKOFF);
    world.acknowledge();
    assert!(world.stopped);
    assert_eq!(world.acknowledged(), ["a"]);
}

#[test]
fn flushes_are_answered_when_the_deadline_fails_their_records() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    let flush = world.flush();
    world.close(ms(100));
    world.advance(ms(100));
    assert!(world.finished[&flush].is_ok());
}

#[test]
fn what_a_thread_leaves_that_dies_has_true_fates() {
    let mut world = World::ready(settings());
    world.send(0, "on its way");
    world.send(1, "refused");
    let requests = world.produced();
    world.answer(&requests[1], ErrorCode::NOT_ENOUGH_REPLICAS);
    world.append(2, "queued");
    let delivered = Arc::clone(&world.delivered);
    let error = Error::new(ErrorKind::Internal, "dead");
    let left = world.sender.abandon(&error);
    left.into_iter().for_each(deliver);
    let left = world.accumulator.abandon(&error);
    left.into_iter().for_each(deliver);
    let fate = |(value, result): (String, Result<_>)| (value, result.unwrap_err().fate());
    let fates: Vec<_> = delivered.lock().drain(..).map(fate).collect();
    let expected = [
        ("on its way", Fate::MayBeWritten),
        ("refused", Fate::NotWritten),
        ("queued", Fate::NotWritten),
    ];
    assert_eq!(
        fates,
        expected.map(|(value, fate)| (value.to_owned(), fate))
    );
}

#[test]
fn callers_that_wait_for_a_topic_are_answered() {
    let mut world = World::ready(settings());
    let before = world.await_topic("unknown", None, None);
    world.send(0, "a");
    world.close(ms(1_000));
    let error = world.finished[&before].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    let after = world.await_topic("unknown", None, None);
    let error = world.finished[&after].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

//! What a producer with an id does: asking for it, several batches of a partition on their way,
//! and going on after a gap.

use super::*;
use crate::protocol::messages::InitProducerIdResponse;
use crate::sender::sequence::{self, Sequences};

pub(super) const REFUSED: ErrorCode = ErrorCode::NOT_ENOUGH_REPLICAS;
pub(super) const OUT_OF_ORDER: ErrorCode = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;

/// Epoch, first sequence and first value of a batch.
type Stamped = (i16, i32, String);

pub(super) fn idempotent() -> Settings {
    Settings {
        idempotence: true,
        ..settings()
    }
}

impl World {
    /// The first batch of partition 0 is acknowledged, so that others may follow each other.
    fn established() -> Self {
        let mut world = Self::ready(idempotent());
        world.establish(0);
        world
    }

    pub(super) fn establish(&mut self, partition: i32) {
        self.send(partition, "first");
        if !self.inquiries().is_empty() {
            self.identify(0);
        }
        self.acknowledge();
        assert_eq!(self.acknowledged(), ["first"]);
    }

    /// Requests for a producer id without an answer.
    pub(super) fn inquiries(&self) -> Vec<RequestId> {
        let all = self.sent.iter();
        all.filter(|(_, (_, request))| matches!(request, Request::InitProducerId(_)))
            .map(|(id, _)| *id)
            .collect()
    }

    pub(super) fn answer_inquiry(&mut self, error: ErrorCode, producer_epoch: i16) {
        let inquiries = self.inquiries();
        assert_eq!(inquiries.len(), 1, "asked for once");
        self.sent.remove(&inquiries[0]);
        let response = InitProducerIdResponse {
            throttle_time_ms: 0,
            error,
            // Another one each time.
            producer_id: i64::try_from(inquiries[0].0).unwrap(),
            producer_epoch,
        };
        self.handle(Input::Response(
            inquiries[0],
            Response::InitProducerId(response),
        ));
    }

    fn identify(&mut self, epoch: i16) {
        self.answer_inquiry(ErrorCode::NONE, epoch);
    }

    /// Each unanswered batch of a partition, oldest request first.
    fn stamps(&self, partition: i32) -> Vec<Stamped> {
        let mut all = Vec::new();
        for (_, request) in self.sent.values() {
            let Request::Produce(request) = request else {
                continue;
            };
            for one in request.topics.iter().flat_map(|topic| &topic.partitions) {
                let (header, records) = decode(one.records.as_slice()).unwrap();
                let value = records[0].value.clone().unwrap();
                let value = String::from_utf8(value).unwrap();
                if one.index == partition {
                    let stamp = header.producer;
                    all.push((stamp.epoch, stamp.base_sequence, value));
                }
            }
        }
        all
    }

    /// Answers the request that carries a batch with this first value.
    fn answer_batch(&mut self, value: &str, code: ErrorCode) {
        let produced = self.produced();
        let carries = |one: &&Produce| one.batches.iter().any(|(_, values)| values[0] == value);
        let request = produced.iter().find(carries).expect("it is on its way");
        self.answer(request, code);
    }

    /// Each in a batch of its own, one after the other.
    fn send_all(&mut self, partition: i32, values: &[&str]) {
        for value in values {
            self.send(partition, value);
        }
    }
}

fn stamped(epoch: i16, from: i32, values: &[&str]) -> Vec<Stamped> {
    let all = (from..).zip(values);
    all.map(|(sequence, value)| (epoch, sequence, (*value).to_owned()))
        .collect()
}

#[test]
fn what_expires_for_want_of_an_id_says_why_there_was_none() {
    let mut world = World::ready(idempotent());
    world.send(0, "a");
    world.answer_inquiry(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, -1);
    world.advance(DELIVERY);
    let (_, result) = world.delivered().remove(0);
    let text = result.unwrap_err().to_string();
    assert!(text.contains("COORDINATOR_LOAD_IN_PROGRESS"), "{text}");
}

#[test]
fn asks_once_for_an_id_and_sends_nothing_before_it() {
    let mut world = World::ready(idempotent());
    world.send(0, "a");
    world.send(1, "b");
    assert_eq!(world.inquiries().len(), 1);
    world.assert_nothing_sent();
    world.identify(3);
    assert_eq!(world.stamps(0), stamped(3, 0, &["a"]));
    assert_eq!(world.stamps(1), stamped(3, 0, &["b"]));
    assert!(world.inquiries().is_empty());
}

#[test]
fn takes_no_epoch_below_zero_for_an_answer() {
    let mut world = World::ready(idempotent());
    world.send(0, "a");
    world.identify(-1);
    world.assert_nothing_sent();
    world.advance(BACKOFF);
    world.identify(0);
    assert_eq!(world.stamps(0), stamped(0, 0, &["a"]));
}

#[test]
fn asks_again_after_a_pause_when_the_coordinator_loads_or_the_connection_ends() {
    let mut world = World::ready(idempotent());
    world.send(0, "a");
    world.answer_inquiry(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, -1);
    world.advance(BACKOFF - ms(1));
    assert!(world.inquiries().is_empty());
    world.advance(ms(1));
    assert_eq!(world.inquiries().len(), 1);
    let id = world.inquiries()[0];
    let (node, _) = world.sent[&id];
    world.lose(node);
    assert!(world.inquiries().is_empty());
    world.advance(BACKOFF);
    world.accept();
    world.identify(0);
    world.accept();
    assert_eq!(world.stamps(0).len(), 1);
}

#[test]
fn without_an_id_records_expire_and_flush_and_close_end() {
    let mut world = World::ready(idempotent());
    world.send(0, "a");
    let flush = world.flush();
    world.advance(DELIVERY);
    assert_eq!(world.failed(), [("a".to_owned(), ErrorKind::TimedOut)]);
    assert!(world.finished.contains_key(&flush));
    world.send(0, "b");
    let close = world.close(ms(100));
    world.advance(ms(100));
    assert_eq!(world.failed(), [("b".to_owned(), ErrorKind::Closed)]);
    assert!(world.finished.contains_key(&close) && world.stopped);
    world.assert_idle();
}

#[test]
fn a_refused_id_fails_what_waits_and_later_records_ask_again() {
    let refused = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
    let mut world = World::ready(idempotent());
    world.send(0, "a");
    world.answer_inquiry(refused, -1);
    assert_eq!(
        world.failed(),
        [("a".to_owned(), ErrorKind::Broker(refused))]
    );
    assert!(world.inquiries().is_empty());
    world.send(0, "b");
    world.identify(0);
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["b"]);
    world.assert_idle();
}

#[test]
fn a_record_that_lingers_while_the_id_is_refused_asks_again() {
    let mut world = World::ready(idempotent());
    world.append(0, "a");
    world.settle();
    world.answer_inquiry(ErrorCode::CLUSTER_AUTHORIZATION_FAILED, -1);
    world.advance(LINGER);
    assert!(world.delivered().is_empty());
    world.identify(0);
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["a"]);
}

#[test]
fn a_record_that_comes_while_the_id_is_refused_is_not_lost() {
    let mut world = World::ready(idempotent());
    world.send(0, &"a".repeat(BATCH_SIZE));
    // A caller is quick, and the sender has not heard of it yet.
    world.append(0, "b");
    let error = Error::new(ErrorKind::UnsupportedVersion, "too old");
    let step = Step {
        now: world.now,
        accumulator: &world.accumulator,
    };
    world.sender.refuse_unidentified(step, &error);
    world.settle();
    assert_eq!(world.failed().len(), 1);
    let flush = world.flush();
    assert!(!world.finished.contains_key(&flush));
    world.advance(DELIVERY);
    assert_eq!(world.failed(), [("b".to_owned(), ErrorKind::TimedOut)]);
    assert!(world.finished.contains_key(&flush));
    world.assert_idle();
}

#[test]
fn the_second_batch_waits_for_the_first_and_then_five_are_on_their_way() {
    let mut world = World::ready(idempotent());
    world.send(0, "a");
    world.identify(0);
    world.send(0, "b");
    assert_eq!(world.stamps(0), stamped(0, 0, &["a"]));
    world.acknowledge();
    world.send_all(0, &["c", "d", "e", "f", "g"]);
    assert_eq!(
        world.stamps(0),
        stamped(0, 1, &["b", "c", "d", "e", "f"]),
        "five"
    );
    world.answer_batch("b", ErrorCode::NONE);
    assert_eq!(world.stamps(0).len(), 5, "and the next as there is room");
}

#[test]
fn after_a_silence_in_which_brokers_may_forget_the_first_batch_goes_alone_again() {
    let mut world = World::established();
    world.advance(ms(1_000));
    world.send_all(0, &["b", "c"]);
    assert_eq!(world.stamps(0), stamped(0, 1, &["b"]));
    world.acknowledge();
    world.send_all(0, &["d", "e"]);
    assert_eq!(world.stamps(0), stamped(0, 2, &["c", "d", "e"]));
    // As long as something is on its way, the broker is not silent but slow.
    world.advance(ms(1_000));
    world.answer_batch("c", ErrorCode::NONE);
    world.send(0, "f");
    assert_eq!(world.stamps(0), stamped(0, 3, &["d", "e", "f"]));
}

#[test]
fn batches_that_became_ready_together_go_together() {
    let mut world = World::established();
    let large = ["b", "c", "d"].map(|value| value.repeat(BATCH_SIZE));
    for value in &large {
        world.append(0, value);
    }
    world.settle();
    let large = [&*large[0], &*large[1], &*large[2]];
    assert_eq!(world.stamps(0), stamped(0, 1, &large));
}

#[test]
fn retries_after_a_lost_connection_go_one_by_one_in_order() {
    let mut world = World::established();
    world.send_all(0, &["a", "b", "c"]);
    world.lose(ONE);
    world.advance(BACKOFF);
    world.accept();
    for (sequence, value) in [(1, "a"), (2, "b"), (3, "c")] {
        assert_eq!(world.stamps(0), stamped(0, sequence, &[value]));
        world.acknowledge();
    }
    assert_eq!(world.acknowledged(), ["a", "b", "c"]);
    world.assert_idle();
}

#[test]
fn a_retry_waits_for_an_older_one_even_with_a_newer_batch_on_its_way() {
    let mut world = World::established();
    world.send_all(0, &["a", "b", "c"]);
    world.answer_batch("a", REFUSED);
    world.answer_batch("b", OUT_OF_ORDER);
    world.advance(BACKOFF);
    let expected = [stamped(0, 3, &["c"]), stamped(0, 1, &["a"])].concat();
    assert_eq!(world.stamps(0), expected);
    world.answer_batch("c", OUT_OF_ORDER);
    world.advance(BACKOFF);
    for value in ["a", "b", "c"] {
        world.answer_batch(value, ErrorCode::NONE);
    }
    assert_eq!(world.acknowledged(), ["a", "b", "c"]);
    world.assert_idle();
}

#[test]
fn a_queued_partition_stays_under_its_epoch_while_another_moves_to_the_next() {
    let mut world = World::established();
    world.establish(1);
    world.send(0, "a");
    world.send_all(1, &["b", "c", "d", "e"]);
    // Broker 1 has no room: this one is queued.
    world.send(1, "f");
    world.answer_batch("a", ErrorCode::INVALID_RECORD);
    assert_eq!(world.stamps(1), stamped(0, 1, &["b", "c", "d", "e"]));
    for value in ["b", "c", "d", "e"] {
        world.answer_batch(value, ErrorCode::NONE);
    }
    assert_eq!(world.stamps(1), stamped(1, 0, &["f"]));
}

#[test]
fn a_fatal_error_in_the_middle_waits_for_the_older_and_the_newer_go_on_under_a_new_epoch() {
    let mut world = World::established();
    world.send_all(0, &["a", "b", "c"]);
    world.answer_batch("b", ErrorCode::INVALID_RECORD);
    assert!(world.delivered().is_empty());
    world.answer_batch("a", ErrorCode::NONE);
    world.answer_batch("c", OUT_OF_ORDER);
    world.advance(BACKOFF);
    world.answer_batch("b", ErrorCode::INVALID_RECORD);
    let delivered = world.delivered();
    assert_eq!((&*delivered[0].0, delivered[0].1.is_ok()), ("a", true));
    assert_eq!((&*delivered[1].0, delivered[1].1.is_ok()), ("b", false));
    world.advance(BACKOFF);
    assert_eq!(world.stamps(0), stamped(1, 0, &["c"]));
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["c"]);
    world.assert_idle();
}

#[test]
fn a_single_record_that_is_too_large_fails_after_the_older_ones() {
    let mut world = World::established();
    world.send_all(0, &["a", "b"]);
    world.answer_batch("b", ErrorCode::MESSAGE_TOO_LARGE);
    assert!(world.delivered().is_empty());
    world.answer_batch("a", ErrorCode::NONE);
    world.advance(BACKOFF);
    world.answer_batch("b", ErrorCode::MESSAGE_TOO_LARGE);
    let delivered = world.delivered();
    assert_eq!((&*delivered[0].0, delivered[0].1.is_ok()), ("a", true));
    assert_eq!((&*delivered[1].0, delivered[1].1.is_ok()), ("b", false));
    world.assert_idle();
}

#[test]
fn a_doubtful_batch_fails_after_an_older_one_that_is_sent_again() {
    let mut world = World::established();
    world.send_all(0, &["a", "b", "c"]);
    world.answer_batch("a", ErrorCode::INVALID_RECORD);
    world.answer_batch("b", OUT_OF_ORDER);
    assert_eq!(world.failed().len(), 1);
    world.lose(ONE);
    world.advance(BACKOFF);
    world.accept();
    assert!(world.delivered().is_empty());
    assert_eq!(world.stamps(0), stamped(1, 0, &["b"]));
    world.acknowledge();
    let delivered = world.delivered();
    assert_eq!((&*delivered[0].0, delivered[0].1.is_ok()), ("b", true));
    let (value, result) = &delivered[1];
    assert_eq!(value, "c");
    assert_eq!(
        result.as_ref().unwrap_err().fate(),
        crate::Fate::MayBeWritten
    );
    world.assert_idle();
}

#[test]
fn a_batch_in_the_middle_is_split_and_keeps_its_order() {
    let mut world = World::established();
    world.send(0, "a");
    for value in ["b0", "b1", "b2", "b3"] {
        world.append(0, value);
    }
    world.advance(LINGER);
    world.send(0, "c");
    world.answer_batch("b0", ErrorCode::MESSAGE_TOO_LARGE);
    world.answer_batch("c", OUT_OF_ORDER);
    world.answer_batch("a", ErrorCode::NONE);
    let flush = world.flush();
    let mut next = 2;
    for _ in 0..10 {
        world.advance(BACKOFF);
        let Some(request) = world.produced().into_iter().next() else {
            break;
        };
        let (_, sequence, _) = world.stamps(0)[0].clone();
        assert_eq!(sequence, next);
        let values = &request.batches[0].1;
        let code = match values.len() {
            1 => ErrorCode::NONE,
            _ => ErrorCode::MESSAGE_TOO_LARGE,
        };
        next += i32::from(code == ErrorCode::NONE);
        world.answer(&request, code);
    }
    assert_eq!(world.acknowledged(), ["a", "b0", "b1", "b2", "b3", "c"]);
    assert!(world.finished.contains_key(&flush));
    world.assert_idle();
}

#[test]
fn a_batch_that_expired_on_its_way_leaves_a_gap_only_if_it_was_not_written() {
    for (code, epoch, sequence) in [(ErrorCode::NONE, 0, 2), (REFUSED, 1, 0)] {
        let mut world = World::established();
        world.send(0, "a");
        world.advance(DELIVERY);
        assert_eq!(world.failed(), [("a".to_owned(), ErrorKind::TimedOut)]);
        world.answer_batch("a", code);
        world.send(0, "b");
        assert_eq!(world.stamps(0), stamped(epoch, sequence, &["b"]));
        world.acknowledge();
        assert_eq!(world.acknowledged(), ["b"]);
        world.assert_idle();
    }
}

#[test]
fn an_expired_retry_fails_doubtful_ones_behind_it_and_the_rest_goes_on() {
    let mut world = World::established();
    world.send(0, "a");
    world.advance(ms(500));
    world.send(0, "b");
    world.lose(ONE);
    world.advance(DELIVERY - ms(500));
    world.send(0, "c");
    let failed = world.failed();
    let kinds = [ErrorKind::TimedOut, ErrorKind::Disconnected];
    let expected: Vec<_> = ["a", "b"]
        .map(str::to_owned)
        .into_iter()
        .zip(kinds)
        .collect();
    assert_eq!(failed, expected);
    world.accept();
    assert_eq!(world.stamps(0), stamped(1, 0, &["c"]));
}

#[test]
fn the_last_epoch_asks_for_a_new_id_and_its_refusal_leaves_nothing_stuck() {
    let mut world = World::ready(idempotent());
    world.send(0, "first");
    world.identify(i16::MAX);
    world.acknowledge();
    world.send(2, "other");
    world.answer_batch("other", REFUSED);
    world.send_all(0, &["a", "b"]);
    world.delivered();
    world.answer_batch("a", ErrorCode::INVALID_RECORD);
    world.answer_batch("b", OUT_OF_ORDER);
    assert_eq!(world.inquiries().len(), 1);
    world.advance(BACKOFF);
    world.answer_inquiry(ErrorCode::CLUSTER_AUTHORIZATION_FAILED, -1);
    assert_eq!(world.failed().len(), 3);
    world.assert_idle();
    world.send(0, "c");
    world.send(2, "d");
    world.identify(0);
    assert_eq!(world.stamps(0), stamped(0, 0, &["c"]));
    assert_eq!(world.stamps(2), stamped(0, 0, &["d"]));
}

#[test]
fn a_broker_that_forgot_the_producer_gets_a_new_epoch() {
    let mut world = World::established();
    world.send_all(0, &["a", "b"]);
    for value in ["a", "b"] {
        world.answer_batch(value, ErrorCode::UNKNOWN_PRODUCER_ID);
    }
    world.advance(BACKOFF);
    assert_eq!(world.stamps(0), stamped(1, 0, &["a"]));
    world.acknowledge();
    assert_eq!(world.stamps(0), stamped(1, 1, &["b"]));
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["a", "b"]);
}

#[test]
fn a_new_leader_gets_nothing_new_while_the_old_one_owes_an_answer() {
    let mut world = World::established();
    world.advance(BACKOFF);
    world.send_all(0, &["a", "b"]);
    world.answer_batch("a", ErrorCode::NOT_LEADER_OR_FOLLOWER);
    world.move_leader(0, 2);
    world.answer_metadata();
    let again: Vec<_> = world.produced().iter().map(|one| one.node).collect();
    assert_eq!(again, [ONE, TWO], "the retry may go");
    world.answer_batch("a", ErrorCode::NONE);
    world.send(0, "c");
    assert_eq!(world.stamps(0), stamped(0, 2, &["b"]));
    world.answer_batch("b", ErrorCode::NOT_LEADER_OR_FOLLOWER);
    world.advance(BACKOFF);
    for value in ["b", "c"] {
        world.answer_batch(value, ErrorCode::NONE);
    }
    assert_eq!(world.acknowledged(), ["a", "b", "c"]);
    world.assert_idle();
}

#[test]
fn a_repeated_batch_keeps_its_own_timestamps_unless_the_broker_has_a_time_of_its_own() {
    // Sent how often, the time that the broker answers with, and what the records are delivered.
    for (attempts, time, expected) in [
        (1, 40, [40, 40]),
        (2, 40, [30, 40]),
        (2, 50, [50, 50]),
        (2, -1, [30, 40]),
    ] {
        let mut world = World::established();
        world.append_at(0, "a", 30);
        world.append_at(0, "b", 40);
        world.advance(LINGER);
        for _ in 1..attempts {
            world.lose(ONE);
            world.advance(BACKOFF);
            world.accept();
        }
        world.timestamps.lock().clear();
        let mut answer = world.partition_answer(0, ErrorCode::NONE);
        answer.log_append_time_ms = time;
        world.answer_with(world.the_request().id, vec![answer], 0);
        assert_eq!(*world.timestamps.lock(), expected, "{attempts} {time}");
    }
}

#[test]
fn sequences_begin_again_after_the_last_one() {
    let mut sequences = Sequences::default();
    let identity = sequence::Identity {
        producer_id: 7,
        epoch: 0,
    };
    sequences.stamp(identity, 0x7fff_ffff);
    assert_eq!(sequences.stamp(identity, 3).base_sequence, i32::MAX);
    assert_eq!(sequences.stamp(identity, 1).base_sequence, 2);
}

#[test]
fn an_acknowledgement_is_not_delivered_before_that_of_an_older_batch() {
    let mut world = World::established();
    world.send_all(0, &["a", "b", "c"]);
    world.answer_batch("a", ErrorCode::REQUEST_TIMED_OUT);
    let flush = world.flush();
    world.answer_batch("b", ErrorCode::NONE);
    world.answer_batch("c", ErrorCode::NONE);
    assert!(world.delivered().is_empty());
    assert!(!world.finished.contains_key(&flush));
    world.advance(BACKOFF);
    world.answer_batch("a", ErrorCode::DUPLICATE_SEQUENCE_NUMBER);
    assert_eq!(world.acknowledged(), ["a", "b", "c"]);
    assert!(world.finished.contains_key(&flush));
    world.assert_idle();
}

#[test]
fn an_acknowledgement_that_was_held_is_delivered_as_the_older_batch_expires_or_the_producer_closes()
{
    for is_closed in [false, true] {
        let mut world = World::established();
        world.send_all(0, &["a", "b"]);
        world.answer_batch("a", ErrorCode::REQUEST_TIMED_OUT);
        world.answer_batch("b", ErrorCode::NONE);
        if is_closed {
            world.close(ms(0));
            world.advance(ms(0));
        } else {
            // The answers to all further attempts are lost with the broker.
            world.advance(DELIVERY);
        }
        let delivered = world.delivered();
        let (values, results): (Vec<_>, Vec<_>) = delivered.into_iter().unzip();
        assert_eq!(values, ["a", "b"]);
        assert!(results[0].is_err() && results[1].is_ok());
    }
}

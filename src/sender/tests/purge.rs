//! A purge: what was never taken to be sent fails at once, and nothing else does.

use super::idempotence::idempotent;
use super::*;
use crate::error::Fate;

fn purged(value: &str) -> (String, ErrorKind) {
    (value.to_owned(), ErrorKind::Purged)
}

/// The values that come back.
fn returned(purged: &Purged) -> Vec<&str> {
    let values = purged.returned.iter().map(|one| one.value().unwrap());
    values
        .map(|value| std::str::from_utf8(value).unwrap())
        .collect()
}

/// With a batch of partition 0 on its way, and others behind it.
fn with_one_on_its_way(behind: &[&str]) -> World {
    let mut world = World::ready(settings());
    world.send(0, "on its way");
    for value in behind {
        world.append(0, value);
    }
    world
}

#[test]
fn what_lingers_fails_in_order_and_is_never_sent() {
    let mut world = World::ready(settings());
    // Broker 2 cannot be reached.
    world.lose(TWO);
    let large = "b".repeat(BATCH_SIZE);
    for value in ["a", &large, "c"] {
        world.append(0, value);
    }
    world.append(2, "d");
    let result = world.purge();
    assert_eq!((result.records, result.left), (4, 0));
    assert_eq!(returned(&result), ["a", &large, "c", "d"]);
    assert!(
        result
            .returned
            .iter()
            .all(|one| one.fate() == Fate::NotWritten)
    );
    assert_eq!(world.failed(), ["a", &large, "c", "d"].map(purged));
    world.assert_idle();
    world.advance(DELIVERY * 2);
    world.assert_nothing_sent();
    assert!(world.delivered().is_empty(), "no second outcome");
}

#[test]
fn what_is_full_and_has_not_left_is_purged_too() {
    // One request at a time, and one of another partition has the connection.
    let mut world = World::ready(Settings {
        max_in_flight: 1,
        ..settings()
    });
    world.send(1, "on its way");
    world.send(0, "in the queue of its broker");
    let result = world.purge();
    assert_eq!((result.records, result.left), (1, 1));
    assert_eq!(world.failed(), [purged("in the queue of its broker")]);
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["on its way"]);
    world.assert_nothing_sent();
    world.assert_idle();
}

#[test]
fn what_is_on_its_way_is_left_alone_and_has_its_outcome_first() {
    let mut world = with_one_on_its_way(&["a", "b"]);
    let before = world.accumulator.budget().used();
    let result = world.purge();
    assert_eq!((result.records, result.left), (2, 1));
    assert_eq!(returned(&result), ["a", "b"]);
    assert!(world.delivered().is_empty(), "callbacks keep their order");
    let used = world.accumulator.budget().used();
    assert!(used < before, "{used} of {before} bytes are in use");
    world.acknowledge();
    let delivered: Vec<_> = world
        .delivered()
        .into_iter()
        .map(|(value, _)| value)
        .collect();
    assert_eq!(delivered, ["on its way", "a", "b"]);
    world.assert_nothing_sent();
    world.assert_idle();
}

#[test]
fn the_memory_of_a_large_record_is_free_before_its_callback_may_run() {
    let large = "x".repeat(MEMORY / 2);
    let mut world = with_one_on_its_way(&[&large]);
    let before = world.accumulator.budget().used();
    world.purge();
    let used = world.accumulator.budget().used();
    assert!(
        before - used >= large.len(),
        "{used} of {before} are in use"
    );
}

#[test]
fn what_is_to_be_sent_again_is_left_alone() {
    let mut world = with_one_on_its_way(&["behind"]);
    let request = world.the_request();
    world.answer(&request, ErrorCode::NOT_ENOUGH_REPLICAS);
    let result = world.purge();
    assert_eq!((result.records, result.left), (1, 1));
    world.advance(BACKOFF);
    assert_eq!(world.the_request().batches, batch(0, &["on its way"]));
    world.acknowledge();
    world.delivered();
    world.assert_idle();
}

#[test]
fn what_is_sent_afterwards_goes_on_in_the_same_sequence() {
    let mut world = World::ready(idempotent());
    world.send(0, "a");
    world.answer_inquiry(ErrorCode::NONE, 0);
    world.append(0, "purged");
    world.purge();
    world.acknowledge();
    world.delivered();
    world.send(0, "b");
    let Some((_, Request::Produce(request))) = world.sent.values().next() else {
        panic!("one Produce request: {:?}", world.sent);
    };
    let (header, _) = decode(request.topics[0].partitions[0].records.as_slice()).unwrap();
    assert_eq!(
        (header.producer.epoch, header.producer.base_sequence),
        (0, 1)
    );
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["b"]);
}

#[test]
fn batches_that_wait_for_a_producer_id_are_purged() {
    let mut world = World::ready(idempotent());
    world.send(0, "a");
    assert_eq!(world.purge().records, 1);
    assert_eq!(world.failed(), [purged("a")]);
    world.answer_inquiry(ErrorCode::NONE, 0);
    world.assert_nothing_sent();
    world.assert_idle();
}

#[test]
fn a_batch_opened_after_the_call_stays() {
    let mut world = World::ready(settings());
    world.append(0, "a");
    let before = world.accumulator.next_batch();
    world.append(1, "b");
    let result = world.purge_before(before);
    assert_eq!(returned(&result), ["a"]);
    world.advance(LINGER);
    assert_eq!(world.the_request().batches, batch(1, &["b"]));
}

#[test]
fn a_flush_that_waits_for_purged_records_returns() {
    let mut world = World::ready(settings());
    world.lose(ONE);
    world.append(0, "a");
    let flush = world.flush();
    assert!(!world.finished.contains_key(&flush));
    world.purge();
    assert!(world.finished[&flush].is_ok());
}

#[test]
fn a_close_that_waits_for_purged_records_ends() {
    let mut world = World::ready(settings());
    world.lose(ONE);
    world.append(0, "a");
    let close = world.close(ms(1_000));
    assert!(!world.stopped);
    world.purge();
    assert!(world.stopped && world.finished[&close].is_ok());
    assert_eq!(world.failed(), [purged("a")]);
}

#[test]
fn a_topic_that_nothing_was_sent_to_has_nothing_to_purge() {
    let mut world = World::ready(settings());
    world.append(0, "a");
    let result = world.purge_with(PurgeOrder {
        topic: Some(Arc::from("another")),
        before: world.accumulator.next_batch(),
        returns: false,
    });
    assert_eq!((result.records, result.left), (0, 0));
    world.advance(LINGER);
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["a"]);
}

#[test]
fn purged_batches_leave_the_pipeline_to_those_that_are_sent() {
    let mut world = World::ready(idempotent());
    world.establish(0);
    world.send(0, "stalled");
    for value in ["a", "b", "c", "d", "e"] {
        world.append(0, value);
        assert_eq!(world.purge().records, 1);
    }
    for value in ["f", "g"] {
        world.send(0, value);
    }
    let on_their_way: Vec<_> = world.produced();
    assert_eq!(on_their_way.len(), 3, "no broker has heard of the others");
    for request in on_their_way {
        world.answer(&request, ErrorCode::NONE);
    }
    let outcomes = world.delivered().into_iter();
    let outcomes: Vec<_> = outcomes
        .map(|(value, result)| (value, result.is_ok()))
        .collect();
    let in_order = ["stalled", "a", "b", "c", "d", "e", "f", "g"];
    let expected = in_order.map(|value| (value.to_owned(), !"abcde".contains(value)));
    assert_eq!(outcomes, expected);
    world.assert_idle();
}

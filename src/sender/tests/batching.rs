//! When batches leave, and how many at once.

use super::*;

#[test]
fn a_batch_lingers_and_then_leaves_with_all_that_came_meanwhile() {
    let mut world = World::ready(settings());
    world.append(0, "a");
    world.settle();
    world.assert_nothing_sent();
    assert_eq!(world.wait, Some(world.now + LINGER));
    world.advance(LINGER - ms(1));
    world.append(0, "b");
    world.settle();
    world.assert_nothing_sent();
    world.advance(ms(1));
    assert_eq!(world.the_request().batches, batch(0, &["a", "b"]));
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["a", "b"]);
    world.assert_idle();
}

#[test]
fn a_full_batch_does_not_linger_and_the_next_one_does() {
    let mut world = World::ready(settings());
    let large = "x".repeat(100);
    world.append(0, &large);
    world.append(0, "does not fit any more: 0123456789 0123456789 0123456789");
    world.settle();
    assert_eq!(world.the_request().batches, batch(0, &[&large]));
    world.acknowledge();
    world.assert_nothing_sent();
    world.advance(LINGER);
    world.acknowledge();
    assert_eq!(world.acknowledged().len(), 2);
    world.assert_idle();
}

#[test]
fn batches_for_one_broker_share_a_request_up_to_its_size() {
    let mut world = World::ready(Settings {
        max_request_size: 250,
        ..settings()
    });
    let large = "x".repeat(100);
    world.append(0, &large);
    world.append(1, "a");
    world.append(2, "b");
    world.advance(LINGER);
    let requests = world.produced();
    assert_eq!(requests.len(), 2);
    assert_eq!((requests[0].node, requests[1].node), (ONE, TWO));
    let partitions = |one: &Produce| one.batches.iter().map(|(index, _)| *index).collect();
    let first: Vec<i32> = partitions(&requests[0]);
    assert_eq!(first, [0, 1]);

    world.answer(&requests[0], ErrorCode::NONE);
    world.answer(&requests[1], ErrorCode::NONE);
    world.append(0, &large);
    world.append(1, &large);
    world.advance(LINGER);
    assert_eq!(world.produced().len(), 2, "together they are too large");
}

#[test]
fn a_partition_has_one_batch_on_its_way() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    world.send(0, "b");
    world.send(1, "c");
    let requests = world.produced();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].batches, batch(1, &["c"]));
    world.answer(&requests[0], ErrorCode::NONE);
    assert_eq!(world.produced()[1].batches, batch(0, &["b"]));
}

#[test]
fn a_broker_gets_no_more_requests_at_once_than_it_may() {
    let mut world = World::ready(Settings {
        max_in_flight: 1,
        ..settings()
    });
    world.send(0, "a");
    world.send(1, "b");
    assert_eq!(world.the_request().batches, batch(0, &["a"]));
    world.acknowledge();
    assert_eq!(world.the_request().batches, batch(1, &["b"]));
}

#[test]
fn flush_hurries_and_waits_for_exactly_the_batches_opened_before_it() {
    let mut world = World::ready(settings());
    world.append(0, "before");
    let flush = world.flush();
    assert_eq!(world.the_request().batches, batch(0, &["before"]));
    assert!(!world.finished.contains_key(&flush));
    world.send(1, "after");
    let requests = world.produced();
    world.answer(&requests[0], ErrorCode::NONE);
    assert!(world.finished[&flush].is_ok());
    assert_eq!(
        world.produced().len(),
        1,
        "the later one is still on its way"
    );
}

#[test]
fn flush_hurries_batches_that_wait_behind_one_on_its_way() {
    let mut world = World::ready(Settings {
        linger: Duration::from_secs(1),
        ..settings()
    });
    world.append(0, "a");
    world.flush();
    world.append(0, "b");
    let flush = world.flush();
    world.acknowledge();
    assert_eq!(world.the_request().batches, batch(0, &["b"]));
    world.append(0, "c");
    world.acknowledge();
    assert!(world.finished[&flush].is_ok());
    world.assert_nothing_sent();
}

#[test]
fn a_flush_with_nothing_to_wait_for_returns_at_once() {
    let mut world = World::ready(settings());
    let flush = world.flush();
    assert!(world.finished[&flush].is_ok());
}

#[test]
fn a_caller_that_waits_for_a_record_ends_its_lingering() {
    let mut world = World::ready(settings());
    let queue = world.queue(0);
    let batch_id = world.accumulator.next_batch();
    world.append(0, "a");
    assert!(world.accumulator.expedite(&queue, batch_id));
    world.settle();
    assert_eq!(world.the_request().batches, batch(0, &["a"]));
    assert!(!world.accumulator.expedite(&queue, batch_id));
}

#[test]
fn acks_0_is_done_when_it_is_written() {
    let mut world = World::ready_with(settings(), without_acks());
    world.send(0, "a");
    let request = world.the_request();
    world.append(0, "b");
    world.advance(LINGER);
    assert_eq!(world.produced().len(), 1);
    world.sent.remove(&request.id);
    world.handle(Input::Sent(request.id));
    let delivered = world.delivered();
    assert_eq!(delivered.len(), 1);
    assert_eq!(
        delivered[0].1.as_ref().unwrap(),
        &None,
        "the offset is not known"
    );
    assert_eq!(world.the_request().batches, batch(0, &["b"]));
}

#[test]
fn offsets_count_on_from_that_of_the_batch() {
    let mut world = World::ready(settings());
    world.append(0, "a");
    world.append(0, "b");
    world.advance(LINGER);
    world.next_offset = 40;
    world.acknowledge();
    let offsets = world
        .delivered()
        .into_iter()
        .map(|(_, result)| result.unwrap());
    assert_eq!(offsets.collect::<Vec<_>>(), [Some(40), Some(41)]);
}

//! Following leaders: through metadata, through hints, and when there is none.

use super::*;
use crate::protocol::messages::{CurrentLeader, NodeEndpoint};

/// Asks for metadata as soon as that is possible, and answers it.
fn refresh(world: &mut World) {
    world.sender.metadata.request_all();
    world.advance(BACKOFF);
    world.answer_metadata();
}

#[test]
fn a_queued_batch_follows_its_leader() {
    let mut world = World::ready(settings());
    world.lose(ONE);
    world.send(0, "a");
    world.assert_nothing_sent();
    world.move_leader(0, 2);
    world.advance(BACKOFF);
    world.answer_metadata();
    let request = world.the_request();
    assert_eq!((request.node, request.batches), (TWO, batch(0, &["a"])));
}

#[test]
fn a_refused_leader_is_left_for_the_new_one_without_further_delay() {
    let mut world = World::ready(Settings {
        retry_backoff: Backoff {
            initial: ms(100),
            max: ms(10_000),
        },
        ..settings()
    });
    world.send(0, "a");
    world.move_leader(0, 2);
    let request = world.the_request();
    world.answer(&request, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    world.advance(ms(120));
    // It has backed off as well, and has tried the same broker again.
    let request = world.the_request();
    assert_eq!(request.node, ONE);
    world.answer(&request, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    world.answer_metadata();
    assert_eq!(world.the_request().node, TWO, "no pause for a new leader");
}

#[test]
fn a_batch_on_its_way_stays_with_the_broker_that_has_it() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    world.send(0, "b");
    world.move_leader(0, 2);
    refresh(&mut world);
    assert_eq!(world.the_request().node, ONE);
    world.acknowledge();
    let request = world.the_request();
    assert_eq!((request.node, request.batches), (TWO, batch(0, &["b"])));
}

#[test]
fn a_hint_saves_the_wait_for_metadata() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    let request = world.the_request();
    let mut answer = world.partition_answer(0, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    answer.current_leader = Some(CurrentLeader {
        leader: TWO,
        leader_epoch: 9,
    });
    world.answer_with(request.id, vec![answer], 0);
    let request = world.the_request();
    assert_eq!((request.node, request.batches), (TWO, batch(0, &["a"])));
}

#[test]
fn an_outdated_hint_is_not_followed() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    let request = world.the_request();
    let mut answer = world.partition_answer(0, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    answer.current_leader = Some(CurrentLeader {
        leader: TWO,
        leader_epoch: 1,
    });
    world.answer_with(request.id, vec![answer], 0);
    world.assert_nothing_sent();
    world.advance(BACKOFF);
    assert_eq!(world.the_request().node, ONE);
}

#[test]
fn a_hint_to_a_broker_that_is_new_says_where_it_is() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    let request = world.the_request();
    let three = NodeId(3);
    let mut answer = world.partition_answer(0, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    answer.current_leader = Some(CurrentLeader {
        leader: three,
        leader_epoch: 9,
    });
    world.sent.remove(&request.id);
    let response = ProduceResponse {
        topics: vec![ProduceTopicResponse {
            name: String::new(),
            id: TOPIC_ID,
            partitions: vec![answer],
        }],
        throttle_time_ms: 0,
        node_endpoints: vec![NodeEndpoint {
            node: three,
            host: address(three).host,
            port: i32::from(address(three).port),
            rack: None,
        }],
    };
    world.handle(Input::Response(request.id, Response::Produce(response)));
    assert_eq!(world.connects, [three]);
    world.accept();
    assert_eq!(world.the_request().node, three);
}

#[test]
fn records_for_a_partition_without_a_leader_wait_and_metadata_is_asked_for() {
    let mut world = World::ready(settings());
    world.move_leader(0, -1);
    refresh(&mut world);
    world.send(0, "a");
    world.send(1, "b");
    assert_eq!(world.the_request().batches, batch(1, &["b"]));
    world.acknowledge();
    for _ in 0..3 {
        world.advance(BACKOFF);
        world.answer_metadata();
    }
    world.assert_nothing_sent();
    world.move_leader(0, 2);
    world.advance(BACKOFF);
    world.answer_metadata();
    assert_eq!(world.the_request().node, TWO);
}

#[test]
fn records_for_a_partition_without_a_leader_expire() {
    let mut world = World::ready(settings());
    world.move_leader(0, -1);
    refresh(&mut world);
    world.append(0, "a");
    world.advance(DELIVERY);
    assert_eq!(world.failed(), [("a".to_owned(), ErrorKind::TimedOut)]);
    world.assert_idle();
}

/// Partitions of a broker that takes nothing are left to records with a key.
fn stuck_settings() -> Settings {
    Settings {
        availability_timeout: Some(ms(200)),
        ..settings()
    }
}

#[test]
fn a_broker_that_takes_nothing_for_long_is_avoided_until_it_takes_something() {
    let mut world = World::ready(stuck_settings());
    world.lose(ONE);
    world.append(0, "a");
    world.advance(LINGER + ms(200));
    assert!(world.queue(0).is_stuck());
    assert!(!world.queue(2).is_stuck());
    world.accept();
    world.acknowledge();
    assert!(!world.queue(0).is_stuck());
}

#[test]
fn a_partition_whose_leader_changed_is_not_avoided_for_the_old_leaders_sake() {
    let mut world = World::ready(stuck_settings());
    world.lose(ONE);
    world.append(0, "a");
    world.advance(LINGER + ms(200));
    assert!(world.queue(0).is_stuck());
    world.move_leader(0, 2);
    world.answer_metadata();
    assert_eq!(world.the_request().node, TWO);
    assert!(!world.queue(0).is_stuck());
}

#[test]
fn a_broker_that_comes_back_to_an_empty_queue_is_not_avoided_any_more() {
    let mut world = World::ready(stuck_settings());
    world.lose(ONE);
    world.append(0, "a");
    world.advance(DELIVERY);
    assert_eq!(world.failed().len(), 1);
    assert!(world.queue(0).is_stuck());
    world.accept();
    assert!(!world.queue(0).is_stuck());
}

/// The broker that has the batch says that this one leads, as of this epoch.
fn hint(world: &mut World, leader: NodeId, leader_epoch: i32) {
    let request = world.the_request();
    let mut answer = world.partition_answer(0, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    answer.current_leader = Some(CurrentLeader {
        leader,
        leader_epoch,
    });
    world.answer_with(request.id, vec![answer], 0);
}

/// Two brokers that name each other, each time with a newer epoch, do not have a batch sent to and fro
/// as fast as they answer.
#[test]
fn only_the_first_of_several_hints_ends_the_pause() {
    let mut world = World::ready_with(settings(), patient());
    world.send(0, "a");
    hint(&mut world, TWO, 10);
    assert_eq!(world.the_request().node, TWO, "at once");
    for (epoch, leader, next) in [(11, ONE, TWO), (12, TWO, ONE), (13, ONE, TWO)] {
        hint(&mut world, leader, epoch);
        world.advance(BACKOFF - ms(1));
        world.assert_nothing_sent();
        world.advance(ms(1));
        let request = world.the_request();
        assert_eq!(
            (request.node, leader),
            (leader, if next == ONE { TWO } else { ONE })
        );
    }
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["a"]);
    world.send(0, "b");
    let other = if world.the_request().node == ONE {
        TWO
    } else {
        ONE
    };
    hint(&mut world, other, 20);
    assert_eq!(
        world.the_request().node,
        other,
        "what was acknowledged ends it"
    );
}

/// A hint whose epoch is far ahead of the true one is newer than whatever metadata says.
#[test]
fn a_leader_that_was_hinted_at_and_is_none_gives_way_to_the_one_in_metadata() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    hint(&mut world, TWO, 1_000);
    let request = world.the_request();
    assert_eq!(request.node, TWO);
    world.answer(&request, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    world.advance(BACKOFF);
    // It has paused as well, and tried the same one again.
    let request = world.the_request();
    world.answer(&request, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    world.answer_metadata();
    let request = world.the_request();
    assert_eq!(request.node, ONE);
    world.acknowledge();
    // Its epoch counts from now on.
    world.move_leader(0, 2);
    refresh(&mut world);
    world.send(0, "b");
    assert_eq!(world.the_request().node, TWO);
}

#[test]
fn so_does_one_that_cannot_be_reached() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    hint(&mut world, TWO, 1_000);
    world.lose(TWO);
    world.advance(BACKOFF);
    world.answer_metadata();
    assert_eq!(world.the_request().node, ONE);
}

/// A broker that lags behind must not lead back to the old leader (KIP-951 compares epochs for that).
#[test]
fn a_doubt_of_a_hint_ends_with_the_metadata_that_confirms_it() {
    let mut world = World::ready(settings());
    let before = world.metadata();
    world.send(0, "a");
    world.move_leader(0, 2);
    hint(&mut world, TWO, 2);
    world.lose(TWO);
    world.advance(BACKOFF);
    world.answer_metadata();
    world.sender.metadata.request_all();
    world.advance(BACKOFF);
    world.answer_metadata_with(before);
    world.accept();
    assert_eq!(world.the_request().node, TWO);
}

#[test]
fn a_leader_that_was_hinted_at_outlasts_metadata_as_long_as_nothing_speaks_against_it() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    hint(&mut world, TWO, 9);
    refresh(&mut world);
    world.acknowledge();
    world.send(0, "b");
    assert_eq!(world.the_request().node, TWO);
}

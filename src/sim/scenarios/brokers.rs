//! Brokers that refuse, move, stall and die.

use std::time::Duration;

use super::*;
use crate::error::ErrorKind;

#[test]
fn keeps_order_when_the_leader_moves() {
    let mut world = world();
    let first = world.append(0, 2);
    world.move_leader(0, TWO);
    let second = world.append(0, 2);
    finish(world, &[first, second].concat());
}

#[test]
fn keeps_order_when_a_batch_is_refused_and_others_wait_behind_it() {
    let mut world = world();
    world.on_next(Api::Produce, refuse(ErrorCode::NOT_ENOUGH_REPLICAS));
    let mut all = Vec::new();
    for _ in 0..3 {
        all.extend(world.append(0, 1));
        world.run_for(Duration::from_millis(20));
    }
    finish(world, &all);
}

#[test]
fn writes_twice_what_was_written_and_not_acknowledged() {
    let mut world = world();
    world.on_next(Api::Produce, Blow::CloseAfter);
    let ids = world.append(0, 1);
    let behind = world.append(1, 1);
    world.run_until_idle();
    assert!(world.checker.outcome(behind[0]).unwrap().is_ok());
    // Without idempotence this is what a lost answer costs.
    finish(world, &[ids.clone(), ids].concat());
}

#[test]
fn goes_on_when_a_broker_applies_and_then_says_nothing() {
    let mut world = world();
    world.on_next(Api::Produce, Blow::SilenceAfter);
    let ids = world.append(0, 1);
    finish(world, &[ids.clone(), ids].concat());
}

#[test]
fn a_record_that_a_broker_refuses_for_good_is_not_in_the_log() {
    let mut world = world();
    world.on_next(Api::Produce, refuse(ErrorCode::MESSAGE_TOO_LARGE));
    let ids = world.append(0, 1);
    world.run_until_idle();
    let code = ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(world.checker.outcome(ids[0]), Some(Err(code)));
    finish(world, &[]);
}

#[test]
fn waits_out_a_stalled_broker_within_the_request_timeout() {
    let mut world = world();
    world.stall(ONE, Duration::from_millis(900));
    let ids = world.append(0, 1);
    finish(world, &ids);
}

#[test]
fn a_broker_that_stalls_beyond_the_delivery_timeout_costs_no_more_than_its_records() {
    let mut options = Options::calm();
    options.set_delivery_timeout(Duration::from_millis(1_500));
    let mut world = with(options);
    world.append(1, 1);
    world.run_for(Duration::from_millis(50));
    let leader = world.leader(1);
    world.stall(leader, Duration::from_secs(4));
    let lost = world.append(1, 1);
    let others = world.append(0, 1);
    world.run_for(Duration::from_secs(5));
    assert!(world.checker.outcome(lost[0]).unwrap().is_err());
    assert!(world.checker.outcome(others[0]).unwrap().is_ok());
    let late = world.append(1, 1);
    world.run_until_idle();
    assert!(world.checker.outcome(late[0]).unwrap().is_ok());
    finish(world, &others);
}

#[test]
fn finds_the_new_leader_after_a_crash() {
    let mut world = world();
    world.append(0, 1);
    world.run_for(Duration::from_millis(50));
    let leader = world.leader(0);
    world.crash(leader, Duration::from_secs(2));
    let ids = world.append(0, 2);
    world.run_for(Duration::from_secs(4));
    for id in &ids {
        assert!(world.checker.outcome(*id).unwrap().is_ok());
    }
    finish(world, &[0, 1, 2]);
}

#[test]
fn asks_another_broker_when_metadata_is_refused() {
    let mut world = World::new(7, Options::calm(), Reader::Later);
    for _ in 0..3 {
        world.on_next(
            Api::Metadata,
            Blow::Refuse {
                partition: None,
                code: ErrorCode::LEADER_NOT_AVAILABLE,
                applied: false,
            },
        );
    }
    world.learn_topic();
    let ids = world.append(0, 1);
    finish(world, &ids);
}

#[test]
fn a_throttled_client_waits_and_loses_nothing() {
    let mut world = world();
    world.on_next(Api::Produce, Blow::Throttle(Duration::from_millis(700)));
    let first = world.append(0, 1);
    world.run_for(Duration::from_millis(50));
    let second = world.append(0, 1);
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.log(0), first);
    finish(world, &[first, second].concat());
}

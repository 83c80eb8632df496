//! Limits of time, memory and attempts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::compression::{Codec, Compression};
use crate::config::{TopicSettings, TopicTable};
use crate::error::ErrorKind;
use crate::protocol::ApiKey;
use crate::protocol::version::VersionRange;
use crate::sim::caller::Caller;

#[test]
fn callers_share_memory_for_two_records_and_all_get_their_turn() {
    let mut options = Options::calm();
    options.buffer_memory = 1_500;
    options.max_block = Duration::from_secs(60);
    options.sender.linger = Duration::from_secs(5);
    let mut world = with(options);
    for _ in 0..3 {
        world.add_caller(Caller::sender(20), Duration::ZERO);
    }
    world.run_for(Duration::from_secs(4));
    // The last ones linger: nobody waits for their memory.
    assert!(
        world.checker.acknowledged >= 58,
        "others waited for linger.ms"
    );
    world.run_until_idle();
    let log = world.log(0);
    finish(world, &log);
}

#[test]
fn a_record_fails_when_its_time_is_over_wherever_it_is() {
    let mut options = Options::calm();
    options.set_delivery_timeout(Duration::from_millis(1_200));
    let mut world = with(options);
    for _ in 0..20 {
        world.on_next(Api::Produce, refuse(ErrorCode::NOT_ENOUGH_REPLICAS));
    }
    let ids = world.append(0, 1);
    world.run_for(Duration::from_millis(1_190));
    assert_eq!(world.checker.outcome(ids[0]), None);
    world.run_for(Duration::from_millis(11));
    assert_eq!(
        world.checker.outcome(ids[0]),
        Some(Err(ErrorKind::TimedOut))
    );
    finish(world, &[]);
}

#[test]
fn an_old_broker_refuses_what_zstd_makes_smaller_and_takes_the_rest() {
    let mut options = Options::calm();
    let produce = VersionRange::new(3, 6);
    options.versions = BTreeMap::from([(ApiKey::Produce, produce)]);
    options.topics = TopicTable::new(TopicSettings {
        compression: Some(Compression::new(Codec::Zstd, 1).unwrap()),
        ..options.topic()
    });
    let mut world = with(options);
    world.run_for(Duration::from_secs(60));
    let many = world.append(0, 20);
    world.run_until_idle();
    for id in many {
        let refused = Some(Err(ErrorKind::UnsupportedVersion));
        assert_eq!(world.checker.outcome(id), refused);
    }
    let alone = world.append(0, 1);
    finish(world, &alone);
}

#[test]
fn gives_up_after_its_retries() {
    let mut options = Options::calm();
    options.sender.retries = 2;
    let mut world = with(options);
    for _ in 0..3 {
        world.on_next(Api::Produce, refuse(ErrorCode::NOT_ENOUGH_REPLICAS));
    }
    let ids = world.append(0, 1);
    world.run_until_idle();
    let code = ErrorKind::Broker(ErrorCode::NOT_ENOUGH_REPLICAS);
    assert_eq!(world.checker.outcome(ids[0]), Some(Err(code)));
    finish(world, &[]);
}

#[test]
fn closing_without_patience_leaves_no_record_without_an_outcome() {
    let mut options = Options::calm();
    options.close_timeout = Duration::ZERO;
    let mut world = with(options);
    let ids = world.append(0, 5);
    world.add_closer();
    world.run_until_idle();
    for id in ids {
        assert_eq!(world.checker.outcome(id), Some(Err(ErrorKind::Closed)));
    }
    world.finish();
}

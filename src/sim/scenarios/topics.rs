//! Topics that grow, and topics that are not the ones they were.

use std::time::Duration;

use super::*;

#[test]
fn a_topic_that_is_deleted_and_made_again_takes_records() {
    let mut world = world();
    let first = world.append(0, 2);
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.log(0), first);
    world.recreate_topic();
    let second = world.append(0, 2);
    world.run_until_idle();
    for id in first.iter().chain(&second) {
        assert!(world.checker.outcome(*id).unwrap().is_ok());
    }
    finish(world, &second);
}

#[test]
fn partitions_that_are_added_take_records() {
    let mut options = Options::calm();
    options.sender.metadata_max_age = Duration::from_secs(1);
    let mut world = with(options);
    let before = world.append(0, 1);
    world.run_for(Duration::from_millis(100));
    world.add_partition();
    world.run_for(Duration::from_secs(2));
    let ids = world.append(3, 2);
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.log(3), ids);
    finish(world, &before);
}

//! Clusters that are not the ones they were.

use std::time::Duration;

use super::*;
use crate::error::ErrorKind;
use crate::protocol::ApiKey;
use crate::protocol::version::VersionRange;

fn idempotent() -> Options {
    let mut options = Options::calm();
    options.sender.idempotence = true;
    options.sender.rebootstrap = Some(Duration::from_secs(300));
    options
}

/// Brokers of Kafka 4.3, which do not compare clusters.
fn older() -> Options {
    let versions = VersionRange::new(0, 4);
    Options {
        versions: [(ApiKey::ApiVersions, versions)].into(),
        ..idempotent()
    }
}

#[test]
fn another_cluster_takes_records_under_another_producer_id() {
    for options in [idempotent(), older()] {
        let mut world = with(options);
        let first = world.append(0, 2);
        world.run_for(Duration::from_millis(100));
        assert_eq!(world.log(0), first);
        world.replace_cluster(Duration::from_millis(100));
        world.run_for(Duration::from_millis(500));
        let second = world.append(0, 2);
        world.run_until_idle();
        for id in first.iter().chain(&second) {
            assert!(world.checker.outcome(*id).unwrap().is_ok());
        }
        world.assert_marked("another producer id");
        finish(world, &second);
    }
}

#[test]
fn what_the_old_cluster_may_have_fails() {
    for options in [idempotent(), older()] {
        let mut world = with(options);
        let before = world.append(0, 1);
        world.run_for(Duration::from_millis(100));
        world.on_next(Api::Produce, Blow::SilenceAfter);
        let sent = world.append(0, 1);
        world.run_for(Duration::from_millis(100));
        assert_eq!(world.log(0), [before, sent.clone()].concat());
        world.replace_cluster(Duration::from_millis(100));
        world.run_until_idle();
        let outcome = world.checker.outcome(sent[0]);
        assert_eq!(outcome, Some(Err(ErrorKind::Disconnected)));
        let next = world.append(0, 1);
        finish(world, &next);
    }
}

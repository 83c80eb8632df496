//! A check of a cluster with a broker that is down, and with one that has stopped in its tracks.

use std::time::Duration;

use linger::Producer;
use linger::check::{Cause, CheckReport, Severity};
use linger_kafka_tests::{Cluster, properties, wait_until};

use crate::{new_topic, three_nodes};

const LIMIT: Duration = Duration::from_secs(10);

fn check(cluster: &Cluster, topic: &str) -> CheckReport {
    let properties = properties(&cluster.bootstrap());
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let report = producer.check_topics(&[topic], LIMIT);
    report.expect("not inside a callback")
}

fn found(report: &CheckReport) -> Vec<(Severity, Cause)> {
    let findings = report.findings();
    findings.map(|one| (one.severity, one.cause)).collect()
}

/// The first report that is as it is to be. Each check is told by the broker that answers first, and
/// that may lag behind the one that made the topic, or that knows who is gone.
fn await_report(
    what: &str,
    cluster: &Cluster,
    topic: &str,
    is_there: impl Fn(&CheckReport) -> bool,
) -> CheckReport {
    let mut last: Option<CheckReport> = None;
    wait_until(what, || {
        let report = check(cluster, topic);
        // Who reads that it never came wants to know what came instead.
        if last.as_ref().map(found) != Some(found(&report)) {
            println!("{report}");
        }
        is_there(last.insert(report))
    });
    last.expect("it was looked at")
}

#[test]
fn nothing_is_wrong_with_a_whole_cluster() {
    let cluster = three_nodes();
    let topic = new_topic(&cluster, "whole", 6);
    let report = await_report("all is well", &cluster, &topic, |report| {
        found(report).is_empty()
    });
    let ids: Vec<i32> = report.brokers.iter().map(|broker| broker.id).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(report.topics[0].may_write, Some(true));
}

#[test]
fn a_broker_that_is_down_leaves_the_others_and_fewer_replicas() {
    let cluster = three_nodes();
    let topic = new_topic(&cluster, "down", 6);
    cluster.kill(2);
    cluster.await_in_sync(&topic, 2);
    let expected = [
        (Severity::Warning, Cause::Refused),
        (Severity::Warning, Cause::UnderReplicated),
    ];
    let report = await_report(
        "one server and replicas are gone",
        &cluster,
        &topic,
        |report| found(report) == expected,
    );
    assert!(report.is_healthy());
    assert_eq!(report.brokers.len(), 2);
    assert_eq!(report.servers[1].findings[0].cause, Cause::Refused);
}

#[test]
fn a_broker_that_has_stopped_in_its_tracks_says_nothing() {
    let cluster = three_nodes();
    let topic = new_topic(&cluster, "stopped", 6);
    cluster.pause(3);
    let report = check(&cluster, &topic);
    let silent = &report.servers[2].findings[0];
    assert_eq!(silent.cause, Cause::Silent, "{report}");
    assert_eq!(silent.severity, Severity::Warning);
    cluster.resume(3);
}

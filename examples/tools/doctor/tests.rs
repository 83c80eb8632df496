//! The whole tool against a mock cluster.

use std::iter;

use linger::testing::MockCluster;

use super::*;

fn cluster() -> MockCluster {
    let cluster = MockCluster::builder()
        .auto_create_topics(false)
        .cluster_id("bW9jay1jbHVzdGVyLWlkMA");
    cluster.brokers(2).topic("orders", 4).start().unwrap()
}

fn args(cluster: &MockCluster, more: &str) -> Args {
    let line = format!("--bootstrap-server {} {more}", cluster.bootstrap_servers());
    let words = line.split_whitespace().map(Into::into);
    Args::read(iter::once("doctor".into()).chain(words)).unwrap()
}

#[test]
fn a_good_cluster_is_healthy() {
    let cluster = cluster();
    let args = args(&cluster, "--topic orders");
    let report = examine(&args).unwrap();
    assert_eq!(verdict(&report), HEALTHY);
    let page = page(&args, &report);
    for words in [
        "cluster bW9jay1jbHVzdGVyLWlkMA: 2 brokers, controller 1",
        &format!("  ok       broker 2 at {}\n", cluster.address(2)),
        "  ok       orders: 4 partitions, may be written\n",
        "\nno problems, no warnings (",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[test]
fn a_missing_topic_is_a_problem_and_is_not_made() {
    let cluster = cluster();
    let args = args(&cluster, "--topic payments");
    let report = examine(&args).unwrap();
    assert_eq!(verdict(&report), UNHEALTHY);
    let page = page(&args, &report);
    let words =
        "  problem  payments\n           It does not exist.\n           -> Correct its name, or";
    assert!(page.contains(words), "{page}");
}

#[test]
fn tells_programs_in_json() {
    let cluster = cluster();
    let args = args(&cluster, "--topic orders --topic payments --json");
    let report = examine(&args).unwrap();
    let page = page(&args, &report);
    assert!(!page.contains('\n'), "{page}");
    for words in [
        r#"{"healthy":false,"severity":"problem","took_ms":"#,
        r#""cluster":{"id":"bW9jay1jbHVzdGVyLWlkMA","controller":1,"#,
        r#"{"name":"orders","partitions":4,"without_leader":[],"with_unreachable_leader":[],"under_replicated":[],"may_write":true,"findings":[]}"#,
        r#""cause":"unknown_topic","code":null,"suspect":"client","subject":"topic payments","#,
        r#"{"name":"Produce","broker_oldest":0,"broker_newest":13,"used":13}"#,
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[test]
fn what_only_the_program_itself_has_is_not_missed() {
    let cluster = cluster();
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "partitioner.class=com.example.P\ninterceptor.classes=com.example.I\n\
                key.serializer=com.example.K\nvalue.serializer=com.example.V\n";
    std::fs::write(&file, text).unwrap();
    let flags = format!("--command-config {}", file.path().display());
    let report = examine(&args(&cluster, &flags)).unwrap();
    assert_eq!(verdict(&report), HEALTHY);
}

#[test]
fn wrong_properties_are_no_report() {
    let cluster = cluster();
    let args = args(&cluster, "--command-property acks=most");
    let error = examine(&args).unwrap_err();
    assert!(error.to_string().contains("acks"), "{error}");
}

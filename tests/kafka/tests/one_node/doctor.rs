//! The doctor with a real broker: one that is well, and one whose rules forbid to write.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use linger_kafka_tests::{
    Cluster, Options, linger_example, one_node, run_kafka_tool, topic_name, wait_until,
};
use serde_json::Value;

fn doctor(cluster: &Cluster, flags: &[&str]) -> Output {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let mut program = Command::new(PROGRAM.get_or_init(|| linger_example("doctor")));
    program.args(["--bootstrap-server", &cluster.bootstrap()]);
    program.args(flags).stdin(Stdio::null());
    program.output().expect("it runs")
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn finds_nothing_wrong_with_a_broker_that_is_well() {
    let topic = topic_name("checked");
    one_node().create_topic(&topic, 3, &[]);
    let output = doctor(one_node(), &["--topic", &topic]);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let words = format!("  ok       {topic}: 3 partitions, may be written\n");
    assert!(text.contains(&words), "{text}");
    assert!(text.contains("\nno problems, no warnings ("), "{text}");
    assert!(!text.contains('\x1b'), "no colours in a pipe");

    let output = doctor(one_node(), &["--topic", &topic, "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["healthy"], true);
    assert_eq!(report["cluster"]["id"], "lingerAAAAAAAAAAAAAAAA");
    assert_eq!(report["topics"][0]["may_write"], true);
    assert_eq!(report["brokers"][0]["id"], 1);
}

#[test]
fn a_topic_that_does_not_exist_is_not_made_by_looking() {
    let topic = topic_name("unmade");
    for _ in 0..2 {
        let output = doctor(one_node(), &["--topic", &topic, "--json"]);
        assert_eq!(output.status.code(), Some(1));
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let findings = &report["topics"][0]["findings"];
        assert_eq!(findings[0]["cause"], "unknown_topic", "{report}");
    }
}

#[test]
fn says_whether_the_rules_of_the_cluster_let_a_client_write() {
    let cluster = Cluster::start(
        &Options::new(1)
            .set(
                "authorizer.class.name",
                "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            )
            .set("allow.everyone.if.no.acl.found", "true"),
    );
    let [open, readable, hidden] = ["open", "readable", "hidden"].map(|topic| {
        cluster.create_topic(topic, 1, &[]);
        topic
    });
    // A topic with a rule allows nothing but what a rule allows.
    for (topic, rule) in [
        (readable, "--allow-principal"),
        (hidden, "--deny-principal"),
    ] {
        let add = [
            "--bootstrap-server",
            &cluster.bootstrap(),
            "--add",
            rule,
            "User:ANONYMOUS",
            "--operation",
            "Describe",
            "--topic",
            topic,
        ];
        let output = run_kafka_tool("org.apache.kafka.tools.AclCommand", &add, "");
        assert!(output.status.success(), "{output:?}");
    }
    let flags = [open, readable, hidden].map(|topic| ["--topic", topic]);
    let flags = flags.as_flattened();
    let flags = [flags, &["--json"]].concat();
    let mut report = Value::Null;
    // The broker follows the rules a moment after the controller has taken them.
    wait_until(
        "rules that forbid to write to one topic, and to see one",
        || {
            let output = doctor(&cluster, &flags);
            report = serde_json::from_slice(&output.stdout).expect("JSON");
            let topics = &report["topics"];
            println!("{topics}");
            topics[1]["may_write"] == false && !topics[2]["findings"][0]["code"].is_null()
        },
    );
    let topics = &report["topics"];
    assert_eq!(topics[0]["may_write"], true, "{report}");
    assert_eq!(topics[0]["findings"], Value::Array(Vec::new()), "{report}");
    assert_eq!(topics[1]["may_write"], false, "{report}");
    assert_eq!(topics[1]["findings"][0]["cause"], "may_not_write");
    let code = &topics[2]["findings"][0]["code"];
    assert_eq!(code, "TOPIC_AUTHORIZATION_FAILED", "{report}");
}

//! The whole tool against a mock cluster.

use std::iter;

use linger::ErrorCode;
use linger::testing::{Api, MockCluster, MockRecord};
use parking_lot::Mutex;

use super::*;

/// What became of a run.
struct Run {
    outcome: Result<(), String>,
    told: Vec<String>,
    failed: u64,
}

fn cluster() -> MockCluster {
    MockCluster::builder().topic("orders", 1).start().unwrap()
}

/// Runs the tool with these flags over this input.
fn run_tool(cluster: &MockCluster, flags: &str, input: &[u8]) -> Run {
    let servers = cluster.bootstrap_servers();
    let line = format!("--topic orders --bootstrap-server {servers} --timeout 0 {flags}");
    let words = line.split_whitespace().map(Into::into);
    let args = Args::read(iter::once("console".into()).chain(words)).unwrap();
    let parser = Parser::new(&args.reader_properties().unwrap()).unwrap();
    let producer = Producer::new(&args.producer_properties().unwrap()).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let tell = move |sentence: &str| teller.lock().push(sentence.to_owned());
    let failures = Arc::new(Failures::new(parser.topic(), tell));
    let stop = Stop::default();
    let outcome = produce(&args, &parser, input, None, &producer, &failures, &stop);
    close(&producer);
    Run {
        outcome: outcome.map_err(|error| error.to_string()),
        told: told.lock().clone(),
        failed: failures.count(),
    }
}

/// The record as a text, with `null` for null.
fn shown(record: &MockRecord) -> String {
    let text = |bytes: &Option<Vec<u8>>| match bytes {
        Some(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
        None => "null".to_owned(),
    };
    let mut shown = format!("{}={}", text(&record.key), text(&record.value));
    for (name, value) in &record.headers {
        shown += &format!(" {name:?}:{}", text(value));
    }
    shown
}

fn records(cluster: &MockCluster) -> Vec<String> {
    cluster.records("orders", 0).iter().map(shown).collect()
}

#[test]
fn every_line_is_a_record() {
    for flags in [
        "",
        "--sync",
        "--compression-codec",
        "--request-required-acks 1",
    ] {
        let cluster = cluster();
        let run = run_tool(&cluster, flags, b"one\n\ntwo\tmore\r\nlast");
        assert_eq!(run.outcome, Ok(()));
        assert_eq!(run.failed, 0);
        let lines = [
            r#"null="one""#,
            r#"null="""#,
            r#"null="two\tmore""#,
            r#"null="last""#,
        ];
        assert_eq!(records(&cluster), lines, "{flags}");
    }
}

#[test]
fn keys_headers_and_nulls_arrive() {
    let cluster = cluster();
    let flags = "--reader-property parse.key=true --reader-property parse.headers=true \
                 --reader-property null.marker=NIL";
    let run = run_tool(&cluster, flags, b"a:1,b:NIL\tk\tv\nNIL\tNIL\tNIL\n");
    assert_eq!(run.outcome, Ok(()));
    assert_eq!(
        records(&cluster),
        [r#""k"="v" "a":"1" "b":null"#, "null=null"]
    );
}

#[test]
fn what_comes_before_a_wrong_line_is_sent() {
    let cluster = cluster();
    let run = run_tool(
        &cluster,
        "--property parse.key=true",
        b"a\t1\nb\t2\nc\nd\t4\n",
    );
    let error = "No key separator found on line number 3: 'c'";
    assert_eq!(run.outcome, Err(error.to_owned()));
    assert_eq!(records(&cluster), [r#""a"="1""#, r#""b"="2""#]);
}

#[test]
fn a_line_of_100_mb_is_refused_and_the_next_one_sent() {
    let cluster = cluster();
    let input = [&vec![b'x'; 100_000_000][..], b"\nnext\n"].concat();
    let run = run_tool(&cluster, "", &input);
    assert_eq!(run.outcome, Ok(()));
    assert_eq!(run.failed, 1);
    let told = &run.told[0];
    let words = "Error when sending message to topic orders with key: null, value: 100000000 bytes \
                 with error: ";
    assert!(told.starts_with(words), "{told}");
    assert!(told.ends_with(" (line number 1)"), "{told}");
    assert_eq!(records(&cluster), [r#"null="next""#]);

    let run = run_tool(&cluster, "--sync", &input);
    let error = run.outcome.unwrap_err();
    assert!(error.starts_with("line number 1: "), "{error}");
    assert_eq!(cluster.records("orders", 0).len(), 1);
}

#[test]
fn junk_is_sent_with_replacements() {
    let cluster = cluster();
    let run = run_tool(&cluster, "", b"\x00\xff\xfe\x01\nfine\n");
    assert_eq!(run.outcome, Ok(()));
    let values = ["\0\u{fffd}\u{fffd}\u{1}", "fine"].map(|value| format!("null={value:?}"));
    assert_eq!(records(&cluster), values);
}

#[test]
fn tells_which_records_a_broker_refused() {
    let cluster = cluster();
    cluster
        .on(Api::Produce)
        .times(1)
        .answer(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    let run = run_tool(&cluster, "", b"one\n");
    assert_eq!(run.outcome, Ok(()));
    assert_eq!(run.failed, 1);
    assert!(
        run.told[0].contains("not authorized for this topic"),
        "{}",
        run.told[0]
    );

    cluster
        .on(Api::Produce)
        .times(1)
        .answer(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    let run = run_tool(&cluster, "--sync", b"one\ntwo\n");
    assert!(run.outcome.unwrap_err().starts_with("line number 1: "));
    assert!(records(&cluster).is_empty());
}

#[test]
fn a_topic_that_is_not_there_fails_each_record_within_the_limit() {
    let cluster = MockCluster::builder().auto_create_topics(false);
    let cluster = cluster.start().unwrap();
    let flags = "--reader-property topic=missing --max-block-ms 50";
    let run = run_tool(&cluster, flags, b"one\ntwo\n");
    assert_eq!(run.outcome, Ok(()));
    assert_eq!(run.told.len(), 2);
    assert!(run.told[1].contains("topic missing"), "{}", run.told[1]);
}

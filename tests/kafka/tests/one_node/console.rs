//! The console producer beside Kafka's own: the same flags over the same bytes leave the same
//! records, and the same exit codes. Then what scripts do to it: signals, pipes, directories.

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use linger_kafka_tests::{linger_example, one_node, run_kafka_tool, topic_name, wait_until};

const KAFKAS: &str = "org.apache.kafka.tools.ConsoleProducer";

/// Both tools give an answer a second and a half, and send again what may have been stored without
/// a word if acks are fewer than all: on a busy machine that would be seen as a record too many.
const PATIENT: [&str; 2] = ["--request-timeout-ms", "15000"];

/// A key, a value, and headers with their values.
type Content = (
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(String, Option<Vec<u8>>)>,
);

/// Ours with these flags, sending to this topic.
fn ours(topic: &str, flags: &[&str]) -> Command {
    let mut program = ours_at(&one_node().bootstrap());
    program.args(["--topic", topic]).args(PATIENT).args(flags);
    program
}

/// Ours, sending to this server.
fn ours_at(bootstrap: &str) -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let mut program = Command::new(PROGRAM.get_or_init(|| linger_example("console_producer")));
    program.args(["--bootstrap-server", bootstrap]);
    program.stdin(Stdio::piped());
    program.stdout(Stdio::piped()).stderr(Stdio::piped());
    program
}

fn run_ours(topic: &str, flags: &[&str], input: &[u8]) -> Output {
    let mut process = ours(topic, flags).spawn().expect("it runs");
    let mut stdin = process.stdin.take().expect("stdin is piped");
    // It ends before it has read everything if a line is wrong.
    let _ = stdin.write_all(input);
    drop(stdin);
    end(process)
}

fn end(process: Child) -> Output {
    process.wait_with_output().expect("our child")
}

fn new_topic() -> String {
    let topic = topic_name("lines");
    one_node().create_topic(&topic, 1, &[]);
    topic
}

fn contents(topic: &str) -> Vec<Content> {
    let records = one_node().read(topic).into_iter();
    records
        .map(|record| (record.key, record.value, record.headers))
        .collect()
}

/// Runs both tools; returns what both stored, and how they ended: Kafka's first.
fn compare(flags: &[&str], input: &[u8]) -> (Vec<Content>, [Output; 2]) {
    let topics = [new_topic(), new_topic()];
    let bootstrap = one_node().bootstrap();
    let mut all = vec!["--bootstrap-server", &bootstrap, "--topic", &topics[0]];
    all.extend(PATIENT.iter().chain(flags));
    let outputs = [
        run_kafka_tool(KAFKAS, &all, input),
        run_ours(&topics[1], flags, input),
    ];
    let [kafkas, ours] = topics.map(|topic| contents(&topic));
    assert!(!kafkas.is_empty(), "{outputs:?}");
    for (index, (kafkas, ours)) in kafkas.iter().zip(&ours).enumerate() {
        assert_eq!(kafkas, ours, "record {index}");
    }
    assert_eq!(kafkas.len(), ours.len(), "{outputs:?}");
    assert_eq!(outputs[0].status, outputs[1].status, "{outputs:?}");
    (kafkas, outputs)
}

/// Pieces of lines in an order that looks random and is always the same.
fn mixed(pieces: &[&[u8]], count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below
    };
    let mut bytes = Vec::new();
    for _ in 0..count {
        match next(pieces.len() + 1) {
            // Any byte at all.
            0 => bytes.push(next(256) as u8),
            piece => bytes.extend_from_slice(pieces[piece - 1]),
        }
    }
    bytes
}

#[test]
fn makes_the_same_records_as_kafkas_tool_of_any_bytes() {
    let pieces: [&[u8]; 12] = [
        b"\n",
        b"\r",
        b"\r\n",
        b"text",
        b"\t",
        b"\0\x1b",
        "naïve 😀".as_bytes(),
        b"\xed\xa0\x80",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
    ];
    let (records, _) = compare(&["--compression-codec"], &mixed(&pieces, 30_000));
    assert!(records.len() > 5_000, "{}", records.len());
}

#[test]
fn cuts_lines_into_the_same_keys_headers_and_nulls_as_kafkas_tool() {
    let pieces: [&[u8]; 10] = [
        b"\n",
        b"\n",
        b"|",
        b"key",
        b"=>",
        b"a",
        b";",
        b",,",
        b"NIL",
        "ü".as_bytes(),
    ];
    let flags = [
        "--property=parse.key=true",
        "--property=parse.headers=true",
        "--property=ignore.error=true",
        "--property=headers.delimiter=|",
        "--property=key.separator==>",
        "--property=headers.separator=[;,]+",
        "--property=headers.key.separator=a",
        "--property=null.marker=NIL",
        "--timeout=5",
        "--request-required-acks=1",
    ];
    // A header's key may not be null, whatever is ignored.
    let lines = mixed(&pieces, 20_000);
    let lines = lines.split(|byte| *byte == b'\n');
    let lines: Vec<_> = lines.filter(|line| !has_null_header(line)).collect();
    let (records, [kafkas, ours]) = compare(&flags, &lines.join(&b'\n'));
    assert_eq!(kafkas.stdout, ours.stdout, "both warn about --property");
    assert!(kafkas.stdout.starts_with(b"Warning: --property is"));
    let nulls = records
        .iter()
        .filter(|record| record.0.is_none() || record.1.is_none());
    assert!(nulls.count() > 100);
    assert!(records.iter().any(|record| record.2.len() > 2));
}

fn has_null_header(line: &[u8]) -> bool {
    line.windows(4).any(|four| four == b"NILa")
}

#[test]
fn stops_at_the_same_wrong_line_as_kafkas_tool() {
    let flags = ["--reader-property", "parse.key=true", "--sync"];
    let (records, outputs) = compare(&flags, b"a\t1\nb\t2\nc\nd\t4\n");
    assert_eq!(records.len(), 2);
    for output in outputs {
        assert_eq!(output.status.code(), Some(1));
        let words = "No key separator found on line number 3: 'c'\n";
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(words), "{errors}");
    }
}

#[test]
fn sends_what_it_has_read_when_it_is_told_to_end() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let topic = new_topic();
        // Nothing leaves because its time is up. Two of these lines do not fit into a batch, so
        // the second one leaves when the third one has been read, and that only at the end.
        let mut process = ours(&topic, &["--timeout", "100000"])
            .spawn()
            .expect("it runs");
        let lines = format!("{}\n", "x".repeat(10_000)).repeat(3);
        let mut stdin = process.stdin.take().expect("stdin is piped");
        stdin.write_all(lines.as_bytes()).expect("it reads");
        wait_until("two lines are stored", || {
            one_node().end_offsets(&topic) == [2]
        });
        let mut kill = Command::new("kill");
        kill.args(["-s", signal, &process.id().to_string()]);
        assert!(kill.status().expect("kill runs").success());
        let output = end(process);
        drop(stdin);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        assert_eq!(one_node().end_offsets(&topic), [3]);
    }
}

#[test]
fn says_what_became_of_the_line_that_it_was_sending_when_it_is_told_to_end() {
    for sync in [&[][..], &["--sync"]] {
        // Takes a connection and never answers: who connects has read a line and waits for its topic.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = silent.local_addr().expect("bound").to_string();
        let mut command = ours_at(&server);
        let mut process = command
            .args(["--topic", "t"])
            .args(sync)
            .spawn()
            .expect("it runs");
        let mut stdin = process.stdin.take().expect("stdin is piped");
        stdin.write_all(b"one\ntwo\n").expect("it reads");
        let _connection = silent.accept().expect("it connects");
        let mut kill = Command::new("kill");
        kill.args(["-s", "INT", &process.id().to_string()]);
        assert!(kill.status().expect("kill runs").success());
        let output = end(process);
        drop(stdin);
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("line number 1"), "{said}");
    }
}

#[test]
fn ends_with_an_error_when_input_or_flags_are_bad() {
    let topic = new_topic();
    let mut command = ours(&topic, &[]);
    command.stdin(File::open(".").expect("this directory can be opened"));
    let on_directory = end(command.spawn().expect("it runs"));
    let cases = [
        (
            on_directory,
            "console_producer: cannot read line number 1: Is a directory",
        ),
        (
            run_ours(&topic, &["--command-config", "no-such-file"], b"one\n"),
            "console_producer: cannot read the properties file no-such-file",
        ),
        (
            run_ours(&topic, &["--reader-config", "no-such-file"], b"one\n"),
            "console_producer: cannot read the properties file no-such-file",
        ),
        (
            run_ours(&topic, &["--sync", "--topic", "other"], b"one\n"),
            "Found multiple arguments for option topic, but you asked for only one",
        ),
    ];
    for (output, words) in cases {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.starts_with(words), "{errors}");
    }
    assert_eq!(one_node().end_offsets(&topic), [0]);
}

#[test]
fn sends_although_nobody_reads_what_it_says() {
    let topic = new_topic();
    let mut process = ours(&topic, &["--property", "a=b"])
        .spawn()
        .expect("it runs");
    // Both pipes are broken before it can warn that --property is deprecated and `a` unknown: it
    // does so before it reads.
    drop((process.stdout.take(), process.stderr.take()));
    let mut stdin = process.stdin.take().expect("stdin is piped");
    stdin.write_all(b"one\n").expect("it reads");
    drop(stdin);
    assert_eq!(process.wait().expect("our child").code(), Some(0));
    assert_eq!(one_node().end_offsets(&topic), [1]);
}

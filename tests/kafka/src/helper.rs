//! Asks `java/KafkaHelper.java` questions: one JVM with Kafka's own clients, driven by lines.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::jars::{java, missing_java};

const HEAP_MB: u32 = 512;
/// Keys per question, so that a line stays of moderate length.
const KEYS_PER_QUESTION: usize = 1_000;

/// The running helper. It ends when this is dropped, or when the process ends.
pub(crate) struct Helper {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// Who leads a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// The partition's number.
    pub partition: i32,
    /// The leading node, -1 while there is none.
    pub leader: i32,
    /// The nodes that have everything the leader has acknowledged.
    pub in_sync: Vec<i32>,
}

/// A record as Kafka's consumer returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRecord {
    /// The partition it was read from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// `CreateTime` or `LogAppendTime`.
    pub timestamp_type: String,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Names and values in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl ReadRecord {
    /// The value as text.
    ///
    /// # Panics
    ///
    /// Panics if there is no value or it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.value.as_deref().expect("a value")).expect("a text value")
    }
}

impl Helper {
    pub(crate) fn start() -> Result<Self, String> {
        let mut java = java(HEAP_MB)?;
        // The admin client warns about every broker that is not up yet.
        java.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=off")
            .arg("KafkaHelper");
        java.stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = java.spawn().map_err(|error| missing_java(&error))?;
        let questions = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("stdout is piped"));
        Ok(Self {
            process,
            questions,
            answers,
        })
    }

    /// Sends one question and returns the lines of its answer.
    pub(crate) fn ask(&mut self, question: &str) -> Result<Vec<String>, String> {
        let lost = |error: &dyn std::fmt::Display| format!("the Java helper has ended: {error}");
        let questions = self
            .questions
            .as_mut()
            .expect("the pipe closes at drop only");
        writeln!(questions, "{question}").map_err(|error| lost(&error))?;
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.answers
                .read_line(&mut line)
                .map_err(|error| lost(&error))?;
            let line = line.trim_end();
            if let Some(content) = line.strip_prefix(' ') {
                lines.push(content.to_owned());
            } else if line == "ok" {
                return Ok(lines);
            } else if let Some(message) = line.strip_prefix("error ") {
                let asked: String = question.chars().take(80).collect();
                return Err(format!("{message} (asked: {asked})"));
            } else {
                return Err(lost(&format!("it said {line:?}")));
            }
        }
    }

    pub(crate) fn brokers(&mut self, bootstrap: &str) -> Result<Vec<i32>, String> {
        let lines = self.ask(&format!("nodes {bootstrap}"))?;
        lines.iter().map(|line| number(line)).collect()
    }

    pub(crate) fn leaders(&mut self, bootstrap: &str, topic: &str) -> Result<Vec<Leader>, String> {
        let lines = self.ask(&format!("leaders {bootstrap} {topic}"))?;
        lines.iter().map(|line| parse_leader(line)).collect()
    }

    pub(crate) fn end_offsets(&mut self, bootstrap: &str, topic: &str) -> Result<Vec<i64>, String> {
        let lines = self.ask(&format!("ends {bootstrap} {topic}"))?;
        let mut ends = Vec::new();
        for line in &lines {
            let (partition, end) = line.split_once(' ').ok_or_else(|| unexpected(line))?;
            ends.push((number::<i32>(partition)?, number(end)?));
        }
        ends.sort_unstable();
        Ok(ends.into_iter().map(|(_, end)| end).collect())
    }

    /// With `question` "committed" as a consumer with `isolation.level=read_committed`.
    pub(crate) fn read(
        &mut self,
        question: &str,
        bootstrap: &str,
        topic: &str,
    ) -> Result<Vec<ReadRecord>, String> {
        let lines = self.ask(&format!("{question} {bootstrap} {topic}"))?;
        let records: Result<Vec<_>, _> = lines.iter().map(|line| parse_record(line)).collect();
        let mut records = records?;
        records.sort_by_key(|record| (record.partition, record.offset));
        Ok(records)
    }

    pub(crate) fn transact(
        &mut self,
        bootstrap: &str,
        id: &str,
        steps: &[&str],
    ) -> Result<Vec<String>, String> {
        self.ask(&format!("transact {bootstrap} {id} {}", steps.join(" ")))
    }

    pub(crate) fn partitions_for_keys(
        &mut self,
        count: i32,
        keys: &[Vec<u8>],
    ) -> Result<Vec<i32>, String> {
        let mut partitions = Vec::new();
        for keys in keys.chunks(KEYS_PER_QUESTION) {
            let keys: Vec<String> = keys.iter().map(|key| hex(key)).collect();
            let lines = self.ask(&format!("partitions {count} {}", keys.join(" ")))?;
            for line in &lines {
                partitions.push(number(line)?);
            }
        }
        Ok(partitions)
    }
}

/// What Kafka's own producers say to these steps, one line for each: the step, and `ok` or the name of
/// the error. `0.send=t:1:x` is the value `x` of producer 0 to partition 1 of topic `t`; the others are
/// `0.init`, `0.begin`, `0.offset=GROUP:TOPIC:PARTITION:OFFSET`, `0.commit` and `0.abort`.
///
/// # Panics
///
/// Panics when Java is missing or its helper ends.
pub fn transact_as_java(bootstrap: &str, id: &str, steps: &[&str]) -> Vec<String> {
    let answers = Helper::start().and_then(|mut helper| helper.transact(bootstrap, id, steps));
    answers.unwrap_or_else(|error| panic!("{error}"))
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.questions.take());
        // It ends with its input; nothing to do if it cannot be waited for.
        let _ = self.process.wait();
    }
}

fn parse_leader(line: &str) -> Result<Leader, String> {
    let words: Vec<&str> = line.split(' ').collect();
    let [partition, leader, in_sync] = words[..] else {
        return Err(unexpected(line));
    };
    let in_sync = in_sync.split(',').filter(|id| !id.is_empty()).map(number);
    Ok(Leader {
        partition: number(partition)?,
        leader: number(leader)?,
        in_sync: in_sync.collect::<Result<_, _>>()?,
    })
}

fn parse_record(line: &str) -> Result<ReadRecord, String> {
    let words: Vec<&str> = line.split(' ').collect();
    let [
        partition,
        offset,
        timestamp,
        timestamp_type,
        key,
        value,
        headers @ ..,
    ] = &words[..]
    else {
        return Err(unexpected(line));
    };
    let mut parsed = Vec::new();
    for header in headers {
        let (name, value) = header.split_once('=').ok_or_else(|| unexpected(line))?;
        let name = String::from_utf8(bytes(name)?.unwrap_or_default());
        parsed.push((name.map_err(|_| unexpected(line))?, bytes(value)?));
    }
    Ok(ReadRecord {
        partition: number(partition)?,
        offset: number(offset)?,
        timestamp: number(timestamp)?,
        timestamp_type: (*timestamp_type).to_owned(),
        key: bytes(key)?,
        value: bytes(value)?,
        headers: parsed,
    })
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| unexpected(text))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("x");
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a String succeeds");
    }
    text
}

/// The bytes behind "x" and hex digits, none behind "-".
fn bytes(text: &str) -> Result<Option<Vec<u8>>, String> {
    if text == "-" {
        return Ok(None);
    }
    let digits = text.strip_prefix('x').ok_or_else(|| unexpected(text))?;
    let byte = |at: usize| {
        let pair = digits.get(at..at + 2).ok_or_else(|| unexpected(text))?;
        u8::from_str_radix(pair, 16).map_err(|_| unexpected(text))
    };
    (0..digits.len())
        .step_by(2)
        .map(byte)
        .collect::<Result<_, _>>()
        .map(Some)
}

fn unexpected(line: &str) -> String {
    let start: String = line.chars().take(200).collect();
    format!("the Java helper answered something unexpected: {start:?}")
}

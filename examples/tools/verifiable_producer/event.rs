//! The JSON lines on standard output, one for each event: character for character those of Kafka
//! 4.4.0's VerifiableProducer, whose readers are test tools; an error's last field, `fate`, is ours.

use std::fmt::{self, Write as _};

use linger::Fate;

/// Something that a test tool wants to know.
pub(crate) enum Event<'a> {
    /// The producer exists; nothing was sent yet.
    StartupComplete,
    /// A broker has the record.
    SendSuccess(Sent<'a>, Landed<'a>),
    /// The record was given up.
    SendError(Sent<'a>, Failed<'a>),
    /// A transaction has begun, or ended. Not Kafka's.
    Transaction {
        /// From 1.
        number: u64,
        /// The value of its first message.
        first: &'a str,
        /// The value of its last message.
        last: &'a str,
        end: TransactionEnd<'a>,
    },
    /// The producer is closed; no record will follow.
    ShutdownComplete,
    /// The sums of the run.
    ToolData(ToolData),
}

/// What has become of a transaction.
#[derive(Clone, Copy)]
pub(crate) enum TransactionEnd<'a> {
    /// It has begun.
    Begun,
    Committed,
    Aborted,
    /// It is not committed: abortable or fatal, and why.
    Failed(&'a str, &'a str),
    /// Nobody knows, or not yet.
    Unknown,
}

/// What was sent.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) key: Option<&'a str>,
    pub(crate) value: &'a str,
}

/// Where it landed.
pub(crate) struct Landed<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    /// None if the broker was not asked for an acknowledgement.
    pub(crate) offset: Option<i64>,
}

/// Why it did not.
pub(crate) struct Failed<'a> {
    pub(crate) topic: &'a str,
    /// The class that Kafka's own client would have thrown.
    pub(crate) class: &'a str,
    pub(crate) message: &'a str,
    /// Whether it may be in the log all the same.
    pub(crate) fate: Option<Fate>,
}

/// The sums of a run.
pub(crate) struct ToolData {
    pub(crate) sent: u64,
    pub(crate) acked: u64,
    pub(crate) target_throughput: i32,
    pub(crate) elapsed_ms: u64,
}

impl Event<'_> {
    /// The line, without its end, for an event at this time (milliseconds since 1970).
    pub(crate) fn line(&self, timestamp_ms: u64) -> String {
        let mut line = format!("{{\"timestamp\":{timestamp_ms},\"name\":");
        match self {
            Self::StartupComplete => line += r#""startup_complete""#,
            Self::ShutdownComplete => line += r#""shutdown_complete""#,
            Self::SendSuccess(sent, landed) => append(
                &mut line,
                format_args!(
                    r#""producer_send_success",{sent},"offset":{},"topic":{},"partition":{}"#,
                    landed.offset.unwrap_or(-1),
                    Json(Some(landed.topic)),
                    landed.partition,
                ),
            ),
            Self::SendError(sent, failed) => {
                append(
                    &mut line,
                    format_args!(
                        r#""producer_send_error","topic":{},{sent},"exception":"class {}","message":{}"#,
                        Json(Some(failed.topic)),
                        failed.class,
                        Json(Some(failed.message)),
                    ),
                );
                if let Some(fate) = failed.fate {
                    append(&mut line, format_args!(r#","fate":"{fate:?}""#));
                }
            }
            Self::Transaction {
                number,
                first,
                last,
                end,
            } => {
                let name = end.name();
                let first = Json(Some(first));
                append(
                    &mut line,
                    format_args!(r#""transaction_{name}","transaction":{number},"first":{first}"#),
                );
                if !matches!(end, TransactionEnd::Begun) {
                    append(&mut line, format_args!(r#","last":{}"#, Json(Some(last))));
                }
                if let TransactionEnd::Failed(kind, message) = end {
                    let message = Json(Some(message));
                    append(
                        &mut line,
                        format_args!(r#","kind":"{kind}","message":{message}"#),
                    );
                }
            }
            Self::ToolData(data) => append(&mut line, format_args!(r#""tool_data",{data}"#)),
        }
        line.push('}');
        line
    }
}

impl TransactionEnd<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Committed => "committed",
            Self::Aborted => "aborted",
            Self::Failed(..) => "failed",
            Self::Unknown => "unknown",
        }
    }
}

fn append(line: &mut String, text: fmt::Arguments<'_>) {
    line.write_fmt(text)
        .expect("a String takes everything that is written");
}

impl fmt::Display for Sent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r#""key":{},"value":{}"#,
            Json(self.key),
            Json(Some(self.value))
        )
    }
}

impl fmt::Display for ToolData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r#""sent":{},"acked":{},"target_throughput":{},"avg_throughput":"#,
            self.sent, self.acked, self.target_throughput,
        )?;
        // A run too short for the clock took a millisecond: JSON knows no infinity.
        let elapsed_ms = self.elapsed_ms.max(1);
        #[expect(
            clippy::cast_precision_loss,
            reason = "an average needs no more than 53 bits"
        )]
        let average = 1000.0 * (self.acked as f64 / elapsed_ms as f64);
        write!(f, "{average:?}")
    }
}

/// A string in quotes, or `null`.
struct Json<'a>(Option<&'a str>);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(text) = self.0 else {
            return f.write_str("null");
        };
        f.write_char('"')?;
        for character in text.chars() {
            match character {
                '"' => f.write_str("\\\""),
                '\\' => f.write_str("\\\\"),
                '\n' => f.write_str("\\n"),
                '\r' => f.write_str("\\r"),
                '\t' => f.write_str("\\t"),
                '\u{8}' => f.write_str("\\b"),
                '\u{c}' => f.write_str("\\f"),
                control @ '\0'..' ' => write!(f, "\\u{:04X}", u32::from(control)),
                other => f.write_char(other),
            }?;
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_recorded(event: &Event<'_>, timestamp_ms: u64) {
        let line = event.line(timestamp_ms);
        let recorded = include_str!("kafka-4.3.1-output.jsonl");
        assert!(
            recorded.lines().any(|recorded| recorded == line),
            "Kafka never printed {line}"
        );
    }

    fn sent<'a>(key: Option<&'a str>, value: &'a str) -> Sent<'a> {
        Sent { key, value }
    }

    #[test]
    fn prints_start_and_end_as_kafka_does() {
        assert_recorded(&Event::StartupComplete, 1_795_328_166_978);
        assert_recorded(&Event::ShutdownComplete, 1_795_328_170_073);
    }

    #[test]
    fn prints_a_success_as_kafka_does() {
        let landed = |partition, offset| Landed {
            topic: "orders",
            partition,
            offset,
        };
        for (sent, landed, timestamp_ms) in [
            (sent(None, "0"), landed(2, Some(2535)), 1_795_328_167_333),
            (
                sent(Some("1"), "7.1"),
                landed(0, Some(2134)),
                1_795_328_168_593,
            ),
            (sent(None, "0"), landed(2, None), 1_795_328_171_371),
        ] {
            assert_recorded(&Event::SendSuccess(sent, landed), timestamp_ms);
        }
    }

    #[test]
    fn prints_an_error_as_kafka_does() {
        for (topic, class, message, timestamp_ms) in [
            (
                "orders",
                "org.apache.kafka.common.errors.TimeoutException",
                "Topic orders not present in metadata after 1500 ms.",
                1_795_328_175_140,
            ),
            (
                "bad topic",
                "org.apache.kafka.common.errors.InvalidTopicException",
                "Invalid topics: [bad topic]",
                1_795_328_179_011,
            ),
        ] {
            let failed = Failed {
                topic,
                class,
                message,
                fate: None,
            };
            assert_recorded(&Event::SendError(sent(None, "0"), failed), timestamp_ms);
        }
    }

    #[test]
    fn an_error_ends_with_the_fate_of_its_record() {
        let failed = Failed {
            topic: "orders",
            class: "Any",
            message: "any",
            fate: Some(Fate::MayBeWritten),
        };
        let line = Event::SendError(sent(None, "0"), failed).line(0);
        assert!(
            line.ends_with(r#""message":"any","fate":"MayBeWritten"}"#),
            "{line}"
        );
    }

    #[test]
    fn prints_the_sums_as_kafka_does() {
        let data = ToolData {
            sent: 4,
            acked: 4,
            target_throughput: 2,
            elapsed_ms: 1844,
        };
        assert_recorded(&Event::ToolData(data), 1_795_328_170_075);
        let data = ToolData {
            sent: 0,
            acked: 0,
            target_throughput: -1,
            elapsed_ms: 280,
        };
        assert_recorded(&Event::ToolData(data), 1_795_328_182_159);
    }

    #[test]
    fn an_average_over_no_time_is_still_a_number() {
        let data = |acked| ToolData {
            sent: 3,
            acked,
            target_throughput: -1,
            elapsed_ms: 0,
        };
        assert!(data(0).to_string().ends_with(r#""avg_throughput":0.0"#));
        assert!(data(3).to_string().ends_with(r#""avg_throughput":3000.0"#));
    }

    #[test]
    fn escapes_what_json_cannot_hold() {
        let text = Json(Some("a\"b\\c\nd\te\u{1f}f/é")).to_string();
        assert_eq!(text, r#""a\"b\\c\nd\te\u001Ff/é""#);
    }
}

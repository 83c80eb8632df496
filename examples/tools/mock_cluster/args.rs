//! The command line.

use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;

use clap::{CommandFactory, Parser, ValueEnum};

use crate::faults::{Close, Delay, Fail};
use crate::one_dash;

/// A Kafka cluster for tests, in one process and on loopback ports: producers of any language can
/// send to it. It stores no records, so its memory does not grow however long it runs.
///
/// The first line of output is the address to connect to, such as bootstrap.servers=127.0.0.1:9092.
/// Ctrl-C or SIGTERM ends it, with a summary; a second one ends it at once.
///
/// It checks batches as a broker does: checksums, codecs, producer ids, epochs and sequences.
/// It serves transactions. It has no consumers, no TLS and no SASL.
#[derive(Debug, Parser)]
#[command(name = "mock_cluster", verbatim_doc_comment, version)]
#[command(after_help = HOW_OFTEN)]
pub(crate) struct Args {
    /// The number of brokers.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1,
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(u16).range(1..=MOST_BROKERS)
    )]
    pub(crate) brokers: u16,

    /// A topic that exists from the start, with this many partitions (default: 1); may be repeated.
    #[arg(long, value_name = "NAME[:PARTITIONS]")]
    pub(crate) topic: Vec<Topic>,

    /// Create topics that a producer asks for, with this many partitions; 0: do not create any.
    #[arg(
        long,
        value_name = "PARTITIONS",
        default_value_t = 1,
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(0..=MOST_PARTITIONS)
    )]
    pub(crate) auto_create: i32,

    /// By which version transactions are spoken: the level of the feature transaction.version.
    #[arg(
        long,
        value_name = "VERSION",
        default_value_t = 2,
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i16).range(1..=2)
    )]
    pub(crate) transaction_version: i16,

    /// The port of the first broker; the others get the ports after it. 0: any free ports.
    #[arg(long, default_value_t = 9092, allow_negative_numbers = true)]
    pub(crate) port: u16,

    /// Print a line for each batch and each other request; with --print=records also the records. In
    /// colour on a terminal, unless NO_COLOR is set.
    #[arg(
        long,
        value_name = "WHAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "batches"
    )]
    pub(crate) print: Option<Print>,

    /// Answer with this error and do nothing else; may be repeated. ERROR is Kafka's name, as in
    /// produce:NOT_LEADER_OR_FOLLOWER:0.05. A probability applies to each batch (for metadata: to each
    /// topic).
    #[arg(long, value_name = "API:ERROR[:HOW-OFTEN]")]
    pub(crate) fail: Vec<Fail>,

    /// Delay the answer by this time, such as 20ms; may be repeated, and the times add up. Later
    /// requests on the same connection wait as well.
    #[arg(
        long,
        value_name = "[API:]TIME[:HOW-OFTEN]",
        allow_hyphen_values = true
    )]
    pub(crate) delay: Vec<Delay>,

    /// Close the connection without an answer and before the request is processed: its records are not
    /// written. May be repeated.
    #[arg(long, value_name = "[API:]HOW-OFTEN", allow_negative_numbers = true)]
    pub(crate) close_before: Vec<Close>,

    /// Close the connection without an answer, but after the request is processed: its records are
    /// written, and the producer does not know. May be repeated.
    #[arg(long, value_name = "[API:]HOW-OFTEN", allow_negative_numbers = true)]
    pub(crate) close_after: Vec<Close>,

    /// The seed of random faults: with the same seed, the same batches of each partition are hit.
    /// Default: a new one each time, which is printed.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
}

const HOW_OFTEN: &str = "\
API is produce (which may be left out), metadata, api-versions, init-producer-id, find-coordinator,
add-partitions-to-txn, add-offsets-to-txn, txn-offset-commit or end-txn.
HOW-OFTEN is a probability, such as 0.05, or a number of first requests, such as 3x; default: always.
TIME is a number with its unit: us, ms, s or m.";

const MOST_BROKERS: i64 = 100;
pub(crate) const MOST_PARTITIONS: i64 = 10_000;

/// What `--print` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Print {
    /// A line for each batch and each request.
    Batches,
    /// The records of each batch, too.
    Records,
}

/// A topic and its partitions: `orders:6`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) partitions: i32,
}

impl FromStr for Topic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, partitions) = match text.split_once(':') {
            None => (text, 1),
            Some((name, digits)) => {
                let number = digits.parse().ok();
                let number = number.filter(|number| (1..=MOST_PARTITIONS).contains(number));
                let number = number.and_then(|number| i32::try_from(number).ok());
                let wrong =
                    || format!("'{digits}' is not a number of partitions, 1 to {MOST_PARTITIONS}");
                (name, number.ok_or_else(wrong)?)
            }
        };
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_legal = (1..=249).contains(&name.len()) && name.bytes().all(legal);
        if !is_legal || name == "." || name == ".." {
            let characters = "1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'";
            return Err(format!("'{name}' is no name for a topic: {characters}"));
        }
        Ok(Self {
            name: name.to_owned(),
            partitions,
        })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.partitions)
    }
}

impl Args {
    /// Reads the command line, and checks what no flag alone can say. An error names the flag, and
    /// says so with exit code 2.
    pub(crate) fn read<S>(arguments: impl IntoIterator<Item = S>) -> Result<Self, clap::Error>
    where
        S: Into<OsString>,
    {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let args = Self::try_parse_from(&arguments).map_err(|error| {
            match one_dash::hint(&arguments, &Self::command(), &error) {
                hint if hint.is_empty() => error,
                hint => Self::command().error(error.kind(), format!("unexpected argument{hint}")),
            }
        })?;
        let wrong = |reason: String| {
            let kind = clap::error::ErrorKind::ValueValidation;
            Err(Self::command().error(kind, reason))
        };
        for (at, topic) in args.topic.iter().enumerate() {
            let mut earlier = args.topic.iter().take(at);
            if earlier.any(|earlier| earlier.name == topic.name) {
                return wrong(format!("--topic names '{}' twice", topic.name));
            }
        }
        if args.port > 0 && args.port.checked_add(args.brokers - 1).is_none() {
            let (brokers, port) = (args.brokers, args.port);
            return wrong(format!(
                "--brokers {brokers} from --port {port} on need ports above 65535"
            ));
        }
        Ok(args)
    }

    /// Whether anything is left to chance.
    pub(crate) fn has_chance(&self) -> bool {
        let closes = self.close_before.iter().chain(&self.close_after);
        let fails = self.fail.iter().map(|fail| fail.how_often);
        let delays = self.delay.iter().map(|delay| delay.how_often);
        let closes = closes.map(|close| close.how_often);
        fails.chain(delays).chain(closes).any(|one| one.is_chance())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Result<Args, String> {
        let words = std::iter::once("mock_cluster").chain(line.split_whitespace());
        Args::read(words).map_err(|error| {
            assert_eq!(error.exit_code(), 2, "{error}");
            error.to_string()
        })
    }

    fn topic(name: &str, partitions: i32) -> Topic {
        Topic {
            name: name.to_owned(),
            partitions,
        }
    }

    #[test]
    fn needs_no_flag() {
        let args = args("").unwrap();
        assert_eq!((args.brokers, args.port, args.auto_create), (1, 9092, 1));
        assert_eq!((args.topic.len(), args.print, args.seed), (0, None, None));
        assert!(!args.has_chance());
    }

    #[test]
    fn takes_topics_and_what_to_print() {
        let one = args("--topic orders:6 --topic a.b_c-D --print --brokers 3").unwrap();
        assert_eq!(one.topic, [topic("orders", 6), topic("a.b_c-D", 1)]);
        assert_eq!(one.print, Some(Print::Batches));
        let other = args("--print=records --topic x").unwrap();
        assert_eq!(other.print, Some(Print::Records));
    }

    #[test]
    fn knows_what_is_left_to_chance() {
        for (line, has_chance) in [
            ("--fail produce:NOT_ENOUGH_REPLICAS", false),
            ("--fail produce:NOT_ENOUGH_REPLICAS:3x --delay 1s", false),
            ("--fail produce:NOT_ENOUGH_REPLICAS:0.5", true),
            ("--delay 1s:0.1", true),
            ("--close-before 0.1", true),
            ("--close-after metadata:0.1", true),
            ("--close-after 1x", false),
        ] {
            assert_eq!(args(line).unwrap().has_chance(), has_chance, "{line}");
        }
    }

    #[test]
    fn says_which_flag_is_wrong_and_why() {
        for (line, flag, why) in [
            ("--brokers 0", "--brokers", "0 is not in 1..=100"),
            ("--brokers x", "--brokers", "invalid digit"),
            ("--port 65536", "--port", "65536 is not in 0..=65535"),
            (
                "--brokers 3 --port 65534",
                "--port 65534",
                "need ports above 65535",
            ),
            (
                "--topic orders:0",
                "--topic",
                "'0' is not a number of partitions",
            ),
            (
                "--topic orders:six",
                "--topic",
                "'six' is not a number of partitions",
            ),
            ("--topic a/b:1", "--topic", "'a/b' is no name for a topic"),
            ("--topic ..", "--topic", "'..' is no name"),
            ("--topic a --topic a:2", "--topic", "names 'a' twice"),
            ("--topic", "--topic", "a value is required"),
            (
                "--print=all",
                "--print",
                "possible values: batches, records",
            ),
            ("--seed -1", "--seed", "invalid digit"),
            ("--brokers -1", "--brokers", "-1 is not in 1..=100"),
            ("--port -1", "--port", "-1 is not in 0..=65535"),
            (
                "--transaction-version 3",
                "--transaction-version",
                "3 is not in 1..=2",
            ),
            ("--auto-create -1", "--auto-create", "-1 is not in"),
            ("--close-before -0.1", "--close-before", "probability"),
            ("--delay -5ms", "--delay", "-5ms"),
            ("-topic orders", "--topic", "a flag has two dashes"),
            ("--fail produce", "--fail", "an API and an error"),
            ("--delay 20", "--delay", "needs a unit"),
            ("--close-after 2", "--close-after", "probability"),
            ("orders", "orders", "unexpected argument"),
            ("--bogus", "--bogus", "unexpected argument"),
        ] {
            let error = args(line).unwrap_err();
            assert!(
                error.contains(flag) && error.contains(why),
                "{line}: {error}"
            );
        }
    }

    #[test]
    fn help_and_version_are_no_errors() {
        for flag in ["--help", "-h", "--version"] {
            let error = Args::read(["mock_cluster", flag]).unwrap_err();
            assert_eq!(error.exit_code(), 0);
        }
    }
}

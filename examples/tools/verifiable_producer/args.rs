//! The command line: flags and defaults of Kafka 4.4.0's VerifiableProducer.

use std::path::PathBuf;

use clap::Parser;

use crate::command_line::number;

/// Sends increasing numbers to a topic and prints for each of them, as a line of JSON on standard
/// output, whether it was acknowledged: from this, a test can tell which records must be in the log
/// and which need not be.
///
/// With --transactional-id there is also a line when a transaction has begun, and when it is committed,
/// aborted, has failed (abortable or fatal), or nobody knows.
///
/// On SIGINT or SIGTERM it closes the producer, which sends the records that were accepted, and prints
/// the totals. A second signal ends it at once.
///
/// Exit codes: 0 once all messages have their line, acknowledged or not; 1 if it cannot start or a line
/// cannot be printed; 130 and 143 after SIGINT and SIGTERM.
#[derive(Debug, Parser)]
#[command(
    name = "verifiable_producer",
    infer_long_args = true,
    verbatim_doc_comment
)]
pub(crate) struct Args {
    /// Produce messages to this topic.
    #[arg(long)]
    pub(crate) topic: String,

    /// The brokers to ask first.
    #[arg(long, value_name = "HOST1:PORT1[,HOST2:PORT2[...]]")]
    pub(crate) bootstrap_server: String,

    /// Produce this many messages; -1 to continue until the process is stopped.
    #[arg(
        long,
        value_parser = number::<i32>,
        allow_hyphen_values = true,
        default_value = "-1"
    )]
    pub(crate) max_messages: i32,

    /// Send at most about this many messages a second; -1 for as many as possible, 0 for none more
    /// after the first two: it waits for a signal.
    #[arg(
        long,
        value_parser = number::<i32>,
        allow_hyphen_values = true,
        default_value = "-1"
    )]
    pub(crate) throughput: i32,

    /// Which replicas must have a message before it counts: none, the leader, or all in-sync replicas.
    #[arg(
        long,
        value_parser = ["0", "1", "-1"],
        allow_hyphen_values = true,
        default_value = "-1"
    )]
    pub(crate) acks: String,

    /// Deprecated: use --command-config.
    #[arg(long = "producer.config", value_name = "CONFIG-FILE")]
    pub(crate) producer_config: Option<PathBuf>,

    /// Give messages timestamps that start here (milliseconds since 1970); -1 for the time of
    /// sending.
    #[arg(
        long,
        value_parser = number::<i64>,
        allow_hyphen_values = true,
        value_name = "CREATE-TIME",
        default_value = "-1"
    )]
    pub(crate) message_create_time: i64,

    /// Put this number and a dot in front of each value.
    #[arg(long, value_parser = number::<i32>, allow_hyphen_values = true)]
    pub(crate) value_prefix: Option<i32>,

    /// Give messages keys that count from 0 up to this number (exclusive), again and again.
    #[arg(long, value_parser = number::<i32>, allow_hyphen_values = true)]
    pub(crate) repeating_keys: Option<i32>,

    /// Send the messages in transactions of this id. Not in Kafka's tool.
    #[arg(long, value_name = "ID")]
    pub(crate) transactional_id: Option<String>,

    /// With --transactional-id: this many messages in each transaction.
    #[arg(
        long,
        value_name = "N",
        requires = "transactional_id",
        value_parser = clap::value_parser!(u64).range(1..),
        default_value = "100"
    )]
    pub(crate) transaction_records: u64,

    /// With --transactional-id: abort each K-th transaction, and commit the others.
    #[arg(
        long,
        value_name = "K",
        requires = "transactional_id",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub(crate) abort_every: Option<u64>,

    /// A file with producer properties; they override the flags.
    #[arg(long, value_name = "CONFIG-FILE")]
    pub(crate) command_config: Option<PathBuf>,
}

impl Args {
    /// The first rule that the arguments break.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.producer_config.is_some() && self.command_config.is_some() {
            return Err("Options --producer.config and --command-config are mutually exclusive.");
        }
        if self.max_messages < -1 {
            return Err("argument --max-messages: should be -1 or not negative.");
        }
        if self.throughput < -1 {
            return Err("argument --throughput: should be -1 or not negative.");
        }
        if self.repeating_keys.is_some_and(|keys| keys <= 0) {
            return Err("argument --repeating-keys: should be greater than zero.");
        }
        if self.message_create_time < -1 {
            return Err("argument --message-create-time: should be -1 or not negative.");
        }
        Ok(())
    }

    /// What to say about the deprecated flag, if it is used.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        self.producer_config.as_ref().map(|_| {
            "Option --producer.config has been deprecated and will be removed in a future \
             version. Use --command-config instead."
        })
    }

    /// The file of producer properties, under either of its flags.
    pub(crate) fn properties_file(&self) -> Option<&PathBuf> {
        self.command_config
            .as_ref()
            .or(self.producer_config.as_ref())
    }

    /// How many messages to send.
    pub(crate) fn messages(&self) -> u64 {
        u64::try_from(self.max_messages).unwrap_or(u64::MAX)
    }

    /// The timestamp of the first message.
    pub(crate) fn first_timestamp_ms(&self) -> Option<i64> {
        (self.message_create_time != -1).then_some(self.message_create_time)
    }

    /// The key of the message with this index.
    pub(crate) fn key(&self, index: u64) -> Option<String> {
        let period = u64::from(self.repeating_keys?.unsigned_abs());
        Some((index % period.max(1)).to_string())
    }

    /// The value of the message with this index.
    pub(crate) fn value(&self, index: u64) -> String {
        match self.value_prefix {
            Some(prefix) => format!("{prefix}.{index}"),
            None => index.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(more: &str) -> Args {
        let line = format!("verifiable --topic t --bootstrap-server h:1 {more}");
        Args::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn has_the_defaults_of_kafka() {
        let args = args("");
        assert_eq!((args.max_messages, args.throughput), (-1, -1));
        assert_eq!(args.acks, "-1");
        assert_eq!(args.messages(), u64::MAX);
        assert_eq!(args.first_timestamp_ms(), None);
        assert_eq!((args.key(3), args.value(3)), (None, "3".to_owned()));
        assert_eq!(args.check(), Ok(()));
    }

    #[test]
    fn keys_repeat_and_values_count() {
        let args = args("--repeating-keys 2 --value-prefix 7 --message-create-time 1700000000000");
        let keys: Vec<_> = (0..4).filter_map(|index| args.key(index)).collect();
        assert_eq!(keys, ["0", "1", "0", "1"]);
        let values: Vec<_> = (0..2).map(|index| args.value(index)).collect();
        assert_eq!(values, ["7.0", "7.1"]);
        assert_eq!(args.first_timestamp_ms(), Some(1_700_000_000_000));
    }

    #[test]
    fn requires_topic_and_bootstrap_server() {
        for line in ["verifiable --topic t", "verifiable --bootstrap-server h:1"] {
            let error = Args::try_parse_from(line.split_whitespace()).unwrap_err();
            assert_eq!(
                error.kind(),
                clap::error::ErrorKind::MissingRequiredArgument
            );
        }
    }

    #[test]
    fn takes_a_file_under_one_of_its_flags() {
        let old = args("--producer.config old");
        assert_eq!(old.properties_file(), Some(&PathBuf::from("old")));
        assert!(old.warning().is_some());
        let new = args("--command-config new");
        assert_eq!(new.properties_file(), Some(&PathBuf::from("new")));
        assert!(new.warning().is_none());
        assert!(
            args("--producer.config a --command-config b")
                .check()
                .is_err()
        );
    }

    #[test]
    fn refuses_numbers_without_a_meaning() {
        for line in [
            "--message-create-time -5",
            "--max-messages -5",
            "--throughput -2",
            "--repeating-keys 0",
            "--repeating-keys -3",
        ] {
            let rule = args(line).check().expect_err(line);
            let flag = line.split(' ').next().unwrap();
            assert!(
                rule.starts_with(&format!("argument {flag}: should be")),
                "{rule}"
            );
        }
        assert_eq!(args("--max-messages 0 --throughput 0").check(), Ok(()));
    }
}

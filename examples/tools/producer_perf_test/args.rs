//! The command line: the flags of Kafka 4.4.0's ProducerPerformance, the deprecated ones included,
//! and its rules about which of them go together.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, ValueEnum};

use crate::command_line::number;

/// Measures how fast records reach a Kafka cluster, and how long each of them takes.
///
/// Prints a line for every reporting interval and a summary, in the format of Kafka's own
/// producer performance tool, to standard output. Without a bootstrap server it measures against
/// a mock cluster inside this process.
///
/// Exit codes: 0 if all records were acknowledged, 1 if one failed or a line could not be printed.
#[derive(Debug, Parser)]
#[command(
    name = "producer_perf_test",
    infer_long_args = true,
    verbatim_doc_comment
)]
#[command(group(
    ArgGroup::new("payload")
        .required(true)
        .args(["record_size", "payload_file", "payload_monotonic"])
))]
pub(crate) struct Args {
    /// Produce records to this topic.
    #[arg(long)]
    pub(crate) topic: String,

    /// Number of records to produce.
    #[arg(long, value_parser = number::<i64>, allow_hyphen_values = true)]
    pub(crate) num_records: i64,

    /// Send at most about this many records a second; -1 for as many as possible. 0 would never end
    /// and is refused.
    #[arg(long, value_parser = number::<f64>, allow_hyphen_values = true)]
    pub(crate) throughput: f64,

    /// The size of a record's value in bytes; it is filled with random capital letters.
    #[arg(long, value_parser = number::<i32>, allow_hyphen_values = true)]
    pub(crate) record_size: Option<i32>,

    /// A UTF-8 file with values; each record gets one of them at random.
    #[arg(long)]
    pub(crate) payload_file: Option<PathBuf>,

    /// The separator between two values in the payload file: a regular expression.
    #[arg(long, default_value = r"\n", allow_hyphen_values = true)]
    pub(crate) payload_delimiter: String,

    /// Make the n-th record's value the number n, from 0.
    #[arg(long)]
    pub(crate) payload_monotonic: bool,

    /// Keys are numbers from 0 up to this one (exclusive); needs --key-distribution.
    #[arg(
        long,
        value_parser = number::<i32>,
        allow_hyphen_values = true,
        value_name = "KEY-RANGE"
    )]
    pub(crate) record_key_range: Option<i32>,

    /// Which keys records get: none, those of the range in turn, or those of the range at random.
    #[arg(long, value_enum, default_value_t = Distribution::None)]
    pub(crate) key_distribution: Distribution,

    /// Where random values and keys begin: the same in each run with the same seed.
    #[arg(
        long,
        value_parser = number::<i64>,
        allow_hyphen_values = true,
        default_value = "0"
    )]
    pub(crate) random_seed: i64,

    /// The brokers to ask first. Overrides bootstrap.servers in the properties.
    #[arg(long, value_name = "HOST:PORT[,HOST:PORT...]")]
    pub(crate) bootstrap_server: Option<String>,

    /// Producer properties; they override those in the file.
    #[arg(long, value_name = "NAME=VALUE", num_args = 1..)]
    pub(crate) command_property: Vec<String>,

    /// A file with producer properties.
    #[arg(long, value_name = "FILE")]
    pub(crate) command_config: Option<PathBuf>,

    /// Deprecated: use --command-property.
    #[arg(long, value_name = "NAME=VALUE", num_args = 1..)]
    pub(crate) producer_props: Vec<String>,

    /// Deprecated: use --command-config.
    #[arg(long = "producer.config", value_name = "FILE")]
    pub(crate) producer_config: Option<PathBuf>,

    /// Print the producer's metrics at the end.
    #[arg(long)]
    pub(crate) print_metrics: bool,

    /// Print a second, steady-state summary that leaves out this many records at the start.
    #[arg(long, value_parser = number::<i64>, allow_hyphen_values = true, default_value = "0")]
    pub(crate) warmup_records: i64,

    /// Milliseconds between two lines of progress.
    #[arg(
        long,
        value_parser = number::<i64>,
        allow_hyphen_values = true,
        value_name = "INTERVAL-MS",
        default_value = "5000"
    )]
    pub(crate) reporting_interval: i64,

    /// Send in transactions, with this id. Overrides transactional.id in the properties, which asks for
    /// transactions, too. With a duration alone it is performance-producer- and a random UUID.
    #[arg(long)]
    pub(crate) transactional_id: Option<String>,

    /// Commit each transaction after this many milliseconds; 3000 if there is only an id.
    #[arg(long, value_parser = number::<i64>, allow_hyphen_values = true)]
    pub(crate) transaction_duration_ms: Option<i64>,
}

/// How keys are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Distribution {
    None,
    Range,
    Random,
}

impl Args {
    /// The first rule that the arguments break.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let properties = !self.command_property.is_empty();
        let has_keys = self.key_distribution != Distribution::None;
        let old_properties = !self.producer_props.is_empty();
        for (broken, rule) in [
            (
                self.num_records <= 0,
                "--num-records should be greater than zero.",
            ),
            (
                !(self.throughput > 0.0 || self.throughput == -1.0),
                "--throughput should be a number of records a second, or -1 for as many as possible.",
            ),
            (
                self.warmup_records < 0,
                "--warmup-records should not be negative.",
            ),
            (
                self.warmup_records >= self.num_records,
                "The value for --warmup-records must be strictly fewer than the number of \
                 records in the test, --num-records.",
            ),
            (
                self.record_size.is_some_and(|size| size <= 0),
                "--record-size should be greater than zero.",
            ),
            (
                self.record_key_range.is_some_and(|range| range <= 0),
                "--record-key-range should be greater than zero.",
            ),
            (
                has_keys && self.record_key_range.is_none(),
                "--record-key-range is required when --key-distribution is 'range' or 'random'.",
            ),
            (
                !has_keys && self.record_key_range.is_some(),
                "--key-distribution must be 'range' or 'random' when --record-key-range is \
                 specified.",
            ),
            (
                properties && old_properties,
                "--command-property and --producer-props cannot be specified together.",
            ),
            (
                self.command_config.is_some() && self.producer_config.is_some(),
                "--command-config and --producer.config cannot be specified together.",
            ),
            (
                self.transaction_duration_ms
                    .is_some_and(|duration| duration <= 0),
                "--transaction-duration-ms should be greater than zero.",
            ),
            (
                self.reporting_interval <= 0,
                "--reporting-interval should be greater than zero.",
            ),
        ] {
            if broken {
                return Err(rule);
            }
        }
        Ok(())
    }

    /// What to say about the deprecated flags that are used.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        [
            (
                !self.producer_props.is_empty(),
                "--producer-props",
                "--command-property",
            ),
            (
                self.producer_config.is_some(),
                "--producer.config",
                "--command-config",
            ),
        ]
        .into_iter()
        .filter(|(used, ..)| *used)
        .map(|(_, old, new)| {
            format!(
                "Option {old} has been deprecated and will be removed in a future version. \
                 Use {new} instead."
            )
        })
    }

    /// The file of producer properties, under either of its flags.
    pub(crate) fn properties_file(&self) -> Option<&PathBuf> {
        self.command_config
            .as_ref()
            .or(self.producer_config.as_ref())
    }

    /// The single properties, under either of their flags.
    pub(crate) fn properties(&self) -> impl Iterator<Item = Result<(&str, &str), String>> {
        self.command_property
            .iter()
            .chain(&self.producer_props)
            .map(|property| {
                property
                    .split_once('=')
                    .ok_or_else(|| format!("Invalid property: {property}"))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: &str = "perf --topic t --num-records 5 --throughput -1 --record-size 10";

    fn args(more: &str) -> Args {
        let line = format!("{REQUIRED} {more}");
        Args::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Parses a line without the required arguments in front.
    fn bare(line: &str) -> Args {
        Args::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn has_the_defaults_of_kafka() {
        let args = args("");
        assert_eq!(args.throughput, -1.0);
        assert_eq!((args.warmup_records, args.reporting_interval), (0, 5000));
        assert_eq!(args.payload_delimiter, "\\n");
        assert!(!args.print_metrics && !args.payload_monotonic);
        assert_eq!(args.check(), Ok(()));
    }

    #[test]
    fn takes_every_flag_of_kafka_with_its_own_spelling() {
        let args = args(
            "--bootstrap-server h:1,h:2 --payload-delimiter | --print-metrics --warmup-records 2 \
             --reporting-interval 100 --command-config file --command-property acks=1 linger.ms=5",
        );
        assert_eq!(args.bootstrap_server.as_deref(), Some("h:1,h:2"));
        assert_eq!(args.properties_file(), Some(&PathBuf::from("file")));
        let properties: Vec<_> = args.properties().map(Result::unwrap).collect();
        assert_eq!(properties, [("acks", "1"), ("linger.ms", "5")]);
        assert_eq!(args.warnings().count(), 0);
    }

    #[test]
    fn warns_about_deprecated_flags_and_heeds_them() {
        let args = args("--producer.config old --producer-props acks=1 client.id=x=y");
        let recorded = include_str!("kafka-output.txt");
        for warning in args.warnings() {
            assert!(recorded.lines().any(|line| line == warning), "{warning}");
        }
        assert_eq!(args.warnings().count(), 2);
        assert_eq!(args.properties_file(), Some(&PathBuf::from("old")));
        let properties: Vec<_> = args.properties().map(Result::unwrap).collect();
        assert_eq!(properties, [("acks", "1"), ("client.id", "x=y")]);
    }

    #[test]
    fn refuses_in_the_words_of_kafka() {
        let recorded = include_str!("kafka-output.txt");
        for line in [
            "perf --topic t --num-records 0 --throughput -1 --record-size 10",
            "perf --topic t --num-records 5 --throughput -1 --record-size 0",
            "perf --topic t --num-records 5 --throughput -1 --record-size 9 --warmup-records 5",
            "perf --topic t --num-records 5 --throughput -1 --record-size 9 --reporting-interval 0",
            "perf --topic t --num-records 5 --throughput -1 --record-size 9 \
             --command-config a --producer.config b",
            "perf --topic t --num-records 5 --throughput -1 --payload-monotonic \
             --command-property acks=1 --producer-props acks=1",
            "perf --topic t --num-records 5 --throughput -1 --record-size 10 \
             --transaction-duration-ms 0",
            "perf --topic t --num-records 5 --throughput -1 --record-size 10 --record-key-range 0",
            "perf --topic t --num-records 5 --throughput -1 --record-size 10 --record-key-range 5",
            "perf --topic t --num-records 5 --throughput -1 --record-size 10 \
             --key-distribution range",
        ] {
            let rule = bare(line).check().unwrap_err();
            assert!(recorded.lines().any(|line| line == rule), "{rule}");
        }
        let wrong = args("--command-property linger.ms");
        let refusal = wrong.properties().next().unwrap().unwrap_err();
        assert_eq!(refusal, "Invalid property: linger.ms");
    }

    /// Kafka's tool would wait for ever after the second record.
    #[test]
    fn refuses_a_throughput_of_nothing() {
        for throughput in ["0", "-0", "0.0", "NaN", "-2", "-0.5", "-inf"] {
            let line =
                format!("perf --topic t --num-records 5 --record-size 9 --throughput {throughput}");
            let rule = bare(&line).check().unwrap_err();
            assert!(rule.starts_with("--throughput should be"), "{rule}");
        }
    }

    #[test]
    fn refuses_to_warm_up_with_less_than_nothing() {
        let rule = args("--warmup-records -4").check().unwrap_err();
        assert_eq!(rule, "--warmup-records should not be negative.");
    }
}

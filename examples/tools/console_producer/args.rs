//! The command line: the flags of Kafka 4.4.0's ConsoleProducer with their defaults, the deprecated
//! ones included, and its rules about which of them go together.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, value_parser};
use linger::Properties;

use crate::refusal::Refusal;
use crate::spelling::normalize;

/// The only line reader there is, by its name in Kafka.
const LINE_READER: &str = "org.apache.kafka.tools.LineMessageReader";

/// Sends each line of standard input as a record to a Kafka topic.
///
/// Flags, records, messages and exit codes are those of Kafka's own console producer. With --sync,
/// the first record that is not acknowledged ends it with exit code 1; without --sync, such records
/// are reported on standard error, and the exit code is 0.
///
/// Lines are read as UTF-8, with U+FFFD for invalid bytes, and end at \n, \r or \r\n. These
/// properties, set by --reader-property or in the file of --reader-config, describe a line:
///
///   parse.key=false            key and value, as in "key<TAB>value"
///   parse.headers=false        headers first, as in "h1:v1,h2:v2<TAB>value"
///   key.separator=<TAB>        between key and value
///   headers.delimiter=<TAB>    between headers and the rest
///   headers.separator=,        between two headers: a regular expression
///   headers.key.separator=:    between a header's name and value
///   null.marker                a key, value or header's value that equals it is null
///   ignore.error=false         true: send a line even if a part is missing, without that part
#[derive(Debug, Parser)]
#[command(
    name = "console_producer",
    verbatim_doc_comment,
    disable_help_flag = true,
    disable_version_flag = true,
    override_usage = "console_producer --topic <TOPIC> --bootstrap-server <HOST:PORT,...> [OPTIONS]"
)]
pub(crate) struct Args {
    /// Send to this topic.
    #[arg(
        long,
        allow_hyphen_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) topic: String,

    /// The brokers to ask first.
    #[arg(
        long,
        value_name = "HOST1:PORT1,HOST2:PORT2",
        allow_hyphen_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) bootstrap_server: String,

    /// A property of the line reader; overrides the file; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    reader_property: Vec<String>,

    /// A file with properties of the line reader.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    reader_config: Option<PathBuf>,

    /// A producer property; overrides the file; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    command_property: Vec<String>,

    /// A file with producer properties.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    command_config: Option<PathBuf>,

    /// Wait for each record's acknowledgement before the next line is read.
    #[arg(long, overrides_with = "sync")]
    pub(crate) sync: bool,

    /// The codec: none, gzip, snappy, lz4 or zstd; gzip if the flag has no value. Without the flag
    /// it is none, whatever the producer properties say.
    #[arg(long, value_name = "CODEC", num_args = 0..=1, default_missing_value = "gzip")]
    compression_codec: Option<String>,

    /// The size of a full batch in bytes: batch.size [default: 16384]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, value_parser = value_parser!(i32).range(0..))]
    batch_size: Option<i32>,

    /// How long a batch waits for more records, in milliseconds: linger.ms [default: 1000]
    #[arg(long, value_name = "MS", allow_hyphen_values = true, value_parser = value_parser!(i64).range(0..))]
    timeout: Option<i64>,

    /// Which replicas must have a record before it counts as written: acks [default: -1]
    #[arg(long, value_name = "ACKS", allow_hyphen_values = true)]
    request_required_acks: Option<String>,

    /// How long a broker may take to answer: request.timeout.ms [default: 1500]
    #[arg(long, value_name = "MS", allow_hyphen_values = true, value_parser = value_parser!(i32).range(1..))]
    request_timeout_ms: Option<i32>,

    /// How often a batch may be sent again: retries [default: 3]
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true, value_parser = value_parser!(i32).range(0..))]
    message_send_max_retries: Option<i32>,

    /// The pause before a batch is sent again: retry.backoff.ms [default: 100]
    #[arg(long, value_name = "MS", allow_hyphen_values = true, value_parser = value_parser!(i64).range(0..))]
    retry_backoff_ms: Option<i64>,

    /// How long to wait for the topic's metadata, or for memory: max.block.ms [default: 60000]
    #[arg(long, value_name = "MS", allow_hyphen_values = true, value_parser = value_parser!(i64).range(0..))]
    max_block_ms: Option<i64>,

    /// The memory for records that are not acknowledged yet, in bytes: buffer.memory [default: 33554432]
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = value_parser!(i64).range(1..))]
    max_memory_bytes: Option<i64>,

    /// After how long metadata is requested again: metadata.max.age.ms [default: 300000]
    #[arg(long, value_name = "MS", allow_hyphen_values = true, value_parser = value_parser!(i64).range(0..))]
    metadata_expiry_ms: Option<i64>,

    /// The size of the socket's send buffer in bytes: send.buffer.bytes [default: 102400]
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = value_parser!(i32).range(-1..))]
    socket_buffer_size: Option<i32>,

    /// Not supported: a Java class that reads lines.
    #[arg(long, value_name = "CLASS", allow_hyphen_values = true)]
    line_reader: Option<String>,

    /// Deprecated: use --reader-property.
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    property: Vec<String>,

    /// Deprecated: use --command-property.
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    producer_property: Vec<String>,

    /// Deprecated: use --command-config.
    #[arg(
        long = "producer.config",
        value_name = "FILE",
        allow_hyphen_values = true
    )]
    producer_config: Option<PathBuf>,

    /// Deprecated: use --batch-size, which this flag overrides.
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = value_parser!(i32).range(0..))]
    max_partition_memory_bytes: Option<i32>,

    /// Print this text and exit with code 1, as Kafka's tool does.
    #[arg(long, overrides_with = "help")]
    help: bool,

    /// Print the version and exit.
    #[arg(long, overrides_with = "version")]
    version: bool,

    /// Arguments that belong to no flag; Kafka's tool silently ignores them.
    #[arg(hide = true)]
    stray: Vec<String>,
}

impl Args {
    /// What the command line says, if it is complete and does not contradict itself.
    pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Result<Self, Refusal> {
        let arguments = normalize(arguments, &Self::command());
        let is_bare = arguments.len() <= 1;
        let args = Self::try_parse_from(arguments)?;
        if is_bare || args.help {
            return Err(Refusal::Help);
        }
        if args.version {
            return Err(Refusal::Version);
        }
        args.check()?;
        Ok(args)
    }

    /// The first rule that the arguments break.
    fn check(&self) -> Result<(), Refusal> {
        for (broken, rule) in [
            (
                self.topic.is_empty(),
                "Missing required argument \"[topic]\"",
            ),
            (
                self.command_config.is_some() && self.producer_config.is_some(),
                "Options --command-config and --producer.config cannot be specified together.",
            ),
            (
                !self.command_property.is_empty() && !self.producer_property.is_empty(),
                "Options --command-property and --producer-property cannot be specified together.",
            ),
            (
                !self.reader_property.is_empty() && !self.property.is_empty(),
                "Options --reader-property and --property cannot be specified together.",
            ),
            (
                self.bootstrap_server.trim().is_empty(),
                "Missing required argument \"[bootstrap-server]\"",
            ),
            (
                !self.bootstrap_server.split_terminator(',').all(has_port),
                "Please provide valid host:port like host1:9091,host2:9092",
            ),
        ] {
            if broken {
                return Err(Refusal::Usage(rule.to_owned()));
            }
        }
        match self.line_reader.as_deref() {
            None | Some(LINE_READER) => Ok(()),
            Some(class) => Err(Refusal::Usage(format!(
                "--line-reader {class}: this program cannot load Java classes. It reads lines as \
                 {LINE_READER} does, with the properties of --reader-property."
            ))),
        }
    }

    /// What to say about the deprecated flags that are used.
    pub(crate) fn deprecations(&self) -> impl Iterator<Item = String> {
        const SOON: &str = "a future version";
        [
            (
                !self.producer_property.is_empty(),
                "--producer-property",
                SOON,
                "--command-property",
            ),
            (
                self.producer_config.is_some(),
                "--producer.config",
                SOON,
                "--command-config",
            ),
            (
                !self.property.is_empty(),
                "--property",
                SOON,
                "--reader-property",
            ),
            (
                self.max_partition_memory_bytes.is_some(),
                "--max-partition-memory-bytes",
                "Apache Kafka 5.0",
                "--batch-size",
            ),
        ]
        .into_iter()
        .filter(|(used, ..)| *used)
        .map(|(_, old, when, new)| {
            format!(
                "Warning: {old} is deprecated and will be removed in {when}. Use {new} instead."
            )
        })
    }

    /// The arguments that are ignored.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.stray
    }

    /// The properties of the line reader; `topic` is one of them.
    pub(crate) fn reader_properties(&self) -> linger::Result<Properties> {
        let properties = match &self.reader_config {
            Some(file) => Properties::from_file(file)?,
            None => Properties::new(),
        };
        let single = self.reader_property.iter().chain(&self.property);
        Ok(properties
            .set("topic", &self.topic)
            .merge(single.map(|one| name_and_value(one)).collect()))
    }

    /// The properties of the producer. A flag wins over a property, and a property over a flag's
    /// default.
    pub(crate) fn producer_properties(&self) -> linger::Result<Properties> {
        let file = self
            .command_config
            .as_ref()
            .or(self.producer_config.as_ref());
        let mut properties = Properties::from(DEFAULTS);
        if let Some(file) = file {
            properties = properties.merge(Properties::from_file(file)?);
        }
        let single = self.command_property.iter().chain(&self.producer_property);
        properties = properties.merge(single.map(|one| name_and_value(one)).collect());
        for name in ["compression.type", "compression.codec"] {
            if self.compression_codec.is_none() && properties.get(name).is_some() {
                log::warn!(
                    "{name} has no effect here, as in Kafka's tool; use --compression-codec"
                );
            }
        }
        let codec = self.compression_codec.as_deref().unwrap_or("none");
        // Merged, so that they are later than what the user wrote by another name.
        let tools_own = Properties::new()
            .set("bootstrap.servers", &self.bootstrap_server)
            .set(
                "compression.type",
                if codec.is_empty() { "gzip" } else { codec },
            )
            .set("key.serializer", "bytes")
            .set("value.serializer", "bytes");
        let batch_size = self.max_partition_memory_bytes.or(self.batch_size);
        let flags = [
            ("linger.ms", text(self.timeout)),
            ("acks", self.request_required_acks.clone()),
            ("request.timeout.ms", text(self.request_timeout_ms)),
            ("retries", text(self.message_send_max_retries)),
            ("retry.backoff.ms", text(self.retry_backoff_ms)),
            ("send.buffer.bytes", text(self.socket_buffer_size)),
            ("buffer.memory", text(self.max_memory_bytes)),
            ("batch.size", text(batch_size)),
            ("metadata.max.age.ms", text(self.metadata_expiry_ms)),
            ("max.block.ms", text(self.max_block_ms)),
        ];
        let set = { flags.into_iter() }.filter_map(|(name, value)| Some((name, value?)));
        Ok(properties.merge(tools_own).merge(set.collect()))
    }
}

/// What holds where the user says nothing, by whatever name.
const DEFAULTS: [(&str, &str); 11] = [
    ("client.id", "console-producer"),
    ("linger.ms", "1000"),
    ("acks", "-1"),
    ("request.timeout.ms", "1500"),
    ("retries", "3"),
    ("retry.backoff.ms", "100"),
    ("send.buffer.bytes", "102400"),
    ("buffer.memory", "33554432"),
    ("batch.size", "16384"),
    ("metadata.max.age.ms", "300000"),
    ("max.block.ms", "60000"),
];

fn text(number: Option<impl ToString>) -> Option<String> {
    number.map(|number| number.to_string())
}

/// A property without a value is empty.
fn name_and_value(property: &str) -> (&str, &str) {
    property.split_once('=').unwrap_or((property, ""))
}

fn has_port(address: &str) -> bool {
    let port = address.rsplit_once(':').map(|(_, port)| port.trim_end());
    port.is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a command line; two spaces stand for an empty argument between them.
    fn read(line: &str) -> Result<Args, Refusal> {
        let words = line.split(' ').map(OsString::from);
        Args::read(std::iter::once("console".into()).chain(words))
    }

    fn args(more: &str) -> Args {
        let line = format!("--topic t --bootstrap-server h:1 {more}");
        read(line.trim_end()).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    fn properties(more: &str) -> Properties {
        args(more).producer_properties().unwrap()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, text).unwrap();
        file
    }

    #[test]
    fn has_the_defaults_of_kafka() {
        let all = [
            ("acks", "-1"),
            ("batch.size", "16384"),
            ("bootstrap.servers", "h:1"),
            ("buffer.memory", "33554432"),
            ("client.id", "console-producer"),
            ("compression.type", "none"),
            ("key.serializer", "bytes"),
            ("linger.ms", "1000"),
            ("max.block.ms", "60000"),
            ("metadata.max.age.ms", "300000"),
            ("request.timeout.ms", "1500"),
            ("retries", "3"),
            ("retry.backoff.ms", "100"),
            ("send.buffer.bytes", "102400"),
            ("value.serializer", "bytes"),
        ];
        assert!(properties("").iter().eq(all), "{:?}", properties(""));
        assert!(!args("").sync);
        let reader = args("").reader_properties().unwrap();
        assert!(reader.iter().eq([("topic", "t")]));
    }

    #[test]
    fn every_flag_sets_its_property() {
        for (flag, name, value) in [
            ("--batch-size 7", "batch.size", "7"),
            ("--batch-size=7", "batch.size", "7"),
            (
                "--max-partition-memory-bytes 9 --batch-size 7",
                "batch.size",
                "9",
            ),
            ("--timeout 7", "linger.ms", "7"),
            ("--request-required-acks -1", "acks", "-1"),
            ("--request-required-acks all", "acks", "all"),
            ("--request-timeout-ms 7", "request.timeout.ms", "7"),
            ("--message-send-max-retries 7", "retries", "7"),
            ("--retry-backoff-ms 7", "retry.backoff.ms", "7"),
            ("--max-block-ms 7", "max.block.ms", "7"),
            (
                "--max-memory-bytes 9999999999",
                "buffer.memory",
                "9999999999",
            ),
            ("--metadata-expiry-ms 7", "metadata.max.age.ms", "7"),
            ("--socket-buffer-size -1", "send.buffer.bytes", "-1"),
            ("--compression-codec", "compression.type", "gzip"),
            ("--compression-codec --sync", "compression.type", "gzip"),
            ("--compression-codec=", "compression.type", "gzip"),
            ("--compression-codec zstd", "compression.type", "zstd"),
            ("--compression-codec none", "compression.type", "none"),
            ("--command-property linger.ms=5", "linger.ms", "5"),
            ("--command-property client.id=a=b", "client.id", "a=b"),
            ("--command-property client.id", "client.id", ""),
            ("--producer-property a=1 --producer-property b=2", "b", "2"),
            (
                "--command-property linger.ms=5 --timeout 6",
                "linger.ms",
                "6",
            ),
            (
                "--command-property compression.type=lz4",
                "compression.type",
                "none",
            ),
            (
                "--command-property bootstrap.servers=x:1",
                "bootstrap.servers",
                "h:1",
            ),
        ] {
            assert_eq!(properties(flag).get(name), Some(value), "{flag}");
        }
        assert!(args("--sync --sync").sync);
    }

    #[test]
    fn flags_win_over_properties_and_those_over_files() {
        let file = file("linger.ms=1\nretries=1\nacks=1\n");
        for flag in ["--command-config", "--producer.config"] {
            let path = file.path().display();
            let properties = properties(&format!(
                "{flag} {path} --command-property retries=2 --timeout 3"
            ));
            for (name, value) in [("acks", "1"), ("retries", "2"), ("linger.ms", "3")] {
                assert_eq!(properties.get(name), Some(value), "{name}");
            }
        }
    }

    #[test]
    fn reader_properties_win_over_the_topic_and_that_over_files() {
        let file = file("topic=a\nparse.key=true\nkey.separator=:\n");
        let config = format!("--reader-config {}", file.path().display());
        let reader = |more: &str| {
            args(&format!("{config}{more}"))
                .reader_properties()
                .unwrap()
        };
        let of_file = [
            ("key.separator", ":"),
            ("parse.key", "true"),
            ("topic", "t"),
        ];
        assert!(reader("").iter().eq(of_file));
        for flag in ["--reader-property", "--property"] {
            let more = format!(" {flag} topic=b {flag} key.separator==");
            let properties = reader(&more);
            let all = [
                ("key.separator", "="),
                ("parse.key", "true"),
                ("topic", "b"),
            ];
            assert!(properties.iter().eq(all), "{properties:?}");
        }
    }

    #[test]
    fn what_the_user_writes_by_librdkafkas_names_wins_over_a_default_and_not_over_a_flag() {
        let file = file("queue.buffering.max.ms=20\nmetadata.broker.list=nobody:1\n");
        let flag = format!("--command-config {}", file.path().display());
        for (more, linger) in [
            ("", "20ms"),
            (" --command-property queue.buffering.max.ms=30", "30ms"),
            (" --command-property linger.ms=40", "40ms"),
            (" --timeout 50", "50ms"),
        ] {
            let properties = properties(&format!("{flag}{more}"));
            let config = linger::ProducerConfig::from_properties(&properties).unwrap();
            let shown = format!("{config:?}");
            assert!(
                shown.contains(&format!("linger: {linger}")),
                "{more}: {shown}"
            );
            assert!(!shown.contains("nobody"), "{shown}");
        }
    }

    #[test]
    fn takes_the_spellings_of_kafkas_tool() {
        let args = read("-topic t -bootstrap-server=h:1 --sync=3 -property a=b").unwrap();
        assert_eq!((&*args.topic, args.sync), ("t", true));
        assert_eq!(
            (&*args.bootstrap_server, &*args.property),
            ("h:1", &["a=b".to_owned()][..])
        );
    }

    #[test]
    fn warns_about_deprecated_flags_in_the_words_of_kafka() {
        let recorded = include_str!("kafka-4.3.1-output.txt");
        let args = args(
            "--property a=b --producer-property c=d --producer.config f \
             --max-partition-memory-bytes 5",
        );
        assert_eq!(args.deprecations().count(), 4);
        for warning in args.deprecations() {
            assert!(recorded.lines().any(|line| line == warning), "{warning}");
        }
    }

    #[test]
    fn refuses_in_the_words_of_kafka() {
        let recorded = include_str!("kafka-4.3.1-output.txt");
        for line in [
            "--bogus",
            "--top t --bootstrap-server h:1",
            "--broker-list h:1 --topic t",
            "--topic",
            "--bootstrap-server h:1",
            "--topic t --bootstrap-server h",
            "--topic t --bootstrap-server h:1,,k:2",
            "--topic t --bootstrap-server h:x",
            "--topic t --bootstrap-server h:1 --batch-size x",
            "--topic t --bootstrap-server h:1 --batch-size 99999999999",
            "--topic t --bootstrap-server h:1 --topic u",
            "--topic t --bootstrap-server h:1 --command-config a --producer.config b",
            "--topic t --bootstrap-server h:1 --command-property a=b --producer-property c=d",
            "--topic t --bootstrap-server h:1 --reader-property a=b --property c=d",
            "--version --bogus",
        ] {
            let words = match read(line).unwrap_err() {
                Refusal::Usage(words) | Refusal::Value(words) => words,
                other => panic!("{line}: {other:?}"),
            };
            assert!(recorded.lines().any(|line| line == words), "{words}");
        }
    }

    #[test]
    fn says_what_is_missing_or_cannot_be_had() {
        for (line, words) in [
            (
                "--topic t",
                "Missing required argument \"[bootstrap-server]\"",
            ),
            (
                "--topic t --bootstrap-server h:1 --line-reader x.Y",
                "--line-reader x.Y: this program cannot load Java classes.",
            ),
        ] {
            let refusal = read(line).unwrap_err().to_string();
            assert!(refusal.starts_with(words), "{refusal}");
            assert!(
                refusal.contains("\nUsage: console_producer --topic"),
                "{refusal}"
            );
        }
        args(&format!("--line-reader {LINE_READER}"));
    }

    #[test]
    fn refuses_numbers_without_a_meaning_by_the_flag() {
        for line in [
            "--batch-size -4",
            "--timeout -1",
            "--request-timeout-ms 0",
            "--message-send-max-retries -1",
            "--retry-backoff-ms -1",
            "--max-block-ms -1",
            "--max-memory-bytes 0",
            "--metadata-expiry-ms -1",
            "--socket-buffer-size -2",
            "--max-partition-memory-bytes -1",
        ] {
            let refusal = read(&format!("--topic t --bootstrap-server h:1 {line}")).unwrap_err();
            let (flag, value) = line.split_once(' ').unwrap();
            let words = refusal.to_string();
            let flag = flag.trim_start_matches('-');
            assert!(words.contains(flag) && words.contains(value), "{words}");
        }
        args("--batch-size 0 --timeout 0 --socket-buffer-size -1 --max-block-ms 0");
    }

    #[test]
    fn help_and_version_need_nothing_else() {
        assert_eq!(
            Args::read(["console".into()].into_iter()).unwrap_err(),
            Refusal::Help
        );
        assert_eq!(
            read("--topic t --help --version").unwrap_err(),
            Refusal::Help
        );
        assert_eq!(read("--version").unwrap_err(), Refusal::Version);
        assert_eq!(Refusal::Help.exit_code(), std::process::ExitCode::FAILURE);
        assert_eq!(
            Refusal::Version.exit_code(),
            std::process::ExitCode::SUCCESS
        );
    }

    #[test]
    fn takes_what_belongs_to_no_flag_as_kafka_does_and_knows_it() {
        assert_eq!(args("stray --sync more").ignored(), ["stray", "more"]);
    }
}

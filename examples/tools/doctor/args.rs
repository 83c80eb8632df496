//! The command line: the flags that Kafka's tools have for the same things, and a few others.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, value_parser};
use linger::Properties;

use crate::one_dash;

/// Checks a Kafka cluster before a producer is started, and says what is wrong and what to do.
///
/// Resolves each bootstrap server and connects to it, and to each broker at the address that it
/// advertises; asks for versions, for the cluster, and for the topics given. Sends no records and
/// creates no topics.
///
/// Exit codes: 0 if a producer can work (there may be warnings), 1 if there are problems, 2 if there
/// is no report: the flags or the properties are wrong, or it cannot be printed.
#[derive(Debug, Parser)]
#[command(name = "doctor", verbatim_doc_comment, version)]
pub(crate) struct Args {
    /// The brokers to ask first; overrides the properties.
    #[arg(long, value_name = "HOST1:PORT1,HOST2:PORT2")]
    bootstrap_server: Option<String>,

    /// A topic to check; may be repeated.
    #[arg(long = "topic", value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,

    /// A file with producer properties.
    #[arg(long, value_name = "FILE")]
    command_config: Option<PathBuf>,

    /// A producer property; overrides the file; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    command_property: Vec<String>,

    /// How long the check may take, in milliseconds.
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 10_000,
        value_parser = value_parser!(u64).range(1..),
        allow_negative_numbers = true
    )]
    timeout_ms: u64,

    /// Print the report as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    /// Reads the command line; the error may also be its help.
    pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments: Vec<_> = arguments.collect();
        let args = Self::try_parse_from(&arguments).map_err(|error| {
            match one_dash::hint(&arguments, &Self::command(), &error) {
                hint if hint.is_empty() => error,
                hint => Self::refuse(error.kind(), format!("unexpected argument{hint}")),
            }
        })?;
        let mut properties = args.command_property.iter();
        if let Some(wrong) = properties.find(|property| !property.contains('=')) {
            let text = format!("--command-property takes NAME=VALUE, not '{wrong}'");
            return Err(Self::refuse(ErrorKind::InvalidValue, text));
        }
        if args.bootstrap_server.is_none()
            && args.command_config.is_none()
            && args.command_property.is_empty()
        {
            let text =
                "--bootstrap-server is missing, and there are no properties that could name one";
            return Err(Self::refuse(
                ErrorKind::MissingRequiredArgument,
                text.to_owned(),
            ));
        }
        Ok(args)
    }

    fn refuse(kind: ErrorKind, text: String) -> clap::Error {
        Self::command().error(kind, text)
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// The properties of a producer that never sends. Serializers, partitioner and interceptors do not
    /// matter, and those of the file may exist only in the user's program, so they are replaced.
    pub(crate) fn properties(&self) -> linger::Result<Properties> {
        let properties = match &self.command_config {
            Some(file) => Properties::from_file(file)?,
            None => Properties::new(),
        };
        let single = self.command_property.iter();
        let single = single.filter_map(|property| property.split_once('='));
        let mut properties = properties.merge(single.collect());
        if let Some(servers) = &self.bootstrap_server {
            properties = properties.set("bootstrap.servers", servers);
        }
        if properties.get("client.id").is_none() {
            properties = properties.set("client.id", "doctor");
        }
        for (name, default) in [
            ("interceptor.classes", ""),
            ("partitioner.class", "murmur2_random"),
        ] {
            if properties.get(name).is_some() {
                properties = properties.set(name, default);
            }
        }
        Ok(properties
            .set("key.serializer", "bytes")
            .set("value.serializer", "bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Args, clap::Error> {
        let words = line.split_whitespace().map(OsString::from);
        Args::read(std::iter::once("doctor".into()).chain(words))
    }

    #[test]
    fn flags_win_over_properties_and_these_over_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "bootstrap.servers=file:1\nclient.id=file\nkey.serializer=uuid\nacks=1\n";
        std::fs::write(&file, text).unwrap();
        let path = file.path().display();
        let flags = "--command-property client.id=flag --bootstrap-server flag:1";
        let args = read(&format!("--command-config {path} {flags}")).unwrap();
        let properties = args.properties().unwrap();
        for (name, value) in [
            ("bootstrap.servers", "flag:1"),
            ("client.id", "flag"),
            ("key.serializer", "bytes"),
            ("acks", "1"),
        ] {
            assert_eq!(properties.get(name).unwrap(), value);
        }
    }

    #[test]
    fn takes_many_topics_and_ten_seconds() {
        let args = read("--bootstrap-server h:1 --topic a --topic b").unwrap();
        assert_eq!(args.topics, ["a", "b"]);
        assert_eq!(args.timeout(), Duration::from_secs(10));
        assert!(!args.json);
    }

    #[test]
    fn says_what_is_wrong_with_the_flags() {
        for (line, words) in [
            ("", "--bootstrap-server is missing"),
            ("--topic a", "--bootstrap-server is missing"),
            ("--bootstrap-server", "a value is required"),
            ("--bootstrap-server h:1 --timeout-ms soon", "invalid digit"),
            (
                "--bootstrap-server h:1 --timeout-ms -1",
                "invalid value '-1' for '--timeout-ms <MS>'",
            ),
            (
                "--bootstrap-server h:1 --timeout-ms 0",
                "invalid value '0' for '--timeout-ms <MS>'",
            ),
            (
                "-bootstrap-server h:1",
                "(a flag has two dashes: --bootstrap-server)",
            ),
            ("--bootstrap-server h:1 --command-property a", "NAME=VALUE"),
            (
                "--bootstrap-server h:1 stray",
                "unexpected argument 'stray'",
            ),
        ] {
            let refusal = read(line).unwrap_err();
            assert!(refusal.use_stderr());
            let text = refusal.to_string();
            assert!(text.contains(words), "{line}: {text}");
        }
        assert!(!read("--help").unwrap_err().use_stderr());
        assert!(!read("--version").unwrap_err().use_stderr());
    }
}

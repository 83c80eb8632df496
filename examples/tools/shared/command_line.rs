//! Reads a command line as Kafka's tools do: without arguments they print their help and succeed;
//! errors are printed in their words below the usage line, and the exit code is 1.

use std::error::Error as _;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;

use clap::Parser;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::{one_dash, output};

/// The arguments, or the exit code, once everything that has to be printed is printed.
pub(crate) fn parse<A: Parser>(
    tool: &'static str,
    arguments: impl Iterator<Item = OsString>,
) -> Result<A, ExitCode> {
    let arguments: Vec<_> = arguments.collect();
    let tell = |text: StyledStr| match output::print(tool, text.to_string().trim_end()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    };
    if arguments.len() <= 1 {
        return Err(tell(A::command().render_help()));
    }
    A::try_parse_from(arguments.clone()).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => tell(error.render()),
        _ => {
            let hint = one_dash::hint(&arguments, &A::command(), &error);
            refuse::<A>(&format!("{}{hint}", sentence(&error)))
        }
    })
}

/// Prints the usage and what is wrong with the arguments.
pub(crate) fn refuse<A: Parser>(reason: &str) -> ExitCode {
    let mut command = A::command();
    let name = command.get_name().to_owned();
    let usage = command.render_usage();
    writeln!(io::stderr(), "{usage}\n{name}: error: {reason}").ok();
    ExitCode::FAILURE
}

/// A number type, by the name that Java has for it.
pub(crate) trait Number: FromStr {
    const CLASS: &str;
}

impl Number for i32 {
    const CLASS: &str = "Integer";
}

impl Number for i64 {
    const CLASS: &str = "Long";
}

impl Number for f64 {
    const CLASS: &str = "Double";
}

/// A value parser for numbers that refuses in Java's words.
pub(crate) fn number<T: Number>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| {
        let class = T::CLASS;
        format!("could not convert '{text}' to {class} (For input string: \"{text}\")")
    })
}

/// What clap found, as Kafka's tools would have said it.
fn sentence(error: &clap::Error) -> String {
    let argument = first(error, ContextKind::InvalidArg).unwrap_or_default();
    let value = first(error, ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::MissingRequiredArgument if argument.contains('|') => {
            let choices: Vec<_> = argument.split('|').map(flag).collect();
            format!("one of the arguments {} is required", choices.join(" "))
        }
        ErrorKind::MissingRequiredArgument => format!("argument {} is required", flag(&argument)),
        ErrorKind::ArgumentConflict => {
            let other = first(error, ContextKind::PriorArg).unwrap_or_default();
            format!(
                "argument {}: not allowed with argument {}",
                flag(&argument),
                flag(&other)
            )
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("argument {}: expected one argument", flag(&argument))
        }
        ErrorKind::InvalidValue => {
            let choices = all(error, ContextKind::ValidValue).join(",");
            format!(
                "argument {}: invalid choice: '{value}' (choose from {{{choices}}})",
                flag(&argument)
            )
        }
        ErrorKind::ValueValidation => {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            format!("argument {}: {why}", flag(&argument))
        }
        ErrorKind::UnknownArgument => format!("unrecognized arguments: '{argument}'"),
        _ => error.to_string().trim_end().to_owned(),
    }
}

/// `--topic` of `--topic <TOPIC>`, with or without the angle brackets of a choice.
fn flag(argument: &str) -> &str {
    let argument = argument.trim_matches(['<', '>']);
    argument.split([' ', '=']).next().unwrap_or(argument)
}

fn first(error: &clap::Error, kind: ContextKind) -> Option<String> {
    all(error, kind).into_iter().next()
}

fn all(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    #[command(infer_long_args = true)]
    #[command(group(clap::ArgGroup::new("what").required(true).args(["size", "file"])))]
    struct Sample {
        #[arg(long)]
        topic: String,
        #[arg(long, value_parser = number::<i32>)]
        size: Option<i32>,
        #[arg(long, value_parser = number::<f64>)]
        file: Option<f64>,
        #[arg(long, value_parser = ["0", "1", "-1"], allow_hyphen_values = true)]
        acks: Option<String>,
        #[arg(long, value_parser = number::<i64>)]
        count: Option<i64>,
    }

    fn refusal(line: &str) -> String {
        let arguments = std::iter::once("sample").chain(line.split_whitespace());
        sentence(&Sample::try_parse_from(arguments).unwrap_err())
    }

    /// The right-hand sides were printed by Kafka 4.3.1, apart from the names.
    #[test]
    fn says_what_is_wrong_in_the_words_of_kafka() {
        for (line, words) in [
            ("--size 1", "argument --topic is required"),
            (
                "--topic t",
                "one of the arguments --size --file is required",
            ),
            (
                "--topic t --size 1 --file 2",
                "argument --size: not allowed with argument --file",
            ),
            ("--topic t --size", "argument --size: expected one argument"),
            (
                "--topic t --size ten",
                "argument --size: could not convert 'ten' to Integer (For input string: \"ten\")",
            ),
            (
                "--topic t --file x",
                "argument --file: could not convert 'x' to Double (For input string: \"x\")",
            ),
            (
                "--topic t --size 1 --count 1.5",
                "argument --count: could not convert '1.5' to Long (For input string: \"1.5\")",
            ),
            (
                "--topic t --size 1 --acks 2",
                "argument --acks: invalid choice: '2' (choose from {0,1,-1})",
            ),
            (
                "--topic t --size 1 --bogus 1",
                "unrecognized arguments: '--bogus'",
            ),
            (
                "--topic t --size 1 stray",
                "unrecognized arguments: 'stray'",
            ),
        ] {
            assert_eq!(refusal(line), words, "{line}");
        }
    }

    #[test]
    fn understands_the_beginning_of_a_flag() {
        let sample = Sample::try_parse_from(["sample", "--top", "t", "--si=3", "--acks=-1"]);
        assert_eq!(sample.unwrap().size, Some(3));
    }
}

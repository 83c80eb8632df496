//! Why the program ends before it sends anything, in the words of Kafka's tool: those of the library
//! that reads its command line, which are not those of Kafka's newer tools.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::args::Args;
use crate::{TOOL, output};

/// A command line that sends nothing.
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    Help,
    Version,
    /// A rule about the flags is broken.
    Usage(String),
    /// A flag's value is wrong.
    Value(String),
}

impl Refusal {
    /// Says it, and returns the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        match self {
            Self::Version if !output::print(TOOL, self) => return ExitCode::FAILURE,
            Self::Version => {}
            // Also the help: so does Kafka's tool. Nobody may be left to read it.
            Self::Help | Self::Usage(_) | Self::Value(_) => {
                writeln!(io::stderr(), "{self}").ok();
            }
        }
        self.exit_code()
    }

    /// As Kafka's tool has it, help included.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Version => ExitCode::SUCCESS,
            Self::Help | Self::Usage(_) | Self::Value(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut command = Args::command();
        match self {
            Self::Help => write!(f, "{}", command.render_long_help().to_string().trim_end()),
            Self::Version => write!(
                f,
                "{} (with the flags of Kafka 4.4.0)",
                env!("CARGO_PKG_VERSION")
            ),
            Self::Usage(reason) => {
                let usage = command.render_usage();
                write!(f, "{reason}\n{usage}\n--help lists the options.")
            }
            Self::Value(reason) => f.write_str(reason),
        }
    }
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Self {
        let argument = first(&error, ContextKind::InvalidArg);
        let value = first(&error, ContextKind::InvalidValue);
        let name = name(&argument);
        match error.kind() {
            ErrorKind::UnknownArgument => Self::Usage(format!("{name} is not a recognized option")),
            ErrorKind::InvalidValue if value.is_empty() => {
                Self::Usage(format!("Option {name} requires an argument"))
            }
            ErrorKind::ValueValidation => {
                Self::Value(format!("Cannot parse argument '{value}' of option {name}"))
            }
            ErrorKind::ArgumentConflict => Self::Value(format!(
                "Found multiple arguments for option {name}, but you asked for only one"
            )),
            _ => Self::Usage(error.to_string().trim_end().to_owned()),
        }
    }
}

/// `topic` of `--topic <TOPIC>`.
fn name(argument: &str) -> &str {
    let argument = argument.trim_start_matches('-');
    argument.split([' ', '=', '[']).next().unwrap_or(argument)
}

fn first(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

//! What to say to somebody who writes `-topic`, as some of Kafka's older tools take it: clap reads that
//! as the flag `-t` and complains about it alone.

use std::ffi::OsString;

use clap::Command;
use clap::error::ErrorKind;

/// Words to append to the error; none if this is not what is wrong.
pub(crate) fn hint(arguments: &[OsString], command: &Command, error: &clap::Error) -> String {
    if error.kind() != ErrorKind::UnknownArgument {
        return String::new();
    }
    let is_flag = |name: &&str| {
        let name = name.split('=').next().unwrap_or(name);
        let longs = command.get_arguments().filter_map(clap::Arg::get_long);
        name.len() > 1 && longs.chain(["help", "version"]).any(|long| long == name)
    };
    { arguments.iter().skip(1) }
        .filter_map(|argument| argument.to_str()?.strip_prefix('-'))
        .find(is_flag)
        .map_or_else(String::new, |name| {
            format!(" (a flag has two dashes: --{name})")
        })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Sample {
        #[arg(long)]
        topic: Option<String>,
    }

    fn hint_of(line: &str) -> String {
        use clap::CommandFactory;

        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let error = Sample::try_parse_from(&arguments).unwrap_err();
        hint(&arguments, &Sample::command(), &error)
    }

    #[test]
    fn a_known_flag_with_one_dash_gets_its_second() {
        for (line, expected) in [
            ("x -topic t", " (a flag has two dashes: --topic)"),
            ("x -topic=t", " (a flag has two dashes: --topic=t)"),
            ("x -version", " (a flag has two dashes: --version)"),
            ("x -topics t", ""),
            ("x --bogus", ""),
            ("x --topic", ""),
        ] {
            assert_eq!(hint_of(line), expected, "{line}");
        }
    }
}

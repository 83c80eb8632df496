//! Spellings that the library behind Kafka's tool takes, put into those that clap does: one dash in
//! front of a flag's whole name, and a value for a flag that has none, which is ignored.

use std::ffi::OsString;

use clap::{Arg, Command};

/// The same arguments, program name first. What is a flag's value, or no known flag, stays as it is.
pub(crate) fn normalize(
    arguments: impl IntoIterator<Item = OsString>,
    command: &Command,
) -> Vec<OsString> {
    let mut arguments = arguments.into_iter();
    let mut normal: Vec<_> = arguments.next().into_iter().collect();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            normal.push(argument);
            break;
        }
        let Some((flag, name, value)) = argument.to_str().and_then(|text| known(text, command))
        else {
            normal.push(argument);
            continue;
        };
        normal.push(match value {
            Some(value) if flag.get_action().takes_values() => format!("--{name}={value}").into(),
            _ => format!("--{name}").into(),
        });
        if value.is_none() && needs_value(flag) {
            normal.extend(arguments.next());
        }
    }
    normal.extend(arguments);
    normal
}

/// The flag that this is, with its name and the value behind an equals sign.
fn known<'c, 'a>(
    argument: &'a str,
    command: &'c Command,
) -> Option<(&'c Arg, &'a str, Option<&'a str>)> {
    let text = argument.strip_prefix('-')?;
    let text = text.strip_prefix('-').unwrap_or(text);
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let flag = { command.get_arguments() }.find(|one| one.get_long() == Some(name))?;
    Some((flag, name, value))
}

/// Whether what comes next is its value, whatever it looks like.
fn needs_value(flag: &Arg) -> bool {
    let may_go_without = { flag.get_num_args() }.is_some_and(|count| count.min_values() == 0);
    flag.get_action().takes_values() && !may_go_without
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Args;

    fn normal(line: &str) -> String {
        let words = line.split(' ').map(OsString::from);
        let normal = normalize(words, &Args::command());
        normal.join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn one_dash_is_as_good_as_two() {
        for (line, expected) in [
            ("x -topic t -sync", "x --topic t --sync"),
            (
                "x -topic=t -producer.config f",
                "x --topic=t --producer.config f",
            ),
            ("x --topic t stray", "x --topic t stray"),
            ("x -compression-codec -sync", "x --compression-codec --sync"),
        ] {
            assert_eq!(normal(line), expected);
        }
    }

    #[test]
    fn a_value_stays_as_it_is() {
        for line in [
            "x --topic -sync",
            "x --reader-property -topic=1 --topic t",
            "x --topic t -- -sync --topic",
            "x -z -top t",
            "x - --topic t",
        ] {
            assert_eq!(normal(line), line);
        }
    }

    #[test]
    fn a_value_that_nobody_wants_is_dropped() {
        assert_eq!(normal("x --sync=3 --topic t"), "x --sync --topic t");
        assert_eq!(normal("x --topic=a=b"), "x --topic=a=b");
    }
}

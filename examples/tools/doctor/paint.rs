//! Colours for a report on a terminal.

use std::env;
use std::fmt;

/// The report's text, line by line in colours that say how bad it is.
pub(crate) struct Painted<'a>(pub(crate) &'a str);

const BOLD: &str = "\x1b[1m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[1;31m";
const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";

/// The words at the beginning of a line, and their colours.
const MARKS: [(&str, &str); 3] = [
    ("  ok     ", GREEN),
    ("  warning", YELLOW),
    ("  problem", RED),
];

/// Whether the user likes colours (see no-color.org) and the terminal knows them.
pub(crate) fn is_wanted() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

impl fmt::Display for Painted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.0.lines().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            paint(f, line)?;
        }
        Ok(())
    }
}

fn paint(f: &mut fmt::Formatter<'_>, line: &str) -> fmt::Result {
    for (mark, colour) in MARKS {
        if let Some(rest) = line.strip_prefix(mark) {
            return write!(f, "{colour}{mark}{PLAIN}{rest}");
        }
    }
    let text = line.trim_start();
    let indent = line.strip_suffix(text).unwrap_or_default();
    if indent.is_empty() {
        return write!(f, "{BOLD}{line}{PLAIN}");
    }
    match text.strip_prefix("->") {
        Some(advice) => write!(f, "{indent}{CYAN}->{PLAIN}{advice}"),
        None => f.write_str(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_no_letter() {
        let text = "topics\n  ok       a\n  problem  b\n           Gone.\n           -> Look.\nsum";
        let painted = Painted(text).to_string();
        assert!(painted.contains("\x1b[1;31m  problem\x1b[0m  b"));
        let mut plain = painted;
        for code in [BOLD, GREEN, YELLOW, RED, CYAN, PLAIN] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, text);
    }
}

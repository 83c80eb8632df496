//! What is wrong with properties, or may surprise: collected, so that all of it is reported in one round.

use super::fault::MalformedLines;
use super::properties::{Entry, Properties};
use crate::error::{Error, ErrorKind, Result};

/// The problems and warnings that were found in the properties.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    properties: &'a Properties,
    problems: Vec<Problem>,
    /// How many more there were.
    untold: usize,
    pub(super) warnings: Vec<String>,
}

/// Something that is wrong with one property.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Where the property was set, to list problems in that order: the source, and the line in it.
    order: (usize, usize),
    text: String,
}

impl Problem {
    /// A problem with the value that was set here, with a hint if it may have been meant otherwise.
    pub(super) fn with_value(entry: &Entry, message: &str) -> Self {
        // Of an address the message says it already.
        match hint(entry).filter(|hint| !message.ends_with(hint)) {
            Some(hint) => Self::new(entry, &format!("{message}; {hint}")),
            None => Self::new(entry, message),
        }
    }

    /// A problem with what was set here. If that was in a file, the text begins with file and line.
    fn new(entry: &Entry, message: &str) -> Self {
        Self {
            order: (entry.source, entry.line),
            text: match &entry.place {
                Some(place) => format!("{place}: {message}"),
                None => message.to_owned(),
            },
        }
    }
}

/// So many problems with values are told.
const MOST_TOLD: usize = 50;

/// So many problems with names are told; a wrong file given as properties has one in every line.
const MOST_NAMES_TOLD: usize = 20;

impl<'a> Findings<'a> {
    pub(super) fn new(properties: &'a Properties) -> Self {
        Self {
            properties,
            problems: Vec::new(),
            untold: 0,
            warnings: Vec::new(),
        }
    }

    /// Starts with what the translation of librdkafka's names has found.
    pub(super) fn begin_with(&mut self, problems: Vec<Problem>, warnings: Vec<String>) {
        self.problems = problems;
        self.warnings = warnings;
    }

    /// Something is wrong with the value of the property `name`, or it is missing.
    pub(super) fn problem(&mut self, name: &str, message: String) {
        let problem = match self.properties.entry(name) {
            Some(entry) => Problem::with_value(entry, &message),
            // What was never set comes last.
            None => Problem {
                order: (usize::MAX, 0),
                text: message,
            },
        };
        // A problem that concerns all topics is found again for each topic with its own settings.
        if self.problems.contains(&problem) {
            return;
        }
        if self.problems.len() < MOST_TOLD {
            self.problems.push(problem);
        } else {
            self.untold += 1;
        }
    }

    /// Lines of which not even a name can be read.
    pub(super) fn malformed(&mut self) {
        let MalformedLines { told, untold } = self.properties.malformed();
        let problems = told.iter().map(|(line, why)| Problem::new(line, why));
        self.problems.extend(problems);
        self.untold += untold;
    }

    /// Something is wrong with these names, each with a message about it.
    pub(super) fn problems_with_names(
        &mut self,
        mut names: Vec<(&str, &Entry)>,
        message: impl Fn(&str) -> String,
    ) {
        names.sort_by_key(|(_, entry)| (entry.source, entry.line));
        self.untold += names.len().saturating_sub(MOST_NAMES_TOLD);
        names.truncate(MOST_NAMES_TOLD);
        let problem = |(name, entry): (&str, &Entry)| Problem::new(entry, &message(name));
        self.problems.extend(names.into_iter().map(problem));
    }

    /// An error that names all problems, if there are any.
    pub(super) fn no_problems(&mut self) -> Result<()> {
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort_by_key(|problem| problem.order);
        let texts = self.problems.iter().map(|problem| problem.text.clone());
        Err(error(texts.collect(), self.untold))
    }
}

/// An error that lists problems, each in a line of its own unless it is the only one.
pub(super) fn error(problems: Vec<String>, untold: usize) -> Error {
    let count = problems.len() + untold;
    let mut message = match problems.as_slice() {
        [problem] if untold == 0 => problem.clone(),
        _ => format!("{count} problems:"),
    };
    if count > 1 {
        for problem in problems {
            message.push_str("\n  ");
            message.push_str(&problem);
        }
    }
    if untold > 0 {
        message.push_str(&format!("\n  and {untold} more"));
    }
    Error::new(ErrorKind::Config, message)
}

/// What a value that is refused may have been meant as.
fn hint(entry: &Entry) -> Option<&'static str> {
    let text = entry.text()?.trim();
    let is_in_file = entry.place.is_some() && !entry.is_from_environment;
    let is_quoted =
        |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    if has_placeholder(text) {
        Some("a placeholder like ${…} is not replaced")
    } else if is_in_file && has_comment(text) {
        Some("a comment needs a line of its own")
    } else if is_quoted('"') || is_quoted('\'') {
        Some("leave out the quotes")
    } else {
        None
    }
}

pub(super) fn has_placeholder(text: &str) -> bool {
    text.contains("${") || text.contains("{{")
}

/// Whether something follows the value that looks like a comment.
pub(super) fn has_comment(text: &str) -> bool {
    [" #", "\t#", " //", "\t//"]
        .iter()
        .any(|start| text.contains(start))
}

//! One planted defect, as its file describes it.
//!
//! ```text
//! Breaks: what the producer does wrong
//! Stands for: the bug that some client has had
//! Caught by: the promises that it breaks
//! Level: transactions
//!
//! In: Partition::keep
//! Instead of: self.retries.partition_point(|other| other.batch.id < retry.batch.id)
//! Write: self.retries.len()
//! ```
//!
//! `Level` is left out where the producer need not be transactional. A value is the rest of the line, or the lines below it that are indented by four spaces. A file has
//! one edit or several, with an empty line before each.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;

/// A file of `tests/defects/defects`.
#[derive(Clone, Debug)]
pub(crate) struct Defect {
    pub(crate) file: PathBuf,
    pub(crate) name: String,
    /// What the producer does wrong.
    pub(crate) breaks: String,
    /// The bug that it stands for.
    pub(crate) stands_for: String,
    /// The promises that are expected to be broken.
    caught_by: String,
    /// Where it is looked for, if not in the simulations of a producer without transactions.
    level: String,
    pub(crate) edits: Vec<Edit>,
}

/// One change of the producer's text.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    /// The function, by as much of its path as tells it from others: `Partition::keep`.
    pub(crate) place: String,
    pub(crate) action: Action,
    /// The code that is looked for in it; empty for [`Action::First`].
    pub(crate) find: String,
    /// The code that comes in; empty for [`Action::LeaveOut`].
    pub(crate) text: String,
}

/// What happens to the code that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Instead,
    LeaveOut,
    Before,
    After,
    /// Nothing is looked for: the text comes first in the function.
    First,
}

/// The keys, in the order in which a file has them.
const KEYS: [&str; 12] = [
    "Breaks",
    "Stands for",
    "Caught by",
    "Level",
    "In",
    "Instead of",
    "Write",
    "Leave out",
    "Before",
    "After",
    "Insert first",
    "Insert",
];

/// The one level that a file can name.
const TRANSACTIONS: &str = "transactions";

impl Defect {
    /// Whether only a transactional producer can have it.
    pub(crate) fn is_of_transactions(&self) -> bool {
        self.level == TRANSACTIONS
    }

    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).map_err(|error| error.to_string());
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let parsed = text.and_then(|text| Self::parse(&name, &text));
        let mut defect = parsed.map_err(|error| format!("{}: {error}", file.display()))?;
        file.clone_into(&mut defect.file);
        Ok(defect)
    }

    pub(crate) fn parse(name: &str, text: &str) -> Result<Self> {
        let mut defect = Self {
            file: PathBuf::new(),
            name: name.to_owned(),
            breaks: String::new(),
            stands_for: String::new(),
            caught_by: String::new(),
            level: String::new(),
            edits: Vec::new(),
        };
        let mut fields = fields(text)?.into_iter().peekable();
        while let Some((key, value)) = fields.next() {
            match key {
                "Breaks" => defect.breaks = value,
                "Stands for" => defect.stands_for = value,
                "Caught by" => defect.caught_by = value,
                "Level" if value == TRANSACTIONS => defect.level = value,
                "Level" => return Err(format!("there is no level \"{value}\"")),
                "In" => {
                    let (key, code) = fields.next().unwrap_or_default();
                    let (action, second) = match key {
                        "Instead of" => (Action::Instead, Some("Write")),
                        "Leave out" => (Action::LeaveOut, None),
                        "Before" => (Action::Before, Some("Insert")),
                        "After" => (Action::After, Some("Insert")),
                        "Insert first" => (Action::First, None),
                        _ => return Err(format!("\"In: {value}\" and not what to do there")),
                    };
                    let mut edit = Edit {
                        place: value,
                        action,
                        find: code,
                        text: String::new(),
                    };
                    if action == Action::First {
                        std::mem::swap(&mut edit.find, &mut edit.text);
                    }
                    if let Some(second) = second {
                        let next = fields.next_if(|(key, _)| *key == second);
                        let missing = || format!("\"{key}: {}\" and no \"{second}\"", edit.find);
                        edit.text = next.ok_or_else(missing)?.1;
                    }
                    defect.edits.push(edit);
                }
                other => return Err(format!("\"{other}\" without what belongs before it")),
            }
        }
        for (key, value) in [
            ("Breaks", &defect.breaks),
            ("Stands for", &defect.stands_for),
            ("Caught by", &defect.caught_by),
        ] {
            if value.is_empty() {
                return Err(format!("there is no \"{key}\""));
            }
        }
        match defect.edits.is_empty() {
            true => Err("there is no \"In\"".to_owned()),
            false => Ok(defect),
        }
    }

    /// The file's text, as [`parse`](Self::parse) reads it.
    pub(crate) fn print(&self) -> String {
        let mut text = String::new();
        let mut put = |key: &str, value: &str| {
            text += key;
            match value.contains('\n') {
                false => text += &format!(": {value}\n"),
                true => {
                    text += ":\n";
                    for line in value.lines() {
                        text += format!("    {line}").trim_end();
                        text += "\n";
                    }
                }
            }
        };
        put("Breaks", &self.breaks);
        put("Stands for", &self.stands_for);
        put("Caught by", &self.caught_by);
        if !self.level.is_empty() {
            put("Level", &self.level);
        }
        for edit in &self.edits {
            put("\nIn", &edit.place);
            let (first, second) = match edit.action {
                Action::Instead => ("Instead of", "Write"),
                Action::LeaveOut => ("Leave out", ""),
                Action::Before => ("Before", "Insert"),
                Action::After => ("After", "Insert"),
                Action::First => ("", "Insert first"),
            };
            for (key, value) in [(first, &edit.find), (second, &edit.text)] {
                if !key.is_empty() {
                    put(key, value);
                }
            }
        }
        text
    }
}

impl Edit {
    /// All of it that is Rust.
    pub(crate) fn fields_mut(&mut self) -> [&mut String; 3] {
        [&mut self.place, &mut self.find, &mut self.text]
    }
}

/// Keys and values.
fn fields(text: &str) -> Result<Vec<(&'static str, String)>> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        let indented = line.strip_prefix("    ");
        let continued = indented.or(line.trim().is_empty().then_some(""));
        if let Some(rest) = continued {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(rest);
            }
            continue;
        }
        let key = KEYS.into_iter().find_map(|key| {
            let rest = line.strip_prefix(key)?.strip_prefix(':')?;
            Some((key, rest.trim().to_owned()))
        });
        fields.push(key.ok_or_else(|| format!("what does \"{line}\" mean?"))?);
    }
    for (_, value) in &mut fields {
        *value = value.trim_matches('\n').to_owned();
    }
    Ok(fields)
}

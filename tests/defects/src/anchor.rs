//! Finds what each defect changes, or says why it is not there any more, and what may help.

use std::collections::{BTreeMap, BTreeSet};

use crate::defect::{Action, Defect, Edit};
use crate::source::{Bytes, File, Function, Source, Statement};
use crate::tokens::{self, Token};

/// An edit whose place is known.
pub(crate) struct Located<'d> {
    pub(crate) defect: &'d Defect,
    pub(crate) file: usize,
    /// What was found. Empty where something comes first in a function.
    pub(crate) found: Bytes,
    pub(crate) change: Change,
}

pub(crate) enum Change {
    /// An expression, or the whole of a statement, with the code that takes its place.
    Expression(String),
    Statement(String),
    /// The code asks by itself whether it is planted.
    Raw(String),
    Before(String),
    After(String),
}

/// An edit that has lost its place.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) defect: String,
    /// Which of its edits.
    pub(crate) edit: usize,
    pub(crate) place: String,
    pub(crate) why: String,
    /// What a person may look at.
    pub(crate) hint: Option<String>,
    /// The one function where it can be now.
    pub(crate) moved: Option<String>,
}

/// All edits of all defects, and all problems, not only the first.
pub(crate) fn locate<'d>(
    source: &Source,
    defects: &'d [Defect],
) -> (Vec<Located<'d>>, Vec<Problem>) {
    let (mut located, mut problems) = (Vec::new(), Vec::new());
    for defect in defects {
        for (index, edit) in defect.edits.iter().enumerate() {
            match locate_one(source, defect, edit) {
                Ok(one) => located.push(one),
                Err(Lost { why, hint, moved }) => problems.push(Problem {
                    defect: defect.name.clone(),
                    edit: index,
                    place: edit.place.clone(),
                    why,
                    hint,
                    moved,
                }),
            }
        }
    }
    (located, problems)
}

#[derive(Default)]
struct Lost {
    why: String,
    hint: Option<String>,
    moved: Option<String>,
}

impl From<String> for Lost {
    fn from(why: String) -> Self {
        Self {
            why,
            ..Self::default()
        }
    }
}

fn locate_one<'d>(source: &Source, defect: &'d Defect, edit: &Edit) -> Result<Located<'d>, Lost> {
    let wanted = tokens::of_text(&edit.find)?;
    if wanted.is_empty() != (edit.action == Action::First) {
        return Err("it does not say what to look for".to_owned().into());
    }
    let functions = source.called(&edit.place);
    let function: &Function = match *functions.as_slice() {
        [] => return Err(gone(source, edit, &wanted)),
        [one] => one,
        ref several => {
            let with_it = several.iter().copied().filter(|one| has(one, &wanted));
            match *with_it.collect::<Vec<_>>() {
                [one] if !wanted.is_empty() => one,
                _ => return Err(ambiguous(source, several)),
            }
        }
    };
    let file = function.file;
    let found = if edit.action == Action::First {
        let start = function.body.ok_or("it has no body".to_owned())?;
        (start, start)
    } else {
        let places = tokens::find(&function.tokens, &wanted);
        let [place] = places.as_slice() else {
            return Err(match places.is_empty() {
                true => snippet_gone(source, function, &wanted),
                false => several_times(source, function, &places),
            });
        };
        let (first, last) = (*place, place + wanted.len() - 1);
        (function.tokens[first].start, function.tokens[last].end)
    };
    // What is no function has no moment at which it could ask.
    let is_asking = function.body.is_some();
    let text = with_switch(&edit.text, &defect.name, is_asking)?;
    let change = change(&source.files[file], found, edit.action, text, &defect.name)?;
    Ok(Located {
        defect,
        file,
        found,
        change,
    })
}

/// The text with the switch for the word `planted`, and whether it had that word.
fn with_switch(text: &str, name: &str, is_asking: bool) -> crate::Result<(String, bool)> {
    let switch = switch(name);
    let mut changed = text.to_owned();
    // A match arm, an operand and a filter are no block of their own, but their brackets pair.
    let tokens = tokens::of_text(text)?;
    let words = tokens.iter().filter(|token| token.text == "planted");
    let words: Vec<_> = words.collect();
    for word in words.iter().rev() {
        changed.replace_range(word.start..word.end, &switch);
    }
    let is_raw = !words.is_empty() || !is_asking;
    if !is_raw {
        let block = format!("{{ {text} }}");
        syn::parse_str::<syn::Block>(&block).map_err(|error| format!("`{text}`: {error}"))?;
    }
    Ok((changed, is_raw))
}

fn change(
    file: &File,
    found: Bytes,
    action: Action,
    (text, is_raw): (String, bool),
    name: &str,
) -> Result<Change, Lost> {
    let by_hand = "write `planted` into the new code by hand";
    let statement = file.statements.get(&found);
    match action {
        Action::Instead if is_raw => Ok(Change::Raw(text)),
        Action::Instead | Action::LeaveOut => match statement {
            Some(Statement::Let) => Err("nothing can be put around a `let`: name its value"
                .to_owned()
                .into()),
            Some(Statement::Whole) => Ok(Change::Statement(text)),
            _ if file.expressions.contains(&found) => Ok(Change::Expression(text)),
            _ => {
                Err(format!("what is found is no whole expression or statement: {by_hand}").into())
            }
        },
        Action::First => Ok(Change::After(match is_raw {
            true => text,
            false => guarded(&text, name),
        })),
        Action::Before | Action::After if is_raw => Ok(match action {
            Action::Before => Change::Before(text),
            _ => Change::After(text),
        }),
        Action::Before => {
            let mut starts = file.statements.keys().map(|(start, _)| *start);
            match starts.any(|start| start == found.0) {
                true => Ok(Change::Before(guarded(&text, name))),
                false => Err(format!("no statement begins with what is found: {by_hand}").into()),
            }
        }
        Action::After => {
            let mut ends = file.statements.keys().map(|(_, end)| *end);
            match ends.any(|end| end == found.1) {
                true => Ok(Change::After(guarded(&text, name))),
                false => Err(format!("no statement ends with what is found: {by_hand}").into()),
            }
        }
    }
}

fn guarded(text: &str, name: &str) -> String {
    format!("if {} {{\n{text}\n}}", switch(name))
}

/// Whether this defect is the planted one.
pub(crate) fn switch(name: &str) -> String {
    format!("crate::planted(\"{name}\")")
}

fn has(function: &Function, wanted: &[Token]) -> bool {
    !tokens::find(&function.tokens, wanted).is_empty()
}

fn gone(source: &Source, edit: &Edit, wanted: &[Token]) -> Lost {
    let name = edit.place.rsplit("::").next().unwrap_or_default();
    let same_name = |one: &&Function| one.path.last().is_some_and(|last| last == name);
    let with_it: Vec<_> = match wanted.is_empty() {
        true => Vec::new(),
        false => source
            .functions
            .iter()
            .filter(|one| has(one, wanted))
            .collect(),
    };
    let named: Vec<_> = match with_it.is_empty() {
        true => source.functions.iter().filter(same_name).collect(),
        false => with_it.iter().copied().filter(same_name).collect(),
    };
    let moved = match (named.as_slice(), with_it.as_slice()) {
        ([one], _) if !with_it.is_empty() || wanted.is_empty() => Some(source.shortest(one)),
        ([], [one]) => Some(source.shortest(one)),
        _ => None,
    };
    let hint = match (with_it.is_empty(), named.is_empty()) {
        (false, _) => Some(format!("the code is in {}", names(source, &with_it))),
        (true, false) => Some(format!("of that name there is {}", names(source, &named))),
        (true, true) => None,
    };
    Lost {
        why: "there is no such function".to_owned(),
        hint,
        moved,
    }
}

fn snippet_gone(source: &Source, function: &Function, wanted: &[Token]) -> Lost {
    let elsewhere = source.functions.iter().filter(|one| has(one, wanted));
    let elsewhere: Vec<_> = elsewhere.collect();
    let hint = if elsewhere.is_empty() {
        let length = tokens::longest_start(&function.tokens, wanted);
        let there = tokens::find(&function.tokens, &wanted[..length]);
        let hint = match there.first() {
            Some(place) => {
                let first = function.tokens[*place].start;
                let end = function.tokens[place + length - 1].end;
                let text = &source.files[function.file].text[first..end];
                let line = source.line(function.file, first);
                format!("of it, `{text}` is there ({line}), but not what follows")
            }
            None => format!("not even `{}` is there", wanted[0].text),
        };
        match renamed(&function.tokens, wanted) {
            Some(renames) => format!("{hint}; try{renames}"),
            None => hint,
        }
    } else {
        format!("it is in {}", names(source, &elsewhere))
    };
    Lost {
        why: "the function has no such code".to_owned(),
        hint: Some(hint),
        moved: match elsewhere.as_slice() {
            [one] => Some(source.shortest(one)),
            _ => None,
        },
    }
}

/// Which new names would make the code the same as the one place that is like it.
fn renamed(tokens: &[Token], wanted: &[Token]) -> Option<String> {
    let is_name =
        |text: &str| text.starts_with(|first: char| first.is_alphabetic() || first == '_');
    let mut found = BTreeSet::new();
    for window in tokens.windows(wanted.len()) {
        let mut names = BTreeMap::new();
        let is_like = window.iter().zip(wanted).all(|(new, old)| {
            let (new, old) = (new.text.as_str(), old.text.as_str());
            let is_pair = new == old || is_name(new) && is_name(old);
            is_pair && *names.entry(old).or_insert(new) == new
        });
        names.retain(|old, new| old != new);
        if is_like && names.len() <= wanted.len() / 4 {
            let options = names
                .iter()
                .map(|(old, new)| format!(" --rename {old}={new}"));
            found.insert(options.collect::<String>());
        }
    }
    match found.len() {
        1 => found.pop_first(),
        _ => None,
    }
}

fn several_times(source: &Source, function: &Function, places: &[usize]) -> Lost {
    let lines = places.iter().map(|place| {
        let start = function.tokens[*place].start;
        source.line(function.file, start)
    });
    let lines: Vec<_> = lines.collect();
    Lost {
        why: format!("the function has that code {} times", places.len()),
        hint: Some(format!("say more of it: {}", lines.join(", "))),
        moved: None,
    }
}

fn ambiguous(source: &Source, several: &[&Function]) -> Lost {
    Lost {
        why: format!("there are {} functions of that name", several.len()),
        hint: Some(format!("say which: {}", names(source, several))),
        moved: None,
    }
}

fn names(source: &Source, functions: &[&Function]) -> String {
    let names = functions.iter().take(4).map(|one| {
        let start = one.tokens.first().map_or(0, |token| token.start);
        let name = source.shortest(one);
        format!("{name} ({})", source.line(one.file, start))
    });
    let mut text = names.collect::<Vec<_>>().join(", ");
    if functions.len() > 4 {
        text += &format!(" and {} more", functions.len() - 4);
    }
    text
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: In: {}: {}", self.defect, self.place, self.why)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n    {hint}")?;
        }
        if let Some(moved) = &self.moved {
            write!(f, "\n    --refresh will write In: {moved}")?;
        }
        Ok(())
    }
}

//! All defects in one text, each behind its switch. Each was found in the text as it is in the tree, so
//! that none depends on another, nor on their order.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::anchor::{Change, Located, switch};
use syn::spanned::Spanned;

use crate::source::{Bytes, Source};

/// What every edit asks. Only the copy has it.
const SWITCH: &str = r#"
/// Whether this defect is the one that the environment asks for.
pub(crate) fn planted(name: &str) -> bool {
    static NAME: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    NAME.get_or_init(|| std::env::var("PLANTED").ok()).as_deref() == Some(name)
}
"#;

/// Adds the switch to the text of the library's first file.
pub(crate) fn with_switch(lib: &str) -> crate::Result<String> {
    let syntax = syn::parse_file(lib).map_err(|error| format!("src/lib.rs: {error}"))?;
    let head = syntax
        .attrs
        .last()
        .map_or(0, |last| last.span().byte_range().end);
    let (head, rest) = lib.split_at(head);
    // What is put around expressions looks odd.
    let allow = "#![allow(unused_parens, unreachable_code)]";
    Ok(format!("{head}\n{allow}\n{rest}{SWITCH}"))
}

/// The files that change, with all edits; or which edits contradict each other.
pub(crate) fn compose(
    source: &Source,
    located: &[Located<'_>],
) -> Result<BTreeMap<PathBuf, String>, Vec<String>> {
    let (mut files, mut conflicts) = (BTreeMap::new(), Vec::new());
    for (index, file) in source.files.iter().enumerate() {
        let mut edits: Vec<_> = located.iter().filter(|one| one.file == index).collect();
        if edits.is_empty() {
            continue;
        }
        // By name where the place is the same: the order of the files is without effect.
        edits.sort_by_key(|one| (one.found.0, Reverse(one.found.1), &one.defect.name));
        let found = conflicting(source, index, &edits);
        if found.is_empty() {
            let text = render(&file.text, (0, file.text.len()), &edits);
            if let Err(error) = syn::parse_file(&text) {
                let path = file.path.display();
                conflicts.push(format!("{path} with all defects is not Rust: {error}"));
            }
            files.insert(file.path.clone(), text);
        }
        conflicts.extend(found);
    }
    match conflicts.is_empty() {
        true => Ok(files),
        false => Err(conflicts),
    }
}

fn replaces(edit: &Located<'_>) -> bool {
    !matches!(edit.change, Change::Before(_) | Change::After(_))
}

fn conflicting(source: &Source, file: usize, edits: &[&Located<'_>]) -> Vec<String> {
    let mut conflicts = Vec::new();
    for (index, one) in edits.iter().enumerate() {
        for other in &edits[index + 1..] {
            let both = replaces(one) && replaces(other);
            let (outer, inner) = (one.found, other.found);
            let overlap = both && outer.0 < inner.0 && inner.0 < outer.1 && outer.1 < inner.1;
            let is_raw = |edit: &Located<'_>| matches!(edit.change, Change::Raw(_));
            let lost = is_raw(one) && is_within(other, outer)
                || is_raw(other) && is_within(one, inner)
                || both && outer == inner && (is_raw(one) || is_raw(other));
            if overlap || lost {
                conflicts.push(format!(
                    "{} and {} both change {}",
                    one.defect.name,
                    other.defect.name,
                    source.line(file, inner.0)
                ));
            }
        }
    }
    conflicts
}

/// Whether the edit is part of what these bytes are, and not beside it.
fn is_within(edit: &Located<'_>, (start, end): Bytes) -> bool {
    let (first, last) = edit.found;
    let smaller = (first, last) != (start, end) && last - first < end - start;
    match edit.change {
        Change::Before(_) => {
            start < first && first < end || first == start && smaller && last <= end
        }
        Change::After(_) => start < last && last < end || last == end && smaller && start <= first,
        _ => smaller && start <= first && last <= end,
    }
}

/// These bytes of the text, with the edits that are within them.
fn render(text: &str, (start, end): Bytes, edits: &[&Located<'_>]) -> String {
    let mut rendered = String::new();
    let mut at = start;
    let mut rest = edits;
    // Where something is put in, whatever becomes of the text around it.
    let mut points: Vec<(usize, &String)> = Vec::new();
    let outermost = |bytes: Bytes| {
        edits
            .iter()
            .any(|one| replaces(one) && bytes != one.found && contains(one.found, bytes))
    };
    for edit in edits {
        let point = match &edit.change {
            Change::Before(code) => (edit.found.0, code),
            Change::After(code) => (edit.found.1, code),
            _ => continue,
        };
        let is_inside = edits
            .iter()
            .any(|one| replaces(one) && is_within(edit, one.found));
        if !is_inside {
            points.push(point);
        }
    }
    points.sort_by_key(|(at, _)| *at);
    let mut points = points.into_iter().peekable();
    while let Some((edit, behind)) = rest.split_first() {
        rest = behind;
        if !replaces(edit) || edit.found.0 < at || outermost(edit.found) {
            continue;
        }
        while let Some((point, code)) = points.next_if(|(point, _)| *point <= edit.found.0) {
            rendered += &text[at..point];
            rendered += &format!(" {code} ");
            at = point;
        }
        rendered += &text[at..edit.found.0];
        let same: Vec<_> = edits
            .iter()
            .copied()
            .filter(|one| replaces(one) && one.found == edit.found)
            .collect();
        let inner: Vec<_> = edits
            .iter()
            .copied()
            .filter(|one| is_within(one, edit.found))
            .collect();
        let old = render(text, edit.found, &inner);
        rendered += &choice(&same, &old);
        at = edit.found.1;
    }
    for (point, code) in points {
        rendered += &text[at..point];
        rendered += &format!(" {code} ");
        at = point;
    }
    rendered + &text[at..end]
}

fn contains(outer: Bytes, inner: Bytes) -> bool {
    outer.0 <= inner.0 && inner.1 <= outer.1
}

/// The old code, or what the planted one of these defects has instead of it.
fn choice(edits: &[&Located<'_>], old: &str) -> String {
    let mut text = String::new();
    let mut is_expression = false;
    for edit in edits {
        let new = match &edit.change {
            Change::Raw(code) => return code.clone(),
            Change::Expression(code) => {
                is_expression = true;
                code
            }
            Change::Statement(code) | Change::Before(code) | Change::After(code) => code,
        };
        let name = &edit.defect.name;
        text += &format!("if {} {{\n{new}\n}} else ", switch(name));
    }
    text += &format!("{{ {old} }}");
    match is_expression {
        true => format!("({text})"),
        false => text,
    }
}

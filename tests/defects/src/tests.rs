//! Anchors, and how edits come together, in small texts.

use std::path::Path;

use crate::defect::Defect;
use crate::source::Source;
use crate::{anchor, compose, refresh, tokens};

const QUEUE: &str = "
//! A queue.

pub(crate) struct Queue {
    items: Vec<u32>,
}

impl Queue {
    fn take(&mut self) -> Option<u32> {
        let first = self
            .items
            .pop(); // The last one.
        self.note(first.is_some(), 1);
        first
    }

    fn note(&mut self, is_one: bool, number: u32) {
        if is_one && number > 0 {
            self.items.clear();
        }
    }
}

fn split(number: u32) -> u32 {
    match number {
        0 => 1,
        _ => number + 1,
    }
}
";

fn source(files: &[(&str, &str)]) -> Source {
    let mut source = Source::default();
    for (path, text) in files {
        let added = source.add(Path::new(path), (*text).to_owned());
        added.expect("it is Rust");
    }
    source
}

fn defect(name: &str, edits: &str) -> Defect {
    let text = format!("Breaks: it\nStands for: that\nCaught by: I1\n\n{edits}");
    Defect::parse(name, &text).expect("it is a defect")
}

/// The text of src/queue.rs with these defects, without spaces and lines.
fn planted(defects: &[Defect]) -> Result<String, Vec<String>> {
    let source = source(&[("src/queue.rs", QUEUE)]);
    let (located, problems) = anchor::locate(&source, defects);
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut files = compose::compose(&source, &located)?;
    let text = files.remove(Path::new("src/queue.rs"));
    Ok(squeezed(&text.expect("it changes")))
}

fn squeezed(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>();
    words.join(" ")
}

#[track_caller]
fn has(text: &str, part: &str) {
    assert!(text.contains(&squeezed(part)), "no {part} in {text}");
}

#[track_caller]
fn problem(edits: &str) -> String {
    let problems = planted(&[defect("one", edits)]).expect_err("it should not be found");
    problems.join("\n")
}

#[test]
fn an_expression_is_found_by_its_tokens_whatever_its_lines() {
    let edits = "In: Queue::take\nInstead of: self.items.pop()\nWrite: self.items.first().copied()";
    let text = planted(&[defect("one", edits)]).expect("it is there");
    has(
        &text,
        "let first = (if crate::planted(\"one\") { self.items.first().copied() } else { self
            .items
            .pop() }); // The last one.",
    );
}

#[test]
fn statements_are_put_in_left_out_and_replaced() {
    let edits = "In: Queue::take\nLeave out: self.note(first.is_some(), 1);\n\n\
                 In: Queue::note\nInsert first: return;\n\n\
                 In: Queue::note\nBefore: self.items.clear();\nInsert: self.items.sort();\n\n\
                 In: split\nAfter: number + 1\nInsert: + u32::from(planted)\n\n\
                 In: split\nBefore: 0 => 1\nInsert: 7 if planted => 0,";
    let text = planted(&[defect("one", edits)]).expect("it is there");
    has(
        &text,
        "if crate::planted(\"one\") { } else { self.note(first.is_some(), 1); } first",
    );
    has(
        &text,
        "{ if crate::planted(\"one\") { return; } if is_one && number > 0 {",
    );
    has(
        &text,
        "if crate::planted(\"one\") { self.items.sort(); } self.items.clear();",
    );
    has(&text, "number + 1 + u32::from(crate::planted(\"one\"))");
    has(&text, "7 if crate::planted(\"one\") => 0, 0 => 1,");
}

#[test]
fn what_is_no_function_changes_whatever_is_planted() {
    let edits = "In: struct Queue\nBefore: items: Vec<u32>\nInsert: pub(crate)";
    let text = planted(&[defect("one", edits)]).expect("it is there");
    has(&text, "struct Queue { pub(crate) items: Vec<u32>, }");
}

#[test]
fn defects_in_the_same_place_are_choices_in_any_order() {
    let one = defect(
        "one",
        "In: Queue::take\nInstead of: self.items.pop()\nWrite: Some(1)",
    );
    let two = defect(
        "two",
        "In: Queue::take\nInstead of: self.items.pop()\nWrite: Some(2)",
    );
    let text = planted(&[one.clone(), two.clone()]).expect("they are there");
    has(
        &text,
        "(if crate::planted(\"one\") { Some(1) } else if crate::planted(\"two\") { Some(2) } else {",
    );
    assert_eq!(Ok(text), planted(&[two, one]));
}

#[test]
fn a_defect_within_another_ones_code_stays_in_what_is_left_of_it() {
    let outer = "In: Queue::take\nLeave out: self.note(first.is_some(), 1);";
    let inner = "In: Queue::take\nInstead of: first.is_some()\nWrite: true";
    let beside = "In: Queue::take\nAfter: self.note(first.is_some(), 1);\nInsert: return None;";
    let defects = [
        defect("outer", outer),
        defect("inner", inner),
        defect("beside", beside),
    ];
    let text = planted(&defects).expect("they are there");
    has(
        &text,
        "if crate::planted(\"outer\") { } else { self.note((if crate::planted(\"inner\") { true } \
         else { first.is_some() }), 1); } if crate::planted(\"beside\") { return None; } first",
    );
    let mut turned = defects.to_vec();
    turned.reverse();
    assert_eq!(Ok(text), planted(&turned));
}

#[test]
fn defects_that_change_parts_of_each_other_are_both_named() {
    let edits = "In: Queue::note\nInstead of: is_one && number > 0\nWrite: is_one || !planted";
    let raw = defect("raw", edits);
    let inner = defect(
        "inner",
        "In: Queue::note\nInstead of: number > 0\nWrite: true",
    );
    let complaint = planted(&[raw, inner]).expect_err("they contradict each other");
    assert_eq!(complaint, ["raw and inner both change src/queue.rs:18"]);
}

#[test]
fn code_that_is_there_twice_or_not_at_all_is_said_with_what_may_help() {
    let twice = problem("In: Queue::take\nAfter: first\nInsert: .filter(|_| planted)");
    has(
        &twice,
        "one: In: Queue::take: the function has that code 3 times",
    );
    has(&twice, "src/queue.rs:10, src/queue.rs:13, src/queue.rs:14");
    let gone = problem("In: Queue::take\nLeave out: self.note(first.is_none(), 1);");
    has(
        &gone,
        "`self.note(first.` is there (src/queue.rs:13), but not what follows",
    );
    has(&gone, "try --rename is_none=is_some");
    let elsewhere = problem("In: Queue::take\nLeave out: self.items.clear();");
    has(&elsewhere, "it is in Queue::note");
    has(&elsewhere, "--refresh will write In: Queue::note");
}

#[test]
fn a_function_that_is_gone_is_looked_for_in_the_whole_crate() {
    let moved = problem("In: Queued::take\nInstead of: self.items.pop()\nWrite: None");
    has(&moved, "one: In: Queued::take: there is no such function");
    has(&moved, "--refresh will write In: Queue::take");
    // Without code to look for, its name is all there is.
    let first = problem("In: Line::take\nInsert first: return None;");
    has(&first, "--refresh will write In: Queue::take");
    let unknown = problem("In: Queue::push\nInsert first: return;");
    assert_eq!(unknown, "one: In: Queue::push: there is no such function");
}

#[test]
fn what_can_have_nothing_around_it_is_said() {
    let binding = problem("In: Queue::take\nLeave out: let first = self.items.pop();");
    has(
        &binding,
        "nothing can be put around a `let`: name its value",
    );
    let part = problem("In: Queue::note\nInstead of: if is_one && number\nWrite: 1");
    has(
        &part,
        "no whole expression or statement: write `planted` into the new code by hand",
    );
    let within = problem("In: Queue::note\nBefore: number > 0\nInsert: return;");
    has(&within, "no statement begins with what is found");
}

#[test]
fn functions_of_the_same_name_are_told_apart_by_their_modules() {
    let parts = "pub(crate) fn split(n: u32) -> u32 { n }";
    let source = source(&[("src/queue.rs", QUEUE), ("src/parts/mod.rs", parts)]);
    let either = [defect("one", "In: split\nInsert first: return 7;")];
    let (_, problems) = anchor::locate(&source, &either);
    has(
        &squeezed(&problems[0].to_string()),
        "there are 2 functions of that name say which: queue::split (src/queue.rs:24), \
         parts::split (src/parts/mod.rs:1)",
    );
    let both = [
        defect("one", "In: parts::split\nInsert first: return 7;"),
        // What only one of them has says which.
        defect("two", "In: split\nInstead of: number + 1\nWrite: 7"),
    ];
    let (located, problems) = anchor::locate(&source, &both);
    assert_eq!(
        (located[0].file, located[1].file, problems.len()),
        (1, 0, 0)
    );
}

#[test]
fn refresh_writes_new_names_and_new_places_and_nothing_else() {
    let source = source(&[("src/queue.rs", QUEUE)]);
    let mut defects = [
        defect("one", "In: Queued::put\nLeave out: self.elements.clear();"),
        defect("two", "In: Queue::push\nInsert first: return;"),
    ];
    let renames = [("elements".to_owned(), "items".to_owned())];
    let said = refresh::refresh(&source, &mut defects, &renames, &[]).expect("all is Rust");
    assert_eq!(
        said,
        [
            "one: `self.items.clear();` instead of `self.elements.clear();`",
            "one: In: Queue::note instead of Queued::put",
        ]
    );
    let (located, problems) = anchor::locate(&source, &defects);
    assert_eq!((located.len(), problems.len()), (1, 1));
    assert_eq!(problems[0].defect, "two");
}

#[test]
fn operators_and_lifetimes_are_whole_and_last_commas_do_not_count() {
    let texts = |text: &str| -> Vec<String> {
        let tokens = tokens::of_text(text).expect("it is Rust");
        tokens.into_iter().map(|token| token.text).collect()
    };
    assert_eq!(texts("a&&!b>=c"), ["a", "&&", "!", "b", ">=", "c"]);
    assert_eq!(texts("&'a x..=y"), ["&", "'a", "x", "..=", "y"]);
    assert_eq!(texts("f(\n    a,\n    b,\n)"), texts("f(a, b)"));
    let tokens = |text| tokens::of_text(text).expect("it is Rust");
    assert!(tokens::find(&tokens("a >= b"), &tokens("a > ")).is_empty());
}

#[test]
fn a_file_is_printed_as_it_is_read() {
    let text = "Breaks: it\nStands for: that\nCaught by: I1\n\n\
                In: a::b\nInsert first:\n    if c {\n        d();\n\n        return;\n    }\n\n\
                In: B::c\nInstead of: e\nWrite: f\n\n\
                In: B::d\nLeave out: g();\n";
    assert_eq!(
        Defect::parse("one", text).map(|one| one.print()),
        Ok(text.to_owned())
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("defects");
    for one in crate::read_defects(&folder).expect("all are well") {
        let read = std::fs::read_to_string(&one.file).expect("it is there");
        assert_eq!(read, one.print(), "{} is printed otherwise", one.name);
    }
}

#[test]
fn a_file_that_says_too_little_is_refused() {
    for (text, why) in [
        ("Breaks: it\n", "there is no \"Stands for\""),
        ("Cracks: it\n", "what does \"Cracks: it\" mean?"),
        ("In: a\nWrite: b\n", "\"In: a\" and not what to do there"),
        ("In: a\nBefore: b\n", "\"Before: b\" and no \"Insert\""),
        (
            "Breaks: it\nStands for: that\nCaught by: I1\n",
            "there is no \"In\"",
        ),
        ("Level: bits\n", "there is no level \"bits\""),
    ] {
        assert_eq!(Defect::parse("one", text).err().as_deref(), Some(why));
    }
}

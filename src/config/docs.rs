//! Keeps `docs/CONFIGURATION.md` equal to the table: the tables in it are written from here.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::librdkafka::{self, Fate, Row};
use super::table::{self, Class, Definition, Kind, Preset};
use super::values::not_asked_for;

#[test]
fn configuration_md_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONFIGURATION.md");
    let document = fs::read_to_string(&path).unwrap();
    let (prose, tables) = document
        .split_once(MARK)
        .expect("the mark stands before the tables");
    let written = written();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{prose}{MARK}{written}")).unwrap();
    } else {
        assert!(
            tables == written,
            "docs/CONFIGURATION.md is not what the table says; write it anew with \
             UPDATE_DOCS=1 cargo test configuration_md"
        );
    }
}

const MARK: &str =
    "<!-- From here on written by `UPDATE_DOCS=1 cargo test configuration_md`. -->\n";

fn written() -> String {
    let mut definitions: Vec<_> = table::all().collect();
    definitions.sort_by_key(|definition| definition.name);
    let mut out = String::new();
    write_section(&mut out, SUPPORTED, &definitions, |class| {
        class == Class::Supported
    });
    write_section(&mut out, LATER, &definitions, |class| {
        !matches!(class, Class::Supported | Class::Accepted | Class::Inert)
    });
    write_section(&mut out, ACCEPTED, &definitions, |class| {
        class == Class::Accepted
    });
    write_section(&mut out, INERT, &definitions, |class| class == Class::Inert);
    write_librdkafkas_names(&mut out);
    out
}

const SUPPORTED: &str = "
## Supported

Each does what it does in Kafka's producer, with the same default.

| name | default | range | meaning |
|---|---|---|---|
";

const LATER: &str = "
## Not supported yet

Values that ask for something that does not exist yet are refused with \"not supported yet\". The third
column says which values are accepted.

| name | default | accepted | range | meaning |
|---|---|---|---|---|
";

const ACCEPTED: &str = "
## Accepted, without effect

Every value is accepted, without a word: what it asks for is always so, or always otherwise and nothing that a
program could tell.

| name | default | range | meaning |
|---|---|---|---|
";

const INERT: &str = "
## JVM only

These have a meaning only in a JVM. They are ignored, with one warning for all that are not set to their
default.

| name | default | range | meaning |
|---|---|---|---|
";

fn write_section(
    out: &mut String,
    head: &str,
    definitions: &[&Definition],
    belongs: impl Fn(Class) -> bool,
) {
    out.push_str(head);
    for definition in definitions
        .iter()
        .filter(|definition| belongs(definition.class))
    {
        let passes = match definition.class {
            Class::Supported | Class::Accepted | Class::Inert => String::new(),
            Class::Later => " the default |".to_owned(),
            Class::LaterSwitch => " both |".to_owned(),
            Class::LaterWith(switch) => {
                format!(" all, ignored as {} |", not_asked_for(switch))
            }
        };
        writeln!(
            out,
            "| `{}` | {} |{passes} {} | {}{} |",
            definition.name,
            default(definition),
            range(definition),
            definition.meaning,
            of_topics(definition),
        )
        .unwrap();
    }
}

const ALIASES: &str = "
## librdkafka's names

All properties that librdkafka has for every client or for producers. What becomes of them is said
[above](#names-of-librdkafka); [MIGRATING.md](MIGRATING.md) has more about the differences.

### Other names

| librdkafka | here | value | default there | default here |
|---|---|---|---|---|
";

const DIFFERENT: &str = "
### The same names, with another default or meaning

| name | default there | default here | difference |
|---|---|---|---|
";

const ONE_VALUE: &str = "
### One value only

Any other value is an error.

| librdkafka | must be | why |
|---|---|---|
";

const ALWAYS: &str = "
### Always so

Any other value changes nothing, and gives a warning.

| librdkafka | always | why |
|---|---|---|
";

const REFUSED: &str = "
### Refused

| librdkafka | why |
|---|---|
";

const WITHOUT_EFFECT: &str = "
### Without effect

Accepted with any value, and a warning.

| librdkafka | as |
|---|---|
";

const THE_SAME: &str = "
### The same

";

/// A table for each fate, with a line for each name.
fn write_librdkafkas_names(out: &mut String) {
    let mut rows: Vec<(&str, &Row)> = librdkafka::all()
        .flat_map(|row| row.names.iter().map(move |name| (*name, row)))
        .collect();
    rows.sort_by_key(|(name, _)| *name);
    let mut section = |head: &str, line: &dyn Fn(&str, &Row) -> Option<String>| {
        out.push_str(head);
        let lines = rows.iter().filter_map(|(name, row)| line(name, row));
        out.push_str(&lines.collect::<String>());
    };
    section(ALIASES, &|name, row| alias(name, row));
    section(DIFFERENT, &|name, row| {
        let differs = row.default.is_some() || !row.remark.is_empty();
        let (theirs, ours) = defaults(row, name);
        let is_told = row.fate == Fate::Same && differs;
        is_told.then(|| format!("| `{name}` | {theirs} | {ours} | {} |\n", row.remark))
    });
    section(ONE_VALUE, &|name, row| match row.fate {
        Fate::Only(value) => Some(format!("| `{name}` | `{value}` | {} |\n", row.remark)),
        _ => None,
    });
    section(ALWAYS, &|name, row| match row.fate {
        Fate::Always(value) => Some(format!("| `{name}` | `{value}` | {} |\n", row.remark)),
        _ => None,
    });
    section(REFUSED, &|name, row| {
        (row.fate == Fate::Refused).then(|| format!("| `{name}` | {} |\n", row.remark))
    });
    section(WITHOUT_EFFECT, &|name, row| {
        (row.fate == Fate::NoEffect).then(|| format!("| `{name}` | {} |\n", row.remark))
    });
    section(THE_SAME, &|name, row| {
        let is_the_same = row.fate == Fate::Same && row.default.is_none() && row.remark.is_empty();
        is_the_same.then(|| format!("- `{name}`\n"))
    });
}

fn alias(name: &str, row: &Row) -> Option<String> {
    let (of, value) = match row.fate {
        Fate::Alias(of, value) => (format!("`{of}`"), value.describe()),
        Fate::Levels => ("the levels of all codecs".to_owned(), row.remark),
        _ => return None,
    };
    let (theirs, ours) = match row.fate {
        Fate::Alias(of, _) => defaults(row, of),
        _ => Default::default(),
    };
    Some(format!(
        "| `{name}` | {of} | {value} | {theirs} | {ours} |\n"
    ))
}

/// Both defaults, if they differ.
fn defaults(row: &Row, name: &str) -> (String, String) {
    let Some(theirs) = row.default else {
        return Default::default();
    };
    let ours = match name {
        "client.id" => "see its meaning".to_owned(),
        name => format!("`{}`", librdkafka::default_here(name)),
    };
    (format!("`{theirs}`"), ours)
}

fn default(definition: &Definition) -> String {
    match definition.default {
        Preset::Required => "must be set".to_owned(),
        Preset::Null if definition.name.ends_with(".serializer") => "by the type".to_owned(),
        Preset::Null => "none".to_owned(),
        Preset::Text("") if matches!(definition.kind, Kind::List | Kind::Classes) => {
            "an empty list".to_owned()
        }
        Preset::Text("") => "see its meaning".to_owned(),
        Preset::Text(text) => format!("`{text}`"),
    }
}

fn of_topics(definition: &Definition) -> String {
    match definition.is_per_topic {
        true => format!(" For one topic: `topic.NAME.{}`.", definition.name),
        false => String::new(),
    }
}

fn range(definition: &Definition) -> String {
    match (&definition.kind, definition.class) {
        (Kind::Class, Class::Supported) => "a name or an object".to_owned(),
        (Kind::Classes, Class::Supported) => "names, separated by commas, or objects".to_owned(),
        (kind, _) => kind.range(),
    }
}

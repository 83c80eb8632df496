//! Translates librdkafka's names into Kafka's, before anything is checked: so the rest of the crate
//! knows one name for each thing.
//!
//! A property of librdkafka's is either the same here, another name for the same thing, without effect,
//! or an error that says why; [`ROWS`] decides. No default changes: what is not set is as in Kafka's
//! producer. The log says so once if librdkafka's names are in use.

use crate::sorted_map::SortedMap;
use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};

use super::findings::Problem;
use super::properties::{Entry, Properties, Value as Given};
use super::shown;
use super::table::{self, Preset};
use rows::{ABOUT_CONSUMERS, ROWS};
pub(super) use value::Value;
use value::levels;

mod rows;
mod value;

/// Properties of librdkafka's that are treated alike.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) names: &'static [&'static str],
    pub(super) fate: Fate,
    /// Why, or what is different even so. A clause: begins in lower case and has no full stop.
    pub(super) remark: &'static str,
    /// librdkafka's default, in its own unit, if it differs from ours.
    pub(super) default: Option<&'static str>,
}

/// What becomes of a property of librdkafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Kafka's producer has it under the same name.
    Same,
    /// Kafka's producer has it under this name.
    Alias(&'static str, Value),
    /// Kafka's producer has one for each codec.
    Levels,
    /// Any value is accepted and changes nothing; a warning says why.
    NoEffect,
    /// This value describes what is always done here; any other is an error.
    Only(&'static str),
    /// This value describes what is always done here; any other changes nothing, and a warning says why.
    Always(&'static str),
    /// An error.
    Refused,
}

/// Properties under Kafka's names only, and what the translation has found.
#[derive(Debug)]
pub(super) struct Translated<'a> {
    pub(super) properties: Cow<'a, Properties>,
    pub(super) warnings: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

/// All rows; no order is promised.
pub(super) fn all() -> impl Iterator<Item = &'static Row> {
    ROWS.iter()
}

/// All of librdkafka's names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    all().flat_map(|row| row.names.iter().copied())
}

/// The names that somebody may have meant who misspelled one.
pub(super) fn settings() -> impl Iterator<Item = &'static str> {
    let settings = all().filter(|row| row.fate != Fate::Refused);
    settings.flat_map(|row| row.names.iter().copied())
}

/// The row of a name that is librdkafka's and not Kafka's.
fn find_foreign(name: &str) -> Option<&'static Row> {
    all().find(|row| row.fate != Fate::Same && row.names.contains(&name))
}

/// Replaces librdkafka's names with Kafka's.
pub(super) fn translate(properties: &Properties) -> Translated<'_> {
    let mut foreign: Vec<_> = properties
        .entries()
        .filter_map(|(name, entry)| Some((name, entry, find_foreign(name)?)))
        .collect();
    if foreign.is_empty() {
        return Translated {
            properties: Cow::Borrowed(properties),
            warnings: Vec::new(),
            problems: Vec::new(),
        };
    }
    let is_telling = |row: &Row| row.remark != ABOUT_CONSUMERS;
    let telling = foreign.iter().filter(|(.., row)| is_telling(row));
    let names: Vec<_> = telling.map(|(name, ..)| *name).collect();
    let mut translation = Translation::new(properties);
    // The last source counts, so it comes first.
    foreign.sort_by_key(|(_, entry, _)| Reverse(entry.source));
    for (name, entry, row) in &foreign {
        translation.put(name, entry, row);
    }
    translation.shorten_the_request_timeout();
    translation.end(&names)
}

struct Translation<'a> {
    /// As the user has set them.
    given: &'a Properties,
    properties: Properties,
    problems: Vec<Problem>,
    /// By reason.
    without_effect: SortedMap<&'static str, Vec<String>>,
    warnings: Vec<String>,
}

impl<'a> Translation<'a> {
    fn new(given: &'a Properties) -> Self {
        Self {
            given,
            properties: given.clone(),
            problems: Vec::new(),
            without_effect: SortedMap::new(),
            warnings: Vec::new(),
        }
    }

    fn put(&mut self, name: &str, entry: &Entry, row: &Row) {
        self.properties.take_out(name);
        let is_alias = matches!(row.fate, Fate::Alias(..));
        if let Some(fault) = entry.fault.filter(|_| !is_alias) {
            return self.problem(entry, &fault.complaint(name));
        }
        let result = match row.fate {
            Fate::Alias(of, value) => self.put_alias(name, entry, of, value),
            Fate::Same => Ok(()),
            Fate::Levels => text(entry).and_then(levels).map(|levels| {
                for (of, level) in levels {
                    self.set(name, entry, of, Given::Text(level));
                }
            }),
            Fate::Always(value) if text(entry).is_ok_and(|text| is_the_same(text, value)) => Ok(()),
            Fate::NoEffect | Fate::Always(_) => {
                let names = self.without_effect.get_or_insert_with(row.remark, Vec::new);
                names.push(name.to_owned());
                Ok(())
            }
            Fate::Only(value) => match text(entry) {
                Ok(text) if is_the_same(text, value) => Ok(()),
                _ => Err(format!("it must be {value}: {}", row.remark)),
            },
            Fate::Refused => Err(row.remark.to_owned()),
        };
        if let Err(complaint) = result {
            let shown = match &entry.value {
                Given::Text(text) => format!("={:?}", shown::value(name, text.trim())),
                Given::Object(_) => String::new(),
            };
            self.problem(entry, &format!("{name}{shown}: {complaint}"));
        }
    }

    fn put_alias(
        &mut self,
        name: &str,
        entry: &Entry,
        of: &'static str,
        value: Value,
    ) -> Result<(), String> {
        // A value that a later source overrides is not checked.
        let is_later = |other: &Entry| other.source > entry.source;
        if self.properties.entry(of).is_some_and(is_later) {
            return Ok(());
        }
        let value = match &entry.value {
            // It is set, and to nothing that can be translated; what is wrong is told with Kafka's name.
            faulty if entry.fault.is_some() => faulty.clone(),
            Given::Text(text) => Given::Text(value.translate(text.trim())?),
            Given::Object(object) => Given::Object(object.clone()),
        };
        self.set(name, entry, of, value);
        Ok(())
    }

    /// Sets Kafka's property. If it is set already, the later source wins. Within one source both must
    /// agree, unless librdkafka has another meaning for Kafka's name: its files may have both.
    fn set(&mut self, name: &str, entry: &Entry, of: &str, value: Given) {
        if let Some(other) = self.properties.entry(of) {
            match other.source.cmp(&entry.source) {
                Ordering::Greater => return,
                Ordering::Less => {
                    self.properties.take_out(of);
                    return self.set(name, entry, of, value);
                }
                Ordering::Equal => {}
            }
            let agree = match (&other.value, &value) {
                (Given::Text(one), Given::Text(another)) => are_equal(of, one.trim(), another),
                _ => false,
            };
            if !agree && let Some(remark) = other_meaning(of) {
                self.warnings.push(format!(
                    "{of} is taken from {name}, and not used as it is set: {remark}"
                ));
                self.properties.take_out(of);
                return self.set(name, entry, of, value);
            }
            if !agree {
                let message = format!(
                    "{name} is librdkafka's name for {of}, and they are set to different values; \
                     leave one of them out"
                );
                self.problem(entry, &message);
            }
            return;
        }
        let place = match &entry.place {
            Some(place) => format!("{place}: {name}"),
            None => name.to_owned(),
        };
        let entry = Entry {
            value,
            place: Some(place),
            ..entry.clone()
        };
        self.properties.put(of, entry);
    }

    fn problem(&mut self, entry: &Entry, message: &str) {
        self.problems.push(Problem::with_value(entry, message));
    }

    /// In librdkafka a request may take as long as the first of its records. Here, as in Kafka, a
    /// record's time must be longer than that of a request. `message.timeout.ms` is often short, so
    /// the request timeout is shortened, unless it was set by Kafka's name.
    fn shorten_the_request_timeout(&mut self) {
        let (delivery, request) = ("delivery.timeout.ms", "request.timeout.ms");
        let Some(given) = self.given.entry("message.timeout.ms") else {
            return;
        };
        let is_later = |other: &Entry| other.source > given.source;
        let counts = !self.given.entry(delivery).is_some_and(is_later);
        let is_kafkas = self.given.get(request) == self.properties.get(request);
        if !counts || (is_kafkas && self.given.entry(request).is_some()) {
            return;
        }
        let number = |name| -> Option<i64> {
            let set = self.properties.get(name).map(str::trim);
            set.unwrap_or_else(|| default_here(name)).parse().ok()
        };
        let (Some(delivery_ms), Some(linger_ms), Some(request_ms)) =
            (number(delivery), number("linger.ms"), number(request))
        else {
            return;
        };
        let room_ms = delivery_ms.saturating_sub(linger_ms);
        if (1..request_ms).contains(&room_ms) {
            self.warnings.push(format!(
                "{request} is {room_ms} instead of {request_ms}, so that it fits within \
                 message.timeout.ms ({delivery_ms}) less linger.ms ({linger_ms})"
            ));
            let entry = Entry {
                value: Given::Text(room_ms.to_string()),
                place: None,
                source: usize::MAX,
                ..given.clone()
            };
            self.properties.put(request, entry);
        }
    }

    fn end(mut self, foreign: &[&str]) -> Translated<'a> {
        for (why, names) in self.without_effect.iter() {
            let names = names.join(", ");
            self.warnings
                .push(format!("without effect, as {why}: {names}"));
        }
        self.warnings.extend(self.what_differs(foreign));
        Translated {
            properties: Cow::Owned(self.properties),
            warnings: self.warnings,
            problems: self.problems,
        }
    }

    /// A user of librdkafka's names may expect its defaults and meanings, too.
    fn what_differs(&self, foreign: &[&str]) -> Option<String> {
        if foreign.is_empty() {
            return None;
        }
        let defaults = DEFAULTS_TO_KNOW
            .into_iter()
            .filter(|name| self.properties.entry(name).is_none())
            .filter_map(|name| {
                let (their_name, theirs) = default_there(name)?;
                let ours = default_here(name);
                Some(match their_name == name {
                    true => format!("{name} is {ours}, not {theirs}"),
                    false => format!("{name} is {ours}, not {their_name}={theirs}"),
                })
            });
        let meanings = all()
            .filter(|row| row.fate == Fate::Same && !row.remark.is_empty())
            .flat_map(|row| row.names.iter().map(move |name| (*name, row.remark)))
            .filter(|(name, _)| self.given.entry(name).is_some())
            .map(|(name, remark)| format!("{name} has Kafka's meaning: {remark}"));
        let differences: Vec<_> = defaults.chain(meanings).collect();
        (!differences.is_empty()).then(|| {
            format!(
                "librdkafka's names are in use ({}); what they leave open is as in Kafka's \
                 producer: {}",
                foreign.join(", "),
                differences.join("; ")
            )
        })
    }
}

/// The properties whose defaults matter most to users of librdkafka.
const DEFAULTS_TO_KNOW: [&str; 6] = [
    "partitioner.class",
    "enable.idempotence",
    "batch.size",
    "buffer.memory",
    "delivery.timeout.ms",
    "request.timeout.ms",
];

/// What librdkafka calls Kafka's property, and its default, if that is not ours.
fn default_there(name: &str) -> Option<(&'static str, &'static str)> {
    all().find_map(|row| {
        let their_name = row.names.iter().find(|one| match row.fate {
            Fate::Alias(of, _) => of == name,
            _ => **one == name,
        })?;
        Some((*their_name, row.default?))
    })
}

/// What librdkafka means by Kafka's name, if that is something else.
fn other_meaning(name: &str) -> Option<&'static str> {
    let row = all().find(|row| row.fate == Fate::Same && row.names.contains(&name))?;
    (!row.remark.is_empty()).then_some(row.remark)
}

/// The default of Kafka's property, which is ours.
pub(super) fn default_here(name: &str) -> &'static str {
    match table::find(name).map(|definition| definition.default) {
        Some(Preset::Text(text)) if !text.is_empty() => text,
        _ if name == "partitioner.class" => "murmur2_random",
        _ => "none",
    }
}

fn text(entry: &Entry) -> Result<&str, String> {
    match &entry.value {
        Given::Text(text) => Ok(text.trim()),
        Given::Object(object) => Err(format!("it takes text, not {}", object.described())),
    }
}

/// Whether librdkafka reads the text as this value; it has several words for a boolean.
fn is_the_same(text: &str, value: &str) -> bool {
    let text = match text {
        "t" | "T" | "1" if value == "true" => "true",
        "f" | "F" | "0" if value == "false" => "false",
        text => text,
    };
    text.eq_ignore_ascii_case(value)
}

/// Whether two texts mean the same to Kafka's property.
fn are_equal(name: &str, one: &str, another: &str) -> bool {
    let word = |text: &str| match text {
        "-1" if name == "acks" => "all".to_owned(),
        text => text.to_owned(),
    };
    let (one, another) = (word(one), word(another));
    let parse = |text: &str| table::find(name)?.kind.parse(text).ok();
    one == another || parse(&one).is_some_and(|value| Some(value) == parse(&another))
}

//! The values of all properties. Those that are set are checked against their rows in the table, each
//! on its own; the others have their defaults.

use crate::sorted_map::SortedMap;
use std::time::Duration;

use super::findings::{self, Findings};
use super::properties::{Entry, Properties, Value};
use super::shown;
use super::table::{self, Class, Definition, Kind, Parsed, Preset};
use crate::ids::topic_name_fault;

/// A value for each property that has one. The getters panic if a property has another type, which
/// would be a bug of this crate; a test asks for all of them.
#[derive(Debug)]
pub(super) struct Values {
    parsed: SortedMap<&'static str, Parsed>,
    set: SortedMap<&'static str, ()>,
    /// Set to what is no value of theirs; they have their defaults here.
    unsound: SortedMap<&'static str, ()>,
    /// By topic, what is set for it alone.
    topics: SortedMap<String, TopicValues>,
}

/// What is set for one topic alone, by the name of the property without prefix.
type TopicValues = SortedMap<&'static str, Parsed>;

impl Values {
    /// Reads all properties, and adds what is wrong with them to the findings.
    pub(super) fn read(properties: &Properties, findings: &mut Findings<'_>) -> Self {
        let mut values = Self {
            parsed: SortedMap::new(),
            set: SortedMap::new(),
            unsound: SortedMap::new(),
            topics: SortedMap::new(),
        };
        for (name, entry) in properties.entries() {
            let Some(definition) = table::find(name) else {
                values.read_for_topic(name, entry, findings);
                continue;
            };
            values.set.insert(definition.name, ());
            match read_value(name, definition, entry) {
                Ok(value) => {
                    values.parsed.insert(definition.name, value);
                }
                Err(complaint) => {
                    values.unsound.insert(definition.name, ());
                    findings.problem(name, complaint);
                }
            }
        }
        values.warn_of_the_ignored(findings);
        values.warn_of_what_is_not_replaced(properties, findings);
        for definition in table::all() {
            if !values.is_set(definition.name) && definition.default == Preset::Required {
                let meaning = definition.meaning.trim_end_matches('.');
                let message = format!("{} must be set: {meaning}", definition.name);
                findings.problem(definition.name, message);
                values.unsound.insert(definition.name, ());
            }
            if let (None, Some(value)) = (values.value(definition.name), definition.default_value())
            {
                values.parsed.insert(definition.name, value);
            }
        }
        values
    }

    /// Reads a property for one topic. Any other name is unknown, and reported elsewhere.
    fn read_for_topic(&mut self, name: &str, entry: &Entry, findings: &mut Findings<'_>) {
        let Some((topic, definition)) = table::find_per_topic(name) else {
            if let Some(fault) = entry.fault {
                findings.problem(name, fault.complaint(name));
            }
            return;
        };
        let value = match topic_name_fault(topic) {
            Some(fault) => {
                let (name, topic) = (shown::cut(name), shown::cut(topic));
                Err(format!(
                    "{name}: {topic:?} is not a legal topic name: {fault}"
                ))
            }
            None => read_value(name, definition, entry),
        };
        match value {
            Ok(value) => {
                let values = self
                    .topics
                    .get_or_insert_with(topic.to_owned(), SortedMap::new);
                values.insert(definition.name, value);
            }
            Err(complaint) => findings.problem(name, complaint),
        }
    }

    /// Warns of values that are ignored, once for each reason.
    fn warn_of_the_ignored(&self, findings: &mut Findings<'_>) {
        let mut ignored: SortedMap<Option<&str>, Vec<&str>> = SortedMap::new();
        for (name, value) in self.parsed.iter() {
            let definition = table::find(name).expect("only known names are parsed");
            let reason = match definition.class {
                Class::Inert => None,
                Class::LaterWith(switch) => Some(switch),
                Class::Supported | Class::Accepted | Class::Later | Class::LaterSwitch => continue,
            };
            if definition.default_value().as_ref() != Some(value) {
                ignored.get_or_insert_with(reason, Vec::new).push(name);
            }
        }
        for (reason, names) in ignored {
            let names = names.join(", ");
            findings.warnings.push(match reason {
                None => format!("ignored, as it has a meaning in a JVM only: {names}"),
                Some(switch) => format!("ignored, as {}: {names}", not_asked_for(switch)),
            });
        }
        let push = "enable.metrics.push";
        if self.is_set(push) && self.parsed.get(push) == Some(&Parsed::Boolean(true)) {
            let warning = format!("{push}=true has no effect yet: no metrics are pushed");
            findings.warnings.push(warning);
        }
    }

    /// A client id may be any text, but this was hardly meant to be part of one.
    fn warn_of_what_is_not_replaced(&self, properties: &Properties, findings: &mut Findings<'_>) {
        let name = "client.id";
        let Some(entry) = properties.entry(name) else {
            return;
        };
        let text = entry.text().unwrap_or_default().trim();
        let shown = shown::value(name, text);
        if findings::has_placeholder(text) {
            let warning = format!("{name}={shown:?}: a placeholder like ${{…}} is not replaced");
            findings.warnings.push(warning);
        } else if entry.line > 0 && findings::has_comment(text) {
            let warning = format!("{name}={shown:?}: a comment needs a line of its own");
            findings.warnings.push(warning);
        }
    }

    /// Whether none of these was set to what is no value of theirs. A rule that joins properties says
    /// nothing if one of them is wrong already.
    pub(super) fn are_sound(&self, names: &[&str]) -> bool {
        names.iter().all(|name| !self.unsound.contains_key(*name))
    }

    /// The topics that have properties of their own.
    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(String::as_str)
    }

    /// The value of a property for this topic alone.
    pub(super) fn of_topic(&self, topic: &str, name: &str) -> Option<&Parsed> {
        self.topics.get(topic)?.get(name)
    }

    /// Whether the user has set the property, even to its default.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.set.contains_key(name)
    }

    /// The value; `None` if it is not set and has no default.
    pub(super) fn value(&self, name: &str) -> Option<&Parsed> {
        self.parsed.get(name)
    }

    pub(super) fn integer(&self, name: &str) -> i64 {
        match self.value(name) {
            Some(Parsed::Integer(number)) => *number,
            other => unreachable!("{name} is an integer in the table: {other:?}"),
        }
    }

    /// A size or a count. What does not fit `usize` counts as its maximum.
    pub(super) fn size(&self, name: &str) -> usize {
        usize::try_from(self.integer(name).max(0)).unwrap_or(usize::MAX)
    }

    /// A number of bytes; −1 is `None`.
    pub(super) fn optional_size(&self, name: &str) -> Option<usize> {
        usize::try_from(self.integer(name)).ok()
    }

    /// A number of milliseconds. A negative one counts as 0. More than a hundred years count as a
    /// hundred: added to an `Instant`, a longer time could overflow, and no other code checks for that.
    pub(super) fn millis(&self, name: &str) -> Duration {
        let millis = u64::try_from(self.integer(name)).unwrap_or(0);
        Duration::from_millis(millis).min(HUNDRED_YEARS)
    }

    pub(super) fn boolean(&self, name: &str) -> bool {
        match self.value(name) {
            Some(Parsed::Boolean(boolean)) => *boolean,
            other => unreachable!("{name} is a boolean in the table: {other:?}"),
        }
    }

    pub(super) fn text(&self, name: &str) -> &str {
        match self.value(name) {
            Some(Parsed::Text(text)) => text,
            other => unreachable!("{name} is text in the table: {other:?}"),
        }
    }

    /// `None` if it is not set and has no default.
    pub(super) fn optional_text(&self, name: &str) -> Option<&str> {
        self.value(name).map(|_| self.text(name))
    }

    pub(super) fn list(&self, name: &str) -> &[String] {
        match self.value(name) {
            Some(Parsed::List(elements)) => elements,
            other => unreachable!("{name} is a list in the table: {other:?}"),
        }
    }
}

/// Why the properties that belong to `switch` have no effect, for messages and docs.
pub(super) fn not_asked_for(switch: &str) -> String {
    match table::find(switch).map(|definition| definition.default) {
        Some(Preset::Text(default)) => format!("{switch} is {default}"),
        _ => format!("{switch} is not set"),
    }
}

/// The value of a property that is set; the error says why it cannot be set to this.
fn read_value(name: &str, definition: &Definition, entry: &Entry) -> Result<Parsed, String> {
    if let Some(fault) = entry.fault {
        return Err(fault.complaint(name));
    }
    let text = match &entry.value {
        Value::Text(text) => text.trim(),
        Value::Object(object) => {
            let takes_objects = matches!(definition.kind, Kind::Class | Kind::Classes)
                && definition.class == Class::Supported;
            return if takes_objects {
                Ok(Parsed::Object(object.clone()))
            } else {
                Err(format!("{name} takes text, not {}", object.described()))
            };
        }
    };
    let shown = shown::value(name, text);
    let value = definition
        .kind
        .parse(text)
        .map_err(|complaint| format!("{name}={shown:?}: {complaint}"))?;
    let is_refused = definition.kind.is_later(&value)
        || definition.class == Class::Later && definition.default_value().as_ref() != Some(&value);
    if is_refused {
        let instead = match definition.default {
            Preset::Text(default) if !default.is_empty() => format!("it must be {default}"),
            _ => "leave it out".to_owned(),
        };
        return Err(format!("{name}={shown:?} is not supported yet; {instead}"));
    }
    Ok(value)
}

const HUNDRED_YEARS: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

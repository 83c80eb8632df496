//! Names and values as the user gave them, from code or from a file. Nothing is checked here.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::fault::{Fault, MalformedLines};
use super::object::PropertyObject;
use super::syntax::SyntaxError;
use super::torn::TornText;
use super::{shown, syntax};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventListener, ProducerEvent};

/// Kafka's properties: names with values, of which a later one wins over an earlier one.
///
/// Names and values are those of Kafka's own producer; `docs/CONFIGURATION.md` lists them. librdkafka's
/// names are accepted, too, and translated into Kafka's when a configuration is made. If a property is
/// set under both names, the later source wins: what is merged later, or what the program sets after
/// it has read a file. Within one source, both must have the same value.
/// Nothing is checked before a producer or a [`ProducerConfig`](crate::ProducerConfig) is made.
///
/// ```
/// use linger::{ProducerConfig, Properties};
///
/// let properties = Properties::new()
///     .set("bootstrap.servers", "localhost:9092")
///     .set("key.serializer", "string")
///     .set("value.serializer", "string")
///     .set("linger.ms", 20);
/// let config = ProducerConfig::from_properties(&properties)?;
/// # Ok::<(), linger::Error>(())
/// ```
#[must_use]
#[derive(Clone, Default)]
pub struct Properties {
    entries: BTreeMap<String, Entry>,
    /// Objects that the user has registered under a name, which class properties can then use.
    classes: BTreeMap<String, PropertyObject>,
    /// The program's function for events.
    listener: Option<EventListener>,
    /// Where the newest entries come from.
    source: Source,
    /// Whether a name that nobody knows is a warning, and not an error.
    is_lenient: bool,
    /// Lines of which no property could be made.
    malformed: MalformedLines,
}

/// Where entries come from: a file, or a run of calls in the program.
#[derive(Clone, Copy, Debug, Default)]
struct Source {
    /// Larger for later sources.
    order: usize,
    is_file: bool,
}

/// One property's value, and where it was written if that was in a file.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) value: Value,
    /// As `producer.properties:3`, or the name of an environment variable.
    pub(super) place: Option<String>,
    /// In a file; 0 elsewhere.
    pub(super) line: usize,
    pub(super) is_from_environment: bool,
    /// Why its value is not what was meant, whatever it is.
    pub(super) fault: Option<Fault>,
    /// If a property is set under two names, the one from the later source counts.
    pub(super) source: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Object(PropertyObject),
}

impl Properties {
    /// No properties at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a property to a text, or to anything that prints as one: `set("linger.ms", 20)`.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "numbers and texts are written down here, and read better without a reference"
    )]
    pub fn set(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.insert(name.into(), Value::Text(value.to_string()));
        self
    }

    /// Sets a property to a serializer, a partitioner or interceptors of the user's own.
    ///
    /// ```
    /// # use linger::{Context, Properties, PropertyObject, Serialized, Serializer};
    /// # struct OrderId(u64);
    /// # struct OrderIdSerializer;
    /// # impl Serializer<OrderId> for OrderIdSerializer {
    /// #     fn serialize<'a>(
    /// #         &self,
    /// #         _: &Context<'_>,
    /// #         id: &'a OrderId,
    /// #         buffer: &mut Vec<u8>,
    /// #     ) -> Result<Serialized<'a>, Box<dyn std::error::Error + Send + Sync>> {
    /// #         buffer.extend_from_slice(&id.0.to_be_bytes());
    /// #         Ok(Serialized::Buffer)
    /// #     }
    /// # }
    /// let properties = Properties::new()
    ///     .set("bootstrap.servers", "localhost:9092")
    ///     .set_object("key.serializer", PropertyObject::serializer(OrderIdSerializer))
    ///     .set("value.serializer", "string");
    /// ```
    pub fn set_object(mut self, name: impl Into<String>, object: PropertyObject) -> Self {
        self.insert(name.into(), Value::Object(object));
        self
    }

    /// Registers `object` under a name, so that text can refer to it: a file says
    /// `value.serializer=com.example.OrderSerializer`, and the program registers that serializer.
    pub fn register(mut self, class_name: impl Into<String>, object: PropertyObject) -> Self {
        self.classes.insert(class_name.into(), object);
        self
    }

    /// Makes a name that nobody knows a warning in the log, as with Kafka's own producer, and not an
    /// error: for files that have properties of other programs, too. A misspelled name is then easily
    /// overlooked. It holds for all properties here, and for what this is merged with.
    ///
    /// Names that a serializer, partitioner or interceptor asks for in `configure` are known without
    /// this.
    pub fn lenient(mut self) -> Self {
        self.is_lenient = true;
        self
    }

    /// Has the producer call `listener` for each [`ProducerEvent`]: a broker went down or is up again, none
    /// can be reached, a topic is refused, a broker asks for a pause. A later listener replaces an earlier
    /// one.
    ///
    /// It is called on the I/O thread, as [callbacks](crate::Producer#inside-a-callback) are, and what is
    /// said of them holds: it must not wait for the producer, one that takes long holds up everything, and
    /// one that panics is caught, logged and counted. Nothing depends on it: what a program has missed,
    /// [`Producer::state`](crate::Producer::state) tells.
    ///
    /// ```
    /// # use linger::Properties;
    /// let properties = Properties::new()
    ///     .set("bootstrap.servers", "localhost:9092")
    ///     .on_event(|event| eprintln!("{event}"));
    /// ```
    pub fn on_event(mut self, listener: impl Fn(&ProducerEvent) + Send + Sync + 'static) -> Self {
        self.listener = Some(EventListener::new(listener));
        self
    }

    /// Reads a file in the syntax of Java's `.properties` files.
    ///
    /// The file is read as UTF-8. (Java's tools read ISO-8859-1. If both have to read a file alike,
    /// write all characters but ASCII as `\u00e9`.)
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), with the file, if it cannot be read, has more
    /// than 16 MiB or is not UTF-8. Malformed lines and wrong values are found later, when a producer is
    /// made, so that all problems are told at once; they name file and line, too.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = read_file(path).map_err(|error| {
            let message = format!(
                "cannot read the properties file {}: {error}",
                path.display()
            );
            Error::with_source(ErrorKind::Config, message, error)
        })?;
        let file = path.display().to_string();
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to());
            let line = syntax::line_after(good.unwrap_or_default());
            let message = format!(
                "{file}:{line}: not UTF-8; save the file as UTF-8, or write such characters as \
                 \\u00e9"
            );
            Error::new(ErrorKind::Config, message)
        })?;
        Ok(Self::read(&text, |line| format!("{file}:{line}")))
    }

    /// Reads text in the syntax of Java's `.properties` files, as [`from_file`](Self::from_file)
    /// does. Malformed lines are found when a producer is made.
    pub fn parse(text: &str) -> Self {
        Self::read(text, |line| format!("line {line}"))
    }

    fn read(text: &str, place: impl Fn(usize) -> String) -> Self {
        let mut properties = Self::new();
        properties.begin_source(true);
        let mut torn = TornText::default();
        for property in syntax::Reader::new(text) {
            let property = match property {
                Ok(property) => property,
                Err(_) if torn.is_in_pem() => continue,
                Err(error) => {
                    properties.insert_malformed(error, &place);
                    continue;
                }
            };
            if let Some(whole) = torn.belongs_to(&property) {
                if let Some(entry) = properties.entries.get_mut(&whole) {
                    entry.fault = Some(Fault::Torn);
                }
                continue;
            }
            let mut entry = properties.entry_of(Value::Text(property.value));
            entry.place = Some(place(property.line));
            entry.line = property.line;
            properties.entries.insert(property.name, entry);
        }
        properties
    }

    /// What is set to a malformed value is set all the same, so that nobody takes it for missing.
    fn insert_malformed(&mut self, error: SyntaxError, place: impl Fn(usize) -> String) {
        let (name, value) = error.property.unzip();
        let mut entry = self.entry_of(Value::Text(value.unwrap_or_default()));
        entry.place = Some(place(error.line));
        entry.line = error.line;
        entry.fault = Some(Fault::Malformed(error.message));
        match name {
            Some(name) => {
                self.entries.insert(name, entry);
            }
            None => self.malformed.push(entry, error.message),
        }
    }

    /// The environment variables whose names begin with `prefix`: `KAFKA_BOOTSTRAP_SERVERS` sets
    /// `bootstrap.servers` with the prefix `KAFKA_`.
    ///
    /// The rest of the name is made lower case; in it `_` stands for a dot, `__` for an underscore, and
    /// `___` for a dash, as in Kafka's container images. So a topic whose name has capital letters
    /// cannot be set like this. The environment is shared with other programs: names that nobody knows
    /// (`KAFKA_HEAP_OPTS`) are a warning, and not an error. The prefix is compared with its case. A value
    /// that is not UTF-8 is found when a producer is made.
    pub fn from_env(prefix: &str) -> Self {
        Self::from_variables(prefix, env::vars_os())
    }

    pub(super) fn from_variables(
        prefix: &str,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Self {
        let mut properties = Self::new();
        properties.begin_source(true);
        for (variable, value) in variables {
            let Some(name) = variable.to_str().and_then(|name| name.strip_prefix(prefix)) else {
                continue;
            };
            if name.is_empty() {
                continue;
            }
            let place = Some(format!("{prefix}{name}"));
            let name = name.to_lowercase();
            let name = name.replace("___", "-").replace("__", "\0");
            let name = name.replace('_', ".").replace('\0', "_");
            let (text, fault) = match value.into_string() {
                Ok(text) => (text, None),
                Err(_) => (
                    String::new(),
                    Some(Fault::Malformed("its value is not UTF-8")),
                ),
            };
            let entry = Entry {
                place,
                is_from_environment: true,
                fault,
                ..properties.entry_of(Value::Text(text))
            };
            properties.entries.insert(name, entry);
        }
        properties
    }

    /// Takes out one property, whether it is text or an object.
    pub fn remove(mut self, name: &str) -> Self {
        self.take_out(name);
        self
    }

    /// Keeps the properties whose names pass, texts and objects alike. What is registered stays.
    pub fn retain(mut self, mut keep: impl FnMut(&str) -> bool) -> Self {
        self.entries.retain(|name, _| keep(name));
        self
    }

    /// The properties whose names begin with `prefix`, which is taken off: `subset("producer.")` makes
    /// `linger.ms` of `producer.linger.ms`, and leaves out what has another beginning. Objects, what is
    /// registered and lines without a name come along, and messages go on to say where in which file a property stands.
    pub fn subset(&self, prefix: &str) -> Self {
        let within = |(name, entry): (&String, &Entry)| {
            let name = name.strip_prefix(prefix).filter(|name| !name.is_empty())?;
            Some((name.to_owned(), entry.clone()))
        };
        Self {
            entries: self.entries.iter().filter_map(within).collect(),
            classes: self.classes.clone(),
            listener: self.listener.clone(),
            malformed: self.malformed.clone(),
            ..*self
        }
    }

    /// Adds all of `other`'s properties and registered names; where both have one, `other`'s wins.
    pub fn merge(mut self, other: Self) -> Self {
        let before = self.source.order + 1;
        let later = other.entries.into_iter().map(|(name, mut entry)| {
            entry.source += before;
            (name, entry)
        });
        self.entries.extend(later);
        self.classes.extend(other.classes);
        self.malformed.merge(other.malformed, before);
        self.is_lenient |= other.is_lenient;
        self.listener = other.listener.or(self.listener);
        self.source = Source {
            order: before + other.source.order,
            ..other.source
        };
        self
    }

    /// The text that a property is set to; `None` if it is not set, or to an object. A
    /// malformed text is as it stands.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries.get(name)?.text()
    }

    /// All properties that are set to text, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .filter_map(|(name, entry)| Some((name.as_str(), entry.text()?)))
    }

    /// Sets a property from the program.
    fn insert(&mut self, name: String, value: Value) {
        self.begin_source(false);
        let entry = self.entry_of(value);
        self.entries.insert(name, entry);
    }

    /// What is set next comes from a file or the environment, or else from the program.
    fn begin_source(&mut self, is_file: bool) {
        if self.source.is_file != is_file {
            self.source = Source {
                order: self.source.order + 1,
                is_file,
            };
        }
    }

    fn entry_of(&self, value: Value) -> Entry {
        Entry {
            value,
            place: None,
            line: 0,
            is_from_environment: false,
            fault: None,
            source: self.source.order,
        }
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    pub(super) fn put(&mut self, name: &str, entry: Entry) {
        self.entries.insert(name.to_owned(), entry);
    }

    pub(super) fn take_out(&mut self, name: &str) {
        self.entries.remove(name);
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries
            .iter()
            .map(|(name, entry)| (name.as_str(), entry))
    }

    pub(super) fn malformed(&self) -> &MalformedLines {
        &self.malformed
    }

    pub(super) fn is_lenient(&self) -> bool {
        self.is_lenient
    }

    pub(super) fn listener(&self) -> Option<&EventListener> {
        self.listener.as_ref()
    }

    /// The object that is registered under a name.
    pub(super) fn class(&self, name: &str) -> Option<&PropertyObject> {
        self.classes.get(name)
    }
}

impl Entry {
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Object(_) => None,
        }
    }
}

impl<K: Into<String>, V: ToString> Extend<(K, V)> for Properties {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        for (name, value) in pairs {
            self.insert(name.into(), Value::Text(value.to_string()));
        }
    }
}

impl<K: Into<String>, V: ToString> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut properties = Self::new();
        properties.extend(pairs);
        properties
    }
}

impl<K: Into<String>, V: ToString, const N: usize> From<[(K, V); N]> for Properties {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

/// Secrets are not shown, nor are the values of names that nobody knows; what is long is cut.
impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, entry) in &self.entries {
            let name_shown = match shown::is_known(name) {
                true => Some(shown::cut(name)),
                false => shown::unknown_name(name),
            };
            let name_shown = name_shown.as_deref().unwrap_or(shown::HIDDEN);
            match &entry.value {
                Value::Text(text) => map.entry(&name_shown, &shown::value(name, text)),
                Value::Object(object) => map.entry(&name_shown, object),
            };
        }
        map.finish()
    }
}

/// At most [`MOST_READ`]: a file that is no properties file may be of any size, or have no end.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MOST_READ + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_READ {
        let text = "it has more than 16 MiB, so it is no properties file";
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(bytes)
}

/// In bytes.
const MOST_READ: u64 = 16 * 1024 * 1024;

//! Names and values as the user gave them, from code or from a file. Nothing is checked here.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use super::object::PropertyObject;
use super::{syntax, table};
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
}

/// Where entries come from: a file, or a run of calls in the program.
#[derive(Clone, Copy, Debug, Default)]
struct Source {
    /// Larger for later sources.
    order: usize,
    is_file: bool,
}

/// One property's value, and where it was written if that was in a file.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) value: Value,
    /// As `producer.properties:3`.
    pub(super) place: Option<String>,
    /// If a property is set under two names, the one from the later source counts.
    pub(super) source: usize,
}

#[derive(Clone)]
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
        self.insert(name.into(), Value::Text(value.to_string()), None);
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
        self.insert(name.into(), Value::Object(object), None);
        self
    }

    /// Registers `object` under a name, so that text can refer to it: a file says
    /// `value.serializer=com.example.OrderSerializer`, and the program registers that serializer.
    pub fn register(mut self, class_name: impl Into<String>, object: PropertyObject) -> Self {
        self.classes.insert(class_name.into(), object);
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
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), with file and line, if the file cannot be
    /// read, is not UTF-8, or has a malformed `\u` escape. Errors in the values are found later, when
    /// a producer is made; they name file and line, too.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| {
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
        Self::read(&text, |line| format!("{file}:{line}"))
    }

    /// Reads text in the syntax of Java's `.properties` files, as [`from_file`](Self::from_file)
    /// does.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), with the line, for a malformed `\u` escape.
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text, |line| format!("line {line}"))
    }

    fn read(text: &str, place: impl Fn(usize) -> String) -> Result<Self> {
        let mut properties = Self::new();
        for property in syntax::Reader::new(text) {
            let property = property.map_err(|error| {
                let message = format!("{}: {}", place(error.line), error.message);
                Error::new(ErrorKind::Config, message)
            })?;
            let value = Value::Text(property.value);
            properties.insert(property.name, value, Some(place(property.line)));
        }
        Ok(properties)
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
        self.listener = other.listener.or(self.listener);
        self.source = Source {
            order: before + other.source.order,
            ..other.source
        };
        self
    }

    /// The text that a property is set to; `None` if it is not set, or to an object.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries.get(name)?.text()
    }

    /// All properties that are set to text, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .filter_map(|(name, entry)| Some((name.as_str(), entry.text()?)))
    }

    fn insert(&mut self, name: String, value: Value, place: Option<String>) {
        let is_file = place.is_some();
        if self.source.is_file != is_file {
            self.source = Source {
                order: self.source.order + 1,
                is_file,
            };
        }
        let source = self.source.order;
        let entry = Entry {
            value,
            place,
            source,
        };
        self.entries.insert(name, entry);
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    pub(super) fn put(&mut self, name: &str, entry: Entry) {
        self.entries.insert(name.to_owned(), entry);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.entries.remove(name);
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries
            .iter()
            .map(|(name, entry)| (name.as_str(), entry))
    }

    /// Where a property was written, if that was in a file.
    pub(super) fn place(&self, name: &str) -> Option<&str> {
        self.entries.get(name)?.place.as_deref()
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
    fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Object(_) => None,
        }
    }
}

impl<K: Into<String>, V: ToString> Extend<(K, V)> for Properties {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        for (name, value) in pairs {
            self.insert(name.into(), Value::Text(value.to_string()), None);
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

/// Passwords and keys are not shown.
impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, entry) in &self.entries {
            match &entry.value {
                Value::Text(_) if table::is_secret(name) => map.entry(name, &table::HIDDEN),
                Value::Text(text) => map.entry(name, text),
                Value::Object(object) => map.entry(name, object),
            };
        }
        map.finish()
    }
}

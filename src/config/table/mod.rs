//! Every property of Kafka's producer, and what becomes of it here: one row each, and nothing is
//! decided anywhere else. The rows of `producing` and `security` together are those of Kafka's
//! producer; `beyond` has the few that are not Kafka's.

mod beyond;
mod kind;
mod producing;
mod security;

pub(super) use kind::{Kind, Parsed};

/// One property.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) class: Class,
    pub(super) kind: Kind,
    pub(super) default: Preset,
    /// What it means, in a sentence or two: for the documentation, and for the message when a required
    /// one is missing.
    pub(super) meaning: &'static str,
    /// Whether it can be set for one topic, too, as `topic.NAME.` followed by its name.
    pub(super) is_per_topic: bool,
}

/// What becomes of a property's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It works as in Kafka.
    Supported,
    /// It has a meaning in a JVM only: ignored, with a warning if it is not the default.
    Inert,
    /// What it asks for does not exist yet: refused if it is not the default.
    Later,
    /// It belongs to a feature that does not exist yet, which the property named here would turn on.
    /// Turning it on is refused, so this one cannot matter: ignored, with a warning if it is not the
    /// default.
    LaterWith(&'static str),
    /// A switch for a feature that does not exist yet: both values are accepted.
    LaterSwitch,
}

/// The value of a property that is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preset {
    /// There is none: the property must be set.
    Required,
    /// None, and none is needed.
    Null,
    Text(&'static str),
}

/// All properties; no order is promised.
pub(super) fn all() -> impl Iterator<Item = &'static Definition> {
    kafkas().chain(beyond::ROWS)
}

/// Those that Kafka's producer has.
pub(super) fn kafkas() -> impl Iterator<Item = &'static Definition> {
    producing::ROWS.iter().chain(security::ROWS)
}

pub(super) fn find(name: &str) -> Option<&'static Definition> {
    all().find(|definition| definition.name == name)
}

/// The topic and the property in a name like `topic.NAME.acks`. Topics may have dots in their names, so
/// the end of the name is compared with the properties that exist. The topic's name may be illegal.
pub(super) fn find_per_topic(name: &str) -> Option<(&str, &'static Definition)> {
    let rest = name.strip_prefix(TOPIC_PREFIX)?;
    let topic_of = |one: &Definition| rest.strip_suffix(one.name)?.strip_suffix('.');
    per_topic().find_map(|one| Some((topic_of(one)?, one)))
}

/// The properties that can be set for one topic, too.
pub(super) fn per_topic() -> impl Iterator<Item = &'static Definition> {
    all().filter(|definition| definition.is_per_topic)
}

/// The prefix of properties for one topic.
pub(super) const TOPIC_PREFIX: &str = "topic.";

/// Whether a value must not be shown in messages and logs. Properties that are not Kafka's are judged
/// by their names: a misspelled password is still a password.
pub(super) fn is_secret(name: &str) -> bool {
    match find(name).or_else(|| Some(find_per_topic(name)?.1)) {
        Some(definition) => matches!(definition.kind, Kind::Secret),
        None => {
            let name = name.to_lowercase();
            [
                "password",
                "passphrase",
                "secret",
                "credential",
                "jaas",
                "token",
                ".key",
                "ssl_key",
            ]
            .into_iter()
            .any(|word| name.contains(word))
        }
    }
}

/// What is shown in place of a secret.
pub(super) const HIDDEN: &str = "[hidden]";

const fn supported(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    meaning: &'static str,
) -> Definition {
    Definition {
        name,
        class: Class::Supported,
        kind,
        default: Preset::Text(default),
        meaning,
        is_per_topic: false,
    }
}

impl Definition {
    const fn of_class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    const fn per_topic(mut self) -> Self {
        self.is_per_topic = true;
        self
    }

    const fn with_preset(mut self, default: Preset) -> Self {
        self.default = default;
        self
    }

    /// The default as a value; `None` if there is none.
    pub(super) fn default_value(&self) -> Option<Parsed> {
        match self.default {
            Preset::Required | Preset::Null => None,
            Preset::Text(text) => Some(
                self.kind
                    .parse(text)
                    .expect("the tests parse every default"),
            ),
        }
    }
}

const fn required(name: &'static str, kind: Kind, meaning: &'static str) -> Definition {
    supported(name, kind, "", meaning).with_preset(Preset::Required)
}

const fn inert(
    name: &'static str,
    kind: Kind,
    default: Preset,
    meaning: &'static str,
) -> Definition {
    supported(name, kind, "", meaning)
        .of_class(Class::Inert)
        .with_preset(default)
}

const fn later(
    name: &'static str,
    kind: Kind,
    default: Preset,
    meaning: &'static str,
) -> Definition {
    supported(name, kind, "", meaning)
        .of_class(Class::Later)
        .with_preset(default)
}

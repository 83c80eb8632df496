//! Finds the serializer, partitioner or interceptors that a class property names: an object of the
//! user's, a name that the user has registered, or a built-in name.

use std::any::type_name;
use std::fmt;

use super::object::{Object, PropertyObject};
use super::properties::Properties;
use super::shown;
use super::table::Parsed;
use crate::given::GivenProperties;
use crate::interceptor::ProducerInterceptor;
use crate::partitioner::{ByKey, Partitioning, RoundRobinPartitioner};
use crate::serializer::{self, ErasedSerializer, Serializer};
use crate::sync::Arc;

/// The serializer that the properties name, before the type of the producer's keys or values is known.
#[derive(Clone)]
pub(crate) enum SerializerChoice {
    /// None is named: the type decides.
    OfTheType,
    Named {
        serializer: ErasedSerializer,
        /// For messages: `"string"`, or that it is an object.
        name: String,
    },
}

impl SerializerChoice {
    /// Finds the serializer and lets it look at the properties, or says why there is none. `value` is
    /// what the property is set to.
    pub(super) fn find(
        properties: &Properties,
        value: Option<&Parsed>,
        given: &GivenProperties<'_>,
        is_key: bool,
    ) -> Result<Self, String> {
        let Some(value) = value else {
            return Ok(Self::OfTheType);
        };
        let serializer = match Meaning::of(properties, value) {
            Meaning::Object(PropertyObject(Object::Serializer(serializer))) => serializer.clone(),
            Meaning::Object(object) => {
                return Err(format!("{} is not a serializer", object.described()));
            }
            Meaning::Name(name) => {
                serializer::built_in(name).ok_or_else(|| unknown_serializer(name))?
            }
        };
        let name = match value {
            Parsed::Text(name) => format!("{name:?}"),
            _ => "the given object".to_owned(),
        };
        let configured = serializer.configure(given, is_key);
        configured.map_err(|error| format!("{name} refuses the properties: {error}"))?;
        Ok(Self::Named { serializer, name })
    }

    /// The serializer of `T`; the error says why there is none. `part` is key or value.
    pub(super) fn serving<T: ?Sized + 'static>(
        &self,
        part: &'static str,
    ) -> Result<Arc<dyn Serializer<T>>, String> {
        let found = match self {
            Self::OfTheType => serializer::default_for::<T>(),
            Self::Named { serializer, .. } => serializer.serving::<T>(),
        };
        found.ok_or_else(|| self.misfit(part, type_name::<T>(), serializer::name_serving::<T>()))
    }

    /// That this does not serve the type that is wanted, and what does.
    fn misfit(&self, part: &'static str, wanted: &str, better: Option<&str>) -> String {
        let mut message = match self {
            Self::OfTheType => format!(
                "{part}.serializer must be set, as the {part}s of this producer are {wanted}"
            ),
            Self::Named { serializer, name } => format!(
                "{part}.serializer: {name} serves {}, but the {part}s of this producer are {wanted}",
                serializer.served_types(),
            ),
        };
        if let Some(better) = better {
            message.push_str(&format!("; {better:?} serves {wanted}"));
        }
        message
    }
}

impl fmt::Debug for SerializerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfTheType => f.write_str("that of the type"),
            Self::Named { name, .. } => f.write_str(name),
        }
    }
}

fn unknown_serializer(name: &str) -> String {
    format!(
        "there is no serializer {:?}; there are {} (and the names of Java's classes), what \
         the program registers under a name, and objects",
        shown::plain(name),
        serializer::SHORT_NAMES.join(", "),
    )
}

/// Finds the partitioner, or says why there is none.
pub(super) fn find_partitioner(
    properties: &Properties,
    value: &Parsed,
    given: &GivenProperties<'_>,
) -> Result<Partitioning, String> {
    match Meaning::of(properties, value) {
        Meaning::Object(PropertyObject(Object::Partitioner(partitioner))) => {
            let configured = partitioner.configure(given);
            configured.map_err(|error| format!("it refuses the properties: {error}"))?;
            Ok(Partitioning::Custom(Arc::clone(partitioner)))
        }
        Meaning::Object(object) => Err(format!("{} is not a partitioner", object.described())),
        Meaning::Name(name) => built_in_partitioner(name),
    }
}

/// An interceptor with its name for the log.
type Named = (String, Arc<dyn ProducerInterceptor>);

/// Finds the interceptors in order, or says why there is none for one of the names. None is built in.
pub(super) fn find_interceptors(
    properties: &Properties,
    value: &Parsed,
    given: &GivenProperties<'_>,
) -> Result<Vec<Named>, String> {
    let found: Result<Vec<Named>, String> = match value {
        Parsed::Object(PropertyObject(Object::List(objects))) => {
            let named = |object: &PropertyObject| interceptor(object, None);
            objects.iter().map(named).collect()
        }
        Parsed::Object(object) => interceptor(object, None).map(|named| vec![named]),
        Parsed::List(names) => {
            let named = |name: &String| match properties.class(name) {
                Some(object) => interceptor(object, Some(name)),
                None => Err(format!(
                    "there is no interceptor {:?}; there are what the program registers under \
                     a name, and objects",
                    shown::plain(name)
                )),
            };
            names.iter().map(named).collect()
        }
        other => unreachable!("interceptors are names or objects: {other:?}"),
    };
    let found = found?;
    for (name, interceptor) in &found {
        let configured = interceptor.configure(given);
        configured.map_err(|error| format!("{name} refuses the properties: {error}"))?;
    }
    Ok(found)
}

fn interceptor(object: &PropertyObject, name: Option<&str>) -> Result<Named, String> {
    match &object.0 {
        Object::Interceptor(type_name, interceptor) => {
            let name = name.unwrap_or(type_name).to_owned();
            Ok((name, Arc::clone(interceptor)))
        }
        _ => Err(format!("{} is not an interceptor", object.described())),
    }
}

/// What the value of a class property refers to.
enum Meaning<'a> {
    /// An object, given directly or registered under the name.
    Object(&'a PropertyObject),
    /// A name that is not registered: perhaps a built-in one.
    Name(&'a str),
}

impl<'a> Meaning<'a> {
    fn of(properties: &'a Properties, value: &'a Parsed) -> Self {
        match value {
            Parsed::Object(object) => Self::Object(object),
            Parsed::Text(name) => properties
                .class(name)
                .map_or(Self::Name(name), Self::Object),
            other => unreachable!("class properties are names or objects: {other:?}"),
        }
    }
}

fn built_in_partitioner(name: &str) -> Result<Partitioning, String> {
    if let Some(rule) = ByKey::named(name, seed) {
        return Ok(Partitioning::ByKey(rule));
    }
    match name.strip_prefix(JAVA_PRODUCER_PACKAGE).unwrap_or(name) {
        "round_robin" | "RoundRobinPartitioner" => {
            Ok(Partitioning::Custom(Arc::new(RoundRobinPartitioner::new())))
        }
        "internals.DefaultPartitioner" | "UniformStickyPartitioner" => Err(format!(
            "{name:?} was removed from Kafka in 4.0; without partitioner.class the built-in \
             choice does its work"
        )),
        _ => Err(format!(
            "there is no partitioner {:?}; there are round_robin (or {JAVA_PRODUCER_PACKAGE}\
             RoundRobinPartitioner), librdkafka's {}, what the program registers under a name, and \
             objects",
            shown::plain(name),
            ByKey::NAMES.join(", "),
        )),
    }
}

/// The seed of random partitions: different in each configuration.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

const JAVA_PRODUCER_PACKAGE: &str = "org.apache.kafka.clients.producer.";

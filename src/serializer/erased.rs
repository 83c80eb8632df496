//! A serializer without its data type: properties hold serializers for any type, and a producer asks
//! for the one that serves its own.

use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;

use super::Serializer;
use super::built_in::Void;
use crate::given::GivenProperties;
use crate::sync::Arc;

/// One serializer, for one data type or for several. Cloning counts references.
#[derive(Clone)]
pub(crate) struct ErasedSerializer {
    serves: Serves,
}

#[derive(Clone)]
enum Serves {
    /// Any type at all: the data is not looked at.
    Everything,
    Types(Vec<ServedType>),
}

#[derive(Clone)]
struct ServedType {
    name: &'static str,
    /// Invariant: a `Typed<T>`, where `name` is the name of `T`.
    serializer: Arc<dyn Untyped>,
}

struct Typed<T: ?Sized>(Arc<dyn Serializer<T>>);

/// What can be asked of a serializer without its type, which [`Any`] gets back.
trait Untyped: Any + Send + Sync {
    fn configure(
        &self,
        properties: &GivenProperties<'_>,
        is_key: bool,
    ) -> Result<(), Box<dyn Error + Send + Sync>>;
}

impl<T: ?Sized + 'static> Untyped for Typed<T> {
    fn configure(
        &self,
        properties: &GivenProperties<'_>,
        is_key: bool,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.0.configure(properties, is_key)
    }
}

impl ErasedSerializer {
    pub(crate) fn new<T: ?Sized + 'static>(serializer: impl Serializer<T> + 'static) -> Self {
        Self {
            serves: Serves::Types(vec![ServedType::new(serializer)]),
        }
    }

    /// The serializer that gives null for everything.
    pub(super) fn void() -> Self {
        Self {
            serves: Serves::Everything,
        }
    }

    /// Serves `T`, too.
    pub(super) fn and<T: ?Sized + 'static>(
        mut self,
        serializer: impl Serializer<T> + 'static,
    ) -> Self {
        if let Serves::Types(types) = &mut self.serves {
            types.push(ServedType::new(serializer));
        }
        self
    }

    /// The serializer for `T`, if `T` is served.
    pub(crate) fn serving<T: ?Sized + 'static>(&self) -> Option<Arc<dyn Serializer<T>>> {
        match &self.serves {
            Serves::Everything => Some(Arc::new(Void)),
            Serves::Types(types) => types
                .iter()
                .find_map(|served| {
                    let serializer: &dyn Any = &*served.serializer;
                    serializer.downcast_ref::<Typed<T>>()
                })
                .map(|typed| Arc::clone(&typed.0)),
        }
    }

    /// Lets the serializer look at the properties.
    pub(crate) fn configure(
        &self,
        properties: &GivenProperties<'_>,
        is_key: bool,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        match &self.serves {
            Serves::Everything => Ok(()),
            Serves::Types(types) => types
                .iter()
                .try_for_each(|served| served.serializer.configure(properties, is_key)),
        }
    }

    /// The types that are served, for messages: `str and alloc::string::String`.
    pub(crate) fn served_types(&self) -> String {
        match &self.serves {
            Serves::Everything => "every type".to_owned(),
            Serves::Types(types) => {
                let names: Vec<_> = types.iter().map(|served| served.name).collect();
                names.join(" and ")
            }
        }
    }
}

impl ServedType {
    fn new<T: ?Sized + 'static>(serializer: impl Serializer<T> + 'static) -> Self {
        let serializer: Arc<dyn Serializer<T>> = Arc::new(serializer);
        Self {
            name: type_name::<T>(),
            serializer: Arc::new(Typed(serializer)),
        }
    }
}

impl fmt::Debug for ErasedSerializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "serializer of {}", self.served_types())
    }
}

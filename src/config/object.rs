//! Objects as values of properties: where Kafka's configuration names a class, a program may give
//! an object instead.

use std::any::type_name;
use std::fmt;

use crate::foreign::Held;
use crate::interceptor::ProducerInterceptor;
use crate::partitioner::Partitioner;
use crate::serializer::{ErasedSerializer, Serializer};
use crate::sync::Arc;

/// The user's own serializer, partitioner or interceptors, as the value of a property.
///
/// Cloning counts references: all producers made from the same object share it.
#[derive(Clone)]
pub struct PropertyObject(pub(super) Object);

#[derive(Clone)]
pub(super) enum Object {
    Serializer(ErasedSerializer),
    Partitioner(Arc<dyn Partitioner>),
    /// With the name of its type.
    Interceptor(&'static str, Arc<dyn ProducerInterceptor>),
    List(Vec<PropertyObject>),
}

impl PropertyObject {
    /// A serializer of `T`, for `key.serializer` or `value.serializer`.
    ///
    /// `T` is inferred if the serializer serves one type only; otherwise write
    /// `PropertyObject::serializer::<T>(…)`.
    pub fn serializer<T: ?Sized + 'static>(serializer: impl Serializer<T> + 'static) -> Self {
        Self(Object::Serializer(ErasedSerializer::new(Held::new(
            serializer,
        ))))
    }

    /// A partitioner, for `partitioner.class`.
    pub fn partitioner(partitioner: impl Partitioner + 'static) -> Self {
        Self(Object::Partitioner(Arc::new(Held::new(partitioner))))
    }

    /// An interceptor, for `interceptor.classes`. Log messages call it by the name that it is
    /// [registered](crate::Properties::register) under, or else by the name of its type.
    pub fn interceptor<I: ProducerInterceptor + 'static>(interceptor: I) -> Self {
        let interceptor = Arc::new(Held::new(interceptor));
        Self(Object::Interceptor(type_name::<I>(), interceptor))
    }

    /// For messages: "a partitioner", "an interceptor …".
    pub(super) fn described(&self) -> String {
        let article = match self.0 {
            Object::Interceptor(..) => "an",
            _ => "a",
        };
        format!("{article} {self:?}")
    }

    /// Several objects in their order, for `interceptor.classes`.
    pub fn list(objects: impl IntoIterator<Item = Self>) -> Self {
        Self(Object::List(objects.into_iter().collect()))
    }
}

impl fmt::Debug for PropertyObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Object::Serializer(serializer) => serializer.fmt(f),
            Object::Partitioner(_) => f.write_str("partitioner"),
            Object::Interceptor(type_name, _) => write!(f, "interceptor {type_name}"),
            Object::List(objects) => write!(f, "list of objects {objects:?}"),
        }
    }
}

//! An object of the user's that we keep for long: a serializer, a partitioner, an interceptor. Whoever
//! drops it last, on whatever thread, its drop cannot panic there.

use std::ops::Deref;

use super::dispose;
use super::logging::log_error;

/// Owns the object, and contains the panic of its drop.
pub(crate) struct Held<T>(Option<T>);

impl<T> Held<T> {
    pub(crate) fn new(object: T) -> Self {
        Self(Some(object))
    }
}

impl<T> Deref for Held<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        if let Err(panic) = self.0.take().map_or(Ok(()), dispose) {
            let name = std::any::type_name::<T>();
            log_error!("a {name} panicked as it was dropped: {panic}");
        }
    }
}

//! Turns keys and values into bytes: the trait that users implement, and the serializers that
//! Kafka brings along, with Java's bytes.
//!
//! A serializer never sees a null key or value (these stay null), and never runs with a lock held. Runs on: caller.

use std::error::Error;

use crate::foreign::Held;
use crate::record::Header;
use crate::sync::Arc;

mod built_in;
mod erased;

pub(crate) use built_in::{SHORT_NAMES, built_in, name_serving};
pub(crate) use erased::ErasedSerializer;

/// Turns keys or values of type `T` into bytes.
///
/// One serializer serves all threads that send through a producer, so it must be [`Sync`].
/// A panic in it unwinds to the caller of `send`; nothing is leaked. One of its drop is logged.
///
/// ```
/// use linger::{Context, Serialized, Serializer};
///
/// struct Order {
///     id: u64,
///     item: String,
/// }
///
/// struct OrderSerializer;
///
/// impl Serializer<Order> for OrderSerializer {
///     fn serialize<'a>(
///         &self,
///         _context: &Context<'_>,
///         order: &'a Order,
///         buffer: &mut Vec<u8>,
///     ) -> Result<Serialized<'a>, Box<dyn std::error::Error + Send + Sync>> {
///         buffer.extend_from_slice(&order.id.to_be_bytes());
///         buffer.extend_from_slice(order.item.as_bytes());
///         Ok(Serialized::Buffer)
///     }
/// }
/// ```
pub trait Serializer<T: ?Sized>: Send + Sync {
    /// Makes the bytes of `data`: borrows them from `data` itself, or writes them to `buffer`.
    ///
    /// `buffer` is empty at the start, and is used again for the next record, so a serializer that
    /// only writes to it allocates nothing.
    ///
    /// # Errors
    /// Whatever makes `data` impossible to write. The record is refused with this as the cause.
    fn serialize<'a>(
        &self,
        context: &Context<'_>,
        data: &'a T,
        buffer: &mut Vec<u8>,
    ) -> Result<Serialized<'a>, Box<dyn Error + Send + Sync>>;
}

/// Lets a program keep a reference to the serializer that it hands over.
impl<T: ?Sized, S: Serializer<T> + ?Sized> Serializer<T> for Arc<S> {
    fn serialize<'a>(
        &self,
        context: &Context<'_>,
        data: &'a T,
        buffer: &mut Vec<u8>,
    ) -> Result<Serialized<'a>, Box<dyn Error + Send + Sync>> {
        (**self).serialize(context, data, buffer)
    }
}

impl<T: ?Sized, S: Serializer<T>> Serializer<T> for Held<S> {
    fn serialize<'a>(
        &self,
        context: &Context<'_>,
        data: &'a T,
        buffer: &mut Vec<u8>,
    ) -> Result<Serialized<'a>, Box<dyn Error + Send + Sync>> {
        (**self).serialize(context, data, buffer)
    }
}

/// Where a [`Serializer`] has put the bytes.
#[expect(
    clippy::exhaustive_enums,
    reason = "bytes are absent, borrowed or written; there is no fourth"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serialized<'a> {
    /// Nowhere: the key or value is null.
    Null,
    /// In the data itself; they are copied once, straight into the batch.
    Bytes(&'a [u8]),
    /// In the buffer that the serializer was given.
    Buffer,
}

/// What a [`Serializer`] may know about the record besides the data.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    topic: &'a str,
    headers: &'a [Header<'a>],
    is_key: bool,
}

impl<'a> Context<'a> {
    /// The context of a key (`is_key`) or value in a record for `topic`.
    pub fn new(topic: &'a str, headers: &'a [Header<'a>], is_key: bool) -> Self {
        Self {
            topic,
            headers,
            is_key,
        }
    }

    /// The topic that the record is for.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The record's headers, in order.
    pub fn headers(&self) -> &'a [Header<'a>] {
        self.headers
    }

    /// Whether the data is the record's key; otherwise it is the value.
    pub fn is_key(&self) -> bool {
        self.is_key
    }
}

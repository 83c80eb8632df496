//! What a user sends: borrowed for `send`, owned for queues between threads.

use std::borrow::Borrow;
use std::fmt;

use crate::record::Header;

/// A record to be sent. It borrows everything: `send` encodes it before it returns.
///
/// `K` and `V` are the types that the producer's serializers take: `str`, `[u8]`, a type of the
/// user's own. [`new`](Self::new) and [`key`](Self::key) take whatever borrows as them, so with
/// `[u8]` all of `b"…"`, `&vec` and `&[u8]` will do.
///
/// ```
/// use linger::ProducerRecord;
///
/// let name = String::from("user123");
/// let record: ProducerRecord<'_, str, str> = ProducerRecord::new("orders", "order_placed")
///     .key(&name)
///     .header("trace", b"4bf92f35");
/// ```
pub struct ProducerRecord<'a, K: ?Sized, V: ?Sized> {
    pub(crate) topic: &'a str,
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) key: Option<&'a K>,
    pub(crate) value: Option<&'a V>,
    pub(crate) headers: Vec<Header<'a>>,
}

impl<'a, K: ?Sized, V: ?Sized> ProducerRecord<'a, K, V> {
    /// A record without key, for the partition that the producer chooses, stamped with the time of
    /// `send`: on Linux, records that a thread sends within one tick of the system's clock (usually
    /// 4 ms) share the time of the first of them.
    pub fn new<B: Borrow<V> + ?Sized>(topic: &'a str, value: &'a B) -> Self {
        Self {
            value: Some(value.borrow()),
            ..Self::tombstone(topic)
        }
    }

    /// A record whose value is null: on a compacted topic it deletes what was written under its
    /// key before.
    pub fn tombstone(topic: &'a str) -> Self {
        Self {
            topic,
            partition: None,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    /// Sets the key, which decides the partition unless [`partition`](Self::partition) does.
    #[must_use]
    pub fn key<B: Borrow<K> + ?Sized>(self, key: &'a B) -> Self {
        Self {
            key: Some(key.borrow()),
            ..self
        }
    }

    /// Sets the partition, from 0. A negative one is refused by `send`.
    #[must_use]
    pub fn partition(self, partition: i32) -> Self {
        Self {
            partition: Some(partition),
            ..self
        }
    }

    /// Sets the timestamp, in milliseconds since 1970. A negative one is refused by `send`. A topic
    /// with `message.timestamp.type=LogAppendTime` ignores it.
    #[must_use]
    pub fn timestamp(self, timestamp_ms: i64) -> Self {
        Self {
            timestamp_ms: Some(timestamp_ms),
            ..self
        }
    }

    /// Adds a header. Names may repeat; the order is kept.
    #[must_use]
    pub fn header<B: AsRef<[u8]> + ?Sized>(mut self, name: &'a str, value: &'a B) -> Self {
        self.headers.push(Header {
            name,
            value: Some(value.as_ref()),
        });
        self
    }

    /// Adds a header whose value is null, which is not the same as empty.
    #[must_use]
    pub fn null_header(mut self, name: &'a str) -> Self {
        self.headers.push(Header { name, value: None });
        self
    }

    /// The same record, owning its parts, to be kept or given to another thread.
    pub fn to_owned_record(&self) -> OwnedProducerRecord<K::Owned, V::Owned>
    where
        K: ToOwned,
        V: ToOwned,
    {
        let headers = self.headers.iter();
        OwnedProducerRecord {
            topic: self.topic.to_owned(),
            partition: self.partition,
            timestamp_ms: self.timestamp_ms,
            key: self.key.map(ToOwned::to_owned),
            value: self.value.map(ToOwned::to_owned),
            headers: headers
                .map(|header| (header.name.to_owned(), header.value.map(<[u8]>::to_vec)))
                .collect(),
        }
    }
}

impl<K: ?Sized, V: ?Sized> Clone for ProducerRecord<'_, K, V> {
    fn clone(&self) -> Self {
        Self {
            headers: self.headers.clone(),
            ..*self
        }
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for ProducerRecord<'_, K, V> {
    /// Names what the record is for, not what it holds: keys and values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerRecord")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("timestamp_ms", &self.timestamp_ms)
            .field("has_key", &self.key.is_some())
            .field("has_value", &self.value.is_some())
            .field("headers", &self.headers.len())
            .finish()
    }
}

/// A record that owns its parts, for queues between threads.
///
/// ```
/// use std::sync::mpsc;
/// use linger::{OwnedProducerRecord, ProducerRecord};
///
/// let (queue, records) = mpsc::channel::<OwnedProducerRecord<String, Vec<u8>>>();
/// let record: ProducerRecord<'_, str, [u8]> = ProducerRecord::new("orders", b"placed").key("user123");
/// queue.send(record.to_owned_record())?;
/// // On the other thread: producer.send(record.as_record(), …)
/// let owned = records.recv()?;
/// let record: ProducerRecord<'_, str, [u8]> = owned.as_record();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedProducerRecord<K, V> {
    /// The topic.
    pub topic: String,
    /// The partition, if not the producer chooses.
    pub partition: Option<i32>,
    /// Milliseconds since 1970, if not the time of `send`.
    pub timestamp_ms: Option<i64>,
    /// The key.
    pub key: Option<K>,
    /// The value; `None` is a tombstone.
    pub value: Option<V>,
    /// Names and values, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl<K, V> OwnedProducerRecord<K, V> {
    /// A record without key or headers, for the partition that the producer chooses.
    pub fn new(topic: impl Into<String>, value: V) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            timestamp_ms: None,
            key: None,
            value: Some(value),
            headers: Vec::new(),
        }
    }

    /// The borrowed form, as `send` takes it.
    pub fn as_record<B: ?Sized, C: ?Sized>(&self) -> ProducerRecord<'_, B, C>
    where
        K: Borrow<B>,
        V: Borrow<C>,
    {
        let headers = self.headers.iter();
        ProducerRecord {
            topic: &self.topic,
            partition: self.partition,
            timestamp_ms: self.timestamp_ms,
            key: self.key.as_ref().map(Borrow::borrow),
            value: self.value.as_ref().map(Borrow::borrow),
            headers: headers
                .map(|(name, value)| Header {
                    name,
                    value: value.as_deref(),
                })
                .collect(),
        }
    }
}

impl<K, V> fmt::Debug for OwnedProducerRecord<K, V> {
    /// As of [`ProducerRecord`]: what the record is for, not what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedProducerRecord")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("timestamp_ms", &self.timestamp_ms)
            .field("has_key", &self.key.is_some())
            .field("has_value", &self.value.is_some())
            .field("headers", &self.headers.len())
            .finish()
    }
}

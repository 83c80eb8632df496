//! Records that own their parts, and sending them. Runs on: caller.

use std::borrow::Borrow;
use std::fmt;

use crate::error::Result;
use crate::producer::{Group, GroupOnce, Producer, ProducerRecord};
use crate::record::Header;
use crate::record::metadata::RecordMetadata;

/// A record that owns its parts: for queues between threads, and for functions that make keys and values
/// themselves. [`Producer::send_owned`] sends it.
///
/// ```
/// use linger::OwnedProducerRecord;
///
/// fn placed(id: u64) -> OwnedProducerRecord<String, Vec<u8>> {
///     OwnedProducerRecord::new("orders", id.to_be_bytes().to_vec())
///         .key(format!("order-{id}"))
///         .header("source", "shop")
/// }
/// # assert_eq!(placed(1).key.as_deref(), Some("order-1"));
/// ```
///
/// ```
/// use std::sync::mpsc;
/// use linger::{OwnedProducerRecord, ProducerRecord};
///
/// let (queue, records) = mpsc::channel::<OwnedProducerRecord<String, Vec<u8>>>();
/// let record: ProducerRecord<'_, str, [u8]> = ProducerRecord::new("orders", b"placed").key("user123");
/// queue.send(record.to_owned_record())?;
/// // On the other thread: producer.send_owned(&record, …)
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
            value: Some(value),
            ..Self::tombstone(topic)
        }
    }

    /// A record whose value is null; see [`ProducerRecord::tombstone`].
    pub fn tombstone(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    /// Sets the key.
    #[must_use]
    pub fn key(self, key: K) -> Self {
        self.key_opt(Some(key))
    }

    /// Sets the key, or leaves the record without one.
    #[must_use]
    pub fn key_opt(self, key: Option<K>) -> Self {
        Self { key, ..self }
    }

    /// Sets the partition, from 0.
    #[must_use]
    pub fn partition(self, partition: i32) -> Self {
        Self {
            partition: Some(partition),
            ..self
        }
    }

    /// Sets the timestamp, in milliseconds since 1970.
    #[must_use]
    pub fn timestamp(self, timestamp_ms: i64) -> Self {
        Self {
            timestamp_ms: Some(timestamp_ms),
            ..self
        }
    }

    /// Adds a header. Names may repeat; the order is kept.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// Adds a header whose value is null, which is not the same as empty.
    #[must_use]
    pub fn null_header(mut self, name: impl Into<String>) -> Self {
        self.headers.push((name.into(), None));
        self
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
            owned: None,
        }
    }
}

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// [`send`](Self::send) of a record that owns its parts. It stays the caller's, and can be sent again
    /// if it is refused.
    ///
    /// ```
    /// # use linger::{OwnedProducerRecord, Producer, Properties};
    /// # let cluster = linger::testing::MockCluster::start()?;
    /// # let properties = Properties::new()
    /// #     .set("bootstrap.servers", cluster.bootstrap_servers())
    /// #     .set("key.serializer", "string")
    /// #     .set("value.serializer", "bytes");
    /// let producer: Producer<str, [u8]> = Producer::new(&properties)?;
    /// let record: OwnedProducerRecord<String, Vec<u8>> =
    ///     OwnedProducerRecord::tombstone("orders").key("order-1".to_owned());
    /// producer.send_owned(&record, |result| println!("{result:?}"))?;
    /// producer.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_owned<A, B, F>(&self, record: &OwnedProducerRecord<A, B>, callback: F) -> Result<()>
    where
        A: Borrow<K>,
        B: Borrow<V>,
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        self.send(record.as_record(), callback)
    }
}

impl<K: ?Sized, V: ?Sized, T: Send + 'static> Group<K, V, T> {
    /// [`Producer::send_owned`] with a token in place of a callback.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn send_owned<A, B>(&self, record: &OwnedProducerRecord<A, B>, token: T) -> Result<()>
    where
        A: Borrow<K>,
        B: Borrow<V>,
    {
        self.send(record.as_record(), token)
    }
}

impl<K: ?Sized, V: ?Sized, T: Send + 'static> GroupOnce<K, V, T> {
    /// [`Producer::send_owned`] with a token in place of a callback.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn send_owned<A, B>(&self, record: &OwnedProducerRecord<A, B>, token: T) -> Result<()>
    where
        A: Borrow<K>,
        B: Borrow<V>,
    {
        self.send(record.as_record(), token)
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

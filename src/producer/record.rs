//! What a user sends. Borrows, as `send` encodes a record before it returns.

use std::borrow::{Borrow, Cow};
use std::fmt;

use crate::producer::into::{CowHeader, IntoCow, IntoHeader};
use crate::producer::owned::OwnedProducerRecord;
use crate::record::Header;

/// A record to be sent. It borrows its key and its value: `send` encodes it before it returns. Its topic
/// and its headers are borrowed or owned, as they are given ([`IntoCow`]); to borrow them costs nothing.
///
/// `K` and `V` are the types that the producer's serializers take: `str`, `[u8]`, a type of the
/// user's own. [`new`](Self::new) and [`key`](Self::key) take whatever borrows as them, so with
/// `[u8]` all of `b"…"`, `&vec` and `text.as_bytes()` will do.
///
/// ```
/// use linger::ProducerRecord;
///
/// let name = String::from("user123");
/// let record: ProducerRecord<'_, str, str> = ProducerRecord::new("orders", "order_placed")
///     .key(&name)
///     .header("trace", b"4bf92f35");
/// ```
///
/// A function that makes a record lets it own what it has made; one that makes keys or values, too,
/// returns an [`OwnedProducerRecord`].
///
/// ```
/// # use linger::ProducerRecord;
/// fn of_tenant<'a>(tenant: &str, id: u64, value: &'a str) -> ProducerRecord<'a, str, str> {
///     ProducerRecord::new(format!("orders-{tenant}"), value).header("id", id.to_be_bytes())
/// }
/// # assert!(format!("{:?}", of_tenant("a", 1, "x")).contains("orders-a"));
/// ```
pub struct ProducerRecord<'a, K: ?Sized, V: ?Sized> {
    pub(crate) topic: &'a str,
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) key: Option<&'a K>,
    pub(crate) value: Option<&'a V>,
    pub(crate) headers: Vec<Header<'a>>,
    /// What the record does not borrow. `None` in most, so that these pay one comparison for it.
    pub(super) owned: Option<Box<Owned<'a>>>,
}

/// Takes the place of a record's topic and headers, if it owns any of them.
#[derive(Clone)]
pub(super) struct Owned<'a> {
    topic: Cow<'a, str>,
    headers: Vec<CowHeader<'a>>,
}

impl<'a, K: ?Sized, V: ?Sized> ProducerRecord<'a, K, V> {
    /// A record without key, for the partition that the producer chooses, stamped with the time of
    /// `send`: on Linux, records that a thread sends within one tick of the system's clock (usually
    /// 4 ms) share the time of the first of them.
    pub fn new<B: Borrow<V> + ?Sized>(topic: impl IntoCow<'a, str>, value: &'a B) -> Self {
        Self {
            value: Some(value.borrow()),
            ..Self::tombstone(topic)
        }
    }

    /// A record whose value is null: on a compacted topic it deletes what was written under its
    /// key before.
    pub fn tombstone(topic: impl IntoCow<'a, str>) -> Self {
        let (topic, owned) = match topic.into_cow() {
            Cow::Borrowed(topic) => (topic, None),
            topic @ Cow::Owned(_) => {
                let headers = Vec::new();
                ("", Some(Box::new(Owned { topic, headers })))
            }
        };
        Self {
            topic,
            partition: None,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Vec::new(),
            owned,
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

    /// Sets the key, or leaves the record without one.
    #[must_use]
    pub fn key_opt<B: Borrow<K> + ?Sized>(self, key: Option<&'a B>) -> Self {
        Self {
            key: key.map(Borrow::borrow),
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
    pub fn header(mut self, name: impl IntoCow<'a, str>, value: impl IntoCow<'a, [u8]>) -> Self {
        self.add((name.into_cow(), Some(value.into_cow())));
        self
    }

    /// Adds a header whose value is null, which is not the same as empty.
    #[must_use]
    pub fn null_header(mut self, name: impl IntoCow<'a, str>) -> Self {
        self.add((name.into_cow(), None));
        self
    }

    /// Adds headers, behind those that are there: pairs of a name and a value, or of a name and an
    /// `Option` of a value, where `None` is null.
    ///
    /// ```
    /// # use linger::ProducerRecord;
    /// let record: ProducerRecord<'_, str, str> = ProducerRecord::new("orders", "order_placed")
    ///     .headers([("source", "shop"), ("region", "eu")]);
    /// ```
    #[must_use]
    pub fn headers<H: IntoHeader<'a>>(mut self, headers: impl IntoIterator<Item = H>) -> Self {
        for header in headers {
            self.add(header.into_header());
        }
        self
    }

    #[inline]
    fn add(&mut self, header: CowHeader<'a>) {
        let (name, value) = match (self.owned.is_none(), header) {
            (true, (Cow::Borrowed(name), Some(Cow::Borrowed(value)))) => (name, Some(value)),
            (true, (Cow::Borrowed(name), None)) => (name, None),
            (_, header) => return self.add_owned(header),
        };
        self.headers.push(Header { name, value });
    }

    /// Adds a header to those that are owned, and moves the others there.
    #[cold]
    fn add_owned(&mut self, header: CowHeader<'a>) {
        let topic = self.topic;
        let owned = self.owned.get_or_insert_with(|| {
            let headers = Vec::new();
            let topic = Cow::Borrowed(topic);
            Box::new(Owned { topic, headers })
        });
        let borrowed = std::mem::take(&mut self.headers).into_iter();
        owned.headers.extend(borrowed.map(Header::into_header));
        owned.headers.push(header);
    }

    /// Drops the record. A drop left to the compiler is a call, also for a record that owns nothing.
    #[inline]
    pub(super) fn let_go(self) {
        #[cold]
        #[inline(never)]
        fn drop_owned(_: Box<Owned<'_>>) {}

        if let Some(owned) = self.owned {
            drop_owned(owned);
        }
    }

    /// A record that owns nothing and says the same, if this one owns anything.
    #[inline]
    pub(super) fn borrowed(&self) -> Option<ProducerRecord<'_, K, V>> {
        let owned = self.owned.as_deref()?;
        Some(self.borrow_from(owned))
    }

    #[cold]
    fn borrow_from<'b>(&'b self, owned: &'b Owned<'_>) -> ProducerRecord<'b, K, V> {
        let headers = owned.headers.iter().map(|(name, value)| Header {
            name,
            value: value.as_deref(),
        });
        ProducerRecord {
            topic: &owned.topic,
            partition: self.partition,
            timestamp_ms: self.timestamp_ms,
            key: self.key,
            value: self.value,
            headers: headers.collect(),
            owned: None,
        }
    }

    /// The same record, owning its parts, to be kept or given to another thread.
    pub fn to_owned_record(&self) -> OwnedProducerRecord<K::Owned, V::Owned>
    where
        K: ToOwned,
        V: ToOwned,
    {
        if let Some(record) = self.borrowed() {
            return record.to_owned_record();
        }
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
            owned: self.owned.clone(),
            ..*self
        }
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for ProducerRecord<'_, K, V> {
    /// Names what the record is for, not what it holds: keys and values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(record) = self.borrowed() {
            return record.fmt(f);
        }
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

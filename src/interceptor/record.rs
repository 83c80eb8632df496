//! A record on its way through the interceptors. Borrows whatever they do not change.

use std::borrow::Cow;
use std::fmt;

use crate::ids::topic_name_fault;
use crate::record::Header;

/// A record as [`ProducerInterceptor::on_send`](crate::ProducerInterceptor::on_send) sees it, and may
/// change it: serialized, and not yet given a partition.
///
/// All of it may be changed. A new topic brings its own settings, and `send` waits for it like for any
/// other; a new key changes the partition, unless that is set.
#[derive(Clone)]
pub struct InterceptedRecord<'a> {
    topic: Cow<'a, str>,
    partition: Option<i32>,
    timestamp_ms: Option<i64>,
    key: Option<Cow<'a, [u8]>>,
    value: Option<Cow<'a, [u8]>>,
    headers: Headers<'a>,
}

#[derive(Clone)]
enum Headers<'a> {
    /// The caller's.
    Given(&'a [Header<'a>]),
    Changed(Vec<Changed<'a>>),
}

type Changed<'a> = (Cow<'a, str>, Option<Cow<'a, [u8]>>);

impl<'a> InterceptedRecord<'a> {
    /// A record with these serialized bytes and headers, to try an interceptor on; `None` is null.
    pub fn new(
        topic: &'a str,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        headers: &'a [Header<'a>],
    ) -> Self {
        Self {
            topic: Cow::Borrowed(topic),
            partition: None,
            timestamp_ms: None,
            key: key.map(Cow::Borrowed),
            value: value.map(Cow::Borrowed),
            headers: Headers::Given(headers),
        }
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition; `None` if the producer chooses it.
    pub fn partition(&self) -> Option<i32> {
        self.partition
    }

    /// Milliseconds since 1970; `None` stands for the time of `send`.
    pub fn timestamp_ms(&self) -> Option<i64> {
        self.timestamp_ms
    }

    /// The serialized key, if there is one.
    pub fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    /// The serialized value; `None` for a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    /// The headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = Header<'_>> {
        let (given, changed): (&[Header<'_>], &[Changed<'_>]) = match &self.headers {
            Headers::Given(given) => (given, &[]),
            Headers::Changed(changed) => (&[], changed),
        };
        let changed = changed.iter().map(|(name, value)| Header {
            name,
            value: value.as_deref(),
        });
        given.iter().copied().chain(changed)
    }

    /// Sends the record to another topic. The partition stays as it is: unset it if it was meant for
    /// the old one.
    pub fn set_topic(&mut self, topic: impl Into<Cow<'a, str>>) {
        self.topic = topic.into();
    }

    /// Sets the partition, from 0; `None` leaves it to the producer.
    pub fn set_partition(&mut self, partition: Option<i32>) {
        self.partition = partition;
    }

    /// Sets the timestamp, in milliseconds since 1970; `None` is the time of `send`.
    pub fn set_timestamp_ms(&mut self, timestamp_ms: Option<i64>) {
        self.timestamp_ms = timestamp_ms;
    }

    /// Replaces the key.
    pub fn set_key(&mut self, key: impl Into<Cow<'a, [u8]>>) {
        self.key = Some(key.into());
    }

    /// Makes the key null.
    pub fn remove_key(&mut self) {
        self.key = None;
    }

    /// Replaces the value.
    pub fn set_value(&mut self, value: impl Into<Cow<'a, [u8]>>) {
        self.value = Some(value.into());
    }

    /// Makes the value null: on a compacted topic, the record then deletes.
    pub fn remove_value(&mut self) {
        self.value = None;
    }

    /// Adds a header behind the others. Names may repeat.
    pub fn add_header(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, [u8]>>) {
        let header = (name.into(), Some(value.into()));
        self.change_headers().push(header);
    }

    /// Adds a header whose value is null, which is not the same as empty.
    pub fn add_null_header(&mut self, name: impl Into<Cow<'a, str>>) {
        let header = (name.into(), None);
        self.change_headers().push(header);
    }

    /// Removes all headers of this name.
    pub fn remove_headers(&mut self, name: &str) {
        self.change_headers().retain(|(own, _)| own != name);
    }

    fn change_headers(&mut self) -> &mut Vec<Changed<'a>> {
        if let Headers::Given(given) = self.headers {
            let change = |one: &Header<'a>| (one.name.into(), one.value.map(Cow::Borrowed));
            self.headers = Headers::Changed(given.iter().map(change).collect());
        }
        match &mut self.headers {
            Headers::Changed(changed) => changed,
            Headers::Given(_) => unreachable!("they have just become changed ones"),
        }
    }

    /// The headers as they are encoded; allocates if they were changed.
    pub(crate) fn header_list(&self) -> Cow<'_, [Header<'_>]> {
        match &self.headers {
            Headers::Given(given) => Cow::Borrowed(given),
            Headers::Changed(_) => Cow::Owned(self.headers().collect()),
        }
    }

    /// What an interceptor must not have done since the record was as `before`.
    pub(super) fn fault_since(&self, before: &Self) -> Option<String> {
        let (partition, timestamp) = (self.partition, self.timestamp_ms);
        if partition != before.partition && partition.is_some_and(|partition| partition < 0) {
            return Some("set a negative partition".to_owned());
        }
        if timestamp != before.timestamp_ms && timestamp.is_some_and(|timestamp| timestamp < 0) {
            return Some("set a negative timestamp".to_owned());
        }
        if self.topic == before.topic {
            return None;
        }
        let fault = topic_name_fault(&self.topic)?;
        Some(format!("set an illegal topic name: {fault}"))
    }
}

impl fmt::Debug for InterceptedRecord<'_> {
    /// As of a [`ProducerRecord`](crate::ProducerRecord): what it is for, not what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InterceptedRecord")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("timestamp_ms", &self.timestamp_ms)
            .field("has_key", &self.key.is_some())
            .field("has_value", &self.value.is_some())
            .field("headers", &self.headers().count())
            .finish()
    }
}

//! A record that a close or a purge hands back: decoded from the bytes of its batch, with the error
//! that its callback got. Made on the I/O thread, and only if a caller has asked for such records.

use std::fmt;

use crate::error::{Error, Fate};
use crate::record::decode::DecodedRecord;
use crate::sync::Arc;

/// A record that was accepted and not acknowledged, as
/// [`close_and_return`](crate::Producer::close_and_return) and
/// [`purge_and_return`](crate::Producer::purge_and_return) hand it back: key and value as the
/// serializers made them.
#[derive(Clone)]
pub struct UndeliveredRecord {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) record: DecodedRecord,
    pub(super) error: Error,
}

impl UndeliveredRecord {
    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    pub(crate) fn shared_topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The partition that was chosen for it, from 0.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The timestamp that it was given or stamped with, in milliseconds since 1970.
    pub fn timestamp_ms(&self) -> i64 {
        self.record.timestamp_ms
    }

    /// The serialized key.
    pub fn key(&self) -> Option<&[u8]> {
        self.record.key.as_deref()
    }

    /// The serialized value; `None` is a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        self.record.value.as_deref()
    }

    /// Names and values of the headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let headers = self.record.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Whether it may be in the log all the same: the fate of its [`error`](Self::error).
    pub fn fate(&self) -> Fate {
        self.error.fate()
    }

    /// Why it was not acknowledged: the error that its callback got.
    pub fn error(&self) -> &Error {
        &self.error
    }
}

impl fmt::Debug for UndeliveredRecord {
    /// As of a [`ProducerRecord`](crate::ProducerRecord): what it is for, not what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UndeliveredRecord")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("timestamp_ms", &self.record.timestamp_ms)
            .field("has_key", &self.record.key.is_some())
            .field("has_value", &self.record.value.is_some())
            .field("headers", &self.record.headers.len())
            .field("error", &self.error)
            .finish()
    }
}

//! What a callback gets for an acknowledged record.

use std::fmt;

use smol_str::SmolStr;

/// Where in the log an acknowledged record is. Prints as `orders-2@41`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordMetadata {
    pub(crate) topic: SmolStr,
    pub(crate) partition: i32,
    pub(crate) offset: Option<i64>,
    pub(crate) timestamp_ms: i64,
    pub(crate) key_size: Option<usize>,
    pub(crate) value_size: Option<usize>,
}

impl RecordMetadata {
    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition, from 0.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The position in the partition. `None` with `acks=0`, where no broker answers.
    pub fn offset(&self) -> Option<i64> {
        self.offset
    }

    /// Milliseconds since 1970: the broker's time if the topic has
    /// `message.timestamp.type=LogAppendTime`, else the record's own.
    pub fn timestamp_ms(&self) -> i64 {
        self.timestamp_ms
    }

    /// Bytes of the serialized key; `None` if the record has none.
    pub fn key_size(&self) -> Option<usize> {
        self.key_size
    }

    /// Bytes of the serialized value; `None` for a tombstone.
    pub fn value_size(&self) -> Option<usize> {
        self.value_size
    }
}

impl fmt::Display for RecordMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}@", self.topic, self.partition)?;
        match self.offset {
            Some(offset) => offset.fmt(f),
            None => f.write_str("?"),
        }
    }
}

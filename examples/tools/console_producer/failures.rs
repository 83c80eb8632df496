//! Tells of records that were not acknowledged, and counts them, on whatever thread learns of it.

use std::sync::atomic::{AtomicU64, Ordering};

use linger::Error;

use crate::lines::Line;
use crate::parser::Parts;

/// What is told of a record in case it fails: its line, and the sizes of key and value.
pub(crate) struct Sent {
    line: u64,
    key_bytes: Option<usize>,
    value_bytes: Option<usize>,
}

impl Sent {
    pub(crate) fn new(line: &Line<'_>, parts: &Parts<'_>) -> Self {
        Self {
            line: line.number,
            key_bytes: parts.key.map(str::len),
            value_bytes: parts.value.map(str::len),
        }
    }
}

/// The records that failed.
pub(crate) struct Failures {
    topic: String,
    tell: Box<dyn Fn(&str) + Send + Sync>,
    count: AtomicU64,
}

impl Failures {
    /// Failures in sending to this topic; `tell` gets a sentence about each.
    pub(crate) fn new(topic: &str, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            topic: topic.to_owned(),
            tell: Box::new(tell),
            count: AtomicU64::new(0),
        }
    }

    /// Kafka's words, but for the line.
    pub(crate) fn report(&self, sent: &Sent, error: &Error) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let size = |bytes: Option<usize>| match bytes {
            Some(bytes) => format!("{bytes} bytes"),
            None => "null".to_owned(),
        };
        (self.tell)(&format!(
            "Error when sending message to topic {} with key: {}, value: {} with error: {error} \
             (line number {})",
            self.topic,
            size(sent.key_bytes),
            size(sent.value_bytes),
            sent.line
        ));
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

//! What a producer was told about its records, and whether Kafka's consumer agrees.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use linger::{Properties, RecordMetadata, Result};

use crate::helper::ReadRecord;

/// Properties for keys and values of bytes, and a linger that lets batches fill.
pub fn properties(bootstrap: &str) -> Properties {
    Properties::new()
        .set("bootstrap.servers", bootstrap)
        .set("key.serializer", "bytes")
        .set("value.serializer", "bytes")
}

/// What one callback was told.
#[derive(Debug)]
pub struct Delivery {
    /// The record's value, which tests keep unique.
    pub value: String,
    /// What the callback was called with.
    pub outcome: Result<RecordMetadata>,
    /// Since the callback was made, right before `send`.
    pub took: Duration,
}

/// Collects what callbacks are told, in the order in which they run.
#[derive(Debug)]
pub struct Deliveries {
    told: Sender<Delivery>,
    collected: Receiver<Delivery>,
}

impl Default for Deliveries {
    fn default() -> Self {
        let (told, collected) = channel();
        Self { told, collected }
    }
}

impl Deliveries {
    /// A callback for the record with this value.
    pub fn callback(
        &self,
        value: impl Into<String>,
    ) -> impl FnOnce(Result<RecordMetadata>) + Send + 'static {
        Self::telling(&self.told, value)
    }

    /// A sender for another thread, for [`telling`](Self::telling).
    pub fn sender(&self) -> Sender<Delivery> {
        self.told.clone()
    }

    /// A callback that tells a sender of [`sender`](Self::sender).
    pub fn telling(
        told: &Sender<Delivery>,
        value: impl Into<String>,
    ) -> impl FnOnce(Result<RecordMetadata>) + Send + 'static {
        let (told, value, sent) = (told.clone(), value.into(), Instant::now());
        // Nobody listens any more when a test has failed already.
        move |outcome| {
            let took = sent.elapsed();
            drop(told.send(Delivery {
                value,
                outcome,
                took,
            }));
        }
    }

    /// What has been told so far.
    pub fn so_far(&self) -> impl Iterator<Item = Delivery> + '_ {
        self.collected.try_iter()
    }

    /// Everything that was told; for after `close`, when all callbacks have run.
    pub fn all(self) -> Vec<Delivery> {
        drop(self.told);
        self.collected.try_iter().collect()
    }
}

/// Asserts that every delivery succeeded and lies exactly where its callback said, and that
/// nothing else lies there.
///
/// # Panics
///
/// Panics if not.
pub fn assert_all_stored(deliveries: &[Delivery], records: &[ReadRecord]) {
    let stored: HashMap<(i32, i64), &ReadRecord> = records
        .iter()
        .map(|record| ((record.partition, record.offset), record))
        .collect();
    for Delivery { value, outcome, .. } in deliveries {
        let metadata = outcome.as_ref().expect("every record is acknowledged");
        let offset = metadata.offset().expect("an offset, unless acks=0");
        let record = stored.get(&(metadata.partition(), offset));
        let found = record.map(|record| record.text());
        assert_eq!(found, Some(&value[..]), "what lies at {metadata}");
    }
    assert_eq!(
        records.len(),
        deliveries.len(),
        "records stored and acknowledged"
    );
}

/// Asserts that in each partition the values that share the text before their last `-` count up
/// in the number behind it.
///
/// # Panics
///
/// Panics if one overtook another, or is there twice.
pub fn assert_in_order(records: &[ReadRecord]) {
    let mut last: HashMap<(i32, &str), u64> = HashMap::new();
    for record in records {
        let text = record.text();
        let (source, number) = text.rsplit_once('-').expect("a value like source-17");
        let number: u64 = number.parse().expect("a value like source-17");
        if let Some(before) = last.insert((record.partition, source), number) {
            let place = format!("{}@{}", record.partition, record.offset);
            assert!(
                before < number,
                "{source}-{number} at {place} comes after {source}-{before}"
            );
        }
    }
}

//! Chooses the partition of a record: by the hash of its key, in turn, or by the user's own
//! partitioner.
//!
//! Reads no clock, and knows neither queues nor brokers: what it needs is handed in. Runs on:
//! caller.

use std::error::Error;

use crate::foreign::Held;
use crate::sync::Arc;

mod by_key;
mod draws;
mod fnv1a;
mod murmur2;
mod round_robin;
mod sticky;

pub(crate) use by_key::ByKey;
pub use round_robin::RoundRobinPartitioner;
pub(crate) use sticky::WeightedRoundRobin;

/// How the partition is chosen for a record that does not name one.
#[derive(Clone)]
pub(crate) enum Partitioning {
    ByKey(ByKey),
    Custom(Arc<dyn Partitioner>),
}

/// Chooses partitions in the user's own way.
///
/// It is asked for every record that does not name its partition, with the key and value as
/// bytes. One partitioner serves all threads that send through a producer, so it must be
/// [`Sync`]; it runs with no lock held. A panic in it unwinds to the caller of `send`; one of its drop is
/// logged.
///
/// ```
/// use linger::{PartitionRequest, Partitioner, TopicPartitions};
///
/// /// Keeps partition 0 for records without a key.
/// struct KeylessFirst;
///
/// impl Partitioner for KeylessFirst {
///     fn partition(
///         &self,
///         record: &PartitionRequest<'_>,
///         partitions: &TopicPartitions<'_>,
///     ) -> Result<i32, Box<dyn std::error::Error + Send + Sync>> {
///         match record.key() {
///             Some([first, ..]) => Ok(i32::from(*first) % partitions.count()),
///             _ => Ok(0),
///         }
///     }
/// }
/// ```
pub trait Partitioner: Send + Sync {
    /// The partition that `record` goes to: 0 or more, and below `partitions.count()`.
    ///
    /// # Errors
    /// Whatever makes the choice impossible. The record is refused with this as the cause, as it
    /// is for a partition that does not exist.
    fn partition(
        &self,
        record: &PartitionRequest<'_>,
        partitions: &TopicPartitions<'_>,
    ) -> Result<i32, Box<dyn Error + Send + Sync>>;
}

/// Lets a program keep a reference to the partitioner that it hands over.
impl<P: Partitioner + ?Sized> Partitioner for Arc<P> {
    fn partition(
        &self,
        record: &PartitionRequest<'_>,
        partitions: &TopicPartitions<'_>,
    ) -> Result<i32, Box<dyn Error + Send + Sync>> {
        (**self).partition(record, partitions)
    }
}

impl<P: Partitioner> Partitioner for Held<P> {
    fn partition(
        &self,
        record: &PartitionRequest<'_>,
        partitions: &TopicPartitions<'_>,
    ) -> Result<i32, Box<dyn Error + Send + Sync>> {
        (**self).partition(record, partitions)
    }
}

/// The record that a [`Partitioner`] is asked about.
#[derive(Clone, Copy, Debug)]
pub struct PartitionRequest<'a> {
    topic: &'a str,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl<'a> PartitionRequest<'a> {
    /// A record for `topic` with these serialized bytes; `None` is null.
    pub fn new(topic: &'a str, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Self {
        Self { topic, key, value }
    }

    /// The topic that the record is for.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The serialized key, if the record has one.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// The serialized value; `None` for a tombstone.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }
}

/// The partitions that a [`Partitioner`] may choose from. A topic may grow while records are
/// sent, so the count may differ from one call to the next.
#[derive(Clone, Copy, Debug)]
pub struct TopicPartitions<'a> {
    count: i32,
    available: &'a [i32],
}

impl<'a> TopicPartitions<'a> {
    /// Partitions 0 to `count` − 1, of which those in `available` have a leader.
    pub fn new(count: i32, available: &'a [i32]) -> Self {
        Self { count, available }
    }

    /// How many partitions the topic has, with and without a leader; at least 1.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// The partitions that have a leader now, in ascending order. May be empty.
    pub fn available(&self) -> &'a [i32] {
        self.available
    }
}

//! What a program needs of a producer, as a trait: so that a test can hand it another one. Runs on: caller.

use std::fmt;
use std::time::Duration;

use crate::error::Result;
use crate::metrics::ProducerMetrics;
use crate::producer::{
    CloseReport, PartitionInfo, Producer, ProducerRecord, ProducerState, Purge, PurgeReport,
    SendError,
};
use crate::record::metadata::RecordMetadata;

/// What is called with a record's outcome, for the methods of [`Produce`].
pub type Callback = Box<dyn FnOnce(Result<RecordMetadata>) + Send>;

/// The calls of a [`Producer`], as a trait of which objects can be made: what a program holds that is tested
/// without a cluster. The crate's feature `testing` adds `MockProducer`, which keeps its records in memory;
/// a program can have an implementation of its own.
///
/// ```
/// use linger::{Produce, ProducerRecord};
///
/// struct Shop {
///     producer: Box<dyn Produce<str, str>>,
/// }
///
/// impl Shop {
///     fn place(&self, order: &str) -> linger::Result<()> {
///         let record = ProducerRecord::new("orders", order);
///         self.producer.send(record, Box::new(|result| {
///             if let Err(error) = result {
///                 eprintln!("{error}");
///             }
///         }))
///     }
/// }
/// ```
///
/// Each method does what the producer's own method of that name does, with a boxed callback. Groups and
/// handles are not among them: a group's function has a type of its own, and a callback does what a handle does.
pub trait Produce<K: ?Sized, V: ?Sized>: fmt::Debug + Send + Sync {
    /// As [`Producer::send`].
    ///
    /// # Errors
    /// The record is refused; the callback is dropped, uncalled.
    fn send(&self, record: ProducerRecord<'_, K, V>, callback: Callback) -> Result<()>;

    /// As [`Producer::try_send`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    fn try_send(&self, record: ProducerRecord<'_, K, V>, callback: Callback) -> Result<()>;

    /// As [`Producer::send_timeout`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    fn send_timeout(
        &self,
        record: ProducerRecord<'_, K, V>,
        timeout: Duration,
        callback: Callback,
    ) -> Result<()>;

    /// As [`Producer::send_or_return`].
    ///
    /// # Errors
    /// As [`send`](Self::send), with the record and the callback.
    fn send_or_return<'a>(
        &self,
        record: ProducerRecord<'a, K, V>,
        timeout: Option<Duration>,
        callback: Callback,
    ) -> Result<(), SendError<'a, K, V, Callback>>;

    /// As [`Producer::send_wait`].
    ///
    /// # Errors
    /// The record is refused, or fails.
    fn send_wait(&self, record: ProducerRecord<'_, K, V>) -> Result<RecordMetadata>;

    /// As [`Producer::prepare`].
    ///
    /// # Errors
    /// Some topics are not known in time.
    fn prepare(&self, topics: &[&str], timeout: Duration) -> Result<()>;

    /// As [`Producer::partitions_for`].
    ///
    /// # Errors
    /// The topic is not known in time.
    fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>>;

    /// As [`Producer::flush`].
    ///
    /// # Errors
    /// The call is not possible here, or the producer is closed.
    fn flush(&self) -> Result<()>;

    /// As [`Producer::flush_timeout`].
    ///
    /// # Errors
    /// As [`flush`](Self::flush), or the time is over.
    fn flush_timeout(&self, timeout: Duration) -> Result<()>;

    /// As [`Producer::purge`].
    ///
    /// # Errors
    /// The call is not possible here, or the producer is closed.
    fn purge(&self, what: Purge<'_>) -> Result<PurgeReport>;

    /// As [`Producer::metrics`].
    fn metrics(&self) -> ProducerMetrics;

    /// As [`Producer::state`].
    fn state(&self) -> ProducerState;

    /// As [`Producer::close`].
    ///
    /// # Errors
    /// The call is not possible here, or callbacks take too long.
    fn close(&self) -> Result<CloseReport>;

    /// As [`Producer::close_timeout`].
    ///
    /// # Errors
    /// As [`close`](Self::close).
    fn close_timeout(&self, timeout: Duration) -> Result<CloseReport>;
}

impl<K: ?Sized, V: ?Sized> Produce<K, V> for Producer<K, V> {
    fn send(&self, record: ProducerRecord<'_, K, V>, callback: Callback) -> Result<()> {
        Self::send(self, record, callback)
    }

    fn try_send(&self, record: ProducerRecord<'_, K, V>, callback: Callback) -> Result<()> {
        Self::try_send(self, record, callback)
    }

    fn send_timeout(
        &self,
        record: ProducerRecord<'_, K, V>,
        timeout: Duration,
        callback: Callback,
    ) -> Result<()> {
        Self::send_timeout(self, record, timeout, callback)
    }

    fn send_or_return<'a>(
        &self,
        record: ProducerRecord<'a, K, V>,
        timeout: Option<Duration>,
        callback: Callback,
    ) -> Result<(), SendError<'a, K, V, Callback>> {
        Self::send_or_return(self, record, timeout, callback)
    }

    fn send_wait(&self, record: ProducerRecord<'_, K, V>) -> Result<RecordMetadata> {
        Self::send_wait(self, record)
    }

    fn prepare(&self, topics: &[&str], timeout: Duration) -> Result<()> {
        Self::prepare(self, topics, timeout)
    }

    fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>> {
        Self::partitions_for(self, topic)
    }

    fn flush(&self) -> Result<()> {
        Self::flush(self)
    }

    fn flush_timeout(&self, timeout: Duration) -> Result<()> {
        Self::flush_timeout(self, timeout)
    }

    fn purge(&self, what: Purge<'_>) -> Result<PurgeReport> {
        Self::purge(self, what)
    }

    fn metrics(&self) -> ProducerMetrics {
        Self::metrics(self)
    }

    fn state(&self) -> ProducerState {
        Self::state(self)
    }

    fn close(&self) -> Result<CloseReport> {
        Self::close(self)
    }

    fn close_timeout(&self, timeout: Duration) -> Result<CloseReport> {
        Self::close_timeout(self, timeout)
    }
}

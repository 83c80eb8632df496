//! Records that share one completion function: each carries a token in place of a callback of its
//! own, and allocates nothing. A group decides nothing; its records go the way of all others.

use std::fmt;
use std::time::Duration;

use crate::accumulator::{GroupFunction, GroupToken};
use crate::error::{Error, Result};
use crate::producer::wait_limit::WaitLimit;
use crate::producer::{Producer, ProducerRecord, SendError};
use crate::record::metadata::RecordMetadata;
use crate::sync::Arc;

/// Sends records whose outcomes all go to one function, each with a token that says which record it
/// was; from [`Producer::group`]. A record allocates nothing, whatever the function captures.
///
/// ```
/// use linger::{Producer, ProducerRecord};
/// # use linger::Properties;
/// # let cluster = linger::testing::MockCluster::start()?;
/// # let properties = Properties::new()
/// #     .set("bootstrap.servers", cluster.bootstrap_servers())
/// #     .set("key.serializer", "string")
/// #     .set("value.serializer", "string");
/// let producer: Producer<str, str> = Producer::new(&properties)?;
/// let lines = producer.group(|line: u64, result| match result {
///     Ok(metadata) => println!("line {line}: {metadata}"),
///     Err(error) => eprintln!("line {line}: {error}"),
/// });
/// for (line, text) in (1..).zip(["one", "two", "three"]) {
///     lines.send(ProducerRecord::new("lines", text), line)?;
/// }
/// producer.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Clones send to the same function, from any thread. A group holds its producer: that closes when
/// the last of its clones and groups is dropped.
///
/// The function is called as callbacks are ([Inside a callback](Producer#inside-a-callback)): exactly
/// once for each accepted record, on the I/O thread, in the order of `send` per partition, callbacks
/// and other groups included. If it panics, that is caught, logged and counted, and it is called for
/// the next record all the same. What it captures is dropped with the last record or clone of the
/// group, on the thread where that happens.
pub struct Group<K: ?Sized, V: ?Sized, T> {
    producer: Producer<K, V>,
    function: Arc<GroupFunction<T>>,
}

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// A group of records with one completion function, which gets each record's token, and where
    /// in the log it is or why it was not acknowledged. `buffer.memory` counts the size of a `T` for each.
    ///
    /// Make one group for many records: in a batch, each group takes some memory of its own.
    pub fn group<T, F>(&self, function: F) -> Group<K, V, T>
    where
        T: Send + 'static,
        F: Fn(T, Result<&RecordMetadata, &Error>) + Send + Sync + 'static,
    {
        Group {
            producer: self.clone(),
            function: GroupFunction::new(function, &self.handle.shared.counters),
        }
    }
}

impl<K: ?Sized, V: ?Sized, T: Send + 'static> Group<K, V, T> {
    /// [`Producer::send`] with a token in place of a callback.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn send(&self, record: ProducerRecord<'_, K, V>, token: T) -> Result<()> {
        self.send_within(record, token, &self.producer.max_block())
    }

    /// [`Producer::try_send`] with a token in place of a callback: never blocks.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn try_send(&self, record: ProducerRecord<'_, K, V>, token: T) -> Result<()> {
        self.send_within(record, token, &WaitLimit::none())
    }

    /// [`Producer::send_timeout`] with a token in place of a callback: a limit of its own in place of
    /// `max.block.ms`.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn send_timeout(
        &self,
        record: ProducerRecord<'_, K, V>,
        timeout: Duration,
        token: T,
    ) -> Result<()> {
        self.send_within(record, token, &WaitLimit::of_caller(timeout))
    }

    /// [`Producer::send_or_return`] with a token in place of a callback.
    ///
    /// # Errors
    /// As [`Producer::send`]; the error hands the record and the token back.
    pub fn send_or_return<'a>(
        &self,
        record: ProducerRecord<'a, K, V>,
        timeout: Option<Duration>,
        token: T,
    ) -> Result<(), SendError<'a, K, V, T>> {
        let limit = timeout.map_or_else(|| self.producer.max_block(), WaitLimit::of_caller);
        let mut token = GroupToken::new(&self.function, token);
        self.producer
            .submit(&record, &mut token.by_ref(), &limit)
            .map_err(|error| SendError::new(error, record, token.into_unused()))
    }

    fn send_within(
        &self,
        record: ProducerRecord<'_, K, V>,
        token: T,
        limit: &WaitLimit,
    ) -> Result<()> {
        let mut token = GroupToken::new(&self.function, token);
        let result = self.producer.submit(&record, &mut token.by_ref(), limit);
        record.let_go();
        result
    }
}

impl<K: ?Sized, V: ?Sized, T> Group<K, V, T> {
    /// The producer that it sends with.
    pub fn producer(&self) -> &Producer<K, V> {
        &self.producer
    }
}

impl<K: ?Sized, V: ?Sized, T> Clone for Group<K, V, T> {
    fn clone(&self) -> Self {
        Self {
            producer: self.producer.clone(),
            function: Arc::clone(&self.function),
        }
    }
}

impl<K: ?Sized, V: ?Sized, T> fmt::Debug for Group<K, V, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("producer", &self.producer)
            .finish_non_exhaustive()
    }
}

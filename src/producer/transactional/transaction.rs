//! A transaction that is open. It borrows its producer, so the compiler knows that no other one is open,
//! that nothing is sent beside its end, and that it ends once. Runs on: caller.

use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;

use super::lifecycle::Call;
use super::offsets::{ConsumerGroup, ConsumerOffsets};
use super::{TO_RESOLVE, TransactionGroup, TransactionGroupOnce, TransactionalProducer};
use crate::accumulator::UndeliveredRecord;
use crate::error::{Error, Result};
use crate::metrics::ProducerMetrics;
use crate::producer::{
    GroupReport, OwnedProducerRecord, PartitionInfo, Producer, ProducerRecord, ProducerState,
    Purge, PurgeReport, SendError, SendHandle,
};
use crate::record::metadata::RecordMetadata;

/// An open transaction, from [`TransactionalProducer::begin`]: sends as a [`Producer`] does, and ends with
/// [`commit`](Self::commit) or [`abort`](Self::abort). Dropping it aborts, without waiting.
///
/// Threads share a reference to it ([`std::thread::scope`]):
///
/// ```
/// # use linger::{ProducerRecord, Properties, TransactionalProducer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cluster = linger::testing::MockCluster::start()?;
/// # let properties = Properties::new()
/// #     .set("bootstrap.servers", cluster.bootstrap_servers())
/// #     .set("transactional.id", "t");
/// # let mut producer: TransactionalProducer<str, str> = TransactionalProducer::new(&properties)?;
/// let transaction = producer.begin()?;
/// std::thread::scope(|scope| {
///     for topic in ["orders", "payments"] {
///         let transaction = &transaction;
///         scope.spawn(move || transaction.send(ProducerRecord::new(topic, "placed"), |_| {}));
///     }
/// });
/// transaction.commit()?;
/// # Ok(())
/// # }
/// ```
///
/// # What does not compile
///
/// Two transactions at once:
///
/// ```compile_fail,E0499
/// # fn show(producer: &mut linger::TransactionalProducer<str, str>) -> linger::Result<()> {
/// let first = producer.begin()?;
/// let second = producer.begin()?;
/// first.commit()?;
/// # Ok(()) }
/// ```
///
/// A record outside of one, as the producer itself does not send:
///
/// ```compile_fail,E0599
/// # use linger::ProducerRecord;
/// # fn show(producer: &mut linger::TransactionalProducer<str, str>) -> linger::Result<()> {
/// producer.send(ProducerRecord::new("orders", "placed"), |_| {})?;
/// # Ok(()) }
/// ```
///
/// A record after the commit:
///
/// ```compile_fail,E0382
/// # use linger::ProducerRecord;
/// # fn show(producer: &mut linger::TransactionalProducer<str, str>) -> linger::Result<()> {
/// let transaction = producer.begin()?;
/// transaction.commit()?;
/// transaction.send(ProducerRecord::new("orders", "placed"), |_| {})?;
/// # Ok(()) }
/// ```
///
/// Two commits:
///
/// ```compile_fail,E0382
/// # fn show(producer: &mut linger::TransactionalProducer<str, str>) -> linger::Result<()> {
/// let transaction = producer.begin()?;
/// transaction.commit()?;
/// transaction.commit()?;
/// # Ok(()) }
/// ```
///
/// A commit while a thread may still send, or a group that outlives its transaction:
///
/// ```compile_fail,E0505
/// # fn show(producer: &mut linger::TransactionalProducer<str, str>) -> linger::Result<()> {
/// let transaction = producer.begin()?;
/// let group = transaction.group(|_: u64, _| {});
/// transaction.commit()?;
/// group.send(linger::ProducerRecord::new("orders", "placed"), 1)?;
/// # Ok(()) }
/// ```
///
/// A clone of the producer:
///
/// ```compile_fail,E0599
/// # fn show(producer: linger::TransactionalProducer<str, str>) {
/// let other = producer.clone();
/// # }
/// ```
#[must_use = "a transaction that is dropped is aborted"]
pub struct Transaction<'p, K: ?Sized, V: ?Sized> {
    owner: &'p mut TransactionalProducer<K, V>,
}

impl<'p, K: ?Sized, V: ?Sized> Transaction<'p, K, V> {
    pub(super) fn of(owner: &'p mut TransactionalProducer<K, V>) -> Self {
        Self { owner }
    }

    /// Commits: when this returns `Ok`, every record has been acknowledged and consumers with
    /// `isolation.level=read_committed` see all of them, and the offsets are committed. Waits for at most
    /// `max.block.ms`. A transaction in which nothing was sent costs no round trip.
    ///
    /// # Errors
    /// The transaction is gone either way; what has become of it depends:
    ///
    /// | error | the transaction | do |
    /// |---|---|---|
    /// | [abortable](Error::is_abortable): records have failed, the coordinator has aborted it | is aborted | its work again, in the next one |
    /// | [`TimedOut`](crate::ErrorKind::TimedOut) | nobody knows yet; the commit goes on | [`resolve_commit`](TransactionalProducer::resolve_commit) |
    /// | [fatal](Error::is_fatal) | is aborted, unless the [fate](Error::fate) is `MayBeWritten`: then nobody knows | close the producer |
    /// | [`Closed`](crate::ErrorKind::Closed), [`Internal`](crate::ErrorKind::Internal) | as for a fatal one | make another producer |
    /// | [`Misuse`](crate::ErrorKind::Misuse), inside a callback or in a forked child | is aborted | |
    pub fn commit(self) -> Result<()> {
        let TransactionalProducer {
            producer,
            lifecycle,
        } = &mut *self.owner;
        let call = Call::new(producer, "commit", TO_RESOLVE)?;
        let result = lifecycle.end(&call, true);
        // Open still: dropping it aborts it.
        result.map_err(|error| match error.is_abortable() {
            true => error.after("not committed, and aborted"),
            false => error,
        })
    }

    /// Aborts: no consumer with `isolation.level=read_committed` ever sees a record of it. Records that
    /// were not sent yet fail with [`TransactionAborted`](crate::ErrorKind::TransactionAborted). Waits for
    /// at most `max.block.ms` until that is certain; dropping the transaction instead does not wait.
    ///
    /// # Errors
    /// [`TimedOut`](crate::ErrorKind::TimedOut): the abort goes on, and the next
    /// [`begin`](TransactionalProducer::begin) waits for it. [Fatal](Error::is_fatal) ones,
    /// [`Closed`](crate::ErrorKind::Closed), and [`Misuse`](crate::ErrorKind::Misuse) inside a callback.
    /// None of them means that it may be committed.
    pub fn abort(self) -> Result<()> {
        let TransactionalProducer {
            producer,
            lifecycle,
        } = &mut *self.owner;
        lifecycle.end(&Call::new(producer, "abort", TO_RESOLVE)?, false)
    }

    /// Makes the offsets up to which a consumer group has read part of the transaction: they are committed
    /// with it, or not at all. What was read is then processed exactly once, if what was read and what is
    /// written are both Kafka's. Waits for at most `max.block.ms`. Without offsets nothing happens.
    ///
    /// ```no_run
    /// # use linger::{ConsumerGroup, ConsumerOffset, ConsumerOffsets, Transaction};
    /// # fn show(transaction: &Transaction<'_, str, str>) -> linger::Result<()> {
    /// let offsets = ConsumerOffsets::from([ConsumerOffset::new("orders", 0, 43)]);
    /// transaction.send_offsets(&offsets, &ConsumerGroup::new("billing"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse), and nothing has happened: a negative offset, partition or
    /// epoch, a group without id, a generation without member; inside a callback.
    /// [`InvalidRecord`](crate::ErrorKind::InvalidRecord): the topic's name is not legal.
    /// [Abortable](Error::is_abortable): the group's coordinator refuses them, as the member has lost its
    /// partitions for example, or nobody knows after `max.block.ms` whether it took them.
    pub fn send_offsets(&self, offsets: &ConsumerOffsets, group: &ConsumerGroup) -> Result<()> {
        let call = Call::new(&self.owner.producer, "send_offsets", TO_RESOLVE)?;
        self.owner.lifecycle.send_offsets(&call, offsets, group)
    }

    /// The producer that a record goes to, as long as the transaction can be committed.
    #[inline]
    pub(super) fn admit(&self, record: &ProducerRecord<'_, K, V>) -> Result<&Producer<K, V>> {
        let producer = &self.owner.producer;
        match producer.handle.shared.doom.check() {
            Ok(()) => Ok(producer),
            Err(doom) => Err(doom.at(record.topic, record.partition)),
        }
    }
}

/// Sending, as with a [`Producer`].
impl<K: ?Sized, V: ?Sized> Transaction<'_, K, V> {
    /// As [`Producer::send`]. The callback gets a record's outcome before the transaction's is known: that
    /// it was acknowledged does not mean that it is committed.
    ///
    /// # Errors
    /// As there, after which the transaction can go on; and, if it can only be aborted, why
    /// ([`is_abortable`](Error::is_abortable)), or why the producer can only be closed
    /// ([`is_fatal`](Error::is_fatal)).
    pub fn send<F>(&self, record: ProducerRecord<'_, K, V>, callback: F) -> Result<()>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        self.admit(&record)?.send(record, callback)
    }

    /// As [`Producer::try_send`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn try_send<F>(&self, record: ProducerRecord<'_, K, V>, callback: F) -> Result<()>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        self.admit(&record)?.try_send(record, callback)
    }

    /// As [`Producer::send_timeout`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_timeout<F>(
        &self,
        record: ProducerRecord<'_, K, V>,
        timeout: Duration,
        callback: F,
    ) -> Result<()>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        self.admit(&record)?.send_timeout(record, timeout, callback)
    }

    /// As [`Producer::send_or_return`].
    ///
    /// # Errors
    /// As [`send`](Self::send), with the record and the callback.
    pub fn send_or_return<'a, F>(
        &self,
        record: ProducerRecord<'a, K, V>,
        timeout: Option<Duration>,
        callback: F,
    ) -> Result<(), SendError<'a, K, V, F>>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        match self.admit(&record) {
            Ok(producer) => producer.send_or_return(record, timeout, callback),
            Err(error) => Err(SendError::new(error, record, callback)),
        }
    }

    /// As [`Producer::send_wait`]: the record is acknowledged when this returns, not committed.
    ///
    /// # Errors
    /// As [`send`](Self::send) and [`SendHandle::wait`].
    pub fn send_wait(&self, record: ProducerRecord<'_, K, V>) -> Result<RecordMetadata> {
        self.admit(&record)?.send_wait(record)
    }

    /// As [`Producer::send_with_handle`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_with_handle(&self, record: ProducerRecord<'_, K, V>) -> Result<SendHandle> {
        self.admit(&record)?.send_with_handle(record)
    }

    /// As [`Producer::try_send_with_handle`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn try_send_with_handle(&self, record: ProducerRecord<'_, K, V>) -> Result<SendHandle> {
        self.admit(&record)?.try_send_with_handle(record)
    }

    /// As [`Producer::send_owned`].
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

    /// As [`Producer::group`], for records of this transaction.
    pub fn group<T, F>(&self, function: F) -> TransactionGroup<'_, K, V, T>
    where
        T: Send + 'static,
        F: Fn(T, Result<&RecordMetadata, &Error>) + Send + Sync + 'static,
    {
        TransactionGroup::new(&self.owner.producer, function)
    }

    /// As [`Producer::group_once`], for records of this transaction.
    pub fn group_once<T, F>(&self, function: F) -> TransactionGroupOnce<'_, K, V, T>
    where
        T: Send + 'static,
        F: FnOnce(GroupReport<T>) + Send + 'static,
    {
        TransactionGroupOnce::new(&self.owner.producer, function)
    }
}

/// What else a [`Producer`] can do.
impl<K: ?Sized, V: ?Sized> Transaction<'_, K, V> {
    /// As [`Producer::flush`]. [`commit`](Self::commit) does not need it.
    ///
    /// # Errors
    /// As there.
    pub fn flush(&self) -> Result<()> {
        self.owner.producer.flush()
    }

    /// As [`Producer::flush_timeout`].
    ///
    /// # Errors
    /// As there.
    pub fn flush_timeout(&self, timeout: Duration) -> Result<()> {
        self.owner.producer.flush_timeout(timeout)
    }

    /// As [`Producer::purge`]. Records that are purged have failed: if there are any, the transaction can
    /// only be aborted.
    ///
    /// # Errors
    /// As there.
    pub fn purge(&self, what: Purge<'_>) -> Result<PurgeReport> {
        self.owner.producer.purge(what)
    }

    /// As [`Producer::purge_and_return`], and [`purge`](Self::purge).
    ///
    /// # Errors
    /// As there.
    pub fn purge_and_return(
        &self,
        what: Purge<'_>,
    ) -> Result<(PurgeReport, Vec<UndeliveredRecord>)> {
        self.owner.producer.purge_and_return(what)
    }

    /// As [`Producer::prepare`].
    ///
    /// # Errors
    /// As there.
    pub fn prepare(&self, topics: &[&str], timeout: Duration) -> Result<()> {
        self.owner.producer.prepare(topics, timeout)
    }

    /// As [`Producer::partitions_for`].
    ///
    /// # Errors
    /// As there.
    pub fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>> {
        self.owner.producer.partitions_for(topic)
    }

    /// As [`Producer::metrics`].
    pub fn metrics(&self) -> ProducerMetrics {
        self.owner.producer.metrics()
    }

    /// As [`Producer::state`].
    pub fn state(&self) -> ProducerState {
        self.owner.producer.state()
    }
}

impl<K: ?Sized, V: ?Sized> Drop for Transaction<'_, K, V> {
    fn drop(&mut self) {
        let TransactionalProducer {
            producer,
            lifecycle,
        } = &mut *self.owner;
        if lifecycle.is_open() {
            // Where nothing can be asked, in a forked child or after a close, nothing is open either.
            lifecycle.post_abort(&producer.handle.shared).ok();
        }
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for Transaction<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("producer", &self.owner)
            .finish()
    }
}

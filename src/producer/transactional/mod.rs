//! Producers with a transactional id. `lifecycle` knows where one is and waits for the I/O thread;
//! `transaction` is what the borrow checker keeps in order, `shared` what is checked at run time;
//! `entrance` keeps sends of other threads apart from the end of a transaction.

mod entrance;
mod groups;
mod lifecycle;
mod offsets;
mod produce;
mod shared;
mod transaction;

use std::fmt;
use std::time::Duration;

pub use groups::{TransactionGroup, TransactionGroupOnce};
pub use offsets::{ConsumerGroup, ConsumerOffset, ConsumerOffsets};
pub use shared::SharedTransactionalProducer;
pub use transaction::Transaction;

use crate::accumulator::UndeliveredRecord;
use crate::config::{ProducerConfig, Properties};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::ProducerMetrics;
use crate::producer::{CloseReport, PartitionInfo, Producer, ProducerState};
use lifecycle::{Call, Lifecycle, Phase};

/// A producer whose records are written in transactions: all of one, on whatever topics and partitions, or
/// none of it is seen by consumers with `isolation.level=read_committed`.
///
/// [`begin`](Self::begin) lends the producer to a [`Transaction`], which sends, and is committed, aborted,
/// or dropped, which aborts. So the wrong order of calls does not compile: a second transaction beside an
/// open one, a record outside of one or after its commit, two commits.
///
/// ```
/// use linger::{ProducerRecord, Properties, TransactionalProducer};
/// use linger::testing::MockCluster;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cluster = MockCluster::start()?;
/// let properties = Properties::new()
///     .set("bootstrap.servers", cluster.bootstrap_servers())
///     .set("transactional.id", "shop-1");
/// let mut producer: TransactionalProducer<str, str> = TransactionalProducer::new(&properties)?;
///
/// let transaction = producer.begin()?;
/// transaction.send(ProducerRecord::new("orders", "placed").key("user123"), |_| {})?;
/// transaction.send(ProducerRecord::new("payments", "due").key("user123"), |_| {})?;
/// transaction.commit()?;
/// # Ok(())
/// # }
/// ```
///
/// # One id, one producer
///
/// A new producer with the same `transactional.id` takes it over: what the older one left open is aborted,
/// and the older one can only be [closed](Error::is_fatal). So a program that was restarted, or that was
/// taken for dead, does not write twice. Give each instance of a program an id of its own that it keeps.
/// There are no clones: threads share a `&Transaction`.
///
/// # When a call fails
///
/// [`is_fatal`](Error::is_fatal): close this producer and make another one, if this instance is still the
/// one that should run. [`is_abortable`](Error::is_abortable): the transaction can only be aborted; do its
/// work again in the next one. A [`TimedOut`](ErrorKind::TimedOut) of `commit`: see
/// [`resolve_commit`](Self::resolve_commit). Any other error of a call that sends, such as a full buffer,
/// has changed nothing. `docs/TRANSACTIONS.md` has each error and what to do.
///
/// # Dropping
///
/// Aborts what is open, then closes as [`Producer`] does. For `static`s and forks, see [`Producer`].
pub struct TransactionalProducer<K: ?Sized, V: ?Sized> {
    producer: Producer<K, V>,
    lifecycle: Lifecycle,
}

const TO_RESOLVE: &str = "resolve_commit, or the next begin, waits for the answer";

impl<K: ?Sized + 'static, V: ?Sized + 'static> TransactionalProducer<K, V> {
    /// Starts a producer, and makes `transactional.id` its own: older producers with this id are fenced,
    /// and what they left open is aborted. Blocks for at most `max.block.ms` (60 s).
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config): as for [`Producer::new`], or `transactional.id` is not set.
    /// [`TimedOut`](ErrorKind::TimedOut), [`Connect`](ErrorKind::Connect) and others: no broker has given
    /// the id in time. [`Broker`](ErrorKind::Broker): they refuse it, for lack of rights or because
    /// `transaction.timeout.ms` is more than their `transaction.max.timeout.ms`.
    pub fn new(properties: &Properties) -> Result<Self> {
        Self::with_config(&ProducerConfig::for_types::<K, V>(properties)?)
    }

    /// The same, from a typed configuration.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_config(config: &ProducerConfig) -> Result<Self> {
        let producer = start(config)?;
        let mut lifecycle = Lifecycle::new();
        lifecycle.init(&Call::new(
            &producer,
            "TransactionalProducer::new",
            TO_RESOLVE,
        )?)?;
        Ok(Self {
            producer,
            lifecycle,
        })
    }
}

fn start<K: ?Sized + 'static, V: ?Sized + 'static>(
    config: &ProducerConfig,
) -> Result<Producer<K, V>> {
    if config.transactional().is_none() {
        let text = "transactional.id must be set for a transactional producer: it tells its \
                    transactions from those of others";
        return Err(Error::new(ErrorKind::Config, text));
    }
    Producer::start(config)
}

impl<K: ?Sized, V: ?Sized> TransactionalProducer<K, V> {
    /// Opens a transaction. Costs no round trip; if the one before is still being ended, waits for that,
    /// for at most `max.block.ms`. One that was leaked ([`mem::forget`](std::mem::forget)) is aborted
    /// first.
    ///
    /// After a commit whose outcome was not known, `Ok` means that it **was** committed.
    ///
    /// # Errors
    /// No transaction is open then. What a commit without an answer has come to, if it was not done: once,
    /// and the next `begin` goes on. [`TimedOut`](ErrorKind::TimedOut): the one before has not ended yet;
    /// call again. [Fatal](Error::is_fatal) ones; [`Misuse`](ErrorKind::Misuse) inside a callback and in
    /// a forked child; [`Closed`](ErrorKind::Closed) after a close.
    pub fn begin(&mut self) -> Result<Transaction<'_, K, V>> {
        let call = Call::new(&self.producer, "begin", TO_RESOLVE)?;
        self.lifecycle.begin(&call)?;
        Ok(Transaction::of(self))
    }

    /// Waits, for at most `max.block.ms`, for the answer to a commit that had none in time. `Ok`: it is
    /// committed. The commit is not asked for again, and nothing is aborted by asking for its outcome.
    ///
    /// # Errors
    /// Why it was not committed; it is aborted then, and the next [`begin`](Self::begin) goes on.
    /// [`TimedOut`](ErrorKind::TimedOut): there is no answer yet; call again.
    /// [`Misuse`](ErrorKind::Misuse): there is no such commit.
    pub fn resolve_commit(&mut self) -> Result<()> {
        let call = Call::new(&self.producer, "resolve_commit", TO_RESOLVE)?;
        if !matches!(self.lifecycle.phase(), Phase::Ending { commit: true, .. }) {
            let text = "no commit is without an answer";
            return Err(call.error(ErrorKind::Misuse, text));
        }
        let result = self.lifecycle.settle(&call);
        if self.lifecycle.is_open() {
            self.lifecycle.post_abort(call.shared())?;
        }
        result
    }

    /// As [`Producer::prepare`].
    ///
    /// # Errors
    /// As there.
    pub fn prepare(&self, topics: &[&str], timeout: Duration) -> Result<()> {
        self.producer.prepare(topics, timeout)
    }

    /// As [`Producer::partitions_for`].
    ///
    /// # Errors
    /// As there.
    pub fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>> {
        self.producer.partitions_for(topic)
    }

    /// As [`Producer::flush`]: waits for the records of a transaction that was dropped and is being
    /// aborted.
    ///
    /// # Errors
    /// As there.
    pub fn flush(&self) -> Result<()> {
        self.producer.flush()
    }

    /// As [`Producer::metrics`].
    pub fn metrics(&self) -> ProducerMetrics {
        self.producer.metrics()
    }

    /// As [`Producer::state`].
    pub fn state(&self) -> ProducerState {
        self.producer.state()
    }

    /// As [`Producer::close`]. A transaction that was leaked is aborted; a commit without an answer is
    /// waited for.
    ///
    /// # Errors
    /// As there.
    pub fn close(&self) -> Result<CloseReport> {
        self.producer.close()
    }

    /// As [`Producer::close_timeout`].
    ///
    /// # Errors
    /// As there.
    pub fn close_timeout(&self, timeout: Duration) -> Result<CloseReport> {
        self.producer.close_timeout(timeout)
    }

    /// As [`Producer::close_and_return`].
    ///
    /// # Errors
    /// As there.
    pub fn close_and_return(
        &self,
        timeout: Duration,
    ) -> Result<(CloseReport, Vec<UndeliveredRecord>)> {
        self.producer.close_and_return(timeout)
    }

    /// As that of [`Producer`].
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn kill_io_thread(&self) {
        self.producer.kill_io_thread();
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for TransactionalProducer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doom = self.producer.handle.shared.doom.check().err();
        f.debug_struct("TransactionalProducer")
            .field("state", &self.lifecycle.state(doom.as_ref()))
            .field("metrics", &self.metrics())
            .finish_non_exhaustive()
    }
}

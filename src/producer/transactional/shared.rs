//! Transactions as Kafka's Java producer has them: all calls on one object that threads share, and the
//! order of the calls is checked while they are made. Runs on: caller.

use std::borrow::Borrow;
use std::fmt;
use std::mem;
use std::time::Duration;

use super::entrance::{Entrance, Inside};
use super::lifecycle::{Call, Lifecycle, Phase, over};
use super::offsets::{ConsumerGroup, ConsumerOffsets};
use super::start;
use crate::config::{ProducerConfig, Properties};
use crate::driver::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::ProducerMetrics;
use crate::producer::{
    CloseReport, OwnedProducerRecord, PartitionInfo, Producer, ProducerRecord, ProducerState,
    SendError, SendHandle, misuse,
};
use crate::record::metadata::RecordMetadata;
use crate::sync::{Arc, Mutex, Rank, Ranked};

/// Transactions with the calls of Kafka's Java producer, for programs that come from there or whose
/// threads share one producer. Clones are the same producer. The order of calls is checked as they are
/// made; [`TransactionalProducer`](crate::TransactionalProducer) has it checked by the compiler.
///
/// ```
/// use linger::{ProducerRecord, Properties, SharedTransactionalProducer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cluster = linger::testing::MockCluster::start()?;
/// let properties = Properties::new()
///     .set("bootstrap.servers", cluster.bootstrap_servers())
///     .set("transactional.id", "shop-1");
/// let producer: SharedTransactionalProducer<str, str> =
///     SharedTransactionalProducer::new(&properties)?;
/// producer.init_transactions()?;
/// producer.begin_transaction()?;
/// producer.send(ProducerRecord::new("orders", "placed"), |_| {})?;
/// if let Err(error) = producer.commit_transaction() {
///     if error.is_abortable() {
///         producer.abort_transaction()?;
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # States
///
/// | state | it can |
/// |---|---|
/// | UNINITIALIZED | `init_transactions` |
/// | READY | `begin_transaction` |
/// | IN_TRANSACTION | send, `send_offsets_to_transaction`, `commit_transaction`, `abort_transaction` |
/// | COMMITTING: a commit ran out of time | `commit_transaction`, which waits for the answer to the same commit |
/// | ABORTING: the same of an abort | `abort_transaction` |
/// | ABORTABLE_ERROR | `abort_transaction`; all else is refused with the reason |
/// | FATAL_ERROR | `close`; all else is refused with the reason |
///
/// Any other call is [`Misuse`](ErrorKind::Misuse), names the state, and changes nothing. So is one of
/// these calls while another one is under way on another thread, and inside a callback, where only the
/// sends are possible.
///
/// A send on one thread beside a commit or an abort on another is in the transaction as a whole, or
/// refused: the end waits, within its time, for sends that are under way.
pub struct SharedTransactionalProducer<K: ?Sized, V: ?Sized> {
    producer: Producer<K, V>,
    control: Arc<Control>,
}

struct Control {
    entrance: Entrance,
    state: Mutex<State>,
}

enum State {
    At(Lifecycle),
    /// This call is under way.
    Busy(&'static str),
}

/// A call that has the state for itself, and gives it back when dropped.
struct InControl<'a> {
    control: &'a Control,
    call: Call<'a>,
    lifecycle: Lifecycle,
}

const TO_RESOLVE: &str = "commit_transaction again waits for the answer";

impl<K: ?Sized + 'static, V: ?Sized + 'static> SharedTransactionalProducer<K, V> {
    /// Starts a producer. Does not connect yet: [`init_transactions`](Self::init_transactions) does.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config), as for [`TransactionalProducer::new`](crate::TransactionalProducer::new).
    pub fn new(properties: &Properties) -> Result<Self> {
        Self::with_config(&ProducerConfig::for_types::<K, V>(properties)?)
    }

    /// The same, from a typed configuration.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_config(config: &ProducerConfig) -> Result<Self> {
        let state = State::At(Lifecycle::new());
        Ok(Self {
            producer: start(config)?,
            control: Arc::new(Control {
                entrance: Entrance::default(),
                state: Mutex::ranked(Rank::Transactions, state),
            }),
        })
    }
}

/// The calls that begin and end. Each waits for at most `max.block.ms`.
impl<K: ?Sized, V: ?Sized> SharedTransactionalProducer<K, V> {
    /// Makes `transactional.id` this producer's own: older producers with this id are fenced, and what
    /// they left open is aborted. Once, before all else.
    ///
    /// # Errors
    /// As [`TransactionalProducer::new`](crate::TransactionalProducer::new). After
    /// [a timeout](Error::is_timeout) it can be called again.
    pub fn init_transactions(&self) -> Result<()> {
        let mut control = self.control("init_transactions")?;
        match control.lifecycle.phase() {
            Phase::Uninitialized(_) => {
                let InControl {
                    call, lifecycle, ..
                } = &mut control;
                lifecycle.init(call)
            }
            _ => Err(control.refuse("the producer has been initialized already")),
        }
    }

    /// Opens a transaction. Costs no round trip.
    ///
    /// # Errors
    /// The state is another one than READY, and is named.
    pub fn begin_transaction(&self) -> Result<()> {
        let mut control = self.control("begin_transaction")?;
        match control.lifecycle.phase() {
            Phase::Ready => {
                let InControl {
                    call, lifecycle, ..
                } = &mut control;
                lifecycle.open(call)?;
                self.control.entrance.open();
                Ok(())
            }
            Phase::Uninitialized(_) => Err(control.refuse("init_transactions has not been called")),
            Phase::Open => Err(control.refuse("a transaction is open already")),
            Phase::Ending { .. } => Err(control.refuse("the one before has not ended")),
        }
    }

    /// As [`Transaction::send_offsets`](crate::Transaction::send_offsets).
    ///
    /// # Errors
    /// As there, and no transaction is open.
    pub fn send_offsets_to_transaction(
        &self,
        offsets: &ConsumerOffsets,
        group: &ConsumerGroup,
    ) -> Result<()> {
        let control = self.control("send_offsets_to_transaction")?;
        match control.lifecycle.phase() {
            Phase::Open => control
                .lifecycle
                .send_offsets(&control.call, offsets, group),
            _ => Err(control.refuse("no transaction is open")),
        }
    }

    /// Commits, as [`Transaction::commit`](crate::Transaction::commit). After a timeout, calling it again
    /// waits for the answer to the same commit.
    ///
    /// # Errors
    /// [Abortable](Error::is_abortable): call [`abort_transaction`](Self::abort_transaction).
    /// [`TimedOut`](ErrorKind::TimedOut): with the fate `MayBeWritten`, nobody knows yet; else sends of
    /// other threads have not returned, and the transaction is open as before.
    /// [Fatal](Error::is_fatal): close the producer. No transaction is open.
    pub fn commit_transaction(&self) -> Result<()> {
        self.control("commit_transaction")?.end(true)
    }

    /// Aborts, as [`Transaction::abort`](crate::Transaction::abort).
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut): call it again. [Fatal](Error::is_fatal): close the producer. No
    /// transaction is open, or a commit has not been answered.
    pub fn abort_transaction(&self) -> Result<()> {
        self.control("abort_transaction")?.end(false)
    }

    fn control(&self, name: &'static str) -> Result<InControl<'_>> {
        let call = Call::new(&self.producer, name, TO_RESOLVE)?;
        match self.control.take(name) {
            State::At(lifecycle) => Ok(InControl {
                control: &self.control,
                call,
                lifecycle,
            }),
            State::Busy(other) => {
                let text = format!("{other} is under way on another thread");
                Err(call.error(ErrorKind::Misuse, &text))
            }
        }
    }

    /// The producer, for one record, as long as a transaction is open that can be committed.
    #[inline]
    fn admit(
        &self,
        call: &str,
        record: &ProducerRecord<'_, K, V>,
    ) -> Result<(&Producer<K, V>, Inside<'_>)> {
        let inside = self.control.entrance.enter();
        let shared = &*self.producer.handle.shared;
        match (shared.doom.check(), inside) {
            (Ok(()), Some(inside)) => Ok((&self.producer, inside)),
            (Err(doom), _) => Err(doom.at(record.topic, record.partition)),
            (Ok(()), None) => {
                let error = self.control.refuse_record(call, shared);
                Err(error.at(record.topic, record.partition))
            }
        }
    }
}

impl InControl<'_> {
    fn end(&mut self, commit: bool) -> Result<()> {
        match (self.lifecycle.phase(), commit) {
            (Phase::Open, _) => self.end_open(commit),
            (Phase::Ending { commit: same, .. }, _) if *same == commit => {
                self.lifecycle.settle(&self.call)
            }
            (Phase::Ending { commit: true, .. }, _) => Err(self.refuse(
                "a commit has not been answered: commit_transaction again waits for its answer",
            )),
            (Phase::Ending { .. }, _) => Err(self.refuse("an abort has not been answered")),
            _ => Err(self.refuse("no transaction is open")),
        }
    }

    fn end_open(&mut self, commit: bool) -> Result<()> {
        let shared = self.call.shared();
        let deadline = self.call.limit.begin().and_then(|(deadline, _)| deadline);
        let entrance = &self.control.entrance;
        if !entrance.shut(deadline) {
            entrance.open();
            let text = "sends on other threads have not returned in time, and what they send belongs to \
                        the transaction; it is open as before";
            return Err(self.call.error(ErrorKind::TimedOut, text));
        }
        let result = self.lifecycle.end(&self.call, commit);
        if self.lifecycle.is_open() && shared.doom.check().is_ok() {
            entrance.open();
        }
        result
    }

    fn refuse(&self, why: &str) -> Error {
        let doom = self.call.shared().doom.check().err();
        if let Some(error) = self.call.unusable(doom.as_ref()) {
            return error;
        }
        let state = self.lifecycle.state(doom.as_ref());
        let text = format!("{why}: the producer is {state}");
        self.call.error(ErrorKind::Misuse, &text)
    }
}

impl Drop for InControl<'_> {
    fn drop(&mut self) {
        let lifecycle = mem::replace(&mut self.lifecycle, Lifecycle::new());
        *self.control.state.lock() = State::At(lifecycle);
    }
}

impl Control {
    /// The state, which is this call's from now on, unless another call is under way.
    fn take(&self, call: &'static str) -> State {
        let mut state = self.state.lock();
        match &*state {
            State::At(_) => mem::replace(&mut *state, State::Busy(call)),
            State::Busy(other) => State::Busy(other),
        }
    }

    fn state(&self, shared: &Shared) -> String {
        // Before the lock is taken: it has one of its own.
        let doom = shared.doom.check().err();
        match &*self.state.lock() {
            State::Busy(call) => format!("busy with {call}"),
            State::At(lifecycle) => lifecycle.state(doom.as_ref()).to_owned(),
        }
    }

    #[cold]
    fn refuse_record(&self, call: &str, shared: &Shared) -> Error {
        over(shared).unwrap_or_else(|| {
            let state = self.state(shared);
            let text = format!("{call}: no transaction is open: the producer is {state}");
            Error::new(ErrorKind::Misuse, text)
        })
    }
}

/// Sending, as with a [`Producer`]. A record is refused as [`Misuse`](ErrorKind::Misuse) while no
/// transaction is open, and with the reason ([`is_abortable`](Error::is_abortable),
/// [`is_fatal`](Error::is_fatal)) once it cannot be committed.
impl<K: ?Sized, V: ?Sized> SharedTransactionalProducer<K, V> {
    /// As [`Producer::send`].
    ///
    /// # Errors
    /// As there; [`Misuse`](ErrorKind::Misuse) while no transaction is open, with the state; and, once it
    /// cannot be committed, why.
    pub fn send<F>(&self, record: ProducerRecord<'_, K, V>, callback: F) -> Result<()>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        let (producer, _inside) = self.admit("send", &record)?;
        producer.send(record, callback)
    }

    /// As [`Producer::try_send`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn try_send<F>(&self, record: ProducerRecord<'_, K, V>, callback: F) -> Result<()>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        let (producer, _inside) = self.admit("try_send", &record)?;
        producer.try_send(record, callback)
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
        let (producer, _inside) = self.admit("send_timeout", &record)?;
        producer.send_timeout(record, timeout, callback)
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
        match self.admit("send_or_return", &record) {
            Ok((producer, _inside)) => producer.send_or_return(record, timeout, callback),
            Err(error) => Err(SendError::new(error, record, callback)),
        }
    }

    /// As [`Producer::send_wait`]: the record is acknowledged when this returns, not committed.
    ///
    /// # Errors
    /// As [`send`](Self::send) and [`SendHandle::wait`].
    pub fn send_wait(&self, record: ProducerRecord<'_, K, V>) -> Result<RecordMetadata> {
        if self.producer.handle.shared.is_io_thread() {
            return Err(misuse("send_wait"));
        }
        // Outside before it waits: an end may be what the outcome waits for.
        self.send_with_handle(record)?.wait()
    }

    /// As [`Producer::send_with_handle`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_with_handle(&self, record: ProducerRecord<'_, K, V>) -> Result<SendHandle> {
        let (producer, _inside) = self.admit("send_with_handle", &record)?;
        producer.send_with_handle(record)
    }

    /// As [`Producer::try_send_with_handle`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn try_send_with_handle(&self, record: ProducerRecord<'_, K, V>) -> Result<SendHandle> {
        let (producer, _inside) = self.admit("try_send_with_handle", &record)?;
        producer.try_send_with_handle(record)
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
}

/// What else a [`Producer`] can do.
impl<K: ?Sized, V: ?Sized> SharedTransactionalProducer<K, V> {
    /// As [`Producer::flush`].
    ///
    /// # Errors
    /// As there.
    pub fn flush(&self) -> Result<()> {
        self.producer.flush()
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

    /// As [`Producer::metrics`].
    pub fn metrics(&self) -> ProducerMetrics {
        self.producer.metrics()
    }

    /// As [`Producer::state`].
    pub fn state(&self) -> ProducerState {
        self.producer.state()
    }

    /// As [`Producer::close`]; a transaction that is open is aborted.
    ///
    /// # Errors
    /// As there.
    pub fn close(&self) -> Result<CloseReport> {
        self.producer.close()
    }

    /// As [`Producer::close_timeout`]; a transaction that is open is aborted.
    ///
    /// # Errors
    /// As there.
    pub fn close_timeout(&self, timeout: Duration) -> Result<CloseReport> {
        self.producer.close_timeout(timeout)
    }

    /// As that of [`Producer`].
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn kill_io_thread(&self) {
        self.producer.kill_io_thread();
    }
}

impl<K: ?Sized, V: ?Sized> Clone for SharedTransactionalProducer<K, V> {
    fn clone(&self) -> Self {
        Self {
            producer: self.producer.clone(),
            control: Arc::clone(&self.control),
        }
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for SharedTransactionalProducer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.control.state(&self.producer.handle.shared);
        f.debug_struct("SharedTransactionalProducer")
            .field("state", &state)
            .field("metrics", &self.metrics())
            .finish_non_exhaustive()
    }
}

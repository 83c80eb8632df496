//! What users call. All of it runs on the caller's thread: serialize, choose a partition, append, wait.
//! The rest happens on the I/O thread.

mod at_exit;
mod checking;
mod clock;
mod close;
mod flush;
mod gate;
mod group;
mod group_once;
mod handle;
mod intercepted;
mod into;
#[cfg(feature = "testing")]
mod mock;
#[cfg(test)]
#[cfg(shuttle)]
mod model;
mod owned;
mod partitions;
mod prepare;
mod produce;
mod purge;
mod record;
mod send;
mod send_error;
mod state;
mod transactional;
mod wait_limit;

use std::fmt;
use std::time::Duration;

pub use close::CloseReport;
pub use group::Group;
pub use group_once::{GroupFailure, GroupOnce, GroupReport};
pub use handle::SendHandle;
pub use into::{CowHeader, IntoCow, IntoHeader};
#[cfg(feature = "testing")]
pub use mock::MockProducer;
pub use owned::OwnedProducerRecord;
pub use partitions::{Node, PartitionInfo};
pub use produce::{Callback, Produce};
pub use purge::{Purge, PurgeReport};
pub use record::ProducerRecord;
pub use send_error::SendError;
pub use state::{BrokerState, ProducerState};
pub use transactional::{
    ConsumerGroup, ConsumerOffset, ConsumerOffsets, SharedTransactionalProducer, Transaction,
    TransactionGroup, TransactionGroupOnce, TransactionalProducer,
};

use crate::accumulator::OwnCallback;
use crate::check;
use crate::config::{ProducerConfig, Properties};
use crate::driver::{self, Shared, Slot};
use crate::error::{Error, ErrorKind, Result};
use crate::interceptor::Interceptors;
use crate::metrics::ProducerMetrics;
use crate::partitioner::Partitioning;
use crate::record::metadata::RecordMetadata;
use crate::serializer::Serializer;
use crate::sync::thread::JoinHandle;
use crate::sync::{Arc, Mutex, Rank, Ranked};
use clock::now;
use gate::Gate;
use send::SendBuffers;
use wait_limit::{Limit, WaitLimit};

/// Sends records from any thread; clones share one I/O thread, and the last one closes it.
///
/// `K` and `V` are the types of keys and values. For text (`str`, `String`) and bytes (`[u8]`, `Vec<u8>`)
/// that is all there is to say; for other types the properties must name serializers that fit. Where a
/// `Producer<[u8], [u8]>` meets text, write `"text".as_bytes()`.
///
/// ```
/// use linger::{Producer, ProducerRecord, Properties};
/// use linger::testing::MockCluster;
///
/// let cluster = MockCluster::start()?;
/// let properties = Properties::new().set("bootstrap.servers", cluster.bootstrap_servers());
/// let producer: Producer<str, str> = Producer::new(&properties)?;
/// producer.send(ProducerRecord::new("orders", "order_placed").key("user123"), |result| match result {
///     Ok(metadata) => println!("{metadata}"),
///     Err(error) => eprintln!("{error}"),
/// })?;
/// let report = producer.close()?;
/// assert_eq!(report.acknowledged, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Inside a callback
///
/// Callbacks run on the I/O thread, so they must not wait for it: there, [`send`](Self::send) acts
/// as [`try_send`](Self::try_send), and `flush`, `purge`, `close` and waiting are refused
/// as [`Misuse`](ErrorKind::Misuse). A callback that panics is caught, logged and counted; the others
/// still run. One that takes long holds up everything: hand the result to a thread of your own.
///
/// # Panics in your code
///
/// Code of yours that panics ends no thread of the producer's and loses no record: neither callbacks,
/// interceptors and loggers, nor what they capture as it is dropped, nor a panic's payload that panics
/// in its turn. A panic of a serializer or partitioner unwinds to the caller of `send`, and nothing is
/// accepted then; one of a callback or a group's function is logged and counted in
/// [`callbacks_panicked`](crate::ProducerMetrics::callbacks_panicked); one of an interceptor is logged;
/// one of the logger itself goes to the process's panic hook, which writes it to stderr, and no further.
/// What nobody can catch is what Rust makes an abort: two panics at once on one thread, such as a
/// callback that panics while what it captures panics as it is dropped, and a panic hook that panics;
/// and `panic = "abort"`.
///
/// # Dropping
///
/// Dropping the last clone closes as [`close`](Self::close) does, and waits like it; inside a
/// callback it does not wait. How many records that has cost, if any, is logged as a warning.
///
/// # In a static
///
/// Rust never drops a `static`: a producer in one is **not closed at the end of `main`**, and what it has
/// not sent by then is lost. No callback runs that could tell; if `main`'s thread has made the producer,
/// the loss is logged as an error (on Linux). Close it yourself, whichever way `main` ends:
///
/// ```
/// use std::sync::OnceLock;
/// use linger::Producer;
///
/// static PRODUCER: OnceLock<Producer<str, str>> = OnceLock::new();
///
/// struct CloseAtEnd;
///
/// impl Drop for CloseAtEnd {
///     fn drop(&mut self) {
///         if let Some(Err(error)) = PRODUCER.get().map(Producer::close) {
///             eprintln!("{error}");
///         }
///     }
/// }
///
/// fn main() {
///     let _closes = CloseAtEnd; // dropped at each return, at `?`, and at a panic
///     // PRODUCER.get_or_init(…), threads, send
/// }
/// ```
///
/// `std::process::exit` drops nothing at all: close before it. A producer that `main` owns, and lends or
/// clones to others, needs none of this.
///
/// # Forks
///
/// A producer belongs to the process that made it: a forked child has no I/O thread, and must make a
/// producer of its own. A call that would wait for the thread, and a send that would open a batch, are
/// refused there as [`Misuse`](ErrorKind::Misuse); dropping the producer does nothing. To keep `send`
/// fast the process is not looked at for each record: one that fits into a batch that was open at the
/// moment of the fork is accepted in the child, lost, and its callback never runs. Never fork inside a
/// callback: the copy of the I/O thread would go on in the child, on the parent's connections.
pub struct Producer<K: ?Sized, V: ?Sized> {
    handle: Arc<Handle>,
    serializers: Arc<Serializers<K, V>>,
    settings: Arc<Settings>,
}

/// A producer of keys and values that are bytes already: `b"…"`, `text.as_bytes()`, `&vec`. Its serializers
/// are `bytes`.
pub type BytesProducer = Producer<[u8], [u8]>;

struct Serializers<K: ?Sized, V: ?Sized> {
    key: Arc<dyn Serializer<K>>,
    value: Arc<dyn Serializer<V>>,
}

/// The part of the configuration that callers need.
struct Settings {
    max_block: Duration,
    max_request_size: usize,
    partitioning: Partitioning,
    interceptors: Option<Arc<Interceptors>>,
    check: check::Settings,
}

/// Shared by all clones. When the last one drops it, the producer closes.
struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Of all topics.
    longest_delivery_timeout: Duration,
}

impl<K: ?Sized + 'static, V: ?Sized + 'static> Producer<K, V> {
    /// Starts a producer. Does not connect yet: that brokers cannot be reached shows when records are
    /// sent.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config): a property is missing, unknown, malformed, not supported yet,
    /// or a serializer does not fit `K` or `V`; or `transactional.id` is set, which is for a
    /// [`TransactionalProducer`].
    pub fn new(properties: &Properties) -> Result<Self> {
        Self::with_config(&ProducerConfig::for_types::<K, V>(properties)?)
    }

    /// The same, from a typed configuration.
    ///
    /// # Errors
    /// A serializer is missing or does not fit `K` or `V`, or `transactional.id` is set.
    pub fn with_config(config: &ProducerConfig) -> Result<Self> {
        if config.transactional().is_some() {
            let text = "transactional.id is set: make a TransactionalProducer, or leave the id out";
            return Err(Error::new(ErrorKind::Config, text));
        }
        Self::start(config)
    }

    /// A producer, transactional or not.
    fn start(config: &ProducerConfig) -> Result<Self> {
        let (key, value) = config.serializers::<K, V>()?;
        let serializers = Serializers { key, value };
        let settings = Settings {
            max_block: config.max_block(),
            max_request_size: config.max_request_size(),
            partitioning: config.partitioning(),
            interceptors: config.interceptors().cloned(),
            check: check::Settings::new(config),
        };
        let (shared, thread) = driver::start(config)?;
        at_exit::remember(&shared);
        let handle = Handle {
            shared,
            thread: Mutex::ranked(Rank::Thread, Some(thread)),
            longest_delivery_timeout: config.topics().longest_delivery_timeout(),
        };
        Ok(Self {
            handle: Arc::new(handle),
            serializers: Arc::new(serializers),
            settings: Arc::new(settings),
        })
    }
}

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// Serializes the record, chooses its partition, puts it into a batch and returns.
    ///
    /// `Ok(())`: the record is accepted, and `callback` runs **exactly once**, on success, failure,
    /// close and drop, normally on the I/O thread, in the order of `send` per partition. It gets
    /// where in the log the record is, or why it was not acknowledged. A callback that captures something is
    /// one allocation; a [`group`](Self::group) does without.
    ///
    /// Blocks for at most `max.block.ms` (60 s) if metadata has to come first or `buffer.memory` is
    /// full. Inside a callback it acts as [`try_send`](Self::try_send).
    ///
    /// # Errors
    /// The record is refused, and the callback is dropped uncalled;
    /// [`send_or_return`](Self::send_or_return) hands both back. The time is over, and memory was
    /// [full](ErrorKind::BufferFull), or the topic could not be found out about: the brokers do not
    /// [know it](ErrorKind::UnknownTopicOrPartition), none can be reached or asked
    /// ([`Connect`](ErrorKind::Connect) and others, by what happened last), or none has answered yet
    /// ([`TimedOut`](ErrorKind::TimedOut)). Without waiting: the brokers refuse the topic
    /// ([`Broker`](ErrorKind::Broker)), the record is wrong
    /// ([`InvalidRecord`](ErrorKind::InvalidRecord), [`RecordTooLarge`](ErrorKind::RecordTooLarge),
    /// [`Serialization`](ErrorKind::Serialization)), or the producer is [`Closed`](ErrorKind::Closed).
    ///
    /// # Panics
    /// If a serializer or partitioner of the user's own panics; nothing is accepted then. An
    /// [interceptor](crate::ProducerInterceptor) that panics is caught.
    ///
    /// Runs on: caller.
    pub fn send<F>(&self, record: ProducerRecord<'_, K, V>, callback: F) -> Result<()>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        self.send_within(record, callback, &self.max_block())
    }

    /// [`send`](Self::send), but never blocks. For a topic that is not known yet it asks for
    /// metadata and refuses the record, with what is known by now; once the answer is there, the record is
    /// taken. [`prepare`](Self::prepare) waits for it before the first record.
    ///
    /// # Errors
    /// As [`send`](Self::send), of the same kind for the same cause. That no broker has answered about the
    /// topic yet is [`TimedOut`](ErrorKind::TimedOut): this call's time is over at once.
    pub fn try_send<F>(&self, record: ProducerRecord<'_, K, V>, callback: F) -> Result<()>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        self.send_within(record, callback, &WaitLimit::none())
    }

    /// [`send`](Self::send) with a limit of its own for this call, in place of `max.block.ms`. With
    /// `Duration::ZERO` it never blocks.
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
        self.send_within(record, callback, &WaitLimit::of_caller(timeout))
    }

    /// [`send`](Self::send) for those who have a use for what is refused: the error hands the record
    /// back, and the callback with all that it captures. `timeout` is the limit of this call, in place of
    /// `max.block.ms`; `Duration::ZERO` never blocks.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use linger::{Producer, ProducerRecord, Properties};
    /// # let properties = Properties::new()
    /// #     .set("bootstrap.servers", linger::testing::MockCluster::start()?.bootstrap_servers())
    /// #     .set("key.serializer", "string")
    /// #     .set("value.serializer", "string");
    /// # let producer: Producer<str, str> = Producer::new(&properties)?;
    /// let record = ProducerRecord::new("orders", "order_placed");
    /// let never_block = Some(Duration::ZERO);
    /// if let Err(refused) = producer.send_or_return(record, never_block, |_| ()) {
    ///     let (error, record, callback) = refused.into_parts();
    ///     // To keep it: queue.push(record.to_owned_record())
    ///     assert!(error.is_retriable());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_or_return<'a, F>(
        &self,
        record: ProducerRecord<'a, K, V>,
        timeout: Option<Duration>,
        callback: F,
    ) -> Result<(), SendError<'a, K, V, F>>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        let limit = timeout.map_or_else(|| self.max_block(), WaitLimit::of_caller);
        let mut callback = OwnCallback::new(callback);
        self.submit(&record, &mut callback.by_ref(), &limit)
            .map_err(|error| SendError::new(error, record, callback.into_unused()))
    }

    /// Sends a record and blocks until it is acknowledged: for programs that send one at a time.
    /// Its batch leaves without waiting for `linger.ms`.
    ///
    /// # Errors
    /// As [`send`](Self::send) and [`SendHandle::wait`].
    pub fn send_wait(&self, record: ProducerRecord<'_, K, V>) -> Result<RecordMetadata> {
        if self.handle.shared.is_io_thread() {
            return Err(misuse("send_wait"));
        }
        self.send_with_handle(record)?.wait()
    }

    /// Sends a record and returns a handle to wait for, or to await, for those who want many at once.
    /// Blocks as [`send`](Self::send) does.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_with_handle(&self, record: ProducerRecord<'_, K, V>) -> Result<SendHandle> {
        self.handle_within(record, &self.max_block())
    }

    /// [`send_with_handle`](Self::send_with_handle), but never blocks, as [`try_send`](Self::try_send):
    /// for [async code](crate#from-async-code).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn try_send_with_handle(&self, record: ProducerRecord<'_, K, V>) -> Result<SendHandle> {
        self.handle_within(record, &WaitLimit::none())
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "all ways to send take the record alike"
    )]
    fn handle_within(
        &self,
        record: ProducerRecord<'_, K, V>,
        limit: &WaitLimit,
    ) -> Result<SendHandle> {
        if let Some(record) = record.borrowed() {
            return self.handle_within(record, limit);
        }
        let outcome = Arc::new(Slot::default());
        let filled = Arc::clone(&outcome);
        let mut callback = OwnCallback::new(move |result| filled.fill(result));
        let mut buffers = SendBuffers::take();
        let appended = self.append(&record, &mut callback.by_ref(), limit, &mut buffers);
        let handle = appended.map(|appended| SendHandle {
            shared: Arc::clone(&self.handle.shared),
            outcome,
            queue: Arc::clone(appended.queue),
            batch: appended.batch,
        });
        buffers.put_back();
        handle
    }

    /// What this producer and its clones have done so far.
    pub fn metrics(&self) -> ProducerMetrics {
        let shared = &self.handle.shared;
        let (totals, budget) = (
            shared.accumulator.tally().totals(),
            shared.accumulator.budget(),
        );
        ProducerMetrics {
            records_accepted: shared.accumulator.accepted(),
            records_acknowledged: totals.acknowledged,
            records_failed: totals.failed(),
            buffer_used_bytes: budget.used() as u64,
            buffer_total_bytes: budget.total() as u64,
            ..shared.counters.snapshot()
        }
    }

    /// Makes the I/O thread panic, which nothing else can: for the tests of what happens then.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn kill_io_thread(&self) {
        self.handle.shared.doom();
    }

    fn send_within<F>(
        &self,
        record: ProducerRecord<'_, K, V>,
        callback: F,
        limit: &WaitLimit,
    ) -> Result<()>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        let result = self.submit(&record, &mut OwnCallback::new(callback).by_ref(), limit);
        record.let_go();
        result
    }

    fn gate(&self) -> Gate<'_> {
        Gate {
            shared: &self.handle.shared,
            settings: &self.settings,
        }
    }

    /// The limit of a call that has none of its own.
    fn max_block(&self) -> WaitLimit {
        WaitLimit::at_most(Limit::MaxBlock(self.settings.max_block))
    }
}

impl<K: ?Sized, V: ?Sized> Clone for Producer<K, V> {
    fn clone(&self) -> Self {
        Self {
            handle: Arc::clone(&self.handle),
            serializers: Arc::clone(&self.serializers),
            settings: Arc::clone(&self.settings),
        }
    }
}

impl<K: ?Sized, V: ?Sized> fmt::Debug for Producer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("metrics", &self.metrics())
            .finish_non_exhaustive()
    }
}

fn misuse(call: &str) -> Error {
    let text = format!(
        "{call} inside a callback would never return: it waits for the thread that runs callbacks"
    );
    Error::new(ErrorKind::Misuse, text)
}

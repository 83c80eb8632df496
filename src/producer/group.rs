//! Records that share one completion function: each carries a token in place of a callback of its
//! own, and allocates nothing. A group decides nothing; its records go the way of all others.

use std::fmt;
use std::time::Duration;

use crate::accumulator::{GroupFunction, GroupToken, caught};
use crate::error::{Error, Result};
use crate::metrics::Counters;
use crate::producer::wait_limit::{Limit, WaitLimit};
use crate::producer::{Producer, ProducerRecord, SendError};
use crate::record::metadata::RecordMetadata;
use crate::sync::{Arc, AtomicU64, Mutex, Ordering, Rank, Ranked};

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
    /// A group of records with one completion function, which gets each record's token, and where it
    /// landed or why it was not acknowledged. `buffer.memory` counts the size of a `T` for each.
    ///
    /// Make one group for many records: in a batch, each group takes some memory of its own.
    pub fn group<T, F>(&self, function: F) -> Group<K, V, T>
    where
        T: Send + 'static,
        F: Fn(T, Result<&RecordMetadata, &Error>) + Send + Sync + 'static,
    {
        Group {
            producer: self.clone(),
            function: GroupFunction::new(function),
        }
    }

    /// A group of records whose function is called once, when all of them have their outcome; see
    /// [`GroupOnce`].
    pub fn group_once<T, F>(&self, function: F) -> GroupOnce<K, V, T>
    where
        T: Send + 'static,
        F: FnOnce(GroupReport<T>) + Send + 'static,
    {
        let tally = Tally {
            acknowledged: AtomicU64::new(0),
            rest: Mutex::ranked(
                Rank::Tally,
                Rest {
                    failures: Vec::new(),
                    function: Some(Box::new(function)),
                },
            ),
            counters: Arc::clone(&self.handle.shared.counters),
        };
        GroupOnce {
            group: self.group(move |token, result| tally.note(token, result)),
        }
    }
}

impl<K: ?Sized, V: ?Sized, T: Send + 'static> Group<K, V, T> {
    /// [`Producer::send`] with a token in place of a callback.
    ///
    /// # Errors
    /// As [`Producer::send`]; the error hands the record and the token back.
    pub fn send<'a>(
        &self,
        record: ProducerRecord<'a, K, V>,
        token: T,
    ) -> Result<(), SendError<'a, K, V, T>> {
        self.send_within(record, token, &self.producer.max_block())
    }

    /// [`Producer::try_send`] with a token in place of a callback: never blocks.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn try_send<'a>(
        &self,
        record: ProducerRecord<'a, K, V>,
        token: T,
    ) -> Result<(), SendError<'a, K, V, T>> {
        self.send_within(record, token, &WaitLimit::none())
    }

    /// [`Producer::send_timeout`] with a token in place of a callback: a limit of its own in place of
    /// `max.block.ms`.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_timeout<'a>(
        &self,
        record: ProducerRecord<'a, K, V>,
        timeout: Duration,
        token: T,
    ) -> Result<(), SendError<'a, K, V, T>> {
        let limit = WaitLimit::at_most(Limit::Caller(timeout));
        self.send_within(record, token, &limit)
    }

    fn send_within<'a>(
        &self,
        record: ProducerRecord<'a, K, V>,
        token: T,
        limit: &WaitLimit,
    ) -> Result<(), SendError<'a, K, V, T>> {
        let mut token = GroupToken::new(&self.function, token);
        self.producer
            .submit(&record, &mut token, limit)
            .map_err(|error| SendError::new(error, record, token.into_unused()))
    }
}

impl<K: ?Sized, V: ?Sized, T> Group<K, V, T> {
    /// The producer that it sends with.
    pub fn producer(&self) -> &Producer<K, V> {
        &self.producer
    }
}

/// Sends records that belong together, and calls one function once, when **all** of them have their
/// outcome: a file, a request, a unit of work. From [`Producer::group_once`]. A record allocates
/// nothing, unless it fails.
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
/// let file = producer.group_once(|report| {
///     println!("{} lines are written", report.acknowledged);
///     for failure in report.failures {
///         eprintln!("line {}: {}", failure.token, failure.error);
///     }
/// });
/// for (line, text) in ["one", "two", "three"].into_iter().enumerate() {
///     file.send(ProducerRecord::new("lines", text), line)?;
/// }
/// file.done();
/// producer.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # When it is complete
///
/// A group is complete when no more records can come, because every clone of it is
/// [done](Self::done) or dropped, and each record that it accepted has its outcome. Then the function
/// is called, exactly once, whatever becomes of the producer: on the I/O thread, or, if nothing is
/// pending any more (or nothing was ever sent), on the thread that lets go of the last clone. A
/// [`flush`](Producer::flush) or [`close`](Producer::close) that returns `Ok` has seen the functions
/// of all groups that were done before it.
///
/// What holds for [callbacks](Producer#inside-a-callback) holds for the function; a panic in it is
/// caught, logged and counted on whatever thread it runs. A record that was refused was never in the
/// group.
pub struct GroupOnce<K: ?Sized, V: ?Sized, T> {
    group: Group<K, V, T>,
}

/// What became of a group's records; see [`GroupOnce`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupReport<T> {
    /// How many were acknowledged.
    pub acknowledged: u64,
    /// The others; those of one partition in the order of `send`.
    pub failures: Vec<GroupFailure<T>>,
}

/// A record of a group that was not acknowledged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GroupFailure<T> {
    /// What was sent with it.
    pub token: T,
    /// Why; its [`fate`](Error::fate) says whether it may be written all the same.
    pub error: Error,
}

impl<K: ?Sized, V: ?Sized, T: Send + 'static> GroupOnce<K, V, T> {
    /// [`Producer::send`] with a token in place of a callback; it comes back if the record fails.
    ///
    /// # Errors
    /// As [`Producer::send`]; the error hands the record and the token back.
    pub fn send<'a>(
        &self,
        record: ProducerRecord<'a, K, V>,
        token: T,
    ) -> Result<(), SendError<'a, K, V, T>> {
        self.group.send(record, token)
    }

    /// [`Producer::try_send`] with a token in place of a callback: never blocks.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn try_send<'a>(
        &self,
        record: ProducerRecord<'a, K, V>,
        token: T,
    ) -> Result<(), SendError<'a, K, V, T>> {
        self.group.try_send(record, token)
    }

    /// [`Producer::send_timeout`] with a token in place of a callback: a limit of its own in place of
    /// `max.block.ms`.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_timeout<'a>(
        &self,
        record: ProducerRecord<'a, K, V>,
        timeout: Duration,
        token: T,
    ) -> Result<(), SendError<'a, K, V, T>> {
        self.group.send_timeout(record, timeout, token)
    }
}

impl<K: ?Sized, V: ?Sized, T> GroupOnce<K, V, T> {
    /// Nothing more comes from this clone; dropping it says the same. Does not wait.
    pub fn done(self) {}

    /// The producer that it sends with.
    pub fn producer(&self) -> &Producer<K, V> {
        self.group.producer()
    }
}

/// What a [`GroupOnce`] knows. Its function is owned by the clones of the group and by the batches
/// that hold its tokens; when the last of them lets go, it is complete.
struct Tally<T> {
    acknowledged: AtomicU64,
    rest: Mutex<Rest<T>>,
    counters: Arc<Counters>,
}

struct Rest<T> {
    failures: Vec<GroupFailure<T>>,
    /// `None` once called.
    function: Option<Box<dyn FnOnce(GroupReport<T>) + Send>>,
}

impl<T> Tally<T> {
    fn note(&self, token: T, result: Result<&RecordMetadata, &Error>) {
        match result {
            Ok(_) => {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => self.rest.lock().failures.push(GroupFailure {
                token,
                error: error.clone(),
            }),
        }
    }
}

impl<T> Drop for Tally<T> {
    fn drop(&mut self) {
        let rest = self.rest.get_mut();
        let Some(function) = rest.function.take() else {
            return;
        };
        let report = GroupReport {
            acknowledged: self.acknowledged.load(Ordering::Relaxed),
            failures: std::mem::take(&mut rest.failures),
        };
        if caught(|| function(report)).is_err() {
            self.counters.callbacks_panicked.add_from_any_thread(1);
        }
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

impl<K: ?Sized, V: ?Sized, T> Clone for GroupOnce<K, V, T> {
    fn clone(&self) -> Self {
        Self {
            group: self.group.clone(),
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

impl<K: ?Sized, V: ?Sized, T> fmt::Debug for GroupOnce<K, V, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupOnce")
            .field("producer", self.producer())
            .finish_non_exhaustive()
    }
}

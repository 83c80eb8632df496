//! Records that belong together and share one function, which is called once, when the last of them
//! has its outcome. Built on a [`Group`] whose function gathers. Decides nothing about records.

use std::fmt;
use std::time::Duration;

use crate::accumulator::caught;
use crate::error::{Error, Result};
use crate::metrics::Counters;
use crate::producer::group::Group;
use crate::producer::{Producer, ProducerRecord, SendError};
use crate::record::metadata::RecordMetadata;
use crate::sync::{Arc, AtomicU64, Mutex, Ordering, Rank, Ranked};

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
/// pending any more (or nothing was ever sent), on the thread that drops the last clone. A
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

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// A group of records whose function is called once, when all of them have their outcome; see
    /// [`GroupOnce`].
    pub fn group_once<T, F>(&self, function: F) -> GroupOnce<K, V, T>
    where
        T: Send + 'static,
        F: FnOnce(GroupReport<T>) + Send + 'static,
    {
        let gathered = Gathered {
            acknowledged: AtomicU64::new(0),
            rest: Mutex::ranked(
                Rank::Group,
                Rest {
                    failures: Vec::new(),
                    function: Some(Box::new(function)),
                },
            ),
            counters: Arc::clone(&self.handle.shared.counters),
        };
        GroupOnce {
            group: self.group(move |token, result| gathered.add(token, result)),
        }
    }
}

impl<K: ?Sized, V: ?Sized, T: Send + 'static> GroupOnce<K, V, T> {
    /// [`Producer::send`] with a token in place of a callback; it comes back if the record fails.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn send(&self, record: ProducerRecord<'_, K, V>, token: T) -> Result<()> {
        self.group.send(record, token)
    }

    /// [`Producer::try_send`] with a token in place of a callback: never blocks.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn try_send(&self, record: ProducerRecord<'_, K, V>, token: T) -> Result<()> {
        self.group.try_send(record, token)
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
        self.group.send_timeout(record, timeout, token)
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
        self.group.send_or_return(record, timeout, token)
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

/// What a [`GroupOnce`] has gathered so far. It is captured by the group's function, and so owned by
/// the clones of the group and by the batches that hold its tokens. When the last of them drops it, no
/// record of the group is pending and none can come: its drop calls the function.
struct Gathered<T> {
    acknowledged: AtomicU64,
    rest: Mutex<Rest<T>>,
    counters: Arc<Counters>,
}

struct Rest<T> {
    failures: Vec<GroupFailure<T>>,
    /// `None` once called.
    function: Option<Box<dyn FnOnce(GroupReport<T>) + Send>>,
}

impl<T> Gathered<T> {
    fn add(&self, token: T, result: Result<&RecordMetadata, &Error>) {
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

impl<T> Drop for Gathered<T> {
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

impl<K: ?Sized, V: ?Sized, T> Clone for GroupOnce<K, V, T> {
    fn clone(&self) -> Self {
        Self {
            group: self.group.clone(),
        }
    }
}

impl<K: ?Sized, V: ?Sized, T> fmt::Debug for GroupOnce<K, V, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupOnce")
            .field("producer", self.producer())
            .finish_non_exhaustive()
    }
}

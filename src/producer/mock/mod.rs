//! A producer in memory, for tests of programs: no cluster, no thread, no socket. It serializes and chooses
//! partitions as the real one does, and keeps what it is given; its test decides what becomes of the records.
//!
//! Callbacks run on the thread whose call completes their record, one at a time and with no lock held:
//! whoever finds another thread at it leaves that thread its records, or waits if its call promises that they
//! are done. Runs on: caller.

mod calls;
mod state;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;

use std::fmt;

use crate::accumulator::Tally;
use crate::config::{ProducerConfig, Properties};
use crate::error::{Error, ErrorKind, Fate, Result};
use crate::foreign;
use crate::partitioner::{PartitionRequest, Partitioning, TopicPartitions};
use crate::producer::clock::wall_clock_ms;
use crate::producer::gate::{RecordTarget, check, check_topic_name};
use crate::producer::produce::Callback;
use crate::producer::send::serialize;
use crate::producer::{CloseReport, OwnedProducerRecord, ProducerRecord, Serializers, misuse};
use crate::record::metadata::RecordMetadata;
use crate::serializer::name_serving;
use crate::sync::{Arc, Condvar, Mutex, Rank, Ranked, assert_unlocked, thread};
use state::{Pending, State};

/// A producer in memory, for unit tests: the same [`Produce`](crate::Produce) as the real one, with the same
/// records and callbacks, and no cluster. Needs the feature `testing`. (`testing::MockCluster` is the other
/// way to test: a real producer, and a cluster that is not.)
///
/// ```
/// use linger::{ErrorKind, Fate, MockProducer, OwnedProducerRecord, Produce, ProducerRecord, Properties};
///
/// /// What is tested: sends to whatever it is given.
/// fn place(producer: &dyn Produce<str, str>, order: &str) -> linger::Result<()> {
///     producer.send(ProducerRecord::new("orders", order), Box::new(|_| {}))
/// }
///
/// let producer: MockProducer<str, str> = MockProducer::new(&Properties::new())?;
/// place(&producer, "placed")?;
/// assert_eq!(producer.history(), [OwnedProducerRecord::new("orders", "placed".to_owned())]);
///
/// // Memory is full, as far as the program can tell.
/// producer.refuse_sends(ErrorKind::BufferFull);
/// assert_eq!(place(&producer, "paid").unwrap_err().kind(), ErrorKind::BufferFull);
/// producer.refuse_sends(None);
///
/// // From now on the test decides when a record has its outcome, and which.
/// producer.set_auto_complete(false);
/// place(&producer, "packed")?;
/// assert!(producer.error_next(ErrorKind::TimedOut, Fate::MayBeWritten));
/// assert!(!producer.complete_next(), "nothing is pending");
/// # Ok::<(), linger::Error>(())
/// ```
///
/// # What is as in the real one
///
/// Serializers, the partition of a record with a key or of a [`Partitioner`](crate::Partitioner), what is
/// refused (an illegal topic, a partition that does not exist, a record above `max.request.size`, all after a
/// close), and which calls are [`Misuse`](ErrorKind::Misuse) inside a callback. Callbacks run exactly once
/// and in the order of `send`.
///
/// # What differs
///
/// - Callbacks run on the thread whose call completes the record: within `send` itself, unless
///   [`set_auto_complete(false)`](Self::set_auto_complete). So a callback that takes a lock that its `send`
///   holds hangs here. One that panics unwinds out of that call, so that an assertion in it fails the test.
/// - Records without a key take turns, since each is a batch of its own.
/// - Nothing waits: limits of time have no effect. Interceptors are not called.
///
/// Clones share everything. Dropping the last one drops the callbacks of what is pending.
pub struct MockProducer<K: ?Sized + ToOwned, V: ?Sized + ToOwned> {
    shared: Arc<Shared<K, V>>,
}

struct Shared<K: ?Sized + ToOwned, V: ?Sized + ToOwned> {
    serializers: Serializers<K, V>,
    partitioning: Partitioning,
    max_request_size: usize,
    state: Mutex<State<K::Owned, V::Owned>>,
    /// A thread has stopped running callbacks.
    delivered: Condvar,
    /// Counted while the lock is held.
    tally: Tally,
}

/// The one node that leads everything.
const NODE: i32 = 1;

impl<K, V> MockProducer<K, V>
where
    K: ?Sized + ToOwned + 'static,
    V: ?Sized + ToOwned + 'static,
{
    /// A producer that acknowledges each record within `send`, and knows every topic, with one partition
    /// unless [`add_topic`](Self::add_topic) says otherwise. `properties` are those of the program, checked
    /// as [`Producer::new`](crate::Producer::new) does; what is not set and cannot be done without has a
    /// default: `bootstrap.servers`, and the serializers of types that a built-in one serves.
    ///
    /// # Errors
    /// As [`Producer::new`](crate::Producer::new).
    pub fn new(properties: &Properties) -> Result<Self> {
        let defaults = [
            ("bootstrap.servers", Some("mock:9092")),
            ("key.serializer", name_serving::<K>()),
            ("value.serializer", name_serving::<V>()),
        ];
        let defaults = defaults.into_iter();
        let defaults: Properties = defaults
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let config = ProducerConfig::from_properties(&defaults.merge(properties.clone()))?;
        let shared = Shared {
            serializers: Serializers {
                key: config.key_serializer::<K>()?,
                value: config.value_serializer::<V>()?,
            },
            partitioning: config.partitioning(),
            max_request_size: config.max_request_size(),
            state: Mutex::ranked(Rank::MockCluster, State::new()),
            delivered: Condvar::new(),
            tally: Tally::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

/// What the test says and asks.
impl<K: ?Sized + ToOwned, V: ?Sized + ToOwned> MockProducer<K, V> {
    /// Gives a topic this many partitions, at least one. From the first call on, topics that were not added
    /// are unknown: records for them are refused.
    pub fn add_topic(&self, name: &str, partitions: i32) {
        self.shared.state.lock().add_topic(name, partitions);
    }

    /// Whether records have their outcome within `send`, as at first. If not, they wait for
    /// [`complete_next`](Self::complete_next), [`error_next`](Self::error_next), a flush, a purge or a close.
    /// Completes what is pending when it is switched on.
    pub fn set_auto_complete(&self, auto_complete: bool) {
        self.shared.state.lock().auto_complete = auto_complete;
        self.catch_up();
    }

    /// Acknowledges the oldest pending record: runs its callback, and returns whether there was one.
    ///
    /// # Panics
    /// If the callback does.
    pub fn complete_next(&self) -> bool {
        let completed = self.deliver(1) == 1;
        self.catch_up();
        completed
    }

    /// Fails the oldest pending record: runs its callback, and returns whether there was one.
    ///
    /// # Panics
    /// If the callback does.
    pub fn error_next(&self, kind: ErrorKind, fate: Fate) -> bool {
        let found = self.shared.state.lock().fail_oldest(injected(kind, fate));
        found && self.complete_next()
    }

    /// Makes a record fail that is still to be sent: the next one, or, called several times, as many of the
    /// next ones in that order.
    pub fn fail_next_send(&self, kind: ErrorKind, fate: Fate) {
        let error = injected(kind, fate);
        self.shared.state.lock().failures.push_back(error);
    }

    /// Refuses every record from now on, as being of this kind: [`BufferFull`](ErrorKind::BufferFull), for
    /// example. `None` takes them again.
    pub fn refuse_sends(&self, kind: impl Into<Option<ErrorKind>>) {
        self.shared.state.lock().refusal = kind.into();
    }

    /// The records accepted so far, in the order of `send`, as they were given: what the program left to the
    /// producer, such as the partition, is not filled in.
    pub fn history(&self) -> Vec<OwnedProducerRecord<K::Owned, V::Owned>>
    where
        K::Owned: Clone,
        V::Owned: Clone,
    {
        self.shared.state.lock().history.clone()
    }

    /// Forgets the [history](Self::history). What is pending stays so.
    pub fn clear(&self) {
        // What the program's types do when they are dropped, they do without our lock.
        let forgotten = std::mem::take(&mut self.shared.state.lock().history);
        drop(forgotten);
    }

    /// How many records have no outcome yet.
    pub fn pending(&self) -> usize {
        self.shared.state.lock().pending.len()
    }

    /// How often the program has flushed.
    pub fn flushes(&self) -> u64 {
        self.shared.state.lock().flushes
    }

    /// Whether the program has closed the producer.
    pub fn is_closed(&self) -> bool {
        self.shared.state.lock().is_closed
    }
}

/// Taking a record.
impl<K: ?Sized + ToOwned, V: ?Sized + ToOwned> MockProducer<K, V> {
    /// Takes the callback with the record, or leaves it to its caller.
    fn submit(
        &self,
        record: &ProducerRecord<'_, K, V>,
        callback: &mut Option<Callback>,
    ) -> Result<()> {
        if let Some(record) = record.borrowed() {
            return self.submit(&record, callback);
        }
        let named = |error: Error| error.at(record.topic, record.partition);
        self.accept(record, callback).map_err(named)
    }

    fn accept(
        &self,
        record: &ProducerRecord<'_, K, V>,
        callback: &mut Option<Callback>,
    ) -> Result<()> {
        let topic = record.topic;
        check(&RecordTarget {
            topic,
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
        })?;
        check_topic_name(topic)?;
        let count = self.shared.state.lock().partitions_of(topic)?;
        let Serializers {
            key: of_keys,
            value: of_values,
        } = &self.shared.serializers;
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let key = match record.key {
            Some(data) => serialize(&**of_keys, record, data, true, &mut key)?,
            None => None,
        };
        let value = match record.value {
            Some(data) => serialize(&**of_values, record, data, false, &mut value)?,
            None => None,
        };
        self.check_size(topic, key, value)?;
        let chosen = match record.partition {
            Some(partition) => Some(partition),
            None => self.choose(topic, count, key, value)?,
        };
        let metadata = RecordMetadata {
            topic: topic.into(),
            partition: chosen.unwrap_or_default(),
            offset: None,
            timestamp_ms: record.timestamp_ms.unwrap_or_else(wall_clock_ms),
            key_size: key.map(<[u8]>::len),
            value_size: value.map(<[u8]>::len),
        };
        // If it is refused, it is dropped here, without the lock.
        let mut owned = Some(record.to_owned_record());
        self.shared
            .state
            .lock()
            .accept(&mut owned, metadata, chosen, callback)
    }

    fn check_size(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<()> {
        let (bytes, limit) = (
            [key, value]
                .into_iter()
                .flatten()
                .map(<[u8]>::len)
                .sum::<usize>(),
            self.shared.max_request_size,
        );
        if bytes <= limit {
            return Ok(());
        }
        let text = format!(
            "a record of {bytes} bytes for \"{topic}\" is larger than max.request.size ({limit})"
        );
        Err(Error::new(ErrorKind::RecordTooLarge, text))
    }

    /// The partitioner's choice; `None`: the record takes its turn.
    fn choose(
        &self,
        topic: &str,
        count: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<Option<i32>> {
        let all: Vec<i32> = (0..count).collect();
        let partitions = TopicPartitions::new(count, &all);
        let partitioner = match &self.shared.partitioning {
            Partitioning::ByKey(rule) => return Ok(rule.partition(key, &partitions)),
            Partitioning::Custom(partitioner) => partitioner,
        };
        assert_unlocked();
        let request = PartitionRequest::new(topic, key, value);
        let index = partitioner
            .partition(&request, &partitions)
            .map_err(|error| {
                let why = foreign::text(&*error);
                let text = format!("the partitioner refused a record for \"{topic}\": {why}");
                Error::with_source(ErrorKind::InvalidRecord, text, error)
            })?;
        if !all.contains(&index) {
            let text = format!(
                "the partitioner chose partition {index} of topic \"{topic}\", which has {count} partitions"
            );
            return Err(Error::new(ErrorKind::InvalidRecord, text));
        }
        Ok(Some(index))
    }
}

/// Completing records.
impl<K: ?Sized + ToOwned, V: ?Sized + ToOwned> MockProducer<K, V> {
    /// Completes up to this many pending records, oldest first, and returns how many.
    fn deliver(&self, limit: usize) -> usize {
        let mut delivered = 0;
        while delivered < limit && self.deliver_one(|state| state.pending.pop_front()) {
            delivered += 1;
        }
        delivered
    }

    /// Completes what other threads have left while this one ran callbacks, unless it is the test that
    /// completes.
    fn catch_up(&self) {
        let is_due = self.shared.state.lock().is_left_to_sender();
        if is_due {
            self.deliver(usize::MAX);
        }
    }

    /// Completes the record that is picked, when no other thread runs a callback any more.
    fn deliver_one(
        &self,
        pick: impl FnOnce(&mut State<K::Owned, V::Owned>) -> Option<Pending>,
    ) -> bool {
        let shared = &*self.shared;
        let this = thread::current().id();
        let mut state = shared.state.lock();
        while state.delivering.is_some_and(|thread| thread != this) {
            shared.delivered.wait(&mut state);
        }
        if state.delivering.is_some() {
            // Inside a callback: whoever has called it goes on with the rest.
            return false;
        }
        let Some(pending) = pick(&mut state) else {
            return false;
        };
        let (callback, result) = state.outcome(pending);
        shared.tally.count(result.as_ref().map(drop));
        state.delivering = Some(this);
        drop(state);
        let _ended = Delivering(self);
        assert_unlocked();
        callback(result);
        true
    }

    fn check_thread(&self, call: &str) -> Result<()> {
        let delivering = self.shared.state.lock().delivering;
        match delivering == Some(thread::current().id()) {
            true => Err(misuse(call)),
            false => Ok(()),
        }
    }

    fn close_with(&self, error: Option<&Error>) -> Result<CloseReport> {
        self.check_thread("close")?;
        let before = self.shared.tally.totals().acknowledged;
        let mut state = self.shared.state.lock();
        state.is_closed = true;
        let mark = state.losses.mark();
        for pending in &mut state.pending {
            if let Some(error) = error {
                pending.error = Some(error.clone());
            }
        }
        drop(state);
        self.deliver(usize::MAX);
        let acknowledged = self.shared.tally.totals().acknowledged - before;
        let losses = self.shared.state.lock().losses.since(mark);
        Ok(CloseReport::new(acknowledged, losses))
    }
}

/// A thread runs a callback until this is dropped, also by a panic.
struct Delivering<'a, K: ?Sized + ToOwned, V: ?Sized + ToOwned>(&'a MockProducer<K, V>);

impl<K: ?Sized + ToOwned, V: ?Sized + ToOwned> Drop for Delivering<'_, K, V> {
    fn drop(&mut self) {
        let shared = &*self.0.shared;
        shared.state.lock().delivering = None;
        shared.delivered.notify_all();
    }
}

fn injected(kind: ErrorKind, fate: Fate) -> Error {
    let text = match kind {
        ErrorKind::Broker(code) => format!("as the test says: {code}: {}", code.message()),
        kind => format!("as the test says: {kind:?}"),
    };
    Error::new(kind, text).with_fate(fate)
}

impl<K: ?Sized + ToOwned, V: ?Sized + ToOwned> Clone for MockProducer<K, V> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K: ?Sized + ToOwned, V: ?Sized + ToOwned> fmt::Debug for MockProducer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.lock();
        f.debug_struct("MockProducer")
            .field("accepted", &state.accepted)
            .field("pending", &state.pending.len())
            .field("is_closed", &state.is_closed)
            .finish_non_exhaustive()
    }
}

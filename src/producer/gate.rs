//! What every record passes, whatever the types of its key and value: the look-up of its topic, then
//! the check of its size, the choice of a partition, and the wait for memory. HOT, and compiled once.
//! Partitioners run with no lock and no reservation held. Runs on: caller.

use std::cell::Cell;
use std::error::Error as StdError;
use std::time::{Duration, Instant};

use crate::accumulator::{
    Appended, CachedTopics, Caller, NewRecord, NoMemory, Place, RecordLimit, Refused, Reservation,
    Target, Topic, Topics, most_needed,
};
use crate::driver::{End, Shared};
use crate::error::{Error, ErrorKind, Result};
use crate::foreign;
use crate::ids::topic_name_fault;
use crate::partitioner::{PartitionRequest, Partitioning, TopicPartitions};
use crate::producer::Settings;
use crate::producer::clock::now;
use crate::producer::wait_limit::{Limit, WaitLimit};
use crate::record::encoded_size_upper_bound;
use crate::sender::Command;
use crate::sync::{Arc, assert_unlocked};

/// Where a record is to go, as the caller or the interceptors say.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordTarget<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: Option<i32>,
    pub(super) timestamp_ms: Option<i64>,
}

impl RecordTarget<'_> {
    /// The error, about this topic and, if it is known, partition.
    #[cold]
    pub(super) fn blame(&self, error: Error) -> Error {
        error.at(self.topic, self.partition)
    }

    /// The index of the topic in `topics`, if the topic has the partition.
    #[inline]
    fn find_in(&self, topics: &Topics) -> Option<usize> {
        let index = topics.index_of(self.topic)?;
        let topic = topics.at(index)?;
        let has = |partition| topic.queue(partition).is_some();
        self.partition.is_none_or(has).then_some(index)
    }
}

/// What this part of `send` needs of its producer. Has no type parameters.
pub(super) struct Gate<'a> {
    pub(super) shared: &'a Shared,
    pub(super) settings: &'a Settings,
}

thread_local! {
    /// A panic that unwinds on this thread is the partitioner's. Set only while one does, and looked at
    /// only by calls with [interceptors](super::intercepted), which tell them whose panic it is.
    pub(super) static PARTITIONER_PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// How long after the deadline a caller still waits for the I/O thread's answer, which says better why
/// there is no metadata than the caller can.
pub(super) const ANSWER_GRACE: Duration = Duration::from_millis(50);
const _: () = assert!(
    ANSWER_GRACE.as_millis() < 100,
    "a tenth of a second is promised"
);

impl Gate<'_> {
    /// The topic, with the partition if one is named; waits for metadata if need be.
    #[inline]
    pub(super) fn topic<'t>(
        &self,
        target: &RecordTarget<'_>,
        limit: &WaitLimit,
        cached: &'t mut Option<CachedTopics>,
    ) -> Result<&'t Topic> {
        check(target).map_err(|error| target.blame(error))?;
        let accumulator = &self.shared.accumulator;
        let mut index = target.find_in(accumulator.topics(cached));
        if index.is_none() {
            self.await_topic(target.topic, target.partition, limit)
                .map_err(|error| target.blame(error))?;
            index = target.find_in(accumulator.topics(cached));
        }
        // From the same topics that the index is of: newer ones may not have the partition any more.
        let topics = cached.as_ref().map(CachedTopics::topics);
        let topic = index.and_then(|index| topics?.at(index));
        topic.map(|topic| &**topic).ok_or_else(|| {
            let text = format!("topic \"{}\" was announced and is not there", target.topic);
            target.blame(Error::new(ErrorKind::Internal, text))
        })
    }

    /// Waits until metadata about the topic has come, and it has the partition if one is named. A call
    /// that must not wait asks for the metadata and fails with what is known by now.
    pub(super) fn await_topic(
        &self,
        name: &str,
        partition: Option<i32>,
        limit: &WaitLimit,
    ) -> Result<()> {
        check_topic_name(name)?;
        let shared = self.shared;
        let topic: Arc<str> = Arc::from(name);
        let Some((deadline, limit)) = self.wait_for(limit) else {
            shared.post(Command::Track(topic)).map_err(End::error)?;
            return Err(shared.missing(name, partition));
        };
        let command = Command::AwaitTopic {
            topic,
            partition,
            deadline,
        };
        let ticket = shared.post(command).map_err(End::error)?;
        ticket.wait_beyond(deadline, ANSWER_GRACE).unwrap_or_else(|| {
            let text = format!(
                "no metadata for topic \"{name}\" within {}; the I/O thread is busy, with a callback \
                 perhaps",
                limit.describe()
            );
            Err(Error::new(ErrorKind::TimedOut, text))
        })
    }

    /// Appends the record to a batch, and waits for room if need be.
    pub(super) fn append<'t>(
        &self,
        target: &RecordTarget<'_>,
        topic: &'t Topic,
        new: &mut NewRecord<'_>,
        limit: &WaitLimit,
    ) -> Result<Appended<'t>> {
        let appended = self.append_or_wait(target, topic, new, limit);
        appended.map_err(|error| target.blame(error).of_record(new.record.sizes()))
    }

    #[inline]
    fn append_or_wait<'t>(
        &self,
        target: &RecordTarget<'_>,
        topic: &'t Topic,
        new: &mut NewRecord<'_>,
        limit: &WaitLimit,
    ) -> Result<Appended<'t>> {
        self.check_size(target, new)?;
        let destination = self.choose(target, topic, new)?;
        let accumulator = &self.shared.accumulator;
        let caller = ThisCaller { gate: self, limit };
        let place = self.take_place(limit)?;
        let mut reserved = None;
        loop {
            match accumulator.append(&caller, destination, new, reserved) {
                Ok(appended) => {
                    if let Some(place) = place {
                        place.keep();
                    }
                    if appended.wake {
                        self.shared.wake();
                    }
                    return Ok(appended);
                }
                Err(Refused::NoMemory) => {
                    let memory = self.reserve(new, limit);
                    reserved = Some(memory.map_err(|error| match destination {
                        Target::Partition(queue) => error.at(target.topic, Some(queue.index())),
                        Target::Sticky(_) => error,
                    })?);
                }
                Err(Refused::Closed) => return Err(self.closed()),
                Err(Refused::Forked) => return Err(End::Forked(accumulator.home()).error()),
            }
        }
    }

    /// Refuses a record that could never be sent, or would wait for memory for ever.
    fn check_size(&self, target: &RecordTarget<'_>, new: &NewRecord<'_>) -> Result<()> {
        let bytes = encoded_size_upper_bound(new.content);
        let needed = most_needed(new.content, new.callback_bytes);
        let (limit, total) = (
            self.settings.max_request_size,
            self.shared.accumulator.budget().total(),
        );
        if bytes <= limit && needed <= total {
            return Ok(());
        }
        let (setting, limit) = match bytes > limit {
            true => ("max.request.size", limit),
            false => ("buffer.memory, bookkeeping included,", total),
        };
        let topic = target.topic;
        let text =
            format!("a record of {bytes} bytes for \"{topic}\" is larger than {setting} ({limit})");
        Err(Error::new(ErrorKind::RecordTooLarge, text))
    }

    /// The partition: the record's own, or the partitioner's choice.
    fn choose<'t>(
        &self,
        target: &RecordTarget<'_>,
        topic: &'t Topic,
        new: &NewRecord<'_>,
    ) -> Result<Target<'t>> {
        let count = topic.partition_count();
        let (key, value) = (new.record.key, new.record.value);
        let partitions = TopicPartitions::new(count, topic.available());
        let index = match (target.partition, &self.settings.partitioning) {
            (Some(partition), _) => partition,
            (None, Partitioning::ByKey(rule)) => match rule.partition(key, &partitions) {
                Some(partition) => partition,
                None => return Ok(Target::Sticky(topic)),
            },
            (None, Partitioning::Custom(partitioner)) => {
                let request = PartitionRequest::new(target.topic, key, value);
                assert_unlocked();
                let refused = |error: Box<dyn StdError + Send + Sync>| {
                    let (topic, why) = (target.topic, foreign::text(&*error));
                    let text = format!("the partitioner refused a record for \"{topic}\": {why}");
                    Error::with_source(ErrorKind::InvalidRecord, text, error)
                };
                let choose = || partitioner.partition(&request, &partitions);
                foreign::watch(choose, |_| PARTITIONER_PANICKED.set(true)).map_err(refused)?
            }
        };
        topic.queue(index).map(Target::Partition).ok_or_else(|| {
            let text = format!(
                "the partitioner chose partition {index} of topic \"{}\", which has {count} \
                 partitions",
                target.topic
            );
            Error::new(ErrorKind::InvalidRecord, text)
        })
    }

    /// A place among the records on their way, if their number is limited; waits for one if need be.
    #[inline]
    fn take_place(&self, limit: &WaitLimit) -> Result<Option<Place>> {
        match self.shared.accumulator.record_limit() {
            None => Ok(None),
            Some(records) => self.take_place_of(records, limit).map(Some),
        }
    }

    fn take_place_of(&self, records: &RecordLimit, limit: &WaitLimit) -> Result<Place> {
        if let Some(place) = records.try_take() {
            return Ok(place);
        }
        let what = || {
            format!(
                "queue.buffering.max.messages ({} records) is",
                records.most()
            )
        };
        self.await_room(
            limit,
            &what,
            || records.set_refused(),
            |deadline| records.wait(deadline, || self.shared.wake()),
        )
    }

    /// Waits for as much memory as the record can need.
    fn reserve(&self, new: &NewRecord<'_>, limit: &WaitLimit) -> Result<Reservation> {
        let budget = self.shared.accumulator.budget();
        let needed = most_needed(new.content, new.callback_bytes);
        let what = || format!("buffer.memory ({} bytes) is", budget.total());
        self.await_room(
            limit,
            &what,
            || budget.set_refused(),
            |deadline| budget.wait(needed, deadline, || self.shared.wake()),
        )
    }

    /// Waits for room, if the call may wait. `set_refused` says whether the I/O thread is to be woken
    /// because this call could not.
    fn await_room<R>(
        &self,
        limit: &WaitLimit,
        what: &dyn Fn() -> String,
        set_refused: impl FnOnce() -> bool,
        wait: impl FnOnce(Option<Instant>) -> Result<R, NoMemory>,
    ) -> Result<R> {
        self.shared.check_process().map_err(End::error)?;
        let full = |waited: &str| {
            let what = what();
            let text =
                format!("{what} full{waited}: records come faster than the brokers take them");
            Error::new(ErrorKind::BufferFull, text)
        };
        let Some((deadline, limit)) = self.wait_for(limit) else {
            if set_refused() {
                self.shared.wake();
            }
            return Err(full(""));
        };
        wait(deadline).map_err(|refused| match refused {
            NoMemory::Closed => self.closed(),
            NoMemory::TimedOut => full(&format!(" and stayed so for {}", limit.describe())),
        })
    }

    /// How long this call may wait, if at all. On the I/O thread, in a callback, it must not: what it
    /// waits for would have to come from that very thread.
    fn wait_for(&self, limit: &WaitLimit) -> Option<(Option<Instant>, Limit)> {
        limit.begin().filter(|_| !self.shared.is_io_thread())
    }

    /// What the call fails with once the producer is closed. The I/O thread is woken, since this call
    /// may have compressed a batch before it was refused, and the I/O thread waits for that one.
    pub(super) fn closed(&self) -> Error {
        self.shared.wake();
        self.shared.ending().unwrap_or(End::Closed).error()
    }
}

/// A call to `send`, as the accumulator asks it.
struct ThisCaller<'a> {
    gate: &'a Gate<'a>,
    limit: &'a WaitLimit,
}

impl Caller for ThisCaller<'_> {
    fn now(&self) -> Instant {
        now()
    }

    fn may_compress(&self) -> bool {
        self.limit.may_wait() && !self.gate.shared.is_io_thread()
    }
}

/// Refuses what is wrong whatever the cluster looks like.
#[inline]
pub(super) fn check(record: &RecordTarget<'_>) -> Result<()> {
    let invalid = |text: String| Err(Error::new(ErrorKind::InvalidRecord, text));
    if let Some(timestamp) = record.timestamp_ms.filter(|timestamp| *timestamp < 0) {
        return invalid(format!(
            "a timestamp must not be negative, and this one is {timestamp}"
        ));
    }
    if let Some(partition) = record.partition.filter(|partition| *partition < 0) {
        return invalid(format!(
            "a partition must not be negative, and this one is {partition}"
        ));
    }
    Ok(())
}

/// Refuses names that brokers refuse. Called only for topics that are not known yet.
pub(super) fn check_topic_name(name: &str) -> Result<()> {
    const ENOUGH_TO_SHOW: usize = 249;
    let Some(why) = topic_name_fault(name) else {
        return Ok(());
    };
    let shown: String = name.chars().take(ENOUGH_TO_SHOW).collect();
    let text = format!("{shown:?} is not a legal topic name: {why}");
    Err(Error::new(ErrorKind::InvalidRecord, text))
}

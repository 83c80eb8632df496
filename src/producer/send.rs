//! The path of a record on the caller's thread: topic, bytes, partition, queue. HOT. Serializers
//! and partitioners run with no lock and no reservation held. Runs on: caller.

use std::cell::{OnceCell, RefCell};
use std::time::{Duration, Instant};

use crate::accumulator::{
    Appended, BatchId, Lane, NoMemory, PartitionQueue, Refused, Reservation, Topic, Topics,
    most_needed,
};
use crate::driver::End;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::topic_name_fault;
use crate::partitioner::{PartitionRequest, TopicPartitions, partition_for_key};
use crate::producer::record::ProducerRecord;
use crate::producer::{Producer, now, wall_clock_ms};
use crate::record::Record;
use crate::record::metadata::RecordMetadata;
use crate::sender::Command;
use crate::serializer::{Context, Serialized, Serializer};
use crate::sync::{Arc, assert_unlocked};

/// How long a call may wait for metadata and memory, together.
#[derive(Debug)]
pub(super) struct Patience {
    /// `None`: not at all.
    limit: Option<Limit>,
    /// When it ends, as of the first wait: a call that does not wait reads no clock.
    deadline: OnceCell<Option<Instant>>,
}

impl Patience {
    pub(super) const NONE: Self = Self::new(None);

    pub(super) fn until(limit: Limit) -> Self {
        Self::new(Some(limit))
    }

    const fn new(limit: Option<Limit>) -> Self {
        Self {
            limit,
            deadline: OnceCell::new(),
        }
    }

    /// Until when to wait, and whose limit that is; no deadline waits for ever.
    fn begin(&self) -> Option<(Option<Instant>, Limit)> {
        let limit = self.limit?;
        let end = || now().checked_add(limit.duration());
        Some((*self.deadline.get_or_init(end), limit))
    }
}

/// Whose limit it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    MaxBlock(Duration),
    Caller(Duration),
}

/// Where a record is, once it is on its way.
pub(super) type Accepted<'a> = (&'a Arc<PartitionQueue>, BatchId);

/// Where a record goes.
enum Target<'a> {
    Partition(&'a Arc<PartitionQueue>),
    /// To the partition whose turn it is in the built-in round of keyless records.
    Round(&'a Topic),
}

thread_local! {
    /// What serializers write to: kept from record to record, so that they allocate nothing.
    static BUFFERS: RefCell<Buffers> = RefCell::default();
    static LANE: Lane = Lane::default();
}

#[derive(Default)]
struct Buffers {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// A buffer that one huge record has grown is not kept.
const KEPT_BUFFER_BYTES: usize = 1024 * 1024;

/// How much later than the deadline the I/O thread's better-informed answer is still waited for.
const GRACE: Duration = Duration::from_millis(50);

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// Takes a record in and says where it is, or why it was not and gives the callback back.
    pub(super) fn submit<F, T>(
        &self,
        record: &ProducerRecord<'_, K, V>,
        callback: F,
        patience: &Patience,
        accepted: impl FnOnce(Accepted<'_>) -> T,
    ) -> Result<T, (Error, F)>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        // Taken out, not borrowed: a serializer may send records of its own.
        let mut buffers = BUFFERS.try_with(RefCell::take).unwrap_or_default();
        buffers.key.clear();
        buffers.value.clear();
        let result = self.submit_with(record, callback, patience, &mut buffers, accepted);
        if buffers.key.capacity().max(buffers.value.capacity()) <= KEPT_BUFFER_BYTES {
            // A thread that is ending has no place to keep them.
            BUFFERS.try_with(|kept| kept.replace(buffers)).ok();
        }
        result
    }

    fn submit_with<F, T>(
        &self,
        record: &ProducerRecord<'_, K, V>,
        callback: F,
        patience: &Patience,
        buffers: &mut Buffers,
        accepted: impl FnOnce(Accepted<'_>) -> T,
    ) -> Result<T, (Error, F)>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        let known = self.handle.shared.accumulator.topics();
        let mut awaited = None;
        let topic = self.topic(record, patience, &known, &mut awaited);
        let prepared = topic.and_then(|topic| self.prepare::<F>(record, topic, buffers));
        let (target, encoded) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Err((error, callback)),
        };
        let place = self.append(target, &encoded, callback, patience)?;
        Ok(accepted(place))
    }

    /// Everything else that may refuse the record for its own sake.
    fn prepare<'b, F>(
        &self,
        record: &'b ProducerRecord<'_, K, V>,
        topic: &'b Topic,
        buffers: &'b mut Buffers,
    ) -> Result<(Target<'b>, Record<'b>)> {
        let (key, value) = self.serialize(record, buffers)?;
        let encoded = Record {
            timestamp_ms: record.timestamp_ms.unwrap_or_else(wall_clock_ms),
            key,
            value,
            headers: &record.headers,
        };
        self.check_size::<F>(record.topic, &encoded)?;
        let target = self.choose(record, topic, &encoded)?;
        Ok((target, encoded))
    }

    /// The topic, with the partition if one is named; waits for metadata if need be.
    fn topic<'t>(
        &self,
        record: &ProducerRecord<'_, K, V>,
        patience: &Patience,
        known: &'t Topics,
        awaited: &'t mut Option<Arc<Topic>>,
    ) -> Result<&'t Topic> {
        check(record)?;
        let (name, partition) = (record.topic, record.partition);
        let has = |topic: &Topic| partition.is_none_or(|index| topic.queue(index).is_some());
        if let Some(topic) = known.find(name).filter(|topic| has(topic)) {
            return Ok(topic);
        }
        check_topic_name(name)?;
        self.await_topic(name, partition, patience)?;
        let topic = self.handle.shared.accumulator.topic(name);
        let topic = topic.filter(|topic| has(topic)).ok_or_else(|| {
            let text = format!("topic \"{name}\" was announced and is not there");
            Error::new(ErrorKind::Internal, text)
        })?;
        Ok(awaited.insert(topic))
    }

    pub(super) fn await_topic(
        &self,
        name: &str,
        partition: Option<i32>,
        patience: &Patience,
    ) -> Result<()> {
        let shared = &self.handle.shared;
        let topic: Arc<str> = Arc::from(name);
        let Some((deadline, limit)) = self.wait_for(patience) else {
            shared.post(Command::Track(topic)).map_err(End::error)?;
            let text = match partition {
                Some(partition) => format!("partition {partition} of topic \"{name}\""),
                None => format!("topic \"{name}\""),
            };
            let text = format!("{text} is not known yet; metadata has been asked for");
            return Err(Error::new(ErrorKind::UnknownTopicOrPartition, text));
        };
        let command = Command::AwaitTopic {
            topic,
            partition,
            deadline,
        };
        let ticket = shared.post(command).map_err(End::error)?;
        ticket.wait_beyond(deadline, GRACE).unwrap_or_else(|| {
            let text = format!(
                "no metadata for topic \"{name}\" within {}; the I/O thread is busy, with a callback \
                 perhaps",
                limit.describe()
            );
            Err(Error::new(ErrorKind::TimedOut, text))
        })
    }

    #[expect(clippy::type_complexity, reason = "a key and a value")]
    fn serialize<'b>(
        &self,
        record: &'b ProducerRecord<'_, K, V>,
        buffers: &'b mut Buffers,
    ) -> Result<(Option<&'b [u8]>, Option<&'b [u8]>)> {
        let Buffers { key, value } = buffers;
        let serializers = &*self.serializers;
        let key = match record.key {
            Some(data) => serialize(&*serializers.key, record, data, true, key)?,
            None => None,
        };
        let value = match record.value {
            Some(data) => serialize(&*serializers.value, record, data, false, value)?,
            None => None,
        };
        Ok((key, value))
    }

    fn check_size<F>(&self, topic: &str, record: &Record<'_>) -> Result<()> {
        let bytes = record.encoded_size_upper_bound();
        let too_large = |setting: &str, limit: usize| {
            let text = format!(
                "a record of {bytes} bytes for \"{topic}\" is larger than {setting} ({limit})"
            );
            Err(Error::new(ErrorKind::RecordTooLarge, text))
        };
        let limit = self.settings.max_request_size;
        if usize::try_from(bytes).map_or(true, |bytes| bytes > limit) {
            return too_large("max.request.size", limit);
        }
        let total = self.handle.shared.accumulator.budget().total();
        if most_needed::<F>(record) > total {
            return too_large("buffer.memory, bookkeeping included,", total);
        }
        Ok(())
    }

    fn choose<'t>(
        &self,
        record: &ProducerRecord<'_, K, V>,
        topic: &'t Topic,
        encoded: &Record<'_>,
    ) -> Result<Target<'t>> {
        let count = topic.partition_count();
        let index = match (record.partition, &self.settings.partitioner, encoded.key) {
            (Some(partition), _, _) => partition,
            (None, Some(partitioner), key) => {
                let request = PartitionRequest::new(record.topic, key, encoded.value);
                let partitions = TopicPartitions::new(count, topic.available());
                assert_unlocked();
                partitioner
                    .partition(&request, &partitions)
                    .map_err(|error| {
                        let text = format!(
                            "the partitioner refused a record for \"{}\": {error}",
                            record.topic
                        );
                        Error::with_source(ErrorKind::InvalidRecord, text, error)
                    })?
            }
            (None, None, Some(key)) if !self.settings.ignore_keys => partition_for_key(key, count),
            (None, None, _) => return Ok(Target::Round(topic)),
        };
        topic.queue(index).map(Target::Partition).ok_or_else(|| {
            let text = format!(
                "the partitioner chose partition {index} of topic \"{}\", which has {count} \
                 partitions",
                record.topic
            );
            Error::new(ErrorKind::InvalidRecord, text)
        })
    }

    /// Puts the record into its queue, and waits for memory if need be.
    fn append<'t, F>(
        &self,
        target: Target<'t>,
        record: &Record<'_>,
        callback: F,
        patience: &Patience,
    ) -> Result<Accepted<'t>, (Error, F)>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        let shared = &self.handle.shared;
        let mut callback = Box::new(callback);
        let mut reserved = None;
        loop {
            match self.try_append(&target, record, callback, reserved.take()) {
                Ok((appended, queue)) => {
                    if appended.wake {
                        shared.wake();
                    }
                    return Ok((queue, appended.batch));
                }
                Err((Refused::Closed, callback)) => return Err((self.closed(), *callback)),
                Err((Refused::Forked, callback)) => {
                    let error = End::Forked(shared.accumulator.home()).error();
                    return Err((error, *callback));
                }
                Err((Refused::NoMemory, returned)) => callback = returned,
            }
            match self.reserve(most_needed::<F>(record), patience) {
                Ok(reservation) => reserved = Some(reservation),
                Err(error) => return Err((error, *callback)),
            }
        }
    }

    #[expect(
        clippy::type_complexity,
        reason = "where it is, or what it was refused with"
    )]
    fn try_append<'t, F>(
        &self,
        target: &Target<'t>,
        record: &Record<'_>,
        callback: Box<F>,
        reserved: Option<Reservation>,
    ) -> Result<(Appended, &'t Arc<PartitionQueue>), (Refused, Box<F>)>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        let accumulator = &self.handle.shared.accumulator;
        match *target {
            Target::Partition(queue) => {
                let appended = accumulator.try_append(now, queue, record, callback, reserved)?;
                Ok((appended, queue))
            }
            Target::Round(topic) => LANE.with(|lane| {
                accumulator.try_append_keyless(now, topic, lane, record, callback, reserved)
            }),
        }
    }

    fn reserve(&self, bytes: usize, patience: &Patience) -> Result<Reservation> {
        let shared = &self.handle.shared;
        shared.check_process().map_err(End::error)?;
        let budget = shared.accumulator.budget();
        let full = |waited: &str| {
            let total = budget.total();
            let text = format!(
                "buffer.memory ({total} bytes) is full{waited}: records come faster than the \
                 brokers take them"
            );
            Error::new(ErrorKind::BufferFull, text)
        };
        let Some((deadline, limit)) = self.wait_for(patience) else {
            if budget.note_refusal() {
                shared.wake();
            }
            return Err(full(""));
        };
        budget
            .wait(bytes, deadline, || shared.wake())
            .map_err(|refused| match refused {
                NoMemory::Closed => self.closed(),
                NoMemory::TimedOut => full(&format!(" and stayed so for {}", limit.describe())),
            })
    }

    /// Until when this call may wait, if at all: the I/O thread must not wait for itself.
    fn wait_for(&self, patience: &Patience) -> Option<(Option<Instant>, Limit)> {
        patience
            .begin()
            .filter(|_| !self.handle.shared.is_io_thread())
    }

    pub(super) fn closed(&self) -> Error {
        self.handle.shared.ending().unwrap_or(End::Closed).error()
    }
}

fn serialize<'b, T: ?Sized, K: ?Sized, V: ?Sized>(
    serializer: &dyn Serializer<T>,
    record: &'b ProducerRecord<'_, K, V>,
    data: &'b T,
    is_key: bool,
    buffer: &'b mut Vec<u8>,
) -> Result<Option<&'b [u8]>> {
    let context = Context::new(record.topic, &record.headers, is_key);
    assert_unlocked();
    match serializer.serialize(&context, data, buffer) {
        Ok(Serialized::Null) => Ok(None),
        Ok(Serialized::Bytes(bytes)) => Ok(Some(bytes)),
        Ok(Serialized::Buffer) => Ok(Some(buffer)),
        Err(error) => {
            let part = if is_key { "key" } else { "value" };
            let text = format!(
                "cannot serialize the {part} of a record for \"{}\": {error}",
                record.topic
            );
            Err(Error::with_source(ErrorKind::Serialization, text, error))
        }
    }
}

/// What can be said of a record without knowing the cluster.
fn check<K: ?Sized, V: ?Sized>(record: &ProducerRecord<'_, K, V>) -> Result<()> {
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

/// What brokers take as the name of a topic. Asked only of names that are not known yet.
pub(super) fn check_topic_name(name: &str) -> Result<()> {
    const ENOUGH_TO_SHOW: usize = 249;
    let Some(why) = topic_name_fault(name) else {
        return Ok(());
    };
    let shown: String = name.chars().take(ENOUGH_TO_SHOW).collect();
    let text = format!("{shown:?} is not a legal topic name: {why}");
    Err(Error::new(ErrorKind::InvalidRecord, text))
}

impl Limit {
    fn duration(self) -> Duration {
        match self {
            Self::MaxBlock(limit) | Self::Caller(limit) => limit,
        }
    }

    fn describe(self) -> String {
        match self {
            Self::MaxBlock(limit) => format!("max.block.ms ({} ms)", limit.as_millis()),
            Self::Caller(limit) => format!("{} ms", limit.as_millis()),
        }
    }
}

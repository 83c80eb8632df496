//! The path of a record on the caller's thread: topic, bytes, partition, queue. HOT. Serializers
//! and partitioners run with no lock and no reservation held. Runs on: caller.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::accumulator::{BatchId, NoMemory, PartitionQueue, Refused, Topic, most_needed};
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
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// Not at all.
    None,
    /// Until `deadline`; if that is `None`, for ever. `limit` names it in errors.
    Until {
        deadline: Option<Instant>,
        limit: Limit,
    },
}

/// Whose limit it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    MaxBlock(Duration),
    Caller(Duration),
}

/// A record is on its way.
pub(super) struct Accepted {
    pub(super) queue: Arc<PartitionQueue>,
    pub(super) batch: BatchId,
}

/// Where a record goes.
struct Target {
    topic: Arc<Topic>,
    queue: Arc<PartitionQueue>,
    /// Whether the built-in round of keyless records chose it.
    is_sticky: bool,
}

thread_local! {
    /// What serializers write to: kept from record to record, so that they allocate nothing.
    static BUFFERS: RefCell<Buffers> = RefCell::default();
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
    /// Takes a record in, or says why not and gives the callback back.
    pub(super) fn submit<F>(
        &self,
        record: &ProducerRecord<'_, K, V>,
        callback: F,
        patience: Patience,
    ) -> Result<Accepted, (Error, F)>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        // Taken out, not borrowed: a serializer may send records of its own.
        let mut buffers = BUFFERS.try_with(RefCell::take).unwrap_or_default();
        buffers.key.clear();
        buffers.value.clear();
        let result = self.submit_with(record, callback, patience, &mut buffers);
        if buffers.key.capacity().max(buffers.value.capacity()) <= KEPT_BUFFER_BYTES {
            // A thread that is ending has no place to keep them.
            BUFFERS.try_with(|kept| kept.replace(buffers)).ok();
        }
        result
    }

    fn submit_with<F>(
        &self,
        record: &ProducerRecord<'_, K, V>,
        callback: F,
        patience: Patience,
        buffers: &mut Buffers,
    ) -> Result<Accepted, (Error, F)>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        let prepared = self.prepare::<F>(record, patience, buffers);
        let (target, encoded) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Err((error, callback)),
        };
        self.append(target, &encoded, callback, patience)
    }

    /// Everything that may refuse the record for its own sake.
    fn prepare<'b, F>(
        &self,
        record: &'b ProducerRecord<'_, K, V>,
        patience: Patience,
        buffers: &'b mut Buffers,
    ) -> Result<(Target, Record<'b>)> {
        check(record)?;
        let topic = self.topic(record.topic, record.partition, patience)?;
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
    fn topic(&self, name: &str, partition: Option<i32>, patience: Patience) -> Result<Arc<Topic>> {
        let shared = &self.handle.shared;
        let has = |topic: &Topic| partition.is_none_or(|index| topic.queue(index).is_some());
        let known = shared.accumulator.topic(name);
        if let Some(topic) = known.filter(|topic| has(topic)) {
            return Ok(topic);
        }
        check_topic_name(name)?;
        self.await_topic(name, partition, patience)?;
        shared
            .accumulator
            .topic(name)
            .filter(|topic| has(topic))
            .ok_or_else(|| {
                let text = format!("topic \"{name}\" was announced and is not there");
                Error::new(ErrorKind::Internal, text)
            })
    }

    pub(super) fn await_topic(
        &self,
        name: &str,
        partition: Option<i32>,
        patience: Patience,
    ) -> Result<()> {
        let shared = &self.handle.shared;
        let topic: Arc<str> = Arc::from(name);
        let Patience::Until { deadline, limit } = patience else {
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

    fn choose(
        &self,
        record: &ProducerRecord<'_, K, V>,
        topic: Arc<Topic>,
        encoded: &Record<'_>,
    ) -> Result<Target> {
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
            (None, None, _) => {
                let accumulator = &self.handle.shared.accumulator;
                let queue = Arc::clone(accumulator.keyless_partition(&topic));
                return Ok(Target {
                    topic,
                    queue,
                    is_sticky: true,
                });
            }
        };
        match topic.queue(index).cloned() {
            Some(queue) => Ok(Target {
                topic,
                queue,
                is_sticky: false,
            }),
            None => {
                let text = format!(
                    "the partitioner chose partition {index} of topic \"{}\", which has {count} \
                     partitions",
                    record.topic
                );
                Err(Error::new(ErrorKind::InvalidRecord, text))
            }
        }
    }

    /// Puts the record into its queue, and waits for memory if need be.
    fn append<F>(
        &self,
        target: Target,
        record: &Record<'_>,
        callback: F,
        patience: Patience,
    ) -> Result<Accepted, (Error, F)>
    where
        F: FnOnce(Result<RecordMetadata>) + Send + 'static,
    {
        let shared = &self.handle.shared;
        let Target {
            topic,
            queue,
            is_sticky,
        } = target;
        let mut callback = Box::new(callback);
        let mut reserved = None;
        loop {
            let appended =
                shared
                    .accumulator
                    .try_append(now(), &queue, record, callback, reserved.take());
            match appended {
                Ok(appended) => {
                    if is_sticky {
                        shared.accumulator.note_keyless(&topic, &queue, &appended);
                    }
                    if appended.wake {
                        shared.wake();
                    }
                    return Ok(Accepted {
                        queue,
                        batch: appended.batch,
                    });
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

    fn reserve(&self, bytes: usize, patience: Patience) -> Result<crate::accumulator::Reservation> {
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
        let Patience::Until { deadline, limit } = patience else {
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
    fn describe(self) -> String {
        match self {
            Self::MaxBlock(limit) => format!("max.block.ms ({} ms)", limit.as_millis()),
            Self::Caller(limit) => format!("{} ms", limit.as_millis()),
        }
    }
}

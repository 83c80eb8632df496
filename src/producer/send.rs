//! The part of `send` that depends on the types of key and value: the serializers. The rest, from topic
//! to batch, is the [gate](super::gate)'s. HOT. Serializers run with no lock and no
//! reservation held. Runs on: caller.

use std::cell::Cell;

use crate::accumulator::{Appended, CachedTopics, CallbackRef, NewRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::foreign;
use crate::producer::Producer;
use crate::producer::clock::wall_clock_ms;
use crate::producer::gate::RecordTarget;
use crate::producer::record::ProducerRecord;
use crate::producer::wait_limit::WaitLimit;
use crate::record::Record;
use crate::serializer::{Context, Serialized, Serializer};
use crate::sync::assert_unlocked;

thread_local! {
    static BUFFERS: Cell<Option<Box<SendBuffers>>> = const { Cell::new(None) };
}

/// What a thread keeps from one record to the next, so that sending a record allocates nothing.
#[derive(Default)]
pub(super) struct SendBuffers {
    /// Where serializers write keys and values that they do not borrow.
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// The topics of the producer that this thread has used last.
    pub(super) topics: Option<CachedTopics>,
}

/// A buffer that has grown larger than this is freed, so that one huge record does not hold its
/// memory for the rest of the thread's life.
const KEPT_BUFFER_BYTES: usize = 1024 * 1024;

impl SendBuffers {
    /// This thread's buffers, or new ones if they are in use (a serializer sends a record itself) or the
    /// thread is ending.
    pub(super) fn take() -> Box<Self> {
        let kept = BUFFERS.try_with(Cell::take);
        kept.ok().flatten().unwrap_or_default()
    }

    pub(super) fn put_back(mut self: Box<Self>) {
        for buffer in [&mut self.key, &mut self.value] {
            if buffer.capacity() > KEPT_BUFFER_BYTES {
                *buffer = Vec::new();
            }
            buffer.clear();
        }
        BUFFERS.try_with(|kept| kept.set(Some(self))).ok();
    }
}

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// Accepts the record, or refuses it. A refused record's callback or token stays in `callback`,
    /// for its caller to get back.
    pub(super) fn submit(
        &self,
        record: &ProducerRecord<'_, K, V>,
        callback: &mut CallbackRef<'_>,
        limit: &WaitLimit,
    ) -> Result<()> {
        if let Some(record) = record.borrowed() {
            return self.submit(&record, callback, limit);
        }
        let mut buffers = SendBuffers::take();
        let appended = self.append(record, callback, limit, &mut buffers);
        let result = appended.map(drop);
        buffers.put_back();
        result
    }

    /// Serializes the record, which owns nothing, and appends it to a batch of its partition.
    pub(super) fn append<'b>(
        &self,
        record: &ProducerRecord<'_, K, V>,
        callback: &mut CallbackRef<'_>,
        limit: &WaitLimit,
        buffers: &'b mut SendBuffers,
    ) -> Result<Appended<'b>> {
        if let Some(interceptors) = &self.settings.interceptors {
            return self.append_intercepted(interceptors, record, callback, limit, buffers);
        }
        let SendBuffers { key, value, topics } = buffers;
        let gate = self.gate();
        let target = RecordTarget {
            topic: record.topic,
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
        };
        let topic = gate.topic(&target, limit, topics)?;
        let (key, value) = self.serialize(record, key, value)?;
        let encoded = Record {
            timestamp_ms: target.timestamp_ms.unwrap_or_else(wall_clock_ms),
            key,
            value,
            headers: &record.headers,
        };
        let mut new = NewRecord::new(encoded, callback);
        gate.append(&target, topic, &mut new, limit)
    }

    #[expect(clippy::type_complexity, reason = "a key and a value")]
    pub(super) fn serialize<'b>(
        &self,
        record: &'b ProducerRecord<'_, K, V>,
        key: &'b mut Vec<u8>,
        value: &'b mut Vec<u8>,
    ) -> Result<(Option<&'b [u8]>, Option<&'b [u8]>)> {
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
}

pub(super) fn serialize<'b, T: ?Sized, K: ?Sized, V: ?Sized>(
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
            let (topic, why) = (record.topic, foreign::text(&*error));
            let text = format!("cannot serialize the {part} of a record for \"{topic}\": {why}");
            let error = Error::with_source(ErrorKind::Serialization, text, error);
            Err(error.at(topic, record.partition))
        }
    }
}

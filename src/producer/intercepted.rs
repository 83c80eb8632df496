//! The way of a record through the interceptors: the serializers first, then each interceptor, then
//! the topic and all that follows. An interceptor may change the topic, so nothing is looked up
//! before. Interceptors hear of a record exactly once: here, if it is refused, or else with the
//! outcome of its batch. A producer without interceptors never comes here. Runs on: caller.

use std::cell::RefCell;

use crate::accumulator::{Appended, CachedTopics, CallbackRef, NewRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::foreign;
use crate::interceptor::{InterceptedRecord, Interceptors};
use crate::producer::Producer;
use crate::producer::clock::wall_clock_ms;
use crate::producer::gate::{Gate, PARTITIONER_PANICKED, RecordTarget};
use crate::producer::record::ProducerRecord;
use crate::producer::send::SendBuffers;
use crate::producer::wait_limit::WaitLimit;
use crate::record::Record;

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// [`append`](Self::append) of a producer with interceptors.
    #[cold]
    pub(super) fn append_intercepted<'b>(
        &self,
        interceptors: &Interceptors,
        record: &ProducerRecord<'_, K, V>,
        callback: &mut CallbackRef<'_>,
        limit: &WaitLimit,
        buffers: &'b mut SendBuffers,
    ) -> Result<Appended<'b>> {
        let SendBuffers { key, value, topics } = buffers;
        let serialized = self.serialize(record, key, value);
        let refused = |error: &Error| {
            interceptors.tell(record.topic, record.partition, Err(error));
        };
        let (key, value) = serialized.inspect_err(refused)?;
        let mut given = InterceptedRecord::new(record.topic, key, value, &record.headers);
        given.set_partition(record.partition);
        given.set_timestamp_ms(record.timestamp_ms);
        let intercepted = interceptors.on_send(given);
        self.gate()
            .append_or_report(interceptors, &intercepted, callback, limit, topics)
    }
}

impl Gate<'_> {
    /// Appends the record, or tells the interceptors why it is refused.
    fn append_or_report<'t>(
        &self,
        interceptors: &Interceptors,
        record: &InterceptedRecord<'_>,
        callback: &mut CallbackRef<'_>,
        limit: &WaitLimit,
        topics: &'t mut Option<CachedTopics>,
    ) -> Result<Appended<'t>> {
        let target = RecordTarget {
            topic: record.topic(),
            partition: record.partition(),
            timestamp_ms: record.timestamp_ms(),
        };
        let refused = |error: &Error| {
            interceptors.tell(target.topic, target.partition, Err(error));
        };
        PARTITIONER_PANICKED.set(false);
        let callback = RefCell::new(callback);
        let append = || {
            let topics = topics; // Moved in: what is returned borrows from it.
            self.append_intercepted(&target, record, &mut callback.borrow_mut(), limit, topics)
        };
        let appended = foreign::watch(append, |words| {
            // Once the record is in its batch, the batch tells the interceptors its outcome,
            // whatever happens to this call. Without this check they would hear of it twice.
            if !callback.borrow().callback.is_attached() {
                refused(&target.blame(panicked(target.topic, words)));
            }
        });
        appended.inspect_err(refused)
    }

    fn append_intercepted<'t>(
        &self,
        target: &RecordTarget<'_>,
        record: &InterceptedRecord<'_>,
        callback: &mut CallbackRef<'_>,
        limit: &WaitLimit,
        topics: &'t mut Option<CachedTopics>,
    ) -> Result<Appended<'t>> {
        let topic = self.topic(target, limit, topics)?;
        let headers = record.header_list();
        let encoded = Record {
            timestamp_ms: target.timestamp_ms.unwrap_or_else(wall_clock_ms),
            key: record.key(),
            value: record.value(),
            headers: &headers,
        };
        let mut new = NewRecord::new(encoded, callback);
        self.append(target, topic, &mut new, limit)
    }
}

/// What interceptors hear when a panic ends the call that sends: whose it was, and its words.
fn panicked(topic: &str, words: &str) -> Error {
    let (kind, who) = match PARTITIONER_PANICKED.get() {
        true => (ErrorKind::InvalidRecord, "the partitioner"),
        false => (ErrorKind::Internal, "the call that sends"),
    };
    Error::new(
        kind,
        format!("{who} panicked over a record for \"{topic}\": {words}"),
    )
}

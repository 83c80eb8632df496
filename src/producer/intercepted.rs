//! The way of a record through the interceptors: the serializers first, then each interceptor, then
//! the topic and all that follows. An interceptor may change the topic, so nothing is looked up
//! before. Interceptors hear of a record exactly once: here, if it is refused, or else with the
//! outcome of its batch. A producer without interceptors never comes here. Runs on: caller.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::accumulator::{Appended, CachedTopics, CallbackRef, NewRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::interceptor::{InterceptedRecord, Interceptors};
use crate::producer::Producer;
use crate::producer::clock::wall_clock_ms;
use crate::producer::gate::{Gate, RecordTarget};
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
        // The panic is resumed below, and nothing in between looks at what it may have left half done.
        let lent = &mut *callback;
        let appended = catch_unwind(AssertUnwindSafe(|| {
            let topics = topics; // Moved in: what is returned borrows from it.
            self.append_intercepted(&target, record, lent, limit, topics)
        }));
        match appended {
            Ok(appended) => appended.inspect_err(refused),
            Err(panic) => {
                // Once the record is in its batch, the batch tells the interceptors its outcome,
                // whatever happens to this call. Without this check they would hear of it twice.
                if !callback.callback.is_attached() {
                    let topic = target.topic;
                    let text = format!("the partitioner panicked over a record for \"{topic}\"");
                    refused(&Error::new(ErrorKind::InvalidRecord, text));
                }
                resume_unwind(panic)
            }
        }
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

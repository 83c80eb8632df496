//! The generic part of a record's path on the caller's thread: serializers before, the callback
//! after; what is between is the [gate](super::gate)'s. HOT. Serializers run with no lock and no
//! reservation held. Runs on: caller.

use std::cell::RefCell;

use crate::accumulator::{Arrival, BatchId, PartitionQueue};
use crate::error::{Error, ErrorKind, Result};
use crate::producer::gate::{Draft, Patience};
use crate::producer::record::ProducerRecord;
use crate::producer::{Producer, wall_clock_ms};
use crate::record::Record;
use crate::record::metadata::RecordMetadata;
use crate::serializer::{Context, Serialized, Serializer};
use crate::sync::{Arc, assert_unlocked};

/// Where a record is, once it is on its way.
pub(super) type Accepted<'a> = (&'a Arc<PartitionQueue>, BatchId);

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

impl Buffers {
    /// Runs `serialize` with buffers that are empty. They are taken out, not borrowed: a serializer
    /// may send records of its own.
    fn lend<T>(serialize: impl FnOnce(&mut Self) -> T) -> T {
        let mut buffers = BUFFERS.try_with(RefCell::take).unwrap_or_default();
        buffers.key.clear();
        buffers.value.clear();
        let result = serialize(&mut buffers);
        let largest = buffers.key.capacity().max(buffers.value.capacity());
        if (1..=KEPT_BUFFER_BYTES).contains(&largest) {
            // A thread that is ending has no place to keep them.
            BUFFERS.try_with(|kept| kept.replace(buffers)).ok();
        }
        result
    }
}

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
        let gate = self.gate();
        let draft = Draft {
            topic: record.topic,
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
        };
        let known = gate.topics();
        let mut awaited = None;
        Buffers::lend(|buffers| {
            let arrived = gate
                .topic(&draft, patience, &known, &mut awaited)
                .and_then(|topic| {
                    let (key, value) = self.serialize(record, buffers)?;
                    let record = Record {
                        timestamp_ms: draft.timestamp_ms.unwrap_or_else(wall_clock_ms),
                        key,
                        value,
                        headers: &record.headers,
                    };
                    let arrival = Arrival::new(record, size_of::<F>());
                    gate.place(&draft, topic, &arrival, patience)
                });
            match arrived {
                Ok(placed) => {
                    let (appended, queue) = placed.complete(Box::new(callback));
                    if appended.wake {
                        gate.wake();
                    }
                    Ok(accepted((queue, appended.batch)))
                }
                Err(error) => Err((error, callback)),
            }
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

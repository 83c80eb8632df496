//! The generic part of a record's path on the caller's thread: serializers before, the callback or
//! token after; what is between is the [gate](super::gate)'s. HOT. Serializers run with no lock and no
//! reservation held. Runs on: caller.

use std::cell::RefCell;

use crate::accumulator::{Arrival, Completions};
use crate::error::{Error, ErrorKind, Result};
use crate::producer::Producer;
use crate::producer::clock::wall_clock_ms;
use crate::producer::gate::{Accepted, Draft, Patience};
use crate::producer::record::ProducerRecord;
use crate::record::Record;
use crate::serializer::{Context, Serialized, Serializer};
use crate::sync::assert_unlocked;

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
    /// Runs `serialize` with buffers that are empty: those of this thread, unless a serializer that
    /// uses them sends records of its own.
    fn lend<T>(serialize: impl FnOnce(&mut Self) -> T) -> T {
        let mut serialize = Some(serialize);
        let lent = BUFFERS.try_with(|buffers| {
            let buffers = &mut *buffers.try_borrow_mut().ok()?;
            buffers.key.clear();
            buffers.value.clear();
            let result = serialize.take().map(|serialize| serialize(buffers));
            for buffer in [&mut buffers.key, &mut buffers.value] {
                if buffer.capacity() > KEPT_BUFFER_BYTES {
                    *buffer = Vec::new();
                }
            }
            result
        });
        // A thread that is ending has none any more.
        match lent.ok().flatten() {
            Some(result) => result,
            None => { serialize.take() }.expect("it has not run")(&mut Self::default()),
        }
    }
}

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// Takes a record in and says where it is, or why it was not and gives back what its caller is
    /// owed: the callback or the token, which `owe` adds to the record's batch.
    pub(super) fn submit<O, T>(
        &self,
        record: &ProducerRecord<'_, K, V>,
        owed: O,
        owe: impl Fn(&mut Completions, O, &Record<'_>),
        patience: &Patience,
        accepted: impl FnOnce(Accepted<'_>) -> T,
    ) -> Result<T, (Error, O)> {
        let gate = self.gate();
        let draft = Draft {
            topic: record.topic,
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
        };
        let known = gate.topics();
        let mut awaited = None;
        let mut owed = Some(owed);
        let result = Buffers::lend(|buffers| {
            let topic = gate.topic(&draft, patience, &known, &mut awaited)?;
            let (key, value) = self.serialize(record, buffers)?;
            let encoded = Record {
                timestamp_ms: draft.timestamp_ms.unwrap_or_else(wall_clock_ms),
                key,
                value,
                headers: &record.headers,
            };
            let mut owe = |completions: &mut Completions, record: &Record<'_>| {
                let owed = owed.take().expect("a record is appended once");
                owe(completions, owed, record);
            };
            let mut arrival = Arrival::new(encoded, size_of::<O>(), &mut owe);
            gate.append(&draft, topic, &mut arrival, patience)
                .map(accepted)
        });
        result.map_err(|error| (error, owed.expect("a refused record was not appended")))
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

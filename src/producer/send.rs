//! The generic part of a record's path on the caller's thread: serializers before, the callback or
//! token after; what is between is the [gate](super::gate)'s. HOT. Serializers run with no lock and no
//! reservation held. Runs on: caller.

use std::cell::Cell;

use crate::accumulator::{Arrival, Completions, Owed, View};
use crate::error::{Error, ErrorKind, Result};
use crate::producer::Producer;
use crate::producer::clock::wall_clock_ms;
use crate::producer::gate::{Accepted, Draft, Patience};
use crate::producer::record::ProducerRecord;
use crate::record::Record;
use crate::serializer::{Context, Serialized, Serializer};
use crate::sync::assert_unlocked;

thread_local! {
    static DESK: Cell<Option<Box<Desk>>> = const { Cell::new(None) };
}

/// What a thread keeps from record to record, so that sending one allocates nothing.
#[derive(Default)]
pub(super) struct Desk {
    /// What serializers write to.
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// The topics of the producer that it sent with last.
    pub(super) topics: Option<View>,
}

/// A buffer that one huge record has grown is not kept.
const KEPT_BUFFER_BYTES: usize = 1024 * 1024;

impl Desk {
    /// This thread's, or a new one for a serializer that sends records of its own, and for a thread
    /// that is ending.
    fn take() -> Box<Self> {
        let kept = DESK.try_with(Cell::take);
        kept.ok().flatten().unwrap_or_default()
    }

    fn put_back(mut self: Box<Self>) {
        for buffer in [&mut self.key, &mut self.value] {
            if buffer.capacity() > KEPT_BUFFER_BYTES {
                *buffer = Vec::new();
            }
            buffer.clear();
        }
        DESK.try_with(|kept| kept.set(Some(self))).ok();
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
        let mut owed = Some(owed);
        let mut owe = |completions: &mut Completions, record: &Record<'_>| {
            let owed = owed.take().expect("a record is appended once");
            owe(completions, owed, record);
        };
        let mut desk = Desk::take();
        let placed = self.place(record, size_of::<O>(), &mut owe, patience, &mut desk);
        let result = placed.map(accepted);
        desk.put_back();
        result.map_err(|error| (error, owed.expect("a refused record was not appended")))
    }

    fn place<'d>(
        &self,
        record: &ProducerRecord<'_, K, V>,
        owed_bytes: usize,
        owe: &mut Owed<'_>,
        patience: &Patience,
        desk: &'d mut Desk,
    ) -> Result<Accepted<'d>> {
        if let Some(interceptors) = &self.settings.interceptors {
            let owed = (owed_bytes, owe);
            return self.place_intercepted(interceptors, record, owed, patience, desk);
        }
        let Desk { key, value, topics } = desk;
        let gate = self.gate();
        let draft = Draft {
            topic: record.topic,
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
        };
        let topic = gate.topic(&draft, patience, topics)?;
        let (key, value) = self.serialize(record, key, value)?;
        let encoded = Record {
            timestamp_ms: draft.timestamp_ms.unwrap_or_else(wall_clock_ms),
            key,
            value,
            headers: &record.headers,
        };
        let mut arrival = Arrival::new(encoded, owed_bytes, owe);
        gate.append(&draft, topic, &mut arrival, patience)
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

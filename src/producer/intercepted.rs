//! The way of a record through the interceptors: from its serializers past each of them, and then
//! as any other's, but for what refuses it, of which they are told. A producer without interceptors
//! never comes here. Runs on: caller.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::accumulator::{Arrival, Completions, Owed, View};
use crate::error::{Error, ErrorKind, Result};
use crate::interceptor::{InterceptedRecord, Interceptors};
use crate::producer::Producer;
use crate::producer::clock::wall_clock_ms;
use crate::producer::gate::{Accepted, Draft, Gate, Patience};
use crate::producer::record::ProducerRecord;
use crate::producer::send::Desk;
use crate::record::Record;

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// Serializes before the topic is looked at: an interceptor may choose another one.
    #[cold]
    pub(super) fn place_intercepted<'d>(
        &self,
        interceptors: &Interceptors,
        record: &ProducerRecord<'_, K, V>,
        owed: (usize, &mut Owed<'_>),
        patience: &Patience,
        desk: &'d mut Desk,
    ) -> Result<Accepted<'d>> {
        let Desk { key, value, topics } = desk;
        let serialized = self.serialize(record, key, value);
        let refused = |error: &Error| {
            interceptors.tell(record.topic, record.partition, Err(error));
        };
        let (key, value) = serialized.inspect_err(refused)?;
        let mut given = InterceptedRecord::new(record.topic, key, value, &record.headers);
        given.set_partition(record.partition);
        given.set_timestamp_ms(record.timestamp_ms);
        let left = interceptors.on_send(given);
        self.gate()
            .place(interceptors, &left, owed, patience, topics)
    }
}

impl Gate<'_> {
    /// Puts the record into a batch, or tells the interceptors why not.
    fn place<'t>(
        &self,
        interceptors: &Interceptors,
        record: &InterceptedRecord<'_>,
        (owed_bytes, owe): (usize, &mut Owed<'_>),
        patience: &Patience,
        view: &'t mut Option<View>,
    ) -> Result<Accepted<'t>> {
        let draft = Draft {
            topic: record.topic(),
            partition: record.partition(),
            timestamp_ms: record.timestamp_ms(),
        };
        let refused = |error: &Error| {
            interceptors.tell(draft.topic, draft.partition, Err(error));
        };
        // A record that is in a batch has its outcome from there, whatever happens to this call.
        let is_in_batch = Cell::new(false);
        let mut owe = |completions: &mut Completions, record: &Record<'_>| {
            owe(completions, record);
            is_in_batch.set(true);
        };
        let owed: (usize, &mut Owed<'_>) = (owed_bytes, &mut owe);
        // The panic goes on to its caller: nothing is looked at here that it may have left half done.
        let placed = catch_unwind(AssertUnwindSafe(|| {
            self.place_left(&draft, record, owed, patience, view)
        }));
        match placed {
            Ok(placed) => placed.inspect_err(refused),
            Err(panic) => {
                if !is_in_batch.get() {
                    let topic = draft.topic;
                    let text = format!("the partitioner panicked over a record for \"{topic}\"");
                    refused(&Error::new(ErrorKind::InvalidRecord, text));
                }
                resume_unwind(panic)
            }
        }
    }

    fn place_left<'t>(
        &self,
        draft: &Draft<'_>,
        record: &InterceptedRecord<'_>,
        (owed_bytes, owe): (usize, &mut Owed<'_>),
        patience: &Patience,
        view: &'t mut Option<View>,
    ) -> Result<Accepted<'t>> {
        let topic = self.topic(draft, patience, view)?;
        let headers = record.header_list();
        let encoded = Record {
            timestamp_ms: draft.timestamp_ms.unwrap_or_else(wall_clock_ms),
            key: record.key(),
            value: record.value(),
            headers: &headers,
        };
        let mut arrival = Arrival::new(encoded, owed_bytes, owe);
        self.append(draft, topic, &mut arrival, patience)
    }
}

//! The records of a simulation: each has a number, which is also in its value, so that it is known
//! wherever it turns up.

use std::time::Instant;

use crate::accumulator::GroupFunction;
use crate::error::{Error, ErrorKind, Result};
use crate::record::metadata::RecordMetadata;
use crate::sync::{Arc, Mutex};

/// The number of a record; also the first bytes of its value.
pub(super) type RecordId = u32;

/// What callbacks were called with, in the order of the calls.
pub(super) type CallbackLog = Arc<Mutex<Vec<(RecordId, Result<RecordMetadata>)>>>;

/// A record as it was given to the producer, and what became of it.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) partition: i32,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
    pub(super) header: bool,
    /// Its batch's; `None` until it is accepted.
    pub(super) deadline: Option<Instant>,
    pub(super) accepted: Option<Instant>,
    pub(super) batch: Option<u64>,
    /// How many were accepted before it.
    pub(super) order: usize,
    pub(super) outcome: Option<Result<Option<i64>, ErrorKind>>,
    /// Whether its error said that it is not in the log.
    pub(super) is_absent: bool,
}

/// The headers that a record is sent with.
pub(super) fn header_of(sent: &Sent) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    sent.header
        .then_some(("trace", b"on".as_slice()))
        .into_iter()
}

pub(super) fn id_of(value: Option<&[u8]>) -> RecordId {
    let bytes = value.and_then(|value| value.first_chunk());
    bytes.map_or(RecordId::MAX, |bytes| RecordId::from_be_bytes(*bytes))
}

/// The callback of a record: writes down what it is called with.
pub(super) fn callback(
    log: &CallbackLog,
    id: RecordId,
) -> impl FnOnce(Result<RecordMetadata>) + Send + use<> {
    let log = Arc::clone(log);
    move |result| log.lock().push((id, result))
}

/// The group of all records that belong to one: writes down what it is called with.
pub(super) struct Group(pub(super) Arc<GroupFunction<RecordId>>);

impl Group {
    pub(super) fn writing_to(log: &CallbackLog) -> Self {
        let log = Arc::clone(log);
        Self(GroupFunction::new(
            move |id, result: Result<&RecordMetadata, &Error>| {
                let result = result.cloned().map_err(Error::clone);
                log.lock().push((id, result));
            },
            &Arc::default(),
        ))
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Group")
    }
}

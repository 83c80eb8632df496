//! A caller's callback and what its answer needs. Owed exactly one call: calling consumes it, and
//! dropping it uncalled reports that, so that no path can lose one. A callback that panics is caught
//! here. Never runs under a lock.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, ErrorKind, Fate, Result};
use crate::record::Record;
use crate::record::metadata::RecordMetadata;
use crate::sync::{Arc, assert_unlocked};

/// What a caller wants to be told.
pub(crate) type Callback = dyn FnOnce(Result<RecordMetadata>) + Send;

/// One record of a batch, from the moment it is accepted until its callback has run.
pub(crate) struct Completion {
    /// `None` once called.
    callback: Option<Box<Callback>>,
    timestamp_ms: i64,
    key_size: Option<u32>,
    value_size: Option<u32>,
}

/// What all records of a batch share in their answer.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    /// Of the first record; `None` if no broker told it.
    pub(crate) base_offset: Option<i64>,
    /// The broker's time, if the topic uses it.
    pub(crate) log_append_time_ms: Option<i64>,
}

/// Why all records of a batch failed: one error for all of them, or, where the broker has named the
/// records to blame, an error of their own for these.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    error: Error,
    /// By place in the batch. Owns no memory while it is empty.
    blamed: BTreeMap<i64, Error>,
}

impl Failure {
    /// The records in `blamed`, by place in the batch, fail with errors of their own, the others
    /// with `error`.
    pub(crate) fn blaming(error: Error, blamed: BTreeMap<i64, Error>) -> Self {
        Self { error, blamed }
    }

    /// Why record number `index` of the batch failed.
    pub(crate) fn of_record(&self, index: i64) -> &Error {
        self.blamed.get(&index).unwrap_or(&self.error)
    }

    /// The batch, and with it each of its records, has this fate.
    pub(crate) fn with_fate(self, fate: Fate) -> Self {
        let blamed = self.blamed.into_iter();
        Self {
            error: self.error.with_fate(fate),
            blamed: blamed
                .map(|(index, error)| (index, error.with_fate(fate)))
                .collect(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::blaming(error, BTreeMap::new())
    }
}

impl Completion {
    #[inline]
    pub(crate) fn new(callback: Box<Callback>, record: &Record<'_>) -> Self {
        // A record is smaller than 2 GiB: the producer has checked it against max.request.size.
        let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self {
            callback: Some(callback),
            timestamp_ms: record.timestamp_ms,
            key_size: record.key.map(size),
            value_size: record.value.map(size),
        }
    }

    /// Tells the caller where its record landed; it is number `index` of its batch.
    pub(crate) fn succeed(mut self, written: &Written, index: i64) -> Result<(), Panicked> {
        let metadata = RecordMetadata {
            topic: Arc::clone(&written.topic),
            partition: written.partition,
            offset: written.base_offset.map(|base| base.saturating_add(index)),
            timestamp_ms: written.log_append_time_ms.unwrap_or(self.timestamp_ms),
            key_size: self.key_size.map(|size| size as usize),
            value_size: self.value_size.map(|size| size as usize),
        };
        self.call(Ok(metadata))
    }

    /// Tells the caller why its record was not acknowledged.
    pub(crate) fn fail(mut self, error: Error) -> Result<(), Panicked> {
        self.call(Err(error))
    }

    fn call(&mut self, result: Result<RecordMetadata>) -> Result<(), Panicked> {
        let Some(callback) = self.callback.take() else {
            return Ok(());
        };
        assert_unlocked();
        // The callback is gone afterwards, and it can have broken nothing of ours.
        catch_unwind(AssertUnwindSafe(|| callback(result))).map_err(|panic| {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            log::error!("a callback panicked: {}", text.unwrap_or("(no text)"));
            Panicked
        })
    }
}

/// The callback panicked; the panic is in the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Panicked;

impl Drop for Completion {
    fn drop(&mut self) {
        if self.callback.is_some() {
            let text = "the record was abandoned: the producer's I/O thread has died";
            let error = Error::new(ErrorKind::Internal, text).with_fate(Fate::MayBeWritten);
            // A panic is logged by now, and there is nobody to count it.
            self.call(Err(error)).ok();
        }
    }
}

impl std::fmt::Debug for Completion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Completion")
            .field("called", &self.callback.is_none())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const RECORD: Record<'_> = Record {
        timestamp_ms: 0,
        key: None,
        value: None,
        headers: &[],
    };

    #[test]
    fn a_panic_stays_inside() {
        let callback = Box::new(|_| panic!("a user's mistake"));
        let completion = Completion::new(callback, &RECORD);
        assert_eq!(
            completion.fail(Error::new(ErrorKind::Closed, "closed")),
            Err(Panicked)
        );
    }

    #[test]
    fn a_dropped_completion_still_answers() {
        let (answers, answer) = mpsc::channel();
        let callback = Box::new(move |result| answers.send(result).unwrap());
        drop(Completion::new(callback, &RECORD));
        let error: Error = answer.recv().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert_eq!(error.fate(), Fate::MayBeWritten, "nobody knows any more");
        assert!(answer.recv().is_err(), "and answers once");
    }

    #[test]
    fn blamed_records_have_their_own_errors_and_the_fate_of_all() {
        let invalid = Error::new(ErrorKind::InvalidRecord, "too blue");
        let blamed = BTreeMap::from([(1, invalid.clone()), (-7, invalid)]);
        let other = Error::new(ErrorKind::BatchRejected, "one of the others is invalid");
        let failure = Failure::blaming(other, blamed).with_fate(Fate::MayBeWritten);
        let texts: Vec<_> = (0..3).map(|i| failure.of_record(i).to_string()).collect();
        let others = "one of the others is invalid";
        assert_eq!(texts, [others, "too blue", others]);
        assert!((0..3).all(|i| failure.of_record(i).fate() == Fate::MayBeWritten));
    }
}

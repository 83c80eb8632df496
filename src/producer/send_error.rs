//! A refused record, handed back.

use std::error::Error as StdError;
use std::fmt;

use crate::error::Error;
use crate::producer::record::ProducerRecord;

/// [`send_or_return`](crate::Producer::send_or_return) refused a record: why, and the record and the
/// callback, which was not and will not be called, or a [group](crate::Group)'s token.
///
/// It borrows what the record borrows, so it is no [`std::error::Error`] itself:
/// [`into_error`](Self::into_error) is one, and drops the two.
pub struct SendError<'a, K: ?Sized, V: ?Sized, F>(Box<Parts<'a, K, V, F>>);

struct Parts<'a, K: ?Sized, V: ?Sized, F> {
    error: Error,
    record: ProducerRecord<'a, K, V>,
    callback: F,
}

impl<'a, K: ?Sized, V: ?Sized, F> SendError<'a, K, V, F> {
    pub(super) fn new(error: Error, record: ProducerRecord<'a, K, V>, callback: F) -> Self {
        Self(Box::new(Parts {
            error,
            record,
            callback,
        }))
    }

    /// Why the record was refused.
    pub fn error(&self) -> &Error {
        &self.0.error
    }

    /// Why the record was refused, for `?`.
    pub fn into_error(self) -> Error {
        self.0.error
    }

    /// The error, the record and the callback or token, to try again.
    pub fn into_parts(self) -> (Error, ProducerRecord<'a, K, V>, F) {
        let Parts {
            error,
            record,
            callback,
        } = *self.0;
        (error, record, callback)
    }
}

impl<K: ?Sized, V: ?Sized, F> From<SendError<'_, K, V, F>> for Error {
    fn from(refused: SendError<'_, K, V, F>) -> Self {
        refused.0.error
    }
}

impl<K: ?Sized, V: ?Sized, F> fmt::Display for SendError<'_, K, V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.error.fmt(f)
    }
}

impl<K: ?Sized, V: ?Sized, F> fmt::Debug for SendError<'_, K, V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError")
            .field("error", &self.0.error)
            .field("record", &self.0.record)
            .finish_non_exhaustive()
    }
}

// A `SendError` borrows what the record borrows, so it cannot become a boxed error itself, as `?` in
// `fn main() -> Result<(), Box<dyn Error>>` asks for; the error inside can. Implementing `Error` for
// it would rule these out.
impl<K: ?Sized, V: ?Sized, F> From<SendError<'_, K, V, F>> for Box<dyn StdError> {
    fn from(refused: SendError<'_, K, V, F>) -> Self {
        refused.0.error.into()
    }
}

impl<K: ?Sized, V: ?Sized, F> From<SendError<'_, K, V, F>> for Box<dyn StdError + Send + Sync> {
    fn from(refused: SendError<'_, K, V, F>) -> Self {
        refused.0.error.into()
    }
}

//! What went wrong, on what, and whose fault it was. Cheap to clone, since one failed batch gives the
//! same error to all of its callbacks.

use std::error::Error as StdError;
use std::fmt;

use crate::protocol::error_code::ErrorCode;
use crate::sync::Arc;

/// The result of this crate's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What failed. [`kind`](Error::kind) tells what a program can do about it; the message tells a
/// person what failed, on what, and whose fault it was. Cloning counts a reference.
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
    fate: Fate,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Whether a record that failed may be in the log all the same.
#[expect(clippy::exhaustive_enums, reason = "it was not written, or it may be")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// The record is not in the log and will not come there: `send` refused it, it never left this
    /// process, or the answer to each attempt proves that the broker wrote nothing.
    NotWritten,
    /// The record may be in the log, or may still come there: at least one attempt reached a
    /// connection and got no answer, or one that a broker can give after it has written.
    MayBeWritten,
}

/// What kind of failure an [`Error`] is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A property is missing, unknown, malformed or contradicts another one.
    Config,
    /// The call is not possible here: `flush` inside a callback, for example, or a producer of the
    /// parent's in a forked child.
    Misuse,
    /// The producer is closed, or was closed before the record was written.
    Closed,
    /// The program has [purged](crate::Producer::purge) the record before it was sent.
    Purged,
    /// A serializer refused the key or the value.
    Serialization,
    /// The record itself is wrong: a negative timestamp, an illegal topic name.
    InvalidRecord,
    /// The record is larger than `max.request.size` or `buffer.memory`.
    RecordTooLarge,
    /// `buffer.memory` is full, and stayed full for as long as the call may wait.
    BufferFull,
    /// The topic or partition is not known (yet) to the brokers that were asked.
    UnknownTopicOrPartition,
    /// `delivery.timeout.ms`, `request.timeout.ms`, `max.block.ms` or the caller's own limit
    /// passed.
    TimedOut,
    /// No connection to a broker: refused, unreachable, or its name does not resolve.
    Connect,
    /// The connection was lost with the request on its way.
    Disconnected,
    /// The peer answered something that is not Kafka's protocol.
    BadResponse,
    /// The broker speaks no version of a request that this client speaks.
    UnsupportedVersion,
    /// The broker refused, with this code.
    Broker(ErrorCode),
    /// The broker refused other records of the same batch, and none of the batch was written. On its
    /// own, this record may be taken.
    BatchRejected,
    /// The I/O thread has died; the log has its panic.
    Internal,
}

impl Error {
    /// An error whose record was not written, until [`with_fate`](Self::with_fate) says otherwise.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::build(kind, message.into(), None)
    }

    pub(crate) fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::build(kind, message.into(), Some(source.into()))
    }

    fn build(
        kind: ErrorKind,
        message: String,
        source: Option<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                kind,
                message,
                source,
            }),
            fate: Fate::NotWritten,
        }
    }

    /// The same error, of a record with this fate. Allocates nothing.
    pub(crate) fn with_fate(self, fate: Fate) -> Self {
        Self { fate, ..self }
    }

    /// Whether the record may be in the log all the same. An error that is about no record, of
    /// `flush` or `close` for example, says nothing about those that it left unfinished: their
    /// callbacks tell.
    ///
    /// What an attempt leaves behind depends on how it ended:
    ///
    /// | the attempt | the record |
    /// |---|---|
    /// | was refused by `send`, or ended before any of its bytes were handed to the system | was not written |
    /// | got an answer that Kafka gives before it appends: a batch or record that is too large or invalid, a timestamp out of range, a failed checksum, missing rights, an unsupported version or compression, too few replicas in sync, a stale or unknown producer id or epoch, a sequence number out of order | was not written by this attempt |
    /// | got any other answer: not the leader, unknown topic, storage error, timed out, too few replicas after the append, an unknown code | may be written |
    /// | got no answer, or one that is not Kafka's protocol | may be written |
    ///
    /// One attempt that may have written it makes the answer [`MayBeWritten`](Fate::MayBeWritten)
    /// for ever, whatever came after it. A record that [was not written](Fate::NotWritten) can be sent
    /// again safely; to send the other kind again is to risk having it twice.
    pub fn fate(&self) -> Fate {
        self.fate
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The broker's code, if a broker said no.
    pub fn broker_code(&self) -> Option<ErrorCode> {
        match self.inner.kind {
            ErrorKind::Broker(code) => Some(code),
            _ => None,
        }
    }

    /// Whether sending the same record again may succeed. If its [fate](Self::fate) is
    /// [`MayBeWritten`](Fate::MayBeWritten), that may also write it twice.
    pub fn is_retriable(&self) -> bool {
        match self.inner.kind {
            ErrorKind::BufferFull
            | ErrorKind::UnknownTopicOrPartition
            | ErrorKind::TimedOut
            | ErrorKind::Connect
            | ErrorKind::Disconnected
            | ErrorKind::BatchRejected => true,
            ErrorKind::Broker(code) => code.is_retriable(),
            _ => false,
        }
    }

    /// Whether a time limit passed. That of `try_send`, which waits for no memory, passes at once.
    pub fn is_timeout(&self) -> bool {
        matches!(self.inner.kind, ErrorKind::TimedOut | ErrorKind::BufferFull)
    }

    /// Whether the producer was closed.
    pub fn is_closed(&self) -> bool {
        self.inner.kind == ErrorKind::Closed
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug
            .field("kind", &self.inner.kind)
            .field("message", &Lines(&self.inner.message))
            .field("fate", &self.fate);
        if let Some(source) = &self.inner.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

/// A message between quotes whose lines stay lines: `fn main() -> linger::Result<()>` prints its error like
/// this.
struct Lines<'a>(&'a str);

impl fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for (index, line) in self.0.split('\n').enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{}", line.escape_debug())?;
        }
        f.write_str("\"")
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_record_was_not_written() {
        let refused = Error::new(ErrorKind::BufferFull, "full");
        assert_eq!(refused.fate(), Fate::NotWritten);
    }

    #[test]
    fn a_fate_changes_nothing_else_and_no_other_copy() {
        let code = ErrorKind::Broker(ErrorCode::REQUEST_TIMED_OUT);
        let error = Error::with_source(code, "late", "because");
        let doubtful = error.clone().with_fate(Fate::MayBeWritten);
        assert_eq!(doubtful.fate(), Fate::MayBeWritten);
        assert_eq!(doubtful.clone().fate(), Fate::MayBeWritten);
        assert_eq!(doubtful.kind(), code);
        assert_eq!(doubtful.to_string(), "late");
        assert!(doubtful.source().is_some());
        assert_eq!(error.fate(), Fate::NotWritten);
    }
}

//! What went wrong, on what, and whose fault it was. Cheap to clone: one failed batch hands the
//! same error to a thousand callbacks.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::protocol::error_code::ErrorCode;

/// The result of this crate's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What failed. [`kind`](Error::kind) tells what a program can do about it; the message tells a
/// person what failed, on what, and whose fault it was. Cloning counts a reference.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What kind of failure an [`Error`] is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A property is missing, unknown, malformed or contradicts another one.
    Config,
    /// The call is not possible here: `flush` inside a callback, for example.
    Misuse,
    /// The producer is closed, or was closed before the record was written.
    Closed,
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
    /// The I/O thread has died; the log has its panic.
    Internal,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    pub(crate) fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            source: Some(source.into()),
        }))
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The broker's code, if a broker said no.
    pub fn broker_code(&self) -> Option<ErrorCode> {
        match self.0.kind {
            ErrorKind::Broker(code) => Some(code),
            _ => None,
        }
    }

    /// Whether sending the same record again may succeed. It may also write it twice: the first
    /// attempt may have reached the log.
    pub fn is_retriable(&self) -> bool {
        match self.0.kind {
            ErrorKind::BufferFull
            | ErrorKind::UnknownTopicOrPartition
            | ErrorKind::TimedOut
            | ErrorKind::Connect
            | ErrorKind::Disconnected => true,
            ErrorKind::Broker(code) => code.is_retriable(),
            _ => false,
        }
    }

    /// Whether a time limit passed.
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, ErrorKind::TimedOut | ErrorKind::BufferFull)
    }

    /// Whether the producer was closed.
    pub fn is_closed(&self) -> bool {
        self.0.kind == ErrorKind::Closed
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug
            .field("kind", &self.0.kind)
            .field("message", &self.0.message);
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

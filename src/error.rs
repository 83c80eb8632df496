//! What went wrong, on what, and whose fault it was. Cheap to clone, since one failed batch gives the
//! same error to all of its callbacks.

use std::error::Error as StdError;
use std::fmt;

use smol_str::SmolStr;

use crate::protocol::error_code::ErrorCode;
use crate::sync::Arc;

/// The result of this crate's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What failed. [`kind`](Error::kind) tells what a program can do about it; the message tells a
/// person what failed, on what, and whose fault it was. Cloning counts references.
///
/// Of a record it also says which one, as data: [`topic`](Error::topic), [`partition`](Error::partition),
/// [`key_size`](Error::key_size) and [`value_size`](Error::value_size).
///
/// One pointer, so that a result that holds one is small where there is none.
#[derive(Clone)]
pub struct Error(Arc<OfRecord>);

/// What an error says of one record.
#[derive(Clone)]
struct OfRecord {
    cause: Arc<Cause>,
    topic: Option<SmolStr>,
    partition: Option<i32>,
    /// Bytes of key and value; -1 for none, as in Kafka's format.
    key_size: i32,
    value_size: i32,
    fate: Fate,
}

/// What the records of a batch that has failed share.
struct Cause {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    remedy: Option<Remedy>,
}

/// What is left to do about a transaction that cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Abort it; the next one may succeed.
    Abort,
    /// Close the producer.
    Close,
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
    /// A property is missing, unknown, malformed or contradicts another one; or none of the bootstrap
    /// servers' names has led to an address within `bootstrap.resolve.timeout.ms`.
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
    /// The brokers that were asked do not know the topic or partition (yet); if a broker said so,
    /// [`broker_code`](Error::broker_code) has its code.
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
    /// The record's transaction is aborted, or can only be aborted. The record may lie in the log; no
    /// reader with `isolation.level=read_committed` ever sees it.
    TransactionAborted,
    /// The producer's transactional id belongs to a newer producer now, or the transaction took longer
    /// than `transaction.timeout.ms` and the brokers have ended it.
    Fenced,
    /// The operating system has no thread, socket or other resource to give: see the limits of the
    /// process (`ulimit -n`, `ulimit -u`).
    System,
    /// The I/O thread has died; the log has its panic.
    Internal,
}

impl Error {
    /// An error whose record was not written, until [`with_fate`](Self::with_fate) says otherwise.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::build(kind, message.into(), None, None)
    }

    /// An error of a transaction, after which only this can be done.
    pub(crate) fn of_transaction(
        kind: ErrorKind,
        message: impl Into<String>,
        remedy: Remedy,
    ) -> Self {
        Self::build(kind, message.into(), None, Some(remedy))
    }

    pub(crate) fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::build(kind, message.into(), Some(source.into()), None)
    }

    fn build(
        kind: ErrorKind,
        message: String,
        source: Option<Box<dyn StdError + Send + Sync>>,
        remedy: Option<Remedy>,
    ) -> Self {
        let cause = Cause {
            kind,
            message,
            source,
            remedy,
        };
        Self(Arc::new(OfRecord {
            cause: Arc::new(cause),
            topic: None,
            partition: None,
            key_size: -1,
            value_size: -1,
            fate: Fate::NotWritten,
        }))
    }

    /// The same error, with these words before it.
    #[cold]
    pub(crate) fn after(&self, words: &str) -> Self {
        let cause = Cause {
            kind: self.0.cause.kind,
            message: format!("{words}: {}", self.0.cause.message),
            source: Some(Box::new(self.clone())),
            remedy: self.0.cause.remedy,
        };
        Self(Arc::new(OfRecord {
            cause: Arc::new(cause),
            ..(*self.0).clone()
        }))
    }

    /// The same error, about this topic and partition, unless it names a topic already.
    #[cold]
    pub(crate) fn at(mut self, topic: impl Into<SmolStr>, partition: Option<i32>) -> Self {
        if self.0.topic.is_none() {
            let own = Arc::make_mut(&mut self.0);
            own.topic = Some(topic.into());
            own.partition = partition;
        }
        self
    }

    /// The same error, of a record with a key and a value of so many bytes; -1 for none.
    #[cold]
    pub(crate) fn of_record(mut self, (key_size, value_size): (i32, i32)) -> Self {
        let own = Arc::make_mut(&mut self.0);
        own.key_size = key_size;
        own.value_size = value_size;
        self
    }

    /// The same error, of a record with this fate.
    pub(crate) fn with_fate(mut self, fate: Fate) -> Self {
        if self.0.fate != fate {
            Arc::make_mut(&mut self.0).fate = fate;
        }
        self
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
        self.0.fate
    }

    /// The topic that it is about: that of the record, or the one that was asked for. `None` if it is
    /// about no topic in particular.
    pub fn topic(&self) -> Option<&str> {
        self.0.topic.as_deref()
    }

    /// The partition that it is about. `None` if there is none, or the record was refused before one was
    /// chosen.
    pub fn partition(&self) -> Option<i32> {
        self.0.partition
    }

    /// Bytes of the record's serialized key. `None` if the record has no key or was refused before it
    /// was serialized, or the error is about no record.
    pub fn key_size(&self) -> Option<usize> {
        usize::try_from(self.0.key_size).ok()
    }

    /// Bytes of the record's serialized value. `None` if it is a tombstone or was refused before it was
    /// serialized, or the error is about no record.
    pub fn value_size(&self) -> Option<usize> {
        usize::try_from(self.0.value_size).ok()
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.cause.kind
    }

    /// The broker's code, if a broker said no.
    pub fn broker_code(&self) -> Option<ErrorCode> {
        match self.0.cause.kind {
            ErrorKind::Broker(code) => Some(code),
            // Brokers do not know a topic in several ways: not at all, or not who leads it.
            ErrorKind::UnknownTopicOrPartition => {
                let source = self.0.cause.source.as_deref()?;
                source.downcast_ref::<Self>()?.broker_code()
            }
            _ => None,
        }
    }

    /// Whether sending the same record again may succeed. If its [fate](Self::fate) is
    /// [`MayBeWritten`](Fate::MayBeWritten), that may also write it twice.
    pub fn is_retriable(&self) -> bool {
        match self.0.cause.kind {
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

    /// Whether a time limit passed. That of `try_send`, which waits neither for memory nor for
    /// metadata, passes at once.
    pub fn is_timeout(&self) -> bool {
        matches!(
            self.0.cause.kind,
            ErrorKind::TimedOut | ErrorKind::BufferFull
        )
    }

    /// Whether the open transaction can only be aborted after this; the next one may succeed.
    pub fn is_abortable(&self) -> bool {
        self.0.cause.remedy == Some(Remedy::Abort)
    }

    /// Whether this transactional producer can only be closed after this: another one has taken its
    /// transactional id, or the brokers refuse it for good.
    pub fn is_fatal(&self) -> bool {
        self.0.cause.remedy == Some(Remedy::Close)
    }

    /// Whether the producer was closed.
    pub fn is_closed(&self) -> bool {
        self.0.cause.kind == ErrorKind::Closed
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.cause.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug
            .field("kind", &self.0.cause.kind)
            .field("message", &Lines(&self.0.cause.message))
            .field("fate", &self.0.fate);
        if let Some(topic) = &self.0.topic {
            debug
                .field("topic", topic)
                .field("partition", &self.0.partition);
        }
        if let Some(source) = &self.0.cause.source {
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
        self.0.cause.source.as_deref().map(|source| source as _)
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
        assert_eq!((doubtful.topic(), doubtful.partition()), (None, None));
        assert_eq!(error.fate(), Fate::NotWritten);
    }

    #[test]
    fn an_error_keeps_the_place_that_it_names_first() {
        let error = Error::new(ErrorKind::TimedOut, "late");
        let of_one = error.clone().at("orders", Some(2)).of_record((3, -1));
        let named = (of_one.topic(), of_one.partition());
        assert_eq!(named, (Some("orders"), Some(2)));
        assert_eq!((of_one.key_size(), of_one.value_size()), (Some(3), None));
        let again = of_one.clone().at("another", None);
        assert_eq!(again.topic(), Some("orders"));
        assert_eq!(error.topic(), None, "no other copy changes");
        assert!(format!("{of_one:?}").contains("\"orders\""), "{of_one:?}");
    }
}

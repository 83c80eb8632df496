//! Writes events, and counts acknowledgements, for the main thread and for the producer's
//! callbacks; lines never mix.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use linger::{Error, RecordMetadata};

use crate::args::Args;
use crate::event::{Event, Failed, Landed, Sent};
use crate::output::Output;
use crate::{TOOL, java, millis};

pub(crate) struct EventLog {
    output: Output,
    acked: AtomicU64,
}

impl EventLog {
    pub(crate) fn new(output: impl Write + Send + 'static) -> Self {
        Self {
            output: Output::new(TOOL, output),
            acked: AtomicU64::new(0),
        }
    }

    /// Prints an event as a line of its own. A reader that has gone away is no reason to stop
    /// sending.
    pub(crate) fn print(&self, event: &Event<'_>) {
        // The clock is read there, so that no line is older than the one before.
        self.output.print(|| event.line(now_ms()));
    }

    /// Whether an event could not be printed.
    pub(crate) fn is_lost(&self) -> bool {
        self.output.is_lost()
    }

    /// A broker has the message, or was at least sent it.
    pub(crate) fn acknowledged(&self, message: &Message, metadata: &RecordMetadata) {
        self.acked.fetch_add(1, Ordering::Relaxed);
        let landed = Landed {
            topic: metadata.topic(),
            partition: metadata.partition(),
            offset: metadata.offset(),
        };
        self.print(&Event::SendSuccess(message.sent(), landed));
    }

    /// The message was given up.
    pub(crate) fn failed(&self, message: &Message, error: &Error) {
        let failed = Failed {
            topic: &message.topic,
            class: java::class(error.kind()),
            message: &error.to_string(),
            fate: Some(error.fate()),
        };
        self.print(&Event::SendError(message.sent(), failed));
    }

    /// Messages acknowledged so far.
    pub(crate) fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }
}

fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    millis(since_1970.unwrap_or_default())
}

/// A message, kept for the event that tells of it.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) topic: Arc<str>,
    pub(crate) key: Option<String>,
    pub(crate) value: String,
}

impl Message {
    /// The message with this index.
    pub(crate) fn new(args: &Args, index: u64) -> Self {
        Self {
            topic: args.topic.as_str().into(),
            key: args.key(index),
            value: args.value(index),
        }
    }

    fn sent(&self) -> Sent<'_> {
        Sent {
            key: self.key.as_deref(),
            value: &self.value,
        }
    }
}

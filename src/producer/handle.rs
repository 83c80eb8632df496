//! Waiting for one record's outcome.

use std::time::{Duration, Instant};

use crate::accumulator::{BatchId, PartitionQueue};
use crate::driver::{Shared, Slot};
use crate::error::{Error, ErrorKind, Fate, Result};
use crate::producer::clock::now;
use crate::record::metadata::RecordMetadata;
use crate::sync::Arc;

/// The outcome of one record, to be waited for later; see
/// [`Producer::send_with_handle`](crate::Producer::send_with_handle). Dropping it changes nothing.
#[derive(Debug)]
pub struct SendHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) outcome: Arc<Slot<Result<RecordMetadata>>>,
    pub(super) queue: Arc<PartitionQueue>,
    pub(super) batch: BatchId,
}

impl SendHandle {
    /// Blocks until the record is acknowledged or has failed, which is by `delivery.timeout.ms` at
    /// the latest. Its batch leaves without waiting for `linger.ms`.
    ///
    /// # Errors
    /// Why the record failed; [`Misuse`](ErrorKind::Misuse) inside a callback, where waiting would
    /// never end.
    pub fn wait(&self) -> Result<RecordMetadata> {
        self.wait_until(None)
    }

    /// The same, for at most `timeout`. The record stays on its way when the time is over, and the
    /// handle can be asked again.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), and [`TimedOut`](ErrorKind::TimedOut).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<RecordMetadata> {
        self.wait_until(now().checked_add(timeout))
    }

    /// The outcome, if there is one yet. Never blocks.
    pub fn try_get(&self) -> Option<Result<RecordMetadata>> {
        self.outcome.peek()
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Result<RecordMetadata> {
        if let Some(outcome) = self.outcome.peek() {
            return outcome;
        }
        let unknown = |error: Error| error.with_fate(Fate::MayBeWritten);
        let forked = self.shared.check_process();
        forked.map_err(|end| unknown(end.error()))?;
        if self.shared.is_io_thread() {
            let text = "waiting for a record inside a callback would never end: \
                        the thread that runs callbacks is the one that would have to send it";
            return Err(unknown(Error::new(ErrorKind::Misuse, text)));
        }
        if self.shared.accumulator.expedite(&self.queue, self.batch) {
            self.shared.wake();
        }
        self.outcome.wait(deadline).unwrap_or_else(|| {
            let text = format!("no outcome yet for the record of {}", self.queue.name());
            Err(unknown(Error::new(ErrorKind::TimedOut, text)))
        })
    }
}

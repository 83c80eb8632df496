//! Waiting for one record's outcome: a thread blocks, a task of an async program is woken.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::accumulator::{BatchId, PartitionQueue};
use crate::driver::{Shared, Slot};
use crate::error::{Error, ErrorKind, Fate, Result};
use crate::producer::clock::now;
use crate::record::metadata::RecordMetadata;
use crate::sync::Arc;

/// The outcome of one record, to be waited for later; see
/// [`Producer::send_with_handle`](crate::Producer::send_with_handle). Dropping it changes nothing.
///
/// It is a future, too: the I/O thread wakes the task when the record has its outcome, whatever
/// runtime the task belongs to. A batch is not hurried for a task, as it is for
/// [`wait`](Self::wait): tasks that await their records at the same time share batches, within
/// `linger.ms`. [From async code](crate#from-async-code) says which other calls block.
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

    /// The outcome, or why there is none to wait for in this process.
    fn at_once(&self) -> Option<Result<RecordMetadata>> {
        let outcome = self.outcome.peek();
        outcome.or_else(|| {
            let end = self.shared.check_process().err()?;
            Some(Err(end.error().with_fate(Fate::MayBeWritten)))
        })
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Result<RecordMetadata> {
        if let Some(outcome) = self.at_once() {
            return outcome;
        }
        let unknown = |error: Error| {
            let (topic, partition) = (self.queue.topic(), self.queue.index());
            let error = error.at(Arc::clone(topic), Some(partition));
            error.with_fate(Fate::MayBeWritten)
        };
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

impl Future for SendHandle {
    type Output = Result<RecordMetadata>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.at_once() {
            Some(outcome) => Poll::Ready(outcome),
            None => self.outcome.poll(context),
        }
    }
}

//! Waiting for the outcomes of what was sent. Runs on: caller.

use std::time::{Duration, Instant};

use crate::driver::End;
use crate::error::{Error, ErrorKind, Result};
use crate::producer::{Producer, misuse, now};
use crate::sender::Command;

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// Blocks until every record accepted before this call has its outcome and its callback has
    /// run, which is by `delivery.timeout.ms` at the latest unless a callback blocks. Nothing waits
    /// for `linger.ms`.
    ///
    /// # Errors
    /// [`Misuse`](ErrorKind::Misuse) inside a callback; [`Closed`](ErrorKind::Closed) after a close.
    /// That records failed is no error here: their callbacks got the errors.
    pub fn flush(&self) -> Result<()> {
        self.flush_until(None)
    }

    /// [`flush`](Self::flush) for at most `timeout`. What is not done by then stays on its way, and
    /// does not linger any more.
    ///
    /// # Errors
    /// As [`flush`](Self::flush), and [`TimedOut`](ErrorKind::TimedOut): the error counts the records
    /// that are pending, later ones included.
    pub fn flush_timeout(&self, timeout: Duration) -> Result<()> {
        self.flush_until(now().checked_add(timeout))
    }

    fn flush_until(&self, deadline: Option<Instant>) -> Result<()> {
        let shared = &self.handle.shared;
        if shared.is_io_thread() {
            return Err(misuse("flush"));
        }
        let command = Command::Flush(shared.accumulator.next_batch());
        let ticket = shared.post(command).map_err(End::error)?;
        ticket.wait(deadline).unwrap_or_else(|| {
            let text = format!(
                "not flushed in time: {} records are pending",
                shared.accumulator.pending()
            );
            Err(Error::new(ErrorKind::TimedOut, text))
        })
    }
}

//! The end of a producer: close and drop. Each wait here is for the I/O thread, and has a deadline.
//! Runs on: caller.

use std::time::Duration;

use crate::accumulator::{FailedByPartition, PartitionFailures, UndeliveredRecord};
use crate::driver::End;
use crate::error::{Error, ErrorKind, Result};
use crate::foreign::logging::{log_error, log_warn};
use crate::producer::record::ProducerRecord;
use crate::producer::{Handle, Producer, misuse, now};
use crate::record::Header;
use crate::sender::Command;

/// What became of the records that were pending when `close` was called.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CloseReport {
    /// Acknowledged while closing.
    pub acknowledged: u64,
    /// Failed while closing; each one's callback got the reason.
    pub failed: u64,
    /// Of those that failed: not in the log ([`Fate::NotWritten`](crate::Fate::NotWritten)).
    pub not_written: u64,
    /// Of those that failed: may be in the log ([`Fate::MayBeWritten`](crate::Fate::MayBeWritten)).
    pub may_be_written: u64,
    /// Of those that failed: where, and why the first of each partition did.
    pub failures: Vec<PartitionFailures>,
}

/// How long after the deadline the callbacks of the records that fail then are waited for. Calls return
/// at most a tenth of a second late; the rest of that is left to a busy machine.
const CALLBACK_GRACE: Duration = Duration::from_millis(80);
const _: () = assert!(
    CALLBACK_GRACE.as_millis() < 100,
    "a tenth of a second is promised"
);

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// Closes all clones: accepts nothing more, sends what was accepted, runs the callbacks, and
    /// ends the I/O thread. What is not acknowledged within the `delivery.timeout.ms` of
    /// its topic fails.
    ///
    /// # Errors
    /// As [`close_timeout`](Self::close_timeout).
    pub fn close(&self) -> Result<CloseReport> {
        self.handle.close(self.handle.longest_delivery_timeout)
    }

    /// [`close`](Self::close) with a limit of its own: what is not done by then fails with
    /// [`Closed`](ErrorKind::Closed), and its callbacks run before this returns. `Duration::ZERO`
    /// fails everything at once.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut) if the callbacks are what lasts too long, some tens of
    /// milliseconds after the limit: the error counts the records whose callbacks are still to run,
    /// and they do run; closing again waits for them. [`Misuse`](ErrorKind::Misuse) inside a callback.
    /// Closing twice is no error.
    pub fn close_timeout(&self, timeout: Duration) -> Result<CloseReport> {
        self.handle.close(timeout)
    }

    /// [`close_timeout`](Self::close_timeout) that also hands back the records that failed while
    /// closing, those never sent and those that may be written alike: in the order of `send` per
    /// partition, each with its [fate](UndeliveredRecord::fate) and error. Their callbacks run all
    /// the same. What failed before, or is [purged](Self::purge) meanwhile, is not among them.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use linger::{Fate, Producer, ProducerRecord, Properties};
    /// # let properties = Properties::new()
    /// #     .set("bootstrap.servers", linger::testing::MockCluster::start()?.bootstrap_servers())
    /// #     .set("key.serializer", "string")
    /// #     .set("value.serializer", "string");
    /// # let producer: Producer<str, str> = Producer::new(&properties)?;
    /// let (report, records) = producer.close_and_return(Duration::from_secs(5))?;
    /// assert_eq!(report.failed, records.len() as u64);
    /// for record in records.iter().filter(|record| record.fate() == Fate::NotWritten) {
    ///     // Safe to send again: other_producer.send(record.as_record(), …)
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A copy of each such record is kept from the moment it fails until this returns, outside of
    /// `buffer.memory`: at most as much again as the pending records take there, and what compressing
    /// has saved. A producer that is closed in another way copies and keeps nothing.
    ///
    /// # Errors
    /// As [`close_timeout`](Self::close_timeout). After [`TimedOut`](ErrorKind::TimedOut) the records
    /// stay kept, for the next call of this.
    pub fn close_and_return(
        &self,
        timeout: Duration,
    ) -> Result<(CloseReport, Vec<UndeliveredRecord>)> {
        let shared = &self.handle.shared;
        shared.check_process().map_err(End::error)?;
        if shared.is_io_thread() {
            return Err(misuse("close_and_return"));
        }
        shared.keep_undelivered();
        let report = self.handle.close(timeout)?;
        let records = shared.take_undelivered();
        let mut failed = FailedByPartition::default();
        for record in &records {
            failed.count(record.shared_topic(), record.partition(), record.error());
        }
        // Whichever call to close has seen them fail.
        let failures = failed.since(0);
        Ok((CloseReport::new(report.acknowledged, failures), records))
    }
}

impl UndeliveredRecord {
    /// The record, as a producer of bytes sends it again: to the same partition, with the same
    /// timestamp. If it [may be written](crate::Fate::MayBeWritten), it may then be there twice.
    pub fn as_record(&self) -> ProducerRecord<'_, [u8], [u8]> {
        ProducerRecord {
            topic: self.topic(),
            partition: Some(self.partition()),
            timestamp_ms: Some(self.timestamp_ms()),
            key: self.key(),
            value: self.value(),
            headers: self
                .headers()
                .map(|(name, value)| Header { name, value })
                .collect(),
            owned: None,
        }
    }
}

impl Handle {
    fn close(&self, timeout: Duration) -> Result<CloseReport> {
        let shared = &self.shared;
        shared.check_process().map_err(End::error)?;
        if shared.is_io_thread() {
            return Err(misuse("close"));
        }
        let tally = shared.accumulator.tally();
        let before = shared.count_losses();
        let acknowledged_before = tally.totals().acknowledged;
        let deadline = now().checked_add(timeout);
        shared.accumulator.close();
        match shared.post(Command::Close(deadline)) {
            Ok(ticket) => match ticket.wait_beyond(deadline, CALLBACK_GRACE) {
                // Closed: another clone has closed the producer meanwhile, so there is nothing left to do.
                Some(Err(error)) if !error.is_closed() => return Err(error),
                Some(_) => {}
                None => return Err(self.still_busy(timeout)),
            },
            Err(End::Closed) => {}
            Err(end) => return Err(end.error()),
        }
        // Its work is done, so the thread ends now.
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // Its panic, if any, is in the log.
            thread.join().ok();
        }
        let acknowledged = tally.totals().acknowledged - acknowledged_before;
        let failures = shared.losses_since(before);
        Ok(CloseReport::new(acknowledged, failures))
    }

    fn still_busy(&self, timeout: Duration) -> Error {
        let text = format!(
            "the producer did not close within {} ms: its I/O thread is busy with callbacks, and {} \
             records wait for theirs",
            timeout.as_millis(),
            self.shared.accumulator.pending()
        );
        Error::new(ErrorKind::TimedOut, text)
    }
}

impl CloseReport {
    pub(super) fn new(acknowledged: u64, failures: Vec<PartitionFailures>) -> Self {
        let not_written = failures.iter().map(|one| one.not_written).sum();
        let may_be_written = failures.iter().map(|one| one.may_be_written).sum();
        Self {
            acknowledged,
            failed: not_written + may_be_written,
            not_written,
            may_be_written,
            failures,
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let shared = &self.shared;
        if shared.check_process().is_err() {
            // Only the parent has the thread; here its handle names nothing.
            std::mem::forget(self.thread.get_mut().take());
            return;
        }
        if shared.is_io_thread() {
            // A thread that waits for itself waits for ever.
            shared.accumulator.close();
            let deadline = now().checked_add(self.longest_delivery_timeout);
            shared.post(Command::Close(deadline)).ok();
            return;
        }
        match self.close(self.longest_delivery_timeout) {
            Ok(report) => {
                if let Some(first) = report.failures.first() {
                    log_warn!(
                        "closing a dropped producer: {} records were not written, {} may be written; \
                         those of \"{}\"-{} for this reason: {}",
                        report.not_written,
                        report.may_be_written,
                        first.topic,
                        first.partition,
                        first.first_error
                    );
                }
            }
            Err(error) => log_error!("closing a dropped producer: {error}"),
        }
    }
}

//! A transaction where a program takes any producer: code that sends need not know of transactions. Runs
//! on: caller.

use std::time::Duration;

use super::Transaction;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::ProducerMetrics;
use crate::producer::{
    Callback, CloseReport, PartitionInfo, Produce, ProducerRecord, ProducerState, Purge,
    PurgeReport, SendError,
};
use crate::record::metadata::RecordMetadata;

impl<K: ?Sized, V: ?Sized> Produce<K, V> for Transaction<'_, K, V> {
    fn send(&self, record: ProducerRecord<'_, K, V>, callback: Callback) -> Result<()> {
        Self::send(self, record, callback)
    }

    fn try_send(&self, record: ProducerRecord<'_, K, V>, callback: Callback) -> Result<()> {
        Self::try_send(self, record, callback)
    }

    fn send_timeout(
        &self,
        record: ProducerRecord<'_, K, V>,
        timeout: Duration,
        callback: Callback,
    ) -> Result<()> {
        Self::send_timeout(self, record, timeout, callback)
    }

    fn send_or_return<'a>(
        &self,
        record: ProducerRecord<'a, K, V>,
        timeout: Option<Duration>,
        callback: Callback,
    ) -> Result<(), SendError<'a, K, V, Callback>> {
        Self::send_or_return(self, record, timeout, callback)
    }

    fn send_wait(&self, record: ProducerRecord<'_, K, V>) -> Result<RecordMetadata> {
        Self::send_wait(self, record)
    }

    fn prepare(&self, topics: &[&str], timeout: Duration) -> Result<()> {
        Self::prepare(self, topics, timeout)
    }

    fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>> {
        Self::partitions_for(self, topic)
    }

    fn flush(&self) -> Result<()> {
        Self::flush(self)
    }

    fn flush_timeout(&self, timeout: Duration) -> Result<()> {
        Self::flush_timeout(self, timeout)
    }

    fn purge(&self, what: Purge<'_>) -> Result<PurgeReport> {
        Self::purge(self, what)
    }

    fn metrics(&self) -> ProducerMetrics {
        Self::metrics(self)
    }

    fn state(&self) -> ProducerState {
        Self::state(self)
    }

    /// Refused: a transaction does not close its producer.
    fn close(&self) -> Result<CloseReport> {
        Err(cannot_close())
    }

    /// Refused, as [`close`](Self::close).
    fn close_timeout(&self, _: Duration) -> Result<CloseReport> {
        Err(cannot_close())
    }
}

fn cannot_close() -> Error {
    let text = "close: a transaction is open: commit or abort it, then close its producer";
    Error::new(ErrorKind::Misuse, text)
}

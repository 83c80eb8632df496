//! Plain counters of what a producer did. Never read by the code that decides; the I/O thread
//! counts but for panics, any thread may read.

use crate::sync::{AtomicU64, Ordering};

/// Counts of one producer since its creation; see [`Producer::metrics`](crate::Producer::metrics).
///
/// The counters are read one after another while the producer works, so sums may be off by what
/// happened in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerMetrics {
    /// Records that `send` accepted.
    pub records_accepted: u64,
    /// Records in batches handed to a socket; a record that is retried counts once per attempt.
    pub records_sent: u64,
    /// Records that were acknowledged.
    pub records_acknowledged: u64,
    /// Records that were accepted and failed.
    pub records_failed: u64,
    /// Records in batches that are sent again.
    pub records_retried: u64,
    /// Batches handed to a socket, retries included.
    pub batches_sent: u64,
    /// Bytes of those batches.
    pub bytes_sent: u64,
    /// Requests of all kinds, without those of a connection's handshake.
    pub requests_sent: u64,
    /// Callbacks and functions of groups that panicked. The panic was caught and logged.
    pub callbacks_panicked: u64,
    /// Bytes of `buffer.memory` in use at this moment. A batch that takes records reserves ahead, as
    /// much again and at most 16 KiB, so this may be above what its records take.
    pub buffer_used_bytes: u64,
    /// `buffer.memory`.
    pub buffer_total_bytes: u64,
}

/// The live counters behind [`ProducerMetrics`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) records_sent: Counter,
    pub(crate) records_acknowledged: Counter,
    pub(crate) records_not_written: Counter,
    pub(crate) records_may_be_written: Counter,
    pub(crate) records_retried: Counter,
    pub(crate) batches_sent: Counter,
    pub(crate) bytes_sent: Counter,
    pub(crate) requests_sent: Counter,
    pub(crate) callbacks_panicked: Counter,
}

impl Counters {
    /// Records whose callback got `Err`.
    pub(crate) fn records_failed(&self) -> u64 {
        self.records_not_written.value() + self.records_may_be_written.value()
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Runs on: I/O thread. It is the only one, so two plain instructions do.
    pub(crate) fn add(&self, count: usize) {
        let value = self.value() + count as u64;
        self.0.store(value, Ordering::Relaxed);
    }

    /// The same for what may happen on any thread: a group may end on its caller's.
    pub(crate) fn add_from_any_thread(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

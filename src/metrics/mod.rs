//! Plain counters of what a producer did, for its user to look at. No other code can read them, only
//! add to them: what `close` and `flush` report is counted by the accumulator's tally. The I/O thread
//! counts, but for panics; any thread may look.

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
    /// Records in batches put into a request; a record that is retried counts once per attempt.
    pub records_sent: u64,
    /// Records that were acknowledged.
    pub records_acknowledged: u64,
    /// Records that were accepted and failed.
    pub records_failed: u64,
    /// Records in batches that are sent again.
    pub records_retried: u64,
    /// Batches put into a request, retries included.
    pub batches_sent: u64,
    /// Bytes of those batches.
    pub bytes_sent: u64,
    /// Requests of all kinds, without those of a connection's handshake.
    pub requests_sent: u64,
    /// Callbacks and functions of groups that panicked, as they were called or as what they capture was
    /// dropped. The panic was caught and logged.
    pub callbacks_panicked: u64,
    /// Bytes of `buffer.memory` in use at this moment. A batch that takes records reserves ahead, as
    /// much again and at most 16 KiB, so this may be above what its records take.
    pub buffer_used_bytes: u64,
    /// `buffer.memory`.
    pub buffer_total_bytes: u64,
}

/// The live counters behind [`ProducerMetrics`]. Read by [`snapshot`](Self::snapshot) only.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) records_sent: Counter,
    pub(crate) records_retried: Counter,
    pub(crate) batches_sent: Counter,
    pub(crate) bytes_sent: Counter,
    pub(crate) requests_sent: Counter,
    pub(crate) callbacks_panicked: Counter,
}

impl Counters {
    /// What was counted here so far. The rest of the metrics (accepted, acknowledged and failed
    /// records, memory) is the accumulator's to tell, and 0 here.
    pub(crate) fn snapshot(&self) -> ProducerMetrics {
        ProducerMetrics {
            records_sent: self.records_sent.value(),
            records_retried: self.records_retried.value(),
            batches_sent: self.batches_sent.value(),
            bytes_sent: self.bytes_sent.value(),
            requests_sent: self.requests_sent.value(),
            callbacks_panicked: self.callbacks_panicked.value(),
            ..ProducerMetrics::default()
        }
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Runs on: I/O thread. It is the only writer, so a load and a store do.
    pub(crate) fn add(&self, count: usize) {
        let value = self.value() + count as u64;
        self.0.store(value, Ordering::Relaxed);
    }

    /// [`add`](Self::add) for what may happen on any thread: a group may end on its caller's.
    pub(crate) fn add_from_any_thread(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

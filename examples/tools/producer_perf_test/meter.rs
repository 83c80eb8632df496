//! Joins the clock, the measurements and the screen. The main thread tells it what is sent, the
//! producer's callbacks what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::screen::Screen;
use crate::stats::{Report, Sample};

pub(crate) struct Meter {
    started: Instant,
    report: Mutex<Report>,
    screen: Arc<Screen>,
    failed: AtomicU64,
}

/// A record on its way.
pub(crate) struct Sent {
    at_ms: u64,
    bytes: u64,
    after_warmup: bool,
}

impl Meter {
    /// Starts the clock for this many records.
    pub(crate) fn new(records: u64, interval_ms: u64, screen: Arc<Screen>) -> Self {
        let report = Mutex::new(Report::new(records, interval_ms, 0));
        Self {
            started: Instant::now(),
            report,
            screen,
            failed: AtomicU64::new(0),
        }
    }

    /// The time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The warm-up is over, and this many records will follow.
    pub(crate) fn end_warmup(&self, records: u64) {
        self.report
            .lock()
            .end_warmup(records, millis(self.elapsed()));
    }

    /// A record is about to be sent.
    pub(crate) fn sent(&self, at: Duration, bytes: usize, after_warmup: bool) -> Sent {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        Sent {
            at_ms: millis(at),
            bytes,
            after_warmup,
        }
    }

    /// A broker has the record.
    pub(crate) fn acknowledged(&self, sent: &Sent) {
        let now_ms = millis(self.elapsed());
        let sample = Sample {
            latency_ms: now_ms.saturating_sub(sent.at_ms),
            bytes: sent.bytes,
            after_warmup: sent.after_warmup,
        };
        let mut report = self.report.lock();
        let lines = report.record(now_ms, sample);
        let records = report.records();
        drop(report);
        lines.iter().for_each(|line| self.screen.print(line));
        self.screen.show_progress(records, now_ms);
    }

    /// The record was given up. It is left out of the measurements, as with Kafka's tool.
    pub(crate) fn failed(&self, error: &linger::Error) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.screen.complain(error);
    }

    /// How many records were given up.
    pub(crate) fn failed_records(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Prints the closing lines.
    pub(crate) fn finish(&self) {
        let lines = self.report.lock().summary(millis(self.elapsed()));
        self.screen.remove_progress();
        lines.iter().for_each(|line| self.screen.print(line));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

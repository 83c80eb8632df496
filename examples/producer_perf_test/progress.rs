//! A progress bar on standard error, if that is a terminal; standard output stays what programs
//! read.

use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// Milliseconds between two looks at the count; the bar is not worth more of the run.
const REFRESH_MS: u64 = 100;

pub(crate) struct Progress {
    bar: ProgressBar,
    next_refresh_ms: AtomicU64,
}

impl Progress {
    /// A bar for this many records.
    pub(crate) fn new(records: u64) -> Self {
        let style = ProgressStyle::with_template(
            "{wide_bar} {human_pos} of {human_len} records, {eta} left",
        )
        .expect("the template is well-formed");
        // indicatif draws on standard error, and only if that is a terminal.
        let bar = ProgressBar::new(records).with_style(style);
        Self {
            bar,
            next_refresh_ms: AtomicU64::new(0),
        }
    }

    /// Shows how many records are done, unless it has just done so.
    pub(crate) fn show(&self, records: u64, now_ms: u64) {
        if now_ms >= self.next_refresh_ms.load(Ordering::Relaxed) {
            self.next_refresh_ms
                .store(now_ms + REFRESH_MS, Ordering::Relaxed);
            self.bar.set_position(records);
        }
    }

    /// Prints lines on standard output.
    pub(crate) fn print(&self, lines: &[String]) {
        if !lines.is_empty() {
            self.suspend(|| lines.iter().for_each(|line| println!("{line}")));
        }
    }

    /// Runs what prints, without tearing the bar.
    pub(crate) fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

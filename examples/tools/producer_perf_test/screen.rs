//! Where lines go. The measurements are standard output's alone, because programs read them; on
//! standard error is a progress bar, if that is a terminal, and what goes wrong.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use crate::TOOL;
use crate::output::Output;

/// Milliseconds between two looks at the count; the bar is not worth more of the run.
const REFRESH_MS: u64 = 100;

pub(crate) struct Screen {
    output: Output,
    bar: ProgressBar,
    next_refresh_ms: AtomicU64,
}

impl Screen {
    /// A screen with a bar for this many records. `output` gets the lines.
    pub(crate) fn new(records: u64, output: impl Write + Send + 'static) -> Self {
        let style = ProgressStyle::with_template(
            "{wide_bar} {human_pos} of {human_len} records, {eta} left",
        )
        .expect("the template is well-formed");
        Self {
            output: Output::new(TOOL, output),
            // Draws on standard error, and only if that is a terminal.
            bar: ProgressBar::new(records).with_style(style),
            next_refresh_ms: AtomicU64::new(0),
        }
    }

    /// Prints a line. A reader that has gone away is no reason to stop measuring: the load may be what
    /// somebody wants.
    pub(crate) fn print(&self, line: &str) {
        self.bar.suspend(|| self.output.print(|| line));
    }

    /// Whether a line could not be printed.
    pub(crate) fn is_lost(&self) -> bool {
        self.output.is_lost()
    }

    /// Says what went wrong.
    pub(crate) fn complain(&self, error: &linger::Error) {
        self.bar.suspend(|| writeln!(io::stderr(), "{error}").ok());
    }

    /// Shows how many records are done, unless it has just done so.
    pub(crate) fn show_progress(&self, records: u64, now_ms: u64) {
        if now_ms >= self.next_refresh_ms.load(Ordering::Relaxed) {
            self.next_refresh_ms
                .store(now_ms + REFRESH_MS, Ordering::Relaxed);
            self.bar.set_position(records);
        }
    }

    /// Removes the bar.
    pub(crate) fn remove_progress(&self) {
        self.bar.finish_and_clear();
    }
}

//! Ends the program on SIGINT and SIGTERM as Java's does: what was accepted is sent first. A thread of
//! its own does that, because the main one waits for input; it lets that one finish its line. A second
//! signal ends the program at once.

use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::{TOOL, signals};

/// Whether the program was asked to end. By default, nobody can ask.
#[derive(Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    /// Held while a line is sent and told of.
    line: Arc<Mutex<()>>,
}

impl Stop {
    /// Listens for signals. The first one closes, which must end a line that waits to be sent, then
    /// sums up, and ends the program.
    pub(crate) fn on_signals(
        close: impl FnOnce() + Send + 'static,
        sum_up: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Self::default();
        let (asked, last_line) = (Arc::clone(&stop.asked), Arc::clone(&stop.line));
        signals::listen(TOOL, move |signal| {
            asked.store(true, Ordering::SeqCst);
            close();
            drop(hold(&last_line));
            sum_up();
            process::exit(signals::exit_code(signal));
        })?;
        Ok(stop)
    }

    /// Until this is dropped, the program does not end by a first signal.
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        hold(&self.line)
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// If the program was asked to end, waits until it does.
    pub(crate) fn wait_if_asked(&self) {
        while self.is_asked() {
            thread::park();
        }
    }
}

fn hold(line: &Mutex<()>) -> MutexGuard<'_, ()> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What the library logs in this process, and a logger that panics.

use std::panic::resume_unwind;
use std::sync::{Mutex, Once};
use std::thread;

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// The levels of what was logged on fatal threads.
static FATAL: Mutex<Vec<log::Level>> = Mutex::new(Vec::new());

/// On threads with this in their names the logger panics at every line. The name of an I/O thread has
/// its producer's client id.
pub(crate) const FATAL_THREAD: &str = "logs-no-more";

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("linger")
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if record.level() <= log::Level::Warn {
            let line = format!("{} {}", record.level(), record.args());
            LOGGED.lock().unwrap().push(line);
        }
        if thread::current()
            .name()
            .is_some_and(|name| name.contains(FATAL_THREAD))
        {
            FATAL.lock().unwrap().push(record.level());
            resume_unwind(Box::new("a logger's mistake"));
        }
    }

    fn flush(&self) {}
}

/// From now on the library's warnings are kept.
pub(crate) fn keep_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Logger).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// Whether one line has all these parts.
pub(crate) fn is_logged(parts: &[&str]) -> bool {
    let logged = LOGGED.lock().unwrap();
    logged
        .iter()
        .any(|line| parts.iter().all(|part| line.contains(part)))
}

/// How many lines have all these parts.
pub(crate) fn times_logged(parts: &[&str]) -> usize {
    let logged = LOGGED.lock().unwrap();
    let has_all = |line: &&String| parts.iter().all(|part| line.contains(part));
    logged.iter().filter(has_all).count()
}

/// Whether the logger has panicked at a line of this level.
pub(crate) fn has_panicked_at(level: log::Level) -> bool {
    FATAL.lock().unwrap().contains(&level)
}

//! What the library logs in this process.

use std::panic::resume_unwind;
use std::sync::{Mutex, Once};

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// What the logger panics at.
static FATAL: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("linger")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{} {}", record.level(), record.args());
            let is_fatal = contains_any(&line, &FATAL.lock().unwrap());
            LOGGED.lock().unwrap().push(line);
            if is_fatal {
                resume_unwind(Box::new("a logger's mistake"));
            }
        }
    }

    fn flush(&self) {}
}

fn contains_any(line: &str, parts: &[String]) -> bool {
    parts.iter().any(|part| line.contains(part))
}

/// From now on the logger panics when a warning has this part: the thread that logs it dies.
pub(crate) fn panic_at(part: &str) {
    keep_log();
    FATAL.lock().unwrap().push(part.to_owned());
}

/// From now on the library's warnings are kept.
pub(crate) fn keep_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Logger).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
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

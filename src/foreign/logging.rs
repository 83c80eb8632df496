//! What we log. A logger is foreign code, and one that panics is common: `println!` does when the pipe
//! behind it is closed. It runs on whatever thread has something to say, so its panic, or that of a
//! text that it is given, must end none of ours. All of our log lines go through these macros
//! (`tests/it/tidy.rs`); a level that is off costs what it costs with the `log` crate's own.
//!
//! Where such a panic goes: to the process's panic hook, which by default writes it to stderr, and no
//! further.

/// A line at the level, if that is on.
macro_rules! log_at {
    ($level:ident, $($argument:tt)+) => {
        if log::Level::$level <= log::STATIC_MAX_LEVEL && log::Level::$level <= log::max_level() {
            // In a closure with all its arguments: to make their text is foreign code, too.
            $crate::foreign::logging::call(&|| log::log!(log::Level::$level, $($argument)+));
        }
    };
}

/// In place of `log::error!`.
macro_rules! log_error {
    ($($argument:tt)+) => { $crate::foreign::logging::log_at!(Error, $($argument)+) };
}

/// In place of `log::warn!`.
macro_rules! log_warn {
    ($($argument:tt)+) => { $crate::foreign::logging::log_at!(Warn, $($argument)+) };
}

/// In place of `log::info!`.
macro_rules! log_info {
    ($($argument:tt)+) => { $crate::foreign::logging::log_at!(Info, $($argument)+) };
}

/// In place of `log::debug!`.
macro_rules! log_debug {
    ($($argument:tt)+) => { $crate::foreign::logging::log_at!(Debug, $($argument)+) };
}

pub(crate) use {log_at, log_debug, log_error, log_info, log_warn};

/// Calls the logger.
#[cold]
pub(crate) fn call(log: &dyn Fn()) {
    // There is nobody left to tell.
    super::contain(log).ok();
}

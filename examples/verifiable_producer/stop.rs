//! Turns SIGINT and SIGTERM into a wish to stop, which ends pauses early. A thread of its own
//! waits for the signals; it runs what has to be done at once and then ends, so that a second
//! signal changes nothing.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::throttle::Pause;

/// Whether, and by which signal, the process was asked to stop.
#[derive(Default)]
pub(crate) struct Stop {
    signal: Mutex<Option<i32>>,
    asked: Condvar,
}

impl Stop {
    /// Listens for signals; the first one runs `at_once`, on the listening thread.
    pub(crate) fn on_signals(at_once: impl FnOnce() + Send + 'static) -> io::Result<Arc<Self>> {
        let stop = Arc::new(Self::default());
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let listener = Arc::clone(&stop);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                if let Some(signal) = signals.forever().next() {
                    listener.ask(signal);
                    at_once();
                }
            })?;
        Ok(stop)
    }

    fn ask(&self, signal: i32) {
        *self.signal.lock() = Some(signal);
        self.asked.notify_all();
    }

    /// Whether it is time to stop.
    pub(crate) fn is_asked(&self) -> bool {
        self.signal.lock().is_some()
    }

    /// Waits for the pause to pass, or until it is time to stop.
    pub(crate) fn wait(&self, pause: &Pause) {
        let mut signal = self.signal.lock();
        match pause {
            Pause::For(time) => {
                self.asked
                    .wait_while_for(&mut signal, |signal| signal.is_none(), *time);
            }
            Pause::UntilStopped => {
                self.asked
                    .wait_while(&mut signal, |signal| signal.is_none());
            }
        }
    }

    /// How a process ends that did its work, or was stopped by a signal: 130 or 143, as shells
    /// and Java have it.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let code = self.signal.lock().map_or(0, |signal| 128 + signal);
        u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_signal_ends_a_pause_and_becomes_the_exit_code() {
        let stop = Stop::default();
        assert!(!stop.is_asked());
        assert_eq!(stop.exit_code(), ExitCode::SUCCESS);
        let started = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| stop.ask(SIGTERM));
            stop.wait(&Pause::UntilStopped);
            stop.wait(&Pause::For(Duration::from_secs(600)));
        });
        assert!(started.elapsed() < Duration::from_secs(60));
        assert!(stop.is_asked());
        assert_eq!(stop.exit_code(), ExitCode::from(143));
    }

    #[test]
    fn a_pause_passes_without_a_signal() {
        let stop = Stop::default();
        stop.wait(&Pause::For(Duration::from_millis(1)));
        assert!(!stop.is_asked());
    }

    #[test]
    fn listens_for_real_signals() {
        let (done, finished) = std::sync::mpsc::channel();
        let stop = Stop::on_signals(move || done.send(()).unwrap()).unwrap();
        signal_hook::low_level::raise(SIGINT).unwrap();
        finished.recv().unwrap();
        assert!(stop.is_asked());
        assert_eq!(stop.exit_code(), ExitCode::from(130));
    }
}

//! Turns SIGINT and SIGTERM into a wish to stop, which ends pauses early, and does what has to be done
//! at once. A second signal ends the program.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::throttle::Pause;
use crate::{TOOL, signals};

/// Whether, and by which signal, the process was asked to stop.
#[derive(Default)]
pub(crate) struct Stop {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    signal: Option<i32>,
    /// What had to be done at once is done.
    handled: bool,
}

impl Stop {
    /// Listens for signals; the first one runs `at_once`, on the listening thread.
    pub(crate) fn on_signals(at_once: impl FnOnce() + Send + 'static) -> io::Result<Arc<Self>> {
        let stop = Arc::new(Self::default());
        let listener = Arc::clone(&stop);
        signals::listen(TOOL, move |signal| {
            listener.change(|state| state.signal = Some(signal));
            at_once();
            listener.change(|state| state.handled = true);
        })?;
        Ok(stop)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
    }

    /// Whether it is time to stop.
    pub(crate) fn is_asked(&self) -> bool {
        self.state.lock().signal.is_some()
    }

    /// If it is time to stop, waits until what had to be done at once is done, and returns true.
    pub(crate) fn is_handled(&self) -> bool {
        let mut state = self.state.lock();
        self.changed
            .wait_while(&mut state, |state| state.signal.is_some() && !state.handled);
        state.signal.is_some()
    }

    /// Waits for the pause to pass, or until it is time to stop.
    pub(crate) fn wait(&self, pause: &Pause) {
        let mut state = self.state.lock();
        match pause {
            Pause::For(time) => {
                self.changed
                    .wait_while_for(&mut state, |state| state.signal.is_none(), *time);
            }
            Pause::UntilStopped => {
                self.changed
                    .wait_while(&mut state, |state| state.signal.is_none());
            }
        }
    }

    /// The signal that asked to stop.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.state.lock().signal
    }

    /// How a process ends that did its work, or was stopped by a signal: 130 or 143, as shells
    /// and Java have it.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let code = self.signal().map_or(0, signals::exit_code);
        u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use signal_hook::consts::{SIGINT, SIGTERM};

    use super::*;

    #[test]
    fn a_signal_ends_a_pause_and_becomes_the_exit_code() {
        let started = Instant::now();
        // Often enough that the pause comes before the signal now and then.
        for pause in [Pause::UntilStopped, Pause::For(Duration::from_secs(10))]
            .iter()
            .cycle()
            .take(100)
        {
            let stop = Stop::default();
            assert!(!stop.is_asked());
            assert_eq!(stop.exit_code(), ExitCode::SUCCESS);
            thread::scope(|scope| {
                scope.spawn(|| stop.change(|state| state.signal = Some(SIGTERM)));
                stop.wait(pause);
            });
            assert!(stop.is_asked());
            assert_eq!(stop.exit_code(), ExitCode::from(143));
        }
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "a pause was not ended"
        );
    }

    #[test]
    fn a_pause_passes_without_a_signal() {
        let stop = Stop::default();
        stop.wait(&Pause::For(Duration::from_millis(1)));
        assert!(!stop.is_asked());
    }

    #[test]
    fn a_real_signal_does_at_once_what_has_to_be_done() {
        let done = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&done);
        let stop = Stop::on_signals(move || flag.store(true, Ordering::Relaxed)).unwrap();
        assert!(!stop.is_handled());
        signal_hook::low_level::raise(SIGINT).unwrap();
        stop.wait(&Pause::UntilStopped);
        assert!(stop.is_handled());
        assert!(done.load(Ordering::Relaxed));
        assert_eq!(stop.exit_code(), ExitCode::from(130));
    }
}

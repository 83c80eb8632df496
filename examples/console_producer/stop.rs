//! Ends the program on SIGINT and SIGTERM as Java's does: what was accepted is sent first, and the
//! exit code is 128 and the signal's number. A thread of its own waits for signals, because the main
//! one waits for input. A second signal ends the program at once.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use linger::Producer;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// Whether the program was asked to end.
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens for signals; the first one closes this producer and ends the program.
    pub(crate) fn on_signals(producer: &Producer<[u8], [u8]>) -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down, and the second one up.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&asked))?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let producer = producer.clone();
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                if let Some(signal) = signals.forever().next() {
                    crate::close(&producer);
                    process::exit(128 + signal);
                }
            })?;
        Ok(Self(asked))
    }

    /// If the program was asked to end, waits until it does.
    pub(crate) fn wait_if_asked(&self) {
        while self.0.load(Ordering::SeqCst) {
            thread::park();
        }
    }
}

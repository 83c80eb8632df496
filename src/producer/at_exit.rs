//! A word when `main` ends and leaves records behind. Rust does not drop statics, so a producer in one
//! is never closed: the process ends under its I/O thread, and no callback runs that could tell. What a
//! thread keeps for itself is dropped as the thread ends, that of the main thread too where the system
//! does so (Linux does), and so it can look. Runs on: the main thread.

use std::cell::RefCell;

use crate::driver::Shared;
use crate::foreign::logging::log_error;
use crate::sync::{Arc, Weak, thread};

thread_local! {
    static MADE_IN_MAIN: MadeInMain = const { MadeInMain(RefCell::new(Vec::new())) };
}

/// The producers that the main thread has made.
struct MadeInMain(RefCell<Vec<Weak<Shared>>>);

/// Remembers a producer if this is the main thread.
pub(super) fn remember(shared: &Arc<Shared>) {
    if thread::current().name() != Some("main") {
        return;
    }
    let remember = |made: &MadeInMain| {
        let mut made = made.0.borrow_mut();
        made.retain(|producer| producer.strong_count() > 0);
        made.push(Arc::downgrade(shared));
    };
    MADE_IN_MAIN.try_with(remember).ok();
}

impl Drop for MadeInMain {
    fn drop(&mut self) {
        let left = self.0.get_mut().iter().filter_map(Weak::upgrade);
        for producer in left.filter(|producer| producer.check_process().is_ok()) {
            let pending = producer.accumulator.pending();
            if pending > 0 {
                log_error!(
                    "main has ended, and {pending} records of a producer that was not closed are lost: \
                     what is static is never dropped; close the producer at the end of main"
                );
            }
        }
    }
}

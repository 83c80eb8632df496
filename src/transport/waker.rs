//! Wakes the I/O thread out of its sleep in the poller. Carries no message: a thread that wakes it
//! has put its work where the I/O thread looks before it sleeps again. Any thread wakes; only the
//! I/O thread sleeps.
//!
//! ```text
//!            sleep                    wake: writes a byte
//!   Awake ----------> Asleep ------------------------------+
//!     ^                  |                                 v
//!     +------------------+--- the call has returned --- Notified
//!     |                                                    ^
//!     +---------- wake: costs one atomic operation --------+
//! ```
//!
//! So a storm of wakes costs at most one write, and none at all while the I/O thread is busy.

use std::io;

use super::pipe::Pipe;
use crate::foreign::logging::log_error;
use crate::sync::{Arc, AtomicUsize, Ordering};

/// Wakes the poller it came from. Cloning counts a reference.
#[derive(Clone, Debug)]
pub(crate) struct Waker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `AWAKE`, `ASLEEP` or `NOTIFIED`.
    state: AtomicUsize,
    pipe: Pipe,
}

const AWAKE: usize = 0;
const ASLEEP: usize = 1;
const NOTIFIED: usize = 2;

impl Waker {
    /// # Errors
    /// The process is out of file descriptors.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(Shared {
            state: AtomicUsize::new(AWAKE),
            pipe: Pipe::new()?,
        })))
    }

    /// Makes the poller's sleep end: the one it is in, or else the next one. What the caller wrote
    /// before is visible to the I/O thread after it.
    ///
    /// Runs on: any thread.
    pub(crate) fn wake(&self) {
        if self.0.state.swap(NOTIFIED, Ordering::AcqRel) != ASLEEP {
            return;
        }
        // At most one byte per sleep is ever on its way, so there is room for it. If the system
        // refuses all the same, then nothing can be done here that would help.
        if let Err(error) = self.0.pipe.write() {
            log_error!("cannot wake the I/O thread: {error}");
        }
    }

    /// Runs `sleep`, and says to it whether it may block: not if the I/O thread was woken since its
    /// last sleep. Returns true if it has been woken by now.
    ///
    /// Runs on: I/O thread.
    pub(super) fn sleep<T>(&self, sleep: impl FnOnce(bool) -> T) -> (bool, T) {
        let slept = sleep(self.fall_asleep());
        (self.get_up(), slept)
    }

    pub(super) fn fall_asleep(&self) -> bool {
        self.0
            .state
            .compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    pub(super) fn get_up(&self) -> bool {
        self.0.state.swap(AWAKE, Ordering::AcqRel) == NOTIFIED
    }

    /// The pipe whose bytes end a sleep. To be emptied once it was seen that there are some:
    /// usually one, more if threads were held up between deciding to write and writing.
    ///
    /// Runs on: I/O thread.
    pub(super) fn pipe(&self) -> &Pipe {
        &self.0.pipe
    }
}

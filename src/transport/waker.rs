//! Wakes the I/O thread out of its sleep in the poller. Carries no message: whoever wakes has put
//! its work where the I/O thread looks before it sleeps again. Any thread wakes; the I/O thread
//! sleeps.
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

use std::io::{self, Read, Write};
#[cfg(unix)]
use std::io::{PipeReader, PipeWriter, pipe};

use crate::sync::{Arc, AtomicUsize, Ordering};

/// Wakes the poller it came from. Cloning counts a reference.
#[derive(Clone, Debug)]
pub(crate) struct Waker(Arc<Shared>);

/// Both ends live as long as either side, so that a late wake finds no broken pipe.
#[derive(Debug)]
struct Shared {
    /// `AWAKE`, `ASLEEP` or `NOTIFIED`.
    state: AtomicUsize,
    receiving: Receiving,
    sending: Sending,
}

const AWAKE: usize = 0;
const ASLEEP: usize = 1;
const NOTIFIED: usize = 2;

impl Waker {
    /// # Errors
    /// The process is out of file descriptors.
    pub(super) fn new() -> io::Result<Self> {
        let (receiving, sending) = channel()?;
        Ok(Self(Arc::new(Shared {
            state: AtomicUsize::new(AWAKE),
            receiving,
            sending,
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
        if let Err(error) = (&self.0.sending).write_all(&[1]) {
            log::error!("cannot wake the I/O thread: {error}");
        }
    }

    /// Says that the I/O thread is about to sleep, and whether it may: not if somebody has woken
    /// it since its last sleep.
    ///
    /// Runs on: I/O thread.
    pub(super) fn fall_asleep(&self) -> bool {
        self.0
            .state
            .compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Ends the sleep; true if anybody has woken the thread.
    ///
    /// Runs on: I/O thread.
    pub(super) fn get_up(&self) -> bool {
        self.0.state.swap(AWAKE, Ordering::AcqRel) == NOTIFIED
    }

    /// Takes out the bytes that ended a sleep, once the poller has seen that there are some.
    /// Usually one; more if threads were held up between deciding to write and writing.
    ///
    /// Runs on: I/O thread.
    pub(super) fn drain(&self) -> usize {
        let mut bytes = [0; 64];
        (&self.0.receiving).read(&mut bytes).unwrap_or_default()
    }

    /// What becomes readable when somebody wakes.
    pub(super) fn receiving(&self) -> &Receiving {
        &self.0.receiving
    }
}

#[cfg(unix)]
type Receiving = PipeReader;
#[cfg(unix)]
type Sending = PipeWriter;

#[cfg(unix)]
fn channel() -> io::Result<(Receiving, Sending)> {
    pipe()
}

/// A loopback connection, where pipes cannot be polled.
#[cfg(not(unix))]
type Receiving = std::net::TcpStream;
#[cfg(not(unix))]
type Sending = std::net::TcpStream;

#[cfg(not(unix))]
fn channel() -> io::Result<(Receiving, Sending)> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    let sending = std::net::TcpStream::connect(listener.local_addr()?)?;
    let (receiving, peer) = listener.accept()?;
    if peer != sending.local_addr()? {
        return Err(io::Error::other(
            "somebody else took the waker's connection",
        ));
    }
    sending.set_nodelay(true)?;
    Ok((receiving, sending))
}

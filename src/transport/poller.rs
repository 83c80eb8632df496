//! Sleeps until a socket is ready, the I/O thread is woken, or a deadline passes: one call of the
//! system for all of them. Reads and writes nothing itself, and never wakes up without a
//! reason. Runs on the I/O thread.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::Token;
use super::tcp::Stream;
use super::waker::Waker;

/// What the driver waits for on one socket. Failure and hang-up are always waited for.
#[derive(Debug)]
pub(crate) struct Interest<'a> {
    pub(crate) token: Token,
    pub(crate) stream: &'a Stream,
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// A socket with something to do. A failed one, or one whose peer hung up, is both readable and
/// writable: the call then says what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) token: Token,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

/// The only call in which the I/O thread sleeps.
#[derive(Debug)]
pub(crate) struct Poller {
    waker: Waker,
    /// Tokens of the sockets asked about, in the order of the system's list.
    tokens: Vec<Token>,
    /// Empty between calls; kept for its memory.
    descriptors: Vec<PollFd<'static>>,
    ready: Vec<Ready>,
}

impl Poller {
    /// # Errors
    /// The process is out of file descriptors.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            waker: Waker::new()?,
            tokens: Vec::new(),
            descriptors: Vec::new(),
            ready: Vec::new(),
        })
    }

    /// Wakes this poller, from any thread.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Waits until a socket is ready, a waker wakes, or `timeout` has passed; `None` waits for
    /// ever. True if a waker has woken since the last call. May also return early with nothing,
    /// after a signal: the caller looks at its clock anyway.
    ///
    /// The timeout has the system's finest granularity and is never rounded down, so a caller that
    /// waits for a deadline does not come back before it.
    ///
    /// # Errors
    /// The system refuses the call: it is out of memory, or there are more sockets than the
    /// process may have.
    pub(crate) fn poll<'a>(
        &mut self,
        interests: impl IntoIterator<Item = Interest<'a>>,
        timeout: Option<Duration>,
    ) -> io::Result<bool> {
        self.ready.clear();
        self.tokens.clear();
        let waker = self.waker.clone();
        let mut descriptors = recycle(std::mem::take(&mut self.descriptors));
        descriptors.push(PollFd::new(waker.pipe().receiving(), PollFlags::IN));
        for interest in interests {
            self.tokens.push(interest.token);
            descriptors.push(PollFd::new(interest.stream.socket(), flags(&interest)));
        }

        let (woken, outcome) = waker.sleep(|may_sleep| {
            let timeout = if may_sleep {
                timeout
            } else {
                Some(Duration::ZERO)
            };
            poll(&mut descriptors, timeout.map(timespec).as_ref())
        });
        match outcome {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => self.sort_out(&descriptors),
            Err(error) => return Err(error.into()),
        }
        self.descriptors = recycle(descriptors);
        Ok(woken)
    }

    /// The sockets that the last call found ready.
    pub(crate) fn ready(&self) -> &[Ready] {
        &self.ready
    }

    fn sort_out(&mut self, descriptors: &[PollFd<'_>]) {
        let Some((wake_up, sockets)) = descriptors.split_first() else {
            return;
        };
        if !wake_up.revents().is_empty() {
            self.waker.pipe().drain();
        }
        for (&token, socket) in self.tokens.iter().zip(sockets) {
            let events = socket.revents();
            if events.is_empty() {
                continue;
            }
            let broken = events.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
            self.ready.push(Ready {
                token,
                readable: broken || events.contains(PollFlags::IN),
                writable: broken || events.contains(PollFlags::OUT),
            });
        }
    }
}

fn flags(interest: &Interest<'_>) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, interest.read);
    flags.set(PollFlags::OUT, interest.write);
    flags
}

/// Some systems count in milliseconds of 32 bits. A sleep that ends early, after 24 days, does no
/// harm.
const MAX_TIMEOUT: Duration = Duration::from_millis(0x7fff_ffff);

/// The timeout as the system takes it, to the nanosecond.
pub(super) fn timespec(timeout: Duration) -> Timespec {
    Timespec::try_from(timeout.min(MAX_TIMEOUT)).expect("24 days fit any clock")
}

/// An empty list in the memory of `descriptors`, which borrowed from other sockets.
fn recycle<'to>(mut descriptors: Vec<PollFd<'_>>) -> Vec<PollFd<'to>> {
    descriptors.clear();
    descriptors
        .into_iter()
        .map(|_| unreachable!("the list was cleared"))
        .collect()
}

//! Sleeps until a socket is ready, the I/O thread is woken, or a deadline passes: one call of the
//! system for all of them. Reads and writes nothing itself, and never wakes up without a
//! reason. If the system refuses that call, it pauses instead and has every socket asked. Runs on the
//! I/O thread.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::Token;
use super::tcp::Stream;
use super::waker::Waker;
use crate::foreign::logging::log_warn;

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
    /// How often in a row the system has refused the call.
    refusals: u64,
}

/// How long to pause when the system refuses to wait for sockets.
const PAUSE: Duration = Duration::from_millis(10);

impl Poller {
    /// # Errors
    /// The process is out of file descriptors.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            waker: Waker::new()?,
            tokens: Vec::new(),
            descriptors: Vec::new(),
            ready: Vec::new(),
            refusals: 0,
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
    /// The system may refuse the call: it is out of memory, or the process's limit of descriptors was
    /// lowered below what is open. Then this pauses for [a moment](PAUSE), and all sockets count as
    /// ready: to read or write what cannot be read or written does not wait. So records go on, more
    /// slowly, and deadlines hold.
    pub(crate) fn poll<'a>(
        &mut self,
        interests: impl IntoIterator<Item = Interest<'a>>,
        timeout: Option<Duration>,
    ) -> bool {
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
        let refused = match outcome {
            Err(Errno::INTR) => None,
            Err(error) => Some(error),
            Ok(0) => None,
            Ok(_) => self.sort_out(&descriptors).err(),
        };
        self.descriptors = recycle(descriptors);
        match refused {
            None => {
                self.refusals = 0;
                woken
            }
            Some(error) => woken | self.do_without(error, timeout),
        }
    }

    /// Pauses, unless it is woken, and takes all sockets for ready. True if it was woken.
    #[cold]
    fn do_without(&mut self, error: Errno, timeout: Option<Duration>) -> bool {
        self.refusals += 1;
        if self.refusals.is_power_of_two() {
            let (count, error) = (self.refusals, io::Error::from(error));
            log_warn!(
                "the system cannot wait for sockets (time {count}), so all are asked every {PAUSE:?}: \
                 {error}; has the limit of open files been lowered, or is memory short?"
            );
        }
        let pause = timeout.map_or(PAUSE, |timeout| timeout.min(PAUSE));
        let waker = self.waker.clone();
        let (woken, ()) = waker.sleep(|may_sleep| {
            let pause = timespec(if may_sleep { pause } else { Duration::ZERO });
            let mut own = [PollFd::new(waker.pipe().receiving(), PollFlags::IN)];
            match poll(&mut own, Some(&pause)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) if own.iter().any(is_readable) => {
                    waker.pipe().drain();
                }
                // Without any descriptor nothing is left to refuse.
                _ => {
                    poll(&mut [], Some(&pause)).ok();
                }
            }
        });
        self.ready.clear();
        self.ready.extend(self.tokens.iter().map(|token| Ready {
            token: *token,
            readable: true,
            writable: true,
        }));
        woken
    }

    /// The sockets that the last call found ready.
    pub(crate) fn ready(&self) -> &[Ready] {
        &self.ready
    }

    /// # Errors
    /// The waker's descriptor is not open any more: somebody has closed what is not his.
    fn sort_out(&mut self, descriptors: &[PollFd<'_>]) -> Result<(), Errno> {
        let Some((wake_up, sockets)) = descriptors.split_first() else {
            return Ok(());
        };
        if is_readable(wake_up) {
            self.waker.pipe().drain();
        } else if !wake_up.revents().is_empty() {
            return Err(Errno::BADF);
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
        Ok(())
    }
}

fn is_readable(descriptor: &PollFd<'_>) -> bool {
    descriptor.revents().contains(PollFlags::IN)
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

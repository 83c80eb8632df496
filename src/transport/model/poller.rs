//! In the place of `poller.rs` for the model tests: sleeps until somebody wakes the I/O thread.
//! There are no sockets, and no time passes.

use std::io;
use std::time::Duration;

use super::Token;
use super::tcp::Stream;
use super::waker::Waker;

#[derive(Debug)]
pub(crate) struct Interest<'a> {
    pub(crate) token: Token,
    pub(crate) stream: &'a Stream,
    pub(crate) read: bool,
    pub(crate) write: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) token: Token,
    pub(crate) readable: bool,
}

#[derive(Debug)]
pub(crate) struct Poller(Waker);

/// What a model may sleep through: timers for when something goes wrong.
const NEVER: Duration = Duration::from_secs(10);

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Waker::new()?))
    }

    pub(crate) fn waker(&self) -> Waker {
        self.0.clone()
    }

    pub(crate) fn poll<'a>(
        &mut self,
        interests: impl IntoIterator<Item = Interest<'a>>,
        timeout: Option<Duration>,
    ) -> bool {
        assert!(
            interests.into_iter().next().is_none(),
            "a socket in a model"
        );
        let (woken, slept) = self.0.sleep(|may_sleep| {
            let sleeps = may_sleep && timeout != Some(Duration::ZERO);
            if sleeps {
                assert!(timeout.is_none_or(|timeout| timeout > NEVER), "{timeout:?}");
                self.0.pipe().wait_until_readable();
            }
            sleeps
        });
        if slept {
            self.0.pipe().drain();
        }
        woken
    }

    pub(crate) fn ready(&self) -> &[Ready] {
        &[]
    }
}

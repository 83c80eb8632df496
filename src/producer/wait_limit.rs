//! How long one call may wait, for metadata and for memory together. Runs on: caller.

use std::cell::OnceCell;
use std::time::{Duration, Instant};

use crate::producer::clock::now;

/// The limit of one call to a `send`.
#[derive(Debug)]
pub(super) struct WaitLimit {
    /// `None`: the call must not wait at all.
    limit: Option<Limit>,
    /// The end of the wait, fixed when the call begins to wait for the first time. A call that never
    /// waits never reads the clock. `None` inside: the end is too far away for an `Instant`.
    deadline: OnceCell<Option<Instant>>,
}

/// Where a limit comes from, for error messages.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// `max.block.ms`.
    MaxBlock(Duration),
    /// An argument of this call.
    Caller(Duration),
}

impl WaitLimit {
    pub(super) fn none() -> Self {
        Self::new(None)
    }

    pub(super) fn at_most(limit: Limit) -> Self {
        Self::new(Some(limit))
    }

    /// At most a caller's own `timeout`; with zero the call must not wait at all.
    pub(super) fn of_caller(timeout: Duration) -> Self {
        match timeout {
            Duration::ZERO => Self::none(),
            timeout => Self::at_most(Limit::Caller(timeout)),
        }
    }

    fn new(limit: Option<Limit>) -> Self {
        Self {
            limit,
            deadline: OnceCell::new(),
        }
    }

    /// Whether the call may wait at all.
    pub(super) fn may_wait(&self) -> bool {
        self.limit.is_some_and(|limit| !limit.duration().is_zero())
    }

    /// The deadline and the limit it follows from; `None` if the call must not wait. Without a
    /// deadline the wait has no end.
    pub(super) fn begin(&self) -> Option<(Option<Instant>, Limit)> {
        let limit = self.limit?;
        let end = || now().checked_add(limit.duration());
        Some((*self.deadline.get_or_init(end), limit))
    }
}

impl Limit {
    fn duration(self) -> Duration {
        match self {
            Self::MaxBlock(limit) | Self::Caller(limit) => limit,
        }
    }

    pub(super) fn describe(self) -> String {
        match self {
            Self::MaxBlock(limit) => format!("max.block.ms ({} ms)", limit.as_millis()),
            Self::Caller(limit) => format!("{} ms", limit.as_millis()),
        }
    }
}

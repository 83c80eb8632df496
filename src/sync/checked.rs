//! Locks that know their rank, for builds with debug assertions: each `lock` is checked against the
//! order in [`rank`](super::rank) before it blocks. Otherwise like parking_lot's.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Instant;

use super::rank::{Held, assert_only};
use super::{Rank, Ranked, raw};

pub(crate) struct Mutex<T> {
    rank: Rank,
    inner: raw::Mutex<T>,
}

/// Fields are dropped in this order: the lock is released before its rank is.
#[must_use]
pub(crate) struct MutexGuard<'a, T> {
    inner: raw::MutexGuard<'a, T>,
    held: Held,
}

impl<T> Ranked<T> for Mutex<T> {
    fn ranked(rank: Rank, value: T) -> Self {
        Self {
            rank,
            inner: raw::Mutex::new(value),
        }
    }
}

impl<T> Mutex<T> {
    #[track_caller]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let held = Held::begin(self.rank);
        MutexGuard {
            inner: self.inner.lock(),
            held,
        }
    }

    /// `None` if another thread holds it.
    #[track_caller]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let held = Held::begin(self.rank);
        let inner = self.inner.try_lock()?;
        Some(MutexGuard { inner, held })
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }
}

/// Only tests leave the rank out: the lock is one of their own.
#[cfg(test)]
impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::ranked(Rank::Test, T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

#[derive(Debug)]
pub(crate) struct Condvar(raw::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(raw::Condvar::new())
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    #[track_caller]
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        assert_only(Some(guard.held.rank()));
        self.0.wait(&mut guard.inner);
    }

    #[track_caller]
    pub(crate) fn wait_until<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        deadline: Instant,
    ) -> raw::WaitTimeoutResult {
        assert_only(Some(guard.held.rank()));
        self.0.wait_until(&mut guard.inner, deadline)
    }
}

/// Only the mock cluster waits for a while; everybody else has a deadline.
#[cfg(feature = "testing")]
impl Condvar {
    #[track_caller]
    pub(crate) fn wait_for<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        timeout: std::time::Duration,
    ) -> raw::WaitTimeoutResult {
        assert_only(Some(guard.held.rank()));
        self.0.wait_for(&mut guard.inner, timeout)
    }
}

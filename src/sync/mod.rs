//! The crate's locks, condition variables, atomics and threads. All other modules take them from here,
//! so that test builds can replace them: with locks that check their order, or with a model checker's.
//!
//! | build | what a `Mutex` is |
//! |---|---|
//! | release | parking_lot's, as it is |
//! | with debug assertions | parking_lot's, with a [`Rank`]: the [order](rank) is checked at every lock |
//! | tests with `--cfg shuttle` | shuttle's, with a rank: a model checker chooses the schedule |

#[cfg(debug_assertions)]
mod checked;
#[cfg(test)]
#[cfg(shuttle)]
pub(crate) mod model;
mod rank;
#[cfg(test)]
#[cfg(all(debug_assertions, not(shuttle)))]
mod tests;

pub(crate) use std::sync::{Arc, OnceLock, Weak};

/// A value that is replaced whole and read without a lock. The model checker does not schedule it.
pub(crate) use arc_swap::ArcSwap as Swap;

#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::thread;

#[cfg(test)]
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
#[cfg(test)]
#[cfg(shuttle)]
pub(crate) use shuttle::thread;

#[cfg(debug_assertions)]
pub(crate) use checked::{Condvar, Mutex, MutexGuard};
#[cfg(not(debug_assertions))]
pub(crate) use raw::{Condvar, Mutex, MutexGuard};

pub(crate) use rank::{Rank, Ranked, assert_unlocked};

#[cfg(test)]
#[cfg(shuttle)]
use model as raw;
#[cfg(not(all(test, shuttle)))]
use parking_lot as raw;

/// A number that no other call in this process has returned.
pub(crate) fn unique_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};

    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

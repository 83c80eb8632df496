//! Where sends of any thread enter a transaction that others may end at any moment. An end shuts it and
//! waits until all that were inside are out: a record is in the transaction as a whole, or refused.
//! HOT for a shared producer: two additions to one counter per record. Runs on: caller.

use std::time::Instant;

use crate::sync::{AtomicU64, Condvar, Mutex, Ordering, Rank, Ranked};

#[derive(Debug)]
pub(super) struct Entrance {
    /// Bit 0: whether it is open. The rest: how many are inside.
    word: AtomicU64,
    empty: (Mutex<()>, Condvar),
}

const OPEN: u64 = 1;
const ONE: u64 = 2;

/// A send that is inside, until it is dropped.
#[derive(Debug)]
pub(super) struct Inside<'a>(&'a Entrance);

impl Default for Entrance {
    fn default() -> Self {
        Self {
            word: AtomicU64::new(0),
            empty: (Mutex::ranked(Rank::Transactions, ()), Condvar::new()),
        }
    }
}

impl Entrance {
    /// Lets a send in, if it is open.
    #[inline]
    pub(super) fn enter(&self) -> Option<Inside<'_>> {
        // Counted before it looks: whoever shuts the entrance then sees it, or it sees that it is shut.
        let before = self.word.fetch_add(ONE, Ordering::SeqCst);
        let inside = Inside(self);
        (before & OPEN != 0).then_some(inside)
    }

    pub(super) fn open(&self) {
        self.word.fetch_or(OPEN, Ordering::SeqCst);
    }

    /// Lets nobody in any more, and waits until nobody is inside; `false` if somebody still is at the
    /// deadline.
    pub(super) fn shut(&self, deadline: Option<Instant>) -> bool {
        self.word.fetch_and(!OPEN, Ordering::SeqCst);
        let (mutex, emptied) = &self.empty;
        let mut guard = mutex.lock();
        while self.word.load(Ordering::SeqCst) >= ONE {
            match deadline {
                None => emptied.wait(&mut guard),
                Some(deadline) => {
                    if emptied.wait_until(&mut guard, deadline).timed_out() {
                        return self.word.load(Ordering::SeqCst) < ONE;
                    }
                }
            }
        }
        true
    }
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        let Self(entrance) = self;
        if entrance.word.fetch_sub(ONE, Ordering::SeqCst) == ONE {
            // The last one out of an entrance that is shut.
            let (mutex, emptied) = &entrance.empty;
            drop(mutex.lock());
            emptied.notify_all();
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn lets_sends_in_only_while_it_is_open() {
        let entrance = Entrance::default();
        assert!(entrance.enter().is_none());
        entrance.open();
        assert!(entrance.enter().is_some());
        assert!(entrance.shut(None), "nobody is inside");
        assert!(entrance.enter().is_none());
    }

    #[test]
    fn an_end_waits_for_those_inside_and_no_longer_than_it_may() {
        let entrance = Entrance::default();
        entrance.open();
        let inside = entrance.enter().unwrap();
        let past = crate::producer::now();
        assert!(!entrance.shut(Some(past)), "one is inside");
        assert!(entrance.enter().is_none(), "and no other comes in");
        entrance.open();
        thread::scope(|scope| {
            let waits = scope.spawn(|| entrance.shut(None));
            while entrance.enter().is_some() {
                thread::yield_now();
            }
            drop(inside);
            assert!(waits.join().unwrap());
        });
    }
}

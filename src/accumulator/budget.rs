//! The memory that queued and in-flight records may hold: `buffer.memory`. The only place where a
//! caller blocks for memory. Allocates nothing itself; it counts, and has the recycler at hand. Any
//! thread reserves and releases.
//!
//! Callers that wait are served first in, first out, and while one of them waits, no other caller gets
//! memory past the queue. Otherwise small records would take each byte that comes back, and a caller
//! with a large record would wait until it times out.

use std::collections::VecDeque;
use std::time::Instant;

use crate::accumulator::recycler::{Memory, Recycler};
use crate::sync::{Arc, AtomicBool, AtomicUsize, Condvar, Mutex, Ordering, Rank, Ranked};

/// Counts the bytes in use, and lets callers wait for some.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    total: usize,
    /// Invariant: at most `total`.
    used: AtomicUsize,
    /// How many callers wait, so that a release knows without a lock. Changed under `queue` only.
    waiting: AtomicUsize,
    /// Whether a caller that must not wait was refused, and the I/O thread has not seen it yet.
    refused: AtomicBool,
    queue: Mutex<Queue>,
    /// Idle memory of finished batches, which is not charged.
    recycler: Recycler,
}

#[derive(Debug, Default)]
struct Queue {
    /// In order of arrival. Invariant: as many as `waiting` says.
    waiters: VecDeque<Arc<Waiter>>,
    closed: bool,
}

#[derive(Debug)]
struct Waiter {
    bytes: usize,
    /// Set once, under the queue's lock, by the thread that serves or refuses this waiter.
    answer: Mutex<Option<Answer>>,
    answered: Condvar,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Served,
    Closed,
}

/// Why no memory was given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NoMemory {
    /// The deadline passed.
    TimedOut,
    /// The producer closed.
    Closed,
}

impl MemoryBudget {
    /// For batches of about `batch_size`, whose memory is recycled.
    pub(crate) fn new(total: usize, batch_size: usize) -> Self {
        Self {
            recycler: Recycler::new(batch_size, total),
            total,
            used: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            refused: AtomicBool::new(false),
            queue: Mutex::ranked(Rank::MemoryQueue, Queue::default()),
        }
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::SeqCst)
    }

    pub(super) fn recycler(&self) -> &Recycler {
        &self.recycler
    }

    /// Whether a caller waits for memory: batches then leave without waiting for `linger.ms`.
    pub(crate) fn has_waiters(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Remembers that a caller that must not wait found no memory, so that batches leave without
    /// lingering; returns whether the I/O thread must be woken for that.
    ///
    /// Runs on: caller.
    pub(crate) fn set_refused(&self) -> bool {
        !self.refused.swap(true, Ordering::SeqCst)
    }

    /// Whether such a caller was refused since the last call. Runs on: I/O thread.
    pub(crate) fn take_refused(&self) -> bool {
        self.refused.load(Ordering::SeqCst) && self.refused.swap(false, Ordering::SeqCst)
    }

    /// Waits for `bytes`, at most until `deadline`; `None` waits for ever.
    ///
    /// Calls `on_queued` once this caller is in the queue, to wake the I/O thread: it sees then that
    /// memory is short. Runs on: caller.
    pub(crate) fn wait(
        self: &Arc<Self>,
        bytes: usize,
        deadline: Option<Instant>,
        on_queued: impl FnOnce(),
    ) -> Result<Reservation, NoMemory> {
        let queued = self.enqueue(bytes)?;
        on_queued();
        queued.waiter.wait_until(deadline);
        queued.leave()
    }

    /// The first half of [`wait`](Self::wait): joins the queue. Never blocks.
    pub(crate) fn enqueue(self: &Arc<Self>, bytes: usize) -> Result<QueuedCaller, NoMemory> {
        let waiter = Arc::new(Waiter {
            bytes,
            answer: Mutex::ranked(Rank::MemoryAnswer, None),
            answered: Condvar::new(),
        });
        self.push(&waiter)?;
        Ok(QueuedCaller {
            budget: Arc::clone(self),
            waiter,
        })
    }

    /// Refuses all that wait, now and later. Reservations already made stay.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        while let Some(waiter) = queue.waiters.pop_front() {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            waiter.answer(Answer::Closed);
        }
    }

    #[expect(
        clippy::significant_drop_tightening,
        reason = "all of it happens under the lock"
    )]
    fn push(&self, waiter: &Arc<Waiter>) -> Result<(), NoMemory> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(NoMemory::Closed);
        }
        queue.waiters.push_back(Arc::clone(waiter));
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // Memory that came back between the caller's failed attempt and now was not offered to it,
        // as it was not in the queue: without this, it might wait with memory free.
        self.serve(&mut queue);
        Ok(())
    }

    /// Takes a waiter that gave up out of the queue; its answer, if one came in the meantime.
    #[expect(
        clippy::significant_drop_tightening,
        reason = "all of it happens under the lock"
    )]
    fn leave(&self, waiter: &Arc<Waiter>) -> Option<Answer> {
        let mut queue = self.queue.lock();
        let answer = *waiter.answer.lock();
        if answer.is_some() {
            return answer;
        }
        queue.waiters.retain(|other| !Arc::ptr_eq(other, waiter));
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        // If it was the first, and too large for what is free, those behind it may fit now.
        self.serve(&mut queue);
        None
    }

    /// Serves from the front of the queue for as long as there is room.
    fn serve(&self, queue: &mut Queue) {
        while let Some(first) = queue.waiters.front() {
            if !self.take(first.bytes) {
                return;
            }
            let first = queue
                .waiters
                .pop_front()
                .expect("front() just saw it under this lock");
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            first.answer(Answer::Served);
        }
    }

    /// Takes `bytes` if they are free, without regard to the queue.
    fn take(&self, bytes: usize) -> bool {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.total);
        self.used
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits)
            .is_ok()
    }

    /// Whether the first in the queue waits although there is memory for it.
    #[cfg(test)]
    pub(crate) fn has_forgotten_waiter(&self) -> bool {
        let first = self.queue.lock().waiters.front().map(|first| first.bytes);
        first.is_some_and(|bytes| bytes <= self.total - self.used())
    }

    pub(super) fn release(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, Ordering::SeqCst);
        debug_assert!(before >= bytes, "more memory came back than was given");
        if self.has_waiters() {
            self.serve(&mut self.queue.lock());
        }
    }
}

/// A caller in the queue, which has to leave it in the end, with or without memory.
#[derive(Debug)]
#[must_use = "a caller that never leaves the queue holds up those behind it"]
pub(crate) struct QueuedCaller {
    budget: Arc<MemoryBudget>,
    waiter: Arc<Waiter>,
}

impl QueuedCaller {
    /// Whether it has memory now, or was refused.
    #[cfg(test)]
    pub(crate) fn is_answered(&self) -> bool {
        self.waiter.answer.lock().is_some()
    }

    /// Ends the wait, with what it has brought by now.
    pub(crate) fn leave(self) -> Result<Reservation, NoMemory> {
        let answered = *self.waiter.answer.lock();
        match answered.or_else(|| self.budget.leave(&self.waiter)) {
            Some(Answer::Served) => Ok(Reservation {
                budget: self.budget,
                bytes: self.waiter.bytes,
                unspent: 0,
                has_borrowed: false,
            }),
            Some(Answer::Closed) => Err(NoMemory::Closed),
            None => Err(NoMemory::TimedOut),
        }
    }
}

impl Waiter {
    fn answer(&self, answer: Answer) {
        *self.answer.lock() = Some(answer);
        self.answered.notify_one();
    }

    fn wait_until(&self, deadline: Option<Instant>) {
        let mut answer = self.answer.lock();
        while answer.is_none() {
            match deadline {
                None => self.answered.wait(&mut answer),
                Some(deadline) => {
                    if self.answered.wait_until(&mut answer, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
    }
}

/// A share of the budget; returned when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<MemoryBudget>,
    bytes: usize,
    /// Of these: reserved ahead, and not used yet. Given back by [`settle`](Self::settle).
    unspent: usize,
    /// Whether its batch uses memory that the recycler has lent.
    has_borrowed: bool,
}

/// The most that is reserved ahead.
const MOST_AHEAD: usize = 16 * 1024;

impl Reservation {
    /// A reservation of nothing yet.
    pub(crate) fn empty(budget: &Arc<MemoryBudget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            bytes: 0,
            unspent: 0,
            has_borrowed: false,
        }
    }

    /// Grows by `bytes` if they are free and no caller waits for memory. Never blocks.
    ///
    /// Doubles, if memory allows: the counter that all callers share is touched a few times per batch,
    /// and not for each record.
    #[inline]
    pub(crate) fn try_grow(&mut self, bytes: usize) -> bool {
        match self.unspent.checked_sub(bytes) {
            Some(left) => {
                self.unspent = left;
                true
            }
            None => self.reserve_more(bytes),
        }
    }

    /// Reserves `bytes`, of which a part is there already, and some ahead.
    #[cold]
    fn reserve_more(&mut self, bytes: usize) -> bool {
        if self.budget.has_waiters() {
            return false;
        }
        let missing = bytes - self.unspent;
        let ahead = self.bytes.min(MOST_AHEAD);
        let granted = [missing.saturating_add(ahead), missing]
            .into_iter()
            .find(|bytes| self.budget.take(*bytes));
        let Some(granted) = granted else { return false };
        self.bytes += granted;
        self.unspent = granted - missing;
        true
    }

    /// Takes `bytes` over from `other`, which must hold that many.
    pub(crate) fn take_from(&mut self, other: &mut Self, bytes: usize) {
        assert!(
            other.bytes >= bytes,
            "a waiter reserves the most its record can need"
        );
        other.bytes -= bytes;
        self.bytes += bytes;
    }

    pub(super) fn recycler(&self) -> &Recycler {
        self.budget.recycler()
    }

    /// Borrows memory of a finished batch for the batch that this is charged for; `None` if the recycler
    /// has none to lend.
    pub(super) fn borrow_memory(&mut self) -> Option<Memory> {
        let memory = self.budget.recycler().lend();
        self.has_borrowed |= memory.is_some();
        memory
    }

    /// Leaves all of it taken: somebody else [releases](MemoryBudget::release) it.
    pub(super) fn spend(mut self) {
        self.bytes = 0;
    }

    /// Gives back what was reserved ahead: it grows no more.
    pub(crate) fn settle(&mut self) {
        self.give_back(self.unspent);
        self.unspent = 0;
    }

    /// Returns a part of it, which it must hold.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        if bytes > 0 {
            self.budget.release(bytes);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.has_borrowed {
            self.recycler().end_loan();
        }
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn reserve(budget: &Arc<MemoryBudget>, bytes: usize) -> Option<Reservation> {
        let mut reservation = Reservation::empty(budget);
        reservation.try_grow(bytes).then_some(reservation)
    }

    #[test]
    fn never_gives_more_than_it_has_and_gets_all_of_it_back() {
        let budget = Arc::new(MemoryBudget::new(100, 10));
        let first = reserve(&budget, 60).unwrap();
        assert!(reserve(&budget, 41).is_none());
        let second = reserve(&budget, 40).unwrap();
        assert_eq!(budget.used(), 100);
        drop((first, second));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test of waiting reads the clock"
    )]
    fn gives_up_at_the_deadline_and_leaves_the_queue() {
        let budget = Arc::new(MemoryBudget::new(100, 10));
        let all = reserve(&budget, 100).unwrap();
        let deadline = Instant::now() + Duration::from_millis(20);
        assert_eq!(
            budget.wait(1, Some(deadline), || {}).unwrap_err(),
            NoMemory::TimedOut
        );
        assert!(Instant::now() >= deadline);
        assert!(!budget.has_waiters());
        drop(all);
        assert!(reserve(&budget, 100).is_some());
    }

    #[test]
    fn serves_in_order_of_arrival_so_that_a_large_waiter_is_not_starved() {
        let budget = Arc::new(MemoryBudget::new(100, 10));
        let half = reserve(&budget, 50).unwrap();
        let other_half = reserve(&budget, 50).unwrap();
        let (queued, is_queued) = mpsc::channel();
        let (served, was_served) = mpsc::channel();
        let wait = |bytes: usize| {
            let (budget, queued, served) = (Arc::clone(&budget), queued.clone(), served.clone());
            thread::Builder::new().spawn(move || {
                let got = budget
                    .wait(bytes, None, || queued.send(()).unwrap())
                    .unwrap();
                served.send(bytes).unwrap();
                drop(got);
            })
        };
        let large = wait(100).unwrap();
        is_queued.recv().unwrap();
        let small = wait(1).unwrap();
        is_queued.recv().unwrap();
        drop(half);
        // Fifty bytes are free, but the large one is first in the queue, and none overtakes it.
        assert!(reserve(&budget, 1).is_none());
        assert!(was_served.try_recv().is_err());
        drop(other_half);
        assert_eq!(was_served.recv().unwrap(), 100);
        assert_eq!(was_served.recv().unwrap(), 1);
        large.join().unwrap();
        small.join().unwrap();
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn closing_answers_all_that_wait() {
        let budget = Arc::new(MemoryBudget::new(10, 10));
        let all = reserve(&budget, 10).unwrap();
        let (queued, is_queued) = mpsc::channel();
        let waiter = thread::Builder::new().spawn({
            let budget = Arc::clone(&budget);
            move || budget.wait(5, None, || queued.send(()).unwrap()).map(drop)
        });
        is_queued.recv().unwrap();
        budget.close();
        assert_eq!(waiter.unwrap().join().unwrap(), Err(NoMemory::Closed));
        assert_eq!(budget.wait(1, None, || {}).unwrap_err(), NoMemory::Closed);
        drop(all);
        assert_eq!(budget.used(), 0);
    }
}

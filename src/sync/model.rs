//! What a model checker puts in the place of parking_lot: shuttle's locks behind parking_lot's
//! methods, a clock that moves only when a test says so, and the runs themselves. For tests with
//! `--cfg shuttle` only.
//!
//! A test starts its threads with `sync::thread`, and [`check`] runs it under many schedules. A
//! schedule in which all threads wait for each other is reported as a deadlock, so a lost wake-up
//! shows. A wait with a deadline ends when a thread of the test moves the clock there with
//! [`pass`]; the checker tries all places for that.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, TryLockError};
use std::time::{Duration, Instant};

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

use super::{Arc, thread};

pub(super) struct Mutex<T>(shuttle::sync::Mutex<T>);

/// Empty only inside a wait.
pub(super) struct MutexGuard<'a, T>(Option<shuttle::sync::MutexGuard<'a, T>>);

impl<T> Mutex<T> {
    pub(super) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        let guard = self.0.lock();
        MutexGuard(Some(guard.unwrap_or_else(PoisonError::into_inner)))
    }

    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(MutexGuard(Some(guard))),
            Err(TryLockError::Poisoned(poisoned)) => Some(MutexGuard(Some(poisoned.into_inner()))),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(super) fn get_mut(&mut self) -> &mut T {
        let value = self.0.get_mut();
        value.unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("nobody looks inside a wait")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("nobody looks inside a wait")
    }
}

/// The checker's locks have no place for what they guard in their `Debug`.
impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mutex")
    }
}

#[derive(Debug)]
pub(super) struct Condvar(Arc<shuttle::sync::Condvar>);

#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    pub(crate) fn timed_out(self) -> bool {
        self.0
    }
}

impl Condvar {
    pub(super) fn new() -> Self {
        Self(Arc::new(shuttle::sync::Condvar::new()))
    }

    pub(super) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(super) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(super) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        if let Some(inner) = guard.0.take() {
            let inner = self.0.wait(inner).unwrap_or_else(PoisonError::into_inner);
            guard.0 = Some(inner);
        }
    }

    /// Has timed out if the clock stands at the deadline, also if it was notified: a caller that
    /// believes only what it is told would overlook an answer.
    pub(super) fn wait_until<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        deadline: Instant,
    ) -> WaitTimeoutResult {
        if !is_past(deadline) {
            let alarm = Alarm::set(deadline, Arc::clone(&self.0));
            self.wait(guard);
            drop(alarm);
        }
        WaitTimeoutResult(is_past(deadline))
    }
}

impl Condvar {
    pub(super) fn wait_for<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        timeout: Duration,
    ) -> WaitTimeoutResult {
        self.wait_until(guard, start() + timeout)
    }
}

/// The time, and who wants to know when it is late. All threads of a schedule run on one thread of
/// the system, so this is shared by them, and looking at it is no place to change schedules.
#[derive(Default)]
struct Clock {
    /// Where the clock stands; before it is first moved, it is before all deadlines.
    now: Option<Instant>,
    alarms: Vec<(u64, Instant, Arc<shuttle::sync::Condvar>)>,
    next_alarm: u64,
}

std::thread_local! {
    static CLOCK: RefCell<Clock> = RefCell::default();
}

fn is_past(deadline: Instant) -> bool {
    CLOCK.with_borrow(|clock| clock.now.is_some_and(|now| now >= deadline))
}

struct Alarm(u64);

impl Alarm {
    fn set(deadline: Instant, condvar: Arc<shuttle::sync::Condvar>) -> Self {
        CLOCK.with_borrow_mut(|clock| {
            clock.next_alarm += 1;
            clock.alarms.push((clock.next_alarm, deadline, condvar));
            Self(clock.next_alarm)
        })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        CLOCK.with_borrow_mut(|clock| clock.alarms.retain(|(id, ..)| *id != self.0));
    }
}

/// A point in time from which deadlines of a test may count.
#[expect(clippy::disallowed_methods, reason = "an Instant has no other source")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// Moves the clock to `time`, and wakes who waits for that. Never moves it back.
pub(crate) fn pass(time: Instant) {
    CLOCK.with_borrow_mut(|clock| clock.now = clock.now.max(Some(time)));
    // Again and again: who has set an alarm does not sleep yet, as long as it holds its lock.
    loop {
        let due: Vec<_> = CLOCK.with_borrow(|clock| {
            let due = clock.alarms.iter().filter(|(_, at, _)| *at <= time);
            due.map(|(_, _, condvar)| Arc::clone(condvar)).collect()
        });
        if due.is_empty() {
            return;
        }
        due.iter().for_each(|condvar| condvar.notify_all());
        thread::yield_now();
    }
}

/// Moves the clock past every deadline that a test can have.
pub(crate) fn pass_all() {
    pass(start() + Duration::from_secs(24 * 3600));
}

/// Waits for threads of a test.
pub(crate) fn join<T, const N: usize>(threads: [thread::JoinHandle<T>; N]) -> [T; N] {
    threads.map(|thread| {
        thread
            .join()
            .expect("the checker ends a schedule with a panic")
    })
}

/// Preemptions in the schedules of the second half: enough for almost every mistake that was found
/// in programs like this.
const PCT_DEPTH: usize = 3;

/// Runs a test under so many random schedules, and as many with few preemptions at unlikely places.
///
/// `MODEL_SCHEDULES` says how many in place of `schedules`; `MODEL_REPLAY` is a schedule that a
/// failure has printed, to be run alone.
pub(crate) fn check(schedules: usize, test: impl Fn() + Copy + Send + Sync + 'static) {
    let test = move || {
        CLOCK.take();
        test();
    };
    if let Ok(schedule) = std::env::var("MODEL_REPLAY") {
        return shuttle::replay(test, &schedule);
    }
    let schedules = std::env::var("MODEL_SCHEDULES")
        .map(|text| text.parse().expect("MODEL_SCHEDULES is a number"))
        .unwrap_or(schedules);
    let config = || {
        let mut config = Config::new();
        config.silence_warnings = true;
        config
    };
    Runner::new(RandomScheduler::new(schedules), config()).run(test);
    Runner::new(PctScheduler::new(PCT_DEPTH, schedules), config()).run(test);
}

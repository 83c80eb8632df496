//! That no wake is lost, under schedules that a model checker chooses.

use super::*;
use crate::sync::model::{check, join};
use crate::sync::{Arc, AtomicUsize, Ordering, thread};

#[test]
fn no_wake_is_lost_and_a_sleep_costs_one_write() {
    check(50_000, || {
        const WAKES: usize = 2;
        let mut poller = Poller::new().unwrap();
        let work = Arc::new(AtomicUsize::new(0));
        let threads = [(); 2].map(|()| {
            let (waker, work) = (poller.waker(), Arc::clone(&work));
            thread::spawn(move || {
                for _ in 0..WAKES {
                    work.fetch_add(1, Ordering::Relaxed);
                    waker.wake();
                }
            })
        });
        // A wake that is lost leaves this loop asleep with work to do: a deadlock.
        let mut polls = 0;
        while work.load(Ordering::Relaxed) < 2 * WAKES {
            poller.poll([], None);
            polls += 1;
        }
        join(threads);
        assert!(
            polls <= 2 * WAKES + 2,
            "{polls} polls for {WAKES} wakes by each of two"
        );
    });
}

/// What was done before a wake is seen after the sleep that it ended, and there is no second one.
#[test]
fn one_wake_ends_one_sleep() {
    check(20_000, || {
        let mut poller = Poller::new().unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        let thread = {
            let (waker, done) = (poller.waker(), Arc::clone(&done));
            thread::spawn(move || {
                done.store(1, Ordering::Relaxed);
                waker.wake();
            })
        };
        assert!(poller.poll([], None));
        assert_eq!(done.load(Ordering::Relaxed), 1);
        thread.join().unwrap();
        let waker = poller.waker();
        assert!(waker.fall_asleep(), "a wake is left over");
    });
}

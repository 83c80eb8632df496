//! Runs blocking jobs on threads of their own, a limited number at a time, and hands out their
//! results until a deadline. The threads are never joined: a call of the system's resolver cannot be
//! interrupted, so a job that is stuck in it ends when it ends, and its result is dropped.
//!
//! Owned by the caller of a check; the jobs run on the threads `linger-check`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::clock::now;
use crate::foreign::logging::log_warn;
use crate::sync::thread;

/// See the [module](self).
pub(super) struct HelperThreads<T> {
    deadline: Instant,
    waiting: VecDeque<Job<T>>,
    running: usize,
    report: Sender<T>,
    reports: Receiver<T>,
}

/// A job; its argument is how long it may take.
type Job<T> = Box<dyn FnOnce(Duration) -> T + Send>;

/// How many jobs run at once.
const THREADS: usize = 32;

impl<T: Send + 'static> HelperThreads<T> {
    pub(super) fn new(deadline: Instant) -> Self {
        let (report, reports) = unbounded();
        Self {
            deadline,
            waiting: VecDeque::new(),
            running: 0,
            report,
            reports,
        }
    }

    /// Queues a job. When it starts it gets its share of the time that is left, so that the jobs
    /// behind it have their turn before the deadline.
    pub(super) fn add(&mut self, job: impl FnOnce(Duration) -> T + Send + 'static) {
        self.waiting.push_back(Box::new(job));
    }

    /// The next result. `None` once all jobs are done, or the time is up.
    pub(super) fn next(&mut self) -> Option<T> {
        self.start_waiting();
        if self.running == 0 {
            return None;
        }
        // A result that came in time counts, however late the caller asks for it.
        let result = self.reports.try_recv().ok();
        let result = result.or_else(|| self.reports.recv_deadline(self.deadline).ok())?;
        self.running -= 1;
        Some(result)
    }

    fn start_waiting(&mut self) {
        let remaining = self.deadline.saturating_duration_since(now());
        let share = remaining / self.rounds();
        while self.running < THREADS && !remaining.is_zero() {
            let Some(job) = self.waiting.pop_front() else {
                return;
            };
            let report = self.report.clone();
            let started = thread::Builder::new()
                .name("linger-check".to_owned())
                .spawn(move || {
                    // After the deadline nothing receives it any more.
                    report.send(job(share)).ok();
                });
            match started {
                Ok(_) => self.running += 1,
                Err(error) => log_warn!("cannot start a thread for a check: {error}"),
            }
        }
    }

    /// How many jobs each thread has to run, one after the other, until none is waiting.
    fn rounds(&self) -> u32 {
        let rounds = self.waiting.len().div_ceil(THREADS);
        u32::try_from(rounds).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn runs_more_jobs_than_it_has_threads_and_then_ends() {
        let mut helpers = HelperThreads::new(now() + LONG);
        for number in 0..5 * THREADS {
            helpers.add(move |_| number);
        }
        let mut told: Vec<usize> = std::iter::from_fn(|| helpers.next()).collect();
        told.sort_unstable();
        assert!(told.into_iter().eq(0..5 * THREADS));
    }

    #[test]
    fn jobs_that_have_to_wait_for_others_leave_each_other_time() {
        let mut helpers = HelperThreads::new(now() + LONG);
        for _ in 0..=THREADS {
            helpers.add(|share| share);
        }
        let first = helpers.next().unwrap();
        assert!(first <= LONG / 2, "{first:?}");
    }

    #[test]
    fn a_job_that_is_stuck_holds_up_nobody_for_longer_than_the_deadline() {
        let (_stuck, never) = mpsc::channel::<()>();
        let mut helpers = HelperThreads::new(now() + Duration::from_millis(50));
        helpers.add(move |_| never.recv().is_ok());
        assert_eq!(helpers.next(), None);
    }

    #[test]
    fn what_is_added_when_the_time_is_over_is_not_begun() {
        let mut helpers = HelperThreads::new(now());
        helpers.add(|_| ());
        assert_eq!(helpers.next(), None);
    }
}

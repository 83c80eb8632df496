//! Runs jobs that may wait on threads of their own, a limited number at a time, and hands out what
//! they come to, until a deadline. Nobody waits for the threads: a job that is stuck in the
//! system's resolver ends by itself, and its end is told to nobody.
//!
//! Owned by the caller of a check; the jobs run on the threads `linger-check`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::now;
use crate::sync::thread;

/// See the [module](self).
pub(super) struct Crew<T> {
    deadline: Instant,
    waiting: VecDeque<Job<T>>,
    running: usize,
    report: Sender<T>,
    reports: Receiver<T>,
}

/// Gets its share of the time that is left.
type Job<T> = Box<dyn FnOnce(Duration) -> T + Send>;

/// How many jobs run at once.
const THREADS: usize = 32;

impl<T: Send + 'static> Crew<T> {
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

    /// Leaves a job to be done. It is told for how long it may go on, so that those behind it have
    /// their turn before the deadline.
    pub(super) fn add(&mut self, job: impl FnOnce(Duration) -> T + Send + 'static) {
        self.waiting.push_back(Box::new(job));
    }

    /// What the next job comes to. `None` once all are done, or the time is over.
    pub(super) fn next(&mut self) -> Option<T> {
        self.start_waiting();
        if self.running == 0 {
            return None;
        }
        // What was told in time is heard, however late the caller comes to listen.
        let told = self.reports.try_recv().ok();
        let told = told.or_else(|| self.reports.recv_deadline(self.deadline).ok())?;
        self.running -= 1;
        Some(told)
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
                    // Nobody listens any more after the deadline.
                    report.send(job(share)).ok();
                });
            match started {
                Ok(_) => self.running += 1,
                Err(error) => log::warn!("cannot start a thread for a check: {error}"),
            }
        }
    }

    /// How often all threads have to run a job, one after the other, until none waits.
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
        let mut crew = Crew::new(now() + LONG);
        for number in 0..5 * THREADS {
            crew.add(move |_| number);
        }
        let mut told: Vec<usize> = std::iter::from_fn(|| crew.next()).collect();
        told.sort_unstable();
        assert!(told.into_iter().eq(0..5 * THREADS));
    }

    #[test]
    fn jobs_that_have_to_wait_for_others_leave_each_other_time() {
        let mut crew = Crew::new(now() + LONG);
        for _ in 0..=THREADS {
            crew.add(|share| share);
        }
        let first = crew.next().unwrap();
        assert!(first <= LONG / 2, "{first:?}");
    }

    #[test]
    fn a_job_that_is_stuck_holds_up_nobody_for_longer_than_the_deadline() {
        let (_stuck, never) = mpsc::channel::<()>();
        let mut crew = Crew::new(now() + Duration::from_millis(50));
        crew.add(move |_| never.recv().is_ok());
        assert_eq!(crew.next(), None);
    }

    #[test]
    fn what_is_added_when_the_time_is_over_is_not_begun() {
        let mut crew = Crew::new(now());
        crew.add(|_| ());
        assert_eq!(crew.next(), None);
    }
}

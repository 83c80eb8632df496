//! What every part of the sender is handed: the step that it is in, and the agenda that it adds to.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::accumulator::Accumulator;
use crate::backoff::Backoff;
use crate::random::Rng;
use crate::sender::event::Output;
use crate::sender::timers::{Timer, Timers};

/// One step of the sender: the time that it is, and the queues that callers fill.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    pub(super) now: Instant,
    pub(super) accumulator: &'a Accumulator,
}

/// What is to be done: at once by the driver, and later by the sender. With the randomness of pauses,
/// so that the whole of it is drawn from one seed.
#[derive(Debug)]
pub(super) struct Agenda {
    outputs: VecDeque<Output>,
    timers: Timers,
    rng: Rng,
}

impl Agenda {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            outputs: VecDeque::new(),
            timers: Timers::default(),
            rng: Rng::with_seed(seed),
        }
    }

    /// The driver does this, after all that was added before.
    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// The driver does this before all else.
    pub(super) fn push_first(&mut self, output: Output) {
        self.outputs.push_front(output);
    }

    pub(super) fn set(&mut self, at: Instant, timer: Timer) {
        self.timers.set(at, timer);
    }

    pub(super) fn cancel(&mut self, at: Instant, timer: Timer) {
        self.timers.cancel(at, timer);
    }

    /// Cancels a timer whatever it is set to. Looks at all of them.
    pub(super) fn cancel_all(&mut self, timer: Timer) {
        self.timers.cancel_all(timer);
    }

    /// The pause after so many failures in a row. Drawn once per failure: a pause is then as long as
    /// the deadline that is derived from it says.
    pub(super) fn pause(&mut self, backoff: Backoff, failures: u32) -> Duration {
        backoff.pause(failures, &mut self.rng)
    }

    pub(super) fn has_outputs(&self) -> bool {
        !self.outputs.is_empty()
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next timer that is due.
    pub(super) fn poll_timer(&mut self, now: Instant) -> Option<Timer> {
        self.timers.pop(now)
    }

    /// When the next timer is due.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.next()
    }

    pub(super) fn into_outputs(self) -> impl Iterator<Item = Output> {
        self.outputs.into_iter()
    }
}

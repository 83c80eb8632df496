//! Which of a topic's sticky partitions a thread appends keyless records to. All threads begin in lane
//! 0, so that a few records fill one batch and not several. A thread that finds the partition locked
//! by another caller steps to the next lane: to wait would cost more than to begin a batch elsewhere.
//! It comes back by one lane with each turn that ends, so that lanes empty again when the crowd has
//! gone. HOT: read for each keyless record.

use std::cell::Cell;
use std::ptr;

use crate::sync::AtomicUsize;

/// More threads than this that send at full speed share lanes again.
const LANES: usize = 8;

thread_local! {
    static LANE: Cell<usize> = const { Cell::new(0) };
}

/// For each lane, the index of the partition that its threads append to.
#[derive(Debug)]
pub(super) struct Lanes([AtomicUsize; LANES]);

/// Before the lane's first record, and after its topic has lost the partition.
pub(super) const NO_PARTITION: usize = usize::MAX;

impl Lanes {
    pub(super) fn new() -> Self {
        Self([(); LANES].map(|()| AtomicUsize::new(NO_PARTITION)))
    }

    /// The partition of this thread's lane.
    #[inline]
    pub(super) fn current(&self) -> &AtomicUsize {
        let [first, ..] = &self.0;
        self.0.get(LANE.get()).unwrap_or(first)
    }
}

/// This thread moves to the next lane.
pub(super) fn step_aside() {
    LANE.set((LANE.get() + 1) % LANES);
}

/// This thread moves one lane back towards the first.
pub(super) fn step_back() {
    LANE.set(LANE.get().saturating_sub(1));
}

/// A number that no other living thread has; never zero.
pub(super) fn this_thread() -> usize {
    LANE.with(|lane| ptr::from_ref(lane).addr())
}

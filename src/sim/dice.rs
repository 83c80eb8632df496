//! Chance, all of it from one seed, in independent streams: a change in one does not reshuffle the
//! others.

use std::time::Duration;

use crate::random::Rng;

/// One stream of lots.
#[derive(Debug)]
pub(super) struct Dice(Rng);

/// What a stream decides.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Options = 1,
    Latency,
    Faults,
    Workload,
    Sender,
    Short,
    Compression,
    Topics,
    Purges,
    Answers,
    Hints,
    Clusters,
    ClusterChecks,
    Transactions,
}

impl Dice {
    pub(super) fn new(seed: u64, stream: Stream) -> Self {
        // Streams of neighbouring seeds must not be shifted copies of each other.
        let mut mixer = Rng::with_seed(seed ^ ((stream as u64) << 56));
        Self(Rng::with_seed(mixer.next()))
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0.next()
    }

    /// True that often in a thousand.
    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        self.0.below(1_000) < per_mille
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        debug_assert!(low <= high, "an empty range");
        low + self.0.below(high - low + 1)
    }

    pub(super) fn index(&mut self, count: usize) -> usize {
        let count = u32::try_from(count).expect("small lists");
        self.0.below(count) as usize
    }

    pub(super) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.index(all.len())]
    }

    pub(super) fn millis(&mut self, low: u32, high: u32) -> Duration {
        Duration::from_millis(self.between(low, high).into())
    }

    pub(super) fn micros(&mut self, low: u32, high: u32) -> Duration {
        Duration::from_micros(self.between(low, high).into())
    }
}

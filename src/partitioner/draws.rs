//! Random partitions, for any number of threads at once and without a lock.

use super::TopicPartitions;
use crate::random::{STEP, mix};
use crate::sync::{AtomicU64, Ordering};

/// [`Rng`](crate::random::Rng) with a counter that many threads may advance at once. The same seed
/// gives the same numbers, whichever thread draws them.
#[derive(Debug)]
pub(super) struct Draws {
    state: AtomicU64,
}

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: AtomicU64::new(seed),
        }
    }

    /// A random partition. If it has no leader, one other is drawn and taken as it is, as librdkafka
    /// does it.
    pub(super) fn partition(&self, partitions: &TopicPartitions<'_>) -> i32 {
        let first = self.below(partitions.count());
        match partitions.available().binary_search(&first) {
            Ok(_) => first,
            Err(_) => self.below(partitions.count()),
        }
    }

    fn below(&self, count: i32) -> i32 {
        let high_bits = self.next() >> 32;
        let scaled = (high_bits * u64::from(count.unsigned_abs())) >> 32;
        i32::try_from(scaled).expect("it is below an i32")
    }

    fn next(&self) -> u64 {
        let before = self.state.fetch_add(STEP, Ordering::Relaxed);
        mix(before.wrapping_add(STEP))
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    fn counts(count: i32, available: &[i32], rounds: usize) -> Vec<usize> {
        let (draws, partitions) = (Draws::new(1), TopicPartitions::new(count, available));
        let drawn: Vec<_> = (0..rounds).map(|_| draws.partition(&partitions)).collect();
        (0..count)
            .map(|partition| drawn.iter().filter(|one| **one == partition).count())
            .collect()
    }

    #[test]
    fn is_the_published_generator() {
        let draws = Draws::new(1_234_567);
        assert_eq!(draws.next(), 6_457_827_717_110_365_317);
        assert_eq!(draws.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn spreads_evenly_where_all_have_leaders() {
        for count in counts(4, &[0, 1, 2, 3], 40_000) {
            assert!((9_700..10_300).contains(&count), "{count}");
        }
    }

    /// A leaderless partition gets a record only where both draws fall on it: a quarter of a half.
    #[test]
    fn draws_again_once_where_there_is_no_leader() {
        for (partition, count) in counts(4, &[0, 3], 40_000).into_iter().enumerate() {
            let expected = if [0, 3].contains(&partition) {
                15_000
            } else {
                5_000
            };
            assert!(count.abs_diff(expected) < 500, "{partition}: {count}");
        }
    }
}

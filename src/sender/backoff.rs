//! Exponential backoff with jitter, and the small random generator behind it. Pure: seeded by the
//! caller.

use std::time::Duration;

/// From `initial`, doubling, up to `max`, ±20 % (KIP-580). If `max` is not above `initial` the pause
/// is always `max`, without jitter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) initial: Duration,
    pub(crate) max: Duration,
}

impl Backoff {
    /// The pause after `failures` failures in a row, the first of which counts as 0.
    pub(crate) fn pause(&self, failures: u32, rng: &mut Rng) -> Duration {
        if self.max <= self.initial {
            return self.max;
        }
        let doubled = self
            .initial
            .saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX));
        let percent = 80 + rng.below(40);
        (doubled.min(self.max) * percent / 100).min(self.max)
    }
}

/// SplitMix64: enough for jitter, no more.
#[derive(Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn with_seed(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `limit` − 1.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        u32::try_from(self.next() % u64::from(limit)).expect("a remainder is below its divisor")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        initial: Duration::from_millis(100),
        max: Duration::from_millis(1000),
    };

    #[test]
    fn doubles_up_to_the_maximum_within_a_fifth() {
        let mut rng = Rng::with_seed(1);
        for (failures, middle) in [(0, 100), (1, 200), (3, 800), (4, 1000), (40, 1000)] {
            for _ in 0..100 {
                let pause = BACKOFF.pause(failures, &mut rng).as_millis();
                assert!(
                    pause * 10 >= middle * 8 && pause * 10 <= middle * 12,
                    "{pause}"
                );
                assert!(pause <= 1000);
            }
        }
    }

    #[test]
    fn a_maximum_below_the_start_is_a_constant() {
        let flat = Backoff {
            initial: Duration::from_secs(5),
            max: Duration::from_secs(1),
        };
        assert_eq!(
            flat.pause(9, &mut Rng::with_seed(1)),
            Duration::from_secs(1)
        );
    }
}

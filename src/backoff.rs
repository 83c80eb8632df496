//! Exponential backoff: how a pause, or a time limit, grows from one failed attempt to the next.

use std::time::Duration;

use crate::random::Rng;

/// A time that doubles with each failure, from `initial` up to `max`. [`ProducerConfig`] makes sure
/// that `initial` is at most `max`.
///
/// [`ProducerConfig`]: crate::ProducerConfig
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub(crate) initial: Duration,
    pub(crate) max: Duration,
}

impl Backoff {
    /// The time after `failures` failures in a row.
    pub(crate) fn doubled(&self, failures: u32) -> Duration {
        let factor = 1u32.checked_shl(failures).unwrap_or(u32::MAX);
        self.initial.saturating_mul(factor).min(self.max)
    }

    /// How long to wait before the next attempt, once `failures` attempts have failed before the
    /// latest one: [`doubled`](Self::doubled), give or take 20 %, but never above `max` (KIP-580).
    ///
    /// Without the jitter, all clients that lost a broker at the same moment would come back at the
    /// same moment, too, again and again. If `initial` and `max` are equal the user has asked for a
    /// fixed pause, which gets no jitter.
    pub(crate) fn pause(&self, failures: u32, rng: &mut Rng) -> Duration {
        if self.max <= self.initial {
            return self.max;
        }
        let percent = 80 + rng.below(40);
        (self.doubled(failures) * percent / 100).min(self.max)
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

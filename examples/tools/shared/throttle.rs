//! Keeps a program near a target rate by telling it when to pause, as Kafka's tools do: records
//! that come too early each owe their share of time, and a pause is taken once enough is owed to
//! be worth one. It reads no clock and never waits itself.

use std::time::Duration;

/// Shorter pauses than this are saved up: the system's timers would stretch them.
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);

/// What to do before the next record.
#[derive(Debug, PartialEq)]
pub(crate) enum Pause {
    /// Wait this long.
    For(Duration),
    /// Wait until the program is told to stop: the target is no record at all.
    UntilStopped,
}

/// Compares what was sent with what should have been sent by now.
pub(crate) struct Throttle {
    /// Records per second; below zero for no limit.
    target: f64,
    /// The time of one record at the target rate.
    share: Duration,
    /// What the records that came too early owe.
    owed: Duration,
}

impl Throttle {
    /// A throttle for `target` records per second; none at all if that is below zero.
    pub(crate) fn new(target: f64) -> Self {
        let share = Duration::try_from_secs_f64(1.0 / target).unwrap_or(Duration::MAX);
        Self {
            target,
            share,
            owed: Duration::ZERO,
        }
    }

    /// The pause after a record that was sent at `elapsed` (since the start) as the one with this
    /// `index`, counted from zero.
    pub(crate) fn pause_after(&mut self, index: u64, elapsed: Duration) -> Option<Pause> {
        if self.target < 0.0 || !self.is_early(index, elapsed) {
            return None;
        }
        if self.target == 0.0 {
            return Some(Pause::UntilStopped);
        }
        self.owed = self.owed.saturating_add(self.share);
        if self.owed < SHORTEST_PAUSE {
            return None;
        }
        Some(Pause::For(std::mem::take(&mut self.owed)))
    }

    /// Whether the rate from the start to this record is above the target.
    fn is_early(&self, index: u64, elapsed: Duration) -> bool {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a rate needs no more than 53 bits"
        )]
        let sent = index as f64;
        !elapsed.is_zero() && sent / elapsed.as_secs_f64() > self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends as fast as the throttle lets it, on a clock that only pauses advance (and `cost` per
    /// record), and returns how long `records` took.
    fn run(target: f64, records: u64, cost: Duration) -> Duration {
        let mut throttle = Throttle::new(target);
        let mut elapsed = Duration::ZERO;
        for index in 0..records {
            elapsed += cost;
            if let Some(Pause::For(pause)) = throttle.pause_after(index, elapsed) {
                assert!(
                    pause >= SHORTEST_PAUSE,
                    "a pause of {pause:?} is too short to be kept"
                );
                elapsed += pause;
            }
        }
        elapsed
    }

    #[test]
    fn keeps_the_target_rate_whether_records_are_slow_or_fast() {
        for target in [2.0, 250.0, 1_000.0, 50_000.0] {
            let records = 10.0 * target;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "exact"
            )]
            let took = run(target, records as u64, Duration::from_micros(1)).as_secs_f64();
            assert!(
                (9.5..=10.5).contains(&took),
                "{records} records at {target}/s took {took} s"
            );
        }
    }

    #[test]
    fn never_pauses_without_a_target_or_below_it() {
        assert_eq!(
            run(-1.0, 1_000, Duration::from_nanos(10)),
            Duration::from_micros(10)
        );
        assert_eq!(
            run(100.0, 50, Duration::from_millis(10)),
            Duration::from_millis(500)
        );
    }

    #[test]
    fn waits_for_the_end_when_the_target_is_zero() {
        let mut throttle = Throttle::new(0.0);
        let elapsed = Duration::from_millis(1);
        assert_eq!(
            throttle.pause_after(0, elapsed),
            None,
            "the first record is never early"
        );
        assert_eq!(throttle.pause_after(1, elapsed), Some(Pause::UntilStopped));
    }
}

//! The clocks of callers. HOT: a record is stamped without asking the system for the exact time, where
//! there is a cheaper way. Runs on: caller.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// For deadlines, which start on the caller's thread, and for the age of a batch.
#[expect(
    clippy::disallowed_methods,
    reason = "deadlines of calls start on the caller's thread"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// The time for a record's timestamp, in milliseconds since 1970; 0 if the machine's clock stands
/// before that.
///
/// Exact for a thread's first record in each tick of the system's clock (usually 4 ms); those that
/// follow within the tick share its time. To ask for the exact time costs more than to encode a small
/// record; to see whether the clock has ticked, a fraction of that.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn wall_clock_ms() -> i64 {
    use std::cell::Cell;

    use rustix::time::{ClockId, clock_gettime};

    thread_local! {
        /// The last tick that this thread has seen, and the exact time as of then.
        static SEEN: Cell<((i64, i64), i64)> = const { Cell::new(((-1, -1), 0)) };
    }

    let tick = clock_gettime(ClockId::RealtimeCoarse);
    #[expect(clippy::useless_conversion, reason = "32 bits on some systems")]
    let tick = (i64::from(tick.tv_sec), i64::from(tick.tv_nsec));
    let (seen, time) = SEEN.get();
    if tick == seen {
        return time;
    }
    let time = exact_wall_clock_ms();
    SEEN.set((tick, time));
    time
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn wall_clock_ms() -> i64 {
    exact_wall_clock_ms()
}

#[expect(
    clippy::disallowed_methods,
    reason = "records are stamped with the wall clock"
)]
fn exact_wall_clock_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_never_ahead_of_the_clock_and_at_most_a_tick_behind() {
        const LONGEST_TICK_MS: i64 = 10;
        for _ in 0..100_000 {
            let before = exact_wall_clock_ms();
            let stamp = wall_clock_ms();
            let after = exact_wall_clock_ms();
            assert!(stamp <= after, "{stamp} is ahead of {after}");
            // The thread may not have run for a while between the two looks at the clock.
            let is_recent = stamp >= before - LONGEST_TICK_MS;
            assert!(is_recent, "{stamp} is far behind {before}");
        }
    }
}

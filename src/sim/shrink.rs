//! Makes a failing schedule smaller: by its decisions, not by its seed. Knows nothing of what a
//! schedule is.

use std::collections::BTreeSet;

/// The faults that happened, if the schedule still fails; `None` if it does not.
pub(super) type MayFail = Option<Vec<u64>>;

const MOST_TRIES: usize = 400;

/// Faults that a failing schedule does not need: leaves them out by halves, then one by one.
/// `attempt` runs it without the faults that it is given.
pub(super) fn shrink(attempt: impl Fn(&BTreeSet<u64>) -> MayFail) -> BTreeSet<u64> {
    let mut spared = BTreeSet::new();
    let mut tries = 0;
    let mut part = usize::MAX;
    while tries < MOST_TRIES {
        let Some(struck) = attempt(&spared) else {
            return BTreeSet::new();
        };
        part = part.min(struck.len().div_ceil(2));
        if part == 0 {
            break;
        }
        let smaller = struck.chunks(part).map(|some| {
            let mut spared = spared.clone();
            spared.extend(some);
            spared
        });
        let found = { smaller }.find(|spared| {
            tries += 1;
            attempt(spared).is_some()
        });
        match found {
            Some(smaller) => spared = smaller,
            None if part == 1 => break,
            None => part = part.div_ceil(2),
        }
    }
    spared
}

//! Makes a failing schedule smaller: by its decisions, not by its seed. Knows nothing of what a
//! schedule is.

use std::collections::BTreeSet;

/// What a schedule does without.
#[derive(Clone, Debug)]
pub(super) struct Cuts {
    /// Faults that do not happen, by the numbers of their decisions.
    pub(super) spared: BTreeSet<u64>,
    /// No more records are sent.
    pub(super) records: u32,
}

impl Cuts {
    /// The schedule as its seed has it.
    pub(super) const NONE: Self = Self {
        spared: BTreeSet::new(),
        records: u32::MAX,
    };
}

/// The faults that happened, if the schedule still fails; `None` if it does not.
pub(super) type MayFail = Option<Vec<u64>>;

const MOST_TRIES: usize = 400;
/// How many records a smaller schedule may have.
const FEW: [u32; 9] = [1, 2, 3, 4, 6, 10, 15, 25, 50];

/// What a failing schedule does not need: records first, then faults by halves, then one by one.
/// `attempt` runs it with the cuts that it is given.
pub(super) fn shrink(attempt: impl Fn(&Cuts) -> MayFail) -> Cuts {
    let mut cuts = Cuts::NONE;
    let few = FEW.map(|records| Cuts {
        records,
        ..Cuts::NONE
    });
    if let Some(smaller) = few.into_iter().find(|cuts| attempt(cuts).is_some()) {
        cuts = smaller;
    }
    let mut tries = 0;
    let mut part = usize::MAX;
    while tries < MOST_TRIES {
        let Some(struck) = attempt(&cuts) else {
            return Cuts::NONE;
        };
        part = part.min(struck.len().div_ceil(2));
        if part == 0 {
            break;
        }
        let smaller = struck.chunks(part).map(|some| {
            let mut cuts = cuts.clone();
            cuts.spared.extend(some);
            cuts
        });
        let found = { smaller }.find(|cuts| {
            tries += 1;
            attempt(cuts).is_some()
        });
        match found {
            Some(smaller) => cuts = smaller,
            None if part == 1 => break,
            None => part = part.div_ceil(2),
        }
    }
    cuts
}

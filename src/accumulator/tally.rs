//! What has become of the accepted records: the numbers that `close` reports, and that say how many
//! records are still pending. Programs rely on them, so they are kept apart from `metrics`, which only
//! observe. Written by the I/O thread alone, which needs no atomic addition for that; read by any
//! thread.

use crate::error::{Error, Fate, Result};
use crate::sync::{AtomicU64, Ordering};

/// Counts the outcomes of one producer's records since its creation.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    acknowledged: AtomicU64,
    not_written: AtomicU64,
    may_be_written: AtomicU64,
}

/// What a [`Tally`] has counted up to some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) acknowledged: u64,
    /// Failed, with the fate [`NotWritten`](Fate::NotWritten).
    pub(crate) not_written: u64,
    /// Failed, with the fate [`MayBeWritten`](Fate::MayBeWritten).
    pub(crate) may_be_written: u64,
}

impl Tally {
    /// One more record has its outcome, and its callback has returned.
    ///
    /// Runs on: I/O thread.
    pub(crate) fn count(&self, result: Result<(), &Error>) {
        let total = match result.map_err(Error::fate) {
            Ok(()) => &self.acknowledged,
            Err(Fate::NotWritten) => &self.not_written,
            Err(Fate::MayBeWritten) => &self.may_be_written,
        };
        // There is one writer, so nothing is lost between the two.
        let before = total.load(Ordering::Relaxed);
        total.store(before + 1, Ordering::Relaxed);
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals {
            acknowledged: self.acknowledged.load(Ordering::Relaxed),
            not_written: self.not_written.load(Ordering::Relaxed),
            may_be_written: self.may_be_written.load(Ordering::Relaxed),
        }
    }
}

impl Totals {
    pub(crate) fn failed(self) -> u64 {
        self.not_written + self.may_be_written
    }

    /// Records that are not pending any more.
    pub(crate) fn finished(self) -> u64 {
        self.acknowledged + self.failed()
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn each_outcome_is_counted_by_what_it_says_of_the_log() {
        let tally = Tally::default();
        let lost = Error::new(ErrorKind::TimedOut, "late").with_fate(Fate::MayBeWritten);
        let refused = Error::new(ErrorKind::Closed, "closed");
        for result in [Ok(()), Err(&lost), Err(&refused), Err(&lost)] {
            tally.count(result);
        }
        let expected = Totals {
            acknowledged: 1,
            not_written: 1,
            may_be_written: 2,
        };
        let totals = tally.totals();
        assert_eq!(totals, expected);
        assert_eq!((totals.failed(), totals.finished()), (3, 4));
    }
}

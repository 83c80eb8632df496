//! Memory of finished batches, kept for new ones: a busy partition's batch then neither asks the
//! allocator for memory nor grows into it copy by copy. Holds no records, and does not count as
//! `buffer.memory` in use. Any thread takes and gives.

use crate::accumulator::completion::Completion;
use crate::sync::{Mutex, Rank, Ranked};

/// Idle buffers and lists.
#[derive(Debug)]
pub(super) struct Recycler {
    /// Capacities that are kept: smaller buffers are not worth a lock, larger ones were needed for an
    /// exceptional record.
    sizes: std::ops::RangeInclusive<usize>,
    /// How many of each are kept.
    most: usize,
    /// How many may be lent at the same time.
    most_lent: usize,
    free: Mutex<Free>,
}

/// What an open batch needs: an empty buffer, and an empty list.
pub(super) type Memory = (Vec<u8>, Vec<Completion>);

#[derive(Debug, Default)]
struct Free {
    lent: usize,
    buffers: Vec<Vec<u8>>,
    completions: Vec<Vec<Completion>>,
}

impl Recycler {
    /// Keeps at most an eighth of `buffer.memory` in buffers, and as much in lists. Lends at most as
    /// much as `buffer.memory`: a batch is charged for its records, not for the buffer that it has
    /// borrowed, so without this limit many batches with one record each could hold any amount.
    pub(super) fn new(batch_size: usize, buffer_memory: usize) -> Self {
        const SHARE: usize = 8;
        const SMALLEST: usize = 1024;
        let largest = batch_size.saturating_mul(2);
        Self {
            sizes: SMALLEST..=largest,
            most: buffer_memory / SHARE / largest.max(1),
            most_lent: buffer_memory / largest.max(1),
            free: Mutex::ranked(Rank::Recycler, Free::default()),
        }
    }

    /// Memory that was used before, until [`end_loan`](Self::end_loan); `None` if there is none to lend.
    pub(super) fn lend(&self) -> Option<Memory> {
        let mut free = self.free.lock();
        if free.lent >= self.most_lent {
            return None;
        }
        let buffer = free.buffers.pop()?;
        free.lent += 1;
        Some((buffer, free.completions.pop().unwrap_or_default()))
    }

    /// A batch that has borrowed its memory is finished.
    pub(super) fn end_loan(&self) {
        self.free.lock().lent -= 1;
    }

    /// Takes the buffer of a finished batch.
    pub(super) fn give_buffer(&self, mut buffer: Vec<u8>) {
        if !self.sizes.contains(&buffer.capacity()) {
            return;
        }
        buffer.clear();
        let mut free = self.free.lock();
        if free.buffers.len() < self.most {
            free.buffers.push(buffer);
        }
    }

    /// Takes the list of a finished batch; entries that are left in it are dropped.
    pub(super) fn give_completions(&self, mut completions: Vec<Completion>) {
        completions.clear();
        let bytes = completions.capacity() * size_of::<Completion>();
        if !self.sizes.contains(&bytes) {
            return;
        }
        let mut free = self.free.lock();
        if free.completions.len() < self.most {
            free.completions.push(completions);
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_it_got_and_keeps_no_more_than_its_share() {
        let recycler = Recycler::new(10_000, 400_000);
        let lend = || recycler.lend().map(|(buffer, _)| buffer.capacity());
        assert_eq!(lend(), None);
        for capacity in [10, 10_000, 15_000, 12_000, 100_000] {
            recycler.give_buffer(Vec::with_capacity(capacity));
        }
        let lent = [lend(), lend(), lend()];
        assert_eq!(
            lent,
            [Some(15_000), Some(10_000), None],
            "two are an eighth"
        );
    }

    #[test]
    fn lends_no_more_than_all_batches_may_hold() {
        let recycler = Recycler::new(10_000, 40_000);
        let lend = || {
            recycler.give_buffer(Vec::with_capacity(10_000));
            recycler.lend().is_some()
        };
        assert_eq!(
            [lend(), lend(), lend()],
            [false; 3],
            "nothing is kept of so little memory"
        );
        let recycler = Recycler::new(10_000, 160_000);
        let lend = || {
            recycler.give_buffer(Vec::with_capacity(10_000));
            recycler.lend().is_some()
        };
        let lent = (0..20).filter(|_| lend()).count();
        assert_eq!(lent, 8);
        recycler.end_loan();
        assert!(lend());
    }
}

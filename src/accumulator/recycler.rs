//! Memory of batches that are done, kept for those to come: a busy partition's batch then neither asks
//! the system for memory nor grows into it copy by copy. Holds no records, and does not count as
//! `buffer.memory` in use. Any thread takes and gives.

use crate::accumulator::completion::Completion;
use crate::sync::{Mutex, Rank, Ranked};

/// Buffers and lists that nobody uses.
#[derive(Debug)]
pub(super) struct Recycler {
    /// Smaller buffers are not worth a lock, larger ones were for an exception.
    sizes: std::ops::RangeInclusive<usize>,
    /// How many of each are kept.
    most: usize,
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    buffers: Vec<Vec<u8>>,
    completions: Vec<Vec<Completion>>,
}

impl Recycler {
    /// Keeps at most an eighth of `buffer.memory` in buffers, and as much in lists.
    pub(super) fn new(batch_size: usize, buffer_memory: usize) -> Self {
        const SHARE: usize = 8;
        const SMALLEST: usize = 1024;
        let largest = batch_size.saturating_mul(2);
        Self {
            sizes: SMALLEST..=largest,
            most: buffer_memory / SHARE / largest.max(1),
            free: Mutex::ranked(Rank::Recycler, Free::default()),
        }
    }

    /// An empty buffer and an empty list, in memory that was used before if there is any.
    pub(super) fn take(&self) -> (Vec<u8>, Vec<Completion>) {
        let mut free = self.free.lock();
        let (buffer, completions) = (free.buffers.pop(), free.completions.pop());
        drop(free);
        (buffer.unwrap_or_default(), completions.unwrap_or_default())
    }

    /// A buffer has done its work.
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

    /// A list has done its work; whatever is left in it is dropped.
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
        assert_eq!(recycler.take().0.capacity(), 0);
        for capacity in [10, 10_000, 15_000, 12_000, 100_000] {
            recycler.give_buffer(Vec::with_capacity(capacity));
        }
        let taken = [(); 3].map(|()| recycler.take().0.capacity());
        assert_eq!(taken, [15_000, 10_000, 0], "two are an eighth");
    }
}

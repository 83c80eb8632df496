//! How many records may be on their way: `queue.buffering.max.messages`. A [budget](MemoryBudget) as that
//! of memory, which counts records in place of bytes, so that callers wait in the same order and by the
//! same rules. A producer without such a limit has none of this.
//!
//! A caller takes a place before it asks for memory, and never the other way round: two callers of which
//! each has what the other waits for would wait in vain.

use std::time::Instant;

use crate::accumulator::budget::{MemoryBudget, NoMemory, Reservation};
use crate::sync::Arc;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct RecordLimit {
    places: Arc<MemoryBudget>,
}

/// A place for one record; free again when it is dropped.
#[derive(Debug)]
#[must_use = "the place is free again when it is dropped"]
pub(crate) struct Place(Reservation);

impl RecordLimit {
    pub(super) fn new(most: usize) -> Self {
        Self {
            places: Arc::new(MemoryBudget::new(most, 1)),
        }
    }

    /// How many records there may be.
    pub(crate) fn most(&self) -> usize {
        self.places.total()
    }

    /// A place, if one is free and no caller waits for it. Never blocks. Runs on: caller.
    pub(crate) fn try_take(&self) -> Option<Place> {
        let mut place = Reservation::empty(&self.places);
        place.try_grow(1).then_some(Place(place))
    }

    /// Waits for a place, at most until `deadline`; as [`MemoryBudget::wait`]. Runs on: caller.
    pub(crate) fn wait(
        &self,
        deadline: Option<Instant>,
        on_queued: impl FnOnce(),
    ) -> Result<Place, NoMemory> {
        self.places.wait(1, deadline, on_queued).map(Place)
    }

    /// As [`MemoryBudget::set_refused`]. Runs on: caller.
    pub(crate) fn set_refused(&self) -> bool {
        self.places.set_refused()
    }

    pub(super) fn take_refused(&self) -> bool {
        self.places.take_refused()
    }

    pub(super) fn has_waiters(&self) -> bool {
        self.places.has_waiters()
    }

    pub(super) fn close(&self) {
        self.places.close();
    }

    /// An accepted record is finished: its place is free. Runs on: I/O thread.
    pub(super) fn finish_one(&self) {
        self.places.release(1);
    }
}

impl Place {
    /// The record was accepted, and has the place until its callback has returned.
    pub(crate) fn keep(self) {
        self.0.spend();
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_record_was_refused_or_is_finished() {
        let limit = RecordLimit::new(2);
        let (kept, refused) = (limit.try_take().unwrap(), limit.try_take().unwrap());
        assert!(limit.try_take().is_none());
        drop(refused);
        kept.keep();
        let last = limit.try_take().unwrap();
        assert!(limit.try_take().is_none(), "the kept one is taken");
        limit.finish_one();
        drop((last, limit.try_take().unwrap()));
        assert_eq!(limit.places.used(), 0);
    }
}

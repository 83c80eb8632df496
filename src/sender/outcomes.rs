//! Outcomes on their way to the callbacks, in the order of `send`. An `impl` of [`Sender`]; runs on
//! the I/O thread, or in a simulation.
//!
//! A batch can have its outcome before an older one of its partition: a broker that wrote the older
//! one may answer that it does not know, and then it is asked again. Such an outcome is held until
//! the older one has its own. That makes nothing late, but by as much as a caller was preempted
//! between its look at the clock and its batch: who was sent earlier expires earlier.

use crate::accumulator::{BatchId, Outcome, PartitionId};
use crate::sender::Sender;
use crate::sender::event::Output;
use crate::sender::timers::Timer;

impl Sender {
    /// Hands an outcome to the driver, as soon as all older batches of its partition have theirs.
    pub(super) fn deliver(&mut self, outcome: Outcome) {
        let is_open = self.incomplete.contains(&outcome.batch);
        let id = outcome.queue.id();
        self.timers
            .cancel(outcome.deadline(), Timer::Delivery(id, outcome.batch));
        let oldest = self.oldest_sent(id);
        let partition = self.partitions.get_mut(id);
        let partition = partition.expect("its batches were registered with it");
        // Most often nothing is older, and nothing waits for it.
        if partition.held.is_empty() && oldest.is_none_or(|oldest| outcome.batch < oldest) {
            debug_assert!(is_open, "an outcome for an unknown batch");
            return self.tell(outcome);
        }
        let second = partition.held.insert(outcome.batch, outcome);
        debug_assert!(
            is_open && second.is_none(),
            "a second outcome, or one for an unknown batch"
        );
        self.tell_held(id);
    }

    /// Hands out what no older batch holds back any more.
    fn tell_held(&mut self, id: PartitionId) {
        let oldest = self.oldest_sent(id);
        while let Some(partition) = self.partitions.get_mut(id)
            && let Some(held) = partition.held.first_entry()
            && oldest.is_none_or(|oldest| *held.key() < oldest)
        {
            let outcome = held.remove();
            self.tell(outcome);
        }
    }

    fn tell(&mut self, outcome: Outcome) {
        self.incomplete.remove(&outcome.batch);
        outcome.queue.decrease_load();
        self.outputs.push_back(Output::Deliver(outcome));
    }

    /// The partition's oldest batch that was sent, or was to be, and has no outcome. What callers
    /// have queued is newer.
    pub(super) fn oldest_sent(&self, id: PartitionId) -> Option<BatchId> {
        let partition = self.partitions.get(id)?;
        let is_open = |id: &BatchId| {
            // One that expired on its way stays in flight until its request ends.
            self.incomplete.contains(id) && !partition.held.contains_key(id)
        };
        let flying = partition.in_flight.iter().map(|(id, _)| *id).find(is_open);
        let retry = partition.retries.front().map(|retry| retry.batch.id);
        flying.into_iter().chain(retry).min()
    }
}

//! A purge: what callers have queued, and nobody has taken to be sent, fails at once and frees its
//! memory. What was taken is left alone, be it on its way, to be sent again, or a part of a batch
//! that was too large. An `impl` of [`Sender`]; runs on the I/O thread, or in a simulation.
//!
//! A batch gets its place in the sequences when it is taken, so a purge leaves no gap. Callbacks keep
//! their order: where something older is unresolved, the outcomes are held until that has its own.

use std::time::Instant;

use crate::accumulator::{Accumulator, PartitionId};
use crate::error::{Error, ErrorKind};
use crate::sender::Sender;
use crate::sender::event::{Output, PurgeId, PurgeOrder, Purged};

impl Sender {
    pub(super) fn on_purge(
        &mut self,
        now: Instant,
        id: PurgeId,
        order: &PurgeOrder,
        accumulator: &Accumulator,
    ) {
        let is_meant = |topic| order.topic.as_ref().is_none_or(|meant| meant == topic);
        let queues = self.partitions.values().map(|one| &one.queue);
        let ids: Vec<_> = queues
            .filter(|queue| is_meant(queue.topic()))
            .map(|queue| queue.id())
            .collect();
        let mut purged = Purged::default();
        for id in ids {
            purged.left += self.records_taken(id);
            self.purge_partition(id, order, &mut purged);
            // There may be nothing left to linger, or to stand in a broker's line for.
            self.evaluate(now, id, accumulator);
        }
        self.outputs.push_back(Output::Purged(id, purged));
    }

    /// Fails the batches of one partition that are queued, in order.
    fn purge_partition(&mut self, id: PartitionId, order: &PurgeOrder, purged: &mut Purged) {
        let Some(queue) = self.queue_of(id) else {
            return;
        };
        // One whose notice has not been taken yet was opened by a send that has not returned.
        while let Some(head) = queue.head()
            && head.id < order.before
            && self.incomplete.contains(&head.id)
            && let Some(batch) = queue.take_if(head.id)
        {
            let text = format!(
                "\"{}\"-{}: purged by the program before it was sent",
                queue.topic(),
                queue.index()
            );
            let error = Error::new(ErrorKind::Purged, text);
            let mut outcome = batch.fail(&queue, error);
            purged.records += outcome.completions.len() as u64;
            if order.returns {
                purged.returned.extend(outcome.undelivered());
            }
            // Its callbacks may have to wait for older ones; its memory need not.
            outcome.release_bytes();
            self.deliver(outcome);
        }
    }

    /// Records of a partition that were taken from its queue and have no outcome.
    fn records_taken(&self, id: PartitionId) -> u64 {
        let Some(partition) = self.partitions.get(id) else {
            return 0;
        };
        let flying = partition.in_flight.iter();
        let flying = flying.filter_map(|(batch, seat)| self.requests.batch(*seat, *batch));
        let retries = partition.retries.iter().map(|retry| &retry.batch);
        let batches = flying.chain(retries);
        batches.map(|batch| batch.completions.len() as u64).sum()
    }
}

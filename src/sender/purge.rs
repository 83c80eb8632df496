//! A purge: what callers have queued, and the sender has not taken to be sent, fails at once and frees
//! its memory. What was taken is left alone, be it on its way, to be sent again, or a part of a batch
//! that was too large. An `impl` of [`Sender`]; runs on the I/O thread, or in a simulation.
//!
//! A batch gets its place in the sequences when it is taken, so a purge leaves no gap; one of what is
//! sent again would leave its sequence unused for ever (librdkafka #3196). Callbacks keep their order:
//! where something older is unresolved, the outcomes are held until that has its own.

use crate::accumulator::PartitionId;
use crate::error::{Error, ErrorKind};
use crate::sender::Sender;
use crate::sender::event::{Output, PurgeId, PurgeOrder, Purged};
use crate::sender::step::Step;
use crate::sync::Arc;

impl Sender {
    pub(super) fn purge(&mut self, step: Step<'_>, id: PurgeId, order: &PurgeOrder) {
        let topic = order.topic.as_ref();
        // All partitions, not the queues of brokers: what has no leader is in none of them.
        let ids = self
            .partitions
            .ids(|queue| topic.is_none_or(|topic| topic == queue.topic()));
        let mut purged = Purged::default();
        for id in ids {
            let partition = self.partitions.get(id);
            purged.left += partition.map_or(0, |one| one.records_taken(&self.requests));
            self.purge_partition(id, order, &mut purged);
            // There may be nothing left to linger, or to be queued for a broker.
            self.update_stage(step, id);
        }
        self.agenda.push(Output::Purged(id, purged));
    }

    /// Fails the batches of one partition that are queued, in order.
    fn purge_partition(&mut self, id: PartitionId, order: &PurgeOrder, purged: &mut Purged) {
        let Some(partition) = self.partitions.get(id) else {
            return;
        };
        let queue = Arc::clone(partition.queue());
        // One whose notice has not been taken yet was opened after this step has taken the notices.
        while let Some(head) = queue.head()
            && head.id < order.before
            && self.partitions.is_incomplete(head.id)
            && let Some(batch) = queue.take_if(head.id)
        {
            let text = format!("{}: purged by the program before it was sent", queue.name());
            let error = Error::new(ErrorKind::Purged, text);
            let mut outcome = batch.fail(&queue, error);
            purged.records += outcome.completions.len() as u64;
            if order.returns {
                purged.returned.extend(outcome.undelivered());
            }
            // Its callbacks may have to wait for older ones; its memory need not.
            outcome.release_bytes();
            self.partitions.settle(outcome, &mut self.agenda);
        }
    }
}

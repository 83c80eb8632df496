//! Decides in which stage each partition's next batch is: what callers did since the last look, and
//! whatever else changes, ends in [`update_stage`](Sender::update_stage). HOT: runs for each batch. An
//! `impl` of [`Sender`]; runs on the I/O thread, or in a simulation.

use crate::accumulator::{BatchId, Notice, PartitionId, PartitionQueue};
use crate::sender::Sender;
use crate::sender::nodes::RequestKind;
use crate::sender::partitions::{Next, Stage};
use crate::sender::producer_ids::ProducerIdState;
use crate::sender::step::Step;
use crate::sender::transaction::Transaction;
use crate::sync::Arc;

impl Sender {
    /// Looks at what callers did since the last time.
    pub(super) fn handle_notices(&mut self, step: Step<'_>) {
        // Before the notices: a caller that is refused after this look wakes the I/O thread, also for
        // the batch that it has found to be full.
        let was_refused = step.accumulator.take_refused();
        let mut notices = std::mem::take(&mut self.notices);
        step.accumulator.take_notices(&mut notices);
        for notice in notices.drain(..) {
            match notice {
                Notice::Opened {
                    queue,
                    batch,
                    opened,
                } => {
                    let deadline = queue.deadline_of(opened);
                    self.partitions
                        .register_batch(queue.id(), batch, deadline, &mut self.agenda);
                    self.metadata.touch(step.now, queue.topic());
                    self.handle_changed_queue(step, &queue);
                }
                Notice::Ready(queue) => self.handle_changed_queue(step, &queue),
            }
        }
        self.notices = notices;
        if was_refused {
            self.hurried_before = step.accumulator.next_batch();
        }
        if was_refused || step.accumulator.has_waiters() {
            self.hurry_all(step);
        }
    }

    fn handle_changed_queue(&mut self, step: Step<'_>, queue: &Arc<PartitionQueue>) {
        if !self.partitions.contains(queue.id()) {
            let leader = self.metadata.leader_of(queue);
            queue.set_stuck(leader.is_some_and(|id| self.nodes.is_stuck(id)));
            self.partitions.add(queue, leader);
        }
        self.producer_ids.want();
        self.update_stage(step, queue.id());
    }

    /// Makes everything that lingers ready: memory is short, or a caller flushes or closes.
    pub(super) fn hurry_all(&mut self, step: Step<'_>) {
        for id in self.partitions.take_lingering() {
            self.update_stage(step, id);
        }
    }

    /// Whether a batch does not linger.
    fn is_hurried(&self, step: Step<'_>, batch: BatchId) -> bool {
        let ending = self.transaction.as_ref().and_then(Transaction::ends_before);
        let is_ending = ending.is_some_and(|before| batch < before);
        is_ending
            || self.commands.hurry(batch)
            || batch < self.hurried_before
            || step.accumulator.has_waiters()
    }

    /// Something about the partition has changed: decides in which stage its next batch is now.
    ///
    /// First of all, if its sequences have a gap and nothing of it is on its way any more, it moves to
    /// the next epoch, and what cannot be sent again there fails.
    pub(super) fn update_stage(&mut self, step: Step<'_>, id: PartitionId) {
        let Some(partition) = self.partitions.get_mut(id) else {
            return;
        };
        if let Some(identity) = partition.close_gap() {
            match &mut self.transaction {
                // The coordinator gives another epoch at the end of the transaction.
                Some(transaction) => transaction.handle_gap(),
                None => self.producer_ids.bump(identity),
            }
        }
        self.fail_unsendable(id);
        let Some(partition) = self.partitions.get(id) else {
            return;
        };
        let producer = self.producer_ids.state();
        let due = match partition.next(producer) {
            Next::Nothing => None,
            Next::Retry(not_before) => Some(not_before),
            // The deadline of a batch that is not known yet is not known either.
            Next::New(head) if !self.partitions.is_incomplete(head.id) => None,
            Next::New(head) if head.is_ready || self.is_hurried(step, head.id) => Some(step.now),
            Next::New(head) => Some(head.opened + self.settings.linger),
        };
        let leader = partition.leader().filter(|id| self.nodes.contains(*id));
        let transaction = self.transaction.as_mut();
        let stage = match (due, leader) {
            (None, _) => Stage::Idle,
            (Some(due), _) if due > step.now => Stage::Waiting(due),
            (Some(_), _) if producer == ProducerIdState::Unidentified => {
                // An id may have been refused while the batch lingered.
                self.producer_ids.want();
                Stage::Unidentified
            }
            (Some(_), _) if !transaction.is_none_or(|one| one.admits(id)) => Stage::Unadded,
            (Some(_), None) => {
                partition.queue().discount_left_batches();
                self.metadata.request(partition.queue().topic());
                Stage::Leaderless
            }
            (Some(_), Some(leader)) => {
                if !partition.is_queued_for(leader) {
                    let kind = RequestKind::of(partition.queue().settings());
                    self.nodes
                        .enqueue(step.now, leader, kind, id, &mut self.agenda);
                }
                Stage::Queued(leader)
            }
        };
        self.partitions.set_stage(id, stage, &mut self.agenda);
    }
}

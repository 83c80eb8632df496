//! The stage of each partition's next batch: lingering, backing off, or waiting for its broker (what
//! is taken to be sent, "in flight" below, leaves the stage to the batch after it); and which batches have no outcome yet. What a partition knows about itself is in
//! [`partition`]; when it moves from stage to stage is decided in
//! [`scheduling`](crate::sender::scheduling).
//!
//! ```text
//!            a batch opens                linger over, full, hurry          drained
//!    Idle ─────────────────> Waiting ───────────────────────> Queued ───────────────> in flight
//!     ^                         ^                       (Leaderless, Unidentified)      │  │
//!     │                         └──────────────── retry, after a pause ─────────────────┘  │
//!     └──────────────────────────────────── outcome, and nothing more ─────────────────────┘
//! ```

mod map;
mod partition;

use std::collections::BTreeSet;
use std::time::Instant;

pub(super) use partition::{Next, Partition, Unsendable};

use crate::accumulator::{BatchId, Outcome, PartitionId, PartitionQueue, SealedBatch};
use crate::error::Error;
use crate::ids::NodeId;
use crate::sender::event::Output;
use crate::sender::step::Agenda;
use crate::sender::timers::Timer;
use crate::sync::Arc;
use map::PartitionMap;

/// All partitions that have had a batch, and an index of those in each stage that ends for several at
/// once. A further stage is a variant of [`Stage`] and an index here.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    map: PartitionMap,
    /// Batches without an outcome, oldest first.
    incomplete: BTreeSet<BatchId>,
    /// Partitions that wait for `linger.ms`.
    lingering: BTreeSet<PartitionId>,
    /// Those whose batch is ready, but the producer has no id.
    unidentified: BTreeSet<PartitionId>,
    /// Records that have failed since somebody asked, and the first error.
    failures: Option<(u64, Error)>,
}

/// The stage of a partition's next batch, apart from those on their way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stage {
    /// There is none, or those on their way have to be finished first.
    Idle,
    /// Lingering or backing off until then.
    Waiting(Instant),
    /// In the queue of its leader.
    Queued(NodeId),
    /// Ready, but no broker leads the partition.
    Leaderless,
    /// Ready, but the producer has no id yet.
    Unidentified,
    /// Ready, but the partition does not belong to the transaction yet: it is being added.
    Unadded,
}

impl Partitions {
    pub(super) fn get(&self, id: PartitionId) -> Option<&Partition> {
        self.map.get(id)
    }

    pub(super) fn get_mut(&mut self, id: PartitionId) -> Option<&mut Partition> {
        self.map.get_mut(id)
    }

    pub(super) fn contains(&self, id: PartitionId) -> bool {
        self.map.get(id).is_some()
    }

    pub(super) fn add(&mut self, queue: &Arc<PartitionQueue>, leader: Option<NodeId>) {
        self.map.insert(queue.id(), Partition::new(queue, leader));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Partition> {
        self.map.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Partition> {
        self.map.values_mut()
    }

    /// Those for which `is_meant` holds, to be changed one by one.
    pub(super) fn ids(&self, is_meant: impl Fn(&PartitionQueue) -> bool) -> Vec<PartitionId> {
        let queues = self.iter().map(|partition| &**partition.queue());
        let meant = queues.filter(|queue| is_meant(queue));
        meant.map(PartitionQueue::id).collect()
    }

    /// Topics with batches that have no outcome.
    pub(super) fn topics_with_batches(&self) -> BTreeSet<&str> {
        let queues = self.iter().map(Partition::queue);
        let loaded = queues.filter(|queue| queue.load() > 0);
        loaded.map(|queue| &**queue.topic()).collect()
    }
}

/// Stages.
impl Partitions {
    /// Moves a partition from one stage to another, with the timers and indexes that belong to them.
    pub(super) fn set_stage(&mut self, id: PartitionId, stage: Stage, agenda: &mut Agenda) {
        let Some(partition) = self.map.get_mut(id) else {
            return;
        };
        match partition.replace_stage(stage) {
            Stage::Waiting(until) => {
                agenda.cancel(until, Timer::Partition(id));
                self.lingering.remove(&id);
            }
            Stage::Unidentified => _ = self.unidentified.remove(&id),
            Stage::Idle | Stage::Queued(_) | Stage::Leaderless | Stage::Unadded => {}
        }
        match stage {
            Stage::Waiting(until) => {
                agenda.set(until, Timer::Partition(id));
                if !partition.has_retries() {
                    self.lingering.insert(id);
                }
            }
            Stage::Unidentified => _ = self.unidentified.insert(id),
            Stage::Idle | Stage::Queued(_) | Stage::Leaderless | Stage::Unadded => {}
        }
    }

    /// The time is over until which the partition's next batch lingers, or backs off. Its timer has
    /// gone off, so there is none to search for and cancel.
    pub(super) fn handle_pause_over(&mut self, id: PartitionId) {
        if let Some(partition) = self.map.get_mut(id) {
            partition.replace_stage(Stage::Idle);
            self.lingering.remove(&id);
        }
    }

    /// Those that linger. The caller evaluates each of them again.
    pub(super) fn take_lingering(&mut self) -> BTreeSet<PartitionId> {
        std::mem::take(&mut self.lingering)
    }

    /// Those without a producer id. The caller evaluates each of them again.
    pub(super) fn take_unidentified(&mut self) -> BTreeSet<PartitionId> {
        std::mem::take(&mut self.unidentified)
    }
}

/// Batches and their outcomes.
impl Partitions {
    /// A batch is known from now on, and has to have its outcome by the deadline.
    pub(super) fn register_batch(
        &mut self,
        id: PartitionId,
        batch: BatchId,
        deadline: Instant,
        agenda: &mut Agenda,
    ) {
        self.incomplete.insert(batch);
        agenda.set(deadline, Timer::Delivery(id, batch));
    }

    /// Whether a batch is known and has no outcome. One whose notice has not been taken yet is not
    /// known: it was opened after this step has taken the notices.
    pub(super) fn is_incomplete(&self, batch: BatchId) -> bool {
        self.incomplete.contains(&batch)
    }

    /// The oldest batch without an outcome.
    pub(super) fn oldest_incomplete(&self) -> Option<BatchId> {
        self.incomplete.first().copied()
    }

    /// Hands an outcome to the driver, as soon as all older batches of its partition have theirs.
    ///
    /// A batch can have its outcome before an older one: a broker that wrote the older one may answer
    /// that it does not know, and then it is asked again. Such an outcome is held, so that callbacks
    /// keep the order of `send`. This delays no outcome beyond its own deadline, because what was sent
    /// earlier expires earlier.
    pub(super) fn settle(&mut self, outcome: Outcome, agenda: &mut Agenda) {
        let (id, batch) = (outcome.queue.id(), outcome.batch);
        agenda.cancel(outcome.deadline(), Timer::Delivery(id, batch));
        debug_assert!(self.is_incomplete(batch), "an outcome for an unknown batch");
        if let Err(failure) = &outcome.result {
            let failures = &mut self.failures;
            let (records, _) = failures.get_or_insert_with(|| (0, failure.cause().clone()));
            *records += outcome.completions.len() as u64;
        }
        let partition = self.map.get_mut(id);
        let partition = partition.expect("its batches were registered with it");
        let incomplete = &mut self.incomplete;
        partition.add_outcome(outcome, |outcome| {
            incomplete.remove(&outcome.batch);
            outcome.queue.decrease_load();
            agenda.push(Output::Deliver(outcome));
        });
    }

    /// Records that have failed since this was asked last, and the first error.
    pub(super) fn take_failures(&mut self) -> Option<(u64, Error)> {
        self.failures.take()
    }

    /// Takes apart what is left: batches between two attempts, and outcomes that are held.
    pub(super) fn into_batches(self) -> (Vec<SealedBatch>, Vec<Outcome>) {
        let (mut batches, mut outcomes) = (Vec::new(), Vec::new());
        for partition in self.map.into_values() {
            let (retries, held) = partition.into_batches();
            batches.extend(retries);
            outcomes.extend(held);
        }
        (batches, outcomes)
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;

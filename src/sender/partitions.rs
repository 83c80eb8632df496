//! Where each partition's next batch stands: lingering, backing off, waiting for its broker, or on
//! its way. An `impl` of [`Sender`]; runs on the I/O thread, or in a simulation.
//!
//! ```text
//!            a batch opens                linger over, full, hurry          drained
//!    Idle ─────────────────> Waiting ───────────────────────> Queued ───────────────> InFlight
//!     ^                         ^                            (or Leaderless)            │  │
//!     │                         └──────────────── retry, after a pause ─────────────────┘  │
//!     └──────────────────────────────────── outcome, and nothing more ─────────────────────┘
//! ```

use std::time::Instant;

use crate::accumulator::{Accumulator, BatchId, Notice, PartitionId, PartitionQueue, SealedBatch};
use crate::error::{Error, ErrorKind};
use crate::ids::NodeId;
use crate::sender::Sender;
use crate::sender::timers::Timer;
use crate::sync::Arc;

/// A partition that has had a batch.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) queue: Arc<PartitionQueue>,
    pub(super) leader: Option<NodeId>,
    pub(super) place: Place,
    /// A batch to be sent again, not before the time beside it.
    pub(super) retry: Option<(SealedBatch, Instant)>,
    /// The batch on its way, at most one, so that a retry is not overtaken. It stays here when it
    /// has expired, until its request ends.
    pub(super) in_flight: Option<BatchId>,
}

/// Where a partition's next batch stands, apart from one on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// There is none, or the one on its way has to be finished first.
    Idle,
    /// Lingering or backing off until then.
    Waiting(Instant),
    /// In the line of its leader.
    Queued(NodeId),
    /// Ready, but nobody leads the partition.
    Leaderless,
}

impl Sender {
    /// Looks at what callers did since the last time.
    pub(super) fn take_notices(&mut self, now: Instant, accumulator: &Accumulator) {
        let mut notices = std::mem::take(&mut self.notices);
        accumulator.take_notices(&mut notices);
        for notice in notices.drain(..) {
            match notice {
                Notice::Opened {
                    queue,
                    batch,
                    opened,
                } => {
                    self.incomplete.insert(batch);
                    let deadline = opened + self.settings.delivery_timeout;
                    self.timers
                        .set(deadline, Timer::Delivery(queue.id(), batch));
                    self.refresh.touch(now, queue.topic());
                    self.register(&queue);
                    self.evaluate(now, queue.id(), accumulator);
                }
                Notice::Full(queue) => {
                    self.register(&queue);
                    self.evaluate(now, queue.id(), accumulator);
                }
            }
        }
        self.notices = notices;
        let budget = accumulator.budget();
        let refused = budget.take_refusal();
        if refused {
            self.hurried_before = accumulator.next_batch();
        }
        if refused || budget.has_waiters() {
            self.hurry_all(now, accumulator);
        }
    }

    fn register(&mut self, queue: &Arc<PartitionQueue>) {
        let (view, nodes) = (&self.view, &self.nodes);
        self.partitions.entry(queue.id()).or_insert_with(|| {
            let leader = view.leader(queue.topic(), queue.index());
            queue.set_stuck(leader.is_some_and(|id| nodes.is_stuck(id)));
            Partition {
                queue: Arc::clone(queue),
                leader,
                place: Place::Idle,
                retry: None,
                in_flight: None,
            }
        });
    }

    /// Makes everything that lingers ready: memory is short, or somebody flushes or closes.
    pub(super) fn hurry_all(&mut self, now: Instant, accumulator: &Accumulator) {
        for id in std::mem::take(&mut self.lingering) {
            self.evaluate(now, id, accumulator);
        }
    }

    /// Decides where the partition's next batch stands now.
    pub(super) fn evaluate(&mut self, now: Instant, id: PartitionId, accumulator: &Accumulator) {
        let Some(partition) = self.partitions.get(&id) else {
            return;
        };
        if partition.in_flight.is_some() {
            return;
        }
        let due = match &partition.retry {
            Some((_, not_before)) => Some(*not_before),
            None => partition.queue.head().map(|head| {
                let hurry = head.is_ready || self.is_hurried(head.id, accumulator);
                if hurry {
                    now
                } else {
                    head.opened + self.settings.linger
                }
            }),
        };
        match due {
            None => self.place(id, Place::Idle),
            Some(due) if due > now => self.place(id, Place::Waiting(due)),
            Some(_) => self.line_up(now, id),
        }
    }

    fn is_hurried(&self, batch: BatchId, accumulator: &Accumulator) -> bool {
        self.closing.is_some()
            || batch < self.hurried_before
            || self.flushes.iter().any(|flush| batch < flush.before)
            || accumulator.budget().has_waiters()
    }

    /// Puts a ready partition into its leader's line, if it does not stand there yet.
    fn line_up(&mut self, now: Instant, id: PartitionId) {
        let Some(partition) = self.partitions.get(&id) else {
            return;
        };
        let leader = partition.leader;
        let Some((leader, node)) = leader.and_then(|id| Some((id, self.nodes.find(id)?))) else {
            self.place(id, Place::Leaderless);
            self.refresh.request();
            return;
        };
        if partition.place != Place::Queued(leader) {
            node.ready.push_back(id);
            self.note_waiting(now, leader);
            self.place(id, Place::Queued(leader));
        }
    }

    /// Moves a partition from one place to another, with the timers and lists that belong to them.
    pub(super) fn place(&mut self, id: PartitionId, place: Place) {
        let Some(partition) = self.partitions.get_mut(&id) else {
            return;
        };
        match std::mem::replace(&mut partition.place, place) {
            Place::Waiting(until) => self.timers.cancel(until, Timer::Partition(id)),
            Place::Leaderless => _ = self.leaderless.remove(&id),
            Place::Idle | Place::Queued(_) => {}
        }
        self.lingering.remove(&id);
        match place {
            Place::Waiting(until) => {
                self.timers.set(until, Timer::Partition(id));
                if partition.retry.is_none() {
                    self.lingering.insert(id);
                }
            }
            Place::Leaderless => _ = self.leaderless.insert(id),
            Place::Idle | Place::Queued(_) => {}
        }
    }

    /// Follows the view: partitions whose leader changed stand in the new one's line.
    pub(super) fn follow_leaders(&mut self, now: Instant, accumulator: &Accumulator) {
        let mut moved = Vec::new();
        for (id, partition) in &mut self.partitions {
            let leader = self
                .view
                .leader(partition.queue.topic(), partition.queue.index());
            if leader != partition.leader {
                partition.leader = leader;
                // A new leader may take at once what the old one refused.
                if let Some((_, not_before)) = &mut partition.retry {
                    *not_before = now;
                }
                moved.push(*id);
            }
        }
        moved.extend(self.leaderless.iter().copied());
        for id in moved {
            self.evaluate(now, id, accumulator);
        }
    }

    /// A batch has reached `delivery.timeout.ms` without an outcome.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        id: PartitionId,
        batch: BatchId,
        accumulator: &Accumulator,
    ) {
        let timeout = self.settings.delivery_timeout;
        self.resolve_early(id, batch, |attempts, cause| {
            let tried = match attempts {
                0 => "never sent".to_owned(),
                1 => "sent once".to_owned(),
                _ => format!("sent {attempts} times"),
            };
            let cause = cause
                .map(|error| format!("; last error: {error}"))
                .unwrap_or_default();
            let timeout = timeout.as_millis();
            let text = format!(
                "not acknowledged within delivery.timeout.ms ({timeout} ms), {tried}{cause}"
            );
            (ErrorKind::TimedOut, text)
        });
        self.evaluate(now, id, accumulator);
    }

    /// Fails a batch that has no outcome yet, wherever it is. The error's text follows the name of
    /// the partition.
    pub(super) fn resolve_early(
        &mut self,
        id: PartitionId,
        batch: BatchId,
        describe: impl FnOnce(u32, Option<&Error>) -> (ErrorKind, String),
    ) {
        let Some(partition) = self.partitions.get_mut(&id) else {
            return;
        };
        let queue = Arc::clone(&partition.queue);
        let name = format!("\"{}\"-{}", queue.topic(), queue.index());
        let unreachable = || {
            let leader = partition.leader?;
            self.connect_errors.get(&leader)
        };
        let outcome = if partition.in_flight == Some(batch) {
            let Some(flying) = self.requests.take_batch(id, batch) else {
                return;
            };
            let (kind, text) = describe(flying.attempts, flying.last_error.as_ref());
            flying.fail(Error::new(kind, format!("{name}: {text}")))
        } else if partition
            .retry
            .as_ref()
            .is_some_and(|(retry, _)| retry.id == batch)
        {
            let Some((retry, _)) = partition.retry.take() else {
                return;
            };
            let (kind, text) = describe(retry.attempts, retry.last_error.as_ref());
            retry.fail(Error::new(kind, format!("{name}: {text}")))
        } else if let Some(open) = queue.take_if(batch) {
            let no_leader = Error::new(
                ErrorKind::UnknownTopicOrPartition,
                "the partition has no leader that a broker would name",
            );
            let cause = match partition.leader {
                None => Some(&no_leader),
                Some(_) => unreachable(),
            };
            let (kind, text) = describe(0, cause);
            open.fail(&queue, Error::new(kind, format!("{name}: {text}")))
        } else {
            return;
        };
        self.deliver(outcome);
    }
}

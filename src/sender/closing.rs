//! Flush and close, and what is left when the I/O thread dies. An `impl` of [`Sender`]; runs on the
//! I/O thread, or in a simulation.

use std::time::Instant;

use crate::accumulator::{Accumulator, BatchId, Outcome, PartitionId, SealedBatch};
use crate::error::{Error, ErrorKind};
use crate::sender::Sender;
use crate::sender::event::{CommandId, Output};
use crate::sender::timers::Timer;

/// A caller that waits for all batches opened before one.
#[derive(Debug)]
pub(super) struct Flush {
    pub(super) id: CommandId,
    pub(super) before: BatchId,
}

/// The producer closes.
#[derive(Debug, Default)]
pub(super) struct Closing {
    /// Who waits for it.
    commands: Vec<CommandId>,
    deadline: Option<Instant>,
    /// Whether the time is over: nothing is tried again.
    is_over: bool,
}

impl Sender {
    pub(super) fn on_flush(
        &mut self,
        now: Instant,
        id: CommandId,
        before: BatchId,
        accumulator: &Accumulator,
    ) {
        self.flushes.push(Flush { id, before });
        self.hurry_all(now, accumulator);
    }

    pub(super) fn on_close(
        &mut self,
        now: Instant,
        id: CommandId,
        deadline: Option<Instant>,
        accumulator: &Accumulator,
    ) {
        let closing = self.closing.get_or_insert_default();
        closing.commands.push(id);
        // Of several callers the least patient one decides.
        let earlier = deadline.filter(|new| closing.deadline.is_none_or(|old| *new < old));
        if let Some(deadline) = earlier {
            closing.deadline = Some(deadline);
            self.timers.set(deadline, Timer::Close);
        }
        self.refuse_topic_waits();
        self.hurry_all(now, accumulator);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Nothing more is accepted, so nobody need wait for a topic.
    pub(super) fn refuse_topic_waits(&mut self) {
        for id in self.topic_waits.keys().copied().collect::<Vec<_>>() {
            let error = Error::new(
                ErrorKind::Closed,
                "the producer was closed while send waited",
            );
            self.end_topic_wait(id, Err(error));
        }
    }

    /// Answers the flushes whose batches are done.
    pub(super) fn finish_flushes(&mut self) {
        let first = self.incomplete.first().copied();
        let outputs = &mut self.outputs;
        self.flushes.retain(|flush| {
            let waits = first.is_some_and(|first| first < flush.before);
            if !waits {
                outputs.push_back(Output::Finish(flush.id, Ok(())));
            }
            waits
        });
    }

    /// Stops when everything has its outcome.
    pub(super) fn finish_closing(&mut self) {
        if !self.incomplete.is_empty() {
            return;
        }
        let Some(closing) = &mut self.closing else {
            return;
        };
        for id in closing.commands.drain(..) {
            self.outputs.push_back(Output::Finish(id, Ok(())));
        }
        self.outputs.push_back(Output::Stop);
    }

    /// The time for closing is over: what is left fails.
    pub(super) fn on_close_timeout(&mut self) {
        let Some(closing) = &mut self.closing else {
            return;
        };
        closing.is_over = true;
        log::warn!(
            "closing with {} batches not acknowledged",
            self.incomplete.len()
        );
        let ids: Vec<_> = self.partitions.values().map(|one| one.queue.id()).collect();
        for id in ids {
            self.fail_partition(id);
        }
        debug_assert!(
            self.incomplete.is_empty(),
            "every batch belongs to a partition"
        );
    }

    /// The thread that ran this has panicked, nobody knows where. Looks at nothing but the batches:
    /// those that have their outcomes keep them, those with a broker may be written, and of those to
    /// be sent again it is known.
    pub(crate) fn abandon(self, error: &Error) -> Vec<Outcome> {
        let flying = self.requests.into_batches().map(SealedBatch::doubted);
        let mut open: Vec<_> = flying.collect();
        let mut outcomes = Vec::new();
        for partition in self.partitions.into_values() {
            open.extend(partition.retries.into_iter().map(|retry| retry.batch));
            outcomes.extend(partition.held.into_values());
        }
        outcomes.extend(open.into_iter().map(|batch| batch.fail(error.clone())));
        outcomes.sort_by_key(|outcome| outcome.batch);
        let is_outcome = |output| match output {
            Output::Deliver(outcome) => Some(outcome),
            _ => None,
        };
        let first = self.outputs.into_iter().filter_map(is_outcome);
        first.chain(outcomes).collect()
    }

    pub(super) fn closed_for_retries(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| closing.is_over)
    }

    fn fail_partition(&mut self, id: PartitionId) {
        let describe = |attempts: u32, _: Option<&Error>| {
            let tried = if attempts == 0 {
                "sent"
            } else {
                "acknowledged"
            };
            (
                ErrorKind::Closed,
                format!("the producer was closed before the record was {tried}"),
            )
        };
        while let Some(batch) = self.first_unresolved(id) {
            self.resolve_early(id, batch, describe);
        }
    }

    /// The partition's oldest batch that has no outcome, wherever it is.
    pub(super) fn first_unresolved(&self, id: PartitionId) -> Option<BatchId> {
        let queued = || {
            let partition = self.partitions.get(id)?;
            partition.queue.head().map(|head| head.id)
        };
        self.oldest_sent(id).or_else(queued)
    }
}

//! Batches that get an outcome without an answer: at their deadline, at that of a close, when there is
//! no producer id to be had, when a gap before them forbids to send them again, and when the I/O thread
//! dies. An `impl` of [`Sender`]; runs on the I/O thread, or in a simulation.

use crate::accumulator::{BatchId, Outcome, PartitionId, SealedBatch};
use crate::error::{Error, ErrorKind};
use crate::foreign::logging::log_warn;
use crate::sender::Sender;
use crate::sender::event::Output;
use crate::sender::partitions::Unsendable;
use crate::sender::step::Step;

impl Sender {
    /// A batch has reached `delivery.timeout.ms` without an outcome: queued, lingering, for want of a
    /// leader (KAFKA-2805), between two attempts, or on its way.
    pub(super) fn expire(&mut self, step: Step<'_>, id: PartitionId, batch: BatchId) {
        let Some(partition) = self.partitions.get(id) else {
            return;
        };
        let queue = partition.queue();
        let timeout = queue.settings().delivery_timeout.as_millis();
        let settings = step.accumulator.settings();
        let limit = settings.delivery_timeout_property(queue.topic());
        let leader = partition.leader();
        let throttled = leader.and_then(|leader| self.nodes.throttling(step.now, leader));
        let unidentified = self.producer_ids.why_unidentified().map(str::to_owned);
        self.fail_early(id, batch, |attempts, cause| {
            let tried = match attempts {
                0 => "never sent".to_owned(),
                1 => "sent once".to_owned(),
                _ => format!("sent {attempts} times"),
            };
            let cause = cause.map(ToString::to_string);
            let cause = cause.or_else(|| unidentified.filter(|_| attempts == 0));
            let cause = cause
                .map(|cause| format!("; last error: {cause}"))
                .unwrap_or_default();
            let throttled = throttled
                .map(|text| format!("; {text}"))
                .unwrap_or_default();
            // Not "the record was": one that joined the batch late has waited for less.
            let text = format!(
                "the batch was not acknowledged within {limit} ({timeout} ms) after its first \
                 record, {tried}{throttled}{cause}"
            );
            (ErrorKind::TimedOut, text)
        });
        self.update_stage(step, id);
    }

    /// Fails a batch that has no outcome yet, wherever it is; see
    /// [`Partition::fail_early`](crate::sender::partitions::Partition::fail_early).
    pub(super) fn fail_early(
        &mut self,
        id: PartitionId,
        batch: BatchId,
        describe: impl FnOnce(u32, Option<&Error>) -> (ErrorKind, String),
    ) {
        let Some(partition) = self.partitions.get_mut(id) else {
            return;
        };
        let leader = partition.leader();
        let unreachable = leader.and_then(|leader| self.nodes.error_of(leader));
        let outcome = partition.fail_early(batch, &mut self.requests, unreachable, describe);
        if let Some(outcome) = outcome {
            self.partitions.settle(outcome, &mut self.agenda);
        }
    }

    /// The time for closing is over: what is left fails, wherever it is.
    pub(super) fn handle_close_timeout(&mut self) {
        if !self.commands.is_closing() {
            return;
        }
        self.commands.handle_close_timeout();
        if let Some(transaction) = &mut self.transaction {
            transaction.give_up(&mut self.agenda);
        }
        let partitions = self.partitions.iter();
        let queued: usize = partitions.map(|one| one.queue().queued_records()).sum();
        let partitions = self.partitions.iter();
        let taken: u64 = partitions
            .map(|one| one.records_taken(&self.requests))
            .sum();
        if queued > 0 || taken > 0 {
            log_warn!(
                "the time to close is over: {taken} records were sent and not acknowledged, and \
                 {queued} were never sent"
            );
        }
        let describe = |attempts: u32, _: Option<&Error>| {
            let tried = if attempts == 0 {
                "sent"
            } else {
                "acknowledged"
            };
            let text = format!("the producer was closed before the record was {tried}");
            (ErrorKind::Closed, text)
        };
        for id in self.partitions.ids(|_| true) {
            while let Some(batch) = self.partitions.get(id).and_then(|one| one.oldest()) {
                self.fail_early(id, batch, describe);
            }
        }
        debug_assert!(
            self.partitions.oldest_incomplete().is_none(),
            "every batch belongs to a partition"
        );
    }

    /// There will be no producer id: what waits for it fails. Later records try again.
    pub(super) fn refuse_unidentified(&mut self, step: Step<'_>, error: &Error) {
        self.producer_ids.give_up();
        for id in self.partitions.take_unidentified() {
            // What callers have opened just now is not known yet, and asks again.
            while let Some(partition) = self.partitions.get(id)
                && let Some(batch) = partition.oldest()
                && self.partitions.is_incomplete(batch)
            {
                self.fail_early(id, batch, |_, _| (error.kind(), error.to_string()));
            }
            self.update_stage(step, id);
        }
    }

    /// Fails the batches that a gap has made impossible to send again, as far as nothing older is
    /// unresolved: callbacks keep their order.
    pub(super) fn fail_unsendable(&mut self, id: PartitionId) {
        while let Some(partition) = self.partitions.get_mut(id)
            && let Some((batch, why)) = partition.take_unsendable()
        {
            let last = batch.last_error.as_ref();
            let kind = last.map_or(ErrorKind::Disconnected, Error::kind);
            let cause = last.map(|error| format!(": {error}")).unwrap_or_default();
            let (kind, why) = match why {
                Unsendable::Gap => (
                    kind,
                    "it may be in the log, and an earlier batch failed, so it cannot be sent again \
                     without the risk of a duplicate",
                ),
                Unsendable::OtherCluster => (
                    ErrorKind::Disconnected,
                    "the cluster that it was sent to may have it, so it is not sent to the one that \
                     has taken its place",
                ),
            };
            let text = format!("{}: {why}{cause}", batch.name());
            let outcome = batch.fail(Error::new(kind, text));
            self.partitions.settle(outcome, &mut self.agenda);
        }
    }

    /// The thread that ran this has panicked, at an unknown point. Looks at nothing but the batches:
    /// those that have their outcomes keep them, those in a request may be written, and those to be
    /// sent again know what their attempts have left.
    pub(crate) fn abandon(self, error: &Error) -> Vec<Outcome> {
        let in_flight = self.requests.into_batches().map(SealedBatch::doubted);
        let (retries, mut outcomes) = self.partitions.into_batches();
        let open = in_flight.chain(retries);
        outcomes.extend(open.map(|batch| batch.fail(error.clone())));
        outcomes.sort_by_key(|outcome| outcome.batch);
        let is_outcome = |output| match output {
            Output::Deliver(outcome) => Some(outcome),
            _ => None,
        };
        let first = self.agenda.into_outputs().filter_map(is_outcome);
        first.chain(outcomes).collect()
    }
}

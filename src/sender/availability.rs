//! Brokers that have something to take and take nothing: after
//! `partitioner.availability.timeout.ms` the built-in choice leaves out their partitions (KIP-794).
//! An `impl` of [`Sender`]; runs on the I/O thread, or in a simulation.

use std::time::Instant;

use crate::accumulator::Accumulator;
use crate::ids::NodeId;
use crate::sender::Sender;
use crate::sender::nodes::{Link, Node};
use crate::sender::timers::Timer;

impl Sender {
    /// A batch stands in the broker's line.
    pub(super) fn note_waiting(&mut self, now: Instant, id: NodeId) {
        let Some(timeout) = self.settings.availability_timeout else {
            return;
        };
        if let Some(node) = self.nodes.find(id)
            && node.blocked_since.is_none()
        {
            node.blocked_since = Some(now);
            self.timers.set(now + timeout, Timer::Availability(id));
        }
    }

    /// Nothing waits for the broker any more. It gets another chance as soon as it could take
    /// something, or as somebody has to connect to it to find out.
    pub(super) fn note_idle(&mut self, now: Instant, id: NodeId, accumulator: &Accumulator) {
        let max_in_flight = self.settings.max_in_flight;
        let has_chance = |node: &mut Node| {
            node.ready.is_empty() && (node.link == Link::Down || node.can_take(now, max_in_flight))
        };
        if self.nodes.find(id).is_some_and(has_chance) {
            self.note_taken(id, accumulator);
        }
    }

    /// The broker took something.
    pub(super) fn note_taken(&mut self, id: NodeId, accumulator: &Accumulator) {
        let Some(node) = self.nodes.find(id) else {
            return;
        };
        let was_stuck = std::mem::take(&mut node.is_stuck);
        let since = node.blocked_since.take();
        if let Some((since, timeout)) = since.zip(self.settings.availability_timeout) {
            self.timers.cancel(since + timeout, Timer::Availability(id));
        }
        if was_stuck {
            self.mark_stuck_partitions(accumulator);
        }
    }

    pub(super) fn on_availability_timeout(
        &mut self,
        now: Instant,
        id: NodeId,
        accumulator: &Accumulator,
    ) {
        let timeout = self.settings.availability_timeout;
        if let Some(node) = self.nodes.find(id)
            && let Some((since, timeout)) = node.blocked_since.zip(timeout)
            && since + timeout <= now
        {
            node.is_stuck = true;
            self.mark_stuck_partitions(accumulator);
        }
    }

    /// Tells callers which partitions keyless records should avoid, whether they have had a batch
    /// or not. Costs a look at every partition, which is seldom needed.
    pub(super) fn mark_stuck_partitions(&mut self, accumulator: &Accumulator) {
        for (name, topic) in &self.view.topics {
            let Some(known) = accumulator.topic(name) else {
                continue;
            };
            for (index, partition) in (0..).zip(&topic.partitions) {
                let is_stuck = partition.leader.is_some_and(|id| self.nodes.is_stuck(id));
                if let Some(queue) = known.queue(index) {
                    queue.set_stuck(is_stuck);
                }
            }
        }
    }
}

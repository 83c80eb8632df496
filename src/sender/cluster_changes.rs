//! Asks for metadata and follows it: brokers that have left or moved, partitions whose leader changed,
//! and which partitions keyless records should avoid. An `impl` of [`Sender`]; runs on the I/O thread,
//! or in a simulation.

use std::cell::LazyCell;

use crate::cluster::ClusterView;
use crate::error::{Error, ErrorKind};
use crate::ids::NodeId;
use crate::protocol::Request;
use crate::protocol::messages::MetadataResponse;
use crate::sender::Sender;
use crate::sender::requests::Content;
use crate::sender::step::Step;

impl Sender {
    /// Asks for metadata if that is due and a broker can be asked; else connects to one.
    pub(super) fn poll_metadata(&mut self, step: Step<'_>) {
        let partitions = &self.partitions;
        let queued = LazyCell::new(|| partitions.topics_with_batches());
        let is_queued = |topic: &str| queued.contains(topic);
        if !self
            .metadata
            .poll_due(step.now, is_queued, &mut self.agenda)
        {
            return;
        }
        if let Some(node) = self.any_broker(step.now) {
            let request = self.metadata.start_request();
            self.send(
                step.now,
                node,
                Content::Metadata,
                Request::Metadata(request),
            );
        }
    }

    pub(super) fn handle_metadata(
        &mut self,
        step: Step<'_>,
        node: NodeId,
        response: &MetadataResponse,
    ) {
        let view = self
            .metadata
            .handle_response(step.now, node, response, &mut self.agenda);
        if let Some(view) = view {
            self.follow(step, view);
        }
    }

    /// No broker has answered with metadata for `metadata.recovery.rebootstrap.trigger.ms`.
    pub(super) fn handle_metadata_overdue(&mut self, step: Step<'_>) {
        if let Some(view) = self.metadata.handle_overdue(&mut self.agenda) {
            self.follow(step, view);
        }
    }

    /// Follows a view: publishes it, leaves brokers that are gone, and moves partitions to their
    /// leaders.
    pub(super) fn follow(&mut self, step: Step<'_>, view: ClusterView) {
        let any_stuck = self.nodes.any_stuck();
        self.metadata.set_view(view, &mut self.agenda);
        let stale = self.nodes.update(step.now, &self.metadata.view().brokers);
        for id in stale {
            let text = format!("broker {id} has left the cluster or moved");
            let error = Error::new(ErrorKind::Disconnected, text);
            self.disconnect(step, id, &error);
            if !self.metadata.view().brokers.contains_key(&id) {
                self.nodes.remove(id);
            }
        }
        self.follow_leaders(step);
        if any_stuck {
            self.mark_stuck_partitions(step);
        }
        self.metadata.answer_waits(&mut self.agenda);
    }

    /// Partitions whose leader changed wait for the new one: what stayed in the queue of a broker that
    /// is gone would never be sent (librdkafka #1913). Batches stay, and so do sequences: a partition
    /// without a leader for a while is the same partition (librdkafka #3672).
    fn follow_leaders(&mut self, step: Step<'_>) {
        let mut moved = Vec::new();
        for partition in self.partitions.iter_mut() {
            let leader = self.metadata.leader_of(partition.queue());
            if leader != partition.leader() {
                partition.set_leader(step.now, leader);
                let is_stuck = leader.is_some_and(|id| self.nodes.is_stuck(id));
                partition.queue().set_stuck(is_stuck);
                moved.push(partition.queue().id());
            }
        }
        moved.extend(self.partitions.leaderless());
        for id in moved {
            self.update_stage(step, id);
        }
    }
}

/// Brokers that take nothing: after `partitioner.availability.timeout.ms` the built-in choice leaves
/// out their partitions (KIP-794).
impl Sender {
    /// The broker took something.
    pub(super) fn handle_taken(&mut self, step: Step<'_>, id: NodeId) {
        if self.nodes.handle_taken(id, &mut self.agenda) {
            self.mark_stuck_partitions(step);
        }
    }

    /// What waits for a broker may all have gone elsewhere: it gets another chance as soon as it could
    /// take something.
    pub(super) fn handle_nothing_ready(&mut self, step: Step<'_>, id: NodeId) {
        if self.nodes.has_chance(step.now, id) {
            self.handle_taken(step, id);
        }
    }

    pub(super) fn handle_availability_timeout(&mut self, step: Step<'_>, id: NodeId) {
        if self.nodes.handle_availability_timeout(step.now, id) {
            self.mark_stuck_partitions(step);
        }
    }

    /// Lets callers know which partitions keyless records should avoid, whether they have had a batch
    /// or not. Costs a look at every partition, which is seldom needed.
    fn mark_stuck_partitions(&mut self, step: Step<'_>) {
        for (name, topic) in &self.metadata.view().topics {
            let Some(known) = step.accumulator.topic(name) else {
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

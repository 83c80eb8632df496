//! Asks for metadata and follows it: brokers that have left or moved, partitions whose leader changed,
//! and which partitions keyless records should avoid. An `impl` of [`Sender`]; runs on the I/O thread,
//! or in a simulation.

use std::cell::LazyCell;
use std::collections::BTreeSet;

use crate::cluster::Inquiry;
use crate::error::{Error, ErrorKind};
use crate::foreign::logging::log_warn;
use crate::ids::{NodeId, RequestId};
use crate::protocol::Request;
use crate::protocol::messages::{MetadataResponse, NodeEndpoint};
use crate::sender::Sender;
use crate::sender::metadata::{LeaderHint, News};
use crate::sender::producer_ids::ProducerIdState;
use crate::sender::requests::Content;
use crate::sender::step::Step;
use crate::sender::timers::Timer;
use crate::sync::Arc;

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
        if let Some(node) = self.any_broker(step.now, false) {
            let (inquiry, request) = self.metadata.start_request(step.now);
            let until = step.now + self.metadata.patience();
            let content = Content::Metadata(inquiry, until);
            let id = self.send(step.now, node, content, Request::Metadata(request));
            self.agenda.set(until, Timer::Slow(id));
        }
    }

    /// A broker has had its time to answer with metadata. Whatever keeps it, another one is asked
    /// beside it: one that hangs or throttles must not keep everybody from new topics and leaders.
    pub(super) fn handle_slow(&mut self, id: RequestId) {
        let Some(request) = self.requests.get(id) else {
            return;
        };
        if let Content::Metadata(inquiry, _) = &request.content
            && self.metadata.handle_slow(inquiry)
        {
            self.nodes.set_slow(request.node);
        }
    }

    pub(super) fn handle_metadata(
        &mut self,
        step: Step<'_>,
        node: NodeId,
        inquiry: &Inquiry,
        response: &MetadataResponse,
    ) {
        let is_another = self.metadata.is_of_another_cluster(response);
        if is_another && node.0 < 0 && self.nodes.any_member() {
            // It was asked because the brokers are slow, and they are the cluster as long as one is
            // connected.
            self.metadata
                .handle_failure(step.now, inquiry, &mut self.agenda);
            let text = format!(
                "{} belongs to another cluster than the brokers that are connected",
                self.nodes.name(node)
            );
            let error = Error::new(ErrorKind::BadResponse, text);
            return self.disconnect(step, node, &error);
        }
        if is_another {
            self.leave_cluster(step, response.cluster_id().unwrap_or_default());
        }
        let name = self.nodes.name(node);
        let agenda = &mut self.agenda;
        let news = self
            .metadata
            .handle_response(step.now, &name, inquiry, response, agenda);
        if let Some(news) = news {
            if let Some(node) = self.nodes.get_mut(node) {
                node.set_member();
            }
            self.follow(step, news, Pause::Over);
        }
        if is_another {
            // This answer may have been about some topics only.
            self.metadata.request_all();
            for id in self.partitions.ids(|_| true) {
                self.update_stage(step, id);
            }
        }
    }

    /// The broker at an address of the cluster is another one than it should be. As long as others of
    /// the cluster are connected, they say where it is now: metadata has been asked for.
    pub(super) fn handle_stranger(&mut self, step: Step<'_>) {
        if !self.nodes.any_member()
            && let Some(news) = self.metadata.handle_stranger(step.now, &mut self.agenda)
        {
            self.follow(step, news, Pause::Over);
        }
    }

    /// The cluster is another one: it was deleted and made anew, or its address leads to another one
    /// now. It knows nothing of this producer, and may have given the id that the producer has to
    /// another one: it would take batches for repeats of theirs, and acknowledge what it did not write.
    /// So nothing that was said on behalf of the old cluster counts any more, on no connection: not even
    /// on that of the broker that has just answered, which may have been asked for an id before.
    ///
    /// Batches that the old cluster may have fail, the others go to the new one, under a new id.
    fn leave_cluster(&mut self, step: Step<'_>, new: &str) {
        let old = self.metadata.view().cluster_id.clone();
        let old = old.as_deref().unwrap_or_default();
        log_warn!(
            "the cluster is another one: it was {old}, and is {new} now; records that {old} may have \
             and has not acknowledged fail"
        );
        let text = format!("cluster {old} has given way to {new}");
        let error = Error::new(ErrorKind::Disconnected, text);
        for id in self.nodes.connected() {
            self.hang_up_with(step, id, &error);
        }
        let known = self.metadata.view().topics.keys();
        for topic in known.filter_map(|name| step.accumulator.topic(name)) {
            for queue in topic.all_queues() {
                queue.set_stuck(false);
            }
        }
        let news = self.metadata.forget_cluster();
        self.follow(step, news, Pause::Over);
        let has_sequences = self.producer_ids.state() != ProducerIdState::Anonymous;
        for partition in self.partitions.iter_mut().filter(|_| has_sequences) {
            partition.leave_cluster();
        }
        self.producer_ids.forget();
        if let Some(transaction) = &mut self.transaction {
            transaction.leave_cluster(&mut self.agenda);
        }
    }

    /// No broker has answered with metadata for `metadata.recovery.rebootstrap.trigger.ms`.
    pub(super) fn handle_metadata_overdue(&mut self, step: Step<'_>) {
        if let Some(news) = self.metadata.handle_overdue(&mut self.agenda) {
            self.follow(step, news, Pause::Over);
        }
    }

    /// Brokers have said who leads partitions in their place. Each partition follows such a hint at
    /// once the first time: after that it pauses as before any other retry, until a batch is
    /// acknowledged, or two brokers that name each other would have it sent to and fro for ever.
    pub(super) fn handle_hints(
        &mut self,
        step: Step<'_>,
        hints: Vec<LeaderHint>,
        endpoints: &[NodeEndpoint],
    ) {
        if let Some(news) = self.metadata.follow_hints(hints, endpoints) {
            self.follow(step, news, Pause::OverOnce);
        }
    }

    /// Follows a view: publishes it, leaves brokers that are gone, and moves partitions to their
    /// leaders.
    fn follow(&mut self, step: Step<'_>, news: News, pause: Pause) {
        let any_stuck = self.nodes.any_stuck();
        let News {
            view,
            changed,
            touched,
        } = news;
        self.metadata
            .set_view(view, changed, &touched, &mut self.agenda);
        let stale = self.nodes.update(step.now, &self.metadata.view().brokers);
        for id in stale {
            let text = format!("broker {id} has left the cluster or moved");
            let error = Error::new(ErrorKind::Disconnected, text);
            self.leave(step, id, &error);
            if !self.metadata.view().brokers.contains_key(&id) {
                self.nodes.remove(id);
            }
        }
        self.follow_leaders(step, &touched, pause);
        if any_stuck {
            self.mark_stuck_partitions(step, touched.iter());
        }
        self.metadata.answer_waits(&mut self.agenda);
    }

    /// Partitions whose leader changed wait for the new one: what stayed in the queue of a broker that
    /// is gone would never be sent (librdkafka #1913). Batches stay, and so do sequences: a partition
    /// without a leader for a while is the same partition (librdkafka #3672).
    fn follow_leaders(&mut self, step: Step<'_>, touched: &BTreeSet<Arc<str>>, pause: Pause) {
        let mut moved = Vec::new();
        for topic in touched
            .iter()
            .filter_map(|name| step.accumulator.topic(name))
        {
            for queue in topic.all_queues() {
                let Some(partition) = self.partitions.get_mut(queue.id()) else {
                    continue;
                };
                let leader = self.metadata.leader_of(queue);
                if leader != partition.leader() {
                    match pause {
                        Pause::Over => partition.set_leader(step.now, leader),
                        Pause::OverOnce => partition.follow_hint(step.now, leader),
                    }
                    let is_stuck = leader.is_some_and(|id| self.nodes.is_stuck(id));
                    queue.set_stuck(is_stuck);
                    moved.push(queue.id());
                } else if partition.is_leaderless() {
                    moved.push(queue.id());
                }
            }
        }
        for id in moved {
            self.update_stage(step, id);
        }
    }
}

/// Whether batches that were refused go to a new leader without the rest of their pause: it may take
/// at once what the old one did not.
#[derive(Clone, Copy, Debug)]
enum Pause {
    /// They do. Metadata comes after pauses of its own.
    Over,
    /// They do the first time.
    OverOnce,
}

/// Brokers that take nothing: after `partitioner.availability.timeout.ms` the built-in choice leaves
/// out their partitions (KIP-794).
impl Sender {
    /// The broker took something.
    pub(super) fn handle_taken(&mut self, step: Step<'_>, id: NodeId) {
        if self.nodes.handle_taken(id, &mut self.agenda) {
            self.mark_all_stuck_partitions(step);
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
            self.mark_all_stuck_partitions(step);
        }
    }

    /// Lets callers know which partitions keyless records should avoid, whether they have had a batch
    /// or not. Costs a look at every partition, which is seldom needed.
    fn mark_all_stuck_partitions(&self, step: Step<'_>) {
        self.mark_stuck_partitions(step, self.metadata.view().topics.keys());
    }

    fn mark_stuck_partitions<'a>(
        &self,
        step: Step<'_>,
        topics: impl Iterator<Item = &'a Arc<str>>,
    ) {
        let view = self.metadata.view();
        for (name, topic) in topics.filter_map(|name| Some((name, view.topics.get(name)?))) {
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

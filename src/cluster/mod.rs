//! The cluster as of the metadata that has come: who leads which partition, and where brokers can
//! be reached. Immutable, replaced whole; owns no socket, reads no clock. A view shares with the one
//! before it what has not changed, so that an answer costs what is in it.

mod missing;
mod name_map;
mod refresh;

use std::collections::BTreeSet;

pub(crate) use missing::refused_for_good;
pub(crate) use name_map::NameMap;
pub(crate) use refresh::{Due, Inquiry, Refresh};

use crate::address::Address;
use crate::ids::{NodeId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{MetadataPartition, MetadataResponse, MetadataTopic};
use crate::sorted_map::SortedMap;
use crate::sync::Arc;

/// Leaders and partitions as of one metadata response, together with what older ones said of
/// topics that this one does not mention.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterView {
    /// `None` while no broker has said which cluster it is.
    pub(crate) cluster_id: Option<Arc<str>>,
    pub(crate) brokers: SortedMap<NodeId, Address>,
    /// The racks of those that have one.
    pub(crate) racks: SortedMap<NodeId, Arc<str>>,
    pub(crate) topics: NameMap<Arc<TopicView>>,
    /// Topics in use that the last response about them refused or did not know, with its reason.
    pub(crate) refused: NameMap<Refusal>,
}

/// What the brokers said last of a topic that they refuse or do not know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// `NONE` if they know the topic, and tell of no partitions.
    pub(crate) code: ErrorCode,
    /// Which answer said so, counted from 1.
    pub(crate) answer: u64,
}

impl Refusal {
    /// Whether it may be over at the next look: the topic is being created, or this broker lags
    /// behind.
    pub(crate) fn may_pass(self) -> bool {
        self.code.is_retriable() || self.code == ErrorCode::NONE
    }
}

/// A topic that exists.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TopicView {
    pub(crate) id: TopicId,
    /// By index.
    pub(crate) partitions: Vec<PartitionView>,
}

/// One partition's leader.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PartitionView {
    /// `None` while there is none, or none that is in the list of brokers.
    pub(crate) leader: Option<NodeId>,
    /// −1 where the broker names none.
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<NodeId>,
    pub(crate) in_sync_replicas: Vec<NodeId>,
}

impl TopicView {
    /// The indexes of the partitions that have a leader.
    pub(crate) fn available(&self) -> Vec<i32> {
        self.led_by(&|_| true)
    }

    /// The indexes of the partitions whose leader is one of those meant.
    pub(crate) fn led_by(&self, is_meant: &dyn Fn(NodeId) -> bool) -> Vec<i32> {
        let partitions = (0..).zip(&self.partitions);
        let led = partitions.filter(|(_, one)| one.leader.is_some_and(is_meant));
        led.map(|(index, _)| index).collect()
    }
}

impl PartitionView {
    const LEADERLESS: Self = Self {
        leader: None,
        leader_epoch: -1,
        replicas: Vec::new(),
        in_sync_replicas: Vec::new(),
    };
}

/// What a metadata response comes to.
#[derive(Debug, Default)]
pub(crate) struct Update {
    /// The view from now on.
    pub(crate) view: ClusterView,
    /// Topics of which something else is known now, each once.
    pub(crate) changed: Vec<Arc<str>>,
    /// Topics in use that the response speaks of.
    pub(crate) told: BTreeSet<Arc<str>>,
}

/// How a response is read.
pub(crate) struct Reading<W, D> {
    /// Counted from 1.
    pub(crate) answer: u64,
    /// Whether a topic is in use.
    pub(crate) is_wanted: W,
    /// Whether the leader that is known of a partition has turned out to be none, so that an older
    /// epoch counts as well.
    pub(crate) is_doubted: D,
}

impl ClusterView {
    /// Those of these topics that are known.
    pub(crate) fn known<'a>(
        &'a self,
        names: &'a [Arc<str>],
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a TopicView)> {
        let view = |name: &'a Arc<str>| Some((name, &**self.topics.get(name)?));
        names.iter().filter_map(view)
    }

    pub(crate) fn leader(&self, topic: &str, partition: i32) -> Option<NodeId> {
        let index = usize::try_from(partition).ok()?;
        self.topics.get(topic)?.partitions.get(index)?.leader
    }

    /// The rack that a broker is in, if it says so.
    pub(crate) fn rack(&self, broker: NodeId) -> Option<&str> {
        self.racks.get(&broker).map(|rack| &**rack)
    }

    /// A broker that metadata has not named yet.
    pub(crate) fn add_broker(&mut self, id: NodeId, address: Address, rack: Option<&str>) {
        if self.brokers.get(&id).is_none() {
            self.brokers.insert(id, address);
            if let Some(rack) = rack {
                self.racks.insert(id, Arc::from(rack));
            }
        }
    }

    /// Whether something is missing of a topic that will come: a leader, a topic that is being created.
    pub(crate) fn is_lacking(&self, topic: &str) -> bool {
        let has_all =
            |topic: &Arc<TopicView>| topic.partitions.iter().all(|one| one.leader.is_some());
        match self.refused.get(topic) {
            Some(refusal) => refusal.may_pass(),
            None => !self.topics.get(topic).is_some_and(has_all),
        }
    }

    /// Whether a broker says that it belongs to another cluster than the one that is known. What is
    /// known of that one says nothing about the other: not its topics' ids, nor its leader epochs.
    pub(crate) fn is_of_another(&self, response: &MetadataResponse) -> bool {
        let ids = self.cluster_id.as_deref().zip(response.cluster_id());
        ids.is_some_and(|(known, new)| known != new)
    }

    /// The same topics, without leaders.
    pub(crate) fn without_brokers(&self) -> Update {
        let mut update = Update {
            view: self.clone(),
            ..Update::default()
        };
        update.view.brokers = SortedMap::new();
        update.view.racks = SortedMap::new();
        update.leave_brokers_that_are_gone();
        update
    }

    /// The next view: `response` laid over this one, without what it says of topics that were not
    /// asked for.
    ///
    /// A topic that the response refuses keeps what was known of it: a broker that lags behind must
    /// not fail records that its neighbour would take (KAFKA-6833). The refusal stands beside it.
    pub(crate) fn merged<W: Fn(&str) -> bool, D: Fn(&str, i32) -> bool>(
        &self,
        response: &MetadataResponse,
        reading: &Reading<W, D>,
    ) -> Update {
        let cluster_id = match (response.cluster_id(), &self.cluster_id) {
            (Some(new), Some(known)) if *new == **known => Some(Arc::clone(known)),
            (Some(new), _) => Some(Arc::from(new)),
            (None, known) => known.clone(),
        };
        let brokers = brokers(response);
        let racks = racks(response, &brokers);
        let mut update = Update {
            view: Self {
                cluster_id,
                brokers,
                racks,
                topics: self.topics.clone(),
                refused: self.refused.clone(),
            },
            ..Update::default()
        };
        // What was known of a topic may name a broker that is gone.
        let is_gone = |id| !update.view.brokers.contains_key(id);
        if self.brokers.keys().any(is_gone) {
            update.leave_brokers_that_are_gone();
        }
        // Which partitions are in whose rack is told with their topics.
        if update.view.racks != self.racks {
            let has_moved = |id: NodeId| self.racks.get(&id) != update.view.racks.get(&id);
            let is_led_elsewhere = |one: &PartitionView| one.leader.is_some_and(&has_moved);
            let topics = update.view.topics.iter();
            let moved = topics.filter(|(_, topic)| topic.partitions.iter().any(is_led_elsewhere));
            let moved: Vec<_> = moved.map(|(name, _)| Arc::clone(name)).collect();
            update.changed.extend(moved);
        }
        for topic in &response.topics {
            let name = topic.name.as_deref();
            let Some(name) = name.filter(|name| (reading.is_wanted)(name)) else {
                continue;
            };
            let known = self.topics.key(name).or_else(|| self.refused.key(name));
            let name = known.map_or_else(|| Arc::from(name), Arc::clone);
            update.told.insert(Arc::clone(&name));
            let is_doubted = |index| (reading.is_doubted)(&name, index);
            let view = &mut update.view;
            let merged = view.topic(topic, self.topics.get(&name), is_doubted);
            if topic.error != ErrorCode::NONE || merged.partitions.is_empty() {
                let refusal = Refusal {
                    code: topic.error,
                    answer: reading.answer,
                };
                view.refused.insert(name, refusal);
                continue;
            }
            view.refused.remove(&name);
            if view.topics.get(&name).is_none_or(|known| **known != merged) {
                view.topics.insert(Arc::clone(&name), Arc::new(merged));
                update.changed.push(name);
            }
        }
        update.changed.sort_unstable();
        update.changed.dedup();
        update
    }

    fn topic(
        &self,
        new: &MetadataTopic,
        known: Option<&Arc<TopicView>>,
        is_doubted: impl Fn(i32) -> bool,
    ) -> TopicView {
        let known = known.filter(|known| known.id == new.id || !new.id.is_known());
        let count = new
            .partitions
            .iter()
            .map(|one| one.index.saturating_add(1))
            .max();
        let count = usize::try_from(count.unwrap_or(0)).unwrap_or(0);
        // A broker that names partition two billion does not make us allocate as many.
        let count = count.min(new.partitions.len()).min(MAX_PARTITIONS);
        let mut told = vec![None; count];
        for described in &new.partitions {
            let index = usize::try_from(described.index).unwrap_or(usize::MAX);
            if let Some(partition) = told.get_mut(index) {
                let old = known.and_then(|known| known.partitions.get(index));
                let is_doubted = old.is_some() && is_doubted(described.index);
                *partition = Some(self.partition(described, old, is_doubted));
            }
        }
        // A partition that an answer leaves out is still there, as long as it is the same topic: to
        // forget its epoch would be to follow whatever older leader the next answer names.
        if let Some(known) = known.filter(|_| new.id.is_known() && count > 0) {
            told.resize(count.max(known.partitions.len()), None);
        }
        let kept = |index: usize| {
            let old = known.and_then(|known| known.partitions.get(index));
            old.map_or(PartitionView::LEADERLESS, |old| self.kept(old))
        };
        let told = told.into_iter().enumerate();
        let partitions = told
            .map(|(index, one)| one.unwrap_or_else(|| kept(index)))
            .collect();
        TopicView {
            id: new.id,
            partitions,
        }
    }

    /// What was known of a partition, without a leader that is gone.
    fn kept(&self, old: &PartitionView) -> PartitionView {
        PartitionView {
            leader: old
                .leader
                .filter(|leader| self.brokers.contains_key(leader)),
            ..old.clone()
        }
    }

    /// An answer from a broker that lags behind, recognised by its leader epoch, changes nothing
    /// (KIP-320): batches would go back to a leader that was one before. A topic that was deleted and
    /// made again has another id and begins with new epochs, so `old` is `None` then.
    ///
    /// A leader that is known from a hint and turned out to be none `is_doubted`: its epoch may be any
    /// broker's invention, and would otherwise keep the partition from its true leader for ever.
    fn partition(
        &self,
        new: &MetadataPartition,
        old: Option<&PartitionView>,
        is_doubted: bool,
    ) -> PartitionView {
        let mut leader_epoch = new.leader_epoch;
        if let Some(old) = old.filter(|_| !is_doubted) {
            if new.leader_epoch >= 0
                && new.leader_epoch < old.leader_epoch
                && old
                    .leader
                    .is_none_or(|leader| self.brokers.contains_key(&leader))
            {
                return old.clone();
            }
            if new.leader_epoch < 0 {
                // An answer without an epoch is no reason to forget the one that is known.
                leader_epoch = old.leader_epoch;
            }
        }
        PartitionView {
            leader: Some(new.leader).filter(|leader| self.brokers.contains_key(leader)),
            leader_epoch,
            replicas: new.replicas.clone(),
            in_sync_replicas: new.in_sync_replicas.clone(),
        }
    }

    /// Follows a leader that a Produce response named (KIP-951), if its epoch is newer than what is
    /// known: such a hint may be older than the last metadata. Returns whether it is.
    pub(crate) fn follow(
        &mut self,
        topic: &str,
        partition: i32,
        leader: NodeId,
        leader_epoch: i32,
    ) -> bool {
        let known = self.brokers.contains_key(&leader);
        let index = usize::try_from(partition).unwrap_or(usize::MAX);
        let view = self.topics.get(topic);
        let old = view.and_then(|topic| topic.partitions.get(index));
        if old.is_none_or(|one| !known || leader_epoch <= one.leader_epoch) {
            return false;
        }
        let topic = self.topics.get_mut(topic).map(Arc::make_mut);
        if let Some(partition) = topic.and_then(|topic| topic.partitions.get_mut(index)) {
            partition.leader = Some(leader);
            partition.leader_epoch = leader_epoch;
        }
        true
    }
}

impl Update {
    /// Takes the leaders away that are not in the list of brokers. Looks at every topic, which is
    /// seldom needed: a broker has to be gone.
    fn leave_brokers_that_are_gone(&mut self) {
        let brokers = &self.view.brokers;
        let is_gone = |one: &PartitionView| one.leader.is_some_and(|id| !brokers.contains_key(&id));
        let topics = self.view.topics.iter();
        let left = topics.filter(|(_, topic)| topic.partitions.iter().any(is_gone));
        self.changed = left.map(|(name, _)| Arc::clone(name)).collect();
        for name in &self.changed {
            let topic = self.view.topics.get_mut(name).map(Arc::make_mut);
            for partition in topic.into_iter().flat_map(|topic| &mut topic.partitions) {
                let gone = |leader: &mut NodeId| !brokers.contains_key(leader);
                let _gone = partition.leader.take_if(gone);
            }
        }
    }
}

fn brokers(response: &MetadataResponse) -> SortedMap<NodeId, Address> {
    // Numbers below zero are the bootstrap addresses', and no broker's.
    let brokers = response.brokers.iter().filter(|one| one.node.0 >= 0);
    brokers
        .filter_map(|one| Some((one.node, Address::advertised(&one.host, one.port)?)))
        .take(MAX_BROKERS)
        .collect()
}

fn racks(
    response: &MetadataResponse,
    known: &SortedMap<NodeId, Address>,
) -> SortedMap<NodeId, Arc<str>> {
    let brokers = response.brokers.iter();
    let known = brokers.filter(|one| known.contains_key(&one.node));
    known
        .filter_map(|one| Some((one.node, Arc::from(one.rack.as_deref()?))))
        .collect()
}

/// Far more than any cluster has; a broker that tells of more costs no memory for them.
const MAX_BROKERS: usize = 10_000;
pub(crate) const MAX_PARTITIONS: usize = 200_000;

#[cfg(test)]
mod tests;

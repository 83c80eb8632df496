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
mod tests {
    use super::*;
    use crate::protocol::messages::{MetadataBroker, Operations};

    fn response(leader: i32, leader_epoch: i32) -> MetadataResponse {
        let broker = |id: i32| MetadataBroker {
            node: NodeId(id),
            host: "localhost".to_owned(),
            port: 9092 + id,
            rack: None,
        };
        MetadataResponse {
            brokers: vec![broker(1), broker(2)],
            topics: vec![MetadataTopic {
                error: ErrorCode::NONE,
                name: Some("orders".to_owned()),
                id: TopicId([7; 16]),
                is_internal: false,
                partitions: vec![MetadataPartition {
                    error: ErrorCode::NONE,
                    index: 0,
                    leader: NodeId(leader),
                    leader_epoch,
                    replicas: vec![],
                    in_sync_replicas: vec![],
                    offline_replicas: vec![],
                }],
                operations: Operations::OMITTED,
            }],
            ..MetadataResponse::default()
        }
    }

    type Usual = Reading<fn(&str) -> bool, fn(&str, i32) -> bool>;

    /// How a response is read if nothing is special about it.
    fn all() -> Usual {
        Reading {
            answer: 1,
            is_wanted: |_| true,
            is_doubted: |_, _| false,
        }
    }

    #[test]
    fn a_topic_that_was_not_asked_for_takes_no_room() {
        let mut reading = all();
        reading.is_wanted = |name| name == "a";
        let update = ClusterView::default().merged(&response(1, 5), &reading);
        assert!(update.view.topics.keys().next().is_none());
        assert!(update.view.refused.keys().next().is_none());
        assert!(update.changed.is_empty() && update.told.is_empty());
    }

    #[test]
    fn an_answer_from_a_broker_that_lags_behind_changes_nothing() {
        let Update { view, .. } = ClusterView::default().merged(&response(1, 5), &all());
        let Update { view, .. } = view.merged(&response(2, 4), &all());
        assert_eq!(view.leader("orders", 0), Some(NodeId(1)));
        let Update { view, .. } = view.merged(&response(2, 6), &all());
        assert_eq!(view.leader("orders", 0), Some(NodeId(2)));
    }

    #[test]
    fn each_answer_says_anew_which_broker_is_in_which_rack() {
        let mut racks = response(1, 5);
        racks.brokers[1].rack = Some("b".to_owned());
        let Update { mut view, .. } = ClusterView::default().merged(&racks, &all());
        assert_eq!(
            (view.rack(NodeId(1)), view.rack(NodeId(2))),
            (None, Some("b"))
        );
        let address = view.brokers.get(&NodeId(1)).unwrap().clone();
        view.add_broker(NodeId(2), address.clone(), Some("other"));
        view.add_broker(NodeId(3), address, Some("c"));
        assert_eq!(
            (view.rack(NodeId(2)), view.rack(NodeId(3))),
            (Some("b"), Some("c"))
        );
        assert_eq!(view.without_brokers().view.rack(NodeId(2)), None);
        let Update { view, .. } = view.merged(&response(1, 6), &all());
        assert_eq!((view.rack(NodeId(2)), view.rack(NodeId(3))), (None, None));
    }

    #[test]
    fn a_topic_whose_leader_is_in_another_rack_now_is_told_to_callers() {
        let mut racks = response(1, 5);
        racks.brokers[0].rack = Some("a".to_owned());
        let Update { view, .. } = ClusterView::default().merged(&racks, &all());
        racks.brokers[0].rack = Some("b".to_owned());
        let Update { view, changed, .. } = view.merged(&racks, &all());
        assert_eq!(view.rack(NodeId(1)), Some("b"));
        assert_eq!(changed, [Arc::from("orders")]);
    }

    #[test]
    fn a_refused_topic_keeps_what_was_known_of_it() {
        let Update { view, .. } = ClusterView::default().merged(&response(1, 5), &all());
        let mut refusal = response(1, 5);
        refusal.topics[0].error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        refusal.topics[0].partitions.clear();
        let Update { view, .. } = view.merged(&refusal, &all());
        assert_eq!(view.leader("orders", 0), Some(NodeId(1)));
        let code = view.refused.get("orders").map(|refusal| refusal.code);
        assert_eq!(code, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        assert!(view.is_lacking("orders"));
    }

    #[test]
    fn the_name_of_a_refused_topic_is_known_until_the_topic_is() {
        let mut refusal = response(1, 5);
        refusal.topics[0].error = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        refusal.topics[0].partitions.clear();
        let Update { view, .. } = ClusterView::default().merged(&refusal, &all());
        assert!(!view.topics.contains_key("orders") && !view.is_lacking("orders"));
        assert!(view.refused.contains_key("orders"));
        assert!(view.without_brokers().view.refused.contains_key("orders"));
        let Update { view, .. } = view.merged(&response(1, 5), &all());
        assert!(!view.refused.contains_key("orders"));
    }

    #[test]
    fn a_leader_outside_the_list_of_brokers_is_none() {
        let Update { view, .. } = ClusterView::default().merged(&response(9, 5), &all());
        assert_eq!(view.leader("orders", 0), None);
        assert!(view.is_lacking("orders"));
    }

    #[test]
    fn a_broker_that_is_gone_leads_no_topic_that_the_answer_leaves_out() {
        let Update { view, .. } = ClusterView::default().merged(&response(2, 5), &all());
        let mut without = response(2, 5);
        without.topics.clear();
        without.brokers.pop();
        let Update { view, changed, .. } = view.merged(&without, &all());
        assert_eq!(view.leader("orders", 0), None);
        assert_eq!(changed, [Arc::from("orders")]);
        let Update { view, .. } = view.merged(&response(2, 5), &all());
        assert_eq!(view.leader("orders", 0), Some(NodeId(2)));
    }

    #[test]
    fn a_hint_is_followed_only_if_it_is_newer() {
        let Update { mut view, .. } = ClusterView::default().merged(&response(1, 5), &all());
        assert!(!view.follow("orders", 0, NodeId(2), 5));
        assert!(!view.follow("orders", 0, NodeId(9), 6));
        assert!(view.follow("orders", 0, NodeId(2), 6));
        assert_eq!(view.leader("orders", 0), Some(NodeId(2)));
    }

    #[test]
    fn a_partition_numbered_two_billion_allocates_nothing() {
        let mut hostile = response(1, 5);
        hostile.topics[0].partitions[0].index = 2_000_000_000;
        let Update { view, .. } = ClusterView::default().merged(&hostile, &all());
        let topic = view.topics.get("orders").unwrap();
        assert!(topic.partitions.len() <= 1);
    }

    #[test]
    fn numbers_below_zero_are_no_brokers_and_no_partitions() {
        let mut hostile = response(-1, 5);
        hostile.brokers[0].node = NodeId(-1);
        let Update { view, .. } = ClusterView::default().merged(&hostile, &all());
        assert_eq!(view.brokers.keys().collect::<Vec<_>>(), [&NodeId(2)]);
        assert_eq!(view.leader("orders", 0), None);
        hostile.topics[0].partitions[0].index = i32::MIN;
        let Update { view, .. } = ClusterView::default().merged(&hostile, &all());
        assert!(!view.topics.contains_key("orders") && view.is_lacking("orders"));
    }

    #[test]
    fn an_answer_that_says_nothing_new_changes_nothing() {
        let first = ClusterView::default().merged(&response(1, 5), &all());
        assert_eq!(first.changed, [Arc::from("orders")]);
        let second = first.view.merged(&response(1, 5), &all());
        assert!(second.changed.is_empty());
        assert_eq!(second.told.len(), 1);
    }

    #[test]
    fn a_refusal_stands_until_an_answer_about_that_topic() {
        let mut refusal = response(1, 5);
        refusal.topics[0].error = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        let Update { view, .. } = ClusterView::default().merged(&refusal, &all());
        let mut other = response(1, 5);
        other.topics[0].name = Some("others".to_owned());
        let Update { view, .. } = view.merged(&other, &all());
        assert!(view.refused.contains_key("orders"));
    }

    /// The answer of a broker that lags behind is told by its epoch, so one that says none, or leaves
    /// the partition out, must not make us forget it.
    #[test]
    fn an_epoch_that_one_answer_leaves_out_is_not_forgotten() {
        let Update { view, .. } = ClusterView::default().merged(&response(1, 5), &all());
        let Update { view, .. } = view.merged(&response(2, -1), &all());
        assert_eq!(
            view.leader("orders", 0),
            Some(NodeId(2)),
            "an answer without epochs counts"
        );
        let Update { view, .. } = view.merged(&response(1, 4), &all());
        assert_eq!(view.leader("orders", 0), Some(NodeId(2)));

        let mut two = response(1, 5);
        let mut second = two.topics[0].partitions[0].clone();
        second.index = 1;
        two.topics[0].partitions.push(second);
        let Update { view, .. } = ClusterView::default().merged(&two, &all());
        for left_out in [0, 1] {
            let mut less = two.clone();
            less.topics[0].partitions.remove(left_out);
            let Update { view, .. } = view.merged(&less, &all());
            let mut stale = two.clone();
            stale.topics[0].partitions[left_out].leader = NodeId(2);
            stale.topics[0].partitions[left_out].leader_epoch = 4;
            let Update { view, .. } = view.merged(&stale, &all());
            let index = i32::try_from(left_out).unwrap();
            assert_eq!(view.leader("orders", index), Some(NodeId(1)), "{left_out}");
        }
    }

    #[test]
    fn a_doubted_leader_gives_way_to_one_of_an_older_epoch() {
        let Update { mut view, .. } = ClusterView::default().merged(&response(1, 5), &all());
        assert!(view.follow("orders", 0, NodeId(2), 1_000));
        let Update { view, .. } = view.merged(&response(1, 5), &all());
        assert_eq!(view.leader("orders", 0), Some(NodeId(2)));
        let mut doubting = all();
        doubting.is_doubted = |_, _| true;
        let Update { view, .. } = view.merged(&response(1, 5), &doubting);
        assert_eq!(view.leader("orders", 0), Some(NodeId(1)));
    }
}

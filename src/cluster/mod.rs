//! The cluster as of the metadata that has come: who leads which partition, and where brokers can
//! be reached. Immutable, replaced whole; owns no socket, reads no clock.

mod missing;
mod refresh;

use crate::sorted_map::SortedMap;
use std::collections::BTreeMap;

pub(crate) use missing::refused_for_good;
pub(crate) use refresh::{Due, Refresh};

use crate::address::Address;
use crate::ids::{NodeId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{MetadataPartition, MetadataResponse, MetadataTopic};
use crate::sync::Arc;

/// Leaders and partitions as of one metadata response, together with what older ones said of
/// topics that this one does not mention.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClusterView {
    pub(crate) brokers: SortedMap<NodeId, Address>,
    /// The racks of those that have one.
    pub(crate) racks: SortedMap<NodeId, Arc<str>>,
    pub(crate) topics: BTreeMap<Arc<str>, TopicView>,
    /// Topics in use that the last response refused or did not know, with its reason.
    pub(crate) refused: BTreeMap<Arc<str>, ErrorCode>,
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

/// What a metadata response comes to.
#[derive(Debug, Default)]
pub(crate) struct Update {
    /// The view from now on.
    pub(crate) view: ClusterView,
    /// Whether something is missing that will come: a leader, a topic that is being created.
    pub(crate) is_incomplete: bool,
}

impl TopicView {
    /// The indexes of the partitions whose leader is one of those meant.
    pub(crate) fn led_by(&self, is_meant: &dyn Fn(NodeId) -> bool) -> Vec<i32> {
        let partitions = (0..).zip(&self.partitions);
        let led = partitions.filter(|(_, one)| one.leader.is_some_and(is_meant));
        led.map(|(index, _)| index).collect()
    }
}

impl ClusterView {
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

    /// The same topics, without leaders.
    pub(crate) fn without_brokers(&self) -> Self {
        let mut topics = self.topics.clone();
        for partition in topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            partition.leader = None;
        }
        Self {
            brokers: SortedMap::new(),
            racks: SortedMap::new(),
            topics,
            refused: self.refused.clone(),
        }
    }

    /// The topic that has this id.
    pub(crate) fn name_of(&self, id: TopicId) -> Option<Arc<str>> {
        let named = self
            .topics
            .iter()
            .find(|(_, topic)| id.is_known() && topic.id == id);
        named.map(|(name, _)| Arc::clone(name))
    }

    /// The next view: `response` laid over this one, without what it says of topics that were not
    /// asked for.
    ///
    /// A topic that the response refuses keeps what was known of it: a broker that lags behind must
    /// not fail records that its neighbour would take (KAFKA-6833). The refusal stands beside it.
    pub(crate) fn merged(
        &self,
        response: &MetadataResponse,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Update {
        let mut is_incomplete = false;
        let mut view = Self {
            brokers: brokers(response),
            racks: SortedMap::new(),
            topics: self.topics.clone(),
            refused: BTreeMap::new(),
        };
        view.racks = racks(response, &view.brokers);
        // What was known of a topic may name a broker that is gone.
        for partition in view
            .topics
            .values_mut()
            .flat_map(|topic| &mut topic.partitions)
        {
            let gone = |leader: &mut NodeId| !view.brokers.contains_key(leader);
            let _gone = partition.leader.take_if(gone);
        }
        for topic in &response.topics {
            let Some(name) = topic.name.as_deref().filter(|name| is_wanted(name)) else {
                continue;
            };
            let name: Arc<str> = match self.topics.get_key_value(name) {
                Some((known, _)) => Arc::clone(known),
                None => Arc::from(name),
            };
            let merged = view.topic(topic, self.topics.get(&name));
            if topic.error != ErrorCode::NONE || merged.partitions.is_empty() {
                is_incomplete |= topic.error.is_retriable() || topic.error == ErrorCode::NONE;
                view.refused.insert(name, topic.error);
                continue;
            }
            is_incomplete |= merged.partitions.iter().any(|one| one.leader.is_none());
            view.topics.insert(name, merged);
        }
        Update {
            view,
            is_incomplete,
        }
    }

    fn topic(&self, new: &MetadataTopic, known: Option<&TopicView>) -> TopicView {
        let is_same = known.is_some_and(|known| known.id == new.id || !new.id.is_known());
        let count = new
            .partitions
            .iter()
            .map(|one| one.index.saturating_add(1))
            .max();
        let count = usize::try_from(count.unwrap_or(0)).unwrap_or(0);
        // A broker that names partition two billion does not make us allocate as many.
        let count = count.min(new.partitions.len()).min(MAX_PARTITIONS);
        let leaderless = PartitionView {
            leader: None,
            leader_epoch: -1,
            replicas: Vec::new(),
            in_sync_replicas: Vec::new(),
        };
        let mut partitions = vec![leaderless; count];
        for described in &new.partitions {
            let Ok(index) = usize::try_from(described.index) else {
                continue;
            };
            let Some(partition) = partitions.get_mut(index) else {
                continue;
            };
            let old = known
                .filter(|_| is_same)
                .and_then(|known| known.partitions.get(index));
            *partition = self.partition(described, old);
        }
        TopicView {
            id: new.id,
            partitions,
        }
    }

    /// An answer from a broker that lags behind, recognised by its leader epoch, changes nothing
    /// (KIP-320): batches would go back to a leader that was one before. A topic that was deleted and
    /// made again has another id and begins with new epochs, so `old` is `None` then.
    fn partition(&self, new: &MetadataPartition, old: Option<&PartitionView>) -> PartitionView {
        if let Some(old) = old
            && new.leader_epoch >= 0
            && new.leader_epoch < old.leader_epoch
            && old
                .leader
                .is_none_or(|leader| self.brokers.contains_key(&leader))
        {
            return old.clone();
        }
        PartitionView {
            leader: Some(new.leader).filter(|leader| self.brokers.contains_key(leader)),
            leader_epoch: new.leader_epoch,
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
        let known_partition = self
            .topics
            .get_mut(topic)
            .zip(usize::try_from(partition).ok())
            .and_then(|(topic, index)| topic.partitions.get_mut(index));
        let newer = known_partition.filter(|one| known && leader_epoch > one.leader_epoch);
        let Some(partition) = newer else {
            return false;
        };
        partition.leader = Some(leader);
        partition.leader_epoch = leader_epoch;
        true
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

    fn all(_: &str) -> bool {
        true
    }

    #[test]
    fn a_topic_that_was_not_asked_for_takes_no_room() {
        let Update { view, .. } =
            ClusterView::default().merged(&response(1, 5), |name| name == "a");
        assert!(view.topics.is_empty() && view.refused.is_empty());
    }

    #[test]
    fn an_answer_from_a_broker_that_lags_behind_changes_nothing() {
        let Update { view, .. } = ClusterView::default().merged(&response(1, 5), all);
        let Update { view, .. } = view.merged(&response(2, 4), all);
        assert_eq!(view.leader("orders", 0), Some(NodeId(1)));
        let Update { view, .. } = view.merged(&response(2, 6), all);
        assert_eq!(view.leader("orders", 0), Some(NodeId(2)));
    }

    #[test]
    fn each_answer_says_anew_which_broker_is_in_which_rack() {
        let mut racks = response(1, 5);
        racks.brokers[1].rack = Some("b".to_owned());
        let Update { mut view, .. } = ClusterView::default().merged(&racks, all);
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
        assert_eq!(view.without_brokers().rack(NodeId(2)), None);
        let Update { view, .. } = view.merged(&response(1, 6), all);
        assert_eq!((view.rack(NodeId(2)), view.rack(NodeId(3))), (None, None));
    }

    #[test]
    fn a_refused_topic_keeps_what_was_known_of_it() {
        let Update { view, .. } = ClusterView::default().merged(&response(1, 5), all);
        let mut refusal = response(1, 5);
        refusal.topics[0].error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        refusal.topics[0].partitions.clear();
        let Update {
            view,
            is_incomplete,
        } = view.merged(&refusal, all);
        assert_eq!(view.leader("orders", 0), Some(NodeId(1)));
        assert_eq!(
            view.refused["orders"],
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        );
        assert!(is_incomplete);
    }

    #[test]
    fn the_name_of_a_refused_topic_is_known_until_the_topic_is() {
        let mut refusal = response(1, 5);
        refusal.topics[0].error = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        refusal.topics[0].partitions.clear();
        let Update { view, .. } = ClusterView::default().merged(&refusal, all);
        assert!(view.topics.is_empty());
        assert!(view.refused.contains_key("orders"));
        assert_eq!(view.without_brokers().refused, view.refused);
        let Update { view, .. } = view.merged(&response(1, 5), all);
        assert!(view.refused.is_empty());
    }

    #[test]
    fn a_leader_outside_the_list_of_brokers_is_none() {
        let Update {
            view,
            is_incomplete,
        } = ClusterView::default().merged(&response(9, 5), all);
        assert_eq!(view.leader("orders", 0), None);
        assert!(is_incomplete);
    }

    #[test]
    fn a_broker_that_is_gone_leads_no_topic_that_the_answer_leaves_out() {
        let Update { view, .. } = ClusterView::default().merged(&response(2, 5), all);
        let mut without = response(2, 5);
        without.topics.clear();
        without.brokers.pop();
        let Update { view, .. } = view.merged(&without, all);
        assert_eq!(view.leader("orders", 0), None);
        let Update { view, .. } = view.merged(&response(2, 5), all);
        assert_eq!(view.leader("orders", 0), Some(NodeId(2)));
    }

    #[test]
    fn a_hint_is_followed_only_if_it_is_newer() {
        let Update { mut view, .. } = ClusterView::default().merged(&response(1, 5), all);
        assert!(!view.follow("orders", 0, NodeId(2), 5));
        assert!(!view.follow("orders", 0, NodeId(9), 6));
        assert!(view.follow("orders", 0, NodeId(2), 6));
        assert_eq!(view.leader("orders", 0), Some(NodeId(2)));
    }

    #[test]
    fn a_partition_numbered_two_billion_allocates_nothing() {
        let mut hostile = response(1, 5);
        hostile.topics[0].partitions[0].index = 2_000_000_000;
        let Update { view, .. } = ClusterView::default().merged(&hostile, all);
        assert!(view.topics["orders"].partitions.len() <= 1);
    }

    #[test]
    fn numbers_below_zero_are_no_brokers_and_no_partitions() {
        let mut hostile = response(-1, 5);
        hostile.brokers[0].node = NodeId(-1);
        let Update { view, .. } = ClusterView::default().merged(&hostile, all);
        assert_eq!(view.brokers.keys().collect::<Vec<_>>(), [&NodeId(2)]);
        assert_eq!(view.leader("orders", 0), None);
        hostile.topics[0].partitions[0].index = i32::MIN;
        let Update {
            view,
            is_incomplete,
        } = ClusterView::default().merged(&hostile, all);
        assert!(view.topics.is_empty() && is_incomplete);
    }
}

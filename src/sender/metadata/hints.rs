//! Leaders that Produce answers have named (KIP-951), and whether they are to be believed. They save the
//! wait for metadata; but their epoch is newer than any that metadata has, so one that is wrong would
//! outlast every metadata answer if it could not be doubted. Pure.

use std::collections::BTreeSet;

use crate::address::Address;
use crate::cluster::ClusterView;
use crate::ids::NodeId;
use crate::protocol::messages::{CurrentLeader, MetadataResponse, NodeEndpoint};
use crate::sender::metadata::{Metadata, News};
use crate::sorted_map::SortedMap;
use crate::sync::Arc;

/// Which partition is led by whom, as the answer to a batch for it says.
#[derive(Debug)]
pub(in crate::sender) struct LeaderHint {
    pub(in crate::sender) topic: Arc<str>,
    pub(in crate::sender) partition: i32,
    pub(in crate::sender) leader: CurrentLeader,
}

/// The partitions whose leader is known from a hint and not from metadata.
#[derive(Debug, Default)]
pub(super) struct Hints(SortedMap<(Arc<str>, i32), Followed>);

/// A hint that was followed.
#[derive(Clone, Copy, Debug)]
struct Followed {
    leader: NodeId,
    leader_epoch: i32,
    /// Whether the leader turned out to be none: it says so itself, or it cannot be reached.
    is_doubted: bool,
}

impl Hints {
    pub(super) fn is_doubted(&self, topic: &str, partition: i32) -> bool {
        // Most often there is none, and no name to be copied for the search.
        !self.0.is_empty() && {
            let hint = self.0.get(&(Arc::from(topic), partition));
            hint.is_some_and(|hint| hint.is_doubted)
        }
    }

    /// Forgets those that metadata has confirmed or overtaken. A doubt ends with them: what metadata has
    /// said of an epoch must not give way to an answer that is older.
    pub(super) fn settle(&mut self, view: &ClusterView, response: &MetadataResponse) {
        if self.0.is_empty() {
            return;
        }
        for topic in &response.topics {
            let Some(name) = topic.name.as_deref().map(Arc::from) else {
                continue;
            };
            for told in &topic.partitions {
                let key = (Arc::clone(&name), told.index);
                let hint = self.0.get(&key);
                if hint.is_some_and(|hint| hint.leader_epoch <= told.leader_epoch) {
                    self.0.remove(&key);
                }
            }
        }
        self.0.retain(|(topic, partition), hint| {
            let topic = view.topics.get(topic);
            let index = usize::try_from(*partition).unwrap_or(usize::MAX);
            let partition = topic.and_then(|topic| topic.partitions.get(index));
            partition.is_some_and(|one| one.leader_epoch == hint.leader_epoch)
        });
    }
}

impl Metadata {
    /// The view that follows from the hints, if they are news.
    pub(in crate::sender) fn follow_hints(
        &mut self,
        hints: Vec<LeaderHint>,
        endpoints: &[NodeEndpoint],
    ) -> Option<News> {
        if hints.is_empty() {
            return None;
        }
        let mut view = (*self.view).clone();
        let mut touched = BTreeSet::new();
        for hint in hints {
            let CurrentLeader {
                leader,
                leader_epoch,
            } = hint.leader;
            let mut endpoints = endpoints.iter();
            let endpoint = endpoints.find(|end| end.node == leader && end.node.0 >= 0);
            let address = endpoint.and_then(|end| Address::advertised(&end.host, end.port));
            if let Some(address) = address {
                let rack = endpoint.and_then(|end| end.rack.as_deref());
                view.add_broker(leader, address, rack);
            }
            if view.follow(&hint.topic, hint.partition, leader, leader_epoch) {
                let followed = Followed {
                    leader,
                    leader_epoch,
                    is_doubted: false,
                };
                touched.insert(Arc::clone(&hint.topic));
                self.hints.0.insert((hint.topic, hint.partition), followed);
            }
        }
        (!touched.is_empty()).then(|| News {
            view,
            changed: touched.iter().cloned().collect(),
            touched,
        })
    }

    /// A broker says that it does not lead a partition. If a hint said that it does, the next metadata
    /// is believed instead, whatever epoch the hint had: an epoch far ahead of the true one would
    /// otherwise keep the partition from its leader for ever.
    pub(in crate::sender) fn doubt_leader(
        &mut self,
        topic: &Arc<str>,
        partition: i32,
        node: NodeId,
    ) {
        if self.hints.0.is_empty() {
            return;
        }
        let hint = self.hints.0.get_mut(&(Arc::clone(topic), partition));
        if let Some(hint) = hint.filter(|hint| hint.leader == node) {
            hint.is_doubted = true;
        }
    }

    /// The same of a broker that cannot be reached.
    pub(in crate::sender) fn doubt_broker(&mut self, node: NodeId) {
        let hints = self.hints.0.values_mut();
        for hint in hints.filter(|hint| hint.leader == node) {
            hint.is_doubted = true;
        }
    }
}

//! Which broker coordinates a transactional id or a group. In Kafka the leader of a partition of an
//! internal topic does; here each key gets a broker when it is first asked for, and another one when
//! that is gone. What it knows moves with it.

use std::collections::BTreeMap;

use crate::ids::NodeId;
use crate::sync::Arc;
use crate::testing::state::ClusterState;

/// The brokers of the keys that somebody has asked for.
#[derive(Debug, Default)]
pub(crate) struct Coordinators {
    by_key: BTreeMap<Key, NodeId>,
}

/// What is coordinated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::testing) enum Key {
    Group(Arc<str>),
    TransactionalId(Arc<str>),
}

impl Key {
    /// The same for the same key in every run, and different ones are spread over the brokers.
    fn hash(&self) -> usize {
        let (Self::Group(text) | Self::TransactionalId(text)) = self;
        let hash = |hash: usize, byte: u8| hash.wrapping_mul(31).wrapping_add(byte.into());
        text.bytes().fold(0, hash)
    }
}

impl ClusterState {
    /// The key's broker, chosen now if there is none; none if no broker runs.
    pub(in crate::testing) fn coordinator(&mut self, key: Key) -> Option<NodeId> {
        if let Some(node) = self.coordinators.by_key.get(&key) {
            return Some(*node);
        }
        let alive = self
            .nodes
            .iter()
            .filter(|node| node.running && !node.fenced);
        let alive: Vec<NodeId> = alive.map(|node| node.id).collect();
        let node = *alive.get(key.hash().checked_rem(alive.len())?)?;
        self.coordinators.by_key.insert(key, node);
        Some(node)
    }

    /// Whether `node` coordinates it, as far as somebody has asked.
    pub(in crate::testing) fn coordinates(&mut self, node: NodeId, key: Key) -> bool {
        self.coordinator(key) == Some(node)
    }

    pub(in crate::testing) fn set_coordinator(&mut self, key: Key, node: NodeId) {
        self.coordinators.by_key.insert(key, node);
    }

    /// The controller has noticed that a broker is gone: others coordinate what it did.
    pub(in crate::testing) fn depose_coordinator(&mut self, gone: NodeId) {
        let by_key = &mut self.coordinators.by_key;
        by_key.retain(|_, node| *node != gone);
    }
}

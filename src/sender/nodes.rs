//! The brokers as the sender sees them: reachable or not, busy or not, and which partitions have
//! something for them. Decides whom to ask for metadata. Owns no socket, reads no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::ids::{NodeId, RequestId};
use crate::sender::lines::Lines;

/// How long a connection attempt for metadata may take before another broker is tried beside it
/// (the pause that RFC 8305 proposes between addresses).
pub(super) const STAGGER: Duration = Duration::from_millis(250);

/// One broker, or one bootstrap address.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) address: Address,
    pub(super) link: Link,
    /// Losses in a row without a handshake that finished in between: for the pause before the next
    /// attempt, and to prefer other nodes.
    pub(super) failures: u32,
    /// Of these, attempts to connect that did not become ready. The loss of a connection that had
    /// been ready says nothing about how long it takes to connect, so the two counts are kept
    /// apart, as Kafka's `ClusterConnectionStates` does.
    pub(super) failed_setups: u32,
    /// Unanswered, in the order of sending.
    pub(super) requests: BTreeSet<RequestId>,
    /// Partitions with a batch for this broker. An entry counts only if the partition agrees that it
    /// stands here.
    pub(super) ready: Lines,
    pub(super) last_attempt: Option<Instant>,
    pub(super) last_used: Instant,
    /// The broker asked for a pause (KIP-219).
    pub(super) throttled_until: Option<Instant>,
    /// Since when it has had something to take and took nothing.
    pub(super) blocked_since: Option<Instant>,
    /// Whether that is longer ago than `partitioner.availability.timeout.ms`.
    pub(super) is_stuck: bool,
}

/// How a broker can be reached at the moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Link {
    Down,
    /// After a failure, until then.
    BackingOff(Instant),
    /// Since then.
    Connecting(Instant),
    Ready,
}

impl Node {
    fn new(now: Instant, address: Address) -> Self {
        Self {
            address,
            link: Link::Down,
            failures: 0,
            failed_setups: 0,
            requests: BTreeSet::new(),
            ready: Lines::default(),
            last_attempt: None,
            last_used: now,
            throttled_until: None,
            blocked_since: None,
            is_stuck: false,
        }
    }

    /// Whether it has taken nothing for as long as `partitioner.availability.timeout.ms` says.
    pub(super) fn is_stuck(&self, now: Instant, timeout: Option<Duration>) -> bool {
        let blocked = self.blocked_since.zip(timeout);
        blocked.is_some_and(|(since, timeout)| since + timeout <= now)
    }

    /// Whether a request may be handed to its connection now.
    pub(super) fn can_take(&self, now: Instant, max_in_flight: usize) -> bool {
        self.link == Link::Ready
            && self.requests.len() < max_in_flight
            && self.throttled_until.is_none_or(|until| until <= now)
    }
}

/// All brokers known, and the bootstrap addresses.
#[derive(Debug, Default)]
pub(super) struct Nodes(BTreeMap<NodeId, Node>);

/// Whom to ask for metadata.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Choice {
    Ask(NodeId),
    /// Nobody is connected: connect to this one.
    Connect(NodeId),
    /// A connection is being made, or every broker is backing off. Try somebody else at this time.
    Wait(Option<Instant>),
}

impl Nodes {
    /// Starts with the bootstrap addresses, whose ids count down from −1.
    pub(super) fn new(now: Instant, bootstrap: &[Address]) -> Self {
        let ids = (i32::MIN..0).rev().map(NodeId);
        Self(
            ids.zip(
                bootstrap
                    .iter()
                    .map(|address| Node::new(now, address.clone())),
            )
            .collect(),
        )
    }

    pub(super) fn find(&mut self, id: NodeId) -> Option<&mut Node> {
        self.0.get_mut(&id)
    }

    pub(super) fn is_stuck(&self, id: NodeId) -> bool {
        self.0.get(&id).is_some_and(|node| node.is_stuck)
    }

    pub(super) fn any_stuck(&self) -> bool {
        self.0.values().any(|node| node.is_stuck)
    }

    pub(super) fn ids(&self) -> Vec<NodeId> {
        self.0.keys().copied().collect()
    }

    /// The brokers that have something to take, or had and took nothing.
    pub(super) fn with_work(&self) -> Vec<NodeId> {
        self.0
            .iter()
            .filter(|(_, node)| !node.ready.is_empty() || node.blocked_since.is_some())
            .map(|(id, _)| *id)
            .collect()
    }

    /// Takes over the brokers of a metadata response. Returns those that are gone or have moved, to
    /// be disconnected.
    pub(super) fn update(
        &mut self,
        now: Instant,
        brokers: &BTreeMap<NodeId, Address>,
    ) -> Vec<NodeId> {
        let mut stale = Vec::new();
        for (id, node) in &mut self.0 {
            match brokers.get(id) {
                _ if id.0 < 0 => {}
                None => stale.push(*id),
                Some(address) if *address != node.address => {
                    node.address = address.clone();
                    stale.push(*id);
                }
                Some(_) => {}
            }
        }
        for (id, address) in brokers {
            self.0
                .entry(*id)
                .or_insert_with(|| Node::new(now, address.clone()));
        }
        stale
    }

    /// Forgets a broker that is no longer part of the cluster.
    pub(super) fn remove(&mut self, id: NodeId) {
        self.0.remove(&id);
    }

    /// The broker to ask for metadata: the least busy one that is connected, else the one to
    /// connect to. Brokers of the cluster come before bootstrap addresses as long as they do not
    /// fail; a bootstrap address is resolved again each time it is used.
    ///
    /// Without `use_bootstrap` a bootstrap address that is not connected is left alone
    /// (`metadata.recovery.strategy=none`).
    pub(super) fn for_metadata(
        &self,
        now: Instant,
        max_in_flight: usize,
        use_bootstrap: bool,
    ) -> Choice {
        let ready = self
            .0
            .iter()
            .filter(|(_, node)| node.can_take(now, max_in_flight));
        if let Some((id, _)) = ready.min_by_key(|(id, node)| (id.0 < 0, node.requests.len())) {
            return Choice::Ask(*id);
        }
        let latest = self.0.values().filter_map(|node| match node.link {
            Link::Connecting(since) => Some(since + STAGGER),
            _ => None,
        });
        let latest = latest.max();
        if let Some(latest) = latest.filter(|latest| *latest > now) {
            return Choice::Wait(Some(latest));
        }
        // A broker that is connected but has no room answers soon enough.
        if self
            .0
            .values()
            .any(|node| node.link == Link::Ready && !node.requests.is_empty())
        {
            return Choice::Wait(None);
        }
        let usable = |id: NodeId| use_bootstrap || id.0 >= 0;
        let down = self
            .0
            .iter()
            .filter(|(id, node)| node.link == Link::Down && usable(**id));
        match down.min_by_key(|(id, node)| (node.failures, id.0 < 0, node.last_attempt, -id.0)) {
            Some((id, _)) => Choice::Connect(*id),
            None => Choice::Wait(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an Instant has no other source")]
    fn now() -> Instant {
        Instant::now()
    }

    fn address(port: u16) -> Address {
        Address {
            host: "localhost".to_owned(),
            port,
        }
    }

    #[test]
    fn a_bootstrap_address_that_does_not_answer_delays_the_next_by_the_stagger_only() {
        let start = now();
        let mut nodes = Nodes::new(start, &[address(1), address(2)]);
        assert_eq!(
            nodes.for_metadata(start, 5, true),
            Choice::Connect(NodeId(-1))
        );
        nodes.find(NodeId(-1)).unwrap().link = Link::Connecting(start);
        assert_eq!(
            nodes.for_metadata(start, 5, true),
            Choice::Wait(Some(start + STAGGER))
        );
        assert_eq!(
            nodes.for_metadata(start + STAGGER, 5, true),
            Choice::Connect(NodeId(-2))
        );
    }

    #[test]
    fn a_broker_of_the_cluster_comes_before_a_bootstrap_address_unless_it_fails() {
        let start = now();
        let mut nodes = Nodes::new(start, &[address(1)]);
        assert!(
            nodes
                .update(start, &BTreeMap::from([(NodeId(7), address(7))]))
                .is_empty()
        );
        assert_eq!(
            nodes.for_metadata(start, 5, true),
            Choice::Connect(NodeId(7))
        );
        nodes.find(NodeId(7)).unwrap().failures = 1;
        assert_eq!(
            nodes.for_metadata(start, 5, false),
            Choice::Connect(NodeId(7))
        );
        assert_eq!(
            nodes.for_metadata(start, 5, true),
            Choice::Connect(NodeId(-1))
        );
        nodes.find(NodeId(-1)).unwrap().link = Link::Ready;
        nodes.find(NodeId(7)).unwrap().link = Link::Ready;
        assert_eq!(nodes.for_metadata(start, 5, true), Choice::Ask(NodeId(7)));
    }

    #[test]
    fn a_broker_that_moved_or_left_is_told() {
        let start = now();
        let mut nodes = Nodes::new(start, &[address(1)]);
        let both = BTreeMap::from([(NodeId(7), address(7)), (NodeId(8), address(8))]);
        nodes.update(start, &both);
        let moved = BTreeMap::from([(NodeId(7), address(70))]);
        assert_eq!(nodes.update(start, &moved), [NodeId(7), NodeId(8)]);
    }
}

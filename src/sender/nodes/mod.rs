//! The brokers as the sender sees them: reachable or not, busy or not, and which partitions have
//! something for them. Decides whom to ask what any broker knows. Owns no socket, reads no clock.
//!
//! Everything here is found by a broker's id. A coordinator is an ordinary broker that a request has to
//! go to; [`pin`](Nodes::pin) keeps its node although metadata may not name it yet.

mod node;
mod ready_queues;

use crate::sorted_map::SortedMap;
use std::time::{Duration, Instant};

pub(super) use node::Node;
pub(super) use ready_queues::RequestKind;

use crate::accumulator::PartitionId;
use crate::address::{Address, Destination};
use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind};
use crate::ids::NodeId;
use crate::sender::complaint::{Complaint, Times};
use crate::sender::event::{Output, Report};
use crate::sender::step::Agenda;
use crate::sender::timers::Timer;
use crate::sender::{SHORTEST, Settings};

/// How long a connection attempt for metadata may take before another broker is tried beside it
/// (the pause that RFC 8305 proposes between addresses).
const STAGGER: Duration = Duration::from_millis(250);

/// How long a broker that has no room for a request may answer nothing before another one is connected
/// to for it.
const BUSY: Duration = Duration::from_secs(1);

/// All brokers known, and the bootstrap addresses, whose ids count down from −1.
#[derive(Debug)]
pub(super) struct Nodes {
    by_id: SortedMap<NodeId, Node>,
    max_in_flight: usize,
    max_idle: Option<Duration>,
    availability_timeout: Option<Duration>,
    reconnect_backoff: Backoff,
    /// Not a pause, but how long an attempt may take: it doubles in the same way (KIP-601).
    setup_timeout: Backoff,
    /// That no broker can be reached.
    complaint: Complaint,
    /// Coordinators: kept although metadata may not name them yet.
    pinned: SortedMap<NodeId, Address>,
}

/// Whom to ask what any broker knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Choice {
    Ask(NodeId),
    /// None is connected: connect to this one.
    Connect(NodeId),
    /// A connection is being made, or every broker is backing off. Try another one at this time.
    Wait(Option<Instant>),
}

impl Nodes {
    pub(super) fn new(now: Instant, settings: &Settings) -> Self {
        let ids = (i32::MIN..0).rev().map(NodeId);
        let bootstrap = settings.bootstrap.iter().cloned();
        Self {
            by_id: ids
                .zip(bootstrap.map(|address| Node::new(now, address)))
                .collect(),
            max_in_flight: settings.max_in_flight,
            max_idle: settings.connections_max_idle,
            availability_timeout: settings.availability_timeout,
            reconnect_backoff: settings.reconnect_backoff,
            setup_timeout: Backoff {
                max: settings
                    .setup_timeout
                    .max
                    .max(settings.setup_timeout.initial),
                ..settings.setup_timeout
            },
            complaint: Complaint::default(),
            pinned: SortedMap::new(),
        }
    }

    pub(super) fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn contains(&self, id: NodeId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Why a broker cannot be reached.
    pub(super) fn error_of(&self, id: NodeId) -> Option<&Error> {
        self.by_id.get(&id)?.error()
    }

    /// Why no broker answers: none [can be asked](Self::unreachable), or those that can ask for a pause.
    pub(super) fn why_silent(&self, now: Instant) -> Option<Error> {
        let mut ready = self.by_id.iter().filter(|(_, node)| node.can_be_asked());
        let throttling = ready.next().and_then(|(id, _)| self.throttling(now, *id));
        let are_all = ready.all(|(id, _)| self.throttling(now, *id).is_some());
        let throttled = throttling.filter(|_| are_all);
        let throttled = throttled.map(|text| Error::new(ErrorKind::TimedOut, text));
        throttled.or_else(|| self.unreachable().cloned())
    }

    /// That a broker has asked for a pause which is not over, in words; `None` if that is not so.
    pub(super) fn throttling(&self, now: Instant, id: NodeId) -> Option<String> {
        let until = self.by_id.get(&id)?.throttled_until()?;
        let left = until.checked_duration_since(now)?.as_millis();
        let name = self.name(id);
        Some(format!(
            "{name} throttles this client (quota) for another {left} ms"
        ))
    }

    /// What a person would call a node.
    pub(super) fn name(&self, id: NodeId) -> String {
        match self.by_id.get(&id).filter(|_| id.0 < 0) {
            Some(node) => format!("bootstrap server {}", node.address()),
            None => format!("broker {id}"),
        }
    }

    /// Why no broker can be asked: one of the cluster rather than a bootstrap address. `None` while one
    /// can, or if none has failed.
    pub(super) fn unreachable(&self) -> Option<&Error> {
        if self.by_id.values().any(Node::can_be_asked) {
            return None;
        }
        self.by_id.values().rev().find_map(Node::error)
    }

    /// Whether none is connected, and the last attempt to reach each of them has failed. Bootstrap
    /// addresses count if they are used.
    pub(super) fn are_all_lost(&self, use_bootstrap: bool) -> bool {
        let mut usable = self
            .by_id
            .iter()
            .filter(|(id, _)| use_bootstrap || id.0 >= 0);
        usable.all(|(_, node)| !node.is_ready() && node.error().is_some())
    }

    /// Takes over the brokers of a metadata response. Returns those that are gone or have moved, to
    /// be disconnected.
    pub(super) fn update(
        &mut self,
        now: Instant,
        brokers: &SortedMap<NodeId, Address>,
    ) -> Vec<NodeId> {
        let mut stale = Vec::new();
        for (id, node) in self.by_id.iter_mut().filter(|(id, _)| id.0 >= 0) {
            let address = brokers.get(id).or_else(|| self.pinned.get(id));
            if address.is_none_or(|address| node.move_to(address)) {
                stale.push(*id);
            }
        }
        for (id, address) in brokers.iter() {
            self.by_id
                .get_or_insert_with(*id, || Node::new(now, address.clone()));
        }
        stale
    }

    /// A request has to go to this broker, be it in metadata or not.
    pub(super) fn pin(&mut self, now: Instant, id: NodeId, address: Address) {
        self.by_id
            .get_or_insert_with(id, || Node::new(now, address.clone()));
        self.pinned.insert(id, address);
    }

    /// Whether this broker can be asked now, or is to be connected to first.
    pub(super) fn choose(&self, now: Instant, id: NodeId) -> Choice {
        match self.by_id.get(&id) {
            Some(node) if node.can_take(now, self.max_in_flight) => Choice::Ask(id),
            Some(node) if node.is_down() => Choice::Connect(id),
            _ => Choice::Wait(None),
        }
    }

    /// Forgets a broker that is no longer part of the cluster.
    pub(super) fn remove(&mut self, id: NodeId) {
        self.by_id.remove(&id);
    }

    /// The broker to ask for metadata, or for a producer id: the least busy one that is connected,
    /// else the one to connect to. Brokers of the cluster come before bootstrap addresses as long as
    /// they do not fail; a bootstrap address is resolved again each time it is used.
    ///
    /// With `members_only`, none that may belong to another cluster is asked: the producer id that it
    /// gives would be somebody else's in ours.
    ///
    /// Without `use_bootstrap` a bootstrap address that is not connected is left alone
    /// (`metadata.recovery.strategy=none`).
    pub(super) fn choose_any(
        &self,
        now: Instant,
        use_bootstrap: bool,
        members_only: bool,
    ) -> Choice {
        let nodes = || self.by_id.iter();
        let ready = nodes().filter(|(_, node)| {
            node.can_take(now, self.max_in_flight)
                && !node.is_slow()
                && (node.is_member() || !members_only)
        });
        let order = |(id, node): &(&NodeId, &Node)| (id.0 < 0, !node.is_member(), node.requests());
        if let Some((id, _)) = ready.min_by_key(order) {
            return Choice::Ask(*id);
        }
        let latest = nodes()
            .filter_map(|(_, node)| node.connecting_since())
            .max();
        let latest = latest.map(|since| since + STAGGER);
        if let Some(latest) = latest.filter(|latest| *latest > now) {
            return Choice::Wait(Some(latest));
        }
        // A broker that is connected but has no room answers soon enough, unless it hangs or throttles.
        let busy = nodes().filter(|(_, node)| node.is_ready() && node.requests() > 0);
        let prompt = busy.filter(|(_, node)| !node.is_slow() && node.throttled_until().is_none());
        let until = prompt.map(|(_, node)| node.last_used() + BUSY).max();
        if let Some(until) = until.filter(|until| *until > now) {
            return Choice::Wait(Some(until));
        }
        let usable = |id: NodeId| use_bootstrap || id.0 >= 0;
        let down = nodes().filter(|(id, node)| node.is_down() && usable(**id));
        // However often one has failed, it is among them: brokers that were known once come back
        // (librdkafka #5088).
        match down.min_by_key(|(id, node)| (node.failures(), id.0 < 0, node.last_attempt(), -id.0))
        {
            Some((id, _)) => Choice::Connect(*id),
            None => Choice::Wait(None),
        }
    }
}

/// Connections.
impl Nodes {
    /// The driver makes a connection. Each attempt that fails doubles the time of the next (KIP-601).
    pub(super) fn connect(
        &mut self,
        now: Instant,
        id: NodeId,
        destination: Option<Destination>,
        agenda: &mut Agenda,
    ) {
        let Some(node) = self.by_id.get_mut(&id) else {
            return;
        };
        let failures = node.failed_setups();
        agenda.push(Output::Connect {
            node: id,
            address: node.connect(now),
            setup_timeout: self.setup_timeout.doubled(failures),
            // A host may have an address that never answers. Always beginning with the same one would
            // spend every attempt's time on it.
            first_address: failures,
            destination,
        });
    }

    /// A connection is ready; returns whether it was wanted.
    pub(super) fn handle_ready(&mut self, now: Instant, id: NodeId, agenda: &mut Agenda) -> bool {
        let node = self.get_mut(id);
        let is_wanted = node.is_some_and(|node| node.handle_ready(now, id.0 >= 0));
        if is_wanted {
            // There is a broker to ask: no other has to be tried beside it.
            agenda.cancel_all(Timer::Stagger);
            if let Some(idle) = self.max_idle {
                agenda.set(now + idle, Timer::Idle(id));
            }
        }
        is_wanted
    }

    /// A connection was lost or could not be made: no other attempt before a pause.
    pub(super) fn handle_lost(
        &mut self,
        now: Instant,
        id: NodeId,
        error: &Error,
        agenda: &mut Agenda,
    ) {
        if let Some(node) = self.by_id.get_mut(&id) {
            let until = now + agenda.pause(self.reconnect_backoff, node.failures());
            node.handle_lost(until, error.clone());
            agenda.set(until, Timer::Node(id));
        }
    }

    /// The driver has lost a connection, or could not make it; returns whether it was wanted.
    pub(super) fn handle_disconnected(&mut self, id: NodeId) -> bool {
        self.get_mut(id).is_some_and(Node::handle_disconnected)
    }

    /// All that are connected or being connected to.
    pub(super) fn connected(&self) -> Vec<NodeId> {
        let linked = |node: &Node| node.is_ready() || node.connecting_since().is_some();
        let nodes = self.by_id.iter();
        nodes
            .filter(|(_, node)| linked(node))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Whether a broker of the cluster is connected.
    pub(super) fn any_member(&self) -> bool {
        let mut nodes = self.by_id.iter();
        nodes.any(|(id, node)| id.0 >= 0 && node.is_ready())
    }

    /// Bootstrap addresses that are connected and have nothing to answer.
    pub(super) fn quiet_bootstrap(&self) -> Vec<NodeId> {
        let bootstrap = self.by_id.iter().take_while(|(id, _)| id.0 < 0);
        let quiet = bootstrap.filter(|(_, node)| node.is_ready() && node.requests() == 0);
        quiet.map(|(id, _)| *id).collect()
    }

    /// A broker has answered, and asks a client over its quota for a pause.
    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        id: NodeId,
        pause: Duration,
        agenda: &mut Agenda,
    ) {
        if let Some(node) = self.by_id.get_mut(&id) {
            node.set_slow(false);
        }
        self.throttle(now, id, pause, agenda);
    }

    /// A broker has not answered with metadata for long: others are asked before it.
    pub(super) fn set_slow(&mut self, id: NodeId) {
        if let Some(node) = self.by_id.get_mut(&id) {
            node.set_slow(true);
        }
    }

    /// A client over its quota is asked for a pause.
    fn throttle(&mut self, now: Instant, id: NodeId, pause: Duration, agenda: &mut Agenda) {
        if pause > Duration::ZERO
            && let Some(node) = self.get_mut(id)
        {
            if node.throttle(now + pause) {
                let throttled = Report::Throttled(id, pause);
                agenda.push(Output::Report(throttled));
            }
            agenda.set(now + pause, Timer::Node(id));
        }
    }

    /// Whether a connection has been idle for `connections.max.idle.ms` and is not wanted either; else
    /// looks again when it may be.
    pub(super) fn poll_idle(
        &mut self,
        now: Instant,
        id: NodeId,
        is_wanted: bool,
        agenda: &mut Agenda,
    ) -> bool {
        let node = self.by_id.get(&id).filter(|node| node.is_ready());
        let Some((node, idle)) = node.zip(self.max_idle) else {
            return false;
        };
        let until = node.last_used() + idle;
        // What is due now is sent later in this turn.
        let is_used = node.requests() > 0 || node.has_ready();
        let is_idle = until <= now && !is_used && !is_wanted;
        if !is_idle {
            let again = now + (idle / 2).max(SHORTEST);
            agenda.set(until.max(again), Timer::Idle(id));
        }
        is_idle
    }
}

/// What is said of them in the log.
impl Nodes {
    /// A connection was lost or could not be made. Returns whether that is worth a line.
    pub(super) fn complain(&mut self, now: Instant, id: NodeId, error: &Error) -> Option<Times> {
        let node = self.by_id.get_mut(&id)?;
        node.complaint().raise(now, &error.to_string())
    }

    /// The same for all: if none is connected, and each that may be asked has been tried.
    pub(super) fn complain_of_all(&mut self, now: Instant, use_bootstrap: bool) -> Option<Times> {
        let usable = |id: &NodeId| use_bootstrap || id.0 >= 0;
        let mut nodes = self.by_id.iter().filter(|(id, _)| usable(id));
        let is_lost = nodes.all(|(_, node)| !node.is_ready() && node.failures() > 0);
        is_lost.then(|| self.complaint.raise(now, "no broker"))?
    }

    /// A connection is ready. Returns what that is worth to be said.
    pub(super) fn praise(&mut self, id: NodeId) -> impl Iterator<Item = String> {
        let name = self.name(id);
        let node = self.by_id.get_mut(&id);
        let is_back = node.is_some_and(|node| node.complaint().end());
        let back = is_back.then(|| format!("{name} is connected again"));
        let all = self
            .complaint
            .end()
            .then(|| "brokers can be reached again".to_owned());
        back.into_iter().chain(all)
    }
}

/// What brokers have to take. After `partitioner.availability.timeout.ms` the built-in choice leaves
/// out the partitions of those that take nothing (KIP-794).
impl Nodes {
    /// The brokers that have something to take, or had and took nothing.
    pub(super) fn with_work(&self) -> Vec<NodeId> {
        let has_work = |node: &Node| node.has_ready() || node.blocked_since().is_some();
        let nodes = self.by_id.iter();
        nodes
            .filter(|(_, node)| has_work(node))
            .map(|(id, _)| *id)
            .collect()
    }

    /// A partition has a batch for a broker.
    pub(super) fn enqueue(
        &mut self,
        now: Instant,
        id: NodeId,
        kind: RequestKind,
        partition: PartitionId,
        agenda: &mut Agenda,
    ) {
        let Some(node) = self.by_id.get_mut(&id) else {
            return;
        };
        node.ready_queues().push(kind, partition);
        if let Some(timeout) = self.availability_timeout
            && node.block(now)
        {
            agenda.set(now + timeout, Timer::Availability(id));
        }
    }

    /// The kind of request that is next for a broker, if it can take one and there is any but the
    /// `postponed` ones.
    pub(super) fn next_kind(
        &mut self,
        now: Instant,
        id: NodeId,
        postponed: &[RequestKind],
    ) -> Option<RequestKind> {
        let node = self.by_id.get_mut(&id)?;
        node.can_take(now, self.max_in_flight)
            .then(|| node.ready_queues().take_turn(postponed))?
    }

    /// The broker was given a request, or nothing waits for it. Returns whether it had been stuck.
    pub(super) fn handle_taken(&mut self, id: NodeId, agenda: &mut Agenda) -> bool {
        let Some(node) = self.by_id.get_mut(&id) else {
            return false;
        };
        let (since, was_stuck) = node.unblock();
        if let Some((since, timeout)) = since.zip(self.availability_timeout) {
            agenda.cancel(since + timeout, Timer::Availability(id));
        }
        was_stuck
    }

    /// Whether nothing waits for the broker and it can be tried again: it can take a request now, or must
    /// be connected to first.
    pub(super) fn has_chance(&self, now: Instant, id: NodeId) -> bool {
        let node = self.by_id.get(&id).filter(|node| !node.has_ready());
        node.is_some_and(|node| node.is_down() || node.can_take(now, self.max_in_flight))
    }

    /// A broker may have taken nothing for too long; returns whether it has.
    pub(super) fn handle_availability_timeout(&mut self, now: Instant, id: NodeId) -> bool {
        if let Some(node) = self.by_id.get_mut(&id)
            && let Some((since, timeout)) = node.blocked_since().zip(self.availability_timeout)
            && since + timeout <= now
        {
            node.set_stuck();
            return true;
        }
        false
    }

    pub(super) fn is_stuck(&self, id: NodeId) -> bool {
        self.by_id.get(&id).is_some_and(Node::is_stuck)
    }

    pub(super) fn any_stuck(&self) -> bool {
        self.by_id.values().any(Node::is_stuck)
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;

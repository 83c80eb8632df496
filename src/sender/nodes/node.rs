//! One broker, or one bootstrap address: whether it can be reached, what it has been sent, and which
//! partitions have something for it. Pure.
//!
//! ```text
//!            connect                     handshake done
//!   Down ─────────────> Connecting ──────────────────────> Ready
//!    ^ ^                     │                               │ │
//!    │ │ pause over          v       lost                    │ │ not needed
//!    │ └──────────────── BackingOff <────────────────────────┘ │ any more
//!    └─────────────────────────────────────────────────────────┘
//! ```

use std::collections::BTreeSet;
use std::time::Instant;

use crate::address::Address;
use crate::error::Error;
use crate::ids::RequestId;
use crate::sender::complaint::Complaint;
use crate::sender::nodes::ready_queues::ReadyQueues;

/// See the [module](self).
#[derive(Debug)]
pub(in crate::sender) struct Node {
    address: Address,
    link: Link,
    /// Losses in a row without a handshake that finished in between: for the pause before the next
    /// attempt, and to prefer other nodes.
    failures: u32,
    /// Of these, attempts to connect that did not become ready. The loss of a connection that had
    /// been ready says nothing about how long it takes to connect, so the two counts are kept
    /// apart, as Kafka's `ClusterConnectionStates` does.
    failed_setups: u32,
    /// Why it could not be reached or asked the last time; `None` once it could.
    error: Option<Error>,
    /// Unanswered, in the order of sending.
    requests: BTreeSet<RequestId>,
    /// Partitions with a batch for this broker. An entry counts only if the partition agrees that it
    /// is queued here.
    ready: ReadyQueues,
    last_attempt: Option<Instant>,
    last_used: Instant,
    /// The broker asked for a pause (KIP-219).
    throttled_until: Option<Instant>,
    /// Whether who answers on its connection is known to belong to the cluster.
    is_member: bool,
    /// Since when it has had something to take and took nothing.
    blocked_since: Option<Instant>,
    /// Whether that is longer ago than `partitioner.availability.timeout.ms`.
    is_stuck: bool,
    /// Whether it owes an answer to a metadata request for so long that others are asked.
    is_slow: bool,
    /// That it cannot be reached.
    complaint: Complaint,
}

/// How a broker can be reached at the moment.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Link {
    Down,
    /// After a failure, until then.
    BackingOff(Instant),
    /// Since then.
    Connecting(Instant),
    Ready,
}

impl Node {
    pub(super) fn new(now: Instant, address: Address) -> Self {
        Self {
            address,
            link: Link::Down,
            failures: 0,
            failed_setups: 0,
            error: None,
            requests: BTreeSet::new(),
            ready: ReadyQueues::default(),
            last_attempt: None,
            last_used: now,
            throttled_until: None,
            is_member: false,
            blocked_since: None,
            is_stuck: false,
            is_slow: false,
            complaint: Complaint::default(),
        }
    }

    /// A connection is being made from now on; returns to where.
    pub(super) fn connect(&mut self, now: Instant) -> Address {
        self.link = Link::Connecting(now);
        self.last_attempt = Some(now);
        self.address.clone()
    }

    /// The connection has finished its handshake, which for a broker of the cluster has shown that it
    /// `is_member`. Returns false if there is none any more: one that was given up may have become
    /// ready in the same moment.
    pub(super) fn handle_ready(&mut self, now: Instant, is_member: bool) -> bool {
        if self.connecting_since().is_none() {
            return false;
        }
        self.link = Link::Ready;
        self.is_member = is_member;
        self.failures = 0;
        self.failed_setups = 0;
        self.error = None;
        self.last_used = now;
        true
    }

    /// The connection, or the attempt to make one, has failed: no other before `until`.
    pub(super) fn handle_lost(&mut self, until: Instant, error: Error) {
        self.failures = self.failures.saturating_add(1);
        self.link = Link::BackingOff(until);
        self.throttled_until = None;
        self.is_slow = false;
        self.error = Some(error);
    }

    /// The connection was ended, and nothing was wrong with it. To forget that would leave batches
    /// queued for a connection that is no more (librdkafka #2033).
    pub(in crate::sender) fn hang_up(&mut self) {
        self.link = Link::Down;
        self.is_slow = false;
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn complaint(&mut self) -> &mut Complaint {
        &mut self.complaint
    }

    pub(super) fn is_slow(&self) -> bool {
        self.is_slow
    }

    pub(super) fn set_slow(&mut self, is_slow: bool) {
        self.is_slow = is_slow;
    }

    /// The address that metadata names; returns whether that is another one than before.
    pub(super) fn move_to(&mut self, address: &Address) -> bool {
        let has_moved = self.address != *address;
        if has_moved {
            self.address = address.clone();
        }
        has_moved
    }

    /// A pause may be over: of its backoff, or of its throttling.
    pub(in crate::sender) fn handle_pause_over(&mut self, now: Instant) {
        if matches!(self.link, Link::BackingOff(until) if until <= now) {
            self.link = Link::Down;
        }
        let _over = self.throttled_until.take_if(|until| *until <= now);
    }

    /// The broker asks for a pause until then; a longer one that it has asked for before is not
    /// shortened (KIP-219). Returns whether there was none.
    pub(super) fn throttle(&mut self, until: Instant) -> bool {
        let is_new = self.throttled_until.is_none();
        self.throttled_until = self.throttled_until.max(Some(until));
        is_new
    }

    /// Until when the broker has asked for a pause; `None` if that is over.
    pub(super) fn throttled_until(&self) -> Option<Instant> {
        self.throttled_until
    }

    /// Whether a request may be handed to its connection now.
    pub(super) fn can_take(&self, now: Instant, max_in_flight: usize) -> bool {
        self.link == Link::Ready
            && self.requests.len() < max_in_flight
            && self.throttled_until.is_none_or(|until| until <= now)
    }

    pub(in crate::sender) fn is_ready(&self) -> bool {
        self.link == Link::Ready
    }

    /// What is known of the cluster comes from its connection.
    pub(in crate::sender) fn set_member(&mut self) {
        self.is_member = true;
    }

    pub(super) fn is_member(&self) -> bool {
        self.is_member
    }

    /// Whether it is connected, and speaks what is needed to ask it.
    pub(super) fn can_be_asked(&self) -> bool {
        self.is_ready() && self.error.is_none()
    }

    pub(in crate::sender) fn is_down(&self) -> bool {
        self.link == Link::Down
    }

    /// The driver has lost the connection, or could not make it. Returns false if there is none any
    /// more: one that was given up may have been lost in the same moment.
    pub(super) fn handle_disconnected(&mut self) -> bool {
        let is_connecting = self.connecting_since().is_some();
        if is_connecting {
            self.failed_setups = self.failed_setups.saturating_add(1);
        }
        is_connecting || self.is_ready()
    }

    /// How many attempts to connect have failed since one succeeded.
    pub(super) fn failed_setups(&self) -> u32 {
        self.failed_setups
    }

    pub(super) fn connecting_since(&self) -> Option<Instant> {
        match self.link {
            Link::Connecting(since) => Some(since),
            Link::Down | Link::BackingOff(_) | Link::Ready => None,
        }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn last_attempt(&self) -> Option<Instant> {
        self.last_attempt
    }

    pub(super) fn last_used(&self) -> Instant {
        self.last_used
    }

    pub(super) fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// It can be reached, but not asked: for callers who wait, it might as well be unreachable.
    pub(in crate::sender) fn set_error(&mut self, error: Error) {
        self.error = Some(error);
    }
}

/// Requests on its connection.
impl Node {
    pub(in crate::sender) fn add_request(&mut self, now: Instant, id: RequestId) {
        self.requests.insert(id);
        self.last_used = now;
    }

    /// A request has ended, in whatever way.
    pub(in crate::sender) fn end_request(&mut self, now: Instant, id: RequestId) {
        self.requests.remove(&id);
        self.last_used = now;
    }

    /// Takes all of them: with the connection that is gone, none gets an answer.
    pub(in crate::sender) fn take_requests(&mut self) -> BTreeSet<RequestId> {
        std::mem::take(&mut self.requests)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.len()
    }
}

/// What it has to take, and whether it takes it.
impl Node {
    pub(in crate::sender) fn ready_queues(&mut self) -> &mut ReadyQueues {
        &mut self.ready
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Work waits for it. Returns whether the clock of its being blocked starts now.
    pub(super) fn block(&mut self, now: Instant) -> bool {
        let is_new = self.blocked_since.is_none();
        self.blocked_since.get_or_insert(now);
        is_new
    }

    pub(super) fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since
    }

    /// It has taken nothing for as long as `partitioner.availability.timeout.ms`.
    pub(super) fn set_stuck(&mut self) {
        self.is_stuck = true;
    }

    /// It has taken something, or there is nothing to take. Returns since when it had not, and whether
    /// that was for too long.
    pub(super) fn unblock(&mut self) -> (Option<Instant>, bool) {
        let was_stuck = std::mem::take(&mut self.is_stuck);
        (self.blocked_since.take(), was_stuck)
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.is_stuck
    }
}

//! What has to happen when, as data. Reads no clock.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::accumulator::{BatchId, PartitionId};
use crate::ids::{NodeId, RequestId};
use crate::sender::event::CommandId;

/// Something that is due at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A partition's oldest batch has lingered, or its retry has backed off, long enough.
    Partition(PartitionId),
    /// A batch reaches `delivery.timeout.ms`.
    Delivery(PartitionId, BatchId),
    /// A broker may be connected to again, or asked again after throttling.
    Node(NodeId),
    /// A broker has had work waiting for `partitioner.availability.timeout.ms`.
    Availability(NodeId),
    /// A broker's connection may have been idle for `connections.max.idle.ms`.
    Idle(NodeId),
    /// A connection attempt for metadata takes so long that another broker is tried beside it.
    Stagger,
    /// A producer id may be asked for again.
    Identity,
    /// A transaction's coordinator may be asked again.
    Transaction,
    /// The answer to a metadata request takes so long that another broker is asked beside.
    Slow(RequestId),
    /// No broker has answered with metadata for `metadata.recovery.rebootstrap.trigger.ms`.
    Rebootstrap,
    /// No bootstrap server's name has led to an address for `bootstrap.resolve.timeout.ms`.
    Resolve,
    /// A caller has waited for a topic for as long as it may.
    Topic(CommandId),
    /// The time for closing is over.
    Close,
}

/// The timers that are set, in order of time.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Instant, Timer)>);

impl Timers {
    pub(super) fn set(&mut self, at: Instant, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(super) fn cancel(&mut self, at: Instant, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    /// Cancels a timer whatever it is set to. Looks at all of them.
    pub(super) fn cancel_all(&mut self, timer: Timer) {
        self.0.retain(|(_, other)| *other != timer);
    }

    /// The next one that is due at `now`, which is no longer set afterwards.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Timer> {
        self.0.first().filter(|(at, _)| *at <= now)?;
        self.0.pop_first().map(|(_, timer)| timer)
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }
}

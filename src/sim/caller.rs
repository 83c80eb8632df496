//! A thread of the application. One that would block is parked until it is answered or its time is
//! up, so that blocking calls are part of the simulation. What callers do stands in `world/workload`.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::accumulator::{BatchId, QueuedCaller};
use crate::sender::{CommandId, PurgeId, PurgeOrder};
use crate::sim::dice::Dice;
use crate::sim::options::TOPIC;
use crate::sim::record::RecordId;
use crate::sync::Arc;

/// A thread of the application.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) state: State,
    /// How many records it still sends.
    pub(super) left: u32,
    pub(super) kind: Kind,
}

/// What a caller is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Sends what the dice say.
    Sender,
    /// Sends one record to each partition and flushes.
    Probe { next: i32 },
    /// Ends transactions.
    Ender,
    /// Closes the producer.
    Closer,
}

/// What a caller is doing.
#[derive(Debug)]
pub(super) enum State {
    Running,
    AwaitingTopic(CommandId, Instant),
    AwaitingMemory {
        record: RecordId,
        place: QueuedCaller,
        /// How many had to wait before it.
        turn: u64,
        deadline: Instant,
    },
    /// What had no outcome when it began, and when the last of it has one.
    Flushing(CommandId, BTreeSet<RecordId>, Instant),
    /// The same, and when it began: it waits for nothing.
    Purging(PurgeId, BTreeSet<RecordId>, Instant),
    Closing(CommandId, Instant),
    /// The end of a transaction, by a commit or an abort; `None`: the producer's id.
    Ending(CommandId, Option<bool>),
    Done,
}

impl Caller {
    pub(super) fn sender(records: u32) -> Self {
        Self::new(Kind::Sender, records)
    }

    pub(super) fn probe() -> Self {
        Self::new(Kind::Probe { next: 0 }, 1)
    }

    pub(super) fn closer() -> Self {
        Self::new(Kind::Closer, 0)
    }

    pub(super) fn awaits_memory(&self) -> bool {
        matches!(self.state, State::AwaitingMemory { .. })
    }

    /// Whether the memory that it waits for is its own by now.
    pub(super) fn is_given_memory(&self) -> bool {
        matches!(&self.state, State::AwaitingMemory { place, .. } if place.is_answered())
    }

    /// Whether it is in no call that waits.
    pub(super) fn has_returned(&self) -> bool {
        matches!(self.state, State::Running | State::Done)
    }

    pub(super) fn new(kind: Kind, left: u32) -> Self {
        Self {
            state: State::Running,
            left,
            kind,
        }
    }
}

/// Purges all topics, or the one that there is.
pub(super) fn purge_order(dice: &mut Dice, before: BatchId) -> PurgeOrder {
    let topic = dice.pick(&[None, Some(TOPIC)]);
    PurgeOrder {
        topic: topic.map(Arc::from),
        before,
        returns: true,
    }
}

//! How much the I/O thread compresses before it looks at the sockets again. Pure: what a batch takes is
//! estimated from its size and its codec's level, and not measured.
//!
//! Without this limit a hundred partitions with slow levels would be compressed in one go, and for
//! seconds no answer would be read and no other topic's batch sent.

use std::time::Duration;

use crate::ids::NodeId;

/// About how long the I/O thread compresses between two looks at the sockets, if several batches are to be
/// compressed. A single one may take longer: what it takes at most, its codec's level has decided when it
/// was filled.
const MOST: Duration = Duration::from_millis(10);

/// The compressing of one series of polls.
#[derive(Debug, Default)]
pub(super) struct Work {
    done: Duration,
    /// The broker for which a batch was left to the next series.
    postponed_for: Option<NodeId>,
    /// The same in the series before: the other brokers come first now.
    last: Option<NodeId>,
}

impl Work {
    /// Whether there is time for this, too. The first batch always has it.
    pub(super) fn has_time_for(&self, work: Duration) -> bool {
        work.is_zero() || self.done.is_zero() || self.done + work <= MOST
    }

    pub(super) fn add(&mut self, work: Duration) {
        self.done += work;
    }

    /// A batch for this broker is left to the next series.
    pub(super) fn postpone(&mut self, node: NodeId) {
        self.postponed_for.get_or_insert(node);
    }

    /// The brokers in the order of this series: a broker that has always more to be compressed does not
    /// starve those behind it.
    pub(super) fn in_turn(&self, mut nodes: Vec<NodeId>) -> Vec<NodeId> {
        let before = nodes.partition_point(|node| Some(*node) <= self.last);
        nodes.rotate_left(before);
        nodes
    }

    /// Ends a series; returns whether something is left to the next one.
    pub(super) fn end(&mut self) -> bool {
        self.done = Duration::ZERO;
        self.last = self.postponed_for.take();
        self.last.is_some()
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn after_the_first_batch_there_is_time_for_as_many_as_fit() {
        let mut work = Work::default();
        assert!(work.has_time_for(MOST * 9), "the first one always goes");
        work.add(MOST / 2);
        assert!(work.has_time_for(MOST / 2) && !work.has_time_for(MOST));
        work.add(MOST / 2);
        let none = Duration::ZERO;
        assert!(work.has_time_for(none) && !work.has_time_for(Duration::from_nanos(1)));
        assert!(!work.end(), "nothing was postponed");
        assert!(work.has_time_for(MOST * 9));
    }

    #[test]
    fn the_broker_after_the_one_that_had_to_wait_is_next() {
        let nodes = || [1, 2, 3].map(NodeId).to_vec();
        let mut work = Work::default();
        assert_eq!(work.in_turn(nodes()), nodes());
        work.postpone(NodeId(1));
        work.postpone(NodeId(3));
        assert_eq!(work.in_turn(nodes()), nodes(), "until the series ends");
        assert!(work.end());
        assert_eq!(work.in_turn(nodes()), [2, 3, 1].map(NodeId));
        work.postpone(NodeId(3));
        assert!(work.end());
        assert_eq!(work.in_turn(nodes()), nodes());
    }
}

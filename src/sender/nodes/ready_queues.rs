//! The partitions that have a batch for a broker, in the order in which they became ready. All
//! batches of a request share its [`RequestKind`], so there is a queue for each kind; the queues take
//! turns, request by request. Pure.

use std::collections::VecDeque;

use crate::accumulator::PartitionId;
use crate::compression::{Codec, Compression};
use crate::config::{Acks, TopicSettings};

/// What holds for a Produce request as a whole, and so for all batches in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sender) struct RequestKind {
    pub(in crate::sender) acks: Acks,
    /// Whether its batches are compressed with zstd. A broker too old for that (KIP-110) refuses the
    /// whole request, which must not be the end of other topics' batches.
    pub(in crate::sender) has_zstd: bool,
    /// Whether it takes long to compress its batches: those of other topics do not queue behind them.
    pub(in crate::sender) is_slow: bool,
}

impl RequestKind {
    pub(in crate::sender) fn of(settings: &TopicSettings) -> Self {
        let compression = settings.compression;
        let is_zstd = |compression: Compression| compression.codec() == Codec::Zstd;
        Self {
            acks: settings.acks,
            has_zstd: compression.is_some_and(is_zstd),
            is_slow: compression.is_some_and(Compression::is_slow),
        }
    }
}

/// One queue for each kind that was ever needed; most often that is one.
#[derive(Debug, Default)]
pub(in crate::sender) struct ReadyQueues(VecDeque<ReadyQueue>);

#[derive(Debug)]
struct ReadyQueue {
    kind: RequestKind,
    partitions: VecDeque<PartitionId>,
}

impl ReadyQueues {
    pub(in crate::sender) fn is_empty(&self) -> bool {
        self.0.iter().all(|queue| queue.partitions.is_empty())
    }

    /// Adds a partition at the end of the queue of its kind.
    pub(in crate::sender) fn push(&mut self, kind: RequestKind, partition: PartitionId) {
        if self.find(kind).is_none() {
            let partitions = VecDeque::new();
            self.0.push_back(ReadyQueue { kind, partitions });
        }
        if let Some(queue) = self.find(kind) {
            queue.partitions.push_back(partition);
        }
    }

    /// The kind of the next request: of the queues that are not empty, that whose last turn is longest
    /// ago. So a topic with many partitions does not starve one whose batches need another request. Those
    /// that are `postponed` keep their places.
    pub(in crate::sender) fn take_turn(
        &mut self,
        postponed: &[RequestKind],
    ) -> Option<RequestKind> {
        let may_go =
            |queue: &ReadyQueue| !queue.partitions.is_empty() && !postponed.contains(&queue.kind);
        let next = self.0.iter().position(may_go)?;
        let queue = self.0.remove(next)?;
        let kind = queue.kind;
        self.0.push_back(queue);
        Some(kind)
    }

    pub(in crate::sender) fn first(&mut self, kind: RequestKind) -> Option<PartitionId> {
        self.find(kind)?.partitions.front().copied()
    }

    pub(in crate::sender) fn pop(&mut self, kind: RequestKind) -> Option<PartitionId> {
        self.find(kind)?.partitions.pop_front()
    }

    /// Drops entries that are out of date from the head of each queue.
    pub(in crate::sender) fn drop_first_while(&mut self, is_stale: impl Fn(PartitionId) -> bool) {
        for ReadyQueue { partitions, .. } in &mut self.0 {
            while partitions.front().is_some_and(|first| is_stale(*first)) {
                partitions.pop_front();
            }
        }
    }

    pub(in crate::sender) fn retain(&mut self, is_wanted: impl Fn(PartitionId) -> bool) {
        for queue in &mut self.0 {
            queue.partitions.retain(|partition| is_wanted(*partition));
        }
    }

    fn find(&mut self, kind: RequestKind) -> Option<&mut ReadyQueue> {
        self.0.iter_mut().find(|queue| queue.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(acks: Acks) -> RequestKind {
        RequestKind {
            acks,
            has_zstd: false,
            is_slow: false,
        }
    }

    /// Serves all, as many in a turn as given.
    fn served(queues: &mut ReadyQueues, in_a_turn: usize) -> Vec<Vec<usize>> {
        let mut turns = Vec::new();
        while let Some(kind) = queues.take_turn(&[]) {
            let one = (0..in_a_turn).map_while(|_| queues.pop(kind));
            turns.push(one.map(|id| id.0).collect());
        }
        turns
    }

    #[test]
    fn queues_take_turns_and_keep_their_order() {
        let mut queues = ReadyQueues::default();
        for id in 0..5 {
            queues.push(of(Acks::All), PartitionId(id));
        }
        queues.push(of(Acks::Leader), PartitionId(5));
        queues.push(of(Acks::None), PartitionId(6));
        queues.push(of(Acks::Leader), PartitionId(7));
        let expected: [&[usize]; 5] = [&[0, 1], &[5, 7], &[6], &[2, 3], &[4]];
        assert_eq!(served(&mut queues, 2), expected);
        assert!(queues.is_empty());
    }

    #[test]
    fn a_partition_in_an_empty_queue_has_the_next_turn_but_one_at_the_latest() {
        let mut queues = ReadyQueues::default();
        for id in 0..4 {
            queues.push(of(Acks::All), PartitionId(id));
        }
        queues.take_turn(&[]);
        queues.push(of(Acks::None), PartitionId(9));
        assert_eq!(served(&mut queues, 1), [[0], [9], [1], [2], [3]]);
    }

    #[test]
    fn what_is_postponed_holds_up_no_other() {
        let mut queues = ReadyQueues::default();
        queues.push(of(Acks::All), PartitionId(0));
        queues.push(of(Acks::None), PartitionId(1));
        queues.push(of(Acks::None), PartitionId(2));
        let postponed = [of(Acks::All)];
        for id in [1, 2] {
            assert_eq!(queues.take_turn(&postponed), Some(of(Acks::None)));
            assert_eq!(queues.pop(of(Acks::None)), Some(PartitionId(id)));
        }
        assert_eq!(queues.take_turn(&postponed), None);
        assert_eq!(queues.take_turn(&[]), Some(of(Acks::All)));
    }

    #[test]
    fn stale_entries_go_from_the_head_of_every_queue() {
        let mut queues = ReadyQueues::default();
        for (acks, ids) in [(Acks::All, [1, 0, 1]), (Acks::None, [1, 1, 1])] {
            for id in ids {
                queues.push(of(acks), PartitionId(id));
            }
        }
        queues.drop_first_while(|partition| partition == PartitionId(1));
        assert_eq!(served(&mut queues, 9), [[0, 1]]);
    }
}

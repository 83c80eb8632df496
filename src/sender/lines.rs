//! The partitions that have a batch for a broker, in the order in which they became ready. All
//! batches of a request share its [`Terms`], so there is a line for each; the lines take turns,
//! request by request. Pure.

use std::collections::VecDeque;

use crate::accumulator::PartitionId;
use crate::compression::Codec;
use crate::config::{Acks, TopicSettings};

/// What holds for a request as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) acks: Acks,
    /// Whether its batches are compressed with zstd. A broker too old for that (KIP-110) refuses the
    /// whole request, which must not be the end of other topics' batches.
    pub(super) has_zstd: bool,
}

impl Terms {
    pub(super) fn of(settings: &TopicSettings) -> Self {
        let codec = settings.compression.map(|compression| compression.codec());
        Self {
            acks: settings.acks,
            has_zstd: codec == Some(Codec::Zstd),
        }
    }
}

/// One line for each of the terms that somebody has come with; most often that is one.
#[derive(Debug, Default)]
pub(super) struct Lines(VecDeque<Line>);

#[derive(Debug)]
struct Line {
    terms: Terms,
    partitions: VecDeque<PartitionId>,
}

impl Lines {
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|line| line.partitions.is_empty())
    }

    /// A partition whose batches go on these terms comes last.
    pub(super) fn push(&mut self, terms: Terms, partition: PartitionId) {
        if self.find(terms).is_none() {
            let partitions = VecDeque::new();
            self.0.push_back(Line { terms, partitions });
        }
        if let Some(line) = self.find(terms) {
            line.partitions.push_back(partition);
        }
    }

    /// Which line is served next: of those where somebody stands, the one whose last turn is longest
    /// ago.
    pub(super) fn take_turn(&mut self) -> Option<Terms> {
        let next = self.0.iter().position(|line| !line.partitions.is_empty())?;
        let line = self.0.remove(next)?;
        let terms = line.terms;
        self.0.push_back(line);
        Some(terms)
    }

    pub(super) fn first(&mut self, terms: Terms) -> Option<PartitionId> {
        self.find(terms)?.partitions.front().copied()
    }

    pub(super) fn pop(&mut self, terms: Terms) -> Option<PartitionId> {
        self.find(terms)?.partitions.pop_front()
    }

    /// Lets those go who stand first for no reason.
    pub(super) fn drop_first_while(&mut self, is_stale: impl Fn(PartitionId) -> bool) {
        for Line { partitions, .. } in &mut self.0 {
            while partitions.front().is_some_and(|first| is_stale(*first)) {
                partitions.pop_front();
            }
        }
    }

    pub(super) fn retain(&mut self, is_wanted: impl Fn(PartitionId) -> bool) {
        for line in &mut self.0 {
            line.partitions.retain(|partition| is_wanted(*partition));
        }
    }

    fn find(&mut self, terms: Terms) -> Option<&mut Line> {
        self.0.iter_mut().find(|line| line.terms == terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(acks: Acks) -> Terms {
        Terms {
            acks,
            has_zstd: false,
        }
    }

    /// Serves everybody, as many in a turn as given.
    fn served(lines: &mut Lines, in_a_turn: usize) -> Vec<Vec<usize>> {
        let mut turns = Vec::new();
        while let Some(terms) = lines.take_turn() {
            let one = (0..in_a_turn).map_while(|_| lines.pop(terms));
            turns.push(one.map(|id| id.0).collect());
        }
        turns
    }

    #[test]
    fn lines_take_turns_and_keep_their_order() {
        let mut lines = Lines::default();
        for id in 0..5 {
            lines.push(of(Acks::All), PartitionId(id));
        }
        lines.push(of(Acks::Leader), PartitionId(5));
        lines.push(of(Acks::None), PartitionId(6));
        lines.push(of(Acks::Leader), PartitionId(7));
        let expected: [&[usize]; 5] = [&[0, 1], &[5, 7], &[6], &[2, 3], &[4]];
        assert_eq!(served(&mut lines, 2), expected);
        assert!(lines.is_empty());
    }

    #[test]
    fn whoever_comes_into_an_empty_line_has_the_next_turn_but_one_at_the_latest() {
        let mut lines = Lines::default();
        for id in 0..4 {
            lines.push(of(Acks::All), PartitionId(id));
        }
        lines.take_turn();
        lines.push(of(Acks::None), PartitionId(9));
        assert_eq!(served(&mut lines, 1), [[0], [9], [1], [2], [3]]);
    }

    #[test]
    fn stale_entries_go_from_the_head_of_every_line() {
        let mut lines = Lines::default();
        for (acks, ids) in [(Acks::All, [1, 0, 1]), (Acks::None, [1, 1, 1])] {
            for id in ids {
                lines.push(of(acks), PartitionId(id));
            }
        }
        lines.drop_first_while(|partition| partition == PartitionId(1));
        assert_eq!(served(&mut lines, 9), [[0, 1]]);
    }
}

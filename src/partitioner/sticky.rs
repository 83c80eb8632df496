//! Chooses the partition of the next batch of keyless records: in turn, partitions with shorter queues
//! more often ([KIP-794]). No lock and no clock; the accumulator decides when a batch is done.
//!
//! Kafka draws at random among the weights. Here the turns are spread evenly instead (smooth
//! weighted round robin), so that equal queues are served strictly in turn.
//!
//! [KIP-794]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-794%3A+Strictly+Uniform+Sticky+Partitioner

use std::ops::Range;

/// Takes turns among the partitions of one topic.
///
/// The partitions of a large topic are looked at in windows: each has as many turns as partitions,
/// then comes the next one. So a turn costs the same however many partitions there are, and what it
/// looks at is in the processor's cache but for the first turn in a window. Brokers lead a bit of
/// every window, so a slow one still gets less.
#[derive(Clone, Debug, Default)]
pub(crate) struct WeightedRoundRobin {
    windows: Vec<Window>,
    /// The window that is served.
    current: usize,
    /// How many turns it has left.
    turns: usize,
}

/// Partitions among which the weights are compared.
#[derive(Clone, Debug, Default)]
struct Window {
    /// By partition. In each turn every candidate earns its weight, the one with the most credit wins,
    /// and the winner pays the sum of all weights.
    credits: Vec<f64>,
    /// The sum of all weights in the last turn: the unit that the credits are in.
    total: f64,
    /// By partition: its queue in this turn. Kept between turns for its memory only.
    queue_lengths: Vec<Option<u32>>,
}

/// The most partitions in a window.
const WINDOW: usize = 32;

impl WeightedRoundRobin {
    /// The partition that the next batch goes to.
    ///
    /// `queue_lengths` says the number of waiting batches for each partition of a range, in order;
    /// `None` leaves the partition out. There may be more partitions than the last time.
    /// `None` if all are left out.
    pub(crate) fn next<I: Iterator<Item = Option<u32>>>(
        &mut self,
        partitions: usize,
        queue_lengths: impl Fn(Range<usize>) -> I,
    ) -> Option<usize> {
        if partitions == 0 {
            return None;
        }
        let count = partitions.div_ceil(WINDOW);
        // Windows of equal size: in a small one at the end, a slow partition would have too large a
        // share.
        let size = partitions.div_ceil(count);
        self.windows.resize_with(count, Window::default);
        // One more than there are windows: the first may have had no turns left, and is looked at again.
        for _ in 0..=count {
            let start = self.current * size;
            let end = partitions.min(start + size);
            if self.turns > 0
                && let Some(window) = self.windows.get_mut(self.current)
                && let Some(index) = window.next(queue_lengths(start..end))
            {
                self.turns -= 1;
                return Some(start + index);
            }
            self.current = (self.current + 1) % count;
            let start = self.current * size;
            let all = queue_lengths(start..partitions.min(start + size));
            self.turns = all.flatten().count();
        }
        None
    }
}

impl Window {
    /// The index within the window of the partition that is next. A partition's weight is the longest
    /// queue + 1 − its own.
    fn next(&mut self, queue_lengths: impl Iterator<Item = Option<u32>>) -> Option<usize> {
        self.queue_lengths.clear();
        self.queue_lengths.extend(queue_lengths);
        self.credits.resize(self.queue_lengths.len(), 0.0);

        let longest = f64::from(self.queue_lengths.iter().flatten().copied().max()?);
        let weight = |length: u32| longest + 1.0 - f64::from(length);
        let total = self
            .queue_lengths
            .iter()
            .flatten()
            .map(|length| weight(*length))
            .sum();
        self.change_unit(total);

        let mut winner: Option<(usize, f64)> = None;
        let candidates = self.credits.iter_mut().zip(&self.queue_lengths).enumerate();
        for (partition, (credit, length)) in candidates {
            let Some(length) = length else { continue };
            *credit += weight(*length);
            if winner.is_none_or(|(_, most)| *credit > most) {
                winner = Some((partition, *credit));
            }
        }
        let (partition, _) = winner?;
        *self.credits.get_mut(partition)? -= total;
        Some(partition)
    }

    /// Rescales the credits when the weights have changed, so that a turn still costs a turn: a credit
    /// that was earned while queues were long would otherwise buy many turns in a row once they are
    /// short.
    fn change_unit(&mut self, total: f64) {
        #[expect(clippy::float_cmp, reason = "sums of whole numbers are exact")]
        let changed = self.total != total;
        if changed && self.total > 0.0 {
            let scale = total / self.total;
            self.credits.iter_mut().for_each(|credit| *credit *= scale);
        }
        self.total = total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(choice: &mut WeightedRoundRobin, lengths: &[Option<u32>]) -> Option<usize> {
        choice.next(lengths.len(), |range| lengths[range].iter().copied())
    }

    fn turns(choice: &mut WeightedRoundRobin, lengths: &[Option<u32>], count: usize) -> Vec<usize> {
        (0..count).map(|_| next(choice, lengths).unwrap()).collect()
    }

    fn frequencies(turns: &[usize], partitions: usize) -> Vec<usize> {
        (0..partitions)
            .map(|partition| turns.iter().filter(|turn| **turn == partition).count())
            .collect()
    }

    #[test]
    fn takes_equal_queues_in_turn() {
        let mut choice = WeightedRoundRobin::default();
        assert_eq!(turns(&mut choice, &[Some(0); 3], 6), [0, 1, 2, 0, 1, 2]);
        assert_eq!(turns(&mut choice, &[Some(7); 3], 6), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn gives_each_partition_turns_by_the_weight_of_its_queue() {
        let mut choice = WeightedRoundRobin::default();
        let lengths = [5, 0, 3, 0, 1].map(Some);
        for _ in 0..10 {
            let cycle = turns(&mut choice, &lengths, 21);
            assert_eq!(frequencies(&cycle, 5), [1, 6, 3, 6, 5]);
        }
    }

    #[test]
    fn spreads_the_turns_of_a_heavy_partition() {
        let mut choice = WeightedRoundRobin::default();
        let cycle = turns(&mut choice, &[Some(2), Some(0)], 4);
        assert_eq!(cycle, [1, 0, 1, 1]);
    }

    #[test]
    fn leaves_out_what_is_not_available() {
        let mut choice = WeightedRoundRobin::default();
        assert_eq!(
            turns(&mut choice, &[Some(0), None, Some(0)], 4),
            [0, 2, 0, 2]
        );
        assert_eq!(next(&mut choice, &[None, None]), None);
        assert_eq!(next(&mut choice, &[]), None);
    }

    #[test]
    fn serves_partitions_that_were_added_later() {
        let mut choice = WeightedRoundRobin::default();
        assert_eq!(turns(&mut choice, &[Some(0); 2], 4), [0, 1, 0, 1]);
        let grown = turns(&mut choice, &[Some(0); 4], 8);
        assert_eq!(frequencies(&grown, 4), [2, 2, 2, 2]);
    }

    #[test]
    fn is_even_again_soon_after_a_long_queue_has_drained() {
        let mut choice = WeightedRoundRobin::default();
        turns(&mut choice, &[Some(1000), Some(0), Some(0)], 700);
        let after = turns(&mut choice, &[Some(0); 3], 9);
        for (partition, count) in frequencies(&after, 3).into_iter().enumerate() {
            assert!(
                (2..=4).contains(&count),
                "partition {partition}: {count} turns of 9"
            );
        }
    }

    #[test]
    fn a_partition_that_comes_back_is_neither_starved_nor_flooded() {
        let mut choice = WeightedRoundRobin::default();
        for _ in 0..50 {
            turns(&mut choice, &[Some(0); 3], 1);
            turns(&mut choice, &[None, Some(0), Some(0)], 5);
        }
        let after = turns(&mut choice, &[Some(0); 3], 30);
        for count in frequencies(&after, 3) {
            assert!((8..=12).contains(&count), "{count} turns of 30");
        }
    }

    #[test]
    fn takes_equal_queues_of_a_large_topic_in_turn() {
        let mut choice = WeightedRoundRobin::default();
        // The first window begins with its second turn.
        let first = turns(&mut choice, &[Some(0); 100], 1);
        let mut rest = turns(&mut choice, &[Some(0); 100], 200);
        rest.splice(0..0, first);
        let start = rest[0];
        let expected: Vec<_> = (start..100).chain(0..100).chain(0..100).take(201).collect();
        assert_eq!(rest, expected);
    }

    #[test]
    fn a_long_queue_of_a_large_topic_gets_fewer_turns() {
        let mut choice = WeightedRoundRobin::default();
        let lengths: Vec<_> = (0..100).map(|one| Some(u32::from(one % 3 == 0))).collect();
        let chosen = turns(&mut choice, &lengths, 1_000);
        let counts = frequencies(&chosen, 100);
        for (partition, count) in counts.into_iter().enumerate() {
            let expected = if partition % 3 == 0 { 4..=8 } else { 10..=14 };
            assert!(expected.contains(&count), "partition {partition}: {count}");
        }
    }

    #[test]
    fn a_slow_partition_is_among_others_however_many_there_are() {
        for partitions in [32, 33, 65, 97] {
            let mut choice = WeightedRoundRobin::default();
            let mut lengths = vec![Some(0); partitions];
            lengths[partitions - 1] = Some(1_000);
            let chosen = turns(&mut choice, &lengths, 50 * partitions);
            let slow = chosen.iter().filter(|turn| **turn == partitions - 1);
            assert!(slow.count() <= 2, "of {partitions}");
        }
    }

    #[test]
    fn passes_over_windows_that_are_left_out() {
        let mut choice = WeightedRoundRobin::default();
        let mut lengths = vec![None; 1_000];
        lengths[3] = Some(9);
        lengths[700] = Some(0);
        lengths[701] = Some(0);
        let chosen = turns(&mut choice, &lengths, 30);
        let counts = [3, 700, 701].map(|one| chosen.iter().filter(|turn| **turn == one).count());
        assert_eq!(counts, [10; 3]);
    }

    #[test]
    fn a_turn_looks_at_a_few_partitions_however_many_there_are() {
        let mut choice = WeightedRoundRobin::default();
        let looks = std::cell::Cell::new(0);
        for _ in 0..10_000 {
            let chosen = choice.next(10_000, |range| {
                range
                    .map(|_| Some(0))
                    .inspect(|_| looks.set(looks.get() + 1))
            });
            assert!(chosen.is_some());
        }
        let most = 10_000 * (WINDOW + 1) + WINDOW;
        assert!(looks.get() <= most, "{} looks", looks.get());
    }

    #[test]
    fn a_topic_that_shrinks_is_served_on() {
        let mut choice = WeightedRoundRobin::default();
        turns(&mut choice, &[Some(0); 100], 70);
        assert_eq!(turns(&mut choice, &[Some(0); 2], 4), [0, 1, 0, 1]);
    }
}

//! Where the next batch without keys goes: round the partitions, those with shorter queues more
//! often ([KIP-794]). No lock and no clock; whoever keeps it decides when a batch is done.
//!
//! Kafka draws at random among the weights. Here the turns are spread evenly instead (smooth
//! weighted round robin), so that equal queues are served strictly in turn.
//!
//! [KIP-794]: https://cwiki.apache.org/confluence/display/KAFKA/KIP-794%3A+Strictly+Uniform+Sticky+Partitioner

/// Whose turn it is among the partitions of one topic.
#[derive(Clone, Debug, Default)]
pub(crate) struct WeightedRoundRobin {
    /// By partition: how much it is owed. Each turn every candidate earns its weight, and the
    /// winner pays the sum of all weights.
    credits: Vec<f64>,
    /// The sum of all weights in the last turn: the unit that the credits are in.
    total: f64,
    /// By partition: its queue in this turn. Kept between turns for its memory only.
    queue_lengths: Vec<Option<u32>>,
}

impl WeightedRoundRobin {
    /// The partition that the next batch goes to.
    ///
    /// `queue_lengths` has the number of waiting batches for each of the topic's partitions, in
    /// order; `None` leaves the partition out. There may be more of them than the last time.
    /// A partition's weight is the longest queue + 1 − its own. `None` if all are left out.
    pub(crate) fn next(
        &mut self,
        queue_lengths: impl Iterator<Item = Option<u32>>,
    ) -> Option<usize> {
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

    /// Keeps a turn's worth a turn when the weights have changed: a credit that was earned while
    /// queues were long would otherwise buy many turns in a row once they are short.
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

    fn turns(choice: &mut WeightedRoundRobin, lengths: &[Option<u32>], count: usize) -> Vec<usize> {
        (0..count)
            .map(|_| choice.next(lengths.iter().copied()).unwrap())
            .collect()
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
        assert_eq!(choice.next([None, None].into_iter()), None);
        assert_eq!(choice.next([].into_iter()), None);
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
}

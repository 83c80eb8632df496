//! Gives each record to the next partition, as Java's class of the same name.

use std::collections::HashMap;
use std::error::Error;

use super::{PartitionRequest, Partitioner, TopicPartitions};
use crate::sync::{Arc, AtomicUsize, Ordering, Swap};

/// Gives the records of a topic to its partitions in turn, whatever their keys.
///
/// Partitions without a leader are skipped, unless none has one. Every topic has turns of its own.
/// Without this partitioner, the hash of a key chooses the partition, and records without a key stay
/// with a partition for a whole batch, which makes fewer and fuller requests.
///
/// In properties: `partitioner.class` is `round_robin` or
/// `org.apache.kafka.clients.producer.RoundRobinPartitioner`.
#[derive(Debug)]
pub struct RoundRobinPartitioner {
    /// By topic: how many records had their turn. An entry for every topic ever sent to.
    turns: Swap<HashMap<String, Arc<AtomicUsize>>>,
}

impl RoundRobinPartitioner {
    /// Starts with the first partition of every topic.
    pub fn new() -> Self {
        Self {
            turns: Swap::default(),
        }
    }

    fn next_turn(&self, topic: &str) -> usize {
        let take = |turns: &AtomicUsize| turns.fetch_add(1, Ordering::Relaxed);
        if let Some(turns) = self.turns.load().get(topic) {
            return take(turns);
        }
        let turns = Arc::<AtomicUsize>::default();
        self.turns.rcu(|known| {
            let mut known = HashMap::clone(known);
            let turns = Arc::clone(&turns);
            known.entry(topic.to_owned()).or_insert(turns);
            known
        });
        self.turns.load().get(topic).map_or(0, |turns| take(turns))
    }
}

impl Default for RoundRobinPartitioner {
    fn default() -> Self {
        Self::new()
    }
}

impl Partitioner for RoundRobinPartitioner {
    fn partition(
        &self,
        record: &PartitionRequest<'_>,
        partitions: &TopicPartitions<'_>,
    ) -> Result<i32, Box<dyn Error + Send + Sync>> {
        let turn = self.next_turn(record.topic());
        let available = partitions.available();
        if let Some(index) = turn.checked_rem(available.len()) {
            return Ok(*available.get(index).expect("a remainder is in range"));
        }
        let count = usize::try_from(partitions.count())?;
        let partition = turn
            .checked_rem(count)
            .ok_or("the topic has no partitions")?;
        Ok(i32::try_from(partition)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(
        partitioner: &RoundRobinPartitioner,
        topic: &str,
        count: i32,
        available: &[i32],
    ) -> i32 {
        let record = PartitionRequest::new(topic, Some(b"same key"), None);
        partitioner
            .partition(&record, &TopicPartitions::new(count, available))
            .unwrap()
    }

    #[test]
    fn goes_round_the_available_partitions() {
        let partitioner = RoundRobinPartitioner::new();
        let chosen: Vec<_> = (0..6)
            .map(|_| choose(&partitioner, "t", 4, &[0, 2, 3]))
            .collect();
        assert_eq!(chosen, [0, 2, 3, 0, 2, 3]);
    }

    #[test]
    fn goes_round_all_partitions_when_none_has_a_leader() {
        let partitioner = RoundRobinPartitioner::new();
        let chosen: Vec<_> = (0..4).map(|_| choose(&partitioner, "t", 3, &[])).collect();
        assert_eq!(chosen, [0, 1, 2, 0]);
    }

    #[test]
    fn counts_every_topic_for_itself() {
        let partitioner = RoundRobinPartitioner::new();
        assert_eq!(choose(&partitioner, "a", 2, &[0, 1]), 0);
        assert_eq!(choose(&partitioner, "b", 2, &[0, 1]), 0);
        assert_eq!(choose(&partitioner, "a", 2, &[0, 1]), 1);
    }

    #[test]
    fn reaches_partitions_that_were_added_later() {
        let partitioner = RoundRobinPartitioner::new();
        assert_eq!(choose(&partitioner, "t", 1, &[0]), 0);
        assert_eq!(choose(&partitioner, "t", 2, &[0, 1]), 1);
    }

    #[test]
    fn survives_the_end_of_its_counter() {
        let partitioner = RoundRobinPartitioner::new();
        let turns = HashMap::from([("t".to_owned(), Arc::new(AtomicUsize::new(usize::MAX)))]);
        partitioner.turns.store(Arc::new(turns));
        for _ in 0..3 {
            assert!((0..3).contains(&choose(&partitioner, "t", 3, &[0, 1, 2])));
        }
    }

    #[test]
    fn refuses_a_topic_without_partitions() {
        let record = PartitionRequest::new("t", None, None);
        let result = RoundRobinPartitioner::new().partition(&record, &TopicPartitions::new(0, &[]));
        assert_eq!(
            result.unwrap_err().to_string(),
            "the topic has no partitions"
        );
    }
}

//! The topics of the mock cluster: how they are made and grow, and who leads their partitions. No
//! socket, no clock.

use crate::ids::{NodeId, TopicId};
use crate::sync::Arc;
use crate::testing::legality::Attempts;
use crate::testing::partition_log::PartitionLog;
use crate::testing::producers::ProducerTable;
use crate::testing::state::{ClusterState, Partition, Topic};

impl ClusterState {
    /// The topic with this id; none where the cluster does without ids.
    pub(super) fn topic_name(&self, id: TopicId) -> Option<Arc<str>> {
        if !self.settings.topic_ids {
            return None;
        }
        let (name, _) = self.topics.iter().find(|(_, topic)| topic.id == id)?;
        Some(Arc::clone(name))
    }

    /// Creates a topic that does not exist yet, its leaders spread over the brokers.
    pub(super) fn create_topic(&mut self, name: &str, partitions: i32) {
        self.topics_made += 1;
        let mut id = [0; 16];
        let (front, back) = id.split_at_mut(8);
        // A topic of the same name in another cluster has another id, as in Kafka.
        let cluster_id = self.settings.cluster_id.as_deref().unwrap_or("mocktopi");
        let hash = cluster_id.bytes().fold(1, |hash: u64, byte| {
            hash.wrapping_mul(31).wrapping_add(byte.into())
        });
        front.copy_from_slice(&hash.to_be_bytes());
        back.copy_from_slice(&self.topics_made.to_be_bytes());
        let topic = Topic {
            id: TopicId(id),
            log_append_time: false,
            partitions: Vec::new(),
        };
        self.topics.insert(name.into(), topic);
        self.grow_topic(name, partitions);
    }

    /// Adds partitions until there are `partitions`.
    pub(super) fn grow_topic(&mut self, name: &str, partitions: i32) {
        let ids: Vec<NodeId> = self.nodes.iter().map(|node| node.id).collect();
        let Some(topic) = self.topics.get_mut(name) else {
            return;
        };
        let wanted = usize::try_from(partitions).unwrap_or(0);
        for index in topic.partitions.len()..wanted {
            let mut replicas = ids.clone();
            replicas.rotate_left(index % ids.len());
            replicas.truncate(3);
            topic.partitions.push(Partition {
                leader: replicas.first().copied(),
                leader_epoch: 0,
                replicas,
                log: PartitionLog::default(),
                producers: ProducerTable::default(),
                attempts: Attempts::default(),
            });
        }
    }

    /// Makes `node` the partition's leader, in a new epoch; `None`: it has no leader.
    pub(super) fn set_leader(&mut self, topic: &str, partition: i32, node: Option<NodeId>) {
        let Some(partition) = self.partition_mut(topic, partition) else {
            return;
        };
        partition.leader = node;
        partition.leader_epoch += 1;
        if let Some(node) = node.filter(|node| !partition.replicas.contains(node)) {
            partition.replicas.push(node);
        }
    }

    /// What the controller does when it notices that a broker is gone: metadata no longer names
    /// it, and each partition that it led gets the next replica that runs as its leader, or none.
    pub(super) fn fail_over(&mut self, gone: NodeId) {
        for node in self.nodes.iter_mut().filter(|node| node.id == gone) {
            node.fenced = true;
        }
        self.depose_coordinator(gone);
        let alive: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|node| node.running && !node.fenced)
            .map(|node| node.id)
            .collect();
        let partitions = self
            .topics
            .values_mut()
            .flat_map(|topic| &mut topic.partitions);
        for partition in partitions.filter(|partition| partition.leader == Some(gone)) {
            let next = partition.replicas.iter().find(|node| alive.contains(node));
            partition.leader = next.copied();
            partition.leader_epoch += 1;
        }
    }

    pub(super) fn partition(&self, topic: &str, partition: i32) -> Option<&Partition> {
        let index = usize::try_from(partition).ok()?;
        self.topics.get(topic)?.partitions.get(index)
    }

    pub(super) fn partition_mut(&mut self, topic: &str, partition: i32) -> Option<&mut Partition> {
        let index = usize::try_from(partition).ok()?;
        self.topics.get_mut(topic)?.partitions.get_mut(index)
    }
}

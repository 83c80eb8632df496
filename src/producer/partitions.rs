//! What a caller can ask about a topic's partitions. Answered from the I/O thread's latest view of the
//! cluster; a topic that is not in it is asked for first. Runs on: caller.

use crate::cluster::PartitionView;
use crate::error::{Error, Result};
use crate::producer::Producer;
use crate::producer::gate::check_topic_name;

/// A partition of a topic, as the brokers describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionInfo {
    /// The partition, from 0.
    pub partition: i32,
    /// The broker that leads it; `None` while there is none.
    pub leader: Option<Node>,
    /// The ids of the brokers that hold a copy.
    pub replicas: Vec<i32>,
    /// The ids of those whose copy is up to date.
    pub in_sync_replicas: Vec<i32>,
}

/// A broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// Its id.
    pub id: i32,
    /// The host that it tells clients to connect to.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// The partitions of a topic. Asks the brokers for a topic that is not known yet, and waits for
    /// at most `max.block.ms`.
    ///
    /// # Errors
    /// As [`send`](Self::send) for the topic.
    pub fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>> {
        let named = |error: Error| error.at(topic, None);
        check_topic_name(topic).map_err(named)?;
        let shared = &self.handle.shared;
        if shared.accumulator.is_closed() {
            return Err(self.gate().closed());
        }
        if !shared.view().topics.contains_key(topic) {
            let known = self.gate().await_topic(topic, None, &self.max_block());
            known.map_err(named)?;
        }
        let view = shared.view();
        let partitions = view
            .topics
            .get(topic)
            .map(|topic| topic.partitions.as_slice());
        let describe = |(partition, one): (i32, &PartitionView)| {
            let node = |id| {
                let address = view.brokers.get(&id)?;
                Some(Node {
                    id: id.0,
                    host: address.host.clone(),
                    port: address.port,
                })
            };
            PartitionInfo {
                partition,
                leader: one.leader.and_then(node),
                replicas: one.replicas.iter().map(|id| id.0).collect(),
                in_sync_replicas: one.in_sync_replicas.iter().map(|id| id.0).collect(),
            }
        };
        Ok((0..)
            .zip(partitions.unwrap_or_default())
            .map(describe)
            .collect())
    }
}

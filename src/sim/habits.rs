//! Watches how the sender goes about it: that it pauses before it sends a batch again, and follows
//! the newest leader that it has heard of. Knows nothing of what becomes of batches.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::cluster::ClusterView;
use crate::ids::{NodeId, TopicId};
use crate::protocol::Request;
use crate::record::batch::BatchEncoder;
use crate::sim::options::{Options, TOPIC};
use crate::sim::promise::{I8, broken_if};

/// What the sender did last.
#[derive(Debug)]
pub(super) struct Habits {
    /// When the records of a batch were sent, by partition.
    sent: BTreeMap<i32, BTreeMap<Vec<u8>, Instant>>,
    retry_pause: Duration,
    /// The leader of each partition that the producer knows of, and its epoch.
    leaders: BTreeMap<i32, (i32, Option<NodeId>)>,
    topic_id: Option<TopicId>,
}

/// The part of a batch before its records, which changes with the epoch.
const HEADER_BYTES: usize = BatchEncoder::HEADER_BYTES;

impl Habits {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            sent: BTreeMap::new(),
            retry_pause: options.sender.retry_backoff.initial * 8 / 10,
            leaders: BTreeMap::new(),
            topic_id: None,
        }
    }

    /// The producer sends a request. A batch that it sent before comes after a pause, unless another
    /// leader may take it at once.
    pub(super) fn on_sent(&mut self, now: Instant, node: NodeId, request: &Request) {
        let Request::Produce(request) = request else {
            return;
        };
        for one in request.topics.iter().flat_map(|topic| &topic.partitions) {
            let records = one
                .records
                .as_slice()
                .get(HEADER_BYTES..)
                .unwrap_or_default();
            let sent = self.sent.entry(one.index).or_default();
            let pause = sent
                .insert(records.to_vec(), now)
                .map(|before| now - before);
            broken_if(
                I8,
                pause.is_some_and(|pause| pause < self.retry_pause),
                || {
                    format!(
                        "a batch for partition {} went to broker {node} again after {pause:?}",
                        one.index
                    )
                },
            );
        }
    }

    /// The producer has another picture of the cluster. It follows the newest leader that it has
    /// heard of, as long as there is one.
    pub(super) fn on_published(&mut self, view: &ClusterView) {
        let topic = view.topics.get(TOPIC);
        // Another topic of that name counts its epochs anew.
        let id = topic.map(|topic| topic.id);
        if std::mem::replace(&mut self.topic_id, id) != id {
            self.leaders.clear();
            self.sent.clear();
        }
        let partitions = topic.map(|topic| &topic.partitions);
        // Nor does anybody remember a partition that metadata has left out.
        let count = partitions.map_or(0, Vec::len);
        self.leaders.retain(|index, _| (*index as usize) < count);
        for (index, partition) in (0..).zip(partitions.into_iter().flatten()) {
            let new = (partition.leader_epoch, partition.leader);
            let Some(old) = self.leaders.insert(index, new) else {
                continue;
            };
            if old.1 != new.1 {
                self.sent.remove(&index);
            }
            let is_there = old
                .1
                .is_some_and(|leader| view.brokers.contains_key(&leader));
            let went_back = new.0 >= 0 && new.0 < old.0 && is_there;
            broken_if(I8, went_back, || {
                format!(
                    "the leader of partition {index} is as of epoch {} again, after {}",
                    new.0, old.0
                )
            });
        }
    }
}

//! Watches how the sender goes about it: that it pauses before it sends a batch again, and follows
//! the newest leader that it has heard of, as far as that is one. Knows nothing of what becomes of batches.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::cluster::ClusterView;
use crate::ids::{NodeId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::{Request, Response};
use crate::record::batch::BatchEncoder;
use crate::sender::Input;
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
    /// Whether the sender has been told metadata since it was last idle.
    has_metadata: bool,
    /// Partitions with leader and epoch as the answers to batches have named them.
    named: BTreeSet<(i32, i32, NodeId)>,
    /// Partitions whose leader is one of these, and has refused a batch since or was lost.
    doubted: BTreeSet<i32>,
    /// Whether brokers name leaders of epochs that are yet to come. Metadata cannot confirm or refute
    /// these in the order of their epochs, so nothing is said of that order then.
    has_invented_epochs: bool,
    /// Partitions that have followed such an answer and had no batch acknowledged since.
    followed: BTreeSet<i32>,
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
            has_metadata: false,
            named: BTreeSet::new(),
            doubted: BTreeSet::new(),
            has_invented_epochs: options.faults.far_hint > 0,
            followed: BTreeSet::new(),
        }
    }

    /// The sender is told something.
    pub(super) fn on_input(&mut self, input: &Input) {
        self.has_metadata |= matches!(input, Input::Response(_, Response::Metadata(_)));
        if let Input::Disconnected(node, ..) = input {
            self.on_lost(*node);
        }
        let Input::Response(_, Response::Produce(response)) = input else {
            return;
        };
        for one in response.topics.iter().flat_map(|topic| &topic.partitions) {
            match one.error {
                ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER => {
                    self.followed.remove(&one.index);
                }
                _ if self.is_hinted(one.index) => _ = self.doubted.insert(one.index),
                _ => {}
            }
            if let Some(hint) = &one.current_leader {
                self.named
                    .insert((one.index, hint.leader_epoch, hint.leader));
            }
        }
    }

    /// The sender has nothing to do any more.
    pub(super) fn on_idle(&mut self) {
        self.has_metadata = false;
    }

    fn is_hinted(&self, index: i32) -> bool {
        let known = self.leaders.get(&index);
        known.is_some_and(|(epoch, leader)| {
            leader.is_some_and(|leader| self.named.contains(&(index, *epoch, leader)))
        })
    }

    /// A connection is no more.
    pub(super) fn on_lost(&mut self, node: NodeId) {
        let is_led = |(_, leader): &(i32, Option<NodeId>)| *leader == Some(node);
        let led = self.leaders.iter().filter(|(_, known)| is_led(known));
        let lost = led
            .map(|(index, _)| *index)
            .filter(|index| self.is_hinted(*index));
        let lost: Vec<_> = lost.collect();
        self.doubted.extend(lost);
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
    /// heard of, as long as there is one, and that one does not turn out to be none.
    pub(super) fn on_published(&mut self, view: &ClusterView) {
        let topic = view.topics.get(TOPIC);
        // Another topic of that name counts its epochs anew.
        let id = topic.map(|topic| topic.id);
        if std::mem::replace(&mut self.topic_id, id) != id {
            self.leaders.clear();
            self.sent.clear();
            self.named.clear();
            self.doubted.clear();
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
            // A hint is followed at once the first time only.
            let named = new.1.map(|leader| (index, new.0, leader));
            let is_hint = new.0 > old.0
                && !self.has_metadata
                && named.is_some_and(|named| self.named.contains(&named));
            if old.1 != new.1 && !(is_hint && self.followed.contains(&index)) {
                self.sent.remove(&index);
            }
            if old.1 != new.1 && is_hint {
                self.followed.insert(index);
            }
            // What only a hint has said gives way to metadata once its leader is left or lost.
            let was_hinted = old
                .1
                .is_some_and(|leader| self.named.contains(&(index, old.0, leader)));
            let may_go_back = self.has_metadata
                && (self.has_invented_epochs || was_hinted || self.doubted.contains(&index));
            if old.0 != new.0 {
                self.doubted.remove(&index);
            }
            let is_there = old
                .1
                .is_some_and(|leader| view.brokers.contains_key(&leader));
            let went_back = new.0 >= 0 && new.0 < old.0 && is_there && !may_go_back;
            broken_if(I8, went_back, || {
                format!(
                    "the leader of partition {index} is as of epoch {} again, after {}",
                    new.0, old.0
                )
            });
        }
    }
}

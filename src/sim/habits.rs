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
    /// Those of them whose leader has refused a batch since or was lost.
    doubted: BTreeSet<(i32, i32, NodeId)>,
    /// Partitions that have followed such an answer and had no batch acknowledged since.
    followed: BTreeSet<i32>,
    /// Partitions whose broker still completes the transaction before: asked again soon.
    concurrent: BTreeSet<i32>,
    /// Partitions that had one acknowledged after the last leader that was named.
    taken_since: BTreeSet<i32>,
}

/// The shortest pause where nothing is wrong, but a transaction is being completed, less its jitter.
const CONCURRENT_PAUSE: Duration = Duration::from_millis(15);

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
            followed: BTreeSet::new(),
            concurrent: BTreeSet::new(),
            taken_since: BTreeSet::new(),
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
            if one.error == ErrorCode::CONCURRENT_TRANSACTIONS {
                self.concurrent.insert(one.index);
            }
            match one.error {
                ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER => {
                    self.followed.remove(&one.index);
                    self.taken_since.insert(one.index);
                }
                _ => self.doubt(|(index, ..)| index == one.index),
            }
            if let Some(hint) = &one.current_leader {
                self.named
                    .insert((one.index, hint.leader_epoch, hint.leader));
                self.taken_since.remove(&one.index);
            }
        }
    }

    /// The sender has nothing to do any more.
    pub(super) fn on_idle(&mut self) {
        self.has_metadata = false;
    }

    /// A connection is no more.
    pub(super) fn on_lost(&mut self, node: NodeId) {
        self.doubt(|(_, _, leader)| leader == node);
    }

    /// Those of the named leaders that are meant have turned out to be none. What was named since the
    /// producer's last picture counts as well: it may have been told of both at once.
    fn doubt(&mut self, is_meant: impl Fn((i32, i32, NodeId)) -> bool) {
        let known = |index| self.leaders.get(&index).map_or(-1, |(epoch, _)| *epoch);
        let named = self.named.iter().copied();
        let meant = named.filter(|one| is_meant(*one) && one.1 >= known(one.0));
        self.doubted.extend(meant);
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
            let least = match self.concurrent.remove(&one.index) {
                true => self.retry_pause.min(CONCURRENT_PAUSE),
                false => self.retry_pause,
            };
            broken_if(I8, pause.is_some_and(|pause| pause < least), || {
                format!(
                    "a batch for partition {} went to broker {node} again after {pause:?}",
                    one.index
                )
            });
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
            if old.1 != new.1 && is_hint && !self.taken_since.contains(&index) {
                self.followed.insert(index);
            }
            let old_leader = old.1.map(|leader| (index, old.0, leader));
            let is_doubted = old_leader.is_some_and(|old| self.doubted.contains(&old));
            let may_go_back = self.has_metadata && is_doubted;
            if old.0 != new.0 {
                self.doubted
                    .retain(|(of, epoch, _)| (*of, *epoch) != (index, old.0));
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

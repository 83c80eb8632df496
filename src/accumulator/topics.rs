//! The topics that callers can append to, and the built-in choice of a partition for records
//! without a key (KIP-794). Written by the I/O thread when metadata comes, read by every caller.

use std::collections::HashMap;

use crate::accumulator::partition::{PartitionId, PartitionQueue};
use crate::config::TopicSettings;
use crate::partitioner::WeightedRoundRobin;
use crate::sync::{Arc, AtomicUsize, Mutex, Ordering, Rank, Ranked};

/// A topic as of one metadata response; immutable, replaced whole.
#[derive(Debug)]
pub(crate) struct Topic {
    /// By partition index. Those behind `partitions` are of a topic that was made anew with fewer:
    /// they keep what they have, and get nothing more.
    queues: Vec<Arc<PartitionQueue>>,
    partitions: usize,
    /// Indexes of the partitions that have a leader.
    available: Vec<i32>,
    sticky: Arc<Sticky>,
}

impl Topic {
    pub(crate) fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions).unwrap_or(i32::MAX)
    }

    /// Partitions with a leader, in ascending order.
    pub(crate) fn available(&self) -> &[i32] {
        &self.available
    }

    pub(crate) fn queue(&self, partition: i32) -> Option<&Arc<PartitionQueue>> {
        self.live().get(usize::try_from(partition).ok()?)
    }

    fn live(&self) -> &[Arc<PartitionQueue>] {
        self.queues.get(..self.partitions).unwrap_or(&self.queues)
    }

    /// The partition that keyless records go to at the moment. It has had its turn when
    /// `batch_size` bytes went to it and the last of its batches has left or is full.
    pub(super) fn sticky_partition(&self, batch_size: usize) -> &Arc<PartitionQueue> {
        let current = self.sticky.current.load(Ordering::Acquire);
        let has_turn = |queue: &&Arc<PartitionQueue>| {
            self.sticky.produced.load(Ordering::Acquire) < batch_size || queue.has_open_batch()
        };
        match self.live().get(current).filter(has_turn) {
            Some(queue) => queue,
            None => self.switch_from(current),
        }
    }

    /// A keyless record went to `queue`. After `batch_size` bytes it is another one's turn, but not
    /// in the middle of a batch if that can be helped: half-full batches would be left behind.
    pub(super) fn note_keyless(
        &self,
        queue: &PartitionQueue,
        bytes: usize,
        filled: bool,
        batch_size: usize,
    ) {
        let current = self.sticky.current.load(Ordering::Acquire);
        if self
            .live()
            .get(current)
            .is_none_or(|sticky| sticky.id() != queue.id())
        {
            return;
        }
        let produced = self.sticky.produced.fetch_add(bytes, Ordering::AcqRel) + bytes;
        if produced >= batch_size && (filled || produced >= batch_size.saturating_mul(2)) {
            self.switch_from(current);
        }
    }

    /// Moves on to the next partition, unless another thread has done so already.
    fn switch_from(&self, current: usize) -> &Arc<PartitionQueue> {
        let mut turns = self.sticky.turns.lock();
        let now = self.sticky.current.load(Ordering::Acquire);
        if now != current
            && let Some(queue) = self.live().get(now)
        {
            return queue;
        }
        let chosen = turns.next(self.loads()).unwrap_or(0);
        self.sticky.produced.store(0, Ordering::Release);
        self.sticky.current.store(chosen, Ordering::Release);
        drop(turns);
        self.live().get(chosen).unwrap_or_else(|| self.first())
    }

    fn first(&self) -> &Arc<PartitionQueue> {
        self.queues
            .first()
            .expect("a topic without partitions is not published")
    }

    /// How loaded each partition is; `None` leaves one out. If no partition has a leader, all of
    /// them are in: the record waits for one until `delivery.timeout.ms`.
    fn loads(&self) -> impl Iterator<Item = Option<u32>> {
        let adaptive = self.sticky.adaptive;
        let any_reachable = self.available.iter().any(|index| !self.is_stuck(*index));
        let mut available = self.available.iter().copied().peekable();
        (0..).zip(self.live()).map(move |(index, queue)| {
            let is_available = available.next_if_eq(&index).is_some() || self.available.is_empty();
            let usable = is_available && (!any_reachable || !queue.is_stuck());
            let load = u32::try_from(queue.load()).unwrap_or(u32::MAX);
            usable.then_some(if adaptive { load } else { 0 })
        })
    }

    fn is_stuck(&self, index: i32) -> bool {
        self.queue(index).is_some_and(|queue| queue.is_stuck())
    }
}

/// Which partition keyless records stick to. One per topic, kept when the topic is replaced.
#[derive(Debug)]
struct Sticky {
    /// Index of the partition; `NOBODY` before the first record.
    current: AtomicUsize,
    /// Bytes that went to it since it became the current one.
    produced: AtomicUsize,
    /// Whose turn is next; its lock also guards a switch.
    turns: Mutex<WeightedRoundRobin>,
    /// `partitioner.adaptive.partitioning.enable`.
    adaptive: bool,
}

const NOBODY: usize = usize::MAX;

/// All topics known by now.
#[derive(Debug)]
pub(super) struct Topics {
    by_name: HashMap<Arc<str>, Arc<Topic>>,
    partitions: usize,
    adaptive: bool,
    closed: bool,
}

impl Topics {
    pub(super) fn new(adaptive: bool) -> Self {
        Self {
            by_name: HashMap::new(),
            partitions: 0,
            adaptive,
            closed: false,
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Makes appends to a topic possible, or its partitions more or fewer; existing queues stay.
    pub(super) fn publish(
        &mut self,
        name: &Arc<str>,
        partitions: usize,
        available: Vec<i32>,
        settings: TopicSettings,
    ) {
        let old = self.by_name.get(name);
        let mut queues = old.map(|topic| topic.queues.clone()).unwrap_or_default();
        while queues.len() < partitions {
            let index = i32::try_from(queues.len()).unwrap_or(i32::MAX);
            let id = PartitionId(self.partitions);
            let queue = PartitionQueue::new(id, Arc::clone(name), index, settings);
            if self.closed {
                queue.close();
            }
            queues.push(Arc::new(queue));
            self.partitions += 1;
        }
        let sticky = match old {
            Some(topic) => Arc::clone(&topic.sticky),
            None => Arc::new(Sticky {
                current: AtomicUsize::new(NOBODY),
                produced: AtomicUsize::new(0),
                turns: Mutex::ranked(Rank::Turns, WeightedRoundRobin::default()),
                adaptive: self.adaptive,
            }),
        };
        let topic = Topic {
            queues,
            partitions,
            available,
            sticky,
        };
        self.by_name.insert(Arc::clone(name), Arc::new(topic));
    }

    /// Every queue there is, in no particular order.
    pub(super) fn queues(&self) -> impl Iterator<Item = &Arc<PartitionQueue>> {
        self.by_name.values().flat_map(|topic| &topic.queues)
    }

    /// Refuses appends to every partition, known and to come.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.queues().for_each(|queue| queue.close());
    }
}

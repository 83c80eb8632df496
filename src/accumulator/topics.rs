//! The topics that callers can append to, and the built-in choice of a partition for records
//! without a key (KIP-794). Replaced by the I/O thread when metadata comes, read by every caller.
//! HOT: callers find their topic here without a lock and without touching what others write.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::RandomState;

use crate::accumulator::lanes::{Lanes, NO_PARTITION, step_back};
use crate::accumulator::queue::{PartitionId, PartitionQueue};
use crate::accumulator::topic_compression::{Compressors, TopicCompression};
use crate::config::TopicTable;
use crate::partitioner::WeightedRoundRobin;
use crate::sync::{Arc, Mutex, Ordering, Rank, Ranked};

/// A topic as of one metadata response. Never changed: newer metadata replaces it as a whole.
#[derive(Debug)]
pub(crate) struct Topic {
    name: Arc<str>,
    /// By partition index. If the topic was deleted and made again with fewer partitions, the rest
    /// stand behind the first `partitions`: what they hold is still sent or fails, but they get no
    /// new records.
    queues: Vec<Arc<PartitionQueue>>,
    partitions: usize,
    /// Indexes of the partitions that have a leader.
    available: Vec<i32>,
    /// Of these, those whose leader is in the producer's own rack (KIP-1123); empty unless keyless records
    /// are to stay there.
    in_rack: Vec<i32>,
    sticky: Arc<Sticky>,
    /// Whether and how batches are compressed.
    compression: Option<Arc<TopicCompression>>,
}

impl Topic {
    pub(crate) fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions).unwrap_or(i32::MAX)
    }

    /// Partitions with a leader, in ascending order.
    pub(crate) fn available(&self) -> &[i32] {
        &self.available
    }

    #[inline]
    pub(crate) fn queue(&self, partition: i32) -> Option<&Arc<PartitionQueue>> {
        self.live().get(usize::try_from(partition).ok()?)
    }

    /// Those that stand behind as well.
    pub(crate) fn all_queues(&self) -> &[Arc<PartitionQueue>] {
        &self.queues
    }

    #[inline]
    fn live(&self) -> &[Arc<PartitionQueue>] {
        self.queues.get(..self.partitions).unwrap_or(&self.queues)
    }

    /// The partition that keyless records of this thread go to at the moment.
    #[inline]
    pub(super) fn sticky_partition(&self) -> &Arc<PartitionQueue> {
        let current = self.sticky.lanes.current().load(Ordering::Acquire);
        match self.live().get(current) {
            Some(queue) => queue,
            None => self.next_turn(current),
        }
    }

    /// Ends this partition's turn: keyless records of this thread's lane go to another one, which is
    /// chosen here unless another thread has just done so.
    pub(super) fn end_turn(&self, queue: &PartitionQueue) {
        let index = usize::try_from(queue.index()).unwrap_or(NO_PARTITION);
        self.next_turn(index);
        step_back();
    }

    fn next_turn(&self, before: usize) -> &Arc<PartitionQueue> {
        let current = self.sticky.lanes.current();
        let mut turns = self.sticky.turns.lock();
        let now = current.load(Ordering::Acquire);
        if now != before
            && let Some(queue) = self.live().get(now)
        {
            return queue;
        }
        let chosen = turns
            .next(self.live().len(), |range| self.loads(range))
            .unwrap_or(0);
        current.store(chosen, Ordering::Release);
        drop(turns);
        self.live().get(chosen).unwrap_or_else(|| self.first())
    }

    fn first(&self) -> &Arc<PartitionQueue> {
        self.queues
            .first()
            .expect("a topic without partitions is not published")
    }

    /// The load of each partition in a range; `None` excludes those without a leader, those whose
    /// leader is stuck, and those of other racks, as long as a partition of the own rack is left. If that
    /// would exclude all, the stuck ones are in, and if no partition has a leader, all are: the record
    /// waits for a leader until `delivery.timeout.ms`.
    fn loads(&self, range: Range<usize>) -> impl Iterator<Item = Option<u32>> {
        let adaptive = self.sticky.adaptive;
        let is_reachable = |index: &i32| !self.is_stuck(*index);
        let any_near = self.in_rack.iter().any(is_reachable);
        let any_reachable = any_near || self.available.iter().any(is_reachable);
        // If all are stuck, it is again the own rack that counts.
        let candidates = match any_near || !any_reachable {
            true if !self.in_rack.is_empty() => &self.in_rack,
            _ => &self.available,
        };
        let first = i32::try_from(range.start).unwrap_or(i32::MAX);
        let before = candidates.partition_point(|index| *index < first);
        let mut available = candidates.iter().skip(before).copied().peekable();
        let queues = self.live().get(range).unwrap_or_default();
        (first..).zip(queues).map(move |(index, queue)| {
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

/// Which partitions keyless records stick to. One for each topic; newer metadata does not replace it.
#[derive(Debug)]
struct Sticky {
    lanes: Lanes,
    /// Which partition is next. Its lock is held while a lane moves on, so that two threads that end
    /// the same turn move it once.
    turns: Mutex<WeightedRoundRobin>,
    /// `partitioner.adaptive.partitioning.enable`.
    adaptive: bool,
}

/// The topics as a thread has seen them last, kept from record to record. As long as they are the
/// latest, to use them touches no memory that other threads write.
#[derive(Debug)]
pub(crate) struct CachedTopics {
    pub(super) version: u64,
    pub(super) topics: Arc<Topics>,
}

impl CachedTopics {
    #[inline]
    pub(crate) fn topics(&self) -> &Topics {
        &self.topics
    }
}

/// All topics known by now. Callers see it behind an `Arc`; a change makes a new copy.
///
/// The copy shares the older topics with the original, and only the [`MOST_RECENT`] are copied one by
/// one: programs that send to thousands of topics meet them one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Topics {
    older: Arc<[Arc<Topic>]>,
    recent: Vec<Arc<Topic>>,
    /// The indexes of topics: of an older one in `older`, of another one behind these.
    older_by_name: Arc<Indexes>,
    recent_by_name: Indexes,
    partitions: usize,
    adaptive: bool,
    /// The settings of each topic, known or not.
    settings: Arc<TopicTable>,
    closed: bool,
    compressors: Arc<Compressors>,
}

type Indexes = HashMap<Arc<str>, usize, RandomState>;

/// So many topics are added before they become older ones.
const MOST_RECENT: usize = 256;

impl Topics {
    pub(super) fn new(adaptive: bool) -> Self {
        Self {
            older: Arc::new([]),
            recent: Vec::new(),
            older_by_name: Arc::default(),
            recent_by_name: HashMap::default(),
            partitions: 0,
            adaptive,
            settings: Arc::default(),
            closed: false,
            compressors: Arc::new(Compressors::new()),
        }
    }

    /// Counts for topics that are published from now on.
    pub(super) fn set_settings(&mut self, settings: TopicTable) {
        self.settings = Arc::new(settings);
    }

    pub(super) fn settings(&self) -> &Arc<TopicTable> {
        &self.settings
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Topic>> {
        self.at(self.index_of(name)?)
    }

    /// The index of a topic. Most threads send to one topic, so the last one found is tried first: to
    /// hash its name would take as long as all the rest of the way to the partition.
    #[inline]
    pub(crate) fn index_of(&self, name: &str) -> Option<usize> {
        thread_local! {
            static LAST: Cell<usize> = const { Cell::new(0) };
        }
        let last = LAST.get();
        if self.at(last).is_some_and(|topic| *topic.name == *name) {
            return Some(last);
        }
        let index = self.search(name)?;
        LAST.set(index);
        Some(index)
    }

    fn search(&self, name: &str) -> Option<usize> {
        let older = self.older_by_name.get(name);
        older.or_else(|| self.recent_by_name.get(name)).copied()
    }

    #[inline]
    pub(crate) fn at(&self, index: usize) -> Option<&Arc<Topic>> {
        match self.older.get(index) {
            Some(topic) => Some(topic),
            None => self.recent.get(index - self.older.len()),
        }
    }

    fn len(&self) -> usize {
        self.older.len() + self.recent.len()
    }

    pub(super) fn compressors(&self) -> &Compressors {
        &self.compressors
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Makes appends to a topic possible, or its partitions more or fewer; existing queues stay. Of the
    /// partitions, those that are `available` have a leader, and those `in_rack` have it in the own rack.
    pub(crate) fn publish(
        &mut self,
        name: &Arc<str>,
        partitions: usize,
        available: Vec<i32>,
        in_rack: Vec<i32>,
    ) {
        let index = self.search(name);
        let old = index.and_then(|index| self.at(index)).cloned();
        let mut queues = old
            .as_ref()
            .map(|topic| topic.queues.clone())
            .unwrap_or_default();
        let settings = self.settings.of(name);
        let compression = match &old {
            Some(topic) => topic.compression.clone(),
            None => settings
                .compression
                .map(|compression| Arc::new(TopicCompression::new(compression, &self.compressors))),
        };
        while queues.len() < partitions {
            let index = i32::try_from(queues.len()).unwrap_or(i32::MAX);
            let id = PartitionId(self.partitions);
            let name = Arc::clone(name);
            let queue = PartitionQueue::new(id, name, index, settings, compression.clone());
            if self.closed {
                queue.close();
            }
            queues.push(Arc::new(queue));
            self.partitions += 1;
        }
        let sticky = match &old {
            Some(topic) => Arc::clone(&topic.sticky),
            None => Arc::new(Sticky {
                lanes: Lanes::new(),
                turns: Mutex::ranked(Rank::Turns, WeightedRoundRobin::default()),
                adaptive: self.adaptive,
            }),
        };
        let topic = Topic {
            name: Arc::clone(name),
            queues,
            partitions,
            available,
            in_rack,
            sticky,
            compression,
        };
        self.put(index, Arc::new(topic));
    }

    /// Puts a topic in the place of the one with this index, or at the end.
    fn put(&mut self, index: Option<usize>, topic: Arc<Topic>) {
        let Some(index) = index else {
            self.recent_by_name
                .insert(Arc::clone(&topic.name), self.len());
            self.recent.push(topic);
            if self.recent.len() > MOST_RECENT {
                self.older = self
                    .older
                    .iter()
                    .cloned()
                    .chain(self.recent.drain(..))
                    .collect();
                Arc::make_mut(&mut self.older_by_name).extend(self.recent_by_name.drain());
            }
            return;
        };
        let behind = index.checked_sub(self.older.len());
        let place = match behind {
            Some(index) => self.recent.get_mut(index),
            // Copied once for all topics that one answer changes.
            None => Arc::make_mut(&mut self.older).get_mut(index),
        };
        if let Some(place) = place {
            *place = topic;
        }
    }

    /// Every queue there is.
    pub(super) fn queues(&self) -> impl Iterator<Item = &Arc<PartitionQueue>> {
        let topics = self.older.iter().chain(&self.recent);
        topics.flat_map(|topic| &topic.queues)
    }

    /// Refuses appends to every partition, known and to come.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.queues().for_each(|queue| queue.close());
    }
}

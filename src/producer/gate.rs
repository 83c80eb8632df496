//! What every record passes between its serializers and its queue: topic, size, partition, memory.
//! HOT, and the same for all types of keys and values. Partitioners run with no lock and no
//! reservation held. Runs on: caller.

use std::cell::OnceCell;
use std::time::{Duration, Instant};

use crate::accumulator::{
    Arrival, BatchId, NoMemory, PartitionQueue, Refused, Reservation, Target, Topic, Topics, View,
    most_needed,
};
use crate::driver::{End, Shared};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::topic_name_fault;
use crate::partitioner::{PartitionRequest, Partitioning, TopicPartitions};
use crate::producer::Settings;
use crate::producer::clock::now;
use crate::record::encoded_size_upper_bound;
use crate::sender::Command;
use crate::sync::{Arc, assert_unlocked};

/// How long a call may wait for metadata and memory, together.
#[derive(Debug)]
pub(super) struct Patience {
    /// `None`: not at all.
    limit: Option<Limit>,
    /// When it ends, as of the first wait: a call that does not wait reads no clock.
    deadline: OnceCell<Option<Instant>>,
}

impl Patience {
    pub(super) fn none() -> Self {
        Self::new(None)
    }

    pub(super) fn until(limit: Limit) -> Self {
        Self::new(Some(limit))
    }

    fn new(limit: Option<Limit>) -> Self {
        Self {
            limit,
            deadline: OnceCell::new(),
        }
    }

    /// Until when to wait, and whose limit that is; no deadline waits for ever.
    fn begin(&self) -> Option<(Option<Instant>, Limit)> {
        let limit = self.limit?;
        let end = || now().checked_add(limit.duration());
        Some((*self.deadline.get_or_init(end), limit))
    }
}

/// Whose limit it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    MaxBlock(Duration),
    Caller(Duration),
}

/// What a record says of itself, besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: Option<i32>,
    pub(super) timestamp_ms: Option<i64>,
}

impl Draft<'_> {
    /// The place of its topic, if that has the partition.
    #[inline]
    fn find_in(&self, topics: &Topics) -> Option<usize> {
        let place = topics.place_of(self.topic)?;
        let has = |index| {
            topics
                .at(place)
                .is_some_and(|one| one.queue(index).is_some())
        };
        self.partition.is_none_or(has).then_some(place)
    }
}

/// Where a record is, once it is on its way.
pub(super) type Accepted<'a> = (&'a Arc<PartitionQueue>, BatchId);

/// See the [module](self).
pub(super) struct Gate<'a> {
    pub(super) shared: &'a Shared,
    pub(super) settings: &'a Settings,
}

/// How much later than the deadline the I/O thread's better-informed answer is still waited for.
const ANSWER_GRACE: Duration = Duration::from_millis(50);
const _: () = assert!(
    ANSWER_GRACE.as_millis() < 100,
    "a tenth of a second is promised"
);

impl Gate<'_> {
    /// The topic, with the partition if one is named; waits for metadata if need be.
    #[inline]
    pub(super) fn topic<'t>(
        &self,
        draft: &Draft<'_>,
        patience: &Patience,
        view: &'t mut Option<View>,
    ) -> Result<&'t Topic> {
        check(draft)?;
        let accumulator = &self.shared.accumulator;
        let mut place = draft.find_in(accumulator.look(view));
        if place.is_none() {
            self.await_topic(draft.topic, draft.partition, patience)?;
            place = draft.find_in(accumulator.look(view));
        }
        // Not a later look: it might not have the partition any more.
        let topics = view.as_ref().map(View::topics);
        let topic = place.and_then(|place| topics?.at(place));
        topic.map(|topic| &**topic).ok_or_else(|| {
            let text = format!("topic \"{}\" was announced and is not there", draft.topic);
            Error::new(ErrorKind::Internal, text)
        })
    }

    pub(super) fn await_topic(
        &self,
        name: &str,
        partition: Option<i32>,
        patience: &Patience,
    ) -> Result<()> {
        check_topic_name(name)?;
        let shared = self.shared;
        let topic: Arc<str> = Arc::from(name);
        let Some((deadline, limit)) = self.wait_for(patience) else {
            shared.post(Command::Track(topic)).map_err(End::error)?;
            let text = match partition {
                Some(partition) => format!("partition {partition} of topic \"{name}\""),
                None => format!("topic \"{name}\""),
            };
            let text = format!("{text} is not known yet; metadata has been asked for");
            return Err(Error::new(ErrorKind::UnknownTopicOrPartition, text));
        };
        let command = Command::AwaitTopic {
            topic,
            partition,
            deadline,
        };
        let ticket = shared.post(command).map_err(End::error)?;
        ticket.wait_beyond(deadline, ANSWER_GRACE).unwrap_or_else(|| {
            let text = format!(
                "no metadata for topic \"{name}\" within {}; the I/O thread is busy, with a callback \
                 perhaps",
                limit.describe()
            );
            Err(Error::new(ErrorKind::TimedOut, text))
        })
    }

    /// Puts the record into a batch, and waits for memory if need be.
    pub(super) fn append<'t>(
        &self,
        draft: &Draft<'_>,
        topic: &'t Topic,
        arrival: &mut Arrival<'_>,
        patience: &Patience,
    ) -> Result<Accepted<'t>> {
        self.check_size(draft, arrival)?;
        let target = self.choose(draft, topic, arrival)?;
        let accumulator = &self.shared.accumulator;
        let mut reserved = None;
        loop {
            match accumulator.append(&now, target, arrival, reserved) {
                Ok(appended) => {
                    if appended.wake {
                        self.shared.wake();
                    }
                    return Ok((appended.queue, appended.batch));
                }
                Err(Refused::NoMemory) => reserved = Some(self.reserve(arrival, patience)?),
                Err(Refused::Closed) => return Err(self.closed()),
                Err(Refused::Forked) => return Err(End::Forked(accumulator.home()).error()),
            }
        }
    }

    fn check_size(&self, draft: &Draft<'_>, arrival: &Arrival<'_>) -> Result<()> {
        let bytes = encoded_size_upper_bound(arrival.content);
        let needed = most_needed(arrival.content, arrival.callback_bytes);
        let (limit, total) = (
            self.settings.max_request_size,
            self.shared.accumulator.budget().total(),
        );
        if bytes <= limit && needed <= total {
            return Ok(());
        }
        let (setting, limit) = match bytes > limit {
            true => ("max.request.size", limit),
            false => ("buffer.memory, bookkeeping included,", total),
        };
        let topic = draft.topic;
        let text =
            format!("a record of {bytes} bytes for \"{topic}\" is larger than {setting} ({limit})");
        Err(Error::new(ErrorKind::RecordTooLarge, text))
    }

    fn choose<'t>(
        &self,
        draft: &Draft<'_>,
        topic: &'t Topic,
        arrival: &Arrival<'_>,
    ) -> Result<Target<'t>> {
        let count = topic.partition_count();
        let (key, value) = (arrival.record.key, arrival.record.value);
        let partitions = TopicPartitions::new(count, topic.available());
        let index = match (draft.partition, &self.settings.partitioning) {
            (Some(partition), _) => partition,
            (None, Partitioning::ByKey(rule)) => match rule.partition(key, &partitions) {
                Some(partition) => partition,
                None => return Ok(Target::Round(topic)),
            },
            (None, Partitioning::Asked(partitioner)) => {
                let request = PartitionRequest::new(draft.topic, key, value);
                assert_unlocked();
                let refused = |error| {
                    let topic = draft.topic;
                    let text = format!("the partitioner refused a record for \"{topic}\": {error}");
                    Error::with_source(ErrorKind::InvalidRecord, text, error)
                };
                partitioner
                    .partition(&request, &partitions)
                    .map_err(refused)?
            }
        };
        topic.queue(index).map(Target::Partition).ok_or_else(|| {
            let text = format!(
                "the partitioner chose partition {index} of topic \"{}\", which has {count} \
                 partitions",
                draft.topic
            );
            Error::new(ErrorKind::InvalidRecord, text)
        })
    }

    fn reserve(&self, arrival: &Arrival<'_>, patience: &Patience) -> Result<Reservation> {
        let shared = self.shared;
        shared.check_process().map_err(End::error)?;
        let budget = shared.accumulator.budget();
        let full = |waited: &str| {
            let total = budget.total();
            let text = format!(
                "buffer.memory ({total} bytes) is full{waited}: records come faster than the \
                 brokers take them"
            );
            Error::new(ErrorKind::BufferFull, text)
        };
        let Some((deadline, limit)) = self.wait_for(patience) else {
            if budget.note_refusal() {
                shared.wake();
            }
            return Err(full(""));
        };
        let needed = most_needed(arrival.content, arrival.callback_bytes);
        budget
            .wait(needed, deadline, || shared.wake())
            .map_err(|refused| match refused {
                NoMemory::Closed => self.closed(),
                NoMemory::TimedOut => full(&format!(" and stayed so for {}", limit.describe())),
            })
    }

    /// Until when this call may wait, if at all: the I/O thread must not wait for itself.
    fn wait_for(&self, patience: &Patience) -> Option<(Option<Instant>, Limit)> {
        patience.begin().filter(|_| !self.shared.is_io_thread())
    }

    /// What the call ends with once the producer is closed. It may have compressed a batch while that
    /// happened: the I/O thread looks again.
    pub(super) fn closed(&self) -> Error {
        self.shared.wake();
        self.shared.ending().unwrap_or(End::Closed).error()
    }
}

/// What can be said of a record without knowing the cluster.
#[inline]
fn check(record: &Draft<'_>) -> Result<()> {
    let invalid = |text: String| Err(Error::new(ErrorKind::InvalidRecord, text));
    if let Some(timestamp) = record.timestamp_ms.filter(|timestamp| *timestamp < 0) {
        return invalid(format!(
            "a timestamp must not be negative, and this one is {timestamp}"
        ));
    }
    if let Some(partition) = record.partition.filter(|partition| *partition < 0) {
        return invalid(format!(
            "a partition must not be negative, and this one is {partition}"
        ));
    }
    Ok(())
}

/// What brokers take as the name of a topic. Asked only of names that are not known yet.
pub(super) fn check_topic_name(name: &str) -> Result<()> {
    const ENOUGH_TO_SHOW: usize = 249;
    let Some(why) = topic_name_fault(name) else {
        return Ok(());
    };
    let shown: String = name.chars().take(ENOUGH_TO_SHOW).collect();
    let text = format!("{shown:?} is not a legal topic name: {why}");
    Err(Error::new(ErrorKind::InvalidRecord, text))
}

impl Limit {
    fn duration(self) -> Duration {
        match self {
            Self::MaxBlock(limit) | Self::Caller(limit) => limit,
        }
    }

    fn describe(self) -> String {
        match self {
            Self::MaxBlock(limit) => format!("max.block.ms ({} ms)", limit.as_millis()),
            Self::Caller(limit) => format!("{} ms", limit.as_millis()),
        }
    }
}

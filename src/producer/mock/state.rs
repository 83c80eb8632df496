//! What a mock producer holds, under one lock.

use std::collections::VecDeque;

use crate::accumulator::FailedByPartition;
use crate::driver::End;
use crate::error::{Error, ErrorKind, Fate, Result};
use crate::producer::OwnedProducerRecord;
use crate::producer::mock::injected;
use crate::producer::produce::Callback;
use crate::record::metadata::RecordMetadata;
use crate::sorted_map::SortedMap;
use crate::sync::Arc;
use crate::sync::thread::ThreadId;

/// See the [module](self). `K` and `V` are owned keys and values.
pub(super) struct State<K, V> {
    topics: SortedMap<String, Topic>,
    /// Whether topics that were not added are known as well.
    knows_all: bool,
    pub(super) auto_complete: bool,
    /// What each send is refused with.
    pub(super) refusal: Option<ErrorKind>,
    /// Of records that are still to be sent.
    pub(super) failures: VecDeque<Error>,
    pub(super) history: Vec<OwnedProducerRecord<K, V>>,
    /// In the order of `send`.
    pub(super) pending: VecDeque<Pending>,
    /// Where records have failed.
    pub(super) losses: FailedByPartition,
    /// The thread that runs a callback.
    pub(super) delivering: Option<ThreadId>,
    pub(super) accepted: u64,
    pub(super) flushes: u64,
    pub(super) is_closed: bool,
}

struct Topic {
    /// The next offset of each partition.
    ends: Vec<i64>,
    /// The partition whose turn is next.
    turn: usize,
}

/// A record that has no outcome yet.
pub(super) struct Pending {
    pub(super) callback: Callback,
    /// Without its offset.
    pub(super) metadata: RecordMetadata,
    /// What it will fail with, if it will.
    pub(super) error: Option<Error>,
}

impl Pending {
    pub(super) fn failing(self, error: Error) -> Self {
        let error = Some(error);
        Self { error, ..self }
    }
}

impl Topic {
    fn new(partitions: i32) -> Self {
        let count = usize::try_from(partitions).unwrap_or(0).max(1);
        Self {
            ends: vec![0; count],
            turn: 0,
        }
    }

    fn take_turn(&mut self) -> i32 {
        let turn = self.turn;
        self.turn = (turn + 1) % self.ends.len();
        i32::try_from(turn).unwrap_or(0)
    }

    fn next_offset(&mut self, partition: i32) -> i64 {
        let index = usize::try_from(partition).unwrap_or(0);
        let Some(end) = self.ends.get_mut(index) else {
            return 0;
        };
        *end += 1;
        *end - 1
    }
}

impl<K, V> State<K, V> {
    pub(super) fn new() -> Self {
        Self {
            topics: SortedMap::new(),
            knows_all: true,
            auto_complete: true,
            refusal: None,
            failures: VecDeque::new(),
            history: Vec::new(),
            pending: VecDeque::new(),
            losses: FailedByPartition::default(),
            delivering: None,
            accepted: 0,
            flushes: 0,
            is_closed: false,
        }
    }

    pub(super) fn add_topic(&mut self, name: &str, partitions: i32) {
        self.knows_all = false;
        self.topics.insert(name.to_owned(), Topic::new(partitions));
    }

    pub(super) fn check_open(&self) -> Result<()> {
        match self.is_closed {
            true => Err(End::Closed.error()),
            false => Ok(()),
        }
    }

    /// How many partitions a topic has, unless nothing can be sent to it now.
    pub(super) fn partitions_of(&mut self, topic: &str) -> Result<i32> {
        self.check_open()?;
        if self.knows_all && !self.topics.contains_key(topic) {
            self.topics.insert(topic.to_owned(), Topic::new(1));
        }
        let Some(known) = self.topics.get(topic) else {
            let text = format!("the test has no topic \"{topic}\"");
            return Err(Error::new(ErrorKind::UnknownTopicOrPartition, text));
        };
        Ok(i32::try_from(known.ends.len()).unwrap_or(i32::MAX))
    }

    /// Takes a record with its callback, for its chosen partition or for the one whose turn it is; or leaves
    /// both where they are.
    pub(super) fn accept(
        &mut self,
        record: &mut Option<OwnedProducerRecord<K, V>>,
        mut metadata: RecordMetadata,
        chosen: Option<i32>,
        callback: &mut Option<Callback>,
    ) -> Result<()> {
        let topic = metadata.topic.as_str();
        let count = self.partitions_of(topic)?;
        if let Some(kind) = self.refusal {
            return Err(injected(kind, Fate::NotWritten));
        }
        if let Some(partition) = chosen.filter(|partition| *partition >= count) {
            let text = format!(
                "partition {partition} of topic \"{topic}\" does not exist: the topic has {count} partitions"
            );
            return Err(Error::new(ErrorKind::UnknownTopicOrPartition, text));
        }
        if chosen.is_none()
            && let Some(topic) = self.topics.get_mut(topic)
        {
            metadata.partition = topic.take_turn();
        }
        self.history.extend(record.take());
        let error = self.failures.pop_front();
        self.pending.extend(callback.take().map(|callback| Pending {
            callback,
            metadata,
            error,
        }));
        self.accepted += 1;
        Ok(())
    }

    pub(super) fn fail_oldest(&mut self, error: Error) -> bool {
        let Some(oldest) = self.pending.front_mut() else {
            return false;
        };
        oldest.error = Some(error);
        true
    }

    /// Whether the thread that has sent is the one to complete: no other runs a callback.
    pub(super) fn is_left_to_sender(&self) -> bool {
        self.auto_complete && self.delivering.is_none()
    }

    pub(super) fn start_flush(&mut self) -> Result<()> {
        self.check_open()?;
        self.flushes += 1;
        Ok(())
    }

    /// What the record's callback is told.
    pub(super) fn outcome(&mut self, pending: Pending) -> (Callback, Result<RecordMetadata>) {
        let Pending {
            callback,
            mut metadata,
            error,
        } = pending;
        if let Some(error) = error {
            let size = |size: Option<usize>| size.and_then(|size| i32::try_from(size).ok());
            let (key, value) = (size(metadata.key_size), size(metadata.value_size));
            let error = error.at(metadata.topic.clone(), Some(metadata.partition));
            let error = error.of_record((key.unwrap_or(-1), value.unwrap_or(-1)));
            let topic = Arc::from(metadata.topic.as_str());
            self.losses.count(&topic, metadata.partition, &error);
            return (callback, Err(error));
        }
        let topic = self.topics.get_mut(metadata.topic.as_str());
        metadata.offset = topic.map(|topic| topic.next_offset(metadata.partition));
        (callback, Ok(metadata))
    }
}

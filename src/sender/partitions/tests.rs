//! One partition alone: what goes next, which outcomes are held back, and what a gap costs.

use std::time::Duration;

use super::*;
use crate::accumulator::{Accumulator, NewRecord, OwnCallback, Target};
use crate::error::{Error, ErrorKind, Fate, Result};
use crate::ids::TopicId;
use crate::record::Record;
use crate::sender::producer_ids::ProducerIdState;
use crate::sender::requests::{Content, Requests, SentBatch};
use crate::sender::sequence::Identity;

const LEADER: NodeId = NodeId(1);
const IDENTITY: Identity = Identity {
    producer_id: 7,
    epoch: 0,
};
const IDENTIFIED: ProducerIdState = ProducerIdState::Identified(IDENTITY);

/// A partition that some broker leads and the driver's half of its batches.
struct World {
    now: Instant,
    accumulator: Accumulator,
    partition: Partition,
    requests: Requests,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "an Instant has no other source")]
    fn new() -> Self {
        let accumulator = Accumulator::new(200, 64 * 1024, false);
        accumulator.publish(&Arc::from("t"), 1, vec![0]);
        let topic = accumulator.topic("t").unwrap();
        let partition = Partition::new(topic.queue(0).unwrap(), Some(LEADER));
        Self {
            now: Instant::now(),
            accumulator,
            partition,
            requests: Requests::default(),
        }
    }

    /// With a first batch that was acknowledged, so that others may follow each other.
    fn established() -> Self {
        let mut world = Self::new();
        let first = world.send();
        world.partition.end_in_flight(first);
        world
    }

    /// Appends a batch of one record.
    fn append(&self) {
        let value = [b'x'; 150];
        let record = Record {
            timestamp_ms: 0,
            key: None,
            value: Some(&value),
            headers: &[],
        };
        let mut callback = OwnCallback::new(|_: Result<crate::RecordMetadata>| {});
        let mut callback = callback.by_ref();
        let mut new = NewRecord::new(record, &mut callback);
        let target = Target::Partition(self.partition.queue());
        let clock = || self.now;
        let appended = self.accumulator.append(&clock, target, &mut new, None);
        appended.unwrap();
    }

    /// Appends a batch and sends it; returns its id.
    fn send(&mut self) -> BatchId {
        self.append();
        let batch = self.partition.take_next(self.now, Some(IDENTITY)).unwrap();
        self.put_in_flight(batch)
    }

    fn put_in_flight(&mut self, mut batch: SealedBatch) -> BatchId {
        batch.attempts += 1;
        let id = batch.id;
        let slot = self.requests.next_slot(LEADER, 0);
        self.partition.add_in_flight(id, slot);
        let stamp = batch.stamp;
        if let Some(stamp) = stamp {
            self.partition.handle_acknowledged(self.now, stamp);
        }
        let sent = SentBatch {
            partition: PartitionId(0),
            id,
            topic_id: TopicId::default(),
            stamp,
            if_unanswered: Fate::MayBeWritten,
            batch: Some(batch),
        };
        self.requests.add(LEADER, Content::Produce(vec![sent]));
        id
    }

    /// Takes a request with its batch, which is not in flight any more.
    fn end_request(&mut self, number: u64) -> SealedBatch {
        let request = self.requests.remove(crate::ids::RequestId(number)).unwrap();
        let Content::Produce(mut batches) = request.content else {
            panic!("a Produce request");
        };
        let batch = batches.remove(0).batch.unwrap();
        self.partition.end_in_flight(batch.id);
        batch
    }

    fn retry(&mut self, number: u64, left: Fate) -> BatchId {
        let mut batch = self.end_request(number);
        batch.merge_fate(left);
        let id = batch.id;
        self.partition.add_retry(batch, self.now);
        id
    }

    fn next(&self) -> &'static str {
        match self.partition.next(IDENTIFIED) {
            Next::Nothing => "nothing",
            Next::Retry(_) => "retry",
            Next::New(_) => "new",
        }
    }

    /// Gives the partition an outcome; returns those that it hands out.
    fn outcome(&mut self, outcome: Outcome) -> Vec<BatchId> {
        let mut delivered = Vec::new();
        self.partition
            .add_outcome(outcome, |outcome| delivered.push(outcome.batch));
        delivered
    }

    fn expire(&mut self, id: BatchId) -> Option<Outcome> {
        let describe = |_: u32, _: Option<&Error>| (ErrorKind::TimedOut, "too late".to_owned());
        self.partition
            .fail_early(id, &mut self.requests, None, describe)
    }
}

fn fate(outcome: &Outcome) -> Fate {
    outcome.result.as_ref().unwrap_err().of_record(0).fate()
}

#[test]
fn without_sequences_a_second_batch_waits_for_the_first() {
    let mut world = World::established();
    world.send();
    world.append();
    assert_eq!(world.next(), "new");
    let next = world.partition.next(ProducerIdState::Anonymous);
    assert!(matches!(next, Next::Nothing));
}

#[test]
fn what_is_at_another_broker_is_waited_for() {
    let mut world = World::established();
    let first = world.send();
    world.append();
    world.partition.set_leader(world.now, Some(NodeId(2)));
    assert_eq!(world.next(), "nothing");
    world.partition.end_in_flight(first);
    assert_eq!(world.next(), "new");
}

#[test]
fn a_retry_goes_only_as_the_oldest() {
    let mut world = World::established();
    let first = world.send();
    let second = world.send();
    world.append();
    world.retry(2, Fate::NotWritten);
    assert_eq!(world.next(), "nothing", "and nothing overtakes it");
    assert!(world.partition.has_older(second));
    world.partition.end_in_flight(first);
    assert_eq!(world.next(), "retry");
    assert!(!world.partition.has_older(second));
}

#[test]
fn an_outcome_is_held_until_all_older_batches_have_theirs() {
    let mut world = World::established();
    let first = world.send();
    let second = world.send();
    let batch = world.end_request(2);
    assert_eq!(world.outcome(batch.succeed(None, None)), []);
    let batch = world.end_request(1);
    let delivered = world.outcome(batch.succeed(None, None));
    assert_eq!(delivered, [first, second]);
}

#[test]
fn one_that_expires_on_its_way_may_be_written_and_holds_up_what_follows_until_its_request_ends() {
    let mut world = World::new();
    let id = world.send();
    world.append();
    let outcome = world.expire(id).unwrap();
    assert_eq!(fate(&outcome), Fate::MayBeWritten);
    assert_eq!(world.outcome(outcome), [id]);
    assert!(world.expire(id).is_none(), "no second outcome");
    let next = world.partition.next(ProducerIdState::Anonymous);
    assert!(matches!(next, Next::Nothing));
    world.partition.end_in_flight(id);
    let next = world.partition.next(ProducerIdState::Anonymous);
    assert!(matches!(next, Next::New(_)));
}

#[test]
fn one_that_expires_between_two_attempts_leaves_a_gap() {
    let mut world = World::established();
    world.send();
    let id = world.retry(1, Fate::NotWritten);
    world.append();
    let outcome = world.expire(id).unwrap();
    assert_eq!(fate(&outcome), Fate::NotWritten);
    assert_eq!(world.next(), "nothing");
    assert_eq!(world.partition.close_gap(), Some(IDENTITY));
    assert_eq!(world.next(), "new");
}

#[test]
fn after_a_gap_what_may_be_written_fails_and_what_is_not_gets_another_sequence() {
    let mut world = World::established();
    let first = world.send();
    world.send();
    world.send();
    world.retry(2, Fate::MayBeWritten);
    world.retry(3, Fate::NotWritten);
    world.partition.leave_gap();
    assert_eq!(world.partition.close_gap(), None, "one is still on its way");
    world.partition.end_in_flight(first);
    assert_eq!(world.partition.close_gap(), Some(IDENTITY));
    let (unsendable, why) = world.partition.take_unsendable().unwrap();
    assert_eq!(unsendable.fate(), Fate::MayBeWritten);
    assert_eq!(why, Unsendable::Gap);
    assert!(world.partition.take_unsendable().is_none());
    assert_eq!(world.next(), "retry");
    let identity = IDENTITY.bumped();
    let again = world.partition.take_next(world.now, identity).unwrap();
    let stamp = again.stamp.unwrap();
    assert_eq!((stamp.epoch, stamp.base_sequence), (1, 0));
}

#[test]
fn each_stage_that_ends_for_several_at_once_has_an_index() {
    let world = World::new();
    let (id, now) = (PartitionId(0), world.now);
    let (mut partitions, mut agenda) = (Partitions::default(), Agenda::new(1));
    partitions.add(world.partition.queue(), None);
    let later = now + Duration::from_secs(1);
    partitions.set_stage(id, Stage::Waiting(later), &mut agenda);
    assert_eq!(agenda.next_timer(), Some(later));
    partitions.set_stage(id, Stage::Leaderless, &mut agenda);
    assert_eq!(agenda.next_timer(), None);
    assert!(partitions.take_lingering().is_empty());
    assert!(partitions.get(id).unwrap().is_leaderless());
    partitions.set_stage(id, Stage::Unidentified, &mut agenda);
    assert!(!partitions.get(id).unwrap().is_leaderless());
    assert_eq!(partitions.take_unidentified(), BTreeSet::from([id]));
}

//! Batches to Produce requests, and answers to outcomes. HOT. An `impl` of [`Sender`]; runs on the
//! I/O thread, or in a simulation.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::accumulator::{Accumulator, PartitionId, SealedBatch};
use crate::error::{Error, ErrorKind};
use crate::ids::{NodeId, RequestId, TopicId};
use crate::protocol::Request;
use crate::protocol::messages::{
    ProducePartition, ProducePartitionResponse, ProduceRequest, ProduceResponse, ProduceTopic,
};
use crate::sender::event::Output;
use crate::sender::lines::Terms;
use crate::sender::partitions::{Place, Retry};
use crate::sender::refusal::{failure, refusal};
use crate::sender::requests::{Content, Flying, Seat};
use crate::sender::sequence::Producer;
use crate::sender::table::Table;
use crate::sender::verdict::{Verdict, proves_absence, verdict};
use crate::sender::{Sender, timers::Timer};
use crate::sync::Arc;

impl Sender {
    /// Sends what is ready to every broker that can take it.
    pub(super) fn send_batches(&mut self, now: Instant, accumulator: &Accumulator) {
        for id in self.nodes.with_work() {
            while let Some(terms) = self.whom_to_serve(now, id) {
                let batches = self.fill_request(now, id, terms);
                if batches.is_empty() {
                    continue;
                }
                let partitions: Vec<_> = batches.iter().map(|flying| flying.partition).collect();
                self.send_produce(now, id, terms, batches);
                self.note_taken(id, accumulator);
                // The next batch of each may follow at once.
                for partition in partitions {
                    self.evaluate(now, partition, accumulator);
                }
            }
            self.drop_stale_entries(id);
            self.note_idle(now, id, accumulator);
            self.connect_if_needed(now, id);
        }
    }

    /// A partition that has moved away leaves its entry behind; nobody connects for its sake.
    fn drop_stale_entries(&mut self, id: NodeId) {
        let partitions = &self.partitions;
        if let Some(node) = self.nodes.find(id) {
            node.ready
                .drop_first_while(|partition| next_size(partitions, id, partition) == 0);
        }
    }

    /// Which of the broker's lines is served next, if it can take anything.
    fn whom_to_serve(&mut self, now: Instant, id: NodeId) -> Option<Terms> {
        let max_in_flight = self.settings.max_in_flight;
        let node = self.nodes.find(id)?;
        node.can_take(now, max_in_flight)
            .then(|| node.ready.take_turn())?
    }

    /// Takes a batch of each partition in one of the broker's lines, up to `max.request.size`; the
    /// first one always fits.
    fn fill_request(&mut self, now: Instant, node: NodeId, terms: Terms) -> Vec<Flying> {
        let mut batches = Vec::new();
        let mut bytes = 0;
        while let Some(id) = self
            .nodes
            .find(node)
            .and_then(|node| node.ready.first(terms))
        {
            let size = next_size(&self.partitions, node, id);
            if !batches.is_empty() && bytes + size > self.settings.max_request_size {
                break;
            }
            if let Some(node) = self.nodes.find(node) {
                node.ready.pop(terms);
            }
            // Zero: the entry is out of date, the partition stands elsewhere by now.
            if size > 0
                && let Some(flying) =
                    self.take_next(now, self.requests.next_seat(node, batches.len()), id)
            {
                // What it has become: before it was compressed, its size was a guess.
                bytes += flying.batch.as_ref().map_or(size, SealedBatch::len);
                batches.push(flying);
            }
        }
        batches
    }

    /// What the partition sends next, from this seat.
    fn take_next(&mut self, now: Instant, seat: Seat, id: PartitionId) -> Option<Flying> {
        let identity = match self.producer {
            Producer::Anonymous => None,
            Producer::Identified(identity) => Some(identity),
            Producer::Unidentified => {
                self.place(id, Place::Unidentified);
                self.want_identity();
                return None;
            }
        };
        self.place(id, Place::Idle);
        let partition = self.partitions.get_mut(id)?;
        if !partition.may_send(self.producer) {
            return None;
        }
        let sequences = &mut partition.sequences;
        if partition.in_flight.is_empty() {
            sequences.note_alone(now);
        }
        let batch = if let Some(Retry { mut batch, .. }) = partition.retries.pop_front() {
            if let (Some(identity), None) = (identity, batch.stamp) {
                batch.set_stamp(sequences.stamp(identity, batch.completions.len()));
            }
            batch
        } else {
            let open = partition.queue.take()?;
            let records = open.completions.len();
            let stamp = identity.map(|identity| sequences.stamp(identity, records));
            open.seal(&partition.queue, stamp)
        };
        let mut batch = self.fit(now, id, batch)?;
        let partition = self.partitions.get_mut(id)?;
        debug_assert!(batch.deadline() > now, "expired before sent");
        batch.attempts += 1;
        partition.depart(batch.id, seat);
        let topic = self.view.topics.get(&**batch.queue.topic());
        Some(Flying {
            partition: id,
            id: batch.id,
            topic_id: topic.map(|topic| topic.id).unwrap_or_default(),
            stamp: batch.stamp,
            has_left: true,
            batch: Some(batch),
        })
    }

    /// The batch, if a request can hold it; else the first part of it that does. By how much a batch
    /// can be compressed is not known before.
    fn fit(&mut self, now: Instant, id: PartitionId, batch: SealedBatch) -> Option<SealedBatch> {
        let mut batch = batch;
        while batch.queue.compression().is_some()
            && batch.len() > self.settings.max_request_size
            && batch.has_several()
            && batch.attempts == 0
        {
            log::debug!(
                "{} has a batch of {} bytes, which is more than max.request.size: splitting",
                batch.name(),
                batch.len()
            );
            self.keep_parts(now, id, batch);
            let partition = self.partitions.get_mut(id)?;
            batch = partition.retries.pop_front()?.batch;
        }
        Some(batch)
    }

    fn send_produce(&mut self, now: Instant, node: NodeId, terms: Terms, batches: Vec<Flying>) {
        let mut topics: BTreeMap<Arc<str>, ProduceTopic> = BTreeMap::new();
        for batch in batches
            .iter()
            .filter_map(|flying| Some((flying, flying.batch.as_ref()?)))
        {
            let (flying, batch) = batch;
            self.counters.batches_sent.add(1);
            self.counters.bytes_sent.add(batch.len());
            self.counters.records_sent.add(batch.completions.len());
            let name = batch.queue.topic();
            // The name is counted for each topic, and not for each batch.
            if !topics.contains_key(name) {
                let topic = ProduceTopic {
                    name: Arc::clone(name),
                    id: flying.topic_id,
                    partitions: Vec::new(),
                };
                topics.insert(Arc::clone(name), topic);
            }
            let Some(topic) = topics.get_mut(name) else {
                continue;
            };
            topic.partitions.push(ProducePartition {
                index: batch.queue.index(),
                records: batch.bytes.clone(),
            });
        }
        let timeout_ms = i32::try_from(self.settings.request_timeout.as_millis());
        let request = ProduceRequest {
            transactional_id: None,
            acks: terms.acks.wire(),
            timeout_ms: timeout_ms.unwrap_or(i32::MAX),
            topics: topics.into_values().collect(),
        };
        self.send(
            now,
            node,
            Content::Produce(batches),
            Request::Produce(request),
        );
    }

    pub(super) fn on_produced(
        &mut self,
        now: Instant,
        node: NodeId,
        batches: Vec<Flying>,
        response: &ProduceResponse,
        accumulator: &Accumulator,
    ) {
        let Some(answers) = self.match_answers(&batches, response) else {
            let text = format!("broker {node} answered about other batches than those it was sent");
            let error = Error::new(ErrorKind::BadResponse, text);
            for flying in batches {
                self.try_again(now, flying, error.clone(), Attempt::Doubtful, accumulator);
            }
            self.outputs.push_back(Output::Disconnect(node));
            return self.on_disconnected(now, node, error, accumulator);
        };
        for (flying, told) in batches.into_iter().zip(answers) {
            self.on_partition_answer(now, flying, node, told, accumulator);
        }
        self.follow_hints(now, response, accumulator);
    }

    /// What the broker says about each batch, in their order; `None` unless it speaks of exactly
    /// these, each of them once.
    fn match_answers<'a>(
        &self,
        batches: &[Flying],
        response: &'a ProduceResponse,
    ) -> Option<Vec<&'a ProducePartitionResponse>> {
        if let Some(answers) = self.match_in_order(batches, response) {
            return Some(answers);
        }
        let mut answers = BTreeMap::new();
        for topic in &response.topics {
            for partition in &topic.partitions {
                let key = (topic.name.as_str(), topic.id, partition.index);
                if answers.insert(key, partition).is_some() {
                    return None;
                }
            }
        }
        if answers.len() != batches.len() {
            return None;
        }
        let answer = |flying: &Flying| {
            let queue = &self.partitions.get(flying.partition)?.queue;
            // Up to version 12 the answer goes by name, from 13 by id.
            let by_name = (&**queue.topic(), TopicId::default(), queue.index());
            let by_id = ("", flying.topic_id, queue.index());
            let told = answers.get(&by_name).or_else(|| answers.get(&by_id));
            told.copied()
        };
        batches.iter().map(answer).collect()
    }

    /// The same for a broker that answers in the order in which it was asked, as most do: without a
    /// search.
    fn match_in_order<'a>(
        &self,
        batches: &[Flying],
        response: &'a ProduceResponse,
    ) -> Option<Vec<&'a ProducePartitionResponse>> {
        let topics = response.topics.iter();
        let mut answers = topics.flat_map(|topic| {
            let partitions = topic.partitions.iter();
            partitions.map(move |partition| (topic, partition))
        });
        let answer = |flying: &Flying| {
            let (topic, partition) = answers.next()?;
            let queue = &self.partitions.get(flying.partition)?.queue;
            // Up to version 12 the answer goes by name, from 13 by id.
            let is_topic = match topic.id.is_known() {
                true => topic.name.is_empty() && topic.id == flying.topic_id,
                false => *topic.name == **queue.topic(),
            };
            (is_topic && partition.index == queue.index()).then_some(partition)
        };
        let matched = batches.iter().map(answer).collect();
        // None is left over.
        answers.next().is_none().then_some(matched)?
    }

    fn on_partition_answer(
        &mut self,
        now: Instant,
        flying: Flying,
        node: NodeId,
        told: &ProducePartitionResponse,
        accumulator: &Accumulator,
    ) {
        let verdict = verdict(told.error);
        if verdict == Verdict::RefreshAndRetry {
            self.refresh.request();
        }
        let offset = match verdict {
            Verdict::Success => Some(told.base_offset).filter(|offset| *offset >= 0),
            Verdict::Duplicate => None,
            _ => return self.on_refusal(now, flying, node, told, accumulator),
        };
        let time = Some(told.log_append_time_ms).filter(|time| *time >= 0);
        self.land(&flying);
        self.establish(now, &flying);
        if let Some(batch) = flying.batch {
            self.deliver(batch.succeed(offset, time));
        }
        self.go_on(now, flying.partition, accumulator);
    }

    fn on_refusal(
        &mut self,
        now: Instant,
        flying: Flying,
        node: NodeId,
        told: &ProducePartitionResponse,
        accumulator: &Accumulator,
    ) {
        let id = flying.partition;
        let attempt = if proves_absence(told.error) {
            Attempt::Absent
        } else {
            Attempt::Doubtful
        };
        let Some(queue) = self.queue_of(id) else {
            return;
        };
        let batch_bytes = flying.batch.as_ref().map(SealedBatch::len);
        let error = refusal(node, &queue, batch_bytes, told);
        let partition = self.partitions.get(id);
        let has_older = partition.is_some_and(|partition| partition.has_older(flying.id));
        match verdict(told.error) {
            Verdict::Split if flying.batch.as_ref().is_some_and(SealedBatch::has_several) => {
                self.split(now, flying, accumulator);
            }
            // Something older is to blame, or has to be told first: callbacks keep their order.
            Verdict::Sequence
            | Verdict::UnknownProducer
            | Verdict::Split
            | Verdict::Fail
            | Verdict::Fatal
                if has_older && flying.stamp.is_some() =>
            {
                self.try_again(now, flying, error, attempt, accumulator);
            }
            // The broker misses something that will never come, or has forgotten this producer.
            Verdict::Sequence | Verdict::UnknownProducer if flying.stamp.is_some() => {
                self.break_sequence(id);
                self.try_again(now, flying, error, attempt, accumulator);
            }
            Verdict::Sequence
            | Verdict::UnknownProducer
            | Verdict::Split
            | Verdict::Fail
            | Verdict::Fatal => {
                self.land(&flying);
                if flying.stamp.is_some() {
                    self.break_sequence(id);
                }
                if let Some(mut batch) = flying.batch {
                    batch.is_doubtful |= attempt == Attempt::Doubtful;
                    self.deliver(batch.fail(failure(node, &queue, error, told)));
                }
                self.go_on(now, id, accumulator);
            }
            Verdict::Retry | Verdict::RefreshAndRetry | Verdict::Success | Verdict::Duplicate => {
                self.try_again(now, flying, error, attempt, accumulator);
            }
        }
    }

    /// The broker takes no batch of this size: its records go in smaller ones.
    fn split(&mut self, now: Instant, flying: Flying, accumulator: &Accumulator) {
        self.land(&flying);
        let id = flying.partition;
        let Some(batch) = flying.batch else { return };
        log::info!(
            "{} has a batch of {} bytes that is too large: splitting",
            batch.name(),
            batch.len()
        );
        if let Some(compression) = batch.queue.compression() {
            compression.reset_ratio();
        }
        self.keep_parts(now, id, batch);
        self.go_on(now, id, accumulator);
    }

    /// Takes a batch apart; its parts go as its retries would.
    fn keep_parts(&mut self, now: Instant, id: PartitionId, batch: SealedBatch) {
        let deadline = batch.deadline();
        for (index, part) in batch.split().into_iter().enumerate() {
            if index > 0 {
                part.queue.increase_load();
            }
            self.incomplete.insert(part.id);
            self.timers.set(deadline, Timer::Delivery(id, part.id));
            if let Some(partition) = self.partitions.get_mut(id) {
                partition.keep(Retry {
                    batch: part,
                    not_before: now,
                    is_lost: false,
                });
            }
        }
    }

    /// `acks=0`: written is all that will ever be known.
    pub(super) fn on_written(&mut self, now: Instant, id: RequestId, accumulator: &Accumulator) {
        let Some((_, Content::Produce(batches))) = self.end_request(now, id) else {
            return;
        };
        for flying in batches {
            self.land(&flying);
            if let Some(batch) = flying.batch {
                self.deliver(batch.succeed(None, None));
            }
            self.go_on(now, flying.partition, accumulator);
        }
    }

    /// The batch comes again after a pause, or fails if it has had its `retries`.
    pub(super) fn try_again(
        &mut self,
        now: Instant,
        flying: Flying,
        error: Error,
        attempt: Attempt,
        accumulator: &Accumulator,
    ) {
        let id = flying.partition;
        self.land(&flying);
        let Some(mut batch) = flying.batch else {
            // It expired on its way, and nobody knows whether it arrived.
            if flying.stamp.is_some() {
                self.break_sequence(id);
            }
            return self.go_on(now, id, accumulator);
        };
        batch.is_doubtful |= attempt == Attempt::Doubtful && flying.has_left;
        // No other attempt will find a version that both sides speak.
        let hopeless = error.kind() == ErrorKind::UnsupportedVersion;
        let exhausted = batch.attempts > self.settings.retries;
        if hopeless || exhausted || self.closed_for_retries() {
            if batch.stamp.is_some() {
                self.break_sequence(id);
            }
            self.deliver(batch.fail(error));
        } else if let Some(partition) = self.partitions.get_mut(id) {
            log::debug!("sending {} again: {error}", batch.name());
            self.counters.records_retried.add(batch.completions.len());
            let failures = batch.attempts.saturating_sub(1);
            let pause = self.settings.retry_backoff.pause(failures, &mut self.rng);
            batch.last_error = Some(error);
            partition.keep(Retry {
                batch,
                not_before: now + pause,
                is_lost: false,
            });
        }
        self.go_on(now, id, accumulator);
    }

    /// A batch is on its way no more.
    fn land(&mut self, flying: &Flying) {
        if let Some(partition) = self.partitions.get_mut(flying.partition) {
            partition.land(flying.id);
        }
    }

    fn establish(&mut self, now: Instant, flying: &Flying) {
        if let Some(partition) = self.partitions.get_mut(flying.partition)
            && let Some(stamp) = flying.stamp
        {
            partition.sequences.establish(now, stamp);
        }
    }

    fn break_sequence(&mut self, id: PartitionId) {
        if let Some(partition) = self.partitions.get_mut(id) {
            partition.is_broken = true;
        }
    }

    /// Something about the partition has changed: mends its sequences if need be, and decides what
    /// comes next.
    pub(super) fn go_on(&mut self, now: Instant, id: PartitionId, accumulator: &Accumulator) {
        self.mend(id);
        self.fail_lost(id);
        self.evaluate(now, id, accumulator);
    }
}

/// Bytes of the batch that the partition has for this broker; 0 if it has none.
fn next_size(partitions: &Table, node: NodeId, id: PartitionId) -> usize {
    let Some(partition) = partitions.get(id) else {
        return 0;
    };
    if partition.place != Place::Queued(node) {
        return 0;
    }
    match partition.retries.front() {
        Some(retry) => retry.batch.len(),
        None => partition.queue.head().map_or(0, |head| head.bytes),
    }
}

/// What an attempt that did not succeed leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It is certainly not in the log.
    Absent,
    /// It may be.
    Doubtful,
}

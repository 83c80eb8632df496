//! Batches to Produce requests, and answers to outcomes. HOT. An `impl` of [`Sender`]; runs on the
//! I/O thread, or in a simulation.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::accumulator::{Accumulator, Outcome, PartitionId, SealedBatch};
use crate::error::{Error, ErrorKind};
use crate::ids::{NodeId, RequestId, TopicId};
use crate::protocol::Request;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{
    ProducePartition, ProducePartitionResponse, ProduceRequest, ProduceResponse, ProduceTopic,
};
use crate::sender::event::Output;
use crate::sender::partitions::Place;
use crate::sender::requests::{Content, Flying};
use crate::sender::verdict::{Verdict, verdict};
use crate::sender::{Sender, timers::Timer};
use crate::sync::Arc;

/// What one partition's answer says, with the names that the response leaves to the request.
struct Answer<'a> {
    node: NodeId,
    told: Option<&'a ProducePartitionResponse>,
}

impl Sender {
    /// Sends what is ready to every broker that can take it.
    pub(super) fn send_batches(&mut self, now: Instant, accumulator: &Accumulator) {
        for id in self.nodes.with_work() {
            while self.node_can_take(now, id) {
                let batches = self.fill_request(now, id);
                if batches.is_empty() {
                    break;
                }
                self.send_produce(now, id, batches);
                self.note_taken(id, accumulator);
            }
            self.drop_stale_entries(id);
            self.note_idle(now, id, accumulator);
            self.connect_if_needed(now, id);
        }
    }

    /// A partition that has moved away leaves its entry behind; nobody connects for its sake.
    fn drop_stale_entries(&mut self, id: NodeId) {
        while let Some(first) = self
            .nodes
            .find(id)
            .and_then(|node| node.ready.front().copied())
        {
            if self.next_size(id, first) > 0 {
                return;
            }
            if let Some(node) = self.nodes.find(id) {
                node.ready.pop_front();
            }
        }
    }

    fn node_can_take(&mut self, now: Instant, id: NodeId) -> bool {
        let max_in_flight = self.settings.max_in_flight;
        self.nodes
            .find(id)
            .is_some_and(|node| !node.ready.is_empty() && node.can_take(now, max_in_flight))
    }

    /// Takes a batch of each partition in the broker's line, up to `max.request.size`; the first
    /// one always fits.
    fn fill_request(&mut self, now: Instant, node: NodeId) -> Vec<Flying> {
        let mut batches = Vec::new();
        let mut bytes = 0;
        while let Some(id) = self
            .nodes
            .find(node)
            .and_then(|node| node.ready.front().copied())
        {
            let size = self.next_size(node, id);
            if !batches.is_empty() && bytes + size > self.settings.max_request_size {
                break;
            }
            if let Some(node) = self.nodes.find(node) {
                node.ready.pop_front();
            }
            // Zero: the entry is out of date, the partition stands elsewhere by now.
            if size > 0
                && let Some(flying) = self.take_next(now, id)
            {
                bytes += size;
                batches.push(flying);
            }
        }
        batches
    }

    /// Bytes of the batch that the partition has for this broker; 0 if it has none.
    fn next_size(&self, node: NodeId, id: PartitionId) -> usize {
        let Some(partition) = self.partitions.get(&id) else {
            return 0;
        };
        if partition.place != Place::Queued(node) {
            return 0;
        }
        match &partition.retry {
            Some((batch, _)) => batch.len(),
            None => partition.queue.head().map_or(0, |head| head.bytes),
        }
    }

    fn take_next(&mut self, now: Instant, id: PartitionId) -> Option<Flying> {
        self.place(id, Place::Idle);
        let partition = self.partitions.get_mut(&id)?;
        let mut batch = match partition.retry.take() {
            Some((batch, _)) => batch,
            None => partition.queue.take()?.seal(&partition.queue),
        };
        batch.attempts += 1;
        partition.in_flight = Some(batch.id);
        debug_assert!(
            batch.opened + self.settings.delivery_timeout > now,
            "expired before sent"
        );
        let topic_id = self
            .view
            .topics
            .get(&**batch.queue.topic())
            .map(|topic| topic.id);
        Some(Flying {
            partition: id,
            topic_id: topic_id.unwrap_or_default(),
            batch: Some(batch),
        })
    }

    fn send_produce(&mut self, now: Instant, node: NodeId, batches: Vec<Flying>) {
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
            let topic = topics
                .entry(Arc::clone(name))
                .or_insert_with(|| ProduceTopic {
                    name: Arc::clone(name),
                    id: flying.topic_id,
                    partitions: Vec::new(),
                });
            topic.partitions.push(ProducePartition {
                index: batch.queue.index(),
                records: batch.bytes.clone(),
            });
        }
        let timeout_ms = i32::try_from(self.settings.request_timeout.as_millis());
        let request = ProduceRequest {
            transactional_id: None,
            acks: self.settings.acks,
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
        let mut answers: BTreeMap<(&str, TopicId, i32), &ProducePartitionResponse> =
            BTreeMap::new();
        for topic in &response.topics {
            for partition in &topic.partitions {
                answers.insert((&topic.name, topic.id, partition.index), partition);
            }
        }
        for flying in batches {
            let Some(queue) = self.queue_of(flying.partition) else {
                continue;
            };
            // Up to version 12 the answer goes by name, from 13 by id.
            let by_name = (&**queue.topic(), TopicId::default(), queue.index());
            let by_id = ("", flying.topic_id, queue.index());
            let told = answers
                .get(&by_name)
                .or_else(|| answers.get(&by_id))
                .copied();
            self.on_partition_answer(now, flying, &Answer { node, told }, accumulator);
        }
        self.follow_hints(now, response, accumulator);
    }

    fn on_partition_answer(
        &mut self,
        now: Instant,
        flying: Flying,
        answer: &Answer<'_>,
        accumulator: &Accumulator,
    ) {
        let id = flying.partition;
        self.unmute(id);
        let Some(told) = answer.told else {
            let text = format!(
                "broker {} answered without a word about this batch",
                answer.node
            );
            self.retry_or_fail(
                now,
                flying,
                Error::new(ErrorKind::BadResponse, text),
                accumulator,
            );
            return;
        };
        let verdict = verdict(told.error);
        if verdict == Verdict::RefreshAndRetry {
            self.refresh.request();
        }
        let Some(batch) = flying.batch else {
            self.evaluate(now, id, accumulator);
            return;
        };
        match verdict {
            Verdict::Success => {
                let offset = Some(told.base_offset).filter(|offset| *offset >= 0);
                let time = Some(told.log_append_time_ms).filter(|time| *time >= 0);
                self.deliver(batch.succeed(offset, time));
                self.evaluate(now, id, accumulator);
            }
            Verdict::Retry | Verdict::RefreshAndRetry => {
                let error = refusal(answer.node, &batch, told);
                let flying = Flying {
                    batch: Some(batch),
                    ..flying
                };
                self.retry_or_fail(now, flying, error, accumulator);
            }
            Verdict::Fail => {
                let error = refusal(answer.node, &batch, told);
                self.deliver(batch.fail(error));
                self.evaluate(now, id, accumulator);
            }
        }
    }

    /// `acks=0`: written is all that will ever be known.
    pub(super) fn on_written(&mut self, now: Instant, id: RequestId, accumulator: &Accumulator) {
        let Some((_, Content::Produce(batches))) = self.end_request(now, id) else {
            return;
        };
        for flying in batches {
            self.unmute(flying.partition);
            if let Some(batch) = flying.batch {
                self.deliver(batch.succeed(None, None));
            }
            self.evaluate(now, flying.partition, accumulator);
        }
    }

    /// The batch comes again after a pause, or fails if it has had its `retries`.
    pub(super) fn retry_or_fail(
        &mut self,
        now: Instant,
        flying: Flying,
        error: Error,
        accumulator: &Accumulator,
    ) {
        let id = flying.partition;
        self.unmute(id);
        if let Some(mut batch) = flying.batch {
            // No other attempt will find a version that both sides speak.
            let hopeless = error.kind() == ErrorKind::UnsupportedVersion;
            let exhausted = batch.attempts > self.settings.retries;
            if hopeless || exhausted || self.closed_for_retries() {
                self.deliver(batch.fail(error));
            } else {
                log::debug!("sending {} again: {error}", name(&batch));
                self.counters.records_retried.add(batch.completions.len());
                // None at all if not a byte of the first attempt had left.
                let failures = batch.attempts.saturating_sub(1);
                let pause = self.settings.retry_backoff.pause(failures, &mut self.rng);
                batch.last_error = Some(error);
                if let Some(partition) = self.partitions.get_mut(&id) {
                    partition.retry = Some((batch, now + pause));
                }
            }
        }
        self.evaluate(now, id, accumulator);
    }

    /// The batch will never be taken.
    pub(super) fn fail(
        &mut self,
        now: Instant,
        flying: Flying,
        error: Error,
        accumulator: &Accumulator,
    ) {
        self.unmute(flying.partition);
        if let Some(batch) = flying.batch {
            self.deliver(batch.fail(error));
        }
        self.evaluate(now, flying.partition, accumulator);
    }

    fn unmute(&mut self, id: PartitionId) {
        if let Some(partition) = self.partitions.get_mut(&id) {
            partition.in_flight = None;
        }
    }

    /// Hands an outcome to the driver.
    pub(super) fn deliver(&mut self, outcome: Outcome) {
        let is_first = self.incomplete.remove(&outcome.batch);
        debug_assert!(is_first, "a second outcome, or one for an unknown batch");
        let deadline = outcome.opened + self.settings.delivery_timeout;
        self.timers
            .cancel(deadline, Timer::Delivery(outcome.queue.id(), outcome.batch));
        outcome.queue.note_finished();
        self.outputs.push_back(Output::Deliver(outcome));
    }
}

fn name(batch: &SealedBatch) -> String {
    format!("\"{}\"-{}", batch.queue.topic(), batch.queue.index())
}

/// Says which broker refused what, in its own words if it has any.
fn refusal(node: NodeId, batch: &SealedBatch, told: &ProducePartitionResponse) -> Error {
    let own_words = told
        .error_message
        .as_deref()
        .filter(|text| !text.is_empty());
    let words = own_words.unwrap_or_else(|| told.error.message());
    let size = match told.error {
        ErrorCode::MESSAGE_TOO_LARGE => format!(" (the batch has {} bytes)", batch.len()),
        _ => String::new(),
    };
    let text = format!(
        "broker {node} rejected {}: {}: {words}{size}",
        name(batch),
        told.error
    );
    Error::new(ErrorKind::Broker(told.error), text)
}

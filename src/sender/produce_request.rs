//! Batches that are ready, to Produce requests. HOT: runs for each batch. An `impl` of [`Sender`]; runs
//! on the I/O thread, or in a simulation.

use crate::sorted_map::SortedMap;
use std::time::Instant;

use crate::accumulator::{PartitionId, SealedBatch};
use crate::error::Fate;
use crate::foreign::logging::log_debug;
use crate::ids::NodeId;
use crate::protocol::Request;
use crate::protocol::messages::{ProducePartition, ProduceRequest, ProduceTopic};
use crate::sender::Sender;
use crate::sender::nodes::RequestKind;
use crate::sender::partitions::Stage;
use crate::sender::producer_ids::ProducerIdState;
use crate::sender::requests::{Content, RequestSlot, SentBatch};
use crate::sender::step::Step;
use crate::sender::transaction::Transaction;
use crate::sync::Arc;

impl Sender {
    /// Sends what is ready to every broker that can take it. What would take too long to compress is
    /// left for the next round, which begins with another broker.
    pub(super) fn send_batches(&mut self, step: Step<'_>) {
        for id in self.work.in_turn(self.nodes.with_work()) {
            let mut postponed = Vec::new();
            while let Some(kind) = self.nodes.next_kind(step.now, id, &postponed) {
                let (batches, is_postponed) = self.fill_request(step.now, id, kind);
                if is_postponed {
                    postponed.push(kind);
                }
                if batches.is_empty() {
                    continue;
                }
                let partitions: Vec<_> = batches.iter().map(|sent| sent.partition).collect();
                self.send_produce(step.now, id, kind, batches);
                self.handle_taken(step, id);
                // The next batch of each may follow at once.
                for partition in partitions {
                    self.update_stage(step, partition);
                }
            }
            self.drop_stale_entries(id);
            self.handle_nothing_ready(step, id);
            self.connect_if_needed(step.now, id);
        }
    }

    /// A partition that has moved away leaves its entry behind; no broker is connected to for it.
    fn drop_stale_entries(&mut self, id: NodeId) {
        let partitions = &self.partitions;
        let is_stale = |partition| {
            let partition = partitions.get(partition);
            partition
                .and_then(|partition| partition.cost_for(id))
                .is_none()
        };
        if let Some(node) = self.nodes.get_mut(id) {
            node.ready_queues().drop_first_while(is_stale);
        }
    }

    /// Takes a batch of each partition in one of the broker's queues, up to `max.request.size`; the
    /// first one always fits. Also returns whether the next one is postponed, as it would take too long
    /// to compress.
    fn fill_request(
        &mut self,
        now: Instant,
        node: NodeId,
        kind: RequestKind,
    ) -> (Vec<SentBatch>, bool) {
        let mut batches = Vec::new();
        let mut bytes = 0;
        while let Some(ready) = self.nodes.get_mut(node).map(|node| node.ready_queues())
            && let Some(id) = ready.first(kind)
        {
            let partition = self.partitions.get(id);
            let cost = partition.and_then(|partition| partition.cost_for(node));
            let is_full =
                cost.is_some_and(|cost| bytes + cost.bytes > self.settings.max_request_size);
            if !batches.is_empty() && is_full {
                break;
            }
            if cost.is_some_and(|cost| !self.work.has_time_for(cost.work)) {
                self.work.postpone(node);
                return (batches, true);
            }
            ready.pop(kind);
            let slot = self.requests.next_slot(node, batches.len());
            // Without a cost the entry is out of date: the partition is queued elsewhere by now.
            if let Some(cost) = cost
                && let Some(sent) = self.take_next(now, slot, id)
            {
                self.work.add(cost.work);
                // What it has become: before it was compressed, its size was a guess.
                bytes += sent.batch.as_ref().map_or(cost.bytes, SealedBatch::len);
                batches.push(sent);
            }
        }
        (batches, false)
    }

    /// What the partition sends next, in this slot.
    fn take_next(&mut self, now: Instant, slot: RequestSlot, id: PartitionId) -> Option<SentBatch> {
        let producer = self.producer_ids.state();
        let identity = match producer {
            ProducerIdState::Anonymous => None,
            ProducerIdState::Identified(identity) => Some(identity),
            ProducerIdState::Unidentified => {
                let stage = Stage::Unidentified;
                self.partitions.set_stage(id, stage, &mut self.agenda);
                self.producer_ids.want();
                return None;
            }
        };
        self.partitions.set_stage(id, Stage::Idle, &mut self.agenda);
        let partition = self.partitions.get_mut(id)?;
        if !partition.may_send(producer) {
            return None;
        }
        let batch = partition.take_next(now, identity)?;
        let mut batch = self.fit(now, id, batch)?;
        debug_assert!(batch.deadline() > now, "expired before sent");
        batch.begin_attempt();
        self.partitions.get_mut(id)?.add_in_flight(batch.id, slot);
        if let Some(transaction) = &mut self.transaction {
            transaction.handle_sent();
        }
        let topic = self.metadata.view().topics.get(batch.queue.topic());
        Some(SentBatch {
            partition: id,
            id: batch.id,
            topic_id: topic.map(|topic| topic.id).unwrap_or_default(),
            stamp: batch.stamp,
            if_unanswered: Fate::MayBeWritten,
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
            log_debug!(
                "{} has a batch of {} bytes, which is more than max.request.size: splitting",
                batch.name(),
                batch.len()
            );
            self.keep_parts(now, id, batch);
            batch = self.partitions.get_mut(id)?.take_retry()?;
        }
        Some(batch)
    }

    /// Takes a batch apart; its parts go as its retries would.
    pub(super) fn keep_parts(&mut self, now: Instant, id: PartitionId, batch: SealedBatch) {
        let deadline = batch.deadline();
        for (index, part) in batch.split().into_iter().enumerate() {
            if index > 0 {
                part.queue.increase_load();
            }
            self.partitions
                .register_batch(id, part.id, deadline, &mut self.agenda);
            if let Some(partition) = self.partitions.get_mut(id) {
                partition.add_retry(part, now);
            }
        }
    }

    fn send_produce(
        &mut self,
        now: Instant,
        node: NodeId,
        kind: RequestKind,
        batches: Vec<SentBatch>,
    ) {
        let mut topics: SortedMap<Arc<str>, ProduceTopic> = SortedMap::new();
        for (sent, batch) in batches
            .iter()
            .filter_map(|sent| Some((sent, sent.batch.as_ref()?)))
        {
            self.counters.batches_sent.add(1);
            self.counters.bytes_sent.add(batch.len());
            self.counters.records_sent.add(batch.completions.len());
            let name = batch.queue.topic();
            let partition = ProducePartition {
                index: batch.queue.index(),
                records: batch.bytes.clone(),
            };
            // The name's references are counted for each topic, and not for each batch.
            if let Some(topic) = topics.get_mut(name) {
                topic.partitions.push(partition);
            } else {
                let topic = ProduceTopic {
                    name: Arc::clone(name),
                    id: sent.topic_id,
                    partitions: vec![partition],
                };
                topics.insert(Arc::clone(name), topic);
            }
        }
        let timeout_ms = i32::try_from(self.settings.request_timeout.as_millis());
        let transaction = self.transaction.as_ref();
        let request = ProduceRequest {
            transactional_id: transaction.map(|one| Arc::clone(&one.settings().id)),
            transactions: transaction.map(Transaction::version).unwrap_or_default(),
            acks: kind.acks.wire(),
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
}

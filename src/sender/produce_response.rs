//! Produce answers, to outcomes or another attempt. HOT: runs for each batch. An `impl` of [`Sender`];
//! runs on the I/O thread, or in a simulation.
//!
//! Each batch of a request that ends comes through here once: it [succeeds](Sender::succeed), is
//! [sent again](Sender::retry), is [split](Sender::split), or fails at the end of
//! [`handle_refusal`](Sender::handle_refusal).

use std::collections::BTreeMap;

use crate::accumulator::SealedBatch;
use crate::error::{Error, ErrorKind, Fate};
use crate::foreign::logging::{log_debug, log_info};
use crate::ids::{NodeId, RequestId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{ProducePartitionResponse, ProduceResponse};
use crate::sender::Sender;
use crate::sender::metadata::LeaderHint;
use crate::sender::refusal::{failure, refusal};
use crate::sender::requests::{Content, SentBatch};
use crate::sender::step::Step;
use crate::sender::transaction::CONCURRENT_PAUSE;
use crate::sender::verdict::{Action, Verdict, is_end_of_transactions, verdict};
use crate::sync::Arc;

impl Sender {
    /// A broker has answered a Produce request. An answer about other batches than those it was sent
    /// is not Kafka's protocol, and whatever it says may be wrong: the connection ends, and all batches
    /// are sent again. Java's producer lets a batch that is left out wait for its timeout.
    pub(super) fn handle_produced(
        &mut self,
        step: Step<'_>,
        node: NodeId,
        batches: Vec<SentBatch>,
        response: &ProduceResponse,
    ) {
        let Some(answers) = self.match_answers(&batches, response) else {
            let text = format!("broker {node} answered about other batches than those it was sent");
            let error = Error::new(ErrorKind::BadResponse, text);
            self.retry_unanswered(step, batches, &error);
            return self.disconnect(step, node, &error);
        };
        let mut hints = Vec::new();
        for (sent, answer) in batches.into_iter().zip(answers) {
            if let Some(leader) = answer.current_leader
                && let Some(partition) = self.partitions.get(sent.partition)
            {
                hints.push(LeaderHint {
                    topic: Arc::clone(partition.queue().topic()),
                    partition: answer.index,
                    leader,
                });
            }
            self.handle_answer(step, sent, node, answer);
        }
        self.handle_hints(step, hints, &response.node_endpoints);
    }

    /// `acks=0`: written to the socket is all that will ever be known.
    pub(super) fn handle_sent(&mut self, step: Step<'_>, id: RequestId) {
        if let Some((_, Content::Produce(batches))) = self.end_request(step.now, id) {
            for sent in batches {
                self.succeed(step, sent, None, None);
            }
        }
    }

    /// What a broker says of one batch.
    fn handle_answer(
        &mut self,
        step: Step<'_>,
        sent: SentBatch,
        node: NodeId,
        answer: &ProducePartitionResponse,
    ) {
        let offset = match verdict(answer.error) {
            Verdict::Written => Some(answer.base_offset).filter(|offset| *offset >= 0),
            Verdict::Duplicate => None,
            Verdict::Refused(action, left) => {
                return self.handle_refusal(step, sent, node, answer, action, left);
            }
        };
        let partition = self.partitions.get_mut(sent.partition);
        if let Some((partition, stamp)) = partition.zip(sent.stamp) {
            partition.handle_acknowledged(step.now, stamp);
        }
        let time = Some(answer.log_append_time_ms).filter(|time| *time >= 0);
        self.succeed(step, sent, offset, time);
    }

    /// A broker refuses a batch: `left` is what this attempt has left in the log.
    fn handle_refusal(
        &mut self,
        step: Step<'_>,
        sent: SentBatch,
        node: NodeId,
        answer: &ProducePartitionResponse,
        action: Action,
        left: Fate,
    ) {
        let Some(partition) = self.partitions.get_mut(sent.partition) else {
            return;
        };
        let queue = Arc::clone(partition.queue());
        if action == Action::RefreshAndRetry {
            self.metadata.request(queue.topic());
            self.metadata
                .doubt_leader(queue.topic(), queue.index(), node);
        }
        let error = refusal(
            node,
            &queue,
            sent.batch.as_ref().map(SealedBatch::len),
            answer,
        );
        let has_sequence = sent.stamp.is_some();
        let has_several = sent.batch.as_ref().is_some_and(SealedBatch::has_several);
        // The first arm that fits. With a sequence nothing fails while something older has no outcome:
        // it is sent again, even if it will be refused again.
        match action {
            Action::Retry | Action::RefreshAndRetry => self.retry(step, sent, error, left),
            Action::Split if has_several => self.split(step, sent),
            // Something older is to blame, or has to have its outcome first: callbacks keep their
            // order.
            Action::Split | Action::Fail | Action::OutOfOrder
                if has_sequence && partition.has_older(sent.id) =>
            {
                self.retry(step, sent, error, left);
            }
            // Nothing older is to come, so the broker misses something that never will, or has
            // forgotten this producer: the partition continues under a new epoch.
            Action::OutOfOrder if has_sequence => {
                partition.leave_gap();
                if let Some(transaction) = &mut self.transaction {
                    transaction.abort_only(error.kind(), &error.to_string(), &mut self.agenda);
                }
                self.retry(step, sent, error, left);
            }
            Action::Split | Action::Fail | Action::OutOfOrder => {
                if let Some(transaction) = &mut self.transaction
                    && is_end_of_transactions(answer.error)
                {
                    let agenda = &mut self.agenda;
                    transaction.close_only(error.kind(), &error.to_string(), agenda);
                }
                let failure = failure(node, &queue, error, answer);
                partition.end_in_flight(sent.id);
                if has_sequence {
                    partition.leave_gap();
                }
                if let Some(mut batch) = sent.batch {
                    batch.merge_fate(left);
                    let outcome = batch.fail(failure);
                    self.partitions.settle(outcome, &mut self.agenda);
                }
                self.update_stage(step, sent.partition);
            }
        }
    }

    /// The batch is in the log, or as good as that with `acks=0`. If it has expired meanwhile, its
    /// outcome stays what it is.
    fn succeed(
        &mut self,
        step: Step<'_>,
        sent: SentBatch,
        offset: Option<i64>,
        log_append_time_ms: Option<i64>,
    ) {
        if let Some(partition) = self.partitions.get_mut(sent.partition) {
            partition.end_in_flight(sent.id);
            partition.handle_taken();
        }
        if let Some(batch) = sent.batch {
            let outcome = batch.succeed(offset, log_append_time_ms);
            self.partitions.settle(outcome, &mut self.agenda);
        }
        self.update_stage(step, sent.partition);
    }

    /// The broker takes no batch of this size: its records go in smaller ones.
    fn split(&mut self, step: Step<'_>, sent: SentBatch) {
        let Some(batch) = sent.batch else { return };
        if let Some(partition) = self.partitions.get_mut(sent.partition) {
            partition.end_in_flight(sent.id);
        }
        log_info!(
            "{} has a batch of {} bytes that is too large: splitting",
            batch.name(),
            batch.len()
        );
        if let Some(compression) = batch.queue.compression() {
            compression.reset_ratio();
        }
        self.keep_parts(step.now, sent.partition, batch);
        self.update_stage(step, sent.partition);
    }

    /// Batches of a request that got no answer, or none that can be read.
    pub(super) fn retry_unanswered(
        &mut self,
        step: Step<'_>,
        batches: Vec<SentBatch>,
        error: &Error,
    ) {
        for sent in batches {
            let left = sent.if_unanswered;
            self.retry(step, sent, error.clone(), left);
        }
    }

    /// The batch comes again after a pause, or fails if it has had its `retries`. It is the same to
    /// the byte, and its deadline stays (KAFKA-3648). `left` is what this attempt has left in the log.
    fn retry(&mut self, step: Step<'_>, sent: SentBatch, error: Error, left: Fate) {
        let id = sent.partition;
        let is_over = self.commands.is_close_over() || self.is_transaction_over();
        let Some(partition) = self.partitions.get_mut(id) else {
            return;
        };
        partition.end_in_flight(sent.id);
        let Some(mut batch) = sent.batch else {
            // It expired on its way, and whether it arrived is not known.
            if sent.stamp.is_some() {
                partition.leave_gap();
            }
            return self.update_stage(step, id);
        };
        batch.merge_fate(left);
        // No other attempt will find a version that both sides speak.
        let is_hopeless = error.kind() == ErrorKind::UnsupportedVersion;
        let is_exhausted = batch.attempts > self.settings.retries;
        if is_hopeless || is_exhausted || is_over {
            if batch.stamp.is_some() {
                partition.leave_gap();
            }
            self.partitions.settle(batch.fail(error), &mut self.agenda);
        } else {
            log_debug!("sending {} again: {error}", batch.name());
            self.counters.records_retried.add(batch.completions.len());
            let failures = batch.attempts.saturating_sub(1);
            let pause = self.agenda.pause(self.settings.retry_backoff, failures);
            let pause = match error.broker_code() {
                Some(ErrorCode::CONCURRENT_TRANSACTIONS) => pause.min(CONCURRENT_PAUSE),
                _ => pause,
            };
            batch.last_error = Some(error);
            partition.add_retry(batch, step.now + pause);
        }
        self.update_stage(step, id);
    }
}

/// Which answer is about which batch.
impl Sender {
    /// What the broker says about each batch, in their order; `None` unless it speaks of exactly
    /// these, each of them once. Not by position: a broker may answer in any order.
    fn match_answers<'a>(
        &self,
        batches: &[SentBatch],
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
        let answer = |sent: &SentBatch| {
            let queue = self.partitions.get(sent.partition)?.queue();
            // Up to version 12 the answer goes by name, from 13 by id.
            let by_name = (&**queue.topic(), TopicId::default(), queue.index());
            let by_id = ("", sent.topic_id, queue.index());
            let answer = answers.get(&by_name).or_else(|| answers.get(&by_id));
            answer.copied()
        };
        batches.iter().map(answer).collect()
    }

    /// The same for a broker that answers in the order in which it was asked, as most do: without a
    /// search.
    fn match_in_order<'a>(
        &self,
        batches: &[SentBatch],
        response: &'a ProduceResponse,
    ) -> Option<Vec<&'a ProducePartitionResponse>> {
        let topics = response.topics.iter();
        let mut answers = topics.flat_map(|topic| {
            let partitions = topic.partitions.iter();
            partitions.map(move |partition| (topic, partition))
        });
        let answer = |sent: &SentBatch| {
            let (topic, partition) = answers.next()?;
            let queue = self.partitions.get(sent.partition)?.queue();
            // Up to version 12 the answer goes by name, from 13 by id.
            let is_topic = match topic.id.is_known() {
                true => topic.name.is_empty() && topic.id == sent.topic_id,
                false => *topic.name == **queue.topic(),
            };
            (is_topic && partition.index == queue.index()).then_some(partition)
        };
        let matched = batches.iter().map(answer).collect();
        // None is left over.
        answers.next().is_none().then_some(matched)?
    }
}

//! What the producer says became of each record, as soon as it says so.

use std::time::{Duration, Instant};

use crate::ErrorCode;
use crate::config::Acks;
use crate::error::{Error, ErrorKind, Fate, Result};
use crate::record::batch::BatchEncoder;
use crate::record::metadata::RecordMetadata;
use crate::sim::checker::Checker;
use crate::sim::ledger::RECORD_BYTES;
use crate::sim::promise::{I1, I2, I4, I7, I8, I12, broken_if};
use crate::sim::record::RecordId;

impl Checker {
    /// Callbacks have run.
    pub(in crate::sim) fn on_told(&mut self, now: Instant) {
        let calls = std::mem::take(&mut *self.callbacks.lock());
        for (id, result) in calls {
            self.on_outcome(now, id, result);
        }
    }

    fn on_outcome(&mut self, now: Instant, id: RecordId, result: Result<RecordMetadata>) {
        let is_absent = matches!(&result, Err(error) if error.fate() == Fate::NotWritten);
        let record = &self.records[id as usize];
        broken_if(I1, record.outcome.is_some(), || {
            format!("record {id} has a second outcome")
        });
        let deadline = record.deadline;
        broken_if(I1, deadline.is_none(), || {
            format!("record {id} was refused, and has an outcome")
        });
        let newest = self
            .newest_told
            .insert(record.partition, (record.order, now));
        broken_if(
            I4,
            newest.is_some_and(|(newest, _)| record.order < newest),
            || format!("record {id} has its outcome after one that was sent later"),
        );
        let deadline = deadline.expect("just seen");
        broken_if(I7, now > self.fair(deadline), || {
            format!("record {id} has its outcome {:?} too late", now - deadline)
        });
        let outcome = match result {
            Ok(metadata) => {
                let size = Some(record.value.len());
                let is_right = metadata.partition() == record.partition
                    && metadata.value_size() == size
                    && metadata.timestamp_ms() == i64::from(id);
                broken_if(I12, !is_right, || {
                    format!("record {id} is told as {metadata:?}")
                });
                let has_offset = metadata.offset().is_some()
                    || self.limits.acks == Acks::None
                    || self.limits.tells_duplicates;
                broken_if(I2, !has_offset, || format!("record {id} has no offset"));
                Ok(metadata.offset())
            }
            Err(error) => {
                let kind = error.kind();
                broken_if(I1, kind == ErrorKind::Internal, || {
                    format!("the callback of record {id} was dropped: {error}")
                });
                if !self.limits.has_transactions {
                    self.check_patience(now, id, &error);
                    self.check_failure(now, id, kind, &error.to_string());
                }
                Err(kind)
            }
        };
        match outcome {
            Ok(_) => self.acknowledged += 1,
            Err(_) => self.failed += 1,
        }
        let record = &mut self.records[id as usize];
        record.outcome = Some(outcome);
        record.is_absent = is_absent;
        self.open.remove(&id);
        self.open_in_order.remove(&(record.order, id));
        if let Some(batch) = record.batch {
            self.ledger.on_outcome(batch);
        }
    }

    /// What may still succeed is not given up before its time is over.
    fn check_patience(&self, now: Instant, id: RecordId, error: &Error) {
        let repeated = ErrorKind::Broker(ErrorCode::DUPLICATE_SEQUENCE_NUMBER);
        broken_if(I8, error.kind() == repeated, || {
            format!("record {id} failed because it is written: {error}")
        });
        let is_passing = match error.kind() {
            ErrorKind::TimedOut
            | ErrorKind::Disconnected
            | ErrorKind::Connect
            | ErrorKind::UnknownTopicOrPartition => true,
            ErrorKind::Broker(code) => code.is_retriable(),
            _ => false,
        };
        // What may be written is given up early where an earlier batch has left a gap.
        let may_retry = !self.limits.idempotence || error.fate() == Fate::NotWritten;
        let deadline = self.record(id).deadline.expect("it was accepted");
        let is_early = self.fair(now + PREEMPTED) < deadline;
        broken_if(
            I8,
            is_passing && may_retry && is_early && self.limits.retries > 10,
            || {
                format!(
                    "record {id} was given up {:?} early: {error}",
                    deadline - now
                )
            },
        );
    }

    /// Once nothing goes wrong any more, whatever has time left succeeds.
    fn check_failure(&self, now: Instant, id: RecordId, kind: ErrorKind, text: &str) {
        let record = &self.records[id as usize];
        let (Some(healed), Some(accepted)) = (self.healed, record.accepted) else {
            return;
        };
        if kind == ErrorKind::Purged {
            return;
        }
        // No broker takes a record that may be too large for it.
        let bytes = record.value.len() + HEADER_BYTES + RECORD_BYTES;
        let too_large = ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE);
        if kind == too_large && bytes > self.limits.max_message_bytes {
            return;
        }
        if kind == ErrorKind::UnsupportedVersion && self.limits.refuses_codec {
            return;
        }
        let deadline = record.deadline.expect("it was accepted");
        // What a fault had begun may end in a failure for good after it; what is over in time, or
        // was accepted long after it, may not.
        let had_time = deadline > accepted.max(healed) + self.limits.patience;
        let has_expired = now + PREEMPTED >= deadline;
        let is_fresh = accepted > healed + self.limits.patience && kind != ErrorKind::Closed;
        // A leader that moved costs a retry, also long after.
        let has_retries = self.limits.retries > 10;
        let is_unfair = has_retries && had_time && (is_fresh || has_expired);
        broken_if(I8, is_unfair, || {
            format!("record {id} failed with all that time after the last fault: {text}")
        });
        let is_probe = self.settled.is_some_and(|settled| accepted >= settled);
        let had_time = deadline > accepted + self.limits.quick && kind != ErrorKind::Closed;
        broken_if(I8, is_probe && has_retries && had_time, || {
            format!("record {id} failed although nothing was wrong: {text}")
        });
    }
}

/// The part of a batch before its records.
const HEADER_BYTES: usize = BatchEncoder::HEADER_BYTES;

/// A caller that was held up may have read the clock so much earlier.
const PREEMPTED: Duration = Duration::from_millis(5);

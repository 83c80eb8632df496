//! Looks for what no correct producer does, whatever went wrong around it. A real broker would let
//! most of it pass, or answer with an error that says little. Judges by what has arrived, and reports
//! a violation only if it is certain: a broker cannot know of records that wait unread in some
//! connection, or that the producer has given up. No socket, no clock.
//!
//! - a batch goes out under sequences that other records have, which may be written; parts of a batch
//!   that was too large are none, and the same records in other bytes are not others
//! - a producer id that no producer got, or without an epoch or a sequence
//! - an idempotent batch with `acks` other than all
//! - a batch of a transaction without an id, or one of none in a request of a transaction
//! - one request with idempotent batches and others, or twice for the same partition

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use crate::ErrorCode;
use crate::protocol::frame::SharedBytes;
use crate::protocol::messages::ProduceRequest;
use crate::record::batch::{ProducerStamp, TRANSACTIONAL};
use crate::sync::Arc;
use crate::testing::api::produce::name_of;
use crate::testing::content::difference;
use crate::testing::producers::advance;
use crate::testing::recent::RecentProducers;
use crate::testing::state::ClusterState;

/// More than this are not kept: the first ones show what is wrong.
const KEPT_VIOLATIONS: usize = 100;

/// More than may be in flight, and few enough to search for each batch.
const KEPT_ATTEMPTS: usize = 16;

/// Of so many the bytes are kept: as many as may be in flight. What is older is not sent again.
const KEPT_CONTENTS: usize = 5;

/// What a batch's header says, unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) stamp: ProducerStamp,
    records: i32,
    bytes: usize,
    checksum: u32,
    /// Whether it says that it belongs to a transaction.
    pub(super) is_transactional: bool,
}

impl Claim {
    /// None if there is no whole header.
    pub(super) fn read(batch: &[u8]) -> Option<Self> {
        Some(Self {
            checksum: u32::from_be_bytes(field(batch, 17)?),
            stamp: ProducerStamp {
                producer_id: i64::from_be_bytes(field(batch, 43)?),
                epoch: i16::from_be_bytes(field(batch, 51)?),
                base_sequence: i32::from_be_bytes(field(batch, 53)?),
            },
            records: i32::from_be_bytes(field(batch, 57)?),
            bytes: batch.len(),
            is_transactional: i16::from_be_bytes(field(batch, 21)?) & TRANSACTIONAL != 0,
        })
    }

    fn is_idempotent(&self) -> bool {
        self.stamp.producer_id >= 0
    }

    /// Whether the two have a sequence in common, in the same epoch.
    fn overlaps(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.stamp.base_sequence, other.stamp.base_sequence);
        let same_epoch = self.stamp.epoch == other.stamp.epoch;
        let begins_inside = |outer: i32, records: i32, inner: i32| {
            // How far the inner one begins after the outer one, round the largest sequence.
            advance(inner.wrapping_sub(outer), 0) < records
        };
        same_epoch
            && (begins_inside(ours, self.records, theirs)
                || begins_inside(theirs, other.records, ours))
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProducerStamp {
            producer_id,
            epoch,
            base_sequence,
        } = self.stamp;
        let records = self.records;
        write!(
            f,
            "{records} records from sequence {base_sequence} of producer {producer_id} \
             in epoch {epoch}"
        )
    }
}

/// `N` bytes of a batch's header, unchecked.
pub(super) fn field<const N: usize>(batch: &[u8], offset: usize) -> Option<[u8; N]> {
    batch.get(offset..)?.first_chunk().copied()
}

/// The last batches that arrived for one partition, by producer, appended or not.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    producers: RecentProducers<VecDeque<Attempt>>,
}

#[derive(Debug)]
struct Attempt {
    /// What it said about itself each time when that was new: most producers send the same bytes again,
    /// but some encode the records anew.
    claims: Vec<Claim>,
    /// Its bytes when it came first; none of what is old.
    content: Option<SharedBytes>,
    /// How often it arrived.
    came: u32,
    /// How often the answer was that it was not written.
    refused: u32,
    /// Whether an answer was that it is too large: its records come again in parts, and another copy of
    /// it may still be on its way.
    is_split: bool,
}

impl Attempts {
    /// Notes a batch that arrived; says which earlier one has sequences in common with it and should
    /// not.
    fn note(&mut self, claim: Claim, bytes: &SharedBytes) -> Option<String> {
        let producer_id = claim.stamp.producer_id;
        let attempts = self.producers.heard(producer_id, VecDeque::new);
        if let Some(same) = attempts.iter_mut().find(|earlier| earlier.is(&claim)) {
            same.came += 1;
            return None;
        }
        let mut why = None;
        for earlier in attempts.iter_mut().filter(|earlier| !earlier.is_split) {
            match earlier.compare(&claim, bytes) {
                Comparison::Apart => {}
                Comparison::Same => {
                    earlier.claims.push(claim);
                    earlier.came += 1;
                    return None;
                }
                Comparison::Other(words) => why = why.or(Some(words)),
            }
        }
        if attempts.len() == KEPT_ATTEMPTS {
            attempts.pop_front();
        }
        attempts.push_back(Attempt {
            claims: vec![claim],
            content: Some(bytes.clone()),
            came: 1,
            refused: 0,
            is_split: false,
        });
        let old = attempts.iter_mut().rev().skip(KEPT_CONTENTS);
        old.for_each(|attempt| attempt.content = None);
        why
    }

    /// The answer was that this batch was not written. If that was the answer to every copy of it, the
    /// producer may use the sequences for other records.
    fn refuse(&mut self, claim: Claim) {
        let Some(attempts) = self.producers.get_mut(claim.stamp.producer_id) else {
            return;
        };
        for attempt in attempts.iter_mut().filter(|known| known.is(&claim)) {
            attempt.refused += 1;
        }
        attempts.retain(|attempt| attempt.is_split || attempt.refused < attempt.came);
    }

    /// The answer was that this batch is too large. It comes again in parts, even if an earlier attempt
    /// may have written it: then no part follows the last sequence in the log, and all are refused.
    fn split(&mut self, claim: Claim) {
        if let Some(attempts) = self.producers.get_mut(claim.stamp.producer_id) {
            let same = attempts.iter_mut().filter(|known| known.is(&claim));
            same.for_each(|attempt| attempt.is_split = true);
        }
    }
}

/// What a batch is to an earlier one of its producer.
enum Comparison {
    /// They have no sequence in common.
    Apart,
    /// It is the same one again, perhaps in other bytes.
    Same,
    /// It should not have these sequences; says why.
    Other(String),
}

impl Attempt {
    /// Whether it came in these bytes.
    fn is(&self, claim: &Claim) -> bool {
        self.claims.contains(claim)
    }

    /// Compares with what is not [the same bytes](Self::is).
    fn compare(&self, claim: &Claim, bytes: &SharedBytes) -> Comparison {
        let Some(earlier) = self.claims.first().filter(|known| known.overlaps(claim)) else {
            return Comparison::Apart;
        };
        if (earlier.stamp, earlier.records) != (claim.stamp, claim.records) {
            return Comparison::Other(format!("which may be among those of {earlier}"));
        }
        let Some(content) = &self.content else {
            return Comparison::Other("which more than five batches have followed".to_owned());
        };
        match difference(content.as_slice(), bytes.as_slice()) {
            None => Comparison::Same,
            Some(difference) => Comparison::Other(format!("with other content: {difference}")),
        }
    }
}

/// Checks a request before it is handled.
pub(super) fn observe(state: &mut ClusterState, request: &ProduceRequest) {
    let mut seen = BTreeSet::new();
    let (mut idempotent, mut others) = (false, false);
    for topic in &request.topics {
        let name = name_of(state, topic).unwrap_or_else(|| "".into());
        for partition in &topic.partitions {
            let id = (Arc::clone(&name), partition.index);
            if !name.is_empty() && !seen.insert(id) {
                let twice = "came twice in one request".to_owned();
                accuse(state, &name, partition.index, &twice);
            }
            let Some(claim) = Claim::read(partition.records.as_slice()) else {
                continue;
            };
            if claim.is_transactional != request.transactional_id.is_some() {
                let why = format!("{claim}: {}", mismatch(claim.is_transactional));
                accuse(state, &name, partition.index, &why);
            }
            idempotent |= claim.is_idempotent();
            others |= !claim.is_idempotent();
            if claim.is_idempotent() {
                let id = (&*name, partition.index);
                observe_batch(state, id, request.acks, claim, &partition.records);
            }
        }
    }
    if idempotent && others {
        let mixed = "one request has batches with a producer id and without".to_owned();
        keep(state, mixed);
    }
}

/// What is wrong with a batch that belongs to a transaction as its request does not, or the reverse.
fn mismatch(is_transactional: bool) -> &'static str {
    match is_transactional {
        true => "of a transaction, in a request without a transactional id",
        false => "of no transaction, in a request with a transactional id",
    }
}

fn observe_batch(
    state: &mut ClusterState,
    (topic, index): (&str, i32),
    acks: i16,
    claim: Claim,
    bytes: &SharedBytes,
) {
    let ProducerStamp {
        producer_id,
        epoch,
        base_sequence,
    } = claim.stamp;
    if producer_id >= state.next_producer_id {
        accuse(state, topic, index, &format!("{claim}: nobody got this id"));
    }
    if epoch < 0 || base_sequence < 0 {
        accuse(state, topic, index, &format!("{claim}: not a whole stamp"));
        return;
    }
    if acks != -1 {
        let why = format!("{claim}: sent with acks {acks} instead of all");
        accuse(state, topic, index, &why);
    }
    let most_bytes = state.settings.max_message_bytes;
    let Some(partition) = state.partition_mut(topic, index) else {
        return;
    };
    // What is too large was never written, and may come in parts.
    if claim.bytes > most_bytes {
        return;
    }
    if let Some(words) = partition.attempts.note(claim, bytes) {
        let why = format!("{claim}: may be written, {words}");
        accuse(state, topic, index, &why);
    }
}

/// Notes the answer to a batch, which reaches the producer unless its connection is lost.
pub(super) fn answered(
    state: &mut ClusterState,
    topic: &str,
    index: i32,
    batch: &[u8],
    code: ErrorCode,
) {
    let claim = Claim::read(batch).filter(Claim::is_idempotent);
    if let Some(claim) = claim.filter(|_| says_not_written(code))
        && let Some(partition) = state.partition_mut(topic, index)
    {
        match code {
            ErrorCode::MESSAGE_TOO_LARGE => partition.attempts.split(claim),
            _ => partition.attempts.refuse(claim),
        }
    }
}

/// Whether the code proves that the batch was not written: brokers send it only before they append.
/// `NOT_LEADER_OR_FOLLOWER` and `KAFKA_STORAGE_ERROR` are not among these codes, because brokers send
/// them also after it, when they lose the leadership or the disk while they wait for followers.
fn says_not_written(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::MESSAGE_TOO_LARGE
            | ErrorCode::RECORD_LIST_TOO_LARGE
            | ErrorCode::CORRUPT_MESSAGE
            | ErrorCode::INVALID_RECORD
            | ErrorCode::INVALID_TIMESTAMP
            | ErrorCode::INVALID_REQUIRED_ACKS
            | ErrorCode::NOT_ENOUGH_REPLICAS
            | ErrorCode::POLICY_VIOLATION
            | ErrorCode::TOPIC_AUTHORIZATION_FAILED
            | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            | ErrorCode::UNSUPPORTED_VERSION
            | ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT
            | ErrorCode::UNSUPPORTED_COMPRESSION_TYPE
            | ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
            | ErrorCode::INVALID_PRODUCER_EPOCH
            | ErrorCode::UNKNOWN_PRODUCER_ID
            | ErrorCode::PRODUCER_FENCED
            | ErrorCode::INVALID_TXN_STATE
            | ErrorCode::TRANSACTION_ABORTABLE
    )
}

fn accuse(state: &mut ClusterState, topic: &str, partition: i32, why: &str) {
    keep(state, format!("{topic}-{partition}: {why}"));
}

fn keep(state: &mut ClusterState, violation: String) {
    if state.violations.len() < KEPT_VIOLATIONS {
        state.violations.push(violation);
    }
}

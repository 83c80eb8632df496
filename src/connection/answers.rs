//! How long an answer may be, by what was asked: a broker that means harm must not make each
//! connection hold as much as the largest answer of all, which only Metadata can need.

use crate::protocol::Request;
use crate::record::batch::record_count_of;

/// What any answer may take: topics' names, the addresses of new leaders, an error's words.
const ANY: usize = 64 * 1024;
/// For each partition of a transaction: its outcome.
const PER_PARTITION: usize = 64;
/// For each topic of a transaction: its name, which is not longer in an answer than what was asked.
const PER_TOPIC: usize = 1024;
/// For each batch: its outcome, and a message.
const PER_BATCH: usize = 4 * 1024;
/// For each record of a batch: that it is to blame, and why (KIP-467).
const PER_RECORD: usize = 512;

/// The most bytes that the answer to this request may have. HOT: runs once per batch.
pub(super) fn longest_answer(request: &Request, longest_of_all: usize) -> usize {
    let most = match request {
        Request::Metadata(_) => longest_of_all,
        Request::Produce(produce) => {
            let batches = produce.topics.iter().flat_map(|topic| &topic.partitions);
            batches.fold(ANY, |most, batch| {
                let records = record_count_of(batch.records.as_slice());
                let own = records.saturating_mul(PER_RECORD).saturating_add(PER_BATCH);
                most.saturating_add(own)
            })
        }
        Request::AddPartitionsToTxn(request) => request.topics.iter().fold(ANY, |most, topic| {
            most.saturating_add(of_topic(topic.partitions.len()))
        }),
        Request::TxnOffsetCommit(request) => request.topics.iter().fold(ANY, |most, topic| {
            most.saturating_add(of_topic(topic.partitions.len()))
        }),
        Request::ApiVersions(_)
        | Request::FindCoordinator(_)
        | Request::InitProducerId(_)
        | Request::AddOffsetsToTxn(_)
        | Request::EndTxn(_) => ANY,
    };
    most.min(longest_of_all)
}

/// What a topic of a transaction takes at most.
fn of_topic(partitions: usize) -> usize {
    partitions
        .saturating_mul(PER_PARTITION)
        .saturating_add(PER_TOPIC)
}

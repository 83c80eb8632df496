//! How long an answer may be, by what was asked: a broker that means harm must not make each
//! connection hold as much as the largest answer of all, which only Metadata can need.

use crate::protocol::Request;
use crate::record::batch::record_count_of;

/// What any answer may take: topics' names, the addresses of new leaders, an error's words.
const ANY: usize = 64 * 1024;
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
        Request::ApiVersions(_) | Request::InitProducerId(_) => ANY,
    };
    most.min(longest_of_all)
}

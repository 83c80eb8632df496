//! What tests see of a mock cluster: records and batches, the requests in the order in which they
//! arrived, and counters. No socket, no clock.

use crate::record::decode::BatchHeader;
use crate::testing::api::{Api, MockRequestContent};

/// A record in a partition's log.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockRecord {
    /// Its position in the partition, from 0.
    pub offset: i64,
    /// Milliseconds since 1970: the producer's, or the time of append where the topic stamps.
    pub timestamp_ms: i64,
    /// The key's bytes; null is not the same as empty.
    pub key: Option<Vec<u8>>,
    /// The value's bytes; null is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Names and values, in order; names may repeat.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A batch in a partition's log, as the producer made it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockBatch {
    /// The offset of its first record.
    pub base_offset: i64,
    /// How many records it holds.
    pub records: usize,
    /// Its size on the wire, header included.
    pub bytes: usize,
    /// How its records are compressed, as `compression.type` has it: `none`, or the codec's name.
    pub compression: &'static str,
    /// The largest of its records' timestamps, as the producer set them.
    pub max_timestamp_ms: i64,
    /// The idempotent producer's id, or −1.
    pub producer_id: i64,
    /// The idempotent producer's epoch, or −1.
    pub producer_epoch: i16,
    /// The sequence of its first record, or −1.
    pub base_sequence: i32,
    /// Whether it belongs to a transaction.
    pub is_transactional: bool,
    /// How a transaction ended here, if it is the mark of that: a control batch, which a broker writes.
    /// It takes one offset, and no consumer sees it as a record.
    pub marker: Option<MockMarker>,
}

/// The end of a transaction in a partition's log.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MockMarker {
    /// Its records before the marker are committed.
    Commit,
    /// Its records before the marker are as if they were not there.
    Abort,
}

/// A request as a broker of the mock cluster received it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockRequest {
    /// The broker that received it.
    pub node: i32,
    /// The API that it is for.
    pub api: Api,
    /// The API's version.
    pub version: i16,
    /// The producer's `client.id`; none if the header could not be read.
    pub client_id: Option<String>,
    /// Its size on the wire, length and header included.
    pub bytes: usize,
    /// What it contained.
    pub content: MockRequestContent,
}

/// One partition's part of a Produce request.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockProducedPartition {
    /// The topic; empty if the request gave an id that the cluster does not know.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// How many records the batch claims to hold.
    pub records: usize,
    /// The batch's size, header included.
    pub bytes: usize,
    /// The idempotent producer's id, or −1.
    pub producer_id: i64,
    /// The idempotent producer's epoch, or −1.
    pub producer_epoch: i16,
    /// The sequence of the batch's first record, or −1.
    pub base_sequence: i32,
    /// Whether it belongs to a transaction.
    pub is_transactional: bool,
}

/// What happened so far, in numbers. Counted in every mode.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MockCounters {
    /// Requests of every kind, refused ones included.
    pub requests: u64,
    /// Bytes of these requests.
    pub request_bytes: u64,
    /// Produce requests.
    pub produce_requests: u64,
    /// Metadata requests.
    pub metadata_requests: u64,
    /// Batches appended.
    pub batches: u64,
    /// Records appended.
    pub records: u64,
    /// Bytes of the batches appended.
    pub batch_bytes: u64,
    /// Batches that a partition already had, and did not append again.
    pub repeated_batches: u64,
    /// Connections accepted since the start.
    pub connections_accepted: u64,
}

/// All requests since the start, and the counters.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    /// Empty while records are discarded.
    pub(super) entries: Vec<MockRequest>,
    pub(super) counters: MockCounters,
}

impl RequestLog {
    pub(super) fn count(&mut self, api: Api, bytes: usize) {
        self.counters.requests += 1;
        self.counters.request_bytes += count(bytes);
        match api {
            Api::Produce => self.counters.produce_requests += 1,
            Api::Metadata => self.counters.metadata_requests += 1,
            _ => {}
        }
    }

    pub(super) fn count_batch(&mut self, header: &BatchHeader) {
        self.counters.batches += 1;
        self.counters.records += u64::try_from(header.record_count).unwrap_or(0);
        self.counters.batch_bytes += count(header.batch_bytes);
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

//! What the mock cluster remembers: the records of each partition, the requests in the order in
//! which they arrived, and counters. Keeps batches as they arrived and decodes them when a test
//! reads them. No socket, no clock.

use crate::protocol::frame::SharedBytes;
use crate::record::decode::{self, BatchHeader};
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

/// One partition's records.
#[derive(Debug, Default)]
pub(super) struct PartitionLog {
    /// Empty while records are discarded.
    batches: Vec<StoredBatch>,
    next_offset: i64,
}

#[derive(Debug)]
struct StoredBatch {
    base_offset: i64,
    /// Where the topic stamps records itself: when.
    append_time_ms: Option<i64>,
    header: BatchHeader,
    bytes: SharedBytes,
}

impl PartitionLog {
    /// Appends a batch that [`decode::check`] has found good; returns its first record's offset.
    pub(super) fn append(
        &mut self,
        header: BatchHeader,
        bytes: &SharedBytes,
        append_time_ms: Option<i64>,
        keep: bool,
    ) -> i64 {
        let base_offset = self.next_offset;
        self.next_offset += i64::from(header.record_count);
        if keep {
            self.batches.push(StoredBatch {
                base_offset,
                append_time_ms,
                header,
                bytes: bytes.clone(),
            });
        }
        base_offset
    }

    /// The offset that the next record will get: how many there are.
    pub(super) fn end_offset(&self) -> i64 {
        self.next_offset
    }

    pub(super) fn records(&self) -> Vec<MockRecord> {
        let mut all = Vec::new();
        for batch in &self.batches {
            let (_, records) = decode::decode(batch.bytes.as_slice())
                .expect("only batches that were found good are appended");
            all.extend(records.into_iter().map(|record| MockRecord {
                offset: batch.base_offset + i64::from(record.offset_delta),
                timestamp_ms: batch.append_time_ms.unwrap_or(record.timestamp_ms),
                key: record.key,
                value: record.value,
                headers: record.headers,
            }));
        }
        all
    }

    pub(super) fn batches(&self) -> Vec<MockBatch> {
        let describe = |batch: &StoredBatch| MockBatch {
            base_offset: batch.base_offset,
            records: usize::try_from(batch.header.record_count).unwrap_or(0),
            bytes: batch.header.batch_bytes,
            compression: match batch.header.codec() {
                Ok(Some(codec)) => codec.name(),
                Ok(None) | Err(_) => "none",
            },
            max_timestamp_ms: batch.header.max_timestamp_ms,
            producer_id: batch.header.producer.producer_id,
            producer_epoch: batch.header.producer.epoch,
            base_sequence: batch.header.producer.base_sequence,
        };
        self.batches.iter().map(describe).collect()
    }
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

//! What a partition holds: batches as they arrived, decoded when a test reads them, and the marks of
//! transactions that have ended. Knows which transactions are open, and so what a consumer with
//! `isolation.level=read_committed` sees. No socket, no clock.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::frame::SharedBytes;
use crate::record::batch::{ProducerStamp, TRANSACTIONAL};
use crate::record::decode::{self, BatchHeader};
use crate::testing::log::{MockBatch, MockMarker, MockRecord};

/// The attribute of batches that brokers write themselves, to end a transaction.
pub(super) const CONTROL: i16 = 0x20;

/// One partition's records, and the transactions that have some here.
#[derive(Debug, Default)]
pub(super) struct PartitionLog {
    /// Empty while records are discarded.
    entries: Vec<Entry>,
    next_offset: i64,
    records: u64,
    /// The transactions that have not ended here, by producer id.
    open: BTreeMap<i64, Open>,
}

/// A transaction that has records here and has not ended.
#[derive(Clone, Copy, Debug)]
struct Open {
    epoch: i16,
    first_offset: i64,
}

#[derive(Debug)]
enum Entry {
    Batch(StoredBatch),
    Marker(StoredMarker),
}

#[derive(Debug)]
struct StoredBatch {
    base_offset: i64,
    /// Where the topic stamps records itself: when.
    append_time_ms: Option<i64>,
    header: BatchHeader,
    bytes: SharedBytes,
}

#[derive(Debug)]
struct StoredMarker {
    offset: i64,
    time_ms: i64,
    producer_id: i64,
    epoch: i16,
    marker: MockMarker,
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
        self.records += u64::try_from(header.record_count).unwrap_or(0);
        if is_transactional(&header) {
            let ProducerStamp {
                producer_id, epoch, ..
            } = header.producer;
            self.open.entry(producer_id).or_insert(Open {
                epoch,
                first_offset: base_offset,
            });
        }
        if keep {
            self.entries.push(Entry::Batch(StoredBatch {
                base_offset,
                append_time_ms,
                header,
                bytes: bytes.clone(),
            }));
        }
        base_offset
    }

    /// Ends the producer's transaction here, even if it has no records.
    pub(super) fn mark(
        &mut self,
        producer_id: i64,
        epoch: i16,
        marker: MockMarker,
        time_ms: i64,
        keep: bool,
    ) {
        self.open.remove(&producer_id);
        let offset = self.next_offset;
        self.next_offset += 1;
        if keep {
            self.entries.push(Entry::Marker(StoredMarker {
                offset,
                time_ms,
                producer_id,
                epoch,
                marker,
            }));
        }
    }

    /// The epoch of the producer's transaction, if it has records here and has not ended.
    pub(super) fn open_epoch(&self, producer_id: i64) -> Option<i16> {
        self.open.get(&producer_id).map(|open| open.epoch)
    }

    /// The offset that the next record will get.
    pub(super) fn end_offset(&self) -> i64 {
        self.next_offset
    }

    /// Below it no transaction is open: as far as a consumer of committed records reads.
    pub(super) fn last_stable_offset(&self) -> i64 {
        let first = self.open.values().map(|open| open.first_offset).min();
        first.unwrap_or(self.next_offset)
    }

    /// How many records there are, of whatever transactions.
    pub(super) fn record_count(&self) -> u64 {
        self.records
    }

    pub(super) fn records(&self) -> Vec<MockRecord> {
        self.batch_entries()
            .flat_map(StoredBatch::records)
            .collect()
    }

    /// The records that a consumer of committed records sees.
    pub(super) fn committed_records(&self) -> Vec<MockRecord> {
        let stable = self.last_stable_offset();
        let aborted = self.aborted_batches();
        self.batch_entries()
            .filter(|batch| batch.base_offset < stable && !aborted.contains(&batch.base_offset))
            .flat_map(StoredBatch::records)
            .collect()
    }

    /// The first offsets of the batches whose transaction ended with an abort: the first marker of their
    /// producer behind them says so.
    fn aborted_batches(&self) -> BTreeSet<i64> {
        let mut next_marker = BTreeMap::new();
        let mut aborted = BTreeSet::new();
        for entry in self.entries.iter().rev() {
            match entry {
                Entry::Marker(one) => {
                    next_marker.insert(one.producer_id, one.marker);
                }
                Entry::Batch(batch) if is_transactional(&batch.header) => {
                    let id = batch.header.producer.producer_id;
                    if next_marker.get(&id) == Some(&MockMarker::Abort) {
                        aborted.insert(batch.base_offset);
                    }
                }
                Entry::Batch(_) => {}
            }
        }
        aborted
    }

    /// Batches and markers, in their order.
    pub(super) fn batches(&self) -> Vec<MockBatch> {
        let describe = |entry: &Entry| match entry {
            Entry::Batch(batch) => batch.describe(),
            Entry::Marker(marker) => marker.describe(),
        };
        self.entries.iter().map(describe).collect()
    }

    fn batch_entries(&self) -> impl Iterator<Item = &StoredBatch> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Batch(batch) => Some(batch),
            Entry::Marker(_) => None,
        })
    }
}

pub(super) fn is_transactional(header: &BatchHeader) -> bool {
    header.attributes & TRANSACTIONAL != 0
}

impl StoredBatch {
    fn records(&self) -> Vec<MockRecord> {
        let (_, records) = decode::decode(self.bytes.as_slice())
            .expect("only batches that were found good are appended");
        let records = records.into_iter().map(|record| MockRecord {
            offset: self.base_offset + i64::from(record.offset_delta),
            timestamp_ms: self.append_time_ms.unwrap_or(record.timestamp_ms),
            key: record.key,
            value: record.value,
            headers: record.headers,
        });
        records.collect()
    }

    fn describe(&self) -> MockBatch {
        MockBatch {
            base_offset: self.base_offset,
            records: usize::try_from(self.header.record_count).unwrap_or(0),
            bytes: self.header.batch_bytes,
            compression: match self.header.codec() {
                Ok(Some(codec)) => codec.name(),
                Ok(None) | Err(_) => "none",
            },
            max_timestamp_ms: self.header.max_timestamp_ms,
            producer_id: self.header.producer.producer_id,
            producer_epoch: self.header.producer.epoch,
            base_sequence: self.header.producer.base_sequence,
            is_transactional: is_transactional(&self.header),
            marker: None,
        }
    }
}

impl StoredMarker {
    /// As a broker would write it: one record, with a version and the type in its key, and a version and
    /// the coordinator's epoch in its value.
    fn describe(&self) -> MockBatch {
        const BYTES: usize = 78;
        MockBatch {
            base_offset: self.offset,
            records: 1,
            bytes: BYTES,
            compression: "none",
            max_timestamp_ms: self.time_ms,
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            base_sequence: -1,
            is_transactional: true,
            marker: Some(self.marker),
        }
    }
}

//! Splits a batch that its broker calls too large. The parts hold the same records in the same order,
//! with the sequence numbers that the records had. Never looks into a record: its content is copied as
//! it is. Runs on the I/O thread.

use std::mem;

use crate::record::batch::{BatchEncoder, PackedBatch};
use crate::record::walk::{BatchHeader, LARGEST_RECORDS, walk};

/// A part of a batch, sealed like any other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SplitBatch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: usize,
}

/// Fills batches of at most `limit_bytes`, header included, with the records of a sealed batch of
/// ours; a record that is larger has one of its own. Unless the batch is within the limit or has one
/// record only, there are at least two.
///
/// `pack` compresses them or not. The parts of a compressed batch are assumed to compress as well as it
/// did; one that does not may be larger than the limit.
pub(crate) fn split(
    bytes: &[u8],
    limit_bytes: usize,
    mut pack: impl FnMut(BatchEncoder) -> PackedBatch,
) -> Vec<SplitBatch> {
    let whole = "the encoder sealed this batch";
    let header = BatchHeader::read(bytes).expect(whole);
    let records = header.records(bytes, LARGEST_RECORDS).expect(whole);
    let limit_bytes = uncompressed(limit_bytes, bytes, &records);
    let empty = || BatchEncoder::with_attributes_of(&header, limit_bytes);
    let mut stamp = header.producer;
    let mut seal = |batch: BatchEncoder| {
        let records = batch.record_count();
        let next = stamp.after(records);
        let bytes = pack(batch).seal(mem::replace(&mut stamp, next));
        SplitBatch { bytes, records }
    };
    let mut parts = Vec::new();
    let mut open = empty();
    walk(&header, &records, |record| {
        let size = open
            .len()
            .saturating_add(open.next(record.timestamp_ms, record.content.len()).bytes());
        if size > limit_bytes && open.record_count() > 0 {
            parts.push(seal(mem::replace(&mut open, empty())));
        }
        open.append_encoded(&record);
        Ok(())
    })
    .expect(whole);
    parts.push(seal(open));
    parts
}

/// The uncompressed size of a batch that is compressed to `limit_bytes`, if it compresses as well as
/// this one did.
fn uncompressed(limit_bytes: usize, bytes: &[u8], records: &[u8]) -> usize {
    const HEADER: usize = BatchEncoder::HEADER_BYTES;
    let stream = bytes.len().saturating_sub(HEADER).max(1);
    let limit = limit_bytes.saturating_sub(HEADER);
    HEADER + limit.saturating_mul(records.len()) / stream
}

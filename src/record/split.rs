//! Takes a batch apart that its broker calls too large. The parts hold the same records in the same
//! order, and go on from each other in the producer's sequence as if they had been made one by one.
//! Never looks into a record: its content moves as it is. Runs on the I/O thread.

use std::mem;

use crate::record::batch::{BatchEncoder, ProducerStamp};
use crate::record::walk::{BatchHeader, walk};

/// A part of a batch, sealed like any other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SplitBatch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: usize,
}

/// Fills batches of at most `limit_bytes`, header included, with the records of a sealed,
/// uncompressed batch of ours; a record that is larger has one of its own. Unless the batch is within
/// the limit or has one record only, there are at least two.
pub(crate) fn split(bytes: &[u8], limit_bytes: usize) -> Vec<SplitBatch> {
    let whole = "the encoder sealed this batch";
    let header = BatchHeader::read(bytes).expect(whole);
    let empty = || BatchEncoder::with_attributes_of(&header, limit_bytes);
    let mut stamp = header.producer;
    let mut parts = Vec::new();
    let mut open = empty();
    walk(&header, bytes, |record| {
        let size = open
            .len()
            .saturating_add(open.size_of_next(record.timestamp_ms, record.content.len()));
        if size > limit_bytes && open.record_count() > 0 {
            parts.push(seal(mem::replace(&mut open, empty()), &mut stamp));
        }
        open.append_encoded(&record);
        Ok(())
    })
    .expect(whole);
    parts.push(seal(open, &mut stamp));
    parts
}

fn seal(batch: BatchEncoder, stamp: &mut ProducerStamp) -> SplitBatch {
    let records = batch.record_count();
    let next = stamp.after(records);
    let bytes = batch.seal(mem::replace(stamp, next));
    SplitBatch { bytes, records }
}

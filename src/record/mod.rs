//! Records as they go over the wire: serialized once, encoded into a batch of format v2. Depends on
//! neither topics nor partitions. Callers encode; the I/O thread splits batches that a broker calls too
//! large, and decodes what a close or purge hands back; the mock and the tests decode.
//!
//! | file | holds |
//! |---|---|
//! | `batch` | encoding records and sealing a batch |
//! | `walk` | finding the records in a batch |
//! | `split` | several smaller batches from one |
//! | `decode` | all of a batch, down to the headers of its records |
//! | `metadata` | what a callback gets for an acknowledged record |

pub(crate) mod batch;
pub(crate) mod decode;
pub(crate) mod metadata;
pub(crate) mod split;
// Run by the package tests/codec, which has what they need.
#[cfg(test)]
#[cfg(feature = "oracle")]
mod tests;
mod walk;

use crate::protocol::varint;

/// A name and an optional value that travel with a record. Names may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name.
    pub name: &'a str,
    /// The value; null is not the same as empty.
    pub value: Option<&'a [u8]>,
}

/// A record whose key and value are bytes already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [Header<'a>],
}

impl Record<'_> {
    /// Bytes of key and value; -1 for none, as in Kafka's format.
    #[inline]
    pub(crate) fn sizes(&self) -> (i32, i32) {
        // A record is smaller than 2 GiB: the producer has checked it against max.request.size.
        let size = |bytes: &[u8]| i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        (self.key.map_or(-1, size), self.value.map_or(-1, size))
    }

    /// The encoded bytes that are the same in any batch: key, value and headers with their lengths.
    /// Computed once per record, and passed on.
    #[inline(always)]
    pub(crate) fn content_size(&self) -> usize {
        let mut bytes = varint::signed_len(signed(self.headers.len()));
        bytes = bytes.saturating_add(nullable_size(self.key));
        bytes = bytes.saturating_add(nullable_size(self.value));
        for header in self.headers {
            bytes = bytes.saturating_add(nullable_size(Some(header.name.as_bytes())));
            bytes = bytes.saturating_add(nullable_size(header.value));
        }
        bytes
    }
}

/// The size of a batch with one record of this content, at most, header included: what Java
/// compares with `max.request.size` and `buffer.memory` before the record has a batch. A caller that
/// refuses what is above an `i32` keeps the encoder's sizes in range.
pub(crate) fn encoded_size_upper_bound(content: usize) -> usize {
    const LENGTH_TIMESTAMP_OFFSET_ATTRIBUTES: usize = 5 + 10 + 5 + 1;
    content.saturating_add(batch::BatchEncoder::HEADER_BYTES + LENGTH_TIMESTAMP_OFFSET_ATTRIBUTES)
}

/// A length and its bytes; null is the length −1.
#[inline]
fn nullable_size(bytes: Option<&[u8]>) -> usize {
    match bytes {
        Some(bytes) => varint::signed_len(signed(bytes.len())) + bytes.len(),
        None => 1,
    }
}

/// A length as the number the format writes.
fn signed(length: usize) -> i64 {
    i64::try_from(length).expect("no slice is longer than isize::MAX")
}

//! Records as they go over the wire: serialized once, encoded into a batch of format v2.
//! Knows neither topics nor partitions; callers encode, the I/O thread splits a batch that turned out
//! too large and decodes what a close hands back, the mock and the tests decode.

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
    /// The encoded bytes that do not depend on the record's place in the batch: key, value and
    /// headers with their lengths. Computed once per record, and passed on.
    #[inline]
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

/// The most that a batch of one record with this content can take, header included: what Java
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

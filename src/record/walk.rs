//! Finds the records in a batch of format v2, without looking inside them: what splitting a batch
//! needs, and what [`decode`](super::decode) builds on. Trusts no length or count in the bytes, and
//! never allocates by one.

use std::borrow::Cow;
use std::fmt;

use crate::compression::{Codec, Damaged, decompress};
use crate::protocol::varint;
use crate::record::batch::{BatchEncoder, CODEC, ProducerStamp};

/// The fixed 61 bytes in front of a batch's records; the layout is drawn in
/// [`batch`](super::batch).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) base_offset: i64,
    /// All of the batch, this header included.
    pub(crate) batch_bytes: usize,
    pub(crate) partition_leader_epoch: i32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp_ms: i64,
    pub(crate) max_timestamp_ms: i64,
    pub(crate) producer: ProducerStamp,
    pub(crate) record_count: i32,
}

/// Why bytes are no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchError {
    /// Fewer bytes than a header has, or than its length says.
    Truncated,
    /// Bytes after the batch: a request carries one batch per partition.
    TrailingBytes,
    Magic(i8),
    Checksum {
        stated: u32,
        computed: u32,
    },
    /// The record count is negative, or contradicts the last offset delta.
    RecordCount(i32),
    /// More or fewer bytes than that many records.
    RecordBytes,
    /// A record is not what the format says; where in the batch, and what.
    Record {
        index: i32,
        problem: &'static str,
    },
    /// The attributes name a codec that Kafka does not have.
    UnknownCodec(i16),
    Compression(Damaged),
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the batch is shorter than it says"),
            Self::TrailingBytes => f.write_str("bytes follow the batch"),
            Self::Magic(magic) => write!(f, "record format {magic}, only 2 is known"),
            Self::Checksum { stated, computed } => {
                write!(f, "checksum {stated:#010x}, computed {computed:#010x}")
            }
            Self::RecordCount(count) => write!(f, "record count {count} cannot be"),
            Self::RecordBytes => f.write_str("bytes are left after the last record"),
            Self::Record { index, problem } => write!(f, "record {index}: {problem}"),
            Self::UnknownCodec(id) => write!(f, "codec {id} is unknown"),
            Self::Compression(damaged) => damaged.fmt(f),
        }
    }
}

impl BatchHeader {
    /// How the records are compressed, if they are.
    pub(crate) fn codec(&self) -> Result<Option<Codec>, BatchError> {
        match self.attributes & CODEC {
            0 => Ok(None),
            id => Codec::of_id(id)
                .map(Some)
                .ok_or(BatchError::UnknownCodec(id)),
        }
    }

    /// The records of the batch that has this header, decompressed if need be: up to `limit` bytes.
    pub(crate) fn records<'a>(
        &self,
        bytes: &'a [u8],
        limit: usize,
    ) -> Result<Cow<'a, [u8]>, BatchError> {
        let (_, stream) = split_header(bytes)?;
        match self.codec()? {
            None => Ok(Cow::Borrowed(stream)),
            Some(codec) => decompress(codec, stream, limit)
                .map(Cow::Owned)
                .map_err(BatchError::Compression),
        }
    }

    /// Reads the header of exactly one batch and checks lengths, counts and checksum; looks at no
    /// record.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BatchError> {
        let (raw, records) = split_header(bytes)?;
        let length = usize::try_from(i32::from_be_bytes(field(raw, 8)))
            .map_err(|_negative| BatchError::Truncated)?;
        let batch_bytes = length.saturating_add(12);
        let magic = i8::from_be_bytes(field(raw, 16));
        if magic != 2 {
            return Err(BatchError::Magic(magic));
        }
        if batch_bytes > bytes.len() || batch_bytes < BatchEncoder::HEADER_BYTES {
            return Err(BatchError::Truncated);
        }
        if batch_bytes < bytes.len() {
            return Err(BatchError::TrailingBytes);
        }
        let stated = u32::from_be_bytes(field(raw, 17));
        let computed = crc32c::crc32c_append(crc32c::crc32c(&raw[21..]), records);
        if stated != computed {
            return Err(BatchError::Checksum { stated, computed });
        }
        let header = Self {
            base_offset: i64::from_be_bytes(field(raw, 0)),
            batch_bytes,
            partition_leader_epoch: i32::from_be_bytes(field(raw, 12)),
            attributes: i16::from_be_bytes(field(raw, 21)),
            last_offset_delta: i32::from_be_bytes(field(raw, 23)),
            base_timestamp_ms: i64::from_be_bytes(field(raw, 27)),
            max_timestamp_ms: i64::from_be_bytes(field(raw, 35)),
            producer: ProducerStamp {
                producer_id: i64::from_be_bytes(field(raw, 43)),
                epoch: i16::from_be_bytes(field(raw, 51)),
                base_sequence: i32::from_be_bytes(field(raw, 53)),
            },
            record_count: i32::from_be_bytes(field(raw, 57)),
        };
        let count = header.record_count;
        if count <= 0 || header.last_offset_delta != count - 1 {
            return Err(BatchError::RecordCount(count));
        }
        Ok(header)
    }
}

/// A record whose parts still lie in the batch, encoded as they were.
#[derive(Clone, Copy)]
pub(crate) struct EncodedRecord<'a> {
    /// Its index in the batch: its offset less the batch's base offset.
    pub(crate) index: i32,
    pub(crate) timestamp_ms: i64,
    /// Key, value and headers: the part that is the same in any batch.
    pub(crate) content: &'a [u8],
}

/// The limit for decompressing a batch of our own, which was no larger before it was compressed.
pub(crate) const LARGEST_RECORDS: usize = i32::MAX as usize;

/// Calls `visit` for each of the [records](BatchHeader::records), in order; fails unless there are
/// exactly as many as the header says.
pub(crate) fn walk<'a>(
    header: &BatchHeader,
    records: &'a [u8],
    mut visit: impl FnMut(EncodedRecord<'a>) -> Result<(), BatchError>,
) -> Result<(), BatchError> {
    let mut rest = records;
    for index in 0..header.record_count {
        let mut outer = Cursor { rest, index };
        let length = outer.length("its length is no number")?;
        let body = outer.take(length, "it ends early")?;
        rest = outer.rest;
        let cursor = Cursor { rest: body, index };
        visit(cursor.record(header.base_timestamp_ms)?)?;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(BatchError::RecordBytes)
    }
}

/// What is left of one record's bytes, and which record of the batch it is.
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
    pub(super) index: i32,
}

impl<'a> Cursor<'a> {
    fn record(mut self, base_timestamp_ms: i64) -> Result<EncodedRecord<'a>, BatchError> {
        self.take(1, "it has no attributes")?;
        let timestamp_delta = self.number("its timestamp is no number")?;
        let offset_delta = self.number("its offset is no number")?;
        if offset_delta != i64::from(self.index) {
            return Err(self.problem("its offset is out of order"));
        }
        Ok(EncodedRecord {
            index: self.index,
            timestamp_ms: base_timestamp_ms.wrapping_add(timestamp_delta),
            content: self.rest,
        })
    }

    pub(super) fn length(&mut self, problem: &'static str) -> Result<usize, BatchError> {
        let number = self.number(problem)?;
        usize::try_from(number).map_err(|_negative| self.problem(problem))
    }

    pub(super) fn number(&mut self, problem: &'static str) -> Result<i64, BatchError> {
        let (number, used) = varint::read_signed(self.rest).ok_or_else(|| self.problem(problem))?;
        self.take(used, problem)?;
        Ok(number)
    }

    pub(super) fn take(
        &mut self,
        count: usize,
        problem: &'static str,
    ) -> Result<&'a [u8], BatchError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.problem(problem))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn problem(&self, problem: &'static str) -> BatchError {
        BatchError::Record {
            index: self.index,
            problem,
        }
    }
}

type RawHeader = [u8; BatchEncoder::HEADER_BYTES];

pub(super) fn split_header(bytes: &[u8]) -> Result<(&RawHeader, &[u8]), BatchError> {
    bytes.split_first_chunk().ok_or(BatchError::Truncated)
}

/// The `N` bytes at `offset`, which is one of the layout's constants.
pub(super) fn field<const N: usize>(header: &RawHeader, offset: usize) -> [u8; N] {
    header
        .get(offset..)
        .and_then(<[u8]>::first_chunk)
        .copied()
        .expect("the layout's fields lie in the header")
}

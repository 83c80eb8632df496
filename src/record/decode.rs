//! Reads batches of format v2: the other direction, for the mock cluster and for tests. Trusts no
//! length or count that it is told, and never allocates by one.

use std::fmt;

use crate::protocol::varint;
use crate::record::batch::{BatchEncoder, ProducerStamp};

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

/// A record with bytes of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecodedRecord {
    /// Its place after the batch's base offset.
    pub(crate) offset_delta: i32,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
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
    Compressed(&'static str),
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
            Self::Compressed(codec) => write!(f, "codec {codec} not supported yet"),
        }
    }
}

impl BatchHeader {
    /// The codec's name, if the records are compressed.
    pub(crate) fn codec(&self) -> Option<&'static str> {
        match self.attributes & 0x07 {
            0 => None,
            1 => Some("gzip"),
            2 => Some("snappy"),
            3 => Some("lz4"),
            4 => Some("zstd"),
            _ => Some("unknown"),
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

/// How many records a batch says it holds; 0 if it is too short to say.
pub(crate) fn claimed_record_count(bytes: &[u8]) -> usize {
    let Ok((raw, _)) = split_header(bytes) else {
        return 0;
    };
    usize::try_from(i32::from_be_bytes(field(raw, 57))).unwrap_or(0)
}

/// Reads a batch and checks all that can be checked, as a broker does, without keeping a record.
pub(crate) fn check(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::read(bytes)?;
    walk(&header, bytes, |_record| Ok(()))?;
    Ok(header)
}

/// Reads a batch and all its records.
pub(crate) fn decode(bytes: &[u8]) -> Result<(BatchHeader, Vec<DecodedRecord>), BatchError> {
    let header = BatchHeader::read(bytes)?;
    let mut records = Vec::new();
    walk(&header, bytes, |record| {
        records.push(record.to_owned()?);
        Ok(())
    })?;
    Ok((header, records))
}

/// A record whose parts still lie in the batch, checked up to its end.
struct BorrowedRecord<'a> {
    offset_delta: i32,
    timestamp_ms: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    header_count: usize,
    headers: &'a [u8],
}

impl BorrowedRecord<'_> {
    fn to_owned(&self) -> Result<DecodedRecord, BatchError> {
        let mut cursor = Cursor {
            rest: self.headers,
            index: self.offset_delta,
        };
        let mut headers = Vec::new();
        for _ in 0..self.header_count {
            let (name, value) = cursor.header()?;
            headers.push((name.to_owned(), value.map(<[u8]>::to_vec)));
        }
        Ok(DecodedRecord {
            offset_delta: self.offset_delta,
            timestamp_ms: self.timestamp_ms,
            key: self.key.map(<[u8]>::to_vec),
            value: self.value.map(<[u8]>::to_vec),
            headers,
        })
    }
}

/// Shows every record to `visit`; fails unless the batch holds just as many as its header says.
fn walk<'a>(
    header: &BatchHeader,
    bytes: &'a [u8],
    mut visit: impl FnMut(BorrowedRecord<'a>) -> Result<(), BatchError>,
) -> Result<(), BatchError> {
    if let Some(codec) = header.codec() {
        return Err(BatchError::Compressed(codec));
    }
    let (_, mut rest) = split_header(bytes)?;
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
struct Cursor<'a> {
    rest: &'a [u8],
    index: i32,
}

impl<'a> Cursor<'a> {
    fn record(mut self, base_timestamp_ms: i64) -> Result<BorrowedRecord<'a>, BatchError> {
        self.take(1, "it has no attributes")?;
        let timestamp_delta = self.number("its timestamp is no number")?;
        let offset_delta = self.number("its offset is no number")?;
        if offset_delta != i64::from(self.index) {
            return Err(self.problem("its offset is out of order"));
        }
        let key = self.nullable("its key ends early")?;
        let value = self.nullable("its value ends early")?;
        let header_count = self.length("its header count is negative or no number")?;
        let headers = self.rest;
        if header_count > headers.len() {
            return Err(self.problem("it has fewer headers than it says"));
        }
        for _ in 0..header_count {
            self.header()?;
        }
        if !self.rest.is_empty() {
            return Err(self.problem("it is longer than its parts"));
        }
        Ok(BorrowedRecord {
            offset_delta: self.index,
            timestamp_ms: base_timestamp_ms.wrapping_add(timestamp_delta),
            key,
            value,
            header_count,
            headers,
        })
    }

    fn header(&mut self) -> Result<(&'a str, Option<&'a [u8]>), BatchError> {
        let Some(name) = self.nullable("a header's name ends early")? else {
            return Err(self.problem("a header has no name"));
        };
        let name = std::str::from_utf8(name)
            .map_err(|_not_utf8| self.problem("a header's name is not UTF-8"))?;
        Ok((name, self.nullable("a header's value ends early")?))
    }

    /// Bytes after their length; −1 is null, and no other negative length is known.
    fn nullable(&mut self, problem: &'static str) -> Result<Option<&'a [u8]>, BatchError> {
        match self.number(problem)? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_negative| self.problem(problem))?;
                self.take(length, problem).map(Some)
            }
        }
    }

    fn length(&mut self, problem: &'static str) -> Result<usize, BatchError> {
        let number = self.number(problem)?;
        usize::try_from(number).map_err(|_negative| self.problem(problem))
    }

    fn number(&mut self, problem: &'static str) -> Result<i64, BatchError> {
        let (number, used) = varint::read_signed(self.rest).ok_or_else(|| self.problem(problem))?;
        self.take(used, problem)?;
        Ok(number)
    }

    fn take(&mut self, count: usize, problem: &'static str) -> Result<&'a [u8], BatchError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.problem(problem))?;
        self.rest = rest;
        Ok(taken)
    }

    fn problem(&self, problem: &'static str) -> BatchError {
        BatchError::Record {
            index: self.index,
            problem,
        }
    }
}

type RawHeader = [u8; BatchEncoder::HEADER_BYTES];

fn split_header(bytes: &[u8]) -> Result<(&RawHeader, &[u8]), BatchError> {
    bytes.split_first_chunk().ok_or(BatchError::Truncated)
}

/// The `N` bytes at `offset`, which is one of the layout's constants.
fn field<const N: usize>(header: &RawHeader, offset: usize) -> [u8; N] {
    header
        .get(offset..)
        .and_then(<[u8]>::first_chunk)
        .copied()
        .expect("the layout's fields lie in the header")
}

//! Encodes records into a batch of Kafka's format v2: [`BatchEncoder`] takes records, [`PackedBatch`]
//! is what it becomes, compressed or not, and [`seal`](PackedBatch::seal) writes the header. Callers
//! append under the partition's lock, any thread compresses with no lock held, the I/O thread seals. HOT.
//!
//! ```text
//!   offset size                         offset size
//!     0     8  base offset: 0             27     8  base timestamp: the first record's
//!     8     4  bytes after this field     35     8  largest timestamp
//!    12     4  leader epoch: −1           43     8  producer id     ┐
//!    16     1  magic: 2                   51     2  producer epoch  │ ProducerStamp
//!    17     4  CRC-32C of what follows    53     4  base sequence   ┘
//!    21     2  attributes                 57     4  record count
//!    23     4  last offset delta          61        records
//! ```
//!
//! The checksum leaves out what a broker overwrites: base offset, length, leader epoch.

use crate::compression::{Codec, Compression, Compressor};
use crate::ids::sequence_after;
use crate::protocol::varint;
use crate::record::walk::{BatchHeader, EncodedRecord};
use crate::record::{Record, signed};

/// The producer and sequence number of a batch, by which a broker detects one that it has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerStamp {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) base_sequence: i32,
}

impl ProducerStamp {
    /// Of a producer without idempotence: the broker detects no duplicates.
    pub(crate) const NONE: Self = Self {
        producer_id: -1,
        epoch: -1,
        base_sequence: -1,
    };

    /// The stamp of the batch that follows this one, which has so many records. [`NONE`](Self::NONE)
    /// stays so.
    pub(crate) fn after(self, records: usize) -> Self {
        if self.producer_id < 0 {
            return self;
        }
        Self {
            base_sequence: sequence_after(self.base_sequence, records),
            ..self
        }
    }
}

/// A batch that takes records, until it is [packed](PackedBatch).
#[derive(Clone)]
pub(crate) struct BatchEncoder {
    /// Invariant: empty before the first record, then the header's space and the records.
    buffer: Vec<u8>,
    size_limit: usize,
    attributes: i16,
    base_timestamp_ms: i64,
    max_timestamp_ms: i64,
    record_count: i32,
}

impl BatchEncoder {
    /// What comes before the first record.
    pub(crate) const HEADER_BYTES: usize = 61;

    /// An empty batch, which owns no memory yet. The caller stops appending at `size_limit` bytes
    /// (a first record may be larger); the buffer does not double beyond it.
    pub(crate) fn new(size_limit: usize) -> Self {
        Self::with_buffer(Vec::new(), size_limit)
    }

    /// The same in memory that was used before; `buffer` is empty.
    pub(crate) fn with_buffer(buffer: Vec<u8>, size_limit: usize) -> Self {
        debug_assert!(buffer.is_empty(), "another batch's bytes");
        Self {
            buffer,
            size_limit,
            attributes: 0,
            base_timestamp_ms: 0,
            max_timestamp_ms: 0,
            record_count: 0,
        }
    }

    /// An empty batch for records of the one with this header: the same attributes, but uncompressed.
    pub(crate) fn with_attributes_of(header: &BatchHeader, size_limit: usize) -> Self {
        Self {
            attributes: header.attributes & !CODEC,
            ..Self::new(size_limit)
        }
    }

    /// The same batch, as part of a transaction or of none.
    pub(crate) fn in_transaction(mut self, is_transactional: bool) -> Self {
        self.attributes |= if is_transactional { TRANSACTIONAL } else { 0 };
        self
    }

    /// How many records it holds.
    pub(crate) fn record_count(&self) -> usize {
        usize::try_from(self.record_count).expect("it counts up from 0")
    }

    /// How many bytes it was opened for.
    #[inline]
    pub(crate) fn size_limit(&self) -> usize {
        self.size_limit
    }

    /// How a record with this content would be encoded at the end of this batch. The caller looks at
    /// its size, and then [appends](Self::append) the record or not.
    #[inline]
    pub(crate) fn next(&self, timestamp_ms: i64, content: usize) -> Next {
        let timestamp_delta = match self.record_count {
            0 => 0,
            _ => timestamp_ms.wrapping_sub(self.base_timestamp_ms),
        };
        let attributes_and_deltas = 1
            + varint::signed_len(timestamp_delta)
            + varint::signed_len(i64::from(self.record_count));
        Next {
            timestamp_delta,
            body: content.saturating_add(attributes_and_deltas),
        }
    }

    /// Adds a record, encoded as [`next`](Self::next) has said. The caller has refused records whose
    /// [upper bound](crate::record::encoded_size_upper_bound) does not fit an `i32`. Allocates only
    /// to let the buffer grow.
    ///
    /// Runs on: caller.
    #[inline]
    pub(crate) fn append(&mut self, record: &Record<'_>, next: Next) {
        let key = record.key.map_or(-1, |key| signed(key.len()));
        self.begin_record(record.timestamp_ms, next, Some(key));
        let out = &mut self.buffer;
        if let Some(key) = record.key {
            out.extend_from_slice(key);
        }
        put_nullable(out, record.value);
        varint::put_signed(out, signed(record.headers.len()));
        for header in record.headers {
            put_nullable(out, Some(header.name.as_bytes()));
            put_nullable(out, header.value);
        }
    }

    /// Adds a record of another batch.
    ///
    /// Runs on: I/O thread.
    pub(crate) fn append_encoded(&mut self, record: &EncodedRecord<'_>) {
        let next = self.next(record.timestamp_ms, record.content.len());
        self.begin_record(record.timestamp_ms, next, None);
        self.buffer.extend_from_slice(record.content);
    }

    /// Makes room for a record, counts it, and writes what comes before its content: lengths, deltas,
    /// attributes. `first` is the first number of the content, if that is not encoded yet. Each caller knows
    /// whether there is one, so this is compiled into both: twenty instructions less for each record.
    #[inline(always)]
    fn begin_record(&mut self, timestamp_ms: i64, next: Next, first: Option<i64>) {
        self.make_room(next.body.saturating_add(MOST_START_BYTES));
        if self.record_count == 0 {
            self.base_timestamp_ms = timestamp_ms;
            self.max_timestamp_ms = timestamp_ms;
        }
        // Written in place: pushed to the vector one by one, these few bytes would take as long as the
        // copy of a value of 500 bytes.
        let before = self.buffer.len();
        self.buffer.extend_from_slice(&[0; MOST_START_BYTES]);
        let (_, room) = self
            .buffer
            .split_last_chunk_mut::<MOST_START_BYTES>()
            .expect("it was added just now");
        let mut end = varint::write_signed(room, 0, signed(next.body));
        end = varint::write_signed(room, end, 0); // Attributes: none are defined.
        end = varint::write_signed(room, end, next.timestamp_delta);
        end = varint::write_signed(room, end, i64::from(self.record_count));
        if let Some(first) = first {
            end = varint::write_signed(room, end, first);
        }
        self.buffer.truncate(before + end);
        self.max_timestamp_ms = self.max_timestamp_ms.max(timestamp_ms);
        self.record_count = self
            .record_count
            .checked_add(1)
            .expect("a batch is closed long before it holds i32::MAX records of seven bytes each");
    }

    /// The batch's size on the wire, header included: 61 while it is empty.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len().max(Self::HEADER_BYTES)
    }

    /// The memory that it holds.
    #[cfg(all(test, feature = "oracle"))]
    pub(crate) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Ends the batch as it is. Runs on: I/O thread.
    pub(crate) fn pack(mut self) -> PackedBatch {
        if self.buffer.is_empty() {
            self.buffer.resize(Self::HEADER_BYTES, 0);
        }
        let buffer = std::mem::take(&mut self.buffer);
        self.packed(buffer, 0, None)
    }

    /// The batch with its records compressed; `None` if that makes it no smaller.
    ///
    /// Runs on: any thread.
    pub(crate) fn compress(
        &self,
        compression: Compression,
        compressor: &mut Compressor,
    ) -> Option<PackedBatch> {
        let records = self.buffer.get(Self::HEADER_BYTES..)?;
        let stream = compressor.compress(compression, records)?;
        let mut buffer = Vec::with_capacity(Self::HEADER_BYTES + stream.len());
        buffer.resize(Self::HEADER_BYTES, 0);
        buffer.extend_from_slice(stream);
        let codec = compression.codec().id();
        Some(self.packed(buffer, codec, Some(crc32c::crc32c(stream))))
    }

    fn packed(&self, buffer: Vec<u8>, codec: i16, records_crc: Option<u32>) -> PackedBatch {
        PackedBatch {
            buffer,
            attributes: self.attributes | codec,
            base_timestamp_ms: self.base_timestamp_ms,
            max_timestamp_ms: self.max_timestamp_ms,
            record_count: self.record_count,
            records_crc,
        }
    }

    /// [`pack`](Self::pack) and [`seal`](PackedBatch::seal).
    #[cfg(test)]
    pub(crate) fn seal(self, producer: ProducerStamp) -> Vec<u8> {
        self.pack().seal(producer)
    }

    /// Makes room for `additional` bytes. The buffer starts small, so that thousands of partitions with
    /// one record each take little memory, then doubles, but not beyond the limit without need.
    #[inline]
    fn make_room(&mut self, additional: usize) {
        if additional > self.buffer.capacity() - self.buffer.len() || self.buffer.is_empty() {
            self.grow(additional);
        }
    }

    #[cold]
    fn grow(&mut self, additional: usize) {
        const SMALLEST: usize = 256;
        if self.buffer.is_empty() {
            let needed = additional.saturating_add(Self::HEADER_BYTES);
            self.buffer
                .reserve_exact(needed.max(SMALLEST.min(self.size_limit)));
            self.buffer.resize(Self::HEADER_BYTES, 0);
            return;
        }
        let needed = self.buffer.len().saturating_add(additional);
        let doubled = self.buffer.capacity().saturating_mul(2);
        let capacity = needed.max(doubled.min(self.size_limit + MOST_START_BYTES));
        self.buffer.reserve_exact(capacity - self.buffer.len());
    }
}

/// A record's encoding as far as it depends on the batch and on the records before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    timestamp_delta: i64,
    /// The record's bytes after its own length.
    body: usize,
}

impl Next {
    /// By how many bytes the batch will grow.
    #[inline]
    pub(crate) fn bytes(self) -> usize {
        varint::signed_len(signed(self.body)).saturating_add(self.body)
    }
}

/// The numbers at the start of a record: two lengths and an offset of 32 bits, a timestamp, and the
/// attributes.
const MOST_START_BYTES: usize = 5 + 1 + 10 + 5 + 5;

/// A batch that takes no more records, compressed or not. All of it is final but its
/// [stamp](ProducerStamp).
pub(crate) struct PackedBatch {
    /// The header's space, and what follows it.
    buffer: Vec<u8>,
    attributes: i16,
    base_timestamp_ms: i64,
    max_timestamp_ms: i64,
    record_count: i32,
    /// The checksum of what follows the header, if it was computed already: a caller that compresses
    /// does so, to leave less to the I/O thread.
    records_crc: Option<u32>,
}

impl PackedBatch {
    /// The batch's size on the wire, header included.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Writes the header, with lengths and checksum, and gives the finished bytes.
    ///
    /// Runs on: I/O thread.
    pub(crate) fn seal(mut self, producer: ProducerStamp) -> Vec<u8> {
        let length = i32::try_from(self.buffer.len() - 12)
            .expect("the caller closes a batch at its limit, and refuses records above an i32");
        let (header, records) = self
            .buffer
            .split_first_chunk_mut::<{ BatchEncoder::HEADER_BYTES }>()
            .expect("the header's space comes first");
        header[0..8].copy_from_slice(&0i64.to_be_bytes());
        header[8..12].copy_from_slice(&length.to_be_bytes());
        header[12..16].copy_from_slice(&(-1i32).to_be_bytes());
        header[16] = 2;
        header[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        header[23..27].copy_from_slice(&(self.record_count - 1).to_be_bytes());
        header[27..35].copy_from_slice(&self.base_timestamp_ms.to_be_bytes());
        header[35..43].copy_from_slice(&self.max_timestamp_ms.to_be_bytes());
        header[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        put_stamp(header, records, self.records_crc, producer);
        self.buffer
    }
}

impl std::fmt::Debug for PackedBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackedBatch")
            .field("record_count", &self.record_count)
            .field("bytes", &self.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for BatchEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchEncoder")
            .field("record_count", &self.record_count)
            .field("bytes", &self.len())
            .finish_non_exhaustive()
    }
}

/// A copy of a sealed batch with another producer id, epoch or sequence number. The records stay as
/// they are, to the byte.
///
/// Runs on: I/O thread.
pub(crate) fn restamp(bytes: &[u8], producer: ProducerStamp) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    let (header, records) = copy
        .split_first_chunk_mut()
        .expect("a sealed batch begins with its header");
    put_stamp(header, records, None, producer);
    copy
}

/// The bit of the attributes that says that the batch belongs to a transaction.
pub(crate) const TRANSACTIONAL: i16 = 0x10;
/// The bits of the attributes that say how the records are compressed.
pub(super) const CODEC: i16 = 0x07;

/// How a sealed batch's records are compressed, if they are.
pub(crate) fn codec_of(bytes: &[u8]) -> Option<Codec> {
    let attributes = bytes.get(21..)?.first_chunk()?;
    Codec::of_id(i16::from_be_bytes(*attributes) & CODEC)
}

/// How many records a sealed batch has, as its header says.
pub(crate) fn record_count_of(bytes: &[u8]) -> usize {
    let field = bytes.get(57..).and_then(|rest| rest.first_chunk());
    let count = field.map_or(0, |field| i32::from_be_bytes(*field));
    usize::try_from(count).unwrap_or(0)
}

/// The largest timestamp in a sealed batch, as its header has it.
pub(crate) fn max_timestamp_ms(bytes: &[u8]) -> Option<i64> {
    let field = bytes.get(35..43)?.try_into().ok()?;
    Some(i64::from_be_bytes(field))
}

/// Writes the stamp, and the checksum, which covers it and so comes last.
fn put_stamp(
    header: &mut [u8; BatchEncoder::HEADER_BYTES],
    records: &[u8],
    records_crc: Option<u32>,
    producer: ProducerStamp,
) {
    header[43..51].copy_from_slice(&producer.producer_id.to_be_bytes());
    header[51..53].copy_from_slice(&producer.epoch.to_be_bytes());
    header[53..57].copy_from_slice(&producer.base_sequence.to_be_bytes());
    let crc = crc32c::crc32c(&header[21..]);
    let crc = match records_crc {
        Some(records_crc) => crc32c::crc32c_combine(crc, records_crc, records.len()),
        None => crc32c::crc32c_append(crc, records),
    };
    header[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// A length and its bytes; null is the length −1. Left to itself, the compiler calls it, twice a record.
#[inline(always)]
fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            varint::put_signed(out, signed(bytes.len()));
            out.extend_from_slice(bytes);
        }
        None => varint::put_signed(out, -1),
    }
}

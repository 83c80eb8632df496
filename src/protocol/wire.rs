//! Reads and writes the primitive types of Kafka's messages in both encodings: lengths of two or four
//! bytes, or the compact lengths and tagged fields of flexible versions (KIP-482). Whatever a peer
//! sent, reading never panics, and allocates by the bytes that have arrived, not by a length that the
//! peer claims. Pure; used wherever messages are encoded or decoded.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::str;

use byteorder::{BigEndian, ReadBytesExt, WriteBytesExt};

use crate::protocol::frame::{Chunk, Frame, LENGTH_BYTES, MAX_FRAME_BYTES, SharedBytes};
use crate::protocol::varint;

/// Why bytes are not the expected message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DecodeError {
    /// A phrase that says what is wrong.
    pub(crate) what: &'static str,
    /// Where, counted from the first byte after the frame's length.
    pub(crate) offset: usize,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.offset)
    }
}

impl StdError for DecodeError {}

/// Reads values from the front of a slice.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// The offset at which `rest` ends.
    end: usize,
    flexible: bool,
    /// How much more memory, in bytes, the decoded message may take.
    budget: usize,
}

/// How much memory a decoded message may take. An element can take many times its bytes on the wire, so
/// a limit on the frame alone would let 100 MiB from a hostile peer become gigabytes. Vectors grow by
/// doubling, so that frame and message together stay below twice the largest frame.
const MAX_DECODED_BYTES: usize = MAX_FRAME_BYTES / 2;

/// The longest string whose length fits the two bytes it has in versions that are not flexible.
const MAX_STRING_BYTES: usize = 32_767;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], flexible: bool) -> Self {
        Self {
            rest: bytes,
            end: bytes.len(),
            flexible,
            budget: MAX_DECODED_BYTES,
        }
    }

    /// Changes the encoding: only a header says which one the rest of its message has.
    pub(crate) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// How many bytes of the message have been read.
    fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    pub(crate) fn any_left(&self) -> bool {
        !self.rest.is_empty()
    }

    pub(crate) fn i8(&mut self) -> Result<i8, DecodeError> {
        self.number(|bytes| bytes.read_i8())
    }

    pub(crate) fn i16(&mut self) -> Result<i16, DecodeError> {
        self.number(|bytes| bytes.read_i16::<BigEndian>())
    }

    pub(crate) fn i32(&mut self) -> Result<i32, DecodeError> {
        self.number(|bytes| bytes.read_i32::<BigEndian>())
    }

    pub(crate) fn i64(&mut self) -> Result<i64, DecodeError> {
        self.number(|bytes| bytes.read_i64::<BigEndian>())
    }

    /// Any byte but zero is true, as for Kafka.
    pub(crate) fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    pub(crate) fn uuid(&mut self) -> Result<[u8; 16], DecodeError> {
        let error = self.error("the message ends inside a UUID");
        let (uuid, rest) = self.rest.split_first_chunk().ok_or(error)?;
        self.rest = rest;
        Ok(*uuid)
    }

    pub(crate) fn string(&mut self) -> Result<&'a str, DecodeError> {
        let error = self.error("a string is null that must not be");
        self.nullable_string()?.ok_or(error)
    }

    pub(crate) fn nullable_string(&mut self) -> Result<Option<&'a str>, DecodeError> {
        self.prefixed_string(self.prefix(Prefix::Short))
    }

    /// A string with a length of two bytes in every version: the client id in a header.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn classic_nullable_string(&mut self) -> Result<Option<&'a str>, DecodeError> {
        self.prefixed_string(Prefix::Short)
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.length(self.prefix(Prefix::Long))? {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn array<T>(
        &mut self,
        element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let error = self.error("an array is null that must not be");
        self.nullable_array(element)?.ok_or(error)
    }

    pub(crate) fn nullable_array<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.length(self.prefix(Prefix::Long))? else {
            return Ok(None);
        };
        let mut elements = Vec::with_capacity(self.affordable::<T>(count));
        for _ in 0..count {
            self.spend(size_of::<T>())?;
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// Reads the tagged fields at the end of every structure of a flexible version; other versions
    /// have none. `known` gets each tag and its payload. It may leave a payload alone, which is then
    /// skipped, but has to read to the end of one that it begins to read. Tags should come in ascending
    /// order (KIP-482); Kafka takes them in any, and of one that comes twice the last, so we do, too.
    pub(crate) fn tags(
        &mut self,
        mut known: impl FnMut(u32, &mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.unsigned()? {
            let tag = self.unsigned()?;
            let error = self.error("a tagged field reaches past the end");
            let length = usize::try_from(self.unsigned()?).map_err(|_| error)?;
            let payload = self.take(length)?;
            let mut field = Self {
                rest: payload,
                end: self.offset(),
                flexible: true,
                budget: self.budget,
            };
            known(tag, &mut field)?;
            self.budget = field.budget;
            if field.any_left() && field.rest.len() < payload.len() {
                return Err(field.error("a tagged field should end, but more follows"));
            }
        }
        Ok(())
    }

    /// Skips the tagged fields of a structure, of which this crate uses none.
    pub(crate) fn skip_tags(&mut self) -> Result<(), DecodeError> {
        self.tags(|_, _| Ok(()))
    }

    fn prefixed_string(&mut self, prefix: Prefix) -> Result<Option<&'a str>, DecodeError> {
        let Some(length) = self.length(prefix)? else {
            return Ok(None);
        };
        if length > MAX_STRING_BYTES {
            return Err(self.error("a string is longer than 32767 bytes"));
        }
        self.spend(length)?;
        let error = self.error("a string is not UTF-8");
        let bytes = self.take(length)?;
        str::from_utf8(bytes).map(Some).map_err(|_| error)
    }

    /// The length of a string or bytes, or the count of an array; `None` is null. Never more than the
    /// number of bytes that follow, as every element of an array takes at least one byte.
    fn length(&mut self, prefix: Prefix) -> Result<Option<usize>, DecodeError> {
        let negative = self.error("a length is negative");
        let too_long = self.error("a length reaches past the end");
        let announced = match prefix {
            Prefix::Short => i64::from(self.i16()?),
            Prefix::Long => i64::from(self.i32()?),
            Prefix::Compact => i64::from(self.unsigned()?) - 1,
        };
        if announced == -1 {
            return Ok(None);
        }
        let length = usize::try_from(announced).map_err(|_| negative)?;
        if length > self.rest.len() {
            return Err(too_long);
        }
        Ok(Some(length))
    }

    /// Charges a value of so many bytes to the budget.
    fn spend(&mut self, bytes: usize) -> Result<(), DecodeError> {
        let error = self.error("the message takes too much memory");
        self.budget = self.budget.checked_sub(bytes).ok_or(error)?;
        Ok(())
    }

    /// For how many elements to allocate before they are read. An array may claim two billion, so this
    /// is at most as many as fit the bytes that are left, or the budget.
    fn affordable<T>(&self, count: usize) -> usize {
        count.min(self.rest.len().min(self.budget) / size_of::<T>().max(1))
    }

    fn unsigned(&mut self) -> Result<u32, DecodeError> {
        let error = self.error("a variable-length number does not end or is too large");
        let (value, used) = varint::read_unsigned(self.rest).ok_or(error)?;
        self.take(used)?;
        u32::try_from(value).map_err(|_| error)
    }

    fn number<T>(
        &mut self,
        read: impl FnOnce(&mut &'a [u8]) -> io::Result<T>,
    ) -> Result<T, DecodeError> {
        let error = self.error("the message ends inside a number");
        read(&mut self.rest).map_err(|_| error)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let error = self.error("the message ends inside a value");
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(error)?;
        self.rest = rest;
        Ok(taken)
    }

    fn prefix(&self, classic: Prefix) -> Prefix {
        if self.flexible {
            Prefix::Compact
        } else {
            classic
        }
    }

    fn error(&self, what: &'static str) -> DecodeError {
        DecodeError {
            what,
            offset: self.offset(),
        }
    }
}

/// How a length is encoded.
#[derive(Clone, Copy, Debug)]
enum Prefix {
    /// Two bytes, −1 for null: strings.
    Short,
    /// Four bytes, −1 for null: bytes, records and arrays.
    Long,
    /// A variable-length number, one more than the length; zero for null.
    Compact,
}

/// A tag, and what writes the payload of its field.
#[cfg(any(test, feature = "testing"))]
pub(crate) type TaggedField<'a> = (u32, &'a dyn Fn(&mut Writer));

/// Appends values to a frame. Callers keep names below 32 KiB and the frame below 2 GiB: topics, ids and
/// sizes are checked when they enter the producer.
#[derive(Debug)]
pub(crate) struct Writer {
    chunks: Vec<Chunk>,
    /// The bytes after the last chunk.
    tail: Vec<u8>,
    flexible: bool,
}

impl Writer {
    /// Starts a frame, with room for its length.
    pub(crate) fn new(flexible: bool) -> Self {
        Self {
            chunks: Vec::new(),
            tail: vec![0; LENGTH_BYTES],
            flexible,
        }
    }

    /// Finishes the frame and fills its length in.
    pub(crate) fn into_frame(mut self) -> Frame {
        self.end_chunk();
        Frame::new(self.chunks)
    }

    pub(crate) fn i8(&mut self, value: i8) {
        self.tail.push(value.to_be_bytes()[0]);
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.tail
            .write_i16::<BigEndian>(value)
            .expect(VEC_TAKES_ALL);
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.tail
            .write_i32::<BigEndian>(value)
            .expect(VEC_TAKES_ALL);
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.tail
            .write_i64::<BigEndian>(value)
            .expect(VEC_TAKES_ALL);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.tail.push(u8::from(value));
    }

    pub(crate) fn uuid(&mut self, value: &[u8; 16]) {
        self.tail.extend_from_slice(value);
    }

    pub(crate) fn string(&mut self, value: &str) {
        self.nullable_string(Some(value));
    }

    pub(crate) fn nullable_string(&mut self, value: Option<&str>) {
        self.prefixed_string(self.prefix(Prefix::Short), value);
    }

    /// A string with a length of two bytes in every version: the client id in a header.
    pub(crate) fn classic_nullable_string(&mut self, value: Option<&str>) {
        self.prefixed_string(Prefix::Short, value);
    }

    /// Appends a batch without copying it: it becomes a chunk of its own, which the frame shares with
    /// the batch's owner.
    pub(crate) fn records(&mut self, records: &SharedBytes) {
        let length = records.as_slice().len();
        self.length(self.prefix(Prefix::Long), Some(length));
        if length > 0 {
            self.end_chunk();
            self.chunks.push(Chunk::Shared(records.clone()));
        }
    }

    pub(crate) fn array<T>(&mut self, elements: &[T], element: impl FnMut(&mut Self, &T)) {
        self.nullable_array(Some(elements), element);
    }

    pub(crate) fn nullable_array<T>(
        &mut self,
        elements: Option<&[T]>,
        mut element: impl FnMut(&mut Self, &T),
    ) {
        self.length(self.prefix(Prefix::Long), elements.map(<[T]>::len));
        for value in elements.unwrap_or_default() {
            element(self, value);
        }
    }

    /// Ends a structure without tagged fields: in flexible versions, with a count of zero.
    pub(crate) fn no_tags(&mut self) {
        if self.flexible {
            self.tail.push(0);
        }
    }

    /// Ends a structure with one tagged field, whose payload `write` appends.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn one_tag(&mut self, tag: u32, write: impl Fn(&mut Self)) {
        self.some_tags(&[(tag, &write)]);
    }

    /// Ends a structure with tagged fields, in the order of their tags.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn some_tags(&mut self, fields: &[TaggedField<'_>]) {
        assert!(self.flexible, "only flexible versions have tagged fields");
        self.length_unsigned(fields.len());
        for (tag, write) in fields {
            let mut field = Self {
                chunks: Vec::new(),
                tail: Vec::new(),
                flexible: true,
            };
            write(&mut field);
            assert!(field.chunks.is_empty(), "records are no tagged field");
            varint::put_unsigned(&mut self.tail, u64::from(*tag));
            self.length_unsigned(field.tail.len());
            self.tail.extend_from_slice(&field.tail);
        }
    }

    fn prefixed_string(&mut self, prefix: Prefix, value: Option<&str>) {
        self.length(prefix, value.map(str::len));
        self.tail
            .extend_from_slice(value.unwrap_or_default().as_bytes());
    }

    fn length(&mut self, prefix: Prefix, length: Option<usize>) {
        match (prefix, length) {
            (Prefix::Short, None) => self.i16(-1),
            (Prefix::Long, None) => self.i32(-1),
            (Prefix::Compact, None) => self.length_unsigned(0),
            (Prefix::Short, Some(length)) => {
                self.i16(i16::try_from(length).expect("names are checked to be below 32 KiB"));
            }
            (Prefix::Long, Some(length)) => {
                self.i32(i32::try_from(length).expect("requests are checked to be below 2 GiB"));
            }
            (Prefix::Compact, Some(length)) => self.length_unsigned(length + 1),
        }
    }

    fn length_unsigned(&mut self, length: usize) {
        let length = u64::try_from(length).expect("a length in memory fits 64 bits");
        varint::put_unsigned(&mut self.tail, length);
    }

    fn prefix(&self, classic: Prefix) -> Prefix {
        if self.flexible {
            Prefix::Compact
        } else {
            classic
        }
    }

    fn end_chunk(&mut self) {
        if !self.tail.is_empty() {
            self.chunks
                .push(Chunk::Owned(std::mem::take(&mut self.tail)));
        }
    }
}

const VEC_TAKES_ALL: &str = "writing to a Vec cannot fail";

#[cfg(test)]
mod tests;

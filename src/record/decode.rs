//! Reads whole batches of format v2, down to every header of every record: for the mock cluster, for
//! tests, and for records that a close or purge hands back. Trusts no length or count in the bytes, and
//! never allocates by one.

pub(crate) use crate::record::walk::{BatchError, BatchHeader};
use crate::record::walk::{Cursor, EncodedRecord, LARGEST_RECORDS, walk};
#[cfg(any(test, feature = "testing"))]
use crate::record::walk::{field, split_header};

/// A record with bytes of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecodedRecord {
    /// Its offset less the batch's base offset.
    pub(crate) offset_delta: i32,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// How many records a batch says it holds; 0 if it is too short to say.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn claimed_record_count(bytes: &[u8]) -> usize {
    let Ok((raw, _)) = split_header(bytes) else {
        return 0;
    };
    usize::try_from(i32::from_be_bytes(field(raw, 57))).unwrap_or(0)
}

/// Reads a batch and checks all that can be checked, as a broker does, without keeping a record.
/// Decompresses no more than a test would send.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn check(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    const MOST: usize = 256 << 20;
    let header = BatchHeader::read(bytes)?;
    let records = header.records(bytes, MOST)?;
    walk(&header, &records, |record| Parts::read(&record).map(drop))?;
    Ok(header)
}

/// Reads a batch and all its records.
pub(crate) fn decode(bytes: &[u8]) -> Result<(BatchHeader, Vec<DecodedRecord>), BatchError> {
    let header = BatchHeader::read(bytes)?;
    let encoded = header.records(bytes, LARGEST_RECORDS)?;
    let mut records = Vec::new();
    walk(&header, &encoded, |record| {
        records.push(Parts::read(&record)?.into_owned(&record)?);
        Ok(())
    })?;
    Ok((header, records))
}

/// What a record's content is made of, checked up to its end.
struct Parts<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    header_count: usize,
    headers: Cursor<'a>,
}

impl<'a> Parts<'a> {
    fn read(record: &EncodedRecord<'a>) -> Result<Self, BatchError> {
        let mut cursor = Cursor {
            rest: record.content,
            index: record.index,
        };
        let key = cursor.nullable("its key ends early")?;
        let value = cursor.nullable("its value ends early")?;
        let header_count = cursor.length("its header count is negative or no number")?;
        let headers = cursor.rest;
        if header_count > headers.len() {
            return Err(cursor.problem("it has fewer headers than it says"));
        }
        for _ in 0..header_count {
            cursor.header()?;
        }
        if !cursor.rest.is_empty() {
            return Err(cursor.problem("it is longer than its parts"));
        }
        Ok(Self {
            key,
            value,
            header_count,
            headers: Cursor {
                rest: headers,
                index: record.index,
            },
        })
    }

    fn into_owned(mut self, record: &EncodedRecord<'a>) -> Result<DecodedRecord, BatchError> {
        let mut headers = Vec::new();
        for _ in 0..self.header_count {
            let (name, value) = self.headers.header()?;
            headers.push((name.to_owned(), value.map(<[u8]>::to_vec)));
        }
        Ok(DecodedRecord {
            offset_delta: record.index,
            timestamp_ms: record.timestamp_ms,
            key: self.key.map(<[u8]>::to_vec),
            value: self.value.map(<[u8]>::to_vec),
            headers,
        })
    }
}

impl<'a> Cursor<'a> {
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
}

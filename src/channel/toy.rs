//! A layer for tests that has what is hard about TLS and nothing else: a handshake of its own,
//! records that can only be read whole, a buffer with a limit, and new keys in the middle. Keeps no
//! secret.
//!
//! ```text
//!   kind (1) | length (2) | payload, each byte plus the key | sum (1)
//! ```

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use super::Layer;
use crate::connection::ConnectionError;
use crate::error::ErrorKind;
use crate::transport::{ByteStream, Progress};

/// One end.
#[derive(Debug)]
pub(crate) struct Toy {
    is_client: bool,
    is_ready: bool,
    /// The most plaintext in a record.
    record_bytes: usize,
    /// Takes no more plaintext while it holds as many bytes for the socket.
    room_bytes: usize,
    /// The server asks for a new key after so many records.
    records_per_key: Option<u32>,
    records_received: u32,
    key_in: u8,
    key_out: u8,
    received: Vec<u8>,
    /// Bytes for the socket.
    sealed: Vec<u8>,
    /// The records that these are of: how much of each is left, and what plaintext is in it.
    records: VecDeque<(usize, usize)>,
}

const HELLO: u8 = 1;
const DATA: u8 = 2;
/// The server wants another key of the client.
const REKEY: u8 = 3;
/// What follows has the next key.
const REKEYED: u8 = 4;

const HEAD_BYTES: usize = 3;
const SUM_BYTES: usize = 1;

impl Toy {
    /// A client, which begins.
    pub(crate) fn client(record_bytes: usize, room_bytes: usize) -> Self {
        let mut client = Self {
            is_client: true,
            room_bytes,
            ..Self::server(record_bytes, None)
        };
        client.push(HELLO, &[]);
        client
    }

    pub(crate) fn server(record_bytes: usize, records_per_key: Option<u32>) -> Self {
        Self {
            is_client: false,
            is_ready: false,
            record_bytes,
            room_bytes: usize::MAX,
            records_per_key,
            records_received: 0,
            key_in: 1,
            key_out: 1,
            received: Vec::new(),
            sealed: Vec::new(),
            records: VecDeque::new(),
        }
    }

    /// For a server whose socket takes everything: what it has to send, with this plaintext at its
    /// end.
    pub(crate) fn seal(&mut self, plaintext: &[u8]) -> Vec<u8> {
        for piece in plaintext.chunks(self.record_bytes) {
            self.push(DATA, piece);
        }
        self.records.clear();
        std::mem::take(&mut self.sealed)
    }

    fn push(&mut self, kind: u8, payload: &[u8]) {
        let before = self.sealed.len();
        let length = u16::try_from(payload.len()).expect("short records");
        self.sealed.push(kind);
        self.sealed.extend(length.to_be_bytes());
        let key = self.key_out;
        self.sealed
            .extend(payload.iter().map(|byte| byte.wrapping_add(key)));
        self.sealed.push(sum(payload));
        let plaintext = if kind == DATA { payload.len() } else { 0 };
        self.records
            .push_back((self.sealed.len() - before, plaintext));
    }

    /// The socket took so many bytes; how much plaintext has left whole with them.
    fn handle_written(&mut self, mut bytes: usize) -> usize {
        self.sealed.drain(..bytes);
        let mut written = 0;
        while let Some((left, plaintext)) = self.records.front_mut() {
            if bytes < *left {
                *left -= bytes;
                break;
            }
            bytes -= *left;
            written += *plaintext;
            self.records.pop_front();
        }
        written
    }

    /// The next record that has come whole.
    fn pop_record(&mut self) -> Result<Option<(u8, Vec<u8>)>, ConnectionError> {
        let Some(&[kind, high, low]) = self.received.first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let end = HEAD_BYTES + length + SUM_BYTES;
        if self.received.len() < end {
            return Ok(None);
        }
        let mut record: Vec<u8> = self.received.drain(..end).skip(HEAD_BYTES).collect();
        let found = record.pop();
        for byte in &mut record {
            *byte = byte.wrapping_sub(self.key_in);
        }
        if found != Some(sum(&record)) {
            return Err(bad_record());
        }
        Ok(Some((kind, record)))
    }
}

fn sum(payload: &[u8]) -> u8 {
    payload.iter().fold(77, |sum, byte| sum.wrapping_add(*byte))
}

fn bad_record() -> ConnectionError {
    ConnectionError::new(ErrorKind::BadResponse, "this is no record of the toy's")
}

impl Layer for Toy {
    fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn wants_write(&self) -> bool {
        !self.sealed.is_empty()
    }

    fn held_bytes(&self) -> usize {
        self.records.iter().map(|(_, plaintext)| plaintext).sum()
    }

    fn write(
        &mut self,
        stream: &mut impl ByteStream,
        plaintext: &[IoSlice<'_>],
    ) -> io::Result<Progress> {
        assert!(self.is_ready || plaintext.is_empty(), "too early");
        let mut bytes = plaintext.iter().flat_map(|slice| slice.iter().copied());
        while self.sealed.len() < self.room_bytes {
            let record: Vec<u8> = bytes.by_ref().take(self.record_bytes).collect();
            if record.is_empty() {
                break;
            }
            self.push(DATA, &record);
        }
        match stream.write_vectored(&[IoSlice::new(&self.sealed)])? {
            Progress::Bytes(bytes) => Ok(Progress::Bytes(self.handle_written(bytes))),
            stopped => Ok(stopped),
        }
    }

    fn receive(
        &mut self,
        bytes: &[u8],
        mut pass_on: impl FnMut(&[u8]) -> Result<(), ConnectionError>,
    ) -> Result<(), ConnectionError> {
        self.received.extend(bytes);
        while let Some((kind, payload)) = self.pop_record()? {
            match kind {
                HELLO if !self.is_ready => {
                    self.is_ready = true;
                    if !self.is_client {
                        self.push(HELLO, &[]);
                    }
                }
                DATA if self.is_ready => {
                    pass_on(&payload)?;
                    self.records_received += 1;
                    let each = self.records_per_key;
                    if each.is_some_and(|each| self.records_received.is_multiple_of(each)) {
                        self.push(REKEY, &[]);
                    }
                }
                REKEY if self.is_client => {
                    self.push(REKEYED, &[]);
                    self.key_out = self.key_out.wrapping_add(1);
                }
                REKEYED => self.key_in = self.key_in.wrapping_add(1),
                _ => return Err(bad_record()),
            }
        }
        Ok(())
    }
}

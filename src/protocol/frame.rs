//! Length-prefixed frames: outgoing ones in chunks, so that batches reach the socket without being
//! copied; incoming ones cut out of a stream of bytes that arrives in arbitrary pieces. Owns no
//! socket; used by the I/O thread for its connections and by the mock cluster.

use std::error::Error as StdError;
use std::fmt;

use byteorder::{BigEndian, ByteOrder};

use crate::sync::Arc;

/// The i32 in front of every frame; it does not count itself.
pub(crate) const LENGTH_BYTES: usize = 4;

/// The largest frame a broker takes by default (`socket.request.max.bytes`), and far above every
/// answer that a producer asks for. Text and TLS records, taken for a length, are larger.
pub(crate) const MAX_FRAME_BYTES: usize = 100 * 1024 * 1024;

/// Bytes with more than one owner: a sealed batch and each request that carries it. The buffer is not
/// reused before the last of them is dropped: Java's producer once reused one that a request still
/// waited to write, and so sent records to another topic (KAFKA-19012). Equal if their contents are.
#[derive(Clone)]
pub(crate) struct SharedBytes(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl SharedBytes {
    pub(crate) fn new(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(owner))
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl PartialEq for SharedBytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedBytes({} bytes)", self.as_slice().len())
    }
}

/// A piece of a frame.
#[derive(Clone, Debug)]
pub(crate) enum Chunk {
    /// Bytes written by the codec.
    Owned(Vec<u8>),
    /// A batch.
    Shared(SharedBytes),
}

impl Chunk {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes.as_slice(),
        }
    }
}

/// A message ready to be sent, its length in front.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    chunks: Vec<Chunk>,
    /// The length of all chunks.
    len: usize,
}

impl Frame {
    /// Fills the length into the first four bytes, which are kept free for it in an owned chunk.
    pub(crate) fn new(mut chunks: Vec<Chunk>) -> Self {
        let len = chunks.iter().map(|chunk| chunk.as_slice().len()).sum();
        let Some(Chunk::Owned(first)) = chunks.first_mut() else {
            panic!("a frame begins with an owned chunk");
        };
        let room = first
            .first_chunk_mut::<LENGTH_BYTES>()
            .expect("a frame begins with room for its length");
        let body =
            i32::try_from(len - LENGTH_BYTES).expect("requests are checked to be below 2 GiB");
        BigEndian::write_i32(room, body);
        Self { chunks, len }
    }

    /// How many bytes go over the wire, with the length in front.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What is left to send after the first `offset` bytes, for a vectored write. No slice is
    /// empty.
    pub(crate) fn slices_from(&self, offset: usize) -> impl Iterator<Item = &[u8]> {
        let mut skip = offset;
        self.chunks.iter().filter_map(move |chunk| {
            let slice = chunk.as_slice();
            let rest = slice.get(skip..).unwrap_or_default();
            skip = skip.saturating_sub(slice.len());
            (!rest.is_empty()).then_some(rest)
        })
    }

    /// A copy in one piece, its length in front.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        self.slices_from(0).flatten().copied().collect()
    }
}

/// Cuts a stream of bytes into frames. Holds the bytes that have been received and not popped, and little
/// spare room: a peer that announces a large frame and sends nothing costs nothing.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    buffer: Vec<u8>,
    /// The index in `buffer` at which the next frame begins.
    start: usize,
    max_frame_bytes: usize,
}

impl FrameReader {
    /// Refuses frames whose body is larger than `max_frame_bytes`.
    pub(crate) fn new(max_frame_bytes: usize) -> Self {
        Self {
            max_frame_bytes,
            ..Self::default()
        }
    }

    /// Refuses larger frames than this from now on.
    pub(crate) fn set_max_frame_bytes(&mut self, max_frame_bytes: usize) {
        self.max_frame_bytes = max_frame_bytes;
    }

    /// Adds bytes as they came from the peer.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        // Moved down only when at most half of the buffer is left: then moving costs no more than was
        // popped before, however small the pieces are.
        if self.start >= self.buffer.len() - self.start {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let needed = self.buffer.len() + bytes.len();
        if needed > self.buffer.capacity() {
            // The capacity doubles each time; from a quarter of the largest frame it goes straight to
            // the whole, so that the old and the new buffer together are never much more than a frame.
            let most = LENGTH_BYTES + self.max_frame_bytes;
            let room = self.buffer.capacity() * 2;
            let room = if room >= most / 2 { most } else { room };
            self.buffer
                .reserve_exact(room.max(needed) - self.buffer.len());
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The body of the next frame, if all of it has arrived.
    pub(crate) fn pop(&mut self) -> Result<Option<&[u8]>, FrameError> {
        if self.start > 0 && self.is_empty() {
            self.buffer.clear();
            self.buffer.shrink_to(KEPT_BYTES);
            self.start = 0;
        }
        let received = self.buffer.get(self.start..).unwrap_or_default();
        let Some((length, rest)) = received.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let announced = BigEndian::read_i32(length);
        let length = usize::try_from(announced)
            .ok()
            .filter(|length| *length <= self.max_frame_bytes)
            .ok_or_else(|| FrameError::new(announced, self.max_frame_bytes, received))?;
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        self.start += LENGTH_BYTES + length;
        Ok(Some(body))
    }

    /// How much memory it holds.
    pub(crate) fn held_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Whether no part of a frame is left: the stream may end here.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }
}

/// The largest buffer that an empty reader keeps, so that one large frame does not cost memory for ever.
const KEPT_BYTES: usize = 64 * 1024;

/// The peer's bytes are not frames. The connection is of no more use, because it is unknown where the
/// next frame begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FrameError {
    announced: i32,
    max_frame_bytes: usize,
    /// The first of the bytes, length included.
    sample: Vec<u8>,
}

impl FrameError {
    fn new(announced: i32, max_frame_bytes: usize, received: &[u8]) -> Self {
        Self {
            announced,
            max_frame_bytes,
            sample: received.iter().take(SAMPLE_BYTES).copied().collect(),
        }
    }

    /// The protocol that the peer speaks instead, if its first bytes give it away.
    pub(crate) fn spoken_instead(&self) -> Option<&'static str> {
        match self.sample.as_slice() {
            [b'H', b'T', b'T', b'P', ..]
            | [b'G', b'E', b'T', b' ', ..]
            | [b'H', b'E', b'A', b'D', ..]
            | [b'P', b'O', b'S', b'T', ..]
            | [b'P', b'U', b'T', b' ', ..] => Some("HTTP"),
            // An alert (21) or a handshake record (22) of SSL 3.0 to TLS 1.3.
            [21 | 22, 3, 0..=4, ..] => Some("TLS"),
            [b'S', b'S', b'H', b'-', ..] => Some("SSH"),
            _ => None,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(protocol) = self.spoken_instead() {
            write!(f, "the peer speaks {protocol}, not Kafka's protocol")?;
        } else if self.announced < 0 {
            write!(f, "the peer announced a frame of {} bytes", self.announced)?;
        } else {
            write!(
                f,
                "the peer announced a frame of {} bytes, more than the {} allowed",
                self.announced, self.max_frame_bytes
            )?;
        }
        write!(f, " (it sent \"{}\")", self.sample.escape_ascii())
    }
}

impl StdError for FrameError {}

/// How many of the peer's bytes an error shows.
const SAMPLE_BYTES: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame::new(vec![
            Chunk::Owned(vec![0, 0, 0, 0, 1]),
            Chunk::Shared(SharedBytes::new(vec![2, 3])),
            Chunk::Shared(SharedBytes::new(vec![])),
            Chunk::Owned(vec![4]),
        ])
    }

    #[test]
    fn puts_the_length_in_front() {
        assert_eq!(frame().to_vec(), [0, 0, 0, 4, 1, 2, 3, 4]);
        assert_eq!(frame().len(), 8);
    }

    #[test]
    fn continues_from_every_offset() {
        let whole = frame().to_vec();
        for offset in 0..=whole.len() + 1 {
            let frame = frame();
            let slices: Vec<&[u8]> = frame.slices_from(offset).collect();
            assert!(slices.iter().all(|slice| !slice.is_empty()));
            assert_eq!(slices.concat(), whole.get(offset..).unwrap_or_default());
        }
    }

    fn frames_of(parts: [&[u8]; 3]) -> Vec<Vec<u8>> {
        let mut reader = FrameReader::new(3);
        let mut frames = Vec::new();
        for part in parts {
            reader.push(part);
            while let Some(frame) = reader.pop().expect("good frames") {
                frames.push(frame.to_vec());
            }
        }
        assert!(reader.is_empty());
        frames
    }

    #[test]
    fn finds_frames_however_the_stream_is_cut() {
        let stream = b"\0\0\0\x03abc\0\0\0\0\0\0\0\x01d";
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let (before, last) = stream.split_at(second);
                let frames = frames_of([&before[..first], &before[first..], last]);
                assert_eq!(frames, [&b"abc"[..], b"", b"d"]);
            }
        }
    }

    #[test]
    fn holds_no_more_than_it_received() {
        let mut reader = FrameReader::new(MAX_FRAME_BYTES);
        reader.push(b"\x06\x40\0\0");
        reader.push(&[0; 1000]);
        assert_eq!(reader.pop(), Ok(None));
        assert!(!reader.is_empty());
        assert!(reader.buffer.capacity() < 4096);
    }

    #[test]
    fn forgets_what_was_popped_while_more_comes() {
        let mut reader = FrameReader::new(1000);
        let mut stream = Vec::from(1000i32.to_be_bytes());
        stream.extend([9; 1000]);
        stream.extend(1000i32.to_be_bytes());
        for _ in 0..1000 {
            reader.push(&stream);
            assert_eq!(reader.pop(), Ok(Some(&[9; 1000][..])));
            assert_eq!(reader.pop(), Ok(None));
            reader.push(&[9; 1000]);
            assert_eq!(reader.pop(), Ok(Some(&[9; 1000][..])));
        }
        assert!(reader.buffer.capacity() <= KEPT_BYTES);
    }

    #[test]
    fn gives_a_large_frame_s_memory_back() {
        let mut reader = FrameReader::new(1 << 20);
        reader.push(&(1i32 << 20).to_be_bytes());
        reader.push(&vec![0; 1 << 20]);
        assert!(reader.pop().expect("a good frame").is_some());
        assert_eq!(reader.pop(), Ok(None));
        assert!(reader.buffer.capacity() <= KEPT_BYTES);
    }

    #[test]
    fn makes_no_room_beyond_the_largest_frame() {
        let mut reader = FrameReader::new(1 << 20);
        reader.push(&(1i32 << 20).to_be_bytes());
        for _ in 0..1024 {
            reader.push(&[0; 1024]);
            assert!(reader.buffer.capacity() <= LENGTH_BYTES + (1 << 20));
        }
        assert!(reader.pop().expect("a good frame").is_some());
    }

    fn refusal(bytes: &[u8]) -> String {
        let mut reader = FrameReader::new(MAX_FRAME_BYTES);
        reader.push(bytes);
        reader.pop().expect_err("no frame").to_string()
    }

    #[test]
    fn recognises_what_else_may_be_listening() {
        assert_eq!(
            refusal(b"HTTP/1.1 400 Bad Request\r\n"),
            "the peer speaks HTTP, not Kafka's protocol (it sent \"HTTP/1.1 400 Bad Request\")"
        );
        assert_eq!(
            refusal(b"\x15\x03\x03\0\x02\x02\x50"),
            "the peer speaks TLS, not Kafka's protocol (it sent \"\\x15\\x03\\x03\\x00\\x02\\x02P\")"
        );
    }

    #[test]
    fn refuses_lengths_that_no_frame_has() {
        assert_eq!(
            refusal(b"\xff\xff\xff\xff"),
            "the peer announced a frame of -1 bytes (it sent \"\\xff\\xff\\xff\\xff\")"
        );
        assert_eq!(
            refusal(b"\x7f\xff\xff\xff"),
            "the peer announced a frame of 2147483647 bytes, more than the 104857600 allowed \
             (it sent \"\\x7f\\xff\\xff\\xff\")"
        );
    }
}

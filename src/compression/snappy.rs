//! Raw Snappy blocks in the framing of snappy-java, also known as xerial's, which Kafka's clients
//! read and write: a header of 16 bytes, then each block after its length. It is not the framing
//! format that Snappy itself defines.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use crate::compression::{Codec, Damaged};

/// The magic, the version, and the oldest version that can read it.
const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
const MAGIC: &[u8] = HEADER.first_chunk::<8>().expect("it has 16 bytes");

/// What a block is made of; snappy-java's default.
const BLOCK_BYTES: usize = 32 * 1024;

/// A copy gives at most 64 bytes and takes at least two.
const LARGEST_RATIO: usize = 32;

/// The table of the compressor.
pub(super) struct Context {
    encoder: Encoder,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            encoder: Encoder::new(),
        }
    }
}

impl Context {
    /// Writes the stream to the front of `output` and gives its length, if it fits. There are no
    /// levels.
    pub(super) fn compress(&mut self, _: i32, raw: &[u8], output: &mut [u8]) -> Option<usize> {
        output.first_chunk_mut().map(|header| *header = HEADER)?;
        let mut end = HEADER.len();
        for block in raw.chunks(BLOCK_BYTES) {
            let (length, rest) = output.get_mut(end..)?.split_first_chunk_mut()?;
            let room = rest.get_mut(..max_compress_len(block.len()))?;
            let bytes = self.encoder.compress(block, room).ok()?;
            *length = i32::try_from(bytes).ok()?.to_be_bytes();
            end += length.len() + bytes;
        }
        Some(end)
    }
}

/// Reads a framed stream, several of them one after the other, or a single block without framing.
pub(super) fn decompress(stream: &[u8], limit: usize) -> Result<Vec<u8>, Damaged> {
    let mut bytes = Vec::new();
    let Some(mut rest) = after_header(stream) else {
        append_block(stream, limit, &mut bytes)?;
        return Ok(bytes);
    };
    while !rest.is_empty() {
        if let Some(next) = after_header(rest) {
            rest = next;
            continue;
        }
        let (length, after) = rest.split_first_chunk().ok_or(DAMAGED)?;
        let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_negative| DAMAGED)?;
        let (block, after) = after.split_at_checked(length).ok_or(DAMAGED)?;
        append_block(block, limit, &mut bytes)?;
        rest = after;
    }
    Ok(bytes)
}

const DAMAGED: Damaged = Damaged::Stream(Codec::Snappy);

/// What follows the header, of whichever version, if the stream begins with one.
fn after_header(stream: &[u8]) -> Option<&[u8]> {
    let after = stream.strip_prefix(MAGIC)?;
    after.get(HEADER.len() - MAGIC.len()..)
}

fn append_block(block: &[u8], limit: usize, bytes: &mut Vec<u8>) -> Result<(), Damaged> {
    let told = decompress_len(block).map_err(|_damage| DAMAGED)?;
    // Memory is not taken by the block's word alone.
    if told / LARGEST_RATIO > block.len() {
        return Err(DAMAGED);
    }
    let start = bytes.len();
    if told > limit - start {
        return Err(Damaged::TooLarge(Codec::Snappy));
    }
    bytes.resize(start + told, 0);
    let room = bytes.get_mut(start..).unwrap_or_default();
    Decoder::new()
        .decompress(block, room)
        .map_err(|_damage| DAMAGED)?;
    Ok(())
}

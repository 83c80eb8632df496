//! A standard lz4 frame, as Kafka's Java client writes it: independent blocks, no checksums but the
//! header's, no sizes announced. Blocks are 64 KiB, as Java's, or larger if the batch is: each block is
//! compressed without a look at the one before, so fewer blocks make a smaller batch. The frame is
//! written and read here, the blocks by one of two libraries: the C library if the feature `lz4` is
//! on, else lz4_flex.

use crate::compression::{Codec, Compression, Damaged};

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Bits of the flags in the header.
const VERSION_1: u8 = 0b0100_0000;
const INDEPENDENT: u8 = 0b0010_0000;
/// The codes of the header for the largest block, and their sizes.
const BLOCK_SIZES: [(u8, usize); 4] = [(4, 64 << 10), (5, 256 << 10), (6, 1 << 20), (7, 4 << 20)];

/// A bit of a block's length: the block is not compressed.
const STORED: u32 = 1 << 31;

/// Empty: the libraries keep nothing from one block to the next.
#[derive(Default)]
pub(super) struct Context;

impl Context {
    /// Writes the stream to the front of `output` and gives its length, if it fits.
    pub(super) fn compress(&mut self, level: i32, raw: &[u8], output: &mut [u8]) -> Option<usize> {
        let [.., largest] = BLOCK_SIZES;
        let holds_all = |size: &(u8, usize)| size.1 >= raw.len();
        let (code, block_bytes) = BLOCK_SIZES.into_iter().find(holds_all).unwrap_or(largest);
        let (magic, rest) = output.split_first_chunk_mut()?;
        *magic = MAGIC;
        *rest.first_chunk_mut()? = descriptor(code);
        let mut end = MAGIC.len() + DESCRIPTOR_BYTES;
        for block in raw.chunks(block_bytes) {
            let (length, rest) = output.get_mut(end..)?.split_first_chunk_mut()?;
            let most = most_bytes(block.len()).min(rest.len());
            let compressed = compress_block(level, block, rest.get_mut(..most)?);
            let word = match compressed.filter(|bytes| *bytes < block.len()) {
                Some(bytes) => u32::try_from(bytes).ok()?,
                None => {
                    rest.get_mut(..block.len())?.copy_from_slice(block);
                    u32::try_from(block.len()).ok()? | STORED
                }
            };
            *length = word.to_le_bytes();
            end += length.len() + usize::try_from(word & !STORED).ok()?;
        }
        let (end_mark, _) = output.get_mut(end..)?.split_first_chunk_mut()?;
        *end_mark = 0u32.to_le_bytes();
        Some(end + end_mark.len())
    }
}

const DESCRIPTOR_BYTES: usize = 3;

/// The header after the magic: flags, block size, and a checksum of these two.
fn descriptor(block_size_code: u8) -> [u8; DESCRIPTOR_BYTES] {
    let fields = [VERSION_1 | INDEPENDENT, block_size_code << 4];
    let [_, checksum, ..] = xxh32(&fields).to_le_bytes();
    let [flags, block] = fields;
    [flags, block, checksum]
}

/// The room that the libraries want for a block, so that they need not check for it as they write.
fn most_bytes(block_bytes: usize) -> usize {
    block_bytes + block_bytes / 8 + 64
}

#[cfg(feature = "lz4")]
fn compress_block(level: i32, block: &[u8], output: &mut [u8]) -> Option<usize> {
    use lz4::block::{CompressionMode, compress_to_buffer};

    // The library has levels up to 12, Kafka up to 17.
    const HIGHEST: i32 = 12;
    let mode = match level {
        Compression::FAST_LZ4 => CompressionMode::DEFAULT,
        level => CompressionMode::HIGHCOMPRESSION(level.min(HIGHEST)),
    };
    compress_to_buffer(block, Some(mode), false, output).ok()
}

#[cfg(not(feature = "lz4"))]
fn compress_block(level: i32, block: &[u8], output: &mut [u8]) -> Option<usize> {
    debug_assert_eq!(level, Compression::FAST_LZ4, "there are no other levels");
    lz4_flex::block::compress_into(block, output).ok()
}

/// Fills the front of `output` with a block's bytes and says how many there are.
#[cfg(feature = "lz4")]
fn decompress_block(block: &[u8], output: &mut [u8]) -> Option<usize> {
    let room = i32::try_from(output.len()).ok()?;
    lz4::block::decompress_to_buffer(block, Some(room), output).ok()
}

#[cfg(not(feature = "lz4"))]
fn decompress_block(block: &[u8], output: &mut [u8]) -> Option<usize> {
    lz4_flex::block::decompress_into(block, output).ok()
}

/// Reads one frame, of any encoder's that leaves its blocks independent. Checksums of blocks and
/// content are skipped: a batch has one of its own over all of it.
pub(super) fn decompress(stream: &[u8], limit: usize) -> Result<Vec<u8>, Damaged> {
    let mut frame = Frame::open(stream).ok_or(DAMAGED)?;
    let mut bytes = Vec::new();
    while let Some(block) = frame.next_block().ok_or(DAMAGED)? {
        let left = limit - bytes.len();
        match block {
            Block::Stored(stored) if stored.len() > left => {
                return Err(Damaged::TooLarge(Codec::Lz4));
            }
            Block::Stored(stored) => bytes.extend_from_slice(stored),
            Block::Compressed(compressed) => {
                let start = bytes.len();
                let room = frame.block_bytes.min(most_decompressed(compressed));
                bytes.resize(start + room.min(left), 0);
                let output = bytes.get_mut(start..).unwrap_or_default();
                let filled = match decompress_block(compressed, output) {
                    Some(filled) => filled,
                    None if room > left => return Err(Damaged::TooLarge(Codec::Lz4)),
                    None => return Err(DAMAGED),
                };
                bytes.truncate(start + filled);
            }
        }
    }
    if frame.rest.is_empty() {
        Ok(bytes)
    } else {
        Err(DAMAGED)
    }
}

const DAMAGED: Damaged = Damaged::Stream(Codec::Lz4);

/// A byte of a length stands for at most 255 bytes.
fn most_decompressed(block: &[u8]) -> usize {
    block.len().saturating_mul(255)
}

/// What is left of a frame, and what its header says of the rest.
struct Frame<'a> {
    rest: &'a [u8],
    block_bytes: usize,
    block_checksums: bool,
    content_checksum: bool,
}

enum Block<'a> {
    Stored(&'a [u8]),
    Compressed(&'a [u8]),
}

impl<'a> Frame<'a> {
    fn open(stream: &'a [u8]) -> Option<Self> {
        const VERSION: u8 = 0b1100_0000;
        const BLOCK_CHECKSUMS: u8 = 0b0001_0000;
        const CONTENT_SIZE: u8 = 0b0000_1000;
        const CONTENT_CHECKSUM: u8 = 0b0000_0100;
        const RESERVED_OR_DICTIONARY: u8 = 0b0000_0011;

        let descriptor = stream.strip_prefix(&MAGIC)?;
        let [flags, block, ..] = *descriptor else {
            return None;
        };
        let is_known = flags & VERSION == VERSION_1
            && flags & INDEPENDENT != 0
            && flags & RESERVED_OR_DICTIONARY == 0
            && block & 0b1000_1111 == 0;
        let size = |(code, _): &&(u8, usize)| *code == block >> 4;
        let (_, block_bytes) = *BLOCK_SIZES.iter().find(size)?;
        let size_bytes = if flags & CONTENT_SIZE != 0 { 8 } else { 0 };
        let (descriptor, rest) = descriptor.split_at_checked(2 + size_bytes)?;
        let (checksum, rest) = rest.split_first()?;
        let [_, expected, ..] = xxh32(descriptor).to_le_bytes();
        (is_known && *checksum == expected).then_some(Self {
            rest,
            block_bytes,
            block_checksums: flags & BLOCK_CHECKSUMS != 0,
            content_checksum: flags & CONTENT_CHECKSUM != 0,
        })
    }

    /// The next block; inside, `None` at the end mark. Outside, `None` if there is neither.
    fn next_block(&mut self) -> Option<Option<Block<'a>>> {
        const CHECKSUM_BYTES: usize = 4;
        let word = self.take(4)?;
        let word = u32::from_le_bytes(*word.first_chunk()?);
        if word == 0 {
            if self.content_checksum {
                self.take(CHECKSUM_BYTES)?;
            }
            return Some(None);
        }
        let length = usize::try_from(word & !STORED).ok()?;
        if length > self.block_bytes {
            return None;
        }
        let block = self.take(length)?;
        if self.block_checksums {
            self.take(CHECKSUM_BYTES)?;
        }
        Some(Some(if word & STORED == 0 {
            Block::Compressed(block)
        } else {
            Block::Stored(block)
        }))
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }
}

/// XXH32 with the seed 0, of fewer than 16 bytes: enough for a header.
fn xxh32(bytes: &[u8]) -> u32 {
    const PRIME_1: u32 = 0x9e37_79b1;
    const PRIME_2: u32 = 0x85eb_ca77;
    const PRIME_3: u32 = 0xc2b2_ae3d;
    const PRIME_4: u32 = 0x27d4_eb2f;
    const PRIME_5: u32 = 0x1656_67b1;

    debug_assert!(bytes.len() < 16, "longer inputs begin with another loop");
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut hash = PRIME_5.wrapping_add(length);
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk() {
        let word = u32::from_le_bytes(*word).wrapping_mul(PRIME_3);
        hash = hash.wrapping_add(word).rotate_left(17);
        hash = hash.wrapping_mul(PRIME_4);
        rest = after;
    }
    for byte in rest {
        let byte = u32::from(*byte).wrapping_mul(PRIME_5);
        hash = hash.wrapping_add(byte).rotate_left(11);
        hash = hash.wrapping_mul(PRIME_1);
    }
    hash = (hash ^ (hash >> 15)).wrapping_mul(PRIME_2);
    hash = (hash ^ (hash >> 13)).wrapping_mul(PRIME_3);
    hash ^ (hash >> 16)
}

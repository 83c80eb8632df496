//! One member of RFC 1952, without a name or a time. The header and the trailer are written here,
//! so that the compressor between them can be used again.

use flate2::bufread::MultiGzDecoder;
use flate2::{Compress, Crc, FlushCompress, Status};

use crate::compression::{Codec, Damaged, read_all};

/// Deflate, no flags, no time, no hint, from an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
const TRAILER_BYTES: usize = 8;

/// zlib's own level where none is asked for.
const DEFAULT_LEVEL: u32 = 6;

/// The compressor of the level that was last in use.
#[derive(Default)]
pub(super) struct Context {
    deflate: Option<(u32, Compress)>,
}

impl Context {
    /// Writes the stream to the front of `output` and gives its length, if it fits.
    pub(super) fn compress(&mut self, level: i32, raw: &[u8], output: &mut [u8]) -> Option<usize> {
        let level = u32::try_from(level).unwrap_or(DEFAULT_LEVEL);
        let deflate = match &mut self.deflate {
            Some((of_level, deflate)) if *of_level == level => {
                deflate.reset();
                deflate
            }
            other => {
                let deflate = Compress::new(flate2::Compression::new(level), false);
                &mut other.insert((level, deflate)).1
            }
        };
        let (header, rest) = output.split_first_chunk_mut()?;
        *header = HEADER;
        let status = deflate.compress(raw, rest, FlushCompress::Finish).ok()?;
        if status != Status::StreamEnd {
            return None;
        }
        let deflated = usize::try_from(deflate.total_out()).ok()?;
        let mut crc = Crc::new();
        crc.update(raw);
        let (sum, amount) = rest
            .get_mut(deflated..)?
            .get_mut(..TRAILER_BYTES)?
            .split_at_mut(TRAILER_BYTES / 2);
        sum.copy_from_slice(&crc.sum().to_le_bytes());
        amount.copy_from_slice(&crc.amount().to_le_bytes());
        Some(HEADER.len() + deflated + TRAILER_BYTES)
    }
}

pub(super) fn decompress(stream: &[u8], limit: usize) -> Result<Vec<u8>, Damaged> {
    if stream.is_empty() {
        return Err(Damaged::Stream(Codec::Gzip));
    }
    read_all(Codec::Gzip, MultiGzDecoder::new(stream), limit)
}

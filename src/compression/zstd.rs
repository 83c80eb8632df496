//! One zstd frame, which does not tell its size, as if it had been written as a stream. The library
//! knows the size all the same, and takes smaller tables for smaller inputs.

use zstd::bulk;
use zstd::stream::read::Decoder;

use crate::compression::{Codec, Damaged, read_all};

/// What a frame may ask a reader to keep, as a power of two: 128 MiB, what Kafka's readers allow.
const LARGEST_WINDOW: u32 = 27;

/// The compressor of the level that was last in use.
#[derive(Default)]
pub(super) struct Context {
    compressor: Option<(i32, bulk::Compressor<'static>)>,
}

impl Context {
    /// Writes the stream to the front of `output` and gives its length, if it fits.
    pub(super) fn compress(&mut self, level: i32, raw: &[u8], output: &mut [u8]) -> Option<usize> {
        let compressor = match &mut self.compressor {
            Some((of_level, compressor)) if *of_level == level => compressor,
            other => {
                let mut compressor = bulk::Compressor::new(level).ok()?;
                compressor.include_contentsize(false).ok()?;
                &mut other.insert((level, compressor)).1
            }
        };
        compressor.compress_to_buffer(raw, output).ok()
    }
}

pub(super) fn decompress(stream: &[u8], limit: usize) -> Result<Vec<u8>, Damaged> {
    let damaged = |_error| Damaged::Stream(Codec::Zstd);
    if stream.is_empty() {
        return Err(Damaged::Stream(Codec::Zstd));
    }
    let mut decoder = Decoder::with_buffer(stream).map_err(damaged)?;
    decoder.window_log_max(LARGEST_WINDOW).map_err(damaged)?;
    read_all(Codec::Zstd, decoder, limit)
}

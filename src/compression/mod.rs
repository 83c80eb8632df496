//! Kafka's four codecs, over whole slices: turns the records of a batch into one compressed stream, and
//! back. Knows neither batches nor records. Any thread may compress, with contexts of its own. A
//! stream may claim any size: decompressing stops at the caller's limit with an error.
//!
//! | codec | the stream | done by |
//! |---|---|---|
//! | [`gzip`] | one member of RFC 1952 | zlib-rs |
//! | [`snappy`] | blocks of 32 KiB in snappy-java's ("xerial") framing, which is not Snappy's | snap |
//! | [`lz4`] | a frame of independent blocks of 64 KiB to 4 MiB | the C library, or lz4_flex |
//! | [`zstd`] | a frame that does not tell its size | the C library |
//!
//! Each is a feature of the crate. A codec that is not compiled in is refused when a configuration
//! asks for it, and reading a stream of it is an error.

use std::fmt;

#[cfg(not(all(
    feature = "gzip",
    feature = "snappy",
    any(feature = "lz4", feature = "lz4-flex"),
    feature = "zstd"
)))]
mod absent;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(any(feature = "lz4", feature = "lz4-flex"))]
mod lz4;
#[cfg(feature = "snappy")]
mod snappy;
// Run by the package tests/codec, which has what they need.
#[cfg(test)]
#[cfg(feature = "oracle")]
mod tests;
mod work;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(not(feature = "gzip"))]
use absent as gzip;
#[cfg(not(any(feature = "lz4", feature = "lz4-flex")))]
use absent as lz4;
#[cfg(not(feature = "snappy"))]
use absent as snappy;
#[cfg(not(feature = "zstd"))]
use absent as zstd;

/// How the records of a batch are compressed, if they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Codec {
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    #[cfg(all(test, feature = "oracle"))]
    pub(crate) const ALL: [Self; 4] = [Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec with this number in a batch's attributes.
    pub(crate) fn of_id(id: i16) -> Option<Self> {
        match id {
            1 => Some(Self::Gzip),
            2 => Some(Self::Snappy),
            3 => Some(Self::Lz4),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Its number in a batch's attributes.
    pub(crate) fn id(self) -> i16 {
        match self {
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// As `compression.type` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Whether streams of this codec can be read and written at all.
    pub(crate) fn is_built_in(self) -> bool {
        match self {
            Self::Gzip => cfg!(feature = "gzip"),
            Self::Snappy => cfg!(feature = "snappy"),
            Self::Lz4 => cfg!(any(feature = "lz4", feature = "lz4-flex")),
            Self::Zstd => cfg!(feature = "zstd"),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A codec and its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compression {
    codec: Codec,
    level: i32,
}

/// What this build cannot do, and the feature that would add it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotBuiltIn {
    /// What would have to be compiled in.
    pub(crate) feature: &'static str,
    /// Whether the codec is there, and only its levels are not.
    pub(crate) for_the_level: bool,
}

impl Compression {
    /// A codec at a level that Kafka allows for it; −1 is gzip's own choice, and snappy has no
    /// levels.
    ///
    /// # Errors
    /// If this build cannot do that.
    pub(crate) fn new(codec: Codec, level: i32) -> Result<Self, NotBuiltIn> {
        if !codec.is_built_in() {
            return Err(NotBuiltIn {
                feature: codec.name(),
                for_the_level: false,
            });
        }
        if codec == Codec::Lz4 && level != Self::FAST_LZ4 && !cfg!(feature = "lz4") {
            return Err(NotBuiltIn {
                feature: "lz4",
                for_the_level: true,
            });
        }
        Ok(Self { codec, level })
    }

    /// Kafka's default for lz4, where it means the fast compressor; all other levels are those of
    /// the slow ones.
    pub(crate) const FAST_LZ4: i32 = 9;

    pub(crate) fn codec(self) -> Codec {
        self.codec
    }
}

/// The tables and buffers of compressors, kept from one stream to the next: making them costs more
/// than compressing a small batch (zlib-rs: 270 KB to allocate and clear; zstd: more).
#[derive(Default)]
pub(crate) struct Compressor {
    /// Where streams are written. Only grows, so that it is cleared once.
    output: Vec<u8>,
    gzip: gzip::Context,
    snappy: snappy::Context,
    lz4: lz4::Context,
    zstd: zstd::Context,
}

impl Compressor {
    /// Compresses `raw` into one stream; `None` if that is not smaller.
    pub(crate) fn compress(&mut self, compression: Compression, raw: &[u8]) -> Option<&[u8]> {
        let room = room_for(raw.len());
        if self.output.len() < room {
            // A new buffer: nothing of the old one is worth copying.
            self.output = vec![0; room];
        }
        let (level, output) = (compression.level, self.output.as_mut_slice());
        let bytes = match compression.codec {
            Codec::Gzip => self.gzip.compress(level, raw, output),
            Codec::Snappy => self.snappy.compress(level, raw, output),
            Codec::Lz4 => self.lz4.compress(level, raw, output),
            Codec::Zstd => self.zstd.compress(level, raw, output),
        };
        let bytes = bytes.filter(|bytes| *bytes < raw.len())?;
        self.output.get(..bytes)
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

/// The most that any codec may need for incompressible input: snappy wants a sixth more for each of
/// its blocks, zstd is fastest with a little more than the input.
fn room_for(raw_bytes: usize) -> usize {
    const BLOCK: usize = 32 * 1024;
    const PER_BLOCK: usize = 64;
    raw_bytes + raw_bytes / 6 + (raw_bytes / BLOCK + 2) * PER_BLOCK
}

/// Why a stream could not be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(
        feature = "gzip",
        feature = "snappy",
        feature = "lz4",
        feature = "lz4-flex",
        feature = "zstd"
    )),
    expect(dead_code, reason = "there is no stream to be damaged in this build")
)]
pub(crate) enum Damaged {
    /// It is not a valid stream of this codec.
    Stream(Codec),
    /// It becomes larger than the limit.
    TooLarge(Codec),
    /// The codec is not compiled in.
    NotBuiltIn(Codec),
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(codec) => write!(f, "the records are no {codec} stream"),
            Self::TooLarge(codec) => write!(f, "the {codec} stream becomes too large"),
            Self::NotBuiltIn(codec) => write!(f, "{codec} needs the crate's feature `{codec}`"),
        }
    }
}

/// Decompresses a stream, to `limit` bytes at most.
pub(crate) fn decompress(codec: Codec, stream: &[u8], limit: usize) -> Result<Vec<u8>, Damaged> {
    if !codec.is_built_in() {
        return Err(Damaged::NotBuiltIn(codec));
    }
    match codec {
        Codec::Gzip => gzip::decompress(stream, limit),
        Codec::Snappy => snappy::decompress(stream, limit),
        Codec::Lz4 => lz4::decompress(stream, limit),
        Codec::Zstd => zstd::decompress(stream, limit),
    }
}

/// Reads `reader` to its end, to `limit` bytes at most. Memory grows with the bytes that come, not
/// with a size that the stream announces.
#[cfg(any(feature = "gzip", feature = "zstd"))]
fn read_all(codec: Codec, reader: impl std::io::Read, limit: usize) -> Result<Vec<u8>, Damaged> {
    use std::io::Read;

    let mut bytes = Vec::new();
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader
        .take(one_more)
        .read_to_end(&mut bytes)
        .map_err(|_damage| Damaged::Stream(codec))?;
    if bytes.len() > limit {
        return Err(Damaged::TooLarge(codec));
    }
    Ok(bytes)
}

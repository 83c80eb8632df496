//! Every codec there and back, at every level, and streams that no encoder wrote.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;

/// Some levels of each codec, its lowest and highest among them.
fn levels(codec: Codec) -> &'static [i32] {
    match codec {
        Codec::Gzip => &[-1, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        Codec::Snappy => &[0],
        Codec::Lz4 if !cfg!(feature = "lz4") => &[9],
        Codec::Lz4 => &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 17],
        Codec::Zstd => &[-131_072, -100, -7, -1, 0, 1, 2, 3, 7, 12, 19, 22],
    }
}

fn codecs() -> impl Iterator<Item = Codec> {
    Codec::ALL.into_iter().filter(|codec| codec.is_built_in())
}

fn compress(codec: Codec, level: i32, raw: &[u8]) -> Option<Vec<u8>> {
    let compression = Compression::new(codec, level).unwrap();
    Compressor::default()
        .compress(compression, raw)
        .map(<[u8]>::to_vec)
}

/// Text with some sense: what compresses well, but not to nothing.
fn text(bytes: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut text = Vec::with_capacity(bytes + 64);
    while text.len() < bytes {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let line = format!(
            "{{\"user\":{},\"event\":\"click\",\"n\":{}}}\n",
            state >> 20,
            state % 9
        );
        text.extend_from_slice(line.as_bytes());
    }
    text.truncate(bytes);
    text
}

/// Bytes that nothing compresses.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    (0..bytes).map(|_| step()).collect()
}

#[test]
fn every_level_gives_back_what_it_was_given() {
    // Up to several blocks of each codec, and their borders.
    let sizes = [100, 4_000, 32_768, 65_536, 65_537, 200_000];
    for codec in codecs() {
        for level in levels(codec) {
            for bytes in sizes {
                let raw = text(bytes);
                let stream = compress(codec, *level, &raw);
                // Fast zstd does not find anything in so little.
                let Some(stream) = stream else {
                    let gives_up = bytes == 100 || codec == Codec::Zstd && *level < -99;
                    assert!(gives_up, "{codec} {level} {bytes}");
                    continue;
                };
                assert!(stream.len() < raw.len());
                let back = decompress(codec, &stream, raw.len());
                assert_eq!(back.as_ref(), Ok(&raw), "{codec} {level} {bytes}");
            }
        }
    }
}

#[test]
fn what_does_not_get_smaller_is_none() {
    for codec in codecs() {
        for level in levels(codec) {
            for raw in [noise(1), noise(5_000), noise(100_000), Vec::new()] {
                assert_eq!(compress(codec, *level, &raw), None, "{codec} {level}");
            }
        }
    }
}

#[test]
fn lz4_frames_have_larger_blocks_for_larger_batches() {
    if !Codec::Lz4.is_built_in() {
        return;
    }
    let descriptor = |bytes| {
        let raw = text(bytes);
        let stream = compress(Codec::Lz4, 9, &raw).unwrap();
        assert_eq!(decompress(Codec::Lz4, &stream, bytes).as_ref(), Ok(&raw));
        stream[5] >> 4
    };
    let sizes = [
        65_536,
        65_537,
        262_144,
        262_145,
        1 << 20,
        (1 << 20) + 1,
        (4 << 20) + 1,
    ];
    assert_eq!(sizes.map(descriptor), [4, 5, 5, 6, 6, 7, 7]);
    // Of noise a block is stored as it is.
    let raw = [noise(4 << 20), text(100_000)].concat();
    let stream = compress(Codec::Lz4, 9, &raw).unwrap();
    assert_eq!(
        decompress(Codec::Lz4, &stream, raw.len()).as_ref(),
        Ok(&raw)
    );
}

#[test]
fn half_of_it_noise_still_comes_back() {
    let raw = [noise(70_000), text(140_000), noise(70_000)].concat();
    for codec in codecs() {
        let level = levels(codec)[0].max(-1);
        let stream = compress(codec, level, &raw).unwrap();
        assert_eq!(decompress(codec, &stream, raw.len()).as_ref(), Ok(&raw));
    }
}

#[test]
fn a_compressor_that_is_used_again_writes_the_same() {
    for codec in codecs() {
        let mut compressor = Compressor::default();
        for (level, bytes) in [(9, 20_000), (1, 5_000), (9, 80_000), (9, 300)] {
            let level = if codec == Codec::Lz4 { 9 } else { level };
            let compression = Compression::new(codec, level).unwrap();
            let raw = text(bytes);
            let again = compressor.compress(compression, &raw).map(<[u8]>::to_vec);
            assert_eq!(again, compress(codec, level, &raw), "{codec} {bytes}");
        }
    }
}

#[test]
fn more_than_the_limit_is_an_error_and_never_held() {
    for codec in codecs() {
        let raw = vec![b'a'; 1 << 20];
        let level = if codec == Codec::Lz4 { 9 } else { 1 };
        let stream = compress(codec, level, &raw).unwrap();
        assert_eq!(decompress(codec, &stream, raw.len()).as_ref(), Ok(&raw));
        for limit in [0, 1, 65_536, raw.len() - 1] {
            let error = decompress(codec, &stream, limit);
            assert_eq!(error, Err(Damaged::TooLarge(codec)), "{codec} {limit}");
        }
    }
}

#[test]
fn no_stream_at_all_is_damaged() {
    for codec in codecs() {
        for bytes in [&b""[..], b"\x7f", b"no stream", &noise(3_000)] {
            let result = decompress(codec, bytes, 1 << 20);
            assert!(result.is_err(), "{codec}: {bytes:?} became {result:?}");
        }
    }
}

#[test]
fn frames_are_as_kafka_writes_them() {
    let raw = text(60_000);
    let starts: [(Codec, &[u8]); 4] = [
        (Codec::Gzip, b"\x1f\x8b\x08\0\0\0\0\0\0"),
        (Codec::Snappy, b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"),
        (Codec::Lz4, b"\x04\x22\x4d\x18\x60\x40\x82"),
        // A window, and neither a size nor a checksum nor a dictionary.
        (Codec::Zstd, b"\x28\xb5\x2f\xfd\x00"),
    ];
    for (codec, start) in starts {
        if codec.is_built_in() {
            let level = if codec == Codec::Lz4 { 9 } else { 1 };
            let stream = compress(codec, level, &raw).unwrap();
            assert!(stream.starts_with(start), "{codec}: {:x?}", &stream[..16]);
        }
    }
}

/// Made by Kafka 4.3.1's own `org.apache.kafka.common.compress.Compression`, which was given
/// `text(70_000)` in pieces of 100 bytes.
const OF_KAFKA: [(Codec, &str); 7] = [
    (Codec::Gzip, "gzip-default.bin"),
    (Codec::Gzip, "gzip-9.bin"),
    (Codec::Snappy, "snappy.bin"),
    (Codec::Lz4, "lz4-9.bin"),
    (Codec::Lz4, "lz4-17.bin"),
    (Codec::Zstd, "zstd-3.bin"),
    (Codec::Zstd, "zstd-22.bin"),
];

#[test]
fn what_kafka_compresses_is_read_and_written_no_larger() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/compression");
    let raw = text(70_000);
    let built_in = |(codec, _): &&(Codec, &str)| codec.is_built_in();
    for (codec, name) in OF_KAFKA.iter().filter(built_in) {
        let stream = fs::read(folder.join(name)).unwrap();
        let back = decompress(*codec, &stream, raw.len());
        assert_eq!(back.as_ref(), Ok(&raw), "{name}");
        let level = name.trim_end_matches(".bin").split('-').nth(1);
        let level = level.and_then(|level| level.parse().ok()).unwrap_or(-1);
        if Compression::new(*codec, level).is_ok() {
            let ours = compress(*codec, level, &raw).unwrap();
            let most = stream.len() * 102 / 100;
            assert!(ours.len() <= most, "{name}: {} > {most}", ours.len());
            assert_eq!(ours[..4], stream[..4], "{name}");
        }
    }
}

#[cfg(feature = "snappy")]
#[test]
fn snappy_also_comes_unframed_and_in_several_streams() {
    let raw = text(1_000);
    let block = snap::raw::Encoder::new().compress_vec(&raw).unwrap();
    assert_eq!(decompress(Codec::Snappy, &block, 1_000).as_ref(), Ok(&raw));
    let stream = compress(Codec::Snappy, 0, &raw).unwrap();
    let twice = [stream.as_slice(), &stream].concat();
    let expected = [raw.as_slice(), &raw].concat();
    assert_eq!(decompress(Codec::Snappy, &twice, 2_000), Ok(expected));
}

#[cfg(any(feature = "lz4", feature = "lz4-flex"))]
#[test]
fn lz4_reads_sizes_and_checksums_but_no_dependent_blocks() {
    let raw = text(1_000);
    let plain = compress(Codec::Lz4, 9, &raw).unwrap();
    let blocks = &plain[7..];
    let block_bytes = blocks.len() - 4;
    // The content's size, checksums of blocks and content: 0x60 | 0x1c, then eight bytes.
    let mut rich = b"\x04\x22\x4d\x18\x7c\x40\xe8\x03\0\0\0\0\0\0".to_vec();
    rich.push(0xc4);
    rich.extend_from_slice(&blocks[..block_bytes]);
    rich.extend_from_slice(b"sumb\0\0\0\0sumc");
    let valid = (0..=255).filter(|checksum| {
        rich[14] = *checksum;
        decompress(Codec::Lz4, &rich, 1_000).as_ref() == Ok(&raw)
    });
    assert_eq!(
        valid.count(),
        1,
        "with the right checksum of the header only"
    );
    let mut dependent = plain.clone();
    dependent[4] = 0x40;
    for checksum in 0..=255 {
        dependent[6] = checksum;
        let damaged = Err(Damaged::Stream(Codec::Lz4));
        assert_eq!(decompress(Codec::Lz4, &dependent, 1_000), damaged);
    }
}

#[test]
fn what_is_not_compiled_in_names_its_feature() {
    for codec in Codec::ALL {
        match Compression::new(codec, 9) {
            Ok(_) => assert!(codec.is_built_in()),
            Err(missing) => {
                assert!(!codec.is_built_in());
                assert_eq!(missing.feature, codec.name());
                let error = decompress(codec, b"anything", 100);
                assert_eq!(error, Err(Damaged::NotBuiltIn(codec)));
            }
        }
    }
    let level = Compression::new(Codec::Lz4, 12);
    assert_eq!(level.is_ok(), cfg!(feature = "lz4"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_come_back(
        pieces in prop::collection::vec((any::<u8>(), 1..5_000usize, any::<bool>()), 1..12),
        choice in any::<prop::sample::Index>(),
    ) {
        let raw: Vec<u8> = pieces.iter().flat_map(|(byte, count, noisy)| match noisy {
            true => noise(*count),
            false => vec![*byte; *count],
        }).collect();
        for codec in codecs() {
            let level = *choice.get(levels(codec));
            if let Some(stream) = compress(codec, level, &raw) {
                let back = decompress(codec, &stream, raw.len());
                prop_assert_eq!(back.as_ref(), Ok(&raw));
            }
        }
    }

    /// Bytes changed, cut off or put in: an error, or other bytes within the limit, and no panic.
    #[test]
    fn damage_never_gets_out_of_hand(
        bytes in 1..100_000usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        end in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let raw = text(bytes);
        for codec in codecs() {
            let level = if codec == Codec::Lz4 { 9 } else { 1 };
            let Some(mut stream) = compress(codec, level, &raw) else { continue };
            for (place, byte) in &changes {
                let place = place.index(stream.len());
                stream[place] = *byte;
            }
            if is_cut {
                stream.truncate(end.index(stream.len()));
            }
            if let Ok(other) = decompress(codec, &stream, 150_000) {
                prop_assert!(other.len() <= 150_000);
            }
        }
    }
}

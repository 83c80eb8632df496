//! The hash that decides where a key lives. Every Kafka client must agree on it, so it is, bit for
//! bit, what Java's producer computes.

/// MurmurHash2, 32 bits, with Kafka's seed.
pub(super) fn murmur2(data: &[u8]) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the hash is defined on the low 32 bits of the length; a key is far shorter"
    )]
    let length = data.len() as u32;
    let mut hash = SEED ^ length;
    let (groups, tail) = data.as_chunks::<4>();
    for group in groups {
        let mut mixed = u32::from_le_bytes(*group).wrapping_mul(M);
        mixed ^= mixed >> R;
        hash = hash.wrapping_mul(M) ^ mixed.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (byte, shift) in tail.iter().zip([0, 8, 16]) {
            hash ^= u32::from(*byte) << shift;
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

const SEED: u32 = 0x9747_b28c;
const M: u32 = 0x5bd1_e995;
const R: u32 = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_java_does() {
        let vectors: [(&[u8], i32); 9] = [
            (b"", 275_646_681),
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"abc", 479_470_107),
            (b"key", -1_079_937_367),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            (b"\xff\xff\xff", 1_548_199_422),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2(key), hash.cast_unsigned(), "{key:?}");
        }
    }
}

//! FNV-1a, as Sarama's default partitioner and librdkafka's `fnv1a` have it.

/// FNV-1a of 32 bits, read as a signed number, without its sign.
pub(super) fn fnv1a(data: &[u8]) -> u32 {
    let hash = data.iter().fold(OFFSET, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(PRIME)
    });
    hash.cast_signed().unsigned_abs()
}

const OFFSET: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go's `hash/fnv` says, less the sign.
    #[test]
    fn hashes_as_sarama_does() {
        let vectors: [(&[u8], u32); 5] = [
            (b"", 0x7ee3_623b),
            (b"kafka", 0x0d33_c4e1),
            (b"giberish123456789", 0x77a5_8295),
            (b"1234", 0x023b_dd03),
            (b"234", 0x2dea_3cd2),
        ];
        for (key, hash) in vectors {
            assert_eq!(fnv1a(key), hash, "{key:?}");
        }
    }
}

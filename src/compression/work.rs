//! How long compressing takes, by codec and level: about, on one core of an ordinary machine, for text
//! that shrinks to a third. By this the producer decides how large a batch may become that is to be
//! compressed, and how many of them the I/O thread compresses in a row. A machine of half the speed takes
//! twice as long; what matters is that a slow level gets less to do than a fast one.

use std::time::Duration;

use crate::compression::{Codec, Compression};

/// How long a thread compresses at most without a pause. Each thread that sends can wait for as long, and
/// outcomes can come late by it.
const MOST_AT_ONCE: Duration = Duration::from_millis(30);

impl Compression {
    /// About how long it takes to compress so many bytes.
    pub(crate) fn work(self, bytes: usize) -> Duration {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let nanos = bytes.saturating_mul(self.micros_per_kib()) / 1024 * 1000;
        Duration::from_nanos(nanos)
    }

    /// How many bytes may be compressed at once.
    pub(crate) fn most_at_once(self) -> usize {
        let most = MOST_AT_ONCE.as_micros() * 1024 / u128::from(self.micros_per_kib());
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// Whether batches of the usual size take long enough to be in the way of others.
    pub(crate) fn is_slow(self) -> bool {
        self.micros_per_kib() > 10
    }

    /// Measured by processor time, with 64 and 512 KiB of text like that of logs, and rounded up.
    fn micros_per_kib(self) -> u64 {
        match (self.codec, self.level) {
            (Codec::Snappy, _) => 3,
            (Codec::Lz4, Self::FAST_LZ4) => 3,
            (Codec::Lz4, ..=3) => 20,
            (Codec::Lz4, 4..=8) => 50,
            (Codec::Lz4, _) => 100,
            (Codec::Gzip, 1) => 8,
            // -1 is 6.
            (Codec::Gzip, 2..=3) => 16,
            (Codec::Gzip, ..=6) => 35,
            (Codec::Gzip, _) => 60,
            (Codec::Zstd, ..=4) => 8,
            (Codec::Zstd, 5..=8) => 30,
            (Codec::Zstd, 9..=10) => 50,
            (Codec::Zstd, 11..=12) => 100,
            (Codec::Zstd, 13..=15) => 250,
            (Codec::Zstd, 16..=18) => 500,
            (Codec::Zstd, _) => 1000,
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    /// Every level that Kafka has.
    fn all() -> Vec<Compression> {
        let of = |codec: Codec, levels: &mut dyn Iterator<Item = i32>| -> Vec<_> {
            levels.map(|level| Compression { codec, level }).collect()
        };
        [
            of(Codec::Snappy, &mut [0].into_iter()),
            of(Codec::Lz4, &mut (1..=17)),
            of(Codec::Gzip, &mut [-1].into_iter().chain(1..=9)),
            of(Codec::Zstd, &mut [-131_072].into_iter().chain(-5..=22)),
        ]
        .concat()
    }

    #[test]
    fn no_level_gets_more_at_once_than_it_compresses_in_a_moment() {
        for compression in all() {
            let most = compression.most_at_once();
            let takes = compression.work(most);
            assert!(takes <= MOST_AT_ONCE, "{compression:?}: {takes:?}");
            assert!(takes > MOST_AT_ONCE / 2, "{compression:?}: {takes:?}");
        }
    }

    #[test]
    fn a_batch_of_the_default_size_is_never_too_large() {
        for compression in all() {
            let most = compression.most_at_once();
            assert!(most >= 16_384, "{compression:?}: {most}");
        }
    }

    #[test]
    fn the_levels_that_try_hardest_get_kilobytes_and_the_usual_ones_megabytes() {
        let most = |codec, level| Compression { codec, level }.most_at_once();
        for (codec, level) in [(Codec::Zstd, 3), (Codec::Lz4, 9), (Codec::Snappy, 0)] {
            assert!(most(codec, level) > 3_000_000, "{codec}");
        }
        for level in 19..=22 {
            assert!(most(Codec::Zstd, level) < 32_000, "{level}");
        }
    }
}

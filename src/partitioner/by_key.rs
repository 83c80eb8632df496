//! Partitions from keys: by the hash that Java's producer uses, or by one of librdkafka's named rules,
//! each with the same result for the same key, bit for bit. Partitions without a leader count, too:
//! otherwise a key would move to another partition while a leader is elected, and its records would
//! lose their order. Runs once per record.

use super::TopicPartitions;
use super::draws::Draws;
use super::fnv1a::fnv1a;
use super::murmur2::murmur2;
use crate::sync::Arc;

/// A rule that computes the partition from the key.
#[derive(Clone, Debug)]
pub(crate) struct ByKey {
    spread: Spread,
    keyless: Keyless,
}

/// How the bytes of a key become a partition.
#[derive(Clone, Debug)]
enum Spread {
    Murmur2,
    Crc32,
    Fnv1a,
    /// A random partition for each record, whatever its key.
    Random(Arc<Draws>),
}

/// Which records count as keyless, so that they go to the partitions in turn. Under `Nothing`, a record
/// without a key is treated as one with an empty key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keyless {
    Nothing,
    NullKeys,
    NullAndEmptyKeys,
    Everything,
}

impl ByKey {
    /// Kafka's own rule.
    pub(crate) fn java() -> Self {
        Self::new(Spread::Murmur2, Keyless::NullKeys)
    }

    /// Kafka's rule for records that all count as keyless (`partitioner.ignore.keys`).
    pub(crate) fn ignoring_keys() -> Self {
        Self::new(Spread::Murmur2, Keyless::Everything)
    }

    /// librdkafka's partitioner of this name. The seed is for the one that draws at random.
    pub(crate) fn named(name: &str, seed: impl FnOnce() -> u64) -> Option<Self> {
        let (spread, keyless) = match name {
            "random" => {
                let draws = Arc::new(Draws::new(seed()));
                (Spread::Random(draws), Keyless::NullKeys)
            }
            "consistent" => (Spread::Crc32, Keyless::Nothing),
            "consistent_random" => (Spread::Crc32, Keyless::NullAndEmptyKeys),
            "murmur2" => (Spread::Murmur2, Keyless::Nothing),
            "murmur2_random" => (Spread::Murmur2, Keyless::NullKeys),
            "fnv1a" => (Spread::Fnv1a, Keyless::Nothing),
            "fnv1a_random" => (Spread::Fnv1a, Keyless::NullKeys),
            _ => return None,
        };
        Some(Self::new(spread, keyless))
    }

    /// librdkafka's names.
    pub(crate) const NAMES: [&str; 7] = [
        "random",
        "consistent",
        "consistent_random",
        "murmur2",
        "murmur2_random",
        "fnv1a",
        "fnv1a_random",
    ];

    fn new(spread: Spread, keyless: Keyless) -> Self {
        Self { spread, keyless }
    }

    /// The partition of a record with this key; `None` if it counts as keyless.
    pub(crate) fn partition(
        &self,
        key: Option<&[u8]>,
        partitions: &TopicPartitions<'_>,
    ) -> Option<i32> {
        let goes_round = match self.keyless {
            Keyless::Nothing => false,
            Keyless::NullKeys => key.is_none(),
            Keyless::NullAndEmptyKeys => key.is_none_or(<[u8]>::is_empty),
            Keyless::Everything => true,
        };
        if goes_round {
            return None;
        }
        let key = key.unwrap_or_default();
        let hash = match &self.spread {
            Spread::Murmur2 => murmur2(key) & 0x7fff_ffff,
            Spread::Crc32 => crc32fast::hash(key),
            Spread::Fnv1a => fnv1a(key),
            Spread::Random(draws) => return Some(draws.partition(partitions)),
        };
        debug_assert!(partitions.count() > 0, "a topic has at least one partition");
        Some((hash % partitions.count().cast_unsigned()).cast_signed())
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    fn partition(name: &str, key: Option<&[u8]>, count: i32) -> Option<i32> {
        let rule = ByKey::named(name, || 7).unwrap();
        rule.partition(key, &TopicPartitions::new(count, &[]))
    }

    /// Said by librdkafka 2.12.1; `tests/kafka` compares thousands of keys with it.
    #[test]
    fn finds_the_partition_that_librdkafka_finds() {
        let vectors: [(&str, [i32; 5]); 3] = [
            ("consistent", [0, 83, 37, 54, 93]),
            ("murmur2", [81, 59, 81, 12, 67]),
            ("fnv1a", [35, 44, 28, 4, 34]),
        ];
        let keys: [&[u8]; 5] = [b"", b"1", b"key", b"a-little-bit-long-string", b"\xff\x00"];
        for (name, expected) in vectors {
            for (key, expected) in keys.into_iter().zip(expected) {
                assert_eq!(
                    partition(name, Some(key), 100),
                    Some(expected),
                    "{name} {key:?}"
                );
            }
        }
    }

    #[test]
    fn takes_a_missing_key_for_an_empty_one_where_nothing_is_random() {
        for name in ["consistent", "murmur2", "fnv1a"] {
            let empty = partition(name, Some(b""), 1000);
            assert!(empty.is_some(), "{name}");
            assert_eq!(partition(name, None, 1000), empty, "{name}");
        }
    }

    #[test]
    fn leaves_what_has_no_key_to_the_round() {
        for name in [
            "random",
            "consistent_random",
            "murmur2_random",
            "fnv1a_random",
        ] {
            assert_eq!(partition(name, None, 1000), None, "{name}");
            let empty_goes_round = name == "consistent_random";
            let empty = partition(name, Some(b""), 1000);
            assert_eq!(empty.is_none(), empty_goes_round, "{name}");
            assert!(partition(name, Some(b"k"), 1000).is_some(), "{name}");
        }
    }

    #[test]
    fn hashes_as_java_unless_told_otherwise() {
        let partitions = TopicPartitions::new(10, &[]);
        let java = ByKey::java();
        for (key, partition) in [
            (b"".as_slice(), 1),
            (b"21", 0),
            (b"foobar", 6),
            (b"abc", 7),
            (b"key", 1),
        ] {
            assert_eq!(
                java.partition(Some(key), &partitions),
                Some(partition),
                "{key:?}"
            );
        }
        assert_eq!(java.partition(None, &partitions), None);
        let ignoring = ByKey::ignoring_keys();
        assert_eq!(ignoring.partition(Some(b"key"), &partitions), None);
    }

    #[test]
    fn has_a_rule_for_each_name() {
        for name in ByKey::NAMES {
            assert!(ByKey::named(name, || 7).is_some(), "{name}");
        }
        assert!(ByKey::named("sticky", || 7).is_none());
    }
}

//! The keys of the records: none, or the numbers below a limit, in turn or at random.

use std::io::Write;

use crate::args::{Args, Distribution};
use crate::payload::Random;

/// Where keys come from. As with values, making one costs no allocation.
pub(crate) struct Keys {
    distribution: Distribution,
    /// Keys are below it.
    range: u32,
    random: Random,
    key: Vec<u8>,
}

impl Keys {
    /// What `args` ask for.
    pub(crate) fn new(args: &Args) -> Self {
        let range = args
            .record_key_range
            .and_then(|range| u32::try_from(range).ok());
        Self {
            distribution: args.key_distribution,
            range: range.unwrap_or(1),
            random: Random::new(args.random_seed),
            key: Vec::new(),
        }
    }

    /// The key of the record with this index: digits, as Kafka's tool makes them.
    pub(crate) fn next(&mut self, index: u64) -> Option<&[u8]> {
        let number = match self.distribution {
            Distribution::None => return None,
            Distribution::Range => index % u64::from(self.range),
            Distribution::Random => self.random.below(u64::from(self.range)),
        };
        self.key.clear();
        write!(self.key, "{number}").expect("a Vec takes everything that is written");
        Some(&self.key)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn keys(flags: &str) -> Vec<Option<String>> {
        let line =
            format!("perf --topic t --num-records 9 --throughput -1 --record-size 1 {flags}");
        let mut keys = Keys::new(&Args::try_parse_from(line.split_whitespace()).unwrap());
        let text = |key: &[u8]| String::from_utf8(key.to_vec()).unwrap();
        (0..50).map(|index| keys.next(index).map(text)).collect()
    }

    #[test]
    fn there_are_none_unless_they_are_asked_for() {
        assert_eq!(keys(""), vec![None; 50]);
    }

    #[test]
    fn a_range_comes_in_turn() {
        let first: Vec<_> = keys("--key-distribution range --record-key-range 3")
            .into_iter()
            .take(5)
            .collect();
        let expected = ["0", "1", "2", "0", "1"].map(|key| Some(key.to_owned()));
        assert_eq!(first, expected);
    }

    #[test]
    fn random_keys_are_below_the_limit_and_follow_from_the_seed() {
        let flags = "--key-distribution random --record-key-range 3";
        let all = keys(flags);
        let mut kinds = all.clone();
        kinds.sort();
        kinds.dedup();
        let expected = ["0", "1", "2"].map(|key| Some(key.to_owned()));
        assert_eq!(kinds, expected);
        assert_eq!(keys(flags), all);
        assert_ne!(keys(&format!("{flags} --random-seed 7")), all);
    }
}

//! The values of the records: random letters, lines of a file, or numbers that count up.

use std::fs;
use std::io::Write;
use std::path::Path;

use regex::Regex;

use crate::args::Args;

/// Where values come from. Making one costs no allocation, so that the producer is measured and
/// not this.
pub(crate) struct Payloads {
    kind: Kind,
    random: Random,
    value: Vec<u8>,
}

enum Kind {
    Letters,
    Picked(Vec<Vec<u8>>),
    Counted,
}

impl Payloads {
    /// What `args` ask for. `say` gets the lines that Kafka's tool prints while it reads a file.
    pub(crate) fn new(args: &Args, mut say: impl FnMut(String)) -> Result<Self, String> {
        let size = usize::try_from(args.record_size.unwrap_or(0)).unwrap_or(0);
        let kind = match &args.payload_file {
            Some(path) => Kind::Picked(read(path, &args.payload_delimiter, &mut say)?),
            None if args.payload_monotonic => Kind::Counted,
            None => Kind::Letters,
        };
        Ok(Self {
            kind,
            random: Random::new(args.random_seed),
            value: vec![0; size],
        })
    }

    /// The value of the record with this index.
    pub(crate) fn next(&mut self, index: u64) -> &[u8] {
        match &self.kind {
            Kind::Letters => self.random.fill(&mut self.value),
            Kind::Picked(values) => {
                let count = u64::try_from(values.len()).expect("a count fits");
                let picked = self.random.below(count);
                let picked = usize::try_from(picked).expect("below a usize");
                return values.get(picked).map_or(&[], Vec::as_slice);
            }
            Kind::Counted => {
                self.value.clear();
                write!(self.value, "{index}").expect("a Vec takes everything that is written");
            }
        }
        &self.value
    }
}

/// The values in a file: what stands between the matches of `delimiter`.
fn read(
    path: &Path,
    delimiter: &str,
    say: &mut impl FnMut(String),
) -> Result<Vec<Vec<u8>>, String> {
    let path = std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
    say(format!("Reading payloads from: {}", path.display()));
    let text = match fs::read_to_string(&path) {
        Ok(text) if !text.is_empty() => text,
        Ok(_) => return Err(format!("{}: the file is empty", path.display())),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let delimiter = Regex::new(delimiter).map_err(|error| error.to_string())?;
    let values = split(&text, &delimiter);
    say(format!("Number of records read: {}", values.len()));
    if values.is_empty() {
        return Err(format!("{}: nothing but delimiters", path.display()));
    }
    Ok(values)
}

/// Cuts as Java's scanner does: a delimiter at the very start or end has no value beside it.
fn split(text: &str, delimiter: &Regex) -> Vec<Vec<u8>> {
    let mut values: Vec<_> = delimiter
        .split(text)
        .map(|value| value.as_bytes().to_vec())
        .collect();
    if values.last().is_some_and(Vec::is_empty) {
        values.pop();
    }
    if values.first().is_some_and(Vec::is_empty) {
        values.remove(0);
    }
    values
}

/// A fast generator (splitmix64) with the same numbers in every run of one seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: i64) -> Self {
        Self(seed.cast_unsigned())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let scaled = (u128::from(self.next()) * u128::from(limit)) >> 64;
        u64::try_from(scaled).expect("below a u64")
    }

    /// Fills the buffer with letters from A to Z, four of them from each random number.
    fn fill(&mut self, buffer: &mut [u8]) {
        for letters in buffer.chunks_mut(4) {
            let number = self.next().to_le_bytes();
            for (letter, half_word) in letters.iter_mut().zip(number.chunks_exact(2)) {
                let half_word = half_word
                    .iter()
                    .fold(0, |sum, byte| (sum << 8) | u32::from(*byte));
                let position = (half_word * 26) >> 16;
                *letter = b'A' + u8::try_from(position).expect("below 26");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn payloads(flags: &str) -> Payloads {
        let line = format!("perf --topic t --num-records 5 --throughput -1 {flags}");
        let args = Args::try_parse_from(line.split_whitespace()).unwrap();
        Payloads::new(&args, |_| ()).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn random_values_are_all_capital_letters_about_equally_often() {
        let mut payloads = payloads("--record-size 1003");
        let mut counts = [0_u32; 26];
        for index in 0..260 {
            for letter in payloads.next(index) {
                counts[usize::from(letter - b'A')] += 1;
            }
        }
        assert_eq!(counts.iter().sum::<u32>(), 260 * 1003);
        assert!(
            counts.iter().all(|count| (9_000..11_000).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn every_value_is_new_and_every_run_is_the_same() {
        let mut one = payloads("--record-size 16");
        let mut other = payloads("--record-size 16");
        let first = one.next(0).to_vec();
        assert_eq!(first, other.next(0));
        assert_ne!(first, one.next(1));
    }

    #[test]
    fn monotonic_values_count_from_zero() {
        let mut payloads = payloads("--payload-monotonic");
        let values: Vec<_> = (9..11).map(|index| payloads.next(index).to_vec()).collect();
        assert_eq!(values, [b"9".to_vec(), b"10".to_vec()]);
    }

    #[test]
    fn picks_every_line_of_a_file_sooner_or_later() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "alpha\nbeta\n\ngamma\n").unwrap();
        let mut payloads = payloads(&format!("--payload-file {}", file.path().display()));
        let mut seen: Vec<_> = (0..100)
            .map(|index| payloads.next(index).to_vec())
            .collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen, [&b""[..], b"alpha", b"beta", b"gamma"]);
    }

    /// The counts are those that Kafka 4.3.1 printed for the same text and delimiters.
    #[test]
    fn cuts_a_file_at_a_regular_expression() {
        let text = "alpha|be.ta|gamma||x\n";
        for (delimiter, count) in [("|", 21), (r"\|", 5), (".", 20), ("ta", 2)] {
            let values = split(text, &Regex::new(delimiter).unwrap());
            assert_eq!(values.len(), count, "{delimiter}: {values:?}");
        }
    }

    #[test]
    fn says_what_it_reads_and_what_is_wrong_with_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut said = Vec::new();
        let error = read(file.path(), "\n", &mut |line| said.push(line)).unwrap_err();
        assert!(error.ends_with("the file is empty"), "{error}");
        assert_eq!(
            said,
            [format!("Reading payloads from: {}", file.path().display())]
        );
        fs::write(&file, "one\ntwo").unwrap();
        read(file.path(), "\n", &mut |line| said.push(line)).unwrap();
        assert_eq!(said.last().unwrap(), "Number of records read: 2");
        assert!(read(Path::new("/no/such/file"), "\n", &mut |_| ()).is_err());
    }
}

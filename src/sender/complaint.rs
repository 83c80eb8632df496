//! What goes wrong again and again, and how often that is worth a line in the log: at once the first
//! time, at once when it is something else, then once a minute with how often. Writes nothing itself
//! and reads no clock.

use std::fmt;
use std::time::{Duration, Instant};

/// One thing that may go wrong. An end that is soon followed by the same again does not begin anew: a
/// broker that accepts connections and drops them would fill the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Complaint {
    /// Since when nothing that was said is said again.
    since: Option<Instant>,
    /// In which ways it has gone wrong since, as far as they were said.
    said: Vec<String>,
    /// How often it went wrong since the last line.
    unsaid: u32,
    /// Whether the last line said that it goes wrong.
    is_open: bool,
}

/// A line is due: how often it has happened since the last one. Stands at the end of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times(u32);

/// After this long, what was said is said again.
const PERIOD: Duration = Duration::from_secs(60);
/// More ways than these are not told apart within a minute.
const MOST_WAYS: usize = 4;

impl Complaint {
    /// It went wrong, as `text` says. Returns whether a line is due. Texts that differ only in numbers
    /// and in the order of their words say the same: the addresses of a host, for example, are tried in
    /// another order each time.
    pub(super) fn raise(&mut self, now: Instant, text: &str) -> Option<Times> {
        self.unsaid = self.unsaid.saturating_add(1);
        if self.since.is_none_or(|since| since + PERIOD <= now) {
            self.since = Some(now);
            self.said.clear();
        }
        let way = way(text);
        if self.said.contains(&way) || self.said.len() >= MOST_WAYS {
            return None;
        }
        self.said.push(way);
        self.is_open = true;
        Some(Times(std::mem::take(&mut self.unsaid)))
    }

    /// It is over. Returns whether the last line said that it goes wrong, so that its end is worth one.
    pub(super) fn end(&mut self) -> bool {
        std::mem::take(&mut self.is_open)
    }
}

/// The words of the text's first clause, in order of the alphabet, without what has a digit in it.
fn way(text: &str) -> String {
    let clause = text.split("; ").next().unwrap_or_default();
    let words = clause.split(|one: char| one.is_whitespace() || one == ',');
    let mut words: Vec<_> = words
        .filter(|word| !word.contains(|one: char| one.is_ascii_digit()))
        .collect();
    words.sort_unstable();
    words.dedup();
    words.join(" ")
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 | 1 => Ok(()),
            times => write!(f, " ({times} times since the last such line)"),
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an Instant has no other source")]
    fn now() -> Instant {
        Instant::now()
    }

    const REFUSED: &str = "cannot connect to b:1: 10.0.0.1:1 refused the connection";

    #[test]
    fn says_it_once_and_then_once_a_minute_with_how_often() {
        let (mut complaint, start) = (Complaint::default(), now());
        assert_eq!(complaint.raise(start, REFUSED), Some(Times(1)));
        for second in 1..60 {
            assert_eq!(
                complaint.raise(start + Duration::from_secs(second), REFUSED),
                None
            );
        }
        assert_eq!(complaint.raise(start + PERIOD, REFUSED), Some(Times(60)));
        assert_eq!(complaint.raise(start + PERIOD, REFUSED), None);
        assert_eq!(Times(1).to_string(), "");
        assert_eq!(
            Times(60).to_string(),
            " (60 times since the last such line)"
        );
    }

    #[test]
    fn says_at_once_what_is_new() {
        let (mut complaint, start) = (Complaint::default(), now());
        complaint.raise(start, REFUSED);
        let silent = "cannot connect to b:1: 10.0.0.1:1 timed out";
        assert!(complaint.raise(start, silent).is_some());
        // To and fro is nothing new.
        for text in [REFUSED, silent, REFUSED] {
            assert_eq!(complaint.raise(start, text), None);
        }
    }

    #[test]
    fn neither_numbers_nor_the_order_of_addresses_are_news() {
        let (mut complaint, start) = (Complaint::default(), now());
        let texts = [
            "cannot connect to b:1: [::1]:1 refused the connection, 127.0.0.1:1 timed out; why",
            "cannot connect to b:1: 127.0.0.1:1 timed out, [::1]:1 refused the connection",
            "cannot connect to b:1: 10.0.0.7:1 timed out, [::1]:1 refused the connection; so",
        ];
        let said = texts.map(|text| complaint.raise(start, text).is_some());
        assert_eq!(said, [true, false, false]);
    }

    #[test]
    fn an_end_is_worth_a_line_if_the_beginning_was() {
        let (mut complaint, start) = (Complaint::default(), now());
        assert!(!complaint.end());
        complaint.raise(start, REFUSED);
        assert!(complaint.end() && !complaint.end());
        // It comes and goes.
        assert_eq!(complaint.raise(start, REFUSED), None);
        assert!(!complaint.end());
        assert_eq!(complaint.raise(start + PERIOD, REFUSED), Some(Times(2)));
        assert!(complaint.end());
    }

    #[test]
    fn ways_without_end_are_not_all_told() {
        let (mut complaint, start) = (Complaint::default(), now());
        let ways = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let said = ways
            .iter()
            .filter(|way| complaint.raise(start, way).is_some());
        assert_eq!(said.count(), MOST_WAYS);
    }
}

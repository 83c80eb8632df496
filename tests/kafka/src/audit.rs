//! Whether what callbacks were told is what lies in the log. Records name themselves: see
//! [`Payload`], and [`Numbered`] for those of `verifiable_producer`.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::str::FromStr;

use linger::Fate;

use crate::deliveries::Delivery;
use crate::helper::ReadRecord;

/// The value of a record that can be recognized in any log: who sent it, where to, and as which of
/// its records there, with a checksum. As text: `run/thread/partition/counter/fill/checksum`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Payload {
    /// The topic's name, or whatever else is different in each run.
    pub run: String,
    /// The sending thread.
    pub thread: u32,
    /// Where it is sent to.
    pub partition: i32,
    /// Counts up for each thread and partition.
    pub counter: u32,
    /// Bytes of filling.
    pub fill: usize,
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            run,
            thread,
            partition,
            counter,
            fill,
        } = self;
        let text = format!("{run}/{thread}/{partition}/{counter}/{}", "x".repeat(*fill));
        write!(f, "{text}/{:016x}", checksum(&text))
    }
}

impl FromStr for Payload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let broken = || {
            format!(
                "no payload: {:?}",
                text.chars().take(200).collect::<String>()
            )
        };
        let (content, sum) = text.rsplit_once('/').ok_or_else(broken)?;
        if format!("{:016x}", checksum(content)) != sum {
            return Err(broken());
        }
        let words: Vec<&str> = content.split('/').collect();
        let [run, thread, partition, counter, fill] = words[..] else {
            return Err(broken());
        };
        Ok(Self {
            run: run.to_owned(),
            thread: thread.parse().map_err(|_| broken())?,
            partition: partition.parse().map_err(|_| broken())?,
            counter: counter.parse().map_err(|_| broken())?,
            fill: fill.len(),
        })
    }
}

/// FNV-1a: enough to notice bytes that come from somewhere else.
fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A record that can be recognized by its text.
pub(crate) trait Mark: Clone + fmt::Debug + Eq + Hash + FromStr<Err = String> {
    /// Where it must be, if that was said when it was sent.
    fn partition(&self) -> Option<i32>;
    /// Who sent it; what one source sends to a partition stays in order.
    fn source(&self) -> u32;
    /// Counts up for each source.
    fn counter(&self) -> u64;
}

impl Mark for Payload {
    fn partition(&self) -> Option<i32> {
        Some(self.partition)
    }

    fn source(&self) -> u32 {
        self.thread
    }

    fn counter(&self) -> u64 {
        self.counter.into()
    }
}

/// A record whose value is its number, as `verifiable_producer` sends them, to whatever partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Numbered(pub(crate) u64);

impl FromStr for Numbered {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().map(Self);
        number.map_err(|error| format!("{text:?}: {error}"))
    }
}

impl Mark for Numbered {
    fn partition(&self) -> Option<i32> {
        None
    }

    fn source(&self) -> u32 {
        0
    }

    fn counter(&self) -> u64 {
        self.0
    }
}

/// What of a topic there is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// All that was ever written to it.
    Whole,
    /// It was deleted and created again in between. What was acknowledged before the first record
    /// of a partition may have gone with the topic; from there on it is as whole as any.
    SinceRecreation,
}

/// How the records of a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Acknowledged, and in the log.
    pub acknowledged: usize,
    /// Acknowledged, and gone with a topic that was deleted.
    pub deleted: usize,
    /// Failed as not written, and not in the log.
    pub not_written: usize,
    /// Failed as "may be written", and in the log.
    pub doubtful_stored: usize,
    /// Failed as "may be written", and not in the log.
    pub doubtful_absent: usize,
}

/// What one callback was told, as far as it can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// With partition and, where the broker knew it, offset.
    Stored(i32, Option<i64>),
    Failed(Fate),
}

/// Asserts what idempotence promises: each of the accepted payloads was told exactly one outcome,
/// each acknowledged one is in the log, and where it was said to be; none that failed as
/// [`NotWritten`](Fate::NotWritten) is; none is there twice, or overtaken by a later one of its
/// thread; and nothing else is there.
///
/// # Panics
///
/// Panics if not, with the first of what is wrong.
pub fn assert_all_true(
    accepted: &[Payload],
    deliveries: &[Delivery],
    records: &[ReadRecord],
) -> Tally {
    let told = deliveries.iter().map(|delivery| {
        let told = match &delivery.outcome {
            Ok(metadata) => Told::Stored(metadata.partition(), metadata.offset()),
            Err(error) => Told::Failed(error.fate()),
        };
        (&delivery.value[..], told)
    });
    check(accepted, told, records, Log::Whole)
}

/// Whether what was told of these is true, told by text.
///
/// # Panics
///
/// Panics if not, with the first of what is wrong.
pub(crate) fn check<'a, M: Mark>(
    accepted: &[M],
    told: impl Iterator<Item = (&'a str, Told)>,
    records: &'a [ReadRecord],
    log: Log,
) -> Tally {
    let stored = records
        .iter()
        .map(|record| (record.partition, record.offset, record.text()));
    let (tally, wrongs) = audit(accepted, told, stored, log);
    let start = wrongs[..wrongs.len().min(20)].join("\n");
    assert!(
        wrongs.is_empty(),
        "{} wrongs, {tally:?}:\n{start}",
        wrongs.len()
    );
    tally
}

/// What a log holds.
struct Found<M> {
    /// Where each record lies.
    places: HashMap<M, (i32, i64)>,
    /// The number of the first record of each source in each partition.
    oldest: HashMap<(i32, u32), u64>,
}

/// Walks through a log, which comes by partition and offset.
fn find<'a, M: Mark>(
    accepted: &HashSet<&M>,
    log: impl Iterator<Item = (i32, i64, &'a str)>,
    wrongs: &mut Vec<String>,
) -> Found<M> {
    let mut found = Found {
        places: HashMap::new(),
        oldest: HashMap::new(),
    };
    let mut newest: HashMap<(i32, u32), u64> = HashMap::new();
    for (partition, offset, text) in log {
        let place = format!("{partition}@{offset}");
        let mark = match text.parse::<M>() {
            Ok(mark) => mark,
            Err(error) => {
                wrongs.push(format!("{place}: {error}"));
                continue;
            }
        };
        if !accepted.contains(&mark) || mark.partition().is_some_and(|one| one != partition) {
            wrongs.push(format!("{place}: nobody sent {mark:?} there"));
        }
        let (source, counter) = ((partition, mark.source()), mark.counter());
        found.oldest.entry(source).or_insert(counter);
        let before = newest.insert(source, counter);
        if let Some(before) = before.filter(|before| *before > counter) {
            wrongs.push(format!("{place}: {mark:?} comes after number {before}"));
        }
        if let Some((other, first)) = found.places.insert(mark.clone(), (partition, offset)) {
            wrongs.push(format!("{place}: {mark:?} is at {other}@{first}, too"));
        }
    }
    found
}

fn audit<'a, M: Mark>(
    accepted: &[M],
    told: impl Iterator<Item = (&'a str, Told)>,
    records: impl Iterator<Item = (i32, i64, &'a str)>,
    log: Log,
) -> (Tally, Vec<String>) {
    let mut wrongs = Vec::new();
    let accepted: HashSet<&M> = accepted.iter().collect();
    let found = find(&accepted, records, &mut wrongs);
    let mut tally = Tally::default();
    let mut silent = accepted;
    for (text, told) in told {
        let Ok(mark) = text.parse::<M>() else {
            wrongs.push(format!("an outcome for {text}"));
            continue;
        };
        if !silent.remove(&mark) {
            wrongs.push(format!("a second outcome for {mark:?}: {told:?}"));
        }
        let is_older = |partition| {
            let oldest = found.oldest.get(&(partition, mark.source()));
            oldest.is_some_and(|oldest| mark.counter() < *oldest)
        };
        let place = found.places.get(&mark);
        match (told, place) {
            (Told::Stored(partition, offset), Some(place))
                if partition == place.0 && offset.is_none_or(|offset| offset == place.1) =>
            {
                tally.acknowledged += 1;
            }
            (Told::Stored(partition, _), None)
                if log == Log::SinceRecreation && is_older(partition) =>
            {
                tally.deleted += 1;
            }
            (Told::Failed(Fate::NotWritten), None) => tally.not_written += 1,
            (Told::Failed(Fate::MayBeWritten), Some(_)) => tally.doubtful_stored += 1,
            (Told::Failed(Fate::MayBeWritten), None) => tally.doubtful_absent += 1,
            (told, place) => {
                wrongs.push(format!("{mark:?} was told {told:?} and is at {place:?}"));
            }
        }
    }
    wrongs.extend(silent.iter().map(|mark| format!("no outcome: {mark:?}")));
    (tally, wrongs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(counter: u32) -> Payload {
        Payload {
            run: "run".to_owned(),
            thread: 1,
            partition: 2,
            counter,
            fill: 3,
        }
    }

    /// What is wrong with two records, told and stored like this; in the log their number stands
    /// for them.
    fn wrongs(told: &[(u32, Told)], log: &[(i32, i64, u32)]) -> Vec<String> {
        wrongs_of(told, log, Log::Whole)
    }

    fn wrongs_of(told: &[(u32, Told)], log: &[(i32, i64, u32)], of: Log) -> Vec<String> {
        let texts: Vec<String> = (0..3).map(|counter| payload(counter).to_string()).collect();
        let told = told
            .iter()
            .map(|(counter, told)| (&texts[*counter as usize][..], *told));
        let log = log.iter().map(|(partition, offset, counter)| {
            (*partition, *offset, &texts[*counter as usize][..])
        });
        audit(&[payload(0), payload(1)], told, log, of).1
    }

    /// What the complaint says, what was told, and the log.
    type Case<'a> = (&'a str, &'a [(u32, Told)], &'a [(i32, i64, u32)]);

    const FIRST: Told = Told::Stored(2, Some(0));
    const SECOND: Told = Told::Stored(2, Some(1));

    #[test]
    fn a_payload_is_read_back_unless_a_byte_of_it_changed() {
        let text = payload(7).to_string();
        assert_eq!(text.parse(), Ok(payload(7)));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(changed.parse::<Payload>().is_err(), "{changed}");
        }
    }

    #[test]
    fn a_true_account_is_in_order() {
        let log = [(2, 0, 0), (2, 1, 1)];
        assert_eq!(wrongs(&[(0, FIRST), (1, SECOND)], &log), [""; 0]);
        let unknown_offset = Told::Stored(2, None);
        assert_eq!(wrongs(&[(0, unknown_offset), (1, SECOND)], &log), [""; 0]);
        let doubtful = Told::Failed(Fate::MayBeWritten);
        assert_eq!(wrongs(&[(0, doubtful), (1, SECOND)], &log), [""; 0]);
        let log = [(2, 1, 1)];
        assert_eq!(wrongs(&[(0, doubtful), (1, SECOND)], &log), [""; 0]);
        let absent = Told::Failed(Fate::NotWritten);
        assert_eq!(wrongs(&[(0, absent), (1, SECOND)], &log), [""; 0]);
    }

    #[test]
    fn what_a_deleted_topic_held_may_be_gone_and_nothing_since() {
        let of = Log::SinceRecreation;
        let again = Told::Stored(2, Some(0));
        assert_eq!(
            wrongs_of(&[(0, FIRST), (1, again)], &[(2, 0, 1)], of),
            [""; 0]
        );
        let both = [(0, FIRST), (1, SECOND)];
        assert!(wrongs_of(&both, &[(2, 0, 0)], of)[0].contains("is at None"));
        assert_eq!(wrongs_of(&both, &[], of).len(), 2, "nothing ever came");
        let moved = wrongs_of(&[(0, FIRST), (1, SECOND)], &[(2, 0, 1)], of);
        assert!(moved[0].contains("told Stored"), "{moved:?}");
    }

    #[test]
    fn a_number_is_at_home_in_any_partition() {
        let told = [
            ("0", Told::Stored(7, Some(3))),
            ("1", Told::Stored(1, None)),
        ];
        let log = [(1, 9, "1"), (7, 3, "0")];
        let sent = [Numbered(0), Numbered(1)];
        let (tally, wrongs) = audit(&sent, told.into_iter(), log.into_iter(), Log::Whole);
        assert_eq!(wrongs, [""; 0]);
        assert_eq!(tally.acknowledged, 2);
        let log = [(1, 9, "1"), (7, 3, "x")];
        let (_, wrongs) = audit(&sent, told.into_iter(), log.into_iter(), Log::Whole);
        assert_eq!(wrongs.len(), 2, "{wrongs:?}");
    }

    #[test]
    fn each_lie_is_noticed() {
        let both = [(0, FIRST), (1, SECOND)];
        let absent = Told::Failed(Fate::NotWritten);
        let cases: [Case<'_>; 8] = [
            ("is at None", &both, &[(2, 0, 0)]),
            ("is at 2@1, too", &both, &[(2, 1, 1), (2, 0, 0), (2, 1, 1)]),
            (
                "comes after",
                &[(0, SECOND), (1, FIRST)],
                &[(2, 0, 1), (2, 1, 0)],
            ),
            (
                "told Failed(NotWritten)",
                &[(0, absent), (1, SECOND)],
                &[(2, 0, 0), (2, 1, 1)],
            ),
            ("no outcome", &[(0, FIRST)], &[(2, 0, 0)]),
            (
                "second outcome",
                &[(0, FIRST), (0, FIRST), (1, SECOND)],
                &[(2, 0, 0), (2, 1, 1)],
            ),
            ("nobody sent", &both, &[(2, 0, 0), (2, 1, 1), (2, 2, 2)]),
            ("told Stored", &both, &[(2, 1, 0), (2, 2, 1)]),
        ];
        for (expected, told, log) in cases {
            let wrongs = wrongs(told, log);
            assert!(
                wrongs.iter().any(|wrong| wrong.contains(expected)),
                "{expected}: {wrongs:?}"
            );
        }
    }
}

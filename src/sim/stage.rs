//! What everything in a simulation shares: the time, what is to happen next, the weather, and the
//! trace of what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::sim::dice::{Dice, Stream};
use crate::sim::event::Event;
use crate::sim::options::{FaultMix, Options};

/// Time, agenda, weather and trace. The byte level's events are [`Event`]s; the message level has
/// its own.
#[derive(Debug)]
pub(super) struct Stage<E = Event> {
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) weather: Weather,
    pub(super) trace: Trace,
    latency: (Duration, Duration),
    /// Decides how long things are on their way.
    pub(super) dice: Dice,
    agenda: BTreeMap<(Instant, u64), E>,
    events: u64,
}

impl<E> Stage<E> {
    #[expect(clippy::disallowed_methods, reason = "an Instant has no other source")]
    pub(super) fn new(seed: u64, options: &Options, trace: Trace) -> Self {
        let start = Instant::now();
        Self {
            start,
            now: start,
            weather: Weather::new(seed, options.faults.clone()),
            trace,
            latency: options.latency,
            dice: Dice::new(seed, Stream::Latency),
            agenda: BTreeMap::new(),
            events: 0,
        }
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(super) fn at(&mut self, time: Instant, event: E) {
        self.agenda.insert((time.max(self.now), self.events), event);
        self.events += 1;
    }

    pub(super) fn after(&mut self, pause: Duration, event: E) {
        self.at(self.now + pause, event);
    }

    /// When the next event is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.agenda.first_key_value().map(|((time, _), _)| *time)
    }

    /// The next event that is due now.
    pub(super) fn pop(&mut self) -> Option<E> {
        let entry = self.agenda.first_entry()?;
        (entry.key().0 <= self.now).then(|| entry.remove())
    }

    /// How long bytes take from one machine to another.
    pub(super) fn latency(&mut self) -> Duration {
        let micros = |time: Duration| u32::try_from(time.as_micros()).expect("short");
        let usual = self
            .dice
            .micros(micros(self.latency.0), micros(self.latency.1));
        let slow = self.weather.mix.slow;
        match self.weather.strikes("slow", slow) {
            true => usual * 20,
            false => usual,
        }
    }

    pub(super) fn note(
        &mut self,
        what: &'static str,
        numbers: [i64; 3],
        text: impl FnOnce() -> String,
    ) {
        self.trace.note(self.now - self.start, what, numbers, text);
    }

    /// What the run that ends here came to.
    pub(super) fn summary(&self, acknowledged: u32, failed: u32, steps: u64) -> Summary {
        Summary {
            hash: self.trace.hash(),
            acknowledged,
            failed,
            faults: u32::try_from(self.weather.struck.len()).expect("few faults"),
            steps,
            simulated: self.elapsed(),
        }
    }
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) hash: u64,
    pub(super) acknowledged: u32,
    pub(super) failed: u32,
    pub(super) faults: u32,
    pub(super) steps: u64,
    pub(super) simulated: Duration,
}

/// Decides which faults happen.
#[derive(Debug)]
pub(super) struct Weather {
    pub(super) mix: FaultMix,
    /// Whether anything goes wrong at the moment.
    pub(super) is_bad: bool,
    pub(super) dice: Dice,
    /// How many epochs brokers have invented.
    pub(super) far_epochs: i32,
    /// How many decisions were taken; their number is their name.
    decisions: u64,
    /// Faults that happened: the decision, and what it was.
    pub(super) struck: Vec<(u64, &'static str)>,
    /// Decisions that come out well, whatever the lot says: for making a failure smaller.
    spared: BTreeSet<u64>,
}

impl Weather {
    pub(super) fn new(seed: u64, mix: FaultMix) -> Self {
        Self {
            mix,
            is_bad: false,
            dice: Dice::new(seed, Stream::Faults),
            far_epochs: 0,
            decisions: 0,
            struck: Vec::new(),
            spared: BTreeSet::new(),
        }
    }

    pub(super) fn spare(&mut self, decisions: &BTreeSet<u64>) {
        self.spared.clone_from(decisions);
    }

    /// Whether a fault happens now.
    pub(super) fn strikes(&mut self, what: &'static str, per_mille: u32) -> bool {
        if !self.is_bad || per_mille == 0 {
            return false;
        }
        let decision = self.decisions;
        self.decisions += 1;
        let strikes = self.dice.chance(per_mille) && !self.spared.contains(&decision);
        if strikes {
            self.struck.push((decision, what));
        }
        strikes
    }
}

/// What happened: always as a hash, in words only if there is a reader.
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    reader: Reader,
    lines: Vec<String>,
    /// How often each kind of thing happened; a kind may be in here twice.
    marks: Vec<(&'static str, u64)>,
}

const LAST_EVENTS: usize = 100;

/// Who reads the trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reader {
    Nobody,
    /// The lines are kept, for when something fails.
    Later,
    /// The lines are printed.
    Now,
}

impl Trace {
    pub(super) fn new(reader: Reader) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            reader,
            lines: Vec::new(),
            marks: Vec::new(),
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// Prints the last lines.
    pub(super) fn print_end(&self, what: &str) {
        println!("--- the last events of {what}:");
        for line in { &self.lines }
            .iter()
            .skip(self.lines.len().saturating_sub(LAST_EVENTS))
        {
            println!("{line}");
        }
    }

    /// Something that is rare, and that a range of seeds is expected to come across.
    pub(super) fn mark(&mut self, what: &'static str) {
        // The same text may be in two places: then it counts in two, until `marks` adds them.
        let known = self.marks.iter_mut();
        match { known }.find(|(known, _)| std::ptr::eq(*known, what)) {
            Some((_, times)) => *times += 1,
            None => self.marks.push((what, 1)),
        }
    }

    /// How often each kind of thing happened.
    pub(super) fn add_marks(&self, marks: &mut BTreeMap<&'static str, u64>) {
        for (what, times) in &self.marks {
            *marks.entry(what).or_default() += times;
        }
    }

    pub(super) fn note(
        &mut self,
        elapsed: Duration,
        what: &'static str,
        numbers: [i64; 3],
        text: impl FnOnce() -> String,
    ) {
        self.mark(what);
        let name = what.bytes().fold(0_u64, |name, byte| {
            name.wrapping_mul(31).wrapping_add(byte.into())
        });
        let time = elapsed.as_nanos() as u64;
        let [a, b, c] = numbers.map(|number| number as u64);
        for word in [name, time, a, b, c] {
            let mixed = (self.hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.hash = mixed ^ (mixed >> 29);
        }
        if self.reader == Reader::Nobody {
            return;
        }
        let line = format!(
            "{:>13.3} ms  {what:<11}  {}",
            elapsed.as_secs_f64() * 1e3,
            text()
        );
        if self.reader == Reader::Now {
            println!("{line}");
        }
        self.lines.push(line);
    }
}

//! What both levels of the simulation do with seeds: a fixed range, a fresh one, one twice, a replay,
//! a hunt, and all there is to say about one that fails. Knows nothing of what a schedule is.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::sim::hunt::{self, Tally, fresh_seed, is_on_errand, number};
use crate::sim::options::Options;
use crate::sim::promise::{I15, broken_if, message};
use crate::sim::shrink::{Cuts, shrink};
use crate::sim::stage::{Reader, Stage, Summary, Trace};

/// A way to run seeds.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) name: &'static str,
    /// Where its tests are.
    pub(super) module: &'static str,
    pub(super) attempt: fn(u64, Reader, &Cuts) -> Attempt,
    pub(super) fixed_seeds: u64,
    /// Rare states that the fixed range comes to.
    pub(super) marks: &'static [&'static str],
    /// Every so many seeds of a hunt one is run twice.
    pub(super) twice_each: u64,
}

/// What was drawn for a seed, what happened, and what it came to: a summary, or why it failed.
#[derive(Debug)]
pub(super) struct Attempt {
    options: Options,
    trace: Trace,
    struck: Vec<(u64, &'static str)>,
    result: Result<Summary, String>,
}

impl Attempt {
    /// Keeps of a world what is worth telling.
    pub(super) fn new<E>(
        options: Options,
        stage: Stage<E>,
        result: Result<Summary, String>,
    ) -> Self {
        Self {
            options,
            trace: stage.trace,
            struck: stage.weather.struck,
            result,
        }
    }
}

/// What a run comes to; a broken promise is a panic.
pub(super) fn outcome(run: impl FnOnce() -> Summary) -> Result<Summary, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| message(&*panic))
}

impl Level {
    fn quietly(&self, seed: u64, cuts: &Cuts) -> Attempt {
        (self.attempt)(seed, Reader::Nobody, cuts)
    }

    /// Runs one seed; if it fails, says all there is to say about it.
    pub(super) fn check(&self, seed: u64) -> Summary {
        let attempt = self.quietly(seed, &Cuts::NONE);
        attempt
            .result
            .unwrap_or_else(|why| self.explain(seed, &why))
    }

    /// Runs a failing seed again, with fewer faults if that is possible, and with a trace.
    fn explain(&self, seed: u64, failure: &str) -> ! {
        let struck = |cuts: &Cuts| {
            let attempt = self.quietly(seed, cuts);
            let struck = attempt.struck.iter().map(|(id, _)| *id);
            attempt.result.is_err().then(|| struck.collect())
        };
        let cuts = match number("SIM_SHRINK") {
            Some(0) => Cuts::NONE,
            _ => shrink(struck),
        };
        let attempt = (self.attempt)(seed, Reader::Later, &cuts);
        let what = format!("seed {seed}, without {} faults", cuts.spared.len());
        attempt.trace.print_end(&what);
        println!("--- {:#?}", attempt.options);
        println!("--- faults: {:?}", attempt.struck);
        println!("--- smaller: {:?}", attempt.result.err());
        panic!(
            "seed {seed} failed: {failure}\n\
             replay: SIM_SEED={seed} cargo test {}::replay -- --nocapture",
            self.module
        );
    }

    /// Runs the fixed range, and counts what it comes across: a simulation that comes across less
    /// than it used to would fail in silence.
    pub(super) fn run_fixed_range(&self) {
        if is_on_errand() {
            return;
        }
        let mut marks = BTreeMap::new();
        for seed in 0..self.fixed_seeds {
            let attempt = self.quietly(seed, &Cuts::NONE);
            attempt.trace.add_marks(&mut marks);
            if let Err(failure) = attempt.result {
                self.explain(seed, &failure);
            }
        }
        println!("{marks:#?}");
        let missed: Vec<_> = { self.marks.iter() }
            .filter(|mark| !marks.contains_key(*mark))
            .collect();
        assert!(missed.is_empty(), "no seed has come to {missed:?}");
    }

    pub(super) fn run_fresh_seed(&self) {
        if is_on_errand() {
            return;
        }
        let seed = fresh_seed();
        println!("SIM_SEED={seed}");
        self.check(seed);
    }

    pub(super) fn run_seeds_twice(&self) {
        if is_on_errand() {
            return;
        }
        for seed in 0..20 {
            let (first, second) = (self.check(seed), self.check(seed));
            broken_if(I15, first != second, || {
                format!("seed {seed} gives {first:?} and {second:?}")
            });
        }
    }

    /// `SIM_SEED`: one seed, with a trace of one line per event.
    pub(super) fn replay(&self) {
        let Some(seed) = number("SIM_SEED") else {
            return;
        };
        let attempt = (self.attempt)(seed, Reader::Now, &Cuts::NONE);
        println!("{:#?}", attempt.options);
        match attempt.result {
            Ok(summary) => println!("{summary:?}"),
            Err(failure) => self.explain(seed, &failure),
        }
    }

    /// `SIM_RUNS`: that many seeds; the first one that breaks a promise ends it.
    pub(super) fn hunt(&self) {
        let run = |seed| {
            let summary = self.quietly(seed, &Cuts::NONE).result?;
            if seed % self.twice_each == 0 {
                let again = self.quietly(seed, &Cuts::NONE).result;
                if again != Ok(summary) {
                    return Err(format!("{I15}: {summary:?}, and then {again:?}"));
                }
            }
            Ok(Tally {
                records: u64::from(summary.acknowledged) + u64::from(summary.failed),
                faults: summary.faults.into(),
                simulated: summary.simulated,
                digest: summary.hash,
            })
        };
        let found = hunt::hunt(self.name, run);
        if let Some((seed, failure)) = found.into_iter().flatten().next() {
            self.explain(seed, &failure);
        }
    }
}

//! The deterministic simulation: the production sender, accumulator, cluster view, connection and
//! codec, in bytes, on a virtual clock, against the mock's brokers over a simulated network. One
//! seed, one schedule: what it draws, what happens, and in which order, is the same each time.
//!
//! ```text
//!   workload ──append──> Accumulator ──> Sender <──> Connection (client) ~~~ network ~~~ brokers
//!       ^                                  │                                                │
//!       └──────────── checker <─ outcomes ─┘          checker <─ requests and logs ─────────┘
//! ```
//!
//! | | |
//! |---|---|
//! | `cargo test sim` | the seeds that once failed, a fixed range, one fresh seed |
//! | `SIM_SEED=7 cargo test sim::replay -- --nocapture` | one seed, with a trace |
//! | `SIM_RUNS=100000 cargo test --profile sim sim::hunt -- --nocapture` | fresh seeds, on all cores |
//!
//! A failure says which seed, what was drawn, and which promise was broken. What
//! is fixed becomes a named test in `scenarios`, and its seed a line of `seeds.txt`.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a simulation is a test: its numbers are small, and a panic tells"
)]

mod brokers;
mod calamities;
mod checker;
mod client;
mod dice;
mod flights;
mod habits;
mod hunt;
mod lies;
mod network;
mod options;
mod promise;
mod scenarios;
mod schedules;
mod shrink;
mod stage;
mod workload;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hunt::{Tally, fresh_seed, is_on_errand, number};
use options::Options;
use promise::{I15, broken_if, message};
use shrink::{Cuts, MayFail, shrink};
use stage::Reader;
use world::{Summary, World};

/// Runs one schedule; panics if a promise is broken.
fn run(world: &mut World) -> Summary {
    world.run_workload();
    world.heal();
    if world.options.close_after.is_none() {
        world.add_probe();
    }
    world.run_until_idle();
    world.add_closer();
    world.run_until_idle();
    world.finish()
}

/// What a seed came to: a summary, or why it failed.
fn attempt(seed: u64, reader: Reader, cuts: &Cuts) -> (World, Result<Summary, String>) {
    let mut options = Options::swarm(seed);
    options.records = options.records.min(cuts.records);
    let mut world = World::new(seed, options, reader);
    world.stage.weather.spare(&cuts.spared);
    let result = catch_unwind(AssertUnwindSafe(|| run(&mut world)));
    (world, result.map_err(|panic| message(&*panic)))
}

/// Runs one seed; if it fails, says all there is to say about it.
fn check(seed: u64) -> Summary {
    check_and_mark(seed, &mut BTreeMap::new())
}

/// The same, and counts what happened.
fn check_and_mark(seed: u64, marks: &mut BTreeMap<&'static str, u64>) -> Summary {
    let (world, result) = attempt(seed, Reader::Nobody, &Cuts::NONE);
    world.stage.trace.add_marks(marks);
    result.unwrap_or_else(|failure| explain(seed, &failure))
}

/// Runs a failing seed again, with fewer faults if that is possible, and with a trace.
fn explain(seed: u64, failure: &str) -> ! {
    let cuts = match number("SIM_SHRINK") {
        Some(0) => Cuts::NONE,
        _ => shrink(|cuts| struck(seed, cuts)),
    };
    let (world, result) = attempt(seed, Reader::Later, &cuts);
    let what = format!("seed {seed}, without {} faults", cuts.spared.len());
    world.stage.trace.print_end(&what);
    println!("--- {:#?}", world.options);
    println!("--- faults: {:?}", world.stage.weather.struck);
    println!("--- smaller: {:?}", result.err());
    panic!(
        "seed {seed} failed: {failure}\nreplay: SIM_SEED={seed} cargo test sim::replay -- --nocapture"
    );
}

/// Every so many seeds of a hunt one is run twice.
const TWICE_EACH: u64 = 64;

/// The faults of a failing seed.
fn struck(seed: u64, cuts: &Cuts) -> MayFail {
    let (world, result) = attempt(seed, Reader::Nobody, cuts);
    let struck = world.stage.weather.struck.iter().map(|(id, _)| *id);
    result.is_err().then(|| struck.collect())
}

#[test]
fn keeps_its_promises_under_the_seeds_that_once_broke_them() {
    if is_on_errand() {
        return;
    }
    let lines = include_str!("seeds.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let seed = line.split_whitespace().next().expect("not empty");
        check(seed.parse().expect("a line begins with a seed"));
    }
}

#[test]
fn keeps_its_promises_under_a_fixed_range_of_seeds() {
    if is_on_errand() {
        return;
    }
    let mut marks = BTreeMap::new();
    for seed in 0..FIXED_SEEDS {
        check_and_mark(seed, &mut marks);
    }
    // A simulation that comes across less than it used to would fail in silence.
    println!("{marks:#?}");
    let missed: Vec<_> = MARKS
        .iter()
        .filter(|mark| !marks.contains_key(*mark))
        .collect();
    assert!(missed.is_empty(), "no seed has come to {missed:?}");
}

/// What the fixed range comes across, rare as it may be.
const MARKS: [&str; 44] = [
    "acknowledged",
    "timed out, not written",
    "timed out, may be written",
    "failed, not written",
    "failed, may be written",
    "closed",
    "memory granted",
    "memory refused",
    "lost",
    "disconnect",
    "BLOW",
    "CUT",
    "SILENCE",
    "DEAF",
    "CRASH",
    "RESTART",
    "STALL",
    "MOVE",
    "LEADERLESS",
    "PAUSE",
    "late request",
    "MUTE",
    "drip",
    "FORGET",
    "WIND",
    "RECREATE",
    "GROW",
    "rebootstrap",
    "throttle",
    "omission",
    "mangled answer",
    "truncated answer",
    "several batches in a request",
    "sent again",
    "pipeline full",
    "duplicate answered",
    "hint followed",
    "epoch bumped",
    "another producer id",
    "batch split",
    "sequence wrapped",
    "flush while sending again",
    "close with records on their way",
    "idle connection closed",
];

const FIXED_SEEDS: u64 = 500;

#[test]
fn keeps_its_promises_under_a_fresh_seed() {
    if is_on_errand() {
        return;
    }
    let seed = fresh_seed();
    println!("SIM_SEED={seed}");
    check(seed);
}

#[test]
fn the_same_seed_is_the_same_schedule() {
    if is_on_errand() {
        return;
    }
    for seed in 0..20 {
        let (first, second) = (check(seed), check(seed));
        broken_if(I15, first != second, || {
            format!("seed {seed} gives {first:?} and {second:?}")
        });
    }
}

/// `SIM_SEED`: one seed, with a trace of one line per event.
#[test]
fn replay() {
    let Some(seed) = number("SIM_SEED") else {
        return;
    };
    let (world, result) = attempt(seed, Reader::Now, &Cuts::NONE);
    println!("{:#?}", world.options);
    match result {
        Ok(summary) => println!("{summary:?}"),
        Err(failure) => explain(seed, &failure),
    }
}

/// `SIM_RUNS`: that many seeds; the first one that breaks a promise ends it.
#[test]
fn hunt() {
    let run = |seed| {
        let (_, result) = attempt(seed, Reader::Nobody, &Cuts::NONE);
        let summary = result?;
        if seed % TWICE_EACH == 0 {
            let (_, again) = attempt(seed, Reader::Nobody, &Cuts::NONE);
            if again != Ok(summary) {
                return Err(format!("{I15}: {summary:?}, and then {again:?}"));
            }
        }
        Ok(Tally {
            records: u64::from(summary.acknowledged) + u64::from(summary.failed),
            faults: summary.faults.into(),
            simulated: summary.simulated,
        })
    };
    let found = hunt::hunt("byte level", run);
    if let Some((seed, failure)) = found.into_iter().flatten().next() {
        explain(seed, &failure);
    }
}

//! The message-level simulation: the production sender and accumulator against brokers and
//! connections that pass whole requests, without bytes. Knows less than the byte level, and runs many
//! times as many schedules. One seed, one schedule.
//!
//! | | |
//! |---|---|
//! | `cargo test schedules` | a fixed range, and a fresh seed |
//! | `SIM_SEED=7 cargo test schedules::replay -- --nocapture` | one seed, with a trace |
//! | `SIM_RUNS=1000000 cargo test --profile sim schedules::hunt -- --nocapture` | fresh seeds, on all cores |

mod cluster;
mod faults;
mod links;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::sim::hunt::{self, Tally, fresh_seed, is_on_errand, number};
use crate::sim::options::Options;
use crate::sim::promise::{I15, broken_if, message};
use crate::sim::shrink::{Cuts, MayFail, shrink};
use crate::sim::stage::Reader;
use world::World;

/// Runs a seed, without what is cut.
fn attempt(seed: u64, reader: Reader, cuts: &Cuts) -> (World, Result<(), String>) {
    let mut options = Options::short(seed);
    options.records = options.records.min(cuts.records);
    let mut world = World::new(seed, options, reader);
    world.weather.spare(&cuts.spared);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    (world, result.map_err(|panic| message(&*panic)))
}

fn struck(seed: u64, cuts: &Cuts) -> MayFail {
    let (world, result) = attempt(seed, Reader::Nobody, cuts);
    let struck = world.weather.struck.iter().map(|(id, _)| *id);
    result.is_err().then(|| struck.collect())
}

/// Runs one seed; if it fails, says all there is to say about it.
fn check(seed: u64, marks: &mut BTreeMap<&'static str, u64>) -> u64 {
    let (world, result) = attempt(seed, Reader::Nobody, &Cuts::NONE);
    world.trace.add_marks(marks);
    if let Err(failure) = result {
        explain(seed, &failure);
    }
    world.trace.hash()
}

fn explain(seed: u64, failure: &str) -> ! {
    let cuts = match number("SIM_SHRINK") {
        Some(0) => Cuts::NONE,
        _ => shrink(|cuts| struck(seed, cuts)),
    };
    let (world, result) = attempt(seed, Reader::Later, &cuts);
    let options = format!("{:#?}", world.options);
    world.trace.print_end(&format!(
        "seed {seed}, without {} faults",
        cuts.spared.len()
    ));
    println!("--- {options}\n--- faults: {:?}", world.weather.struck);
    println!("--- smaller: {:?}", result.err());
    panic!(
        "seed {seed} failed: {failure}\n\
         replay: SIM_SEED={seed} cargo test schedules::replay -- --nocapture"
    );
}

const FIXED_SEEDS: u64 = 2_000;

/// Rare states that the fixed range comes to.
const MARKS: [&str; 27] = [
    "lost",
    "CUT",
    "CRASH",
    "STALL",
    "MOVE",
    "LEADERLESS",
    "PAUSE",
    "late request",
    "FORGET",
    "RECREATE",
    "GROW",
    "WIND",
    "refusal",
    "full socket",
    "throttle",
    "omission",
    "mangled answer",
    "several batches in a request",
    "sent again",
    "pipeline full",
    "duplicate answered",
    "hint followed",
    "epoch bumped",
    "another producer id",
    "batch split",
    "sequence wrapped",
    "close with records on their way",
];

#[test]
fn keeps_its_promises_under_a_fixed_range_of_seeds() {
    if is_on_errand() {
        return;
    }
    let mut marks = BTreeMap::new();
    for seed in 0..FIXED_SEEDS {
        check(seed, &mut marks);
    }
    println!("{marks:#?}");
    let missed: Vec<_> = { MARKS.iter() }
        .filter(|mark| !marks.contains_key(*mark))
        .collect();
    assert!(missed.is_empty(), "no seed has come to {missed:?}");
}

#[test]
fn keeps_its_promises_under_a_fresh_seed() {
    if is_on_errand() {
        return;
    }
    let seed = fresh_seed();
    println!("SIM_SEED={seed}");
    check(seed, &mut BTreeMap::new());
}

#[test]
fn the_same_seed_is_the_same_schedule() {
    if is_on_errand() {
        return;
    }
    for seed in 0..20 {
        let twice = [(); 2].map(|()| check(seed, &mut BTreeMap::new()));
        broken_if(I15, twice[0] != twice[1], || format!("seed {seed}"));
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
    if let Err(failure) = result {
        explain(seed, &failure);
    }
}

/// `SIM_RUNS`: that many seeds; the first one that breaks a promise ends it.
#[test]
fn hunt() {
    let run = |seed| {
        let (world, result) = attempt(seed, Reader::Nobody, &Cuts::NONE);
        result?;
        if seed % 256 == 0 {
            let (again, _) = attempt(seed, Reader::Nobody, &Cuts::NONE);
            if again.trace.hash() != world.trace.hash() {
                return Err(format!("{I15}: twice, with different traces"));
            }
        }
        Ok(Tally {
            records: u64::from(world.checker.acknowledged) + u64::from(world.checker.failed),
            faults: world.weather.struck.len() as u64,
            simulated: world.now - world.start,
        })
    };
    let found = hunt::hunt("message level", run);
    if let Some((seed, failure)) = found.into_iter().flatten().next() {
        explain(seed, &failure);
    }
}

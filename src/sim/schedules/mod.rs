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

use crate::sim::level::{Attempt, Level, outcome};
use crate::sim::options::Options;
use crate::sim::shrink::Cuts;
use crate::sim::stage::Reader;
use world::World;

/// Runs a seed, without what is cut.
fn attempt(seed: u64, reader: Reader, cuts: &Cuts) -> Attempt {
    let mut options = Options::short(seed);
    options.records = options.records.min(cuts.records);
    let mut world = World::new(seed, options, reader);
    world.stage.weather.spare(&cuts.spared);
    let result = outcome(|| world.run());
    Attempt::new(world.options, world.stage, result)
}

const LEVEL: Level = Level {
    name: "message level",
    module: "schedules",
    attempt,
    fixed_seeds: 2_000,
    twice_each: 256,
    marks: &[
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
        "answer in another order",
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
        "purged records",
        "purged outcome held",
    ],
};

#[test]
fn keeps_its_promises_under_a_fixed_range_of_seeds() {
    LEVEL.run_fixed_range();
}

#[test]
fn keeps_its_promises_under_a_fresh_seed() {
    LEVEL.run_fresh_seed();
}

#[test]
fn the_same_seed_is_the_same_schedule() {
    LEVEL.run_seeds_twice();
}

#[test]
fn replay() {
    LEVEL.replay();
}

#[test]
fn hunt() {
    LEVEL.hunt();
}

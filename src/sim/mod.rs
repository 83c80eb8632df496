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
//! A failure says which seed, what was drawn, and which promise was broken. Once it is fixed it becomes
//! a named test in `scenarios`, and its seed a line of `seeds.txt`.
//!
//! The files in an order in which each uses only those before it:
//!
//! - chance and time: `dice`, `options` (what a seed draws), `event`, `stage` (clock, agenda, faults,
//!   trace), `network`;
//! - what is promised, and who looks: `promise`, `record` (what is sent), `ledger` (what it costs),
//!   `checker`, `flights` and `habits` (the sender from outside), `counting_interceptor`;
//! - the two sides: `lies`, `brokers`, `client`, `caller`;
//! - `world`, which has all of these and runs a schedule; `scenarios`;
//! - `transactions`, a level of its own: the same world with a transactional producer;
//! - `shrink`, `hunt` and `level`, which run many seeds and know nothing of what a schedule is. They
//!   serve `schedules`, too: the same promises in messages instead of bytes.
//!
//! A seed has to keep giving the same schedule, or the seeds on record would test nothing: a new draw
//! takes a stream of its own (`dice::Stream`), or is taken only where an option turns it on. That
//! nothing has changed is seen by the digest that a hunt prints (`SIM_RUNS=2000 SIM_FROM=0`).

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a simulation is a test: its numbers are small, and a panic tells"
)]

mod brokers;
mod caller;
mod checker;
mod client;
mod counting_interceptor;
mod dice;
mod event;
mod flights;
mod habits;
mod hunt;
mod layer;
mod ledger;
mod level;
mod lies;
mod network;
mod options;
mod promise;
mod record;
mod scenarios;
mod schedules;
mod shrink;
mod stage;
mod transactions;
mod world;

use hunt::is_on_errand;
use level::{Attempt, Level, outcome};
use options::Options;
use shrink::Cuts;
use stage::{Reader, Summary};
use world::World;

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

/// Runs a seed, without what is cut.
fn attempt(seed: u64, reader: Reader, cuts: &Cuts) -> Attempt {
    run_options(seed, Options::swarm(seed), reader, cuts)
}

fn run_options(seed: u64, mut options: Options, reader: Reader, cuts: &Cuts) -> Attempt {
    options.records = options.records.min(cuts.records);
    let mut world = World::new(seed, options, reader);
    world.stage.weather.spare(&cuts.spared);
    let result = outcome(|| run(&mut world));
    Attempt::new(world.options, world.stage, result)
}

const LEVEL: Level = Level {
    name: "byte level",
    module: "sim",
    attempt,
    fixed_seeds: 500,
    twice_each: 64,
    marks: &[
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
        "ANOTHER CLUSTER",
        "rebootstrap",
        "throttle",
        "omission",
        "mangled answer",
        "answer in another order",
        "truncated answer",
        "several batches in a request",
        "sent again",
        "pipeline full",
        "duplicate answered",
        "hint followed",
        "far hint",
        "epoch bumped",
        "another producer id",
        "batch split",
        "sequence wrapped",
        "flush while sending again",
        "close with records on their way",
        "idle connection closed",
        "purged records",
        "purged outcome held",
    ],
};

#[test]
fn keeps_its_promises_under_the_seeds_that_once_broke_them() {
    if is_on_errand() {
        return;
    }
    let lines = include_str!("seeds.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let seed = line.split_whitespace().next().expect("not empty");
        LEVEL.check(seed.parse().expect("a line begins with a seed"));
    }
}

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

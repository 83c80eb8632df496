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
//! | `SIM_RUNS=100000 cargo test sim::hunt -- --nocapture` | fresh seeds for as long as one likes |
//!
//! A failure says which seed, what was drawn, and whether it was safety, liveness or a panic. What
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
mod checker;
mod client;
mod dice;
mod network;
mod options;
mod scenarios;
mod stage;
mod workload;
mod world;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use crate::sync::{AtomicU64, Ordering};
use options::Options;
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
fn attempt(seed: u64, reader: Reader, spared: &BTreeSet<u64>) -> (World, Result<Summary, String>) {
    let mut world = World::new(seed, Options::swarm(seed), reader);
    world.stage.weather.spare(spared);
    let result = catch_unwind(AssertUnwindSafe(|| run(&mut world)));
    (world, result.map_err(|panic| message(&*panic)))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a text".to_owned())
}

/// Runs one seed; if it fails, says all there is to say about it.
fn check(seed: u64) -> Summary {
    check_and_mark(seed, &mut BTreeMap::new())
}

/// The same, and counts what happened.
fn check_and_mark(seed: u64, marks: &mut BTreeMap<&'static str, u64>) -> Summary {
    let (world, result) = attempt(seed, Reader::Nobody, &BTreeSet::new());
    for (what, times) in world.stage.trace.marks {
        *marks.entry(what).or_default() += times;
    }
    result.unwrap_or_else(|failure| explain(seed, &failure))
}

/// Runs a failing seed again, with fewer faults if that is possible, and with a trace.
fn explain(seed: u64, failure: &str) -> ! {
    let spared = shrink(seed);
    let (world, result) = attempt(seed, Reader::Later, &spared);
    let lines = &world.stage.trace.lines;
    println!(
        "--- the last events of seed {seed}, without {} faults:",
        spared.len()
    );
    for line in lines.iter().skip(lines.len().saturating_sub(LAST_EVENTS)) {
        println!("{line}");
    }
    println!("--- {:#?}", world.options);
    println!("--- faults: {:?}", world.stage.weather.struck);
    println!("--- smaller: {:?}", result.err());
    panic!(
        "seed {seed} failed: {failure}\nreplay: SIM_SEED={seed} cargo test sim::replay -- --nocapture"
    );
}

const LAST_EVENTS: usize = 100;
const MOST_SHRINKS: usize = 400;

/// Faults that a failing seed does not need: leaves them out by halves, then one by one.
fn shrink(seed: u64) -> BTreeSet<u64> {
    let mut spared = BTreeSet::new();
    let mut tries = 0;
    let mut part = usize::MAX;
    while tries < MOST_SHRINKS {
        let (world, result) = attempt(seed, Reader::Nobody, &spared);
        if result.is_ok() {
            return BTreeSet::new();
        }
        let struck: Vec<u64> = world
            .stage
            .weather
            .struck
            .iter()
            .map(|(id, _)| *id)
            .collect();
        part = part.min(struck.len().div_ceil(2));
        if part == 0 {
            break;
        }
        let smaller = struck.chunks(part).map(|some| {
            let mut spared = spared.clone();
            spared.extend(some);
            spared
        });
        let found = smaller.into_iter().find(|spared| {
            tries += 1;
            attempt(seed, Reader::Nobody, spared).1.is_err()
        });
        match found {
            Some(smaller) => spared = smaller,
            None if part == 1 => break,
            None => part = part.div_ceil(2),
        }
    }
    spared
}

/// Whether the tests that take long leave the field to `replay` or `hunt`.
fn is_on_errand() -> bool {
    env::var_os("SIM_SEED").is_some() || env::var_os("SIM_RUNS").is_some()
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "a hunt tells how fast it is, and where it starts"
)]
fn clock() -> Instant {
    Instant::now()
}

/// A seed that nobody has tried.
fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() >> 16
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
const MARKS: [&str; 21] = [
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
        assert_eq!(check(seed), check(seed), "seed {seed}");
    }
}

/// `SIM_SEED`: one seed, with a trace of one line per event.
#[test]
fn replay() {
    let Some(seed) = number("SIM_SEED") else {
        return;
    };
    let (world, result) = attempt(seed, Reader::Now, &BTreeSet::new());
    println!("{:#?}", world.options);
    match result {
        Ok(summary) => println!("{summary:?}"),
        Err(failure) => explain(seed, &failure),
    }
}

/// `SIM_RUNS`: that many seeds, from `SIM_FROM` on or from anywhere, on `SIM_THREADS` threads.
#[test]
fn hunt() {
    let Some(runs) = number("SIM_RUNS") else {
        return;
    };
    let from = number("SIM_FROM").unwrap_or_else(fresh_seed);
    let threads = number("SIM_THREADS").unwrap_or(1);
    let started = clock();
    let next = AtomicU64::new(0);
    let work = || {
        let mut total = Summary::default();
        loop {
            let run = next.fetch_add(1, Ordering::Relaxed);
            if run >= runs {
                return total;
            }
            let summary = check(from.wrapping_add(run));
            total.acknowledged += summary.acknowledged;
            total.failed += summary.failed;
            total.faults += summary.faults;
            total.steps += summary.steps;
            total.simulated += summary.simulated;
        }
    };
    let totals: Vec<Summary> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("a seed failed"))
            .collect()
    });
    let took = clock() - started;
    let sum = |of: fn(&Summary) -> u64| totals.iter().map(of).sum::<u64>();
    let simulated: Duration = totals.iter().map(|total| total.simulated).sum();
    println!(
        "{runs} schedules from seed {from} in {took:.1?}: {:.0} per second, {} records \
         acknowledged, {} failed, {} faults, {} steps, {:.1} simulated hours",
        runs as f64 / took.as_secs_f64(),
        sum(|total| total.acknowledged.into()),
        sum(|total| total.failed.into()),
        sum(|total| total.faults.into()),
        sum(|total| total.steps),
        simulated.as_secs_f64() / 3_600.0,
    );
}

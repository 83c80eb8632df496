//! Builds the copy and runs it, once for each defect: seeds from 0 on, one after the other, until
//! one breaks a promise. As many defects at a time as there are cores.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;
use std::{env, thread};

use crate::Result;
use crate::defect::Defect;

/// The first seed that saw a defect, and which promise it found broken.
#[derive(Clone)]
pub(crate) struct Caught {
    /// Where not in the simulation of bytes.
    pub(crate) level: &'static str,
    pub(crate) seed: u64,
    pub(crate) promise: String,
}

/// What came of all of them.
pub(crate) struct Results {
    /// One for each defect, in their order.
    pub(crate) caught: Vec<Option<Caught>>,
    /// What was seen without a defect.
    pub(crate) alarm: Option<String>,
    pub(crate) seeds: u64,
}

/// The hunts, in the order in which they are tried. The second is quicker, and knows no bytes.
const LEVELS: [(&str, &str); 2] = [("", "sim::hunt"), (" (messages)", "sim::schedules::hunt")];

/// The one for defects that only a transactional producer can have.
const TRANSACTIONS: (&str, &str) = (" (transactions)", "sim::transactions::hunt");

/// Looks whether the tests of the copy compile. Shares what `cargo clippy` has made of the
/// dependencies in the tree, for the same features, so that little is left to do.
pub(crate) fn check(root: &Path, copy: &Path) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["check", "--locked", "--profile=test", "--package=linger"]);
    cargo.args(["--lib", "--all-features"]).current_dir(copy);
    if env::var_os("CARGO_TARGET_DIR").is_none() {
        cargo.env("CARGO_TARGET_DIR", root.join("target"));
    }
    let status = cargo.status().map_err(|error| format!("cargo: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err("the copy with the defects does not compile".to_owned()),
    }
}

/// Builds the tests of the copy; returns the program. Dependencies are shared with the tree's own
/// builds.
pub(crate) fn build(root: &Path, copy: &Path) -> Result<PathBuf> {
    let arguments = [
        "test",
        "--locked",
        "--profile=sim",
        "--package=linger",
        "--lib",
        "--no-run",
        "--message-format=json-render-diagnostics",
    ];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .env("CARGO_TARGET_DIR", root.join("tests/defects/target"))
        .current_dir(copy)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err("the copy with the defects does not build".to_owned());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut programs = messages.lines().filter_map(|line| {
        let (_, rest) = line.split_once("\"executable\":\"")?;
        Some(PathBuf::from(rest.split('"').next()?))
    });
    programs
        .next()
        .ok_or_else(|| "cargo has built no program".to_owned())
}

/// Looks for every defect, and with `with_clean` for what is seen without one.
pub(crate) fn all(
    program: &Path,
    copy: &Path,
    defects: &[Defect],
    seeds: u64,
    with_clean: bool,
) -> Result<Results> {
    // The one that takes longest comes first.
    let clean = with_clean.then_some(None);
    let jobs = clean.into_iter().chain(defects.iter().map(Some));
    let jobs = Mutex::new(jobs.enumerate());
    let done = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let job = lock(&jobs).next();
            let Some((place, defect)) = job else {
                return Ok(());
            };
            let name = defect.map_or("", |defect| &defect.name);
            let started = Instant::now();
            let levels: Vec<_> = match defect {
                Some(defect) if defect.is_of_transactions() => vec![TRANSACTIONS],
                Some(_) => LEVELS.to_vec(),
                None => LEVELS.into_iter().chain([TRANSACTIONS]).collect(),
            };
            let found = hunt(program, copy, name, &levels, seeds)?;
            let took = started.elapsed().as_secs_f64();
            match (&found, name) {
                (None, "") => println!("no defect: nothing in {seeds} seeds, {took:.1} s"),
                (None, name) => println!("{name}: MISSED in {seeds} seeds, {took:.1} s"),
                (Some(Caught { seed, promise, .. }), name) => {
                    println!("{name}: seed {seed}, {promise}, {took:.1} s");
                }
            }
            lock(&done).push((place, found));
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let results = workers.into_iter().map(|one| one.join());
        results
            .map(|result| result.unwrap_or_else(|_| Err("a thread panicked".to_owned())))
            .collect::<Result<Vec<()>>>()
    })?;
    let mut done = std::mem::take(&mut *lock(&done));
    done.sort_by_key(|(place, _)| *place);
    let mut found: Vec<_> = done.into_iter().map(|(_, found)| found).collect();
    let alarm = match with_clean && !found.is_empty() {
        true => found
            .remove(0)
            .map(|one| format!("seed {}, {}", one.seed, one.promise)),
        false => None,
    };
    Ok(Results {
        caught: found,
        alarm,
        seeds,
    })
}

fn hunt(
    program: &Path,
    copy: &Path,
    planted: &str,
    levels: &[(&'static str, &str)],
    seeds: u64,
) -> Result<Option<Caught>> {
    for &(level, test) in levels {
        let output = Command::new(program)
            .args([test, "--exact", "--nocapture"])
            .env("PLANTED", planted)
            .env("SIM_FROM", "0")
            .env("SIM_RUNS", seeds.to_string())
            .env("SIM_THREADS", "1")
            .env("SIM_SHRINK", "0")
            .current_dir(copy)
            .output()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let found = text.lines().find_map(|line| violation(level, line));
        match (found, output.status.success()) {
            (Some(found), _) => return Ok(Some(found)),
            (None, true) if text.contains(" schedules, ") => {}
            (None, _) => return Err(format!("{planted}: {test} has not run:\n{text}")),
        }
    }
    Ok(None)
}

/// Reads "byte level: seed 7 broke I5 (not written is not written): record 3 …".
fn violation(level: &'static str, line: &str) -> Option<Caught> {
    let (_, rest) = line.split_once(": seed ")?;
    let (seed, rest) = rest.split_once(" broke ")?;
    let promise = match rest.split_once("): ") {
        Some((promise, _)) if promise.starts_with('I') => format!("{promise})"),
        _ => "an assertion of the producer's own".to_owned(),
    };
    Some(Caught {
        level,
        seed: seed.parse().ok()?,
        promise,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

//! Runs many schedules on all cores, and tells how it goes. Knows nothing of what a schedule is.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `SIM_RUNS` | how many schedules | the hunts do nothing |
//! | `SIM_FROM` | the first seed | one that was never tried |
//! | `SIM_THREADS` | threads | as many as there are cores |
//! | `SIM_VIOLATIONS` | violations after which it ends | 1 |

use std::env;
use std::time::{Duration, Instant};

use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, thread};

/// What schedules came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) records: u64,
    pub(super) faults: u64,
    pub(super) simulated: Duration,
    /// The sum of the schedules' hashes. A change that keeps all schedules as they were keeps the
    /// digest of a range of seeds; moving code should.
    pub(super) digest: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.records += other.records;
        self.faults += other.faults;
        self.simulated += other.simulated;
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

/// A seed, and which promise it broke.
pub(super) type Violation = (u64, String);

const BETWEEN_REPORTS: Duration = Duration::from_secs(5);

/// Runs as many seeds as the environment wants, and returns those that broke a promise; `None` if
/// no hunt is asked for.
pub(super) fn hunt(
    what: &str,
    run: impl Fn(u64) -> Result<Tally, String> + Sync,
) -> Option<Vec<Violation>> {
    let runs = number("SIM_RUNS")?;
    let from = number("SIM_FROM").unwrap_or_else(fresh_seed);
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let threads = number("SIM_THREADS").unwrap_or(cores).max(1);
    let most = number("SIM_VIOLATIONS").unwrap_or(1).max(1);
    println!("{what}: {runs} schedules from SIM_FROM={from} on {threads} threads");
    let hunt = Hunt {
        what,
        started: clock(),
        next: AtomicU64::new(0),
        is_over: AtomicBool::new(false),
        so_far: Mutex::default(),
    };
    let work = || {
        let mut unreported = (0, Tally::default());
        let mut seen = clock();
        while !hunt.is_over.load(Ordering::Relaxed) {
            let index = hunt.next.fetch_add(1, Ordering::Relaxed);
            if index >= runs {
                break;
            }
            let seed = from.wrapping_add(index);
            unreported.0 += 1;
            match run(seed) {
                Ok(tally) => unreported.1.add(tally),
                Err(violation) => hunt.on_violation(seed, violation, most),
            }
            // Reading the clock costs something where a schedule takes no longer than this.
            if unreported.0 % 16 == 0 && seen.elapsed() > BETWEEN_REPORTS / 10 {
                seen = clock();
                hunt.report(&std::mem::take(&mut unreported));
            }
        }
        hunt.report(&unreported);
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut so_far = std::mem::take(&mut *hunt.so_far.lock());
    so_far.print("end", what, hunt.started.elapsed());
    so_far.violations.sort();
    Some(so_far.violations)
}

struct Hunt<'a> {
    what: &'a str,
    started: Instant,
    next: AtomicU64,
    is_over: AtomicBool,
    so_far: Mutex<SoFar>,
}

#[derive(Debug, Default)]
struct SoFar {
    schedules: u64,
    tally: Tally,
    violations: Vec<Violation>,
    /// When the last line was printed, since the start.
    printed: Duration,
}

impl Hunt<'_> {
    fn on_violation(&self, seed: u64, violation: String, most: u64) {
        println!("{}: seed {seed} broke {violation}", self.what);
        let mut so_far = self.so_far.lock();
        so_far.violations.push((seed, violation));
        if so_far.violations.len() as u64 >= most {
            self.is_over.store(true, Ordering::Relaxed);
        }
    }

    fn report(&self, (schedules, tally): &(u64, Tally)) {
        let mut so_far = self.so_far.lock();
        so_far.schedules += schedules;
        so_far.tally.add(*tally);
        let took = self.started.elapsed();
        if took > so_far.printed + BETWEEN_REPORTS {
            so_far.printed = took;
            so_far.print("...", self.what, took);
        }
    }
}

impl SoFar {
    fn print(&self, mark: &str, what: &str, took: Duration) {
        let seconds = took.as_secs_f64().max(1e-9);
        let hours = self.tally.simulated.as_secs_f64() / 3_600.0;
        println!(
            "{mark} {what}: {} schedules, {} records, {} faults, {hours:.1} simulated hours in \
             {seconds:.1} s: {:.0} schedules/s, {:.3} simulated hours/s, {} violations, digest {:016x}",
            self.schedules,
            self.tally.records,
            self.tally.faults,
            self.schedules as f64 / seconds,
            hours / seconds,
            self.violations.len(),
            self.tally.digest,
        );
    }
}

/// A number from the environment.
pub(super) fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
    )
}

/// Whether the tests that take long leave the field to a replay or a hunt.
pub(super) fn is_on_errand() -> bool {
    env::var_os("SIM_SEED").is_some() || env::var_os("SIM_RUNS").is_some()
}

/// A seed that was never tried.
pub(super) fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() >> 16
}

#[expect(
    clippy::disallowed_methods,
    reason = "a hunt tells how fast it is; no schedule sees this clock"
)]
fn clock() -> Instant {
    Instant::now()
}

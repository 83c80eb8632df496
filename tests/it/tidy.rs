//! Rules about the sources that no compiler checks: which layer may use which, where sockets and
//! hash maps may be, how long a file may get, what may be left behind, and what we depend on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The modules of the crate, lowest first. A row may use the rows before it; modules of one row do
/// not know each other.
const LAYERS: [&[&str]; 9] = [
    &["ids", "sync", "compression", "random", "sorted_map"],
    &["protocol", "address", "backoff", "foreign"],
    &["record", "error", "given"],
    &["serializer", "partitioner", "interceptor", "event"],
    &["config", "metrics"],
    &["accumulator", "connection", "cluster", "transport"],
    &["sender", "channel"],
    &["driver", "check"],
    &["producer"],
];

/// The files of the accumulator, lowest first, by the same rule.
const ACCUMULATOR: [&[&str]; 10] = [
    &["group", "lanes", "losses", "ratio", "tally", "undelivered"],
    &["completion", "topic_compression"],
    &["callback", "recycler"],
    &["budget"],
    &["batch", "record_limit"],
    &["queue"],
    &["notices", "outcome", "topics"],
    &["sealed", "compress_job"],
    &["append"],
    &["mod", "model", "tests"],
];

/// The mock cluster stands beside the layers, on the lowest three.
const TESTING_MAY_USE: [&str; 6] = ["ids", "sync", "compression", "protocol", "record", "error"];
/// The simulation, which only tests have, takes the place of the two highest layers. The doors for
/// the benchmarks stand above all of them and may use everything.
const SIM_MAY_NOT_USE: [&str; 3] = ["driver", "check", "producer"];
const SOCKETS: [&str; 3] = [
    "src/transport/",
    "src/testing/server.rs",
    "src/testing/tests",
];
/// What a simulation replays: the order of a hash map would differ from run to run.
const NO_HASH_MAP: [&str; 4] = [
    "src/sender/",
    "src/channel/",
    "src/connection/",
    "src/cluster/",
];
const LEFT_OVERS: [&str; 6] = ["TODO", "FIXME", "XXX", "dbg", "todo", "unimplemented"];
const MAX_LINES: usize = 700;
/// Of a file's product code: what stands before its tests, outside of the simulation and the models.
const MAX_PRODUCT_LINES: usize = 500;
const MAX_CRATES: usize = 30;
/// They bind C libraries, or need a C compiler.
const BANNED_CRATES: [&str; 3] = ["openssl-sys", "native-tls", "aws-lc-sys"];

/// A file below the package (`src/sender/mod.rs`), and its text.
struct Source(String, String);

/// Asks every source file for its complaints.
fn complaints(about: impl Fn(&Source) -> Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open: Vec<PathBuf> = ["src", "tests/it", "tests/fork", "tests/codec", "examples"]
        .map(|one| root.join(one))
        .into();
    let (mut files, mut found) = (0, Vec::new());
    while let Some(path) = open.pop() {
        if let Ok(entries) = fs::read_dir(&path) {
            open.extend(entries.map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|one| one == "rs") {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            files += 1;
            found.extend(about(&Source(name, fs::read_to_string(&path).unwrap())));
        }
    }
    assert!(files > 50, "the sources are where they were");
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

impl Source {
    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.0.starts_with(place))
    }

    /// The module right below the crate: `sender`. None for `lib.rs` and outside.
    fn module(&self) -> Option<&str> {
        let module = self.0.strip_prefix("src/")?.split('/').next()?;
        Some(module.trim_end_matches(".rs")).filter(|one| *one != "lib")
    }

    /// How many lines it has that are no tests.
    fn product_lines(&self) -> usize {
        let is_test = ["/tests", "/model", "src/sim/", "tests/"]
            .iter()
            .any(|part| self.0.contains(part));
        let product = self.1.lines().take_while(|line| *line != "mod tests {");
        if is_test { 0 } else { product.count() }
    }

    /// [`lines`](Self::lines) for what stands before the file's tests.
    fn product(&self, what: &str, wrong: impl Fn(&str) -> bool) -> Vec<String> {
        let product = self.1.split("\nmod tests {").next().unwrap_or_default();
        Self(self.0.clone(), product.to_owned()).lines(what, wrong)
    }

    /// A complaint for each line of code, comments left out, that is `wrong`.
    fn lines(&self, what: &str, wrong: impl Fn(&str) -> bool) -> Vec<String> {
        let code = |line: &str| !line.trim_start().starts_with("//");
        let lines = (1..).zip(self.1.lines());
        let wrong = lines.filter(|(_, line)| code(line) && wrong(line));
        wrong
            .map(|(number, line)| format!("{}:{number}: {what}: {line}", self.0))
            .collect()
    }
}

/// Whether all modules of the crate that a line names (`crate::sender::Sender`) are below `user`.
fn points_down(user: &str, line: &str) -> bool {
    let row = |name: &str| LAYERS.iter().position(|row| row.contains(&name));
    let may_use = |used: &str| match (row(user), row(used)) {
        _ if user == used => true,
        _ if user == "benchmarks" => true,
        _ if user == "sim" => !SIM_MAY_NOT_USE.contains(&used),
        (Some(user), Some(used)) => used < user,
        _ => user == "testing" && TESTING_MAY_USE.contains(&used),
    };
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let used = line.split("crate::").skip(1);
    let mut names = used.map(|rest| rest.split(|c| !is_name(c)).next().unwrap_or(rest));
    // What `lib.rs` offers itself begins with a capital letter; `crate::{…}` has no name at all.
    names.all(|name| name.starts_with(char::is_uppercase) || may_use(name))
}

#[test]
fn imports_point_down() {
    complaints(|source| match source.module() {
        Some(module) => source.lines("not a lower layer", |line| !points_down(module, line)),
        None => Vec::new(),
    });
}

/// Whether a line in this file of the accumulator names a file of it that is below, if any.
fn points_down_in_the_accumulator(user: &str, line: &str) -> bool {
    let row = |name: &str| ACCUMULATOR.iter().position(|row| row.contains(&name));
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let used = line.split("crate::accumulator::").skip(1);
    let mut names = used.map(|rest| rest.split(|c| !is_name(c)).next().unwrap_or(rest));
    // `Accumulator` itself, of which `append` is a part, begins with a capital letter.
    names.all(|name| name.starts_with(char::is_uppercase) || row(name) < row(user))
}

#[test]
fn imports_inside_the_accumulator_point_down() {
    complaints(|source| match source.0.strip_prefix("src/accumulator/") {
        Some(file) => {
            let user = file.trim_end_matches(".rs");
            let mut found = source.lines("not a lower file", |line| {
                !points_down_in_the_accumulator(user, line)
            });
            if ACCUMULATOR.iter().all(|row| !row.contains(&user)) {
                found.push(format!("{} is in no row", source.0));
            }
            found
        }
        None => Vec::new(),
    });
}

#[test]
fn every_module_has_a_layer() {
    complaints(|source| {
        let beside = ["testing", "sim", "benchmarks"];
        let module = source.module().filter(|module| !beside.contains(module));
        let new = module.filter(|module| LAYERS.iter().all(|row| !row.contains(module)));
        new.map(|_| format!("{} is in no layer", source.0))
            .into_iter()
            .collect()
    });
}

#[test]
fn sockets_are_in_one_layer_and_in_the_mock_cluster_server() {
    let opens = |line: &str| {
        ["std::net", "rustix::net", "rustix::event", "rustix::io"]
            .iter()
            .any(|word| line.contains(word))
    };
    complaints(|source| match source.module() {
        Some(_) if !source.is_in(&SOCKETS) => source.lines("sockets belong to transport", opens),
        _ => Vec::new(),
    });
}

#[test]
fn locks_and_atomics_come_from_one_module() {
    let names = |line: &str| {
        let std = line.split("std::sync::").skip(1);
        line.contains("parking_lot") || std.clone().any(|rest| !rest.starts_with("mpsc"))
    };
    complaints(|source| match source.module() {
        Some("sync") | None => Vec::new(),
        Some(_) => source.lines("comes from crate::sync", names),
    });
}

#[test]
fn foreign_panics_and_loggers_are_contained_in_one_module() {
    let logs = |line: &str| {
        let mut words = line.split(|c: char| !(c.is_alphanumeric() || "_:!".contains(c)));
        words.any(|word| {
            let mut levels = ["error", "warn", "info", "debug", "trace", "log"].iter();
            levels.any(|level| word.trim_start_matches(':') == format!("log::{level}!"))
        })
    };
    let catches = |line: &str| line.contains("catch_unwind");
    complaints(|source| match source.module() {
        None | Some("foreign") => Vec::new(),
        Some(_) => {
            let mut found = source.lines("log with log_warn! and the like: a logger panics", logs);
            if source.module() != Some("sim") {
                found.extend(source.product("catch with foreign::contain", catches));
            }
            found
        }
    });
}

#[test]
fn what_a_simulation_replays_has_no_hash_map() {
    let unordered = |line: &str| line.contains("HashMap") || line.contains("HashSet");
    complaints(|source| match source.is_in(&NO_HASH_MAP) {
        true => source.lines("differs from run to run", unordered),
        false => Vec::new(),
    });
}

#[test]
fn metrics_are_read_only_where_the_user_asks_for_them() {
    let reads = |line: &str| line.contains("ProducerMetrics") || line.contains(".snapshot(");
    // The trait names what the producer returns, transactional ones ask theirs, and the mock producer makes
    // one up.
    const MAY: [&str; 4] = [
        "src/producer/mod.rs",
        "src/producer/produce.rs",
        "src/producer/transactional",
        "src/producer/mock/calls.rs",
    ];
    complaints(|source| match source.module() {
        None | Some("metrics") => Vec::new(),
        _ if source.is_in(&MAY) => Vec::new(),
        Some(_) => source.lines("metrics only observe; see accumulator/tally.rs", reads),
    });
}

#[test]
fn files_say_what_they_are_stay_readable_and_leave_nothing_behind() {
    let marked = |line: &str| {
        let mut words = line.split(|c: char| !c.is_alphanumeric());
        words.any(|word| LEFT_OVERS.contains(&word)) || line.trim().starts_with("#[ignore")
    };
    complaints(|source| {
        let Source(path, text) = source;
        let marked = text.lines().any(marked) && !path.ends_with("tidy.rs");
        let rules = [
            (!text.starts_with("//!"), "does not open with what it is"),
            (
                text.lines().count() > MAX_LINES,
                "is longer than a reader's patience",
            ),
            (
                source.product_lines() > MAX_PRODUCT_LINES,
                "has more product code than a reader keeps in mind",
            ),
            (marked, "has left-overs"),
        ];
        let broken = rules.into_iter().filter(|(broken, _)| *broken);
        broken.map(|(_, rule)| format!("{path} {rule}")).collect()
    });
}

#[test]
fn dependencies_are_few_and_bind_no_tls_library_of_c() {
    let manifest = concat!(
        "--manifest-path=",
        env!("CARGO_MANIFEST_DIR"),
        "/Cargo.toml"
    );
    let arguments = [
        "tree",
        "--edges=normal",
        "--prefix=none",
        "--offline",
        "--package=linger",
        manifest,
    ];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let tree = String::from_utf8(output.stdout).unwrap();
    let crates: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(crates.contains("linger"), "{tree}");
    assert!(
        crates.len() <= MAX_CRATES,
        "{} crates: {crates:?}",
        crates.len()
    );
    let banned = BANNED_CRATES
        .iter()
        .find(|banned| crates.contains(**banned));
    assert_eq!(banned, None, "it binds a C library");
}

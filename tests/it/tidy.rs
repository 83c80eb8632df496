//! Rules about the sources that no compiler checks: which layer may use which, where sockets and
//! hash maps may be, how long a file may get, what may be left behind, and what we depend on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The modules of the crate, lowest first. A row may use the rows above it here, and itself only
/// within one module.
const LAYERS: [&[&str]; 9] = [
    &["ids", "sync"],
    &["protocol"],
    &["record", "error"],
    &["serializer", "partitioner"],
    &["config", "metrics"],
    &["accumulator", "connection", "cluster", "transport"],
    &["sender"],
    &["driver"],
    &["producer"],
];

/// The mock cluster stands beside the layers, on the lowest three.
const TESTING_MAY_USE: [&str; 5] = ["ids", "sync", "protocol", "record", "error"];

const MAX_LINES: usize = 700;
const MAX_CRATES: usize = 25;
/// They bind C libraries, or need a C compiler.
const BANNED_CRATES: [&str; 3] = ["openssl-sys", "native-tls", "aws-lc-sys"];

struct Source {
    /// Below the package: `src/sender/mod.rs`.
    path: String,
    text: String,
}

impl Source {
    /// The module right below the crate, if it is not `lib.rs`: `sender`.
    fn module(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        let module = below.split('/').next()?.trim_end_matches(".rs");
        (module != "lib").then_some(module)
    }

    /// The lines that are neither comments nor empty, each with its number.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = (1..).zip(self.text.lines());
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn complain(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// Every source file of the package.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    let mut open: Vec<PathBuf> = ["src", "tests", "examples"]
        .map(|one| root.join(one))
        .into();
    while let Some(path) = open.pop() {
        if let Ok(entries) = fs::read_dir(&path) {
            open.extend(entries.map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|one| one == "rs") {
            sources.push(Source {
                path: path.strip_prefix(root).unwrap().display().to_string(),
                text: fs::read_to_string(&path).unwrap(),
            });
        }
    }
    sources.retain(|source| !source.path.contains("/target/"));
    assert!(sources.len() > 50, "the sources are where they were");
    sources
}

fn complaints(of: impl Fn(&Source) -> Vec<String>) {
    let all: Vec<String> = sources().iter().flat_map(of).collect();
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

/// The modules that a line names: `sender` of `crate::sender::Sender`.
fn crate_paths(line: &str) -> impl Iterator<Item = &str> {
    let end = |rest: &str| rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    line.split("crate::")
        .skip(1)
        .map(move |rest| end(rest).map_or(rest, |end| &rest[..end]))
        .filter(|name| name.starts_with(|c: char| c.is_lowercase()))
}

fn may_use(user: &str, used: &str) -> bool {
    let row = |name: &str| LAYERS.iter().position(|row| row.contains(&name));
    match (row(user), row(used)) {
        _ if user == used => true,
        (Some(user), Some(used)) => used < user,
        _ => user == "testing" && TESTING_MAY_USE.contains(&used),
    }
}

#[test]
fn imports_point_down() {
    complaints(|source| {
        let Some(module) = source.module() else {
            return Vec::new();
        };
        let used = source.code().flat_map(|(number, line)| {
            assert!(
                !line.contains("crate::{"),
                "{}: one line for each module",
                source.path
            );
            crate_paths(line).map(move |used| (number, used))
        });
        let wrong = used.filter(|(_, used)| !may_use(module, used));
        wrong
            .map(|(number, used)| source.complain(number, &format!("{module} uses {used}")))
            .collect()
    });
}

#[test]
fn every_module_has_a_layer() {
    let known: BTreeSet<&str> = LAYERS.into_iter().flatten().copied().collect();
    complaints(|source| {
        let module = source.module().filter(|one| *one != "testing");
        let new = module.filter(|one| !known.contains(one));
        new.map(|_| source.complain(1, "is in no layer"))
            .into_iter()
            .collect()
    });
}

/// The first argument tells which files the rule is about.
fn banned(about: impl Fn(&str) -> bool, words: &[&str], why: &str) {
    complaints(|source| {
        if !about(&source.path) || source.path.ends_with("tidy.rs") {
            return Vec::new();
        }
        let lines = source.code();
        let wrong = lines.filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        wrong
            .map(|(number, _)| source.complain(number, why))
            .collect()
    });
}

#[test]
fn sockets_are_in_one_layer_and_in_the_mock_cluster_server() {
    let elsewhere = |path: &str| {
        let allowed = [
            "src/transport/",
            "src/testing/server.rs",
            "src/testing/tests",
        ];
        path.starts_with("src/") && !allowed.iter().any(|one| path.starts_with(one))
    };
    banned(
        elsewhere,
        &["std::net", "TcpStream", "rustix::"],
        "sockets belong to transport",
    );
}

#[test]
fn what_a_simulation_replays_has_no_hash_map() {
    let modules = ["src/sender/", "src/connection/", "src/cluster/"];
    let replayed = |path: &str| modules.iter().any(|module| path.starts_with(module));
    let why = "the order of a hash map differs from run to run";
    banned(replayed, &["HashMap", "HashSet"], why);
}

#[test]
fn nothing_unfinished_is_left_behind() {
    complaints(|source| {
        let markers = ["TODO", "FIXME", "XXX", "dbg", "todo", "unimplemented"];
        let is_marker = |word: &str| markers.contains(&word);
        let lines = (1..).zip(source.text.lines());
        let words = |line: &str| line.split(|c: char| !c.is_alphanumeric()).any(is_marker);
        let wrong = lines.filter(|(_, line)| words(line) || line.trim() == "#[ignore]");
        let wrong = wrong.filter(|_| !source.path.ends_with("tidy.rs"));
        wrong
            .map(|(number, _)| source.complain(number, "is a left-over"))
            .collect()
    });
}

#[test]
fn files_say_what_they_are_and_stay_readable() {
    complaints(|source| {
        let lines = source.text.lines().count();
        let long = lines > MAX_LINES;
        let silent = !source.text.starts_with("//!");
        let long = long.then(|| source.complain(lines, "is longer than a reader's patience"));
        let silent = silent.then(|| source.complain(1, "does not open with what it is"));
        long.into_iter().chain(silent).collect()
    });
}

#[test]
fn dependencies_are_few_and_bind_no_tls_library_of_c() {
    let arguments = ["tree", "--edges", "normal", "--prefix", "none", "--offline"];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
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
    for banned in BANNED_CRATES {
        assert!(!crates.contains(banned), "{banned}");
    }
}

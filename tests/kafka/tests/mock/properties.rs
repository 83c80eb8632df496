//! librdkafka's own list of its properties, against what we make of each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use linger::{ProducerConfig, Properties};
use serde_json::Value;

/// A row of `CONFIGURATION.md`, which librdkafka prints from its own table.
struct Row {
    name: String,
    range: String,
    default: String,
}

/// Those of the version that these tests are built with.
fn rows() -> Vec<Row> {
    let path = sources_of("rdkafka-sys").join("librdkafka/CONFIGURATION.md");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let rows: Vec<_> = text.lines().filter_map(row).collect();
    assert!(rows.len() > 150, "{}", rows.len());
    rows
}

fn row(line: &str) -> Option<Row> {
    let columns: Vec<_> = line.split('|').map(str::trim).collect();
    let [name, user, range, default, ..] = columns[..] else {
        return None;
    };
    ["*", "P", "C"].contains(&user).then(|| Row {
        name: name.to_owned(),
        range: range.to_owned(),
        default: default.to_owned(),
    })
}

/// Where cargo has a package that we depend on.
fn sources_of(package: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{output:?}");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let found = packages
        .iter()
        .find(|one| one["name"] == package)
        .expect("a dependency");
    let manifest = found["manifest_path"].as_str().expect("a path");
    Path::new(manifest).parent().expect("a folder").to_owned()
}

fn config(name: &str, value: &str) -> Result<ProducerConfig, String> {
    let minimal = Properties::from([
        ("bootstrap.servers", "127.0.0.1:9092"),
        ("key.serializer", "bytes"),
        ("value.serializer", "bytes"),
    ]);
    // Their defaults are for producers that are not idempotent.
    let properties = minimal.set("enable.idempotence", false).set(name, value);
    ProducerConfig::from_properties(&properties).map_err(|error| error.to_string())
}

#[test]
fn each_is_known_and_what_librdkafka_does_by_default_is_possible_where_it_can_be_said() {
    // Their defaults ask for what does not exist here; that of `allow.auto.create.topics` is for
    // consumers.
    let refused = ["allow.auto.create.topics", "builtin.features"];
    for Row {
        name,
        range,
        default,
    } in rows()
    {
        let value = match (default.as_str(), name.as_str()) {
            // Of a topic's own configuration, which says so of all topics.
            ("inherit", _) => "none",
            ("", "metadata.broker.list" | "bootstrap.servers") => "127.0.0.1:9092",
            ("", _) => range.split([',', ' ']).next().unwrap_or_default(),
            (default, _) => default,
        };
        match config(&name, value) {
            Ok(_) => assert!(!refused.contains(&name.as_str()), "{name}"),
            Err(error) => {
                assert!(!error.contains("unknown property"), "{error}");
                let may_be = value.is_empty() || refused.contains(&name.as_str());
                assert!(may_be, "{name}={value}: {error}");
            }
        }
    }
}

/// The tables about librdkafka in `docs/CONFIGURATION.md`: name and default there.
fn documented() -> Vec<(String, Option<String>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFIGURATION.md");
    let text = fs::read_to_string(path).expect("it is there");
    let (_, tables) = text
        .split_once("\n## librdkafka's names\n")
        .expect("the last section");
    let mut column = None;
    let mut documented = Vec::new();
    for line in tables.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if line.starts_with("| librdkafka") || line.starts_with("| name") {
            column = cells.iter().position(|cell| *cell == "default there");
        } else if let Some(name) = line.strip_prefix("- `") {
            documented.push((name.trim_end_matches('`').to_owned(), None));
        } else if line.starts_with("| `") {
            let default = column.map(|column| cells[column].trim_matches('`').to_owned());
            documented.push((
                cells[1].trim_matches('`').to_owned(),
                default.filter(|default| !default.is_empty()),
            ));
        }
    }
    documented
}

#[test]
fn our_documentation_says_of_librdkafka_what_librdkafka_says() {
    let theirs: BTreeMap<String, String> = rows()
        .into_iter()
        .map(|row| (row.name, row.default))
        .collect();
    let documented = documented();
    let names: BTreeSet<_> = documented.iter().map(|(name, _)| name.clone()).collect();
    // That was added after the version that these tests are built with.
    let newer = BTreeSet::from(["sasl.oauthbearer.sub.claim.name".to_owned()]);
    let known: BTreeSet<_> = theirs.keys().cloned().collect();
    let unknown: Vec<_> = names
        .difference(&known)
        .filter(|one| !newer.contains(*one))
        .collect();
    assert!(unknown.is_empty(), "librdkafka does not have {unknown:?}");
    let missing: Vec<_> = known.difference(&names).collect();
    assert!(missing.is_empty(), "our tables do not have {missing:?}");
    let mut compared = 0;
    for (name, default) in documented {
        if let Some(default) = default {
            assert_eq!(default, theirs[&name], "{name}");
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared}");
}

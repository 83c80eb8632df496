//! What the documents point at exists: files, headings, sources and tests. Whoever renames one of
//! these hears of it here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 7] = [
    "",
    "docs",
    "docs/migrating",
    "docs/results",
    "examples",
    "benches/peers",
    "tests/kafka",
];
/// Where the sources are that documents name; a name may leave out `src/`.
const SOURCES: [&str; 6] = ["src/", "tests/", "examples/", "benches/", "docs/", ".ci/"];

struct Document {
    path: PathBuf,
    /// Without its blocks of code.
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether this is the repository, and not the published package, which has fewer files.
fn is_repository() -> bool {
    root().join(".ci/run").exists()
}

fn documents() -> Vec<Document> {
    let mut found = Vec::new();
    for folder in FOLDERS.map(|folder| root().join(folder)) {
        let entries = fs::read_dir(folder).into_iter().flatten();
        let paths = entries.map(|entry| entry.unwrap().path());
        found.extend(paths.filter(|path| path.extension().is_some_and(|one| one == "md")));
    }
    assert!(found.len() > 10, "the documents are where they were");
    let read = |path: PathBuf| Document {
        text: without_blocks(&fs::read_to_string(&path).unwrap()),
        path,
    };
    found.into_iter().map(read).collect()
}

/// The text without fenced and indented blocks.
fn without_blocks(text: &str) -> String {
    let mut is_fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced && !line.starts_with("    ") {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

impl Document {
    fn name(&self) -> String {
        self.path
            .strip_prefix(root())
            .unwrap()
            .display()
            .to_string()
    }

    /// What stands between backticks, and what stands outside of them.
    fn code_and_prose(&self) -> (Vec<&str>, String) {
        let parts = self.text.split('`').enumerate();
        let (code, prose): (Vec<_>, Vec<_>) = parts.partition(|(index, _)| index % 2 == 1);
        let prose: Vec<&str> = prose.into_iter().map(|(_, part)| part).collect();
        (
            code.into_iter().map(|(_, part)| part).collect(),
            prose.concat(),
        )
    }

    /// The names that links give to its headings, as GitHub makes them.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.text.lines().filter(|line| line.starts_with('#'));
        headings.map(anchor).collect()
    }
}

fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        _ if c.is_alphanumeric() => Some(c),
        _ => None,
    });
    kept.collect()
}

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    let documents = documents();
    let mut broken = Vec::new();
    for document in &documents {
        let (_, prose) = document.code_and_prose();
        for link in prose.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let path = match file {
                "" => document.path.clone(),
                file => document.path.with_file_name(file),
            };
            let target = path.canonicalize();
            let is_there = match &target {
                Ok(path) if !heading.is_empty() => documents.iter().any(|other| {
                    other.path.canonicalize().unwrap() == *path && other.anchors().contains(heading)
                }),
                target => target.is_ok() || !is_repository(),
            };
            if !is_there {
                broken.push(format!("{}: {link}", document.name()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links\n{}", broken.join("\n"));
}

#[test]
fn sources_that_documents_name_exist() {
    if !is_repository() {
        return;
    }
    let is_path = |code: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        let is_rust = code.contains('/') && code.ends_with(".rs");
        code.chars().all(is_plain)
            && !code.contains("/target")
            && !code.contains("NAME")
            && (is_rust || SOURCES.iter().any(|folder| code.starts_with(folder)))
    };
    let mut missing = Vec::new();
    // This one also names the sources of other clients.
    let documents = documents().into_iter();
    for document in documents.filter(|document| document.name() != "docs/COMPARISON.md") {
        let (code, _) = document.code_and_prose();
        for path in code.into_iter().filter(|code| is_path(code)) {
            let beside = document.path.with_file_name(path);
            let places = [root().join(path), root().join("src").join(path), beside];
            if !places.iter().any(|place| place.exists()) {
                missing.push(format!("{}: {path}", document.name()));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "no such sources\n{}",
        missing.join("\n")
    );
}

#[test]
fn tests_that_documents_name_exist() {
    if !is_repository() {
        return;
    }
    let mut sources = String::new();
    let mut open: Vec<PathBuf> = ["src", "tests/it", "examples"]
        .map(|folder| root().join(folder))
        .into();
    while let Some(path) = open.pop() {
        if let Ok(entries) = fs::read_dir(&path) {
            open.extend(entries.map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|one| one == "rs") {
            sources += &fs::read_to_string(&path).unwrap();
        }
    }
    // A test's name is a sentence: so many words that nothing else looks like it.
    let is_sentence = |code: &str| {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        code.chars().all(is_plain)
            && code.matches('_').count() >= 4
            && !code.starts_with("rd_kafka_")
    };
    let is_function = |name: &str| sources.contains(&format!("fn {name}("));
    let mut missing = Vec::new();
    for document in documents() {
        let (code, _) = document.code_and_prose();
        let names = code.into_iter().filter(|code| is_sentence(code));
        let unknown =
            names.filter(|name| !is_function(name) && !sources.contains(&format!("{name}:")));
        missing.extend(unknown.map(|name| format!("{}: {name}", document.name())));
    }
    assert!(missing.is_empty(), "no such tests\n{}", missing.join("\n"));
}

#[test]
fn every_example_is_listed() {
    let folder = root().join("examples");
    let list = fs::read_to_string(folder.join("README.md")).unwrap();
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let missing: Vec<String> = names
        .filter(|name| name.ends_with(".rs") && !list.contains(&format!("]({name})")))
        .collect();
    assert!(missing.is_empty(), "not in examples/README.md: {missing:?}");
}

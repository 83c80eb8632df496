//! The copy: the files of the tree as they are, also what is not committed yet, with all defects.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// What the library's tests are built from, and the other packages of its workspace, without which
/// cargo refuses to look at it.
const PARTS: [&str; 11] = [
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "src",
    "examples",
    "benches/Cargo.toml",
    ":(glob)benches/*.rs",
    "tests/clients/Cargo.toml",
    ":(glob)tests/clients/src/**",
    "tests/codec",
    "tests/data",
];

/// Makes the copy, or brings it up to date: what has not changed keeps its time, so that nothing is
/// built twice.
pub(crate) fn make(
    root: &Path,
    target: &Path,
    files: &[PathBuf],
    changed: &BTreeMap<PathBuf, String>,
) -> Result<PathBuf> {
    let (fresh, copy) = (target.join("fresh"), target.join("copy"));
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(|error| about(&fresh, &error))?;
    }
    for file in files {
        let text = match changed.get(file) {
            Some(text) => text.clone().into_bytes(),
            None => read(&root.join(file))?,
        };
        write(&fresh.join(file), &text)?;
    }
    let wanted = below(&fresh)?;
    for file in below(&copy)?.difference(&wanted) {
        fs::remove_file(copy.join(file)).map_err(|error| about(file, &error))?;
    }
    for file in wanted {
        let text = read(&fresh.join(&file))?;
        let place = copy.join(&file);
        if fs::read(&place).ok().as_ref() != Some(&text) {
            write(&place, &text)?;
        }
    }
    Ok(copy)
}

/// What the copy has of the tree: what git knows, or would take.
pub(crate) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let list = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--",
    ];
    let output = Command::new("git")
        .args(list)
        .args(PARTS)
        .current_dir(root)
        .output();
    let output = output.map_err(|error| format!("git: {error}"))?;
    let names = String::from_utf8_lossy(&output.stdout);
    let files: Vec<_> = names.split_terminator('\0').map(PathBuf::from).collect();
    // What is deleted and not committed is still in the list.
    let files: Vec<_> = files
        .into_iter()
        .filter(|file| root.join(file).is_file())
        .collect();
    match files.is_empty() {
        true => Err("git lists no files".to_owned()),
        false => Ok(files),
    }
}

/// All files below a folder, by their path from there.
fn below(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let (mut open, mut found) = (vec![folder.to_owned()], BTreeSet::new());
    while let Some(path) = open.pop() {
        if let Ok(entries) = fs::read_dir(&path) {
            for entry in entries {
                open.push(entry.map_err(|error| about(&path, &error))?.path());
            }
        } else if let Ok(file) = path.strip_prefix(folder)
            && path.is_file()
        {
            found.insert(file.to_owned());
        }
    }
    Ok(found)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).map_err(|error| about(file, &error))
}

fn write(file: &Path, text: &[u8]) -> Result<()> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder).map_err(|error| about(folder, &error))?;
    fs::write(file, text).map_err(|error| about(file, &error))
}

fn about(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

//! What came of it, as docs/results/planted-defects.md has it.

use std::path::Path;
use std::process::Command;
use std::{fs, thread};

use crate::Result;
use crate::defect::Defect;
use crate::hunt::{Caught, Results};

const HEAD: &str = "# Planted defects: the first seed that sees each\n\n\
    Written by `cargo run --release --manifest-path tests/defects/Cargo.toml -- --write`. What the \
    columns mean is in [TESTING.md](../TESTING.md#planted-defects), and the promises are those of \
    [src/sim/promise.rs](../../src/sim/promise.rs).\n\n";

pub(crate) fn markdown(defects: &[Defect], results: &Results) -> String {
    let caught = results.caught.iter().flatten().count();
    let mut text = format!(
        "{caught} of {} defects were seen within {} seeds.\n\n\
         | defect | stands for | first seed | broken promise |\n|---|---|---:|---|\n",
        defects.len(),
        results.seeds,
    );
    for (defect, caught) in defects.iter().zip(&results.caught) {
        let Defect {
            name,
            breaks,
            stands_for,
            ..
        } = defect;
        let (seed, promise) = match caught {
            Some(Caught {
                level,
                seed,
                promise,
            }) => (format!("{seed}{level}"), promise.as_str()),
            None => ("none".to_owned(), "MISSED"),
        };
        text += &format!("| `{name}`: {breaks} | {stands_for} | {seed} | {promise} |\n");
    }
    text
}

/// Writes the table, and which command has written it, when, of what and where.
pub(crate) fn write(file: &Path, table: &str) -> Result<()> {
    let folder = file.parent().unwrap_or(file);
    let text = format!("{HEAD}{}{table}", circumstances(folder));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(file, text));
    written.map_err(|error| format!("{}: {error}", file.display()))
}

/// Date, commit and machine, as far as the system tells.
fn circumstances(folder: &Path) -> String {
    let ask = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        text.ok()
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| "unknown".to_owned())
    };
    let date = ask("date", &["+%F"]);
    let commit = ask("git", &["describe", "--always", "--dirty"]);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!("Date: {date}. Commit: {commit}. Machine: {cores} cores.\n\n")
}

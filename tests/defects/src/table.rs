//! What came of it, as docs/results/planted-defects.md has it.

use std::fs;
use std::path::Path;

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

/// Writes the table, and which command has written it.
pub(crate) fn write(file: &Path, table: &str) -> Result<()> {
    let folder = file.parent().unwrap_or(file);
    let written =
        fs::create_dir_all(folder).and_then(|()| fs::write(file, format!("{HEAD}{table}")));
    written.map_err(|error| format!("{}: {error}", file.display()))
}

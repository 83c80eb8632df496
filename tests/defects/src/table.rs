//! What came of it, as docs/TESTING.md has it.

use std::fs;
use std::path::Path;

use crate::hunt::{Caught, Results};
use crate::{Defect, Result};

const BEGIN: &str = "<!-- The table of planted defects: written by a command, see above. -->";
const END: &str = "<!-- The end of that table. -->";

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

/// Puts the table between its marks.
pub(crate) fn write(file: &Path, table: &str) -> Result<()> {
    let complain = |error| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(complain)?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) = parts.ok_or("docs/TESTING.md has no place for the table")?;
    let new = format!("{before}{BEGIN}\n\n{table}\n{END}{after}");
    fs::write(file, new).map_err(complain)
}

//! Brings the files of the defects up to date with the producer, as far as no person has to think.

use std::fs;

use crate::anchor;
use crate::defect::{Defect, Edit};
use crate::source::Source;
use crate::{Result, tokens};

/// Writes new names, and the functions that code has moved to. Returns what it changes;
/// with `names` only in these defects.
pub(crate) fn refresh(
    source: &Source,
    defects: &mut [Defect],
    renames: &[(String, String)],
    names: &[String],
) -> Result<Vec<String>> {
    let mut said = Vec::new();
    let is_meant = |name: &String| names.is_empty() || names.contains(name);
    for defect in defects.iter_mut().filter(|one| is_meant(&one.name)) {
        for field in defect.edits.iter_mut().flat_map(Edit::fields_mut) {
            let mut changed = field.clone();
            for (old, new) in renames {
                changed = tokens::replace(&changed, old, new)?;
            }
            if changed != *field {
                said.push(format!("{}: `{changed}` instead of `{field}`", defect.name));
                *field = changed;
            }
        }
    }
    for problem in anchor::locate(source, defects).1 {
        let Some(moved) = problem.moved else { continue };
        let mut meant = defects.iter_mut().filter(|one| is_meant(&one.name));
        let defect = meant.find(|one| one.name == problem.defect);
        if let Some(defect) = defect {
            said.push(format!(
                "{}: In: {moved} instead of {}",
                defect.name, problem.place
            ));
            defect.edits[problem.edit].place = moved;
        }
    }
    Ok(said)
}

/// Writes those whose file says something else.
pub(crate) fn save(defects: &[Defect]) -> Result<()> {
    for defect in defects {
        let text = defect.print();
        let complain = |error| format!("{}: {error}", defect.file.display());
        if fs::read_to_string(&defect.file).map_err(complain)? != text {
            fs::write(&defect.file, text).map_err(complain)?;
        }
    }
    Ok(())
}

//! Plants defects in a copy of Linger, one at a time, and shows that the simulation sees each of
//! them within the seeds that CI runs. The copy is built once: every defect asks a switch whether it
//! is the one that is planted. The library itself knows nothing of all this.
//!
//! Each defect is a file in `tests/defects/defects` that names a function, a piece of its code, and
//! what is there instead. The code is compared by tokens, and the function is looked for in the whole
//! crate, so neither lines nor files matter. docs/CONTRIBUTING.md says how to write and mend one.
//!
//! | argument | |
//! |---|---|
//! | none | plants all of them, prints the table, fails if one was missed |
//! | `--write` | also writes the table to docs/results/planted-defects.md |
//! | `--anchors` | only looks whether the code that each defect changes is there; lists all that is not, with what may help; a second |
//! | `--check` | the same, and compiles the copy with all defects, without a program |
//! | `--refresh` | writes what has an unambiguous answer into the defects' files: a function that was moved or renamed |
//! | `--rename old=new` | the same, with another name in functions, code and its replacement; code such as `self.a.b=self.c.b`, too; more than once, if need be |
//! | `--seeds 1000` | seeds per defect |
//! | names | plants these only, and not the copy without any; or renames and refreshes only in these |

mod anchor;
mod compose;
mod copy;
mod defect;
mod hunt;
mod refresh;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use crate::defect::Defect;
use crate::source::Source;

/// What went wrong, in words for whoever runs this.
type Result<T> = std::result::Result<T, String>;

/// As many as CI has time for.
const SEEDS: u64 = 50_000;

/// What to do.
struct Arguments {
    anchors: bool,
    check: bool,
    refresh: bool,
    write: bool,
    renames: Vec<(String, String)>,
    seeds: u64,
    names: Vec<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments = Arguments::read()?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(2).ok_or("the package has moved")?;
    let mut defects = read_defects(&here.join("defects"))?;
    let files = copy::files(root)?;
    let source = Source::read(root, &files)?;
    if arguments.refresh {
        let changes =
            refresh::refresh(&source, &mut defects, &arguments.renames, &arguments.names)?;
        changes.iter().for_each(|change| println!("{change}"));
        refresh::save(&defects)?;
        println!("{} changes", changes.len());
    }
    let changed = plant(&source, &defects)?;
    println!("{} defects are in place", defects.len());
    if arguments.anchors || arguments.refresh {
        return Ok(());
    }
    let copy = copy::make(root, &here.join("target"), &files, &changed)?;
    if arguments.check {
        return hunt::check(root, &copy);
    }
    let is_wanted = |defect: &Defect| arguments.names.contains(&defect.name);
    if !arguments.names.is_empty() {
        defects.retain(is_wanted);
    }
    if defects.is_empty() {
        return Err("there is no defect of that name".to_owned());
    }
    let program = hunt::build(root, &copy)?;
    let with_clean = arguments.names.is_empty();
    let results = hunt::all(&program, &copy, &defects, arguments.seeds, with_clean)?;
    let text = table::markdown(&defects, &results);
    println!("\n{text}");
    if arguments.write {
        table::write(&root.join("docs/results/planted-defects.md"), &text)?;
    }
    let missed = results.caught.iter().filter(|one| one.is_none()).count();
    match (missed, results.alarm) {
        (0, None) => Ok(()),
        (_, Some(alarm)) => Err(format!("a false alarm, without any defect: {alarm}")),
        (missed, None) => Err(format!("{missed} defects were missed")),
    }
}

/// The text of the files that change, with all defects and the switch; or all that stands in the way.
fn plant(source: &Source, defects: &[Defect]) -> Result<BTreeMap<PathBuf, String>> {
    let (located, problems) = anchor::locate(source, defects);
    let mut complaints: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let mut changed = BTreeMap::new();
    match compose::compose(source, &located) {
        Ok(files) => changed = files,
        Err(conflicts) => complaints.extend(conflicts),
    }
    if !complaints.is_empty() {
        let number = complaints.len();
        return Err(format!(
            "{}\n\n{number} of the planted defects' anchors are broken: mend the files in \
             tests/defects/defects, with --refresh and --rename where they help",
            complaints.join("\n")
        ));
    }
    let lib = PathBuf::from("src/lib.rs");
    let file = source.files.iter().find(|file| file.path == lib);
    let text = changed.get(&lib).or(file.map(|file| &file.text));
    let text = text.ok_or("there is no src/lib.rs")?;
    changed.insert(lib, compose::with_switch(text)?);
    Ok(changed)
}

impl Arguments {
    fn read() -> Result<Self> {
        let mut read = Self {
            anchors: false,
            check: false,
            refresh: false,
            write: false,
            renames: Vec::new(),
            seeds: SEEDS,
            names: Vec::new(),
        };
        let mut given = env::args().skip(1);
        while let Some(one) = given.next() {
            match one.as_str() {
                "--anchors" => read.anchors = true,
                "--check" => read.check = true,
                "--refresh" => read.refresh = true,
                "--rename" => {
                    let names = given.next().unwrap_or_default();
                    let (old, new) = names.split_once('=').ok_or("--rename wants old=new")?;
                    read.renames.push((old.to_owned(), new.to_owned()));
                    read.refresh = true;
                }
                "--write" => read.write = true,
                "--seeds" => {
                    let number = given.next().and_then(|number| number.parse().ok());
                    read.seeds = number.ok_or("--seeds wants a number")?;
                }
                name if !name.starts_with('-') => read.names.push(name.to_owned()),
                other => return Err(format!("what does {other} mean?")),
            }
        }
        Ok(read)
    }
}

/// All of them, by name.
fn read_defects(folder: &Path) -> Result<Vec<Defect>> {
    let complain = |error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(complain)? {
        files.push(entry.map_err(complain)?.path());
    }
    files.retain(|file| file.extension().is_some_and(|one| one == "planted"));
    files.sort();
    files.iter().map(|file| Defect::read(file)).collect()
}

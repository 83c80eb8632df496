//! Plants defects in a copy of Linger, one at a time, and shows that the simulation sees each of
//! them within the seeds that CI runs. The copy is built once: every patch asks a switch whether it
//! is the one that is planted, and the first patch adds that switch. The library itself knows
//! nothing of all this.
//!
//! | argument | |
//! |---|---|
//! | none | plants all of them, prints the table, fails if one was missed |
//! | `--write` | also puts the table into docs/TESTING.md |
//! | `--check` | applies the patches, and compiles what comes of them, without a program |
//! | `--seeds 1000` | seeds per defect |
//! | names | plants these only, and not the copy without any |

mod copy;
mod hunt;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

/// What went wrong, in words for whoever runs this.
type Result<T> = std::result::Result<T, String>;

/// As many as CI has time for.
const SEEDS: u64 = 50_000;

/// One patch, and what its head says.
struct Defect {
    file: PathBuf,
    name: String,
    /// What the producer does wrong.
    breaks: String,
    /// The bug that it stands for.
    stands_for: String,
}

/// What to do.
struct Arguments {
    check: bool,
    write: bool,
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
    let (switch, mut defects) = read_patches(&here.join("patches"))?;
    let copy = copy::make(root, &here.join("target"), &switch, &defects)?;
    println!("{} patches apply", defects.len() + 1);
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
        table::write(&root.join("docs/TESTING.md"), &text)?;
    }
    let missed = results.caught.iter().filter(|one| one.is_none()).count();
    match (missed, results.alarm) {
        (0, None) => Ok(()),
        (_, Some(alarm)) => Err(format!("a false alarm, without any defect: {alarm}")),
        (missed, None) => Err(format!("{missed} defects were missed")),
    }
}

impl Arguments {
    fn read() -> Result<Self> {
        let mut read = Self {
            check: false,
            write: false,
            seeds: SEEDS,
            names: Vec::new(),
        };
        let mut given = env::args().skip(1);
        while let Some(one) = given.next() {
            match one.as_str() {
                "--check" => read.check = true,
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

/// The patch that adds the switch, and the defects, in the order in which they apply.
fn read_patches(folder: &Path) -> Result<(PathBuf, Vec<Defect>)> {
    let complain = |error| format!("{}: {error}", folder.display());
    let entries = fs::read_dir(folder).map_err(complain)?;
    let mut files = Vec::new();
    for entry in entries {
        files.push(entry.map_err(complain)?.path());
    }
    files.retain(|file| file.extension().is_some_and(|one| one == "patch"));
    files.sort();
    let mut files = files.into_iter();
    let switch = files.next().ok_or("there are no patches")?;
    let defects = files.map(Defect::read).collect::<Result<_>>()?;
    Ok((switch, defects))
}

impl Defect {
    fn read(file: PathBuf) -> Result<Self> {
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let line = |key: &str| {
            let mut lines = text.lines();
            let found = lines.find_map(|line| line.strip_prefix(key));
            let found = found.map(|rest| rest.trim().to_owned());
            found.ok_or_else(|| format!("{} has no line \"{key}\"", file.display()))
        };
        let (breaks, stands_for) = (line("Breaks:")?, line("Stands for:")?);
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let name = stem.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
        let name = name.to_owned();
        if !text.contains(&format!("planted(\"{name}\")")) {
            return Err(format!("{} asks for another switch", file.display()));
        }
        Ok(Self {
            file,
            name,
            breaks,
            stands_for,
        })
    }
}

//! Gets the clients from their registries, pinned, into `target/` here: once for each change of what is
//! pinned. A tool that is missing is an error that says what to install.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clients::{Client, Language};

/// Where everything is.
pub(crate) struct Programs {
    sources: PathBuf,
    target: PathBuf,
}

impl Programs {
    /// Installs what these clients need.
    pub(crate) fn install(clients: &[&Client]) -> Result<Self, String> {
        let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let target = sources.join("target");
        let programs = Self { sources, target };
        let languages: BTreeSet<Language> = clients.iter().map(|client| client.language).collect();
        for language in languages {
            programs.prepare(language)?;
        }
        Ok(programs)
    }

    /// The command that runs a client, without its arguments.
    pub(crate) fn command(&self, client: &Client) -> Command {
        match client.language {
            Language::Python => {
                let mut python = Command::new(self.target.join("python/bin/python"));
                python.arg(self.sources.join("python").join(client.program));
                python
            }
            Language::Node => {
                // Packages are looked for beside the program.
                let mut node = Command::new("node");
                node.arg(self.target.join("node").join(client.program));
                node
            }
            Language::Go => Command::new(self.target.join("go").join(client.program)),
            Language::Rust => Command::new(self.target.join("rust/debug").join(client.program)),
            Language::System => Command::new(self.sources.join(client.program)),
        }
    }

    fn prepare(&self, language: Language) -> Result<(), String> {
        let target = &self.target;
        match language {
            Language::Python => self.once("python", &["python/requirements.txt"], |to| {
                run("python3", "a Python 3.10 with venv", |python| {
                    python.args(["-m", "venv"]).arg(to)
                })?;
                let pip = to.join("bin/pip").display().to_string();
                run(&pip, "pip", |pip| {
                    let pinned = self.sources.join("python/requirements.txt");
                    pip.args(["install", "--quiet", "--requirement"])
                        .arg(pinned)
                })
            }),
            Language::Node => {
                let files = [
                    "node/package.json",
                    "node/package-lock.json",
                    "node/kafkajs.mjs",
                    "node/platformatic.mjs",
                ];
                self.once("node", &files, |to| {
                    for file in files {
                        let from = self.sources.join(file);
                        let name = from.file_name().expect("a file");
                        fs::copy(&from, to.join(name)).map_err(|error| error.to_string())?;
                    }
                    run("npm", "Node 20 with npm", |npm| {
                        npm.args(["ci", "--no-audit", "--no-fund", "--silent", "--prefix"])
                            .arg(to)
                    })
                })
            }
            Language::Go => run("go", "Go 1.26", |go| {
                go.args(["build", "-o"])
                    .arg(format!("{}/", target.join("go").display()))
                    .arg("./...")
                    .current_dir(self.sources.join("go"))
            }),
            Language::Rust => run("cargo", "Rust 1.95", |cargo| {
                cargo
                    .args(["build", "--locked", "--quiet", "--target-dir"])
                    .arg(target.join("rust"))
                    .current_dir(self.sources.join("rust"))
            }),
            Language::System => run("kcat", "kcat (Debian: apt-get install kcat)", |kcat| {
                kcat.arg("-V")
            }),
        }
    }

    /// Makes a folder under `target/` unless it is there, made from the same files.
    fn once(
        &self,
        folder: &str,
        files: &[&str],
        make: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Result<(), String> {
        let folder = self.target.join(folder);
        let mut wanted = Vec::new();
        for file in files {
            let text = fs::read(self.sources.join(file));
            wanted.extend(text.map_err(|error| format!("{file}: {error}"))?);
        }
        // Written last, so that what was cut short does not count.
        let stamp = folder.join("made-from");
        if fs::read(&stamp).is_ok_and(|made_from| made_from == wanted) {
            return Ok(());
        }
        // It may not be there.
        let _ = fs::remove_dir_all(&folder);
        let failed = |error: std::io::Error| format!("cannot make {}: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(failed)?;
        make(&folder)?;
        fs::write(&stamp, wanted).map_err(failed)
    }
}

fn run(
    program: &str,
    needed: &str,
    with: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<(), String> {
    let mut command = Command::new(program);
    let output = with(&mut command).output();
    let output =
        output.map_err(|error| format!("cannot run {program}: {error}; install {needed}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let status = output.status;
    Err(format!(
        "{program} ended with {status} (it needs {needed}):\n{}{}",
        said[0], said[1]
    ))
}

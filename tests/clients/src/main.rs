//! Runs other people's Kafka producers against Linger's mock cluster: plain, with each codec that they
//! have, and under faults that a client should survive. Each sends the same records, and the log
//! of the mock is compared with what the client was told: docs/TESTING.md, "Foreign clients".

mod clients;
mod install;
mod report;
mod scenario;

use std::env;
use std::process::ExitCode;

use crate::clients::{CLIENTS, Client};
use crate::install::Programs;
use crate::report::Row;
use crate::scenario::SCENARIOS;

const USAGE: &str = "usage: linger-foreign-clients [--write] [CLIENT]...

Without names all clients run, and --write puts the table into docs/results/clients.md.
";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    let write = arguments.iter().any(|one| one == "--write");
    arguments.retain(|one| one != "--write");
    let chosen: Result<Vec<&Client>, &String> = match arguments.is_empty() {
        true => Ok(CLIENTS.iter().collect()),
        false => arguments
            .iter()
            .map(|name| CLIENTS.iter().find(|one| one.name == *name).ok_or(name))
            .collect(),
    };
    let chosen = match chosen {
        Ok(chosen) => chosen,
        Err(name) => {
            let names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
            eprintln!(
                "there is no client {name:?}; there are: {}\n{USAGE}",
                names.join(" ")
            );
            return ExitCode::from(2);
        }
    };
    if write && chosen.len() < CLIENTS.len() {
        eprintln!("--write is for all clients\n{USAGE}");
        return ExitCode::from(2);
    }
    match run(&chosen, write) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every client got through.
fn run(chosen: &[&Client], write: bool) -> Result<bool, String> {
    let programs = Programs::install(chosen)?;
    let mut rows = Vec::new();
    let (mut passed, mut failed) = (0, 0);
    for client in chosen {
        let mut row = Row::new(client);
        for scenario in SCENARIOS {
            let Some(outcome) = scenario.run(client, &programs) else {
                continue;
            };
            let (name, scenario) = (client.name, scenario.name);
            match &outcome {
                Ok(()) => passed += 1,
                Err(why) => {
                    failed += 1;
                    println!("{name}: {scenario}: {why}");
                }
            }
            row.add(scenario, outcome);
        }
        println!("{}: {}", client.name, row.summary());
        rows.push(row);
    }
    if write {
        report::write(&rows)?;
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

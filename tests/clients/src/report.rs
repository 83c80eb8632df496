//! The table of what came of it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::clients::Client;
use crate::scenario::SCENARIOS;

/// A client's outcomes.
pub(crate) struct Row<'a> {
    client: &'a Client,
    outcomes: Vec<(&'static str, Result<(), String>)>,
}

impl<'a> Row<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        Self {
            client,
            outcomes: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, scenario: &'static str, outcome: Result<(), String>) {
        self.outcomes.push((scenario, outcome));
    }

    /// How many of its scenarios it got through.
    pub(crate) fn summary(&self) -> String {
        let passed = self.outcomes.iter().filter(|(_, one)| one.is_ok()).count();
        format!("{passed} of {}", self.outcomes.len())
    }

    fn cell(&self, scenario: &str) -> &str {
        match self.outcomes.iter().find(|(name, _)| *name == scenario) {
            None => "–",
            Some((_, Ok(()))) => "ok",
            Some((_, Err(_))) => "failed",
        }
    }
}

/// Writes docs/results/clients.md.
pub(crate) fn write(rows: &[Row<'_>]) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/results/clients.md");
    fs::write(&path, text(rows)).map_err(|error| format!("{}: {error}", path.display()))
}

fn text(rows: &[Row<'_>]) -> String {
    let mut text = format!(
        "# Foreign clients on the mock cluster\n\n\
         [TESTING.md](../TESTING.md#foreign-clients) says what is run. Recorded on {}, commit {}.\n\n    \
         cargo run -p linger-foreign-clients -- --write\n\n",
        said("date", &["-u", "+%Y-%m-%d"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
    );
    text += "| client | release |";
    SCENARIOS.iter().for_each(|scenario| {
        // What writes to a string does not fail.
        write!(text, " {} |", scenario.name).ok();
    });
    text += "\n|---|---|";
    text += &"---|".repeat(SCENARIOS.len());
    text += "\n";
    for row in rows {
        write!(text, "| {} | {} |", row.client.name, row.client.version).ok();
        for scenario in SCENARIOS {
            write!(text, " {} |", row.cell(scenario.name)).ok();
        }
        text += "\n";
    }
    text += "\nA dash: the client has no such codec, or does not survive this, for a reason of its own:\n\n";
    for row in rows {
        for (scenario, why) in row.client.gives_up {
            writeln!(text, "- {}, {scenario}: {why}", row.client.name).ok();
        }
    }
    let failures = rows.iter().flat_map(|row| {
        let outcomes = row.outcomes.iter();
        outcomes.filter_map(|(scenario, outcome)| {
            let why = outcome.as_ref().err()?;
            Some(format!("- {}, {scenario}: {why}\n", row.client.name))
        })
    });
    let failures: String = failures.collect();
    if !failures.is_empty() {
        text += &format!("\n{failures}");
    }
    text
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}

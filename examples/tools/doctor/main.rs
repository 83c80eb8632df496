//! Checks a Kafka cluster before a producer is started, and says what is wrong and what to do about
//! it: what answers at the bootstrap servers, whether each broker can be reached at the address that it
//! advertises, and whether the topics can be written to. See `--help`.

mod args;
mod json;
#[path = "../shared/one_dash.rs"]
mod one_dash;
#[path = "../shared/output.rs"]
mod output;
mod paint;

use std::env;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use env_logger::Env;
use linger::check::CheckReport;
use linger::{Producer, Result};

use crate::args::Args;
use crate::json::Json;
use crate::paint::Painted;

/// Exit codes, for scripts.
const HEALTHY: u8 = 0;
const UNHEALTHY: u8 = 1;
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    env_logger::init_from_env(Env::default().default_filter_or("warn"));
    let args = match Args::read(env::args_os()) {
        Ok(args) => args,
        Err(refusal) => {
            return ExitCode::from(match refusal.use_stderr() {
                true => {
                    // Nobody may be left to read it.
                    refusal.print().ok();
                    MISUSED
                }
                false => told(&refusal.render().to_string(), HEALTHY),
            });
        }
    };
    ExitCode::from(match examine(&args) {
        Ok(report) => told(&page(&args, &report), verdict(&report)),
        Err(error) => {
            writeln!(io::stderr(), "doctor: {error}").ok();
            MISUSED
        }
    })
}

/// Prints this, and returns the exit code: the given one, if it could be printed.
fn told(text: &str, exit_code: u8) -> u8 {
    match output::print("doctor", text.trim_end()) {
        true => exit_code,
        false => MISUSED,
    }
}

fn examine(args: &Args) -> Result<CheckReport> {
    let producer: Producer<[u8], [u8]> = Producer::new(&args.properties()?)?;
    let topics: Vec<&str> = args.topics.iter().map(String::as_str).collect();
    producer.check_topics(&topics, args.timeout())
}

fn verdict(report: &CheckReport) -> u8 {
    match report.is_healthy() {
        true => HEALTHY,
        false => UNHEALTHY,
    }
}

/// What is printed.
fn page(args: &Args, report: &CheckReport) -> String {
    if args.json {
        return Json(report).to_string();
    }
    let text = report.to_string();
    match io::stdout().is_terminal() && paint::is_wanted() {
        true => Painted(&text).to_string(),
        false => text,
    }
}

#[cfg(test)]
mod tests;

//! Linger's counterpart of Kafka's ConsoleProducer: the same flags, and of the same lines the same
//! records. `--help` tells what it does.

mod args;
mod failures;
mod lines;
#[path = "../shared/output.rs"]
mod output;
mod parser;
mod refusal;
#[path = "../shared/signals.rs"]
mod signals;
mod spelling;
mod stop;

use std::env;
use std::error::Error as StdError;
use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use env_logger::Env;
use linger::Producer;

use crate::args::Args;
use crate::failures::{Failures, Sent};
use crate::lines::Lines;
use crate::parser::Parser;
use crate::stop::Stop;

/// Its name in messages.
const TOOL: &str = "console_producer";

fn main() -> ExitCode {
    env_logger::init_from_env(Env::default().default_filter_or("warn"));
    let args = match Args::read(env::args_os()) {
        Ok(args) => args,
        Err(refusal) => return refusal.tell(),
    };
    for warning in args.deprecations() {
        // The records are what counts, so it goes on without a reader for its warnings.
        output::print(TOOL, warning);
    }
    if !args.ignored().is_empty() {
        log::warn!("these arguments belong to no option: {:?}", args.ignored());
    }
    start(&args).unwrap_or_else(|error| {
        complain(error);
        ExitCode::FAILURE
    })
}

fn start(args: &Args) -> Result<ExitCode, Box<dyn StdError>> {
    let reader_properties = args.reader_properties()?;
    for name in Parser::unknown(&reader_properties) {
        log::warn!("there is no reader property {name}");
    }
    let parser = Parser::new(&reader_properties)?;
    let producer = Producer::new(&args.producer_properties()?)?;
    let failures = Arc::new(Failures::new(parser.topic(), |failure| {
        log::error!("{failure}");
    }));
    let (closing, failed) = (producer.clone(), Arc::clone(&failures));
    let stop = Stop::on_signals(move || close(&closing), move || sum_up(&failed))?;

    // If somebody types, and sees what is asked: as in Java, both must be a terminal.
    let prompt =
        (io::stdin().is_terminal() && io::stdout().is_terminal()).then_some(prompt as fn());

    let outcome = produce(
        args,
        &parser,
        io::stdin().lock(),
        prompt,
        &producer,
        &failures,
        &stop,
    );
    stop.wait_if_asked();
    // First, because what is on its way may take long.
    if let Err(error) = &outcome {
        complain(error);
    }
    close(&producer);
    stop.wait_if_asked();
    sum_up(&failures);
    Ok(outcome.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
}

/// Sends what the lines say, until there are no more. Some is still on its way when this returns.
fn produce(
    args: &Args,
    parser: &Parser,
    input: impl BufRead,
    prompt: Option<fn()>,
    producer: &Producer<[u8], [u8]>,
    failures: &Arc<Failures>,
    stop: &Stop,
) -> Result<(), Box<dyn StdError>> {
    let observer = Arc::clone(failures);
    let records = producer.group(move |sent: Sent, result| {
        if let Err(error) = result {
            observer.report(&sent, error);
        }
    });
    let mut lines = Lines::new(input);
    loop {
        if let Some(prompt) = prompt {
            prompt();
        }
        let Some(line) = lines.next()? else {
            return Ok(());
        };
        // Whoever ends the program meanwhile hears what becomes of this line.
        let _line = stop.hold();
        let parts = parser.parse(&line)?;
        let record = parts.record(parser.topic());
        if args.sync {
            let number = line.number;
            if let Err(error) = producer.send_wait(record) {
                let error = format!("line number {number}: {error}");
                if stop.is_asked() {
                    complain(&error);
                }
                return Err(error.into());
            }
            continue;
        }
        if let Err(refused) = records.send_or_return(record, None, Sent::new(&line, &parts)) {
            let (error, _, sent) = refused.into_parts();
            failures.report(&sent, &error);
            if error.is_closed() {
                return Err(error.into());
            }
        }
    }
}

/// Asks for a line.
fn prompt() {
    let mut terminal = io::stdout();
    terminal
        .write_all(b">")
        .and_then(|()| terminal.flush())
        .ok();
}

/// A close that fails has told each record's failure; the rest is for the log.
fn close(producer: &Producer<[u8], [u8]>) {
    if let Err(error) = producer.close() {
        log::warn!("{error}");
    }
}

/// How many records failed, if there are any.
fn sum_up(failures: &Failures) {
    let failed = failures.count();
    if failed > 0 {
        let hint = "with --sync the first such record ends the program";
        complain(format_args!("records not acknowledged: {failed}; {hint}"));
    }
}

fn complain(error: impl Display) {
    writeln!(io::stderr(), "{TOOL}: {error}").ok();
}

#[cfg(test)]
mod tests;

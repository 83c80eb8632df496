//! The mock cluster as a program, for producers in any language. `--help` tells what it does.

mod args;
mod faults;
#[path = "../shared/one_dash.rs"]
mod one_dash;
#[path = "../shared/output.rs"]
mod output;
mod printer;
mod report;
#[path = "../shared/signals.rs"]
mod signals;

use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use linger::testing::{MockCluster, MockEvent};
use parking_lot::Mutex;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::args::Args;
use crate::printer::Printer;
use crate::report::{Style, Tally};

fn main() -> ExitCode {
    let args = match Args::read(env::args_os()) {
        Ok(args) => args,
        Err(error) => return refuse(&error),
    };
    run(&args).unwrap_or_else(|error| {
        // Nobody left to read it is no failure.
        writeln!(io::stderr(), "{TOOL}: {error}").ok();
        ExitCode::FAILURE
    })
}

/// Its name in messages.
const TOOL: &str = "mock_cluster";

/// Says what is wrong with the command line, or what it asks for: its help.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        // Nobody left to read it is no failure.
        error.print().ok();
        return ExitCode::from(2);
    }
    match output::print(TOOL, error.render().to_string().trim_end()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn run(args: &Args) -> io::Result<ExitCode> {
    let (asked, signal) = mpsc::channel();
    signals::listen(TOOL, move |signal| asked.send(signal).unwrap_or_default())?;
    let started = now();
    let printer = Arc::new(Printer::new(io::stdout())?);
    let tally = Arc::new(Mutex::new(Tally::default()));
    let seed = args.seed.unwrap_or_else(fresh_seed);
    let cluster = start(args, seed, watch(args, started, &printer, &tally))?;
    printer.begin(&greeting(args, &cluster, seed));

    // Nobody hangs up before the signal.
    let signal = signal.recv().unwrap_or(SIGTERM);
    printer.hurry();
    for node in cluster.nodes() {
        cluster.stop_broker(node);
    }
    let mut last_words = farewell(signal, started.elapsed());
    last_words.push_str(&report::summary(&cluster, &tally.lock()));
    printer.finish(&last_words, PATIENCE);
    let exit_code = u8::try_from(signals::exit_code(signal));
    Ok(exit_code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// How long a reader that does not read may hold up the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The cluster that the flags describe, which tells `observer` of all that comes.
fn start(
    args: &Args,
    seed: u64,
    observer: impl Fn(&MockEvent) + Send + Sync + 'static,
) -> io::Result<MockCluster> {
    let mut builder = MockCluster::builder()
        .brokers(args.brokers.into())
        .port(args.port)
        .seed(seed)
        .auto_create_topics(args.auto_create > 0)
        .default_partitions(args.auto_create)
        .transaction_version(args.transaction_version)
        .discard_records()
        .observer(observer)
        .paused();
    for topic in &args.topic {
        builder = builder.topic(&topic.name, topic.partitions);
    }
    let cluster = builder.start()?;
    for close in &args.close_before {
        close.install_before(&cluster);
    }
    for close in &args.close_after {
        close.install_after(&cluster);
    }
    for fail in &args.fail {
        fail.install(&cluster);
    }
    for delay in &args.delay {
        delay.install(&cluster);
    }
    // A producer that has waited for the port meets all of them.
    for node in cluster.nodes() {
        cluster.resume_broker(node);
    }
    Ok(cluster)
}

/// Counts what comes and, if it is wanted, prints it.
fn watch(
    args: &Args,
    started: Instant,
    printer: &Arc<Printer>,
    tally: &Arc<Mutex<Tally>>,
) -> impl Fn(&MockEvent) + Send + Sync + 'static {
    let (printer, tally) = (Arc::clone(printer), Arc::clone(tally));
    let (print, style) = (args.print, style());
    move |event| {
        tally.lock().count(event);
        let Some(print) = print.filter(|_| !printer.is_useless()) else {
            return;
        };
        let lines = report::lines(event, started.elapsed(), print, style);
        if !lines.is_empty() {
            printer.print(&lines);
        }
    }
}

/// Colours are for terminals whose user does not mind: <https://no-color.org>.
fn style() -> Style {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    Style {
        is_coloured: io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb,
    }
}

/// What to connect to, and what to expect.
fn greeting(args: &Args, cluster: &MockCluster, seed: u64) -> String {
    let mut text = format!("bootstrap.servers={}\n", cluster.bootstrap_servers());
    for topic in &args.topic {
        let (name, partitions) = (&topic.name, topic.partitions);
        // What writes to a string does not fail.
        writeln!(text, "topic {name}: partitions={partitions}").ok();
    }
    match args.auto_create {
        0 => text.push_str("no other topics\n"),
        partitions => {
            writeln!(text, "any other topic: partitions={partitions}").ok();
        }
    }
    for close in &args.close_before {
        writeln!(text, "fault: closes the connection before {close}").ok();
    }
    for close in &args.close_after {
        writeln!(text, "fault: closes the connection after {close}").ok();
    }
    for fail in &args.fail {
        writeln!(text, "fault: {fail}").ok();
    }
    for delay in &args.delay {
        writeln!(text, "fault: {delay}").ok();
    }
    if args.has_chance() {
        writeln!(text, "seed={seed}").ok();
    }
    text
}

fn farewell(signal: i32, elapsed: Duration) -> String {
    let name = signals::name(signal);
    // On a terminal the line has begun with ^C.
    let new_line = match signal == SIGINT && io::stdout().is_terminal() {
        true => "\n",
        false => "",
    };
    format!(
        "{new_line}ended by {name} after {:.1} s\n",
        elapsed.as_secs_f64()
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command-line tool reads the clock"
)]
fn now() -> Instant {
    Instant::now()
}

/// Short enough to be typed again.
#[expect(
    clippy::disallowed_methods,
    reason = "a command-line tool reads the clock"
)]
fn fresh_seed() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::from(since_1970.unwrap_or_default().subsec_micros())
}

#[cfg(test)]
mod tests;

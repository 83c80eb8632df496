//! Linger's counterpart of Kafka's VerifiableProducer: the same flags, the same JSON lines, so that
//! the same test tools can drive it. `--help` tells what it does.

#![expect(
    clippy::disallowed_methods,
    reason = "a command-line tool reads the clock itself"
)]

mod args;
#[path = "../shared/command_line.rs"]
mod command_line;
mod event;
mod event_log;
mod java;
#[path = "../shared/one_dash.rs"]
mod one_dash;
#[path = "../shared/output.rs"]
mod output;
#[path = "../shared/signals.rs"]
mod signals;
mod stop;
#[path = "../shared/throttle.rs"]
mod throttle;
mod transactions;

use std::env;
use std::error::Error as StdError;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use env_logger::Env;
use linger::{
    CloseReport, Producer, ProducerRecord, Properties, RecordMetadata, SharedTransactionalProducer,
};

use crate::args::Args;
use crate::event::{Event, ToolData};
use crate::event_log::{EventLog, Message};
use crate::stop::Stop;
use crate::throttle::Throttle;
use crate::transactions::Transactions;

/// Its name in messages.
const TOOL: &str = "verifiable_producer";

fn main() -> ExitCode {
    env_logger::init_from_env(Env::default().default_filter_or("warn"));
    let args: Args = match command_line::parse(TOOL, env::args_os()) {
        Ok(args) => args,
        Err(exit_code) => return exit_code,
    };
    if let Err(rule) = args.check() {
        return command_line::refuse::<Args>(rule);
    }
    if args
        .warning()
        .is_some_and(|warning| !output::print(TOOL, warning))
    {
        return ExitCode::FAILURE;
    }
    let properties = match properties(&args) {
        Ok(properties) => properties,
        Err(unreadable) => return command_line::refuse::<Args>(&unreadable.to_string()),
    };
    start(&args, &properties).unwrap_or_else(|error| {
        writeln!(io::stderr(), "{TOOL}: {error}").ok();
        ExitCode::FAILURE
    })
}

/// What sends, in transactions or not.
#[derive(Clone)]
enum AnyProducer {
    Plain(Producer<str, str>),
    Transactional(SharedTransactionalProducer<str, str>),
}

impl AnyProducer {
    fn start(args: &Args, properties: &Properties) -> linger::Result<Self> {
        if args.transactional_id.is_none() {
            return Ok(Self::Plain(Producer::new(properties)?));
        }
        let producer = SharedTransactionalProducer::new(properties)?;
        producer.init_transactions()?;
        Ok(Self::Transactional(producer))
    }

    fn close(&self) -> linger::Result<CloseReport> {
        match self {
            Self::Plain(producer) => producer.close(),
            Self::Transactional(producer) => producer.close(),
        }
    }
}

fn start(args: &Args, properties: &Properties) -> Result<ExitCode, Box<dyn StdError>> {
    let producer = AnyProducer::start(args, properties)?;
    let closer = producer.clone();
    // Closing from there wakes the main thread, too, if it waits inside of `send`.
    let stop = Stop::on_signals(move || report(closer.close()))?;
    let is_told = run(args, &producer, &stop, io::stdout());
    match stop.signal() {
        None if !is_told => Ok(ExitCode::FAILURE),
        _ => Ok(stop.exit_code()),
    }
}

/// The flags as properties, and over them those of the file. A refused record is not sent again
/// unless the file says so: the reader of the events decides what a failure means.
fn properties(args: &Args) -> linger::Result<Properties> {
    let properties = Properties::new()
        .set("bootstrap.servers", &args.bootstrap_server)
        .set("acks", &args.acks);
    let properties = match &args.transactional_id {
        // Transactions need retries.
        Some(id) => properties.set("transactional.id", id),
        None => properties.set("retries", 0),
    };
    let properties = match args.properties_file() {
        Some(file) => properties.merge(Properties::from_file(file)?),
        None => properties,
    };
    Ok(properties
        .set("key.serializer", "string")
        .set("value.serializer", "string"))
}

/// Sends, closes and tells all of it; false if some of it could not be told.
fn run(
    args: &Args,
    producer: &AnyProducer,
    stop: &Stop,
    output: impl Write + Send + 'static,
) -> bool {
    let started = Instant::now();
    let log = Arc::new(EventLog::new(output));
    log.print(&Event::StartupComplete);

    let sent = produce(args, producer, stop, &log);

    if !stop.is_handled() {
        report(producer.close());
    }
    log.print(&Event::ShutdownComplete);
    log.print(&Event::ToolData(ToolData {
        sent,
        acked: log.acked(),
        target_throughput: args.throughput,
        elapsed_ms: millis(started.elapsed()),
    }));
    !log.is_lost()
}

/// Sends one record after the other, at the wished rate; returns how many.
fn produce(args: &Args, producer: &AnyProducer, stop: &Stop, log: &Arc<EventLog>) -> u64 {
    let mut transactions = match producer {
        AnyProducer::Plain(_) => None,
        AnyProducer::Transactional(shared) => Some(Transactions::new(args, shared, stop, log)),
    };
    let sent = produce_in(args, producer, transactions.as_mut(), stop, log);
    if let Some(mut transactions) = transactions
        && stop.is_asked()
    {
        transactions.stopped();
    }
    sent
}

fn produce_in(
    args: &Args,
    producer: &AnyProducer,
    mut transactions: Option<&mut Transactions<'_>>,
    stop: &Stop,
    log: &Arc<EventLog>,
) -> u64 {
    let started = Instant::now();
    let mut throttle = Throttle::new(f64::from(args.throughput));
    let mut timestamp_ms = args.first_timestamp_ms();
    for index in 0..args.messages() {
        if stop.is_asked() {
            return index;
        }
        let sent_at = started.elapsed();
        let message = Message::new(args, index);
        if let Some(transactions) = &mut transactions
            && !transactions.before(&message)
        {
            return index;
        }
        match send(producer, &message, timestamp_ms, log) {
            // Closed under our hands: the record was never accepted.
            Err(error) if error.is_closed() && stop.is_asked() => return index,
            Err(error) => log.failed(&message, &error),
            Ok(()) => {}
        }
        if let Some(transactions) = &mut transactions
            && !transactions.after(&message, index + 1 == args.messages())
        {
            return index + 1;
        }
        // Each timestamp is later by the time since the start, as with Kafka's tool.
        timestamp_ms = timestamp_ms.map(|time| time.saturating_add_unsigned(millis(sent_at)));
        if let Some(pause) = throttle.pause_after(index, sent_at) {
            stop.wait(&pause);
        }
    }
    args.messages()
}

fn send(
    producer: &AnyProducer,
    message: &Message,
    timestamp_ms: Option<i64>,
    log: &Arc<EventLog>,
) -> linger::Result<()> {
    let mut record = ProducerRecord::new(&message.topic, &message.value);
    if let Some(key) = &message.key {
        record = record.key(key);
    }
    if let Some(timestamp_ms) = timestamp_ms {
        record = record.timestamp(timestamp_ms);
    }
    let (message, log) = (message.clone(), Arc::clone(log));
    let callback = move |result: linger::Result<RecordMetadata>| match result {
        Ok(metadata) => log.acknowledged(&message, &metadata),
        Err(error) => log.failed(&message, &error),
    };
    match producer {
        AnyProducer::Plain(producer) => producer.send(record, callback),
        AnyProducer::Transactional(producer) => producer.send(record, callback),
    }
}

/// A close that fails has told each record's callback; the rest is for the log.
fn report<T>(closed: linger::Result<T>) {
    if let Err(error) = closed {
        log::warn!("{error}");
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

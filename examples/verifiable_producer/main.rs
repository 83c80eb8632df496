//! Linger's counterpart of Kafka's VerifiableProducer: the same flags, the same JSON lines, so that
//! the same test tools can drive it. `--help` tells what it does.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command-line tool prints, and reads the clock itself"
)]

mod args;
#[path = "../shared/command_line.rs"]
mod command_line;
mod event;
mod java;
mod stop;
#[path = "../shared/throttle.rs"]
mod throttle;

use std::env;
use std::error::Error as StdError;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use linger::{Error, Producer, ProducerRecord, Properties, RecordMetadata};

use crate::args::Args;
use crate::event::{Event, Failed, Landed, Sent, ToolData};
use crate::stop::Stop;
use crate::throttle::Throttle;

fn main() -> ExitCode {
    env_logger::init();
    let args: Args = match command_line::parse(env::args_os()) {
        Ok(args) => args,
        Err(exit_code) => return exit_code,
    };
    if let Err(rule) = args.check() {
        return command_line::refuse::<Args>(rule);
    }
    if let Some(warning) = args.warning() {
        println!("{warning}");
    }
    let properties = match properties(&args) {
        Ok(properties) => properties,
        Err(unreadable) => return command_line::refuse::<Args>(&unreadable.to_string()),
    };
    run(&args, &properties).unwrap_or_else(|error| {
        eprintln!("verifiable_producer: {error}");
        ExitCode::FAILURE
    })
}

/// The flags as properties, and over them those of the file. A refused record is not sent again
/// unless the file says so: the reader of the events decides what a failure means.
fn properties(args: &Args) -> linger::Result<Properties> {
    let properties = Properties::new()
        .set("bootstrap.servers", &args.bootstrap_server)
        .set("acks", &args.acks)
        .set("retries", 0);
    let properties = match args.properties_file() {
        Some(file) => properties.merge(Properties::from_file(file)?),
        None => properties,
    };
    Ok(properties
        .set("key.serializer", "string")
        .set("value.serializer", "string"))
}

fn run(args: &Args, properties: &Properties) -> Result<ExitCode, Box<dyn StdError>> {
    let producer = Producer::<str, str>::new(properties)?;
    let closer = producer.clone();
    // Closing from here wakes the main thread, too, if it waits inside of `send`.
    let stop = Stop::on_signals(move || report(closer.close()))?;
    let started = Instant::now();
    print(&Event::StartupComplete);

    let acked = Arc::new(AtomicU64::new(0));
    let sent = produce(args, &producer, &stop, &acked);

    report(producer.close());
    print(&Event::ShutdownComplete);
    print(&Event::ToolData(ToolData {
        sent,
        acked: acked.load(Ordering::Relaxed),
        target_throughput: args.throughput,
        elapsed_ms: millis(started.elapsed()),
    }));
    Ok(stop.exit_code())
}

/// Sends one record after the other, at the wished rate; returns how many.
fn produce(args: &Args, producer: &Producer<str, str>, stop: &Stop, acked: &Arc<AtomicU64>) -> u64 {
    let started = Instant::now();
    let mut throttle = Throttle::new(f64::from(args.throughput));
    let mut timestamp_ms = args.first_timestamp_ms();
    for index in 0..args.messages() {
        if stop.is_asked() {
            return index;
        }
        let sent_at = started.elapsed();
        let message = Message::new(args, index);
        match send(producer, &message, timestamp_ms, acked) {
            // Closed under our hands: the record was never accepted.
            Err(error) if error.is_closed() && stop.is_asked() => return index,
            Err(error) => message.print_error(&error),
            Ok(()) => {}
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
    producer: &Producer<str, str>,
    message: &Message,
    timestamp_ms: Option<i64>,
    acked: &Arc<AtomicU64>,
) -> linger::Result<()> {
    let mut record = ProducerRecord::new(&message.topic, &message.value);
    if let Some(key) = &message.key {
        record = record.key(key);
    }
    if let Some(timestamp_ms) = timestamp_ms {
        record = record.timestamp(timestamp_ms);
    }
    let (message, acked) = (message.clone(), Arc::clone(acked));
    producer.send(record, move |result| match result {
        Ok(metadata) => {
            acked.fetch_add(1, Ordering::Relaxed);
            message.print_success(&metadata);
        }
        Err(error) => message.print_error(&error),
    })?;
    Ok(())
}

/// One record, kept for the event that tells of it.
#[derive(Clone)]
struct Message {
    topic: Arc<str>,
    key: Option<String>,
    value: String,
}

impl Message {
    fn new(args: &Args, index: u64) -> Self {
        Self {
            topic: args.topic.as_str().into(),
            key: args.key(index),
            value: args.value(index),
        }
    }

    fn sent(&self) -> Sent<'_> {
        Sent {
            key: self.key.as_deref(),
            value: &self.value,
        }
    }

    fn print_success(&self, metadata: &RecordMetadata) {
        let landed = Landed {
            topic: metadata.topic(),
            partition: metadata.partition(),
            offset: metadata.offset(),
        };
        print(&Event::SendSuccess(self.sent(), landed));
    }

    fn print_error(&self, error: &Error) {
        let failed = Failed {
            topic: &self.topic,
            class: java::class(error.kind()),
            message: &error.to_string(),
        };
        print(&Event::SendError(self.sent(), failed));
    }
}

/// Prints an event as a line of its own. A reader that has gone away is no reason to stop sending.
fn print(event: &Event<'_>) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    writeln!(io::stdout(), "{}", event.line(millis(now))).ok();
}

/// A close that fails has told each record's callback; the rest is for the log.
fn report<T>(closed: linger::Result<T>) {
    if let Err(error) = closed {
        log::warn!("{error}");
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

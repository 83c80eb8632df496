//! Linger's counterpart of Kafka's ProducerPerformance: the same flags, the same lines, so that
//! both can be measured by the same scripts. `--help` tells what it does.

#![expect(
    clippy::disallowed_methods,
    reason = "a command-line tool reads the clock itself"
)]

mod args;
#[path = "../shared/command_line.rs"]
mod command_line;
mod keys;
mod meter;
mod metrics;
#[path = "../shared/one_dash.rs"]
mod one_dash;
#[path = "../shared/output.rs"]
mod output;
mod payload;
mod screen;
mod stats;
#[path = "../shared/throttle.rs"]
mod throttle;

use std::env;
use std::error::Error as StdError;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use env_logger::Env;
use linger::testing::MockCluster;
use linger::{Error, Producer, ProducerMetrics, ProducerRecord, Properties};

use crate::args::Args;
use crate::keys::Keys;
use crate::meter::Meter;
use crate::payload::Payloads;
use crate::screen::Screen;
use crate::throttle::{Pause, Throttle};

/// Partitions of the topic on the mock cluster.
const MOCK_PARTITIONS: i32 = 3;

/// Its name in messages.
const TOOL: &str = "producer_perf_test";

fn main() -> ExitCode {
    env_logger::init_from_env(Env::default().default_filter_or("warn"));
    let args: Args = match command_line::parse(TOOL, env::args_os()) {
        Ok(args) => args,
        Err(exit_code) => return exit_code,
    };
    if let Err(rule) = args.check() {
        return command_line::refuse::<Args>(rule);
    }
    let screen = Arc::new(Screen::new(args.num_records.unsigned_abs(), io::stdout()));
    match run(&args, &screen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen.remove_progress();
            writeln!(io::stderr(), "{TOOL}: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args, screen: &Arc<Screen>) -> Result<(), Box<dyn StdError>> {
    let payloads = Payloads::new(args, |line| screen.print(&line))?;
    args.warnings().for_each(|warning| screen.print(&warning));
    let mut properties = properties(args)?;
    // Held until the end: dropping it stops its brokers.
    let servers = ["bootstrap.servers", "metadata.broker.list"];
    let mock = match servers.iter().any(|name| properties.get(name).is_some()) {
        true => None,
        false => Some(start_mock(args)?),
    };
    if let Some(mock) = &mock {
        properties = properties.set("bootstrap.servers", mock.bootstrap_servers());
    }
    let producer = Producer::<[u8], [u8]>::new(&properties)?;

    let meter = produce(args, payloads, &producer, screen);
    if args.print_metrics {
        producer.flush()?;
        meter.finish();
        screen.print(&table(&producer.metrics(), properties.get("client.id")));
        producer.close()?;
    } else {
        producer.close()?;
        meter.finish();
    }
    match (meter.failed_records(), screen.is_lost()) {
        (0, false) => Ok(()),
        (0, true) => Err("lines of the measurement are lost".into()),
        (failed, _) => {
            let records = args.num_records;
            Err(format!("{failed} of {records} records failed and are not measured").into())
        }
    }
}

/// The properties of the file, over them the single ones, over them what this tool decides.
fn properties(args: &Args) -> Result<Properties, Box<dyn StdError>> {
    let mut properties = match args.properties_file() {
        Some(file) => Properties::from_file(file)?,
        None => Properties::new(),
    };
    for property in args.properties() {
        let (name, value) = property?;
        properties = properties.set(name, value);
    }
    if let Some(servers) = &args.bootstrap_server {
        properties = properties.set("bootstrap.servers", servers);
    }
    if properties.get("client.id").is_none() {
        properties = properties.set("client.id", "perf-producer-client");
    }
    Ok(properties
        .set("key.serializer", "bytes")
        .set("value.serializer", "bytes"))
}

/// A cluster inside this process; it forgets what it gets, so that a long run fits the memory.
fn start_mock(args: &Args) -> Result<MockCluster, Box<dyn StdError>> {
    let mock = MockCluster::builder()
        .topic(&args.topic, MOCK_PARTITIONS)
        .discard_records()
        .start()?;
    let notice = "No --bootstrap-server: measuring against a mock cluster inside this process.";
    writeln!(io::stderr(), "{notice}").ok();
    Ok(mock)
}

/// Sends all records at the wished rate. Some are still on their way when this returns.
fn produce(
    args: &Args,
    mut payloads: Payloads,
    producer: &Producer<[u8], [u8]>,
    screen: &Arc<Screen>,
) -> Arc<Meter> {
    let records = args.num_records.unsigned_abs();
    let warmup_records = u64::try_from(args.warmup_records).unwrap_or(0);
    if warmup_records > 0 {
        screen.print(&format!(
            "Warmup first {warmup_records} records. Steady state results will print after the \
             complete test summary."
        ));
    }
    let interval_ms = args.reporting_interval.unsigned_abs();
    let meter = Arc::new(Meter::new(records, interval_ms, Arc::clone(screen)));
    let mut throttle = Throttle::new(args.throughput);
    let mut keys = Keys::new(args);
    for index in 0..records {
        let value = payloads.next(index);
        let mut record = ProducerRecord::new(&args.topic, value);
        if let Some(key) = keys.next(index) {
            record = record.key(key);
        }
        let sent_at = meter.elapsed();
        if warmup_records > 0 && index == warmup_records {
            meter.end_warmup(records - warmup_records);
        }
        let sent = meter.sent(
            sent_at,
            value.len(),
            warmup_records > 0 && index >= warmup_records,
        );
        let observer = Arc::clone(&meter);
        let accepted = producer.send(record, move |result| match result {
            Ok(_) => observer.acknowledged(&sent),
            Err(error) => observer.failed(&error),
        });
        if let Err(refused) = accepted {
            meter.failed(&Error::from(refused));
        }
        match throttle.pause_after(index, sent_at) {
            None => {}
            // May end early now and then; the throttle makes up for it.
            Some(Pause::For(time)) => thread::park_timeout(time),
            // The flags do not allow a target of no record at all.
            Some(Pause::UntilStopped) => {}
        }
    }
    meter
}

/// The counters that Kafka's producer has, too, under the names that they have there.
fn table(metrics: &ProducerMetrics, client_id: Option<&str>) -> String {
    let rows = [
        (
            "buffer-available-bytes",
            metrics.buffer_total_bytes - metrics.buffer_used_bytes,
        ),
        ("buffer-total-bytes", metrics.buffer_total_bytes),
        ("record-error-total", metrics.records_failed),
        ("record-retry-total", metrics.records_retried),
        ("record-send-total", metrics.records_sent),
        ("request-total", metrics.requests_sent),
    ];
    metrics::Table {
        client_id: client_id.unwrap_or_default(),
        rows: &rows,
    }
    .to_string()
}

#[cfg(test)]
mod tests;

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
mod transactions;

use std::env;
use std::error::Error as StdError;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use env_logger::Env;
use linger::testing::MockCluster;
use linger::{
    Producer, ProducerMetrics, ProducerRecord, Properties, RecordMetadata, TransactionalProducer,
};

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
    let run = Run::new(args, payloads, screen);
    let meter = match transactions::duration(args, &properties) {
        None => {
            let producer = Producer::<[u8], [u8]>::new(&properties)?;
            let meter = run.send_all(&producer);
            if args.print_metrics {
                producer.flush()?;
                meter.finish();
                screen.print(&table(&producer.metrics(), properties.get("client.id")));
                producer.close()?;
            } else {
                producer.close()?;
                meter.finish();
            }
            meter
        }
        Some(duration) => {
            let mut producer = TransactionalProducer::new(&properties)?;
            let meter = run.send_in_transactions(&mut producer, duration)?;
            meter.finish();
            if args.print_metrics {
                screen.print(&table(&producer.metrics(), properties.get("client.id")));
            }
            producer.close()?;
            meter
        }
    };
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
    Ok(transactions::with_id(args, properties)
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

/// What takes records: a producer, or one of its transactions.
trait Outlet {
    fn send(
        &self,
        record: ProducerRecord<'_, [u8], [u8]>,
        callback: impl FnOnce(linger::Result<RecordMetadata>) + Send + 'static,
    ) -> linger::Result<()>;
}

impl Outlet for Producer<[u8], [u8]> {
    fn send(
        &self,
        record: ProducerRecord<'_, [u8], [u8]>,
        callback: impl FnOnce(linger::Result<RecordMetadata>) + Send + 'static,
    ) -> linger::Result<()> {
        Self::send(self, record, callback)
    }
}

/// The records that are to be sent, at the wished rate.
struct Run<'a> {
    args: &'a Args,
    payloads: Payloads,
    keys: Keys,
    throttle: Throttle,
    meter: Arc<Meter>,
    /// The index of the next record, and how many there are.
    next: u64,
    records: u64,
    warmup_records: u64,
}

impl<'a> Run<'a> {
    fn new(args: &'a Args, payloads: Payloads, screen: &Arc<Screen>) -> Self {
        let records = args.num_records.unsigned_abs();
        let warmup_records = u64::try_from(args.warmup_records).unwrap_or(0);
        let interval_ms = args.reporting_interval.unsigned_abs();
        if warmup_records > 0 {
            screen.print(&format!(
                "Warmup first {warmup_records} records. Steady state results will print after the \
                 complete test summary."
            ));
        }
        Self {
            args,
            payloads,
            keys: Keys::new(args),
            throttle: Throttle::new(args.throughput),
            meter: Arc::new(Meter::new(records, interval_ms, Arc::clone(screen))),
            next: 0,
            records,
            warmup_records,
        }
    }

    /// Sends all records. Some are still on their way when this returns.
    fn send_all(mut self, producer: &Producer<[u8], [u8]>) -> Arc<Meter> {
        while self.next < self.records {
            let sent_at = self.send_next(producer);
            self.pause(sent_at);
        }
        self.meter
    }

    /// Sends one record; returns when that was.
    fn send_next(&mut self, outlet: &impl Outlet) -> Duration {
        let (index, meter) = (self.next, &self.meter);
        self.next += 1;
        let value = self.payloads.next(index);
        let mut record = ProducerRecord::new(&self.args.topic, value);
        if let Some(key) = self.keys.next(index) {
            record = record.key(key);
        }
        let sent_at = meter.elapsed();
        let warmup = self.warmup_records;
        if warmup > 0 && index == warmup {
            meter.end_warmup(self.records - warmup);
        }
        let sent = meter.sent(sent_at, value.len(), warmup > 0 && index >= warmup);
        let observer = Arc::clone(meter);
        let accepted = outlet.send(record, move |result| match result {
            Ok(_) => observer.acknowledged(&sent),
            Err(error) => observer.failed(&error),
        });
        if let Err(refused) = accepted {
            meter.failed(&refused);
        }
        sent_at
    }

    /// Waits for as long as the rate asks for after the last record, which was sent at this time.
    fn pause(&mut self, sent_at: Duration) {
        match self.throttle.pause_after(self.next - 1, sent_at) {
            None => {}
            // May end early now and then; the throttle makes up for it.
            Some(Pause::For(time)) => thread::park_timeout(time),
            // The flags do not allow a target of no record at all.
            Some(Pause::UntilStopped) => {}
        }
    }
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

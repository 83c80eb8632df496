//! Linger: `send` with borrowed records and a callback that captures nothing, except for the records
//! whose latency is sampled.

use std::ops::Range;
use std::process;
use std::thread;

use linger::{Producer, ProducerRecord, Properties};
use peerlib::{Args, CallerClock, Data, Pacer, args, drive, now, on_ack, split};

fn main() {
    let a = args();
    let data = Data::new(&a);
    let producer = producer(&a);
    let (a, producer) = (&a, &producer);
    let send = |first: u64, n: u64, rate: f64| {
        let callers = split(first, n, a.threads);
        thread::scope(|scope| {
            for &(first, n) in &callers[1..] {
                scope.spawn(move || call(producer, data, a, rate, first..first + n));
            }
            let (first, n) = callers[0];
            call(producer, data, a, rate, first..first + n);
        });
    };
    let flush = || producer.flush().expect("flush");
    drive("linger", VERSION, a, send, flush);
}

/// Of the crate in this repository.
const VERSION: &str = "0.1.0";

fn producer(a: &Args) -> Producer<[u8], [u8]> {
    let properties = Properties::new()
        .set("bootstrap.servers", &a.bootstrap)
        .set("key.serializer", "bytes")
        .set("value.serializer", "bytes")
        .set("acks", &a.acks)
        .set("enable.idempotence", a.idempotence.to_string())
        .set("compression.type", &a.compression)
        .set("linger.ms", format!("{:.0}", a.linger_ms))
        .set("batch.size", a.batch_size.to_string())
        .set("buffer.memory", a.buffer_memory.to_string())
        .set(
            "max.in.flight.requests.per.connection",
            a.in_flight.to_string(),
        );
    Producer::new(&properties).unwrap_or_else(|error| {
        eprintln!("{error}");
        process::exit(1)
    })
}

/// One caller's part.
fn call(producer: &Producer<[u8], [u8]>, data: &Data, a: &Args, rate: f64, records: Range<u64>) {
    let mut pace = Pacer::new(rate / a.threads as f64);
    let clock = CallerClock::start();
    for i in records {
        if let Some(pause) = pace.wait() {
            thread::sleep(pause);
        }
        let mut record = ProducerRecord::new(&a.topic, data.value(i));
        if let Some(key) = data.key(i) {
            record = record.key(key);
        }
        if a.partitions > 0 {
            record = record.partition((i % a.partitions as u64) as i32);
        }
        if i % a.sample == 0 {
            let sent = now();
            producer
                .send(record, move |result| on_ack(sent, result.is_err()))
                .expect("send");
        } else {
            producer
                .send(record, |result| on_ack(0, result.is_err()))
                .expect("send");
        }
    }
    clock.stop();
}

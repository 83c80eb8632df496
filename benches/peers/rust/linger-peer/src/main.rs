//! Linger: `send` with borrowed records and a callback that captures nothing, except for the records
//! whose latency is sampled; or, with `--completion group`, one group, whose tokens say when.

use std::ops::Range;
use std::process;
use std::thread;

use linger::{Producer, ProducerRecord, Properties};
use peerlib::{Args, CallerClock, Data, Pacer, args, drive, now, on_ack, split};

type Record<'a> = ProducerRecord<'a, [u8], [u8]>;

fn main() {
    let a = args();
    let producer = producer(&a);
    if a.completion == "group" {
        let group = producer.group(|sent: u64, result| on_ack(sent, result.is_err()));
        run("linger-group", &a, &producer, |record, sent| {
            group.send(record, sent).expect("send");
        });
    } else {
        run("linger", &a, &producer, |record, sent| {
            if sent == 0 {
                let accepted = producer.send(record, |result| on_ack(0, result.is_err()));
                accepted.expect("send");
            } else {
                let accepted = producer.send(record, move |result| on_ack(sent, result.is_err()));
                accepted.expect("send");
            }
        });
    }
}

/// The commit of this repository, if the harness built it.
const VERSION: &str = match option_env!("PEERS_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

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
        // Room for a batch of each partition, as for the others.
        .set(
            "max.request.size",
            (a.batch_size * 8).max(1 << 20).to_string(),
        )
        .set(
            "max.in.flight.requests.per.connection",
            a.in_flight.to_string(),
        );
    Producer::new(&properties).unwrap_or_else(|error| {
        eprintln!("{error}");
        process::exit(1)
    })
}

/// The schedule, with `send` for each record: it gets when the call began, 0 for those not sampled.
fn run(
    client: &str,
    a: &Args,
    producer: &Producer<[u8], [u8]>,
    send: impl Fn(Record<'_>, u64) + Sync,
) {
    let data = Data::new(a);
    let send = &send;
    let all = |first: u64, n: u64, rate: f64| {
        let callers = split(first, n, a.threads);
        thread::scope(|scope| {
            for &(first, n) in &callers[1..] {
                scope.spawn(move || call(data, a, rate, first..first + n, send));
            }
            let (first, n) = callers[0];
            call(data, a, rate, first..first + n, send);
        });
    };
    let flush = || producer.flush().expect("flush");
    drive(client, VERSION, a, all, flush);
}

/// One caller's part.
fn call(data: &Data, a: &Args, rate: f64, records: Range<u64>, send: impl Fn(Record<'_>, u64)) {
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
        send(record, if i % a.sample == 0 { now() } else { 0 });
    }
    clock.stop();
}

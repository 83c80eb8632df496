//! Whole producers against the mock cluster in this process, from `send` to the last callback. The
//! mock decodes every batch, on a thread of its own, and takes its share of the processor: to compare
//! before and after, not to be proud of. Against a broker that costs next to nothing, and beside other
//! producers: `benches/peers`.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock itself"
)]

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use linger::testing::MockCluster;
use linger::{Producer, ProducerRecord, Properties};

const TOPIC: &str = "benchmarks";

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (callers, size) in [(1, 100), (4, 100), (1, 1024)] {
        measure(&mut criterion, callers, size);
    }
    criterion.final_summary();
}

fn measure(criterion: &mut Criterion, callers: u64, size: usize) {
    let cluster = MockCluster::builder()
        .topic(TOPIC, 6)
        .discard_records()
        .start()
        .expect("loopback ports are there");
    let producer = producer(&cluster);
    let value = vec![b'v'; size];
    let mut group = criterion.benchmark_group("end to end");
    group.throughput(Throughput::Elements(1));
    group.bench_function(format!("{size} bytes, callers: {callers}"), |bencher| {
        bencher.iter_custom(|records| send_all(&producer, callers, records, &value));
    });
    group.finish();
}

fn producer(cluster: &MockCluster) -> Producer<[u8], [u8]> {
    let properties = Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("key.serializer", "bytes")
        .set("value.serializer", "bytes");
    Producer::new(&properties).expect("these are properties of a producer")
}

/// How long so many records take to their last callback.
fn send_all(producer: &Producer<[u8], [u8]>, callers: u64, records: u64, value: &[u8]) -> Duration {
    let started = Instant::now();
    thread::scope(|scope| {
        for caller in 0..callers {
            let share = records * (caller + 1) / callers - records * caller / callers;
            scope.spawn(move || (0..share).for_each(|_| send(producer, value)));
        }
    });
    producer.flush().expect("the mock answers");
    started.elapsed()
}

/// With a callback that captures nothing, and so owns no memory.
fn send(producer: &Producer<[u8], [u8]>, value: &[u8]) {
    let record = ProducerRecord::new(TOPIC, black_box(value));
    let sent = producer.send(record, |result| {
        result.expect("the mock takes everything");
    });
    sent.expect("there is memory within max.block.ms");
}

//! What a caller pays for a record's way into a batch: lock, memory budget, encoding, and whatever
//! callers do to each other there. Nothing is sent; the batches are drained between the measured
//! stretches, as the I/O thread would, so that memory comes back and is used again.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock itself"
)]

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use linger::benchmarks::Queues;

const PARTITIONS: usize = 6;
const CALLERS: usize = 4;
const BATCH_SIZE: usize = 16 * 1024;
const BUFFER_MEMORY: usize = 256 * 1024 * 1024;
/// Of one stretch: about 70 batches of 100-byte values.
const STRETCH: u64 = 10_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    one_caller(&mut criterion);
    four_callers(&mut criterion);
    criterion.final_summary();
}

fn one_caller(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append, 1 caller");
    group.throughput(Throughput::Elements(1));
    for size in [100, 1024] {
        let value = vec![b'v'; size];
        let queues = Queues::new(PARTITIONS, BATCH_SIZE, BUFFER_MEMORY);
        group.bench_function(format!("{size} bytes"), |bencher| {
            bencher.iter_custom(|records| stretches(&queues, records, &value));
        });
    }
    group.finish();
}

fn stretches(queues: &Queues, records: u64, value: &[u8]) -> Duration {
    let mut took = Duration::ZERO;
    let mut left = records;
    while left > 0 {
        let count = left.min(STRETCH);
        let started = Instant::now();
        append(queues, started, 0, count, value);
        took += started.elapsed();
        queues.drain().seal().acknowledge();
        left -= count;
    }
    took
}

/// So many records to a partition, and from batch to batch to the next, as keyless records go.
fn append(queues: &Queues, now: Instant, first: usize, records: u64, value: &[u8]) {
    let per_batch = BATCH_SIZE / (value.len() + 10) + 1;
    let mut partition = first;
    let mut in_batch = 0;
    for _ in 0..records {
        let taken = queues.append(now, partition, black_box(value));
        assert!(taken, "there is memory for a stretch");
        in_batch += 1;
        if in_batch == per_batch {
            in_batch = 0;
            partition += 1;
        }
    }
}

/// Wall time of all callers together, so that what they cost each other shows.
fn four_callers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append, 4 callers");
    group.throughput(Throughput::Elements(1));
    for (name, apart) in [("a partition each", 1), ("the same partition", 0)] {
        let queues = Queues::new(CALLERS, BATCH_SIZE, BUFFER_MEMORY);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|records| crowded(&queues, records, apart));
        });
    }
    group.finish();
}

/// The partitions of one caller and the next are so far apart.
fn crowded(queues: &Queues, records: u64, apart: usize) -> Duration {
    let mut took = Duration::ZERO;
    let mut left = records;
    while left > 0 {
        let count = left.min(STRETCH * 4);
        let share = count.div_ceil(CALLERS as u64);
        took += together(|caller| {
            let now = Instant::now();
            for _ in 0..share {
                queues.append(now, caller * apart, black_box(&[b'v'; 100]));
            }
        });
        queues.drain().seal().acknowledge();
        left -= count;
    }
    took
}

/// From the moment when all callers are there until the last one is done.
fn together(work: impl Fn(usize) + Sync) -> Duration {
    let (work, ready) = (&work, &Barrier::new(CALLERS + 1));
    let everybody = thread::scope(|scope| {
        for caller in 0..CALLERS {
            scope.spawn(move || {
                ready.wait();
                work(caller);
            });
        }
        ready.wait();
        Instant::now()
    });
    everybody.elapsed()
}

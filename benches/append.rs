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
const CALLERS: i32 = 4;
const BATCH_SIZE: usize = 16 * 1024;
const BUFFER_MEMORY: usize = 256 * 1024 * 1024;
/// Of one stretch: about 70 batches of 100-byte values.
const STRETCH: u64 = 10_000;

/// The partition of a caller; none is the one whose turn it is.
type Choice = fn(i32) -> Option<i32>;

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
        let queues = Queues::new(PARTITIONS, BATCH_SIZE, BUFFER_MEMORY, None);
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
        append(queues, count, None, value);
        took += started.elapsed();
        queues.drain().seal().acknowledge();
        left -= count;
    }
    took
}

fn append(queues: &Queues, records: u64, partition: Option<i32>, value: &[u8]) {
    for _ in 0..records {
        let taken = queues.append(&Instant::now, partition, black_box(value));
        assert!(taken, "there is memory for a stretch");
    }
}

/// Wall time of all callers together, so that what they cost each other shows.
fn four_callers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append, 4 callers");
    group.throughput(Throughput::Elements(1));
    let partitions: [(&str, Choice); 3] = [
        ("the partition whose turn it is", |_| None),
        ("the same partition", |_| Some(0)),
        ("a partition each", Some),
    ];
    for (name, partition) in partitions {
        let queues = Queues::new(PARTITIONS, BATCH_SIZE, BUFFER_MEMORY, None);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|records| crowded(&queues, records, partition));
        });
    }
    group.finish();
}

fn crowded(queues: &Queues, records: u64, partition: Choice) -> Duration {
    let mut took = Duration::ZERO;
    let mut left = records;
    while left > 0 {
        let count = left.min(STRETCH * 4);
        let share = count.div_ceil(CALLERS.unsigned_abs().into());
        took += together(|caller| append(queues, share, partition(caller), &[b'v'; 100]));
        queues.drain().seal().acknowledge();
        left -= count;
    }
    took
}

/// From the moment when all callers are there until the last one is done.
fn together(work: impl Fn(i32) + Sync) -> Duration {
    let (work, ready) = (&work, &Barrier::new(CALLERS.unsigned_abs() as usize + 1));
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

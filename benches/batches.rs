//! What the I/O thread pays for a batch: taking it out of its queue, header and checksum, and the
//! callbacks of its records. Figures are per batch.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock itself"
)]

use std::time::Instant;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use linger::benchmarks::{Drained, Queues};

const VALUE: [u8; 100] = [b'v'; 100];
/// Batch sizes: Kafka's default, and one for throughput.
const SIZES: [usize; 2] = [16 * 1024, 1024 * 1024];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    drain(&mut criterion);
    seal(&mut criterion);
    acknowledge(&mut criterion);
    criterion.final_summary();
}

/// Queues with a full batch in each of so many partitions.
fn filled(partitions: usize, batch_size: usize) -> Queues {
    let queues = Queues::new(partitions, batch_size, usize::MAX >> 1);
    let now = Instant::now();
    for partition in 0..partitions {
        for _ in 0..batch_size / (VALUE.len() + 10) {
            queues.append(now, partition, &VALUE);
        }
    }
    queues
}

/// One full batch, drained.
fn one_batch(batch_size: usize) -> Drained {
    filled(1, batch_size).drain()
}

/// Small batches, many of them: finding them must cost what is ready, not how many partitions there
/// are.
fn drain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("drain");
    for partitions in [6, 1_000] {
        group.throughput(Throughput::Elements(partitions as u64));
        group.bench_function(BenchmarkId::new("batches", partitions), |bencher| {
            let setup = || filled(partitions, 1024);
            bencher.iter_batched(
                setup,
                |queues| (queues.drain(), queues),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// Header and checksum. A codec's share belongs here, too: one group for each, over the same batches.
fn seal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seal");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("bytes", size), |bencher| {
            let setup = || one_batch(size);
            bencher.iter_batched(setup, Drained::seal, BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn acknowledge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("acknowledge");
    for size in SIZES {
        group.throughput(Throughput::Elements((size / (VALUE.len() + 10)) as u64));
        group.bench_function(BenchmarkId::new("bytes", size), |bencher| {
            let setup = || one_batch(size).seal();
            bencher.iter_batched(setup, |sealed| sealed.acknowledge(), BatchSize::SmallInput);
        });
    }
    group.finish();
}

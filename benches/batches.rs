//! What the I/O thread pays for a batch: taking it out of its queue, header and checksum, and the
//! callbacks of its records. Figures are per batch.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock itself"
)]

use std::time::Instant;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use linger::benchmarks::{Drained, Queues};

/// Of a value, in bytes.
const SIZE: usize = 100;
/// Batch sizes: Kafka's default, and one for throughput.
const SIZES: [usize; 2] = [16 * 1024, 1024 * 1024];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    drain(&mut criterion);
    seal(&mut criterion);
    acknowledge(&mut criterion);
    criterion.final_summary();
}

/// Queues with a full batch, or as much as makes one without a codec, in each of so many partitions.
fn filled(partitions: u16, batch_size: usize, codec: Option<&str>) -> Queues {
    let queues = Queues::new(partitions.into(), batch_size, usize::MAX >> 1, codec);
    for partition in 0..partitions {
        for number in 0..batch_size / (SIZE + 10) {
            queues.append(&Instant::now, Some(partition.into()), &value(number));
        }
    }
    queues
}

/// JSON, the numbers in it hard to guess: codecs take it to about half.
fn value(number: usize) -> [u8; SIZE] {
    let hash = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    let text = format!(
        "{{\"id\":\"{hash:016x}\",\"user\":\"user{}\",\"event\":\"order_placed\",\"currency\":\"EUR\"}}",
        hash % 5000
    );
    let mut value = [b' '; SIZE];
    for (to, from) in value.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    value
}

/// One full batch, drained.
fn one_batch(batch_size: usize, codec: Option<&str>) -> Drained {
    filled(1, batch_size, codec).drain()
}

/// Small batches, many of them: finding them must cost what is ready, not how many partitions there
/// are.
fn drain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("drain");
    for partitions in [6, 1_000] {
        group.throughput(Throughput::Elements(partitions.into()));
        group.bench_function(BenchmarkId::new("batches", partitions), |bencher| {
            let setup = || filled(partitions, 1024, None);
            bencher.iter_batched(
                setup,
                |queues| (queues.drain(), queues),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// Header and checksum; and what a codec adds, where the I/O thread compresses.
fn seal(criterion: &mut Criterion) {
    for codec in [
        None,
        Some("gzip"),
        Some("snappy"),
        Some("lz4"),
        Some("zstd"),
    ] {
        let mut group = criterion.benchmark_group(format!("seal, {}", codec.unwrap_or("none")));
        for size in SIZES {
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::new("bytes", size), |bencher| {
                let setup = || one_batch(size, codec);
                bencher.iter_batched(setup, Drained::seal, BatchSize::SmallInput);
            });
        }
        group.finish();
    }
}

fn acknowledge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("acknowledge");
    for size in SIZES {
        group.throughput(Throughput::Elements((size / (SIZE + 10)) as u64));
        group.bench_function(BenchmarkId::new("bytes", size), |bencher| {
            let setup = || one_batch(size, None).seal();
            bencher.iter_batched(setup, |sealed| sealed.acknowledge(), BatchSize::SmallInput);
        });
    }
    group.finish();
}

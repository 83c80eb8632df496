//! Messages to bytes and back: what a request costs besides its records, which are not copied.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use linger::benchmarks::Codec;

/// An operation, which says how much it did.
type Operation = fn(&Codec) -> usize;

const OPERATIONS: [(&str, Operation); 4] = [
    ("encode Produce", Codec::encode_produce),
    ("decode Produce's answer", Codec::decode_produced),
    ("encode Metadata", Codec::encode_metadata),
    ("decode Metadata's answer", Codec::decode_metadata),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, operation) in OPERATIONS {
        let mut group = criterion.benchmark_group(name);
        for partitions in [6, 1_000_u16] {
            let codec = Codec::new(partitions.into());
            group.throughput(Throughput::Elements(partitions.into()));
            group.bench_function(BenchmarkId::new("partitions", partitions), |bencher| {
                bencher.iter(|| operation(black_box(&codec)));
            });
        }
        group.finish();
    }
    criterion.final_summary();
}

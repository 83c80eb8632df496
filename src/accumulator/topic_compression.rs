//! How a topic's batches are compressed, and the compressors that all topics share. Any thread
//! compresses, with no lock held.

use std::time::Duration;

use crate::accumulator::ratio::Ratio;
use crate::compression::{Codec, Compression, Compressor};
use crate::record::batch::{BatchEncoder, PackedBatch};
use crate::sync::{Arc, AtomicUsize, Mutex, Ordering, Rank, Ranked};

/// A topic's compression. One for each topic; newer metadata does not replace it.
#[derive(Debug)]
pub(crate) struct TopicCompression {
    compression: Compression,
    ratio: Ratio,
    compressors: Arc<Compressors>,
}

impl TopicCompression {
    pub(super) fn new(compression: Compression, compressors: &Arc<Compressors>) -> Self {
        Self {
            compression,
            ratio: Ratio::new(),
            compressors: Arc::clone(compressors),
        }
    }

    pub(crate) fn codec(&self) -> Codec {
        self.compression.codec()
    }

    /// What compressing is guessed to leave of a batch that opens now.
    pub(super) fn ratio(&self) -> f64 {
        self.ratio.get()
    }

    /// Compresses a batch, or leaves it as it is if that makes it no smaller.
    pub(crate) fn pack(&self, batch: BatchEncoder) -> PackedBatch {
        match self.try_pack(&batch) {
            Some(packed) => packed,
            None => batch.pack(),
        }
    }

    /// The compressed batch; `None` if it is no smaller.
    pub(super) fn try_pack(&self, batch: &BatchEncoder) -> Option<PackedBatch> {
        let compress = |compressor: &mut Compressor| batch.compress(self.compression, compressor);
        let packed = self.compressors.lend(compress);
        let after = packed.as_ref().map_or(batch.len(), PackedBatch::len);
        self.ratio.observe(batch.len(), after);
        packed
    }

    /// How many bytes of records a batch may have, so that to compress it takes a moment only.
    pub(super) fn most_at_once(&self) -> usize {
        self.compression.most_at_once()
    }

    /// About how long it takes to compress so many bytes of records.
    pub(super) fn work(&self, raw_bytes: usize) -> Duration {
        self.compression.work(raw_bytes)
    }

    /// Whether the I/O thread has full batches enough to compress. Runs on: caller.
    pub(super) fn io_thread_has_enough(&self) -> bool {
        self.compressors.left_to_io_thread.load(Ordering::Relaxed) >= ENOUGH
    }

    /// Leaves a full batch to the I/O thread. Runs on: caller.
    pub(super) fn leave_to_io_thread(&self) {
        let left = &self.compressors.left_to_io_thread;
        left.fetch_add(1, Ordering::Relaxed);
    }

    /// A batch that was left to the I/O thread is compressed. Runs on: I/O thread.
    pub(super) fn finish_left_batch(&self) {
        let left = &self.compressors.left_to_io_thread;
        left.fetch_sub(1, Ordering::Relaxed);
    }

    /// A broker has called a batch too large.
    pub(crate) fn reset_ratio(&self) {
        self.ratio.reset();
    }
}

/// How many full batches may wait for the I/O thread to compress them, before callers compress what
/// they fill. So a single caller has a second thread that helps, and several callers are not held up
/// by the one I/O thread.
const ENOUGH: usize = 1;

/// Compressors that are not in use. As many are made as threads compress at the same time.
#[derive(Debug)]
pub(super) struct Compressors {
    idle: Mutex<Vec<Compressor>>,
    /// Full batches of all topics that wait for the I/O thread to compress them.
    left_to_io_thread: AtomicUsize,
}

impl Compressors {
    /// More are not kept: each may hold a megabyte or more.
    const MOST_IDLE: usize = 8;

    pub(super) fn new() -> Self {
        Self {
            idle: Mutex::ranked(Rank::Compressors, Vec::new()),
            left_to_io_thread: AtomicUsize::new(0),
        }
    }

    /// Frees those that are idle.
    pub(super) fn clear(&self) {
        self.idle.lock().clear();
    }

    fn lend<R>(&self, compress: impl FnOnce(&mut Compressor) -> R) -> R {
        let idle = self.idle.lock().pop();
        let mut compressor = idle.unwrap_or_default();
        let result = compress(&mut compressor);
        let mut idle = self.idle.lock();
        if idle.len() < Self::MOST_IDLE {
            idle.push(compressor);
        }
        result
    }
}

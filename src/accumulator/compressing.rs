//! How a topic's batches are compressed, and how much smaller that makes them: the guess by which a
//! batch is filled to `batch.size` of what it will be. Any thread compresses, with no lock held.

use crate::compression::{Codec, Compression, Compressor};
use crate::record::batch::{BatchEncoder, PackedBatch};
use crate::sync::{Arc, AtomicU64, AtomicUsize, Mutex, Ordering, Rank, Ranked};

/// A topic's compression. One per topic, kept when the topic is replaced.
#[derive(Debug)]
pub(crate) struct Compressing {
    compression: Compression,
    /// What compressed records are of those they were made of, from what was seen of it. The bits of
    /// an `f64`; an update that is lost to another thread's would have changed little.
    ratio: AtomicU64,
    compressors: Arc<Compressors>,
}

/// How far a batch may be smaller than it seems.
const SAFETY: f64 = 1.05;

/// How fast the guess follows what is seen: at once to what is worse, slowly to what is better, so
/// that few batches (Kafka says one in ten) become larger than they were meant to be.
const WORSE_STEP: f64 = 0.05;
const BETTER_STEP: f64 = 0.005;

impl Compressing {
    pub(super) fn new(compression: Compression, compressors: &Arc<Compressors>) -> Self {
        Self {
            compression,
            ratio: AtomicU64::new(1f64.to_bits()),
            compressors: Arc::clone(compressors),
        }
    }

    pub(crate) fn codec(&self) -> Codec {
        self.compression.codec()
    }

    /// The guess, for a batch that opens.
    pub(super) fn ratio(&self) -> f64 {
        f64::from_bits(self.ratio.load(Ordering::Relaxed))
    }

    fn set_ratio(&self, ratio: f64) {
        self.ratio.store(ratio.to_bits(), Ordering::Relaxed);
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
        let before = batch.len() - BatchEncoder::HEADER_BYTES;
        let after = packed
            .as_ref()
            .map_or(before, |packed| packed.len() - BatchEncoder::HEADER_BYTES);
        if before > 0 {
            self.observe(as_f64(after) / as_f64(before));
        }
        packed
    }

    fn observe(&self, seen: f64) {
        let guess = self.ratio();
        self.set_ratio(if seen > guess {
            (guess + WORSE_STEP).max(seen)
        } else {
            (guess - BETTER_STEP).max(seen)
        });
    }

    /// A batch is full; returns whether the I/O thread has enough to compress without it.
    pub(super) fn note_more_work(&self) -> bool {
        let work = &self.compressors.left;
        let is_enough = work.load(Ordering::Relaxed) >= ENOUGH;
        if !is_enough {
            work.fetch_add(1, Ordering::Relaxed);
        }
        is_enough
    }

    /// The I/O thread has compressed one of those.
    pub(super) fn note_less_work(&self) {
        self.compressors.left.fetch_sub(1, Ordering::Relaxed);
    }

    /// A broker has called a batch too large: the next ones count as if nothing made them smaller.
    pub(crate) fn note_too_large(&self) {
        self.set_ratio(1.0);
    }
}

/// How many full batches the I/O thread compresses by itself, one after the other, before callers
/// compress what they fill. So a single caller has a second thread that helps, and with several the
/// I/O thread does not hold them up.
const ENOUGH: usize = 1;

/// The size of a batch on the wire, by the guess that it was opened with.
#[inline]
pub(super) fn estimated_len(batch: &BatchEncoder, ratio: Option<f64>) -> usize {
    const HEADER: usize = BatchEncoder::HEADER_BYTES;
    match ratio {
        None => batch.len(),
        Some(ratio) => HEADER + as_usize(as_f64(batch.len() - HEADER) * ratio * SAFETY),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a batch has less than 2^31 bytes"
)]
fn as_f64(bytes: usize) -> f64 {
    bytes as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole bytes of a size, which is not negative"
)]
fn as_usize(bytes: f64) -> usize {
    bytes as usize
}

/// Compressors that are not in use. As many are made as threads compress at a time.
#[derive(Debug)]
pub(super) struct Compressors {
    idle: Mutex<Vec<Compressor>>,
    /// How many full batches were left to the I/O thread, of all topics.
    left: AtomicUsize,
}

impl Compressors {
    /// More are not kept: each may hold a megabyte or more.
    const MOST_IDLE: usize = 8;

    pub(super) fn new() -> Self {
        Self {
            idle: Mutex::ranked(Rank::Compressors, Vec::new()),
            left: AtomicUsize::new(0),
        }
    }

    /// Keeps none any longer.
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

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    fn compressing() -> Compressing {
        let compression = Compression::new(Codec::Gzip, 1).unwrap();
        Compressing::new(compression, &Arc::new(Compressors::new()))
    }

    #[test]
    fn the_guess_follows_what_is_worse_at_once_and_what_is_better_slowly() {
        let compressing = compressing();
        let mut guesses = Vec::new();
        for seen in [0.5, 0.5, 0.992, 1.0, 0.2, 0.9] {
            compressing.observe(seen);
            guesses.push((compressing.ratio() * 1000.0).round());
        }
        assert_eq!(guesses, [995.0, 990.0, 1040.0, 1035.0, 1030.0, 1025.0]);
        for _ in 0..200 {
            compressing.observe(0.3);
        }
        assert_eq!(compressing.ratio(), 0.3, "and never below what is seen");
        compressing.observe(0.6);
        assert_eq!(compressing.ratio(), 0.6);
        compressing.note_too_large();
        assert_eq!(compressing.ratio(), 1.0);
    }
}

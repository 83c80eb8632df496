//! A guess at how much smaller a topic's batches become when they are compressed. A batch is
//! compressed as a whole once it is full, so it must be filled before anybody knows how large it will
//! be: it is filled to `batch.size` of what it is guessed to become. The guess follows Java's
//! `CompressionRatioEstimator`.

use crate::record::batch::BatchEncoder;
use crate::sync::{AtomicU64, Ordering};

/// The guess: compressed bytes for each byte of records.
#[derive(Debug)]
pub(super) struct Ratio(
    /// The bits of an `f64`. Threads may overwrite each other's updates: one that is lost would have
    /// changed little, and the next batch brings another.
    AtomicU64,
);

/// A batch is taken to become larger by this factor than the guess says.
const SAFETY: f64 = 1.05;

/// How fast the guess follows what is seen: at once to what is worse, slowly to what is better, so
/// that few batches (Kafka says one in ten) become larger than they were meant to be.
const WORSE_STEP: f64 = 0.05;
const BETTER_STEP: f64 = 0.005;

impl Ratio {
    /// Nothing is known yet: as if compressing saved nothing.
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(1f64.to_bits()))
    }

    pub(super) fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, ratio: f64) {
        self.0.store(ratio.to_bits(), Ordering::Relaxed);
    }

    /// A batch of so many bytes was compressed to so many, headers included.
    pub(super) fn observe(&self, before: usize, after: usize) {
        const HEADER: usize = BatchEncoder::HEADER_BYTES;
        if before > HEADER {
            self.follow(as_f64(after - HEADER) / as_f64(before - HEADER));
        }
    }

    fn follow(&self, seen: f64) {
        let guess = self.get();
        self.set(if seen > guess {
            (guess + WORSE_STEP).max(seen)
        } else {
            (guess - BETTER_STEP).max(seen)
        });
    }

    /// A broker has called a batch too large: the next ones are filled as if compressing saved
    /// nothing, or the broker would refuse them, too.
    pub(super) fn reset(&self) {
        self.set(1.0);
    }
}

/// The size of a batch on the wire, by the guess that it was opened with; `None` if it stays as it is.
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

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn the_guess_follows_what_is_worse_at_once_and_what_is_better_slowly() {
        let ratio = Ratio::new();
        let mut guesses = Vec::new();
        for seen in [0.5, 0.5, 0.992, 1.0, 0.2, 0.9] {
            ratio.follow(seen);
            guesses.push((ratio.get() * 1000.0).round());
        }
        assert_eq!(guesses, [995.0, 990.0, 1040.0, 1035.0, 1030.0, 1025.0]);
        for _ in 0..200 {
            ratio.follow(0.3);
        }
        assert_eq!(ratio.get(), 0.3, "and never below what is seen");
        ratio.follow(0.6);
        assert_eq!(ratio.get(), 0.6);
        ratio.reset();
        assert_eq!(ratio.get(), 1.0);
    }
}

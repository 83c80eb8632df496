//! The sequence numbers of one partition's batches. Pure.
//!
//! A broker takes a partition's batches in the order of their sequences, and knows a repeated one
//! by its producer id, epoch and sequence: that is what makes retries free of duplicates. Epoch and
//! sequence live together, per partition: after a bump each partition moves to the new epoch when
//! nothing of the old one is unresolved, and starts at 0 there. Where the two changed apart, partitions
//! that were idle at the bump kept their sequence and were refused for ever (KAFKA-12152).

use std::time::{Duration, Instant};

use crate::record::batch::ProducerStamp;

/// A producer id and one of its epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
}

impl Identity {
    /// The next epoch of the same id (KIP-360), or `None` if there is none left: a new id has to be
    /// asked for then, as a negative epoch is none (KAFKA-18660).
    pub(super) fn bumped(self) -> Option<Self> {
        let epoch = self.epoch.checked_add(1)?;
        Some(Self { epoch, ..self })
    }
}

/// The sequences of one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sequences {
    /// Under which the newest batches were sent; `None` before the first.
    identity: Option<Identity>,
    /// Of the next batch's first record.
    next: i32,
    /// When the broker last acknowledged a batch under this identity. While it does not know the
    /// producer it takes whatever sequence comes first: were the second batch on its way as well and
    /// the first one lost, the broker would append the second, and refuse the first for ever.
    established: Option<Instant>,
}

/// After so long without an acknowledgement it is not taken for granted that the broker still knows
/// the producer. Far below any `producer.id.expiration.ms` (a day by default), and all it costs is
/// that the first batch after a pause goes alone.
const SILENCE: Duration = Duration::from_secs(1);

impl Sequences {
    pub(super) fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// The stamp of the next batch, which has `records` records. Under another identity than before
    /// the sequence starts at 0.
    pub(super) fn stamp(&mut self, identity: Identity, records: usize) -> ProducerStamp {
        if self.identity != Some(identity) {
            *self = Self {
                identity: Some(identity),
                ..Self::default()
            };
        }
        let Identity { producer_id, epoch } = identity;
        let stamp = ProducerStamp {
            producer_id,
            epoch,
            base_sequence: self.next,
        };
        self.next = stamp.after(records).base_sequence;
        stamp
    }

    /// Whether the broker knows the producer, and so refuses a batch that comes too early.
    pub(super) fn is_established(&self) -> bool {
        self.established.is_some()
    }

    /// The broker has acknowledged a batch with this stamp.
    pub(super) fn handle_acknowledged(&mut self, now: Instant, stamp: ProducerStamp) {
        let ProducerStamp {
            producer_id, epoch, ..
        } = stamp;
        if self.identity == Some(Identity { producer_id, epoch }) {
            self.established = Some(now);
        }
    }

    /// A batch leaves while no other is on its way: the broker may have forgotten the producer.
    pub(super) fn handle_alone(&mut self, now: Instant) {
        let is_old = |known: &mut Instant| now.saturating_duration_since(*known) >= SILENCE;
        let _forgotten = self.established.take_if(is_old);
    }

    /// Forgets the identity, and returns it: the next batch starts at 0 under whatever comes.
    pub(super) fn reset(&mut self) -> Option<Identity> {
        std::mem::take(self).identity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Sequences {
        /// As if so much had been sent that this comes next.
        pub(in crate::sender) fn wind(&mut self, next: i32) {
            self.next = next;
        }
    }

    const FIRST: Identity = Identity {
        producer_id: 7,
        epoch: 0,
    };

    #[test]
    fn another_identity_starts_at_zero() {
        let mut sequences = Sequences::default();
        assert_eq!(sequences.stamp(FIRST, 3).base_sequence, 0);
        assert_eq!(sequences.stamp(FIRST, 2).base_sequence, 3);
        let second = FIRST.bumped().unwrap();
        let stamp = sequences.stamp(second, 1);
        assert_eq!((stamp.epoch, stamp.base_sequence), (1, 0));
    }

    #[test]
    fn an_acknowledgement_establishes_its_own_identity_only_and_silence_ends_that() {
        #[expect(clippy::disallowed_methods, reason = "an Instant has no other source")]
        let start = Instant::now();
        let mut sequences = Sequences::default();
        let stamp = sequences.stamp(FIRST, 1);
        sequences.stamp(FIRST.bumped().unwrap(), 1);
        sequences.handle_acknowledged(start, stamp);
        assert!(!sequences.is_established(), "of the epoch before");
        let stamp = sequences.stamp(FIRST.bumped().unwrap(), 1);
        sequences.handle_acknowledged(start, stamp);
        sequences.handle_alone(start + SILENCE / 2);
        assert!(sequences.is_established());
        sequences.handle_alone(start + SILENCE);
        assert!(!sequences.is_established());
    }
}

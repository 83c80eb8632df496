//! Who this producer is for the brokers, and the sequence numbers of one partition's batches. Pure.
//!
//! A broker takes a partition's batches in the order of their sequences, and knows a repeated one
//! by its producer id, epoch and sequence: that is what makes retries free of duplicates. Epoch and
//! sequence live together, per partition: after a bump each partition moves to the new epoch when
//! nothing of the old one is unresolved, and starts at 0 there.

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
    /// asked for then.
    pub(super) fn bumped(self) -> Option<Self> {
        let epoch = self.epoch.checked_add(1)?;
        Some(Self { epoch, ..self })
    }
}

/// The identity that new batches get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Producer {
    /// `enable.idempotence=false`: batches have none.
    Anonymous,
    /// Not known yet. Batches wait for it.
    Unidentified,
    Identified(Identity),
}

impl Producer {
    /// A batch sent under `identity` turned out to leave a gap: nothing is sent under it any more.
    /// If that has been so for a while already, nothing changes.
    pub(super) fn bump(&mut self, identity: Identity) {
        if *self == Self::Identified(identity) {
            *self = identity
                .bumped()
                .map_or(Self::Unidentified, Self::Identified);
        }
    }
}

/// Where the sequences of one partition stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sequences {
    /// Under which the newest batches were sent; `None` before the first.
    identity: Option<Identity>,
    /// Of the next batch's first record.
    next: i32,
    /// When the broker last acknowledged a batch under this identity. While it does not know the
    /// producer it takes whatever sequence comes first, so the second batch must not overtake the
    /// first.
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

    /// Whether the broker refuses a batch that comes too early.
    pub(super) fn is_established(&self) -> bool {
        self.established.is_some()
    }

    /// The broker has acknowledged a batch with this stamp.
    pub(super) fn establish(&mut self, now: Instant, stamp: ProducerStamp) {
        let ProducerStamp {
            producer_id, epoch, ..
        } = stamp;
        if self.identity == Some(Identity { producer_id, epoch }) {
            self.established = Some(now);
        }
    }

    /// A batch leaves while no other is on its way: the broker may have forgotten the producer.
    pub(super) fn note_alone(&mut self, now: Instant) {
        let is_old = |known: &mut Instant| now.saturating_duration_since(*known) >= SILENCE;
        let _forgotten = self.established.take_if(is_old);
    }

    /// Forgets the identity: the next batch starts at 0 under whatever comes.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
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
    fn a_bump_counts_once_and_the_last_epoch_asks_for_a_new_id() {
        let mut producer = Producer::Identified(FIRST);
        producer.bump(FIRST);
        let second = Producer::Identified(FIRST.bumped().unwrap());
        assert_eq!(producer, second);
        producer.bump(FIRST);
        assert_eq!(
            producer, second,
            "the same gap, reported by another partition"
        );
        let last = Identity {
            epoch: i16::MAX,
            ..FIRST
        };
        let mut producer = Producer::Identified(last);
        producer.bump(last);
        assert_eq!(producer, Producer::Unidentified);
    }
}

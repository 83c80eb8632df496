//! What a partition remembers of idempotent producers, and how it judges their next batch. As in a
//! Kafka broker: the epoch and the last five batches of each (KIP-98). No socket, no clock.
//!
//! | the batch | answer |
//! |---|---|
//! | of a producer that is not known | appended, whatever its sequence; or `UNKNOWN_PRODUCER_ID` |
//! | with an epoch below the known one | `INVALID_PRODUCER_EPOCH` |
//! | the first of a higher epoch | appended if its sequence is 0, else `OUT_OF_ORDER_SEQUENCE_NUMBER` |
//! | same epoch, same sequences as one of the last five | no error, and the offset it got then |
//! | follows the last one | appended |
//! | leaves a gap, or is older than the last five | `OUT_OF_ORDER_SEQUENCE_NUMBER` |
//! | the first of a transaction here, and not the first that came | `OUT_OF_ORDER_SEQUENCE_NUMBER` |
//!
//! `DUPLICATE_SEQUENCE_NUMBER` is not among the answers: Kafka has not sent it since 2.0. A test that
//! needs it scripts a fault.

use std::collections::VecDeque;

use crate::ErrorCode;
use crate::record::batch::ProducerStamp;
use crate::testing::recent::RecentProducers;

/// How many batches of a producer a broker remembers: as many as may be in flight.
const REMEMBERED: usize = 5;

/// The idempotent producers of one partition, by id. It follows the partition to a new leader, as
/// followers build it too.
#[derive(Debug, Default)]
pub(crate) struct ProducerTable {
    producers: RecentProducers<Producer>,
    /// Where transactions that have nothing here yet will begin.
    beginnings: RecentProducers<Beginning>,
    /// Ids below this belong to producers that have written whatever may come: the worst that another
    /// cluster can do to one that keeps its id.
    #[cfg(test)]
    others_below: i64,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    /// The newest one is last. Empty only if the epoch is known from the end of a transaction.
    batches: VecDeque<Appended>,
}

/// The lowest sequence of the batches of a transaction that came before any was appended: if the first
/// is refused for a moment, because the transaction before is not complete, the one behind it must not
/// take its place (KIP-890).
#[derive(Clone, Copy, Debug)]
struct Beginning {
    epoch: i16,
    lowest: i32,
    /// Whether a producer that is not known has to begin at 0: in version 2 of transactions, where each
    /// has an epoch of its own.
    from_zero: bool,
}

/// A batch that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) base_offset: i64,
    /// Its largest timestamp, or the time of append if the topic stamps records.
    pub(crate) timestamp_ms: i64,
}

/// What to do with a batch that is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// It was appended before.
    Repeat(Appended),
}

impl ProducerTable {
    /// Judges a batch of that many records, whose stamp is complete.
    pub(crate) fn judge(
        &self,
        stamp: ProducerStamp,
        records: i32,
        unknown_is_an_error: bool,
    ) -> Result<Verdict, ErrorCode> {
        let first = stamp.base_sequence;
        #[cfg(test)]
        if stamp.producer_id < self.others_below {
            return Ok(Verdict::Repeat(Appended {
                base_sequence: first,
                last_sequence: advance(first, records - 1),
                base_offset: tests::OF_OTHERS,
                timestamp_ms: 0,
            }));
        }
        let Some(producer) = self.producers.get(stamp.producer_id) else {
            return match unknown_is_an_error && first != 0 {
                true => Err(ErrorCode::UNKNOWN_PRODUCER_ID),
                false if self.begins_at(stamp, false) => Ok(Verdict::Append),
                false => Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
            };
        };
        if stamp.epoch < producer.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        let expected = if stamp.epoch > producer.epoch {
            0
        } else {
            let last = advance(first, records - 1);
            let same =
                |batch: &&Appended| (batch.base_sequence, batch.last_sequence) == (first, last);
            if let Some(earlier) = producer.batches.iter().find(same) {
                return Ok(Verdict::Repeat(*earlier));
            }
            producer.next_sequence()
        };
        if first == expected && self.begins_at(stamp, true) {
            Ok(Verdict::Append)
        } else {
            Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
        }
    }

    /// Whether a transaction may begin here with this batch, if one is about to.
    fn begins_at(&self, stamp: ProducerStamp, is_known: bool) -> bool {
        let beginning = self.beginnings.get(stamp.producer_id);
        let beginning = beginning.filter(|one| one.epoch == stamp.epoch);
        beginning.is_none_or(|one| {
            let is_late = stamp.base_sequence > one.lowest;
            let is_wrong = one.from_zero && !is_known && stamp.base_sequence != 0;
            !is_late && !is_wrong
        })
    }

    /// Notes a batch of a transaction that has nothing here yet, whatever becomes of it.
    pub(super) fn expect_beginning(&mut self, stamp: ProducerStamp, from_zero: bool) {
        let new = Beginning {
            epoch: stamp.epoch,
            lowest: stamp.base_sequence,
            from_zero,
        };
        let beginning = self.beginnings.heard(stamp.producer_id, || new);
        if beginning.epoch == stamp.epoch {
            beginning.lowest = beginning.lowest.min(new.lowest);
        } else {
            *beginning = new;
        }
    }

    /// Notes a batch that was appended.
    pub(crate) fn remember(
        &mut self,
        stamp: ProducerStamp,
        records: i32,
        base_offset: i64,
        timestamp_ms: i64,
    ) {
        self.beginnings.remove(stamp.producer_id);
        let producer = self.producers.heard(stamp.producer_id, || Producer {
            epoch: stamp.epoch,
            batches: VecDeque::new(),
        });
        if producer.epoch != stamp.epoch {
            producer.epoch = stamp.epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == REMEMBERED {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Appended {
            base_sequence: stamp.base_sequence,
            last_sequence: advance(stamp.base_sequence, records - 1),
            base_offset,
            timestamp_ms,
        });
    }

    /// A transaction has ended here in this epoch: older ones are over, and a newer one than the last
    /// batch has begins at sequence 0.
    pub(crate) fn fence(&mut self, producer_id: i64, epoch: i16) {
        self.beginnings.remove(producer_id);
        let producer = self.producers.heard(producer_id, || Producer {
            epoch,
            batches: VecDeque::new(),
        });
        if epoch > producer.epoch {
            producer.epoch = epoch;
            producer.batches.clear();
        }
    }

    /// Forgets all producers, as a broker does after `producer.id.expiration.ms`.
    pub(crate) fn forget(&mut self) {
        self.producers.clear();
        self.beginnings.clear();
    }
}

impl Producer {
    fn next_sequence(&self) -> i32 {
        let last = self.batches.back().map(|batch| batch.last_sequence);
        last.map_or(0, |last| advance(last, 1))
    }
}

/// The sequence so many records later: after 2147483647 comes 0. Neither is negative.
pub(crate) fn advance(sequence: i32, records: i32) -> i32 {
    sequence.wrapping_add(records) & i32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An offset that no log reaches.
    pub(super) const OF_OTHERS: i64 = 1 << 40;

    impl ProducerTable {
        /// Ids below this belong to others, who have written whatever may come.
        pub(crate) fn set_others_below(&mut self, id: i64) {
            self.others_below = id;
        }

        /// As if every producer had sent so much that its next sequence is this.
        pub(crate) fn wind(&mut self, next: i32) {
            for producer in self.producers.values_mut() {
                let Some(newest) = producer.batches.back().copied() else {
                    continue;
                };
                producer.batches.clear();
                producer.batches.push_back(Appended {
                    base_sequence: next - 1,
                    last_sequence: next - 1,
                    ..newest
                });
            }
        }
    }

    const GAP: Result<Verdict, ErrorCode> = Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);

    fn stamp(epoch: i16, base_sequence: i32) -> ProducerStamp {
        ProducerStamp {
            producer_id: 7,
            epoch,
            base_sequence,
        }
    }

    /// A partition to which one producer has written batches of 10 records, from this sequence.
    fn table(epoch: i16, from: i32, batches: i32) -> ProducerTable {
        let mut table = ProducerTable::default();
        for number in 0..batches {
            let base_sequence = advance(from, number * 10);
            let verdict = table.judge(stamp(epoch, base_sequence), 10, false);
            assert_eq!(verdict, Ok(Verdict::Append));
            let base_offset = 100 + i64::from(number) * 10;
            table.remember(stamp(epoch, base_sequence), 10, base_offset, 5);
        }
        table
    }

    #[test]
    fn the_last_five_batches_are_known_again_and_no_older_one() {
        let table = table(0, 0, 6);
        assert_eq!(table.judge(stamp(0, 0), 10, false), GAP);
        for number in 1..6 {
            let base_sequence = number * 10;
            let known = Verdict::Repeat(Appended {
                base_sequence,
                last_sequence: base_sequence + 9,
                base_offset: 100 + i64::from(base_sequence),
                timestamp_ms: 5,
            });
            assert_eq!(table.judge(stamp(0, base_sequence), 10, false), Ok(known));
            let shorter = table.judge(stamp(0, base_sequence), 9, false);
            assert_eq!(shorter, GAP, "other records under known sequences");
        }
        assert_eq!(table.judge(stamp(0, 60), 1, false), Ok(Verdict::Append));
        assert_eq!(table.judge(stamp(0, 61), 1, false), GAP);
    }

    #[test]
    fn a_new_epoch_begins_at_zero_and_ends_the_old_one() {
        let mut table = table(3, 0, 2);
        assert_eq!(table.judge(stamp(4, 20), 10, false), GAP);
        assert_eq!(table.judge(stamp(9, 0), 10, false), Ok(Verdict::Append));
        table.remember(stamp(9, 0), 10, 120, 5);
        for (epoch, base_sequence) in [(3, 10), (3, 20), (8, 0)] {
            let verdict = table.judge(stamp(epoch, base_sequence), 10, false);
            assert_eq!(verdict, Err(ErrorCode::INVALID_PRODUCER_EPOCH));
        }
        assert_eq!(table.judge(stamp(9, 10), 10, false), Ok(Verdict::Append));
    }

    #[test]
    fn a_producer_that_is_not_known_may_begin_anywhere_unless_the_broker_is_old() {
        let mut table = table(0, 12_345, 1);
        table.forget();
        assert_eq!(table.judge(stamp(0, 77), 1, false), Ok(Verdict::Append));
        let unknown = Err(ErrorCode::UNKNOWN_PRODUCER_ID);
        assert_eq!(table.judge(stamp(0, 77), 1, true), unknown);
        assert_eq!(table.judge(stamp(0, 0), 1, true), Ok(Verdict::Append));
    }

    #[test]
    fn after_the_largest_sequence_comes_zero() {
        for (sequence, records, later) in [
            (i32::MAX, 1, 0),
            (i32::MAX - 5, 10, 4),
            (0, i32::MAX, i32::MAX),
            (3, 4, 7),
        ] {
            assert_eq!(advance(sequence, records), later);
        }
        // Ten records from the largest sequence but four end at 5.
        let table = table(0, i32::MAX - 4, 1);
        assert_eq!(table.judge(stamp(0, 5), 1, false), Ok(Verdict::Append));
        assert_eq!(table.judge(stamp(0, 6), 1, false), GAP);
        let again = table.judge(stamp(0, i32::MAX - 4), 10, false);
        assert!(matches!(again, Ok(Verdict::Repeat(_))), "{again:?}");
        let mut exact = ProducerTable::default();
        exact.remember(stamp(0, i32::MAX), 1, 0, 5);
        assert_eq!(exact.judge(stamp(0, 0), 1, false), Ok(Verdict::Append));
        assert_eq!(exact.judge(stamp(0, i32::MAX), 2, false), GAP);
    }
}

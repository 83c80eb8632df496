//! Random faults: draws whether a fault with a probability happens. A draw depends on the seed, the
//! fault, its subject (a broker's request, a topic, a partition), and how many draws that subject had
//! before, and on nothing else: the same seed strikes the same batches of a partition again, in
//! whatever order the batches of several partitions arrive. No clock.

use std::collections::BTreeMap;

use crate::ids::NodeId;
use crate::sync::Arc;

/// How likely a fault is, and the lots that it has drawn.
#[derive(Clone, Debug)]
pub(super) struct Chance {
    probability: f64,
    /// The part that is the same in all its draws.
    start: u64,
    /// How many draws each subject had, by its hash: names come from clients and can be long.
    drawn: BTreeMap<u64, u64>,
    /// How many draws there were for all subjects that are not in `drawn`.
    drawn_for_others: u64,
}

/// For how many subjects draws are counted one by one. Later ones share a count, so that their draws
/// depend on each other's.
const MOST_COUNTED: usize = 100_000;

/// The subject of a draw: each has a sequence of draws of its own.
#[derive(Clone, Debug)]
pub(super) enum Lot {
    /// A request as a whole, by the broker that received it.
    Request(NodeId),
    /// A topic, or one of its partitions.
    Subject(Arc<str>, Option<i32>),
}

impl Chance {
    pub(super) fn new(probability: f64) -> Self {
        Self {
            probability,
            start: 0,
            drawn: BTreeMap::new(),
            drawn_for_others: 0,
        }
    }

    /// Sets where the draws begin. `fault` distinguishes faults with the same subjects.
    pub(super) fn begin(&mut self, seed: u64, fault: u64) {
        self.start = mix(seed, fault);
    }

    /// Whether the fault happens this time.
    pub(super) fn hits(&mut self, lot: &Lot) -> bool {
        let name = lot.hash();
        let is_counted = self.drawn.len() < MOST_COUNTED || self.drawn.contains_key(&name);
        let earlier = match is_counted {
            true => self.drawn.entry(name).or_insert(0),
            false => &mut self.drawn_for_others,
        };
        let lot = mix(mix(self.start, name), *earlier);
        *earlier += 1;
        let top = u32::try_from(lot >> 32).expect("half of the bits are left");
        f64::from(top) / TWO_POW_32 < self.probability
    }
}

impl Lot {
    fn hash(&self) -> u64 {
        match self {
            Self::Request(node) => u64::from(node.0.unsigned_abs()),
            Self::Subject(topic, partition) => {
                let index = partition.map_or(u64::MAX, |index| u64::from(index.unsigned_abs()));
                let bytes = topic.bytes().map(u64::from);
                bytes.fold(mix(NAMED, index), mix)
            }
        }
    }
}

/// One step of splitmix64, with something new in it.
fn mix(state: u64, new: u64) -> u64 {
    let mut bits = (state ^ new).wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

const TWO_POW_32: f64 = 4_294_967_296.0;

/// Where the hashes of names begin, so that they differ from those of brokers.
const NAMED: u64 = 0x6e61_6d65;

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(probability: f64, seed: u64, fault: u64, lots: &[Lot]) -> Vec<bool> {
        let mut chance = Chance::new(probability);
        chance.begin(seed, fault);
        let hits = |lot: &Lot| chance.hits(lot);
        lots.iter().map(hits).collect()
    }

    fn partition(index: i32, times: usize) -> Vec<Lot> {
        vec![Lot::Subject("orders".into(), Some(index)); times]
    }

    #[test]
    fn a_partition_has_the_same_lots_whatever_comes_between() {
        let alone = draw(0.5, 7, 0, &partition(3, 100));
        let mixed: Vec<Lot> = (0..100)
            .flat_map(|_| {
                [
                    partition(2, 2),
                    partition(3, 1),
                    vec![Lot::Request(NodeId(1))],
                ]
            })
            .flatten()
            .collect();
        let hits = draw(0.5, 7, 0, &mixed);
        let of_3: Vec<bool> = hits.into_iter().skip(2).step_by(4).collect();
        assert_eq!(alone, of_3);
    }

    #[test]
    fn another_seed_fault_topic_partition_or_broker_has_other_lots() {
        let lots = partition(3, 100);
        let others = [
            draw(0.5, 8, 0, &lots),
            draw(0.5, 7, 1, &lots),
            draw(0.5, 7, 0, &partition(4, 100)),
            draw(0.5, 7, 0, &vec![Lot::Subject("orders".into(), None); 100]),
            draw(0.5, 7, 0, &vec![Lot::Subject("order".into(), Some(3)); 100]),
            draw(0.5, 7, 0, &vec![Lot::Request(NodeId(1)); 100]),
            draw(0.5, 7, 0, &vec![Lot::Request(NodeId(2)); 100]),
            draw(0.5, 7, 0, &lots),
        ];
        for (at, one) in others.iter().enumerate() {
            assert!(!others[..at].contains(one), "{at} is like one before it");
        }
    }

    #[test]
    fn more_names_than_memory_allows_have_lots_all_the_same() {
        let mut chance = Chance::new(0.5);
        let counted = i32::try_from(MOST_COUNTED).unwrap();
        for index in 0..counted + 100 {
            chance.hits(&Lot::Subject("invented".into(), Some(index)));
        }
        assert_eq!(chance.drawn.len(), MOST_COUNTED);
        let late = Lot::Subject("invented".into(), Some(counted));
        let hits = (0..1_000).filter(|_| chance.hits(&late)).count();
        assert!((400..=600).contains(&hits), "{hits}");
    }

    #[test]
    fn hits_as_often_as_it_should() {
        for (probability, least, most) in [(0.0, 0, 0), (0.05, 400, 600), (1.0, 10_000, 10_000)] {
            let hits = draw(probability, 1, 0, &partition(0, 10_000));
            let hits = hits.into_iter().filter(|hit| *hit).count();
            assert!((least..=most).contains(&hits), "{probability}: {hits}");
        }
    }
}

//! What a partition remembers of each producer id, for those heard of most recently: memory stays
//! within a limit however many producers come and go. A real broker forgets them after a day. No
//! clock.

use std::collections::BTreeMap;

/// How many ids a partition remembers; one more makes it forget the one silent for longest.
const REMEMBERED: usize = 1_000;

/// A value for each producer id.
#[derive(Debug)]
pub(super) struct RecentProducers<T> {
    producers: BTreeMap<i64, Entry<T>>,
    /// Counts the calls of [`heard`](Self::heard): a clock for `last_heard`.
    heard: u64,
}

#[derive(Debug)]
struct Entry<T> {
    last_heard: u64,
    value: T,
}

impl<T> Default for RecentProducers<T> {
    fn default() -> Self {
        Self {
            producers: BTreeMap::new(),
            heard: 0,
        }
    }
}

impl<T> RecentProducers<T> {
    pub(super) fn get(&self, producer_id: i64) -> Option<&T> {
        self.producers.get(&producer_id).map(|entry| &entry.value)
    }

    pub(super) fn get_mut(&mut self, producer_id: i64) -> Option<&mut T> {
        let entry = self.producers.get_mut(&producer_id);
        entry.map(|entry| &mut entry.value)
    }

    /// Notes that the producer was heard of just now; returns its value, made if there is none.
    pub(super) fn heard(&mut self, producer_id: i64, make: impl FnOnce() -> T) -> &mut T {
        if self.producers.len() >= REMEMBERED && !self.producers.contains_key(&producer_id) {
            self.forget_one();
        }
        self.heard += 1;
        let entry = self.producers.entry(producer_id).or_insert_with(|| Entry {
            last_heard: 0,
            value: make(),
        });
        entry.last_heard = self.heard;
        &mut entry.value
    }

    pub(super) fn remove(&mut self, producer_id: i64) {
        self.producers.remove(&producer_id);
    }

    pub(super) fn clear(&mut self) {
        self.producers.clear();
    }

    #[cfg(test)]
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.producers.values_mut().map(|entry| &mut entry.value)
    }

    fn forget_one(&mut self) {
        let silent = self
            .producers
            .iter()
            .min_by_key(|(_, entry)| entry.last_heard);
        if let Some(producer_id) = silent.map(|(producer_id, _)| *producer_id) {
            self.producers.remove(&producer_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_producer_silent_for_longest() {
        let mut producers = RecentProducers::default();
        let all = i64::try_from(REMEMBERED).unwrap();
        for id in 0..all {
            producers.heard(id, || id);
        }
        producers.heard(0, || -1);
        for id in all..all + 10 {
            producers.heard(id, || id);
        }
        assert_eq!(producers.producers.len(), REMEMBERED);
        assert_eq!(producers.get(0), Some(&0), "it was heard of since");
        assert_eq!(producers.get(10), None);
        assert_eq!(producers.get(11), Some(&11));
    }
}

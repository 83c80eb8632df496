//! A map from the names of topics that is cheap to copy and to change a little, however many there are:
//! each answer of a broker makes a new view of the cluster, and may be about one topic out of
//! thousands. A copy shares its parts with the original, and a change copies one part.

use crate::sorted_map::SortedMap;
use crate::sync::Arc;

/// Into how many parts names are divided.
const PARTS: usize = 256;

/// See the [module](self).
#[derive(Clone, Debug)]
pub(crate) struct NameMap<V> {
    /// `PARTS` of them, or none while the map is empty.
    parts: Vec<Arc<SortedMap<Arc<str>, V>>>,
}

impl<V> Default for NameMap<V> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

impl<V: Clone> NameMap<V> {
    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.parts.get(part_of(name))?.get(name)
    }

    pub(crate) fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The map's own copy of a name.
    pub(crate) fn key(&self, name: &str) -> Option<&Arc<str>> {
        self.parts.get(part_of(name))?.get_key(name)
    }

    /// All entries, in an order that is always the same for the same names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.parts.iter().flat_map(|part| part.iter())
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.iter().map(|(name, _)| name)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        let part = self.parts.get_mut(part_of(name))?;
        if !part.contains_key(name) {
            return None;
        }
        Arc::make_mut(part).get_mut(name)
    }

    pub(crate) fn insert(&mut self, name: Arc<str>, value: V) {
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, Arc::default);
        }
        if let Some(part) = self.parts.get_mut(part_of(&name)) {
            Arc::make_mut(part).insert(name, value);
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(part) = self.parts.get_mut(part_of(name))
            && part.contains_key(name)
        {
            Arc::make_mut(part).remove(name);
        }
    }
}

/// FNV-1a: the same in each run, unlike the hashes of the standard library.
fn part_of(name: &str) -> usize {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = name.bytes().fold(0x811c_9dc5, step);
    (hash ^ (hash >> 16)) as usize % PARTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_stays_what_it_was() {
        let mut map = NameMap::default();
        for number in 0..1_000 {
            map.insert(Arc::from(format!("topic-{number}")), number);
        }
        let copy = map.clone();
        map.insert(Arc::from("topic-1"), 7);
        *map.get_mut("topic-2").unwrap() = 8;
        map.remove("topic-3");
        let seen = ["topic-1", "topic-2", "topic-3", "topic-4"];
        assert_eq!(
            seen.map(|name| map.get(name).copied()),
            [Some(7), Some(8), None, Some(4)]
        );
        assert_eq!(
            seen.map(|name| copy.get(name).copied()),
            [1, 2, 3, 4].map(Some)
        );
        assert_eq!((map.iter().count(), copy.keys().count()), (999, 1_000));
    }

    #[test]
    fn a_change_copies_one_part_of_many() {
        let mut map = NameMap::default();
        for number in 0..10_000 {
            map.insert(Arc::from(format!("orders.{number}.events")), ());
        }
        let largest = map.parts.iter().map(|part| part.len()).max();
        assert!(largest < Some(100), "{largest:?}");
    }

    #[test]
    fn an_empty_map_finds_nothing() {
        let mut map = NameMap::<u8>::default();
        map.remove("a");
        assert!(map.get("a").is_none() && map.get_mut("a").is_none());
        assert_eq!(map.iter().count(), 0);
    }
}

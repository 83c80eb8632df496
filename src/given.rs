//! The properties that a producer is made with, as serializers, partitioners and interceptors see them
//! in `configure`. Runs on: caller, when a configuration is made.

use std::cell::Cell;

use crate::sorted_map::SortedMap;

/// The properties that a producer is made with: all that are text, under the names that the user gave
/// them, secrets included.
///
/// A name that is asked for here counts as known: Linger does not refuse it, though it means nothing to
/// Linger itself.
///
/// ```
/// use linger::GivenProperties;
///
/// let given = GivenProperties::new([("order.format", "json"), ("linger.ms", "5")]);
/// assert_eq!(given.get("order.format"), Some("json"));
/// assert_eq!(given.get("order.version"), None);
/// ```
#[derive(Debug)]
pub struct GivenProperties<'a> {
    /// With whether somebody has asked for it.
    texts: SortedMap<&'a str, (&'a str, Cell<bool>)>,
}

impl<'a> GivenProperties<'a> {
    /// These properties: for tests of a `configure` of one's own.
    pub fn new(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self {
            texts: texts
                .into_iter()
                .map(|(name, text)| (name, (text, Cell::new(false))))
                .collect(),
        }
    }

    /// The value of a property; `None` if it is not set, or to an object.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let (text, was_asked_for) = self.texts.get(name)?;
        was_asked_for.set(true);
        Some(text)
    }

    /// The properties whose names begin with `prefix`, which is taken off. All of them count as known.
    pub fn with_prefix(&self, prefix: &str) -> Vec<(&'a str, &'a str)> {
        let mut found = Vec::new();
        for (name, (text, was_asked_for)) in self.texts.iter() {
            if let Some(rest) = name.strip_prefix(prefix) {
                was_asked_for.set(true);
                found.push((rest, *text));
            }
        }
        found
    }

    /// Whether somebody has asked for this property.
    pub(crate) fn was_asked_for(&self, name: &str) -> bool {
        let given = self.texts.get(name);
        given.is_some_and(|(_, was_asked_for)| was_asked_for.get())
    }
}

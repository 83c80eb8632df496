//! The properties that a producer is made with, as serializers, partitioners and interceptors see them
//! in `configure`. Runs on: caller, when a configuration is made.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

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
    texts: BTreeMap<&'a str, &'a str>,
    asked_for: RefCell<BTreeSet<&'a str>>,
}

impl<'a> GivenProperties<'a> {
    /// These properties: for tests of a `configure` of one's own.
    pub fn new(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self {
            texts: texts.into_iter().collect(),
            asked_for: RefCell::default(),
        }
    }

    /// The value of a property; `None` if it is not set, or to an object.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let (name, text) = self.texts.get_key_value(name)?;
        self.asked_for.borrow_mut().insert(name);
        Some(text)
    }

    /// The properties whose names begin with `prefix`, which is taken off. All of them count as known.
    pub fn with_prefix(&self, prefix: &str) -> BTreeMap<&'a str, &'a str> {
        let mut found = BTreeMap::new();
        for (name, text) in &self.texts {
            if let Some(rest) = name.strip_prefix(prefix) {
                self.asked_for.borrow_mut().insert(name);
                found.insert(rest, *text);
            }
        }
        found
    }

    /// Whether somebody has asked for this property.
    pub(crate) fn was_asked_for(&self, name: &str) -> bool {
        self.asked_for.borrow().contains(name)
    }
}

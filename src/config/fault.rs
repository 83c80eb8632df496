//! What is wrong with how a property was written down. It is kept with the property and told when a
//! configuration is made, so that it hides no other problem.

use super::properties::Entry;
use super::{shown, torn};

/// What is wrong with how a value was written down.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// It goes on in the next lines, without the backslash that would say so.
    Torn,
    /// It cannot be read, for this reason.
    Malformed(&'static str),
}

impl Fault {
    /// What is wrong with the value of `name`.
    pub(super) fn complaint(self, name: &str) -> String {
        match self {
            Self::Malformed(why) => why.to_owned(),
            Self::Torn if torn::is_pem(name) => {
                "a key or a certificate (PEM) where a property should be".to_owned()
            }
            Self::Torn => {
                let name = shown::cut(name);
                format!(
                    "{name} goes on in the next lines, which are not joined: end each line but the \
                     last with a space and a backslash"
                )
            }
        }
    }
}

/// Lines of which not even a name can be read, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct MalformedLines {
    /// Where they are, and what is wrong.
    pub(super) told: Vec<(Entry, &'static str)>,
    /// How many more there were.
    pub(super) untold: usize,
}

impl MalformedLines {
    /// Adds a line; of too many only the number.
    pub(super) fn push(&mut self, line: Entry, why: &'static str) {
        if self.told.len() < MOST_TOLD {
            self.told.push((line, why));
        } else {
            self.untold += 1;
        }
    }

    /// Adds those of later sources; the first of those comes after `before`.
    pub(super) fn merge(&mut self, other: Self, before: usize) {
        self.untold += other.untold;
        for (mut line, why) in other.told {
            line.source += before;
            self.push(line, why);
        }
    }
}

/// So many are told.
const MOST_TOLD: usize = 50;

//! Finds texts of several lines whose lines do not end in a backslash: a key or certificate in PEM, or
//! a login in JAAS syntax, pasted into a file. Java reads each of their lines as a property of its own,
//! and messages about those would show pieces of a secret.

use super::shown::is_known;
use super::syntax::Property;

/// Looks at the properties of one text, in order.
#[derive(Debug, Default)]
pub(super) struct TornText {
    /// The property whose text is not at its end.
    open: Option<(String, Syntax)>,
    /// The property whose PEM text ended just now; another block may follow.
    ended: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    Pem,
    Jaas,
}

impl TornText {
    /// The earlier property that this one is really a part of.
    pub(super) fn belongs_to(&mut self, property: &Property) -> Option<String> {
        let begins_pem = property.name.starts_with(PEM_BEGIN);
        if let Some(name) = self.ended.take().filter(|_| begins_pem) {
            self.open = Some((name.clone(), Syntax::Pem));
            return Some(name);
        }
        match self.open.take() {
            Some((name, syntax)) if is_inside(syntax, property) => {
                let is_end = match syntax {
                    Syntax::Pem => [&property.name, &property.value]
                        .iter()
                        .any(|text| text.contains(PEM_END)),
                    Syntax::Jaas => [&property.name, &property.value]
                        .iter()
                        .any(|text| text.trim_end().ends_with(';')),
                };
                match (is_end, syntax) {
                    (false, _) => self.open = Some((name.clone(), syntax)),
                    (true, Syntax::Pem) => self.ended = Some(name.clone()),
                    (true, Syntax::Jaas) => {}
                }
                Some(name)
            }
            _ => {
                self.open = begins(property).map(|syntax| (property.name.clone(), syntax));
                None
            }
        }
    }

    /// Whether the next line may be part of a key, so that nothing about it is to be told.
    pub(super) fn is_in_pem(&self) -> bool {
        matches!(self.open, Some((_, Syntax::Pem)))
    }
}

/// Whether the property can be a line of such a text at all.
fn is_inside(syntax: Syntax, property: &Property) -> bool {
    let is_name = syntax == Syntax::Jaas && property.name.contains('.');
    !is_name && !is_known(&property.name)
}

/// Whether the property's text begins and does not end.
fn begins(property: &Property) -> Option<Syntax> {
    let Property { name, value, .. } = property;
    let is_pem = name.starts_with(PEM_BEGIN) || value.contains(PEM_BEGIN);
    if is_pem && !value.contains(PEM_END) {
        return Some(Syntax::Pem);
    }
    let is_jaas = name.ends_with("sasl.jaas.config") && !value.trim_end().ends_with(';');
    is_jaas.then_some(Syntax::Jaas)
}

/// Whether this name is the first line of a key or a certificate.
pub(super) fn is_pem(name: &str) -> bool {
    name.starts_with(PEM_BEGIN)
}

const PEM_BEGIN: &str = "-----BEGIN";
const PEM_END: &str = "-----END";

//! The type and range of a property, and how its value is read from text, which is trimmed before.

use std::num::IntErrorKind;

use super::super::object::PropertyObject;

/// The type and range of a property.
#[derive(Debug)]
pub(in super::super) enum Kind {
    Integer {
        min: i64,
        max: i64,
    },
    /// A compression level: a number of the range, or −1 for the codec's own choice.
    Level {
        min: i64,
        max: i64,
    },
    Decimal {
        min: f64,
        max: f64,
    },
    Boolean,
    Text,
    NonEmptyText,
    /// Never shown.
    Secret,
    Choice {
        values: &'static [&'static str],
        /// Values that are Kafka's but not supported yet.
        later: &'static [&'static str],
        ignores_case: bool,
    },
    List,
    /// The name of a class. For some properties an object may stand in its place.
    Class,
    /// The same for several.
    Classes,
}

/// A value that its kind allows.
#[derive(Clone, Debug)]
pub(in super::super) enum Parsed {
    Integer(i64),
    Decimal(f64),
    Boolean(bool),
    /// Also one of several choices, as the table spells it.
    Text(String),
    List(Vec<String>),
    Object(PropertyObject),
}

impl PartialEq for Parsed {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Decimal(a), Self::Decimal(b)) => a == b,
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            // Objects, and values of different kinds.
            _ => false,
        }
    }
}

impl Kind {
    /// Kafka's INT from `min` up.
    pub(super) const fn int(min: i64) -> Self {
        Self::Integer {
            min,
            max: i32::MAX as i64,
        }
    }

    /// Kafka's LONG from `min` up.
    pub(super) const fn long(min: i64) -> Self {
        Self::Integer { min, max: i64::MAX }
    }

    pub(super) const ANY_INT: Self = Self::int(i32::MIN as i64);
    pub(super) const ANY_LONG: Self = Self::long(i64::MIN);
    pub(super) const ANY_DECIMAL: Self = Self::Decimal {
        min: f64::NEG_INFINITY,
        max: f64::INFINITY,
    };

    /// Reads a value. The caller puts the property's name and value in front of the complaint.
    pub(in super::super) fn parse(&self, text: &str) -> Result<Parsed, String> {
        match self {
            Self::Integer { min, max } => {
                self.integer(text, |number| (*min..=*max).contains(&number))
            }
            Self::Level { min, max } => self.integer(text, |number| {
                number == -1 || (*min..=*max).contains(&number)
            }),
            Self::Decimal { min, max } => match text.parse() {
                Ok(number) if (*min..=*max).contains(&number) => Ok(Parsed::Decimal(number)),
                Ok(_) => Err(self.out_of_range()),
                Err(_) => Err(format!("not a number; it takes {}", self.range())),
            },
            Self::Boolean if text.eq_ignore_ascii_case("true") => Ok(Parsed::Boolean(true)),
            Self::Boolean if text.eq_ignore_ascii_case("false") => Ok(Parsed::Boolean(false)),
            Self::Boolean => Err("neither true nor false".to_owned()),
            Self::NonEmptyText if text.is_empty() => Err("must not be empty".to_owned()),
            Self::Text | Self::NonEmptyText | Self::Secret | Self::Class => {
                Ok(Parsed::Text(text.to_owned()))
            }
            Self::Choice {
                values,
                later,
                ignores_case,
            } => values
                .iter()
                .chain(*later)
                .find(|value| text == **value || *ignores_case && text.eq_ignore_ascii_case(value))
                .map(|value| Parsed::Text((*value).to_owned()))
                .ok_or_else(|| format!("it takes {}", self.range())),
            Self::List | Self::Classes => list(text),
        }
    }

    fn integer(&self, text: &str, is_in_range: impl Fn(i64) -> bool) -> Result<Parsed, String> {
        match text.parse::<i64>() {
            Ok(number) if is_in_range(number) => Ok(Parsed::Integer(number)),
            Ok(_) => Err(self.out_of_range()),
            Err(error) => match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => Err(self.out_of_range()),
                _ => Err(format!("not a whole number; it takes {}", self.range())),
            },
        }
    }

    fn out_of_range(&self) -> String {
        format!("out of range; it takes {}", self.range())
    }

    /// Whether the value is one of Kafka's that is not supported yet, whatever the class says.
    pub(in super::super) fn is_later(&self, value: &Parsed) -> bool {
        match (self, value) {
            (Self::Choice { later, .. }, Parsed::Text(text)) => later.contains(&text.as_str()),
            _ => false,
        }
    }

    /// What is allowed, in words.
    pub(in super::super) fn range(&self) -> String {
        match self {
            Self::Integer { min, max } => match (*min, *max) {
                (i64::MIN, i64::MAX) => "any whole number".to_owned(),
                (min, i64::MAX) => format!("{min} or more"),
                (min, max) => format!("{min} to {max}"),
            },
            Self::Level { min, max } => format!("{min} to {max}, or -1"),
            Self::Decimal { min, max } if min.is_finite() => format!("{min} to {max}"),
            Self::Decimal { .. } => "any number".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Text => "any text".to_owned(),
            Self::NonEmptyText => "any text but the empty one".to_owned(),
            Self::Secret => "a secret, which is never shown".to_owned(),
            Self::Choice { values, later, .. } => values
                .iter()
                .map(|value| (*value).to_owned())
                .chain(
                    later
                        .iter()
                        .map(|value| format!("{value} (not supported yet)")),
                )
                .collect::<Vec<_>>()
                .join(", "),
            Self::List => "a list, separated by commas".to_owned(),
            Self::Class => "a name".to_owned(),
            Self::Classes => "names, separated by commas".to_owned(),
        }
    }
}

/// The elements between commas, trimmed.
fn list(text: &str) -> Result<Parsed, String> {
    if text.is_empty() {
        return Ok(Parsed::List(Vec::new()));
    }
    let elements: Vec<_> = text
        .split(',')
        .map(|element| element.trim().to_owned())
        .collect();
    if elements.iter().any(String::is_empty) {
        return Err("there is nothing between two commas, or at an end of the list".to_owned());
    }
    Ok(Parsed::List(elements))
}

//! What the producer promises, by the numbers of docs/TESTING.md, and how a broken promise ends a
//! schedule. Knows neither the producer nor the model around it.

use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// Every accepted record has one outcome, and only one.
    I1,
    /// What is acknowledged lies in its log, where the outcome says: in the log of the cluster that has
    /// acknowledged it.
    I2,
    /// An idempotent producer writes nothing twice.
    I3,
    /// A log has its records in the order in which they were sent.
    I4,
    /// A record whose error says that it is not written is in no log.
    I5,
    /// Memory stays within its limit, covers what lives, and all of it comes back.
    I6,
    /// No outcome and no call is later than its deadline.
    I7,
    /// When nothing is wrong any more, records arrive; and at no time does the producer work without
    /// end.
    I8,
    /// Of a transaction a reader of what is committed sees everything, or nothing, as its end says.
    I9,
    /// Every request is one that a correct producer sends.
    I10,
    /// Nothing is left when the producer has stopped.
    I11,
    /// What is in the log is what was given to `send`.
    I12,
    /// A flush returns after the outcomes of all that was accepted before it.
    I13,
    /// The same seed is the same schedule.
    I15,
    /// A purge takes all that was never sent, and nothing else; none of it is sent afterwards.
    I16,
    /// What one cluster may have does not go to the next one.
    I17,
}

pub(super) use Promise::{I1, I2, I3, I4, I5, I6, I7, I8, I9, I10, I11, I12, I13, I15, I16, I17};

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            I1 => "one outcome",
            I2 => "acknowledged is written",
            I3 => "nothing twice",
            I4 => "order",
            I5 => "not written is not written",
            I6 => "memory",
            I7 => "in time",
            I8 => "progress, and no endless work",
            I9 => "all or nothing",
            I10 => "legal requests",
            I11 => "nothing left",
            I12 => "same content",
            I13 => "flush waits",
            I15 => "same seed, same schedule",
            I16 => "purge",
            I17 => "one cluster",
        };
        write!(f, "{self:?} ({words})")
    }
}

/// Ends the schedule if a promise is broken.
pub(super) fn broken_if(promise: Promise, broken: bool, text: impl FnOnce() -> String) {
    if broken {
        give_up(promise, &text());
    }
}

/// Panics without printing anything: the code that runs the seed reports it, once.
pub(super) fn give_up(promise: Promise, text: &str) -> ! {
    resume_unwind(Box::new(format!("{promise}: {text}")))
}

/// What a panic said: a broken promise, or an assertion of the producer's own.
pub(super) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "a panic without a text".to_owned());
    if text.starts_with('I') && text.contains("): ") {
        return text;
    }
    format!("panic: {text}")
}

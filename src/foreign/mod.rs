//! Code that is not ours, and may panic wherever it runs: callbacks, functions of groups,
//! serializers, partitioners, interceptors, loggers, the text of an error, and the drops of all of
//! these. It runs inside [`contain`], or, if its panic is for the caller of `send` to see, inside
//! [`watch`]. No other product code catches a panic (`tests/it/tidy.rs`), so there is one place where
//! it is decided what becomes of a payload. Runs on: any thread, with no lock held. HOT.
//!
//! A payload has a drop, too, and that may panic with another such payload. A caught panic whose
//! payload was simply dropped once ended the I/O thread, and two in one batch aborted the process.

mod held;
pub(crate) mod logging;

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub(crate) use held::Held;

use crate::sync::assert_unlocked;

type Payload = Box<dyn Any + Send>;

/// Foreign code has panicked, with these words; of its payload nothing is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Panic(String);

/// Runs foreign code, and returns whatever it does.
///
/// Nothing of ours may be half done in `call`: what it was to change is not looked at after a panic.
#[inline]
pub(crate) fn contain<T>(call: impl FnOnce() -> T) -> Result<T, Panic> {
    assert_unlocked();
    catch_unwind(AssertUnwindSafe(call)).map_err(Panic::of)
}

/// Runs foreign code whose panic the caller of `send` is to see: `tell` gets its words, and it
/// unwinds on. Calls of foreign code in `tell` must be contained.
pub(crate) fn watch<T>(call: impl FnOnce() -> T, tell: impl FnOnce(&str)) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
        tell(words(&*payload));
        resume_unwind(payload)
    })
}

/// Drops what is foreign.
///
/// # Errors
/// The drop has panicked. What the value owned besides may be leaked.
pub(crate) fn dispose<T>(value: T) -> Result<(), Panic> {
    contain(|| drop(value))
}

/// The text of a foreign error, which is dropped.
pub(crate) fn into_text(error: Box<dyn StdError + Send + Sync>) -> String {
    let text = text(&*error);
    // Not while its text unwinds: two panics at once would abort the process.
    match dispose(error) {
        Ok(()) => text,
        Err(panic) => format!("{text} (and panicked as it was dropped: {panic})"),
    }
}

/// The text of a foreign error.
pub(crate) fn text(error: &(dyn StdError + Send + Sync)) -> String {
    contain(|| error.to_string())
        .unwrap_or_else(|panic| format!("(an error whose text panicked: {panic})"))
}

impl Panic {
    #[cold]
    fn of(payload: Payload) -> Self {
        let panic = Self(words(&*payload).to_owned());
        discard(payload);
        panic
    }
}

/// Drops a payload; what comes of a drop that panics, too, is leaked, or this would have no end.
#[cold]
fn discard(payload: Payload) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
}

/// What a panic says.
fn words(payload: &(dyn Any + Send)) -> &str {
    let words = payload.downcast_ref::<&str>().copied();
    let words = words.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    words.unwrap_or("(no text)")
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Panics when it is dropped, with another one as its payload.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            resume_unwind(Box::new(Self));
        }
    }

    #[derive(Debug)]
    struct Unspeakable(#[expect(dead_code, reason = "dropped")] Option<Spoilt>);

    #[derive(Debug)]
    struct Spoilt;

    impl Drop for Spoilt {
        fn drop(&mut self) {
            resume_unwind(Box::new("dropped"));
        }
    }

    impl StdError for Unspeakable {}

    impl fmt::Display for Unspeakable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            resume_unwind(Box::new("shown"));
        }
    }

    fn panic(payload: impl Any + Send) -> Result<(), Panic> {
        contain(|| resume_unwind(Box::new(payload)))
    }

    #[test]
    fn a_panic_is_its_words() {
        let text = |panicked: Result<(), Panic>| panicked.unwrap_err().to_string();
        assert_eq!(text(panic("in a str")), "in a str");
        assert_eq!(text(panic("in a String".to_owned())), "in a String");
        assert_eq!(text(panic(4711)), "(no text)");
        assert_eq!(contain(|| 7), Ok(7));
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_stays_inside() {
        for _ in 0..2 {
            assert!(panic(Bomb).is_err());
            assert!(dispose(Bomb).is_err());
        }
    }

    #[test]
    fn all_of_that_holds_while_a_panic_unwinds() {
        struct Contains(mpsc::Sender<bool>);
        impl Drop for Contains {
            fn drop(&mut self) {
                let contained = panic(Bomb).is_err() && dispose(Bomb).is_err();
                self.0.send(contained).unwrap();
            }
        }
        let (tell, told) = mpsc::channel();
        let outer = contain(|| {
            let _contains = Contains(tell);
            resume_unwind(Box::new("outer"));
        });
        assert_eq!(outer, Err(Panic("outer".to_owned())));
        assert_eq!(told.recv(), Ok(true));
    }

    #[test]
    fn an_error_has_a_text_whatever_its_text_and_its_drop_do() {
        assert_eq!(into_text("plain".into()), "plain");
        let shown = "(an error whose text panicked: shown)";
        assert_eq!(into_text(Box::new(Unspeakable(None))), shown);
        let both = into_text(Box::new(Unspeakable(Some(Spoilt))));
        let expected = format!("{shown} (and panicked as it was dropped: dropped)");
        assert_eq!(both, expected);
    }

    #[test]
    fn a_panic_that_is_watched_goes_on() {
        let mut heard = String::new();
        let outer = contain(|| {
            watch(
                || resume_unwind(Box::new("mine")),
                |words| heard.push_str(words),
            );
        });
        assert_eq!(outer, Err(Panic("mine".to_owned())));
        assert_eq!(heard, "mine");
    }
}

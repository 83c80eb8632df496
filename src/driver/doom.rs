//! Why no record is taken into the open transaction any more. The I/O thread says so, every call that
//! sends in a transaction asks: HOT, one look at an atomic while all is well.

use crate::error::{Error, Result};
use crate::sync::{AtomicBool, Mutex, Ordering, Rank, Ranked};

/// What has become of the open transaction, or of the producer.
#[derive(Debug)]
pub(crate) struct Doom {
    is_set: AtomicBool,
    /// One that is fatal stays for ever.
    error: Mutex<Option<Error>>,
}

impl Default for Doom {
    fn default() -> Self {
        Self {
            is_set: AtomicBool::new(false),
            error: Mutex::ranked(Rank::Doom, None),
        }
    }
}

impl Doom {
    /// The open transaction can only be aborted, or the producer only be closed. The first reason stays,
    /// unless a fatal one comes after it.
    pub(crate) fn set(&self, error: Error) {
        let mut known = self.error.lock();
        let is_worse = |known: &Error| error.is_fatal() && !known.is_fatal();
        if known.as_ref().is_none_or(is_worse) {
            *known = Some(error);
        }
        self.is_set.store(true, Ordering::Release);
        drop(known);
    }

    /// The transaction has ended. What is fatal stays.
    pub(crate) fn clear(&self) {
        let mut known = self.error.lock();
        if known.as_ref().is_some_and(Error::is_fatal) {
            return;
        }
        *known = None;
        self.is_set.store(false, Ordering::Release);
        drop(known);
    }

    /// # Errors
    /// The transaction can only be aborted, or the producer only be closed.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_set.load(Ordering::Acquire) {
            return self.tell();
        }
        Ok(())
    }

    #[cold]
    fn tell(&self) -> Result<()> {
        match &*self.error.lock() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, Remedy};

    fn doom(text: &str, remedy: Remedy) -> Error {
        Error::of_transaction(ErrorKind::TransactionAborted, text, remedy)
    }

    #[test]
    fn the_first_reason_stays_until_the_end_and_a_fatal_one_for_ever() {
        let kept = Doom::default();
        kept.check().unwrap();
        kept.set(doom("first", Remedy::Abort));
        kept.set(doom("second", Remedy::Abort));
        assert_eq!(kept.check().unwrap_err().to_string(), "first");
        kept.clear();
        kept.check().unwrap();
        kept.set(doom("third", Remedy::Abort));
        kept.set(doom("fatal", Remedy::Close));
        kept.clear();
        kept.set(doom("fourth", Remedy::Abort));
        kept.set(doom("fifth", Remedy::Close));
        assert_eq!(kept.check().unwrap_err().to_string(), "fatal");
    }
}

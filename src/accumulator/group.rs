//! Records that share one function, each with a token of the user's own type: a batch keeps the
//! tokens of a group in one list behind one box, so that a record allocates nothing and no other
//! type depends on that of the tokens. HOT: [`GroupFunction::tokens_in`] runs for each record. Panics
//! of the function are for the [completions](super::completion) to catch.

use std::any::Any;
use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::foreign::dispose;
use crate::foreign::logging::log_error;
use crate::metrics::Counters;
use crate::record::metadata::RecordMetadata;
use crate::sync::Arc;

/// What a group calls for each of its records. Dropped with the group's last clone or record, on
/// whatever thread that is: what it captures is the user's, and a panic of that drop is counted.
pub(crate) struct GroupFunction<T> {
    function: Box<Function<T>>,
    counters: Arc<Counters>,
}

type Function<T> = dyn Fn(T, Result<&RecordMetadata, &Error>) + Send + Sync;

/// The tokens of one group in one batch, in the order of `send`, whatever their type is.
pub(super) trait Tokens: Any + Send {
    /// Calls the group's function with the oldest token, which it consumes.
    fn call_next(&mut self, answer: Result<&RecordMetadata, &Error>);

    /// Takes the oldest ones out.
    fn split_off_front(&mut self, count: usize) -> Box<dyn Tokens>;
}

struct TokensOf<T> {
    group: Arc<GroupFunction<T>>,
    tokens: VecDeque<T>,
}

impl<T: Send + 'static> GroupFunction<T> {
    pub(crate) fn new(
        function: impl Fn(T, Result<&RecordMetadata, &Error>) + Send + Sync + 'static,
        counters: &Arc<Counters>,
    ) -> Arc<Self> {
        Arc::new(Self {
            function: Box::new(function),
            counters: Arc::clone(counters),
        })
    }

    /// The tokens in this list, if it is this group's.
    #[inline]
    pub(super) fn tokens_in<'t>(
        self: &Arc<Self>,
        tokens: &'t mut dyn Tokens,
    ) -> Option<&'t mut VecDeque<T>> {
        let tokens: &mut dyn Any = tokens;
        let tokens = tokens.downcast_mut::<TokensOf<T>>()?;
        Arc::ptr_eq(&tokens.group, self).then_some(&mut tokens.tokens)
    }

    /// A list with its first token, and room for `capacity`.
    pub(super) fn new_list(self: &Arc<Self>, token: T, capacity: usize) -> Box<dyn Tokens> {
        let mut tokens = VecDeque::with_capacity(capacity);
        tokens.push_back(token);
        Box::new(TokensOf {
            group: Arc::clone(self),
            tokens,
        })
    }
}

impl<T> Drop for GroupFunction<T> {
    fn drop(&mut self) {
        // What takes its place captures nothing, so this allocates nothing.
        let function = std::mem::replace(&mut self.function, Box::new(|_, _| ()));
        if let Err(panic) = dispose(function) {
            log_error!("what a group's function captures panicked as it was dropped: {panic}");
            self.counters.callbacks_panicked.add_from_any_thread(1);
        }
    }
}

impl<T: Send + 'static> Tokens for TokensOf<T> {
    fn call_next(&mut self, answer: Result<&RecordMetadata, &Error>) {
        if let Some(token) = self.tokens.pop_front() {
            (self.group.function)(token, answer);
        }
    }

    fn split_off_front(&mut self, count: usize) -> Box<dyn Tokens> {
        let count = count.min(self.tokens.len());
        Box::new(Self {
            group: Arc::clone(&self.group),
            tokens: self.tokens.drain(..count).collect(),
        })
    }
}

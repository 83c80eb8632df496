//! What a record brings along to be called with its outcome, until the record is in a batch: a
//! callback of its own, or a token for its group's function. `append` sees both through one trait, so
//! it is compiled once and not for each type of callback. A record that is refused keeps what it
//! brought, and its caller gets it back. HOT. Runs on: caller.

use crate::accumulator::completion::Completions;
use crate::accumulator::group::GroupFunction;
use crate::error::Result;
use crate::foreign::dispose;
use crate::foreign::logging::log_error;
use crate::record::Record;
use crate::record::metadata::RecordMetadata;
use crate::sync::Arc;

/// What is called when the record has its outcome.
pub(crate) trait OnCompletion {
    /// Moves it into the batch that the record is in. Called at most once.
    fn attach(&mut self, completions: &mut Completions, record: &Record<'_>);

    /// Whether it has been moved: from then on its batch sees to the record's outcome.
    fn is_attached(&self) -> bool;
}

/// A callback or token on its way into a batch.
pub(crate) struct CallbackRef<'a> {
    /// What `buffer.memory` is charged for it while the record is pending. A field and not a trait
    /// method: a method would cost each record a virtual call.
    pub(crate) charged_bytes: usize,
    pub(crate) callback: &'a mut dyn OnCompletion,
}

/// A callback of the record's own; boxed when it is attached, and not before, so that a refused
/// record has cost no allocation. Neither attached nor handed back, it is dropped while a panic of a
/// serializer or partitioner unwinds, where another panic would abort the process.
pub(crate) struct OwnCallback<F>(Option<F>);

/// A token for the function that all records of a group share; of its drop the same is true.
pub(crate) struct GroupToken<'g, T> {
    group: &'g Arc<GroupFunction<T>>,
    token: Option<T>,
}

const ONCE: &str = "a record is appended once";
const UNUSED: &str = "a refused record was not appended";

impl<F> OwnCallback<F> {
    pub(crate) fn new(callback: F) -> Self {
        Self(Some(callback))
    }

    /// The callback of a record that was refused.
    pub(crate) fn into_unused(mut self) -> F {
        self.0.take().expect(UNUSED)
    }
}

impl<F> Drop for OwnCallback<F> {
    fn drop(&mut self) {
        drop_uncalled(self.0.take());
    }
}

impl<F> OwnCallback<F>
where
    F: FnOnce(Result<RecordMetadata>) + Send + 'static,
{
    /// To be attached to a batch.
    pub(crate) fn by_ref(&mut self) -> CallbackRef<'_> {
        CallbackRef {
            charged_bytes: size_of::<F>(),
            callback: self,
        }
    }
}

impl<'g, T> GroupToken<'g, T> {
    pub(crate) fn new(group: &'g Arc<GroupFunction<T>>, token: T) -> Self {
        Self {
            group,
            token: Some(token),
        }
    }

    /// The token of a record that was refused.
    pub(crate) fn into_unused(mut self) -> T {
        self.token.take().expect(UNUSED)
    }
}

impl<T> Drop for GroupToken<'_, T> {
    fn drop(&mut self) {
        drop_uncalled(self.token.take());
    }
}

impl<T: Send + 'static> GroupToken<'_, T> {
    /// To be attached to a batch.
    pub(crate) fn by_ref(&mut self) -> CallbackRef<'_> {
        CallbackRef {
            charged_bytes: size_of::<T>(),
            callback: self,
        }
    }
}

#[inline]
fn drop_uncalled<T>(left: Option<T>) {
    if let Some(Err(panic)) = left.map(dispose) {
        log_error!("a callback or token that is not needed panicked as it was dropped: {panic}");
    }
}

impl<F> OnCompletion for OwnCallback<F>
where
    F: FnOnce(Result<RecordMetadata>) + Send + 'static,
{
    fn attach(&mut self, completions: &mut Completions, record: &Record<'_>) {
        let callback = self.0.take().expect(ONCE);
        completions.push(Box::new(callback), record);
    }

    fn is_attached(&self) -> bool {
        self.0.is_none()
    }
}

impl<T: Send + 'static> OnCompletion for GroupToken<'_, T> {
    fn attach(&mut self, completions: &mut Completions, record: &Record<'_>) {
        let token = self.token.take().expect(ONCE);
        completions.push_token(self.group, token, record);
    }

    fn is_attached(&self) -> bool {
        self.token.is_none()
    }
}

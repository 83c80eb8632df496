//! Where callers leave commands for the I/O thread and wait for the answers. Every wait ends: if
//! the I/O thread dies, dropping a command answers it.

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::ids::ProcessId;
use crate::sender::{Command, CommandId, PurgeId, PurgeOrder, Purged};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, Rank, Ranked, assert_unlocked};

/// Commands on their way to the I/O thread.
#[derive(Debug)]
pub(crate) struct Mailbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    posted: Vec<Posted>,
    next: u64,
    /// The topics that callers have waited for or asked about: what a check looks at while no broker
    /// has ever answered. In the order of their names.
    sought: Vec<Arc<str>>,
    /// Set once the I/O thread carries out no more commands; they are still queued.
    ending: Option<End>,
    /// Set once commands are refused.
    ended: Option<End>,
}

/// Why nothing can be asked of the I/O thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The producer was closed.
    Closed,
    /// The thread panicked.
    Died,
    /// It runs in that process, and this one is a forked child.
    Forked(ProcessId),
}

impl End {
    pub(crate) fn error(self) -> Error {
        match self {
            Self::Closed => Error::new(ErrorKind::Closed, "the producer is closed"),
            Self::Died => Error::new(
                ErrorKind::Internal,
                "the producer's I/O thread has died; its panic is in the log",
            ),
            Self::Forked(home) => Error::new(
                ErrorKind::Misuse,
                format!(
                    "this producer belongs to process {home}; a forked child must make its own"
                ),
            ),
        }
    }
}

/// What a caller has asked for, and where it waits for the answer.
#[derive(Debug)]
pub(crate) enum Posted {
    Command(CommandId, Command, Answer<()>),
    Purge(PurgeId, PurgeOrder, Answer<Purged>),
}

/// Something that can be asked of the I/O thread. It names the type of its answer, so a caller gets
/// that, and the I/O thread can give no other.
pub(crate) trait Postable {
    type Answer;

    fn posted(self, number: u64, answer: Answer<Self::Answer>) -> Posted;

    /// The topic that the caller wants to know more of.
    fn topic(&self) -> Option<&Arc<str>> {
        None
    }
}

impl Postable for Command {
    type Answer = ();

    fn posted(self, number: u64, answer: Answer<()>) -> Posted {
        Posted::Command(CommandId(number), self, answer)
    }

    fn topic(&self) -> Option<&Arc<str>> {
        match self {
            Self::AwaitTopic { topic, .. } | Self::Track(topic) => Some(topic),
            _ => None,
        }
    }
}

impl Postable for PurgeOrder {
    type Answer = Purged;

    fn posted(self, number: u64, answer: Answer<Purged>) -> Posted {
        Posted::Purge(PurgeId(number), self, answer)
    }
}

impl Posted {
    fn refuse(self, error: Error) {
        match self {
            Self::Command(_, _, answer) => answer.give(Err(error)),
            Self::Purge(_, _, answer) => answer.give(Err(error)),
        }
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self(Mutex::ranked(Rank::Mailbox, State::default()))
    }
}

impl Mailbox {
    /// Leaves a command; wake the I/O thread afterwards.
    ///
    /// # Errors
    /// The I/O thread has ended.
    pub(crate) fn post<C: Postable>(&self, command: C) -> Result<Ticket<C::Answer>, End> {
        let mut state = self.0.lock();
        if let Some(end) = state.ended {
            return Err(end);
        }
        if let Some(topic) = command.topic()
            && state.sought.len() < MOST_SOUGHT
            && let Err(place) = state.sought.binary_search(topic)
        {
            state.sought.insert(place, Arc::clone(topic));
        }
        let slot = Arc::new(Slot::default());
        let answer = Answer(Some(Arc::clone(&slot)));
        let posted = command.posted(state.next, answer);
        state.next += 1;
        state.posted.push(posted);
        drop(state);
        Ok(Ticket(slot))
    }

    /// The topics that callers have wanted to know of, at most [`MOST_SOUGHT`].
    pub(super) fn sought(&self) -> Vec<Arc<str>> {
        self.0.lock().sought.clone()
    }

    /// Takes everything posted. Runs on: I/O thread.
    pub(super) fn take(&self) -> Vec<Posted> {
        std::mem::take(&mut self.0.lock().posted)
    }

    /// The I/O thread ends: all that is left to do is to say so. Commands are still taken, and answered
    /// by [`end`](Self::end).
    pub(super) fn announce(&self, end: End) {
        self.0.lock().ending = Some(end);
    }

    /// Takes no commands any more; those not taken are answered.
    pub(super) fn end(&self, end: End) {
        let mut state = self.0.lock();
        state.ended = Some(end);
        let unread = std::mem::take(&mut state.posted);
        drop(state);
        for posted in unread {
            posted.refuse(end.error());
        }
    }

    /// Why the I/O thread does nothing any more, if that is so.
    pub(crate) fn ending(&self) -> Option<End> {
        self.0.lock().ending
    }
}

/// A program that goes on to make up names must not fill the memory with them.
const MOST_SOUGHT: usize = 10_000;

/// The caller's half: waits for the answer.
#[derive(Debug)]
pub(crate) struct Ticket<T>(Arc<Slot<Result<T>>>);

impl<T> Ticket<T> {
    /// Takes the answer, or `None` if there is none by the deadline. Runs on: caller.
    pub(crate) fn take(self, deadline: Option<Instant>) -> Option<Result<T>> {
        self.0.wait_for(deadline).value.take()
    }
}

impl<T: Clone> Ticket<T> {
    /// The answer, or `None` if there is none by the deadline. Runs on: caller.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Option<Result<T>> {
        self.0.wait(deadline)
    }

    /// [`wait`](Self::wait) for a command that has the deadline itself: at it the I/O thread knows
    /// better what there is to say, and gets `grace` to say it. Runs on: caller.
    pub(crate) fn wait_beyond(
        &self,
        deadline: Option<Instant>,
        grace: Duration,
    ) -> Option<Result<T>> {
        self.wait(deadline.and_then(|deadline| deadline.checked_add(grace)))
    }
}

/// The I/O thread's half: owes an answer, and gives one when dropped.
#[derive(Debug)]
pub(crate) struct Answer<T>(Option<Arc<Slot<Result<T>>>>);

impl<T> Answer<T> {
    pub(super) fn give(mut self, result: Result<T>) {
        if let Some(slot) = self.0.take() {
            slot.fill(result);
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.fill(Err(End::Died.error()));
        }
    }
}

/// A value that another thread waits for, or a task of an async program.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    state: Mutex<SlotState<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct SlotState<T> {
    value: Option<T>,
    /// Of the task that polled last.
    waker: Option<Waker>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        let empty = SlotState {
            value: None,
            waker: None,
        };
        Self {
            state: Mutex::ranked(Rank::Answer, empty),
            filled: Condvar::new(),
        }
    }
}

impl<T> Slot<T> {
    pub(crate) fn fill(&self, value: T) {
        let mut state = self.state.lock();
        state.value = Some(value);
        let waker = state.waker.take();
        drop(state);
        self.filled.notify_all();
        if let Some(waker) = waker {
            // The code of the task's runtime.
            assert_unlocked();
            waker.wake();
        }
    }

    /// Waits for the value, which is there unless the deadline has passed; `None` waits for ever.
    fn wait_for(&self, deadline: Option<Instant>) -> MutexGuard<'_, SlotState<T>> {
        let mut state = self.state.lock();
        while state.value.is_none() {
            match deadline {
                None => self.filled.wait(&mut state),
                Some(deadline) => {
                    if self.filled.wait_until(&mut state, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        state
    }
}

impl<T: Clone> Slot<T> {
    /// The value, if it is there.
    pub(crate) fn peek(&self) -> Option<T> {
        self.state.lock().value.clone()
    }

    /// The value, or else wakes this task once it is there; only the task that polled last.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<T> {
        // Cloned and dropped outside of the lock: it is the code of the task's runtime.
        let waker = context.waker().clone();
        let mut state = self.state.lock();
        if let Some(value) = state.value.clone() {
            drop(state);
            return Poll::Ready(value);
        }
        let replaced = state.waker.replace(waker);
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    /// Waits for the value, at most until the deadline; `None` waits for ever.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Option<T> {
        self.wait_for(deadline).value.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accumulator::BatchId;

    fn command() -> Command {
        Command::Flush(BatchId::new(0))
    }

    #[test]
    fn a_command_that_is_dropped_is_answered() {
        let mailbox = Mailbox::default();
        let ticket = mailbox.post(command()).unwrap();
        drop(mailbox.take());
        assert_eq!(
            ticket.wait(None).unwrap().unwrap_err().kind(),
            ErrorKind::Internal
        );
    }

    #[test]
    fn a_purge_has_an_answer_of_its_own_type() {
        let mailbox = Mailbox::default();
        let order = PurgeOrder {
            topic: None,
            before: BatchId::new(0),
            returns: false,
        };
        let ticket = mailbox.post(order).unwrap();
        for posted in mailbox.take() {
            let Posted::Purge(_, _, answer) = posted else {
                panic!("a purge was posted: {posted:?}");
            };
            answer.give(Ok(Purged {
                records: 3,
                ..Purged::default()
            }));
        }
        assert_eq!(ticket.take(None).unwrap().unwrap().records, 3);
    }

    #[test]
    fn a_command_that_is_never_read_is_answered_at_the_end() {
        let mailbox = Mailbox::default();
        let ticket = mailbox.post(command()).unwrap();
        mailbox.end(End::Closed);
        assert!(ticket.wait(None).unwrap().unwrap_err().is_closed());
        assert_eq!(mailbox.post(command()).unwrap_err(), End::Closed);
    }
}

//! Where a transactional producer is: between transactions, in one, or at the end of one whose answer is
//! still to come. Each call goes through here; whom to ask and when is the I/O thread's. Runs on: caller.
//!
//! ```text
//!   Uninitialized ──init──> Ready ──begin──> Open ──end──> Ending ──answered──> Ready
//!                                             ^               │
//!                                             └─ not committed ┘
//! ```

use std::mem;

use crate::driver::{End, Shared, Ticket};
use crate::error::{Error, ErrorKind, Fate, Remedy, Result};
use crate::producer::gate::Gate;
use crate::producer::wait_limit::WaitLimit;
use crate::producer::{Producer, misuse};
use crate::sender::Command;
use crate::sync::OnceLock;

use super::offsets::{ConsumerGroup, ConsumerOffsets};

/// Of one producer.
#[derive(Debug)]
pub(super) struct Lifecycle {
    phase: Phase,
    /// Why the open transaction can only be aborted, although the I/O thread does not know.
    broken: OnceLock<Error>,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// The transactional id is not this producer's yet; it may be asked for.
    Uninitialized(Option<Ticket<()>>),
    /// No transaction is open.
    Ready,
    Open,
    /// The I/O thread has not answered yet. No other end is asked for until then: a commit is never asked
    /// for twice, and an abort never takes the place of a commit that may have been done.
    Ending {
        commit: bool,
        ticket: Ticket<()>,
    },
}

/// One call of the user's, for as long as it may wait.
pub(super) struct Call<'a> {
    pub(super) name: &'static str,
    pub(super) gate: Gate<'a>,
    pub(super) limit: WaitLimit,
    /// What to call for a commit that has not been answered.
    pub(super) to_resolve: &'static str,
}

impl<'a> Call<'a> {
    /// # Errors
    /// The call is made inside a callback, or in a forked child.
    pub(super) fn new<K: ?Sized, V: ?Sized>(
        producer: &'a Producer<K, V>,
        name: &'static str,
        to_resolve: &'static str,
    ) -> Result<Self> {
        let shared = &*producer.handle.shared;
        shared.check_process().map_err(End::error)?;
        if shared.is_io_thread() {
            return Err(misuse(name));
        }
        Ok(Self {
            name,
            gate: producer.gate(),
            limit: producer.max_block(),
            to_resolve,
        })
    }

    pub(super) fn shared(&self) -> &'a Shared {
        self.gate.shared
    }

    /// The answer, or `None` once the time of this call is over.
    fn wait(&self, ticket: &Ticket<()>) -> Option<Result<()>> {
        let deadline = self.limit.begin().and_then(|(deadline, _)| deadline);
        ticket.wait(deadline)
    }

    fn limit(&self) -> String {
        let limit = self.limit.begin();
        limit.map_or_else(String::new, |(_, limit)| limit.describe())
    }

    /// Why this producer can do nothing any more, whatever its state.
    pub(super) fn unusable(&self, doom: Option<&Error>) -> Option<Error> {
        let fatal = doom.filter(|doom| doom.is_fatal());
        over(self.shared()).or_else(|| Some(fatal?.after(self.name)))
    }

    pub(super) fn error(&self, kind: ErrorKind, text: &str) -> Error {
        Error::new(kind, format!("{}: {text}", self.name))
    }

    fn timed_out(&self, text: &str) -> Error {
        let text = format!("no answer within {}: {text}", self.limit());
        self.error(ErrorKind::TimedOut, &text)
    }
}

impl Lifecycle {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Uninitialized(None),
            broken: OnceLock::new(),
        }
    }

    pub(super) fn phase(&self) -> &Phase {
        &self.phase
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Makes the transactional id this producer's own. A call that runs out of time can be made again.
    pub(super) fn init(&mut self, call: &Call<'_>) -> Result<()> {
        let ticket = match mem::replace(&mut self.phase, Phase::Uninitialized(None)) {
            Phase::Uninitialized(Some(ticket)) => ticket,
            _ => call
                .shared()
                .post(Command::InitTransactions)
                .map_err(End::error)?,
        };
        match call.wait(&ticket) {
            Some(Ok(())) => {
                self.phase = Phase::Ready;
                Ok(())
            }
            Some(Err(error)) => {
                Self::note(call.shared(), &error);
                Err(error.after(call.name))
            }
            None => {
                self.phase = Phase::Uninitialized(Some(ticket));
                let text = "the brokers have not given this producer its transactional.id yet";
                // That no broker can be reached says more.
                Err(match call.shared().health().unreachable() {
                    Some(cause) => cause.after(&call.timed_out(text).to_string()),
                    None => call.timed_out(text),
                })
            }
        }
    }

    /// Opens a transaction, once the one before has ended. One that was leaked is aborted.
    pub(super) fn begin(&mut self, call: &Call<'_>) -> Result<()> {
        if self.is_open() {
            self.post_abort(call.shared())?;
        }
        if let Err(error) = self.settle(call) {
            // A commit that has failed leaves its transaction to be aborted.
            if self.is_open() {
                self.post_abort(call.shared())?;
            }
            return Err(error);
        }
        self.open(call)
    }

    /// Opens a transaction while none is.
    pub(super) fn open(&mut self, call: &Call<'_>) -> Result<()> {
        // First: whoever hears that a transaction can only be aborted tries again.
        let shared = call.shared();
        if let Some(over) = over(shared) {
            return Err(over);
        }
        shared.doom.check()?;
        self.phase = Phase::Open;
        Ok(())
    }

    /// Ends the open transaction. If it is open still after an error, it can only be aborted.
    pub(super) fn end(&mut self, call: &Call<'_>, commit: bool) -> Result<()> {
        if let Some(error) = self.broken.get().filter(|_| commit) {
            return Err(error.clone());
        }
        self.post_end(call.shared(), commit)?;
        self.settle(call)
    }

    /// Asks for an abort, and waits for nothing.
    pub(super) fn post_abort(&mut self, shared: &Shared) -> Result<()> {
        self.post_end(shared, false)
    }

    fn post_end(&mut self, shared: &Shared, commit: bool) -> Result<()> {
        let before = shared.accumulator.next_batch();
        let command = Command::EndTransaction { commit, before };
        let ticket = shared.post(command).map_err(End::error)?;
        self.phase = Phase::Ending { commit, ticket };
        Ok(())
    }

    /// Waits for the end that has been asked for, if one has.
    pub(super) fn settle(&mut self, call: &Call<'_>) -> Result<()> {
        let Phase::Ending { commit, ticket } = &self.phase else {
            return Ok(());
        };
        let commit = *commit;
        let Some(answer) = call.wait(ticket) else {
            return Err(match commit {
                true => {
                    let text = format!(
                        "whether the transaction is committed is not known yet; {}",
                        call.to_resolve
                    );
                    call.timed_out(&text).with_fate(Fate::MayBeWritten)
                }
                false => call.timed_out("the transaction is still being aborted"),
            });
        };
        let shared = call.shared();
        self.phase = match &answer {
            Err(error) if !error.is_fatal() && !ended(shared) => Phase::Open,
            _ => Phase::Ready,
        };
        match &answer {
            Ok(()) => {
                self.broken = OnceLock::new();
                shared.doom.clear();
            }
            Err(error) => Self::note(shared, error),
        }
        answer.map_err(
            |error| match commit && error.kind() == ErrorKind::Internal {
                true => {
                    let text = format!(
                        "{}: whether the transaction is committed is not known",
                        call.name
                    );
                    error.after(&text).with_fate(Fate::MayBeWritten)
                }
                false => error.after(call.name),
            },
        )
    }

    /// An error that ends more than its call.
    fn note(shared: &Shared, error: &Error) {
        if error.is_abortable() || error.is_fatal() {
            shared.doom.set(error.clone());
        }
    }

    /// Makes offsets part of the open transaction.
    pub(super) fn send_offsets(
        &self,
        call: &Call<'_>,
        offsets: &ConsumerOffsets,
        group: &ConsumerGroup,
    ) -> Result<()> {
        let order = offsets
            .order(group)
            .map_err(|error| error.after(call.name))?;
        let shared = call.shared();
        shared.doom.check()?;
        let Some(order) = order else { return Ok(()) };
        let ticket = shared
            .post(Command::SendOffsets(order))
            .map_err(End::error)?;
        call.wait(&ticket).unwrap_or_else(|| {
            // They may become part of it or not: a commit would be a gamble.
            let text = call.timed_out(
                "whether the offsets belong to the transaction is not known, so it can only be aborted",
            );
            let error =
                Error::of_transaction(ErrorKind::TimedOut, text.to_string(), Remedy::Abort);
            self.broken.get_or_init(|| error.clone());
            shared.doom.set(error.clone());
            Err(error)
        })
    }

    /// Kafka's name for where the producer is.
    pub(super) fn state(&self, doom: Option<&Error>) -> &'static str {
        match (doom, &self.phase) {
            (Some(doom), _) if doom.is_fatal() => "FATAL_ERROR",
            (_, Phase::Uninitialized(_)) => "UNINITIALIZED",
            (_, Phase::Ready) => "READY",
            (Some(_), Phase::Open) => "ABORTABLE_ERROR",
            (None, Phase::Open) => "IN_TRANSACTION",
            (_, Phase::Ending { commit: true, .. }) => "COMMITTING",
            (_, Phase::Ending { commit: false, .. }) => "ABORTING",
        }
    }
}

/// Whether the I/O thread does nothing any more.
fn ended(shared: &Shared) -> bool {
    shared.ending().is_some()
}

/// Why nothing can be asked for any more.
pub(super) fn over(shared: &Shared) -> Option<Error> {
    let is_closed = shared.accumulator.is_closed();
    let end = shared
        .ending()
        .or_else(|| is_closed.then_some(End::Closed))?;
    Some(end.error())
}

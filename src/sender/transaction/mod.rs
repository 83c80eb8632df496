//! The transaction of a producer with a transactional id: what has to be asked of its coordinator, in
//! which order, and what the answers mean. Decides what to ask next; whom, and what becomes of batches, is
//! the sender's, in [`transactions`](crate::sender::transactions). Pure, reads no clock.
//!
//! ```text
//!                 init            records, offsets             end
//!   no id yet ──────────> at rest ──────────────────> open ─────────────> ending ──> at rest
//!                            ^                          │                   │
//!                            │        a record fails    v     commit fails  │
//!                            └────────── abort ────── doomed <──────────────┘
//! ```
//!
//! What is asked next stands in [`calls`], what answers mean in [`answers`], what a code says in [`verdict`].
//!
//! - One request to a coordinator is on its way at a time: EndTxn never overtakes what belongs before it.
//! - **Two versions.** In version 1 each partition is added to the transaction before a batch of it goes
//!   out, and the epoch stays. In version 2 (KIP-890) brokers add partitions themselves, and the answer to
//!   EndTxn brings a new epoch. Which one it is, the finalized feature `transaction.version` says; it
//!   changes between transactions only.
//! - **A new epoch before the next transaction** in version 1, if something of this one may still come
//!   late: a commit that was delayed would make half of the next one visible (KAFKA-17754).
//! - **A commit whose answer never came** is asked again. If then the epoch is not the newest one any more,
//!   it may have been committed before: the answer to the caller is that nobody knows.

mod answers;
mod calls;
mod verdict;

pub(super) use calls::Call;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::accumulator::{BatchId, PartitionId};
use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind, Fate, Remedy};
use crate::foreign::logging::log_warn;
use crate::ids::NodeId;
use crate::protocol::version::{FinalizedFeatures, TransactionVersion};
use crate::sender::complaint::Complaint;
use crate::sender::event::{CommandId, OffsetsOrder, Output};
use crate::sender::sequence::Identity;
use crate::sender::step::Agenda;
use crate::sender::{Settings, Transactional};
use crate::sync::Arc;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Transaction {
    settings: Transactional,
    backoff: Backoff,
    /// By which the open transaction is spoken, or the next one.
    version: TransactionVersion,
    /// The newest that a broker has said of what the cluster has switched on.
    features: Option<FinalizedFeatures>,
    coordinator: Option<NodeId>,
    /// The group whose offsets are being committed, and its coordinator.
    group: Option<(Arc<str>, NodeId)>,
    identity: Option<Identity>,
    /// Whether an id, or a new epoch, has to be asked for before anything else.
    wants_identity: bool,
    /// What is being asked now.
    in_flight: Option<Call>,
    not_before: Option<Instant>,
    failures: u32,
    complaint: Complaint,
    /// Callers that wait for an id.
    inits: Vec<CommandId>,
    open: Open,
    end: Option<End>,
    /// Why the producer can only be closed.
    fatal: Option<Error>,
}

/// What is known of the open transaction. As new when nothing has happened in it.
#[derive(Debug, Default)]
struct Open {
    /// Whether a broker may know of it: there is something to end.
    is_started: bool,
    /// Partitions that belong to it (version 1).
    added: BTreeSet<PartitionId>,
    /// Those that batches wait for.
    new: BTreeSet<PartitionId>,
    /// Those that are being added.
    adding: BTreeSet<PartitionId>,
    offsets: VecDeque<Offsets>,
    /// Why it can only be aborted.
    doom: Option<Error>,
    /// Records that have failed.
    failed: u64,
    /// Whether something of it may still reach a broker after its end.
    is_uncertain: bool,
}

/// Offsets that a caller wants to be part of the transaction.
#[derive(Debug)]
struct Offsets {
    caller: CommandId,
    order: OffsetsOrder,
    /// Whether the coordinator knows that the group takes part (version 1).
    is_group_added: bool,
}

/// The transaction ends.
#[derive(Debug)]
struct End {
    /// `None`: the producer closes.
    caller: Option<CommandId>,
    commit: bool,
    before: BatchId,
    /// Whether an attempt may have reached the coordinator, and nothing is known of it.
    is_uncertain: bool,
}

/// While another transaction is being completed: far shorter than a broker that is in trouble deserves,
/// since completing takes some milliseconds.
pub(super) const CONCURRENT_PAUSE: Duration = Duration::from_millis(20);

impl Transaction {
    pub(super) fn new(settings: &Settings) -> Option<Self> {
        Some(Self {
            settings: settings.transactional.clone()?,
            backoff: settings.retry_backoff,
            version: TransactionVersion::default(),
            features: None,
            coordinator: None,
            group: None,
            identity: None,
            wants_identity: false,
            in_flight: None,
            not_before: None,
            failures: 0,
            complaint: Complaint::default(),
            inits: Vec::new(),
            open: Open::default(),
            end: None,
            fatal: None,
        })
    }

    pub(super) fn settings(&self) -> &Transactional {
        &self.settings
    }

    pub(super) fn version(&self) -> TransactionVersion {
        self.version
    }

    pub(super) fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// The coordinator that a call goes to; `None`: any broker can be asked.
    pub(super) fn node_of(&self, call: Call) -> Option<NodeId> {
        match call {
            Call::FindCoordinator(_) => None,
            Call::CommitOffsets => self.group.as_ref().map(|(_, node)| *node),
            _ => self.coordinator,
        }
    }

    /// Why no record may be sent any more.
    pub(super) fn doom(&self) -> Option<&Error> {
        self.fatal.as_ref().or(self.open.doom.as_ref())
    }

    /// What records that are not sent any more fail with: the transaction will not be committed.
    pub(super) fn why_unsent(&self) -> Option<Error> {
        if let Some(fatal) = &self.fatal {
            return Some(fatal.clone());
        }
        let cause = match &self.open.doom {
            Some(doom) => format!(": {doom}"),
            None if self.end.as_ref().is_some_and(|end| !end.commit) => String::new(),
            None => return None,
        };
        let text = format!("the transaction is aborted{cause}");
        Some(Error::new(ErrorKind::TransactionAborted, text))
    }

    /// Whether records that are not on their way are not sent any more.
    pub(super) fn is_over(&self) -> bool {
        self.doom().is_some() || self.end.as_ref().is_some_and(|end| !end.commit)
    }

    /// Whether nothing is to be done, and nothing is being done.
    pub(super) fn is_at_rest(&self) -> bool {
        self.fatal.is_some() || self.end.is_none() && !self.open.is_started
    }
}

/// What callers ask for.
impl Transaction {
    pub(super) fn init(&mut self, caller: CommandId, agenda: &mut Agenda) {
        match (&self.fatal, self.identity) {
            (Some(fatal), _) => agenda.push(Output::Finish(caller, Err(fatal.clone()))),
            (None, Some(_)) if !self.wants_identity => agenda.push(Output::Finish(caller, Ok(()))),
            _ => {
                self.wants_identity = true;
                self.inits.push(caller);
            }
        }
    }

    pub(super) fn send_offsets(
        &mut self,
        caller: CommandId,
        order: OffsetsOrder,
        agenda: &mut Agenda,
    ) {
        if let Some(error) = self.doom() {
            return agenda.push(Output::Finish(caller, Err(error.clone())));
        }
        self.open.offsets.push_back(Offsets {
            caller,
            order,
            is_group_added: false,
        });
    }

    /// Ends the transaction: what was opened before this batch belongs to it. A second caller while it
    /// ends is refused.
    pub(super) fn end(
        &mut self,
        caller: Option<CommandId>,
        commit: bool,
        before: BatchId,
        agenda: &mut Agenda,
    ) {
        let refusal = match (&self.fatal, &self.end) {
            (Some(fatal), _) => Some(fatal.clone()),
            (None, Some(_)) => {
                let text = "the transaction is being ended already";
                Some(Error::new(ErrorKind::Misuse, text))
            }
            (None, None) => None,
        };
        if let Some(error) = refusal {
            if let Some(caller) = caller {
                agenda.push(Output::Finish(caller, Err(error)));
            }
            return;
        }
        self.end = Some(End {
            caller,
            commit,
            before,
            is_uncertain: false,
        });
        if !commit {
            self.open.new.clear();
            let text = "the transaction is aborted";
            self.refuse_offsets(&Error::new(ErrorKind::TransactionAborted, text), agenda);
        }
    }

    /// The producer closes: an open transaction is aborted.
    pub(super) fn close(&mut self, before: BatchId, agenda: &mut Agenda) {
        if self.end.is_none() {
            self.end(None, false, before, agenda);
        }
        let closed = Error::new(ErrorKind::Closed, "the producer is closed");
        for caller in self.inits.drain(..) {
            agenda.push(Output::Finish(caller, Err(closed.clone())));
        }
    }

    /// There is no more time for it.
    pub(super) fn give_up(&mut self, agenda: &mut Agenda) {
        let text = "the producer was closed before the transaction had ended";
        let error = Error::new(ErrorKind::Closed, text);
        self.refuse_offsets(&error, agenda);
        if let Some(end) = self.end.take()
            && let Some(caller) = end.caller
        {
            let may_be_done = end.is_uncertain || self.in_flight == Some(Call::EndTxn);
            let error = match end.commit && may_be_done {
                true => error.after(UNKNOWN_COMMIT).with_fate(Fate::MayBeWritten),
                false => error,
            };
            agenda.push(Output::Finish(caller, Err(error)));
        }
        self.open = Open::default();
        self.wants_identity = false;
    }

    fn refuse_offsets(&mut self, error: &Error, agenda: &mut Agenda) {
        for offsets in self.open.offsets.drain(..) {
            agenda.push(Output::Finish(offsets.caller, Err(error.clone())));
        }
    }
}

/// What happens to batches.
impl Transaction {
    /// Whether a batch of this partition may be sent; if not, the partition is added first.
    pub(super) fn admits(&mut self, partition: PartitionId) -> bool {
        if self.is_over() {
            return false;
        }
        if self.version == TransactionVersion::V2 || self.open.added.contains(&partition) {
            return true;
        }
        if !self.open.adding.contains(&partition) {
            self.open.new.insert(partition);
        }
        false
    }

    /// A batch goes out: a broker may know of the transaction from now on.
    pub(super) fn handle_sent(&mut self) {
        self.open.is_started = true;
    }

    /// A batch has a gap before it, or may come late: in version 1 the next transaction needs another
    /// epoch.
    pub(super) fn handle_gap(&mut self) {
        self.open.is_uncertain = true;
    }

    /// Records have failed: the transaction is not whole any more.
    pub(super) fn handle_failed(&mut self, records: u64, error: &Error, agenda: &mut Agenda) {
        self.open.failed += records;
        if !self.is_over() {
            self.abort_only(error.kind(), &error.to_string(), agenda);
        }
    }

    /// The transaction can only be aborted.
    pub(super) fn abort_only(&mut self, kind: ErrorKind, text: &str, agenda: &mut Agenda) {
        if self.is_over() {
            return;
        }
        let doom = Error::of_transaction(kind, text, Remedy::Abort);
        self.open.new.clear();
        self.refuse_offsets(&doom, agenda);
        self.open.doom = Some(doom.clone());
        // Before the callbacks: a program that hears of the failure finds the transaction closed.
        agenda.push_first(Output::Doom(doom));
    }

    /// What a commit is told.
    fn why_not_committed(&self, doom: &Error) -> Error {
        let failed = match self.open.failed {
            0 => String::new(),
            1 => "1 of its records has failed: ".to_owned(),
            failed => format!("{failed} of its records have failed, the first: "),
        };
        let text = format!("the transaction cannot be committed, only aborted: {failed}{doom}");
        Error::of_transaction(doom.kind(), text, Remedy::Abort)
    }

    /// The producer can only be closed.
    pub(super) fn close_only(&mut self, kind: ErrorKind, text: &str, agenda: &mut Agenda) {
        if self.fatal.is_some() {
            return;
        }
        let text = format!("{text}; the producer can only be closed");
        let fatal = Error::of_transaction(kind, text, Remedy::Close);
        log_warn!("{fatal}");
        self.fatal = Some(fatal.clone());
        agenda.push(Output::Doom(fatal.clone()));
        for caller in self.inits.drain(..) {
            agenda.push(Output::Finish(caller, Err(fatal.clone())));
        }
        self.refuse_offsets(&fatal, agenda);
        if let Some(end) = self.end.take()
            && let Some(caller) = end.caller
        {
            agenda.push(Output::Finish(caller, Err(end.failure(fatal))));
        }
        self.wants_identity = false;
        self.open = Open::default();
    }
}

const UNKNOWN_COMMIT: &str = "whether the transaction was committed is not known";

impl End {
    /// Whether all batches of the transaction have their outcomes, if `oldest` is the oldest one without.
    fn is_due(&self, oldest: Option<BatchId>) -> bool {
        oldest.is_none_or(|oldest| oldest >= self.before)
    }

    /// Whether a commit may have been done, and nothing is known of that.
    fn is_unknown(&self) -> bool {
        self.commit && self.is_uncertain
    }

    /// What its caller is told. A commit that may have reached the coordinator may have been done.
    fn failure(&self, error: Error) -> Error {
        if !self.is_unknown() {
            return error;
        }
        let text = format!("{UNKNOWN_COMMIT}: {error}");
        Error::of_transaction(error.kind(), text, Remedy::Close).with_fate(Fate::MayBeWritten)
    }
}

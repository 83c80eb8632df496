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
//! - One request to a coordinator is on its way at a time: EndTxn never overtakes what belongs before it.
//! - **Two versions.** In version 1 each partition is added to the transaction before a batch of it goes
//!   out, and the epoch stays. In version 2 (KIP-890) brokers add partitions themselves, and the answer to
//!   EndTxn brings a new epoch. Which one it is, the finalized feature `transaction.version` says; it
//!   changes between transactions only.
//! - **A new epoch before the next transaction** in version 1, if something of this one may still come
//!   late: a commit that was delayed would make half of the next one visible (KAFKA-17754).
//! - **A commit whose answer never came** is asked again. If then the epoch is not the newest one any more,
//!   it may have been committed before: the answer to the caller is that nobody knows.

mod verdict;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::accumulator::{BatchId, PartitionId};
use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind, Fate, Remedy};
use crate::foreign::logging::{log_info, log_warn};
use crate::ids::NodeId;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::KeyType;
use crate::protocol::version::{FinalizedFeatures, TransactionVersion};
use crate::sender::complaint::Complaint;
use crate::sender::event::{CommandId, OffsetsOrder, Output};
use crate::sender::sequence::Identity;
use crate::sender::step::Agenda;
use crate::sender::timers::Timer;
use crate::sender::{Settings, Transactional};
use crate::sync::Arc;
use verdict::{CallVerdict, verdict};

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
    group: Option<(Arc<str>, Option<NodeId>)>,
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

/// A request of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    FindCoordinator(KeyType),
    InitProducerId,
    AddPartitions,
    AddOffsets,
    CommitOffsets,
    EndTxn,
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
            Call::CommitOffsets => self.group.as_ref().and_then(|(_, node)| *node),
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
            let fate = match end.commit && end.is_uncertain || self.in_flight == Some(Call::EndTxn)
            {
                true => Fate::MayBeWritten,
                false => Fate::NotWritten,
            };
            agenda.push(Output::Finish(caller, Err(error.with_fate(fate))));
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
        if self.doom().is_some() {
            return;
        }
        let doom = Error::of_transaction(kind, text, Remedy::Abort);
        self.open.new.clear();
        self.refuse_offsets(&doom, agenda);
        self.open.doom = Some(doom.clone());
        agenda.push(Output::Doom(doom));
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
    pub(super) fn close_only(&mut self, kind: ErrorKind, text: String, agenda: &mut Agenda) {
        if self.fatal.is_some() {
            return;
        }
        let fatal = Error::of_transaction(kind, text, Remedy::Close);
        log_warn!("the producer can only be closed: {fatal}");
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

impl End {
    /// What its caller is told. A commit that may have reached the coordinator may have been done.
    fn failure(&self, error: Error) -> Error {
        if !(self.commit && self.is_uncertain) {
            return error;
        }
        let text = format!("whether the transaction was committed is not known: {error}");
        Error::of_transaction(error.kind(), text, Remedy::Close).with_fate(Fate::MayBeWritten)
    }
}

/// What to ask next.
impl Transaction {
    /// What is to be asked now. `oldest` is the oldest batch without an outcome; EndTxn waits for all of
    /// its transaction, and for each Produce request that is on its way, since what comes after the end
    /// would belong to the next one.
    pub(super) fn next_call(
        &self,
        now: Instant,
        oldest: Option<BatchId>,
        is_producing: bool,
    ) -> Option<Call> {
        let is_pausing = self.not_before.is_some_and(|until| until > now);
        if self.in_flight.is_some() || is_pausing || self.fatal.is_some() {
            return None;
        }
        let call = self.wanted(oldest, is_producing)?;
        let is_found = match call {
            Call::CommitOffsets => self
                .group
                .as_ref()
                .is_some_and(|(group, node)| node.is_some() && Some(group) == self.group_wanted()),
            _ => self.coordinator.is_some(),
        };
        Some(match (is_found, call) {
            (true, call) => call,
            (false, Call::CommitOffsets) => Call::FindCoordinator(KeyType::GROUP),
            (false, _) => Call::FindCoordinator(KeyType::TRANSACTIONAL_ID),
        })
    }

    fn wanted(&self, oldest: Option<BatchId>, is_producing: bool) -> Option<Call> {
        if self.wants_identity {
            return Some(Call::InitProducerId);
        }
        if !self.open.new.is_empty() {
            return Some(Call::AddPartitions);
        }
        if let Some(offsets) = self.open.offsets.front() {
            let is_added = self.version == TransactionVersion::V2 || offsets.is_group_added;
            return Some(if is_added {
                Call::CommitOffsets
            } else {
                Call::AddOffsets
            });
        }
        let may_be = |end: &&End| !end.commit || self.open.doom.is_none();
        let end = self.end.as_ref().filter(may_be)?;
        let is_done = oldest.is_none_or(|oldest| oldest >= end.before) && !is_producing;
        (is_done && self.open.is_started).then_some(Call::EndTxn)
    }

    fn group_wanted(&self) -> Option<&Arc<str>> {
        let offsets = self.open.offsets.front()?;
        Some(&offsets.order.group.group_id)
    }

    /// Ends what needs no request, once all batches of the transaction have their outcomes: a commit that
    /// cannot be, and the end of a transaction in which nothing has happened. In version 2 an abort of
    /// nothing would be refused until the commit before it is complete.
    pub(super) fn poll_end(&mut self, oldest: Option<BatchId>, agenda: &mut Agenda) {
        let is_done = |end: &End| oldest.is_none_or(|oldest| oldest >= end.before);
        if self.in_flight.is_some() || !self.end.as_ref().is_some_and(is_done) {
            return;
        }
        if let Some(doom) = &self.open.doom
            && self.is_commit()
        {
            let error = self.why_not_committed(doom);
            if let Some(caller) = self.end.take().and_then(|end| end.caller) {
                agenda.push(Output::Finish(caller, Err(error)));
            }
        } else if !self.open.is_started && self.open.offsets.is_empty() && self.open.new.is_empty()
        {
            self.finish_end(agenda);
        }
    }

    /// The request goes out.
    pub(super) fn start(&mut self, call: Call) {
        self.in_flight = Some(call);
        match call {
            Call::AddPartitions => {
                self.open.adding = std::mem::take(&mut self.open.new);
                self.open.is_started = true;
            }
            Call::AddOffsets | Call::CommitOffsets => self.open.is_started = true,
            Call::FindCoordinator(_) | Call::InitProducerId | Call::EndTxn => {}
        }
    }

    /// If the transaction ends: batches opened before this one belong to it, and do not linger.
    pub(super) fn ends_before(&self) -> Option<BatchId> {
        self.end.as_ref().map(|end| end.before)
    }

    /// The partitions that are to be added now.
    pub(super) fn adding(&self) -> impl Iterator<Item = PartitionId> {
        self.open.adding.iter().copied()
    }

    /// The offsets that are to be committed now.
    pub(super) fn offsets(&self) -> Option<&OffsetsOrder> {
        self.open.offsets.front().map(|offsets| &offsets.order)
    }

    /// Whether the end that is on its way is a commit.
    pub(super) fn is_commit(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.commit)
    }
}

/// Answers.
impl Transaction {
    /// A broker has said what the cluster has switched on.
    pub(super) fn handle_features(&mut self, features: FinalizedFeatures) {
        if self
            .features
            .is_none_or(|known| known.epoch <= features.epoch)
        {
            self.features = Some(features);
        }
        // Nothing was spoken yet that could contradict it.
        if self.identity.is_none() {
            self.version = self.version_of_next();
        }
    }

    fn version_of_next(&self) -> TransactionVersion {
        let features = self.features.as_ref();
        features.map_or(TransactionVersion::V1, |features| features.transactions)
    }

    /// Who the coordinator is.
    pub(super) fn handle_coordinator(&mut self, key: KeyType, node: NodeId) {
        self.end_call();
        if key == KeyType::GROUP {
            self.group = self
                .group_wanted()
                .map(|group| (Arc::clone(group), Some(node)));
        } else {
            self.coordinator = Some(node);
        }
    }

    /// The id and epoch that this producer has from now on.
    pub(super) fn handle_identity(&mut self, identity: Identity, agenda: &mut Agenda) {
        self.end_call();
        self.identity = Some(identity);
        self.wants_identity = false;
        self.version = self.version_of_next();
        for caller in self.inits.drain(..) {
            agenda.push(Output::Finish(caller, Ok(())));
        }
    }

    /// Partitions have been added. The caller looks at each of them again.
    pub(super) fn handle_partitions_added(&mut self) -> BTreeSet<PartitionId> {
        self.end_call();
        let added = std::mem::take(&mut self.open.adding);
        self.open.added.extend(added.iter().copied());
        added
    }

    /// The coordinator knows that a group takes part.
    pub(super) fn handle_group_added(&mut self) {
        self.end_call();
        if let Some(offsets) = self.open.offsets.front_mut() {
            offsets.is_group_added = true;
        }
    }

    /// Offsets belong to the transaction; `is_done` says of which partitions that is so.
    pub(super) fn handle_offsets(
        &mut self,
        is_done: impl Fn(&str, i32) -> bool,
        agenda: &mut Agenda,
    ) {
        self.end_call();
        let Some(offsets) = self.open.offsets.front_mut() else {
            return;
        };
        for topic in &mut offsets.order.offsets {
            let name = &topic.topic;
            topic.partitions.retain(|one| !is_done(name, one.partition));
        }
        offsets
            .order
            .offsets
            .retain(|topic| !topic.partitions.is_empty());
        if offsets.order.offsets.is_empty() {
            let caller = offsets.caller;
            self.open.offsets.pop_front();
            agenda.push(Output::Finish(caller, Ok(())));
        }
    }

    /// The transaction has ended. `next` is the identity of the next one, if the coordinator has named
    /// one. Returns whether the identity has changed, or is to be asked for.
    pub(super) fn handle_ended(&mut self, next: Option<Identity>, agenda: &mut Agenda) {
        self.end_call();
        if let Some(next) = next {
            self.identity = Some(next);
        }
        self.finish_end(agenda);
    }

    fn finish_end(&mut self, agenda: &mut Agenda) {
        let is_uncertain = self.open.is_uncertain && self.version == TransactionVersion::V1;
        let is_other_version = self.version != self.version_of_next();
        self.wants_identity |= self.identity.is_some() && (is_uncertain || is_other_version);
        self.open = Open::default();
        if let Some(caller) = self.end.take().and_then(|end| end.caller) {
            agenda.push(Output::Finish(caller, Ok(())));
        }
    }

    /// Whether batches have to wait for an identity.
    pub(super) fn lacks_identity(&self) -> bool {
        self.wants_identity || self.identity.is_none()
    }

    fn end_call(&mut self) {
        self.in_flight = None;
        self.failures = 0;
        self.not_before = None;
        self.complaint.end();
    }

    /// No answer came: the request was lost with its connection. `has_left` says whether a byte of it has
    /// left.
    pub(super) fn handle_unanswered(
        &mut self,
        now: Instant,
        call: Call,
        has_left: bool,
        agenda: &mut Agenda,
    ) {
        if has_left {
            match call {
                Call::AddPartitions | Call::AddOffsets => self.open.is_uncertain = true,
                Call::EndTxn => {
                    self.open.is_uncertain = true;
                    if let Some(end) = &mut self.end {
                        end.is_uncertain = true;
                    }
                }
                Call::FindCoordinator(_) | Call::InitProducerId | Call::CommitOffsets => {}
            }
        }
        self.forget_coordinator(call);
        self.ask_again(now, call, agenda);
    }

    /// A broker cannot be reached: it is not taken for a coordinator any more.
    pub(super) fn handle_lost(&mut self, now: Instant, node: NodeId, agenda: &mut Agenda) {
        let was = self.coordinator.take_if(|one| *one == node).is_some();
        let group = self
            .group
            .as_mut()
            .and_then(|(_, of)| of.take_if(|one| *one == node));
        if (was || group.is_some()) && self.in_flight.is_none() {
            self.pause(now, agenda);
        }
    }

    fn forget_coordinator(&mut self, call: Call) {
        if call == Call::CommitOffsets {
            self.group = None;
        } else {
            self.coordinator = None;
        }
    }

    /// The same request goes out again after a pause.
    fn ask_again(&mut self, now: Instant, call: Call, agenda: &mut Agenda) {
        self.in_flight = None;
        if call == Call::AddPartitions {
            let again = std::mem::take(&mut self.open.adding);
            if !self.is_over() {
                self.open.new.extend(again);
            }
        }
        self.pause(now, agenda);
    }

    fn pause(&mut self, now: Instant, agenda: &mut Agenda) {
        let until = now + agenda.pause(self.backoff, self.failures);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(until);
        agenda.set(until, Timer::Transaction);
    }

    /// A broker says no to a call.
    pub(super) fn handle_code(
        &mut self,
        now: Instant,
        node: &str,
        call: Call,
        code: ErrorCode,
        agenda: &mut Agenda,
    ) {
        let words = code.message();
        let id = &self.settings.id;
        let text = format!(
            "{node} refuses {} of transactional.id {id}: {code}: {words}",
            call.name()
        );
        let kind = ErrorKind::Broker(code);
        match verdict(call, code) {
            CallVerdict::Done => self.end_call(),
            CallVerdict::Concurrent => {
                self.ask_again(now, call, agenda);
                let until = now + CONCURRENT_PAUSE.min(self.backoff.initial);
                self.failures = 0;
                self.not_before = Some(until);
                agenda.set(until, Timer::Transaction);
            }
            verdict @ (CallVerdict::Retry | CallVerdict::FindCoordinator) => {
                if let Some(times) = self.complaint.raise(now, &text) {
                    log_info!("{text}{times}");
                }
                if verdict == CallVerdict::FindCoordinator {
                    self.forget_coordinator(call);
                }
                self.ask_again(now, call, agenda);
            }
            CallVerdict::Refuse if self.identity.is_none() => self.refuse_inits(kind, text, agenda),
            CallVerdict::Refuse | CallVerdict::Close => {
                self.in_flight = None;
                let kind = if code == ErrorCode::PRODUCER_FENCED {
                    ErrorKind::Fenced
                } else {
                    kind
                };
                self.close_only(kind, text, agenda);
            }
            CallVerdict::Abort => {
                self.in_flight = None;
                self.open.adding.clear();
                self.handle_abort_code(call, kind, text, agenda);
            }
            CallVerdict::TimedOutOrFenced => {
                self.in_flight = None;
                self.handle_old_epoch(call, agenda);
            }
        }
    }

    /// There is no id: callers who wait for one are refused.
    fn refuse_inits(&mut self, kind: ErrorKind, text: String, agenda: &mut Agenda) {
        self.end_call();
        self.wants_identity = false;
        let error = Error::new(kind, text);
        for caller in self.inits.drain(..) {
            agenda.push(Output::Finish(caller, Err(error.clone())));
        }
    }

    /// An abort that may not be done is the end of the producer.
    fn handle_abort_code(
        &mut self,
        call: Call,
        kind: ErrorKind,
        text: String,
        agenda: &mut Agenda,
    ) {
        if call == Call::EndTxn && !self.is_commit() {
            self.close_only(kind, text, agenda);
        } else if self
            .end
            .as_ref()
            .is_some_and(|end| end.commit && end.is_uncertain)
        {
            self.close_only(kind, text, agenda);
        } else {
            self.abort_only(kind, &text, agenda);
        }
    }

    /// The epoch is not the newest one any more. The coordinator has aborted the transaction, or will;
    /// whether this producer may go on, InitProducerId with the old epoch tells.
    fn handle_old_epoch(&mut self, call: Call, agenda: &mut Agenda) {
        let id = &self.settings.id;
        let text = format!(
            "the coordinator has given transactional.id {id} another epoch: the transaction took longer \
             than transaction.timeout.ms ({} ms), or another producer with this id has started",
            self.settings.timeout.as_millis()
        );
        let is_lost = self
            .end
            .as_ref()
            .is_some_and(|end| end.commit && end.is_uncertain);
        if is_lost {
            return self.close_only(ErrorKind::Fenced, text, agenda);
        }
        if call == Call::EndTxn && !self.is_commit() {
            // It is aborted already.
            self.wants_identity = true;
            return self.finish_end(agenda);
        }
        self.abort_only(ErrorKind::Fenced, &text, agenda);
    }

    /// The cluster is another one, and knows nothing of this producer.
    pub(super) fn leave_cluster(&mut self, agenda: &mut Agenda) {
        (self.coordinator, self.group) = (None, None);
        if self.identity.take().is_none() {
            return;
        }
        self.wants_identity = true;
        let text = "the cluster is another one, which knows nothing of the transaction";
        if let Some(end) = self.end.take_if(|end| end.commit && end.is_uncertain) {
            let error = Error::of_transaction(ErrorKind::Disconnected, text, Remedy::Abort);
            if let Some(caller) = end.caller {
                agenda.push(Output::Finish(caller, Err(end.failure(error))));
            }
        }
        if self.open.is_started {
            self.abort_only(ErrorKind::Disconnected, text, agenda);
        }
        self.open.is_started = false;
    }
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Self::FindCoordinator(_) => "to look for the coordinator",
            Self::InitProducerId => "a producer id",
            Self::AddPartitions => "to add partitions to the transaction",
            Self::AddOffsets => "to add a consumer group to the transaction",
            Self::CommitOffsets => "offsets of the transaction",
            Self::EndTxn => "to end the transaction",
        }
    }
}

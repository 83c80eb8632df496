//! What the answers of coordinators mean for the transaction, and what follows if none comes. What a code
//! says stands in [`verdict`](super::verdict). Pure.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::accumulator::PartitionId;
use crate::error::{Error, ErrorKind, Remedy};
use crate::foreign::logging::log_info;
use crate::ids::NodeId;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::KeyType;
use crate::protocol::version::{FinalizedFeatures, TransactionVersion};
use crate::sender::event::Output;
use crate::sender::sequence::Identity;
use crate::sender::step::Agenda;
use crate::sender::timers::Timer;
use crate::sender::transaction::verdict::{CallVerdict, call_verdict, says_nothing_was_done};
use crate::sender::transaction::{CONCURRENT_PAUSE, Call, End, Open, Transaction};
use crate::sync::Arc;

impl Transaction {
    /// A broker has said what the cluster has switched on.
    pub(in crate::sender) fn handle_features(&mut self, features: FinalizedFeatures) {
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
    pub(in crate::sender) fn handle_coordinator(&mut self, key: KeyType, node: NodeId) {
        self.end_call();
        if key == KeyType::GROUP {
            self.group = self.group_wanted().map(|group| (Arc::clone(group), node));
        } else {
            self.coordinator = Some(node);
        }
    }

    /// The id and epoch that this producer has from now on.
    pub(in crate::sender) fn handle_identity(&mut self, identity: Identity, agenda: &mut Agenda) {
        self.end_call();
        self.identity = Some(identity);
        self.wants_identity = false;
        self.version = self.version_of_next();
        for caller in self.inits.drain(..) {
            agenda.push(Output::Finish(caller, Ok(())));
        }
    }

    /// Partitions have been added. The caller looks at each of them again.
    pub(in crate::sender) fn handle_partitions_added(&mut self) -> BTreeSet<PartitionId> {
        self.end_call();
        let added = std::mem::take(&mut self.open.adding);
        self.open.added.extend(added.iter().copied());
        added
    }

    /// The coordinator knows that a group takes part.
    pub(in crate::sender) fn handle_group_added(&mut self) {
        self.end_call();
        if let Some(offsets) = self.open.offsets.front_mut() {
            offsets.is_group_added = true;
        }
    }

    /// Offsets belong to the transaction; `is_done` says of which partitions that is so.
    pub(in crate::sender) fn handle_offsets(
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
    /// one.
    pub(in crate::sender) fn handle_ended(&mut self, next: Option<Identity>, agenda: &mut Agenda) {
        self.end_call();
        if let Some(next) = next {
            self.identity = Some(next);
        }
        self.finish_end(agenda);
    }

    pub(super) fn finish_end(&mut self, agenda: &mut Agenda) {
        let is_uncertain = self.open.is_uncertain && self.version == TransactionVersion::V1;
        let is_other_version = self.version != self.version_of_next();
        self.wants_identity |= self.identity.is_some() && (is_uncertain || is_other_version);
        self.open = Open::default();
        if let Some(caller) = self.end.take().and_then(|end| end.caller) {
            agenda.push(Output::Finish(caller, Ok(())));
        }
    }

    /// Whether batches have to wait for an identity.
    pub(in crate::sender) fn lacks_identity(&self) -> bool {
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
    pub(in crate::sender) fn handle_unanswered(
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
                    self.doubt_end();
                }
                Call::FindCoordinator(_) | Call::InitProducerId | Call::CommitOffsets => {}
            }
        }
        self.forget_coordinator(call);
        self.ask_again(now, call, agenda);
    }

    /// The end may have been done, and nothing is known of that.
    fn doubt_end(&mut self) {
        if let Some(end) = &mut self.end {
            end.is_uncertain = true;
        }
    }

    /// A broker cannot be reached: it is not taken for a coordinator any more.
    pub(in crate::sender) fn handle_lost(
        &mut self,
        now: Instant,
        node: NodeId,
        agenda: &mut Agenda,
    ) {
        let coordinator = self.coordinator.take_if(|one| *one == node);
        let group = self.group.take_if(|(_, one)| *one == node);
        if (coordinator.is_some() || group.is_some()) && self.in_flight.is_none() {
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
        self.put_back(call);
        self.pause(now, agenda);
    }

    /// What was asked is still to be asked.
    fn put_back(&mut self, call: Call) {
        self.in_flight = None;
        if call == Call::AddPartitions {
            let again = std::mem::take(&mut self.open.adding);
            if !self.is_over() {
                self.open.new.extend(again);
            }
        }
    }

    fn pause(&mut self, now: Instant, agenda: &mut Agenda) {
        let until = now + agenda.pause(self.backoff, self.failures);
        self.failures = self.failures.saturating_add(1);
        self.pause_until(until, agenda);
    }

    fn pause_until(&mut self, until: Instant, agenda: &mut Agenda) {
        self.not_before = Some(until);
        agenda.set(until, Timer::Transaction);
    }

    /// A broker says no to a call.
    pub(in crate::sender) fn handle_code(
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
        if call == Call::EndTxn && !says_nothing_was_done(code) {
            self.doubt_end();
        }
        match call_verdict(call, code) {
            CallVerdict::Done => self.end_call(),
            CallVerdict::Concurrent => {
                self.put_back(call);
                self.failures = 0;
                self.pause_until(now + CONCURRENT_PAUSE.min(self.backoff.initial), agenda);
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
                self.close_only(kind, &text, agenda);
            }
            CallVerdict::Abort => {
                self.in_flight = None;
                self.open.adding.clear();
                self.handle_abort_code(call, kind, &text, agenda);
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
    fn handle_abort_code(&mut self, call: Call, kind: ErrorKind, text: &str, agenda: &mut Agenda) {
        let is_abort = call == Call::EndTxn && !self.is_commit();
        let is_unknown = self.end.as_ref().is_some_and(End::is_unknown);
        if is_abort || is_unknown {
            self.close_only(kind, text, agenda);
        } else {
            self.abort_only(kind, text, agenda);
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
        let is_lost = self.end.as_ref().is_some_and(End::is_unknown);
        if is_lost {
            return self.close_only(ErrorKind::Fenced, &text, agenda);
        }
        if call == Call::EndTxn && !self.is_commit() {
            // It is aborted already.
            self.wants_identity = true;
            return self.finish_end(agenda);
        }
        self.abort_only(ErrorKind::Fenced, &text, agenda);
    }

    /// The cluster is another one, and knows nothing of this producer.
    pub(in crate::sender) fn leave_cluster(&mut self, agenda: &mut Agenda) {
        (self.coordinator, self.group) = (None, None);
        if self.identity.take().is_none() {
            return;
        }
        self.wants_identity = true;
        let text = "the cluster is another one, which knows nothing of the transaction";
        if let Some(end) = self.end.take_if(|end| end.is_unknown()) {
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

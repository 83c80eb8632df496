//! What is to be asked next, and of whom. One request to a coordinator is on its way at a time. Pure.

use std::time::Instant;

use crate::accumulator::{BatchId, PartitionId};
use crate::protocol::messages::KeyType;
use crate::protocol::version::TransactionVersion;
use crate::sender::event::{OffsetsOrder, Output};
use crate::sender::step::Agenda;
use crate::sender::transaction::{End, Transaction};
use crate::sync::Arc;

/// A request of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sender) enum Call {
    FindCoordinator(KeyType),
    InitProducerId,
    AddPartitions,
    AddOffsets,
    CommitOffsets,
    EndTxn,
}

impl Transaction {
    /// What is to be asked now. `oldest` is the oldest batch without an outcome; EndTxn waits for all of
    /// its transaction, and for each Produce request that is on its way, since what comes after the end
    /// would belong to the next one.
    pub(in crate::sender) fn next_call(
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
            Call::CommitOffsets => {
                let group = self.group.as_ref();
                group.is_some_and(|(group, _)| Some(group) == self.group_wanted())
            }
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
        let is_due = end.is_due(oldest) && !is_producing;
        (is_due && self.open.is_started).then_some(Call::EndTxn)
    }

    pub(super) fn group_wanted(&self) -> Option<&Arc<str>> {
        let offsets = self.open.offsets.front()?;
        Some(&offsets.order.group.group_id)
    }

    /// Ends what needs no request, once all batches of the transaction have their outcomes: a commit that
    /// cannot be, and the end of a transaction in which nothing has happened. In version 2 an abort of
    /// nothing would be refused until the commit before it is complete.
    pub(in crate::sender) fn poll_end(&mut self, oldest: Option<BatchId>, agenda: &mut Agenda) {
        let is_due = self.end.as_ref().is_some_and(|end| end.is_due(oldest));
        if self.in_flight.is_some() || !is_due {
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
    pub(in crate::sender) fn start(&mut self, call: Call) {
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
    pub(in crate::sender) fn ends_before(&self) -> Option<BatchId> {
        self.end.as_ref().map(|end| end.before)
    }

    /// The partitions that are to be added now.
    pub(in crate::sender) fn adding(&self) -> impl Iterator<Item = PartitionId> {
        self.open.adding.iter().copied()
    }

    /// The offsets that are to be committed now.
    pub(in crate::sender) fn offsets(&self) -> Option<&OffsetsOrder> {
        self.open.offsets.front().map(|offsets| &offsets.order)
    }

    /// Whether the end that is on its way is a commit.
    pub(in crate::sender) fn is_commit(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.commit)
    }
}

impl Call {
    pub(super) fn name(self) -> &'static str {
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

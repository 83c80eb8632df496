//! How a transaction ends: its producer commits or aborts it, a newer producer takes its id, or it takes
//! too long. The decision comes first, then the markers in each partition; the offsets of groups follow.

use crate::ErrorCode;
use crate::protocol::version::TransactionVersion;
use crate::sync::Arc;
use crate::testing::log::MockMarker;
use crate::testing::state::ClusterState;
use crate::testing::transactions::{Identity, LAST_EPOCH, State, Transaction};

/// What becomes of a request to end a transaction.
enum Decision {
    /// It ends.
    End,
    /// Nobody knows of a transaction, and it ends all the same: version 2 raises the epoch.
    EndNothing,
    /// It has ended so already; the answer was lost.
    Again,
    Refuse(ErrorCode),
}

impl ClusterState {
    /// `EndTxn`. Returns the id and epoch for the next transaction, of which only version 2 tells.
    pub(in crate::testing) fn end_transaction(
        &mut self,
        id: &str,
        producer: Identity,
        committed: bool,
        version: TransactionVersion,
    ) -> Result<Identity, ErrorCode> {
        let Some(transaction) = self.transactions.by_id.get(id) else {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        };
        let decision = match version {
            TransactionVersion::V1 => transaction.decide_1(producer, committed),
            TransactionVersion::V2 => transaction.decide_2(producer, committed),
        };
        match decision {
            Decision::Refuse(error) => return Err(error),
            Decision::Again => return Ok(transaction.identity()),
            Decision::End => {}
            Decision::EndNothing => {
                if let Some(transaction) = self.transactions.by_id.get_mut(id) {
                    transaction.partitions.clear();
                    transaction.groups.clear();
                }
            }
        }
        let fresh = self.next_producer_id;
        let Some(transaction) = self.transactions.by_id.get_mut(id) else {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        };
        let needs_id = version == TransactionVersion::V2 && transaction.is_used_up();
        let next_id = needs_id.then_some(fresh);
        transaction.prepare(committed, version, next_id);
        let next = match next_id {
            Some(producer_id) => Identity {
                producer_id,
                epoch: 0,
            },
            None => transaction.identity(),
        };
        self.next_producer_id += i64::from(needs_id);
        self.settle(id);
        Ok(next)
    }

    /// Aborts the transaction for the coordinator itself, in an epoch that its producer does not have.
    pub(super) fn fence(&mut self, id: &str) {
        let version = self.transactions.version;
        let Some(transaction) = self.transactions.by_id.get_mut(id) else {
            return;
        };
        if version == TransactionVersion::V1 {
            // Version 2 does it at every end.
            transaction.epoch = transaction.epoch.saturating_add(1);
        }
        transaction.prepare(false, version, None);
        if version == TransactionVersion::V1 {
            transaction.last_epoch = -1;
        }
        self.settle(id);
    }

    /// Aborts what has been open for longer than its `transaction.timeout.ms`.
    pub(crate) fn expire_transactions(&mut self, now_ms: i64) {
        if self.transactions.by_id.is_empty() {
            return;
        }
        let is_late = |one: &Transaction| {
            let deadline = one.began_ms.saturating_add(one.timeout_ms.into());
            one.state == State::Ongoing && deadline <= now_ms
        };
        let late = self.transactions.by_id.iter();
        let late = late.filter(|(_, transaction)| is_late(transaction));
        let late: Vec<Arc<str>> = late.map(|(id, _)| Arc::clone(id)).collect();
        for id in late {
            self.fence(&id);
        }
    }

    /// Whether the transaction was open; it is aborted as if it had taken too long.
    pub(crate) fn expire_transaction(&mut self, id: &str) -> bool {
        let transaction = self.transactions.by_id.get(id);
        let is_open = transaction.is_some_and(|one| one.state == State::Ongoing);
        if is_open {
            self.fence(id);
        }
        is_open
    }

    /// Holds the markers of transactions that end from now on, or lets all of them go.
    pub(crate) fn set_markers_held(&mut self, held: bool) {
        self.transactions.markers_held = held;
        let ids: Vec<Arc<str>> = self.transactions.by_id.keys().cloned().collect();
        for id in ids {
            self.settle(&id);
        }
    }

    /// Tells the partitions and the groups how a prepared transaction has ended, unless markers are held.
    fn settle(&mut self, id: &str) {
        if self.transactions.markers_held {
            return;
        }
        let Some(transaction) = self.transactions.by_id.get_mut(id) else {
            return;
        };
        let State::Prepared { committed, next_id } = transaction.state else {
            return;
        };
        let Identity { producer_id, epoch } = transaction.identity();
        let partitions = std::mem::take(&mut transaction.partitions);
        let groups = std::mem::take(&mut transaction.groups);
        transaction.state = State::Completed { committed };
        if let Some(next_id) = next_id {
            transaction.previous_id = producer_id;
            transaction.producer_id = next_id;
            transaction.epoch = 0;
        }
        let marker = match committed {
            true => MockMarker::Commit,
            false => MockMarker::Abort,
        };
        let (keep, time_ms) = (self.settings.keep, self.now_ms);
        for (topic, index) in &partitions {
            if let Some(partition) = self.partition_mut(topic, *index) {
                let log = &mut partition.log;
                log.mark(producer_id, epoch, marker, time_ms, keep);
                partition.producers.fence(producer_id, epoch);
            }
        }
        for group in &groups {
            self.groups.settle(group, producer_id, committed);
        }
    }
}

impl Transaction {
    /// Version 1: whoever has the id and the epoch may end what is open, whichever transaction he means.
    fn decide_1(&self, producer: Identity, committed: bool) -> Decision {
        if let Some(refusal) = self.refuse_stranger(producer.producer_id == self.producer_id) {
            return refusal;
        }
        if producer.epoch != self.epoch {
            return Decision::Refuse(ErrorCode::PRODUCER_FENCED);
        }
        match self.state {
            State::Ongoing => Decision::End,
            State::Completed { committed: was } if was == committed => Decision::Again,
            State::Prepared { committed: was, .. } if was == committed => WAIT,
            State::Empty | State::Completed { .. } | State::Prepared { .. } => WRONG,
        }
    }

    /// Version 2: the epoch says which transaction is meant. That of the one before is a request that
    /// comes again.
    fn decide_2(&self, producer: Identity, committed: bool) -> Decision {
        let is_again = producer.producer_id == self.producer_id
            && producer.epoch.checked_add(1) == Some(self.epoch);
        let is_again_with_old_id =
            (producer.producer_id, producer.epoch, self.epoch) == (self.previous_id, LAST_EPOCH, 0);
        let is_ours = producer.producer_id == self.producer_id || is_again_with_old_id;
        if let Some(refusal) = self.refuse_stranger(is_ours) {
            return refusal;
        }
        let is_now = producer.epoch == self.epoch && !is_again_with_old_id;
        let is_valid = match self.state {
            State::Ongoing | State::Empty => is_now,
            State::Prepared { .. } => is_again,
            State::Completed { .. } => is_now || is_again || is_again_with_old_id,
        };
        if !is_valid {
            return Decision::Refuse(ErrorCode::PRODUCER_FENCED);
        }
        match self.state {
            State::Ongoing => Decision::End,
            State::Prepared { committed: was, .. } if was == committed => WAIT,
            State::Prepared { .. } => WRONG,
            State::Completed { committed: was } if !is_now => match was == committed {
                true => Decision::Again,
                false => WRONG,
            },
            State::Empty | State::Completed { .. } if committed => WRONG,
            State::Empty | State::Completed { .. } => Decision::EndNothing,
        }
    }

    fn refuse_stranger(&self, is_ours: bool) -> Option<Decision> {
        let error = ErrorCode::INVALID_PRODUCER_ID_MAPPING;
        (!is_ours).then_some(Decision::Refuse(error))
    }

    /// Decides how the transaction ends. In version 2 that takes the next epoch.
    fn prepare(&mut self, committed: bool, version: TransactionVersion, next_id: Option<i64>) {
        if version == TransactionVersion::V2 {
            self.last_epoch = self.epoch;
            self.epoch = self.epoch.saturating_add(1);
        }
        self.state = State::Prepared { committed, next_id };
    }
}

/// The partitions have yet to learn of this very end.
const WAIT: Decision = Decision::Refuse(ErrorCode::CONCURRENT_TRANSACTIONS);
/// Nothing can end like that.
const WRONG: Decision = Decision::Refuse(ErrorCode::INVALID_TXN_STATE);

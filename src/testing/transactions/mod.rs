//! The transactions of the mock cluster: what a coordinator knows of each transactional id, and what
//! it makes of the requests of producers, as Kafka's does. No socket, no clock.
//!
//! ```text
//!              AddPartitions, AddOffsets                   EndTxn
//!   Empty ---- Produce 12, TxnOffsetCommit 5 ---> Ongoing --------> Prepared ---> Completed
//!                          ^                         |                  ^             |
//!                          |                         +-- fence, expire -+             |
//!                          +----------------------------------------------------------+
//! ```
//!
//! `Prepared` lasts until every partition has its marker: no time at all, unless a test
//! [holds the markers](crate::testing::MockCluster::hold_markers). Until then the next transaction is
//! told to wait (`CONCURRENT_TRANSACTIONS`).
//!
//! | what | where |
//! |---|---|
//! | `InitProducerId`: ids, epochs, who is fenced | here |
//! | partitions and groups join a transaction | [`joining`] |
//! | it ends, by its producer, by the next one, or by time | [`ending`] |
//! | which broker coordinates what | [`coordinators`] |
//! | what tests can see and do | [`control`] |
//!
//! **Versions.** In version 1 a transaction has the epoch of the one before it. In version 2 the end of
//! each raises the epoch (KIP-890), and the answer to `EndTxn` has it; so a request that comes late
//! cannot end the next transaction. Which one it is says the version of each request; the cluster's
//! feature decides only for what the coordinator ends by itself.

mod control;
mod coordinators;
mod ending;
mod joining;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use control::version_of;
pub use control::{MockTransaction, MockTransactionState};
pub(super) use coordinators::{Coordinators, Key};
pub(super) use joining::Joining;

use crate::ErrorCode;
use crate::protocol::version::TransactionVersion;
use crate::sync::Arc;
use crate::testing::state::ClusterState;

/// `transaction.max.timeout.ms`, as Kafka has it by default: a quarter of an hour.
const MAX_TIMEOUT_MS: i32 = 900_000;

/// From this epoch on an id gets no further one, and its producer another id.
const LAST_EPOCH: i16 = i16::MAX - 1;

/// All transactional ids, and the version by which the cluster wants transactions to be spoken.
#[derive(Debug)]
pub(crate) struct Transactions {
    by_id: BTreeMap<Arc<str>, Transaction>,
    /// The cluster's feature `transaction.version`.
    pub(super) version: TransactionVersion,
    /// Grows with every change of the feature.
    pub(super) features_epoch: i64,
    /// Whether partitions get their markers only when a test says so.
    markers_held: bool,
}

/// What the coordinator knows of a transactional id.
#[derive(Debug)]
struct Transaction {
    producer_id: i64,
    epoch: i16,
    /// The epoch that the producer had before this one, as far as it may ask again with it; −1: none.
    last_epoch: i16,
    /// The id that it had before, if its epochs were used up; −1: none.
    previous_id: i64,
    timeout_ms: i32,
    state: State,
    /// When the transaction began.
    began_ms: i64,
    partitions: BTreeSet<(Arc<str>, i32)>,
    groups: BTreeSet<Arc<str>>,
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There has been none in this epoch.
    Empty,
    Ongoing,
    /// It is decided how it ends, and the partitions have yet to learn it.
    Prepared {
        committed: bool,
        /// The id that the producer gets at the end, if its epochs are used up.
        next_id: Option<i64>,
    },
    Completed {
        committed: bool,
    },
}

/// A producer's id and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
}

impl Transactions {
    pub(super) fn new(version: TransactionVersion) -> Self {
        Self {
            by_id: BTreeMap::new(),
            version,
            features_epoch: 0,
            markers_held: false,
        }
    }

    /// The transaction of this id, if the producer is the one that has it.
    fn of_producer(&mut self, id: &str, producer: Identity) -> Result<&mut Transaction, ErrorCode> {
        let transaction = self.by_id.get_mut(id);
        let transaction = transaction.ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        let next = match transaction.state {
            State::Prepared { next_id, .. } => next_id,
            _ => None,
        };
        if next == Some(producer.producer_id) {
            Err(ErrorCode::CONCURRENT_TRANSACTIONS)
        } else if transaction.producer_id != producer.producer_id {
            Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
        } else if transaction.epoch != producer.epoch {
            Err(ErrorCode::PRODUCER_FENCED)
        } else {
            Ok(transaction)
        }
    }
}

impl Transaction {
    fn new(producer_id: i64, epoch: i16, timeout_ms: i32) -> Self {
        Self {
            producer_id,
            epoch,
            last_epoch: -1,
            previous_id: -1,
            timeout_ms,
            state: State::Empty,
            began_ms: 0,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
        }
    }

    fn identity(&self) -> Identity {
        Identity {
            producer_id: self.producer_id,
            epoch: self.epoch,
        }
    }

    fn is_used_up(&self) -> bool {
        self.epoch >= LAST_EPOCH
    }

    /// Whether a producer that names the id and epoch that it has may get the next ones: it has the
    /// current id, or asks again as its epochs were used up.
    fn may_be(&self, known: Identity) -> bool {
        known.producer_id == self.producer_id
            || known.producer_id == self.previous_id && known.epoch >= LAST_EPOCH
    }
}

impl ClusterState {
    /// A producer begins with this transactional id, and ends what an earlier one has left open. `known`:
    /// the id and epoch that it has already (KIP-360).
    pub(super) fn init_transactions(
        &mut self,
        id: &Arc<str>,
        timeout_ms: i32,
        known: Option<Identity>,
    ) -> Result<Identity, ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        if timeout_ms <= 0 || timeout_ms > MAX_TIMEOUT_MS {
            return Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
        }
        let Some(transaction) = self.transactions.by_id.get(id) else {
            let epoch = self.settings.first_epoch;
            let made = Transaction::new(self.new_producer_id(), epoch, timeout_ms);
            let identity = made.identity();
            self.transactions.by_id.insert(Arc::clone(id), made);
            return Ok(identity);
        };
        if known.is_some_and(|known| !transaction.may_be(known)) {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        match transaction.state {
            State::Prepared { .. } => Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            // The epoch that this raises is never told to anybody: the producer asks again, and gets the
            // next one.
            State::Ongoing => {
                self.fence(id);
                Err(ErrorCode::CONCURRENT_TRANSACTIONS)
            }
            State::Empty | State::Completed { .. } => self.raise_epoch(id, timeout_ms, known),
        }
    }

    fn raise_epoch(
        &mut self,
        id: &str,
        timeout_ms: i32,
        known: Option<Identity>,
    ) -> Result<Identity, ErrorCode> {
        let fresh = self.next_producer_id;
        let transaction = self.transactions.by_id.get_mut(id);
        let transaction = transaction.ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        let (old_id, old_epoch) = (transaction.producer_id, transaction.epoch);
        let is_current = known.is_none_or(|known| known.epoch == old_epoch);
        if is_current && transaction.is_used_up() {
            transaction.producer_id = fresh;
            transaction.previous_id = old_id;
            transaction.epoch = 0;
        } else if is_current {
            transaction.epoch += 1;
        } else if known.is_some_and(|known| known.epoch == transaction.last_epoch) {
            // The answer was lost, and the producer asks again.
            return Ok(transaction.identity());
        } else {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        transaction.last_epoch = if known.is_some() { old_epoch } else { -1 };
        transaction.timeout_ms = timeout_ms;
        transaction.state = State::Empty;
        transaction.partitions.clear();
        transaction.groups.clear();
        let identity = transaction.identity();
        self.next_producer_id += i64::from(identity.producer_id == fresh);
        Ok(identity)
    }

    /// An id that nobody has.
    pub(super) fn new_producer_id(&mut self) -> i64 {
        self.next_producer_id += 1;
        self.next_producer_id - 1
    }
}

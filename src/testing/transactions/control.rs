//! What tests can see of transactions, and do to them.

use crate::ids::NodeId;
use crate::protocol::version::TransactionVersion;
use crate::sync::Arc;
use crate::testing::groups::MockCommittedOffset;
use crate::testing::transactions::coordinators::Key;
use crate::testing::transactions::{State, Transaction};
use crate::testing::{MockCluster, MockRecord, MockView};

/// What the coordinator of a mock cluster knows of a transactional id.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockTransaction {
    /// The id of the producer that may use it.
    pub producer_id: i64,
    /// That producer's epoch.
    pub producer_epoch: i16,
    /// How far its transaction is.
    pub state: MockTransactionState,
    /// The producer's `transaction.timeout.ms`.
    pub timeout_ms: i32,
    /// The topics and partitions that have joined the transaction; none after its end.
    pub partitions: Vec<(String, i32)>,
    /// The groups whose offsets are part of the transaction; none after its end.
    pub groups: Vec<String>,
}

/// How far a transaction is; Kafka's names are in the documentation of each.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MockTransactionState {
    /// The producer has begun with this id, and added nothing yet (`Empty`).
    Empty,
    /// Something is part of it (`Ongoing`).
    Ongoing,
    /// It is decided that it is committed, and the markers are held (`PrepareCommit`).
    Committing,
    /// It is decided that it is aborted, and the markers are held (`PrepareAbort`).
    Aborting,
    /// It is committed (`CompleteCommit`).
    Committed,
    /// It is aborted (`CompleteAbort`).
    Aborted,
}

impl Transaction {
    fn describe(&self) -> MockTransaction {
        let partitions = self.partitions.iter();
        MockTransaction {
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            state: self.state.describe(),
            timeout_ms: self.timeout_ms,
            partitions: partitions
                .map(|(topic, index)| (topic.to_string(), *index))
                .collect(),
            groups: self.groups.iter().map(ToString::to_string).collect(),
        }
    }
}

impl State {
    fn describe(self) -> MockTransactionState {
        match self {
            Self::Empty => MockTransactionState::Empty,
            Self::Ongoing => MockTransactionState::Ongoing,
            Self::Prepared {
                committed: true, ..
            } => MockTransactionState::Committing,
            Self::Prepared {
                committed: false, ..
            } => MockTransactionState::Aborting,
            Self::Completed { committed: true } => MockTransactionState::Committed,
            Self::Completed { committed: false } => MockTransactionState::Aborted,
        }
    }
}

/// Transactions and the offsets of groups.
impl MockCluster {
    /// The records of a partition that a consumer with `isolation.level=read_committed` sees, in order:
    /// those of transactions that are committed and those of none, up to the
    /// [last stable offset](Self::last_stable_offset). [`records`](Self::records) has all.
    ///
    /// # Panics
    ///
    /// If there is no such partition, or the cluster discards records.
    pub fn committed_records(&self, topic: &str, partition: i32) -> Vec<MockRecord> {
        self.view(|view| view.committed_records(topic, partition))
    }

    /// The offset of the first record of a partition whose transaction is open: a consumer of committed
    /// records reads no further. Where none is open, the offset that the next record will get.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    pub fn last_stable_offset(&self, topic: &str, partition: i32) -> i64 {
        self.view(|view| view.last_stable_offset(topic, partition))
    }

    /// The offsets that a consumer group has committed in transactions, in the order of topics and
    /// partitions. Those of transactions that are open or aborted are not among them.
    pub fn committed_offsets(&self, group: &str) -> Vec<MockCommittedOffset> {
        self.view(|view| view.committed_offsets(group))
    }

    /// What the coordinator knows of a transactional id; none if no producer has begun with it.
    pub fn transaction(&self, transactional_id: &str) -> Option<MockTransaction> {
        self.view(|view| view.transaction(transactional_id))
    }

    /// Aborts the open transaction of a transactional id, as its coordinator does after
    /// `transaction.timeout.ms`. The producer does not learn of it, but is fenced: its next request is
    /// refused. False, and nothing happens, if none is open.
    ///
    /// The cluster does it by itself, too, when the time is over and a request comes, whoever sends it.
    pub fn expire_transaction(&self, transactional_id: &str) -> bool {
        self.change(|inner| inner.state.expire_transaction(transactional_id))
    }

    /// Keeps transactions that end from now on from being complete: it is decided how they end, but no
    /// partition has its marker yet, as in the moments after `EndTxn` in Kafka. Whoever begins the
    /// next one is told to wait (`CONCURRENT_TRANSACTIONS`), until
    /// [`release_markers`](Self::release_markers).
    pub fn hold_markers(&self) {
        self.change(|inner| inner.state.set_markers_held(true));
    }

    /// Writes the markers that [`hold_markers`](Self::hold_markers) has held back, and holds none from
    /// now on.
    pub fn release_markers(&self) {
        self.change(|inner| inner.state.set_markers_held(false));
    }

    /// Changes the cluster's feature `transaction.version`, as `kafka-features.sh` does. A producer
    /// learns of it on its next connection.
    ///
    /// # Panics
    ///
    /// If the version is neither 1 nor 2.
    pub fn set_transaction_version(&self, version: i16) {
        let version = version_of(version);
        self.change(|inner| {
            inner.state.transactions.version = version;
            inner.state.transactions.features_epoch += 1;
        });
    }

    /// The broker that coordinates a transactional id; none if no broker runs.
    pub fn transaction_coordinator(&self, transactional_id: &str) -> Option<i32> {
        let key = Key::TransactionalId(Arc::from(transactional_id));
        self.change(|inner| inner.state.coordinator(key).map(|node| node.0))
    }

    /// Makes another broker coordinate a transactional id. It knows all that the one before it knew.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn move_transaction_coordinator(&self, transactional_id: &str, node: i32) {
        self.move_coordinator(Key::TransactionalId(Arc::from(transactional_id)), node);
    }

    /// The broker that coordinates a consumer group; none if no broker runs.
    pub fn group_coordinator(&self, group: &str) -> Option<i32> {
        let key = Key::Group(Arc::from(group));
        self.change(|inner| inner.state.coordinator(key).map(|node| node.0))
    }

    /// Makes another broker coordinate a consumer group.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn move_group_coordinator(&self, group: &str, node: i32) {
        self.move_coordinator(Key::Group(Arc::from(group)), node);
    }

    fn move_coordinator(&self, key: Key, node: i32) {
        self.change(|inner| {
            let exists = inner.state.node(NodeId(node)).is_some();
            assert!(exists, "no broker {node} in the mock cluster");
            inner.state.set_coordinator(key, NodeId(node));
        });
    }
}

/// Transactions and the offsets of groups.
impl MockView<'_> {
    /// What a consumer of committed records sees: see [`MockCluster::committed_records`].
    ///
    /// # Panics
    ///
    /// If there is no such partition, or the cluster discards records.
    pub fn committed_records(&self, topic: &str, partition: i32) -> Vec<MockRecord> {
        self.kept(topic, partition).log.committed_records()
    }

    /// As far as it reads: see [`MockCluster::last_stable_offset`].
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    pub fn last_stable_offset(&self, topic: &str, partition: i32) -> i64 {
        self.partition(topic, partition).log.last_stable_offset()
    }

    /// The offsets of a group: see [`MockCluster::committed_offsets`].
    pub fn committed_offsets(&self, group: &str) -> Vec<MockCommittedOffset> {
        self.state().groups.committed(group)
    }

    /// What the coordinator knows of a transactional id; none if no producer has begun with it.
    pub fn transaction(&self, transactional_id: &str) -> Option<MockTransaction> {
        let transactions = &self.state().transactions;
        let transaction = transactions.by_id.get(transactional_id);
        transaction.map(Transaction::describe)
    }
}

/// A level of the feature `transaction.version`.
///
/// # Panics
///
/// If it is neither 1 nor 2.
pub(in crate::testing) fn version_of(level: i16) -> TransactionVersion {
    match level {
        1 => TransactionVersion::V1,
        2 => TransactionVersion::V2,
        _ => panic!("transaction.version is 1 or 2, not {level}"),
    }
}

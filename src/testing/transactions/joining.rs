//! How partitions and groups become part of a transaction. In version 1 the producer adds them before it
//! uses them, and whoever gets their records or offsets asks the coordinator whether it did; in
//! version 2 he adds them himself (KIP-890).

use crate::ErrorCode;
use crate::protocol::version::TransactionVersion;
use crate::record::batch::ProducerStamp;
use crate::sync::Arc;
use crate::testing::state::ClusterState;
use crate::testing::transactions::{Identity, State, Transaction};

/// Who wants to use something in a transaction, and by what kind of request.
#[derive(Clone, Copy, Debug)]
pub(in crate::testing) struct Joining<'a> {
    pub(in crate::testing) transactional_id: &'a str,
    pub(in crate::testing) producer: Identity,
    pub(in crate::testing) transactions: TransactionVersion,
    /// Whether the request's version has `TRANSACTION_ABORTABLE` (KIP-890).
    pub(in crate::testing) knows_abortable: bool,
}

impl ClusterState {
    /// `AddPartitionsToTxn`, and a partition's leader in version 2.
    pub(in crate::testing) fn add_partitions(
        &mut self,
        id: &str,
        producer: Identity,
        partitions: impl IntoIterator<Item = (Arc<str>, i32)>,
    ) -> Result<(), ErrorCode> {
        let transaction = self.begun(id, producer)?;
        transaction.partitions.extend(partitions);
        Ok(())
    }

    /// `AddOffsetsToTxn`, and a group's coordinator in version 2.
    pub(in crate::testing) fn add_group(
        &mut self,
        id: &str,
        producer: Identity,
        group: &Arc<str>,
    ) -> Result<(), ErrorCode> {
        let transaction = self.begun(id, producer)?;
        transaction.groups.insert(Arc::clone(group));
        Ok(())
    }

    /// The producer's open transaction; begins one if there is none.
    fn begun(&mut self, id: &str, producer: Identity) -> Result<&mut Transaction, ErrorCode> {
        let now_ms = self.now_ms;
        let transaction = self.transactions.of_producer(id, producer)?;
        match transaction.state {
            State::Ongoing => {}
            State::Prepared { .. } => return Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            State::Empty | State::Completed { .. } => {
                transaction.state = State::Ongoing;
                transaction.began_ms = now_ms;
                transaction.partitions.clear();
                transaction.groups.clear();
            }
        }
        Ok(transaction)
    }

    /// A partition's leader has got a batch of a transaction. Fails with what it answers then.
    pub(in crate::testing) fn join_partition(
        &mut self,
        joining: Joining<'_>,
        (topic, index): (&str, i32),
        base_sequence: i32,
    ) -> Result<(), ErrorCode> {
        let producer = joining.producer;
        let Some(partition) = self.partition_mut(topic, index) else {
            return Ok(());
        };
        if partition.log.open_epoch(producer.producer_id) == Some(producer.epoch) {
            return Ok(());
        }
        let stamp = ProducerStamp {
            producer_id: producer.producer_id,
            epoch: producer.epoch,
            base_sequence,
        };
        let from_zero = joining.transactions == TransactionVersion::V2;
        partition.producers.expect_beginning(stamp, from_zero);
        let partition = (Arc::from(topic), index);
        let id = joining.transactional_id;
        let joined = match joining.transactions {
            TransactionVersion::V1 => self.verify(id, producer, |transaction| {
                transaction.partitions.contains(&partition)
            }),
            TransactionVersion::V2 => self.add_partitions(id, producer, [partition]),
        };
        joined.map_err(|error| joining.translate(error, ErrorCode::NOT_ENOUGH_REPLICAS))
    }

    /// A group's coordinator has got offsets of a transaction. Fails with what it answers then.
    pub(in crate::testing) fn join_group(
        &mut self,
        joining: Joining<'_>,
        group: &Arc<str>,
    ) -> Result<(), ErrorCode> {
        let (id, producer) = (joining.transactional_id, joining.producer);
        let joined = match joining.transactions {
            TransactionVersion::V1 => self.verify(id, producer, |transaction| {
                transaction.groups.contains(group)
            }),
            TransactionVersion::V2 => self.add_group(id, producer, group),
        };
        joined.map_err(|error| joining.translate(error, ErrorCode::COORDINATOR_NOT_AVAILABLE))
    }

    fn verify(
        &mut self,
        id: &str,
        producer: Identity,
        is_in: impl FnOnce(&Transaction) -> bool,
    ) -> Result<(), ErrorCode> {
        let transaction = self.transactions.of_producer(id, producer)?;
        match transaction.state {
            State::Prepared { .. } => Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            State::Ongoing if is_in(transaction) => Ok(()),
            State::Empty | State::Ongoing | State::Completed { .. } => {
                Err(ErrorCode::TRANSACTION_ABORTABLE)
            }
        }
    }
}

impl Joining<'_> {
    /// The coordinator's answer, as the producer gets it from the broker in between. Producers of version
    /// 1 do not expect `CONCURRENT_TRANSACTIONS` from it, so they get `later`.
    fn translate(self, error: ErrorCode, later: ErrorCode) -> ErrorCode {
        match error {
            ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
            ErrorCode::TRANSACTION_ABORTABLE if !self.knows_abortable => {
                ErrorCode::INVALID_TXN_STATE
            }
            ErrorCode::CONCURRENT_TRANSACTIONS if self.transactions == TransactionVersion::V1 => {
                later
            }
            error => error,
        }
    }
}

//! What the records without an outcome cost of `buffer.memory`: a record its encoded size, 40 bytes
//! and what its callback captures, a batch 512. Takes encoded sizes from what arrives at brokers, not
//! from the producer.

use std::collections::BTreeMap;

use crate::record::batch::BatchEncoder;
use crate::sim::record::{CallbackLog, RecordId};

/// What a batch costs, its header included.
const BATCH: usize = 512;
/// What a record costs besides its bytes: its bookkeeping, and what the callback captures here.
const RECORD: usize = 40 + size_of::<(CallbackLog, RecordId)>();
/// What a record takes besides its value, at most.
pub(super) const RECORD_BYTES: usize = 50;

/// The batches that have records without an outcome, by their number.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<u64, Account>);

#[derive(Debug, Default)]
struct Account {
    records: usize,
    /// Of these: without an outcome.
    open: usize,
    /// Bytes of their values.
    values: usize,
    /// What the records take in the batch, once it has arrived in one piece.
    encoded: Option<usize>,
    /// Whether their bytes are gone, and only the callbacks are still to run.
    is_purged: bool,
}

impl Ledger {
    pub(super) fn on_accepted(&mut self, batch: u64, value: usize) {
        let account = self.0.entry(batch).or_default();
        account.records += 1;
        account.open += 1;
        account.values += value;
    }

    /// A batch has arrived, or a part of one.
    pub(super) fn on_arrived(&mut self, batch: u64, records: usize, bytes: usize) {
        if let Some(account) = self.0.get_mut(&batch)
            && account.records == records
        {
            account.encoded = bytes.checked_sub(BatchEncoder::HEADER_BYTES);
        }
    }

    pub(super) fn on_purged(&mut self, batch: u64) {
        if let Some(account) = self.0.get_mut(&batch) {
            account.is_purged = true;
        }
    }

    pub(super) fn on_outcome(&mut self, batch: u64) {
        if let Some(account) = self.0.get_mut(&batch) {
            account.open -= 1;
            if account.open == 0 {
                self.0.remove(&batch);
            }
        }
    }

    /// All of this memory is in use. A batch keeps what it has until its last part has its outcome.
    pub(super) fn least(&self, compresses: bool) -> usize {
        // How small a batch is that was compressed shows when it arrives.
        let values = |account: &Account| match compresses || account.is_purged {
            true => 0,
            false => account.values,
        };
        let accounts = self.0.values();
        let costs = accounts
            .map(|account| account.fixed() + account.encoded.unwrap_or_else(|| values(account)));
        costs.sum()
    }

    /// No more than this is in use while no request holds bytes and no caller has been given memory
    /// that it has not used yet.
    pub(super) fn most(&self) -> usize {
        // A batch that still grows has reserved as much again ahead.
        let ahead = |account: &Account| {
            2 * (account.fixed() + account.values + account.records * RECORD_BYTES)
        };
        let accounts = self.0.values();
        let costs = accounts.map(|account| match account.encoded {
            Some(encoded) => account.fixed() + encoded,
            None if account.is_purged => account.fixed(),
            None => ahead(account),
        });
        costs.sum()
    }
}

impl Account {
    /// What does not depend on how large the records are.
    fn fixed(&self) -> usize {
        BATCH + self.records * RECORD
    }
}

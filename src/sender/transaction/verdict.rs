//! What an error code in the answer to one of a transaction's own requests means: what to do next. The
//! one table for FindCoordinator, InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit
//! and EndTxn; that for Produce is [`sender::verdict`](crate::sender::verdict). Pure.

use crate::protocol::error_code::ErrorCode;
use crate::sender::transaction::Call;

/// What to do after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallVerdict {
    /// It was done.
    Done,
    /// Ask the same broker again after a pause.
    Retry,
    /// Ask who the coordinator is now, and then again.
    FindCoordinator,
    /// The transaction before this one is not complete yet, or another request about it is being worked
    /// on: ask again after a short pause. Nothing is wrong, so nobody hears of it.
    Concurrent,
    /// The caller who asked is refused, and nothing else has happened.
    Refuse,
    /// The transaction can only be aborted.
    Abort,
    /// The epoch is not the newest one: either the transaction took longer than its timeout, and the
    /// coordinator has aborted it, or another producer has taken the transactional id. InitProducerId with
    /// the epoch that this producer has tells which (KIP-588).
    TimedOutOrFenced,
    /// The producer can only be closed.
    Close,
}

/// What `code` says in the answer to `call`.
pub(super) fn call_verdict(call: Call, code: ErrorCode) -> CallVerdict {
    use CallVerdict::{
        Abort, Close, Concurrent, Done, FindCoordinator, Refuse, Retry, TimedOutOrFenced,
    };
    let is_search = matches!(call, Call::FindCoordinator(_));
    match code {
        ErrorCode::NONE => Done,
        ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::NOT_COORDINATOR if is_search => Retry,
        ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::NOT_COORDINATOR => FindCoordinator,
        ErrorCode::CONCURRENT_TRANSACTIONS => Concurrent,
        // A group's coordinator that did not get the offsets replicated in time may have lost its place.
        ErrorCode::REQUEST_TIMED_OUT if call == Call::CommitOffsets => FindCoordinator,
        code if code.is_retriable() => Retry,
        ErrorCode::PRODUCER_FENCED => Close,
        // Before version 4 of InitProducerId there is no other code for "fenced".
        ErrorCode::INVALID_PRODUCER_EPOCH if call == Call::InitProducerId => Close,
        ErrorCode::INVALID_PRODUCER_EPOCH => TimedOutOrFenced,
        // In version 2 the coordinator takes the old epoch for a repeat of the end that it knows, and that
        // was an abort.
        ErrorCode::INVALID_TXN_STATE if call == Call::EndTxn => TimedOutOrFenced,
        _ if call == Call::InitProducerId => Refuse,
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED if is_search => Refuse,
        ErrorCode::GROUP_AUTHORIZATION_FAILED
        | ErrorCode::TOPIC_AUTHORIZATION_FAILED
        | ErrorCode::OPERATION_NOT_ATTEMPTED
        | ErrorCode::UNKNOWN_PRODUCER_ID
        | ErrorCode::FENCED_INSTANCE_ID
        | ErrorCode::UNKNOWN_MEMBER_ID
        | ErrorCode::ILLEGAL_GENERATION
        | ErrorCode::GROUP_ID_NOT_FOUND
        | ErrorCode::STALE_MEMBER_EPOCH
        | ErrorCode::INVALID_COMMIT_OFFSET_SIZE
        | ErrorCode::OFFSET_METADATA_TOO_LARGE
        | ErrorCode::INVALID_GROUP_ID
        | ErrorCode::TRANSACTION_ABORTABLE => Abort,
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | ErrorCode::INVALID_TXN_STATE
        | ErrorCode::INVALID_PRODUCER_ID_MAPPING => Close,
        _ if call == Call::AddPartitions => Abort,
        _ => Close,
    }
}

/// Whether a coordinator that answers EndTxn so has looked before it did anything. One that has written the
/// end and waits in vain for its replicas answers COORDINATOR_NOT_AVAILABLE, for example.
pub(super) fn says_nothing_was_done(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::CONCURRENT_TRANSACTIONS
            | ErrorCode::UNSUPPORTED_VERSION
            | ErrorCode::INVALID_REQUEST
            | ErrorCode::INVALID_PRODUCER_EPOCH
            | ErrorCode::INVALID_TXN_STATE
            | ErrorCode::INVALID_PRODUCER_ID_MAPPING
            | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            | ErrorCode::PRODUCER_FENCED
            | ErrorCode::TRANSACTION_ABORTABLE
    )
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write;
    use std::path::Path;

    use super::*;
    use crate::protocol::messages::KeyType;
    use crate::sender::verdict::{Action, Verdict, is_end_of_transactions, verdict};

    const CALLS: [Call; 6] = [
        Call::FindCoordinator(KeyType::TRANSACTIONAL_ID),
        Call::InitProducerId,
        Call::AddPartitions,
        Call::AddOffsets,
        Call::CommitOffsets,
        Call::EndTxn,
    ];
    const BEGIN: &str = "<!-- From here to the end of the table written by `UPDATE_DOCS=1 cargo test transactions_md`. -->\n";
    const END: &str = "<!-- The end of the table. -->\n";

    fn words(verdict: CallVerdict) -> &'static str {
        match verdict {
            CallVerdict::Done => "done",
            CallVerdict::Retry => "again",
            CallVerdict::FindCoordinator => "search",
            CallVerdict::Concurrent => "again soon",
            CallVerdict::Refuse => "refused",
            CallVerdict::Abort => "abort",
            CallVerdict::TimedOutOrFenced => "old epoch",
            CallVerdict::Close => "close",
        }
    }

    /// What becomes of a batch, and of its transaction.
    fn of_produce(code: ErrorCode) -> &'static str {
        match verdict(code) {
            Verdict::Written | Verdict::Duplicate => "done",
            Verdict::Refused(..) if is_end_of_transactions(code) => "close",
            Verdict::Refused(Action::Retry, _) if code == ErrorCode::CONCURRENT_TRANSACTIONS => {
                "again soon"
            }
            Verdict::Refused(Action::Retry | Action::RefreshAndRetry, _) => "again",
            Verdict::Refused(Action::Split, _) => "split",
            Verdict::Refused(Action::Fail | Action::OutOfOrder, _) => "abort",
        }
    }

    /// A row for each code that does not do in every request what all others of its kind do.
    fn table() -> String {
        let codes = include_str!("../../../tests/data/errors.tsv")
            .lines()
            .skip(1);
        let codes = codes.map(|line| line.split('\t').next().unwrap().parse::<i16>().unwrap());
        let row = |code: ErrorCode| {
            let mut row: Vec<_> = CALLS.map(|call| words(call_verdict(call, code))).to_vec();
            row.push(of_produce(code));
            row
        };
        let mut rows: BTreeMap<i16, Vec<&str>> = BTreeMap::new();
        for code in codes {
            rows.insert(code, row(ErrorCode::from(code)));
        }
        let passing = row(ErrorCode::KAFKA_STORAGE_ERROR);
        let lasting = row(ErrorCode::UNKNOWN_SERVER_ERROR);
        let mut out = String::from(
            "| answer | FindCoordinator | InitProducerId | AddPartitionsToTxn | AddOffsetsToTxn | \
             TxnOffsetCommit | EndTxn | Produce |\n|---|---|---|---|---|---|---|---|\n",
        );
        for (code, row) in &rows {
            if *row != passing && *row != lasting {
                let name = ErrorCode::from(*code);
                writeln!(out, "| {name} | {} |", row.join(" | ")).unwrap();
            }
        }
        writeln!(out, "| every other that passes | {} |", passing.join(" | ")).unwrap();
        writeln!(out, "| every other | {} |", lasting.join(" | ")).unwrap();
        out
    }

    #[test]
    fn transactions_md_says_what_each_answer_leads_to() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/TRANSACTIONS.md");
        let document = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = document
            .split_once(BEGIN)
            .expect("the mark before the table");
        let (written, after) = rest.split_once(END).expect("the mark behind the table");
        let table = table();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        } else {
            assert!(
                written == table,
                "docs/TRANSACTIONS.md is not what the code says; write it anew with \
                 UPDATE_DOCS=1 cargo test transactions_md"
            );
        }
    }
}

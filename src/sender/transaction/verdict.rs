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
        | ErrorCode::INVALID_GROUP_ID => Abort,
        // Nothing is left that could make an abort succeed.
        ErrorCode::TRANSACTION_ABORTABLE if call == Call::EndTxn => Abort,
        ErrorCode::TRANSACTION_ABORTABLE => Abort,
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | ErrorCode::INVALID_TXN_STATE
        | ErrorCode::INVALID_PRODUCER_ID_MAPPING => Close,
        _ if call == Call::AddPartitions => Abort,
        _ => Close,
    }
}

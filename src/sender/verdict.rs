//! What a broker's error code in a Produce answer means for a batch: what to do next, and whether the attempt may be in the log. The one table of both.
//! Pure.
//!
//! **In a transaction** a batch that fails for good also makes its transaction abortable, whatever the code;
//! those of [`is_end_of_transactions`] make the producer unusable.

use crate::error::Fate;
use crate::protocol::error_code::ErrorCode;

/// What the answer to an attempt says of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is in the log.
    Written,
    /// An earlier attempt has put it into the log, at an offset that the broker does not know any
    /// more.
    Duplicate,
    /// It is not acknowledged: what to do about it, and whether this attempt may be in the log all the
    /// same. `NotWritten` says nothing of other attempts; a batch puts them together
    /// ([`SealedBatch::merge_fate`](crate::accumulator::SealedBatch::merge_fate)).
    Refused(Action, Fate),
}

/// What to do with a batch that was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Send it again after a pause.
    Retry,
    /// The same, and ask who leads the partition now.
    RefreshAndRetry,
    /// Send its records in smaller batches; a batch of one record fails.
    Split,
    /// It will never be taken. Others may be, but the broker still waits for its sequence numbers.
    Fail,
    /// Send it again, behind those before it; if none is on its way, under a new epoch. Its sequence is
    /// not the one that the broker waits for: the broker misses a batch before this one, which may be
    /// on its way or may never come, or it has forgotten this producer.
    OutOfOrder,
}

/// What `code` says. An unknown code is not worth a retry, and proves nothing.
pub(super) fn verdict(code: ErrorCode) -> Verdict {
    match code {
        ErrorCode::NONE => Verdict::Written,
        ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Verdict::Duplicate,
        code => {
            let (action, fate) = row(code).unwrap_or((Action::Fail, Fate::MayBeWritten));
            Verdict::Refused(action, fate)
        }
    }
}

/// Whether a transactional producer to which a broker says this can only be closed. INVALID_PRODUCER_EPOCH
/// is none of them: the coordinator tells whether the transaction has taken too long, or another producer
/// has its transactional id (KIP-588).
pub(super) fn is_end_of_transactions(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            | ErrorCode::UNSUPPORTED_VERSION
            | ErrorCode::INVALID_PRODUCER_ID_MAPPING
            | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            | ErrorCode::PRODUCER_FENCED
    )
}

macro_rules! table {
    ($($code:ident $action:ident $fate:ident;)*) => {
        fn row(code: ErrorCode) -> Option<(Action, Fate)> {
            match code {
                $(ErrorCode::$code => Some((Action::$action, Fate::$fate)),)*
                _ => None,
            }
        }
    };
}

// What Kafka calls retriable is sent again, after a refresh where Kafka asks for one. The codes that
// no broker answers to Produce have rows, too: their action is what Kafka's own class says, and they
// prove nothing.
//
// `NotWritten` stands only where a broker checks before it appends. `MayBeWritten` is all the rest: the
// broker may have appended first, or there is no argument that it cannot. A leader that loses its
// partition while it waits for replicas answers NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_OR_PARTITION or
// KAFKA_STORAGE_ERROR after its append (KAFKA-13574): to take these for a proof would report records
// as not written that are in the log.
//
// INVALID_PRODUCER_EPOCH fails its batch only: an idempotent producer continues with another epoch.
table! {
    UNKNOWN_SERVER_ERROR Fail MayBeWritten;
    OFFSET_OUT_OF_RANGE Fail MayBeWritten;
    CORRUPT_MESSAGE Retry NotWritten;
    UNKNOWN_TOPIC_OR_PARTITION RefreshAndRetry MayBeWritten;
    INVALID_FETCH_SIZE Fail MayBeWritten;
    LEADER_NOT_AVAILABLE RefreshAndRetry MayBeWritten;
    NOT_LEADER_OR_FOLLOWER RefreshAndRetry MayBeWritten;
    REQUEST_TIMED_OUT Retry MayBeWritten;
    BROKER_NOT_AVAILABLE Fail MayBeWritten;
    REPLICA_NOT_AVAILABLE RefreshAndRetry MayBeWritten;
    MESSAGE_TOO_LARGE Split NotWritten;
    STALE_CONTROLLER_EPOCH Fail MayBeWritten;
    OFFSET_METADATA_TOO_LARGE Fail MayBeWritten;
    NETWORK_EXCEPTION RefreshAndRetry MayBeWritten;
    COORDINATOR_LOAD_IN_PROGRESS Retry MayBeWritten;
    COORDINATOR_NOT_AVAILABLE Retry MayBeWritten;
    NOT_COORDINATOR Retry MayBeWritten;
    INVALID_TOPIC_EXCEPTION Fail MayBeWritten;
    RECORD_LIST_TOO_LARGE Fail NotWritten;
    NOT_ENOUGH_REPLICAS Retry NotWritten;
    NOT_ENOUGH_REPLICAS_AFTER_APPEND Retry MayBeWritten;
    INVALID_REQUIRED_ACKS Fail NotWritten;
    ILLEGAL_GENERATION Fail MayBeWritten;
    INCONSISTENT_GROUP_PROTOCOL Fail MayBeWritten;
    INVALID_GROUP_ID Fail MayBeWritten;
    UNKNOWN_MEMBER_ID Fail MayBeWritten;
    INVALID_SESSION_TIMEOUT Fail MayBeWritten;
    REBALANCE_IN_PROGRESS Fail MayBeWritten;
    INVALID_COMMIT_OFFSET_SIZE Fail MayBeWritten;
    TOPIC_AUTHORIZATION_FAILED Fail NotWritten;
    GROUP_AUTHORIZATION_FAILED Fail MayBeWritten;
    CLUSTER_AUTHORIZATION_FAILED Fail NotWritten;
    INVALID_TIMESTAMP Fail NotWritten;
    UNSUPPORTED_SASL_MECHANISM Fail MayBeWritten;
    ILLEGAL_SASL_STATE Fail MayBeWritten;
    UNSUPPORTED_VERSION Fail NotWritten;
    TOPIC_ALREADY_EXISTS Fail MayBeWritten;
    INVALID_PARTITIONS Fail MayBeWritten;
    INVALID_REPLICATION_FACTOR Fail MayBeWritten;
    INVALID_REPLICA_ASSIGNMENT Fail MayBeWritten;
    INVALID_CONFIG Fail MayBeWritten;
    NOT_CONTROLLER Retry MayBeWritten;
    INVALID_REQUEST Fail MayBeWritten;
    UNSUPPORTED_FOR_MESSAGE_FORMAT Fail NotWritten;
    POLICY_VIOLATION Fail NotWritten;
    OUT_OF_ORDER_SEQUENCE_NUMBER OutOfOrder NotWritten;
    INVALID_PRODUCER_EPOCH Fail NotWritten;
    INVALID_TXN_STATE Fail NotWritten;
    INVALID_PRODUCER_ID_MAPPING Fail MayBeWritten;
    INVALID_TRANSACTION_TIMEOUT Fail MayBeWritten;
    CONCURRENT_TRANSACTIONS Retry MayBeWritten;
    TRANSACTION_COORDINATOR_FENCED Fail MayBeWritten;
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED Fail NotWritten;
    SECURITY_DISABLED Fail MayBeWritten;
    OPERATION_NOT_ATTEMPTED Fail MayBeWritten;
    KAFKA_STORAGE_ERROR RefreshAndRetry MayBeWritten;
    LOG_DIR_NOT_FOUND Fail MayBeWritten;
    SASL_AUTHENTICATION_FAILED Fail MayBeWritten;
    UNKNOWN_PRODUCER_ID OutOfOrder NotWritten;
    REASSIGNMENT_IN_PROGRESS Fail MayBeWritten;
    DELEGATION_TOKEN_AUTH_DISABLED Fail MayBeWritten;
    DELEGATION_TOKEN_NOT_FOUND Fail MayBeWritten;
    DELEGATION_TOKEN_OWNER_MISMATCH Fail MayBeWritten;
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED Fail MayBeWritten;
    DELEGATION_TOKEN_AUTHORIZATION_FAILED Fail MayBeWritten;
    DELEGATION_TOKEN_EXPIRED Fail MayBeWritten;
    INVALID_PRINCIPAL_TYPE Fail MayBeWritten;
    NON_EMPTY_GROUP Fail MayBeWritten;
    GROUP_ID_NOT_FOUND Fail MayBeWritten;
    FETCH_SESSION_ID_NOT_FOUND Retry MayBeWritten;
    INVALID_FETCH_SESSION_EPOCH Retry MayBeWritten;
    LISTENER_NOT_FOUND RefreshAndRetry MayBeWritten;
    TOPIC_DELETION_DISABLED Fail MayBeWritten;
    FENCED_LEADER_EPOCH RefreshAndRetry MayBeWritten;
    UNKNOWN_LEADER_EPOCH Retry MayBeWritten;
    UNSUPPORTED_COMPRESSION_TYPE Fail NotWritten;
    STALE_BROKER_EPOCH Fail MayBeWritten;
    OFFSET_NOT_AVAILABLE Retry MayBeWritten;
    MEMBER_ID_REQUIRED Fail MayBeWritten;
    PREFERRED_LEADER_NOT_AVAILABLE RefreshAndRetry MayBeWritten;
    GROUP_MAX_SIZE_REACHED Fail MayBeWritten;
    FENCED_INSTANCE_ID Fail MayBeWritten;
    ELIGIBLE_LEADERS_NOT_AVAILABLE RefreshAndRetry MayBeWritten;
    ELECTION_NOT_NEEDED RefreshAndRetry MayBeWritten;
    NO_REASSIGNMENT_IN_PROGRESS Fail MayBeWritten;
    GROUP_SUBSCRIBED_TO_TOPIC Fail MayBeWritten;
    INVALID_RECORD Fail NotWritten;
    UNSTABLE_OFFSET_COMMIT Retry MayBeWritten;
    THROTTLING_QUOTA_EXCEEDED Retry MayBeWritten;
    PRODUCER_FENCED Fail NotWritten;
    RESOURCE_NOT_FOUND Fail MayBeWritten;
    DUPLICATE_RESOURCE Fail MayBeWritten;
    UNACCEPTABLE_CREDENTIAL Fail MayBeWritten;
    INCONSISTENT_VOTER_SET Fail MayBeWritten;
    INVALID_UPDATE_VERSION Fail MayBeWritten;
    FEATURE_UPDATE_FAILED Fail MayBeWritten;
    PRINCIPAL_DESERIALIZATION_FAILURE Fail MayBeWritten;
    SNAPSHOT_NOT_FOUND Fail MayBeWritten;
    POSITION_OUT_OF_RANGE Fail MayBeWritten;
    UNKNOWN_TOPIC_ID RefreshAndRetry MayBeWritten;
    DUPLICATE_BROKER_REGISTRATION Fail MayBeWritten;
    BROKER_ID_NOT_REGISTERED Fail MayBeWritten;
    INCONSISTENT_TOPIC_ID RefreshAndRetry MayBeWritten;
    INCONSISTENT_CLUSTER_ID Fail MayBeWritten;
    TRANSACTIONAL_ID_NOT_FOUND Fail MayBeWritten;
    FETCH_SESSION_TOPIC_ID_ERROR Retry MayBeWritten;
    INELIGIBLE_REPLICA Fail MayBeWritten;
    NEW_LEADER_ELECTED Fail MayBeWritten;
    OFFSET_MOVED_TO_TIERED_STORAGE Fail MayBeWritten;
    FENCED_MEMBER_EPOCH Fail MayBeWritten;
    UNRELEASED_INSTANCE_ID Fail MayBeWritten;
    UNSUPPORTED_ASSIGNOR Fail MayBeWritten;
    STALE_MEMBER_EPOCH Fail MayBeWritten;
    MISMATCHED_ENDPOINT_TYPE Fail MayBeWritten;
    UNSUPPORTED_ENDPOINT_TYPE Fail MayBeWritten;
    UNKNOWN_CONTROLLER_ID Fail MayBeWritten;
    UNKNOWN_SUBSCRIPTION_ID Fail MayBeWritten;
    TELEMETRY_TOO_LARGE Fail MayBeWritten;
    INVALID_REGISTRATION Fail MayBeWritten;
    TRANSACTION_ABORTABLE Fail NotWritten;
    INVALID_RECORD_STATE Fail MayBeWritten;
    SHARE_SESSION_NOT_FOUND Retry MayBeWritten;
    INVALID_SHARE_SESSION_EPOCH Retry MayBeWritten;
    FENCED_STATE_EPOCH Fail MayBeWritten;
    INVALID_VOTER_KEY Fail MayBeWritten;
    DUPLICATE_VOTER Fail MayBeWritten;
    VOTER_NOT_FOUND Fail MayBeWritten;
    INVALID_REGULAR_EXPRESSION Fail MayBeWritten;
    REBOOTSTRAP_REQUIRED Fail MayBeWritten;
    STREAMS_INVALID_TOPOLOGY Fail MayBeWritten;
    STREAMS_INVALID_TOPOLOGY_EPOCH Fail MayBeWritten;
    STREAMS_TOPOLOGY_FENCED Fail MayBeWritten;
    SHARE_SESSION_LIMIT_REACHED Retry MayBeWritten;
    GROUP_DELETION_FAILED Fail MayBeWritten;
    STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED Fail MayBeWritten;
    CONTROLLER_ID_NOT_REGISTERED Fail MayBeWritten;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by Kafka itself.
    const KAFKAS: &str = include_str!("../../tests/data/errors.tsv");

    /// Each of Kafka's codes, whether it is retriable, and whether it asks for a refresh.
    fn kafkas_codes() -> impl Iterator<Item = (ErrorCode, bool, bool)> {
        KAFKAS.lines().skip(1).map(|line| {
            let mut fields = line.split('\t');
            let code: i16 = fields.next().unwrap().parse().unwrap();
            let mut flags = fields.skip(1).map(|field| field == "true");
            let (retriable, refresh) = (flags.next().unwrap(), flags.next().unwrap());
            (ErrorCode::from(code), retriable, refresh)
        })
    }

    #[test]
    fn every_code_has_a_row_that_retries_when_kafka_would() {
        for (code, retriable, refresh) in kafkas_codes() {
            let action = match verdict(code) {
                Verdict::Refused(action, _) => Some(action),
                Verdict::Written | Verdict::Duplicate => None,
            };
            assert!(action.is_none() || row(code).is_some(), "{code} has no row");
            let retry = match (retriable, refresh) {
                (true, true) => Some(Action::RefreshAndRetry),
                (true, false) => Some(Action::Retry),
                (false, _) => None,
            };
            let ours = action.filter(|one| matches!(one, Action::Retry | Action::RefreshAndRetry));
            assert_eq!(ours, retry, "{code}");
        }
        assert!(kafkas_codes().count() > 130);
    }

    #[test]
    fn codes_that_are_no_retry_fail_but_for_these() {
        let is_failure = |verdict| matches!(verdict, Verdict::Refused(Action::Fail, _));
        let special: Vec<(ErrorCode, Verdict)> = kafkas_codes()
            .filter(|(_, retriable, _)| !retriable)
            .map(|(code, ..)| (code, verdict(code)))
            .filter(|(_, verdict)| !is_failure(*verdict))
            .collect();
        let refused = |action| Verdict::Refused(action, Fate::NotWritten);
        let expected = [
            (ErrorCode::NONE, Verdict::Written),
            (ErrorCode::MESSAGE_TOO_LARGE, refused(Action::Split)),
            (
                ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
                refused(Action::OutOfOrder),
            ),
            (ErrorCode::DUPLICATE_SEQUENCE_NUMBER, Verdict::Duplicate),
            (ErrorCode::UNKNOWN_PRODUCER_ID, refused(Action::OutOfOrder)),
        ];
        assert_eq!(special, expected);
    }

    #[test]
    fn only_checks_before_the_append_prove_that_nothing_was_written() {
        let proofs: Vec<ErrorCode> = kafkas_codes()
            .map(|(code, ..)| code)
            .filter(|code| matches!(verdict(*code), Verdict::Refused(_, Fate::NotWritten)))
            .collect();
        let expected = [
            ErrorCode::CORRUPT_MESSAGE,
            ErrorCode::MESSAGE_TOO_LARGE,
            ErrorCode::RECORD_LIST_TOO_LARGE,
            ErrorCode::NOT_ENOUGH_REPLICAS,
            ErrorCode::INVALID_REQUIRED_ACKS,
            ErrorCode::TOPIC_AUTHORIZATION_FAILED,
            ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
            ErrorCode::INVALID_TIMESTAMP,
            ErrorCode::UNSUPPORTED_VERSION,
            ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT,
            ErrorCode::POLICY_VIOLATION,
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            ErrorCode::INVALID_PRODUCER_EPOCH,
            ErrorCode::INVALID_TXN_STATE,
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            ErrorCode::UNKNOWN_PRODUCER_ID,
            ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            ErrorCode::INVALID_RECORD,
            ErrorCode::PRODUCER_FENCED,
            ErrorCode::TRANSACTION_ABORTABLE,
        ];
        assert_eq!(proofs, expected);
    }

    #[test]
    fn an_unknown_code_fails_and_proves_nothing() {
        for code in [-2, 134, 12_345, i16::MIN, i16::MAX].map(ErrorCode::from) {
            let expected = Verdict::Refused(Action::Fail, Fate::MayBeWritten);
            assert_eq!(verdict(code), expected, "{code}");
        }
    }
}

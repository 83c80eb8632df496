//! What a broker's error code in a Produce answer means for a batch of an idempotent producer without
//! transactions: what to do next, and what is known about the attempt. The one table of both. Pure.

use crate::protocol::error_code::ErrorCode;

/// What to do with a batch that a broker answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is in the log.
    Success,
    /// An earlier attempt has put it into the log, at an offset that the broker does not know any
    /// more.
    Duplicate,
    /// Send it again after a pause.
    Retry,
    /// The same, and ask who leads the partition now.
    RefreshAndRetry,
    /// Send its records in smaller batches; one that is alone already will never be taken.
    Split,
    /// It will never be taken. Others may be, but the broker still waits for its sequence numbers.
    Fail,
    /// The broker misses a batch before this one. That one may be on its way, or may never come.
    Sequence,
    /// The broker has forgotten this producer, or never knew it.
    UnknownProducer,
    /// It will never be taken, and with a producer id nothing else will. Without one, like `Fail`.
    Fatal,
}

/// What to do about `code`. A code that nobody knows is not worth a retry.
pub(super) fn verdict(code: ErrorCode) -> Verdict {
    row(code).map_or(Verdict::Fail, |row| row.verdict)
}

/// Whether the attempt that was answered with `code` is certainly not in the log. Says nothing of
/// other attempts: the record was not written if this holds for each of them.
pub(super) fn proves_absence(code: ErrorCode) -> bool {
    row(code).is_some_and(|row| row.evidence == Evidence::Absent)
}

/// What is known about a code.
struct Row {
    verdict: Verdict,
    evidence: Evidence,
}

/// What the answer to an attempt proves about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evidence {
    /// It is in the log, or an equal one is.
    Written,
    /// The broker checks this before it appends.
    Absent,
    /// The broker may have appended first, or nobody has argued that it cannot. Leaders answer
    /// `NOT_LEADER_OR_FOLLOWER`, `UNKNOWN_TOPIC_OR_PARTITION` and `KAFKA_STORAGE_ERROR` also when
    /// they lose the partition while they wait for replicas.
    Doubt,
}

macro_rules! table {
    ($($code:ident $verdict:ident $evidence:ident;)*) => {
        fn row(code: ErrorCode) -> Option<Row> {
            match code {
                $(ErrorCode::$code => Some(Row {
                    verdict: Verdict::$verdict,
                    evidence: Evidence::$evidence,
                }),)*
                _ => None,
            }
        }
    };
}

// What Kafka calls retriable is sent again, after a refresh where Kafka asks for one. The codes that
// no broker answers to Produce have rows, too: their verdict is what Kafka's own class says, and
// they prove nothing.
//
// INVALID_PRODUCER_EPOCH fails its batch only: an idempotent producer can go on with another epoch.
// CLUSTER_AUTHORIZATION_FAILED is fatal because it refuses idempotent writes as such.
table! {
    UNKNOWN_SERVER_ERROR Fail Doubt;
    NONE Success Written;
    OFFSET_OUT_OF_RANGE Fail Doubt;
    CORRUPT_MESSAGE Retry Absent;
    UNKNOWN_TOPIC_OR_PARTITION RefreshAndRetry Doubt;
    INVALID_FETCH_SIZE Fail Doubt;
    LEADER_NOT_AVAILABLE RefreshAndRetry Doubt;
    NOT_LEADER_OR_FOLLOWER RefreshAndRetry Doubt;
    REQUEST_TIMED_OUT Retry Doubt;
    BROKER_NOT_AVAILABLE Fail Doubt;
    REPLICA_NOT_AVAILABLE RefreshAndRetry Doubt;
    MESSAGE_TOO_LARGE Split Absent;
    STALE_CONTROLLER_EPOCH Fail Doubt;
    OFFSET_METADATA_TOO_LARGE Fail Doubt;
    NETWORK_EXCEPTION RefreshAndRetry Doubt;
    COORDINATOR_LOAD_IN_PROGRESS Retry Doubt;
    COORDINATOR_NOT_AVAILABLE Retry Doubt;
    NOT_COORDINATOR Retry Doubt;
    INVALID_TOPIC_EXCEPTION Fail Doubt;
    RECORD_LIST_TOO_LARGE Fail Absent;
    NOT_ENOUGH_REPLICAS Retry Absent;
    NOT_ENOUGH_REPLICAS_AFTER_APPEND Retry Doubt;
    INVALID_REQUIRED_ACKS Fail Absent;
    ILLEGAL_GENERATION Fail Doubt;
    INCONSISTENT_GROUP_PROTOCOL Fail Doubt;
    INVALID_GROUP_ID Fail Doubt;
    UNKNOWN_MEMBER_ID Fail Doubt;
    INVALID_SESSION_TIMEOUT Fail Doubt;
    REBALANCE_IN_PROGRESS Fail Doubt;
    INVALID_COMMIT_OFFSET_SIZE Fail Doubt;
    TOPIC_AUTHORIZATION_FAILED Fail Absent;
    GROUP_AUTHORIZATION_FAILED Fail Doubt;
    CLUSTER_AUTHORIZATION_FAILED Fatal Absent;
    INVALID_TIMESTAMP Fail Absent;
    UNSUPPORTED_SASL_MECHANISM Fail Doubt;
    ILLEGAL_SASL_STATE Fail Doubt;
    UNSUPPORTED_VERSION Fatal Absent;
    TOPIC_ALREADY_EXISTS Fail Doubt;
    INVALID_PARTITIONS Fail Doubt;
    INVALID_REPLICATION_FACTOR Fail Doubt;
    INVALID_REPLICA_ASSIGNMENT Fail Doubt;
    INVALID_CONFIG Fail Doubt;
    NOT_CONTROLLER Retry Doubt;
    INVALID_REQUEST Fail Doubt;
    UNSUPPORTED_FOR_MESSAGE_FORMAT Fail Absent;
    POLICY_VIOLATION Fail Absent;
    OUT_OF_ORDER_SEQUENCE_NUMBER Sequence Absent;
    DUPLICATE_SEQUENCE_NUMBER Duplicate Written;
    INVALID_PRODUCER_EPOCH Fail Absent;
    INVALID_TXN_STATE Fail Absent;
    INVALID_PRODUCER_ID_MAPPING Fatal Doubt;
    INVALID_TRANSACTION_TIMEOUT Fail Doubt;
    CONCURRENT_TRANSACTIONS Retry Doubt;
    TRANSACTION_COORDINATOR_FENCED Fail Doubt;
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED Fatal Absent;
    SECURITY_DISABLED Fail Doubt;
    OPERATION_NOT_ATTEMPTED Fail Doubt;
    KAFKA_STORAGE_ERROR RefreshAndRetry Doubt;
    LOG_DIR_NOT_FOUND Fail Doubt;
    SASL_AUTHENTICATION_FAILED Fail Doubt;
    UNKNOWN_PRODUCER_ID UnknownProducer Absent;
    REASSIGNMENT_IN_PROGRESS Fail Doubt;
    DELEGATION_TOKEN_AUTH_DISABLED Fail Doubt;
    DELEGATION_TOKEN_NOT_FOUND Fail Doubt;
    DELEGATION_TOKEN_OWNER_MISMATCH Fail Doubt;
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED Fail Doubt;
    DELEGATION_TOKEN_AUTHORIZATION_FAILED Fail Doubt;
    DELEGATION_TOKEN_EXPIRED Fail Doubt;
    INVALID_PRINCIPAL_TYPE Fail Doubt;
    NON_EMPTY_GROUP Fail Doubt;
    GROUP_ID_NOT_FOUND Fail Doubt;
    FETCH_SESSION_ID_NOT_FOUND Retry Doubt;
    INVALID_FETCH_SESSION_EPOCH Retry Doubt;
    LISTENER_NOT_FOUND RefreshAndRetry Doubt;
    TOPIC_DELETION_DISABLED Fail Doubt;
    FENCED_LEADER_EPOCH RefreshAndRetry Doubt;
    UNKNOWN_LEADER_EPOCH Retry Doubt;
    UNSUPPORTED_COMPRESSION_TYPE Fail Absent;
    STALE_BROKER_EPOCH Fail Doubt;
    OFFSET_NOT_AVAILABLE Retry Doubt;
    MEMBER_ID_REQUIRED Fail Doubt;
    PREFERRED_LEADER_NOT_AVAILABLE RefreshAndRetry Doubt;
    GROUP_MAX_SIZE_REACHED Fail Doubt;
    FENCED_INSTANCE_ID Fail Doubt;
    ELIGIBLE_LEADERS_NOT_AVAILABLE RefreshAndRetry Doubt;
    ELECTION_NOT_NEEDED RefreshAndRetry Doubt;
    NO_REASSIGNMENT_IN_PROGRESS Fail Doubt;
    GROUP_SUBSCRIBED_TO_TOPIC Fail Doubt;
    INVALID_RECORD Fail Absent;
    UNSTABLE_OFFSET_COMMIT Retry Doubt;
    THROTTLING_QUOTA_EXCEEDED Retry Doubt;
    PRODUCER_FENCED Fatal Absent;
    RESOURCE_NOT_FOUND Fail Doubt;
    DUPLICATE_RESOURCE Fail Doubt;
    UNACCEPTABLE_CREDENTIAL Fail Doubt;
    INCONSISTENT_VOTER_SET Fail Doubt;
    INVALID_UPDATE_VERSION Fail Doubt;
    FEATURE_UPDATE_FAILED Fail Doubt;
    PRINCIPAL_DESERIALIZATION_FAILURE Fail Doubt;
    SNAPSHOT_NOT_FOUND Fail Doubt;
    POSITION_OUT_OF_RANGE Fail Doubt;
    UNKNOWN_TOPIC_ID RefreshAndRetry Doubt;
    DUPLICATE_BROKER_REGISTRATION Fail Doubt;
    BROKER_ID_NOT_REGISTERED Fail Doubt;
    INCONSISTENT_TOPIC_ID RefreshAndRetry Doubt;
    INCONSISTENT_CLUSTER_ID Fail Doubt;
    TRANSACTIONAL_ID_NOT_FOUND Fail Doubt;
    FETCH_SESSION_TOPIC_ID_ERROR Retry Doubt;
    INELIGIBLE_REPLICA Fail Doubt;
    NEW_LEADER_ELECTED Fail Doubt;
    OFFSET_MOVED_TO_TIERED_STORAGE Fail Doubt;
    FENCED_MEMBER_EPOCH Fail Doubt;
    UNRELEASED_INSTANCE_ID Fail Doubt;
    UNSUPPORTED_ASSIGNOR Fail Doubt;
    STALE_MEMBER_EPOCH Fail Doubt;
    MISMATCHED_ENDPOINT_TYPE Fail Doubt;
    UNSUPPORTED_ENDPOINT_TYPE Fail Doubt;
    UNKNOWN_CONTROLLER_ID Fail Doubt;
    UNKNOWN_SUBSCRIPTION_ID Fail Doubt;
    TELEMETRY_TOO_LARGE Fail Doubt;
    INVALID_REGISTRATION Fail Doubt;
    TRANSACTION_ABORTABLE Fail Absent;
    INVALID_RECORD_STATE Fail Doubt;
    SHARE_SESSION_NOT_FOUND Retry Doubt;
    INVALID_SHARE_SESSION_EPOCH Retry Doubt;
    FENCED_STATE_EPOCH Fail Doubt;
    INVALID_VOTER_KEY Fail Doubt;
    DUPLICATE_VOTER Fail Doubt;
    VOTER_NOT_FOUND Fail Doubt;
    INVALID_REGULAR_EXPRESSION Fail Doubt;
    REBOOTSTRAP_REQUIRED Fail Doubt;
    STREAMS_INVALID_TOPOLOGY Fail Doubt;
    STREAMS_INVALID_TOPOLOGY_EPOCH Fail Doubt;
    STREAMS_TOPOLOGY_FENCED Fail Doubt;
    SHARE_SESSION_LIMIT_REACHED Retry Doubt;
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
            let row = row(code).unwrap_or_else(|| panic!("{code} has no row"));
            let retry = match (retriable, refresh) {
                (true, true) => Some(Verdict::RefreshAndRetry),
                (true, false) => Some(Verdict::Retry),
                (false, _) => None,
            };
            let ours = Some(row.verdict)
                .filter(|one| matches!(one, Verdict::Retry | Verdict::RefreshAndRetry));
            assert_eq!(ours, retry, "{code}");
        }
        assert!(kafkas_codes().count() > 130);
    }

    #[test]
    fn codes_that_are_no_retry_fail_but_for_these() {
        let special: Vec<(ErrorCode, Verdict)> = kafkas_codes()
            .filter(|(_, retriable, _)| !retriable)
            .map(|(code, ..)| (code, verdict(code)))
            .filter(|(_, verdict)| *verdict != Verdict::Fail)
            .collect();
        let expected = [
            (ErrorCode::NONE, Verdict::Success),
            (ErrorCode::MESSAGE_TOO_LARGE, Verdict::Split),
            (ErrorCode::CLUSTER_AUTHORIZATION_FAILED, Verdict::Fatal),
            (ErrorCode::UNSUPPORTED_VERSION, Verdict::Fatal),
            (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, Verdict::Sequence),
            (ErrorCode::DUPLICATE_SEQUENCE_NUMBER, Verdict::Duplicate),
            (ErrorCode::INVALID_PRODUCER_ID_MAPPING, Verdict::Fatal),
            (
                ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                Verdict::Fatal,
            ),
            (ErrorCode::UNKNOWN_PRODUCER_ID, Verdict::UnknownProducer),
            (ErrorCode::PRODUCER_FENCED, Verdict::Fatal),
        ];
        assert_eq!(special, expected);
    }

    #[test]
    fn only_checks_before_the_append_prove_that_nothing_was_written() {
        let proofs: Vec<ErrorCode> = kafkas_codes()
            .map(|(code, ..)| code)
            .filter(|code| proves_absence(*code))
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
    fn a_code_that_nobody_knows_fails_and_proves_nothing() {
        for code in [-2, 134, 12_345, i16::MIN, i16::MAX].map(ErrorCode::from) {
            assert_eq!(verdict(code), Verdict::Fail, "{code}");
            assert!(!proves_absence(code), "{code}");
        }
    }
}

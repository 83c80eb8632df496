//! Kafka's error codes: one table with the name of each, what it means, and what a client should do
//! about it. Decides nothing; used wherever a broker's answer is judged or reported.

use std::fmt;

/// What a broker says went wrong. Codes that are newer than this crate are kept as they came.
///
/// ```
/// use linger::ErrorCode;
///
/// let code = ErrorCode::from(6);
/// assert_eq!(code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
/// assert_eq!(code.to_string(), "NOT_LEADER_OR_FOLLOWER (6)");
/// assert!(code.is_retriable());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(i16);

impl ErrorCode {
    /// The number on the wire.
    pub fn code(self) -> i16 {
        self.0
    }

    /// Kafka's name for it, or `UNKNOWN_ERROR_CODE`.
    pub fn name(self) -> &'static str {
        self.row().map_or("UNKNOWN_ERROR_CODE", |row| row.name)
    }

    /// The code with this name in Kafka; none if this crate knows no such code.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// What it means, as a phrase for a log or an error message.
    pub fn message(self) -> &'static str {
        self.row()
            .map_or("an error that this client does not know", |row| row.message)
    }

    /// Whether the same request may succeed later. Codes that are not known are not retriable.
    pub fn is_retriable(self) -> bool {
        self.row().is_some_and(|row| row.advice != Advice::Stop)
    }

    /// Whether it means that what the client knows about the cluster is out of date; such codes
    /// are retriable, with new metadata.
    pub fn refreshes_metadata(self) -> bool {
        self.row().is_some_and(|row| row.advice == Advice::Refresh)
    }
}

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        Self(code)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

/// A row of the table.
struct Row {
    name: &'static str,
    advice: Advice,
    message: &'static str,
}

/// What the same client can do about a code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Advice {
    /// Sending the same again leads to the same.
    Stop,
    /// It may pass.
    Retry,
    /// It may pass, once the client has asked for metadata.
    Refresh,
}

macro_rules! error_codes {
    ($($code:literal $name:ident $advice:ident $message:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!("Code ", $code, ": ", $message, ".")]
                pub const $name: Self = Self($code);
            )*

            fn row(self) -> Option<Row> {
                match self.0 {
                    $($code => Some(Row {
                        name: stringify!($name),
                        advice: Advice::$advice,
                        message: $message,
                    }),)*
                    _ => None,
                }
            }

            const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

error_codes! {
    -1 UNKNOWN_SERVER_ERROR Stop "the broker failed unexpectedly";
    0 NONE Stop "no error";
    1 OFFSET_OUT_OF_RANGE Stop "the log does not have this offset";
    2 CORRUPT_MESSAGE Retry "a batch is damaged, too large, or lacks the key its compacted topic needs";
    3 UNKNOWN_TOPIC_OR_PARTITION Refresh "the broker does not host this topic or partition";
    4 INVALID_FETCH_SIZE Stop "the fetch size is not valid";
    5 LEADER_NOT_AVAILABLE Refresh "the partition has no leader at the moment";
    6 NOT_LEADER_OR_FOLLOWER Refresh "the broker does not lead this partition, or has no replica of it";
    7 REQUEST_TIMED_OUT Retry "the broker could not finish the request in time";
    8 BROKER_NOT_AVAILABLE Stop "the broker is not available";
    9 REPLICA_NOT_AVAILABLE Refresh "the replica is not available";
    10 MESSAGE_TOO_LARGE Stop "a message is larger than the broker or the topic accepts";
    11 STALE_CONTROLLER_EPOCH Stop "another broker has become the controller";
    12 OFFSET_METADATA_TOO_LARGE Stop "the text stored with an offset is too large";
    13 NETWORK_EXCEPTION Refresh "the connection was lost before the answer came";
    14 COORDINATOR_LOAD_IN_PROGRESS Retry "the coordinator is still loading";
    15 COORDINATOR_NOT_AVAILABLE Retry "the coordinator is not available";
    16 NOT_COORDINATOR Retry "the broker is not the coordinator asked for";
    17 INVALID_TOPIC_EXCEPTION Stop "this topic name is not legal, or not for clients to use so";
    18 RECORD_LIST_TOO_LARGE Stop "the batch is larger than a log segment of the broker";
    19 NOT_ENOUGH_REPLICAS Retry "too few replicas are in sync, nothing was written";
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND Retry "written, but to fewer in-sync replicas than required";
    21 INVALID_REQUIRED_ACKS Stop "this number of acks is not possible";
    22 ILLEGAL_GENERATION Stop "the group is in another generation";
    23 INCONSISTENT_GROUP_PROTOCOL Stop "the member shares no protocol with its group";
    24 INVALID_GROUP_ID Stop "the group id is not valid";
    25 UNKNOWN_MEMBER_ID Stop "the coordinator does not know this member";
    26 INVALID_SESSION_TIMEOUT Stop "the session timeout is outside the broker's bounds";
    27 REBALANCE_IN_PROGRESS Stop "the group is rebalancing";
    28 INVALID_COMMIT_OFFSET_SIZE Stop "the committed offsets have a size that is not valid";
    29 TOPIC_AUTHORIZATION_FAILED Stop "not authorized for this topic";
    30 GROUP_AUTHORIZATION_FAILED Stop "not authorized for this group";
    31 CLUSTER_AUTHORIZATION_FAILED Stop "not authorized for this on the cluster";
    32 INVALID_TIMESTAMP Stop "a timestamp is outside the range the topic accepts";
    33 UNSUPPORTED_SASL_MECHANISM Stop "the broker does not support this SASL mechanism";
    34 ILLEGAL_SASL_STATE Stop "the request does not fit the state of the SASL exchange";
    35 UNSUPPORTED_VERSION Stop "the broker does not support this version of the request";
    36 TOPIC_ALREADY_EXISTS Stop "a topic of this name exists";
    37 INVALID_PARTITIONS Stop "a topic needs at least one partition";
    38 INVALID_REPLICATION_FACTOR Stop "the replication factor is below one or above the number of brokers";
    39 INVALID_REPLICA_ASSIGNMENT Stop "the assignment of replicas is not valid";
    40 INVALID_CONFIG Stop "the configuration is not valid";
    41 NOT_CONTROLLER Retry "the broker is not the controller";
    42 INVALID_REQUEST Stop "the broker does not understand the request, its log may say why";
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT Stop "the topic's message format does not allow this";
    44 POLICY_VIOLATION Stop "a policy of the cluster forbids this";
    45 OUT_OF_ORDER_SEQUENCE_NUMBER Stop "a batch before this one is missing in the log";
    46 DUPLICATE_SEQUENCE_NUMBER Stop "the log has a batch with this sequence number";
    47 INVALID_PRODUCER_EPOCH Stop "the producer writes with an old epoch";
    48 INVALID_TXN_STATE Stop "the transaction is in a state that does not allow this";
    49 INVALID_PRODUCER_ID_MAPPING Stop "the producer id does not belong to this transactional id";
    50 INVALID_TRANSACTION_TIMEOUT Stop "the transaction timeout is above the broker's limit";
    51 CONCURRENT_TRANSACTIONS Retry "the transaction is busy with another operation";
    52 TRANSACTION_COORDINATOR_FENCED Stop "another broker has become the transaction's coordinator";
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED Stop "not authorized for this transactional id";
    54 SECURITY_DISABLED Stop "the cluster has no authorizer";
    55 OPERATION_NOT_ATTEMPTED Stop "not tried, because another part of the request failed";
    56 KAFKA_STORAGE_ERROR Refresh "the broker cannot use the disk that has this log";
    57 LOG_DIR_NOT_FOUND Stop "the broker has no such log directory";
    58 SASL_AUTHENTICATION_FAILED Stop "SASL authentication failed";
    59 UNKNOWN_PRODUCER_ID Stop "the log has no trace of this producer, its records may have expired";
    60 REASSIGNMENT_IN_PROGRESS Stop "a reassignment of partitions is under way";
    61 DELEGATION_TOKEN_AUTH_DISABLED Stop "delegation tokens are not enabled";
    62 DELEGATION_TOKEN_NOT_FOUND Stop "the broker does not know this delegation token";
    63 DELEGATION_TOKEN_OWNER_MISMATCH Stop "the delegation token belongs to another user";
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED Stop "delegation tokens are not for this kind of connection";
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED Stop "not authorized for this delegation token";
    66 DELEGATION_TOKEN_EXPIRED Stop "the delegation token has expired";
    67 INVALID_PRINCIPAL_TYPE Stop "this type of principal is not supported";
    68 NON_EMPTY_GROUP Stop "the group has members";
    69 GROUP_ID_NOT_FOUND Stop "there is no such group";
    70 FETCH_SESSION_ID_NOT_FOUND Retry "the broker does not know this fetch session";
    71 INVALID_FETCH_SESSION_EPOCH Retry "the fetch session is in another epoch";
    72 LISTENER_NOT_FOUND Refresh "the leader has no listener of the name that this connection uses";
    73 TOPIC_DELETION_DISABLED Stop "the cluster does not let topics be deleted";
    74 FENCED_LEADER_EPOCH Refresh "the client knows an older leader epoch than the broker";
    75 UNKNOWN_LEADER_EPOCH Retry "the client knows a newer leader epoch than the broker";
    76 UNSUPPORTED_COMPRESSION_TYPE Stop "this compression is not supported here";
    77 STALE_BROKER_EPOCH Stop "the broker has been registered anew";
    78 OFFSET_NOT_AVAILABLE Retry "the new leader does not know this offset yet";
    79 MEMBER_ID_REQUIRED Stop "joining the group takes a member id";
    80 PREFERRED_LEADER_NOT_AVAILABLE Refresh "the preferred leader is not available";
    81 GROUP_MAX_SIZE_REACHED Stop "the group is full";
    82 FENCED_INSTANCE_ID Stop "another member uses this group instance id";
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE Refresh "no replica that may lead is available";
    84 ELECTION_NOT_NEEDED Refresh "the partition has the leader it should have";
    85 NO_REASSIGNMENT_IN_PROGRESS Stop "no reassignment of partitions is under way";
    86 GROUP_SUBSCRIBED_TO_TOPIC Stop "the group is subscribed to the topic whose offsets it should lose";
    87 INVALID_RECORD Stop "the broker found a record that is not valid";
    88 UNSTABLE_OFFSET_COMMIT Retry "offsets of an open transaction are in the way";
    89 THROTTLING_QUOTA_EXCEEDED Retry "a quota has been exceeded";
    90 PRODUCER_FENCED Stop "a newer producer uses this transactional id, or the transaction took too long";
    91 RESOURCE_NOT_FOUND Stop "the request names something that does not exist";
    92 DUPLICATE_RESOURCE Stop "the request names something twice";
    93 UNACCEPTABLE_CREDENTIAL Stop "the credential does not meet the rules";
    94 INCONSISTENT_VOTER_SET Stop "one side of a vote is not among the voters";
    95 INVALID_UPDATE_VERSION Stop "the update names a version that is not valid";
    96 FEATURE_UPDATE_FAILED Stop "the broker could not update the finalized features";
    97 PRINCIPAL_DESERIALIZATION_FAILURE Stop "a broker could not read a forwarded principal";
    98 SNAPSHOT_NOT_FOUND Stop "there is no such snapshot";
    99 POSITION_OUT_OF_RANGE Stop "the position is not inside the snapshot";
    100 UNKNOWN_TOPIC_ID Refresh "the broker does not host a topic of this id";
    101 DUPLICATE_BROKER_REGISTRATION Stop "another broker uses this id";
    102 BROKER_ID_NOT_REGISTERED Stop "no broker is registered under this id";
    103 INCONSISTENT_TOPIC_ID Refresh "the log belongs to a topic of another id";
    104 INCONSISTENT_CLUSTER_ID Stop "the request is meant for another cluster";
    105 TRANSACTIONAL_ID_NOT_FOUND Stop "there is no such transactional id";
    106 FETCH_SESSION_TOPIC_ID_ERROR Retry "the fetch session mixes topic names and ids";
    107 INELIGIBLE_REPLICA Stop "a replica may not join those in sync";
    108 NEW_LEADER_ELECTED Stop "the partition was changed and got another leader";
    109 OFFSET_MOVED_TO_TIERED_STORAGE Stop "the offset has moved to tiered storage";
    110 FENCED_MEMBER_EPOCH Stop "the coordinator has fenced this member, which has to join again";
    111 UNRELEASED_INSTANCE_ID Stop "another member still uses this instance id";
    112 UNSUPPORTED_ASSIGNOR Stop "the group does not support this assignor";
    113 STALE_MEMBER_EPOCH Stop "the member's epoch is old";
    114 MISMATCHED_ENDPOINT_TYPE Stop "the request went to the wrong type of endpoint";
    115 UNSUPPORTED_ENDPOINT_TYPE Stop "this type of endpoint is not supported yet";
    116 UNKNOWN_CONTROLLER_ID Stop "there is no controller of this id";
    117 UNKNOWN_SUBSCRIPTION_ID Stop "the telemetry subscription is unknown or old";
    118 TELEMETRY_TOO_LARGE Stop "the telemetry is larger than the broker accepts";
    119 INVALID_REGISTRATION Stop "the controller refuses the broker's registration";
    120 TRANSACTION_ABORTABLE Stop "the transaction failed and can be aborted";
    121 INVALID_RECORD_STATE Stop "the record is in a state that cannot be acknowledged";
    122 SHARE_SESSION_NOT_FOUND Retry "the broker does not know this share session";
    123 INVALID_SHARE_SESSION_EPOCH Retry "the share session is in another epoch";
    124 FENCED_STATE_EPOCH Stop "the share group's state is in another epoch";
    125 INVALID_VOTER_KEY Stop "the voter's key is not the one of the replica";
    126 DUPLICATE_VOTER Stop "the voter is among the voters already";
    127 VOTER_NOT_FOUND Stop "the voter is not among the voters";
    128 INVALID_REGULAR_EXPRESSION Stop "the regular expression is not valid";
    129 REBOOTSTRAP_REQUIRED Stop "the client should begin again with its bootstrap servers";
    130 STREAMS_INVALID_TOPOLOGY Stop "the streams topology is not valid";
    131 STREAMS_INVALID_TOPOLOGY_EPOCH Stop "the streams topology's epoch is not valid";
    132 STREAMS_TOPOLOGY_FENCED Stop "the streams topology's epoch is old";
    133 SHARE_SESSION_LIMIT_REACHED Retry "the broker has as many share sessions as it allows";
    134 GROUP_DELETION_FAILED Stop "the group could not be deleted";
    135 STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED Stop "the description of the streams topology could not be stored";
    136 CONTROLLER_ID_NOT_REGISTERED Stop "no controller is registered under this id";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by Kafka itself.
    const KAFKAS: &str = include_str!("../../tests/data/errors.tsv");

    #[test]
    fn agrees_with_kafka_on_every_code() {
        let ours: Vec<String> = ErrorCode::ALL
            .iter()
            .map(|code| {
                let (retriable, refresh) = (code.is_retriable(), code.refreshes_metadata());
                format!("{}\t{}\t{retriable}\t{refresh}", code.code(), code.name())
            })
            .collect();
        let kafkas: Vec<&str> = KAFKAS.lines().skip(1).collect();
        assert_eq!(ours, kafkas);
    }

    #[test]
    fn finds_every_code_by_its_name() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_name(code.name()), Some(*code));
        }
        assert_eq!(ErrorCode::from_name("UNKNOWN_ERROR_CODE"), None);
    }

    #[test]
    fn keeps_codes_it_does_not_know() {
        let code = ErrorCode::from(1234);
        assert_eq!(code.to_string(), "UNKNOWN_ERROR_CODE (1234)");
        assert_eq!(code.code(), 1234);
        assert!(!code.is_retriable() && !code.refreshes_metadata());
    }

    #[test]
    fn says_nothing_is_wrong_by_default() {
        assert_eq!(ErrorCode::default(), ErrorCode::NONE);
        assert!(!ErrorCode::NONE.is_retriable());
    }
}

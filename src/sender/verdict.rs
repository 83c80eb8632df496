//! What a broker's error code means for a batch. Pure.

use crate::protocol::error_code::ErrorCode;

/// What to do with a batch that a broker answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is in the log.
    Success,
    /// Send it again after a pause.
    Retry,
    /// The same, and ask who leads the partition now.
    RefreshAndRetry,
    /// It will never be taken.
    Fail,
}

/// Follows Kafka's own classes: a code is worth a retry or not, and tells of stale metadata or not.
/// Codes that nobody knows are not worth a retry.
pub(super) fn verdict(code: ErrorCode) -> Verdict {
    if code == ErrorCode::NONE {
        Verdict::Success
    } else if code.refreshes_metadata() {
        Verdict::RefreshAndRetry
    } else if code.is_retriable() {
        Verdict::Retry
    } else {
        Verdict::Fail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_kafkas_classes() {
        let verdicts = [
            (ErrorCode::NONE, Verdict::Success),
            (ErrorCode::NOT_LEADER_OR_FOLLOWER, Verdict::RefreshAndRetry),
            (
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                Verdict::RefreshAndRetry,
            ),
            (ErrorCode::NOT_ENOUGH_REPLICAS, Verdict::Retry),
            (ErrorCode::REQUEST_TIMED_OUT, Verdict::Retry),
            (ErrorCode::MESSAGE_TOO_LARGE, Verdict::Fail),
            (ErrorCode::UNKNOWN_SERVER_ERROR, Verdict::Fail),
            (ErrorCode::from(12_345), Verdict::Fail),
        ];
        for (code, expected) in verdicts {
            assert_eq!(verdict(code), expected, "{code}");
        }
    }
}

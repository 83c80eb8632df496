//! Kafka's error codes.

/// A broker's error code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(i16);

impl ErrorCode {
    /// No error.
    pub const NONE: Self = Self(0);

    /// Whether Kafka calls this code worth a retry.
    pub fn is_retriable(self) -> bool {
        false
    }
}

//! The names of things: brokers, topics and requests. Plain values; no logic beyond printing.

use std::fmt;

/// A broker's id. Bootstrap addresses, whose ids are not known yet, count down from −1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(crate) i32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A topic's UUID (KIP-516); all zeroes where the broker did not tell one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TopicId(pub(crate) [u8; 16]);

impl TopicId {
    /// Whether the broker told an id.
    pub(crate) fn is_known(self) -> bool {
        self.0 != [0; 16]
    }
}

/// The sender's name for one request, unique in the life of a producer. Not the correlation id,
/// which belongs to one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequestId(pub(crate) u64);

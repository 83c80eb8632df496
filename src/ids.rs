//! Ids and names: brokers, topics, requests, processes, and the sequence numbers of records. Plain
//! values, with no logic beyond printing, comparing, adding and checking names.

use std::fmt;

/// A broker's id. Bootstrap addresses, whose ids are not known yet, count down from −1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(crate) i32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A topic's UUID (KIP-516); all zeroes where the broker did not send one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TopicId(pub(crate) [u8; 16]);

impl TopicId {
    /// Whether the broker sent an id.
    pub(crate) fn is_known(self) -> bool {
        self.0 != [0; 16]
    }
}

/// Why no broker accepts this as the name of a topic; `None` if it is legal.
pub(crate) fn topic_name_fault(name: &str) -> Option<&'static str> {
    const MAX_BYTES: usize = 249;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        Some("it is empty")
    } else if name == "." || name == ".." {
        Some("it must not be . or ..")
    } else if name.len() > MAX_BYTES {
        Some("it is longer than 249 characters")
    } else if !name.chars().all(legal) {
        Some("only ASCII letters, digits, '.', '_' and '-' are allowed")
    } else {
        None
    }
}

/// Whether this character would change how the text around it is shown: a control character, or one
/// that changes the direction of writing. What a peer sends is printed without them, so that it cannot
/// forge log lines or terminal output.
pub(crate) fn misleads(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The sender's id for a request, unique in the life of a producer. Not the correlation id, which
/// belongs to one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequestId(pub(crate) u64);

/// A process. A fork does not copy threads, so a producer made before it has no I/O thread in the
/// child: it must notice that, instead of waiting for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessId(u32);

impl ProcessId {
    /// The process that runs this. Costs a system call.
    pub(crate) fn current() -> Self {
        Self(std::process::id())
    }

    /// Whether it is the process that runs this.
    pub(crate) fn is_current(self) -> bool {
        self == Self::current()
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The sequence number of the record that comes `records` after the one numbered `sequence`. Sequence
/// numbers wrap: after [`i32::MAX`] comes 0.
pub(crate) fn sequence_after(sequence: i32, records: usize) -> i32 {
    const ROUND: u64 = 1 << 31;
    let sequence = u64::try_from(sequence).expect("a batch with a producer id has a sequence");
    // A usize has at most 64 bits, and 2^64 is a multiple of 2^31: overflow changes nothing.
    let after = sequence.wrapping_add(records as u64) % ROUND;
    i32::try_from(after).expect("it is below 2^31")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_largest_sequence_comes_0() {
        assert_eq!(sequence_after(0, 0), 0);
        assert_eq!(sequence_after(0, 1), 1);
        assert_eq!(sequence_after(i32::MAX - 1, 1), i32::MAX);
        assert_eq!(sequence_after(i32::MAX, 0), i32::MAX);
        assert_eq!(sequence_after(i32::MAX, 1), 0);
        assert_eq!(sequence_after(i32::MAX - 5, 10), 4);
        assert_eq!(sequence_after(7, 1 << 31), 7);
    }
}

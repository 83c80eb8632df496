//! The settings that are one of a few choices.

/// How many acknowledgements a record needs before it counts as written (`acks`).
#[expect(clippy::exhaustive_enums, reason = "Kafka's protocol has these three")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// `0`: no acknowledgement. A record counts as written once it is sent, and has no offset.
    None,
    /// `1`: the leader has it in its log. It is lost if the leader fails before a follower has copied
    /// it.
    Leader,
    /// `all` or `-1`: all in-sync replicas have it.
    #[default]
    All,
}

impl Acks {
    /// [`Leader`](Self::Leader) by the name that other clients have for it.
    #[expect(
        non_upper_case_globals,
        reason = "it reads like the variants beside it"
    )]
    pub const One: Self = Self::Leader;

    /// The number that a Produce request carries.
    pub(crate) fn wire(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// How batches are compressed (`compression.type`).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompressionType {
    /// Not at all.
    #[default]
    None,
    /// Small results, slowly. Needs the feature `gzip` of this crate.
    Gzip,
    /// Fast, with larger results. Needs the feature `snappy`.
    Snappy,
    /// The fastest. Needs the feature `lz4`, or `lz4-flex` for its default level only.
    Lz4,
    /// Smaller than gzip and much faster; for brokers since Kafka 2.1. Needs the feature `zstd`.
    Zstd,
}

impl CompressionType {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// What to do when none of the known brokers can be reached (`metadata.recovery.strategy`).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetadataRecovery {
    /// Keep trying the brokers that are known.
    None,
    /// Forget them and start again with `bootstrap.servers`.
    #[default]
    Rebootstrap,
}

/// Which of a broker's addresses are connected to (`broker.address.family`, a name of librdkafka's).
#[expect(clippy::exhaustive_enums, reason = "there are two kinds of addresses")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressFamily {
    /// All, in the order that the system's resolver gives.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl AddressFamily {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::V4 => "v4",
            Self::V6 => "v6",
        }
    }
}

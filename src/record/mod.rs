//! Records as they go over the wire: serialized once, encoded into a batch of format v2.

pub(crate) mod batch;
pub(crate) mod metadata;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod decode;

/// A name and an optional value that travel with a record. Names may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name.
    pub name: &'a str,
    /// The value; null is not the same as empty.
    pub value: Option<&'a [u8]>,
}

/// A record whose key and value are bytes already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [Header<'a>],
}

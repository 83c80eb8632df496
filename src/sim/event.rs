//! What can happen at a point in time.

use crate::ids::NodeId;

/// A connection, from the attempt to make it to its end; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkId(pub(super) u64);

/// Something that happens at a point in time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    /// An attempt to connect has ended, well or not.
    Connected(LinkId, bool),
    /// Bytes, or the end, have come to the client.
    Readable(LinkId),
    /// The client's socket takes bytes again.
    Writable(LinkId),
    /// Bytes, or the end, have come to the broker.
    Arrive(LinkId),
    /// The broker handles the next request of a connection.
    Serve(LinkId),
    /// The broker is done with it.
    Answer(LinkId),
    /// A crashed broker is back.
    Restart(NodeId),
    /// The controller notices that a broker is gone.
    FailOver(NodeId),
    /// A partition without a leader gets one.
    Elect(i32),
    /// A caller does its next thing.
    Caller(usize),
    /// A caller has woken the client.
    Wake,
    /// The whole client continues after a pause.
    Resume,
    /// Something fails that no request causes: a machine, a leader, the client.
    Calamity,
    /// Faults begin or end for a while.
    Weather,
}

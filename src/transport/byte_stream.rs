//! What a channel needs of a socket: bytes in, bytes out, and no waiting that it does not know of.
//! Implemented by the sockets here, and by those of the simulation.

use std::io::{self, IoSlice};

/// What a read or a write came to. That nothing could be done without waiting is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// So many bytes, at least one unless the caller offered none.
    Bytes(usize),
    /// Nothing without waiting; ask the poller.
    WouldBlock,
    /// The peer will send nothing more. Reads only.
    Closed,
}

/// A connected socket, or what stands for one.
pub(crate) trait ByteStream {
    /// Reads what has arrived, up to the buffer's length. Fewer bytes than that were all there
    /// were.
    ///
    /// # Errors
    /// The connection failed: reset, timed out, unreachable.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Progress>;

    /// Writes as much as the socket's buffer takes, beginning with the first slice.
    ///
    /// # Errors
    /// The connection failed, and this call has written nothing.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<Progress>;
}

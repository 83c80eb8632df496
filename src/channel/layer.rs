//! What may stand between a connection and its socket: nothing, or a protocol such as TLS that
//! makes other bytes of its plaintext. Owns no socket, knows nothing of Kafka's frames.

use std::io::{self, IoSlice};

use crate::connection::ConnectionError;
use crate::transport::{ByteStream, Progress};

/// One end of a protocol below Kafka's. Begins with a handshake of its own, if it has one; the
/// connection's follows through it.
pub(crate) trait Layer {
    /// Whether its handshake is over, so that it takes plaintext.
    fn is_ready(&self) -> bool;

    /// Whether it has bytes of its own for the socket: of its handshake, or records that the socket
    /// has not taken. It may have some when the connection has nothing to say, such as the answer
    /// to a wish for new keys.
    fn wants_write(&self) -> bool;

    /// How many bytes of plaintext it has taken and not yet reported as written.
    fn held_bytes(&self) -> usize;

    /// Takes some of `plaintext`, which continues where what it holds ends and is empty until the
    /// layer [is ready](Self::is_ready), and writes to the stream, once. Called only if it
    /// [wants to write](Self::wants_write) or is given plaintext.
    ///
    /// Returns how much plaintext is written now that was not before, oldest first; may be nothing
    /// although the stream took bytes. Plaintext is written once its whole record is in the socket,
    /// neither earlier nor later:
    ///
    /// - If a record still in the layer's buffer counted, a request with acks=0 would be
    ///   acknowledged that never left.
    /// - If a record that has left did not count, its batch could fail as `NotWritten` and yet be in
    ///   the log; and the broker could answer a request that counts as not sent.
    /// - A record that has left in part does not count: the peer cannot read it.
    ///
    /// # Errors
    /// The stream's. As there is one write to a call, such a call has written nothing, and no
    /// plaintext is left unreported.
    fn write(
        &mut self,
        stream: &mut impl ByteStream,
        plaintext: &[IoSlice<'_>],
    ) -> io::Result<Progress>;

    /// Takes bytes that came from the socket, and passes on all plaintext that can be had from what
    /// has come so far. Nothing may stay behind in the layer: the poller reports bytes that wait in
    /// the socket, so bytes that wait here would stay until more arrive.
    ///
    /// # Errors
    /// The bytes make no sense to the layer, or `pass_on` failed; it is then not called again.
    fn receive(
        &mut self,
        bytes: &[u8],
        pass_on: impl FnMut(&[u8]) -> Result<(), ConnectionError>,
    ) -> Result<(), ConnectionError>;
}

/// No layer: `security.protocol=PLAINTEXT`. Copies nothing and keeps nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain;

impl Layer for Plain {
    fn is_ready(&self) -> bool {
        true
    }

    fn wants_write(&self) -> bool {
        false
    }

    fn held_bytes(&self) -> usize {
        0
    }

    fn write(
        &mut self,
        stream: &mut impl ByteStream,
        plaintext: &[IoSlice<'_>],
    ) -> io::Result<Progress> {
        stream.write_vectored(plaintext)
    }

    fn receive(
        &mut self,
        bytes: &[u8],
        mut pass_on: impl FnMut(&[u8]) -> Result<(), ConnectionError>,
    ) -> Result<(), ConnectionError> {
        pass_on(bytes)
    }
}

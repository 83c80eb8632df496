//! Pumps bytes between one socket and its [`Connection`]: the same code for the driver, a check and
//! the simulation. Owns no socket and reads no clock. Decides nothing.
//!
//! ```text
//!   Connection ----- plaintext -----> Layer ----- bytes -----> ByteStream
//!   (requests,  <---- plaintext ----- (TLS, <---- bytes ------ (socket)
//!    answers)                          or nothing)
//! ```
//!
//! The fate of a record depends on which bytes the socket took, and only the [`Layer`] knows how much
//! plaintext these bytes stand for.
//!
//! The contract with the caller is the one of [`Connection`]: after every call, also one that
//! failed, take the events out with [`Channel::poll_event`]; a call that failed ends the channel.

mod layer;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
#[cfg(test)]
#[cfg(not(shuttle))]
pub(crate) mod toy;

use std::io::{self, IoSlice};
use std::time::Instant;

pub(crate) use layer::{Layer, Plain};

use crate::address::Destination;
use crate::connection::{
    Connection, ConnectionError, Event, LostRequest, Settings, UnsupportedRequest,
};
use crate::ids::RequestId;
use crate::protocol::Request;
use crate::sync::Arc;
use crate::transport::{ByteStream, Progress};

/// A connection, and what stands between it and its socket. The socket is an argument, since the
/// simulation's sockets cannot be owned.
#[derive(Debug)]
pub(crate) struct Channel<L> {
    layer: L,
    connection: Connection,
}

/// Why a channel has ended.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The peer closed it.
    Closed,
    /// The socket cannot be read any more.
    Read(io::Error),
    /// The socket cannot be written any more.
    Write(io::Error),
    /// What came makes no sense to the layer or to the connection.
    Protocol(ConnectionError),
}

impl<L: Layer> Channel<L> {
    /// A channel over a socket that is connected; its first bytes want to be written.
    pub(crate) fn new(
        now: Instant,
        layer: L,
        settings: Arc<Settings>,
        destination: Option<Destination>,
    ) -> Self {
        Self {
            layer,
            connection: Connection::new(now, settings, destination),
        }
    }

    /// Whether there is anything to write.
    pub(crate) fn wants_write(&self) -> bool {
        // A layer that takes nothing yet waits for its peer. If its connection's first request
        // counted here, the driver would ask the system to be woken when the socket can be
        // written, which it always can: it would spin until the peer answers.
        self.layer.wants_write()
            || self.layer.is_ready() && self.connection.wants_write(self.layer.held_bytes())
    }

    /// Writes until the socket takes no more, or nothing is left.
    ///
    /// # Errors
    /// [`Failure::Write`].
    pub(crate) fn write(&mut self, stream: &mut impl ByteStream) -> Result<(), Failure> {
        while self.wants_write() {
            let mut plaintext: Vec<IoSlice<'_>> = Vec::new();
            if self.layer.is_ready() {
                let held = self.layer.held_bytes();
                self.connection.outgoing(held, &mut plaintext);
            }
            match self.layer.write(stream, &plaintext) {
                Ok(Progress::Bytes(written)) => self.connection.handle_written(written),
                Ok(Progress::WouldBlock | Progress::Closed) => break,
                Err(error) => return Err(Failure::Write(error)),
            }
        }
        Ok(())
    }

    /// Reads what has arrived, `reads` times at most: a peer that sends without end must not keep
    /// its reader from the other sockets.
    ///
    /// # Errors
    /// Any [`Failure`] but of writing.
    pub(crate) fn read(
        &mut self,
        now: Instant,
        stream: &mut impl ByteStream,
        buffer: &mut [u8],
        reads: usize,
    ) -> Result<(), Failure> {
        let Self { layer, connection } = self;
        for _ in 0..reads {
            match stream.read(buffer).map_err(Failure::Read)? {
                Progress::Bytes(bytes) => {
                    let received = buffer.get(..bytes).unwrap_or_default();
                    layer
                        .receive(received, |plaintext| {
                            connection.handle_received(now, plaintext)
                        })
                        .map_err(Failure::Protocol)?;
                    // That was all; asking the socket again would cost a call to hear so.
                    if bytes < buffer.len() {
                        break;
                    }
                }
                Progress::WouldBlock => break,
                Progress::Closed => return Err(Failure::Closed),
            }
        }
        Ok(())
    }

    /// See [`Connection::send`].
    ///
    /// # Errors
    /// The broker speaks none of our versions of the request; the channel is as good as before.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        id: RequestId,
        request: Request,
    ) -> Result<(), UnsupportedRequest> {
        self.connection.send(now, id, request)
    }

    /// The next event, in the order in which they happened.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.connection.poll_event()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.connection.deadline()
    }

    /// # Errors
    /// `TimedOut`, once the deadline has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), ConnectionError> {
        self.connection.handle_timeout(now)
    }

    /// What is lost with the channel, in send order.
    pub(crate) fn into_lost_requests(self) -> Vec<LostRequest> {
        self.connection.into_lost_requests()
    }

    /// How many requests are not finished, the handshake's own among them.
    #[cfg(all(test, not(shuttle), feature = "testing"))]
    pub(crate) fn in_flight(&self) -> usize {
        self.connection.in_flight()
    }
}

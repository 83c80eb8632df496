//! One broker's byte stream as frames, handshake and in-flight order. Owns no socket and reads no
//! clock: bytes and time come in as arguments, bytes to write and [`Event`]s go out. Runs on the
//! I/O thread.

use std::fmt;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use crate::error::ErrorKind;
use crate::ids::RequestId;
use crate::protocol::{Request, Response};
use crate::sync::Arc;

/// What all connections of a producer share.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) client_id: Arc<str>,
    pub(crate) request_timeout: Duration,
    pub(crate) max_in_flight: usize,
    pub(crate) max_response_bytes: usize,
}

/// Placeholder until `protocol::version` has its own.
#[derive(Clone, Debug)]
pub(crate) struct ApiVersions;

/// What the bytes from the broker, or the bytes written to it, amount to.
#[derive(Debug)]
pub(crate) enum Event {
    /// The handshake is over; requests can be sent.
    Ready(ApiVersions),
    /// The answer to the oldest request.
    Response(RequestId, Response),
    /// A Produce request with acks=0 was handed to the socket completely; no answer will come.
    Written(RequestId),
}

/// Why a connection is of no more use.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConnectionError {
    kind: ErrorKind,
    message: String,
}

impl ConnectionError {
    /// `BadResponse`, `TimedOut`, `UnsupportedVersion`, or `Broker` with its code.
    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The broker speaks no version of this request that this client speaks; nothing was queued and
/// the connection is as good as before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refused {
    message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A request whose connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LostRequest {
    pub(crate) id: RequestId,
    /// Whether its first byte had been handed to the socket: the broker may have acted on it.
    pub(crate) written: bool,
}

/// One broker's byte stream as frames, handshake and in-flight order; owns no socket.
#[derive(Debug)]
pub(crate) struct Connection;

impl Connection {
    pub(crate) fn new(_now: Instant, _settings: Arc<Settings>) -> Self {
        Self
    }
    pub(crate) fn can_send(&self) -> bool {
        false
    }
    pub(crate) fn send(
        &mut self,
        _now: Instant,
        _id: RequestId,
        _request: Request,
    ) -> Result<(), Refused> {
        Ok(())
    }
    pub(crate) fn outgoing<'a>(&'a self, _slices: &mut Vec<IoSlice<'a>>) {}
    pub(crate) fn on_written(&mut self, _now: Instant, _bytes: usize) {}
    pub(crate) fn on_received(
        &mut self,
        _now: Instant,
        _bytes: &[u8],
    ) -> Result<(), ConnectionError> {
        Ok(())
    }
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        None
    }
    pub(crate) fn wants_write(&self) -> bool {
        false
    }
    pub(crate) fn deadline(&self) -> Option<Instant> {
        None
    }
    pub(crate) fn on_timeout(&mut self, _now: Instant) -> Result<(), ConnectionError> {
        Ok(())
    }
    /// In send order.
    pub(crate) fn lost(self) -> Vec<LostRequest> {
        Vec::new()
    }
}

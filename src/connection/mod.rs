//! One broker's byte stream as frames, handshake and in-flight order. Owns no socket and reads no
//! clock: bytes and time come in as arguments, bytes to write and [`Event`]s go out. Runs on the
//! I/O thread, and on those of a check.
//!
//! ```text
//!   send ----> in flight ----> outgoing, handle_written ----> (socket)
//!                  |
//!   poll_event <---+---------- handle_received <------------- (socket)
//! ```
//!
//! The contract, which [`Channel`](crate::channel) keeps:
//!
//! 1. After every call, take the events out with `poll_event`, also if the call failed: answers may
//!    have come before what failed.
//! 2. A call that failed ends the connection. Close the socket and ask
//!    [`Connection::into_lost_requests`] what is to be sent again elsewhere.
//! 3. `now` never goes backwards.

mod answers;
mod handshake;
mod in_flight;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
mod versions;

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::fmt;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use answers::longest_answer;
use handshake::{Handshake, Question, Step};
use in_flight::{InFlight, Pending};
use versions::versions_for;

use crate::address::Destination;
use crate::error::ErrorKind;
use crate::ids::RequestId;
use crate::protocol::frame::FrameReader;
use crate::protocol::version::{ApiVersions, VersionRange};
use crate::protocol::{self, ApiKey, Request, Response};
use crate::sync::Arc;

/// What all connections of a producer have in common.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) client_id: Arc<str>,
    /// How long a request may take, from `send` to the last byte of its answer; pauses that the
    /// broker announces (throttling) do not count.
    pub(crate) request_timeout: Duration,
    /// How many requests may be unfinished at once.
    pub(crate) max_in_flight: usize,
    /// A longer answer ends the connection; so does one that is too long for [what was
    /// asked](answers).
    pub(crate) max_response_bytes: usize,
}

/// What bytes read or written came to.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// The handshake is over: what the broker speaks. Requests can be sent.
    Ready(ApiVersions),
    /// The answer to the oldest request.
    Response(RequestId, Response),
    /// The socket took the last byte of a Produce request with acks=0: no answer will come.
    Sent(RequestId),
}

/// One broker's byte stream as frames, handshake and in-flight order; owns no socket.
#[derive(Debug)]
pub(crate) struct Connection {
    settings: Arc<Settings>,
    state: State,
    in_flight: InFlight,
    reader: FrameReader,
    events: VecDeque<Event>,
}

/// The answer to ApiVersions has a few hundred bytes.
const MAX_HANDSHAKE_BYTES: usize = 64 * 1024;

#[derive(Debug)]
enum State {
    Handshake(Handshake),
    Ready(ApiVersions),
}

impl State {
    /// What a peer may say before it has shown that it is a broker is short.
    fn max_frame_bytes(&self, settings: &Settings) -> usize {
        let most = settings.max_response_bytes;
        match self {
            Self::Handshake(handshake) if !handshake.knows_broker() => {
                most.min(MAX_HANDSHAKE_BYTES)
            }
            Self::Handshake(_) | Self::Ready(_) => most,
        }
    }
}

impl Connection {
    /// A connection whose socket is connected; the first bytes of its handshake want to be written. It
    /// fails if somebody else answers than the `destination`.
    pub(crate) fn new(
        now: Instant,
        settings: Arc<Settings>,
        destination: Option<Destination>,
    ) -> Self {
        let (handshake, question) = Handshake::begin(destination);
        let state = State::Handshake(handshake);
        let mut connection = Self {
            in_flight: InFlight::new(),
            reader: FrameReader::new(state.max_frame_bytes(&settings)),
            state,
            events: VecDeque::new(),
            settings,
        };
        connection.ask(now, &question);
        connection
    }

    /// Whether the handshake is over and there is room for one more request.
    pub(crate) fn can_send(&self) -> bool {
        matches!(self.state, State::Ready(_)) && self.in_flight.len() < self.settings.max_in_flight
    }

    /// Queues a request, in the newest version that both sides speak. Ask
    /// [`can_send`](Self::can_send) before.
    ///
    /// # Errors
    /// There is no such version; the connection is as good as before.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the connection alone holds the batches of a request that is sent"
    )]
    pub(crate) fn send(
        &mut self,
        now: Instant,
        id: RequestId,
        request: Request,
    ) -> Result<(), UnsupportedRequest> {
        debug_assert!(self.can_send(), "ask can_send before");
        let api = request.api_key();
        let (ours, because) = versions_for(&request);
        let theirs = match &self.state {
            State::Ready(versions) => versions.range(api),
            State::Handshake(_) => None,
        };
        let Some(version) = theirs.and_then(|theirs| ours.newest_common(theirs)) else {
            return Err(UnsupportedRequest {
                api,
                ours,
                theirs,
                because,
            });
        };
        self.queue(now, Some(id), &request, version);
        Ok(())
    }

    /// Whether there is something to write beyond the next `held` bytes, which a layer has taken
    /// and the socket has not.
    pub(crate) fn wants_write(&self, held: usize) -> bool {
        self.in_flight.wants_write(held)
    }

    /// Appends what to write after the next `held` bytes. Tell
    /// [`handle_written`](Self::handle_written) how much the socket took.
    pub(crate) fn outgoing<'a>(&'a self, held: usize, slices: &mut Vec<IoSlice<'a>>) {
        self.in_flight.outgoing(held, slices);
    }

    /// The socket took that many more bytes, held ones first.
    pub(crate) fn handle_written(&mut self, bytes: usize) {
        let events = &mut self.events;
        self.in_flight.handle_written(bytes, |request| {
            events.extend(request.id.map(Event::Sent));
        });
    }

    /// The socket gave these bytes.
    ///
    /// # Errors
    /// They are not what a Kafka broker answers to what it was asked.
    pub(crate) fn handle_received(
        &mut self,
        now: Instant,
        bytes: &[u8],
    ) -> Result<(), ConnectionError> {
        // Taken out of `self`, so that frames can be decoded without being copied.
        let mut reader = std::mem::take(&mut self.reader);
        reader.set_max_frame_bytes(self.max_frame_bytes());
        reader.push(bytes);
        while let Some(body) = reader.pop().map_err(|error| ConnectionError {
            spoken_instead: error.spoken_instead(),
            ..ConnectionError::bad_response(error.to_string())
        })? {
            self.handle_frame(now, body)?;
            reader.set_max_frame_bytes(self.max_frame_bytes());
        }
        self.reader = reader;
        if self.reader.is_empty() || self.in_flight.awaiting().is_some() {
            return Ok(());
        }
        Err(unasked("the beginning of an answer"))
    }

    /// How long the next answer may be.
    fn max_frame_bytes(&self) -> usize {
        let most = self.state.max_frame_bytes(&self.settings);
        let awaiting = self.in_flight.awaiting();
        awaiting.map_or(most, |request| most.min(request.longest_answer))
    }

    /// How many bytes it holds for an answer that has not come whole.
    pub(crate) fn unread_bytes(&self) -> usize {
        self.reader.held_bytes()
    }

    /// The next event, in the order in which they happened.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next: as the oldest request has waited too
    /// long. None while nothing is in flight.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.in_flight.oldest().map(|request| request.deadline)
    }

    /// # Errors
    /// `TimedOut`, once the deadline has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), ConnectionError> {
        let Some(request) = self
            .in_flight
            .oldest()
            .filter(|request| request.deadline <= now)
        else {
            return Ok(());
        };
        let (api, limit) = (request.api, self.settings.request_timeout);
        let message = if request.frame.is_some() {
            format!("could not write the whole {api} request within {limit:?}")
        } else {
            format!("no answer to the {api} request within {limit:?}")
        };
        Err(ConnectionError::new(ErrorKind::TimedOut, message))
    }

    /// How many requests are not finished, the handshake's own among them.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// What is lost with the connection, in send order.
    pub(crate) fn into_lost_requests(self) -> Vec<LostRequest> {
        self.in_flight
            .into_requests()
            .filter_map(|(request, begun)| {
                let id = request.id?;
                Some(LostRequest { id, begun })
            })
            .collect()
    }

    fn queue(&mut self, now: Instant, id: Option<RequestId>, request: &Request, version: i16) {
        let correlation_id = self.in_flight.correlation_id();
        let frame =
            protocol::encode_request(request, version, correlation_id, &self.settings.client_id);
        self.in_flight.push(Pending {
            id,
            correlation_id,
            api: request.api_key(),
            version,
            is_answered: request.is_answered(),
            longest_answer: longest_answer(request, self.settings.max_response_bytes),
            deadline: now + self.settings.request_timeout,
            frame: Some(frame),
        });
    }

    fn handle_frame(&mut self, now: Instant, body: &[u8]) -> Result<(), ConnectionError> {
        let Some(request) = self.in_flight.awaiting() else {
            return Err(unasked("an answer"));
        };
        let id = request.id;
        // A request stays in flight, and is lost with the connection, until its answer is read.
        let response = decode(request, body)?;
        self.in_flight.finish_awaiting();
        self.in_flight.pause(now, response.throttle_time());
        match (id, response) {
            (Some(id), response) => self.events.push_back(Event::Response(id, response)),
            (None, response) => self.handle_handshake(now, &response)?,
        }
        Ok(())
    }

    fn ask(&mut self, now: Instant, question: &Question) {
        self.queue(now, None, &question.request, question.version);
    }

    fn handle_handshake(
        &mut self,
        now: Instant,
        response: &Response,
    ) -> Result<(), ConnectionError> {
        let State::Handshake(handshake) = &mut self.state else {
            unreachable!("a connection that is ready has no handshake in flight");
        };
        match handshake.handle_response(response)? {
            Step::Ask(question) => self.ask(now, &question),
            Step::Done(versions) => {
                self.events.push_back(Event::Ready(versions.clone()));
                self.state = State::Ready(versions);
            }
        }
        Ok(())
    }
}

/// Checks the correlation id first. The answer to another request would most likely fail to decode,
/// and the error would then blame its bytes.
fn decode(request: &Pending, body: &[u8]) -> Result<Response, ConnectionError> {
    let Pending {
        api,
        version,
        correlation_id: expected,
        ..
    } = *request;
    let found = body.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
    if let Some(found) = found.filter(|found| *found != expected) {
        return Err(ConnectionError::bad_response(format!(
            "expected the answer to {api} request {expected}, got an answer to request {found}"
        )));
    }
    let (_, response) = protocol::decode_response(api, version, body).map_err(|error| {
        ConnectionError::bad_response(format!(
            "expected the answer to a {api} request of version {version}, \
             got {} bytes that are none: {error}",
            body.len()
        ))
    })?;
    Ok(response)
}

fn unasked(what: &str) -> ConnectionError {
    ConnectionError::bad_response(format!("got {what}, but no request waits for one"))
}

/// A request whose connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LostRequest {
    pub(crate) id: RequestId,
    /// Whether the socket took its first byte: if so, the broker may have acted on it.
    pub(crate) begun: bool,
}

/// Why a connection has failed. Does not name the broker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConnectionError {
    kind: ErrorKind,
    message: String,
    spoken_instead: Option<&'static str>,
}

impl ConnectionError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            spoken_instead: None,
        }
    }

    fn bad_response(message: String) -> Self {
        Self::new(ErrorKind::BadResponse, message)
    }

    /// `BadResponse`, `TimedOut`, `UnsupportedVersion`, or `Broker` with its code.
    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The protocol that the peer speaks in place of Kafka's, if its bytes show which.
    pub(crate) fn spoken_instead(&self) -> Option<&'static str> {
        self.spoken_instead
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for ConnectionError {}

/// The broker speaks no version in which this request could be sent; nothing was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnsupportedRequest {
    api: ApiKey,
    ours: VersionRange,
    theirs: Option<VersionRange>,
    /// What keeps this very request from older versions: empty, or the end of the sentence.
    because: &'static str,
}

impl fmt::Display for UnsupportedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            api,
            ours,
            theirs,
            because,
        } = self;
        match theirs {
            Some(theirs) => write!(
                f,
                "the broker speaks {api} versions {theirs}, this client {ours}{because}"
            ),
            None => write!(f, "the broker does not speak {api}"),
        }
    }
}

impl StdError for UnsupportedRequest {}

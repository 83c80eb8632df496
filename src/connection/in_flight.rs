//! The unfinished requests of one connection, in the order in which they were sent: first those that
//! have been written and wait for their answer, then at most one that has been written in part, then
//! those that wait for the socket. A broker answers in the same order.
//!
//! ```text
//!   answers come for              written next
//!         |                            |
//!         v                            v
//!   [ written ][ written ]  [ written in part ][ not written ]
//!   <------- `written` ------>
//! ```
//!
//! Does not know the handshake and decodes nothing. Runs on the I/O thread, as part of a connection.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use crate::ids::RequestId;
use crate::protocol::ApiKey;
use crate::protocol::frame::Frame;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct InFlight {
    requests: VecDeque<Pending>,
    /// How many at the front are completely written. Invariant: all of them wait for an answer.
    written: usize,
    /// How many bytes are written of the first request that is not completely written.
    offset: usize,
    next_correlation_id: i32,
    /// The end of the current or last pause that the broker announced (throttling), if any.
    pause_ends: Option<Instant>,
}

/// A request that is not finished.
#[derive(Debug)]
pub(super) struct Pending {
    /// `None` for a request of the handshake.
    pub(super) id: Option<RequestId>,
    pub(super) correlation_id: i32,
    pub(super) api: ApiKey,
    pub(super) version: i16,
    /// Whether the broker answers; it does not answer a Produce request with acks=0.
    pub(super) is_answered: bool,
    /// In bytes.
    pub(super) longest_answer: usize,
    pub(super) deadline: Instant,
    /// None once it is completely written: the frame, and its share of the batches, is dropped then.
    pub(super) frame: Option<Frame>,
}

impl InFlight {
    pub(super) fn new() -> Self {
        Self {
            requests: VecDeque::new(),
            written: 0,
            offset: 0,
            next_correlation_id: 0,
            pause_ends: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// The correlation id for the next request.
    pub(super) fn correlation_id(&mut self) -> i32 {
        let id = self.next_correlation_id;
        self.next_correlation_id = id.wrapping_add(1);
        id
    }

    /// Queues a request; its deadline must not be before that of the last one.
    pub(super) fn push(&mut self, request: Pending) {
        debug_assert!(
            self.requests
                .back()
                .is_none_or(|last| last.deadline <= request.deadline),
            "time goes backwards"
        );
        self.requests.push_back(request);
    }

    /// Whether anything is left to write after the next `held` bytes.
    pub(super) fn wants_write(&self, held: usize) -> bool {
        let unwritten = self.requests.iter().skip(self.written);
        let mut skip = self.offset + held;
        unwritten
            .filter_map(|request| request.frame.as_ref())
            .any(|frame| {
                let is_longer = frame.len() > skip;
                skip = skip.saturating_sub(frame.len());
                is_longer
            })
    }

    /// Appends what to write after the next `held` bytes, as much as one call of the system is
    /// likely to take.
    pub(super) fn outgoing<'a>(&'a self, held: usize, slices: &mut Vec<IoSlice<'a>>) {
        let mut bytes = 0;
        let mut offset = self.offset + held;
        for request in self.requests.iter().skip(self.written) {
            let Some(frame) = &request.frame else {
                continue;
            };
            for slice in frame.slices_from(offset) {
                if slices.len() >= MAX_SLICES || bytes >= ENOUGH_BYTES {
                    return;
                }
                bytes += slice.len();
                slices.push(IoSlice::new(slice));
            }
            offset = offset.saturating_sub(frame.len());
        }
    }

    /// The socket took that many `bytes`. Calls `finish` with each request that this finishes: those
    /// to which the broker does not answer.
    pub(super) fn handle_written(&mut self, mut bytes: usize, mut finish: impl FnMut(Pending)) {
        while bytes > 0 {
            let request = self
                .requests
                .get_mut(self.written)
                .expect("the socket takes no more than it was offered");
            let left = request.frame.as_ref().map_or(0, Frame::len) - self.offset;
            if bytes < left {
                self.offset += bytes;
                return;
            }
            bytes -= left;
            self.offset = 0;
            request.frame = None;
            if request.is_answered {
                self.written += 1;
            } else if let Some(request) = self.requests.remove(self.written) {
                finish(request);
            }
        }
    }

    /// The request to which the next answer belongs; none if no request waits for one.
    pub(super) fn awaiting(&self) -> Option<&Pending> {
        self.requests.front().filter(|_| self.written > 0)
    }

    /// Drops the request returned by [`awaiting`](Self::awaiting): its answer has been read.
    pub(super) fn finish_awaiting(&mut self) {
        self.written -= 1;
        self.requests.pop_front();
    }

    /// The broker has announced that it will answer nothing for a while (KIP-219). That must not count
    /// as silence, or every throttled connection would time out, so the deadlines move by the pause.
    /// Of pauses that overlap, the common part counts once. Nothing is sent during a pause, so the
    /// deadlines stay in order.
    pub(super) fn pause(&mut self, now: Instant, pause: Duration) {
        if pause.is_zero() {
            return;
        }
        let ends = now + pause;
        let begins = self.pause_ends.map_or(now, |last| last.max(now));
        let more = ends.saturating_duration_since(begins);
        self.pause_ends = self.pause_ends.max(Some(ends));
        for request in &mut self.requests {
            request.deadline += more;
        }
    }

    /// The oldest request, written or not; its deadline is the earliest.
    pub(super) fn oldest(&self) -> Option<&Pending> {
        self.requests.front()
    }

    /// All requests in the order in which they were sent, each with whether the socket took its first
    /// byte: the broker may have acted on those.
    pub(super) fn into_requests(self) -> impl Iterator<Item = (Pending, bool)> {
        let begun = self.written + usize::from(self.offset > 0);
        let numbered = self.requests.into_iter().enumerate();
        numbered.map(move |(index, request)| (request, index < begun))
    }
}

/// Collecting more slices than this costs more than another system call.
const MAX_SLICES: usize = 256;

/// More than a socket's buffer usually takes at once.
const ENOUGH_BYTES: usize = 1024 * 1024;

//! The first exchange on a new connection, as a small machine over requests and answers: which
//! versions does the broker speak? Asks in the newest version that this crate knows, and in an older
//! one if the broker does not know that (KIP-511). Sends nothing itself. Runs on the I/O thread, as
//! part of a connection.
//!
//! ```text
//!   begin --> Versions --(answer)--> done
//!              ^    |
//!              +----+ an older version
//! ```
//!
//! Authentication has its place between `Versions` and the end: a state for each answer that is
//! waited for, and the versions in hand until then.

use crate::error::ErrorKind;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::version::{ApiVersions, VersionRange};
use crate::protocol::{ApiKey, Request, Response};

use super::ConnectionError;

/// A handshake, by the answer that it waits for.
#[derive(Debug)]
pub(super) enum Handshake {
    /// To ApiVersions, asked in this version. Invariant: lower with every request, so that the
    /// handshake ends whatever the broker answers.
    Versions { asked: i16 },
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Ask(Question),
    /// Ordinary requests can be sent, in the versions that the broker speaks.
    Done(ApiVersions),
}

/// A request of the handshake.
#[derive(Debug, PartialEq)]
pub(super) struct Question {
    pub(super) request: Request,
    pub(super) version: i16,
}

impl Handshake {
    /// A new handshake, and its first request.
    pub(super) fn begin() -> (Self, Question) {
        Self::ask_versions(ApiKey::ApiVersions.versions().max)
    }

    /// The answer to its last request.
    ///
    /// # Errors
    /// The broker says no.
    pub(super) fn handle_response(&mut self, response: &Response) -> Result<Step, ConnectionError> {
        match (&*self, response) {
            (Self::Versions { asked }, Response::ApiVersions(answer)) => {
                self.handle_versions(*asked, answer)
            }
            (Self::Versions { .. }, _) => {
                unreachable!("an answer is decoded by the request that it belongs to")
            }
        }
    }

    fn ask_versions(version: i16) -> (Self, Question) {
        let question = Question {
            request: Request::ApiVersions(ApiVersionsRequest::ours()),
            version,
        };
        (Self::Versions { asked: version }, question)
    }

    /// A broker that does not know the version refuses it. Since 2.4 it adds the versions that it does
    /// know (KIP-511); older ones do not, but all know version 0. A range that names no older version
    /// than the one refused counts as none: otherwise a broken broker could keep the handshake going
    /// for ever.
    fn handle_versions(
        &mut self,
        asked: i16,
        answer: &ApiVersionsResponse,
    ) -> Result<Step, ConnectionError> {
        match answer.error {
            ErrorCode::NONE => Ok(Step::Done(ApiVersions::new(&answer.apis))),
            ErrorCode::UNSUPPORTED_VERSION if asked > 0 => {
                let older = VersionRange::new(0, asked - 1);
                let common = ApiVersions::new(&answer.apis).pick(ApiKey::ApiVersions, older);
                let (state, question) = Self::ask_versions(common.unwrap_or(0));
                *self = state;
                Ok(Step::Ask(question))
            }
            ErrorCode::UNSUPPORTED_VERSION => Err(ConnectionError::new(
                ErrorKind::UnsupportedVersion,
                "the broker answers no version of ApiVersions that this client speaks",
            )),
            code => Err(ConnectionError::new(
                ErrorKind::Broker(code),
                format!("the broker refused to say which versions it speaks: {code}"),
            )),
        }
    }
}

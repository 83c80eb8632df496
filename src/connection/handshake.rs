//! The first exchange on a new connection: which versions does the broker speak? Asks in the newest
//! version that this crate knows, and in an older one if the broker does not know that (KIP-511).
//! Sends nothing itself. Runs on the I/O thread, as part of a connection.

use crate::error::ErrorKind;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::version::{ApiVersions, VersionRange};
use crate::protocol::{ApiKey, Request};

use super::ConnectionError;

/// A handshake whose request, in `version`, has been sent.
#[derive(Debug)]
pub(super) struct Handshake {
    /// Invariant: lower with every request, so that the handshake ends whatever the broker answers.
    version: i16,
}

/// What to do after an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Ask again, in this older version.
    Ask(i16),
    /// The handshake is over: the versions that the broker speaks.
    Done(ApiVersions),
}

impl Handshake {
    /// Starts with the newest version.
    pub(super) fn new() -> Self {
        Self {
            version: ApiKey::ApiVersions.versions().max,
        }
    }

    pub(super) fn version(&self) -> i16 {
        self.version
    }

    pub(super) fn request() -> Request {
        Request::ApiVersions(ApiVersionsRequest::ours())
    }

    /// A broker that does not know the version refuses it. Since 2.4 it adds the versions that it does
    /// know (KIP-511); older ones do not, but all know version 0. A range that names no older version
    /// than the one refused counts as none: otherwise a broken broker could keep the handshake going
    /// for ever.
    pub(super) fn handle_answer(
        &mut self,
        answer: &ApiVersionsResponse,
    ) -> Result<Step, ConnectionError> {
        match answer.error {
            ErrorCode::NONE => Ok(Step::Done(ApiVersions::new(&answer.apis))),
            ErrorCode::UNSUPPORTED_VERSION if self.version > 0 => {
                let older = VersionRange::new(0, self.version - 1);
                let common = ApiVersions::new(&answer.apis).pick(ApiKey::ApiVersions, older);
                self.version = common.unwrap_or(0);
                Ok(Step::Ask(self.version))
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

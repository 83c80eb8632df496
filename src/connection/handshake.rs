//! What has to be said on a new connection before anything else: which versions does the broker
//! speak? Asks in the newest version we know, and steps down when the broker does not know it.
//! Sends nothing itself. Runs on the I/O thread, as part of a connection.

use crate::error::ErrorKind;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::version::{ApiVersions, VersionRange};
use crate::protocol::{ApiKey, Request};

use super::ConnectionError;

/// A handshake whose request in `version` is on its way.
#[derive(Debug)]
pub(super) struct Handshake {
    /// Invariant: goes down with every request, so that the handshake ends.
    version: i16,
}

/// What an answer leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Ask once more, in this older version.
    Ask(i16),
    /// The broker has told what it speaks.
    Done(ApiVersions),
}

impl Handshake {
    /// Begins with the newest version.
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

    /// A broker that does not know the version refuses it; since 2.4 it adds the versions it does
    /// know (KIP-511), and before that everybody knows version 0.
    pub(super) fn on_answer(
        &mut self,
        answer: &ApiVersionsResponse,
    ) -> Result<Step, ConnectionError> {
        match answer.error {
            ErrorCode::NONE => Ok(Step::Done(ApiVersions::new(&answer.apis))),
            ErrorCode::UNSUPPORTED_VERSION if self.version > 0 => {
                let older = VersionRange::new(0, self.version - 1);
                let told = ApiVersions::new(&answer.apis).pick(ApiKey::ApiVersions, older);
                self.version = told.unwrap_or(0);
                Ok(Step::Ask(self.version))
            }
            ErrorCode::UNSUPPORTED_VERSION => Err(ConnectionError::new(
                ErrorKind::UnsupportedVersion,
                "the broker answers no version of ApiVersions that this client speaks",
            )),
            code => Err(ConnectionError::new(
                ErrorKind::Broker(code),
                format!("the broker refused to tell what it speaks: {code}"),
            )),
        }
    }
}

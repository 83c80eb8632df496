//! The first exchange on a new connection, as a small machine over requests and answers: which
//! versions does the broker speak, and is it the one that is meant? Asks in the newest version that
//! this crate knows, and in an older one if the broker does not know that (KIP-511). Sends nothing
//! itself. Runs on the I/O thread, as part of a connection.
//!
//! ```text
//!   begin --> Versions --(answer)----------------------> done
//!              ^    |  \                                  ^
//!              +----+   +--> Cluster --(the right one)----+
//!        an older version
//! ```
//!
//! **Another cluster.** A cluster may be deleted and made anew at the same address. It gives the
//! producer's id to somebody else, and would take our batches for repeats of theirs: acknowledged, and
//! not written. So no request goes out before it is known who answers. A broker that speaks
//! ApiVersions 5 compares cluster and broker itself; an older one is asked for metadata about no topic,
//! which names its cluster. One that names none is taken for the right one.
//!
//! Authentication has its place behind `Versions`: a state for each answer that is waited for, and the
//! versions in hand until then.

use crate::address::Destination;
use crate::error::ErrorKind;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse,
};
use crate::protocol::version::{ApiVersions, VersionRange};
use crate::protocol::{ApiKey, Request, Response};

use super::ConnectionError;

/// A handshake, by the answer that it waits for.
#[derive(Debug)]
pub(super) struct Handshake {
    awaits: Awaits,
    /// Who should answer; `None`: whoever does.
    destination: Option<Destination>,
}

#[derive(Debug)]
enum Awaits {
    /// To ApiVersions, asked in this version. Invariant: lower with every request, so that the
    /// handshake ends whatever the broker answers.
    Versions { asked: i16 },
    /// To Metadata, which names the cluster.
    Cluster(ApiVersions),
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
    pub(super) fn begin(destination: Option<Destination>) -> (Self, Question) {
        let asked = ApiKey::ApiVersions.versions().max;
        let handshake = Self {
            awaits: Awaits::Versions { asked },
            destination,
        };
        let question = handshake.ask_versions(asked);
        (handshake, question)
    }

    /// Whether the peer has shown that it is a broker.
    pub(super) fn knows_broker(&self) -> bool {
        matches!(self.awaits, Awaits::Cluster(_))
    }

    /// The answer to its last request.
    ///
    /// # Errors
    /// The broker says no.
    pub(super) fn handle_response(&mut self, response: &Response) -> Result<Step, ConnectionError> {
        match (&self.awaits, response) {
            (Awaits::Versions { asked }, Response::ApiVersions(answer)) => {
                self.handle_versions(*asked, answer)
            }
            (Awaits::Cluster(versions), Response::Metadata(answer)) => {
                self.check_cluster(answer)?;
                Ok(Step::Done(versions.clone()))
            }
            _ => unreachable!("an answer is decoded by the request that it belongs to"),
        }
    }

    fn ask_versions(&self, version: i16) -> Question {
        let named = self.destination.as_ref().filter(|one| one.is_named);
        let mut request = ApiVersionsRequest::ours();
        if let Some(Destination {
            cluster_id, node, ..
        }) = named
        {
            request.cluster_id = Some(cluster_id.to_string());
            request.node = *node;
        }
        Question {
            request: Request::ApiVersions(request),
            version,
        }
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
            ErrorCode::NONE => Ok(self.ask_cluster(asked, ApiVersions::of(answer))),
            ErrorCode::UNSUPPORTED_VERSION if asked > 0 => {
                let older = VersionRange::new(0, asked - 1);
                let common = ApiVersions::new(&answer.apis).pick(ApiKey::ApiVersions, older);
                let asked = common.unwrap_or(0);
                self.awaits = Awaits::Versions { asked };
                Ok(Step::Ask(self.ask_versions(asked)))
            }
            ErrorCode::UNSUPPORTED_VERSION => Err(ConnectionError::new(
                ErrorKind::UnsupportedVersion,
                "the broker answers no version of ApiVersions that this client speaks",
            )),
            code => Err(ConnectionError::new(
                ErrorKind::Broker(code),
                match &self.destination {
                    Some(Destination {
                        cluster_id, node, ..
                    }) if code == ErrorCode::REBOOTSTRAP_REQUIRED => {
                        format!("who answers there is not broker {node} of cluster {cluster_id}")
                    }
                    _ => format!("the broker refused to say which versions it speaks: {code}"),
                },
            )),
        }
    }

    /// Asks the broker which cluster it belongs to, if that matters and it has not checked it itself.
    /// One that speaks no metadata is none of a cluster that we know.
    fn ask_cluster(&mut self, asked: i16, versions: ApiVersions) -> Step {
        let has_checked = |destination: &Destination| {
            destination.is_named && asked >= ApiVersionsRequest::FIRST_CHECKED
        };
        let metadata = versions.pick(ApiKey::Metadata, ApiKey::Metadata.versions());
        match (&self.destination, metadata) {
            (Some(destination), Some(version)) if !has_checked(destination) => {
                self.awaits = Awaits::Cluster(versions);
                Step::Ask(Question {
                    request: Request::Metadata(MetadataRequest {
                        topics: Some(Vec::new()),
                        allow_auto_topic_creation: false,
                        include_topic_operations: false,
                    }),
                    version,
                })
            }
            _ => Step::Done(versions),
        }
    }

    fn check_cluster(&self, answer: &MetadataResponse) -> Result<(), ConnectionError> {
        match (&self.destination, answer.cluster_id()) {
            (Some(meant), Some(found)) if *found != *meant.cluster_id => Err(ConnectionError::new(
                ErrorKind::Broker(ErrorCode::REBOOTSTRAP_REQUIRED),
                format!(
                    "who answers there belongs to cluster {found}, not to {}",
                    meant.cluster_id
                ),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;
    use crate::protocol::messages::ApiVersionRange;
    use crate::sync::Arc;

    fn destination(is_named: bool) -> Destination {
        Destination {
            cluster_id: Arc::from("ours"),
            node: NodeId(3),
            is_named,
        }
    }

    fn versions(error: ErrorCode, apis: &[(i16, i16, i16)]) -> Response {
        let api = |&(api_key, min, max): &_| ApiVersionRange { api_key, min, max };
        Response::ApiVersions(ApiVersionsResponse::new(
            error,
            apis.iter().map(api).collect(),
        ))
    }

    fn metadata(cluster_id: Option<&str>) -> Response {
        Response::Metadata(MetadataResponse {
            cluster_id: cluster_id.map(str::to_owned),
            ..MetadataResponse::default()
        })
    }

    fn named(question: &Question) -> (Option<&str>, i32) {
        match &question.request {
            Request::ApiVersions(request) => (request.cluster_id.as_deref(), request.node.0),
            request => panic!("{request:?}"),
        }
    }

    /// A broker of Kafka 4.0, which is asked for its cluster.
    fn asks_older_broker() -> Handshake {
        let (mut handshake, _) = Handshake::begin(Some(destination(true)));
        let refusal = versions(ErrorCode::UNSUPPORTED_VERSION, &[(18, 0, 4)]);
        handshake.handle_response(&refusal).unwrap();
        let answer = versions(ErrorCode::NONE, &[(3, 0, 12), (18, 0, 4)]);
        let step = handshake.handle_response(&answer).unwrap();
        let Step::Ask(question) = step else {
            panic!("{step:?}");
        };
        assert_eq!(question.version, 12);
        let Request::Metadata(request) = question.request else {
            panic!("{:?}", question.request);
        };
        assert_eq!(request.topics, Some(Vec::new()), "about no topic");
        handshake
    }

    #[test]
    fn a_broker_that_compares_is_told_whom_the_connection_is_meant_for() {
        let (mut handshake, question) = Handshake::begin(Some(destination(true)));
        assert_eq!((question.version, named(&question)), (5, (Some("ours"), 3)));
        let answer = versions(ErrorCode::NONE, &[(3, 0, 13), (18, 0, 5)]);
        let step = handshake.handle_response(&answer).unwrap();
        assert!(matches!(step, Step::Done(_)), "{step:?}");
    }

    #[test]
    fn a_broker_that_is_another_one_says_so() {
        let (mut handshake, _) = Handshake::begin(Some(destination(true)));
        let answer = versions(ErrorCode::REBOOTSTRAP_REQUIRED, &[]);
        let error = handshake.handle_response(&answer).unwrap_err();
        let code = ErrorKind::Broker(ErrorCode::REBOOTSTRAP_REQUIRED);
        assert_eq!(error.kind(), code);
        assert!(
            error.to_string().contains("broker 3 of cluster ours"),
            "{error}"
        );
    }

    #[test]
    fn an_older_broker_of_the_right_cluster_will_do() {
        for cluster_id in [Some("ours"), None, Some("\u{1b}[31m")] {
            let answer = metadata(cluster_id);
            let step = asks_older_broker().handle_response(&answer).unwrap();
            assert!(matches!(step, Step::Done(_)), "{step:?}");
        }
    }

    #[test]
    fn an_older_broker_of_another_cluster_will_not() {
        let answer = metadata(Some("theirs"));
        let error = asks_older_broker().handle_response(&answer).unwrap_err();
        let code = ErrorKind::Broker(ErrorCode::REBOOTSTRAP_REQUIRED);
        assert_eq!(error.kind(), code);
        let text = error.to_string();
        assert!(text.contains("theirs") && text.contains("ours"), "{text}");
    }

    #[test]
    fn a_broker_that_must_not_be_told_is_asked() {
        let (mut handshake, question) = Handshake::begin(Some(destination(false)));
        assert_eq!(named(&question), (None, -1));
        let answer = versions(ErrorCode::NONE, &[(3, 0, 13), (18, 0, 5)]);
        let step = handshake.handle_response(&answer).unwrap();
        assert!(matches!(step, Step::Ask(_)), "{step:?}");
        assert!(handshake.knows_broker(), "its answer may be long");
    }

    #[test]
    fn whoever_answers_at_a_bootstrap_address_will_do() {
        let (mut handshake, question) = Handshake::begin(None);
        assert_eq!(named(&question), (None, -1));
        assert!(!handshake.knows_broker());
        let answer = versions(ErrorCode::NONE, &[(3, 0, 12), (18, 0, 4)]);
        let step = handshake.handle_response(&answer).unwrap();
        assert!(matches!(step, Step::Done(_)), "{step:?}");
    }
}

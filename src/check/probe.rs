//! Talks to one address: connects, asks for versions and then for metadata, and returns the answers
//! or why there are none. Sends what a producer's own connection sends, with the same limits, but does
//! not touch those connections. Runs on the threads `linger-check`, and ends when its time is up.

use std::io;
use std::time::{Duration, Instant};

use super::clock::now;
use super::other_protocols::{self, Reaction};
use crate::channel::{self, Channel, Plain};
use crate::connection::{ConnectionError, Event, Settings};
use crate::error::ErrorKind;
use crate::ids::RequestId;
use crate::protocol::Request;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{MetadataRequest, MetadataResponse};
use crate::protocol::version::ApiVersions;
use crate::sync::Arc;
use crate::transport::{BlockingStream, SocketAddr};

/// What to ask at one address.
pub(super) struct Probe {
    pub(super) address: SocketAddr,
    /// The topics to ask about; without any, only about the cluster.
    pub(super) topics: Vec<Arc<str>>,
    pub(super) connection: Arc<Settings>,
    /// How long a producer would wait for a connection that can be used.
    pub(super) setup_timeout: Duration,
}

/// The answers of something that speaks Kafka's protocol.
#[derive(Debug)]
pub(super) struct ProbeAnswer {
    pub(super) versions: ApiVersions,
    pub(super) answered_after: Duration,
    pub(super) metadata: Result<MetadataResponse, Failure>,
}

/// Why a question got no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection came about.
    Connect(io::Error),
    /// Nothing came for this long.
    Silent(Duration),
    /// The peer closed the connection, or reset it.
    Closed,
    /// The connection failed otherwise.
    Lost(io::Error),
    /// The peer speaks this protocol instead.
    Speaks(&'static str),
    /// The peer's bytes are not Kafka's protocol; a sentence.
    NotKafka(String),
    /// The peer does not speak a version that we speak; a sentence.
    NoVersion(String),
    /// The broker answered with this error.
    Refused(ErrorCode),
}

/// How the time of a probe is divided: the twentieths after which each part has to be over. The last
/// twentieth is left for the report.
mod shares {
    pub(super) const OF: u32 = 20;
    pub(super) const CONNECTED: u32 = 9;
    pub(super) const GREETED: u32 = 12;
    pub(super) const RECOGNISED: u32 = 18;
    pub(super) const ALL: u32 = 19;
}

impl Probe {
    /// Talks, for this long at most.
    pub(super) fn run(self, time: Duration) -> Result<ProbeAnswer, Failure> {
        // A broker that needs longer for its first answer is of no use to a producer either.
        let time = time.min(self.setup_timeout * shares::OF / shares::GREETED);
        let started = now();
        let until = |share: u32| started + time * share / shares::OF;
        let stream = BlockingStream::connect(self.address, until(shares::CONNECTED));
        let stream = stream.map_err(Failure::Connect)?;
        let mut talk = Talk::begin(stream, Arc::clone(&self.connection));
        let versions = match talk.versions(until(shares::GREETED)) {
            Ok(versions) => versions,
            Err(failure) => {
                let reaction = match failure {
                    Failure::Closed => Reaction::Closes,
                    Failure::Silent(_) => Reaction::StaysSilent,
                    _ => return Err(failure),
                };
                let recognised = other_protocols::recognise(
                    self.address,
                    reaction,
                    until(shares::RECOGNISED).saturating_duration_since(now()),
                );
                return Err(recognised.map_or(failure, Failure::Speaks));
            }
        };
        let answered_after = now().saturating_duration_since(started);
        let metadata = talk.metadata(self.topics, until(shares::ALL));
        Ok(ProbeAnswer {
            versions,
            answered_after,
            metadata,
        })
    }
}

/// A connection whose reads and writes block.
struct Talk {
    stream: BlockingStream,
    channel: Channel<Plain>,
    buffer: Vec<u8>,
}

const READ_BUFFER_BYTES: usize = 64 * 1024;

impl Talk {
    fn begin(stream: BlockingStream, settings: Arc<Settings>) -> Self {
        Self {
            stream,
            channel: Channel::new(now(), Plain, settings, None),
            buffer: vec![0; READ_BUFFER_BYTES],
        }
    }

    fn versions(&mut self, deadline: Instant) -> Result<ApiVersions, Failure> {
        match self.next_event(deadline)? {
            Event::Ready(versions) => Ok(versions),
            Event::Response(..) | Event::Sent(_) => {
                unreachable!("nothing was asked but what the handshake asks")
            }
        }
    }

    fn metadata(
        &mut self,
        topics: Vec<Arc<str>>,
        deadline: Instant,
    ) -> Result<MetadataResponse, Failure> {
        // A check must change nothing, so brokers must not create a topic because it was asked for.
        let request = Request::Metadata(MetadataRequest {
            topics: Some(topics),
            allow_auto_topic_creation: false,
            include_topic_operations: true,
        });
        self.channel
            .send(now(), RequestId(0), request)
            .map_err(|refused| Failure::NoVersion(refused.to_string()))?;
        match self.next_event(deadline)? {
            Event::Response(_, crate::protocol::Response::Metadata(metadata)) => {
                match metadata.error {
                    ErrorCode::NONE => Ok(metadata),
                    code => Err(Failure::Refused(code)),
                }
            }
            Event::Ready(_) | Event::Response(..) | Event::Sent(_) => {
                unreachable!("an answer belongs to its request")
            }
        }
    }

    /// The next event of the connection, if it comes in time.
    fn next_event(&mut self, deadline: Instant) -> Result<Event, Failure> {
        let started = now();
        self.stream.set_deadline(deadline);
        loop {
            if let Some(event) = self.channel.poll_event() {
                return Ok(event);
            }
            let pumped = match self.channel.wants_write() {
                true => self.channel.write(&mut self.stream),
                // A second read would wait for bytes although an answer may be complete.
                false => self
                    .channel
                    .read(now(), &mut self.stream, &mut self.buffer, 1),
            };
            let error = match pumped {
                Ok(()) => continue,
                Err(channel::Failure::Closed) => return Err(Failure::Closed),
                Err(channel::Failure::Protocol(error)) => return Err(error.into()),
                Err(channel::Failure::Read(error) | channel::Failure::Write(error)) => error,
            };
            return Err(match error.kind() {
                io::ErrorKind::TimedOut => {
                    Failure::Silent(now().saturating_duration_since(started))
                }
                // A peer that closes before it has read all that was sent resets.
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => Failure::Closed,
                _ => Failure::Lost(error),
            });
        }
    }
}

impl From<ConnectionError> for Failure {
    fn from(error: ConnectionError) -> Self {
        match (error.spoken_instead(), error.kind()) {
            (Some(protocol), _) => Self::Speaks(protocol),
            (None, ErrorKind::UnsupportedVersion) => Self::NoVersion(error.to_string()),
            (None, ErrorKind::Broker(code)) => Self::Refused(code),
            (None, _) => Self::NotKafka(error.to_string()),
        }
    }
}

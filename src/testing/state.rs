//! How the brokers of the mock cluster behave: a frame goes in, a reaction comes out. Owns no
//! socket, reads no clock and starts no thread, so that a simulation can drive it as well as the
//! server does.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ErrorCode;
use crate::ids::{NodeId, TopicId};
use crate::protocol::broker::{RequestError, RequestHeader, decode_request, encode_response};
use crate::protocol::frame::LENGTH_BYTES;
use crate::protocol::messages::NodeEndpoint;
use crate::protocol::version::{TransactionVersion, VersionRange};
use crate::protocol::{ApiKey, Response};
use crate::sync::Arc;
use crate::testing::api::{self, Answer, Api, Arrival, Handler, MockRequestContent, api_versions};
use crate::testing::events::{MockAnswer, MockEvent, MockHandled, Observer};
use crate::testing::faults::{ConnectionEffect, Faults, Plan};
use crate::testing::groups::Groups;
use crate::testing::legality::Attempts;
use crate::testing::log::{MockRequest, RequestLog};
use crate::testing::partition_log::PartitionLog;
use crate::testing::producers::ProducerTable;
use crate::testing::transactions::{Coordinators, Transactions};

/// What a broker does in response to a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reaction {
    /// How long it takes; the connection's next request waits as well.
    pub(crate) after: Duration,
    pub(crate) action: Action,
}

/// What happens on the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Sends these bytes, a frame's length included.
    Send(Vec<u8>),
    /// Continues with the next request: this one wants no answer.
    Continue,
    /// Keeps the connection and never handles another request on it.
    Silence,
    /// Closes the connection.
    Close,
}

/// What a test chooses with the builder.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) auto_create: bool,
    pub(super) auto_create_partitions: i32,
    pub(super) max_message_bytes: usize,
    /// The racks of the brokers, in their order; those that are not named here have none.
    pub(super) racks: Vec<String>,
    pub(super) topic_ids: bool,
    /// Whether a producer that a partition does not know has to begin at sequence 0.
    pub(super) unknown_producer_is_an_error: bool,
    /// The versions of each API that the brokers advertise, where not the defaults.
    pub(super) versions: BTreeMap<ApiKey, VersionRange>,
    /// The epoch in which producer ids are handed out: 0, as in Kafka.
    pub(super) first_epoch: i16,
    /// By which version transactions are spoken, from the start.
    pub(super) transactions: TransactionVersion,
    /// Whether batches and requests are kept, not only counted.
    pub(super) keep: bool,
    /// Where the draws of faults by chance begin.
    pub(super) seed: u64,
    /// Whether the brokers start paused.
    pub(super) paused: bool,
    /// What metadata calls the cluster; `None`: brokers do not say.
    pub(super) cluster_id: Option<String>,
    /// The topics that exist from the start.
    pub(super) topics: Vec<FirstTopic>,
    /// Gets every event.
    pub(super) observer: Option<Observer>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            auto_create: true,
            auto_create_partitions: 1,
            max_message_bytes: 1_048_588,
            racks: Vec::new(),
            topic_ids: true,
            unknown_producer_is_an_error: false,
            versions: BTreeMap::new(),
            first_epoch: 0,
            transactions: TransactionVersion::V2,
            keep: true,
            seed: 0,
            paused: false,
            cluster_id: Some("bW9jay1jbHVzdGVyLWlkMA".to_owned()),
            topics: Vec::new(),
            observer: None,
        }
    }
}

/// A topic that exists from the start.
#[derive(Clone, Debug)]
pub(crate) struct FirstTopic {
    pub(super) name: String,
    pub(super) partitions: i32,
    pub(super) log_append_time: bool,
}

/// All brokers of a cluster, its topics, the requests so far and the faults to come.
#[derive(Debug)]
pub(crate) struct ClusterState {
    pub(super) settings: Settings,
    pub(super) nodes: Vec<Node>,
    pub(super) topics: BTreeMap<Arc<str>, Topic>,
    pub(super) faults: Faults,
    pub(super) log: RequestLog,
    /// How many topics were ever created; their ids come from it.
    pub(super) topics_made: u64,
    /// The id that the next producer gets. The first one is 0, which is a legal id: a client that takes
    /// it for "none" fails here.
    pub(super) next_producer_id: i64,
    /// When the last request came, in milliseconds since 1970.
    pub(super) now_ms: i64,
    /// The transactional ids, and who coordinates them and the groups.
    pub(super) transactions: Transactions,
    pub(super) coordinators: Coordinators,
    /// The offsets of consumer groups.
    pub(super) groups: Groups,
    /// What producers sent that no correct one does.
    pub(super) violations: Vec<String>,
    /// How many batches were refused because one before them was missing.
    pub(super) gaps: u64,
}

/// A broker as metadata describes it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) host: String,
    pub(super) port: u16,
    /// `broker.rack`.
    pub(super) rack: Option<String>,
    /// Whether it can be reached; used only by [`ClusterState::fail_over`].
    pub(super) running: bool,
    /// Whether the controller has noticed that the broker is gone: metadata leaves it out.
    pub(super) fenced: bool,
}

/// A topic and its partitions.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) id: TopicId,
    /// `message.timestamp.type=LogAppendTime`: the broker stamps the records.
    pub(super) log_append_time: bool,
    pub(super) partitions: Vec<Partition>,
}

/// A partition: its leader, its records, and its memory of producers.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) leader: Option<NodeId>,
    pub(super) leader_epoch: i32,
    pub(super) replicas: Vec<NodeId>,
    pub(super) log: PartitionLog,
    pub(super) producers: ProducerTable,
    pub(super) attempts: Attempts,
}

impl ClusterState {
    /// Brokers numbered from 1, one for each address, with the topics that exist from the start.
    pub(crate) fn new(settings: Settings, addresses: Vec<(String, u16)>) -> Self {
        let mut racks = settings.racks.iter().cloned();
        let node = |(id, (host, port))| Node {
            id: NodeId(id),
            host,
            port,
            rack: racks.next(),
            running: true,
            fenced: false,
        };
        let topics = settings.topics.clone();
        let transactions = Transactions::new(settings.transactions);
        let mut state = Self {
            faults: Faults::new(settings.seed),
            nodes: (1..).zip(addresses).map(node).collect(),
            settings,
            topics: BTreeMap::new(),
            log: RequestLog::default(),
            topics_made: 0,
            next_producer_id: 0,
            now_ms: 0,
            transactions,
            coordinators: Coordinators::default(),
            groups: Groups::default(),
            violations: Vec::new(),
            gaps: 0,
        };
        for topic in topics {
            state.create_topic(&topic.name, topic.partitions);
            if let Some(made) = state.topics.get_mut(topic.name.as_str()) {
                made.log_append_time = topic.log_append_time;
            }
        }
        state
    }

    /// Another cluster at the same addresses, as it was at the start: nothing of this one is known to
    /// it, and it gives the same producer ids to others.
    pub(super) fn made_anew(&self, cluster_id: String) -> Self {
        let settings = Settings {
            cluster_id: self.settings.cluster_id.is_some().then_some(cluster_id),
            ..self.settings.clone()
        };
        let addresses = self.nodes.iter();
        let addresses = addresses.map(|node| (node.host.clone(), node.port));
        Self::new(settings, addresses.collect())
    }

    /// Handles the body of one frame that came to `node`. `now_ms` is the time since 1970, for
    /// topics that stamp records with it, and for transactions that take too long.
    pub(crate) fn handle(&mut self, now_ms: i64, node: NodeId, body: &[u8]) -> Reaction {
        self.now_ms = now_ms;
        self.expire_transactions(now_ms);
        let (header, request) = match decode_request(body) {
            Ok(read) => read,
            Err(error) => return self.refuse(node, body, error),
        };
        if !self.advertises(&header) {
            return self.refuse(node, body, RequestError::Unsupported(header));
        }
        let handler = api::handler(&request);
        let wants_content = self.settings.keep || self.settings.observer.is_some();
        let content = wants_content.then(|| handler.content(self));
        let observed = self.remember(node, &header, body.len(), content);
        handler.check_legality(self);
        let plan = if self.faults.is_empty() {
            Plan::default()
        } else {
            let subjects = handler.subjects(self);
            let api = Api::from_code(header.api_key);
            self.faults.take(api, node, &subjects)
        };
        let arrival = Arrival {
            now_ms,
            node,
            version: header.api_version,
            plan: &plan,
        };
        let (action, error) = self.act(handler, &arrival, header.correlation_id);
        if let Some(request) = observed {
            let answer = MockAnswer::new(plan.connection.as_ref(), &action);
            self.observe(&MockEvent::Request(MockHandled {
                request,
                error,
                answer,
            }));
        }
        Reaction {
            after: plan.delay,
            action,
        }
    }

    /// Does what a request asks for, as far as its faults let it. Returns also what was wrong with the
    /// request as a whole.
    fn act(
        &mut self,
        handler: &dyn Handler,
        arrival: &Arrival<'_>,
        correlation_id: i32,
    ) -> (Action, ErrorCode) {
        let none = ErrorCode::NONE;
        match &arrival.plan.connection {
            Some(ConnectionEffect::CloseBefore) => return (Action::Close, none),
            Some(ConnectionEffect::SilenceBefore) => return (Action::Silence, none),
            Some(ConnectionEffect::Garbage(bytes)) => return (Action::Send(bytes.clone()), none),
            Some(ConnectionEffect::CloseAfter | ConnectionEffect::SilenceAfter) | None => {}
        }
        let (action, error) = match handler.handle(self, arrival) {
            Answer::Send(response, error) => {
                let version = answered_version(&response, arrival.version);
                let frame = encode_response(&response, version, correlation_id);
                (Action::Send(frame.to_vec()), error)
            }
            Answer::None => (Action::Continue, none),
            Answer::Close => (Action::Close, none),
        };
        let action = match &arrival.plan.connection {
            Some(ConnectionEffect::CloseAfter) => Action::Close,
            Some(ConnectionEffect::SilenceAfter) if action != Action::Close => Action::Silence,
            _ => action,
        };
        (action, error)
    }

    /// Hands an event to the observer, if the cluster has one.
    pub(super) fn observe(&self, event: &MockEvent) {
        if let Some(observer) = &self.settings.observer {
            observer.call(event);
        }
    }

    /// The versions of `api` that the brokers offer and serve.
    pub(super) fn versions(&self, api: ApiKey) -> VersionRange {
        let advertised = self.settings.versions.get(&api).copied();
        advertised.unwrap_or_else(|| api.versions())
    }

    pub(super) fn node(&self, node: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|known| known.id == node)
    }

    pub(super) fn endpoint(&self, node: NodeId) -> Option<NodeEndpoint> {
        let node = self.node(node)?;
        Some(NodeEndpoint {
            node: node.id,
            host: node.host.clone(),
            port: i32::from(node.port),
            rack: node.rack.clone(),
        })
    }

    fn advertises(&self, header: &RequestHeader) -> bool {
        ApiKey::from_code(header.api_key)
            .is_some_and(|api| self.versions(api).contains(header.api_version))
    }

    /// As Kafka does: `ApiVersions` in a version that the broker does not know is answered in
    /// version 0 (KIP-511), everything else that it does not know or cannot read costs the connection.
    fn refuse(&mut self, node: NodeId, body: &[u8], error: RequestError) -> Reaction {
        let words = error.to_string();
        let (header, is_known, mut why) = match error {
            RequestError::Unsupported(header) => {
                (header, false, "the version is not offered".to_owned())
            }
            RequestError::Malformed(header, _) => (header.unwrap_or(UNREADABLE), true, words),
        };
        let (action, error) = if is_known {
            (Action::Close, ErrorCode::NONE)
        } else if header.api_key == ApiKey::ApiVersions.code() {
            let response = api_versions::unsupported(self);
            let error = response.error;
            let response = Response::ApiVersions(response);
            let frame = encode_response(&response, 0, header.correlation_id);
            (Action::Send(frame.to_vec()), error)
        } else {
            if ApiKey::from_code(header.api_key).is_none() && header.api_key >= 0 {
                "the API is not served".clone_into(&mut why);
            }
            (Action::Close, ErrorCode::NONE)
        };
        let content = Some(MockRequestContent::Refused(why));
        let observed = self.remember(node, &header, body.len(), content);
        let answer = match &action {
            Action::Close => MockAnswer::Closed { applied: false },
            _ => MockAnswer::Sent,
        };
        if let Some(request) = observed {
            self.observe(&MockEvent::Request(MockHandled {
                request,
                error,
                answer,
            }));
        }
        Reaction {
            after: Duration::ZERO,
            action,
        }
    }

    /// Counts a request and keeps it, if requests are kept; returns it if there is an observer.
    fn remember(
        &mut self,
        node: NodeId,
        header: &RequestHeader,
        body_bytes: usize,
        content: Option<MockRequestContent>,
    ) -> Option<MockRequest> {
        let api = Api::from_code(header.api_key);
        let bytes = body_bytes + LENGTH_BYTES;
        self.log.count(api, bytes);
        let request = MockRequest {
            node: node.0,
            api,
            version: header.api_version,
            client_id: header.client_id.clone(),
            bytes,
            content: content?,
        };
        let observed = self.settings.observer.is_some().then(|| request.clone());
        if self.settings.keep {
            self.log.entries.push(request);
        }
        observed
    }
}

/// The version of an answer: its request's, but `UNSUPPORTED_VERSION` to `ApiVersions` says that the
/// broker does not know that one (KIP-511).
fn answered_version(response: &Response, asked: i16) -> i16 {
    match response {
        Response::ApiVersions(answer) if answer.error == ErrorCode::UNSUPPORTED_VERSION => 0,
        _ => asked,
    }
}

/// The header of a request that has none.
const UNREADABLE: RequestHeader = RequestHeader {
    api_key: -1,
    api_version: -1,
    correlation_id: -1,
    client_id: None,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::SharedBytes;
    use crate::protocol::messages::{ProducePartition, ProduceRequest, ProduceTopic};
    use crate::protocol::{Request, decode_response, encode_request};
    use crate::record::Record;
    use crate::record::batch::{BatchEncoder, ProducerStamp};

    fn frame_body() -> Vec<u8> {
        let mut batch = BatchEncoder::new(1_000);
        let record = Record {
            timestamp_ms: 5,
            key: None,
            value: Some(b"x"),
            headers: &[],
        };
        let next = batch.next(record.timestamp_ms, record.content_size());
        batch.append(&record, next);
        let request = Request::Produce(ProduceRequest {
            transactional_id: None,
            transactions: TransactionVersion::V1,
            acks: 1,
            timeout_ms: 1,
            topics: vec![ProduceTopic {
                name: "t".into(),
                id: TopicId::default(),
                partitions: vec![ProducePartition {
                    index: 0,
                    records: SharedBytes::new(batch.seal(ProducerStamp::NONE)),
                }],
            }],
        });
        encode_request(&request, 12, 7, "tester")
            .to_vec()
            .split_off(LENGTH_BYTES)
    }

    #[test]
    fn needs_no_socket_and_takes_the_time_as_an_argument() {
        let mut state = ClusterState::new(Settings::default(), vec![("localhost".into(), 9)]);
        state.create_topic("t", 1);
        state
            .topics
            .get_mut("t")
            .expect("just made")
            .log_append_time = true;
        for offset in 0..3 {
            let reaction = state.handle(1_234, NodeId(1), &frame_body());
            assert_eq!(reaction.after, Duration::ZERO);
            let Action::Send(mut bytes) = reaction.action else {
                panic!("{reaction:?}");
            };
            let body = bytes.split_off(LENGTH_BYTES);
            let (correlation_id, response) =
                decode_response(ApiKey::Produce, 12, &body).expect("a good answer");
            assert_eq!(correlation_id, 7);
            let Response::Produce(response) = response else {
                panic!("{response:?}");
            };
            let partition = &response.topics[0].partitions[0];
            assert_eq!(
                (partition.base_offset, partition.log_append_time_ms),
                (offset, 1_234)
            );
        }
    }

    #[test]
    fn fails_over_to_replicas_that_run() {
        let addresses = vec![("localhost".into(), 9); 3];
        let mut state = ClusterState::new(Settings::default(), addresses);
        state.create_topic("t", 3);
        let leaders = |state: &ClusterState| {
            let partitions = &state.topics["t"].partitions;
            let leader = |partition: &Partition| (partition.leader, partition.leader_epoch);
            partitions.iter().map(leader).collect::<Vec<_>>()
        };
        let (one, two, three) = (NodeId(1), NodeId(2), NodeId(3));
        state.nodes[1].running = false;
        state.fail_over(one);
        assert_eq!(
            leaders(&state),
            [(Some(three), 1), (Some(two), 0), (Some(three), 0)]
        );
        state.fail_over(three);
        assert_eq!(leaders(&state), [(None, 2), (Some(two), 0), (None, 1)]);
    }
}

//! In the place of `client.rs` for the model tests: one broker that knows every topic, answers every
//! request the next time it is looked at, and takes every record. What it does to a topic with one
//! of these names is what makes the I/O thread panic.

use std::time::{Duration, Instant};

use crate::address::{Address, Destination};
use crate::connection::Settings;
use crate::ids::{NodeId, RequestId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{
    MetadataBroker, MetadataPartition, MetadataRequest, MetadataResponse, MetadataTopic,
    Operations, ProducePartitionResponse, ProduceRequest, ProduceResponse, ProduceTopicResponse,
};
use crate::protocol::{Request, Response};
use crate::sender::Input;
use crate::sync::Arc;
use crate::transport::{Connector, Interest, SocketOptions, Token};

/// Asking for this topic is deadly.
pub(crate) const DEADLY_TO_KNOW: &str = "deadly-to-know";
/// Its first record is deadly.
pub(crate) const DEADLY_TO_SEND: &str = "deadly-to-send";

const BROKER: NodeId = NodeId(1);

#[derive(Debug)]
pub(super) struct ConnectSettings {
    pub(super) connection: Arc<Settings>,
    pub(super) options: SocketOptions,
}

#[derive(Debug, Default)]
pub(super) struct NetworkClient {
    answers: Vec<Input>,
    address: Option<Address>,
    next_offset: i64,
}

impl NetworkClient {
    pub(super) fn new(_: ConnectSettings, _: Connector) -> Self {
        Self::default()
    }

    pub(super) fn connect(
        &mut self,
        _: Instant,
        node: NodeId,
        address: Address,
        _: Duration,
        _: u32,
        _: Option<Destination>,
    ) {
        self.address = Some(address);
        self.answers.push(Input::Ready(node));
    }

    pub(super) fn disconnect(&mut self, node: NodeId) {
        let ready = |input: &Input| matches!(input, Input::Ready(of) if *of == node);
        self.answers.retain(|input| !ready(input));
    }

    pub(super) fn send(
        &mut self,
        _: Instant,
        _: NodeId,
        id: RequestId,
        request: Request,
    ) -> Option<Input> {
        let response = match request {
            Request::Metadata(request) => Response::Metadata(self.metadata(&request)),
            Request::Produce(request) => Response::Produce(self.produce(&request)),
            other => panic!("no model needs {other:?}"),
        };
        self.answers.push(Input::Response(id, response));
        None
    }

    pub(super) fn interests(&self) -> impl Iterator<Item = Interest<'_>> {
        std::iter::empty()
    }

    /// The I/O thread looks here at once while there are answers.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.answers.is_empty()).then(super::now)
    }

    pub(super) fn poll_connected(&mut self, _: Instant, inputs: &mut Vec<Input>) {
        inputs.append(&mut self.answers);
    }

    pub(super) fn node_of(&self, _: Token) -> Option<NodeId> {
        None
    }

    pub(super) fn write_all(&mut self, _: &mut Vec<Input>) {}

    pub(super) fn read(&mut self, _: Instant, _: NodeId, _: &mut Vec<Input>) {}

    pub(super) fn handle_timeouts(&mut self, _: Instant, _: &mut Vec<Input>) {}

    fn metadata(&self, request: &MetadataRequest) -> MetadataResponse {
        let Address { host, port } = self.address.clone().expect("asked over a connection");
        let topic = |name: &Arc<str>| {
            die_if(&**name == DEADLY_TO_KNOW);
            let partition = MetadataPartition {
                error: ErrorCode::NONE,
                index: 0,
                leader: BROKER,
                leader_epoch: 1,
                replicas: Vec::new(),
                in_sync_replicas: Vec::new(),
                offline_replicas: Vec::new(),
            };
            MetadataTopic {
                error: ErrorCode::NONE,
                name: Some(name.to_string()),
                id: TopicId::default(),
                is_internal: false,
                partitions: vec![partition],
                operations: Operations::OMITTED,
            }
        };
        MetadataResponse {
            brokers: vec![MetadataBroker {
                node: BROKER,
                host,
                port: i32::from(port),
                rack: None,
            }],
            topics: request.topics.iter().flatten().map(topic).collect(),
            ..MetadataResponse::default()
        }
    }

    fn produce(&mut self, request: &ProduceRequest) -> ProduceResponse {
        let mut topics = Vec::new();
        for topic in &request.topics {
            die_if(&*topic.name == DEADLY_TO_SEND);
            let mut partitions = Vec::new();
            for partition in &topic.partitions {
                self.next_offset += 100;
                partitions.push(ProducePartitionResponse {
                    index: partition.index,
                    error: ErrorCode::NONE,
                    base_offset: self.next_offset,
                    log_append_time_ms: -1,
                    log_start_offset: 0,
                    record_errors: Vec::new(),
                    error_message: None,
                    current_leader: None,
                });
            }
            topics.push(ProduceTopicResponse {
                name: topic.name.to_string(),
                id: topic.id,
                partitions,
            });
        }
        ProduceResponse {
            topics,
            ..ProduceResponse::default()
        }
    }
}

/// Panics without the hook, which would take it for a failure of the test.
fn die_if(deadly: bool) {
    if deadly {
        std::panic::resume_unwind(Box::new("as the test has asked for"));
    }
}

//! Messages of all shapes, and what a version can tell of them.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::ids::{NodeId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::frame::SharedBytes;
use crate::protocol::messages::*;
use crate::protocol::{ApiKey, Request, Response};
use crate::sync::Arc;

pub(super) fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        produce_request().prop_map(Request::Produce),
        metadata_request().prop_map(Request::Metadata),
        (text(), text()).prop_map(|(client_software_name, client_software_version)| {
            Request::ApiVersions(ApiVersionsRequest {
                client_software_name,
                client_software_version,
            })
        }),
        init_producer_id_request().prop_map(Request::InitProducerId),
    ]
}

pub(super) fn response() -> impl Strategy<Value = Response> {
    prop_oneof![
        produce_response().prop_map(Response::Produce),
        metadata_response().prop_map(Response::Metadata),
        api_versions_response().prop_map(Response::ApiVersions),
        init_producer_id_response().prop_map(Response::InitProducerId),
    ]
}

/// What is left of a request on its way through `version`.
pub(super) fn request_at(version: i16, request: &Request) -> Request {
    let mut request = request.clone();
    match &mut request {
        Request::Produce(request) => {
            for topic in &mut request.topics {
                if version >= 13 {
                    topic.name = Arc::from("");
                } else {
                    topic.id = TopicId::default();
                }
            }
        }
        Request::Metadata(request) => request.include_topic_operations &= version >= 8,
        Request::ApiVersions(request) => {
            if version < 3 {
                request.client_software_name.clear();
                request.client_software_version.clear();
            }
        }
        Request::InitProducerId(request) => {
            if version < 3 {
                request.producer_id = -1;
                request.producer_epoch = -1;
            }
        }
    }
    request
}

/// What is left of a response on its way through `version`.
pub(super) fn response_at(version: i16, response: &Response) -> Response {
    let mut response = response.clone();
    match &mut response {
        Response::Produce(response) => produce_response_at(version, response),
        Response::Metadata(response) => metadata_response_at(version, response),
        Response::ApiVersions(response) => {
            if version < 1 {
                response.throttle_time_ms = 0;
            }
        }
        Response::InitProducerId(_) => {}
    }
    response
}

fn produce_response_at(version: i16, response: &mut ProduceResponse) {
    if version < 10 {
        response.node_endpoints.clear();
    }
    for topic in &mut response.topics {
        if version >= 13 {
            topic.name.clear();
        } else {
            topic.id = TopicId::default();
        }
        for partition in &mut topic.partitions {
            if version < 5 {
                partition.log_start_offset = -1;
            }
            if version < 8 {
                partition.record_errors.clear();
                partition.error_message = None;
            }
            if version < 10 {
                partition.current_leader = None;
            }
        }
    }
}

fn metadata_response_at(version: i16, response: &mut MetadataResponse) {
    if version < 13 {
        response.error = ErrorCode::NONE;
    }
    for topic in &mut response.topics {
        if version < 12 {
            topic.name.get_or_insert_default();
        }
        if version < 10 {
            topic.id = TopicId::default();
        }
        if version < 8 {
            topic.operations = Operations::OMITTED;
        }
        for partition in &mut topic.partitions {
            if version < 7 {
                partition.leader_epoch = -1;
            }
            if version < 5 {
                partition.offline_replicas.clear();
            }
        }
    }
}

/// The same request every time, with something in every field.
pub(super) fn example_request(api: ApiKey) -> Request {
    match api {
        ApiKey::Produce => Request::Produce(ProduceRequest {
            transactional_id: Some(Arc::from("transaction")),
            acks: -1,
            timeout_ms: 30_000,
            topics: ["orders", "payments"]
                .map(|name| ProduceTopic {
                    name: Arc::from(name),
                    id: TopicId([5; 16]),
                    partitions: [0, 1]
                        .map(|index| ProducePartition {
                            index,
                            records: SharedBytes::new(vec![9; 70]),
                        })
                        .into(),
                })
                .into(),
        }),
        ApiKey::Metadata => Request::Metadata(MetadataRequest {
            topics: Some(vec![Arc::from("orders"), Arc::from("payments")]),
            allow_auto_topic_creation: true,
            include_topic_operations: true,
        }),
        ApiKey::ApiVersions => Request::ApiVersions(ApiVersionsRequest::ours()),
        ApiKey::InitProducerId => Request::InitProducerId(InitProducerIdRequest {
            transactional_id: Some(Arc::from("transaction")),
            transaction_timeout_ms: 60_000,
            producer_id: 1 << 40,
            producer_epoch: 7,
        }),
    }
}

/// The same response every time, with something in every field.
pub(super) fn example_response(api: ApiKey) -> Response {
    match api {
        ApiKey::Produce => Response::Produce(ProduceResponse {
            topics: vec![ProduceTopicResponse {
                name: "orders".to_owned(),
                id: TopicId([5; 16]),
                partitions: vec![example_partition(0), example_partition(1)],
            }],
            throttle_time_ms: 3,
            node_endpoints: vec![NodeEndpoint {
                node: NodeId(2),
                host: "broker".to_owned(),
                port: 9092,
                rack: Some("rack".to_owned()),
            }],
        }),
        ApiKey::Metadata => Response::Metadata(MetadataResponse {
            throttle_time_ms: 4,
            brokers: vec![MetadataBroker {
                node: NodeId(2),
                host: "broker".to_owned(),
                port: 9092,
                rack: None,
            }],
            cluster_id: Some("cluster".to_owned()),
            controller: 2,
            topics: vec![MetadataTopic {
                error: ErrorCode::NONE,
                name: Some("orders".to_owned()),
                id: TopicId([5; 16]),
                is_internal: false,
                partitions: vec![MetadataPartition {
                    error: ErrorCode::LEADER_NOT_AVAILABLE,
                    index: 0,
                    leader: NodeId(-1),
                    leader_epoch: 6,
                    replicas: vec![NodeId(1), NodeId(2)],
                    in_sync_replicas: vec![NodeId(2)],
                    offline_replicas: vec![NodeId(1)],
                }],
                operations: Operations::ALL_OF_A_TOPIC,
            }],
            error: ErrorCode::NONE,
        }),
        ApiKey::ApiVersions => Response::ApiVersions(ApiVersionsResponse {
            error: ErrorCode::NONE,
            apis: [0, 3, 18]
                .map(|api_key| ApiVersionRange {
                    api_key,
                    min: 0,
                    max: 4,
                })
                .into(),
            throttle_time_ms: 5,
        }),
        ApiKey::InitProducerId => Response::InitProducerId(InitProducerIdResponse {
            throttle_time_ms: 6,
            error: ErrorCode::NONE,
            producer_id: 1 << 40,
            producer_epoch: 8,
        }),
    }
}

fn example_partition(index: i32) -> ProducePartitionResponse {
    ProducePartitionResponse {
        index,
        error: ErrorCode::NOT_LEADER_OR_FOLLOWER,
        base_offset: 1 << 40,
        log_append_time_ms: -1,
        log_start_offset: 12,
        record_errors: vec![RecordError {
            batch_index: 1,
            message: Some("null key".to_owned()),
        }],
        error_message: Some("moved".to_owned()),
        current_leader: Some(CurrentLeader {
            leader: NodeId(2),
            leader_epoch: 8,
        }),
    }
}

/// Around 127 bytes, the length of a compact string takes a second byte.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-zé]{0,8}", 1 => "[a-z]{120,130}"]
}

fn error_code() -> impl Strategy<Value = ErrorCode> {
    any::<i16>().prop_map(ErrorCode::from)
}

fn node() -> impl Strategy<Value = NodeId> {
    any::<i32>().prop_map(NodeId)
}

fn nodes() -> impl Strategy<Value = Vec<NodeId>> {
    vec(node(), 0..4)
}

/// Never the zeroes that stand for an unknown id.
fn topic_id() -> impl Strategy<Value = TopicId> {
    any::<[u8; 16]>().prop_map(|mut id| {
        id[0] |= 1;
        TopicId(id)
    })
}

fn produce_request() -> impl Strategy<Value = ProduceRequest> {
    let records = vec(any::<u8>(), 0..200).prop_map(SharedBytes::new);
    let partition =
        (any::<i32>(), records).prop_map(|(index, records)| ProducePartition { index, records });
    let topic = (text(), topic_id(), vec(partition, 0..4)).prop_map(|(name, id, partitions)| {
        ProduceTopic {
            name: Arc::from(name),
            id,
            partitions,
        }
    });
    let transactional_id = option::of(text().prop_map(Arc::from));
    (
        transactional_id,
        any::<i16>(),
        any::<i32>(),
        vec(topic, 0..4),
    )
        .prop_map(
            |(transactional_id, acks, timeout_ms, topics)| ProduceRequest {
                transactional_id,
                acks,
                timeout_ms,
                topics,
            },
        )
}

fn metadata_request() -> impl Strategy<Value = MetadataRequest> {
    let topics = option::of(vec(text().prop_map(Arc::from), 0..4));
    (topics, any::<[bool; 2]>()).prop_map(|(topics, [create, operations])| MetadataRequest {
        topics,
        allow_auto_topic_creation: create,
        include_topic_operations: operations,
    })
}

fn produce_response() -> impl Strategy<Value = ProduceResponse> {
    let topic = (text(), topic_id(), vec(produce_partition_response(), 0..3)).prop_map(
        |(name, id, partitions)| ProduceTopicResponse {
            name,
            id,
            partitions,
        },
    );
    let endpoint =
        (node(), text(), any::<i32>(), option::of(text())).prop_map(|(node, host, port, rack)| {
            NodeEndpoint {
                node,
                host,
                port,
                rack,
            }
        });
    (vec(topic, 0..3), any::<i32>(), vec(endpoint, 0..3)).prop_map(
        |(topics, throttle_time_ms, node_endpoints)| ProduceResponse {
            topics,
            throttle_time_ms,
            node_endpoints,
        },
    )
}

fn produce_partition_response() -> impl Strategy<Value = ProducePartitionResponse> {
    let record_error =
        (any::<i32>(), option::of(text())).prop_map(|(batch_index, message)| RecordError {
            batch_index,
            message,
        });
    let leader = (0..i32::MAX, any::<i32>()).prop_map(|(leader, leader_epoch)| CurrentLeader {
        leader: NodeId(leader),
        leader_epoch,
    });
    (
        any::<i32>(),
        error_code(),
        any::<[i64; 3]>(),
        vec(record_error, 0..3),
        option::of(text()),
        option::of(leader),
    )
        .prop_map(
            |(index, error, offsets, record_errors, error_message, current_leader)| {
                ProducePartitionResponse {
                    index,
                    error,
                    base_offset: offsets[0],
                    log_append_time_ms: offsets[1],
                    log_start_offset: offsets[2],
                    record_errors,
                    error_message,
                    current_leader,
                }
            },
        )
}

fn metadata_response() -> impl Strategy<Value = MetadataResponse> {
    let broker =
        (node(), text(), any::<i32>(), option::of(text())).prop_map(|(node, host, port, rack)| {
            MetadataBroker {
                node,
                host,
                port,
                rack,
            }
        });
    (
        any::<i32>(),
        vec(broker, 0..4),
        option::of(text()),
        any::<i32>(),
        vec(metadata_topic(), 0..4),
        error_code(),
    )
        .prop_map(
            |(throttle_time_ms, brokers, cluster_id, controller, topics, error)| MetadataResponse {
                throttle_time_ms,
                brokers,
                cluster_id,
                controller,
                topics,
                error,
            },
        )
}

fn metadata_topic() -> impl Strategy<Value = MetadataTopic> {
    let partition = (
        error_code(),
        any::<i32>(),
        node(),
        any::<i32>(),
        [nodes(), nodes(), nodes()],
    )
        .prop_map(|(error, index, leader, leader_epoch, nodes)| {
            let [replicas, in_sync_replicas, offline_replicas] = nodes;
            MetadataPartition {
                error,
                index,
                leader,
                leader_epoch,
                replicas,
                in_sync_replicas,
                offline_replicas,
            }
        });
    (
        error_code(),
        option::of(text()),
        topic_id(),
        any::<bool>(),
        vec(partition, 0..4),
        any::<i32>().prop_map(Operations),
    )
        .prop_map(
            |(error, name, id, is_internal, partitions, operations)| MetadataTopic {
                error,
                name,
                id,
                is_internal,
                partitions,
                operations,
            },
        )
}

/// Never the one error whose answer is always in version 0.
fn api_versions_response() -> impl Strategy<Value = ApiVersionsResponse> {
    let error = error_code().prop_filter("answered in version 0", |error| {
        *error != ErrorCode::UNSUPPORTED_VERSION
    });
    let api =
        any::<[i16; 3]>().prop_map(|[api_key, min, max]| ApiVersionRange { api_key, min, max });
    (error, vec(api, 0..200), any::<i32>()).prop_map(|(error, apis, throttle_time_ms)| {
        ApiVersionsResponse {
            error,
            apis,
            throttle_time_ms,
        }
    })
}

fn init_producer_id_request() -> impl Strategy<Value = InitProducerIdRequest> {
    let transactional_id = option::of(text().prop_map(Arc::from));
    (transactional_id, any::<i32>(), any::<i64>(), any::<i16>()).prop_map(
        |(transactional_id, transaction_timeout_ms, producer_id, producer_epoch)| {
            InitProducerIdRequest {
                transactional_id,
                transaction_timeout_ms,
                producer_id,
                producer_epoch,
            }
        },
    )
}

fn init_producer_id_response() -> impl Strategy<Value = InitProducerIdResponse> {
    (any::<i32>(), error_code(), any::<i64>(), any::<i16>()).prop_map(
        |(throttle_time_ms, error, producer_id, producer_epoch)| InitProducerIdResponse {
            throttle_time_ms,
            error,
            producer_id,
            producer_epoch,
        },
    )
}

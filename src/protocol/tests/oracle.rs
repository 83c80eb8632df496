//! The same messages by the kafka-protocol crate, which is generated from Kafka's schemas. With
//! `strangers`, it adds fields that this crate does not know or has no use for.

use std::fmt::Debug;

use kafka_protocol::messages as theirs;
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, StrBytes};

use crate::ids::{NodeId, TopicId};
use crate::protocol::messages::*;
use crate::protocol::{ApiKey, Request, Response};

use super::shapes;

/// Puts unknown tagged fields into a structure.
macro_rules! estranged {
    ($message:expr, $strangers:expr) => {{
        let message = $message;
        if $strangers {
            message
                .with_unknown_tagged_field(90, vec![1, 2, 3].into())
                .with_unknown_tagged_field(300, Vec::new().into())
        } else {
            message
        }
    }};
}

pub(super) fn knows(api: ApiKey, version: i16) -> bool {
    let versions = match api {
        ApiKey::Produce => theirs::ProduceRequest::VERSIONS,
        ApiKey::Metadata => theirs::MetadataRequest::VERSIONS,
        ApiKey::ApiVersions => theirs::ApiVersionsRequest::VERSIONS,
        ApiKey::InitProducerId => theirs::InitProducerIdRequest::VERSIONS,
    };
    (versions.min..=versions.max).contains(&version)
}

/// A request as bytes, like the one that the parent's `request_body` writes.
pub(super) fn request_body(request: &Request, version: i16, strangers: bool) -> Vec<u8> {
    let header = estranged!(request_header(request.api_key(), version), strangers);
    match shapes::request_at(version, request) {
        Request::Produce(request) => bytes(&header, &produce_request(&request, strangers), version),
        Request::Metadata(request) => {
            bytes(&header, &metadata_request(&request, strangers), version)
        }
        Request::ApiVersions(request) => {
            bytes(&header, &api_versions_request(&request, strangers), version)
        }
        Request::InitProducerId(request) => {
            let message = init_producer_id_request(&request, strangers);
            bytes(&header, &message, version)
        }
    }
}

/// A response as bytes, like the one that the parent's `response_body` writes.
pub(super) fn response_body(response: &Response, version: i16, strangers: bool) -> Vec<u8> {
    let header = estranged!(response_header(), strangers);
    match shapes::response_at(version, response) {
        Response::Produce(response) => {
            bytes(&header, &produce_response(&response, strangers), version)
        }
        Response::Metadata(response) => {
            let mut message = metadata_response(&response, strangers);
            if strangers && (8..=10).contains(&version) {
                message.cluster_authorized_operations = 264;
            }
            bytes(&header, &message, version)
        }
        Response::ApiVersions(response) => {
            let mut message = api_versions_response(&response, strangers);
            if strangers && version >= 3 {
                message = with_features(message);
            }
            bytes(&header, &message, version)
        }
        Response::InitProducerId(response) => {
            let message = init_producer_id_response(&response, strangers);
            bytes(&header, &message, version)
        }
    }
}

pub(super) fn assert_reads_request(body: &[u8], request: &Request, version: i16) {
    let header = request_header(request.api_key(), version);
    match shapes::request_at(version, request) {
        Request::Produce(request) => {
            assert_reads(body, &header, &produce_request(&request, false), version);
        }
        Request::Metadata(request) => {
            assert_reads(body, &header, &metadata_request(&request, false), version);
        }
        Request::ApiVersions(request) => {
            assert_reads(
                body,
                &header,
                &api_versions_request(&request, false),
                version,
            );
        }
        Request::InitProducerId(request) => {
            let message = init_producer_id_request(&request, false);
            assert_reads(body, &header, &message, version);
        }
    }
}

pub(super) fn assert_reads_response(body: &[u8], response: &Response, version: i16) {
    let header = response_header();
    match shapes::response_at(version, response) {
        Response::Produce(response) => {
            assert_reads(body, &header, &produce_response(&response, false), version);
        }
        Response::Metadata(response) => {
            assert_reads(body, &header, &metadata_response(&response, false), version);
        }
        Response::ApiVersions(response) => {
            let message = api_versions_response(&response, false);
            assert_reads(body, &header, &message, version);
        }
        Response::InitProducerId(response) => {
            let message = init_producer_id_response(&response, false);
            assert_reads(body, &header, &message, version);
        }
    }
}

fn bytes<H: Encodable, M: Encodable + HeaderVersion>(
    header: &H,
    message: &M,
    version: i16,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    header
        .encode(&mut bytes, M::header_version(version))
        .expect("a header it knows");
    message
        .encode(&mut bytes, version)
        .expect("a version it knows");
    bytes
}

fn assert_reads<H, M>(mut body: &[u8], header: &H, message: &M, version: i16)
where
    H: Decodable + Debug + PartialEq,
    M: Decodable + HeaderVersion + Debug + PartialEq,
{
    let read = H::decode(&mut body, M::header_version(version)).expect("our header");
    assert_eq!(&read, header);
    let read = M::decode(&mut body, version).expect("our message");
    assert_eq!(&read, message);
    assert!(body.is_empty(), "it stops before our end");
}

fn request_header(api: ApiKey, version: i16) -> RequestHeader {
    RequestHeader::default()
        .with_request_api_key(api.code())
        .with_request_api_version(version)
        .with_correlation_id(77)
        .with_client_id(Some(string("tester")))
}

fn response_header() -> ResponseHeader {
    ResponseHeader::default().with_correlation_id(78)
}

fn string(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn optional(text: Option<&String>) -> Option<StrBytes> {
    text.map(|text| string(text))
}

fn broker_ids(nodes: &[NodeId]) -> Vec<theirs::BrokerId> {
    nodes.iter().map(|node| theirs::BrokerId(node.0)).collect()
}

/// Their type for UUIDs belongs to a crate that we do not depend on.
fn uuid<U: TryFrom<Vec<u8>, Error: Debug>>(id: TopicId) -> U {
    U::try_from(id.0.to_vec()).expect("sixteen bytes")
}

fn produce_request(request: &ProduceRequest, strangers: bool) -> theirs::ProduceRequest {
    use theirs::produce_request::{PartitionProduceData, TopicProduceData};

    let partition = |partition: &ProducePartition| {
        let data = PartitionProduceData::default()
            .with_index(partition.index)
            .with_records(Some(partition.records.as_slice().to_vec().into()));
        estranged!(data, strangers)
    };
    let topic = |topic: &ProduceTopic| {
        let data = TopicProduceData::default()
            .with_name(theirs::TopicName(string(&topic.name)))
            .with_topic_id(uuid(topic.id))
            .with_partition_data(topic.partitions.iter().map(partition).collect());
        estranged!(data, strangers)
    };
    let transactional_id = request.transactional_id.as_deref();
    let message = theirs::ProduceRequest::default()
        .with_transactional_id(transactional_id.map(|id| theirs::TransactionalId(string(id))))
        .with_acks(request.acks)
        .with_timeout_ms(request.timeout_ms)
        .with_topic_data(request.topics.iter().map(topic).collect());
    estranged!(message, strangers)
}

fn metadata_request(request: &MetadataRequest, strangers: bool) -> theirs::MetadataRequest {
    let topic = |name: &crate::sync::Arc<str>| {
        let topic = theirs::metadata_request::MetadataRequestTopic::default()
            .with_name(Some(theirs::TopicName(string(name))));
        estranged!(topic, strangers)
    };
    let topics = request.topics.as_ref();
    let message = theirs::MetadataRequest::default()
        .with_topics(topics.map(|topics| topics.iter().map(topic).collect()))
        .with_allow_auto_topic_creation(request.allow_auto_topic_creation)
        .with_include_topic_authorized_operations(request.include_topic_operations);
    estranged!(message, strangers)
}

fn api_versions_request(
    request: &ApiVersionsRequest,
    strangers: bool,
) -> theirs::ApiVersionsRequest {
    let message = theirs::ApiVersionsRequest::default()
        .with_client_software_name(string(&request.client_software_name))
        .with_client_software_version(string(&request.client_software_version));
    estranged!(message, strangers)
}

fn init_producer_id_request(
    request: &InitProducerIdRequest,
    strangers: bool,
) -> theirs::InitProducerIdRequest {
    let transactional_id = request.transactional_id.as_deref();
    let message = theirs::InitProducerIdRequest::default()
        .with_transactional_id(transactional_id.map(|id| theirs::TransactionalId(string(id))))
        .with_transaction_timeout_ms(request.transaction_timeout_ms)
        .with_producer_id(theirs::ProducerId(request.producer_id))
        .with_producer_epoch(request.producer_epoch);
    estranged!(message, strangers)
}

fn init_producer_id_response(
    response: &InitProducerIdResponse,
    strangers: bool,
) -> theirs::InitProducerIdResponse {
    let message = theirs::InitProducerIdResponse::default()
        .with_throttle_time_ms(response.throttle_time_ms)
        .with_error_code(response.error.code())
        .with_producer_id(theirs::ProducerId(response.producer_id))
        .with_producer_epoch(response.producer_epoch);
    estranged!(message, strangers)
}

fn produce_response(response: &ProduceResponse, strangers: bool) -> theirs::ProduceResponse {
    use theirs::produce_response::{NodeEndpoint as TheirEndpoint, TopicProduceResponse};

    let partition = |partition: &ProducePartitionResponse| partition_response(partition, strangers);
    let topic = |topic: &ProduceTopicResponse| {
        let message = TopicProduceResponse::default()
            .with_name(theirs::TopicName(string(&topic.name)))
            .with_topic_id(uuid(topic.id))
            .with_partition_responses(topic.partitions.iter().map(partition).collect());
        estranged!(message, strangers)
    };
    let endpoint = |endpoint: &NodeEndpoint| {
        let message = TheirEndpoint::default()
            .with_node_id(theirs::BrokerId(endpoint.node.0))
            .with_host(string(&endpoint.host))
            .with_port(endpoint.port)
            .with_rack(optional(endpoint.rack.as_ref()));
        estranged!(message, strangers)
    };
    let message = theirs::ProduceResponse::default()
        .with_responses(response.topics.iter().map(topic).collect())
        .with_throttle_time_ms(response.throttle_time_ms)
        .with_node_endpoints(response.node_endpoints.iter().map(endpoint).collect());
    estranged!(message, strangers)
}

fn partition_response(
    partition: &ProducePartitionResponse,
    strangers: bool,
) -> theirs::produce_response::PartitionProduceResponse {
    use theirs::produce_response::{
        BatchIndexAndErrorMessage, LeaderIdAndEpoch, PartitionProduceResponse,
    };

    let record_error = |error: &RecordError| {
        let message = BatchIndexAndErrorMessage::default()
            .with_batch_index(error.batch_index)
            .with_batch_index_error_message(optional(error.message.as_ref()));
        estranged!(message, strangers)
    };
    let mut message = PartitionProduceResponse::default()
        .with_index(partition.index)
        .with_error_code(partition.error.code())
        .with_base_offset(partition.base_offset)
        .with_log_append_time_ms(partition.log_append_time_ms)
        .with_log_start_offset(partition.log_start_offset)
        .with_record_errors(partition.record_errors.iter().map(record_error).collect())
        .with_error_message(optional(partition.error_message.as_ref()));
    if let Some(current) = partition.current_leader {
        let leader = LeaderIdAndEpoch::default()
            .with_leader_id(theirs::BrokerId(current.leader.0))
            .with_leader_epoch(current.leader_epoch);
        message = message.with_current_leader(estranged!(leader, strangers));
    }
    estranged!(message, strangers)
}

fn metadata_response(response: &MetadataResponse, strangers: bool) -> theirs::MetadataResponse {
    use theirs::metadata_response::{MetadataResponseBroker, MetadataResponseTopic};

    let broker = |broker: &MetadataBroker| {
        let message = MetadataResponseBroker::default()
            .with_node_id(theirs::BrokerId(broker.node.0))
            .with_host(string(&broker.host))
            .with_port(broker.port)
            .with_rack(optional(broker.rack.as_ref()));
        estranged!(message, strangers)
    };
    let topic = |topic: &MetadataTopic| {
        let partitions = topic.partitions.iter();
        let message = MetadataResponseTopic::default()
            .with_error_code(topic.error.code())
            .with_name(optional(topic.name.as_ref()).map(theirs::TopicName))
            .with_topic_id(uuid(topic.id))
            .with_is_internal(topic.is_internal)
            .with_topic_authorized_operations(topic.operations.0)
            .with_partitions(
                partitions
                    .map(|partition| metadata_partition(partition, strangers))
                    .collect(),
            );
        estranged!(message, strangers)
    };
    let message = theirs::MetadataResponse::default()
        .with_throttle_time_ms(response.throttle_time_ms)
        .with_brokers(response.brokers.iter().map(broker).collect())
        .with_cluster_id(optional(response.cluster_id.as_ref()))
        .with_controller_id(theirs::BrokerId(response.controller))
        .with_topics(response.topics.iter().map(topic).collect())
        .with_error_code(response.error.code());
    estranged!(message, strangers)
}

fn metadata_partition(
    partition: &MetadataPartition,
    strangers: bool,
) -> theirs::metadata_response::MetadataResponsePartition {
    let message = theirs::metadata_response::MetadataResponsePartition::default()
        .with_error_code(partition.error.code())
        .with_partition_index(partition.index)
        .with_leader_id(theirs::BrokerId(partition.leader.0))
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(broker_ids(&partition.replicas))
        .with_isr_nodes(broker_ids(&partition.in_sync_replicas))
        .with_offline_replicas(broker_ids(&partition.offline_replicas));
    estranged!(message, strangers)
}

fn api_versions_response(
    response: &ApiVersionsResponse,
    strangers: bool,
) -> theirs::ApiVersionsResponse {
    let api = |api: &ApiVersionRange| {
        let message = theirs::api_versions_response::ApiVersion::default()
            .with_api_key(api.api_key)
            .with_min_version(api.min)
            .with_max_version(api.max);
        estranged!(message, strangers)
    };
    let message = theirs::ApiVersionsResponse::default()
        .with_error_code(response.error.code())
        .with_api_keys(response.apis.iter().map(api).collect())
        .with_throttle_time_ms(response.throttle_time_ms);
    estranged!(message, strangers)
}

/// What real brokers tell beside their versions.
fn with_features(message: theirs::ApiVersionsResponse) -> theirs::ApiVersionsResponse {
    use theirs::api_versions_response::{FinalizedFeatureKey, SupportedFeatureKey};

    let supported = SupportedFeatureKey::default()
        .with_name(string("metadata.version"))
        .with_min_version(1)
        .with_max_version(29);
    let finalized = FinalizedFeatureKey::default()
        .with_name(string("metadata.version"))
        .with_min_version_level(29)
        .with_max_version_level(29);
    message
        .with_supported_features(vec![supported])
        .with_finalized_features_epoch(7)
        .with_finalized_features(vec![finalized])
        .with_zk_migration_ready(true)
}

//! `Produce`: see [`Specimen`].

use kafka_protocol::messages as theirs;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{
    Specimen, error_code, estranged, node, optional, string, text, topic_id, transactions, uuid,
    vec_bytes,
};
use crate::ids::{NodeId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::frame::SharedBytes;
use crate::protocol::messages::*;
use crate::protocol::version::TransactionVersion;
use crate::sync::Arc;

impl Specimen for ProduceRequest {
    type Theirs = theirs::ProduceRequest;

    fn any() -> BoxedStrategy<Self> {
        let records = vec(any::<u8>(), 0..200).prop_map(SharedBytes::new);
        let partition = (any::<i32>(), records)
            .prop_map(|(index, records)| ProducePartition { index, records });
        let topic =
            (text(), topic_id(), vec(partition, 0..4)).prop_map(|(name, id, partitions)| {
                ProduceTopic {
                    name: Arc::from(name),
                    id,
                    partitions,
                }
            });
        let transactional_id = option::of(text().prop_map(Arc::from));
        (
            transactional_id,
            transactions(),
            any::<i16>(),
            any::<i32>(),
            vec(topic, 0..4),
        )
            .prop_map(
                |(transactional_id, transactions, acks, timeout_ms, topics)| Self {
                    transactional_id,
                    transactions,
                    acks,
                    timeout_ms,
                    topics,
                },
            )
            .boxed()
    }

    fn example() -> Self {
        Self {
            transactional_id: Some(Arc::from("transaction")),
            transactions: TransactionVersion::V2,
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
        }
    }

    fn cut(&mut self, version: i16) {
        self.transactions = match self.transactional_id {
            Some(_) => TransactionVersion::of(version, Self::FIRST_OF_V2),
            None => TransactionVersion::V1,
        };
        for topic in &mut self.topics {
            if version >= 13 {
                topic.name = Arc::from("");
            } else {
                topic.id = TopicId::default();
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        vec_bytes(&self.topics, |topic| {
            topic.name.len()
                + vec_bytes(&topic.partitions, |partition| {
                    partition.records.as_slice().len()
                })
        })
    }

    fn theirs(&self, _version: i16, strangers: bool) -> Self::Theirs {
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
        let transactional_id = self.transactional_id.as_deref();
        let message = theirs::ProduceRequest::default()
            .with_transactional_id(transactional_id.map(|id| theirs::TransactionalId(string(id))))
            .with_acks(self.acks)
            .with_timeout_ms(self.timeout_ms)
            .with_topic_data(self.topics.iter().map(topic).collect());
        estranged!(message, strangers)
    }
}

impl Specimen for ProduceResponse {
    type Theirs = theirs::ProduceResponse;

    fn any() -> BoxedStrategy<Self> {
        let topic = (text(), topic_id(), vec(any_partition_response(), 0..3)).prop_map(
            |(name, id, partitions)| ProduceTopicResponse {
                name,
                id,
                partitions,
            },
        );
        let endpoint = (node(), text(), any::<i32>(), option::of(text())).prop_map(
            |(node, host, port, rack)| NodeEndpoint {
                node,
                host,
                port,
                rack,
            },
        );
        (vec(topic, 0..3), any::<i32>(), vec(endpoint, 0..3))
            .prop_map(|(topics, throttle_time_ms, node_endpoints)| Self {
                topics,
                throttle_time_ms,
                node_endpoints,
            })
            .boxed()
    }

    fn example() -> Self {
        Self {
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
        }
    }

    fn cut(&mut self, version: i16) {
        if version < 10 {
            self.node_endpoints.clear();
        }
        for topic in &mut self.topics {
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

    fn heap_bytes(&self) -> usize {
        vec_bytes(&self.topics, |topic| {
            topic.name.capacity() + vec_bytes(&topic.partitions, partition_bytes)
        }) + vec_bytes(&self.node_endpoints, |node| node.host.capacity())
    }

    fn theirs(&self, _version: i16, strangers: bool) -> Self::Theirs {
        use theirs::produce_response::{NodeEndpoint as TheirEndpoint, TopicProduceResponse};

        let partition =
            |partition: &ProducePartitionResponse| partition_response(partition, strangers);
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
            .with_responses(self.topics.iter().map(topic).collect())
            .with_throttle_time_ms(self.throttle_time_ms)
            .with_node_endpoints(self.node_endpoints.iter().map(endpoint).collect());
        estranged!(message, strangers)
    }
}

fn any_partition_response() -> impl Strategy<Value = ProducePartitionResponse> {
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

fn partition_bytes(partition: &ProducePartitionResponse) -> usize {
    vec_bytes(&partition.record_errors, |error| {
        error.message.as_ref().map_or(0, String::capacity)
    }) + partition.error_message.as_ref().map_or(0, String::capacity)
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

//! `Metadata`: see [`Specimen`].

use kafka_protocol::messages as theirs;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{
    Specimen, error_code, estranged, node, optional, string, text, topic_id, uuid, vec_bytes,
};
use crate::ids::{NodeId, TopicId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::*;
use crate::sync::Arc;

impl Specimen for MetadataRequest {
    type Theirs = theirs::MetadataRequest;

    fn any() -> BoxedStrategy<Self> {
        let topics = option::of(vec(text().prop_map(Arc::from), 0..4));
        (topics, any::<[bool; 2]>())
            .prop_map(|(topics, [create, operations])| Self {
                topics,
                allow_auto_topic_creation: create,
                include_topic_operations: operations,
            })
            .boxed()
    }

    fn example() -> Self {
        Self {
            topics: Some(vec![Arc::from("orders"), Arc::from("payments")]),
            allow_auto_topic_creation: true,
            include_topic_operations: true,
        }
    }

    fn cut(&mut self, version: i16) {
        self.include_topic_operations &= version >= 8;
    }

    fn heap_bytes(&self) -> usize {
        let topics = self.topics.as_ref();
        topics.map_or(0, |topics| vec_bytes(topics, |name| name.len()))
    }

    fn theirs(&self, _version: i16, strangers: bool) -> Self::Theirs {
        let topic = |name: &Arc<str>| {
            let topic = theirs::metadata_request::MetadataRequestTopic::default()
                .with_name(Some(theirs::TopicName(string(name))));
            estranged!(topic, strangers)
        };
        let topics = self.topics.as_ref();
        let message = theirs::MetadataRequest::default()
            .with_topics(topics.map(|topics| topics.iter().map(topic).collect()))
            .with_allow_auto_topic_creation(self.allow_auto_topic_creation)
            .with_include_topic_authorized_operations(self.include_topic_operations);
        estranged!(message, strangers)
    }
}

impl Specimen for MetadataResponse {
    type Theirs = theirs::MetadataResponse;

    fn any() -> BoxedStrategy<Self> {
        let broker = (node(), text(), any::<i32>(), option::of(text())).prop_map(
            |(node, host, port, rack)| MetadataBroker {
                node,
                host,
                port,
                rack,
            },
        );
        (
            any::<i32>(),
            vec(broker, 0..4),
            option::of(text()),
            any::<i32>(),
            vec(any_topic(), 0..4),
            error_code(),
        )
            .prop_map(
                |(throttle_time_ms, brokers, cluster_id, controller, topics, error)| Self {
                    throttle_time_ms,
                    brokers,
                    cluster_id,
                    controller,
                    topics,
                    error,
                },
            )
            .boxed()
    }

    fn example() -> Self {
        Self {
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
        }
    }

    fn cut(&mut self, version: i16) {
        if version < 13 {
            self.error = ErrorCode::NONE;
        }
        for topic in &mut self.topics {
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

    fn heap_bytes(&self) -> usize {
        vec_bytes(&self.brokers, |broker| broker.host.capacity())
            + vec_bytes(&self.topics, |topic| {
                vec_bytes(&topic.partitions, |partition| {
                    vec_bytes(&partition.replicas, |_| 0)
                        + vec_bytes(&partition.in_sync_replicas, |_| 0)
                        + vec_bytes(&partition.offline_replicas, |_| 0)
                })
            })
    }

    fn theirs(&self, version: i16, strangers: bool) -> Self::Theirs {
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
                        .map(|partition| their_partition(partition, strangers))
                        .collect(),
                );
            estranged!(message, strangers)
        };
        let mut message = theirs::MetadataResponse::default()
            .with_throttle_time_ms(self.throttle_time_ms)
            .with_brokers(self.brokers.iter().map(broker).collect())
            .with_cluster_id(optional(self.cluster_id.as_ref()))
            .with_controller_id(theirs::BrokerId(self.controller))
            .with_topics(self.topics.iter().map(topic).collect())
            .with_error_code(self.error.code());
        if strangers && (8..=10).contains(&version) {
            message.cluster_authorized_operations = 264;
        }
        estranged!(message, strangers)
    }
}

fn any_topic() -> impl Strategy<Value = MetadataTopic> {
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

fn nodes() -> impl Strategy<Value = Vec<NodeId>> {
    vec(node(), 0..4)
}

fn their_partition(
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

fn broker_ids(nodes: &[NodeId]) -> Vec<theirs::BrokerId> {
    nodes.iter().map(|node| theirs::BrokerId(node.0)).collect()
}

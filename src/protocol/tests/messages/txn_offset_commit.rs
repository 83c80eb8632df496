//! `TxnOffsetCommit`: see [`Specimen`].

use kafka_protocol::messages as theirs;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{
    Specimen, error_code, estranged, name, string, text, topic_id, transactional_id, transactions,
    vec_bytes,
};
use crate::ids::TopicId;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::*;
use crate::protocol::version::TransactionVersion;
use crate::sync::Arc;

impl Specimen for TxnOffsetCommitRequest {
    type Theirs = theirs::TxnOffsetCommitRequest;

    fn any() -> BoxedStrategy<Self> {
        let offset = (any::<i32>(), any::<i64>(), any::<i32>(), option::of(name())).prop_map(
            |(index, offset, leader_epoch, metadata)| TxnOffset {
                index,
                offset,
                leader_epoch,
                metadata,
            },
        );
        let topic = (name(), topic_id(), vec(offset, 0..4)).prop_map(|(name, id, partitions)| {
            TxnOffsetTopic {
                name,
                id,
                partitions,
            }
        });
        let ids = (name(), name(), any::<i64>(), any::<i16>());
        let member = (any::<i32>(), name(), option::of(name()));
        (ids, member, vec(topic, 0..4), transactions())
            .prop_map(|(ids, member, topics, transactions)| Self {
                transactional_id: ids.0,
                group_id: ids.1,
                producer_id: ids.2,
                producer_epoch: ids.3,
                generation: member.0,
                member_id: member.1,
                group_instance_id: member.2,
                topics,
                transactions,
            })
            .boxed()
    }

    fn example() -> Self {
        Self {
            transactional_id: Arc::from("transaction"),
            group_id: Arc::from("billing"),
            producer_id: 1 << 40,
            producer_epoch: 7,
            generation: 3,
            member_id: Arc::from("member"),
            group_instance_id: Some(Arc::from("instance")),
            topics: ["orders", "payments"]
                .map(|name| TxnOffsetTopic {
                    name: Arc::from(name),
                    id: TopicId([5; 16]),
                    partitions: [0, 1]
                        .map(|index| TxnOffset {
                            index,
                            offset: 1 << 33,
                            leader_epoch: 4,
                            metadata: Some(Arc::from("metadata")),
                        })
                        .into(),
                })
                .into(),
            transactions: TransactionVersion::V2,
        }
    }

    fn cut(&mut self, version: i16) {
        self.transactions = TransactionVersion::of(version, Self::FIRST_OF_V2);
        if version < 3 {
            self.generation = -1;
            self.member_id = Arc::from("");
            self.group_instance_id = None;
        }
        for topic in &mut self.topics {
            if version >= 6 {
                topic.name = Arc::from("");
            } else {
                topic.id = TopicId::default();
            }
            for offset in topic.partitions.iter_mut().filter(|_| version < 2) {
                offset.leader_epoch = -1;
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        let topics = vec_bytes(&self.topics, |topic| {
            let metadata = |one: &TxnOffset| one.metadata.as_ref().map_or(0, |text| text.len());
            topic.name.len() + vec_bytes(&topic.partitions, metadata)
        });
        let instance_id = self.group_instance_id.as_ref();
        self.transactional_id.len()
            + self.group_id.len()
            + self.member_id.len()
            + instance_id.map_or(0, |id| id.len())
            + topics
    }

    fn theirs(&self, _version: i16, strangers: bool) -> Self::Theirs {
        use theirs::txn_offset_commit_request::{
            TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
        };

        let text = |text: Option<&Arc<str>>| text.map(|text| string(text));
        let offset = |offset: &TxnOffset| {
            let message = TxnOffsetCommitRequestPartition::default()
                .with_partition_index(offset.index)
                .with_committed_offset(offset.offset)
                .with_committed_leader_epoch(offset.leader_epoch)
                .with_committed_metadata(text(offset.metadata.as_ref()));
            estranged!(message, strangers)
        };
        let topic = |topic: &TxnOffsetTopic| {
            let message = TxnOffsetCommitRequestTopic::default()
                .with_name(theirs::TopicName(string(&topic.name)))
                .with_partitions(topic.partitions.iter().map(offset).collect());
            estranged!(message, strangers)
        };
        let message = theirs::TxnOffsetCommitRequest::default()
            .with_transactional_id(transactional_id(&self.transactional_id))
            .with_group_id(theirs::GroupId(string(&self.group_id)))
            .with_producer_id(theirs::ProducerId(self.producer_id))
            .with_producer_epoch(self.producer_epoch)
            .with_generation_id(self.generation)
            .with_member_id(string(&self.member_id))
            .with_group_instance_id(text(self.group_instance_id.as_ref()))
            .with_topics(self.topics.iter().map(topic).collect());
        estranged!(message, strangers)
    }
}

impl Specimen for TxnOffsetCommitResponse {
    type Theirs = theirs::TxnOffsetCommitResponse;

    fn any() -> BoxedStrategy<Self> {
        let partition = (any::<i32>(), error_code())
            .prop_map(|(index, error)| TxnPartitionResult { index, error });
        let topic =
            (text(), topic_id(), vec(partition, 0..4)).prop_map(|(name, id, partitions)| {
                TxnOffsetTopicResult {
                    name,
                    id,
                    partitions,
                }
            });
        (any::<i32>(), vec(topic, 0..4))
            .prop_map(|(throttle_time_ms, topics)| Self {
                throttle_time_ms,
                topics,
            })
            .boxed()
    }

    fn example() -> Self {
        Self {
            throttle_time_ms: 6,
            topics: ["orders", "payments"]
                .map(|name| TxnOffsetTopicResult {
                    name: name.to_owned(),
                    id: TopicId([5; 16]),
                    partitions: [0, 5]
                        .map(|index| TxnPartitionResult {
                            index,
                            error: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                        })
                        .into(),
                })
                .into(),
        }
    }

    fn cut(&mut self, version: i16) {
        for topic in &mut self.topics {
            if version >= 6 {
                topic.name.clear();
            } else {
                topic.id = TopicId::default();
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        vec_bytes(&self.topics, |topic| {
            topic.name.capacity() + vec_bytes(&topic.partitions, |_| 0)
        })
    }

    fn theirs(&self, _version: i16, strangers: bool) -> Self::Theirs {
        use theirs::txn_offset_commit_response::{
            TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
        };

        let partition = |partition: &TxnPartitionResult| {
            let message = TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.index)
                .with_error_code(partition.error.code());
            estranged!(message, strangers)
        };
        let topic = |topic: &TxnOffsetTopicResult| {
            let message = TxnOffsetCommitResponseTopic::default()
                .with_name(theirs::TopicName(string(&topic.name)))
                .with_partitions(topic.partitions.iter().map(partition).collect());
            estranged!(message, strangers)
        };
        let message = theirs::TxnOffsetCommitResponse::default()
            .with_throttle_time_ms(self.throttle_time_ms)
            .with_topics(self.topics.iter().map(topic).collect());
        estranged!(message, strangers)
    }
}

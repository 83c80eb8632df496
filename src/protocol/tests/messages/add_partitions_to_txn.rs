//! `AddPartitionsToTxn`: see [`Specimen`].

use kafka_protocol::messages as theirs;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Specimen, error_code, estranged, name, string, text, transactional_id, vec_bytes};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::*;
use crate::sync::Arc;

impl Specimen for AddPartitionsToTxnRequest {
    type Theirs = theirs::AddPartitionsToTxnRequest;

    fn any() -> BoxedStrategy<Self> {
        let topic = (name(), vec(any::<i32>(), 0..4))
            .prop_map(|(name, partitions)| TxnTopic { name, partitions });
        (name(), any::<i64>(), any::<i16>(), vec(topic, 0..4))
            .prop_map(
                |(transactional_id, producer_id, producer_epoch, topics)| Self {
                    transactional_id,
                    producer_id,
                    producer_epoch,
                    topics,
                },
            )
            .boxed()
    }

    fn example() -> Self {
        Self {
            transactional_id: Arc::from("transaction"),
            producer_id: 1 << 40,
            producer_epoch: 7,
            topics: ["orders", "payments"]
                .map(|name| TxnTopic {
                    name: Arc::from(name),
                    partitions: vec![0, 5],
                })
                .into(),
        }
    }

    fn cut(&mut self, _version: i16) {}

    fn heap_bytes(&self) -> usize {
        let topics = vec_bytes(&self.topics, |topic| {
            topic.name.len() + vec_bytes(&topic.partitions, |_| 0)
        });
        self.transactional_id.len() + topics
    }

    fn theirs(&self, _version: i16, strangers: bool) -> Self::Theirs {
        let topic = |topic: &TxnTopic| {
            let message = theirs::add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
                .with_name(theirs::TopicName(string(&topic.name)))
                .with_partitions(topic.partitions.clone());
            estranged!(message, strangers)
        };
        let message = theirs::AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(transactional_id(&self.transactional_id))
            .with_v3_and_below_producer_id(theirs::ProducerId(self.producer_id))
            .with_v3_and_below_producer_epoch(self.producer_epoch)
            .with_v3_and_below_topics(self.topics.iter().map(topic).collect());
        estranged!(message, strangers)
    }
}

impl Specimen for AddPartitionsToTxnResponse {
    type Theirs = theirs::AddPartitionsToTxnResponse;

    fn any() -> BoxedStrategy<Self> {
        let partition = (any::<i32>(), error_code())
            .prop_map(|(index, error)| TxnPartitionResult { index, error });
        let topic = (text(), vec(partition, 0..4))
            .prop_map(|(name, partitions)| TxnTopicResult { name, partitions });
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
                .map(|name| TxnTopicResult {
                    name: name.to_owned(),
                    partitions: [0, 5]
                        .map(|index| TxnPartitionResult {
                            index,
                            error: ErrorCode::OPERATION_NOT_ATTEMPTED,
                        })
                        .into(),
                })
                .into(),
        }
    }

    fn cut(&mut self, _version: i16) {}

    fn heap_bytes(&self) -> usize {
        vec_bytes(&self.topics, |topic| {
            topic.name.capacity() + vec_bytes(&topic.partitions, |_| 0)
        })
    }

    fn theirs(&self, _version: i16, strangers: bool) -> Self::Theirs {
        use theirs::add_partitions_to_txn_response::{
            AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
        };

        let partition = |partition: &TxnPartitionResult| {
            let message = AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(partition.index)
                .with_partition_error_code(partition.error.code());
            estranged!(message, strangers)
        };
        let topic = |topic: &TxnTopicResult| {
            let message = AddPartitionsToTxnTopicResult::default()
                .with_name(theirs::TopicName(string(&topic.name)))
                .with_results_by_partition(topic.partitions.iter().map(partition).collect());
            estranged!(message, strangers)
        };
        let message = theirs::AddPartitionsToTxnResponse::default()
            .with_throttle_time_ms(self.throttle_time_ms)
            .with_results_by_topic_v3_and_below(self.topics.iter().map(topic).collect());
        estranged!(message, strangers)
    }
}

//! What the mock cluster reports to its observer: each batch and each request, and what became of it,
//! in the order in which they were handled. Without an observer no event is made. No socket, no
//! clock.

use std::fmt;

use crate::ErrorCode;
use crate::compression::Codec;
use crate::ids::NodeId;
use crate::protocol::frame::SharedBytes;
use crate::protocol::messages::{ProducePartition, ProducePartitionResponse};
use crate::record::batch::ProducerStamp;
use crate::record::decode::{self, claimed_record_count};
use crate::sync::Arc;
use crate::testing::faults::ConnectionEffect;
use crate::testing::legality::{Claim, field};
use crate::testing::log::{MockBatch, MockRecord, MockRequest};
use crate::testing::state::Action;

/// Something that a [`MockCluster`](crate::testing::MockCluster) has just done, as
/// [`MockClusterBuilder::observer`](crate::testing::MockClusterBuilder::observer) gets it.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum MockEvent {
    /// A batch was appended, recognised as a repeated one, or refused. The batches of a request come
    /// before the request.
    Batch(MockArrival),
    /// A request was handled.
    Request(MockHandled),
}

/// A batch of a Produce request, and what became of it.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct MockArrival {
    /// The broker that it came to.
    pub node: i32,
    /// The topic; empty if the request gave an id that the cluster does not know.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The request's `acks`: 0, 1, or −1 for all.
    pub acks: i16,
    /// What the batch says about itself, which is checked only if there is no error. Its offset is −1
    /// if the answer has none.
    pub batch: MockBatch,
    /// The answer to the producer, unless its connection is lost.
    pub error: ErrorCode,
    /// Whether the partition already had the batch, and did not append it again.
    pub is_repeated: bool,
    bytes: SharedBytes,
}

/// A request, and how it ended.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct MockHandled {
    /// What came.
    pub request: MockRequest,
    /// What is wrong with the request as a whole: with Metadata, with the first topic that has an error;
    /// with the requests of transactions, with the first partition.
    /// `NONE` for Produce, whose batches have errors of their own.
    pub error: ErrorCode,
    /// What the client gets.
    pub answer: MockAnswer,
}

/// What a client gets for a request.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MockAnswer {
    /// An answer.
    Sent,
    /// Nothing, because it asked for nothing (`acks` 0).
    None,
    /// No answer: the broker closes the connection.
    Closed {
        /// Whether the request was handled before that.
        applied: bool,
    },
    /// No answer, on a connection that stays open.
    Silence {
        /// Whether the request was handled before that.
        applied: bool,
    },
    /// Bytes that are no answer.
    Garbage,
}

/// A test's function that gets all events.
#[derive(Clone)]
pub(super) struct Observer(Arc<dyn Fn(&MockEvent) + Send + Sync>);

impl Observer {
    pub(super) fn new(observe: impl Fn(&MockEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    pub(super) fn call(&self, event: &MockEvent) {
        (self.0)(event);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl MockArrival {
    pub(super) fn new(
        (node, acks): (NodeId, i16),
        topic: &str,
        sent: &ProducePartition,
        answer: &ProducePartitionResponse,
        is_repeated: bool,
    ) -> Self {
        Self {
            node: node.0,
            topic: topic.to_owned(),
            partition: sent.index,
            acks,
            batch: claimed(sent.records.as_slice(), answer.base_offset),
            error: answer.error,
            is_repeated,
            bytes: sent.records.clone(),
        }
    }

    /// The records as the producer made them, with the offsets that they got: from 0 if the answer has
    /// none. No records if the batch cannot be read.
    pub fn records(&self) -> Vec<MockRecord> {
        let Ok((_, records)) = decode::decode(self.bytes.as_slice()) else {
            return Vec::new();
        };
        let base_offset = self.batch.base_offset.max(0);
        let records = records.into_iter().map(|record| MockRecord {
            offset: base_offset + i64::from(record.offset_delta),
            timestamp_ms: record.timestamp_ms,
            key: record.key,
            value: record.value,
            headers: record.headers,
        });
        records.collect()
    }
}

impl MockAnswer {
    pub(super) fn new(fault: Option<&ConnectionEffect>, action: &Action) -> Self {
        match (fault, action) {
            (Some(ConnectionEffect::CloseBefore), _) => Self::Closed { applied: false },
            (Some(ConnectionEffect::SilenceBefore), _) => Self::Silence { applied: false },
            (Some(ConnectionEffect::Garbage(_)), _) => Self::Garbage,
            (_, Action::Close) => Self::Closed { applied: true },
            (_, Action::Silence) => Self::Silence { applied: true },
            (_, Action::Continue) => Self::None,
            (_, Action::Send(_)) => Self::Sent,
        }
    }
}

/// A batch as it describes itself, however wrong.
fn claimed(bytes: &[u8], base_offset: i64) -> MockBatch {
    let codec = field(bytes, 21).map_or(0, i16::from_be_bytes) & CODEC;
    let stamp = Claim::read(bytes).map_or(ProducerStamp::NONE, |claim| claim.stamp);
    MockBatch {
        base_offset,
        records: claimed_record_count(bytes),
        bytes: bytes.len(),
        compression: match codec {
            0 => "none",
            id => Codec::of_id(id).map_or("unknown", Codec::name),
        },
        max_timestamp_ms: field(bytes, 35).map_or(-1, i64::from_be_bytes),
        producer_id: stamp.producer_id,
        producer_epoch: stamp.epoch,
        base_sequence: stamp.base_sequence,
        is_transactional: Claim::read(bytes).is_some_and(|claim| claim.is_transactional),
        marker: None,
    }
}

/// The bits of a batch's attributes that name its codec.
const CODEC: i16 = 0x07;

//! The insides that `benches/` measures one by one: the queues, sealing, the codec. Only with the
//! feature `testing`, hidden from the documentation, and no part of what is kept stable. It calls
//! production code and adds nothing of its own. Runs on: whichever thread measures.

mod sending;

use std::fmt;
use std::time::Instant;

pub use sending::Sending;

use crate::accumulator::{
    Accumulator, CallbackRef, GroupFunction, GroupToken, NewRecord, Notice, OwnCallback,
    PartitionQueue, QueuedBatch, SealedBatch, Target, Topic,
};
use crate::compression::{Codec as CompressionCodec, Compression};
use crate::config::{TopicSettings, TopicTable};
use crate::error::{Error, Result};
use crate::ids::{NodeId, TopicId};
use crate::protocol::ApiKey;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::frame::{LENGTH_BYTES, SharedBytes};
use crate::protocol::header::write_request_header;
use crate::protocol::messages::{
    MetadataBroker, MetadataPartition, MetadataRequest, MetadataResponse, MetadataTopic,
    Operations, ProducePartition, ProducePartitionResponse, ProduceRequest, ProduceResponse,
    ProduceTopic, ProduceTopicResponse, RequestMessage, ResponseMessage,
};
use crate::protocol::version::TransactionVersion;
use crate::protocol::wire::{Reader, Writer};
use crate::record::Record;
use crate::record::batch::ProducerStamp;
use crate::record::metadata::RecordMetadata;
use crate::sync::Arc;

/// What the one topic is called, and its id.
const TOPIC: &str = "benchmarks";
const TOPIC_ID: TopicId = TopicId([7; 16]);

/// The newest versions in which topics go by name, both flexible.
const PRODUCE: i16 = 12;
const METADATA: i16 = 12;

/// The queues of one topic.
pub struct Queues {
    accumulator: Accumulator,
    topic: Arc<Topic>,
    group: Arc<GroupFunction<u64>>,
}

impl Queues {
    /// Empty ones; the sizes are `batch.size` and `buffer.memory`. Batches are compressed if a codec
    /// is named, at Kafka's default level.
    ///
    /// # Panics
    /// If this build does not have the codec.
    pub fn new(
        partitions: usize,
        batch_size: usize,
        buffer_memory: usize,
        codec: Option<&str>,
    ) -> Self {
        let settings = TopicTable::new(TopicSettings {
            compression: codec.map(compression),
            ..TopicSettings::default()
        });
        let accumulator = Accumulator::new(batch_size, buffer_memory, true).with_settings(settings);
        let name: Arc<str> = Arc::from(TOPIC);
        let indexes = 0..i32::try_from(partitions).unwrap_or(i32::MAX);
        accumulator
            .change(|topics| topics.publish(&name, partitions, indexes.collect(), Vec::new()));
        let topic = accumulator.topic(&name).expect("it was published just now");
        Self {
            accumulator,
            topic,
            group: GroupFunction::new(ignore_token, &Arc::default()),
        }
    }

    /// Appends a record without key to this partition, or to the one whose turn it is, with a
    /// callback that captures nothing. False if the partition does not exist or memory is short. The
    /// clock is read for a record that opens a batch.
    pub fn append(
        &self,
        clock: &dyn Fn() -> Instant,
        partition: Option<i32>,
        value: &[u8],
    ) -> bool {
        self.add(
            clock,
            partition,
            value,
            &mut OwnCallback::new(ignore).by_ref(),
        )
    }

    /// The same for a record of a group, with a token in place of the callback.
    pub fn append_token(
        &self,
        clock: &dyn Fn() -> Instant,
        partition: Option<i32>,
        value: &[u8],
        token: u64,
    ) -> bool {
        let mut token = GroupToken::new(&self.group, token);
        self.add(clock, partition, value, &mut token.by_ref())
    }

    fn add(
        &self,
        clock: &dyn Fn() -> Instant,
        partition: Option<i32>,
        value: &[u8],
        callback: &mut CallbackRef<'_>,
    ) -> bool {
        let record = Record {
            timestamp_ms: 1_700_000_000_000,
            key: None,
            value: Some(value),
            headers: &[],
        };
        let mut new = NewRecord {
            callback_bytes: size_of::<u64>(),
            ..NewRecord::new(record, callback)
        };
        let target = match partition.map(|partition| self.topic.queue(partition)) {
            None => Target::Sticky(&self.topic),
            Some(Some(queue)) => Target::Partition(queue),
            Some(None) => return false,
        };
        let appended = self.accumulator.append(&clock, target, &mut new, None);
        appended.is_ok()
    }

    /// Takes all batches out, by the notices that callers have left.
    pub fn drain(&self) -> Drained {
        let mut notices = Vec::new();
        self.accumulator.take_notices(&mut notices);
        let mut batches = Vec::new();
        for notice in notices {
            let (Notice::Opened { queue, .. } | Notice::Ready(queue)) = notice;
            while let Some(batch) = queue.take() {
                batches.push((Arc::clone(&queue), batch));
            }
        }
        Drained(batches)
    }
}

fn compression(codec: &str) -> Compression {
    let mut codecs = (1..=4).filter_map(CompressionCodec::of_id);
    let found = codecs.find(|one| one.name() == codec);
    let found = found.expect("a codec that Kafka has");
    let level = match codec {
        "gzip" => -1,
        "lz4" => 9,
        _ => 3,
    };
    Compression::new(found, level).expect("a codec of this build")
}

fn ignore(_: Result<RecordMetadata>) {}

fn ignore_token(_: u64, _: Result<&RecordMetadata, &Error>) {}

/// Batches that have left their queues.
pub struct Drained(Vec<(Arc<PartitionQueue>, QueuedBatch)>);

impl Drained {
    /// Writes their headers and checksums.
    pub fn seal(self) -> Sealed {
        let stamp = Some(ProducerStamp {
            producer_id: 1,
            epoch: 0,
            base_sequence: 0,
        });
        let sealed = self
            .0
            .into_iter()
            .map(|(queue, open)| open.seal(&queue, stamp));
        Sealed(sealed.collect())
    }
}

/// Batches as they travel.
pub struct Sealed(Vec<SealedBatch>);

impl Sealed {
    /// How many there are.
    pub fn batches(&self) -> usize {
        self.0.len()
    }

    /// Calls their callbacks and groups, and gives their memory back.
    pub fn acknowledge(self) {
        for batch in self.0 {
            batch.succeed(Some(0), None).run_callbacks(|_, called| {
                called.expect("what does nothing does not panic");
            });
        }
    }
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queues").finish_non_exhaustive()
    }
}

impl fmt::Debug for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Drained").field(&self.0.len()).finish()
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sealed").field(&self.0.len()).finish()
    }
}

/// One Produce request and one Metadata answer for so many partitions of a topic.
#[derive(Debug)]
pub struct Codec {
    produce: ProduceRequest,
    metadata: MetadataRequest,
    /// Answers as they come from a broker, without length and header.
    produced: Vec<u8>,
    described: Vec<u8>,
}

impl Codec {
    /// A batch of 16 KiB for each partition.
    pub fn new(partitions: i32) -> Self {
        let name: Arc<str> = Arc::from(TOPIC);
        let records = SharedBytes::new(vec![0; 16 * 1024]);
        let of_partition = |index| ProducePartition {
            index,
            records: records.clone(),
        };
        let topic = ProduceTopic {
            name: Arc::clone(&name),
            id: TopicId::default(),
            partitions: (0..partitions).map(of_partition).collect(),
        };
        Self {
            produce: ProduceRequest {
                transactional_id: None,
                transactions: TransactionVersion::V1,
                acks: -1,
                timeout_ms: 30_000,
                topics: vec![topic],
            },
            metadata: MetadataRequest {
                topics: Some(vec![Arc::clone(&name)]),
                allow_auto_topic_creation: true,
                include_topic_operations: false,
            },
            produced: body(|writer| produced(&name, 0..partitions).encode(writer, PRODUCE)),
            described: body(|writer| described(&name, partitions).encode(writer, METADATA)),
        }
    }

    /// The length of the Produce request, whose records are not copied.
    pub fn encode_produce(&self) -> usize {
        let mut writer = Writer::new(true);
        write_request_header(&mut writer, ApiKey::Produce, PRODUCE, 7, "benchmarks");
        self.produce.encode(&mut writer, PRODUCE);
        writer.into_frame().len()
    }

    /// How many topics the answer to it names.
    pub fn decode_produced(&self) -> usize {
        let answer = ProduceResponse::decode(&mut Reader::new(&self.produced, true), PRODUCE);
        answer.map_or(0, |answer| answer.topics.len())
    }

    /// The length of the Metadata request.
    pub fn encode_metadata(&self) -> usize {
        let mut writer = Writer::new(true);
        write_request_header(&mut writer, ApiKey::Metadata, METADATA, 7, "benchmarks");
        self.metadata.encode(&mut writer, METADATA);
        writer.into_frame().len()
    }

    /// How many topics the answer to it describes.
    pub fn decode_metadata(&self) -> usize {
        let answer = MetadataResponse::decode(&mut Reader::new(&self.described, true), METADATA);
        answer.map_or(0, |answer| answer.topics.len())
    }
}

/// A message's bytes without their length.
fn body(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new(true);
    write(&mut writer);
    writer.into_frame().to_vec().split_off(LENGTH_BYTES)
}

fn produced(name: &str, indexes: impl Iterator<Item = i32>) -> ProduceResponse {
    let of_partition = |index| ProducePartitionResponse {
        index,
        error: ErrorCode::NONE,
        base_offset: 1_000_000,
        log_append_time_ms: -1,
        log_start_offset: 0,
        record_errors: Vec::new(),
        error_message: None,
        current_leader: None,
    };
    ProduceResponse {
        topics: vec![ProduceTopicResponse {
            name: name.to_owned(),
            id: TopicId::default(),
            partitions: indexes.map(of_partition).collect(),
        }],
        ..ProduceResponse::default()
    }
}

/// Three brokers, each partition on all of them.
fn described(name: &str, partitions: i32) -> MetadataResponse {
    let nodes = || (1..=3).map(NodeId);
    let broker = |node| MetadataBroker {
        node,
        host: "broker.example".to_owned(),
        port: 9092,
        rack: None,
    };
    let of_partition = |index: i32| MetadataPartition {
        error: ErrorCode::NONE,
        index,
        leader: NodeId(index % 3 + 1),
        leader_epoch: 5,
        replicas: nodes().collect(),
        in_sync_replicas: nodes().collect(),
        offline_replicas: Vec::new(),
    };
    MetadataResponse {
        brokers: nodes().map(broker).collect(),
        cluster_id: Some("benchmarks".to_owned()),
        controller: 1,
        topics: vec![MetadataTopic {
            error: ErrorCode::NONE,
            name: Some(name.to_owned()),
            id: TOPIC_ID,
            is_internal: false,
            partitions: (0..partitions).map(of_partition).collect(),
            operations: Operations::OMITTED,
        }],
        ..MetadataResponse::default()
    }
}

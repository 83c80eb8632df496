//! Brokers without bytes: requests come in as what they mean, answers go out as what they say. One
//! topic, whose partitions check sequences with the mock's own table. No clock.

use std::time::Instant;

use crate::ErrorCode;
use crate::address::Address;
use crate::ids::{NodeId, TopicId};
use crate::protocol::Request;
use crate::protocol::messages::{
    CurrentLeader, MetadataBroker, MetadataPartition, MetadataResponse, MetadataTopic,
    NodeEndpoint, Operations, ProducePartitionResponse,
};
use crate::record::batch::ProducerStamp;
use crate::record::decode::decode;
use crate::sim::options::{FIRST_PORT, Options, TOPIC};
use crate::sim::record::{RecordId, id_of};
use crate::testing::producers::{ProducerTable, Verdict};

/// A broker, by its place in the cluster; its id is one more.
pub(super) type Index = usize;

/// Who leads each partition, and in which epoch.
pub(super) type Leaders = Vec<(Option<Index>, i32)>;

/// The cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) brokers: Vec<Broker>,
    pub(super) partitions: Vec<Partition>,
    /// What brokers that lag behind tell of the topic.
    pub(super) old: (TopicId, Leaders),
    /// Counts how often the topic was made.
    pub(super) incarnation: u8,
    /// Logs of the topic's earlier lives, by partition.
    graves: Vec<Vec<Vec<RecordId>>>,
    pub(super) has_topic_ids: bool,
    tells_duplicates: bool,
    next_producer_id: i64,
    /// How often a batch came that was in a log already.
    pub(super) repeated: u32,
}

/// A machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Broker {
    pub(super) is_down: bool,
    /// The controller has noticed.
    pub(super) is_fenced: bool,
    pub(super) stalled_until: Option<Instant>,
}

/// A partition of the topic.
#[derive(Debug, Default)]
pub(super) struct Partition {
    pub(super) leader: Option<Index>,
    pub(super) epoch: i32,
    pub(super) log: Vec<RecordId>,
    producers: ProducerTable,
}

/// What a request asks for.
#[derive(Debug)]
pub(super) enum Message {
    Metadata,
    Identity,
    Produce(Vec<Batch>),
}

/// A batch as a broker gets it.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) partition: i32,
    pub(super) topic: TopicId,
    pub(super) stamp: ProducerStamp,
    pub(super) ids: Vec<RecordId>,
}

impl Message {
    /// What is on the wire once a request has been written.
    pub(super) fn read(request: &Request) -> Self {
        if let Request::Metadata(_) = request {
            return Self::Metadata;
        }
        if let Request::InitProducerId(_) = request {
            return Self::Identity;
        }
        let Request::Produce(produce) = request else {
            panic!("the sender sends no {} request", request.api_key());
        };
        let mut batches = Vec::new();
        for topic in &produce.topics {
            for partition in &topic.partitions {
                let (header, records) =
                    decode(partition.records.as_slice()).expect("the producer's own batch");
                let ids = records.iter().map(|one| id_of(one.value.as_deref()));
                batches.push(Batch {
                    partition: partition.index,
                    topic: topic.id,
                    stamp: header.producer,
                    ids: ids.collect(),
                });
            }
        }
        Self::Produce(batches)
    }
}

impl Cluster {
    pub(super) fn new(options: &Options) -> Self {
        let mut cluster = Self {
            brokers: vec![Broker::default(); options.brokers.into()],
            partitions: Vec::new(),
            old: Default::default(),
            incarnation: 1,
            graves: Vec::new(),
            has_topic_ids: options.topic_ids,
            tells_duplicates: options.tells_duplicates,
            next_producer_id: 0,
            repeated: 0,
        };
        cluster.grow(options.partitions as usize);
        cluster.remember();
        cluster
    }

    /// Adds partitions until there are so many.
    pub(super) fn grow(&mut self, partitions: usize) {
        for index in self.partitions.len()..partitions {
            self.partitions.push(Partition {
                leader: Some(index % self.brokers.len()),
                ..Partition::default()
            });
        }
        self.graves.resize_with(self.partitions.len(), Vec::new);
    }

    fn remember(&mut self) {
        self.old = (self.topic_id(), self.leaders());
    }

    /// As if the producers of a partition had sent so much that this sequence comes next.
    pub(super) fn wind_sequences(&mut self, partition: usize, next: i32) {
        self.partitions[partition].producers.wind(next);
    }

    /// The topic is deleted, and one of its name made.
    pub(super) fn recreate(&mut self) {
        self.remember();
        self.incarnation += 1;
        for (partition, graves) in self.partitions.iter_mut().zip(&mut self.graves) {
            graves.push(std::mem::take(&mut partition.log));
            partition.producers.forget();
            partition.epoch = 0;
        }
    }

    /// A partition has not heard of its producers for too long.
    pub(super) fn forget_producers(&mut self, partition: usize) {
        self.partitions[partition].producers.forget();
    }

    pub(super) fn topic_id(&self) -> TopicId {
        match self.has_topic_ids {
            true => TopicId([self.incarnation; 16]),
            false => TopicId::default(),
        }
    }

    pub(super) fn leaders(&self) -> Leaders {
        let leader = |one: &Partition| (one.leader, one.epoch);
        self.partitions.iter().map(leader).collect()
    }

    pub(super) fn lead(&mut self, partition: usize, leader: Option<Index>) {
        self.remember();
        let partition = &mut self.partitions[partition];
        partition.leader = leader;
        partition.epoch += 1;
    }

    pub(super) fn listens(&self, broker: Index) -> bool {
        self.brokers.get(broker).is_some_and(|one| !one.is_down)
    }

    pub(super) fn first_alive(&self) -> Option<Index> {
        self.brokers.iter().position(|one| !one.is_down)
    }

    /// Each life of a partition's log, the newest one last.
    pub(super) fn logs(&self, partition: usize) -> Vec<&[RecordId]> {
        let graves = self.graves[partition].iter().map(Vec::as_slice);
        let now = self.partitions[partition].log.as_slice();
        graves.chain([now]).collect()
    }

    pub(super) fn identity(&mut self) -> i64 {
        self.next_producer_id += 1;
        self.next_producer_id
    }

    /// Appends a batch that has come to a broker; the offset of its first record.
    pub(super) fn append(&mut self, broker: Index, batch: &Batch) -> Result<i64, ErrorCode> {
        if self.has_topic_ids && batch.topic != self.topic_id() {
            return Err(ErrorCode::UNKNOWN_TOPIC_ID);
        }
        let Some(partition) = self.partitions.get_mut(batch.partition as usize) else {
            return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        if partition.leader != Some(broker) {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        let offset = partition.log.len() as i64;
        let records = batch.ids.len() as i32;
        if batch.stamp.producer_id >= 0 {
            match partition.producers.judge(batch.stamp, records, false)? {
                Verdict::Append => partition
                    .producers
                    .remember(batch.stamp, records, offset, 0),
                Verdict::Repeat(earlier) => {
                    self.repeated += 1;
                    return match self.tells_duplicates {
                        true => Err(ErrorCode::DUPLICATE_SEQUENCE_NUMBER),
                        false => Ok(earlier.base_offset),
                    };
                }
            }
        }
        partition.log.extend_from_slice(&batch.ids);
        Ok(offset)
    }

    /// What a broker says of a batch.
    pub(super) fn answer(
        &self,
        batch: &Batch,
        result: Result<i64, ErrorCode>,
    ) -> ProducePartitionResponse {
        let error = result.err().unwrap_or(ErrorCode::NONE);
        let partition = self.partitions.get(batch.partition as usize);
        let hint = partition.filter(|_| error == ErrorCode::NOT_LEADER_OR_FOLLOWER);
        ProducePartitionResponse {
            index: batch.partition,
            error,
            base_offset: result.unwrap_or(-1),
            log_append_time_ms: -1,
            log_start_offset: 0,
            record_errors: Vec::new(),
            error_message: None,
            current_leader: hint.and_then(|partition| {
                Some(CurrentLeader {
                    leader: node(partition.leader?),
                    leader_epoch: partition.epoch,
                })
            }),
        }
    }

    pub(super) fn metadata(&self, (id, leaders): &(TopicId, Leaders)) -> MetadataResponse {
        let alive = self.brokers.iter().enumerate();
        let broker = |(index, _): (Index, &Broker)| MetadataBroker {
            node: node(index),
            host: HOST.to_owned(),
            port: i32::from(port(index)),
            rack: None,
        };
        let partition =
            |(index, (leader, epoch)): (i32, &(Option<Index>, i32))| MetadataPartition {
                error: match leader {
                    Some(_) => ErrorCode::NONE,
                    None => ErrorCode::LEADER_NOT_AVAILABLE,
                },
                index,
                leader: leader.map_or(NodeId(-1), node),
                leader_epoch: *epoch,
                replicas: Vec::new(),
                in_sync_replicas: Vec::new(),
                offline_replicas: Vec::new(),
            };
        MetadataResponse {
            brokers: alive
                .filter(|(_, one)| !one.is_fenced)
                .map(broker)
                .collect(),
            topics: vec![MetadataTopic {
                error: ErrorCode::NONE,
                name: Some(TOPIC.to_owned()),
                id: *id,
                is_internal: false,
                partitions: (0..).zip(leaders).map(partition).collect(),
                operations: Operations::OMITTED,
            }],
            ..MetadataResponse::default()
        }
    }
}

const HOST: &str = "broker";

pub(super) fn node(index: Index) -> NodeId {
    NodeId(index as i32 + 1)
}

fn port(index: Index) -> u16 {
    FIRST_PORT + index as u16 + 1
}

/// The broker that listens there.
pub(super) fn listener(address: &Address) -> Index {
    usize::from(address.port - FIRST_PORT - 1)
}

pub(super) fn endpoint(index: Index) -> NodeEndpoint {
    NodeEndpoint {
        node: node(index),
        host: HOST.to_owned(),
        port: port(index).into(),
        rack: None,
    }
}

//! What the sender decides, shown on a clock of our own: the real accumulator on one side, a
//! scripted driver on the other. No sockets, no threads.

mod another_cluster;
mod batching;
mod closing;
mod compressing;
mod connections;
mod expiry;
mod idempotence;
mod leaders;
mod metadata;
mod purge;
mod retries;
mod topics;
mod transactions;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::*;
use crate::accumulator::{Caller, NewRecord, Outcome, OwnCallback, PartitionQueue, Target};
use crate::address::Destination;
use crate::config::{Acks, TopicSettings, TopicTable};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TopicId;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{
    MetadataBroker, MetadataPartition, MetadataResponse, MetadataTopic, Operations,
    ProducePartitionResponse, ProduceRequest, ProduceResponse, ProduceTopicResponse,
};
use crate::record::Record;
use crate::record::decode::decode;
use crate::sync::Mutex;

const TOPIC: &str = "t";
const TOPIC_ID: TopicId = TopicId([7; 16]);
const BOOTSTRAP: NodeId = NodeId(-1);
const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);

const LINGER: Duration = Duration::from_millis(10);
const BACKOFF: Duration = Duration::from_millis(100);
const DELIVERY: Duration = Duration::from_secs(2);
const REQUEST: Duration = Duration::from_secs(1);
const BATCH_SIZE: usize = 200;
const MEMORY: usize = 64 * 1024;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Constant pauses, so that tests can say when.
fn settings() -> Settings {
    let flat = |pause| Backoff {
        initial: pause,
        max: pause,
    };
    Settings {
        bootstrap: vec![address(BOOTSTRAP)],
        retries: u32::MAX,
        idempotence: false,
        transactional: None,
        linger: LINGER,
        request_timeout: REQUEST,
        max_request_size: 10_000,
        max_in_flight: 5,
        retry_backoff: flat(BACKOFF),
        reconnect_backoff: flat(ms(50)),
        setup_timeout: Backoff {
            initial: ms(100),
            max: ms(300),
        },
        metadata_max_age: Duration::from_secs(300),
        metadata_max_idle: Duration::from_secs(300),
        checks_cluster: true,
        rebootstrap: None,
        resolve_timeout: None,
        connections_max_idle: None,
        availability_timeout: None,
        seed: 1,
    }
}

/// What holds for all topics.
fn of_topics() -> TopicSettings {
    TopicSettings {
        delivery_timeout: DELIVERY,
        ..TopicSettings::default()
    }
}

fn patient() -> TopicTable {
    TopicTable::new(TopicSettings {
        delivery_timeout: Duration::from_secs(60),
        ..of_topics()
    })
}

fn without_acks() -> TopicTable {
    TopicTable::new(TopicSettings {
        acks: Acks::None,
        ..of_topics()
    })
}

fn address(node: NodeId) -> Address {
    let port = u16::try_from(9_000 + node.0).unwrap();
    Address {
        host: "localhost".to_owned(),
        port,
    }
}

/// What a callback got: the value of the record, and its offset or why it failed.
type Delivered = (String, Result<Option<i64>>);

/// A sender, its accumulator, and what a driver would know of them.
struct World {
    now: Instant,
    sender: Sender,
    accumulator: Accumulator,
    /// Sent and neither answered nor lost.
    sent: BTreeMap<RequestId, (NodeId, Request)>,
    connects: Vec<NodeId>,
    /// Every attempt to connect: its timeout, and the address that comes first.
    attempts: Vec<(NodeId, Duration, u32)>,
    /// Whom each of them is meant to reach.
    destinations: Vec<(NodeId, Option<Destination>)>,
    disconnects: Vec<NodeId>,
    finished: BTreeMap<CommandId, Result<()>>,
    purged: Option<(PurgeId, Purged)>,
    /// Why no record may be sent any more, as often as that was said.
    dooms: Vec<Error>,
    /// For each outcome, how often that had been said before.
    delivered_after: Vec<usize>,
    /// What the callbacks got.
    delivered: Arc<Mutex<Vec<Delivered>>>,
    /// The timestamp of each acknowledged record.
    timestamps: Arc<Mutex<Vec<i64>>>,
    /// Until when the sender wants to sleep.
    wait: Option<Instant>,
    stopped: bool,
    commands: u64,
    next_offset: i64,
    /// Whether callers compress what they fill.
    may_compress: bool,
    /// How often the sender has asked for a look at the sockets.
    yields: u32,
    /// Who leads each partition, as metadata names it; −1: none.
    leaders: Vec<i32>,
    leader_epoch: i32,
    /// Which cluster brokers say they belong to, and the id of its topic.
    cluster_id: Option<&'static str>,
    topic_id: TopicId,
}

struct TestCaller {
    now: Instant,
    may_compress: bool,
}

impl Caller for TestCaller {
    fn now(&self) -> Instant {
        self.now
    }

    fn may_compress(&self) -> bool {
        self.may_compress
    }
}

/// A Produce request as a test looks at it: partition and values of each batch.
#[derive(Debug, PartialEq)]
struct Produce {
    id: RequestId,
    node: NodeId,
    batches: Vec<(i32, Vec<String>)>,
}

impl World {
    fn new(settings: Settings) -> Self {
        Self::with(settings, TopicTable::new(of_topics()))
    }

    #[expect(clippy::disallowed_methods, reason = "an Instant has no other source")]
    fn with(settings: Settings, topics: TopicTable) -> Self {
        let start = Instant::now();
        let is_transactional = settings.transactional.is_some();
        Self {
            now: start,
            sender: Sender::new(start, settings, Arc::default()),
            accumulator: Accumulator::new(BATCH_SIZE, MEMORY, false)
                .with_settings(topics)
                .with_transactions(is_transactional),
            sent: BTreeMap::new(),
            connects: Vec::new(),
            attempts: Vec::new(),
            destinations: Vec::new(),
            disconnects: Vec::new(),
            finished: BTreeMap::new(),
            purged: None,
            dooms: Vec::new(),
            delivered_after: Vec::new(),
            delivered: Arc::default(),
            timestamps: Arc::default(),
            wait: None,
            stopped: false,
            commands: 0,
            next_offset: 0,
            may_compress: true,
            yields: 0,
            leaders: vec![1, 1, 2],
            leader_epoch: 1,
            cluster_id: None,
            topic_id: TOPIC_ID,
        }
    }

    /// Knows topic "t" of three partitions, the last of which broker 2 leads, and is connected to
    /// both brokers.
    fn ready(settings: Settings) -> Self {
        Self::ready_with(settings, TopicTable::new(of_topics()))
    }

    fn ready_with(settings: Settings, topics: TopicTable) -> Self {
        Self::with(settings, topics).connected()
    }

    fn connected(self) -> Self {
        let mut world = self;
        world.await_topic(TOPIC, None, None);
        world.accept();
        world.answer_metadata();
        for node in [ONE, TWO] {
            world.sender.connect(world.now, node);
        }
        world.accept();
        world.disconnects.clear();
        world
    }

    fn handle(&mut self, input: Input) {
        self.sender.handle(self.now, input, &self.accumulator);
        self.settle();
    }

    /// Does what the sender says until it says to wait, as the driver does.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            match self.sender.poll(self.now, &self.accumulator) {
                Output::Connect {
                    node,
                    address: to,
                    setup_timeout,
                    first_address,
                    destination,
                } => {
                    assert_eq!(to, address(node));
                    self.connects.push(node);
                    self.destinations.push((node, destination));
                    self.attempts.push((node, setup_timeout, first_address));
                }
                Output::Disconnect(node) => {
                    self.disconnects.push(node);
                    self.connects.retain(|one| *one != node);
                    self.forget(node);
                }
                Output::Send(node, id, request) => {
                    self.sent.insert(id, (node, request));
                }
                Output::Publish { view, changed } => {
                    for (name, topic) in view.known(&changed) {
                        let count = topic.partitions.len();
                        self.accumulator.publish(name, count, topic.available());
                    }
                }
                Output::Deliver(outcome) => {
                    self.delivered_after.push(self.dooms.len());
                    deliver(outcome);
                }
                Output::Finish(id, result) => {
                    let before = self.finished.insert(id, result);
                    assert!(before.is_none(), "answered twice");
                }
                Output::Purged(id, purged) => {
                    let before = self.purged.replace((id, purged));
                    assert!(before.is_none(), "answered twice");
                }
                Output::Yield => self.yields += 1,
                Output::Doom(error) => self.dooms.push(error),
                Output::Report(_) => {}
                Output::Wait(deadline) => {
                    let is_future = deadline.is_none_or(|deadline| deadline > self.now);
                    assert!(is_future, "a deadline in the past makes the driver spin");
                    self.wait = deadline;
                    return;
                }
                Output::Stop => {
                    self.stopped = true;
                    self.wait = None;
                    return;
                }
            }
        }
        panic!("the sender never says to wait");
    }

    /// Lets time pass, with every deadline met on the way.
    fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        self.settle();
        while let Some(deadline) = self.wait.filter(|deadline| *deadline <= end) {
            self.now = deadline;
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    fn command(&mut self, command: Command) -> CommandId {
        let id = CommandId(self.commands);
        self.commands += 1;
        self.handle(Input::Command(id, command));
        id
    }

    fn await_topic(
        &mut self,
        topic: &str,
        partition: Option<i32>,
        timeout: Option<Duration>,
    ) -> CommandId {
        self.command(Command::AwaitTopic {
            topic: Arc::from(topic),
            partition,
            deadline: timeout.map(|timeout| self.now + timeout),
        })
    }

    fn flush(&mut self) -> CommandId {
        let before = self.accumulator.next_batch();
        self.command(Command::Flush(before))
    }

    /// Purges whatever was queued before, and has the records returned.
    fn purge(&mut self) -> Purged {
        self.purge_before(self.accumulator.next_batch())
    }

    fn purge_before(&mut self, before: BatchId) -> Purged {
        self.purge_with(PurgeOrder {
            topic: None,
            before,
            returns: true,
        })
    }

    fn purge_with(&mut self, order: PurgeOrder) -> Purged {
        let id = PurgeId(self.commands);
        self.commands += 1;
        self.handle(Input::Purge(id, order));
        match self.purged.take() {
            Some((answered, purged)) if answered == id => purged,
            other => panic!("a purge is answered at once: {other:?}"),
        }
    }

    fn close(&mut self, timeout: Duration) -> CommandId {
        self.accumulator.close();
        let deadline = self.now + timeout;
        self.command(Command::Close(Some(deadline)))
    }

    fn queue(&self, partition: i32) -> Arc<PartitionQueue> {
        let topic = self.accumulator.topic(TOPIC).unwrap();
        Arc::clone(topic.queue(partition).unwrap())
    }

    fn append(&mut self, partition: i32, value: &str) {
        self.append_at(partition, value, 0);
    }

    fn append_at(&mut self, partition: i32, value: &str, timestamp_ms: i64) {
        let queue = self.queue(partition);
        self.append_to(&queue, value, timestamp_ms);
    }

    fn append_to(&mut self, queue: &Arc<PartitionQueue>, value: &str, timestamp_ms: i64) {
        let record = Record {
            timestamp_ms,
            key: None,
            value: Some(value.as_bytes()),
            headers: &[],
        };
        let (delivered, value) = (Arc::clone(&self.delivered), value.to_owned());
        let timestamps = Arc::clone(&self.timestamps);
        let mut callback = OwnCallback::new(move |result: Result<crate::RecordMetadata>| {
            let times = result.iter().map(|metadata| metadata.timestamp_ms());
            timestamps.lock().extend(times);
            let offset = result.map(|metadata| metadata.offset());
            delivered.lock().push((value, offset));
        });
        let mut callback = callback.by_ref();
        let mut new = NewRecord {
            callback_bytes: 64,
            ..NewRecord::new(record, &mut callback)
        };
        let caller = TestCaller {
            now: self.now,
            may_compress: self.may_compress,
        };
        let appended = self
            .accumulator
            .append(&caller, Target::Partition(queue), &mut new, None);
        appended.unwrap();
    }

    /// Appends, and lets it linger long enough to be sent.
    fn send(&mut self, partition: i32, value: &str) {
        self.append(partition, value);
        self.advance(LINGER);
    }

    /// The attempts to connect succeed.
    fn accept(&mut self) {
        self.settle();
        for node in std::mem::take(&mut self.connects) {
            self.handle(Input::Ready(node));
        }
    }

    fn lose(&mut self, node: NodeId) {
        self.lose_unwritten(node, Vec::new());
    }

    /// The connection ends, with not a byte of these requests written.
    fn lose_unwritten(&mut self, node: NodeId, unwritten: Vec<RequestId>) {
        self.forget(node);
        self.connects.retain(|one| *one != node);
        let error = Error::new(ErrorKind::Disconnected, "the cable was cut");
        self.handle(Input::Disconnected(node, error, unwritten));
    }

    /// Requests on a connection that is gone give their memory back.
    fn forget(&mut self, node: NodeId) {
        self.sent.retain(|_, (at, _)| *at != node);
    }

    /// Metadata requests without an answer.
    fn asked(&self) -> Vec<(RequestId, NodeId)> {
        let is_metadata = |request: &Request| matches!(request, Request::Metadata(_));
        let all = self.sent.iter();
        all.filter(|(_, (_, request))| is_metadata(request))
            .map(|(id, (node, _))| (*id, *node))
            .collect()
    }

    /// Answers the one metadata request there is, with `leaders`.
    fn answer_metadata(&mut self) {
        let response = self.metadata();
        self.answer_metadata_with(response);
    }

    fn answer_metadata_with(&mut self, response: MetadataResponse) {
        let asked = self.asked();
        assert_eq!(asked.len(), 1, "one metadata request at a time");
        self.answer_metadata_of(asked[0].0, response);
    }

    fn answer_metadata_of(&mut self, id: RequestId, response: MetadataResponse) {
        self.sent.remove(&id);
        self.handle(Input::Response(id, Response::Metadata(response)));
    }

    /// The topics that a metadata request asks for.
    fn topics_of(&self, id: RequestId) -> Vec<&str> {
        match &self.sent[&id].1 {
            Request::Metadata(request) => {
                let topics = request.topics.iter().flatten();
                topics.map(|topic| &**topic).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn metadata(&self) -> MetadataResponse {
        let broker = |node: NodeId| MetadataBroker {
            node,
            host: address(node).host,
            port: i32::from(address(node).port),
            rack: None,
        };
        let partition = |(index, leader): (i32, &i32)| MetadataPartition {
            error: ErrorCode::NONE,
            index,
            leader: NodeId(*leader),
            leader_epoch: self.leader_epoch,
            replicas: Vec::new(),
            in_sync_replicas: Vec::new(),
            offline_replicas: Vec::new(),
        };
        MetadataResponse {
            brokers: vec![broker(ONE), broker(TWO)],
            topics: vec![MetadataTopic {
                error: ErrorCode::NONE,
                name: Some(TOPIC.to_owned()),
                id: self.topic_id,
                is_internal: false,
                partitions: (0..).zip(&self.leaders).map(partition).collect(),
                operations: Operations::OMITTED,
            }],
            cluster_id: self.cluster_id.map(str::to_owned),
            ..MetadataResponse::default()
        }
    }

    /// The leader of a partition changes; the sender does not know yet.
    fn move_leader(&mut self, partition: usize, leader: i32) {
        self.leaders[partition] = leader;
        self.leader_epoch += 1;
    }

    /// Produce requests without an answer, oldest first.
    fn produced(&self) -> Vec<Produce> {
        let produce = |(id, (node, request)): (&RequestId, &(NodeId, Request))| match request {
            Request::Produce(request) => Some(Produce {
                id: *id,
                node: *node,
                batches: values(request),
            }),
            _ => None,
        };
        self.sent.iter().filter_map(produce).collect()
    }

    /// The one Produce request without an answer.
    fn the_request(&self) -> Produce {
        let mut all = self.produced();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    fn assert_nothing_sent(&self) {
        assert_eq!(self.produced(), []);
    }

    /// Answers for each partition of the request.
    fn answer(&mut self, request: &Produce, code: ErrorCode) {
        let partitions: Vec<_> = request.batches.iter().map(|(index, _)| *index).collect();
        let answers: Vec<_> = partitions.iter().map(|index| (*index, code)).collect();
        self.answer_each(request.id, &answers);
    }

    fn acknowledge(&mut self) {
        let request = self.the_request();
        self.answer(&request, ErrorCode::NONE);
    }

    fn answer_each(&mut self, id: RequestId, answers: &[(i32, ErrorCode)]) {
        let partitions = answers
            .iter()
            .map(|(index, code)| self.partition_answer(*index, *code))
            .collect();
        self.answer_with(id, partitions, 0);
    }

    fn partition_answer(&self, index: i32, error: ErrorCode) -> ProducePartitionResponse {
        ProducePartitionResponse {
            index,
            error,
            base_offset: if error == ErrorCode::NONE {
                self.next_offset
            } else {
                -1
            },
            log_append_time_ms: -1,
            log_start_offset: 0,
            record_errors: Vec::new(),
            error_message: None,
            current_leader: None,
        }
    }

    fn answer_with(
        &mut self,
        id: RequestId,
        partitions: Vec<ProducePartitionResponse>,
        throttle_time_ms: i32,
    ) {
        self.next_offset += 100;
        self.sent.remove(&id);
        let response = ProduceResponse {
            topics: vec![ProduceTopicResponse {
                name: String::new(),
                id: self.topic_id,
                partitions,
            }],
            throttle_time_ms,
            node_endpoints: Vec::new(),
        };
        self.handle(Input::Response(id, Response::Produce(response)));
    }

    /// What the callbacks got since the last call.
    fn delivered(&self) -> Vec<(String, Result<Option<i64>>)> {
        std::mem::take(&mut self.delivered.lock())
    }

    /// The values acknowledged since the last call; nothing failed.
    fn acknowledged(&self) -> Vec<String> {
        let unwrap = |(value, result): (String, Result<_>)| {
            result.unwrap();
            value
        };
        self.delivered().into_iter().map(unwrap).collect()
    }

    /// The values that failed since the last call, and why; nothing was acknowledged.
    fn failed(&self) -> Vec<(String, ErrorKind)> {
        let unwrap_err = |(value, result): (String, Result<Option<i64>>)| {
            let error = result.unwrap_err();
            (value, error.kind())
        };
        self.delivered().into_iter().map(unwrap_err).collect()
    }

    /// Every record has its outcome, and every byte is free again.
    fn assert_idle(&self) {
        assert_eq!(self.accumulator.budget().used(), 0, "memory in use");
        let loads: Vec<_> = (0..3).map(|index| self.queue(index).load()).collect();
        assert_eq!(loads, [0, 0, 0], "load of the partitions");
    }
}

impl Sender {
    /// For simulations: as if a partition that has nothing under way had sent so much that this
    /// sequence comes next. False if it is not one that could have.
    pub(crate) fn wind_sequences(&mut self, index: i32, next: i32) -> bool {
        let mut partitions = self.partitions.iter_mut();
        let partition = partitions.find(|one| one.queue().index() == index);
        partition.is_some_and(|partition| partition.wind_sequences(next))
    }
}

fn deliver(outcome: Outcome) {
    outcome.run_callbacks(|_, called| called.unwrap());
}

/// Partition and values of each batch.
fn values(request: &ProduceRequest) -> Vec<(i32, Vec<String>)> {
    let all = request.topics.iter().flat_map(|topic| &topic.partitions);
    let describe = |partition: &crate::protocol::messages::ProducePartition| {
        let (_, records) = decode(partition.records.as_slice()).unwrap();
        let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap()).unwrap();
        let values = records.into_iter().map(|record| text(record.value));
        (partition.index, values.collect())
    };
    all.map(describe).collect()
}

/// What [`values`] gives for one batch of these.
fn batch(partition: i32, values: &[&str]) -> Vec<(i32, Vec<String>)> {
    vec![(partition, values.iter().map(ToString::to_string).collect())]
}

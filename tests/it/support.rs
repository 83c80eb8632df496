//! A cluster with a producer on it, and a place where callbacks leave their outcomes. Waits for
//! events, never for intervals; every wait has an end.

use std::fmt::Debug;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use linger::testing::{MockCluster, MockClusterBuilder, MockProducedPartition, MockRequestContent};
use linger::{
    CloseReport, Error, ErrorKind, Producer, ProducerRecord, Properties, RecordMetadata, Result,
    UndeliveredRecord,
};

/// Long enough for a loaded machine; nothing waits that long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a test starts with: a cluster and properties, string keys and string values.
#[must_use = "nothing runs before start()"]
pub(crate) struct Setup {
    cluster: MockClusterBuilder,
    properties: Properties,
}

impl Setup {
    /// One broker; topics as they are asked for.
    pub(crate) fn new() -> Self {
        Self {
            cluster: MockCluster::builder(),
            properties: Properties::new()
                .set("key.serializer", "string")
                .set("value.serializer", "string"),
        }
    }

    pub(crate) fn brokers(self, brokers: usize) -> Self {
        self.cluster(|cluster| cluster.brokers(brokers))
    }

    pub(crate) fn topic(self, name: &str, partitions: i32) -> Self {
        self.cluster(|cluster| cluster.topic(name, partitions))
    }

    /// Whatever else the cluster should be like.
    pub(crate) fn cluster(
        mut self,
        change: impl FnOnce(MockClusterBuilder) -> MockClusterBuilder,
    ) -> Self {
        self.cluster = change(self.cluster);
        self
    }

    pub(crate) fn set(self, name: &str, value: impl ToString) -> Self {
        self.properties(|properties| properties.set(name, value))
    }

    /// Whatever else the producer should be like.
    pub(crate) fn properties(mut self, change: impl FnOnce(Properties) -> Properties) -> Self {
        self.properties = change(self.properties);
        self
    }

    pub(crate) fn start(self) -> (MockCluster, Producer<str, str>) {
        self.start_for()
    }

    /// For keys and values that are not strings; the properties have to name their serializers.
    pub(crate) fn start_for<K, V>(self) -> (MockCluster, Producer<K, V>)
    where
        K: ?Sized + 'static,
        V: ?Sized + 'static,
    {
        let (cluster, properties) = self.start_cluster();
        let producer = Producer::new(&properties).expect("the test's properties are good");
        (cluster, producer)
    }

    /// The cluster, and properties that lead to it.
    pub(crate) fn start_cluster(self) -> (MockCluster, Properties) {
        let cluster = self.cluster.start().expect("there are free loopback ports");
        let bootstrap = cluster.bootstrap_servers();
        let properties = self.properties.set("bootstrap.servers", bootstrap);
        (cluster, properties)
    }
}

/// Where callbacks leave their outcomes, each with the tag of its record.
pub(crate) struct Outcomes<T> {
    callbacks: Callbacks<T>,
    receiver: Receiver<(T, Result<RecordMetadata>)>,
}

/// Makes callbacks, on any thread.
pub(crate) struct Callbacks<T>(Sender<(T, Result<RecordMetadata>)>);

impl<T: Debug + Send + 'static> Callbacks<T> {
    /// A callback for one record.
    pub(crate) fn tagged(
        &self,
        tag: T,
    ) -> impl FnOnce(Result<RecordMetadata>) + Send + 'static + use<T> {
        let sender = self.0.clone();
        // Nobody listens any more if the test is over.
        move |result| sender.send((tag, result)).unwrap_or_default()
    }
}

impl<T: Debug + Send + 'static> Outcomes<T> {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        Self {
            callbacks: Callbacks(sender),
            receiver,
        }
    }

    /// For another thread to make callbacks from.
    pub(crate) fn callbacks(&self) -> Callbacks<T> {
        Callbacks(self.callbacks.0.clone())
    }

    /// A callback for one record.
    pub(crate) fn callback(
        &self,
        tag: T,
    ) -> impl FnOnce(Result<RecordMetadata>) + Send + 'static + use<T> {
        self.callbacks.tagged(tag)
    }

    /// The next outcome of all.
    pub(crate) fn next(&self) -> (T, Result<RecordMetadata>) {
        self.receiver
            .recv_timeout(PATIENCE)
            .expect("an outcome comes in time")
    }

    /// The next outcomes, in the order in which their callbacks ran; all of them good.
    pub(crate) fn acknowledged(&self, count: usize) -> Vec<(T, RecordMetadata)> {
        let good = |(tag, result): (T, Result<RecordMetadata>)| match result {
            Ok(metadata) => (tag, metadata),
            Err(error) => panic!("record {tag:?} failed: {error}"),
        };
        (0..count).map(|_| good(self.next())).collect()
    }

    /// How many outcomes are there now; takes them.
    pub(crate) fn ready(&self) -> usize {
        self.receiver.try_iter().count()
    }

    /// Whether every outcome so far has been looked at.
    pub(crate) fn is_empty(&self) -> bool {
        match self.receiver.try_recv() {
            Ok((tag, result)) => panic!("one more outcome: {tag:?} {result:?}"),
            Err(_) => true,
        }
    }
}

/// A callback that looks at nothing.
pub(crate) fn ignore(_: Result<RecordMetadata>) {}

/// Sends values without key to a topic and waits until all of them are acknowledged.
pub(crate) fn send_all(producer: &Producer<str, str>, topic: &str, values: &[&str]) {
    let outcomes = Outcomes::new();
    for value in values {
        let record = ProducerRecord::new(topic, *value);
        let callback = outcomes.callback((*value).to_owned());
        producer
            .send(record, callback)
            .expect("the record is taken");
    }
    producer.flush().expect("flush is possible here");
    outcomes.acknowledged(values.len());
}

/// Closes with a limit, after which what is left fails, and gives how many records were acknowledged
/// and how many failed meanwhile. On a machine that stands still for a moment the call may be back
/// before the callbacks have run; another one then waits for them, and what the first one has
/// decided holds.
pub(crate) fn close_within(producer: &Producer<str, str>, limit: Duration) -> (u64, u64) {
    let before = producer.metrics();
    if let Err(error) = producer.close_timeout(limit) {
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        producer.close().expect("closing again is possible");
    }
    let after = producer.metrics();
    (
        after.records_acknowledged - before.records_acknowledged,
        after.records_failed - before.records_failed,
    )
}

/// Closes at once and gives the records that failed; as patient with the machine as
/// [`close_within`].
pub(crate) fn close_and_return_at_once(
    producer: &Producer<str, str>,
) -> (CloseReport, Vec<UndeliveredRecord>) {
    let closed = producer.close_and_return(Duration::ZERO);
    let closed = closed.or_else(|error| {
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        producer.close_and_return(PATIENCE)
    });
    closed.expect("closing again is possible")
}

/// Fails until the error is the one that is meant. On a machine that stands still for a moment, the
/// one who knows why may come too late for a limit; but it does not stand still each time.
#[track_caller]
pub(crate) fn meant_error(
    mut fail: impl FnMut() -> Error,
    is_meant: impl Fn(&Error) -> bool,
) -> Error {
    let mut others = Vec::new();
    for _ in 0..5 {
        let error = fail();
        if is_meant(&error) {
            return error;
        }
        others.push(error.to_string());
    }
    panic!("none is the one that is meant: {others:#?}");
}

/// The values of a partition, in order.
pub(crate) fn values(cluster: &MockCluster, topic: &str, partition: i32) -> Vec<String> {
    let records = cluster.records(topic, partition).into_iter();
    let text = |value: Vec<u8>| String::from_utf8(value).expect("the test sent strings");
    records
        .map(|record| text(record.value.expect("the test sent no tombstones")))
        .collect()
}

/// The Produce requests so far: which broker got which batches.
pub(crate) fn produced(cluster: &MockCluster) -> Vec<(i32, Vec<MockProducedPartition>)> {
    let requests = cluster.requests().into_iter();
    requests
        .filter_map(|request| match request.content {
            MockRequestContent::Produce { partitions, .. } => Some((request.node, partitions)),
            _ => None,
        })
        .collect()
}

/// Waits until the mock cluster shows what is asked for.
pub(crate) fn wait_for_records(cluster: &MockCluster, topic: &str, records: u64) {
    assert!(
        cluster.wait_for_records(topic, records, PATIENCE),
        "{records} records reach \"{topic}\" in time"
    );
}

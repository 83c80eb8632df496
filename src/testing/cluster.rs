//! The handle on a running mock cluster, with which a test controls and inspects it. Has no state of
//! its own: calls go to [`state`](super::state), or to [`server`](super::server) if they are about
//! sockets.

use std::io;
use std::time::Duration;

use crate::ids::NodeId;
use crate::testing::builder::random_cluster_id;
use crate::testing::faults::Rule;
use crate::testing::log::{MockBatch, MockCounters, MockRecord, MockRequest};
use crate::testing::server::{Inner, Server};
use crate::testing::state::{ClusterState, Partition, Topic};
use crate::testing::{Api, Fault, MockClusterBuilder};

/// A Kafka cluster in this process; the [module](crate::testing) says what it can do. Stops when
/// dropped.
///
/// Methods that name a broker, topic or partition panic if it does not exist: the test is wrong.
#[derive(Debug)]
pub struct MockCluster {
    server: Server,
}

impl MockCluster {
    /// Starts one broker, which creates topics of one partition when a client asks for them.
    ///
    /// # Errors
    ///
    /// If no loopback port can be had, or no thread.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Starts with settings of your own.
    pub fn builder() -> MockClusterBuilder {
        MockClusterBuilder::new()
    }

    pub(super) fn new(server: Server) -> Self {
        Self { server }
    }

    /// The addresses of all brokers, as `bootstrap.servers` takes them: `127.0.0.1:4001,…`.
    pub fn bootstrap_servers(&self) -> String {
        let addresses: Vec<String> = self
            .nodes()
            .into_iter()
            .map(|node| self.address(node))
            .collect();
        addresses.join(",")
    }

    /// The numbers of all brokers, stopped ones included.
    pub fn nodes(&self) -> Vec<i32> {
        self.server
            .with(|inner| inner.state.nodes.iter().map(|node| node.id.0).collect())
    }

    /// Where a broker listens, whatever it advertises: `127.0.0.1:4001`.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn address(&self, node: i32) -> String {
        self.server
            .address(NodeId(node))
            .unwrap_or_else(|| panic!("no broker {node} in the mock cluster"))
            .to_string()
    }

    /// Adds a topic.
    ///
    /// # Panics
    ///
    /// If there is a topic of this name.
    pub fn create_topic(&self, name: &str, partitions: i32) {
        self.server.with(|inner| {
            let exists = inner.state.topics.contains_key(name);
            assert!(!exists, "topic {name} is in the mock cluster already");
            inner.state.create_topic(name, partitions);
        });
    }

    /// Removes a topic and its records. A topic of the same name that is made later has another
    /// id.
    ///
    /// # Panics
    ///
    /// If there is no such topic.
    pub fn delete_topic(&self, name: &str) {
        self.server.with(|inner| {
            let gone = inner.state.topics.remove(name);
            assert!(gone.is_some(), "no topic {name} in the mock cluster");
        });
    }

    /// Grows a topic to this many partitions; never shrinks it.
    ///
    /// # Panics
    ///
    /// If there is no such topic.
    pub fn add_partitions(&self, name: &str, total: i32) {
        self.server.with(|inner| {
            topic(inner, name);
            inner.state.grow_topic(name, total);
        });
    }

    /// The broker that leads a partition; none if it has no leader.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        self.server.with(|inner| {
            let leader = self::partition(inner, topic, partition).leader;
            leader.map(|node| node.0)
        })
    }

    /// Makes another broker lead a partition, in a new leader epoch.
    ///
    /// # Panics
    ///
    /// If there is no such partition or broker.
    pub fn move_leader(&self, topic: &str, partition: i32, node: i32) {
        self.server.with(|inner| {
            self::partition(inner, topic, partition);
            let node = known(inner, node);
            inner.state.set_leader(topic, partition, Some(node));
        });
    }

    /// Leaves a partition without a leader, until [`move_leader`](Self::move_leader).
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    pub fn remove_leader(&self, topic: &str, partition: i32) {
        self.server.with(|inner| {
            self::partition(inner, topic, partition);
            inner.state.set_leader(topic, partition, None);
        });
    }

    /// Makes a partition forget the idempotent producers that wrote to it, as a broker does for
    /// those that have been idle for a day (`producer.id.expiration.ms`). Records stay.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    pub fn forget_producers(&self, topic: &str, partition: i32) {
        self.server.with(|inner| {
            self::partition(inner, topic, partition);
            if let Some(partition) = inner.state.partition_mut(topic, partition) {
                partition.producers.forget();
            }
        });
    }

    /// Stops a broker: its port refuses, its connections are closed, and once this returns it
    /// appends nothing more. Metadata still names it, as in the first moments after a crash;
    /// [`fail_over`](Self::fail_over) ends that. Does nothing if it is stopped.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn stop_broker(&self, node: i32) {
        let node = self.server.with(|inner| set_running(inner, node, false));
        self.server.stop(node);
    }

    /// Starts a stopped broker again, on the port that it had and with the records that it had.
    /// Does nothing if it runs.
    ///
    /// # Errors
    ///
    /// If the port cannot be had again, or no thread.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn restart_broker(&self, node: i32) -> io::Result<()> {
        let id = self.server.with(|inner| known(inner, node));
        self.server.restart(id)?;
        self.server.with(|inner| set_running(inner, node, true));
        Ok(())
    }

    /// Does what the controller does for a broker that is gone: metadata no longer names it, and
    /// its partitions go to other brokers that run, or to none. A restarted broker is named again.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn fail_over(&self, node: i32) {
        self.server.with(|inner| {
            let node = known(inner, node);
            inner.state.fail_over(node);
        });
    }

    /// Makes a broker hang: it keeps its connections and its port, but reads and answers nothing,
    /// until [`resume_broker`](Self::resume_broker).
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn pause_broker(&self, node: i32) {
        let node = self.server.with(|inner| known(inner, node));
        self.server.set_paused(node, true);
    }

    /// Lets a paused broker continue, with what has arrived meanwhile first.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn resume_broker(&self, node: i32) {
        let node = self.server.with(|inner| known(inner, node));
        self.server.set_paused(node, false);
    }

    /// Closes all connections of a broker, which still accepts new ones.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn close_connections(&self, node: i32) {
        let node = self.server.with(|inner| known(inner, node));
        self.server.close_connections(node);
    }

    /// Makes metadata give this address for a broker (`advertised.listeners`), right or wrong.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn advertise(&self, node: i32, host: &str, port: u16) {
        self.server.with(|inner| {
            let id = known(inner, node);
            for node in inner.state.nodes.iter_mut().filter(|node| node.id == id) {
                host.clone_into(&mut node.host);
                node.port = port;
            }
        });
    }

    /// What the brokers call their cluster; none if they do not say.
    pub fn cluster_id(&self) -> Option<String> {
        self.server
            .with(|inner| inner.state.settings.cluster_id.clone())
    }

    /// As if the cluster had been deleted and another one made at the same addresses: every broker
    /// stops, and comes back with a new cluster id, the topics that the builder was told of, and
    /// nothing that it had before: neither records nor requests, faults or leaders. Producers get ids
    /// that the old cluster gave to others.
    ///
    /// # Errors
    ///
    /// If a port cannot be had again, or no thread.
    pub fn make_anew(&self) -> io::Result<()> {
        let nodes = self.nodes();
        for node in &nodes {
            self.stop_broker(*node);
        }
        self.server.with(|inner| {
            inner.state = inner.state.made_anew(random_cluster_id());
        });
        for node in nodes {
            self.restart_broker(node)?;
        }
        Ok(())
    }

    /// Starts to describe a fault of requests of this kind: which ones, how often, and what happens.
    pub fn on(&self, api: Api) -> Fault<'_> {
        Fault::new(self, api)
    }

    pub(super) fn add_fault(&self, rule: Rule) {
        self.change(|inner| inner.state.faults.add(rule));
    }

    /// Changes the cluster as it is at one moment.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        self.server.with(change)
    }

    /// Ends all faults that are not used up.
    pub fn clear_faults(&self) {
        self.server.with(|inner| inner.state.faults.clear());
    }

    /// How many faults have not happened as often as they should; those that happen always do
    /// not count. Zero means that a script was played to its end.
    pub fn pending_faults(&self) -> usize {
        self.server.with(|inner| inner.state.faults.pending())
    }

    /// All records of a partition, in order, whatever became of their transactions.
    ///
    /// # Panics
    ///
    /// If there is no such partition, or the cluster discards records.
    pub fn records(&self, topic: &str, partition: i32) -> Vec<MockRecord> {
        self.view(|view| view.records(topic, partition))
    }

    /// All batches of a partition, in order, as the producer made them; and between them the
    /// [markers](MockBatch::marker) of transactions that have ended.
    ///
    /// # Panics
    ///
    /// If there is no such partition, or the cluster discards records.
    pub fn batches(&self, topic: &str, partition: i32) -> Vec<MockBatch> {
        self.view(|view| view.batches(topic, partition))
    }

    /// All requests since the start, refused ones included, in the order in which they were
    /// handled. Empty if the cluster discards records.
    pub fn requests(&self) -> Vec<MockRequest> {
        self.view(|view| view.requests().to_vec())
    }

    /// What producers sent that no correct one ever sends, whatever went wrong around it; a text
    /// for each, the first hundred. Empty is what a test wants.
    ///
    /// The cluster accuses only where it is certain:
    ///
    /// - other records under sequences whose first records may be written: no answer to the producer
    ///   said that they are not. The same keys, values and headers in a batch that was made anew are
    ///   not others
    /// - a producer id that the cluster never gave, or an id without an epoch or a sequence
    /// - an idempotent batch with `acks` other than all
    /// - a batch of a transaction in a request without a transactional id, or the reverse
    /// - a request that has idempotent batches and others, or two for the same partition
    pub fn violations(&self) -> Vec<String> {
        self.view(|view| view.violations().to_vec())
    }

    /// What happened so far, in numbers.
    pub fn counters(&self) -> MockCounters {
        self.view(|view| view.counters())
    }

    /// The names of all topics, in their order.
    pub fn topics(&self) -> Vec<String> {
        self.view(|view| view.topics().map(str::to_owned).collect())
    }

    /// How many connections are open now.
    pub fn connections(&self) -> usize {
        self.view(|view| view.connections())
    }

    /// Looks at the cluster as it is at one moment: nothing is handled meanwhile.
    ///
    /// `look` must not call the cluster, which waits for it.
    pub fn view<R>(&self, look: impl FnOnce(&MockView<'_>) -> R) -> R {
        self.server.with(|inner| look(&MockView { inner }))
    }

    /// Waits until `done` returns true; it is called at first and whenever something has happened.
    /// False if it never did within `timeout`.
    ///
    /// `done` must not call the cluster, which waits for it.
    pub fn wait_until(
        &self,
        timeout: Duration,
        mut done: impl FnMut(&MockView<'_>) -> bool,
    ) -> bool {
        self.server.wait(timeout, |inner| done(&MockView { inner }))
    }

    /// Waits until a topic has that many records, in all its partitions together; false if it has
    /// fewer after `timeout`. A topic that does not exist has none.
    pub fn wait_for_records(&self, topic: &str, records: u64, timeout: Duration) -> bool {
        self.wait_until(timeout, |view| view.record_count(topic) >= records)
    }
}

/// A mock cluster at one moment: what [`MockCluster::view`] and [`MockCluster::wait_until`] show.
#[derive(Clone, Copy, Debug)]
pub struct MockView<'a> {
    inner: &'a Inner,
}

impl<'a> MockView<'a> {
    /// All records of a partition, in order.
    ///
    /// # Panics
    ///
    /// If there is no such partition, or the cluster discards records.
    pub fn records(&self, topic: &str, partition: i32) -> Vec<MockRecord> {
        self.kept(topic, partition).log.records()
    }

    /// All batches of a partition, in order, as the producer made them.
    ///
    /// # Panics
    ///
    /// If there is no such partition, or the cluster discards records.
    pub fn batches(&self, topic: &str, partition: i32) -> Vec<MockBatch> {
        self.kept(topic, partition).log.batches()
    }

    /// The names of all topics, in their order.
    pub fn topics(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.inner.state.topics.keys().map(|name| &**name)
    }

    /// How many records a topic has, in all its partitions together; none if it does not exist.
    pub fn record_count(&self, topic: &str) -> u64 {
        let topic = self.inner.state.topics.get(topic);
        let partitions = topic.map_or(&[][..], |topic| &topic.partitions);
        partitions.iter().map(|one| one.log.record_count()).sum()
    }

    /// How many partitions a topic has; none if it does not exist.
    pub fn partition_count(&self, topic: &str) -> usize {
        let topic = self.inner.state.topics.get(topic);
        topic.map_or(0, |topic| topic.partitions.len())
    }

    /// The offset that the next record of a partition will get.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    pub fn end_offset(&self, topic: &str, partition: i32) -> i64 {
        self.partition(topic, partition).log.end_offset()
    }

    /// All requests since the start, refused ones included, in the order in which they were
    /// handled. Empty if the cluster discards records.
    pub fn requests(&self) -> &'a [MockRequest] {
        &self.inner.state.log.entries
    }

    /// What producers sent that no correct one ever sends: see [`MockCluster::violations`].
    pub fn violations(&self) -> &'a [String] {
        &self.inner.state.violations
    }

    /// What happened so far, in numbers.
    pub fn counters(&self) -> MockCounters {
        self.inner.state.log.counters
    }

    /// How many connections are open now.
    pub fn connections(&self) -> usize {
        self.inner.connections()
    }

    pub(super) fn state(&self) -> &'a ClusterState {
        &self.inner.state
    }

    pub(super) fn partition(&self, topic: &str, partition: i32) -> &'a Partition {
        self::partition(self.inner, topic, partition)
    }

    /// The partition, of a cluster that keeps records.
    pub(super) fn kept(&self, topic: &str, partition: i32) -> &'a Partition {
        assert!(
            self.inner.state.settings.keep,
            "the mock cluster discards records, so it cannot show any"
        );
        self.partition(topic, partition)
    }
}

fn known(inner: &Inner, node: i32) -> NodeId {
    let node = NodeId(node);
    let exists = inner.state.node(node).is_some();
    assert!(exists, "no broker {node} in the mock cluster");
    node
}

fn set_running(inner: &mut Inner, node: i32, running: bool) -> NodeId {
    let id = known(inner, node);
    for node in inner.state.nodes.iter_mut().filter(|node| node.id == id) {
        node.running = running;
        node.fenced &= !running;
    }
    id
}

fn topic<'a>(inner: &'a Inner, name: &str) -> &'a Topic {
    let topic = inner.state.topics.get(name);
    topic.unwrap_or_else(|| panic!("no topic {name} in the mock cluster"))
}

fn partition<'a>(inner: &'a Inner, topic: &str, partition: i32) -> &'a Partition {
    let found = inner.state.partition(topic, partition);
    found.unwrap_or_else(|| panic!("no partition {topic}-{partition} in the mock cluster"))
}

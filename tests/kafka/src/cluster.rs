//! A KRaft cluster of one or more nodes on free loopback ports, with data that goes when it goes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use crate::helper::{Helper, Leader, ReadRecord};
use crate::jars::{broker_java, clients_match_brokers, missing_java, target_dir};
use crate::node::{Node, free_ports};
use crate::proxy::Proxy;
use crate::{PATIENCE, wait_until};

const CLUSTER_ID: &str = "lingerAAAAAAAAAAAAAAAA";
/// Of a cluster that has taken the place of the first one.
const NEXT_CLUSTER_ID: &str = "lingerBBBBBBBBBBBBBBBB";
const FORMAT_HEAP_MB: u32 = 128;
/// How often a cluster is started anew because somebody else took one of its ports.
const START_ATTEMPTS: u32 = 3;

/// What a cluster is started with: the number of nodes, and broker properties beyond the usual.
#[derive(Debug, Clone, Default)]
pub struct Options {
    nodes: i32,
    proxied: bool,
    settings: Vec<(String, String)>,
}

impl Options {
    /// `nodes` brokers, each a controller too.
    pub fn new(nodes: i32) -> Self {
        Self {
            nodes,
            proxied: false,
            settings: Vec::new(),
        }
    }

    /// Gives each broker a second listener, which it advertises under the address of a proxy.
    #[must_use]
    pub fn proxied(mut self) -> Self {
        self.proxied = true;
        self
    }

    /// Adds a broker property.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running cluster. Dropping it kills the nodes and removes their data.
pub struct Cluster {
    nodes: Vec<Node>,
    /// One for each node, or none.
    proxies: Vec<Proxy>,
    helper: Mutex<Helper>,
    // After the nodes, so that nobody writes to it any more when it is removed.
    scratch: Scratch,
}

/// The one-node cluster that all tests of a process share.
///
/// # Panics
///
/// Panics when it cannot be started, with what to install when something is missing.
pub fn one_node() -> &'static Cluster {
    static SHARED: OnceLock<Result<Cluster, String>> = OnceLock::new();
    match SHARED.get_or_init(|| Cluster::try_start(&Options::new(1))) {
        Ok(cluster) => cluster,
        Err(error) => panic!("{error}"),
    }
}

/// A topic name that no other test of this process uses.
pub fn topic_name(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{what}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Cluster {
    /// Starts a cluster and waits until all of its brokers are known to each other.
    ///
    /// # Panics
    ///
    /// Panics when it cannot be started, with what to install when something is missing.
    pub fn start(options: &Options) -> Self {
        Self::try_start(options).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_start(options: &Options) -> Result<Self, String> {
        let mut attempt = 1;
        loop {
            match Self::start_once(options) {
                Err(error) if attempt < START_ATTEMPTS && error.contains("already in use") => {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    fn start_once(options: &Options) -> Result<Self, String> {
        let scratch = Scratch::new().map_err(|error| format!("no scratch folder: {error}"))?;
        let mut helper = Helper::start()?;
        let count = options.nodes as usize;
        let ports = Ports(free_ports(4 * count)?, count);
        let mut nodes = Vec::new();
        let mut proxies = Vec::new();
        for id in 1..=options.nodes {
            let port = ports.of(Listener::Plain, id);
            let dir = scratch.0.join(id.to_string());
            let properties = server_properties(options, id, &ports, &dir);
            let file = dir.join("server.properties");
            fs::create_dir_all(&dir)
                .and_then(|()| fs::write(&file, properties))
                .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
            format_storage(&mut helper, CLUSTER_ID, &file)?;
            nodes.push(Node::new(id, port, &dir)?);
            if options.proxied {
                let (own, broker) = (
                    ports.of(Listener::Proxy, id),
                    ports.of(Listener::Proxied, id),
                );
                let proxy = Proxy::start(own, broker);
                proxies.push(proxy.map_err(|error| format!("a proxy's port: {error}"))?);
            }
        }
        nodes.iter().for_each(Node::start);
        let cluster = Self {
            nodes,
            proxies,
            helper: Mutex::new(helper),
            scratch,
        };
        cluster.await_start()?;
        Ok(cluster)
    }

    fn await_start(&self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let mut up = false;
        while !up {
            self.nodes.iter().try_for_each(Node::check_alive)?;
            if Instant::now() > deadline {
                let tail = self.nodes[0].log_tail();
                return Err(format!("Kafka is not up within {PATIENCE:?}. {tail}"));
            }
            std::thread::sleep(Duration::from_millis(50));
            up = self.nodes.iter().all(Node::accepts) && self.brokers_are_all_known();
        }
        Ok(())
    }

    /// Whoever is asked while they start may know nothing yet, or have no time to answer.
    fn brokers_are_all_known(&self) -> bool {
        let known = self.helper().brokers(&self.bootstrap());
        known.is_ok_and(|ids| ids.len() == self.nodes.len())
    }

    /// `host:port` of all nodes, as `bootstrap.servers` takes it.
    pub fn bootstrap(&self) -> String {
        let addresses = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port));
        addresses.collect::<Vec<_>>().join(",")
    }

    /// `host:port` of all proxies. Who starts from here comes through a proxy to every broker.
    pub fn proxied_bootstrap(&self) -> String {
        let addresses = self
            .proxies
            .iter()
            .map(|proxy| format!("127.0.0.1:{}", proxy.port()));
        addresses.collect::<Vec<_>>().join(",")
    }

    /// The proxy before a node.
    ///
    /// # Panics
    ///
    /// Panics unless the cluster was started with [`Options::proxied`].
    pub fn proxy(&self, node: i32) -> &Proxy {
        let index = usize::try_from(node - 1).expect("ids start at 1");
        self.proxies.get(index).expect("a cluster behind proxies")
    }

    /// A folder for whatever belongs to this cluster, which goes when it goes.
    pub fn scratch_dir(&self) -> &Path {
        &self.scratch.0
    }

    /// The data folder of a node, for Kafka's log dumper.
    pub fn data_dir(&self, node: i32) -> PathBuf {
        self.scratch.0.join(node.to_string()).join("data")
    }

    /// Creates a topic, replicated on up to three nodes, and waits until it has leaders.
    /// `settings` are topic properties.
    ///
    /// # Panics
    ///
    /// Panics, as all questions to Kafka here do, when Kafka refuses.
    pub fn create_topic(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        self.create(topic, partitions, self.nodes.len().min(3), settings);
    }

    /// Creates a topic whose partitions live on one node each, so that they go when it goes.
    pub fn create_unreplicated_topic(&self, topic: &str, partitions: i32) {
        self.create(topic, partitions, 1, &[("min.insync.replicas", "1")]);
    }

    fn create(&self, topic: &str, partitions: i32, replicas: usize, settings: &[(&str, &str)]) {
        let mut question = format!(
            "create {} {topic} {partitions} {replicas}",
            self.bootstrap()
        );
        for (name, value) in settings {
            question.push_str(&format!(" {name}={value}"));
        }
        self.ask(&question);
    }

    /// Raises a topic's number of partitions and waits until the new ones have leaders.
    pub fn grow_topic(&self, topic: &str, partitions: i32) {
        self.ask(&format!("grow {} {topic} {partitions}", self.bootstrap()));
    }

    /// Deletes a topic with its records, and waits until nobody knows it any more.
    pub fn delete_topic(&self, topic: &str) {
        self.ask(&format!("delete {} {topic}", self.bootstrap()));
    }

    /// Each partition's leader and in-sync replicas.
    pub fn leaders(&self, topic: &str) -> Vec<Leader> {
        must(self.helper().leaders(&self.bootstrap(), topic))
    }

    /// Waits until every partition of the topic has `count` replicas in sync.
    pub fn await_in_sync(&self, topic: &str, count: usize) {
        wait_until(&format!("{count} replicas of {topic} in sync"), || {
            self.leaders(topic)
                .iter()
                .all(|partition| partition.in_sync.len() == count)
        });
    }

    /// Each partition's end offset.
    pub fn end_offsets(&self, topic: &str) -> Vec<i64> {
        must(self.helper().end_offsets(&self.bootstrap(), topic))
    }

    /// All records of a topic, read by Kafka's own consumer, by partition and offset.
    pub fn read(&self, topic: &str) -> Vec<ReadRecord> {
        must(self.helper().read("read", &self.bootstrap(), topic))
    }

    /// The same by a consumer that sees only what is committed, as far as no transaction is open.
    pub fn read_committed(&self, topic: &str) -> Vec<ReadRecord> {
        must(self.helper().read("committed", &self.bootstrap(), topic))
    }

    /// What a consumer group has committed: lines of topic, partition and offset.
    pub fn group_offsets(&self, group: &str) -> Vec<String> {
        self.ask(&format!("offsets {} {group}", self.bootstrap()))
    }

    /// Finalizes a feature of the cluster, as `kafka-features.sh` does.
    pub fn set_feature(&self, name: &str, level: i16) {
        self.ask(&format!("feature {} {name} {level}", self.bootstrap()));
    }

    /// The transactions that the coordinators know: lines of transactional id and state.
    pub fn transactions(&self) -> Vec<String> {
        self.ask(&format!("transactions {}", self.bootstrap()))
    }

    /// The partition that Kafka's default partitioner picks for each key.
    pub fn partitions_for_keys(&self, count: i32, keys: &[Vec<u8>]) -> Vec<i32> {
        must(self.helper().partitions_for_keys(count, keys))
    }

    /// Ends a node as a power cut would (SIGKILL).
    pub fn kill(&self, node: i32) {
        self.node(node).signal("KILL");
    }

    /// Ends a node in order (SIGTERM): it hands its leaderships over first.
    pub fn shut_down(&self, node: i32) {
        self.node(node).signal("TERM");
    }

    /// Starts a killed node again, on its ports and with its data, and waits until it listens.
    pub fn restart(&self, node: i32) {
        let node = self.node(node);
        node.start();
        await_listening(node);
    }

    /// Kills all nodes, deletes what they have, and starts another cluster on their ports.
    pub fn make_anew(&self) {
        self.nodes.iter().for_each(|node| node.signal("KILL"));
        for node in &self.nodes {
            fs::remove_dir_all(self.data_dir(node.id)).expect("the data of a node that has run");
            let file = self.scratch.0.join(node.id.to_string());
            let file = file.join("server.properties");
            must(format_storage(&mut self.helper(), NEXT_CLUSTER_ID, &file));
            node.start();
        }
        must(self.await_start());
    }

    /// Stops a node in its tracks (SIGSTOP): its sockets stay open, and nothing comes back.
    pub fn pause(&self, node: i32) {
        self.node(node).signal("STOP");
    }

    /// Lets a paused node go on (SIGCONT).
    pub fn resume(&self, node: i32) {
        self.node(node).signal("CONT");
    }

    /// Gets every node going again: the paused, and the killed ones. Waits until they listen. The
    /// proxies forget their faults.
    pub fn heal(&self) {
        self.proxies.iter().for_each(Proxy::heal);
        // All at once: a node listens only when most of them are there.
        for node in &self.nodes {
            node.signal("CONT");
            if node.check_alive().is_err() {
                node.start();
            }
        }
        self.nodes.iter().for_each(await_listening);
    }

    fn node(&self, id: i32) -> &Node {
        self.nodes
            .iter()
            .find(|node| node.id == id)
            .expect("the id of a node of this cluster")
    }

    fn helper(&self) -> MutexGuard<'_, Helper> {
        // A test that panicked between question and answer has left answers behind in the pipe.
        self.helper.lock().expect("no test panics while it asks")
    }

    fn ask(&self, question: &str) -> Vec<String> {
        must(self.helper().ask(question))
    }
}

/// Prepares a node's log directories, with the brokers' own classes: each release has its format.
fn format_storage(helper: &mut Helper, id: &str, properties: &Path) -> Result<(), String> {
    let file = properties.display().to_string();
    if clients_match_brokers() {
        // Without another JVM.
        return helper.ask(&format!("format {id} {file}")).map(|_| ());
    }
    let mut java = broker_java(FORMAT_HEAP_MB)?;
    java.arg("kafka.tools.StorageTool");
    java.args(["format", "-t", id, "-c", &file]);
    let output = java.output().map_err(|error| missing_java(&error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("StorageTool: {output:?}"))
}

fn await_listening(node: &Node) {
    wait_until("a restarted node listens", || {
        must(node.check_alive());
        node.accepts()
    });
}

fn must<T>(outcome: Result<T, String>) -> T {
    outcome.unwrap_or_else(|error| panic!("Kafka says: {error}"))
}

/// What ports are for.
#[derive(Clone, Copy)]
enum Listener {
    /// A broker's, for other brokers, the helper, and whoever needs no proxy.
    Plain,
    Controller,
    /// A broker's, for its proxy alone.
    Proxied,
    /// The proxy's own.
    Proxy,
}

/// The ports of this many nodes: all of one kind, then all of the next.
struct Ports(Vec<u16>, usize);

impl Ports {
    /// The port of a node; the first has the id 1.
    fn of(&self, listener: Listener, id: i32) -> u16 {
        self.0[listener as usize * self.1 + id as usize - 1]
    }
}

/// KRaft with broker and controller in one process. The timeouts are shorter than Kafka's own, so
/// that a killed node is noticed within seconds.
fn server_properties(options: &Options, id: i32, ports: &Ports, dir: &Path) -> String {
    let voters: Vec<String> = (1..=options.nodes)
        .map(|id| format!("{id}@127.0.0.1:{}", ports.of(Listener::Controller, id)))
        .collect();
    let url = |name: &str, port| format!("{name}://127.0.0.1:{}", ports.of(port, id));
    let plain = url("PLAINTEXT", Listener::Plain);
    let mut listeners = vec![plain.clone(), url("CONTROLLER", Listener::Controller)];
    let mut advertised = vec![plain];
    if options.proxied {
        listeners.push(url("PROXIED", Listener::Proxied));
        advertised.push(url("PROXIED", Listener::Proxy));
    }
    let replication = options.nodes.min(3).to_string();
    let min_in_sync = (options.nodes.min(3) - 1).max(1).to_string();
    let mut lines = vec![
        "process.roles=broker,controller".to_owned(),
        format!("node.id={id}"),
        format!("controller.quorum.voters={}", voters.join(",")),
        format!("listeners={}", listeners.join(",")),
        format!("advertised.listeners={}", advertised.join(",")),
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT"
            .to_owned(),
        "controller.listener.names=CONTROLLER".to_owned(),
        format!("log.dirs={}", dir.join("data").display()),
        format!("default.replication.factor={replication}"),
        format!("min.insync.replicas={min_in_sync}"),
        format!("offsets.topic.replication.factor={replication}"),
        format!("transaction.state.log.replication.factor={replication}"),
        format!("transaction.state.log.min.isr={min_in_sync}"),
        "offsets.topic.num.partitions=1".to_owned(),
        "group.initial.rebalance.delay.ms=0".to_owned(),
        "broker.heartbeat.interval.ms=500".to_owned(),
        "broker.session.timeout.ms=3000".to_owned(),
        "num.network.threads=2".to_owned(),
        "num.io.threads=4".to_owned(),
        "log.cleaner.enable=false".to_owned(),
    ];
    lines.extend(
        options
            .settings
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    lines.join("\n") + "\n"
}

/// A folder for data under `target/`, removed when dropped. What an aborted process left behind
/// is removed by the next one.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let parent = target_dir().join("kafka-data");
        fs::create_dir_all(&parent)?;
        for left in fs::read_dir(&parent)?.flatten() {
            let owner = left
                .file_name()
                .to_string_lossy()
                .split('-')
                .next()
                .map(str::to_owned);
            if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                // Another process may be removing the same.
                let _ = fs::remove_dir_all(left.path());
            }
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = parent.join(format!("{}-{number}", std::process::id()));
        fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is removed by the next process.
        let _ = fs::remove_dir_all(&self.0);
    }
}

//! Three brokers that die, are restarted, or stop in their tracks while Linger sends, or whose
//! network fails or lies. The tests take turns on one cluster, which does not create topics by
//! itself.

mod check;
mod cut_connections;
mod hostile_answers;
mod late_requests;
mod leader_kills;
mod missing_topic;
mod outage;
mod recreated_topic;
mod rolling_restart;
mod stopped_leader;
mod stopped_neighbour;
mod two_of_three;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use linger_kafka_tests::{Cluster, Options, Proxy, topic_name, wait_until};

/// The cluster, whole, and nobody else's until this is dropped.
fn three_nodes() -> MutexGuard<'static, Cluster> {
    static SHARED: OnceLock<Mutex<Cluster>> = OnceLock::new();
    let options = Options::new(3)
        .proxied()
        .set("auto.create.topics.enable", "false");
    let shared = SHARED.get_or_init(|| Mutex::new(Cluster::start(&options)));
    // A failed test leaves a cluster that heal() puts in order.
    let cluster = shared.lock().unwrap_or_else(PoisonError::into_inner);
    cluster.heal();
    cluster
}

/// A topic of its own, with each partition on all nodes, and these in sync.
fn new_topic(cluster: &Cluster, what: &str, partitions: i32) -> String {
    let topic = topic_name(what);
    cluster.create_topic(&topic, partitions, &[]);
    cluster.await_in_sync(&topic, 3);
    topic
}

/// The node that leads the topic's first partition, which may take a moment after a fault.
fn first_leader(cluster: &Cluster, topic: &str) -> i32 {
    let mut leader = -1;
    wait_until("a leader", || {
        leader = cluster.leaders(topic)[0].leader;
        leader >= 0
    });
    leader
}

/// Waits until nothing is to come at the proxies of those who lead partitions of the topic.
fn await_faults(cluster: &Cluster, topic: &str, to_come: impl Fn(&Proxy) -> usize) {
    let waiting = || {
        let waiting = |node: &i32| to_come(cluster.proxy(*node)) > 0;
        let waiting: Vec<i32> = (1..=3).filter(waiting).collect();
        // On a machine that is too busy for it, a broker may lose what it leads.
        let leads = |node| cluster.leaders(topic).iter().any(|one| one.leader == node);
        waiting.into_iter().any(leads)
    };
    let left = || -> usize { (1..=3).map(|node| to_come(cluster.proxy(node))).sum() };
    // One after the other, as their number is up to the test.
    while waiting() {
        let before = left();
        wait_until("a further fault", || left() < before || !waiting());
    }
}

//! Three brokers, of which one dies or stops in its tracks while Linger sends, or whose network
//! fails. The tests take
//! turns on one cluster, which does not create topics by itself.

mod cut_connections;
mod late_requests;
mod leader_kills;
mod missing_topic;
mod outage;
mod stalled_broker;
mod stopped_leader;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use linger_kafka_tests::{Cluster, Options};

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

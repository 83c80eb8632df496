//! Real Kafka for Linger's tests: brokers that are started, killed and read back by Kafka's own
//! tools. Fetches the jars with Maven on first use; a missing tool is an error that says what to
//! install, never a skipped test.
//!
//! ```text
//! test ── Cluster ── guard.sh ── java kafka.Kafka      (one of each per node)
//!            ├────── Proxy ───────────┘                (on demand: faults of the network)
//!            └────── Helper ─── java KafkaHelper       (answers questions, reads records back)
//! ```
//!
//! Runs on Linux; needs a JDK 17 and Maven.

mod audit;
mod cluster;
mod deliveries;
mod helper;
mod jars;
mod load;
mod node;
mod programs;
mod proxy;

pub use crate::audit::{Payload, Tally, assert_all_true};
pub use crate::cluster::{Cluster, Options, one_node, topic_name};
pub use crate::deliveries::{Deliveries, Delivery, assert_all_stored, assert_in_order, properties};
pub use crate::helper::{Leader, ReadRecord};
pub use crate::load::Load;
pub use crate::programs::{Program, linger_example, run_kafka_tool, start_kafka_tool};
pub use crate::proxy::{Direction, Proxy};

/// Asks `condition` every few milliseconds until it holds.
///
/// # Panics
///
/// Panics when it does not hold within `seconds`, naming `what` was waited for.
pub fn wait_until(what: &str, seconds: u64, mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    while !condition() {
        assert!(
            std::time::Instant::now() < deadline,
            "{what}: not within {seconds} seconds"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

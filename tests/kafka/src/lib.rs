//! Real Kafka for Linger's tests: brokers that are started, killed and read back by Kafka's own
//! tools. Fetches the jars with Maven on first use; a missing tool is an error that says what to
//! install, never a skipped test.
//!
//! ```text
//! test ── Cluster ── guard.sh ── java kafka.Kafka      (one of each per node)
//!            ├────── Proxy ───────────┘                (on demand: faults of the network)
//!            ├────── Helper ─── java KafkaHelper       (answers questions, reads records back)
//!            └────── Verifiable ── verifiable_producer (sends while faults happen; its account)
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
mod verifiable;

pub use crate::audit::{Payload, Tally, assert_all_true};
pub use crate::cluster::{Cluster, Options, one_node, topic_name};
pub use crate::deliveries::{Deliveries, Delivery, assert_all_stored, assert_in_order, properties};
pub use crate::helper::{Leader, ReadRecord};
pub use crate::load::Load;
pub use crate::programs::{Program, linger_example, run_kafka_tool, start_kafka_tool};
pub use crate::proxy::{Direction, Hostile, Proxy};
pub use crate::verifiable::{Account, Verifiable};

/// How often a fault is repeated: so often, and ten times that with `LINGER_FAULTS=long`.
///
/// # Panics
///
/// Panics when the variable says anything else.
pub fn rounds(short: usize) -> usize {
    match std::env::var("LINGER_FAULTS").as_deref() {
        Ok("long") => 10 * short,
        Ok("short") | Err(_) => short,
        Ok(other) => panic!("LINGER_FAULTS is short or long, not {other:?}"),
    }
}

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

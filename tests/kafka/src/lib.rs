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

use std::thread;
use std::time::{Duration, Instant};

pub use crate::audit::{Payload, Tally, assert_all_true};
pub use crate::cluster::{Cluster, Options, one_node, topic_name};
pub use crate::deliveries::{Deliveries, Delivery, assert_all_stored, assert_in_order, properties};
pub use crate::helper::{Leader, ReadRecord, transact_as_java};
pub use crate::jars::have_transactions_2;
pub use crate::load::{Load, Sent};
pub use crate::programs::{Program, linger_example, run_kafka_tool, start_kafka_tool};
pub use crate::proxy::{Direction, Hostile, Proxy};
pub use crate::verifiable::{Account, Verifiable};

/// How long tests wait for what must happen, on whatever machine. Longer than a record lives by
/// default, and shorter than it takes a producer to look at metadata that nobody asked for.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// Whether `LINGER_FAULTS=long` asks for more faults than usual, on a machine that does nothing
/// else, so that times may be looked at closely.
///
/// # Panics
///
/// Panics when the variable says anything but `short` and `long`.
pub fn is_long() -> bool {
    match std::env::var("LINGER_FAULTS").as_deref() {
        Ok("long") => true,
        Ok("short") | Err(_) => false,
        Ok(other) => panic!("LINGER_FAULTS is short or long, not {other:?}"),
    }
}

/// How often a fault is repeated: so often, and ten times that [if asked for](is_long).
///
/// # Panics
///
/// As `is_long`.
pub fn rounds(short: usize) -> usize {
    if is_long() { 10 * short } else { short }
}

/// Asks `condition` every few milliseconds until it holds.
///
/// # Panics
///
/// Panics when it does not hold for as long as there is [`PATIENCE`], naming `what` was waited for.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

//! Watching a producer: a function for events, and the state by question, as a health endpoint of a service
//! would ask for it.
//!
//! `cargo run --example health`
#![expect(clippy::print_stdout, reason = "an example prints what happens")]

use std::error::Error;
use std::sync::mpsc;
use std::time::Duration;

use linger::testing::MockCluster;
use linger::{Producer, ProducerEvent, ProducerRecord, ProducerState, Properties};

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = MockCluster::builder().topic("orders", 3).start()?;
    let (events, changes) = mpsc::channel();
    let properties = Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("key.serializer", "string")
        .set("value.serializer", "string")
        // On the I/O thread, as callbacks are: hand the work to another one.
        .on_event(move |event| events.send(event.clone()).unwrap_or_default());
    let producer: Producer<str, str> = Producer::new(&properties)?;

    // Not ready before the topics are known; the error names each one that is not, and why.
    producer.prepare(&["orders"], Duration::from_secs(10))?;
    println!("{}", probes(&producer.state()));

    cluster.stop_broker(1);
    producer.send(ProducerRecord::new("orders", "placed"), |result| {
        println!("placed: {}", result.is_ok());
    })?;
    wait_for(&changes, |event| {
        matches!(event, ProducerEvent::AllBrokersDown { .. })
    })?;
    println!("{}", probes(&producer.state()));

    cluster.restart_broker(1)?;
    wait_for(&changes, |event| {
        matches!(event, ProducerEvent::BrokerUp { .. })
    })?;
    println!("{}", probes(&producer.state()));
    producer.close()?;
    Ok(())
}

/// What a service would answer. Alive: restarting it would help nobody. Ready: records can be expected to
/// reach the cluster.
fn probes(state: &ProducerState) -> String {
    let stuck = state.callbacks_running_for > Some(Duration::from_secs(60));
    format!(
        "alive: {}, ready: {}, connected brokers: {}, pending: {}, last error: {}",
        state.is_alive && !stuck,
        state.is_ready(),
        state.connected_brokers(),
        state.pending_records,
        state
            .last_error
            .as_ref()
            .map_or_else(|| "none".to_owned(), ToString::to_string),
    )
}

/// Prints events until the one that is meant.
fn wait_for(
    changes: &mpsc::Receiver<ProducerEvent>,
    is_meant: impl Fn(&ProducerEvent) -> bool,
) -> Result<(), Box<dyn Error>> {
    loop {
        let event = changes.recv_timeout(Duration::from_secs(30))?;
        println!("event: {event}");
        if is_meant(&event) {
            return Ok(());
        }
    }
}

//! How a producer is: for health checks. Read from what the I/O thread has left; waits for nothing. Runs
//! on: any thread.

use std::time::Duration;

use crate::driver::End;
use crate::error::Error;
use crate::event::Broker;
use crate::producer::{Producer, now};
use crate::protocol::error_code::ErrorCode;

/// How a producer and its clones are at the moment; see [`Producer::state`].
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct ProducerState {
    /// Whether the I/O thread runs. False after a close and, for good, after the thread has died (a bug,
    /// with the panic in the log) and in a forked child: what a liveness probe asks.
    pub is_alive: bool,
    /// Whether the producer is closed, or being closed: it takes no records any more.
    pub is_closed: bool,
    /// The brokers of the cluster by their ids, as far as they are known, then the `bootstrap.servers`.
    pub brokers: Vec<BrokerState>,
    /// Why no broker can be reached, if the last attempt to reach each of them failed, as in
    /// [`AllBrokersDown`](crate::ProducerEvent::AllBrokersDown); `None` as soon as one is up.
    pub all_brokers_down: Option<Error>,
    /// The last failure of a connection, however long ago; `None` if there was none.
    pub last_error: Option<Error>,
    /// Topics in use that the brokers refused, or did not know, when they were last asked.
    pub refused_topics: Vec<(String, ErrorCode)>,
    /// Records accepted that have no outcome yet, or whose callback has not returned.
    pub pending_records: u64,
    /// For how long the callbacks of one batch have been running, if any are: nothing is sent meanwhile, so
    /// a callback that never returns is what this finds. In milliseconds' precision.
    pub callbacks_running_for: Option<Duration>,
}

/// How a broker is, or one of the `bootstrap.servers`.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct BrokerState {
    /// Which one.
    pub broker: Broker,
    /// Whether there is a connection to it. Connections are made when there is something to send, and
    /// closed after `connections.max.idle.ms`; one to a bootstrap server, when it has told of the cluster.
    pub is_connected: bool,
    /// Why it could not be reached or asked the last time; `None` once it could, or before it was tried.
    pub error: Option<Error>,
    /// How much longer it gets nothing, because it has asked for a pause: this client is over a quota.
    pub throttled_for: Option<Duration>,
}

impl ProducerState {
    /// How many brokers there are connections to.
    pub fn connected_brokers(&self) -> usize {
        let connected = self.brokers.iter().filter(|one| one.is_connected);
        connected.count()
    }

    /// Whether records can be expected to reach the cluster: the I/O thread runs, the producer is not
    /// closed, and brokers are not known to be all down. What a readiness probe asks. An idle producer
    /// that has no connection, or has not made one yet, is ready.
    pub fn is_ready(&self) -> bool {
        self.is_alive && !self.is_closed && self.all_brokers_down.is_none()
    }
}

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// How this producer is at the moment: its connections, what fails, what is pending. Waits for nothing
    /// and asks no broker, so it is cheap enough for every health probe, on any thread, also inside
    /// callbacks and after a close. [`Properties::on_event`](crate::Properties::on_event) tells of changes;
    /// [`check`](Self::check) looks at the cluster itself.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use linger::{Producer, Properties};
    /// # let cluster = linger::testing::MockCluster::start()?;
    /// # let properties = Properties::new()
    /// #     .set("bootstrap.servers", cluster.bootstrap_servers())
    /// #     .set("key.serializer", "string")
    /// #     .set("value.serializer", "string");
    /// # let producer: Producer<str, str> = Producer::new(&properties)?;
    /// producer.prepare(&["orders"], Duration::from_secs(10))?;
    /// let state = producer.state();
    /// assert!(state.is_alive && state.is_ready());
    /// assert_eq!(state.connected_brokers(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn state(&self) -> ProducerState {
        let shared = &self.handle.shared;
        // Before any lock: in a forked child one may be held by a thread that does not exist there.
        if shared.check_process().is_err() {
            return ProducerState::default();
        }
        let (health, view, now) = (shared.health(), shared.view(), now());
        let is_alive = match shared.ending() {
            None => true,
            Some(End::Closed | End::Died | End::Forked(_)) => false,
        };
        let brokers = health.brokers().map(|one| BrokerState {
            broker: one.broker.clone(),
            is_connected: is_alive && one.is_connected,
            error: one.error.clone(),
            throttled_for: one.throttled_for(now),
        });
        let refused = view.refused.iter();
        ProducerState {
            is_alive,
            is_closed: shared.accumulator.is_closed(),
            brokers: brokers.collect(),
            all_brokers_down: health.all_down().cloned(),
            last_error: health.last_error().cloned(),
            refused_topics: refused
                .map(|(topic, refusal)| (topic.to_string(), refusal.code))
                .collect(),
            pending_records: shared.accumulator.pending(),
            callbacks_running_for: shared.callbacks_running_for(),
        }
    }
}

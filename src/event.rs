//! What a producer notices about its brokers and topics, for programs that watch it.

use std::fmt;
use std::time::Duration;

use crate::error::Error;
use crate::foreign::logging::log_error;
use crate::foreign::{Held, contain};
use crate::protocol::error_code::ErrorCode;
use crate::sync::Arc;

/// Something about the cluster that a program may want to know; see
/// [`Properties::on_event`](crate::Properties::on_event). What
/// [`Producer::state`](crate::Producer::state) returns afterwards agrees with it.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum ProducerEvent {
    /// A broker is connected: for the first time, or again after it was down. That an idle connection
    /// was closed and made again is no event.
    #[non_exhaustive]
    BrokerUp {
        /// Which one.
        broker: Broker,
    },
    /// The connection to a broker was lost, or none could be made. Comes once: further attempts that
    /// fail are in [`state`](crate::Producer::state) only.
    #[non_exhaustive]
    BrokerDown {
        /// Which one.
        broker: Broker,
        /// Why.
        error: Error,
    },
    /// No broker is connected, and the last attempt to reach each of them failed, that for each of the
    /// `bootstrap.servers` included. Comes once, until one is [up](Self::BrokerUp). The producer goes on
    /// trying; records wait for `delivery.timeout.ms`.
    #[non_exhaustive]
    AllBrokersDown {
        /// Why the last one that was tried is down.
        error: Error,
    },
    /// The brokers refuse a topic that was asked for, or do not know it. Comes again if the code changes.
    /// If the code [is retriable](ErrorCode::is_retriable), they are asked again: a topic that is just
    /// being made begins like this.
    #[non_exhaustive]
    TopicRefused {
        /// Which one.
        topic: String,
        /// What they say of it.
        code: ErrorCode,
    },
    /// A broker asks for a pause, because this client is over a quota, and gets nothing meanwhile.
    #[non_exhaustive]
    Throttled {
        /// Which one.
        broker: Broker,
        /// For how long.
        pause: Duration,
    },
}

/// A broker, or one of the `bootstrap.servers` while it is not known which broker that is.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id; `None` for an entry of `bootstrap.servers`.
    pub id: Option<i32>,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Broker {
    /// `broker 2 (kafka-2:9092)`, or `bootstrap server localhost:9092`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, host, port } = self;
        match id {
            Some(id) => write!(f, "broker {id} ({host}:{port})"),
            None => write!(f, "bootstrap server {host}:{port}"),
        }
    }
}

impl fmt::Display for ProducerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrokerUp { broker } => write!(f, "{broker} is up"),
            Self::BrokerDown { broker, error } => write!(f, "{broker} is down: {error}"),
            Self::AllBrokersDown { error } => {
                write!(f, "no broker can be reached; last error: {error}")
            }
            Self::TopicRefused { topic, code } => {
                write!(f, "the brokers refuse topic \"{topic}\": {code}")
            }
            Self::Throttled { broker, pause } => {
                write!(f, "{broker} asks for a pause of {} ms", pause.as_millis())
            }
        }
    }
}

/// The program's function for events.
#[derive(Clone)]
pub(crate) struct EventListener(Arc<dyn Fn(&ProducerEvent) + Send + Sync>);

impl EventListener {
    pub(crate) fn new(listener: impl Fn(&ProducerEvent) + Send + Sync + 'static) -> Self {
        let listener = Held::new(listener);
        Self(Arc::new(move |event: &ProducerEvent| (*listener)(event)))
    }

    /// Runs the user's function, and returns whether it panicked, which is logged.
    pub(crate) fn tell(&self, event: &ProducerEvent) -> bool {
        let told = contain(|| (self.0)(event));
        if let Err(panic) = &told {
            log_error!("on_event panicked: {panic}");
        }
        told.is_err()
    }
}

impl fmt::Debug for EventListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("listener")
    }
}

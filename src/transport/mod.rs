//! The only sockets of the producer: connecting, reading and writing what can be done without
//! waiting, and one readiness call for all of them. Knows nothing of Kafka's frames.
//!
//! Sockets stay in blocking mode and every call on them says that it will not wait, so that a
//! broker that stalls delays no other. The I/O thread runs everything here but the short-lived
//! helper threads of [`Connector`], which resolve names and connect. A [`BlockingStream`] waits, and
//! is for other threads.

mod blocking;
mod byte_stream;
mod connector;
#[cfg(test)]
#[cfg(shuttle)]
#[path = "model/tests.rs"]
mod model;
#[cfg_attr(all(test, shuttle), path = "model/pipe.rs")]
mod pipe;
#[cfg_attr(all(test, shuttle), path = "model/poller.rs")]
mod poller;
mod tcp;
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;
mod waker;

/// Where something listens.
pub(crate) use std::net::SocketAddr;

pub(crate) use blocking::BlockingStream;
pub(crate) use byte_stream::{ByteStream, Progress};
pub(crate) use connector::{ConnectAttempt, Connected, Connector, describe, resolve};
pub(crate) use poller::{Interest, Poller};
pub(crate) use tcp::{SocketOptions, Stream};
pub(crate) use waker::Waker;

/// The driver's name for one connection, handed back with everything that happens to it. Never
/// reused, so that a late answer about an old connection is recognised as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token(pub(crate) u64);

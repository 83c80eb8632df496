//! The sockets of the mock cluster: a listener and a thread for each broker, and a thread for each
//! connection, which handles one request at a time, as a Kafka broker does. The answers are decided
//! in [`state`](super::state). The only file here that opens sockets or reads a clock.
//!
//! Threads end when their broker stops, and are joined then. There is one lock, held for one
//! request or one look, never while a thread reads, writes or waits; the one condition variable
//! says that anything changed.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fd::OwnedFd;

use crate::ids::NodeId;
use crate::protocol::frame::{LENGTH_BYTES, MAX_FRAME_BYTES};
use crate::sync::{Arc, Condvar, Mutex, Rank, Ranked};
use crate::testing::state::{Action, ClusterState, Reaction, Settings};

/// A cluster that listens.
#[derive(Debug)]
pub(super) struct Server {
    shared: Arc<Shared>,
}

/// What all threads share.
#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    /// A request was handled, a connection was opened or closed, a broker was stopped, paused or
    /// resumed.
    changed: Condvar,
}

/// Everything under the lock.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) state: ClusterState,
    brokers: BTreeMap<NodeId, Broker>,
    connections_made: u64,
}

/// One broker's sockets.
#[derive(Debug)]
struct Broker {
    address: SocketAddrV4,
    /// Waits for connections; `None` while the broker is stopped.
    acceptor: Option<JoinHandle<()>>,
    /// Holds the port while the broker is stopped: connections are refused, and no other process can
    /// bind it meanwhile.
    reserved: Option<OwnedFd>,
    stopping: bool,
    paused: bool,
    /// Invariant: a connection's thread runs while its number is in here.
    connections: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Inner {
    /// Connections that are open now, at all brokers.
    pub(super) fn connections(&self) -> usize {
        let open = |broker: &Broker| broker.connections.len();
        self.brokers.values().map(open).sum()
    }

    fn has(&self, node: NodeId, connection: u64) -> bool {
        let broker = self.brokers.get(&node);
        broker.is_some_and(|broker| broker.connections.contains_key(&connection))
    }

    fn is_paused(&self, node: NodeId) -> bool {
        self.brokers.get(&node).is_some_and(|broker| broker.paused)
    }
}

impl Server {
    /// Starts that many brokers on loopback ports, counted from the first one; 0: on free ones.
    pub(super) fn start(settings: Settings, first_port: u16, brokers: usize) -> io::Result<Self> {
        let ports = (first_port..=u16::MAX).map(|port| if first_port == 0 { 0 } else { port });
        let listeners: Vec<TcpListener> =
            ports.take(brokers).map(listen).collect::<io::Result<_>>()?;
        if listeners.len() < brokers {
            let why = format!("{brokers} brokers from port {first_port} on are too many");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let mut addresses = Vec::new();
        for listener in &listeners {
            addresses.push((Ipv4Addr::LOCALHOST.to_string(), port(listener)?));
        }
        let paused = settings.paused;
        let state = ClusterState::new(settings, addresses);
        let server = Self {
            shared: Arc::new(Shared {
                inner: Mutex::ranked(
                    Rank::MockCluster,
                    Inner {
                        state,
                        brokers: BTreeMap::new(),
                        connections_made: 0,
                    },
                ),
                changed: Condvar::new(),
            }),
        };
        for (id, listener) in (1..).zip(listeners) {
            server.serve(NodeId(id), listener, paused)?;
        }
        Ok(server)
    }

    /// Reads or changes what is under the lock.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Inner) -> R) -> R {
        let result = act(&mut self.shared.inner.lock());
        self.shared.changed.notify_all();
        result
    }

    /// Waits until `done`, which is called at first and after each change; false if `timeout` passed.
    #[expect(
        clippy::significant_drop_tightening,
        reason = "the condition is judged and waited for under one lock"
    )]
    pub(super) fn wait(&self, timeout: Duration, mut done: impl FnMut(&Inner) -> bool) -> bool {
        let deadline = now().checked_add(timeout);
        let mut inner = self.shared.inner.lock();
        while !done(&inner) {
            let Some(deadline) = deadline else {
                self.shared.changed.wait(&mut inner);
                continue;
            };
            let waited = self.shared.changed.wait_until(&mut inner, deadline);
            if waited.timed_out() {
                return done(&inner);
            }
        }
        true
    }

    /// The address at which a broker listens.
    pub(super) fn address(&self, node: NodeId) -> Option<SocketAddr> {
        let inner = self.shared.inner.lock();
        inner.brokers.get(&node).map(|broker| broker.address.into())
    }

    pub(super) fn set_paused(&self, node: NodeId, paused: bool) {
        self.with(|inner| {
            if let Some(broker) = inner.brokers.get_mut(&node) {
                broker.paused = paused;
            }
        });
    }

    /// Closes the broker's connections; it keeps listening.
    pub(super) fn close_connections(&self, node: NodeId) {
        let connections = self.with(|inner| {
            let broker = inner.brokers.get_mut(&node);
            broker.map_or_else(BTreeMap::new, |broker| {
                std::mem::take(&mut broker.connections)
            })
        });
        join(connections);
    }

    /// Stops listening and closes the broker's connections. Its port stays taken and refuses.
    pub(super) fn stop(&self, node: NodeId) {
        let Some((address, acceptor)) = self.with(|inner| {
            let broker = inner.brokers.get_mut(&node)?;
            broker.stopping = true;
            Some((broker.address, broker.acceptor.take()?))
        }) else {
            return;
        };
        // The thread that waits in accept() notices nothing but a connection.
        let knock = TcpStream::connect_timeout(&address.into(), Duration::from_secs(5));
        acceptor.join().expect("the acceptor does not panic");
        drop(knock);
        self.close_connections(node);
        let reserved = reserve(address);
        self.with(|inner| {
            if let Some(broker) = inner.brokers.get_mut(&node) {
                broker.reserved = reserved.ok();
            }
        });
    }

    /// Listens again, on the port that the broker had.
    pub(super) fn restart(&self, node: NodeId) -> io::Result<()> {
        let Some((address, reserved)) = self.with(|inner| {
            let broker = inner.brokers.get_mut(&node)?;
            let stopped = broker.acceptor.is_none();
            stopped.then(|| (broker.address, broker.reserved.take()))
        }) else {
            return Ok(());
        };
        let listener = match reserved {
            Some(socket) => {
                rustix::net::listen(&socket, BACKLOG)?;
                TcpListener::from(socket)
            }
            None => TcpListener::bind(address)?,
        };
        self.serve(node, listener, false)
    }

    /// Starts the thread that accepts the broker's connections.
    fn serve(&self, node: NodeId, listener: TcpListener, paused: bool) -> io::Result<()> {
        let broker = Broker {
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port(&listener)?),
            acceptor: None,
            reserved: None,
            stopping: false,
            paused,
            connections: BTreeMap::new(),
        };
        self.with(|inner| inner.brokers.insert(node, broker));
        let shared = Arc::clone(&self.shared);
        let acceptor = thread::Builder::new()
            .name(format!("mock-broker-{node}"))
            .spawn(move || shared.accept(node, &listener))?;
        self.with(|inner| {
            if let Some(broker) = inner.brokers.get_mut(&node) {
                broker.acceptor = Some(acceptor);
            }
        });
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let nodes: Vec<NodeId> = self.with(|inner| inner.brokers.keys().copied().collect());
        for node in nodes {
            self.stop(node);
        }
    }
}

impl Shared {
    /// Runs on: the broker's accepting thread.
    fn accept(self: &Arc<Self>, node: NodeId, listener: &TcpListener) {
        loop {
            let accepted = listener.accept();
            let mut inner = self.inner.lock();
            let stopping = inner
                .brokers
                .get(&node)
                .is_none_or(|broker| broker.stopping);
            if stopping {
                return;
            }
            let Ok((stream, _)) = accepted else {
                // Out of descriptors, most likely: try again when something was closed, or soon.
                let _timed_out = self.changed.wait_for(&mut inner, Duration::from_millis(50));
                continue;
            };
            // A connection that cannot get its thread is closed by being dropped.
            let _result = self.open(&mut inner, node, stream);
            drop(inner);
            self.changed.notify_all();
        }
    }

    fn open(
        self: &Arc<Self>,
        inner: &mut Inner,
        node: NodeId,
        stream: TcpStream,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        inner.connections_made += 1;
        inner.state.log.counters.connections_accepted += 1;
        let id = inner.connections_made;
        let registered = stream.try_clone()?;
        let shared = Arc::clone(self);
        // The new thread takes the lock first, so it finds itself registered.
        let thread = thread::Builder::new()
            .name(format!("mock-broker-{node}-connection-{id}"))
            .spawn(move || shared.talk(node, id, &stream))?;
        if let Some(broker) = inner.brokers.get_mut(&node) {
            broker.connections.insert(
                id,
                Connection {
                    stream: registered,
                    thread: Some(thread),
                },
            );
        }
        Ok(())
    }

    /// Runs on: the connection's thread, until the peer or the broker closes.
    fn talk(&self, node: NodeId, id: u64, stream: &TcpStream) {
        let _closed_at_the_end = Registration {
            shared: self,
            node,
            id,
        };
        let mut reader = BufReader::with_capacity(READ_BYTES, stream);
        let mut body = Vec::new();
        loop {
            // Looks before it reads, because a paused broker leaves the bytes where they are.
            if reader.buffer().is_empty() && !matches!(stream.peek(&mut [0]), Ok(1)) {
                return;
            }
            if !self.wait_turn(node, id, Duration::ZERO)
                || read_frame(&mut reader, &mut body).is_err()
                || !self.wait_turn(node, id, Duration::ZERO)
            {
                return;
            }
            let Reaction { after, action } = {
                let mut inner = self.inner.lock();
                inner.state.handle(wall_clock_ms(), node, &body)
            };
            self.changed.notify_all();
            if !self.wait_turn(node, id, after) {
                return;
            }
            match action {
                Action::Continue => {}
                Action::Close => return,
                Action::Send(bytes) => {
                    if (&mut &*stream).write_all(&bytes).is_err() {
                        return;
                    }
                }
                Action::Silence => {
                    // Until the peer gives up. Nothing can be done about an error but end as well.
                    let _end = io::copy(&mut reader, &mut io::sink());
                    return;
                }
            }
        }
    }

    /// Waits for `after`, and for as long as the broker is paused; false if the connection was
    /// closed meanwhile.
    fn wait_turn(&self, node: NodeId, id: u64, after: Duration) -> bool {
        let deadline = if after.is_zero() {
            None
        } else {
            now().checked_add(after)
        };
        let mut inner = self.inner.lock();
        loop {
            if !inner.has(node, id) {
                return false;
            }
            match deadline {
                Some(deadline) if now() < deadline => {
                    let _timed_out = self.changed.wait_until(&mut inner, deadline);
                }
                _ if inner.is_paused(node) => self.changed.wait(&mut inner),
                _ => return true,
            }
        }
    }
}

/// Takes the connection off the list when its thread ends, however it ends.
struct Registration<'a> {
    shared: &'a Shared,
    node: NodeId,
    id: u64,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let mut inner = self.shared.inner.lock();
        let broker = inner.brokers.get_mut(&self.node);
        let connection = broker.and_then(|broker| broker.connections.remove(&self.id));
        drop(inner);
        if let Some(connection) = connection {
            // The peer may have closed first, then there is nothing to shut down.
            let _already_closed = connection.stream.shutdown(Shutdown::Both);
        }
        self.shared.changed.notify_all();
    }
}

/// Listens at this port of the loopback address. An error names both.
fn listen(port: u16) -> io::Result<TcpListener> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    TcpListener::bind(address).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

/// Closes connections that are off the list, and waits for their threads.
fn join(connections: BTreeMap<u64, Connection>) {
    for connection in connections.values() {
        // The peer may have closed first, then there is nothing to shut down.
        let _already_closed = connection.stream.shutdown(Shutdown::Both);
    }
    for thread in connections
        .into_values()
        .filter_map(|connection| connection.thread)
    {
        // A panic there has been printed, and its connection closed.
        let _panicked = thread.join();
    }
}

/// Reads one frame's body into `body`. An error is the end of the connection: the peer's, or that
/// of a peer which does not speak Kafka's protocol.
fn read_frame(reader: &mut BufReader<&TcpStream>, body: &mut Vec<u8>) -> io::Result<()> {
    let mut length = [0; LENGTH_BYTES];
    reader.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length))
        .ok()
        .filter(|length| *length <= MAX_FRAME_BYTES)
        .ok_or(io::ErrorKind::InvalidData)?;
    body.clear();
    let limit = u64::try_from(length).map_err(|_| io::ErrorKind::InvalidData)?;
    if reader.by_ref().take(limit).read_to_end(body)? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// A socket that has the port and does not listen: connecting is refused.
fn reserve(address: SocketAddrV4) -> io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketType, bind, socket};

    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    #[cfg(unix)]
    keep_port_free(&socket)?;
    bind(&socket, &address)?;
    Ok(socket)
}

/// Neither a child process nor connections that have been closed a moment ago keep the port from its
/// broker. On Windows the first is so by itself, and the option for the second would let any program
/// take the port.
#[cfg(unix)]
fn keep_port_free(socket: &OwnedFd) -> io::Result<()> {
    use rustix::io::{FdFlags, fcntl_setfd};

    fcntl_setfd(socket, FdFlags::CLOEXEC)?;
    Ok(rustix::net::sockopt::set_socket_reuseaddr(socket, true)?)
}

fn port(listener: &TcpListener) -> io::Result<u16> {
    Ok(listener.local_addr()?.port())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the mock's sockets run in real time"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "brokers stamp records with the time of day"
)]
fn wall_clock_ms() -> i64 {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// How much a connection reads at once, when there is as much.
const READ_BYTES: usize = 64 * 1024;

//! The sockets of the brokers, each with its connection: bytes between the two, and what they come
//! to. Decides nothing about records. Runs on the I/O thread.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::connection::{Connection, Event, Settings};
use crate::error::{Error, ErrorKind};
use crate::ids::{NodeId, RequestId};
use crate::protocol::Request;
use crate::sender::Input;
use crate::sync::Arc;
use crate::transport::{
    ConnectAttempt, Connected, Connector, Interest, Progress, SocketOptions, Stream, Token,
};

/// How connections are made.
#[derive(Debug)]
pub(super) struct ConnectSettings {
    pub(super) connection: Arc<Settings>,
    pub(super) options: SocketOptions,
    /// `socket.connection.setup.timeout.ms`, doubling with each failure up to the maximum.
    pub(super) setup_timeout: Duration,
    pub(super) setup_timeout_max: Duration,
}

/// Every broker that is connected or being connected to.
#[derive(Debug)]
pub(super) struct Peers {
    settings: ConnectSettings,
    connector: Connector,
    peers: BTreeMap<NodeId, Peer>,
    /// Attempts in a row that did not become ready, by broker: for the timeout, and to start at
    /// another of the host's addresses each time.
    failures: BTreeMap<NodeId, u32>,
    next_token: u64,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Peer {
    token: Token,
    address: Address,
    /// When the handshake must be over; `None` once it is.
    setup_deadline: Option<Instant>,
    /// `None` while connecting.
    link: Option<(Stream, Connection)>,
}

/// The helper thread keeps the time of an attempt itself, but the system's resolver can hold it up.
const RESOLVER_GRACE: Duration = Duration::from_secs(1);

/// How often a socket is read before the others get their turn.
const READS_PER_TURN: usize = 16;
const READ_BUFFER_BYTES: usize = 64 * 1024;

impl Peers {
    pub(super) fn new(settings: ConnectSettings, connector: Connector) -> Self {
        Self {
            settings,
            connector,
            peers: BTreeMap::new(),
            failures: BTreeMap::new(),
            next_token: 0,
            buffer: vec![0; READ_BUFFER_BYTES],
        }
    }

    pub(super) fn connect(&mut self, now: Instant, node: NodeId, address: Address) {
        let failures = self.failures.get(&node).copied().unwrap_or(0);
        let doubled = self
            .settings
            .setup_timeout
            .saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX));
        let timeout = doubled.min(
            self.settings
                .setup_timeout_max
                .max(self.settings.setup_timeout),
        );
        let token = Token(self.next_token);
        self.next_token += 1;
        self.connector.start(ConnectAttempt {
            token,
            host: address.host.clone(),
            port: address.port,
            timeout,
            first_address: failures as usize,
            options: self.settings.options,
        });
        let setup_deadline = now.checked_add(timeout);
        self.peers.insert(
            node,
            Peer {
                token,
                address,
                setup_deadline,
                link: None,
            },
        );
    }

    /// Drops a connection, or an attempt to make one, whose end nobody wants to know.
    pub(super) fn disconnect(&mut self, node: NodeId) {
        self.peers.remove(&node);
    }

    /// Queues a request and returns what is wrong with it, if anything.
    pub(super) fn send(
        &mut self,
        now: Instant,
        node: NodeId,
        id: RequestId,
        request: Request,
    ) -> Option<Input> {
        let Some((_, connection)) = self
            .peers
            .get_mut(&node)
            .and_then(|peer| peer.link.as_mut())
        else {
            let text = format!("broker {node} is not connected");
            return Some(Input::Refused(
                id,
                Error::new(ErrorKind::Disconnected, text),
            ));
        };
        let refused = connection.send(now, id, request).err()?;
        let text = format!("broker {node}: {refused}");
        Some(Input::Refused(
            id,
            Error::new(ErrorKind::UnsupportedVersion, text),
        ))
    }

    /// What to wait for on the sockets.
    pub(super) fn interests(&self) -> impl Iterator<Item = Interest<'_>> {
        self.peers.values().filter_map(|peer| {
            let (stream, connection) = peer.link.as_ref()?;
            let write = connection.wants_write();
            Some(Interest {
                token: peer.token,
                stream,
                read: true,
                write,
            })
        })
    }

    /// When a timeout of a connection passes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.peers.values().filter_map(|peer| match &peer.link {
            Some((_, connection)) => [peer.setup_deadline, connection.deadline()]
                .into_iter()
                .flatten()
                .min(),
            None => peer.setup_deadline?.checked_add(RESOLVER_GRACE),
        });
        deadlines.min()
    }

    /// Takes over the attempts that have ended.
    pub(super) fn take_connected(&mut self, now: Instant, inputs: &mut Vec<Input>) {
        while let Some(Connected { token, result }) = self.connector.next() {
            // An attempt that nobody wants any more is dropped here, and closed.
            let Some(node) = self.node_of(token) else {
                continue;
            };
            match result {
                Ok(stream) => {
                    let connection = Connection::new(now, Arc::clone(&self.settings.connection));
                    if let Some(peer) = self.peers.get_mut(&node) {
                        peer.link = Some((stream, connection));
                    }
                    self.write(node, inputs);
                }
                Err(error) => {
                    let text = format!("{}: {error}{}", role(node), hint(node));
                    let error = Error::with_source(ErrorKind::Connect, text, error);
                    self.lose(node, error, inputs);
                }
            }
        }
    }

    pub(super) fn node_of(&self, token: Token) -> Option<NodeId> {
        self.peers
            .iter()
            .find(|(_, peer)| peer.token == token)
            .map(|(node, _)| *node)
    }

    /// Writes to every socket that has something to write and takes it.
    pub(super) fn write_all(&mut self, inputs: &mut Vec<Input>) {
        let wants = |peer: &Peer| peer.link.as_ref().is_some_and(|(_, one)| one.wants_write());
        let nodes: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| wants(peer))
            .map(|(node, _)| *node)
            .collect();
        for node in nodes {
            self.write(node, inputs);
        }
    }

    fn write(&mut self, node: NodeId, inputs: &mut Vec<Input>) {
        let Some((stream, connection)) = self
            .peers
            .get_mut(&node)
            .and_then(|peer| peer.link.as_mut())
        else {
            return;
        };
        let mut failure = None;
        while connection.wants_write() {
            let mut slices: Vec<IoSlice<'_>> = Vec::new();
            connection.outgoing(&mut slices);
            match stream.write_vectored(&slices) {
                Ok(Progress::Bytes(bytes)) => connection.on_written(bytes),
                Ok(Progress::WouldBlock | Progress::Closed) => break,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        self.take_events(node, inputs);
        if let Some(error) = failure {
            let text = format!(
                "{}: the connection was lost while writing: {error}",
                role(node)
            );
            let error = Error::with_source(ErrorKind::Disconnected, text, error);
            self.lose(node, error, inputs);
        }
    }

    /// Reads what has arrived at one socket.
    pub(super) fn read(&mut self, now: Instant, node: NodeId, inputs: &mut Vec<Input>) {
        let Some((stream, connection)) = self
            .peers
            .get_mut(&node)
            .and_then(|peer| peer.link.as_mut())
        else {
            return;
        };
        let mut failure = None;
        for _ in 0..READS_PER_TURN {
            match stream.read(&mut self.buffer) {
                Ok(Progress::Bytes(bytes)) => {
                    let received = self.buffer.get(..bytes).unwrap_or_default();
                    if let Err(error) = connection.on_received(now, received) {
                        let text = format!("{}: {error}", role(node));
                        failure = Some(Error::with_source(error.kind(), text, error));
                        break;
                    }
                    if bytes < self.buffer.len() {
                        break;
                    }
                }
                Ok(Progress::WouldBlock) => break,
                Ok(Progress::Closed) => {
                    let text = format!("{} closed the connection", role(node));
                    failure = Some(Error::new(ErrorKind::Disconnected, text));
                    break;
                }
                Err(error) => {
                    let text = format!("{}: the connection was lost: {error}", role(node));
                    failure = Some(Error::with_source(ErrorKind::Disconnected, text, error));
                    break;
                }
            }
        }
        self.take_events(node, inputs);
        if let Some(error) = failure {
            self.lose(node, error, inputs);
        }
    }

    /// Ends connections whose time has run out.
    pub(super) fn check_timeouts(&mut self, now: Instant, inputs: &mut Vec<Input>) {
        let mut late = Vec::new();
        for (node, peer) in &mut self.peers {
            let Some((_, connection)) = &mut peer.link else {
                if peer
                    .setup_deadline
                    .is_some_and(|deadline| deadline + RESOLVER_GRACE <= now)
                {
                    let host = &peer.address.host;
                    let text = format!("{}: no answer from the resolver for {host}", role(*node));
                    late.push((*node, Error::new(ErrorKind::Connect, text)));
                }
                continue;
            };
            if let Err(error) = connection.on_timeout(now) {
                let text = format!("{}: {error}", role(*node));
                late.push((*node, Error::with_source(error.kind(), text, error)));
            } else if peer.setup_deadline.is_some_and(|deadline| deadline <= now) {
                let Address { host, port } = &peer.address;
                let text = format!(
                    "{}: connected to {host}:{port}, but got no answer to ApiVersions within \
                     socket.connection.setup.timeout.ms{}",
                    role(*node),
                    hint(*node)
                );
                late.push((*node, Error::new(ErrorKind::Connect, text)));
            }
        }
        for (node, error) in late {
            self.lose(node, error, inputs);
        }
    }

    fn take_events(&mut self, node: NodeId, inputs: &mut Vec<Input>) {
        let Some(peer) = self.peers.get_mut(&node) else {
            return;
        };
        let Some((_, connection)) = &mut peer.link else {
            return;
        };
        while let Some(event) = connection.poll_event() {
            inputs.push(match event {
                Event::Ready(_) => {
                    peer.setup_deadline = None;
                    self.failures.remove(&node);
                    Input::Ready(node)
                }
                Event::Response(id, response) => Input::Response(id, response),
                Event::Written(id) => Input::Written(id),
            });
        }
    }

    fn lose(&mut self, node: NodeId, error: Error, inputs: &mut Vec<Input>) {
        let Some(peer) = self.peers.remove(&node) else {
            return;
        };
        if peer.setup_deadline.is_some() {
            let failures = self.failures.entry(node).or_default();
            *failures = failures.saturating_add(1);
        }
        let lost = peer
            .link
            .map(|(_, connection)| connection.lost())
            .unwrap_or_default();
        let unanswered = match lost.len() {
            0 => String::new(),
            1 => "; 1 request had no answer".to_owned(),
            count => format!("; {count} requests had no answer"),
        };
        let unwritten = lost
            .iter()
            .filter(|one| !one.written)
            .map(|one| one.id)
            .collect();
        let text = format!(
            "{error} ({}:{}){unanswered}",
            peer.address.host, peer.address.port
        );
        let error = match error.kind() {
            // It names the address already.
            ErrorKind::Connect => error,
            kind => Error::with_source(kind, text, error),
        };
        inputs.push(Input::Disconnected(node, error, unwritten));
    }
}

/// What a person would call the peer.
fn role(node: NodeId) -> String {
    if node.0 < 0 {
        "bootstrap server".to_owned()
    } else {
        format!("broker {node}")
    }
}

/// The most common reason for a broker of the cluster not to answer where it says it does.
fn hint(node: NodeId) -> &'static str {
    if node.0 < 0 {
        ""
    } else {
        "; this address is what the broker tells its clients (advertised.listeners), not what the \
         producer was configured with"
    }
}

//! The connections to nodes: sockets, the channels over them, and what comes of both. Decides
//! nothing, neither about records nor when, where and how long to connect. Runs on the I/O thread.

use crate::sorted_map::SortedMap;
use std::time::{Duration, Instant};

use crate::address::{Address, Destination};
use crate::channel::{Channel, Failure, Plain};
use crate::connection::{Event, Settings};
use crate::error::{Error, ErrorKind};
use crate::ids::{NodeId, RequestId};
use crate::protocol::Request;
use crate::protocol::frame::MAX_FRAME_BYTES;
use crate::sender::Input;
use crate::sync::Arc;
use crate::transport::{
    ConnectAttempt, Connected, Connector, Interest, SocketOptions, Stream, Token,
};

/// How connections are made.
#[derive(Debug)]
pub(super) struct ConnectSettings {
    pub(super) connection: Arc<Settings>,
    pub(super) options: SocketOptions,
}

/// Every node that is connected or being connected to.
#[derive(Debug)]
pub(super) struct NetworkClient {
    settings: ConnectSettings,
    connector: Connector,
    nodes: SortedMap<NodeId, Node>,
    next_token: u64,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Node {
    token: Token,
    address: Address,
    destination: Option<Destination>,
    /// When the handshake must be over; `None` once it is.
    setup_deadline: Option<Instant>,
    /// `None` while connecting.
    link: Option<Link>,
}

/// A socket that is connected.
#[derive(Debug)]
struct Link {
    stream: Stream,
    channel: Channel<Plain>,
}

/// The helper thread keeps the time of an attempt itself, but the system's resolver can hold it up.
const RESOLVER_GRACE: Duration = Duration::from_secs(1);

/// How often a socket is read before the others get their turn.
const READS_AT_ONCE: usize = 16;
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// What a connection may hold of an answer without a look at the others.
const FEW_UNREAD_BYTES: usize = 64 * 1024;
/// What all connections may hold, beyond these few bytes each, of answers that have not come whole: the
/// largest that there is, or many usual ones.
const MOST_UNREAD_BYTES: usize = MAX_FRAME_BYTES + 1024 * 1024;

impl NetworkClient {
    pub(super) fn new(settings: ConnectSettings, connector: Connector) -> Self {
        Self {
            settings,
            connector,
            nodes: SortedMap::new(),
            next_token: 0,
            buffer: vec![0; READ_BUFFER_BYTES],
        }
    }

    /// Starts an attempt to connect; it ends within the timeout.
    pub(super) fn connect(
        &mut self,
        now: Instant,
        node: NodeId,
        address: Address,
        setup_timeout: Duration,
        first_address: u32,
        destination: Option<Destination>,
    ) {
        let token = Token(self.next_token);
        self.next_token += 1;
        self.connector.start(ConnectAttempt {
            token,
            host: address.host.clone(),
            port: address.port,
            timeout: setup_timeout,
            first_address,
            options: self.settings.options,
        });
        let attempt = Node {
            token,
            address,
            destination,
            setup_deadline: now.checked_add(setup_timeout),
            link: None,
        };
        self.nodes.insert(node, attempt);
    }

    /// Drops a connection, or an attempt to make one; the sender knows already.
    pub(super) fn disconnect(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// Queues a request and returns what is wrong with it, if anything.
    pub(super) fn send(
        &mut self,
        now: Instant,
        node: NodeId,
        id: RequestId,
        request: Request,
    ) -> Option<Input> {
        let Some(link) = self.link(node) else {
            let text = format!("{} is not connected", role(node));
            return Some(Input::Refused(
                id,
                Error::new(ErrorKind::Disconnected, text),
            ));
        };
        let refused = link.channel.send(now, id, request).err()?;
        let address = self.nodes.get(&node).map(|node| &node.address);
        let address = address.map(|address| format!(" ({address})"));
        let text = format!("{}{}: {refused}", role(node), address.unwrap_or_default());
        Some(Input::Refused(
            id,
            Error::new(ErrorKind::UnsupportedVersion, text),
        ))
    }

    /// What to wait for on the sockets.
    pub(super) fn interests(&self) -> impl Iterator<Item = Interest<'_>> {
        self.nodes.values().filter_map(|node| {
            let link = node.link.as_ref()?;
            Some(Interest {
                token: node.token,
                stream: &link.stream,
                read: true,
                write: link.channel.wants_write(),
            })
        })
    }

    /// When a timeout of a connection passes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.nodes.values().filter_map(|node| match &node.link {
            Some(link) => [node.setup_deadline, link.channel.deadline()]
                .into_iter()
                .flatten()
                .min(),
            None => node.setup_deadline?.checked_add(RESOLVER_GRACE),
        });
        deadlines.min()
    }

    /// Takes over the attempts that have ended.
    pub(super) fn poll_connected(&mut self, now: Instant, inputs: &mut Vec<Input>) {
        while let Some(Connected { token, result }) = self.connector.poll_connected() {
            // An attempt that was given up in the meantime is dropped here, and its socket closed.
            let Some(id) = self.node_of(token) else {
                continue;
            };
            match result {
                Ok(stream) => {
                    if let Some(node) = self.nodes.get_mut(&id) {
                        let settings = Arc::clone(&self.settings.connection);
                        let channel = Channel::new(now, Plain, settings, node.destination.take());
                        node.link = Some(Link { stream, channel });
                    }
                    self.write(id, inputs);
                }
                Err(error) => {
                    let hint = if error.is_local() { "" } else { hint(id) };
                    let text = format!("{}: {error}{hint}", role(id));
                    let kind = ErrorKind::Connect;
                    let is_unresolved = error.is_unresolved();
                    let error = Error::with_source(kind, text, error);
                    if is_unresolved {
                        inputs.push(Input::Unresolved(id));
                    }
                    self.lose(id, error, inputs);
                }
            }
        }
    }

    pub(super) fn node_of(&self, token: Token) -> Option<NodeId> {
        self.nodes
            .iter()
            .find(|(_, node)| node.token == token)
            .map(|(id, _)| *id)
    }

    /// Writes to every socket that has something to write and takes it.
    pub(super) fn write_all(&mut self, inputs: &mut Vec<Input>) {
        let wants_write = |node: &Node| {
            let link = node.link.as_ref();
            link.is_some_and(|link| link.channel.wants_write())
        };
        let nodes: Vec<_> = self
            .nodes
            .iter()
            .filter(|(_, node)| wants_write(node))
            .map(|(id, _)| *id)
            .collect();
        for node in nodes {
            self.write(node, inputs);
        }
    }

    fn write(&mut self, node: NodeId, inputs: &mut Vec<Input>) {
        let Some(Link { stream, channel }) = self.link(node) else {
            return;
        };
        let pumped = channel.write(stream);
        self.finish_pump(node, pumped, inputs);
    }

    /// Reads what has arrived at one socket.
    pub(super) fn read(&mut self, now: Instant, node: NodeId, inputs: &mut Vec<Input>) {
        let link = self.nodes.get_mut(&node).and_then(|one| one.link.as_mut());
        let Some(Link { stream, channel }) = link else {
            return;
        };
        let pumped = channel.read(now, stream, &mut self.buffer, READS_AT_ONCE);
        let unread = channel.unread_bytes();
        self.finish_pump(node, pumped, inputs);
        if unread > FEW_UNREAD_BYTES {
            self.limit_unread(inputs);
        }
    }

    /// Ends the connection that holds the most for an answer that has not come whole, while all
    /// together hold too much.
    #[cold]
    fn limit_unread(&mut self, inputs: &mut Vec<Input>) {
        loop {
            let (mut total, mut largest) = (0, None);
            for (id, node) in self.nodes.iter() {
                let unread = node.link.as_ref().map(|link| link.channel.unread_bytes());
                let unread = unread.unwrap_or(0).saturating_sub(FEW_UNREAD_BYTES);
                total += unread;
                largest = largest.max(Some((unread, *id)));
            }
            let Some((most, id)) = largest.filter(|_| total > MOST_UNREAD_BYTES) else {
                return;
            };
            let text = format!(
                "{}: {most} bytes of an answer have come and its end has not; with the other brokers' \
                 that is more than the {MOST_UNREAD_BYTES} bytes that all may take",
                role(id)
            );
            self.lose(id, Error::new(ErrorKind::BadResponse, text), inputs);
        }
    }

    /// Ends connections whose time has run out.
    pub(super) fn handle_timeouts(&mut self, now: Instant, inputs: &mut Vec<Input>) {
        let mut late = Vec::new();
        for (id, node) in self.nodes.iter_mut() {
            let Some(link) = &mut node.link else {
                if node
                    .setup_deadline
                    .is_some_and(|deadline| deadline + RESOLVER_GRACE <= now)
                {
                    let host = &node.address.host;
                    let text = format!("{}: no answer from the resolver for {host}", role(*id));
                    late.push((*id, Error::new(ErrorKind::Connect, text), true));
                }
                continue;
            };
            if let Err(error) = link.channel.handle_timeout(now) {
                let text = format!("{}: {error}", role(*id));
                late.push((*id, Error::with_source(error.kind(), text, error), false));
            } else if node.setup_deadline.is_some_and(|deadline| deadline <= now) {
                let Address { host, port } = &node.address;
                let text = format!(
                    "{}: connected to {host}:{port}, but got no answer to ApiVersions within \
                     socket.connection.setup.timeout.ms{}",
                    role(*id),
                    hint(*id)
                );
                late.push((*id, Error::new(ErrorKind::Connect, text), false));
            }
        }
        for (id, error, is_unresolved) in late {
            // Just before its loss: the sender remembers one of them.
            if is_unresolved {
                inputs.push(Input::Unresolved(id));
            }
            self.lose(id, error, inputs);
        }
    }

    fn link(&mut self, node: NodeId) -> Option<&mut Link> {
        self.nodes.get_mut(&node)?.link.as_mut()
    }

    /// Hands on what came of reading or writing. Events come first, also if it failed: the answers
    /// before the failure are good.
    fn finish_pump(&mut self, id: NodeId, pumped: Result<(), Failure>, inputs: &mut Vec<Input>) {
        if let Some(node) = self.nodes.get_mut(&id)
            && let Some(link) = &mut node.link
        {
            while let Some(event) = link.channel.poll_event() {
                let input = match event {
                    Event::Ready(versions) => {
                        node.setup_deadline = None;
                        inputs.extend(versions.features().map(Input::Features));
                        Input::Ready(id)
                    }
                    Event::Response(request, response) => Input::Response(request, response),
                    Event::Sent(request) => Input::Sent(request),
                };
                inputs.push(input);
            }
        }
        if let Err(failure) = pumped {
            self.lose(id, describe(id, failure), inputs);
        }
    }

    fn lose(&mut self, id: NodeId, error: Error, inputs: &mut Vec<Input>) {
        let Some(node) = self.nodes.remove(&id) else {
            return;
        };
        let lost = node
            .link
            .map(|link| link.channel.into_lost_requests())
            .unwrap_or_default();
        let unanswered = match lost.len() {
            0 => String::new(),
            1 => "; 1 request had no answer".to_owned(),
            count => format!("; {count} requests had no answer"),
        };
        let unwritten = lost
            .iter()
            .filter(|one| !one.begun)
            .map(|one| one.id)
            .collect();
        let text = format!(
            "{error} ({}:{}){unanswered}",
            node.address.host, node.address.port
        );
        let error = match error.kind() {
            // It names the address already.
            ErrorKind::Connect => error,
            kind => Error::with_source(kind, text, error),
        };
        inputs.push(Input::Disconnected(id, error, unwritten));
    }
}

/// Why the connection to this node has ended.
fn describe(node: NodeId, failure: Failure) -> Error {
    let role = role(node);
    match failure {
        Failure::Closed => {
            let text = format!("{role} closed the connection");
            Error::new(ErrorKind::Disconnected, text)
        }
        Failure::Read(error) => {
            let text = format!("{role}: the connection was lost: {error}");
            Error::with_source(ErrorKind::Disconnected, text, error)
        }
        Failure::Write(error) => {
            let text = format!("{role}: the connection was lost while writing: {error}");
            Error::with_source(ErrorKind::Disconnected, text, error)
        }
        Failure::Protocol(error) => {
            let text = format!("{role}: {error}");
            Error::with_source(error.kind(), text, error)
        }
    }
}

/// What a person would call the node.
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

//! The driver's part in the simulation: the production channels over the simulated network, as
//! `driver::client` has them over sockets. Decides nothing about records.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use crate::address::Destination;
use crate::channel::{Channel, Failure};
use crate::connection::{Event, Settings};
use crate::error::{Error, ErrorKind};
use crate::ids::{NodeId, RequestId};
use crate::protocol::Request;
use crate::sender::Input;
use crate::sim::event::LinkId;
use crate::sim::layer::SimLayer;
use crate::sim::network::Network;
use crate::sim::options::Options;
use crate::sim::promise::{I8, I10, broken_if};
use crate::sim::stage::Stage;
use crate::sync::Arc;
use crate::transport::{ByteStream, Progress};

/// Every node that is connected or being connected to.
#[derive(Debug)]
pub(super) struct Client {
    settings: Arc<Settings>,
    nodes: BTreeMap<NodeId, Node>,
    /// When connections were lost last: they are not made again at once.
    lost: BTreeMap<NodeId, Instant>,
    reconnect_pause: Duration,
    buffer: Vec<u8>,
    is_sealed: bool,
}

#[derive(Debug)]
struct Node {
    link: LinkId,
    destination: Option<Destination>,
    /// When the handshake must be over; `None` once it is.
    setup_deadline: Option<Instant>,
    /// `None` while connecting.
    channel: Option<Channel<SimLayer>>,
    /// Requests without an end, and when they were sent.
    sent: BTreeMap<RequestId, Instant>,
    /// Until when the broker wants to be left alone.
    throttled_until: Option<Instant>,
}

/// A socket of the client, for one call.
struct Socket<'a> {
    stage: &'a mut Stage,
    network: &'a mut Network,
    link: LinkId,
}

/// Small, so that answers come in pieces.
const READ_BUFFER_BYTES: usize = 256;
const READS_AT_ONCE: usize = 4;

impl ByteStream for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Progress> {
        Ok(self.network.read(self.stage.now, self.link, buffer))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<Progress> {
        let bytes: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        Ok(match self.network.write(self.stage, self.link, &bytes) {
            0 => Progress::WouldBlock,
            taken => Progress::Bytes(taken),
        })
    }
}

impl Client {
    pub(super) fn new(options: &Options) -> Self {
        let settings = Settings {
            client_id: Arc::from("simulated"),
            request_timeout: options.sender.request_timeout,
            max_in_flight: options.sender.max_in_flight,
            max_response_bytes: 1 << 20,
        };
        Self {
            settings: Arc::new(settings),
            nodes: BTreeMap::new(),
            lost: BTreeMap::new(),
            reconnect_pause: options.sender.reconnect_backoff.initial * 8 / 10,
            buffer: vec![0; READ_BUFFER_BYTES],
            is_sealed: options.is_sealed,
        }
    }

    pub(super) fn connect(
        &mut self,
        stage: &mut Stage,
        network: &mut Network,
        node: NodeId,
        (broker, listens): (NodeId, bool),
        setup_timeout: Duration,
        destination: Option<Destination>,
    ) {
        let link = network.connect(stage, broker, listens);
        let pause = self.lost.get(&node).map(|lost| stage.now - *lost);
        broken_if(
            I8,
            pause.is_some_and(|pause| pause < self.reconnect_pause),
            || format!("node {node} is connected to again after {pause:?}"),
        );
        let numbers = [node.0.into(), broker.0.into(), link.0 as i64];
        stage.note("connect", numbers, || {
            format!("node {node} to broker {broker}, link {}", link.0)
        });
        let attempt = Node {
            link,
            destination,
            setup_deadline: Some(stage.now + setup_timeout),
            channel: None,
            sent: BTreeMap::new(),
            throttled_until: None,
        };
        let old = self.nodes.insert(node, attempt);
        broken_if(I8, old.is_some(), || {
            format!("node {node} is connected to twice")
        });
    }

    pub(super) fn disconnect(&mut self, stage: &mut Stage, network: &mut Network, node: NodeId) {
        // A broker that moved, or that came back under its old name, is another one.
        self.lost.remove(&node);
        if let Some(peer) = self.nodes.remove(&node) {
            stage.note("disconnect", [node.0.into(), 0, 0], || {
                format!("node {node}")
            });
            network.close(stage, peer.link);
        }
    }

    pub(super) fn disconnect_all(&mut self, stage: &mut Stage, network: &mut Network) {
        for node in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.disconnect(stage, network, node);
        }
    }

    pub(super) fn send(
        &mut self,
        now: Instant,
        node: NodeId,
        id: RequestId,
        request: Request,
    ) -> Option<Input> {
        let peer = self.nodes.get_mut(&node);
        let throttled = peer.as_ref().and_then(|peer| peer.throttled_until);
        let Some((sent, channel)) = peer.and_then(|peer| {
            let channel = peer.channel.as_mut()?;
            Some((&mut peer.sent, channel))
        }) else {
            let error = Error::new(ErrorKind::Disconnected, "not connected");
            return Some(Input::Refused(id, error));
        };
        broken_if(I10, throttled.is_some_and(|until| now < until), || {
            format!(
                "node {node} has asked for a pause, and gets request {}",
                id.0
            )
        });
        let Err(refused) = channel.send(now, id, request) else {
            sent.insert(id, now);
            return None;
        };
        let error = Error::new(ErrorKind::UnsupportedVersion, refused.to_string());
        Some(Input::Refused(id, error))
    }

    /// When a timeout passes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.nodes.values().flat_map(|peer| {
            let channel = peer.channel.as_ref().and_then(Channel::deadline);
            [peer.setup_deadline, channel]
        });
        deadlines.flatten().min()
    }

    /// Requests that are not finished, by connection.
    pub(super) fn in_flight(&self) -> impl Iterator<Item = (NodeId, usize)> {
        self.nodes.iter().filter_map(|(node, peer)| {
            let channel = peer.channel.as_ref()?;
            Some((*node, channel.in_flight()))
        })
    }

    /// When the oldest request was sent that has not ended.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let sent = self.nodes.values().flat_map(|peer| peer.sent.values());
        sent.min().copied()
    }

    fn node_of(&self, link: LinkId) -> Option<NodeId> {
        let mut peers = self.nodes.iter();
        peers
            .find(|(_, peer)| peer.link == link)
            .map(|(node, _)| *node)
    }

    pub(super) fn on_connected(
        &mut self,
        stage: &mut Stage,
        network: &mut Network,
        link: LinkId,
        succeeded: bool,
        inputs: &mut Vec<Input>,
    ) {
        let Some(node) = self.node_of(link) else {
            network.close(stage, link);
            return;
        };
        if !succeeded {
            self.lose(stage, network, node, ErrorKind::Connect, "refused", inputs);
            return;
        }
        if let Some(peer) = self.nodes.get_mut(&node) {
            let layer = SimLayer::client(self.is_sealed);
            let settings = Arc::clone(&self.settings);
            let channel = Channel::new(stage.now, layer, settings, peer.destination.take());
            peer.channel = Some(channel);
        }
        self.write(stage, network, node, inputs);
    }

    pub(super) fn write_all(
        &mut self,
        stage: &mut Stage,
        network: &mut Network,
        inputs: &mut Vec<Input>,
    ) {
        let wants = |node: &Node| node.channel.as_ref().is_some_and(Channel::wants_write);
        let nodes: Vec<_> = self
            .nodes
            .iter()
            .filter(|(_, peer)| wants(peer))
            .map(|(node, _)| *node)
            .collect();
        for node in nodes {
            self.write(stage, network, node, inputs);
        }
    }

    fn write(
        &mut self,
        stage: &mut Stage,
        network: &mut Network,
        node: NodeId,
        inputs: &mut Vec<Input>,
    ) {
        let Some(peer) = self.nodes.get_mut(&node) else {
            return;
        };
        let Some(channel) = &mut peer.channel else {
            return;
        };
        let link = peer.link;
        let pumped = channel.write(&mut Socket {
            stage,
            network,
            link,
        });
        self.finish_pump(stage, network, node, pumped, inputs);
    }

    pub(super) fn on_readable(
        &mut self,
        stage: &mut Stage,
        network: &mut Network,
        link: LinkId,
        inputs: &mut Vec<Input>,
    ) {
        let Some(node) = self.node_of(link) else {
            return;
        };
        let Some(channel) = self
            .nodes
            .get_mut(&node)
            .and_then(|peer| peer.channel.as_mut())
        else {
            return;
        };
        let mut pumped = Ok(());
        // As a poller would: there is more, so read again.
        while pumped.is_ok() && network.is_readable(stage.now, link) {
            let now = stage.now;
            let socket = &mut Socket {
                stage,
                network,
                link,
            };
            pumped = channel.read(now, socket, &mut self.buffer, READS_AT_ONCE);
        }
        self.finish_pump(stage, network, node, pumped, inputs);
    }

    pub(super) fn on_writable(
        &mut self,
        stage: &mut Stage,
        network: &mut Network,
        link: LinkId,
        inputs: &mut Vec<Input>,
    ) {
        if let Some(node) = self.node_of(link) {
            self.write(stage, network, node, inputs);
        }
    }

    /// Ends connections whose time has run out.
    pub(super) fn check_timeouts(
        &mut self,
        stage: &mut Stage,
        network: &mut Network,
        inputs: &mut Vec<Input>,
    ) {
        let mut late = Vec::new();
        for (node, peer) in &mut self.nodes {
            let channel = peer.channel.as_mut();
            let timeout = channel.and_then(|one| one.handle_timeout(stage.now).err());
            if let Some(error) = timeout {
                late.push((*node, error.kind(), error.to_string()));
            } else if peer
                .setup_deadline
                .is_some_and(|deadline| deadline <= stage.now)
            {
                late.push((*node, ErrorKind::Connect, "no handshake in time".to_owned()));
            }
        }
        for (node, kind, text) in late {
            self.lose(stage, network, node, kind, &text, inputs);
        }
    }

    fn finish_pump(
        &mut self,
        stage: &mut Stage,
        network: &mut Network,
        node: NodeId,
        pumped: Result<(), Failure>,
        inputs: &mut Vec<Input>,
    ) {
        self.take_events(stage, node, inputs);
        let (kind, text) = match pumped {
            Ok(()) => return,
            Err(Failure::Closed) => (ErrorKind::Disconnected, "closed".to_owned()),
            Err(Failure::Protocol(error)) => (error.kind(), error.to_string()),
            Err(Failure::Read(error) | Failure::Write(error)) => {
                unreachable!("a simulated socket does not fail: {error}")
            }
        };
        self.lose(stage, network, node, kind, &text, inputs);
    }

    fn take_events(&mut self, stage: &mut Stage, node: NodeId, inputs: &mut Vec<Input>) {
        let Some(peer) = self.nodes.get_mut(&node) else {
            return;
        };
        while let Some(event) = peer.channel.as_mut().and_then(Channel::poll_event) {
            let input = match event {
                Event::Ready(versions) => {
                    peer.setup_deadline = None;
                    inputs.extend(versions.features().map(Input::Features));
                    stage.note("ready", [node.0.into(), 0, 0], || format!("node {node}"));
                    Input::Ready(node)
                }
                Event::Response(id, response) => {
                    stage.note("response", [node.0.into(), id.0 as i64, 0], || {
                        format!("node {node} to request {}: {response:?}", id.0)
                    });
                    peer.sent.remove(&id);
                    peer.on_pause(stage.now, response.throttle_time());
                    Input::Response(id, response)
                }
                Event::Sent(id) => {
                    peer.sent.remove(&id);
                    Input::Sent(id)
                }
            };
            inputs.push(input);
        }
    }

    fn lose(
        &mut self,
        stage: &mut Stage,
        network: &mut Network,
        node: NodeId,
        kind: ErrorKind,
        text: &str,
        inputs: &mut Vec<Input>,
    ) {
        let Some(peer) = self.nodes.remove(&node) else {
            return;
        };
        self.lost.insert(node, stage.now);
        network.close(stage, peer.link);
        let lost = peer.channel.map(Channel::into_lost_requests);
        let lost = lost.unwrap_or_default();
        let unwritten: Vec<_> = lost
            .iter()
            .filter(|one| !one.begun)
            .map(|one| one.id)
            .collect();
        let numbers = [node.0.into(), lost.len() as i64, unwritten.len() as i64];
        stage.note("lost", numbers, || {
            let requests: Vec<_> = lost.iter().map(|one| one.id.0).collect();
            format!("node {node}: {text}, with requests {requests:?}")
        });
        inputs.push(Input::Disconnected(node, Error::new(kind, text), unwritten));
    }
}

impl Node {
    /// The broker asks for a pause, which does not count as a time without an answer.
    fn on_pause(&mut self, now: Instant, pause: Duration) {
        let begins = self.throttled_until.map_or(now, |until| until.max(now));
        let more = (now + pause).saturating_duration_since(begins);
        self.throttled_until = Some(begins + more);
        self.sent.values_mut().for_each(|sent| *sent += more);
    }
}

//! The driver's part in the simulation: the production connections over the simulated network, as
//! `driver::peers` has them over sockets. Decides nothing about records.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::connection::{Connection, Event, Settings};
use crate::error::{Error, ErrorKind};
use crate::ids::{NodeId, RequestId};
use crate::protocol::Request;
use crate::sender::Input;
use crate::sim::brokers::Brokers;
use crate::sim::event::LinkId;
use crate::sim::network::{Network, Read};
use crate::sim::options::{FIRST_PORT, Options};
use crate::sim::promise::{I8, I10, broken_if};
use crate::sim::stage::Stage;
use crate::sync::Arc;

/// Every broker that is connected or being connected to.
#[derive(Debug)]
pub(super) struct Client {
    settings: Arc<Settings>,
    setup_timeout: Duration,
    peers: BTreeMap<NodeId, Peer>,
    failures: BTreeMap<NodeId, u32>,
    /// When connections were lost last: they are not made again at once.
    lost: BTreeMap<NodeId, Instant>,
    reconnect_pause: Duration,
}

#[derive(Debug)]
struct Peer {
    link: LinkId,
    /// When the handshake must be over; `None` once it is.
    setup_deadline: Option<Instant>,
    /// `None` while connecting.
    connection: Option<Connection>,
    /// Requests without an end, and when they were sent.
    sent: BTreeMap<RequestId, Instant>,
    /// Until when the broker wants to be left alone.
    throttled_until: Option<Instant>,
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
            setup_timeout: options.setup_timeout,
            peers: BTreeMap::new(),
            failures: BTreeMap::new(),
            lost: BTreeMap::new(),
            reconnect_pause: options.sender.reconnect_backoff.initial * 8 / 10,
        }
    }

    pub(super) fn connect(
        &mut self,
        stage: &mut Stage,
        network: &mut Network,
        brokers: &Brokers,
        node: NodeId,
        address: &Address,
    ) {
        let broker = NodeId(i32::from(address.port) - i32::from(FIRST_PORT));
        let link = network.connect(stage, broker, brokers.listens(broker));
        let pause = self.lost.get(&node).map(|lost| stage.now - *lost);
        broken_if(
            I8,
            pause.is_some_and(|pause| pause < self.reconnect_pause),
            || format!("node {node} is connected to again after {pause:?}"),
        );
        let failures = self.failures.get(&node).copied().unwrap_or(0);
        let timeout = self.setup_timeout * if failures == 0 { 1 } else { 2 };
        let numbers = [node.0.into(), broker.0.into(), link.0 as i64];
        stage.note("connect", numbers, || {
            format!("node {node} to broker {broker}, link {}", link.0)
        });
        let peer = Peer {
            link,
            setup_deadline: Some(stage.now + timeout),
            connection: None,
            sent: BTreeMap::new(),
            throttled_until: None,
        };
        let old = self.peers.insert(node, peer);
        broken_if(I8, old.is_some(), || {
            format!("node {node} is connected to twice")
        });
    }

    pub(super) fn disconnect(&mut self, stage: &mut Stage, network: &mut Network, node: NodeId) {
        // A broker that moved, or that came back under its old name, is another one.
        self.lost.remove(&node);
        if let Some(peer) = self.peers.remove(&node) {
            stage.note("disconnect", [node.0.into(), 0, 0], || {
                format!("node {node}")
            });
            network.close(stage, peer.link);
        }
    }

    pub(super) fn disconnect_all(&mut self, stage: &mut Stage, network: &mut Network) {
        for node in self.peers.keys().copied().collect::<Vec<_>>() {
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
        let peer = self.peers.get_mut(&node);
        let throttled = peer.as_ref().and_then(|peer| peer.throttled_until);
        let Some((sent, connection)) = peer.and_then(|peer| {
            let connection = peer.connection.as_mut()?;
            Some((&mut peer.sent, connection))
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
        let Err(refused) = connection.send(now, id, request) else {
            sent.insert(id, now);
            return None;
        };
        let error = Error::new(ErrorKind::UnsupportedVersion, refused.to_string());
        Some(Input::Refused(id, error))
    }

    /// When a timeout passes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.peers.values().flat_map(|peer| {
            let connection = peer.connection.as_ref().and_then(Connection::deadline);
            [peer.setup_deadline, connection]
        });
        deadlines.flatten().min()
    }

    /// Requests that are not finished, by connection.
    pub(super) fn in_flight(&self) -> impl Iterator<Item = (NodeId, usize)> {
        self.peers.iter().filter_map(|(node, peer)| {
            let connection = peer.connection.as_ref()?;
            Some((*node, connection.in_flight()))
        })
    }

    /// When the oldest request was sent that has not ended.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let sent = self.peers.values().flat_map(|peer| peer.sent.values());
        sent.min().copied()
    }

    fn node_of(&self, link: LinkId) -> Option<NodeId> {
        let mut peers = self.peers.iter();
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
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.connection = Some(Connection::new(stage.now, Arc::clone(&self.settings)));
        }
        self.write(stage, network, node, inputs);
    }

    pub(super) fn write_all(
        &mut self,
        stage: &mut Stage,
        network: &mut Network,
        inputs: &mut Vec<Input>,
    ) {
        let wants = |peer: &Peer| {
            peer.connection
                .as_ref()
                .is_some_and(Connection::wants_write)
        };
        let nodes: Vec<_> = self
            .peers
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
        let Some(peer) = self.peers.get_mut(&node) else {
            return;
        };
        let Some(connection) = &mut peer.connection else {
            return;
        };
        while connection.wants_write() {
            let mut slices: Vec<IoSlice<'_>> = Vec::new();
            connection.outgoing(&mut slices);
            let mut bytes = Vec::new();
            for slice in &slices {
                bytes.extend_from_slice(slice);
            }
            match network.write(stage, peer.link, &bytes) {
                0 => break,
                taken => connection.on_written(taken),
            }
        }
        self.take_events(stage, node, inputs);
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
        let Some(connection) = self
            .peers
            .get_mut(&node)
            .and_then(|peer| peer.connection.as_mut())
        else {
            return;
        };
        let failure = loop {
            match network.read(stage.now, link) {
                Read::Bytes(bytes) => {
                    if let Err(error) = connection.on_received(stage.now, &bytes) {
                        break Some((error.kind(), error.to_string()));
                    }
                }
                Read::Nothing => break None,
                Read::Closed => break Some((ErrorKind::Disconnected, "closed".to_owned())),
            }
        };
        self.take_events(stage, node, inputs);
        if let Some((kind, text)) = failure {
            self.lose(stage, network, node, kind, &text, inputs);
        }
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
        for (node, peer) in &mut self.peers {
            let connection = peer.connection.as_mut();
            let timeout = connection.and_then(|one| one.on_timeout(stage.now).err());
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

    fn take_events(&mut self, stage: &mut Stage, node: NodeId, inputs: &mut Vec<Input>) {
        let Some(peer) = self.peers.get_mut(&node) else {
            return;
        };
        while let Some(event) = peer.connection.as_mut().and_then(Connection::poll_event) {
            inputs.push(match event {
                Event::Ready(_) => {
                    peer.setup_deadline = None;
                    self.failures.remove(&node);
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
                Event::Written(id) => {
                    peer.sent.remove(&id);
                    Input::Written(id)
                }
            });
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
        let Some(peer) = self.peers.remove(&node) else {
            return;
        };
        if peer.setup_deadline.is_some() {
            *self.failures.entry(node).or_default() += 1;
        }
        self.lost.insert(node, stage.now);
        network.close(stage, peer.link);
        let lost = peer.connection.map(Connection::lost).unwrap_or_default();
        let unwritten: Vec<_> = lost
            .iter()
            .filter(|one| !one.written)
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

impl Peer {
    /// The broker asks for a pause, which does not count as a time without an answer.
    fn on_pause(&mut self, now: Instant, pause: Duration) {
        let begins = self.throttled_until.map_or(now, |until| until.max(now));
        let more = (now + pause).saturating_duration_since(begins);
        self.throttled_until = Some(begins + more);
        self.sent.values_mut().for_each(|sent| *sent += more);
    }
}

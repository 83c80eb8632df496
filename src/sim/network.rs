//! The network between the client and the brokers: connections with TCP's semantics. Bytes arrive in
//! order or not at all; what a socket has taken may still be lost; each side learns of the end at a
//! time of its own. Knows no protocol.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::channel::Layer;
use crate::channel::toy::Toy;
use crate::ids::NodeId;
use crate::sim::event::{Event, LinkId};
use crate::sim::layer;
use crate::sim::stage::Stage;
use crate::transport::Progress;

/// All connections.
#[derive(Debug)]
pub(super) struct Network {
    links: BTreeMap<LinkId, Link>,
    made: u64,
    socket_bytes: usize,
    /// Whether there is a layer on top of each connection.
    is_sealed: bool,
}

#[derive(Debug)]
struct Link {
    broker: NodeId,
    /// The broker's end of the layer, if there is one.
    layer: Option<Toy>,
    up: Pipe,
    down: Pipe,
    /// When the client learns that the connection has ended.
    client_end: Option<Instant>,
    /// When the broker does.
    broker_end: Option<Instant>,
    /// Whether the broker still handles what was on its way.
    is_late: bool,
    /// Whether the client has closed its end, and the broker its own.
    closed: (bool, bool),
}

/// One direction.
#[derive(Debug)]
struct Pipe {
    /// When each arrives.
    chunks: VecDeque<(Instant, Vec<u8>)>,
    /// Bytes that were taken here and not there.
    held: usize,
    /// When the newest bytes arrive; later ones arrive later.
    newest: Instant,
    /// Whether nothing arrives any more, without either side noticing.
    is_silent: bool,
}

impl Network {
    pub(super) fn new(socket_bytes: usize, is_sealed: bool) -> Self {
        Self {
            links: BTreeMap::new(),
            made: 0,
            socket_bytes,
            is_sealed,
        }
    }

    /// Begins to connect to a broker, which listens or does not.
    pub(super) fn connect(&mut self, stage: &mut Stage, broker: NodeId, listens: bool) -> LinkId {
        let id = LinkId(self.made);
        self.made += 1;
        let mix = &stage.weather.mix;
        let (silent, refused) = (mix.silent_connect, mix.refuse_connect);
        let is_silent = stage.weather.strikes("silent connect", silent);
        let is_refused = !listens || stage.weather.strikes("refused connect", refused);
        let link = Link {
            broker,
            layer: self.is_sealed.then(layer::server),
            up: Pipe::new(stage.now),
            down: Pipe::new(stage.now),
            client_end: None,
            broker_end: None,
            is_late: false,
            closed: (false, false),
        };
        self.links.insert(id, link);
        if !is_silent {
            let trip = stage.latency() * 2;
            stage.after(trip, Event::Connected(id, !is_refused));
        }
        id
    }

    pub(super) fn broker(&self, id: LinkId) -> Option<NodeId> {
        self.links.get(&id).map(|link| link.broker)
    }

    /// The client writes; returns how much its socket takes.
    pub(super) fn write(&mut self, stage: &mut Stage, id: LinkId, bytes: &[u8]) -> usize {
        let Some(link) = self.links.get_mut(&id) else {
            return bytes.len();
        };
        let taken = bytes
            .len()
            .min(self.socket_bytes.saturating_sub(link.up.held));
        if link.client_end.is_some() || taken == 0 {
            // After the end they go nowhere; the client learns of it soon.
            return taken;
        }
        let mix = &stage.weather.mix;
        let (cut, silence, mute) = (mix.cut_request, mix.silence, mix.mute);
        if stage.weather.strikes("mute", mute) {
            stage.note("MUTE", [number(id), 0, 0], || {
                format!("nothing comes through on link {}", id.0)
            });
            link.up.is_silent = true;
        }
        if stage.weather.strikes("silence", silence) {
            stage.note("SILENCE", [number(id), 0, 0], || {
                format!("on link {}", id.0)
            });
            link.up.is_silent = true;
            link.down.is_silent = true;
        }
        if stage.weather.strikes("cut request", cut) {
            let through = stage.weather.dice.index(taken + 1);
            link.up.send(stage, &bytes[..through], Event::Arrive(id));
            self.cut(stage, id);
        } else {
            link.up.send(stage, &bytes[..taken], Event::Arrive(id));
        }
        taken
    }

    /// The broker sends an answer.
    pub(super) fn answer(&mut self, stage: &mut Stage, id: LinkId, bytes: &[u8]) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if link.broker_end.is_some() {
            return;
        }
        let sealed = link.layer.as_mut().map(|layer| layer.seal(bytes));
        let bytes = sealed.as_deref().unwrap_or(bytes);
        let (cut, lose) = (stage.weather.mix.cut_answer, stage.weather.mix.lose_answers);
        if stage.weather.strikes("lost answers", lose) {
            stage.note("DEAF", [number(id), 0, 0], || {
                format!("nothing comes back on link {}", id.0)
            });
            link.down.is_silent = true;
        }
        if stage.weather.strikes("cut answer", cut) {
            let through = stage.weather.dice.index(bytes.len() + 1);
            link.down
                .send(stage, &bytes[..through], Event::Readable(id));
            self.cut(stage, id);
        } else {
            link.down.send(stage, bytes, Event::Readable(id));
        }
    }

    /// Whether reading would give the client anything: bytes, or the end.
    pub(super) fn is_readable(&self, now: Instant, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link| {
            let arrived = link.down.chunks.front().is_some_and(|(at, _)| *at <= now);
            arrived || link.client_end.is_some_and(|end| end <= now)
        })
    }

    /// What has come to the client.
    pub(super) fn read(&mut self, now: Instant, id: LinkId, buffer: &mut [u8]) -> Progress {
        let Some(link) = self.links.get_mut(&id) else {
            return Progress::WouldBlock;
        };
        let bytes = link.down.take(now, buffer.len());
        if !bytes.is_empty() {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            return Progress::Bytes(bytes.len());
        }
        match link.client_end {
            Some(end) if end <= now => Progress::Closed,
            _ => Progress::WouldBlock,
        }
    }

    /// What has come to the broker.
    pub(super) fn receive(&mut self, stage: &mut Stage, id: LinkId) -> Vec<u8> {
        let socket_bytes = self.socket_bytes;
        let Some(link) = self.links.get_mut(&id) else {
            return Vec::new();
        };
        let was_full = link.up.held >= socket_bytes;
        let bytes = link.up.take(stage.now, usize::MAX);
        if was_full && !bytes.is_empty() {
            let trip = stage.latency();
            stage.after(trip, Event::Writable(id));
        }
        match &mut link.layer {
            None => bytes,
            Some(layer) => {
                let mut opened = Vec::new();
                let received = layer.receive(&bytes, |plaintext| {
                    opened.extend(plaintext);
                    Ok(())
                });
                received.expect("the client sends good records");
                let reply = layer.seal(&[]);
                if !reply.is_empty() && link.broker_end.is_none() {
                    link.down.send(stage, &reply, Event::Readable(id));
                }
                opened
            }
        }
    }

    /// Whether the broker knows that the client is gone, and does not care for what it left.
    pub(super) fn is_over(&self, now: Instant, id: LinkId) -> bool {
        let Some(link) = self.links.get(&id) else {
            return true;
        };
        let is_gone = link.broker_end.is_some_and(|end| end <= now);
        is_gone && (!link.is_late || link.up.chunks.is_empty())
    }

    /// Whether the client will never see an answer.
    pub(super) fn has_lost_client(&self, id: LinkId) -> bool {
        let link = self.links.get(&id);
        link.is_none_or(|link| link.client_end.is_some() || link.down.is_silent)
    }

    /// The client closes, or gives up its attempt.
    pub(super) fn close(&mut self, stage: &mut Stage, id: LinkId) {
        let late = stage.weather.mix.late;
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.is_late |= stage.weather.strikes("late", late);
        link.closed.0 = true;
        link.client_end = Some(stage.now);
        link.down.chunks.clear();
        if !link.is_late {
            link.up.chunks.clear();
        }
        if link.broker_end.is_none() {
            let trip = stage.latency();
            let end = (stage.now + trip).max(link.up.newest);
            link.broker_end = Some(end);
            stage.at(end, Event::Arrive(id));
        }
        self.links.retain(|_, link| link.closed != (true, true));
    }

    /// The broker closes, in good order: what it has sent still arrives.
    pub(super) fn close_by_broker(&mut self, stage: &mut Stage, id: LinkId) {
        let trip = stage.latency();
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.broker_end = Some(stage.now);
        link.closed.1 = true;
        link.up.chunks.clear();
        if link.client_end.is_none() && !link.down.is_silent {
            let end = (stage.now + trip).max(link.down.newest);
            link.client_end = Some(end);
            stage.at(end, Event::Readable(id));
        }
    }

    /// The broker's machine is gone, with a word to the client or without.
    pub(super) fn lose_broker(&mut self, stage: &mut Stage, id: LinkId, is_silent: bool) {
        if let Some(link) = self.links.get_mut(&id) {
            link.up.is_silent |= is_silent;
            link.down.is_silent |= is_silent;
        }
        self.close_by_broker(stage, id);
    }

    /// The broker has nothing more to do with it.
    pub(super) fn forget(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.closed.1 = true;
            self.links.retain(|_, link| link.closed != (true, true));
        }
    }

    /// The connection is reset: each side learns of it after a while.
    pub(super) fn cut(&mut self, stage: &mut Stage, id: LinkId) {
        let (there, here) = (stage.latency(), stage.latency());
        let late = stage.weather.mix.late;
        let is_late = stage.weather.strikes("late", late);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.is_late |= is_late;
        stage.note("CUT", [number(id), i64::from(is_late), 0], || {
            format!("link {}{}", id.0, if is_late { ", late" } else { "" })
        });
        if !is_late {
            link.up
                .chunks
                .retain(|(arrival, _)| *arrival <= stage.now + there);
        }
        if link.broker_end.is_none() {
            let end = stage.now + there;
            link.broker_end = Some(end);
            stage.at(end.max(link.up.newest), Event::Arrive(id));
        }
        if link.client_end.is_none() {
            let end = (stage.now + here).max(link.down.newest);
            link.client_end = Some(end);
            stage.at(end, Event::Readable(id));
        }
    }

    /// Whether nothing is on its way to a broker.
    pub(super) fn is_quiet(&self) -> bool {
        self.links.values().all(|link| link.up.chunks.is_empty())
    }

    /// Connections that the client believes in.
    pub(super) fn believed_links(&self) -> Vec<LinkId> {
        let believed = self.links.iter().filter(|(_, link)| !link.closed.0);
        believed.map(|(id, _)| *id).collect()
    }

    /// Connections that neither side has given up.
    pub(super) fn open_links(&self, broker: NodeId) -> Vec<LinkId> {
        let open = self.links.iter().filter(|(_, link)| {
            link.broker == broker && link.client_end.is_none() && link.broker_end.is_none()
        });
        open.map(|(id, _)| *id).collect()
    }
}

impl Pipe {
    fn new(now: Instant) -> Self {
        Self {
            chunks: VecDeque::new(),
            held: 0,
            newest: now,
            is_silent: false,
        }
    }

    /// Bytes set out, in one piece or in several.
    fn send(&mut self, stage: &mut Stage, bytes: &[u8], event: Event) {
        self.held += bytes.len();
        if self.is_silent {
            return;
        }
        let (split, drip) = (stage.weather.mix.split, stage.weather.mix.drip);
        let drips = stage.weather.strikes("drip", drip);
        let mut rest = bytes;
        while !rest.is_empty() {
            let here = match stage.weather.strikes("split", split) {
                _ if drips => rest.len().min(bytes.len() / MOST_DRIPS + 1),
                true => 1 + stage.weather.dice.index(rest.len()),
                false => rest.len(),
            };
            let (chunk, others) = rest.split_at(here);
            rest = others;
            let trip = stage.latency();
            let earliest = if drips { self.newest } else { stage.now };
            self.newest = self.newest.max(earliest + trip);
            self.chunks.push_back((self.newest, chunk.to_vec()));
            stage.at(self.newest, event);
        }
    }

    /// What has arrived, up to `most` bytes.
    fn take(&mut self, now: Instant, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some((arrival, chunk)) = self.chunks.front_mut()
            && *arrival <= now
            && bytes.len() < most
        {
            let taken = chunk.len().min(most - bytes.len());
            bytes.extend(chunk.drain(..taken));
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
        }
        self.held -= bytes.len();
        bytes
    }
}

/// Slow bytes come in so many pieces at most.
const MOST_DRIPS: usize = 20;

fn number(id: LinkId) -> i64 {
    i64::try_from(id.0).expect("few connections")
}

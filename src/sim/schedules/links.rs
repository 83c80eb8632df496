//! Connections that carry whole requests, as the client knows them: the driver's part in the
//! message-level simulation. Decides nothing about records.

use std::collections::VecDeque;
use std::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::ids::{NodeId, RequestId};
use crate::protocol::{Request, Response};
use crate::sender::Input;
use crate::sim::promise::{I8, I10, broken_if};
use crate::sim::schedules::cluster::{Index, Message};
use crate::sim::schedules::world::{Event, World};

/// A connection, from the attempt to make it to its end.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) node: NodeId,
    pub(super) broker: Index,
    pub(super) is_ready: bool,
    /// Whether the client has given it up, or been told of its end.
    pub(super) is_gone: bool,
    /// Whether nothing gets through to the broker, or back.
    pub(super) is_mute: bool,
    pub(super) is_deaf: bool,
    /// Whether the broker handles nothing more on it.
    pub(super) is_dead: bool,
    /// Requests that the broker has not handled.
    pub(super) inbox: VecDeque<(RequestId, Message)>,
    /// When the newest request arrives, and the newest answer; later ones come later.
    arrives: Instant,
    pub(super) returns: Instant,
    pub(super) busy_until: Instant,
    /// Requests that the socket has not taken.
    unwritten: VecDeque<(RequestId, Request)>,
    blocked_until: Option<Instant>,
    throttled_until: Option<Instant>,
    /// Requests without an answer.
    pub(super) waiting: Vec<RequestId>,
}

impl Link {
    fn new(now: Instant, node: NodeId, broker: Index) -> Self {
        Self {
            node,
            broker,
            is_ready: false,
            is_gone: false,
            is_mute: false,
            is_deaf: false,
            is_dead: false,
            inbox: VecDeque::new(),
            arrives: now,
            returns: now,
            busy_until: now,
            unwritten: VecDeque::new(),
            blocked_until: None,
            throttled_until: None,
            waiting: Vec::new(),
        }
    }

    /// Whoever had it is gone.
    pub(super) fn abandon(&mut self) {
        self.unwritten.clear();
    }

    /// Whether nothing on it has still to come to the broker.
    pub(super) fn is_quiet(&self) -> bool {
        self.inbox.is_empty() && self.unwritten.is_empty()
    }
}

impl World {
    pub(super) fn connect(&mut self, node: NodeId, broker: Index) {
        let link = self.links.len();
        self.links.push(Link::new(self.stage.now, node, broker));
        let is_new = self.peers.iter().all(|(peer, _)| *peer != node);
        broken_if(I8, !is_new, || format!("node {node} is connected to twice"));
        self.peers.push((node, link));
        self.checker.on_connecting(self.stage.elapsed());
        self.stage
            .note("connect", [node.0.into(), link as i64, 0], || {
                format!("node {node}, link {link}")
            });
        self.stage
            .after(self.options.setup_timeout, Event::Overdue(link));
        let mix = &self.stage.weather.mix;
        let (silent, refused) = (mix.silent_connect, mix.refuse_connect);
        let is_silent = self.stage.weather.strikes("silent connect", silent);
        let listens = self.cluster.listens(broker);
        let is_refused = !listens || self.stage.weather.strikes("refused connect", refused);
        if !is_silent {
            let trip = self.stage.latency() * 4;
            self.stage.after(trip, Event::Connected(link, !is_refused));
        }
    }

    pub(super) fn on_connected(&mut self, link: usize, succeeded: bool) {
        if self.links[link].is_gone {
            return;
        }
        if !succeeded {
            return self.lose(link, ErrorKind::Connect, "refused");
        }
        self.links[link].is_ready = true;
        let node = self.links[link].node;
        self.stage
            .note("ready", [node.0.into(), link as i64, 0], || {
                format!("node {node}, link {link}")
            });
        self.inputs.push(Input::Ready(node));
    }

    pub(super) fn take_peer(&mut self, node: NodeId) -> Option<usize> {
        let index = self.peers.iter().position(|(peer, _)| *peer == node)?;
        Some(self.peers.swap_remove(index).1)
    }

    /// The client has nothing more to do with a connection.
    pub(super) fn hang_up(&mut self, link: usize) {
        let late = self.stage.weather.mix.late;
        let is_late = self.stage.weather.strikes("late", late);
        let link = &mut self.links[link];
        link.is_gone = true;
        link.unwritten.clear();
        link.waiting.clear();
        if !is_late {
            let through = self.stage.dice.index(link.inbox.len() + 1);
            link.inbox.truncate(through);
        }
    }

    /// The client learns that a connection has ended, or gives it up.
    pub(super) fn lose(&mut self, link: usize, kind: ErrorKind, text: &str) {
        if self.links[link].is_gone {
            return;
        }
        let node = self.links[link].node;
        self.peers.retain(|(_, peer)| *peer != link);
        let unwritten: Vec<_> = { &self.links[link].unwritten }
            .iter()
            .map(|(id, _)| *id)
            .collect();
        let numbers = [node.0.into(), link as i64, unwritten.len() as i64];
        self.stage.note("lost", numbers, || {
            format!("node {node}, link {link}: {text}; unwritten: {unwritten:?}")
        });
        self.hang_up(link);
        let error = Error::new(kind, text);
        self.inputs
            .push(Input::Disconnected(node, error, unwritten));
    }

    pub(super) fn send(&mut self, node: NodeId, id: RequestId, request: Request) {
        self.checker.on_departing(&request);
        let peer = self.peers.iter().find(|(peer, _)| *peer == node);
        let Some((_, link)) = peer.copied().filter(|(_, link)| self.links[*link].is_ready) else {
            let error = Error::new(ErrorKind::Disconnected, "not connected");
            self.inputs.push(Input::Refused(id, error));
            return;
        };
        self.flights
            .on_send(node, id, &request, &mut self.stage.trace);
        self.checker.on_sent(self.stage.elapsed());
        if let Request::Metadata(metadata) = &request {
            self.checker.on_asked(self.stage.now, metadata);
        }
        self.stage
            .note("send", [node.0.into(), id.0 as i64, link as i64], || {
                let message = Message::read(&request);
                format!("request {} to node {node}, link {link}: {message:?}", id.0)
            });
        let throttled = self.links[link].throttled_until;
        broken_if(
            I10,
            throttled.is_some_and(|until| self.stage.now < until),
            || {
                format!(
                    "node {node} has asked for a pause, and gets request {}",
                    id.0
                )
            },
        );
        let wants_answer = request.is_answered();
        if wants_answer {
            self.links[link].waiting.push(id);
            self.stage.after(
                self.options.sender.request_timeout,
                Event::Timeout(link, id),
            );
        }
        self.links[link].unwritten.push_back((id, request));
        let full = self.stage.weather.mix.full_socket;
        if self.stage.weather.strikes("full socket", full) {
            let until = self.stage.now + self.stage.weather.dice.millis(1, 1_500);
            let link = &mut self.links[link];
            link.blocked_until = link.blocked_until.max(Some(until));
        }
        self.write(link);
    }

    /// The socket takes what it has room for.
    pub(super) fn write(&mut self, link: usize) {
        let blocked = self.links[link].blocked_until;
        if let Some(until) = blocked.filter(|until| *until > self.stage.now) {
            return self.stage.at(until, Event::Unblock(link));
        }
        while let Some((id, request)) = self.links[link].unwritten.pop_front() {
            if !request.is_answered() {
                self.inputs.push(Input::Sent(id));
            }
            let mix = &self.stage.weather.mix;
            let (silence, mute, cut) = (mix.silence, mix.mute, mix.cut_request);
            let trip = self.stage.latency();
            if self.stage.weather.strikes("silence", silence) {
                self.links[link].is_mute = true;
                self.links[link].is_deaf = true;
            }
            self.links[link].is_mute |= self.stage.weather.strikes("mute", mute);
            let is_cut = self.stage.weather.strikes("cut request", cut);
            let one = &mut self.links[link];
            let is_lost = is_cut && self.stage.weather.dice.chance(500);
            if !(one.is_mute || one.is_dead || is_lost) {
                one.arrives = one.arrives.max(self.stage.now + trip);
                one.inbox.push_back((id, Message::read(&request)));
                let arrives = one.arrives;
                self.stage.at(arrives, Event::Serve(link));
            }
            if is_cut {
                return self.cut(link);
            }
        }
    }

    pub(super) fn on_answer(&mut self, link: usize, id: RequestId, response: Response) {
        let one = &mut self.links[link];
        if one.is_gone {
            return;
        }
        one.waiting.retain(|waiting| *waiting != id);
        let until = self.stage.now + response.throttle_time();
        one.throttled_until = one.throttled_until.max(Some(until));
        self.stage
            .note("response", [id.0 as i64, link as i64, 0], || {
                format!("to request {}: {response:?}", id.0)
            });
        self.inputs.push(Input::Response(id, response));
    }
}

//! A TCP proxy before one broker, for faults of the network. It knows where Kafka's frames begin,
//! so that it can lose exactly the answer to a Produce request, end a connection in the middle of
//! one, or put something else in its place. What it forwards it forwards as it is.
//!
//! ```text
//!             ┌─ read ── queue ─ gate ─ write ─>┐
//!    client ──┤                                 ├── broker        four threads per connection
//!             └<─ write ─ gate ─ queue ── read ─┘
//! ```
//!
//! What has been read waits in a queue without bounds while its gate is closed, also when the one
//! who sent it has gone: bytes that were given up can still arrive.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Nobody sends frames of this size here: what says so is no Kafka frame.
const MAX_FRAME: usize = 100 << 20;
const PRODUCE: [u8; 2] = [0, 0];

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Requests.
    ToBroker,
    /// Answers.
    ToClient,
}

/// What comes instead of the answer to a Produce request. The broker has done what it was asked to,
/// and the connection stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostile {
    /// A frame with the right correlation id and nonsense behind it.
    Garbage,
    /// What a web server says, without a frame.
    Http,
    /// The length of a frame of 2 GiB, and its first bytes.
    HugeLength,
    /// A length below zero.
    NegativeLength,
    /// An answer that mentions no partition.
    NoPartitions,
    /// An answer to a request that nobody made.
    WrongId,
}

impl Hostile {
    /// Each of them.
    pub const ALL: [Self; 6] = [
        Self::Garbage,
        Self::Http,
        Self::HugeLength,
        Self::NegativeLength,
        Self::NoPartitions,
        Self::WrongId,
    ];

    /// The bytes that come instead of `answer`, a frame with its length.
    fn bytes(self, answer: &[u8]) -> Vec<u8> {
        let frame = |content: &[u8]| {
            let length = u32::try_from(content.len()).expect("a short frame");
            [&length.to_be_bytes(), content].concat()
        };
        let id = &answer[4..8];
        match self {
            Self::Garbage => frame(&[id, &[0xa5; 50]].concat()),
            Self::Http => b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec(),
            Self::HugeLength => [&[0x7f, 0xff, 0xff, 0xff], &answer[4..]].concat(),
            Self::NegativeLength => [&[0xff, 0xff, 0xff, 0xff], &answer[4..]].concat(),
            // Tags, an empty array in its compact form, no throttling, tags: from version 9 on,
            // which is older than any broker here.
            Self::NoPartitions => frame(&[id, &[0, 1, 0, 0, 0, 0, 0]].concat()),
            Self::WrongId => frame(&[&[0x7f, 0, 0, 0], &answer[8..]].concat()),
        }
    }
}

/// A proxy that listens. It forwards everything until it is told otherwise.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    rules: Mutex<Rules>,
    changed: Condvar,
}

/// What is to be done with frames. The arrays are indexed by direction.
#[derive(Debug, Default)]
struct Rules {
    connections: u64,
    /// Connections with a number from the first to below the second forward nothing.
    held_from: [u64; 2],
    held_below: [u64; 2],
    /// How many connections there were when `hold` was called.
    old_below: [u64; 2],
    /// Produce requests, or answers to them, that were read and not forwarded.
    waiting: [usize; 2],
    /// For each Produce frame to come: how many bytes of it pass before the connection ends.
    cuts: [VecDeque<usize>; 2],
    /// What comes instead of the next answers to Produce requests.
    hostile: VecDeque<Hostile>,
    /// What comes instead of all of them after that.
    always_hostile: Option<Hostile>,
    is_closed: bool,
}

impl Rules {
    /// A Produce frame, or an answer to one, leaves its queue; after how many bytes to cut it.
    fn release(&mut self, direction: Direction) -> Option<usize> {
        self.waiting[direction as usize] -= 1;
        self.cuts[direction as usize].pop_front()
    }

    /// What goes in its place.
    fn hostile(&mut self, direction: Direction) -> Option<Hostile> {
        match direction {
            Direction::ToBroker => None,
            Direction::ToClient => self.hostile.pop_front().or(self.always_hostile),
        }
    }
}

impl Proxy {
    /// Listens on one loopback port and forwards to another.
    pub(crate) fn start(port: u16, broker: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || accept(&listener, broker, &shared));
        Ok(Self { port, state })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends the connection of each of the next Produce requests, or of the answers to them, after
    /// this many bytes of the frame. With 0 an answer is swallowed: the broker has done what it was
    /// asked to, and the client will not know.
    pub fn cut_next(&self, direction: Direction, bytes: &[usize]) {
        self.state.lock().cuts[direction as usize].extend(bytes);
    }

    /// How many of the cuts have not happened yet.
    pub fn cuts_to_come(&self) -> usize {
        self.state.lock().cuts.iter().map(VecDeque::len).sum()
    }

    /// Puts these in the place of the next answers to Produce requests.
    pub fn answer_next(&self, hostile: &[Hostile]) {
        self.state.lock().hostile.extend(hostile);
    }

    /// Puts this in the place of every answer to a Produce request.
    pub fn answer_always(&self, hostile: Hostile) {
        self.state.lock().always_hostile = Some(hostile);
    }

    /// How many of the next answers are to be replaced.
    pub fn hostile_to_come(&self) -> usize {
        self.state.lock().hostile.len()
    }

    /// Stalls one direction of all connections, those to come included.
    pub fn hold(&self, direction: Direction) {
        let mut rules = self.state.lock();
        rules.old_below[direction as usize] = rules.connections;
        rules.held_below[direction as usize] = u64::MAX;
    }

    /// Lets those connections go on that were there when [`hold`](Self::hold) was called. What was
    /// sent first arrives first, though it was given up since.
    pub fn release_old(&self, direction: Direction) {
        let mut rules = self.state.lock();
        rules.held_from[direction as usize] = rules.old_below[direction as usize];
        drop(rules);
        self.state.changed.notify_all();
    }

    /// Stalls one direction of the connections there are; new ones are well.
    pub fn hold_present(&self, direction: Direction) {
        let mut rules = self.state.lock();
        rules.held_below[direction as usize] = rules.connections;
    }

    /// How many Produce requests, or answers to them, are held.
    pub fn held(&self, direction: Direction) -> usize {
        self.state.lock().waiting[direction as usize]
    }

    /// Forwards what was held and forgets all faults.
    pub fn heal(&self) {
        let mut rules = self.state.lock();
        rules.held_from = [0; 2];
        rules.held_below = [0; 2];
        rules.cuts = Default::default();
        rules.hostile = VecDeque::new();
        rules.always_hostile = None;
        drop(rules);
        self.state.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.heal();
        self.state.lock().is_closed = true;
        // Wakes the thread that accepts.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn await_gate(&self, direction: Direction, connection: u64) {
        let index = direction as usize;
        let held = |rules: &mut Rules| {
            (rules.held_from[index]..rules.held_below[index]).contains(&connection)
        };
        drop(
            self.changed
                .wait_while(self.lock(), held)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

fn accept(listener: &TcpListener, broker: u16, state: &Arc<State>) {
    for client in listener.incoming().map_while(Result::ok) {
        let mut rules = state.lock();
        if rules.is_closed {
            return;
        }
        let number = rules.connections;
        rules.connections += 1;
        drop(rules);
        // A broker that is down: the client finds its connection closed.
        if let Ok(broker) = TcpStream::connect(("127.0.0.1", broker)) {
            Connection::start(number, client, broker, state);
        }
    }
}

/// One client's connection and the one that the proxy made for it.
struct Connection {
    number: u64,
    client: TcpStream,
    broker: TcpStream,
    /// Correlation ids of Produce requests.
    produces: Mutex<HashSet<[u8; 4]>>,
    state: Arc<State>,
}

impl Connection {
    fn start(number: u64, client: TcpStream, broker: TcpStream, state: &Arc<State>) {
        // Held-back small frames would be a fault that nobody asked for.
        let _ = client.set_nodelay(true).and(broker.set_nodelay(true));
        let connection = Arc::new(Self {
            number,
            client,
            broker,
            produces: Mutex::default(),
            state: Arc::clone(state),
        });
        for direction in [Direction::ToBroker, Direction::ToClient] {
            let (frames, queue) = channel();
            let reading = Arc::clone(&connection);
            thread::spawn(move || reading.read(direction, &frames));
            let writing = Arc::clone(&connection);
            thread::spawn(move || writing.write(direction, &queue));
        }
    }

    fn read(&self, direction: Direction, frames: &Sender<Vec<u8>>) {
        let from = match direction {
            Direction::ToBroker => &self.client,
            Direction::ToClient => &self.broker,
        };
        while let Ok(frame) = read_frame(from) {
            if direction == Direction::ToBroker && frame.get(4..6) == Some(&PRODUCE) {
                self.lock_produces().extend(correlation_id(&frame, 8));
            }
            if self.is_produce(direction, &frame) {
                self.state.lock().waiting[direction as usize] += 1;
            }
            if frames.send(frame).is_err() {
                return;
            }
        }
    }

    fn write(&self, direction: Direction, queue: &Receiver<Vec<u8>>) {
        let mut to = match direction {
            Direction::ToBroker => &self.broker,
            Direction::ToClient => &self.client,
        };
        for mut frame in queue {
            self.state.await_gate(direction, self.number);
            let mut cut = None;
            if self.is_produce(direction, &frame) {
                let mut rules = self.state.lock();
                cut = rules.release(direction);
                if let Some(hostile) = rules.hostile(direction) {
                    frame = hostile.bytes(&frame);
                }
            }
            let bytes = cut.unwrap_or(usize::MAX).min(frame.len());
            // A client that has gone does not keep the broker from working through its requests.
            let _ = to.write_all(&frame[..bytes]);
            if cut.is_some() {
                let _ = self.client.shutdown(Shutdown::Both);
                let _ = self.broker.shutdown(Shutdown::Both);
                break;
            }
        }
        // What was queued behind a cut is lost.
        for frame in queue {
            if self.is_produce(direction, &frame) {
                self.state.lock().waiting[direction as usize] -= 1;
            }
        }
        let _ = match direction {
            Direction::ToBroker => to.shutdown(Shutdown::Write),
            Direction::ToClient => to.shutdown(Shutdown::Both),
        };
    }

    fn is_produce(&self, direction: Direction, frame: &[u8]) -> bool {
        match direction {
            Direction::ToBroker => frame.get(4..6) == Some(&PRODUCE),
            Direction::ToClient => {
                correlation_id(frame, 4).is_some_and(|id| self.lock_produces().contains(&id))
            }
        }
    }

    fn lock_produces(&self) -> MutexGuard<'_, HashSet<[u8; 4]>> {
        self.produces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn correlation_id(frame: &[u8], at: usize) -> Option<[u8; 4]> {
    frame.get(at..at + 4)?.try_into().ok()
}

/// A frame with the four bytes of its length.
fn read_frame(mut from: &TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let bytes = u32::from_be_bytes(length) as usize;
    if bytes > MAX_FRAME {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; 4 + bytes];
    frame[..4].copy_from_slice(&length);
    from.read_exact(&mut frame[4..])?;
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::free_ports;
    use crate::wait_until;

    fn echo(mut client: &TcpStream) {
        while let Ok(frame) = read_frame(client) {
            let id = correlation_id(&frame, 8).expect("a request");
            let answer = [&[0, 0, 0, 4], &id[..]].concat();
            client.write_all(&answer).expect("the proxy reads");
        }
    }

    /// A proxy before somebody who answers each frame with its correlation id.
    fn proxy() -> Proxy {
        let ports = free_ports(2).expect("two free ports");
        let listener = TcpListener::bind(("127.0.0.1", ports[1])).expect("a free port");
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || echo(&client));
            }
        });
        Proxy::start(ports[0], ports[1]).expect("a free port")
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(("127.0.0.1", proxy.port)).expect("the proxy listens")
    }

    fn send(mut client: &TcpStream, api: u8, id: u8) {
        let frame = [0, 0, 0, 8, 0, api, 0, 0, 0, 0, 0, id];
        client.write_all(&frame).expect("the proxy reads");
    }

    fn answered(client: &TcpStream) -> Option<u8> {
        read_frame(client).ok().map(|frame| frame[7])
    }

    #[test]
    fn a_cut_waits_for_a_produce_frame_and_ends_its_connection() {
        let proxy = proxy();
        proxy.cut_next(Direction::ToClient, &[0, 5]);
        for to_come in [1, 0] {
            let client = connect(&proxy);
            send(&client, 3, 1);
            assert_eq!(answered(&client), Some(1), "metadata");
            send(&client, 0, 2);
            assert_eq!(answered(&client), None);
            assert_eq!(proxy.cuts_to_come(), to_come);
        }
        let client = connect(&proxy);
        send(&client, 0, 3);
        assert_eq!(answered(&client), Some(3));
    }

    #[test]
    fn something_else_comes_instead_of_an_answer_to_a_produce_frame() {
        let proxy = proxy();
        let client = connect(&proxy);
        proxy.answer_next(&[Hostile::NoPartitions]);
        send(&client, 3, 1);
        assert_eq!(answered(&client), Some(1), "metadata");
        send(&client, 0, 2);
        let answer = read_frame(&client).expect("an answer");
        assert_eq!(answer, [0, 0, 0, 11, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0]);
        assert_eq!(proxy.hostile_to_come(), 0);
        send(&client, 0, 3);
        assert_eq!(answered(&client), Some(3));
        proxy.answer_always(Hostile::HugeLength);
        for _ in 0..2 {
            let client = connect(&proxy);
            send(&client, 0, 4);
            let mut length = [0; 4];
            (&client).read_exact(&mut length).expect("an answer");
            assert_eq!(length, [0x7f, 0xff, 0xff, 0xff]);
        }
    }

    #[test]
    fn what_is_held_arrives_when_its_sender_has_gone_and_new_connections_are_well() {
        let proxy = proxy();
        let old = connect(&proxy);
        send(&old, 0, 1);
        assert_eq!(answered(&old), Some(1));
        proxy.hold_present(Direction::ToBroker);
        send(&old, 0, 2);
        send(&old, 0, 3);
        wait_until("both are held", || proxy.held(Direction::ToBroker) == 2);
        let new = connect(&proxy);
        send(&new, 0, 4);
        assert_eq!(answered(&new), Some(4));
        drop(old);
        proxy.hold(Direction::ToClient);
        proxy.hold(Direction::ToBroker);
        proxy.release_old(Direction::ToBroker);
        wait_until("both are answered", || proxy.held(Direction::ToClient) == 2);
    }
}

//! The pump over scripted sockets: with nothing between, and with a layer that buffers.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use super::toy::Toy;
use super::*;
use crate::error::ErrorKind;
use crate::ids::TopicId;
use crate::protocol::Response;
use crate::protocol::broker::{RequestHeader, decode_request, encode_response};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::frame::{FrameReader, SharedBytes};
use crate::protocol::messages::{
    ApiVersionRange, ApiVersionsResponse, MetadataRequest, MetadataResponse, ProducePartition,
    ProduceRequest, ProduceTopic,
};
use crate::protocol::version::TransactionVersion;

/// Plaintext in a record: a request has several.
const RECORD_BYTES: usize = 64;

/// A socket that takes what a test lets it take.
#[derive(Debug, Default)]
struct Socket {
    /// How many more bytes it takes.
    room: usize,
    sent: Vec<u8>,
    arrived: Vec<u8>,
    reads: usize,
    is_broken: bool,
    /// Where each slice of the last write begins.
    slices: Vec<*const u8>,
}

impl ByteStream for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Progress> {
        self.reads += 1;
        let bytes = buffer.len().min(self.arrived.len());
        if bytes == 0 {
            return Ok(Progress::WouldBlock);
        }
        for (to, from) in buffer.iter_mut().zip(self.arrived.drain(..bytes)) {
            *to = from;
        }
        Ok(Progress::Bytes(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<Progress> {
        if self.is_broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.slices = slices.iter().map(|slice| slice.as_ptr()).collect();
        let all = slices.iter().flat_map(|slice| slice.iter().copied());
        let before = self.sent.len();
        self.sent.extend(all.take(self.room));
        let bytes = self.sent.len() - before;
        self.room -= bytes;
        Ok(match bytes {
            0 => Progress::WouldBlock,
            bytes => Progress::Bytes(bytes),
        })
    }
}

/// A channel through the toy, and the broker's end of it.
struct Scene {
    now: Instant,
    channel: Channel<Toy>,
    socket: Socket,
    server: Toy,
    /// What the broker could read.
    opened: usize,
    frames: FrameReader,
}

impl Scene {
    fn new() -> Self {
        Self::with(Toy::client(RECORD_BYTES, 200), Toy::server(50, None))
    }

    fn with(client: Toy, server: Toy) -> Self {
        let now = now();
        Self {
            now,
            channel: Channel::new(now, client, settings(), None),
            socket: Socket::default(),
            server,
            opened: 0,
            frames: FrameReader::new(1 << 20),
        }
    }

    /// After both handshakes.
    fn ready() -> Self {
        let mut scene = Self::new();
        scene.shake_hands();
        scene
    }

    fn shake_hands(&mut self) {
        self.write(usize::MAX);
        self.read();
        self.write(usize::MAX);
        let (header, _) = self.pop_request().expect("ApiVersions");
        self.answer(&header, &versions());
        assert!(matches!(self.channel.poll_event(), Some(Event::Ready(_))));
        self.write(usize::MAX);
        self.opened = 0;
    }

    /// The socket takes up to so many bytes, which the broker gets.
    fn write(&mut self, room: usize) {
        self.socket.room = room;
        self.channel.write(&mut self.socket).unwrap();
        let sent = std::mem::take(&mut self.socket.sent);
        let (opened, frames) = (&mut self.opened, &mut self.frames);
        let heard = self.server.receive(&sent, |plaintext| {
            *opened += plaintext.len();
            frames.push(plaintext);
            Ok(())
        });
        heard.expect("good records");
        self.socket.arrived.extend(self.server.seal(&[]));
    }

    fn read(&mut self) {
        let mut buffer = [0; 7];
        let reads = usize::MAX;
        self.channel
            .read(self.now, &mut self.socket, &mut buffer, reads)
            .unwrap();
    }

    fn pop_request(&mut self) -> Option<(RequestHeader, Request)> {
        let frame = self.frames.pop().expect("a good frame")?;
        Some(decode_request(frame).expect("a request"))
    }

    fn answer(&mut self, header: &RequestHeader, response: &Response) {
        let bytes = answer_bytes(header, response);
        self.socket.arrived.extend(self.server.seal(&bytes));
        self.read();
    }

    fn send(&mut self, id: u64, request: Request) {
        self.channel
            .send(self.now, RequestId(id), request)
            .expect("a version for it");
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.channel.poll_event()).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn now() -> Instant {
    Instant::now()
}

fn settings() -> Arc<Settings> {
    Arc::new(Settings {
        client_id: Arc::from("tester"),
        request_timeout: Duration::from_secs(30),
        max_in_flight: 5,
        max_response_bytes: 100_000,
    })
}

fn answer_bytes(header: &RequestHeader, response: &Response) -> Vec<u8> {
    encode_response(response, header.api_version, header.correlation_id).to_vec()
}

fn versions() -> Response {
    let range = |(api_key, min, max)| ApiVersionRange { api_key, min, max };
    Response::ApiVersions(ApiVersionsResponse::new(
        ErrorCode::NONE,
        [(0, 0, 13), (3, 0, 13), (18, 0, 4)].map(range).to_vec(),
    ))
}

fn metadata() -> Request {
    Request::Metadata(MetadataRequest {
        topics: Some(vec![Arc::from("t")]),
        allow_auto_topic_creation: true,
        include_topic_operations: false,
    })
}

fn produce(acks: i16, records: usize) -> Request {
    Request::Produce(ProduceRequest {
        transactional_id: None,
        transactions: TransactionVersion::V1,
        acks,
        timeout_ms: 1_000,
        topics: vec![ProduceTopic {
            name: Arc::from("t"),
            id: TopicId::default(),
            partitions: vec![ProducePartition {
                index: 0,
                records: SharedBytes::new(vec![7; records]),
            }],
        }],
    })
}

#[test]
fn the_layers_handshake_comes_first_and_takes_no_plaintext_meanwhile() {
    let mut scene = Scene::new();
    assert!(scene.channel.wants_write());
    scene.write(usize::MAX);
    assert_eq!(scene.opened, 0);
    let wants_write = scene.channel.wants_write();
    assert!(!wants_write, "a driver would spin until the peer answers");
    scene.read();
    assert!(scene.channel.wants_write());
    scene.write(usize::MAX);
    let (header, _) = scene.pop_request().expect("the connection's handshake");
    assert_eq!(header.api_key, 18);
}

#[test]
fn a_request_is_written_when_its_last_record_is_in_the_socket() {
    let mut scene = Scene::ready();
    scene.send(1, produce(0, 500));
    let mut steps = 0;
    while scene.channel.wants_write() {
        assert_eq!(scene.events(), []);
        scene.write(1);
        steps += 1;
    }
    assert!(steps > 500, "{steps}");
    assert!(scene.pop_request().is_some(), "the broker has it");
    assert_eq!(scene.events(), [Event::Sent(RequestId(1))]);
}

/// What the layer holds is not written, and what has left as a whole record is.
#[test]
fn a_lost_request_counts_as_written_if_its_peer_could_read_any_of_it() {
    let send = |scene: &mut Scene| {
        scene.send(1, produce(1, 100));
        scene.send(2, produce(1, 150));
    };
    let mut scene = Scene::ready();
    scene.send(1, produce(1, 100));
    scene.write(usize::MAX);
    let first = scene.opened;
    let mut scene = Scene::ready();
    send(&mut scene);
    let all = (1..).find(|_| {
        scene.write(1);
        !scene.channel.wants_write()
    });

    let mut seen = BTreeSet::new();
    for room in 0..all.expect("an end") {
        let mut scene = Scene::ready();
        send(&mut scene);
        scene.write(room);
        assert!(scene.channel.wants_write(), "{room} bytes are not all");
        scene.socket.is_broken = true;
        let failed = scene.channel.write(&mut scene.socket);
        assert!(matches!(failed, Err(Failure::Write(_))));
        let read = [scene.opened > 0, scene.opened > first];
        let lost = scene.channel.into_lost_requests();
        let lost: Vec<_> = lost.iter().map(|lost| lost.begun).collect();
        assert_eq!(lost, read, "{room} bytes");
        seen.insert(read);
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[test]
fn the_layer_writes_when_the_connection_has_nothing_to_say() {
    let client = Toy::client(RECORD_BYTES, 200);
    let mut scene = Scene::with(client, Toy::server(50, Some(1)));
    scene.shake_hands();
    scene.send(1, metadata());
    scene.write(usize::MAX);
    assert!(scene.pop_request().is_some());
    assert!(!scene.channel.wants_write());
    scene.read();
    assert!(scene.channel.wants_write(), "the server wants another key");
    scene.write(usize::MAX);
    scene.send(2, metadata());
    scene.write(usize::MAX);
    assert!(scene.pop_request().is_some(), "sealed with the other key");
}

#[test]
fn bytes_come_through_in_pieces_of_any_size() {
    for (record_bytes, room_bytes, pieces) in [
        (1, 1, 1),
        (3, 1, 2),
        (64, 10, 5),
        (64, 1_000, 100),
        (1_000, 5_000, 300),
        (60_000, 60_000, 100_000),
    ] {
        let client = Toy::client(record_bytes, room_bytes);
        let mut scene = Scene::with(client, Toy::server(record_bytes, Some(7)));
        scene.shake_hands();
        for id in 0..4 {
            scene.send(id, produce(1, 700 * usize::try_from(id).unwrap()));
        }
        scene.send(4, metadata());
        let mut requests = Vec::new();
        while requests.len() < 5 {
            scene.write(pieces);
            scene.read();
            while let Some(request) = scene.pop_request() {
                requests.push(request);
            }
        }
        for (id, (_, request)) in (0..4).zip(&requests) {
            let Request::Produce(request) = request else {
                panic!("not what was sent: {request:?}");
            };
            let records = &request.topics[0].partitions[0].records;
            assert_eq!(records.as_slice(), vec![7; 700 * id]);
        }
        let response = Response::Metadata(MetadataResponse::default());
        let produced = Response::Produce(Default::default());
        for (header, request) in &requests {
            match request {
                Request::Metadata(_) => scene.answer(header, &response),
                _ => scene.answer(header, &produced),
            }
        }
        let answered = scene.events().len();
        assert_eq!(answered, 5, "in records of {record_bytes}");
    }
}

#[test]
fn what_is_no_record_ends_the_channel_and_answers_before_it_count() {
    let mut scene = Scene::ready();
    scene.send(1, metadata());
    scene.write(usize::MAX);
    let (header, _) = scene.pop_request().expect("a request");
    let bytes = answer_bytes(&header, &Response::Metadata(MetadataResponse::default()));
    let mut sealed = scene.server.seal(&bytes);
    sealed.extend(b"HTTP/1.1 400 Bad Request\r\n".iter().cycle().take(30_000));
    scene.socket.arrived = sealed;
    let read = scene
        .channel
        .read(scene.now, &mut scene.socket, &mut [0; 40_000], 1);
    let Err(Failure::Protocol(error)) = read else {
        panic!("a bad record is a failure, not {read:?}");
    };
    assert_eq!(error.kind(), ErrorKind::BadResponse);
    assert!(matches!(scene.events()[..], [Event::Response(..)]));
}

#[test]
fn without_a_layer_the_socket_gets_the_very_slices_of_the_connection() {
    let mut channel = Channel::new(now(), Plain, settings(), None);
    let mut socket = Socket {
        room: 10,
        ..Socket::default()
    };
    let mut slices = Vec::new();
    channel.connection.outgoing(0, &mut slices);
    let before: Vec<_> = slices.iter().map(|slice| slice.as_ptr()).collect();
    channel.write(&mut socket).unwrap();
    // Of the last write, after ten bytes.
    assert_eq!(socket.slices, [before[0].wrapping_add(10)]);
    assert!(channel.wants_write());
}

#[test]
fn reads_until_there_is_no_more_but_not_without_end() {
    for (arrived, reads) in [(9, 1), (10, 2), (39, 4), (40, 5), (1_000, 16)] {
        let mut channel = Channel::new(now(), Plain, settings(), None);
        let mut socket = Socket {
            room: usize::MAX,
            arrived: vec![0; arrived],
            ..Socket::default()
        };
        channel.write(&mut socket).unwrap();
        // A frame of which much is to come.
        socket.arrived[..4].copy_from_slice(&[0, 0, 0xff, 0]);
        channel.read(now(), &mut socket, &mut [0; 10], 16).unwrap();
        assert_eq!(socket.reads, reads, "for {arrived} bytes");
    }
}

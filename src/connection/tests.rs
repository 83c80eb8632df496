//! A connection against scripted bytes: what a broker, a broken broker, or something that is no
//! broker at all sends.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use super::*;
use crate::ids::TopicId;
use crate::protocol::broker::{RequestHeader, decode_request, encode_response};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::frame::SharedBytes;
use crate::protocol::messages::{
    ApiVersionRange, ApiVersionsResponse, MetadataRequest, MetadataResponse, ProducePartition,
    ProduceRequest, ProduceTopic,
};
use crate::protocol::version::TransactionVersion;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_RESPONSE_BYTES: usize = 100_000;

/// A connection and the broker's half of it.
struct Scene {
    now: Instant,
    connection: Connection,
    /// What the broker has received.
    received: FrameReader,
}

impl Scene {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        let settings = Arc::new(Settings {
            client_id: Arc::from("tester"),
            request_timeout: REQUEST_TIMEOUT,
            max_in_flight: 3,
            max_response_bytes: MAX_RESPONSE_BYTES,
        });
        Self {
            now,
            connection: Connection::new(now, settings, None),
            received: FrameReader::new(1024 * 1024),
        }
    }

    /// A connection to a broker that speaks all that we speak, after the handshake.
    fn ready() -> Self {
        Self::ready_with(&[(0, 0, 13), (3, 0, 13), (18, 0, 4)])
    }

    fn ready_with(ranges: &[(i16, i16, i16)]) -> Self {
        let mut scene = Self::new();
        let (header, _) = scene.take_request();
        scene.answer(&header, &versions(ErrorCode::NONE, ranges));
        let Some(Event::Ready(_)) = scene.connection.poll_event() else {
            panic!("the handshake is over");
        };
        scene
    }

    fn outgoing_bytes(&self) -> usize {
        let mut slices = Vec::new();
        self.connection.outgoing(0, &mut slices);
        slices.iter().map(|slice| slice.len()).sum()
    }

    /// Moves up to `limit` bytes from the connection to the broker.
    fn write(&mut self, limit: usize) -> usize {
        let mut slices: Vec<IoSlice<'_>> = Vec::new();
        self.connection.outgoing(0, &mut slices);
        let mut bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        bytes.truncate(limit);
        self.received.push(&bytes);
        self.connection.handle_written(bytes.len());
        bytes.len()
    }

    /// Lets the connection write all it wants to.
    fn flush(&mut self) {
        while self.connection.wants_write(0) {
            assert!(self.write(usize::MAX) > 0);
        }
    }

    /// The next request, as the broker understands it.
    fn take_request(&mut self) -> (RequestHeader, Request) {
        self.flush();
        let frame = self.received.pop().expect("a frame").expect("a whole one");
        decode_request(frame).expect("a request")
    }

    fn answer(&mut self, header: &RequestHeader, response: &Response) {
        let bytes = answer_bytes(header, header.api_version, response);
        self.receive(&bytes).expect("an acceptable answer");
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), ConnectionError> {
        self.connection.handle_received(self.now, bytes)
    }

    fn send(&mut self, id: u64, request: Request) {
        self.connection
            .send(self.now, RequestId(id), request)
            .expect("a version for it");
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    fn lost(self) -> Vec<(u64, bool)> {
        let lost = self.connection.into_lost_requests();
        lost.iter().map(|lost| (lost.id.0, lost.begun)).collect()
    }
}

fn answer_bytes(header: &RequestHeader, version: i16, response: &Response) -> Vec<u8> {
    let asked = response.api_key().code();
    assert_eq!(header.api_key, asked, "an answer to what was asked");
    encode_response(response, version, header.correlation_id).to_vec()
}

fn versions(error: ErrorCode, ranges: &[(i16, i16, i16)]) -> Response {
    let apis = ranges
        .iter()
        .map(|&(api_key, min, max)| ApiVersionRange { api_key, min, max });
    Response::ApiVersions(ApiVersionsResponse::new(error, apis.collect()))
}

fn metadata() -> Request {
    Request::Metadata(MetadataRequest {
        topics: None,
        allow_auto_topic_creation: false,
        include_topic_operations: false,
    })
}

fn metadata_response(controller: i32) -> Response {
    Response::Metadata(MetadataResponse {
        controller,
        ..MetadataResponse::default()
    })
}

fn produce(acks: i16, topic_id: TopicId) -> Request {
    Request::Produce(ProduceRequest {
        transactional_id: None,
        transactions: TransactionVersion::V1,
        acks,
        timeout_ms: 1000,
        topics: vec![ProduceTopic {
            name: Arc::from("orders"),
            id: topic_id,
            partitions: vec![ProducePartition {
                index: 0,
                records: SharedBytes::new(vec![7; 100]),
            }],
        }],
    })
}

const KNOWN_TOPIC: TopicId = TopicId([1; 16]);

#[test]
fn introduces_itself_and_becomes_ready() {
    let mut scene = Scene::new();
    assert!(!scene.connection.can_send());
    let (header, request) = scene.take_request();
    assert_eq!(
        (header.api_key, header.api_version),
        (ApiKey::ApiVersions.code(), 5)
    );
    assert_eq!(header.client_id.as_deref(), Some("tester"));
    let Request::ApiVersions(request) = request else {
        panic!("ApiVersions comes first");
    };
    assert_eq!(request.client_software_name, "linger");
    assert_eq!(request.client_software_version, env!("CARGO_PKG_VERSION"));

    scene.answer(&header, &versions(ErrorCode::NONE, &[(0, 0, 9)]));
    let events = scene.events();
    let [Event::Ready(versions)] = events.as_slice() else {
        panic!("ready, but {events:?}");
    };
    assert_eq!(
        versions.range(ApiKey::Produce),
        Some(VersionRange::new(0, 9))
    );
    assert!(scene.connection.can_send());
    assert_eq!(scene.connection.deadline(), None);
}

/// Answers `UNSUPPORTED_VERSION` with `ranges`, in version 0, as a broker does that does not know
/// the version; returns the version asked for next.
fn refuse_version(scene: &mut Scene, ranges: &[(i16, i16, i16)]) -> i16 {
    let (header, _) = scene.take_request();
    let refusal = versions(ErrorCode::UNSUPPORTED_VERSION, ranges);
    let bytes = answer_bytes(&header, 0, &refusal);
    scene.receive(&bytes).expect("another try");
    assert_eq!(scene.events(), []);
    let (header, _) = scene.take_request();
    let version = header.api_version;
    scene.answer(&header, &versions(ErrorCode::NONE, &[(3, 0, 7)]));
    assert!(scene.connection.can_send());
    version
}

#[test]
fn asks_again_in_a_version_that_the_broker_names() {
    assert_eq!(refuse_version(&mut Scene::new(), &[(18, 0, 3)]), 3);
    assert_eq!(refuse_version(&mut Scene::new(), &[(18, 1, 2)]), 2);
}

#[test]
fn asks_again_in_version_0_if_the_broker_names_none() {
    assert_eq!(refuse_version(&mut Scene::new(), &[]), 0);
    assert_eq!(refuse_version(&mut Scene::new(), &[(0, 0, 7)]), 0);
    assert_eq!(refuse_version(&mut Scene::new(), &[(18, 7, 9)]), 0);
}

#[test]
fn a_broker_that_refuses_every_version_is_given_up() {
    let mut scene = Scene::new();
    let refusal = versions(ErrorCode::UNSUPPORTED_VERSION, &[(18, 0, 9)]);
    let mut asked = Vec::new();
    let error = loop {
        let (header, _) = scene.take_request();
        asked.push(header.api_version);
        let bytes = answer_bytes(&header, 0, &refusal);
        if let Err(error) = scene.receive(&bytes) {
            break error;
        }
    };
    assert_eq!(asked, [5, 4, 3, 2, 1, 0]);
    assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
    assert!(error.to_string().contains("ApiVersions"), "{error}");
}

#[test]
fn a_broker_that_refuses_the_handshake_is_given_up() {
    let mut scene = Scene::new();
    let (header, _) = scene.take_request();
    let bytes = answer_bytes(&header, 4, &versions(ErrorCode::INVALID_REQUEST, &[]));
    let error = scene.receive(&bytes).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Broker(ErrorCode::INVALID_REQUEST));
    assert!(error.to_string().contains("INVALID_REQUEST"), "{error}");
}

#[test]
fn picks_the_newest_version_for_each_request() {
    let mut scene = Scene::ready_with(&[(0, 0, 99), (3, 0, 8)]);
    scene.send(1, produce(1, KNOWN_TOPIC));
    scene.send(2, produce(1, TopicId::default()));
    scene.send(3, metadata());
    let versions: Vec<i16> = (0..3).map(|_| scene.take_request().0.api_version).collect();
    assert_eq!(versions, [13, 12, 8]);
}

#[test]
fn refuses_what_the_broker_does_not_speak() {
    let mut scene = Scene::ready_with(&[(0, 0, 2)]);
    let now = scene.now;
    let refused = scene
        .connection
        .send(now, RequestId(1), produce(1, KNOWN_TOPIC))
        .expect_err("too old");
    assert_eq!(
        refused.to_string(),
        "the broker speaks Produce versions 0 to 2, this client 3 to 13"
    );
    let refused = scene
        .connection
        .send(now, RequestId(2), metadata())
        .expect_err("not in the broker's answer");
    assert_eq!(refused.to_string(), "the broker does not speak Metadata");
    assert!(!scene.connection.wants_write(0));
    assert!(scene.connection.can_send());
    assert_eq!(scene.lost(), []);
}

#[test]
fn answers_go_to_the_requests_in_send_order() {
    let mut scene = Scene::ready();
    let headers: Vec<RequestHeader> = (0..3)
        .map(|id| {
            assert!(scene.connection.can_send());
            scene.send(id, metadata());
            scene.take_request().0
        })
        .collect();
    assert!(!scene.connection.can_send(), "three are in flight");
    assert_eq!(scene.connection.in_flight(), 3);
    let mut bytes = Vec::new();
    for (header, controller) in headers.iter().zip(10..) {
        let response = metadata_response(controller);
        bytes.extend(answer_bytes(header, header.api_version, &response));
    }
    scene.receive(&bytes).expect("three answers");
    let expected: Vec<Event> = (0..3)
        .zip(10..)
        .map(|(id, controller)| Event::Response(RequestId(id), metadata_response(controller)))
        .collect();
    assert_eq!(scene.events(), expected);
    assert!(scene.connection.can_send());
}

#[test]
fn understands_a_stream_that_is_cut_anywhere() {
    let script = || {
        let mut scene = Scene::ready();
        let mut bytes = Vec::new();
        for id in 0..2 {
            scene.send(id, metadata());
            let (header, _) = scene.take_request();
            bytes.extend(answer_bytes(&header, 13, &metadata_response(5)));
        }
        (scene, bytes)
    };
    let (_, bytes) = script();
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let (mut scene, bytes) = script();
            for part in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                scene.receive(part).expect("part of two answers");
            }
            assert_eq!(scene.events().len(), 2, "cut at {first} and {second}");
        }
    }
}

#[test]
fn continues_a_write_from_any_byte() {
    let mut whole = Scene::ready();
    whole.send(1, produce(1, KNOWN_TOPIC));
    whole.send(2, metadata());
    for first in 1..whole.outgoing_bytes() {
        let mut scene = Scene::ready();
        scene.send(1, produce(1, KNOWN_TOPIC));
        scene.send(2, metadata());
        assert_eq!(scene.write(first), first);
        assert!(scene.connection.wants_write(0));
        assert_eq!(scene.take_request().1, produce_at_13(1));
        let (header, _) = scene.take_request();
        assert_eq!(header.api_key, ApiKey::Metadata.code());
    }
}

#[test]
fn writes_byte_by_byte() {
    let mut scene = Scene::ready();
    scene.send(1, produce(-1, KNOWN_TOPIC));
    scene.send(2, produce(-1, KNOWN_TOPIC));
    while scene.connection.wants_write(0) {
        assert_eq!(scene.write(1), 1);
    }
    assert_eq!(scene.take_request().1, produce_at_13(-1));
    assert_eq!(scene.take_request().1, produce_at_13(-1));
}

/// What the broker sees of a request that names its topics by id.
fn produce_at_13(acks: i16) -> Request {
    let Request::Produce(mut request) = produce(acks, KNOWN_TOPIC) else {
        unreachable!("it is a Produce request");
    };
    request.topics[0].name = Arc::from("");
    Request::Produce(request)
}

#[test]
fn a_request_without_an_answer_ends_with_its_last_byte() {
    let mut scene = Scene::ready();
    scene.send(1, metadata());
    scene.send(2, produce(0, KNOWN_TOPIC));
    let last_byte = scene.outgoing_bytes();
    scene.send(3, metadata());
    assert!(!scene.connection.can_send());
    for _ in 1..last_byte {
        assert_eq!(scene.write(1), 1);
        assert_eq!(scene.events(), []);
    }
    assert_eq!(scene.write(1), 1);
    assert_eq!(scene.events(), [Event::Sent(RequestId(2))]);
    assert!(scene.connection.can_send());

    let headers: Vec<RequestHeader> = (0..3).map(|_| scene.take_request().0).collect();
    scene.answer(&headers[0], &metadata_response(1));
    scene.answer(&headers[2], &metadata_response(3));
    assert_eq!(
        scene.events(),
        [
            Event::Response(RequestId(1), metadata_response(1)),
            Event::Response(RequestId(3), metadata_response(3)),
        ]
    );
}

#[test]
fn gives_batches_back_once_they_are_written() {
    let batch = Arc::new(vec![7u8; 100]);
    let mut scene = Scene::ready();
    let mut request = produce(1, KNOWN_TOPIC);
    if let Request::Produce(request) = &mut request {
        request.topics[0].partitions[0].records = SharedBytes::new(Borrowed(Arc::clone(&batch)));
    }
    scene.send(1, request);
    scene.write(scene.outgoing_bytes() - 1);
    assert_eq!(Arc::strong_count(&batch), 2);
    scene.write(1);
    assert_eq!(Arc::strong_count(&batch), 1);
}

struct Borrowed(Arc<Vec<u8>>);

impl AsRef<[u8]> for Borrowed {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[test]
fn times_out_with_its_oldest_request() {
    let mut scene = Scene::ready();
    let sent = scene.now;
    scene.send(1, metadata());
    scene.flush();
    scene.now += Duration::from_secs(10);
    scene.send(2, metadata());
    assert_eq!(scene.connection.deadline(), Some(sent + REQUEST_TIMEOUT));

    let almost = sent + REQUEST_TIMEOUT - Duration::from_nanos(1);
    assert_eq!(scene.connection.handle_timeout(almost), Ok(()));
    let error = scene
        .connection
        .handle_timeout(sent + REQUEST_TIMEOUT)
        .expect_err("too late");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(
        error.to_string(),
        "no answer to the Metadata request within 30s"
    );
    assert_eq!(scene.lost(), [(1, true), (2, false)]);
}

#[test]
fn the_deadline_moves_on_with_each_answer() {
    let mut scene = Scene::ready();
    scene.send(1, metadata());
    let (header, _) = scene.take_request();
    scene.now += Duration::from_secs(10);
    scene.send(2, metadata());
    scene.answer(&header, &metadata_response(1));
    assert_eq!(
        scene.connection.deadline(),
        Some(scene.now + REQUEST_TIMEOUT)
    );
}

/// An answer after which the broker pauses.
fn throttled(pause_ms: i32) -> Response {
    Response::Metadata(MetadataResponse {
        throttle_time_ms: pause_ms,
        ..MetadataResponse::default()
    })
}

#[test]
fn a_pause_that_the_broker_announces_is_no_silence() {
    let mut scene = Scene::ready();
    scene.send(1, metadata());
    scene.send(2, metadata());
    scene.send(3, metadata());
    let due = scene.now + REQUEST_TIMEOUT;
    let (first, _) = scene.take_request();
    scene.answer(&first, &throttled(10_000));
    let ten = Duration::from_secs(10);
    assert_eq!(scene.connection.deadline(), Some(due + ten));

    // Pauses that overlap are one: this one ends five seconds later.
    scene.now += Duration::from_secs(5);
    let (second, _) = scene.take_request();
    scene.answer(&second, &throttled(10_000));
    let late = due + ten + Duration::from_secs(5);
    assert_eq!(scene.connection.deadline(), Some(late));
    assert!(scene.connection.handle_timeout(late).is_err(), "it is over");
    assert_eq!(scene.lost(), [(3, true)]);
}

#[test]
fn no_pause_is_believed_to_be_longer_than_a_minute_or_than_nothing() {
    for (ms, believed) in [(i32::MAX, 60), (-1, 0), (i32::MIN, 0), (0, 0)] {
        let mut scene = Scene::ready();
        scene.send(1, metadata());
        scene.send(2, metadata());
        let due = scene.now + REQUEST_TIMEOUT;
        let (first, _) = scene.take_request();
        scene.answer(&first, &throttled(ms));
        let due = due + Duration::from_secs(believed);
        assert_eq!(scene.connection.deadline(), Some(due), "{ms}");
    }
}

#[test]
fn a_handshake_without_an_answer_times_out() {
    let mut scene = Scene::new();
    let deadline = scene.connection.deadline().expect("it waits");
    assert_eq!(deadline, scene.now + REQUEST_TIMEOUT);
    let error = scene
        .connection
        .handle_timeout(deadline)
        .expect_err("too late");
    assert_eq!(
        error.to_string(),
        "could not write the whole ApiVersions request within 30s"
    );
    assert_eq!(scene.lost(), [], "the handshake's request has no id");
}

#[test]
fn lists_what_was_written_when_the_connection_is_lost() {
    let mut scene = Scene::ready();
    scene.send(1, metadata());
    scene.send(2, produce(0, KNOWN_TOPIC));
    let (_, _) = scene.take_request();
    scene.flush();
    scene.send(3, metadata());
    scene.send(4, metadata());
    assert_eq!(scene.write(1), 1);
    assert_eq!(scene.events(), [Event::Sent(RequestId(2))]);
    assert_eq!(scene.lost(), [(1, true), (3, true), (4, false)]);

    let mut scene = Scene::ready();
    scene.send(1, produce(0, KNOWN_TOPIC));
    scene.send(2, produce(0, KNOWN_TOPIC));
    assert_eq!(scene.write(5), 5);
    assert_eq!(scene.lost(), [(1, true), (2, false)]);
}

/// What a connection that waits for an answer to Metadata request 1 says to `bytes`.
fn complaint(bytes: &[u8]) -> String {
    let mut scene = Scene::ready();
    scene.send(9, metadata());
    scene.flush();
    let error = scene.receive(bytes).expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::BadResponse);
    assert_eq!(scene.lost(), [(9, true)]);
    error.to_string()
}

#[test]
fn refuses_the_answer_to_another_request() {
    assert_eq!(
        complaint(b"\0\0\0\x05\0\0\0\x07\0"),
        "expected the answer to Metadata request 1, got an answer to request 7"
    );
}

#[test]
fn refuses_an_answer_that_it_cannot_read() {
    let message = complaint(b"\0\0\0\x06\0\0\0\x01\0\0");
    assert!(
        message.starts_with(
            "expected the answer to a Metadata request of version 13, got 6 bytes that are none: "
        ),
        "{message}"
    );
    let message = complaint(b"\0\0\0\x02\0\0");
    assert!(message.contains("got 2 bytes"), "{message}");
}

#[test]
fn takes_an_answer_with_bytes_left_over_as_kafkas_clients_do() {
    let mut scene = Scene::ready();
    scene.send(1, metadata());
    let (header, _) = scene.take_request();
    let mut bytes = answer_bytes(&header, 13, &metadata_response(1));
    bytes.push(0);
    bytes[3] += 1;
    scene
        .receive(&bytes)
        .expect("a byte too many is passed over");
    assert_eq!(scene.connection.in_flight(), 0, "it was an answer");
}

#[test]
fn recognises_peers_that_speak_something_else() {
    let message = complaint(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert!(message.contains("speaks HTTP"), "{message}");
    let message = complaint(b"\x15\x03\x01\0\x02\x02\x16");
    assert!(message.contains("speaks TLS"), "{message}");
    let message = complaint(b"\x7f\xff\xff\xff");
    assert!(message.contains("2147483647 bytes"), "{message}");
    let message = complaint(b"\x80\0\0\0");
    assert!(message.contains("-2147483648 bytes"), "{message}");
}

#[test]
fn refuses_an_answer_without_a_request() {
    let mut scene = Scene::ready();
    let error = scene.receive(b"\0\0\0\x04\0\0\0\x01").expect_err("unasked");
    assert_eq!(
        error.to_string(),
        "got an answer, but no request waits for one"
    );

    let mut scene = Scene::ready();
    let error = scene.receive(b"\0").expect_err("unasked");
    assert_eq!(
        error.to_string(),
        "got the beginning of an answer, but no request waits for one"
    );

    let mut scene = Scene::ready();
    scene.send(1, metadata());
    let (header, _) = scene.take_request();
    let answer = answer_bytes(&header, 13, &metadata_response(1));
    let mut scene = Scene::ready();
    scene.send(1, metadata());
    scene.write(3);
    let error = scene.receive(&answer).expect_err("too early");
    assert_eq!(
        error.to_string(),
        "got an answer, but no request waits for one"
    );
    assert_eq!(scene.lost(), [(1, true)]);
}

#[test]
fn answers_before_an_error_still_count() {
    let mut scene = Scene::ready();
    scene.send(1, metadata());
    scene.send(2, metadata());
    let (header, _) = scene.take_request();
    let mut bytes = answer_bytes(&header, 13, &metadata_response(1));
    bytes.extend(b"garbage that is no frame");
    scene.receive(&bytes).expect_err("garbage");
    assert_eq!(
        scene.events(),
        [Event::Response(RequestId(1), metadata_response(1))]
    );
    assert_eq!(scene.lost(), [(2, true)]);
}

#[test]
fn a_changed_byte_never_panics() {
    let mut scene = Scene::ready();
    scene.send(1, metadata());
    let (header, _) = scene.take_request();
    let good = answer_bytes(&header, 13, &metadata_response(1));
    for index in 0..good.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut scene = Scene::ready();
            scene.send(1, metadata());
            scene.flush();
            let mut bytes = good.clone();
            bytes[index] = value;
            let outcome = scene.receive(&bytes);
            let events = scene.events().len();
            let lost = scene.lost().len();
            assert_eq!(events + lost, 1, "byte {index} = {value}: {outcome:?}");
        }
    }
}

#[test]
fn offers_no_more_slices_than_a_call_takes() {
    let mut scene = Scene::ready();
    let mut request = produce(1, KNOWN_TOPIC);
    if let Request::Produce(request) = &mut request {
        request.topics[0].partitions = (0..1000)
            .map(|index| ProducePartition {
                index,
                records: SharedBytes::new(vec![1; 10]),
            })
            .collect();
    }
    let wanted = request.clone();
    scene.send(1, request);
    let mut slices = Vec::new();
    scene.connection.outgoing(0, &mut slices);
    assert!(slices.len() <= 1024, "{} slices", slices.len());
    let (_, came) = scene.take_request();
    let (Request::Produce(came), Request::Produce(wanted)) = (came, wanted) else {
        panic!("a Produce request");
    };
    assert_eq!(came.topics[0].partitions, wanted.topics[0].partitions);
}

#[test]
fn a_peer_that_has_not_introduced_itself_may_say_little() {
    let mut scene = Scene::new();
    scene.take_request();
    let refused = scene.receive(&65_537_i32.to_be_bytes()).unwrap_err();
    assert!(refused.to_string().contains("65537 bytes"), "{refused}");
    let mut scene = Scene::ready();
    scene.send(1, metadata());
    scene.flush();
    assert_eq!(scene.receive(&65_537_i32.to_be_bytes()), Ok(()));
}

//! The mock cluster as a client sees it: raw frames over TCP, through this crate's own codec.

mod idempotence;
mod strange;
mod transactions;
mod watching;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use crate::ErrorCode;
use crate::ids::{NodeId, TopicId};
use crate::protocol::frame::SharedBytes;
use crate::protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse, ProducePartition,
    ProducePartitionResponse, ProduceRequest, ProduceResponse, ProduceTopic,
};
use crate::protocol::version::TransactionVersion;
use crate::protocol::{ApiKey, Request, Response, decode_response, encode_request};
use crate::record::batch::{BatchEncoder, ProducerStamp};
use crate::record::{Header, Record};
use crate::testing::{Api, MockCluster, MockClusterBuilder, MockRequestContent};

/// Long enough for a loaded machine; nothing waits that long when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    fn connect(cluster: &MockCluster, node: i32) -> Self {
        let stream = TcpStream::connect(cluster.address(node)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            correlation_id: 0,
        }
    }

    fn send(&mut self, request: &Request, version: i16) {
        self.correlation_id += 1;
        let frame = encode_request(request, version, self.correlation_id, "tester");
        self.stream.write_all(&frame.to_vec()).unwrap();
    }

    fn receive(&mut self, api: ApiKey, version: i16) -> Response {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).unwrap();
        let mut body = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
        self.stream.read_exact(&mut body).unwrap();
        let (correlation_id, response) = decode_response(api, version, &body).unwrap();
        assert_eq!(correlation_id, self.correlation_id);
        response
    }

    fn metadata(&mut self, topic: &str) -> MetadataResponse {
        let request = Request::Metadata(MetadataRequest {
            topics: Some(vec![topic.into()]),
            allow_auto_topic_creation: true,
            include_topic_operations: false,
        });
        self.send(&request, 13);
        match self.receive(ApiKey::Metadata, 13) {
            Response::Metadata(response) => response,
            other => panic!("{other:?}"),
        }
    }

    fn api_versions(&mut self, version: i16) -> ApiVersionsResponse {
        self.send(&Request::ApiVersions(ApiVersionsRequest::ours()), version);
        match self.receive(ApiKey::ApiVersions, version) {
            Response::ApiVersions(response) => response,
            other => panic!("{other:?}"),
        }
    }

    /// One record with this value to one partition.
    fn produce(&mut self, topic: &str, partition: i32, value: &str) -> ProducePartitionResponse {
        let request = one(topic, partition, batch(&[value]));
        let mut answered = self.produce_at(12, &request).topics.remove(0);
        answered.partitions.remove(0)
    }

    fn produce_at(&mut self, version: i16, request: &Request) -> ProduceResponse {
        self.send(request, version);
        match self.receive(ApiKey::Produce, version) {
            Response::Produce(response) => response,
            other => panic!("{other:?}"),
        }
    }

    fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => matches!(
                error.kind(),
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
            ),
        }
    }
}

fn batch(values: &[&str]) -> Vec<u8> {
    stamped(values, ProducerStamp::NONE)
}

fn stamped(values: &[&str], stamp: ProducerStamp) -> Vec<u8> {
    let mut batch = BatchEncoder::new(16_384);
    for (timestamp_ms, value) in (1_000..).zip(values) {
        let record = Record {
            timestamp_ms,
            key: Some(b"k"),
            value: Some(value.as_bytes()),
            headers: &[Header {
                name: "h",
                value: None,
            }],
        };
        batch.append(&record, batch.next(timestamp_ms, record.content_size()));
    }
    batch.seal(stamp)
}

fn one(topic: &str, partition: i32, batch: Vec<u8>) -> Request {
    with_acks(-1, topic, partition, batch)
}

fn with_acks(acks: i16, topic: &str, partition: i32, batch: Vec<u8>) -> Request {
    Request::Produce(ProduceRequest {
        transactional_id: None,
        transactions: TransactionVersion::V1,
        acks,
        timeout_ms: 30_000,
        topics: vec![ProduceTopic {
            name: topic.into(),
            id: TopicId::default(),
            partitions: vec![ProducePartition {
                index: partition,
                records: SharedBytes::new(batch),
            }],
        }],
    })
}

fn values(cluster: &MockCluster, topic: &str, partition: i32) -> Vec<String> {
    let records = cluster.records(topic, partition);
    assert!(
        records
            .iter()
            .map(|record| record.offset)
            .eq((0..).take(records.len()))
    );
    let text = |value: Option<Vec<u8>>| String::from_utf8(value.unwrap()).unwrap();
    records
        .into_iter()
        .map(|record| text(record.value))
        .collect()
}

fn start(builder: MockClusterBuilder) -> MockCluster {
    builder.start().unwrap()
}

fn one_broker() -> MockCluster {
    start(MockCluster::builder().topic("t", 2))
}

#[test]
fn records_come_back_as_they_were_sent_in_every_version() {
    let cluster = one_broker();
    let mut client = Client::connect(&cluster, 1);
    let id = client.metadata("t").topics[0].id;
    for version in 3..=13 {
        let mut request = one("t", 0, batch(&["a", "b"]));
        if let Request::Produce(request) = &mut request {
            request.topics[0].id = id;
        }
        let response = client.produce_at(version, &request);
        let partition = &response.topics[0].partitions[0];
        assert_eq!(partition.error, ErrorCode::NONE);
        assert_eq!(partition.base_offset, i64::from(version - 3) * 2);
        assert_eq!(partition.log_append_time_ms, -1);
    }
    assert_eq!(values(&cluster, "t", 0), ["a", "b"].repeat(11));
    let record = &cluster.records("t", 0)[21];
    assert_eq!((record.offset, record.timestamp_ms), (21, 1_001));
    assert_eq!(record.key.as_deref(), Some(&b"k"[..]));
    assert_eq!(record.headers, [("h".to_owned(), None)]);
    let batches = cluster.batches("t", 0);
    assert_eq!(batches.len(), 11);
    assert_eq!((batches[10].base_offset, batches[10].records), (20, 2));
    assert_eq!(batches[10].bytes, batch(&["a", "b"]).len());
    assert!(cluster.records("t", 1).is_empty());
}

#[test]
fn every_request_is_remembered() {
    let cluster = one_broker();
    let mut client = Client::connect(&cluster, 1);
    client.api_versions(4);
    client.metadata("t");
    client.produce("t", 1, "x");
    let requests = cluster.requests();
    let kinds: Vec<_> = requests
        .iter()
        .map(|seen| (seen.api, seen.version))
        .collect();
    assert_eq!(
        kinds,
        [
            (Api::ApiVersions, 4),
            (Api::Metadata, 13),
            (Api::Produce, 12)
        ]
    );
    for request in &requests {
        assert_eq!(
            (request.node, request.client_id.as_deref()),
            (1, Some("tester"))
        );
    }
    let MockRequestContent::ApiVersions { software_name, .. } = &requests[0].content else {
        panic!("{requests:?}");
    };
    assert_eq!(software_name, "linger");
    let MockRequestContent::Produce {
        acks, partitions, ..
    } = &requests[2].content
    else {
        panic!("{requests:?}");
    };
    assert_eq!((*acks, partitions.len()), (-1, 1));
    assert_eq!(
        (partitions[0].topic.as_str(), partitions[0].partition),
        ("t", 1)
    );
    assert_eq!(partitions[0].records, 1);
    let counters = cluster.counters();
    assert_eq!(
        (counters.requests, counters.records, counters.batches),
        (3, 1, 1)
    );
    assert_eq!(counters.connections_accepted, 1);
    let bytes: usize = requests.iter().map(|request| request.bytes).sum();
    assert_eq!(counters.request_bytes, u64::try_from(bytes).unwrap());
}

#[test]
fn leaders_are_spread_and_only_leaders_append() {
    let cluster = start(MockCluster::builder().brokers(3).topic("t", 6));
    let metadata = Client::connect(&cluster, 2).metadata("t");
    assert_eq!(metadata.brokers.len(), 3);
    let leaders: Vec<i32> = metadata.topics[0]
        .partitions
        .iter()
        .map(|p| p.leader.0)
        .collect();
    assert_eq!(leaders, [1, 2, 3, 1, 2, 3]);

    cluster.move_leader("t", 0, 3);
    let mut client = Client::connect(&cluster, 1);
    let response = client.produce_at(12, &one("t", 0, batch(&["x"])));
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.error, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let hint = partition.current_leader.unwrap();
    assert_eq!((hint.leader, hint.leader_epoch), (NodeId(3), 1));
    assert_eq!(response.node_endpoints[0].node, NodeId(3));
    let address = format!("127.0.0.1:{}", response.node_endpoints[0].port);
    assert_eq!(address, cluster.address(3));
    let older = client.produce_at(9, &one("t", 0, batch(&["x"])));
    assert_eq!(older.topics[0].partitions[0].current_leader, None);

    cluster.remove_leader("t", 1);
    let metadata = client.metadata("t");
    let partition = &metadata.topics[0].partitions[1];
    assert_eq!(partition.error, ErrorCode::LEADER_NOT_AVAILABLE);
    assert_eq!((partition.leader, partition.leader_epoch), (NodeId(-1), 1));
    assert_eq!(cluster.leader("t", 1), None);
}

#[test]
fn topics_are_made_when_asked_for_and_only_then() {
    let cluster = start(MockCluster::builder().default_partitions(4));
    let mut client = Client::connect(&cluster, 1);
    let refused = client.produce("new", 0, "x").error;
    assert_eq!(refused, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(client.metadata("new").topics[0].partitions.len(), 4);
    assert_eq!(client.produce("new", 3, "x").base_offset, 0);
    let refused = client.produce("new", 4, "x").error;
    assert_eq!(refused, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    cluster.add_partitions("new", 5);
    assert_eq!(client.metadata("new").topics[0].partitions.len(), 5);
    assert_eq!(client.produce("new", 4, "x").error, ErrorCode::NONE);
    let illegal = client.metadata("no spaces").topics[0].error;
    assert_eq!(illegal, ErrorCode::INVALID_TOPIC_EXCEPTION);

    let strict = start(MockCluster::builder().auto_create_topics(false));
    let missing = &Client::connect(&strict, 1).metadata("new").topics[0];
    assert_eq!(missing.error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn a_topic_made_anew_has_another_id() {
    let cluster = one_broker();
    let mut client = Client::connect(&cluster, 1);
    let old = client.metadata("t").topics[0].id;
    assert!(old.is_known());
    cluster.delete_topic("t");
    cluster.create_topic("t", 1);
    assert_ne!(client.metadata("t").topics[0].id, old);
    let mut request = one("t", 0, batch(&["x"]));
    if let Request::Produce(request) = &mut request {
        request.topics[0].id = old;
    }
    let response = client.produce_at(13, &request);
    assert_eq!(response.topics[0].id, old);
    assert_eq!(
        response.topics[0].partitions[0].error,
        ErrorCode::UNKNOWN_TOPIC_ID
    );
}

#[test]
fn a_topic_can_stamp_its_records() {
    let cluster = start(MockCluster::builder().log_append_time_topic("t", 1));
    let answer = Client::connect(&cluster, 1).produce("t", 0, "x");
    assert!(answer.log_append_time_ms > 1_000_000_000_000);
    assert_eq!(
        cluster.records("t", 0)[0].timestamp_ms,
        answer.log_append_time_ms
    );
}

#[test]
fn bad_batches_are_refused_and_good_ones_beside_them_are_not() {
    let cluster = start(MockCluster::builder().topic("t", 2).max_message_bytes(500));
    let mut client = Client::connect(&cluster, 1);
    let mut error = |batch: Vec<u8>| {
        let mut request = one("t", 0, batch);
        if let Request::Produce(request) = &mut request {
            request.topics[0].partitions.push(ProducePartition {
                index: 1,
                records: SharedBytes::new(self::batch(&["good"])),
            });
        }
        let response = client.produce_at(12, &request);
        let [bad, good] = &response.topics[0].partitions[..] else {
            panic!("{response:?}");
        };
        assert_eq!(good.error, ErrorCode::NONE);
        assert_eq!(bad.base_offset, -1);
        assert!(bad.error_message.is_some());
        bad.error
    };
    let mut damaged = batch(&["x"]);
    damaged[70] ^= 1;
    assert_eq!(error(damaged), ErrorCode::CORRUPT_MESSAGE);
    let large = batch(&["x".repeat(500).as_str()]);
    assert_eq!(error(large), ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(error(Vec::new()), ErrorCode::INVALID_RECORD);
    let mut two = batch(&["x"]);
    two.extend(batch(&["y"]));
    assert_eq!(error(two), ErrorCode::INVALID_RECORD);
    assert!(cluster.records("t", 0).is_empty());
    assert_eq!(cluster.records("t", 1).len(), 4);

    let response = client.produce_at(12, &with_acks(2, "t", 0, batch(&["x"])));
    let error = response.topics[0].partitions[0].error;
    assert_eq!(error, ErrorCode::INVALID_REQUIRED_ACKS);
}

#[test]
fn without_acks_there_is_no_answer_and_an_error_costs_the_connection() {
    let cluster = one_broker();
    let mut client = Client::connect(&cluster, 1);
    client.send(&with_acks(0, "t", 0, batch(&["a"])), 12);
    client.send(&with_acks(0, "t", 0, batch(&["b"])), 12);
    assert_eq!(client.metadata("t").topics.len(), 1);
    assert_eq!(values(&cluster, "t", 0), ["a", "b"]);
    client.send(&with_acks(0, "t", 7, batch(&["c"])), 12);
    assert!(client.is_closed());
    assert!(cluster.wait_until(PATIENCE, |view| view.connections() == 0));
}

#[test]
fn offers_what_clients_look_for() {
    let cluster = one_broker();
    let mut client = Client::connect(&cluster, 1);
    let offered = client.api_versions(4);
    let range = |key: i16| {
        let api = offered.apis.iter().find(|api| api.api_key == key);
        api.map(|api| (api.min, api.max))
    };
    assert_eq!(range(0), Some((0, 13)));
    assert_eq!(range(18), Some((0, 5)));
    assert!(range(1).is_some(), "librdkafka needs Fetch to be named");
    assert_eq!(range(22), Some((0, 5)));
    assert_eq!(range(71), None, "no telemetry");
    // What is named and not served ends the connection.
    let fetch = [0, 0, 0, 10, 0, 1, 0, 11, 0, 0, 0, 1, 0xff, 0xff];
    client.stream.write_all(&fetch).unwrap();
    assert!(client.is_closed());
    let requests = cluster.requests();
    let refused = requests.last().unwrap();
    assert_eq!((refused.api, refused.version), (Api::Other(1), 11));
    assert!(matches!(refused.content, MockRequestContent::Refused(_)));
}

#[test]
fn can_be_an_older_broker() {
    let versions: [(Api, RangeInclusive<i16>); 3] = [
        (Api::Produce, 0..=7),
        (Api::Metadata, 0..=7),
        (Api::ApiVersions, 0..=2),
    ];
    let mut builder = MockCluster::builder().topic("t", 1).without_topic_ids();
    for (api, range) in versions {
        builder = builder.versions(api, range);
    }
    let cluster = start(builder);
    let mut client = Client::connect(&cluster, 1);
    let refusal = client.api_versions(3);
    assert_eq!(refusal.error, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!((refusal.apis[0].min, refusal.apis[0].max), (0, 2));
    let offered = client.api_versions(0);
    assert!(
        offered
            .apis
            .iter()
            .any(|api| (api.api_key, api.max) == (0, 7))
    );
    let request = one("t", 0, batch(&["x"]));
    let response = client.produce_at(7, &request);
    assert_eq!(response.topics[0].partitions[0].error, ErrorCode::NONE);
    client.send(&request, 8);
    assert!(client.is_closed());
}

#[test]
fn without_topic_ids_metadata_has_none() {
    let cluster = start(MockCluster::builder().topic("t", 1).without_topic_ids());
    let metadata = Client::connect(&cluster, 1).metadata("t");
    assert!(!metadata.topics[0].id.is_known());
}

#[test]
fn scripted_errors_hit_what_they_name() {
    let cluster = one_broker();
    cluster
        .on(Api::Produce)
        .partition("t", 0)
        .times(2)
        .answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    cluster
        .on(Api::Produce)
        .partition("t", 0)
        .message("no good")
        .record_error(0, "too blue")
        .answer(ErrorCode::INVALID_RECORD);
    let mut client = Client::connect(&cluster, 1);
    assert_eq!(client.produce("t", 1, "a").error, ErrorCode::NONE);
    assert_eq!(
        client.produce("t", 0, "b").error,
        ErrorCode::NOT_ENOUGH_REPLICAS
    );
    assert_eq!(
        client.produce("t", 0, "b").error,
        ErrorCode::NOT_ENOUGH_REPLICAS
    );
    assert_eq!(cluster.pending_faults(), 1);
    let blamed = client.produce("t", 0, "b");
    assert_eq!(blamed.error_message.as_deref(), Some("no good"));
    assert_eq!(blamed.record_errors[0].message.as_deref(), Some("too blue"));
    assert_eq!(cluster.pending_faults(), 0);
    assert_eq!(client.produce("t", 0, "c").error, ErrorCode::NONE);
    assert_eq!(values(&cluster, "t", 0), ["c"]);

    cluster
        .on(Api::Produce)
        .apply_and_answer(ErrorCode::REQUEST_TIMED_OUT);
    assert_eq!(
        client.produce("t", 0, "d").error,
        ErrorCode::REQUEST_TIMED_OUT
    );
    assert_eq!(values(&cluster, "t", 0), ["c", "d"]);

    cluster
        .on(Api::Metadata)
        .topic("t")
        .answer(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    let metadata = client.metadata("t");
    assert_eq!(
        metadata.topics[0].error,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED
    );
    cluster
        .on(Api::Metadata)
        .partition("t", 1)
        .answer(ErrorCode::LEADER_NOT_AVAILABLE);
    let partitions = &client.metadata("t").topics[0].partitions;
    assert_eq!(partitions[0].error, ErrorCode::NONE);
    assert_eq!(partitions[1].error, ErrorCode::LEADER_NOT_AVAILABLE);
    cluster
        .on(Api::ApiVersions)
        .answer(ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!(
        client.api_versions(3).error,
        ErrorCode::UNKNOWN_SERVER_ERROR
    );
}

#[test]
fn a_lost_connection_is_lost_before_or_after_the_records_were_written() {
    let cluster = one_broker();
    cluster.on(Api::Produce).close_before();
    cluster.on(Api::Produce).close_after();
    for (value, written) in [("a", &[][..]), ("b", &["b"][..])] {
        let mut client = Client::connect(&cluster, 1);
        client.send(&one("t", 0, batch(&[value])), 12);
        assert!(client.is_closed());
        assert_eq!(values(&cluster, "t", 0), written);
    }
}

#[test]
fn silence_lasts_for_the_connection_only() {
    let cluster = one_broker();
    cluster.on(Api::Produce).silence();
    cluster.on(Api::Produce).silence_after();
    let mut silent = Vec::new();
    for value in ["a", "b"] {
        let mut client = Client::connect(&cluster, 1);
        client.send(&one("t", 0, batch(&[value])), 12);
        client.send(&one("t", 0, batch(&["never"])), 12);
        silent.push(client);
        let requests = u64::try_from(silent.len()).unwrap();
        assert!(cluster.wait_until(PATIENCE, |view| {
            view.counters().produce_requests == requests
        }));
    }
    let mut client = Client::connect(&cluster, 1);
    client.produce("t", 0, "c");
    assert_eq!(values(&cluster, "t", 0), ["b", "c"]);
    assert_eq!(cluster.connections(), 3);
    for client in &mut silent {
        client.stream.set_nonblocking(true).unwrap();
        let nothing = client.stream.read(&mut [0]).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    }
    drop(silent);
    assert!(cluster.wait_until(PATIENCE, |view| view.connections() == 1));
}

#[test]
fn garbage_comes_as_it_was_given() {
    let cluster = one_broker();
    cluster
        .on(Api::ApiVersions)
        .garbage("HTTP/1.1 400 Bad Request\r\n");
    let mut client = Client::connect(&cluster, 1);
    client.send(&Request::ApiVersions(ApiVersionsRequest::ours()), 3);
    let mut text = [0; 26];
    client.stream.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"HTTP/1.1 400 Bad Request\r\n");
}

#[test]
fn a_delayed_answer_holds_up_its_connection_and_no_other() {
    let cluster = one_broker();
    cluster.on(Api::Produce).delay(Duration::from_secs(3600));
    let mut slow = Client::connect(&cluster, 1);
    slow.send(&one("t", 0, batch(&["a"])), 12);
    slow.send(&one("t", 0, batch(&["behind"])), 12);
    assert!(cluster.wait_for_records("t", 1, PATIENCE));
    let mut quick = Client::connect(&cluster, 1);
    quick.produce("t", 1, "b");
    assert_eq!(values(&cluster, "t", 0), ["a"]);

    let short = Duration::from_millis(30);
    cluster.on(Api::Produce).throttle(Duration::from_millis(7));
    cluster.on(Api::Produce).delay(short);
    let begun = super::server::now();
    let answer = quick.produce_at(12, &one("t", 1, batch(&["c"])));
    assert!(super::server::now() - begun >= short);
    assert_eq!(answer.throttle_time_ms, 7);
    // Dropping the cluster does not wait for the hour to pass.
}

#[test]
fn a_paused_broker_keeps_its_connections_and_continues_later() {
    let cluster = start(MockCluster::builder().brokers(2).topic("t", 2));
    let mut client = Client::connect(&cluster, 1);
    client.metadata("t");
    cluster.pause_broker(1);
    client.send(&one("t", 0, batch(&["a"])), 12);
    Client::connect(&cluster, 2).produce("t", 1, "b");
    assert_eq!(cluster.view(|view| view.record_count("t")), 1);
    cluster.resume_broker(1);
    client.receive(ApiKey::Produce, 12);
    assert_eq!(values(&cluster, "t", 0), ["a"]);
}

#[test]
fn a_stopped_broker_refuses_and_comes_back_with_its_records() {
    let cluster = start(MockCluster::builder().brokers(2).topic("t", 2));
    let address = cluster.address(1);
    let mut client = Client::connect(&cluster, 1);
    client.produce("t", 0, "a");
    cluster.stop_broker(1);
    assert!(client.is_closed());
    let refused = TcpStream::connect(&address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let mut other = Client::connect(&cluster, 2);
    let metadata = other.metadata("t");
    assert_eq!(metadata.brokers.len(), 2);
    assert_eq!(metadata.topics[0].partitions[0].leader, NodeId(1));
    cluster.fail_over(1);
    let metadata = other.metadata("t");
    assert_eq!(metadata.brokers.len(), 1);
    assert_eq!(metadata.topics[0].partitions[0].leader, NodeId(2));
    assert_eq!(other.produce("t", 0, "b").base_offset, 1);

    cluster.restart_broker(1).unwrap();
    assert_eq!(cluster.address(1), address);
    let mut client = Client::connect(&cluster, 1);
    assert_eq!(client.metadata("t").brokers.len(), 2);
    cluster.move_leader("t", 0, 1);
    assert_eq!(client.produce("t", 0, "c").base_offset, 2);
    cluster.close_connections(1);
    assert!(client.is_closed());
    assert_eq!(cluster.connections(), 1);
}

#[test]
fn metadata_can_give_wrong_addresses() {
    let cluster = one_broker();
    cluster.advertise(1, "no.such.host.invalid", 9);
    let broker = &Client::connect(&cluster, 1).metadata("t").brokers[0];
    assert_eq!(
        (broker.host.as_str(), broker.port),
        ("no.such.host.invalid", 9)
    );
}

#[test]
fn a_frame_that_cannot_be_ends_the_connection() {
    let cluster = one_broker();
    let frames: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x03abc",
        b"\0\0\0\x0c\0\0\0\x0c\0\0\0\x01\xff\xff\x7f\x7f",
    ];
    for bytes in frames {
        let mut client = Client::connect(&cluster, 1);
        client.stream.write_all(bytes).unwrap();
        assert!(client.is_closed(), "{bytes:?}");
    }
}

#[test]
fn dropping_the_cluster_ends_its_threads_whatever_they_do() {
    let cluster = start(MockCluster::builder().brokers(2).topic("t", 2));
    cluster.on(Api::Produce).node(1).silence();
    let mut silent = Client::connect(&cluster, 1);
    silent.send(&one("t", 0, batch(&["a"])), 12);
    let mut paused = Client::connect(&cluster, 2);
    paused.metadata("t");
    cluster.pause_broker(2);
    paused.send(&one("t", 1, batch(&["a"])), 12);
    let mut idle = Client::connect(&cluster, 1);
    drop(cluster);
    for client in [&mut silent, &mut paused, &mut idle] {
        assert!(client.is_closed());
    }
}

#[test]
fn waiting_ends_at_the_event_or_at_the_deadline() {
    let cluster = one_broker();
    assert!(!cluster.wait_for_records("t", 1, Duration::from_millis(1)));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| cluster.wait_for_records("t", 1, PATIENCE));
        Client::connect(&cluster, 1).produce("t", 0, "x");
        assert!(waiting.join().unwrap());
    });
}

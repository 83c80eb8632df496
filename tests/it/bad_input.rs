//! Input that cannot be right: each is refused with a clear error, in bounded time, and what was
//! accepted before arrives all the same.

use std::io::Write;
use std::thread;
use std::time::Duration;

use linger::testing::{Api, MockCluster};
use linger::{Error, ErrorCode, ErrorKind, Producer, ProducerRecord, Properties};

use crate::fakes::{Fake, Manner};
use crate::observe::timed;
use crate::support::{Outcomes, PATIENCE, Setup, ignore, meant_error, send_all, values};

/// A producer that lingers until it is flushed.
fn setup() -> Setup {
    Setup::new()
        .topic("orders", 3)
        .set("linger.ms", 60_000)
        .set("reconnect.backoff.ms", 5)
        .set("retry.backoff.ms", 5)
        .set("retry.backoff.max.ms", 5)
}

/// What `send` says about a record that it refuses, and not only that it took too long to find out.
#[track_caller]
fn refusal(producer: &Producer<str, str>, record: &ProducerRecord<'_, str, str>) -> Error {
    let refuse = || one_refusal(producer, record.clone());
    meant_error(refuse, |error| error.kind() != ErrorKind::TimedOut)
}

/// What `send` says about a record this time; the callback comes back uncalled.
fn one_refusal(producer: &Producer<str, str>, record: ProducerRecord<'_, str, str>) -> Error {
    let outcomes = Outcomes::new();
    let before = format!("{record:?}");
    let refused = producer
        .send_or_return(record, None, outcomes.callback("handed back"))
        .unwrap_err();
    assert!(outcomes.is_empty());
    let (error, record, callback) = refused.into_parts();
    assert_eq!(format!("{record:?}"), before);
    callback(Err(error.clone()));
    assert_eq!(outcomes.next().0, "handed back");
    error
}

/// Has a record accepted, lets another one be refused, and sees the first one arrive.
fn refusal_after_a_good_record(setup: Setup, bad: &ProducerRecord<'_, str, str>) -> Error {
    let (cluster, producer) = setup.start();
    let outcomes = Outcomes::new();
    let good = ProducerRecord::new("orders", "good").partition(0);
    producer
        .send_timeout(good, PATIENCE, outcomes.callback("good"))
        .unwrap();
    let error = refusal(&producer, bad);
    producer.flush().unwrap();
    outcomes.acknowledged(1);
    assert_eq!(values(&cluster, "orders", 0), ["good"]);
    let landed = (0..3).map(|partition| cluster.records("orders", partition).len());
    assert_eq!(landed.sum::<usize>(), 1);
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
    error
}

#[track_caller]
fn assert_says(error: &Error, phrases: &[&str]) {
    let text = error.to_string();
    for phrase in phrases {
        assert!(text.contains(phrase), "\"{phrase}\" is not in: {text}");
    }
}

#[test]
fn a_record_above_max_request_size_is_refused() {
    let value = "x".repeat(2_000);
    let error = refusal_after_a_good_record(
        setup().set("max.request.size", 1_000),
        &ProducerRecord::new("orders", &value),
    );
    assert_eq!(error.kind(), ErrorKind::RecordTooLarge);
    assert_says(&error, &["orders", "max.request.size", "1000"]);
}

#[test]
fn a_record_above_buffer_memory_is_refused_at_once() {
    let value = "x".repeat(5_000);
    let setup = setup().set("buffer.memory", 4_000).set("batch.size", 1_000);
    let bad = ProducerRecord::new("orders", &value);
    let (error, took) = timed(|| refusal_after_a_good_record(setup, &bad));
    assert_eq!(error.kind(), ErrorKind::RecordTooLarge);
    assert_says(&error, &["orders", "buffer.memory", "4000"]);
    assert!(took < PATIENCE);
}

#[test]
fn illegal_topic_names_are_refused() {
    let long = "x".repeat(250);
    for name in ["", ".", "..", "two words", "slash/", "Übung", &long] {
        let error = refusal_after_a_good_record(setup(), &ProducerRecord::new(name, "value"));
        assert_eq!(error.kind(), ErrorKind::InvalidRecord, "{name}");
        assert_says(&error, &["topic name", name.get(..20).unwrap_or(name)]);
    }
}

#[test]
fn an_illegal_topic_name_has_no_partitions_either() {
    let (_cluster, producer) = setup().start();
    let error = producer.partitions_for("two words").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRecord);
}

#[test]
fn a_partition_that_does_not_exist_is_refused_when_it_has_been_waited_for() {
    let setup = setup().set("max.block.ms", 1_000);
    let bad = ProducerRecord::new("orders", "value").partition(7);
    let (error, took) = timed(|| refusal_after_a_good_record(setup, &bad));
    assert_eq!(error.kind(), ErrorKind::UnknownTopicOrPartition);
    assert_says(&error, &["partition 7", "\"orders\"", "3 partitions"]);
    assert!(took >= Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_negative_partition_is_refused() {
    let bad = ProducerRecord::new("orders", "value").partition(-1);
    let error = refusal_after_a_good_record(setup(), &bad);
    assert_eq!(error.kind(), ErrorKind::InvalidRecord);
    assert_says(&error, &["partition", "-1"]);
}

#[test]
fn a_negative_timestamp_is_refused() {
    let bad = ProducerRecord::new("orders", "value").timestamp(-5);
    let error = refusal_after_a_good_record(setup(), &bad);
    assert_eq!(error.kind(), ErrorKind::InvalidRecord);
    assert_says(&error, &["timestamp", "-5"]);
}

#[test]
fn a_closed_producer_refuses() {
    let (cluster, producer) = setup().start();
    producer
        .send(ProducerRecord::new("orders", "good").partition(0), ignore)
        .unwrap();
    producer.close().unwrap();
    for topic in ["orders", "unknown"] {
        let error = refusal(&producer, &ProducerRecord::new(topic, "value"));
        assert!(error.is_closed(), "{error}");
    }
    assert_eq!(values(&cluster, "orders", 0), ["good"]);
}

#[test]
fn a_topic_that_may_not_be_created_is_refused() {
    let setup = setup()
        .set("max.block.ms", 1_000)
        .cluster(|cluster| cluster.auto_create_topics(false));
    let bad = ProducerRecord::new("missing", "value");
    let error = refusal_after_a_good_record(setup, &bad);
    assert_eq!(error.kind(), ErrorKind::UnknownTopicOrPartition);
    assert_says(&error, &["\"missing\"", "UNKNOWN_TOPIC_OR_PARTITION"]);
}

#[test]
fn a_topic_that_the_brokers_forbid_is_refused_without_waiting() {
    let (cluster, producer) = setup().start();
    let forbidden = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    let fault = cluster.on(Api::Metadata).topic("secret");
    fault.always().answer(forbidden);
    let (error, took) = timed(|| refusal(&producer, &ProducerRecord::new("secret", "value")));
    assert_eq!(error.broker_code(), Some(forbidden));
    assert_says(&error, &["\"secret\"", "TOPIC_AUTHORIZATION_FAILED"]);
    assert!(took < PATIENCE);
    send_all(&producer, "orders", &["good"]);

    // Once it is allowed, nobody remembers the refusal.
    cluster.clear_faults();
    send_all(&producer, "secret", &["allowed"]);
}

/// A producer on these addresses, and what it says when it cannot get metadata: this phrase. When
/// the time is over it may just be in the middle of another attempt that a slow machine holds up.
#[track_caller]
fn error_of_bootstrap(servers: &str, phrase: &str) -> Error {
    let properties = Properties::new()
        .set("bootstrap.servers", servers)
        .set("key.serializer", "string")
        .set("value.serializer", "string")
        .set("max.block.ms", 1_000)
        .set("reconnect.backoff.ms", 5)
        .set("socket.connection.setup.timeout.ms", 100)
        .set("socket.connection.setup.timeout.max.ms", 100);
    let producer: Producer<str, str> = Producer::new(&properties).unwrap();
    let refuse = || {
        let (error, took) =
            timed(|| one_refusal(&producer, ProducerRecord::new("orders", "value")));
        assert!(took < PATIENCE);
        error
    };
    let error = meant_error(refuse, |error| error.to_string().contains(phrase));
    let kind = error.kind();
    let is_told = matches!(
        kind,
        ErrorKind::Connect | ErrorKind::Disconnected | ErrorKind::BadResponse
    );
    assert!(is_told, "{kind:?}: {error}");
    let (closed, took) = timed(|| producer.close());
    closed.unwrap();
    assert!(took < PATIENCE);
    error
}

#[test]
fn no_broker_reachable_names_the_address_and_that_it_refused() {
    let cluster = MockCluster::start().unwrap();
    cluster.stop_broker(1);
    let error = error_of_bootstrap(&cluster.bootstrap_servers(), "refused");
    assert_says(&error, &["orders", &cluster.address(1)]);
}

#[test]
fn a_host_name_that_does_not_resolve_is_named() {
    // A label of more than 63 characters is no name, so the resolver asks nobody about it.
    let host = "x".repeat(64);
    let error = error_of_bootstrap(&format!("{host}:9092"), "cannot resolve host");
    assert_says(&error, &["orders", &host]);
}

/// A fake, and what the error says about it.
fn fakes() -> Vec<(&'static str, Manner, &'static str)> {
    let says = |bytes: &[u8]| Manner::Says(bytes.to_vec());
    let frame = |length: i32| Manner::Says([&length.to_be_bytes()[..], b"abcd"].concat());
    vec![
        (
            "HTTP",
            says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "speaks HTTP",
        ),
        ("TLS", says(&[21, 3, 3, 0, 2, 2, 80]), "speaks TLS"),
        (
            "garbage",
            says(&[0xfe; 4_000]),
            "announced a frame of -16843010 bytes",
        ),
        ("2 GiB", frame(i32::MAX), "2147483647 bytes"),
        ("a negative length", frame(-1), "announced a frame of -1"),
        (
            "a frame of nothing",
            says(&[0; 4]),
            "expected the answer to a ApiVersions request",
        ),
        (
            "an answer to another request",
            frame(4),
            "answer to request 1633837924",
        ),
        // Or lost it, where the system resets a connection that has something to read.
        ("closing", Manner::Closes, "the connection"),
        ("silence", Manner::IsSilent, "got no answer to ApiVersions"),
    ]
}

#[test]
fn a_port_that_is_no_broker_is_named_with_what_it_did() {
    let check = |(name, manner, phrase)| {
        let fake = Fake::start(manner);
        let error = error_of_bootstrap(&fake.address(), phrase);
        let text = error.to_string();
        assert!(text.contains(&fake.address()), "{name}: {text}");
        assert!(text.contains("bootstrap server"), "{name}: {text}");
    };
    // Each takes max.block.ms.
    thread::scope(|scope| {
        for one in fakes() {
            scope.spawn(|| check(one));
        }
    });
}

#[test]
fn a_port_that_is_no_broker_does_not_keep_the_producer_from_one() {
    for (name, manner, _) in fakes() {
        let fake = Fake::start(manner);
        let cluster = MockCluster::start().unwrap();
        let servers = format!("{},{}", fake.address(), cluster.bootstrap_servers());
        let properties = Properties::new()
            .set("bootstrap.servers", servers)
            .set("key.serializer", "string")
            .set("value.serializer", "string")
            .set("reconnect.backoff.ms", 5);
        let producer: Producer<str, str> = Producer::new(&properties).unwrap();
        send_all(&producer, "orders", &[name]);
        assert_eq!(values(&cluster, "orders", 0), [name]);
    }
}

/// A port that refuses, for as long as the cluster lives.
fn refusing_port() -> (MockCluster, u16) {
    let cluster = MockCluster::start().unwrap();
    cluster.stop_broker(1);
    let address = cluster.address(1);
    let (_, port) = address.rsplit_once(':').unwrap();
    let port = port.parse().unwrap();
    (cluster, port)
}

#[test]
fn a_wrong_advertised_listener_is_blamed_and_what_was_accepted_arrives_once_it_is_right() {
    let (_refusing, wrong) = refusing_port();
    let (cluster, producer) = Setup::new()
        .topic("orders", 1)
        .set("linger.ms", 0)
        .set("reconnect.backoff.ms", 5)
        .set("retry.backoff.ms", 5)
        .set("retry.backoff.max.ms", 5)
        .set("request.timeout.ms", 2_000)
        .set("delivery.timeout.ms", 2_000)
        .start();
    let address = cluster.address(1);
    let (_, right) = address.rsplit_once(':').unwrap();
    cluster.advertise(1, "127.0.0.1", wrong);
    let error = producer
        .send_wait(ProducerRecord::new("orders", "lost"))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_says(
        &error,
        &[
            "orders",
            "never sent",
            &format!("127.0.0.1:{wrong}"),
            "refused",
            "advertised.listeners",
        ],
    );

    cluster.advertise(1, "127.0.0.1", right.parse().unwrap());
    // However slow the machine is, one of these comes after the new address is known.
    let sent = (0..100).any(|_| {
        producer
            .send_wait(ProducerRecord::new("orders", "x"))
            .is_ok()
    });
    assert!(sent);
}

#[test]
fn records_accepted_before_the_listener_is_corrected_are_not_lost() {
    let (_refusing, wrong) = refusing_port();
    let (cluster, producer) = setup().start();
    let address = cluster.address(1);
    let (_, right) = address.rsplit_once(':').unwrap();
    cluster.advertise(1, "127.0.0.1", wrong);
    let outcomes = Outcomes::new();
    for number in 0..10 {
        let text = number.to_string();
        let record = ProducerRecord::new("orders", &text).partition(0);
        producer.send(record, outcomes.callback(number)).unwrap();
    }
    let requests = cluster.counters().metadata_requests;
    // The refused connection makes the producer ask again.
    let handle = thread::scope(|scope| {
        let flushing = scope.spawn(|| producer.flush());
        assert!(cluster.wait_until(PATIENCE, |view| {
            view.counters().metadata_requests > requests
        }));
        assert!(outcomes.is_empty());
        cluster.advertise(1, "127.0.0.1", right.parse().unwrap());
        flushing.join().unwrap()
    });
    handle.unwrap();
    outcomes.acknowledged(10);
    assert_eq!(values(&cluster, "orders", 0).len(), 10);
}

fn error_of_file(text: &[u8]) -> (String, Error) {
    let mut file = tempfile::Builder::new()
        .suffix(".properties")
        .tempfile()
        .unwrap();
    file.write_all(text).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let made = Properties::from_file(&path).and_then(|properties| {
        let properties = properties
            .set("key.serializer", "string")
            .set("value.serializer", "string");
        Producer::<str, str>::new(&properties).map(drop)
    });
    (path, made.unwrap_err())
}

#[test]
fn a_broken_properties_file_is_named_with_its_line() {
    let cases: [(&[u8], usize); 4] = [
        (
            b"# comment\nbootstrap.servers=localhost:9092\nclient.id=\\u12\n",
            3,
        ),
        (b"bootstrap.servers=localhost:9092\n\nlinger.ms=soon\n", 3),
        (b"bootstrap.servers=localhost:9092\nbatch.sise=1\n", 2),
        (b"bootstrap.servers=localhost:9092\nclient.id=\xff\n", 2),
    ];
    for (text, line) in cases {
        let (path, error) = error_of_file(text);
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_says(&error, &[&format!("{path}:{line}")]);
    }
}

#[test]
fn a_client_id_that_no_thread_can_be_named_after_does_no_harm() {
    let (cluster, producer) = setup().set("client.id", "a\0b").start();
    send_all(&producer, "orders", &["value"]);
    assert_eq!(cluster.requests()[0].client_id.as_deref(), Some("a\0b"));
}

#[test]
fn a_missing_properties_file_is_named() {
    let Err(error) = Properties::from_file("no/such/file.properties") else {
        panic!("there is no such file");
    };
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_says(&error, &["no/such/file.properties"]);
}

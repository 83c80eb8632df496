//! How topics, leaders and brokers are found, and what happens when they change; and that nothing
//! happens while nothing is to do.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use linger::testing::{Api, MockCluster};
use linger::{ErrorCode, ErrorKind, Producer, ProducerRecord, Properties};

use crate::fakes::{DeafPort, Fake, Manner};
use crate::logged::{keep_log, times_logged};
use crate::observe::{cpu_time, eventually, io_thread, sleeps, timed};
use crate::support::{
    Outcomes, PATIENCE, Setup, ignore, meant_error, produced, send_all, values, wait_for_records,
};

fn setup() -> Setup {
    Setup::new()
        .set("linger.ms", 0)
        .set("retry.backoff.ms", 2)
        .set("retry.backoff.max.ms", 2)
        .set("reconnect.backoff.ms", 2)
}

/// A producer of these bootstrap addresses.
fn producer_of(servers: &str) -> Producer<str, str> {
    let properties = Properties::new()
        .set("bootstrap.servers", servers)
        .set("key.serializer", "string")
        .set("value.serializer", "string")
        .set("linger.ms", 0)
        .set("reconnect.backoff.ms", 2);
    Producer::new(&properties).unwrap()
}

/// Waits until the cluster has been asked for metadata that many times more.
fn wait_for_questions(cluster: &MockCluster, more: u64) {
    let target = cluster.counters().metadata_requests + more;
    assert!(cluster.wait_until(PATIENCE, |view| {
        view.counters().metadata_requests >= target
    }));
}

/// Sends a record on a thread of its own and does something after the cluster was asked for
/// metadata; the record arrives all the same.
fn arrives_after(
    cluster: &MockCluster,
    producer: &Producer<str, str>,
    record: ProducerRecord<'_, str, str>,
    help: impl FnOnce(),
) {
    thread::scope(|scope| {
        let sending = scope.spawn(|| producer.send_wait(record));
        wait_for_questions(cluster, 1);
        help();
        sending.join().unwrap().unwrap();
    });
}

#[test]
fn bootstrap_addresses_that_refuse_may_come_first_or_last() {
    let dead = MockCluster::builder().brokers(2).start().unwrap();
    dead.stop_broker(1);
    dead.stop_broker(2);
    let cluster = MockCluster::start().unwrap();
    let (dead, good) = (dead.bootstrap_servers(), cluster.bootstrap_servers());
    for servers in [format!("{dead},{good}"), format!("{good},{dead}")] {
        let producer = producer_of(&servers);
        send_all(&producer, "orders", &["x"]);
    }
    assert_eq!(values(&cluster, "orders", 0), ["x", "x"]);
}

#[test]
fn a_bootstrap_address_that_nobody_answers_at_does_not_hold_up_the_others() {
    let deaf = DeafPort::open();
    let silent = Fake::start(Manner::IsSilent);
    let cluster = MockCluster::start().unwrap();
    let (deaf, silent, good) = (
        deaf.address(),
        silent.address(),
        cluster.bootstrap_servers(),
    );
    for servers in [
        format!("{deaf},{good}"),
        format!("{silent},{good}"),
        format!("{deaf},{silent},{good}"),
    ] {
        let producer = producer_of(&servers);
        // The timeout of connections is 10 s, so this does not wait for it.
        let ((), took) = timed(|| send_all(&producer, "orders", &["x"]));
        assert!(took < Duration::from_secs(8), "{servers}: {took:?}");
        producer.close().unwrap();
    }
    assert_eq!(values(&cluster, "orders", 0).len(), 3);
}

#[test]
fn all_addresses_of_a_host_are_tried() {
    let cluster = MockCluster::start().unwrap();
    let address = cluster.address(1);
    let (_, port) = address.rsplit_once(':').unwrap();
    // Where localhost is ::1 as well, nobody listens there.
    let producer = producer_of(&format!("localhost:{port}"));
    send_all(&producer, "orders", &["x"]);
    assert_eq!(values(&cluster, "orders", 0), ["x"]);
}

#[test]
fn brokers_that_are_found_replace_the_bootstrap_addresses() {
    let cluster = MockCluster::builder()
        .brokers(3)
        .topic("orders", 3)
        .start()
        .unwrap();
    let producer = producer_of(&cluster.address(1));
    for partition in 0..3 {
        let record = ProducerRecord::new("orders", "x").partition(partition);
        producer.send_wait(record).unwrap();
    }
    // One for each broker; the bootstrap connection has been closed.
    assert!(cluster.wait_until(PATIENCE, |view| view.connections() == 3));
    let mut brokers: Vec<_> = produced(&cluster)
        .into_iter()
        .map(|(node, _)| node)
        .collect();
    brokers.sort_unstable();
    assert_eq!(brokers, [1, 2, 3]);
}

#[test]
fn a_topic_is_made_when_it_is_asked_for() {
    let (cluster, producer) = setup()
        .cluster(|cluster| cluster.default_partitions(4))
        .start();
    send_all(&producer, "new", &["x"]);
    assert_eq!(cluster.view(|view| view.partition_count("new")), 4);
}

#[test]
fn a_send_waits_for_a_topic_that_is_not_there_yet() {
    let (cluster, producer) = setup()
        .cluster(|cluster| cluster.auto_create_topics(false))
        .start();
    let record = ProducerRecord::new("later", "x");
    arrives_after(&cluster, &producer, record, || {
        cluster.create_topic("later", 1);
    });
    assert_eq!(values(&cluster, "later", 0), ["x"]);
}

#[test]
fn a_send_waits_for_a_partition_that_is_not_there_yet() {
    let (cluster, producer) = setup().topic("orders", 2).start();
    send_all(&producer, "orders", &["the topic is known"]);
    let record = ProducerRecord::new("orders", "x").partition(4);
    arrives_after(&cluster, &producer, record, || {
        cluster.add_partitions("orders", 5);
    });
    assert_eq!(values(&cluster, "orders", 4), ["x"]);
}

#[test]
fn topics_that_many_threads_ask_for_are_found_together() {
    let (cluster, producer) = setup().start();
    thread::scope(|scope| {
        for number in 0..20 {
            let producer = &producer;
            scope.spawn(move || send_all(producer, &format!("topic-{number}"), &["x"]));
        }
    });
    assert_eq!(cluster.counters().records, 20);
}

#[test]
fn partitions_are_told_with_their_leaders_and_replicas() {
    let (cluster, producer) = setup().brokers(3).topic("orders", 3).start();
    cluster.remove_leader("orders", 1);
    let partitions = producer.partitions_for("orders").unwrap();
    assert_eq!(partitions.len(), 3);
    for (index, one) in (0..).zip(&partitions) {
        assert_eq!(one.partition, index);
        let leader = one.leader.as_ref();
        assert_eq!(leader.map(|node| node.id), cluster.leader("orders", index));
        if let Some(node) = leader {
            assert_eq!(
                format!("{}:{}", node.host, node.port),
                cluster.address(node.id)
            );
            assert!(one.replicas.contains(&node.id));
            assert!(one.in_sync_replicas.contains(&node.id));
        }
    }
    assert!(partitions[1].leader.is_none());
}

#[test]
fn partitions_of_a_topic_that_does_not_come_are_an_error() {
    let (_cluster, producer) = setup()
        .set("max.block.ms", 500)
        .cluster(|cluster| cluster.auto_create_topics(false))
        .start();
    let ask = || producer.partitions_for("missing").unwrap_err();
    let error = meant_error(ask, |error| {
        error.kind() == ErrorKind::UnknownTopicOrPartition
    });
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn records_wait_for_a_partition_that_has_no_leader() {
    let (cluster, producer) = setup().topic("orders", 1).start();
    cluster.remove_leader("orders", 0);
    let record = ProducerRecord::new("orders", "x");
    arrives_after(&cluster, &producer, record, || {
        cluster.move_leader("orders", 0, 1);
    });
    assert_eq!(values(&cluster, "orders", 0), ["x"]);
}

#[test]
fn a_record_for_a_partition_without_a_leader_tells_so_when_it_expires() {
    let (cluster, producer) = setup()
        .topic("orders", 1)
        .set("request.timeout.ms", 200)
        .set("delivery.timeout.ms", 200)
        .start();
    cluster.remove_leader("orders", 0);
    let record = ProducerRecord::new("orders", "x");
    let error = producer.send_wait(record).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let text = error.to_string();
    assert!(
        text.contains("never sent") && text.contains("no leader"),
        "{text}"
    );
}

#[test]
fn a_leader_that_was_away_gets_what_waited_for_it() {
    let (cluster, producer) = setup().brokers(2).topic("orders", 2).start();
    send_all(&producer, "orders", &["the topic is known"]);
    let index = i32::from(cluster.leader("orders", 0) != Some(2));
    // While broker 2 is away the other one knows nothing of the topic.
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let lags = cluster.on(Api::Metadata).topic("orders").always();
    lags.answer(unknown);
    cluster.stop_broker(2);
    cluster.fail_over(2);
    let outcomes = Outcomes::new();
    let record = ProducerRecord::new("orders", "x").partition(index);
    producer.send(record, outcomes.callback("x")).unwrap();
    wait_for_questions(&cluster, 3);
    cluster.restart_broker(2).unwrap();
    cluster.move_leader("orders", index, 2);
    cluster.clear_faults();
    outcomes.acknowledged(1);
    assert!(values(&cluster, "orders", index).contains(&"x".to_owned()));
}

#[test]
fn a_broker_that_moves_to_another_address_is_followed() {
    let (cluster, producer) = setup().topic("orders", 1).start();
    send_all(&producer, "orders", &["before"]);
    let address = cluster.address(1);
    let (_, port) = address.rsplit_once(':').unwrap();
    cluster.advertise(1, "localhost", port.parse().unwrap());
    // The lost connection makes the producer ask again.
    cluster.close_connections(1);
    send_all(&producer, "orders", &["after"]);
    eventually("the new address is told", || {
        let partitions = producer.partitions_for("orders").unwrap();
        partitions[0].leader.as_ref().unwrap().host == "localhost"
    });
    send_all(&producer, "orders", &["there"]);
    // What was on its way when the connection was lost may be there twice.
    let mut written = values(&cluster, "orders", 0);
    written.dedup();
    assert_eq!(written, ["before", "after", "there"]);
}

#[test]
fn metadata_is_asked_for_again_when_it_is_old() {
    let (cluster, producer) = setup()
        .topic("orders", 1)
        .set("metadata.max.age.ms", 50)
        .start();
    send_all(&producer, "orders", &["x"]);
    let ((), took) = timed(|| wait_for_questions(&cluster, 4));
    assert!(took >= Duration::from_millis(140), "{took:?}");
    cluster.add_partitions("orders", 2);
    eventually("the new partition is known", || {
        producer.partitions_for("orders").unwrap().len() == 2
    });
}

#[test]
fn metadata_that_fails_is_asked_for_again() {
    let (cluster, producer) = setup().topic("orders", 1).start();
    cluster.on(Api::Metadata).close_before();
    cluster.on(Api::Metadata).garbage(b"HTTP/1.1 200 OK\r\n");
    cluster.on(Api::Metadata).close_after();
    let missing = cluster.on(Api::Metadata).topic("orders").times(3);
    missing.answer(ErrorCode::LEADER_NOT_AVAILABLE);
    send_all(&producer, "orders", &["x"]);
    assert_eq!(cluster.pending_faults(), 0);
}

#[test]
fn a_broker_that_is_silent_about_metadata_is_given_up_after_request_timeout() {
    let (cluster, producer) = setup()
        .brokers(2)
        .topic("orders", 1)
        .set("request.timeout.ms", 100)
        .start();
    cluster.on(Api::Metadata).times(2).silence();
    send_all(&producer, "orders", &["x"]);
    assert_eq!(cluster.pending_faults(), 0);
}

#[test]
fn an_idle_connection_is_closed_and_made_again_when_it_is_needed() {
    let (cluster, producer) = setup()
        .topic("orders", 1)
        .set("connections.max.idle.ms", 50)
        .start();
    send_all(&producer, "orders", &["before"]);
    assert!(cluster.wait_until(PATIENCE, |view| view.connections() == 0));
    send_all(&producer, "orders", &["after"]);
    assert_eq!(producer.metrics().records_retried, 0);
}

#[test]
fn connections_that_may_not_be_idle_at_all_still_send() {
    for idle in [0, 1] {
        let (cluster, producer) = setup().set("connections.max.idle.ms", idle).start();
        send_all(&producer, "orders", &["x"]);
        assert_eq!(values(&cluster, "orders", 0), ["x"]);
    }
}

/// The frame of a Metadata response of version 4 to the second request of a connection: brokers
/// with these numbers on this port, one of which leads the one partition of "orders".
fn metadata_response(brokers: &[i32], port: u16, partition: i32, leader: i32) -> Vec<u8> {
    let text = |text: &str| {
        let length = i16::try_from(text.len()).unwrap().to_be_bytes();
        [&length, text.as_bytes()].concat()
    };
    let (none, no_text) = (0_i32.to_be_bytes(), (-1_i16).to_be_bytes());
    let count = i32::try_from(brokers.len()).unwrap().to_be_bytes();
    let mut body = [&1_i32.to_be_bytes()[..], &none, &count].concat();
    for broker in brokers {
        body.extend(broker.to_be_bytes());
        body.extend(text("127.0.0.1"));
        body.extend(i32::from(port).to_be_bytes());
        body.extend(no_text);
    }
    body.extend(no_text);
    body.extend(leader.to_be_bytes());
    let one = 1_i32.to_be_bytes();
    body.extend([&one[..], &[0, 0], &text("orders"), &[0], &one, &[0, 0]].concat());
    body.extend(partition.to_be_bytes());
    body.extend(leader.to_be_bytes());
    body.extend([none, none].concat());
    let length = i32::try_from(body.len()).unwrap().to_be_bytes();
    [&length, &body[..]].concat()
}

#[test]
fn numbers_that_no_broker_or_partition_has_do_no_harm() {
    let responses: [fn(u16) -> Vec<u8>; 6] = [
        |port| metadata_response(&[i32::MIN], port, 0, i32::MIN),
        |port| metadata_response(&[-1, 1], port, 0, -1),
        |port| metadata_response(&[1], port, i32::MAX, 1),
        |port| metadata_response(&[1], port, i32::MIN, 1),
        |port| metadata_response(&[1], port, 0, 7),
        |_| metadata_response(&[1], 0, 0, 1),
    ];
    for response in responses {
        let (cluster, producer) = setup()
            .topic("orders", 1)
            .cluster(|cluster| cluster.versions(Api::Metadata, 4..=4))
            .start();
        let address = cluster.address(1);
        let (_, port) = address.rsplit_once(':').unwrap();
        cluster
            .on(Api::Metadata)
            .garbage(response(port.parse().unwrap()));
        send_all(&producer, "orders", &["x"]);
        assert_eq!(values(&cluster, "orders", 0), ["x"]);
        assert!(cluster.counters().metadata_requests > 1);
    }
}

#[test]
fn metadata_in_place_of_the_brokers_is_believed() {
    // Shows that the frames above are well-formed.
    let (cluster, producer) = setup()
        .cluster(|cluster| cluster.versions(Api::Metadata, 4..=4))
        .start();
    let response = metadata_response(&[5, 6], 9, 0, 6);
    cluster.on(Api::Metadata).garbage(response);
    let partitions = producer.partitions_for("orders").unwrap();
    let leader = partitions[0].leader.as_ref().unwrap();
    assert_eq!((leader.id, leader.port), (6, 9));
}

/// How often a thread goes to sleep within two seconds, and how long it runs.
///
/// The one place that waits on purpose: that nothing happens takes time to see. Before that the
/// thread gets time to finish what the test has given it, and for timers that it has set meanwhile.
#[cfg(target_os = "linux")]
fn two_seconds_of(thread: &str) -> (u64, Duration) {
    let (_nobody, never) = std::sync::mpsc::channel::<()>();
    let wait = |millis| assert!(never.recv_timeout(Duration::from_millis(millis)).is_err());
    wait(500);
    let before = (sleeps(thread), cpu_time(thread));
    wait(2_000);
    (sleeps(thread) - before.0, cpu_time(thread) - before.1)
}

/// Sees a thread do nothing at all, by the third look at the latest: a slow machine may not let it
/// finish earlier, and what a thread does again and again shows in each of them.
#[cfg(target_os = "linux")]
fn assert_sleeps(thread: &str) {
    let mut looks = Vec::new();
    while looks.last() != Some(&(0, Duration::ZERO)) {
        assert!(looks.len() < 3, "it never sleeps: {looks:?}");
        looks.push(two_seconds_of(thread));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_idle_producer_is_one_thread_that_sleeps() {
    let (cluster, producer) = setup()
        .brokers(3)
        .topic("orders", 9)
        .set("client.id", "md-id")
        .set("linger.ms", 5)
        .start();
    for partition in 0..9 {
        let record = ProducerRecord::new("orders", "x").partition(partition);
        producer.send_wait(record).unwrap();
    }
    assert!(cluster.wait_until(PATIENCE, |view| view.connections() == 3));
    let thread = io_thread("md-id");
    assert_sleeps(&thread);
    producer
        .send_wait(ProducerRecord::new("orders", "y"))
        .unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn a_producer_that_was_never_used_sleeps() {
    let (_cluster, _producer) = setup().set("client.id", "md-nu").start();
    let thread = io_thread("md-nu");
    assert_sleeps(&thread);
}

#[test]
#[cfg(target_os = "linux")]
fn a_producer_whose_broker_hangs_does_not_spin() {
    let (cluster, producer) = setup()
        .topic("orders", 1)
        .set("client.id", "md-hg")
        .set("buffer.memory", 100_000)
        .set("send.buffer.bytes", 4_096)
        .start();
    send_all(&producer, "orders", &["the topic is known"]);
    let thread = io_thread("md-hg");
    cluster.pause_broker(1);
    let value = "x".repeat(10_000);
    // As much as there is memory for: some of it in the socket, the rest behind it.
    while producer
        .try_send(ProducerRecord::new("orders", &value), ignore)
        .is_ok()
    {}
    let (sleeps, ran) = two_seconds_of(&thread);
    assert!(sleeps < 20 && ran < BUSY, "{sleeps} {ran:?}");
    cluster.resume_broker(1);
    producer.flush().unwrap();
}

/// A thread that spins runs for longer than this in two seconds, on the busiest machine.
#[cfg(target_os = "linux")]
const BUSY: Duration = Duration::from_millis(200);

#[test]
#[cfg(target_os = "linux")]
fn a_producer_whose_brokers_are_gone_does_not_spin() {
    let (cluster, producer) = setup()
        .brokers(2)
        .topic("orders", 2)
        .set("client.id", "md-go")
        .set("reconnect.backoff.ms", 500)
        .set("retry.backoff.ms", 500)
        .set("retry.backoff.max.ms", 500)
        .start();
    send_all(&producer, "orders", &["the topic is known"]);
    let thread = io_thread("md-go");
    cluster.stop_broker(1);
    cluster.stop_broker(2);
    for partition in 0..2 {
        let record = ProducerRecord::new("orders", "x").partition(partition);
        producer.send(record, ignore).unwrap();
    }
    // Each attempt on each address wakes the thread a few times.
    let (sleeps, ran) = two_seconds_of(&thread);
    assert!(sleeps < 500 && ran < BUSY, "{sleeps} {ran:?}");
    cluster.restart_broker(1).unwrap();
    cluster.restart_broker(2).unwrap();
    wait_for_records(&cluster, "orders", 3);
}

#[test]
fn a_peer_that_hangs_up_after_the_handshake_is_noticed() {
    let (cluster, producer) = setup().topic("orders", 1).start();
    send_all(&producer, "orders", &["before"]);
    // Somebody else's connection does not matter.
    drop(TcpStream::connect(cluster.address(1)).unwrap());
    cluster.close_connections(1);
    assert!(cluster.wait_until(PATIENCE, |view| view.connections() == 1));
    send_all(&producer, "orders", &["after"]);
    assert_eq!(values(&cluster, "orders", 0), ["before", "after"]);
}

/// Bytes of requests per topic, for that many topics that are met one after the other.
fn bytes_per_topic(topics: u64) -> u64 {
    let (cluster, producer) = setup().start();
    for number in 0..topics {
        let topic = format!("topic-{number:05}");
        assert_eq!(producer.partitions_for(&topic).unwrap().len(), 1);
    }
    let counters = cluster.counters();
    // A request that was lost would be made again, and no topic needs more than one.
    assert!(counters.metadata_requests <= topics + 2, "{counters:?}");
    counters.request_bytes / topics
}

#[test]
fn a_new_topic_costs_the_same_however_many_are_known() {
    let [few, more, many] = [250, 500, 1_000].map(bytes_per_topic);
    assert!(many <= few && more <= few, "{few} {more} {many}");
    assert!(few < 200, "{few}");
}

#[test]
fn a_broker_that_is_silent_about_metadata_does_not_keep_a_topic_from_others() {
    let (cluster, producer) = setup().brokers(2).topic("orders", 2).start();
    for partition in 0..2 {
        let record = ProducerRecord::new("orders", "x").partition(partition);
        producer.send_wait(record).unwrap();
    }
    cluster.on(Api::Metadata).silence();
    // request.timeout.ms is half a minute.
    let (partitions, took) = timed(|| producer.partitions_for("new"));
    assert_eq!(partitions.unwrap().len(), 1);
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(cluster.pending_faults(), 0);
}

#[test]
fn that_no_broker_can_be_reached_is_a_warning_once_and_names_the_address() {
    keep_log();
    let cluster = MockCluster::start().unwrap();
    cluster.stop_broker(1);
    let address = cluster.address(1);
    let properties = Properties::new()
        .set("bootstrap.servers", &address)
        .set("key.serializer", "string")
        .set("value.serializer", "string")
        .set("max.block.ms", 500)
        .set("reconnect.backoff.ms", 10);
    let producer: Producer<str, str> = Producer::new(&properties).unwrap();
    let record = ProducerRecord::new("orders", "x");
    let error = producer.send(record, ignore).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&address) && !text.contains("broker -1"),
        "{text}"
    );
    let said = format!("cannot connect to {address}");
    assert_eq!(times_logged(&["WARN bootstrap server: ", &said]), 1);
    assert_eq!(times_logged(&["WARN no broker can be reached", &said]), 1);
    assert_eq!(times_logged(&["broker -1", &address]), 0);
}

#[test]
fn that_a_topic_does_not_exist_is_a_warning_once() {
    keep_log();
    let (cluster, producer) = setup()
        .cluster(|cluster| cluster.auto_create_topics(false))
        .start();
    let record = ProducerRecord::new("asked-for-in-vain", "x");
    producer.try_send(record, ignore).unwrap_err();
    wait_for_questions(&cluster, 5);
    let parts = [
        "WARN",
        "has no metadata for topic \"asked-for-in-vain\": UNKNOWN_TOPIC",
    ];
    assert_eq!(times_logged(&parts), 1);
    assert_eq!(
        times_logged(&[parts[1], "bootstrap server"]),
        1,
        "by its address"
    );
}

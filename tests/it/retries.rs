//! Errors and lost connections: what may pass is sent again, in order, until the time is over; what
//! may not fails at once, with the broker's own words.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use linger::testing::{Api, MockCluster, MockRequestContent};
use linger::{ErrorCode, ErrorKind, Producer, ProducerRecord};

use crate::observe::{eventually, timed};
use crate::support::{
    Outcomes, PATIENCE, Setup, meant_error, produced, send_all, values, wait_for_records,
};

/// One topic of one partition, no lingering, short pauses.
fn setup() -> Setup {
    Setup::new()
        .topic("orders", 1)
        .set("linger.ms", 0)
        .set("retry.backoff.ms", 2)
        .set("retry.backoff.max.ms", 2)
        .set("reconnect.backoff.ms", 2)
}

/// Gives up soon.
fn impatient() -> Setup {
    setup()
        .set("request.timeout.ms", 2_000)
        .set("delivery.timeout.ms", 2_000)
}

fn send_numbers(producer: &Producer<str, str>, outcomes: &Outcomes<i32>, count: i32) {
    for number in 0..count {
        let text = number.to_string();
        let record = ProducerRecord::new("orders", &text).partition(0);
        producer.send(record, outcomes.callback(number)).unwrap();
    }
}

fn numbers(count: i32) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

/// The error of one record.
fn failure(producer: &Producer<str, str>) -> linger::Error {
    let record = ProducerRecord::new("orders", "bad").partition(0);
    let error = producer.send_wait(record).unwrap_err();
    eventually("its memory comes back", || {
        producer.metrics().buffer_used_bytes == 0
    });
    error
}

/// Lets the cluster do something to the first record's requests, sends ten, and sees all of them
/// arrive, in order, each once.
fn survives(setup: Setup, harm: impl FnOnce(&MockCluster)) -> (MockCluster, Producer<str, str>) {
    let (cluster, producer) = setup.set("batch.size", 0).start();
    send_all(
        &producer,
        "warm-up",
        &["the topic and the broker are known"],
    );
    harm(&cluster);
    let outcomes = Outcomes::new();
    send_numbers(&producer, &outcomes, 10);
    let order: Vec<i32> = outcomes
        .acknowledged(10)
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    assert_eq!(order, (0..10).collect::<Vec<_>>());
    producer.flush().unwrap();
    assert!(outcomes.is_empty());
    assert_eq!(values(&cluster, "orders", 0), numbers(10));
    (cluster, producer)
}

#[test]
fn every_retriable_code_is_tried_again_in_order() {
    for code in (-1..=130)
        .map(ErrorCode::from)
        .filter(|code| code.is_retriable())
    {
        let (cluster, producer) = survives(setup(), |cluster| {
            cluster
                .on(Api::Produce)
                .topic("orders")
                .times(2)
                .answer(code);
        });
        assert_eq!(cluster.pending_faults(), 0, "{code}");
        assert_eq!(producer.metrics().records_retried, 2, "{code}");
    }
}

#[test]
fn every_other_code_fails_at_once_with_the_brokers_words() {
    let (cluster, producer) = setup().start();
    let codes = (-1..=130).map(ErrorCode::from);
    // These two say how the broker finds an idempotent batch, not that it refuses it.
    let others = [
        ErrorCode::NONE,
        ErrorCode::DUPLICATE_SEQUENCE_NUMBER,
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode::UNKNOWN_PRODUCER_ID,
    ];
    let final_ones = codes.filter(|code| !code.is_retriable() && !others.contains(code));
    for code in final_ones {
        let words = format!("these words came with {}", code.code());
        cluster.on(Api::Produce).message(&words).answer(code);
        let error = failure(&producer);
        assert_eq!(error.kind(), ErrorKind::Broker(code));
        assert!(!error.is_retriable());
        let text = error.to_string();
        for part in [&words, "broker 1", "\"orders\"-0", &code.code().to_string()] {
            assert!(text.contains(part), "\"{part}\" is not in: {text}");
        }
    }
    assert_eq!(producer.metrics().records_retried, 0);
    // And the partition goes on.
    send_all(&producer, "orders", &["good"]);
}

#[test]
fn a_record_that_fails_does_not_take_its_followers_with_it() {
    let (cluster, producer) = setup().set("batch.size", 0).start();
    cluster.on(Api::Produce).answer(ErrorCode::INVALID_RECORD);
    let outcomes = Outcomes::new();
    send_numbers(&producer, &outcomes, 5);
    assert_eq!(outcomes.next().0, 0);
    outcomes.acknowledged(4);
    assert_eq!(values(&cluster, "orders", 0), ["1", "2", "3", "4"]);
}

#[test]
fn without_retries_the_first_answer_counts() {
    let (cluster, producer) = setup().set("retries", 0).start();
    cluster
        .on(Api::Produce)
        .answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    let error = failure(&producer);
    assert_eq!(error.broker_code(), Some(ErrorCode::NOT_ENOUGH_REPLICAS));
    assert!(error.is_retriable());
    assert_eq!(produced(&cluster).len(), 1);
}

#[test]
fn the_number_of_retries_is_kept_exactly() {
    let (cluster, producer) = setup().set("retries", 3).start();
    let refuse = cluster.on(Api::Produce).always();
    refuse.answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    let error = failure(&producer);
    assert_eq!(error.broker_code(), Some(ErrorCode::NOT_ENOUGH_REPLICAS));
    assert_eq!(produced(&cluster).len(), 4);
    assert_eq!(producer.metrics().records_retried, 3);
}

#[test]
fn a_lost_connection_counts_as_an_attempt() {
    let (cluster, producer) = setup().set("retries", 2).start();
    cluster.on(Api::Produce).always().close_before();
    let error = failure(&producer);
    assert_eq!(error.kind(), ErrorKind::Disconnected);
    assert!(error.to_string().contains(&cluster.address(1)), "{error}");
    assert_eq!(produced(&cluster).len(), 3);
}

#[test]
fn the_pause_between_attempts_grows() {
    let (cluster, producer) = setup()
        .set("retry.backoff.ms", 20)
        .set("retry.backoff.max.ms", 80)
        .start();
    send_all(&producer, "orders", &["the topic is known"]);
    let refuse = cluster.on(Api::Produce).times(4);
    refuse.answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    let record = ProducerRecord::new("orders", "late");
    let (sent, took) = timed(|| producer.send_wait(record));
    sent.unwrap();
    // 20, 40, 80 and 80 ms, each less a fifth at most.
    assert!(took >= Duration::from_millis(176), "{took:?}");
}

#[test]
fn a_connection_that_closes_before_the_records_are_written_loses_none() {
    let (_cluster, producer) = survives(setup(), |cluster| {
        cluster.on(Api::Produce).times(3).close_before();
    });
    assert_eq!(producer.metrics().records_retried, 3);
}

#[test]
fn a_connection_that_closes_after_the_records_are_written_calls_back_once() {
    for idempotence in [false, true] {
        let setup = setup().set("enable.idempotence", idempotence);
        let (cluster, producer) = setup.set("batch.size", 0).start();
        cluster.on(Api::Produce).times(3).close_after();
        let outcomes = Outcomes::new();
        send_numbers(&producer, &outcomes, 10);
        outcomes.acknowledged(10);
        producer.flush().unwrap();
        assert!(outcomes.is_empty());
        // Without idempotence a record may be there twice, but none is missing or out of order.
        let mut written = values(&cluster, "orders", 0);
        assert_eq!(written.len(), if idempotence { 10 } else { 13 });
        written.dedup();
        assert_eq!(written, numbers(10));
    }
}

#[test]
fn connections_that_close_again_and_again_lose_nothing() {
    let (cluster, producer) = setup().brokers(3).topic("many", 9).start();
    let outcomes = Outcomes::new();
    for round in 0..10 {
        for number in 0..30 {
            let record = ProducerRecord::new("many", "x").partition(number % 9);
            let callback = outcomes.callback((round, number));
            producer.send(record, callback).unwrap();
        }
        cluster.close_connections(round % 3 + 1);
    }
    let tags: BTreeSet<_> = outcomes
        .acknowledged(300)
        .into_iter()
        .map(|(tag, _)| tag)
        .collect();
    assert_eq!(tags.len(), 300);
    producer.flush().unwrap();
    assert!(outcomes.is_empty());
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
}

#[test]
fn a_silent_broker_is_given_up_after_request_timeout() {
    let setup = setup().set("request.timeout.ms", 200);
    let (cluster, producer) = survives(setup, |cluster| {
        cluster.on(Api::Produce).times(2).silence();
    });
    assert_eq!(cluster.pending_faults(), 0);
    // On a slow machine other answers may be late, too.
    assert!(producer.metrics().records_retried >= 2);
}

#[test]
fn garbage_in_the_middle_of_a_connection_costs_the_connection_only() {
    let bytes: [&[u8]; 5] = [
        b"HTTP/1.1 200 OK\r\n",
        &[0xff; 64],
        &[0; 4],
        &i32::MAX.to_be_bytes(),
        &[0, 0, 0, 8, 0, 0, 0, 1, 9, 9, 9, 9],
    ];
    for bytes in bytes {
        let (_cluster, producer) = survives(setup(), |cluster| {
            cluster.on(Api::Produce).garbage(bytes);
        });
        assert_eq!(producer.metrics().records_retried, 1, "{bytes:?}");
    }
}

#[test]
fn garbage_is_named_when_it_is_all_that_comes() {
    let (cluster, producer) = impatient().start();
    let garbage = cluster.on(Api::Produce).always();
    garbage.garbage(b"HTTP/1.1 200 OK\r\n");
    let error = failure(&producer);
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let text = error.to_string();
    for part in ["sent ", " times", "broker 1", &cluster.address(1), "HTTP"] {
        assert!(text.contains(part), "\"{part}\" is not in: {text}");
    }
}

/// The frame of a Produce response of version 3 to the second request of a connection, which says
/// these of one topic: partition, error and offset.
fn produce_response(topic: &str, partitions: &[(i32, i16, i64)]) -> Vec<u8> {
    let mut body = Vec::from(1_i32.to_be_bytes());
    body.extend(i32::from(!partitions.is_empty()).to_be_bytes());
    if !partitions.is_empty() {
        body.extend(i16::try_from(topic.len()).unwrap().to_be_bytes());
        body.extend(topic.as_bytes());
        body.extend(i32::try_from(partitions.len()).unwrap().to_be_bytes());
        for (partition, error, offset) in partitions {
            body.extend(partition.to_be_bytes());
            body.extend(error.to_be_bytes());
            body.extend(offset.to_be_bytes());
            body.extend((-1_i64).to_be_bytes());
        }
    }
    body.extend(0_i32.to_be_bytes());
    let length = i32::try_from(body.len()).unwrap();
    [length.to_be_bytes().to_vec(), body].concat()
}

#[test]
fn an_answer_that_says_nothing_about_a_partition_is_no_answer() {
    let answers = [
        produce_response("orders", &[]),
        produce_response("orders", &[(9, 0, 5)]),
        produce_response("others", &[(0, 0, 5)]),
        produce_response("orders", &[(-1, 0, 5), (i32::MAX, 0, 5)]),
    ];
    for answer in answers {
        let (cluster, producer) = setup()
            .cluster(|cluster| cluster.versions(Api::Produce, 3..=3))
            .start();
        cluster.on(Api::Produce).garbage(answer);
        let outcomes = Outcomes::new();
        send_numbers(&producer, &outcomes, 1);
        assert_eq!(outcomes.acknowledged(1)[0].1.offset(), Some(0));
        assert_eq!(values(&cluster, "orders", 0), ["0"]);
        assert_eq!(producer.metrics().records_retried, 1);
    }
}

#[test]
fn an_answer_in_place_of_the_brokers_is_believed() {
    // Shows that the frames above are well-formed.
    let (cluster, producer) = setup()
        .cluster(|cluster| cluster.versions(Api::Produce, 3..=3))
        .start();
    let answer = produce_response("orders", &[(0, 0, 4_711)]);
    cluster.on(Api::Produce).garbage(answer);
    let landed = producer.send_wait(ProducerRecord::new("orders", "x"));
    assert_eq!(landed.unwrap().offset(), Some(4_711));
}

#[test]
fn a_record_expires_in_the_queue() {
    let (cluster, producer) = impatient().brokers(2).start();
    // Nobody has ever been connected to the one that leads.
    let leader = cluster.leader("orders", 0).unwrap();
    cluster.stop_broker(leader);
    let error = failure(&producer);
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let text = error.to_string();
    for part in [
        "\"orders\"-0",
        "delivery.timeout.ms (2000 ms)",
        "never sent",
        &cluster.address(leader),
        "refused",
    ] {
        assert!(text.contains(part), "\"{part}\" is not in: {text}");
    }
}

#[test]
fn a_record_expires_while_it_lingers_behind_another_one() {
    let (cluster, producer) = impatient().start();
    send_all(&producer, "orders", &["the topic is known"]);
    cluster.on(Api::Produce).always().silence();
    let outcomes = Outcomes::new();
    send_numbers(&producer, &outcomes, 1);
    assert!(cluster.wait_until(PATIENCE, |view| view.counters().produce_requests == 2));
    send_numbers(&producer, &outcomes, 1);
    let first = outcomes.next().1.unwrap_err().to_string();
    assert!(first.contains("sent once"), "{first}");
    let second = outcomes.next().1.unwrap_err();
    assert_eq!(second.kind(), ErrorKind::TimedOut);
}

#[test]
fn a_record_expires_between_attempts_and_tells_how_many_there_were() {
    let (cluster, producer) = impatient().start();
    let refuse = cluster.on(Api::Produce).always();
    refuse.answer(ErrorCode::NOT_ENOUGH_REPLICAS);
    let error = failure(&producer);
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let text = error.to_string();
    assert!(text.contains("last error"), "{text}");
    assert!(text.contains("NOT_ENOUGH_REPLICAS"), "{text}");
    // The last one may not have arrived when the time was over.
    let arrived = produced(&cluster).len();
    let told = [arrived, arrived + 1].map(|attempts| format!("sent {attempts} times"));
    assert!(
        told.iter().any(|told| text.contains(told)),
        "{told:?} {text}"
    );
}

#[test]
fn a_record_expires_on_its_way_and_a_late_answer_does_no_harm() {
    let (cluster, producer) = setup()
        .set("request.timeout.ms", 2_000)
        .set("delivery.timeout.ms", 2_000)
        .set("batch.size", 0)
        .start();
    send_all(&producer, "orders", &["the topic is known"]);
    cluster.pause_broker(1);
    let error = producer
        .send_wait(ProducerRecord::new("orders", "late"))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    cluster.resume_broker(1);
    // However slow the machine is, one of these comes after the broker is back.
    let sent = (0..100).any(|_| {
        producer
            .send_wait(ProducerRecord::new("orders", "x"))
            .is_ok()
    });
    assert!(sent);
}

#[test]
fn nothing_expires_late_when_many_threads_open_batches_of_one_partition() {
    let (cluster, producer) = impatient().set("batch.size", 0).start();
    send_all(&producer, "orders", &["the topic is known"]);
    cluster.stop_broker(1);
    let outcomes = Outcomes::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            let callbacks: Vec<_> = (0..500).map(|number| outcomes.callback(number)).collect();
            let producer = &producer;
            scope.spawn(move || {
                for callback in callbacks {
                    let record = ProducerRecord::new("orders", "x");
                    producer.send(record, callback).unwrap();
                }
            });
        }
    });
    for _ in 0..2_000 {
        assert_eq!(outcomes.next().1.unwrap_err().kind(), ErrorKind::TimedOut);
    }
    producer.flush().unwrap();
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
}

#[test]
fn requests_of_which_not_a_byte_has_left_are_sent_again() {
    let (cluster, producer) = setup()
        .set("request.timeout.ms", 2_000)
        .set("send.buffer.bytes", 4_096)
        .set("batch.size", 500_000)
        .topic("many", 5)
        .start();
    send_all(&producer, "many", &["the topic is known"]);
    cluster.pause_broker(1);
    let outcomes = Outcomes::new();
    let value = "x".repeat(600_000);
    // The first fills what the system keeps for a socket; the others wait behind it.
    for partition in 0..5 {
        let record = ProducerRecord::new("many", &value).partition(partition);
        producer.send(record, outcomes.callback(partition)).unwrap();
    }
    eventually("the broker is given up", || {
        producer.metrics().records_retried > 0
    });
    cluster.resume_broker(1);
    outcomes.acknowledged(5);
    producer.flush().unwrap();
    assert!(outcomes.is_empty());
}

/// Two brokers, of which the second one leads from now on.
fn moves_the_leader(setup: Setup) -> (MockCluster, Producer<str, str>) {
    let (cluster, producer) = setup.brokers(2).start();
    let old = cluster.leader("orders", 0).unwrap();
    send_all(&producer, "orders", &["before"]);
    cluster.move_leader("orders", 0, 3 - old);
    send_all(&producer, "orders", &["after"]);
    assert_eq!(values(&cluster, "orders", 0), ["before", "after"]);
    let mut brokers: Vec<i32> = produced(&cluster)
        .into_iter()
        .map(|(node, _)| node)
        .collect();
    // The old one may be tried again before metadata comes.
    brokers.dedup();
    assert_eq!(brokers, [old, 3 - old]);
    (cluster, producer)
}

#[test]
fn a_leader_that_has_moved_is_followed_by_the_hint_of_the_old_one() {
    let setup = setup()
        .set("retry.backoff.ms", 60_000)
        .set("retry.backoff.max.ms", 60_000);
    let (_, took) = timed(|| moves_the_leader(setup));
    assert!(took < PATIENCE, "a hint makes the pause unnecessary");
}

#[test]
fn a_leader_that_has_moved_is_found_by_metadata_where_there_are_no_hints() {
    let (cluster, _producer) =
        moves_the_leader(setup().cluster(|cluster| cluster.versions(Api::Produce, 3..=9)));
    assert!(cluster.counters().metadata_requests >= 2);
}

#[test]
fn a_broker_that_stops_is_failed_over() {
    let (cluster, producer) = setup().brokers(3).start();
    send_all(&producer, "orders", &["before"]);
    let old = cluster.leader("orders", 0).unwrap();
    cluster.stop_broker(old);
    let outcomes = Outcomes::new();
    send_numbers(&producer, &outcomes, 10);
    cluster.fail_over(old);
    outcomes.acknowledged(10);
    assert_ne!(cluster.leader("orders", 0), Some(old));
}

#[test]
fn a_broker_that_restarts_gets_what_waited_for_it() {
    let (cluster, producer) = setup().set("batch.size", 0).start();
    send_all(&producer, "orders", &["before"]);
    let outcomes = Outcomes::new();
    for _ in 0..3 {
        cluster.stop_broker(1);
        send_numbers(&producer, &outcomes, 5);
        assert!(outcomes.is_empty());
        cluster.restart_broker(1).unwrap();
        outcomes.acknowledged(5);
    }
    assert_eq!(values(&cluster, "orders", 0).len(), 16);
}

#[test]
fn without_acks_records_count_as_written_when_they_are_sent() {
    let (cluster, producer) = setup().set("acks", 0).start();
    let landed = producer
        .send_wait(ProducerRecord::new("orders", "x"))
        .unwrap();
    assert_eq!(
        (landed.offset(), landed.to_string().as_str()),
        (None, "orders-0@?")
    );
    wait_for_records(&cluster, "orders", 1);
    eventually("its memory comes back", || {
        producer.metrics().buffer_used_bytes == 0
    });
}

#[test]
fn without_acks_a_lost_connection_calls_back_once_and_the_producer_goes_on() {
    let (cluster, producer) = setup().set("acks", 0).set("batch.size", 0).start();
    send_all(&producer, "orders", &["the topic is known"]);
    cluster.on(Api::Produce).times(3).close_before();
    let outcomes = Outcomes::new();
    // Records that were sent into the closed connection are lost, as acks=0 means.
    let mut sent = 0;
    while cluster.pending_faults() > 0 || cluster.records("orders", 0).len() < 5 {
        send_numbers(&producer, &outcomes, 1);
        outcomes.acknowledged(1);
        sent += 1;
        assert!(sent < 100_000, "the producer connects again");
    }
    producer.flush().unwrap();
    assert!(outcomes.is_empty());
}

#[test]
fn without_acks_a_broker_that_refuses_connections_lets_records_expire() {
    let (cluster, producer) = impatient().set("acks", 0).start();
    send_all(&producer, "orders", &["the topic is known"]);
    cluster.stop_broker(1);
    let outcomes = Outcomes::new();
    // The first ones may still be written to the closed connection.
    let failed = (0..100).any(|number| {
        let record = ProducerRecord::new("orders", "x");
        producer.send(record, outcomes.callback(number)).unwrap();
        outcomes.next().1.is_err()
    });
    assert!(failed);
}

/// The version in which the newest request of this kind came.
fn version(cluster: &MockCluster, api: Api) -> i16 {
    let requests = cluster.requests();
    let mut newest = requests.iter().rev();
    newest.find(|request| request.api == api).unwrap().version
}

#[test]
fn older_brokers_are_spoken_to_in_their_own_versions() {
    let (newest_produce, newest_metadata) = (13, 13);
    for max in 3..=newest_produce {
        let setup = setup().cluster(|cluster| cluster.versions(Api::Produce, 3..=max));
        let (cluster, _producer) = survives(setup, |cluster| {
            cluster.on(Api::Produce).close_before();
        });
        assert_eq!(version(&cluster, Api::Produce), max);
    }
    for max in 4..=newest_metadata {
        let setup = setup().cluster(|cluster| cluster.versions(Api::Metadata, 0..=max));
        let (cluster, _producer) = survives(setup, |_| ());
        assert_eq!(version(&cluster, Api::Metadata), max);
        // Ids of topics came with version 10.
        assert_eq!(
            version(&cluster, Api::Produce),
            if max < 10 { 12 } else { 13 }
        );
    }
}

#[test]
fn brokers_that_know_only_older_versions_of_api_versions_are_asked_again() {
    for max in [0, 2, 3] {
        let setup = setup().cluster(|cluster| cluster.versions(Api::ApiVersions, 0..=max));
        let (cluster, _producer) = survives(setup, |_| ());
        assert_eq!(version(&cluster, Api::ApiVersions), max);
        let refused = cluster
            .requests()
            .into_iter()
            .filter(|request| matches!(request.content, MockRequestContent::Refused(_)));
        assert!(refused.count() > 0);
    }
}

#[test]
fn kafka_2_1_is_understood() {
    let setup = setup().cluster(|cluster| {
        cluster
            .versions(Api::Produce, 0..=7)
            .versions(Api::Metadata, 0..=7)
            .versions(Api::ApiVersions, 0..=2)
            .without_topic_ids()
    });
    survives(setup, |cluster| {
        cluster
            .on(Api::Produce)
            .answer(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    });
}

#[test]
fn topics_without_ids_go_by_name() {
    let setup = setup().cluster(linger::testing::MockClusterBuilder::without_topic_ids);
    let (cluster, _producer) = survives(setup, |_| ());
    assert_eq!(version(&cluster, Api::Produce), 12);
}

#[test]
fn a_broker_too_old_to_write_to_is_named_at_once() {
    let (_cluster, producer) = setup()
        .cluster(|cluster| cluster.versions(Api::Produce, 0..=2))
        .start();
    let (error, took) = timed(|| failure(&producer));
    assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
    let text = error.to_string();
    assert!(
        text.contains("broker 1") && text.contains("Produce"),
        "{text}"
    );
    assert!(took < PATIENCE);
}

#[test]
fn a_broker_too_old_to_tell_the_leader_is_named() {
    let (_cluster, producer) = setup()
        .set("max.block.ms", 500)
        .cluster(|cluster| cluster.versions(Api::Metadata, 0..=3))
        .start();
    let refuse = || producer.partitions_for("orders").unwrap_err();
    meant_error(refuse, |error| error.to_string().contains("Metadata"));
}

#[test]
fn a_topic_that_is_made_anew_is_written_to() {
    let (cluster, producer) = setup().start();
    send_all(&producer, "orders", &["old"]);
    cluster.delete_topic("orders");
    cluster.create_topic("orders", 1);
    send_all(&producer, "orders", &["new"]);
    assert_eq!(values(&cluster, "orders", 0), ["new"]);
}

//! Groups: one function for many records. Called for each as callbacks are, or once for all.

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use linger::testing::{Api, MockBatch, MockCluster};
use linger::{
    Error, ErrorCode, ErrorKind, Fate, Group, GroupReport, Producer, ProducerRecord,
    RecordMetadata, Result,
};

use crate::observe::eventually;
use crate::support::{Outcomes, PATIENCE, Setup, close_within, ignore, values};

fn setup() -> Setup {
    Setup::new()
        .topic("orders", 3)
        .set("linger.ms", 5)
        .set("batch.size", 400)
        .set("retry.backoff.ms", 2)
        .set("retry.backoff.max.ms", 2)
        .set("reconnect.backoff.ms", 2)
}

type Told = (u32, Result<RecordMetadata>);

/// A group that passes on what it is told.
fn group(producer: &Producer<str, str>, told: &Sender<Told>) -> Group<str, str, u32> {
    let told = told.clone();
    producer.group(move |token, result: Result<&RecordMetadata, &Error>| {
        let result = result.cloned().map_err(Error::clone);
        told.send((token, result)).unwrap();
    })
}

/// A function for a group that is called once, and what it is told.
fn once() -> (
    impl FnOnce(GroupReport<u32>) + Send + 'static,
    Receiver<GroupReport<u32>>,
) {
    let (tell, told) = mpsc::channel();
    (move |report| tell.send(report).unwrap(), told)
}

fn failures(report: &GroupReport<u32>) -> Vec<u32> {
    report
        .failures
        .iter()
        .map(|failure| failure.token)
        .collect()
}

/// Every record's value is its number; the records go to the partitions in turn, three of every four
/// in two groups, the fourth with a callback.
fn send_mixed(producer: &Producer<str, str>, records: u32) -> Receiver<Told> {
    let (tell, told) = mpsc::channel();
    let groups = [group(producer, &tell), group(producer, &tell)];
    for number in 0..records {
        let value = number.to_string();
        let partition = i32::try_from(number % 3).unwrap();
        let record = ProducerRecord::new("orders", &value).partition(partition);
        match number % 4 {
            3 => {
                let tell = tell.clone();
                let callback = move |result| tell.send((number, result)).unwrap();
                producer.send(record, callback).unwrap();
            }
            2 => groups[1].send(record, number).unwrap(),
            _ => groups[0].send(record, number).unwrap(),
        }
    }
    told
}

fn assert_told_in_order(cluster: &MockCluster, told: &[Told]) {
    for partition in 0..3 {
        let here = told.iter().filter(|(number, _)| number % 3 == partition);
        let partition = i32::try_from(partition).unwrap();
        let log = values(cluster, "orders", partition);
        let mut count = 0;
        for ((index, (number, result)), value) in (0..).zip(here).zip(&log) {
            let metadata = result.as_ref().unwrap();
            assert_eq!(*value, number.to_string(), "in the order of send");
            assert_eq!(metadata.topic(), "orders");
            assert_eq!(metadata.partition(), partition);
            assert_eq!(metadata.offset(), Some(index));
            assert_eq!(metadata.value_size(), Some(value.len()));
            assert_eq!(metadata.key_size(), None);
            count += 1;
        }
        assert_eq!(count, log.len(), "everybody was told once");
    }
}

#[test]
fn groups_and_callbacks_are_told_in_the_order_of_send_through_retries_and_splits() {
    // Full batches are too large. What a broker has taken never is, nor is a batch of one record.
    let (cluster, producer) = setup()
        .cluster(|cluster| cluster.brokers(2).max_message_bytes(300))
        .set("linger.ms", 60_000)
        .start();
    let produce = || cluster.on(Api::Produce);
    let retry = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    produce().skip(2).times(2).answer(retry);
    produce().skip(4).times(1).close_after();
    let told = send_mixed(&producer, 300);
    producer.flush().unwrap();
    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(told.len(), 300, "flush waits for groups, too");
    assert_eq!(cluster.pending_faults(), 0);
    let is_small = |one: &MockBatch| one.bytes <= 300;
    let batches = cluster.batches("orders", 0);
    assert!(batches.len() > 1 && batches.iter().all(is_small));
    assert_told_in_order(&cluster, &told);
    assert_eq!(producer.metrics().records_acknowledged, 300);
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
    assert_eq!(cluster.violations(), [""; 0]);
}

#[test]
fn a_close_that_runs_out_of_time_tells_groups_that_their_records_failed() {
    let (cluster, producer) = setup().start();
    producer.partitions_for("orders").unwrap();
    cluster.pause_broker(cluster.nodes()[0]);
    let told = send_mixed(&producer, 60);
    let (function, reported) = once();
    let group = producer.group_once(function);
    for token in 0..5 {
        let record = ProducerRecord::new("orders", "x").partition(0);
        group.send(record, token).unwrap();
    }
    group.done();
    assert!(reported.try_recv().is_err(), "nothing is known yet");
    assert_eq!(close_within(&producer, Duration::ZERO), (0, 65));
    let told: Vec<_> = told.try_iter().collect();
    assert!(told.iter().all(|(_, result)| result.is_err()));
    for partition in 0..3 {
        let mut here = told.iter().map(|(number, _)| *number);
        let here: Vec<_> = here.by_ref().filter(|one| one % 3 == partition).collect();
        assert_eq!(here.len(), 20);
        assert!(here.is_sorted(), "{here:?}");
    }
    let report = reported.try_recv().unwrap();
    assert_eq!(
        (report.acknowledged, failures(&report)),
        (0, vec![0, 1, 2, 3, 4])
    );
    assert!(reported.recv().is_err(), "once");
}

#[test]
fn a_refused_record_comes_back_with_its_token_and_is_not_told() {
    let (_cluster, producer) = setup().start();
    let (tell, told) = mpsc::channel();
    let group = group(&producer, &tell);
    let (function, reported) = once();
    let once = producer.group_once(function);
    let wrong = || ProducerRecord::new("orders", "x").partition(-1);
    let refused = group.send_or_return(wrong(), None, 7).unwrap_err();
    let (error, record, token) = refused.into_parts();
    assert_eq!((error.kind(), token), (ErrorKind::InvalidRecord, 7));
    assert_eq!(format!("{record:?}"), format!("{:?}", wrong()));
    assert!(group.try_send(wrong(), 8).is_err());
    assert!(group.send_timeout(wrong(), PATIENCE, 9).is_err());
    let refused = once.send_or_return(wrong(), Some(PATIENCE), 1);
    assert_eq!(refused.unwrap_err().into_parts().2, 1);
    assert!(once.send(wrong(), 1).is_err());
    assert!(once.try_send(wrong(), 1).is_err());
    assert!(once.send_timeout(wrong(), PATIENCE, 1).is_err());
    once.done();
    producer.close().unwrap();
    let error = group.send(ProducerRecord::new("orders", "x"), 10);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Closed);
    assert!(told.try_recv().is_err());
    let report = reported.recv().unwrap();
    assert_eq!((report.acknowledged, report.failures.len()), (0, 0));
}

#[test]
fn a_group_that_is_done_hears_once_of_all_records_with_the_failures_listed() {
    let (cluster, producer) = setup().start();
    let refused = cluster.on(Api::Produce).partition("orders", 1).always();
    refused.answer(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    let (function, reported) = once();
    let group = producer.group_once(function);
    let clone = group.clone();
    for token in 0..30 {
        let partition = i32::try_from(token % 3).unwrap();
        let record = ProducerRecord::new("orders", "x").partition(partition);
        group.send(record, token).unwrap();
    }
    group.done();
    producer.flush().unwrap();
    assert!(reported.try_recv().is_err(), "more may come of the clone");
    clone
        .send(ProducerRecord::new("orders", "x").partition(0), 30)
        .unwrap();
    drop(clone);
    let report = reported.recv_timeout(PATIENCE).unwrap();
    assert_eq!(report.acknowledged, 21);
    assert_eq!(failures(&report), [1, 4, 7, 10, 13, 16, 19, 22, 25, 28]);
    for failure in &report.failures {
        let error = &failure.error;
        assert_eq!(
            error.broker_code(),
            Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED)
        );
        assert_eq!(error.fate(), Fate::NotWritten);
    }
    assert!(reported.recv().is_err(), "once");
}

#[test]
fn a_group_with_nothing_pending_is_complete_when_it_is_done() {
    let (_cluster, producer) = setup().start();
    let (function, reported) = once();
    producer.group_once(function).done();
    assert_eq!(reported.try_recv().unwrap().acknowledged, 0);
    let (function, reported) = once();
    let group = producer.group_once(function);
    group.send(ProducerRecord::new("orders", "x"), 0).unwrap();
    producer.flush().unwrap();
    assert!(reported.try_recv().is_err());
    group.done();
    assert_eq!(reported.try_recv().unwrap().acknowledged, 1);
}

#[test]
fn a_group_keeps_its_producer_open_and_the_last_one_closes_it() {
    let (cluster, producer) = setup().start();
    let (function, reported) = once();
    let group = producer.group_once(function);
    drop(producer);
    group.send(ProducerRecord::new("orders", "x"), 0).unwrap();
    assert_eq!(group.producer().metrics().records_accepted, 1);
    group.done();
    let report = reported.try_recv().expect("the drop waits");
    assert_eq!(report.acknowledged, 1);
    let counts = (0..3).map(|partition| cluster.records("orders", partition).len());
    assert_eq!(counts.sum::<usize>(), 1);
}

#[test]
fn a_panic_in_a_group_is_counted_and_the_others_are_told() {
    let (_cluster, producer) = setup().start();
    let outcomes = Outcomes::new();
    let callbacks = outcomes.callbacks();
    let group = producer.group(move |token: u32, result: Result<&RecordMetadata, &Error>| {
        assert!(token.is_multiple_of(2), "a user's mistake");
        callbacks.tagged(token)(result.cloned().map_err(Error::clone));
    });
    let once = producer.group_once(|_: GroupReport<u32>| panic!("another one"));
    for token in 0..10 {
        let record = || ProducerRecord::new("orders", "x").partition(0);
        group.send(record(), token).unwrap();
        once.send(record(), token).unwrap();
    }
    once.done();
    producer.flush().unwrap();
    let told: Vec<_> = outcomes
        .acknowledged(5)
        .into_iter()
        .map(|one| one.0)
        .collect();
    assert_eq!(told, [0, 2, 4, 6, 8]);
    assert_eq!(producer.metrics().callbacks_panicked, 6);
    assert_eq!(producer.metrics().records_acknowledged, 20);
    producer
        .group_once(|_: GroupReport<u32>| panic!("on this thread"))
        .done();
    assert_eq!(producer.metrics().callbacks_panicked, 7);
}

#[test]
fn a_groups_function_may_send_and_must_not_wait() {
    let (cluster, producer) = setup().start();
    let (tell, told) = mpsc::channel();
    let inside = producer.clone();
    let group = producer.group(move |(), _: Result<&RecordMetadata, &Error>| {
        let inner = inside.send(ProducerRecord::new("orders", "inner"), ignore);
        let error = inside.flush().unwrap_err();
        tell.send((inner.is_ok(), error.kind())).unwrap();
    });
    group
        .send(ProducerRecord::new("orders", "outer"), ())
        .unwrap();
    let expected = (true, ErrorKind::Misuse);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), expected);
    assert!(cluster.wait_for_records("orders", 2, PATIENCE));
}

#[test]
fn tokens_count_as_memory_until_their_records_are_told() {
    let (cluster, producer) = setup().start();
    producer.partitions_for("orders").unwrap();
    cluster.pause_broker(cluster.nodes()[0]);
    let used = || producer.metrics().buffer_used_bytes;
    let record = || ProducerRecord::new("orders", "x").partition(0);
    producer.send(record(), ignore).unwrap();
    let of_a_callback = used();
    let group = producer.group(|_: [u8; 10_000], _| ());
    group.send(record(), [0; 10_000]).unwrap();
    let of_both = used();
    cluster.resume_broker(cluster.nodes()[0]);
    assert!(of_a_callback < 2_000, "{of_a_callback}");
    assert!(of_both >= 10_000, "{of_both}");
    producer.flush().unwrap();
    eventually("all memory is back", || used() == 0);
}

//! What a program sees of its producer's state: events, and the state by question.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use linger::testing::{Api, MockCluster};
use linger::{ErrorCode, ErrorKind, Producer, ProducerEvent, ProducerRecord};

use crate::observe::eventually;
use crate::support::{PATIENCE, Setup, ignore, send_all};

/// A producer that reconnects at once, and its events.
fn start(setup: Setup) -> (MockCluster, Producer<str, str>, Receiver<ProducerEvent>) {
    let (sender, events) = mpsc::channel();
    let (cluster, producer) = setup
        .set("linger.ms", 0)
        .set("reconnect.backoff.ms", 2)
        .set("reconnect.backoff.max.ms", 2)
        .set("retry.backoff.ms", 2)
        .set("retry.backoff.max.ms", 2)
        .properties(|properties| {
            properties.on_event(move |event| sender.send(event.clone()).unwrap_or_default())
        })
        .start();
    (cluster, producer, events)
}

/// The first event that is meant; others before it are left out.
fn next<T>(events: &Receiver<ProducerEvent>, is_meant: impl Fn(&ProducerEvent) -> Option<T>) -> T {
    loop {
        let event = events.recv_timeout(PATIENCE).expect("the event comes");
        if let Some(meant) = is_meant(&event) {
            return meant;
        }
    }
}

fn up(event: &ProducerEvent) -> Option<Option<i32>> {
    match event {
        ProducerEvent::BrokerUp { broker, .. } => Some(broker.id),
        _ => None,
    }
}

fn down(event: &ProducerEvent) -> Option<Option<i32>> {
    match event {
        ProducerEvent::BrokerDown { broker, .. } => Some(broker.id),
        _ => None,
    }
}

fn all_down(event: &ProducerEvent) -> Option<ErrorKind> {
    match event {
        ProducerEvent::AllBrokersDown { error, .. } => Some(error.kind()),
        _ => None,
    }
}

#[test]
fn a_broker_that_goes_down_and_comes_back_is_told_and_seen() {
    let (cluster, producer, events) = start(Setup::new());
    assert!(producer.state().is_ready(), "it has not been tried");
    assert_eq!(producer.state().connected_brokers(), 0);
    send_all(&producer, "orders", &["x"]);
    assert_eq!(next(&events, up), None, "the bootstrap server");
    assert_eq!(next(&events, up), Some(1));
    let state = producer.state();
    let first = &state.brokers[0];
    assert_eq!((first.broker.id, first.is_connected), (Some(1), true));
    assert!(first.error.is_none() && state.last_error.is_none());
    assert_eq!(state.pending_records, 0);

    cluster.stop_broker(1);
    assert_eq!(next(&events, down), Some(1));
    producer
        .send(ProducerRecord::new("orders", "waits"), ignore)
        .unwrap();
    let kind = next(&events, all_down);
    let state = producer.state();
    assert!(state.is_alive && !state.is_ready(), "{state:?}");
    assert_eq!(state.connected_brokers(), 0);
    assert_eq!(state.all_brokers_down.unwrap().kind(), kind);
    assert!(state.last_error.is_some() && state.brokers[0].error.is_some());
    assert_eq!(state.pending_records, 1);

    cluster.restart_broker(1).unwrap();
    next(&events, up);
    producer.flush().unwrap();
    let state = producer.state();
    assert!(state.is_ready(), "{state:?}");
    assert!(state.last_error.is_some(), "it is remembered");
    assert_eq!(state.pending_records, 0);
}

#[test]
fn a_cluster_that_was_never_there_is_told_once() {
    let (cluster, producer, events) = start(Setup::new().set("max.block.ms", 200));
    cluster.stop_broker(1);
    producer
        .send(ProducerRecord::new("orders", "x"), ignore)
        .unwrap_err();
    assert_eq!(next(&events, down), None);
    assert_eq!(next(&events, all_down), ErrorKind::Connect);
    assert!(!producer.state().is_ready());
    producer
        .send(ProducerRecord::new("orders", "x"), ignore)
        .unwrap_err();
    assert!(events.try_recv().is_err(), "nothing is new");
}

#[test]
fn a_topic_that_is_refused_is_told_and_seen() {
    let setup = Setup::new().set("max.block.ms", 200);
    let (cluster, producer, events) = start(setup);
    let forbidden = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    let fault = cluster.on(Api::Metadata).topic("secret");
    fault.always().answer(forbidden);
    producer
        .send(ProducerRecord::new("secret", "x"), ignore)
        .unwrap_err();
    let refused = next(&events, |event| match event {
        ProducerEvent::TopicRefused { topic, code, .. } => Some((topic.clone(), *code)),
        _ => None,
    });
    assert_eq!(refused, ("secret".to_owned(), forbidden));
    assert_eq!(producer.state().refused_topics, [refused]);
    cluster.clear_faults();
    send_all(&producer, "secret", &["x"]);
    assert_eq!(producer.state().refused_topics, []);
}

#[test]
fn a_broker_that_asks_for_a_pause_is_told_and_seen() {
    let (cluster, producer, events) = start(Setup::new());
    send_all(&producer, "orders", &["the topic is known"]);
    let pause = Duration::from_secs(20);
    cluster.on(Api::Produce).throttle(pause);
    send_all(&producer, "orders", &["throttled"]);
    let told = next(&events, |event| match event {
        ProducerEvent::Throttled { broker, pause, .. } => Some((broker.id, *pause)),
        _ => None,
    });
    assert_eq!(told, (Some(1), pause));
    let state = producer.state();
    let left = state.brokers[0].throttled_for.unwrap();
    assert!(left <= pause && left > Duration::ZERO, "{left:?}");
    drop(cluster);
    producer.close_timeout(Duration::ZERO).unwrap_or_default();
}

#[test]
fn a_listener_that_panics_harms_nothing() {
    let (_cluster, producer) = Setup::new()
        .properties(|properties| properties.on_event(|event| panic!("at {event}")))
        .start();
    send_all(&producer, "orders", &["x"]);
    assert!(producer.state().is_alive);
    assert!(producer.metrics().callbacks_panicked >= 2, "up, and up");
}

#[test]
fn the_state_is_told_inside_events_and_callbacks_and_after_a_close() {
    let (cluster, producer) = Setup::new().set("linger.ms", 0).start();
    let clone = producer.clone();
    let (sender, receiver) = mpsc::channel();
    let callback = move |_| sender.send(clone.state()).unwrap();
    producer
        .send(ProducerRecord::new("orders", "x"), callback)
        .unwrap();
    let state = receiver.recv_timeout(PATIENCE).unwrap();
    assert!(state.is_alive && state.callbacks_running_for.is_some());
    producer.close().unwrap();
    let state = producer.state();
    assert!(!state.is_alive && state.is_closed && !state.is_ready());
    assert_eq!(state.connected_brokers(), 0);
    drop(cluster);
}

#[test]
fn a_callback_that_never_returns_is_seen() {
    let (_cluster, producer) = Setup::new().set("linger.ms", 0).start();
    let (release, released) = mpsc::channel::<()>();
    let callback = move |_| released.recv().unwrap_err();
    let sent = producer.send(ProducerRecord::new("orders", "x"), move |result| {
        callback(result);
    });
    sent.unwrap();
    let long = Duration::from_millis(20);
    eventually("the callback is seen to run", || {
        producer.state().callbacks_running_for >= Some(long)
    });
    drop(release);
    producer.flush().unwrap();
    assert_eq!(producer.state().callbacks_running_for, None);
}

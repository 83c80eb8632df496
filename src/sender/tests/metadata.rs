//! Asking for metadata, and those who wait for it.

use super::*;

#[test]
fn asks_the_bootstrap_address_once_and_answers_all_who_wait() {
    let mut world = World::new(settings());
    let first = world.await_topic(TOPIC, None, Some(ms(900)));
    let second = world.await_topic(TOPIC, Some(2), Some(ms(900)));
    assert_eq!(world.connects, [BOOTSTRAP]);
    world.accept();
    assert_eq!(world.asked().len(), 1);
    world.answer_metadata();
    assert!(world.finished[&first].is_ok() && world.finished[&second].is_ok());
    assert_eq!(world.asked(), []);
    assert_eq!(world.accumulator.topic(TOPIC).unwrap().partition_count(), 3);
}

#[test]
fn asks_again_after_a_pause_for_what_is_not_there_yet() {
    let mut world = World::new(settings());
    let wait = world.await_topic(TOPIC, None, Some(ms(900)));
    world.accept();
    let mut unknown = world.metadata();
    unknown.topics[0].error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    unknown.topics[0].partitions.clear();
    for _ in 0..3 {
        world.answer_metadata_with(unknown.clone());
        world.advance(BACKOFF - ms(1));
        assert_eq!(world.asked(), []);
        world.advance(ms(1));
    }
    assert!(world.finished.is_empty());
    world.answer_metadata();
    assert!(world.finished[&wait].is_ok());
}

#[test]
fn waiting_for_a_topic_ends_at_its_deadline_with_what_is_known() {
    let mut world = World::new(settings());
    let wait = world.await_topic("missing", None, Some(ms(300)));
    world.accept();
    let mut unknown = world.metadata();
    unknown.topics[0].name = Some("missing".to_owned());
    unknown.topics[0].error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    unknown.topics[0].partitions.clear();
    world.answer_metadata_with(unknown);
    world.advance(ms(299));
    assert!(world.finished.is_empty());
    world.advance(ms(1));
    let error = world.finished.remove(&wait).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownTopicOrPartition);
    assert!(error.to_string().contains("for 300 ms"), "{error}");
}

#[test]
fn waiting_for_a_topic_says_that_no_broker_can_be_reached() {
    let mut world = World::new(settings());
    let wait = world.await_topic(TOPIC, None, Some(ms(300)));
    world.lose(BOOTSTRAP);
    world.advance(ms(300));
    let error = world.finished.remove(&wait).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected);
    assert!(error.to_string().contains("the cable was cut"), "{error}");
}

#[test]
fn a_topic_that_is_refused_for_good_is_refused_at_once() {
    let mut world = World::new(settings());
    let wait = world.await_topic(TOPIC, None, None);
    world.accept();
    let mut refusal = world.metadata();
    refusal.topics[0].error = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    refusal.topics[0].partitions.clear();
    world.answer_metadata_with(refusal);
    let error = world.finished.remove(&wait).unwrap().unwrap_err();
    let code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    assert_eq!(error.kind(), ErrorKind::Broker(code));
}

#[test]
fn waits_for_a_partition_that_does_not_exist_yet() {
    let mut world = World::ready(settings());
    let wait = world.await_topic(TOPIC, Some(3), None);
    world.advance(BACKOFF);
    world.answer_metadata();
    assert!(!world.finished.contains_key(&wait));
    world.leaders.push(2);
    world.leader_epoch += 1;
    world.advance(BACKOFF);
    world.answer_metadata();
    assert!(world.finished[&wait].is_ok());
}

#[test]
fn a_topic_asked_for_in_passing_is_asked_for_and_the_command_answered_at_once() {
    let mut world = World::new(settings());
    let track = world.command(Command::Track(Arc::from(TOPIC)));
    assert!(world.finished[&track].is_ok());
    world.accept();
    assert_eq!(world.asked().len(), 1);
}

#[test]
fn asks_again_when_metadata_is_too_old() {
    let mut world = World::ready(Settings {
        metadata_max_idle: Duration::from_secs(3_600),
        ..settings()
    });
    world.advance(Duration::from_secs(300) - ms(1));
    assert_eq!(world.asked(), []);
    world.advance(ms(1));
    world.answer_metadata();
}

#[test]
fn a_topic_not_in_use_is_forgotten() {
    let mut world = World::ready(settings());
    world.advance(Duration::from_secs(1_000));
    assert_eq!(world.asked(), []);
    assert_eq!(world.wait, None, "nothing is left to do");
}

#[test]
fn a_request_lost_with_its_connection_goes_to_another_broker_after_a_pause() {
    let mut world = World::ready(settings());
    world.sender.metadata.request();
    world.advance(BACKOFF);
    let (_, node) = world.asked()[0];
    let other = if node == ONE { TWO } else { ONE };
    world.lose(node);
    assert_eq!(world.asked(), []);
    world.advance(BACKOFF);
    assert_eq!(world.asked()[0].1, other);
}

#[test]
fn a_bootstrap_address_that_does_not_answer_does_not_hold_up_the_next() {
    let mut world = World::new(Settings {
        bootstrap: vec![address(BOOTSTRAP), address(NodeId(-2))],
        ..settings()
    });
    world.await_topic(TOPIC, None, None);
    assert_eq!(world.connects, [BOOTSTRAP]);
    world.advance(ms(249));
    assert_eq!(world.connects, [BOOTSTRAP]);
    world.advance(ms(1));
    assert_eq!(world.connects, [BOOTSTRAP, NodeId(-2)]);
    world.advance(Duration::from_secs(10));
    assert_eq!(world.connects.len(), 2, "each is being connected to once");
}

#[test]
fn the_bootstrap_connection_ends_when_a_broker_of_the_cluster_answers() {
    let mut world = World::new(settings());
    world.await_topic(TOPIC, None, None);
    world.accept();
    world.answer_metadata();
    assert_eq!(world.disconnects, []);
    world.append(0, "a");
    world.advance(LINGER);
    world.accept();
    assert_eq!(world.disconnects, [BOOTSTRAP]);
    world.the_request();
}

fn rebootstrapping(trigger: Duration) -> World {
    World::ready(Settings {
        rebootstrap: Some(trigger),
        ..settings()
    })
}

#[test]
fn starts_over_with_bootstrap_when_the_known_brokers_tell_nothing() {
    let mut world = rebootstrapping(ms(1_000));
    world.sender.metadata.request();
    world.advance(BACKOFF);
    assert_eq!(world.asked().len(), 1);
    world.advance(ms(1_000) - BACKOFF);
    assert_eq!(world.disconnects, []);
    world.advance(BACKOFF);
    assert_eq!(world.disconnects, [ONE, TWO]);
    world.advance(BACKOFF);
    assert_eq!(world.connects, [BOOTSTRAP]);
    world.accept();
    world.answer_metadata();
    world.send(0, "a");
    world.accept();
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["a"]);
}

#[test]
fn starts_over_at_once_when_a_broker_says_so() {
    let mut world = rebootstrapping(Duration::from_secs(300));
    world.sender.metadata.request();
    world.advance(BACKOFF);
    let mut answer = world.metadata();
    answer.error = ErrorCode::REBOOTSTRAP_REQUIRED;
    world.answer_metadata_with(answer);
    assert_eq!(world.disconnects, [ONE, TWO]);
    world.advance(BACKOFF);
    assert_eq!(world.connects, [BOOTSTRAP]);
}

#[test]
fn metadata_that_comes_in_time_keeps_the_brokers() {
    let mut world = rebootstrapping(ms(1_000));
    for _ in 0..5 {
        world.sender.metadata.request();
        world.advance(ms(500));
        world.answer_metadata();
    }
    assert_eq!(world.disconnects, []);
}

#[test]
fn brokers_are_kept_when_no_topic_is_in_use_and_so_nothing_is_asked() {
    let mut world = rebootstrapping(ms(1_000));
    world.advance(Duration::from_secs(1_000));
    world.lose(TWO);
    world.advance(Duration::from_secs(1_000));
    assert_eq!(world.disconnects, []);
}

#[test]
fn a_trigger_of_zero_does_not_spin() {
    let mut world = World::new(Settings {
        rebootstrap: Some(Duration::ZERO),
        ..settings()
    });
    world.await_topic(TOPIC, None, None);
    world.accept();
    world.answer_metadata();
}

#[test]
fn an_answer_that_names_no_broker_is_no_answer() {
    let mut world = World::new(settings());
    let wait = world.await_topic(TOPIC, None, None);
    world.accept();
    world.answer_metadata_with(MetadataResponse::default());
    assert!(!world.finished.contains_key(&wait));
    world.advance(BACKOFF);
    world.answer_metadata();
    assert!(world.finished[&wait].is_ok());
}

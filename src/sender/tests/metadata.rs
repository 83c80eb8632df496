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
    world.sender.metadata.request_all();
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
    world.sender.metadata.request_all();
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
    world.sender.metadata.request_all();
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
        world.sender.metadata.request_all();
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

/// What the one metadata request there is asks for, and an answer that knows all of that but `missing`.
fn answer_all_but(world: &mut World, missing: &[&str]) -> Vec<String> {
    let (id, _) = world.asked()[0];
    let topics: Vec<_> = world.topics_of(id).into_iter().map(str::to_owned).collect();
    let mut response = world.metadata();
    let template = response.topics.remove(0);
    for (number, name) in (0..).zip(&topics) {
        let is_missing = missing.contains(&name.as_str());
        let mut topic = template.clone();
        topic.name = Some(name.clone());
        topic.id = TopicId([number; 16]);
        if is_missing {
            topic.error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            topic.partitions.clear();
        }
        response.topics.push(topic);
    }
    world.answer_metadata_of(id, response);
    topics
}

#[test]
fn asks_for_new_topics_alone_and_for_all_when_they_are_old() {
    let mut world = World::new(Settings {
        metadata_max_idle: Duration::from_secs(3_600),
        ..settings()
    });
    let names: Vec<_> = (0..50).map(|number| format!("topic-{number:02}")).collect();
    for (index, name) in names.iter().enumerate() {
        let wait = world.await_topic(name, None, None);
        world.accept();
        assert_eq!(answer_all_but(&mut world, &[]), [name.as_str()], "{index}");
        assert!(world.finished[&wait].is_ok());
    }
    assert_eq!(world.asked(), []);
    world.advance(Duration::from_secs(300));
    assert_eq!(answer_all_but(&mut world, &[]), names);
}

#[test]
fn new_topics_that_come_while_a_request_is_out_go_together_in_the_next() {
    let mut world = World::new(settings());
    world.await_topic("a", None, None);
    world.accept();
    for name in ["d", "b", "c"] {
        world.await_topic(name, None, None);
    }
    assert_eq!(answer_all_but(&mut world, &[]), ["a"]);
    assert_eq!(answer_all_but(&mut world, &[]), ["b", "c", "d"]);
}

#[test]
fn a_topic_that_is_missing_is_asked_for_again_alone() {
    let mut world = World::new(settings());
    world.await_topic("there", None, None);
    let wait = world.await_topic("missing", None, None);
    world.accept();
    assert_eq!(answer_all_but(&mut world, &["missing"]).len(), 2);
    for _ in 0..3 {
        world.advance(BACKOFF);
        assert_eq!(answer_all_but(&mut world, &["missing"]), ["missing"]);
    }
    // Another topic has no part in its pause, and its refusal is not forgotten over the other.
    let other = world.await_topic("other", None, None);
    assert_eq!(answer_all_but(&mut world, &[]), ["other"]);
    assert!(world.finished[&other].is_ok());
    assert!(world.sender.metadata.view().refused.contains_key("missing"));
    world.advance(BACKOFF);
    assert_eq!(answer_all_but(&mut world, &[]), ["missing"]);
    assert!(world.finished[&wait].is_ok());
}

#[test]
fn a_refusal_from_before_a_caller_came_is_not_its_answer_when_another_topic_comes() {
    let mut world = World::new(settings());
    let first = world.await_topic("denied", None, None);
    world.accept();
    let mut refusal = world.metadata();
    refusal.topics[0].name = Some("denied".to_owned());
    refusal.topics[0].error = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    refusal.topics[0].partitions.clear();
    world.answer_metadata_with(refusal);
    assert!(world.finished[&first].is_err());
    let second = world.await_topic("denied", None, None);
    world.await_topic("other", None, None);
    assert_eq!(answer_all_but(&mut world, &[]), ["other"]);
    assert!(!world.finished.contains_key(&second));
    world.advance(BACKOFF);
    assert_eq!(answer_all_but(&mut world, &[]), ["denied"]);
    assert!(world.finished[&second].is_ok());
}

#[test]
fn a_topic_that_an_answer_leaves_out_is_asked_for_again() {
    let mut world = World::new(settings());
    let wait = world.await_topic(TOPIC, None, None);
    world.accept();
    let mut without = world.metadata();
    without.topics.clear();
    world.answer_metadata_with(without);
    world.advance(BACKOFF);
    world.answer_metadata();
    assert!(world.finished[&wait].is_ok());
}

/// Answers every request for metadata at once, for a second; returns how many there were.
fn asked_in_a_second(world: &mut World, missing: &[&str]) -> usize {
    let end = world.now + Duration::from_secs(1);
    let mut asked = 0;
    while world.now < end {
        while !world.asked().is_empty() {
            answer_all_but(world, missing);
            asked += 1;
            assert!(asked < 1_000, "it asks without end");
        }
        world.advance(ms(1));
    }
    asked
}

#[test]
fn no_setting_makes_a_producer_ask_without_a_pause() {
    let none = Backoff {
        initial: Duration::ZERO,
        max: Duration::ZERO,
    };
    let restless = |retry_backoff| Settings {
        metadata_max_age: Duration::ZERO,
        retry_backoff,
        ..settings()
    };
    // Nothing is wrong; its age alone makes it ask.
    let mut world = World::ready(restless(none));
    let asked = asked_in_a_second(&mut world, &[]);
    assert!(asked <= 10, "{asked}");
    let mut world = World::ready(restless(settings().retry_backoff));
    let asked = asked_in_a_second(&mut world, &[]);
    assert!(asked <= 10, "{asked}");
    // A topic is missing.
    let mut world = World::ready(restless(none));
    world.await_topic("missing", None, None);
    let asked = asked_in_a_second(&mut world, &["missing"]);
    assert!(asked <= 101, "{asked}");
    let mut world = World::ready(settings());
    world.await_topic("missing", None, None);
    let asked = asked_in_a_second(&mut world, &["missing"]);
    assert!(asked <= 11, "{asked}");
}

/// Whatever keeps a broker from answering, new topics do not wait for it.
#[test]
fn another_broker_is_asked_beside_one_that_does_not_answer() {
    let mut world = World::ready(Settings {
        request_timeout: Duration::from_secs(30),
        ..settings()
    });
    let wait = world.await_topic("new", None, None);
    let (slow, node) = world.asked()[0];
    world.advance(ms(999));
    assert_eq!(world.asked().len(), 1);
    world.advance(ms(1));
    let (second, other) = world.asked()[1];
    assert_ne!(node, other);
    assert_eq!(world.topics_of(second), ["new"]);
    // Neither has answered: nobody is left to be asked.
    world.advance(Duration::from_secs(10));
    assert_eq!(world.asked().len(), 2);
    let mut answer = world.metadata();
    answer.topics[0].name = Some("new".to_owned());
    world.answer_metadata_of(second, answer.clone());
    assert!(world.finished[&wait].is_ok());
    // The late answer does no harm; its broker is asked again from then on.
    world.answer_metadata_of(slow, answer);
    world.await_topic("newer", None, None);
    assert_eq!(world.asked().len(), 1);
}

#[test]
fn the_late_answer_of_a_broker_that_was_not_waited_for_counts() {
    let mut world = World::ready(Settings {
        request_timeout: Duration::from_secs(30),
        ..settings()
    });
    let wait = world.await_topic("new", None, None);
    world.advance(Duration::from_secs(1));
    let [(slow, _), (second, _)] = world.asked().try_into().unwrap();
    let mut answer = world.metadata();
    answer.topics[0].name = Some("new".to_owned());
    world.answer_metadata_of(slow, answer);
    assert!(world.finished[&wait].is_ok());
    world.lose(world.sent[&second].0);
    world.advance(BACKOFF);
    assert_eq!(world.asked().len(), 1, "what was lost is asked for once");
}

#[test]
fn a_broker_without_room_for_a_request_is_waited_for_a_second() {
    let mut world = World::new(Settings {
        max_in_flight: 1,
        rebootstrap: Some(Duration::from_secs(300)),
        request_timeout: Duration::from_secs(30),
        ..settings()
    });
    world.leaders = vec![1];
    world.await_topic(TOPIC, None, None);
    world.accept();
    world.answer_metadata();
    world.send(0, "a");
    world.accept();
    world.the_request();
    let connected = world.connects.len();
    world.await_topic("new", None, None);
    assert_eq!((world.asked(), world.connects.len()), (vec![], connected));
    world.advance(Duration::from_secs(1));
    assert_eq!(world.connects.len(), connected + 1, "to another one");
    world.accept();
    assert_eq!(world.asked().len(), 1);
}

/// A pause that a broker has announced is no reason to know nothing: KIP-219 is about its own load.
#[test]
fn a_throttling_broker_keeps_nobody_from_metadata() {
    let mut world = World::ready(Settings {
        request_timeout: Duration::from_secs(30),
        ..settings()
    });
    let wait = world.await_topic("new", None, None);
    let (_, node) = world.asked()[0];
    let partition = if node == ONE { 0 } else { 2 };
    world.send(partition, "a");
    let request = world.the_request();
    assert_eq!(request.node, node);
    let answer = world.partition_answer(partition, ErrorCode::NONE);
    world.answer_with(request.id, vec![answer], i32::MAX);
    world.advance(Duration::from_secs(1));
    let (second, other) = world.asked()[1];
    assert_ne!(node, other);
    let mut answer = world.metadata();
    answer.topics[0].name = Some("new".to_owned());
    world.answer_metadata_of(second, answer);
    assert!(world.finished[&wait].is_ok());
    // Now it is known beforehand.
    world.await_topic("newer", None, None);
    assert_eq!(world.asked()[1].1, other);
}

#[test]
fn a_caller_hears_that_the_broker_throttles() {
    let mut world = World::ready(settings());
    for (node, partition) in [(ONE, 0), (TWO, 2)] {
        world.send(partition, "a");
        let request = world.the_request();
        assert_eq!(request.node, node);
        let answer = world.partition_answer(partition, ErrorCode::NONE);
        world.answer_with(request.id, vec![answer], 20_000);
    }
    let wait = world.await_topic("new", None, Some(ms(500)));
    world.advance(ms(500));
    let error = world.finished.remove(&wait).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(
        error.to_string().contains("throttles this client (quota)"),
        "{error}"
    );
}

fn unresolved() -> Error {
    Error::new(
        ErrorKind::Connect,
        "bootstrap server: cannot resolve host nowhere",
    )
}

#[test]
fn names_that_lead_nowhere_are_given_up_after_bootstrap_resolve_timeout() {
    let mut world = World::new(Settings {
        resolve_timeout: Some(Duration::from_secs(5)),
        ..settings()
    });
    world.advance(Duration::from_secs(60));
    let wait = world.await_topic(TOPIC, None, None);
    for _ in 0..99 {
        for node in std::mem::take(&mut world.connects) {
            world
                .sender
                .handle(world.now, Input::Unresolved(node), &world.accumulator);
            world.handle(Input::Disconnected(node, unresolved(), Vec::new()));
        }
        assert!(!world.finished.contains_key(&wait));
        world.advance(ms(50));
    }
    world.advance(ms(50));
    let error = world.finished.remove(&wait).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(
        text.contains("bootstrap.resolve.timeout.ms (5000 ms)"),
        "{text}"
    );
    assert!(text.contains("cannot resolve host nowhere"), "{text}");
    // That is for good.
    world.connects.clear();
    let late = world.await_topic(TOPIC, None, None);
    assert!(world.finished[&late].is_err());
    world.advance(Duration::from_secs(60));
    assert_eq!(world.connects, []);
}

#[test]
fn a_name_that_leads_to_an_address_is_resolved_for_good() {
    let mut world = World::new(Settings {
        resolve_timeout: Some(Duration::from_secs(5)),
        ..settings()
    });
    let wait = world.await_topic(TOPIC, None, None);
    // Nobody listens there, but that is another matter.
    world.lose(BOOTSTRAP);
    world.advance(Duration::from_secs(60));
    assert!(!world.finished.contains_key(&wait));
}

#[test]
fn a_cluster_that_is_slow_to_answer_is_not_asked_without_end() {
    for latency in [
        ms(500),
        ms(1_500),
        ms(2_500),
        ms(3_500),
        ms(5_000),
        ms(8_000),
    ] {
        let mut world = World::ready(Settings {
            request_timeout: ms(30_000),
            rebootstrap: Some(Duration::from_secs(300)),
            ..settings()
        });
        world.sender.metadata.request_all();
        let mut due: BTreeMap<RequestId, Instant> = BTreeMap::new();
        let mut asked = 0;
        let (begin, mut late) = (world.now, 0);
        while world.now < begin + ms(120_000) {
            world.advance(ms(50));
            world.accept();
            let all = world.asked();
            for (id, _) in &all {
                let now = world.now;
                due.entry(*id).or_insert_with(|| {
                    asked += 1;
                    late += u32::from(now > begin + ms(60_000));
                    now + latency
                });
            }
            for (id, _) in all {
                if due[&id] <= world.now {
                    let response = world.metadata();
                    world.answer_metadata_of(id, response);
                }
            }
        }
        assert!(
            asked <= 6 && late == 0,
            "{latency:?}: {asked} requests, {late} in the second minute"
        );
    }
}

#[test]
fn two_names_that_lead_nowhere_at_the_same_time_are_not_taken_for_resolved() {
    let other = NodeId(-2);
    let mut world = World::new(Settings {
        bootstrap: vec![address(BOOTSTRAP), address(other)],
        resolve_timeout: Some(ms(800)),
        ..settings()
    });
    let wait = world.await_topic(TOPIC, None, None);
    world.advance(ms(300));
    assert_eq!(world.connects, [BOOTSTRAP, other]);
    for node in [BOOTSTRAP, other] {
        let error = Error::new(ErrorKind::Connect, "no answer from the resolver");
        world.handle(Input::Unresolved(node));
        world.handle(Input::Disconnected(node, error, Vec::new()));
    }
    world.advance(ms(1_000));
    assert!(world.finished.contains_key(&wait), "it has given up");
}

//! When brokers are connected to, and when not.

use super::*;

#[test]
fn connects_to_a_broker_when_there_is_something_for_it() {
    let mut world = World::new(settings());
    world.await_topic(TOPIC, None, None);
    world.accept();
    world.answer_metadata();
    assert_eq!(world.connects, []);
    world.send(2, "a");
    assert_eq!(world.connects, [TWO]);
}

#[test]
fn backs_off_from_a_broker_that_does_not_answer_longer_each_time() {
    let settings = Settings {
        reconnect_backoff: Backoff {
            initial: ms(100),
            max: ms(1_000),
        },
        metadata_max_age: Duration::from_secs(3_600),
        ..settings()
    };
    let mut world = World::ready_with(settings, patient());
    world.send(0, "a");
    for middle in [100, 200, 400, 800, 1_000] {
        world.lose(ONE);
        world.advance(ms(middle * 8 / 10) - ms(1));
        assert_eq!(world.connects, [], "{middle}");
        world.advance(ms(middle * 4 / 10) + ms(2));
        assert_eq!(world.connects, [ONE], "{middle}");
    }
    world.accept();
    world.lose(ONE);
    world.advance(ms(120));
    assert_eq!(world.connects, [ONE], "it had answered, so it begins anew");
}

#[test]
fn a_broker_that_has_left_or_moved_is_disconnected() {
    let mut world = World::ready(settings());
    let mut without_two = world.metadata();
    without_two.brokers.pop();
    world.sender.metadata.request_all();
    world.advance(BACKOFF);
    world.answer_metadata_with(without_two);
    assert_eq!(world.disconnects, [TWO]);
}

#[test]
fn an_idle_connection_ends_and_a_used_one_does_not() {
    let idle = Duration::from_secs(60);
    let mut world = World::ready(Settings {
        connections_max_idle: Some(idle),
        ..settings()
    });
    world.advance(idle / 2);
    world.send(0, "a");
    world.acknowledge();
    world.advance(idle / 2);
    assert_eq!(world.disconnects, [TWO]);
    world.advance(idle / 2);
    assert_eq!(world.disconnects, [TWO, ONE]);
    world.send(2, "b");
    world.accept();
    world.acknowledge();
}

#[test]
fn a_connection_with_a_request_on_its_way_is_not_idle() {
    let idle = ms(500);
    let mut world = World::ready(Settings {
        connections_max_idle: Some(idle),
        ..settings()
    });
    world.append(0, "a");
    world.advance(DELIVERY - ms(1));
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["a"]);
}

#[test]
fn an_idle_limit_of_zero_does_not_spin() {
    let mut world = World::ready(Settings {
        connections_max_idle: Some(Duration::ZERO),
        ..settings()
    });
    world.send(0, "a");
    world.accept();
    world.acknowledge();
}

/// The driver reads several sockets and tells all of it at once.
#[test]
fn news_of_a_connection_that_was_just_given_up_is_no_news() {
    let mut world = World::ready(settings());
    world.lose(TWO);
    world.append(2, "a");
    world.sender.metadata.request_all();
    world.advance(BACKOFF);
    assert_eq!(world.connects, [TWO]);
    let mut moved = world.metadata();
    moved.brokers[1].port = 1;
    moved.topics[0].partitions[2].leader = ONE;
    moved.topics[0].partitions[2].leader_epoch = 2;
    let (id, _) = world.asked()[0];
    world.sent.remove(&id);
    let response = Input::Response(id, Response::Metadata(moved));
    world.sender.handle(world.now, response, &world.accumulator);
    world
        .sender
        .handle(world.now, Input::Ready(TWO), &world.accumulator);
    world.settle();
    assert_eq!(world.disconnects, [TWO]);
    let is_ready = world.sender.nodes.get_mut(TWO).unwrap().is_ready();
    assert!(!is_ready, "its connection has been dropped");
}

#[test]
fn nothing_is_left_to_do_for_a_broker_whose_partitions_went_elsewhere() {
    let mut world = World::ready(settings());
    world.lose(ONE);
    world.send(0, "a");
    world.move_leader(0, 2);
    world.advance(BACKOFF);
    world.answer_metadata();
    world.acknowledge();
    world.lose(ONE);
    world.connects.clear();
    world.advance(Duration::from_secs(1));
    assert_eq!(world.connects, [], "it is not needed");
}

#[test]
fn each_setup_that_fails_doubles_the_time_of_the_next_and_begins_at_another_address() {
    let mut world = World::new(settings());
    world.await_topic(TOPIC, None, None);
    for (failures, timeout) in [(0, 100), (1, 200), (2, 300), (3, 300)] {
        let attempts = std::mem::take(&mut world.attempts);
        assert_eq!(attempts, [(BOOTSTRAP, ms(timeout), failures)]);
        world.lose(BOOTSTRAP);
        world.advance(ms(50));
    }
    world.accept();
    world.attempts.clear();
    world.lose(BOOTSTRAP);
    world.advance(BACKOFF);
    let first = [(BOOTSTRAP, ms(100), 0)];
    assert_eq!(
        world.attempts, first,
        "it had been ready: that was no failed setup"
    );
}

#[test]
fn a_setup_timeout_above_its_maximum_stays_what_it_is() {
    let mut world = World::new(Settings {
        setup_timeout: Backoff {
            initial: ms(500),
            max: ms(300),
        },
        ..settings()
    });
    world.await_topic(TOPIC, None, None);
    world.lose(BOOTSTRAP);
    world.advance(ms(50));
    assert_eq!(
        world.attempts,
        [(BOOTSTRAP, ms(500), 0), (BOOTSTRAP, ms(500), 1)]
    );
}

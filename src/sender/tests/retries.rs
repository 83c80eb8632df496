//! What comes again, when, how often, and in which order.

use super::*;

const REFUSED: ErrorCode = ErrorCode::NOT_ENOUGH_REPLICAS;

#[test]
fn a_retry_backs_off_and_goes_before_what_was_queued_behind_it() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    world.append(0, "b");
    let request = world.the_request();
    world.answer(&request, REFUSED);
    world.advance(BACKOFF - ms(1));
    world.assert_nothing_sent();
    world.advance(ms(1));
    assert_eq!(world.the_request().batches, batch(0, &["a"]));
    world.acknowledge();
    assert_eq!(world.the_request().batches, batch(0, &["b"]));
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["a", "b"]);
    world.assert_idle();
}

#[test]
fn other_partitions_do_not_wait_for_a_retry() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    let request = world.the_request();
    world.answer(&request, REFUSED);
    world.send(1, "b");
    assert_eq!(world.the_request().batches, batch(1, &["b"]));
}

#[test]
fn backs_off_longer_each_time() {
    let settings = Settings {
        retry_backoff: Backoff {
            initial: ms(100),
            max: ms(1_000),
        },
        ..settings()
    };
    let mut world = World::ready_with(settings, patient());
    world.send(0, "a");
    for middle in [100, 200, 400, 800, 1_000, 1_000] {
        let request = world.the_request();
        world.answer(&request, REFUSED);
        world.advance(ms(middle * 8 / 10) - ms(1));
        world.assert_nothing_sent();
        world.advance(ms(middle * 4 / 10) + ms(2));
        world.the_request();
    }
}

#[test]
fn gives_up_after_exactly_that_many_retries() {
    for retries in [0, 1, 3] {
        let mut world = World::ready(Settings {
            retries,
            ..settings()
        });
        world.send(0, "a");
        for _ in 0..retries {
            let request = world.the_request();
            world.answer(&request, REFUSED);
            assert!(world.delivered().is_empty());
            world.advance(BACKOFF);
        }
        let request = world.the_request();
        world.answer(&request, REFUSED);
        world.advance(BACKOFF);
        world.assert_nothing_sent();
        assert_eq!(
            world.failed(),
            [("a".to_owned(), ErrorKind::Broker(REFUSED))]
        );
        world.assert_idle();
    }
}

#[test]
fn a_code_that_no_retry_helps_fails_at_once_and_names_the_broker() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    let request = world.the_request();
    world.answer(&request, ErrorCode::MESSAGE_TOO_LARGE);
    let (_, result) = world.delivered().remove(0);
    let text = result.unwrap_err().to_string();
    assert!(text.contains("broker 1 rejected \"t\"-0"), "{text}");
    world.assert_idle();
}

#[test]
fn one_partition_fails_and_the_others_of_its_request_do_not() {
    let mut world = World::ready(settings());
    world.append(0, "a");
    world.append(1, "b");
    world.advance(LINGER);
    let request = world.the_request();
    let answers = [(0, ErrorCode::MESSAGE_TOO_LARGE), (1, ErrorCode::NONE)];
    world.answer_each(request.id, &answers);
    let delivered = world.delivered();
    assert_eq!(delivered.len(), 2);
    assert!(delivered[0].1.is_err() && delivered[1].1.is_ok());
    world.assert_idle();
}

#[test]
fn an_answer_about_other_batches_than_were_sent_proves_nothing_and_ends_the_connection() {
    let none = ErrorCode::NONE;
    let wrong: [&[(i32, ErrorCode)]; 5] = [
        &[],
        &[(1, none)],
        &[(0, none), (2, none)],
        &[(0, none), (1, none), (1, REFUSED)],
        &[(-1, REFUSED), (0, none), (1, none), (99, none)],
    ];
    for answers in wrong {
        let mut world = World::ready(settings());
        world.append(0, "a");
        world.append(1, "b");
        world.advance(LINGER);
        let request = world.the_request();
        world.answer_each(request.id, answers);
        assert!(world.delivered().is_empty());
        assert_eq!(world.disconnects, [ONE]);
        world.advance(BACKOFF * 2);
        world.accept();
        let again = world.the_request();
        assert_eq!(again.batches, [batch(0, &["a"]), batch(1, &["b"])].concat());
        world.acknowledge();
        assert_eq!(world.acknowledged(), ["a", "b"]);
        world.assert_idle();
    }
}

#[test]
fn requests_lost_with_their_connection_come_again() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    world.send(1, "b");
    world.lose(ONE);
    world.assert_nothing_sent();
    world.advance(BACKOFF);
    world.accept();
    let again: Vec<_> = world
        .produced()
        .into_iter()
        .flat_map(|one| one.batches)
        .collect();
    assert_eq!(again, [batch(0, &["a"]), batch(1, &["b"])].concat());
}

#[test]
fn a_request_of_which_not_a_byte_left_does_not_count_as_an_attempt() {
    let mut world = World::ready(Settings {
        retries: 1,
        ..settings()
    });
    world.send(0, "a");
    for _ in 0..3 {
        let request = world.the_request();
        world.lose_unwritten(ONE, vec![request.id]);
        assert!(world.delivered().is_empty());
        world.advance(BACKOFF);
        world.accept();
    }
    let request = world.the_request();
    world.lose(ONE);
    assert_ne!(world.delivered.lock().len(), 1, "one retry is left");
    world.advance(BACKOFF);
    world.accept();
    assert_ne!(request.id, world.the_request().id);
    world.lose(ONE);
    assert_eq!(world.failed(), [("a".to_owned(), ErrorKind::Disconnected)]);
}

#[test]
fn a_late_answer_from_a_connection_that_is_gone_is_ignored() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    let request = world.the_request();
    world.lose(ONE);
    world.answer(&request, ErrorCode::NONE);
    assert!(world.delivered().is_empty());
    world.advance(BACKOFF);
    world.accept();
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["a"]);
}

#[test]
fn a_broker_that_speaks_none_of_our_versions_fails_the_record_at_once() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    let request = world.the_request();
    world.sent.clear();
    let error = Error::new(ErrorKind::UnsupportedVersion, "broker 1: too old");
    world.handle(Input::Refused(request.id, error));
    assert_eq!(
        world.failed(),
        [("a".to_owned(), ErrorKind::UnsupportedVersion)]
    );
    world.assert_idle();
}

#[test]
fn a_request_that_its_connection_did_not_take_does_not_count_as_an_attempt() {
    let mut world = World::ready(Settings {
        retries: 0,
        ..settings()
    });
    world.send(0, "a");
    let request = world.the_request();
    world.sent.clear();
    let error = Error::new(ErrorKind::Disconnected, "broker 1 is not connected");
    world.handle(Input::Refused(request.id, error));
    world.advance(BACKOFF);
    assert_eq!(world.the_request().batches, batch(0, &["a"]));
}

#[test]
fn a_broker_over_its_quota_gets_nothing_until_its_pause_is_over() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    let request = world.the_request();
    let answer = world.partition_answer(0, ErrorCode::NONE);
    world.answer_with(request.id, vec![answer], 500);
    world.send(0, "b");
    world.send(2, "c");
    assert_eq!(world.the_request().node, TWO, "the others go on");
    world.acknowledge();
    world.advance(ms(500) - 2 * LINGER - ms(1));
    world.assert_nothing_sent();
    world.advance(ms(1));
    assert_eq!(world.the_request().batches, batch(0, &["b"]));
}

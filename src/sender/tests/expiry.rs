//! `delivery.timeout.ms`, wherever the batch is by then.

use super::*;

fn timed_out(value: &str) -> (String, ErrorKind) {
    (value.to_owned(), ErrorKind::TimedOut)
}

/// The text of the one failure there is.
fn failure(world: &World) -> String {
    let mut delivered = world.delivered();
    assert_eq!(delivered.len(), 1);
    delivered.remove(0).1.unwrap_err().to_string()
}

#[test]
fn expires_in_the_queue_of_a_broker_that_cannot_be_reached() {
    let mut world = World::ready(settings());
    world.lose(ONE);
    world.append(0, "a");
    world.advance(DELIVERY - ms(1));
    assert!(world.delivered().is_empty());
    world.advance(ms(1));
    let text = failure(&world);
    assert!(
        text.contains("never sent") && text.contains("the cable was cut"),
        "{text}"
    );
    world.assert_idle();
}

#[test]
fn expires_while_it_backs_off() {
    let mut world = World::ready(Settings {
        retry_backoff: Backoff {
            initial: ms(1_500),
            max: ms(1_500),
        },
        ..settings()
    });
    world.append(0, "a");
    world.advance(DELIVERY / 2);
    let request = world.the_request();
    world.answer(&request, ErrorCode::NOT_ENOUGH_REPLICAS);
    world.append(0, "b");
    world.advance(DELIVERY / 2);
    let text = failure(&world);
    assert!(
        text.contains("sent once; last error: broker 1 rejected"),
        "{text}"
    );
    // What stood behind it need not wait for its pause.
    assert_eq!(world.the_request().batches, batch(0, &["b"]));
}

#[test]
fn expires_on_its_way_and_the_late_answer_only_frees_the_partition() {
    let mut world = World::ready(settings());
    world.append(0, "a");
    world.advance(DELIVERY - ms(500));
    world.append(0, "b");
    world.advance(ms(500));
    assert_eq!(world.failed(), [timed_out("a")]);
    let request = world.the_request();
    assert_eq!(
        request.batches,
        batch(0, &["a"]),
        "nothing overtakes what may be written"
    );
    assert_ne!(
        world.accumulator.budget().used(),
        0,
        "the request owns its bytes"
    );
    world.answer(&request, ErrorCode::NONE);
    assert!(world.delivered().is_empty(), "a second outcome");
    assert_eq!(world.the_request().batches, batch(0, &["b"]));
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["b"]);
    world.assert_idle();
}

#[test]
fn an_expired_batch_frees_its_partition_when_its_connection_ends() {
    let mut world = World::ready(settings());
    world.append(0, "a");
    world.advance(DELIVERY - ms(500));
    world.append(0, "b");
    world.advance(ms(500));
    assert_eq!(world.failed(), [timed_out("a")]);
    world.lose(ONE);
    world.advance(ms(50));
    world.accept();
    assert_eq!(world.the_request().batches, batch(0, &["b"]));
}

#[test]
fn everything_expires_behind_a_request_that_is_never_answered() {
    let mut world = World::ready(settings());
    for value in ["a", "b", "c"] {
        world.send(0, value);
    }
    let flush = world.flush();
    world.advance(DELIVERY);
    assert_eq!(world.failed(), ["a", "b", "c"].map(timed_out));
    assert!(world.finished[&flush].is_ok());
}

#[test]
fn a_batch_of_which_the_sender_hears_too_late_expires_without_being_sent() {
    let mut world = World::ready(settings());
    world.append(0, "a");
    // The I/O thread was held up by a callback.
    world.now += DELIVERY + ms(1);
    world.settle();
    assert_eq!(world.failed(), [timed_out("a")]);
    world.assert_nothing_sent();
    world.assert_idle();
}

#[test]
fn callers_whose_clocks_were_read_in_another_order_than_they_appended_expire_all_the_same() {
    let mut world = World::ready(settings());
    world.lose(ONE);
    let large = "x".repeat(100);
    world.now += ms(5);
    world.append(0, &large);
    // This one read the clock earlier and got the queue's lock later.
    world.now -= ms(5);
    world.append(0, &large);
    world.advance(DELIVERY + ms(5));
    assert_eq!(world.failed().len(), 2);
    world.assert_idle();
}

#[test]
fn acks_0_expires_too() {
    let mut world = World::ready_with(settings(), without_acks());
    world.append(0, "a");
    world.advance(DELIVERY);
    assert_eq!(world.failed(), [timed_out("a")]);
    let request = world.the_request();
    world.sent.clear();
    world.handle(Input::Sent(request.id));
    assert!(world.delivered().is_empty());
    world.send(0, "b");
    assert_eq!(world.the_request().batches, batch(0, &["b"]));
}

#[test]
fn a_record_that_expires_while_its_broker_throttles_says_so() {
    let mut world = World::ready(settings());
    world.send(0, "a");
    let request = world.the_request();
    let answer = world.partition_answer(0, ErrorCode::NONE);
    world.answer_with(request.id, vec![answer], 50_000);
    assert_eq!(world.acknowledged(), ["a"]);
    world.append(0, "b");
    world.advance(DELIVERY);
    let (_, result) = world.delivered().remove(0);
    let text = result.unwrap_err().to_string();
    let expected = "never sent; broker 1 throttles this client (quota) for another 48000 ms";
    assert!(text.ends_with(expected), "{text}");
}

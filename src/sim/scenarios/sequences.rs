//! Sequences and epochs at their ends, and brokers that know nothing of them any more.

use std::time::Duration;

use super::*;

fn idempotent() -> Options {
    let mut options = Options::calm();
    options.sender.idempotence = true;
    options
}

#[test]
fn after_the_largest_sequence_comes_zero() {
    let mut world = with(idempotent());
    let mut all = world.append(0, 1);
    world.run_for(Duration::from_millis(100));
    world.wind_sequences(0, i32::MAX - 1);
    for _ in 0..3 {
        all.extend(world.append(0, 3));
        world.run_for(Duration::from_millis(100));
    }
    world.assert_marked("sequence wrapped");
    finish(world, &all);
}

#[test]
fn a_producer_that_its_brokers_have_forgotten_goes_on() {
    let mut world = with(idempotent());
    let mut all = world.append(0, 3);
    world.run_for(Duration::from_millis(100));
    world.forget_producers(0);
    all.extend(world.append(0, 2));
    finish(world, &all);
}

#[test]
fn after_the_last_epoch_comes_another_producer_id() {
    let mut options = idempotent();
    options.first_epoch = i16::MAX;
    options.set_delivery_timeout(Duration::from_millis(1_500));
    let mut world = with(options);
    let mut all = world.append(0, 1);
    world.run_for(Duration::from_millis(100));
    world.on_next(Api::Produce, Blow::SilenceBefore);
    world.on_next(Api::Produce, Blow::SilenceBefore);
    let lost = world.append(0, 1);
    world.run_for(Duration::from_secs(5));
    assert!(world.checker.outcome(lost[0]).unwrap().is_err());
    all.extend(world.append(0, 1));
    world.run_for(Duration::from_secs(1));
    world.assert_marked("another producer id");
    finish(world, &all);
}

#[test]
fn answers_that_say_too_little_or_too_much_double_nothing() {
    let mut options = idempotent();
    options.faults.mangle = 800;
    let mut world = with(options);
    world.stage.weather.is_bad = true;
    let mut all = Vec::new();
    for _ in 0..10 {
        all.extend(world.append(0, 1));
        world.run_for(Duration::from_millis(20));
    }
    world.run_for(Duration::from_secs(3));
    world.stage.weather.is_bad = false;
    finish(world, &all);
}

#[test]
fn parts_of_a_batch_that_is_in_the_log_already_double_nothing() {
    let mut world = with(idempotent());
    let mut all = world.append(0, 1);
    world.run_for(Duration::from_millis(100));
    world.on_next(
        Api::Produce,
        Blow::Refuse {
            partition: Some(0),
            code: ErrorCode::REQUEST_TIMED_OUT,
            applied: true,
        },
    );
    world.on_next(Api::Produce, refuse(ErrorCode::MESSAGE_TOO_LARGE));
    let doubted = world.append(0, 4);
    world.run_until_idle();
    world.assert_marked("split during retry");
    for id in &doubted {
        assert!(world.checker.outcome(*id).unwrap().is_err());
    }
    all.extend(doubted);
    all.extend(world.append(0, 1));
    finish(world, &all);
}

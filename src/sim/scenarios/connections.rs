//! Connections that end, fall silent, or carry something else than Kafka's protocol.

use std::time::Duration;

use super::*;

#[test]
fn sends_again_what_a_cut_connection_had_not_delivered() {
    let mut world = world();
    world.append(0, 1);
    world.run_for(Duration::from_millis(50));
    let leader = world.leader(0);
    let ids = world.append(0, 1);
    world.run_for(Duration::from_micros(5_100));
    world.cut(leader);
    world.run_until_idle();
    assert!(world.checker.outcome(ids[0]).unwrap().is_ok());
    let log = world.log(0);
    finish(world, &log);
}

#[test]
fn garbage_ends_the_connection_and_nothing_else() {
    for garbage in [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(),
        &[0x7f, 0xff, 0xff, 0xff, 1],
    ] {
        let mut world = world();
        world.on_next(Api::Produce, Blow::Garbage(garbage.to_vec()));
        let ids = world.append(0, 1);
        finish(world, &ids);
    }
}

#[test]
fn an_answer_that_begins_and_does_not_end_is_given_up_in_time() {
    let mut world = world();
    world.on_next(Api::Produce, Blow::Garbage(vec![0, 0, 0, 4, 0, 0]));
    let ids = world.append(0, 1);
    world.run_for(Duration::from_millis(900));
    assert_eq!(world.checker.outcome(ids[0]), None);
    finish(world, &ids);
}

#[test]
fn a_pause_of_the_whole_client_is_survived() {
    let mut world = world();
    let ids = world.append(0, 3);
    world.run_for(Duration::from_millis(6));
    world.pause_client(Duration::from_secs(3));
    world.run_for(Duration::from_secs(5));
    let log = world.log(0);
    assert!(log.starts_with(&ids));
    finish(world, &log);
}

#[test]
fn a_socket_that_takes_a_few_bytes_at_a_time_takes_it_all_in_the_end() {
    let mut options = Options::calm();
    options.socket_bytes = 16;
    let mut world = with(options);
    let ids = world.append(0, 10);
    finish(world, &ids);
}

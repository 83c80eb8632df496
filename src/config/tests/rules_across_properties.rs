//! Properties against each other.

use super::defaults::backoff;
use super::*;

#[test]
fn a_delivery_timeout_that_was_set_too_short_is_refused() {
    assert_eq!(
        refused(&with(&[("delivery.timeout.ms", "30004")])),
        "delivery.timeout.ms (30004) is less than linger.ms (5) + request.timeout.ms (30000)"
    );
    let enough = config(&with(&[("delivery.timeout.ms", "30005")]));
    assert_eq!(enough.delivery_timeout(), Duration::from_millis(30_005));
}

#[test]
fn the_default_delivery_timeout_is_raised_with_a_warning() {
    let properties = with(&[("linger.ms", "100000")]);
    assert_eq!(
        config(&properties).delivery_timeout(),
        Duration::from_millis(130_000)
    );
    assert_eq!(
        warnings(&properties),
        [
            "delivery.timeout.ms (120000) is less than linger.ms (100000) + request.timeout.ms \
          (30000); it is raised to 130000"
        ]
    );
}

#[test]
fn a_linger_for_ever_is_as_long_as_kafkas_longest_timeout() {
    let config = config(&with(&[("linger.ms", "9223372036854775807")]));
    let longest = Duration::from_millis(2_147_483_647);
    assert_eq!(config.linger(), longest);
    assert_eq!(config.delivery_timeout(), longest);
}

#[test]
fn a_first_wait_beyond_the_longest_is_the_longest_with_a_warning() {
    let properties = with(&[
        ("retry.backoff.ms", "2000"),
        ("socket.connection.setup.timeout.max.ms", "500"),
    ]);
    let config = config(&properties);
    assert_eq!(config.retry_backoff(), backoff(1000, 1000));
    assert_eq!(config.connection_setup_timeout(), backoff(500, 500));
    assert_eq!(
        warnings(&properties),
        [
            "retry.backoff.ms (2000) is more than retry.backoff.max.ms (1000); all waits are \
             1000 ms",
            "socket.connection.setup.timeout.ms (10000) is more than \
             socket.connection.setup.timeout.max.ms (500); all waits are 500 ms",
        ]
    );
}

#[test]
fn a_longest_wait_of_nothing_is_no_wait() {
    assert_eq!(
        warnings(&with(&[("retry.backoff.max.ms", "0")])),
        ["retry.backoff.ms (100) is more than retry.backoff.max.ms (0); there are no waits"]
    );
}

#[test]
fn sizes_that_hold_no_record_are_warned_about() {
    assert_eq!(
        warnings(&with(&[("max.request.size", "0")])),
        ["max.request.size (0) is too small for any record: a batch takes 61 bytes without one"]
    );
    let tiny = [
        ("buffer.memory", "61"),
        ("batch.size", "0"),
        ("max.request.size", "62"),
    ];
    let told = warnings(&with(&tiny));
    assert!(
        told[0].starts_with("buffer.memory (61) is too small for any record"),
        "{told:?}"
    );
    assert!(warnings(&with(&[("max.request.size", "62")])).is_empty());
}

#[test]
fn a_reconnect_backoff_alone_is_constant() {
    let alone = config(&with(&[("reconnect.backoff.ms", "3000")]));
    assert_eq!(alone.reconnect_backoff(), backoff(3000, 3000));
    let short = config(&with(&[("reconnect.backoff.ms", "10")]));
    assert_eq!(short.reconnect_backoff(), backoff(10, 10));
    let both = with(&[
        ("reconnect.backoff.ms", "10"),
        ("reconnect.backoff.max.ms", "90"),
    ]);
    assert_eq!(config(&both).reconnect_backoff(), backoff(10, 90));
    let max = config(&with(&[("reconnect.backoff.max.ms", "20")]));
    assert_eq!(max.reconnect_backoff(), backoff(20, 20));
}

#[test]
fn a_batch_must_fit_the_memory() {
    let message = "batch.size (16384) is more than buffer.memory (1000)";
    assert_eq!(refused(&with(&[("buffer.memory", "1000")])), message);
    config(&with(&[("buffer.memory", "1000"), ("batch.size", "1000")]));
}

#[test]
fn a_server_that_is_named_twice_is_asked_once() {
    let properties = with(&[("bootstrap.servers", "a:1,b:1,a:1")]);
    assert_eq!(config(&properties).bootstrap_servers().len(), 2);
    assert_eq!(
        warnings(&properties),
        ["bootstrap.servers has \"a:1\" more than once"]
    );
}

#[test]
fn no_batch_and_no_record_becomes_too_large_for_a_request() {
    let largest = &[
        ("batch.size", "2147483647"),
        ("max.request.size", "2147483647"),
        ("buffer.memory", "9223372036854775807"),
    ];
    let config = config(&with(largest));
    assert_eq!(config.batch_size(), 1 << 30);
    assert_eq!(config.max_request_size(), 1 << 30);
}

#[test]
fn the_choice_by_rack_needs_a_rack() {
    let aware = ("partitioner.rack.aware", "true");
    for rack in ["", "  "] {
        assert_eq!(
            refused(&with(&[aware, ("client.rack", rack)])),
            "partitioner.rack.aware=true needs client.rack, which is not set"
        );
    }
    assert_eq!(
        config(&with(&[aware, ("client.rack", "r")])).rack(),
        Some("r")
    );
    let unaware = config(&with(&[("client.rack", "r")]));
    assert_eq!(unaware.rack(), None, "nothing asks for it");
}

#[test]
fn transactions_turn_nothing_off_and_name_what_contradicts_them() {
    let id = ("transactional.id", "t");
    let by_default = config(&with(&[id]));
    assert!(by_default.idempotence());
    assert_eq!(
        by_default.transactional().unwrap().timeout,
        Duration::from_secs(60)
    );
    assert!(config(&minimal()).transactional().is_none());
    let cases = [
        ("enable.idempotence", "false", "must not be false"),
        ("acks", "1", "must be all"),
        ("retries", "0", "must not be 0"),
        ("topic.orders.acks", "0", "must be all"),
    ];
    for (name, value, rule) in cases {
        let message = refused(&with(&[id, (name, value)]));
        assert_eq!(message, format!("{name} {rule} with transactional.id"));
    }
    let message = refused(&with(&[id, ("transaction.timeout.ms", "0")]));
    assert!(message.contains("out of range"), "{message}");
}

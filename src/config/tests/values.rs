//! Values that are read, and values that are refused.

use super::*;

#[test]
fn are_trimmed_and_booleans_have_no_case() {
    let config = config(&with(&[
        ("linger.ms", " 7 "),
        ("acks", " 1 "),
        ("partitioner.ignore.keys", "TRUE"),
        ("metadata.recovery.strategy", "NONE"),
        ("security.protocol", "plaintext"),
        ("bootstrap.servers", " a:1 , [::1]:2 "),
    ]));
    assert_eq!(config.linger(), Duration::from_millis(7));
    assert_eq!(config.acks(), Acks::Leader);
    assert!(config.ignore_keys);
    assert_eq!(config.metadata_recovery(), MetadataRecovery::None);
    assert_eq!(config.bootstrap_servers().len(), 2);
}

#[test]
fn have_special_numbers() {
    let config = config(&with(&[
        ("batch.size", "0"),
        ("send.buffer.bytes", "-1"),
        ("receive.buffer.bytes", "-1"),
        ("connections.max.idle.ms", "-5"),
        ("partitioner.availability.timeout.ms", "20"),
        ("max.block.ms", "9223372036854775807"),
    ]));
    assert_eq!(config.batch_size(), 1);
    assert_eq!(config.send_buffer(), None);
    assert_eq!(config.receive_buffer(), None);
    assert_eq!(config.connections_max_idle(), None);
    let availability = config.partition_availability_timeout();
    assert_eq!(availability, Some(Duration::from_millis(20)));
    let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    assert_eq!(config.max_block(), century);
}

#[test]
fn have_acks_for_the_wire() {
    for (text, wire) in [("all", -1), ("-1", -1), ("0", 0), ("1", 1)] {
        assert_eq!(config(&with(&[("acks", text)])).acks().wire(), wire);
    }
}

#[test]
fn are_refused_with_what_they_may_be() {
    let cases = [
        (
            "linger.ms",
            "soon",
            "linger.ms=\"soon\": not a whole number; it takes 0 or more",
        ),
        (
            "linger.ms",
            "1.5",
            "linger.ms=\"1.5\": not a whole number; it takes 0 or more",
        ),
        (
            "batch.size",
            "99999999999999999999",
            "batch.size=\"99999999999999999999\": out of range; it takes 0 to 2147483647",
        ),
        (
            "partitioner.ignore.keys",
            "yes",
            "partitioner.ignore.keys=\"yes\": neither true nor false",
        ),
        ("acks", "ALL", "acks=\"ALL\": it takes all, -1, 0, 1"),
        (
            "bootstrap.servers",
            "",
            "bootstrap.servers is empty; it takes host:port,…",
        ),
        (
            "bootstrap.servers",
            "a:1,,b:2",
            "bootstrap.servers=\"a:1,,b:2\": there is nothing between two commas, or at an \
             end of the list",
        ),
        (
            "bootstrap.servers",
            "a:1,localhost",
            "bootstrap.servers=\"localhost\": the port is missing, as in localhost:9092",
        ),
        (
            "transactional.id",
            "",
            "transactional.id=\"\": must not be empty",
        ),
    ];
    for (name, value, message) in cases {
        assert_eq!(refused(&with(&[(name, value)])), message);
    }
    let long = "x".repeat(32_768);
    assert_eq!(
        refused(&with(&[("client.id", &long)])),
        "client.id has 32768 bytes; it takes at most 32767"
    );
    assert_eq!(
        refused(&with(&[("transactional.id", &long)])),
        "transactional.id has 32768 bytes; it takes at most 32767"
    );
}

#[test]
fn are_all_checked_before_anything_is_reported() {
    let message = refused(&with(&[
        ("linger.ms", "-1"),
        ("acks", "2"),
        ("lingerms", "5"),
    ]));
    assert_eq!(
        message,
        "3 problems:\n  acks=\"2\": it takes all, -1, 0, 1\n  linger.ms=\"-1\": out of range; it \
         takes 0 or more\n  unknown property \"lingerms\"; did you mean \"linger.ms\"?"
    );
}

#[test]
fn of_compression_are_those_of_the_codec() {
    let levels = [
        ("compression.gzip.level", "1"),
        ("compression.lz4.level", "17"),
        ("compression.zstd.level", "-131072"),
    ];
    let cases = [
        ("none", None),
        ("gzip", Some((Codec::Gzip, 1))),
        ("snappy", Some((Codec::Snappy, 0))),
        ("lz4", Some((Codec::Lz4, 17))),
        ("zstd", Some((Codec::Zstd, -131_072))),
    ];
    for (name, expected) in cases {
        let config = config(&with(&levels).set("compression.type", name));
        let expected = expected.map(|(codec, level)| Compression::new(codec, level).unwrap());
        assert_eq!(config.compression(), expected, "{name}");
    }
    for (name, level) in [
        ("compression.gzip.level", "10"),
        ("compression.gzip.level", "0"),
        ("compression.lz4.level", "18"),
        ("compression.zstd.level", "23"),
    ] {
        // Whether the codec is in use or not.
        let message = refused(&with(&[(name, level)]));
        assert!(message.contains("out of range"), "{message}");
    }
}

#[test]
fn with_unknown_names_are_refused_with_the_nearest_name() {
    let cases = [
        ("bootstrap.server", "bootstrap.servers"),
        ("Linger.MS", "linger.ms"),
        (
            "max_in_flight_requests_per_connection",
            "max.in.flight.requests.per.connection",
        ),
        ("compresion.typ", "compression.type"),
        ("compression-type", "compression.type"),
    ];
    for (name, nearest) in cases {
        assert_eq!(
            refused(&with(&[(name, "1")])),
            format!("unknown property {name:?}; did you mean {nearest:?}?")
        );
    }
}

/// Kafka takes them, and then nothing can ever be sent.
#[test]
fn times_of_zero_within_which_nothing_can_be_done_are_refused() {
    for (name, most) in [
        ("request.timeout.ms", " to 2147483647"),
        ("delivery.timeout.ms", " to 2147483647"),
        ("topic.orders.delivery.timeout.ms", " to 2147483647"),
        ("socket.connection.setup.timeout.ms", " or more"),
        ("socket.connection.setup.timeout.max.ms", " or more"),
    ] {
        let expected = format!("{name}=\"0\": out of range; it takes 1{most}");
        assert_eq!(refused(&minimal().set(name, "0")), expected);
    }
}

/// Where 0 means something, or means as little as can be, it is taken, and so is the most there can be.
#[test]
fn other_numbers_may_be_as_small_and_as_large_as_they_can() {
    for name in [
        "batch.size",
        "bootstrap.resolve.timeout.ms",
        "connections.max.idle.ms",
        "linger.ms",
        "max.block.ms",
        "metadata.max.age.ms",
        "metadata.recovery.rebootstrap.trigger.ms",
        "partitioner.availability.timeout.ms",
        "receive.buffer.bytes",
        "reconnect.backoff.max.ms",
        "reconnect.backoff.ms",
        "retry.backoff.max.ms",
        "retry.backoff.ms",
        "send.buffer.bytes",
    ] {
        config(&minimal().set(name, "0"));
    }
    for name in [
        "bootstrap.resolve.timeout.ms",
        "connections.max.idle.ms",
        "linger.ms",
        "max.block.ms",
        "metadata.max.age.ms",
        "metadata.max.idle.ms",
        "metadata.recovery.rebootstrap.trigger.ms",
        "partitioner.availability.timeout.ms",
        "reconnect.backoff.max.ms",
        "reconnect.backoff.ms",
        "retry.backoff.max.ms",
        "retry.backoff.ms",
        "socket.connection.setup.timeout.max.ms",
        "socket.connection.setup.timeout.ms",
    ] {
        config(&minimal().set(name, i64::MAX));
    }
    assert_eq!(config(&minimal()).bootstrap_resolve_timeout(), None);
}

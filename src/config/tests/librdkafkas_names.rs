//! librdkafka's names for Kafka's properties, and its partitioners.

use super::librdkafka::{self, Fate};
use super::*;
use crate::partitioner::ByKey;

/// The configuration, as far as it differs from that of other properties; both are complete.
#[track_caller]
fn is_the_same(theirs: &[(&str, &str)], ours: &[(&str, &str)]) {
    let client = ("client.id", "c");
    let shown = |pairs: &[(&str, &str)]| {
        format!(
            "{:?}",
            of_all(&config(&with(pairs).set(client.0, client.1)))
        )
    };
    assert_eq!(shown(theirs), shown(ours), "{theirs:?}");
}

fn of_all(config: &ProducerConfig) -> impl fmt::Debug {
    (
        (
            config.bootstrap_servers().to_vec(),
            config.topics().clone(),
            config.linger(),
            config.buffer_memory(),
        ),
        (
            config.retries(),
            config.max_in_flight(),
            config.max_request_size(),
            config.request_timeout(),
        ),
        (
            config.send_buffer(),
            config.receive_buffer(),
            config.metadata_max_age(),
            config.idempotence(),
        ),
    )
}

#[test]
fn are_other_names_of_the_same() {
    let cases = [
        (("queue.buffering.max.ms", "20"), ("linger.ms", "20")),
        (("queue.buffering.max.ms", "0.5"), ("linger.ms", "1")),
        (
            ("queue.buffering.max.kbytes", "2048"),
            ("buffer.memory", "2097152"),
        ),
        (("message.send.max.retries", "3"), ("retries", "3")),
        (
            ("max.in.flight", "2"),
            ("max.in.flight.requests.per.connection", "2"),
        ),
        (
            ("message.max.bytes", "2000000"),
            ("max.request.size", "2000000"),
        ),
        (
            ("message.timeout.ms", "60000"),
            ("delivery.timeout.ms", "60000"),
        ),
        (
            ("message.timeout.ms", "0"),
            ("delivery.timeout.ms", "2147483647"),
        ),
        (
            ("socket.timeout.ms", "10000"),
            ("request.timeout.ms", "10000"),
        ),
        (
            ("topic.metadata.refresh.interval.ms", "1000"),
            ("metadata.max.age.ms", "1000"),
        ),
        (
            ("topic.metadata.refresh.interval.ms", "-1"),
            ("metadata.max.age.ms", "9223372036854775807"),
        ),
        (
            ("socket.send.buffer.bytes", "0"),
            ("send.buffer.bytes", "-1"),
        ),
        (
            ("socket.receive.buffer.bytes", "70000"),
            ("receive.buffer.bytes", "70000"),
        ),
        (("request.required.acks", "1"), ("acks", "1")),
        #[cfg(feature = "gzip")]
        (("compression.codec", "gzip"), ("compression.type", "gzip")),
    ];
    for (theirs, ours) in cases {
        is_the_same(&[theirs], &[ours]);
    }
}

#[test]
fn let_brokers_go_without_a_port() {
    let properties = Properties::from([
        ("metadata.broker.list", "a, b:1,[::1],[::2]:2,PLAINTEXT://c"),
        ("key.serializer", "string"),
        ("value.serializer", "bytes"),
    ]);
    let servers: Vec<_> = config(&properties)
        .bootstrap_servers()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        servers,
        ["a:9092", "b:1", "[::1]:9092", "[::2]:2", "c:9092"]
    );
}

#[test]
#[cfg(all(feature = "gzip", feature = "lz4", feature = "zstd"))]
fn have_one_level_for_all_codecs() {
    let cases = [
        ("gzip", "0", 1),
        ("gzip", "12", 9),
        ("gzip", "-1", -1),
        ("lz4", "0", 9),
        ("lz4", "2", 9),
        ("lz4", "3", 3),
        ("lz4", "9", 10),
        ("lz4", "12", 12),
        ("zstd", "-1", 3),
        ("zstd", "7", 7),
    ];
    for (codec, level, ours) in cases {
        let name = format!("compression.{codec}.level");
        let ours = ours.to_string();
        is_the_same(
            &[("compression.codec", codec), ("compression.level", level)],
            &[("compression.type", codec), (&name, &ours)],
        );
    }
}

#[test]
fn may_stand_beside_kafkas_names_that_say_the_same() {
    config(&with(&[
        ("queue.buffering.max.ms", "20"),
        ("linger.ms", "20"),
    ]));
    config(&with(&[("request.required.acks", "-1"), ("acks", "all")]));
    let contradicting = with(&[("queue.buffering.max.ms", "20"), ("linger.ms", "21")]);
    assert_eq!(
        refused(&contradicting),
        "queue.buffering.max.ms is librdkafka's name for linger.ms, and they are set to different \
         values; leave one of them out"
    );
}

#[test]
fn give_way_to_what_comes_later_under_the_other_name() {
    let theirs = || Properties::parse("queue.buffering.max.ms=20");
    let ours = || Properties::parse("linger.ms=30");
    let in_order = |first: Properties, second: Properties| {
        let properties = minimal().merge(first).merge(second);
        config(&properties).linger().as_millis()
    };
    assert_eq!(in_order(theirs(), ours()), 30);
    assert_eq!(in_order(ours(), theirs()), 20);
    // What the program sets is later than the file that it has read.
    let set = |file: Properties, name| config(&minimal().merge(file).set(name, 40));
    assert_eq!(set(theirs(), "linger.ms").linger().as_millis(), 40);
    assert_eq!(
        set(ours(), "queue.buffering.max.ms").linger().as_millis(),
        40
    );
    // What does not count may be wrong.
    let wrong = Properties::parse("queue.buffering.max.ms=soon");
    assert_eq!(in_order(wrong, ours()), 30);
    // One source that contradicts itself is refused, until a later one decides.
    let one_file = Properties::parse("queue.buffering.max.ms=20\nlinger.ms=30");
    let message = refused(&minimal().merge(one_file.clone()));
    assert!(message.contains("set to different values"), "{message}");
    let in_a_row = minimal().set("linger.ms", 30);
    let message = refused(&in_a_row.set("queue.buffering.max.ms", 20));
    assert!(message.contains("set to different values"), "{message}");
    assert_eq!(
        config(&minimal().merge(one_file).set("linger.ms", 40))
            .linger()
            .as_millis(),
        40
    );
}

#[test]
fn are_what_complaints_speak_of() {
    let file = Properties::parse("a=b\nqueue.buffering.max.ms=soon\nlinger.ms=5");
    let message = refused(&minimal().merge(file));
    assert!(
        message.contains("line 2: queue.buffering.max.ms=\"soon\": it takes 0 to 900000 (ms)"),
        "{message}"
    );
    let file = Properties::parse("\nmessage.send.max.retries=-5");
    assert_eq!(
        refused(&minimal().merge(file)),
        "line 2: message.send.max.retries: retries=\"-5\": out of range; it takes 0 to 2147483647"
    );
    assert_eq!(
        refused(&with(&[("queue.bufering.max.ms", "1")])),
        "unknown property \"queue.bufering.max.ms\"; did you mean \"queue.buffering.max.ms\"?"
    );
}

#[test]
fn make_room_for_a_short_message_timeout() {
    let properties = with(&[("message.timeout.ms", "5000")]);
    let short = config(&properties);
    assert_eq!(short.delivery_timeout(), Duration::from_millis(5000));
    assert_eq!(short.request_timeout(), Duration::from_millis(4995));
    assert_eq!(
        warnings(&properties)[0],
        "request.timeout.ms is 4995 instead of 30000, so that it fits within message.timeout.ms \
         (5000) less linger.ms (5)"
    );
    assert_eq!(
        refused(&with(&[
            ("message.timeout.ms", "5000"),
            ("request.timeout.ms", "5000")
        ])),
        "message.timeout.ms: delivery.timeout.ms (5000) is less than linger.ms (5) + \
         request.timeout.ms (5000)"
    );
    let usual = with(&[
        ("message.timeout.ms", "5000"),
        ("socket.timeout.ms", "60000"),
    ]);
    assert_eq!(config(&usual).request_timeout().as_millis(), 4995);
    let message = refused(&with(&[("message.timeout.ms", "5")]));
    assert!(
        message.contains("delivery.timeout.ms (5) is less than"),
        "{message}"
    );
    // What does not count shortens nothing.
    let file = Properties::parse("message.timeout.ms=300000");
    let program = minimal().merge(file).set("delivery.timeout.ms", 10_000);
    assert_eq!(
        refused(&program),
        "delivery.timeout.ms (10000) is less than linger.ms (5) + request.timeout.ms (30000)"
    );
}

#[test]
fn win_where_librdkafka_means_something_else_by_kafkas_name() {
    let properties = with(&[
        ("request.timeout.ms", "30000"),
        ("socket.timeout.ms", "60000"),
        ("metadata.max.age.ms", "900000"),
        ("topic.metadata.refresh.interval.ms", "300000"),
    ]);
    let config = config(&properties);
    assert_eq!(config.request_timeout().as_millis(), 60_000);
    assert_eq!(config.metadata_max_age().as_millis(), 300_000);
    let warning = "request.timeout.ms is taken from socket.timeout.ms, and not used as it is set";
    let warnings = warnings(&properties);
    assert!(
        warnings.iter().any(|one| one.starts_with(warning)),
        "{warnings:?}"
    );
}

#[test]
fn are_refused_with_a_reason_where_nothing_is_like_them() {
    let cases = [
        (
            "delivery.report.only.error",
            "true",
            "=\"true\": it must be false: callbacks are told",
        ),
        (
            "dr_msg_cb",
            "f",
            "=\"f\": it is no text with librdkafka either",
        ),
        ("ssl_key", "hush", ""),
    ];
    for (name, value, reason) in cases {
        let message = refused(&with(&[(name, value)]));
        assert!(message.starts_with(&format!("{name}{reason}")), "{message}");
        assert!(!message.contains("hush"), "a secret: {message}");
    }
    config(&with(&[("socket.nagle.disable", "t")]));
}

#[test]
fn have_limits_by_number_that_kafka_lacks() {
    let names = ["batch.num.messages", "queue.buffering.max.messages"];
    let limits = |value| {
        let config = config(&with(&names.map(|name| (name, value))));
        [config.batch_records(), config.pending_records()]
    };
    assert_eq!(limits("0"), [None; 2]);
    assert_eq!(limits("1000"), [Some(1000); 2]);
    for name in names {
        let message = refused(&with(&[(name, "-1")]));
        assert!(message.starts_with(name), "{message}");
    }
}

#[test]
fn are_ignored_with_the_reason_where_they_change_nothing() {
    let properties = with(&[
        ("debug", "broker,msg"),
        ("log_level", "7"),
        ("group.id", "g"),
        ("sasl.password", "hush"),
    ]);
    let warnings = warnings(&properties);
    assert_eq!(
        warnings[..3],
        [
            "without effect, as it is about consumers: group.id",
            "without effect, as security.protocol is PLAINTEXT: sasl.password",
            "without effect, as what is logged is up to the log crate and the program's logger: \
             debug, log_level",
        ]
    );
    assert!(!format!("{properties:?}{warnings:?}").contains("hush"));
}

#[test]
fn are_ignored_with_the_reason_unless_they_say_what_is_always_so() {
    let silent = [
        ("statistics.interval.ms", "0"),
        ("socket.nagle.disable", "t"),
    ];
    let told = [
        ("statistics.interval.ms", "60000"),
        ("socket.nagle.disable", "0"),
    ];
    let about = |pairs: &[(&str, &str)]| -> Vec<String> {
        let warnings = warnings(&with(pairs));
        let about = |one: &String| one.starts_with("without effect");
        warnings.into_iter().filter(about).collect()
    };
    assert!(about(&silent).is_empty());
    assert_eq!(
        about(&told),
        [
            "without effect, as no request waits for the one before it: socket.nagle.disable",
            "without effect, as nothing calls with statistics; producer.metrics() has the counters at \
             any time: statistics.interval.ms",
        ]
    );
}

#[test]
fn have_an_address_family_that_kafka_lacks() {
    for (value, family) in [
        ("any", AddressFamily::Any),
        ("v4", AddressFamily::V4),
        ("V6", AddressFamily::V6),
    ] {
        let config = config(&with(&[("broker.address.family", value)]));
        assert_eq!(config.address_family(), family);
    }
}

#[test]
fn are_told_once_what_is_not_as_with_librdkafka() {
    assert_eq!(
        warnings(&with(&[
            ("queue.buffering.max.ms", "5"),
            ("request.timeout.ms", "20000")
        ])),
        [
            "librdkafka's names are in use (queue.buffering.max.ms); what they leave open is as in \
          Kafka's producer: partitioner.class is murmur2_random, not partitioner=consistent_random; \
          enable.idempotence is true, not false; batch.size is 16384, not 1000000; buffer.memory is \
          33554432, not queue.buffering.max.kbytes=1048576; delivery.timeout.ms is 120000, not \
          message.timeout.ms=300000; request.timeout.ms has Kafka's meaning: it is also how long an \
          answer may take, for which librdkafka has socket.timeout.ms"
        ]
    );
    assert!(warnings(&with(&[("linger.ms", "5"), ("batch.size", "1000000")])).is_empty());
}

#[test]
fn choose_partitioners() {
    let record = PartitionRequest::new("t", Some(b"key"), None);
    for name in ByKey::NAMES {
        for property in ["partitioner", "partitioner.class"] {
            let partitioning = config(&with(&[(property, name)])).partitioning();
            assert!(
                matches!(partitioning, Partitioning::ByKey(_)),
                "{property}={name}"
            );
        }
    }
    let consistent = config(&with(&[("partitioner", "consistent")]));
    let Partitioning::ByKey(rule) = consistent.partitioning() else {
        panic!("a rule for keys");
    };
    let partitions = TopicPartitions::new(100, &[]);
    assert_eq!(rule.partition(record.key(), &partitions), Some(37));
    let object = minimal().set_object("partitioner", PropertyObject::partitioner(AlwaysThree));
    let partitioner = config(&object).partitioner().unwrap();
    assert_eq!(partitioner.partition(&record, &partitions).unwrap(), 3);
    let message = refused(&with(&[("partitioner", "sticky")]));
    assert!(
        message.starts_with("partitioner: partitioner.class: there is no partitioner \"sticky\""),
        "{message}"
    );
}

#[test]
fn have_a_row_each_that_fits_kafkas_table() {
    let mut seen = BTreeSet::new();
    for row in librdkafka::all() {
        for name in row.names {
            assert!(seen.insert(name), "{name} has two rows");
            let is_kafkas = table::find(name).is_some();
            assert_eq!(row.fate == Fate::Same, is_kafkas, "{name}");
        }
        let has_reason = !row.remark.is_empty();
        let needs_reason = matches!(
            row.fate,
            Fate::NoEffect | Fate::Only(_) | Fate::Always(_) | Fate::Refused
        );
        assert!(has_reason || !needs_reason, "{row:?}");
        assert!(!row.remark.ends_with('.'), "{row:?}");
        if let Fate::Alias(of, _) = row.fate {
            assert!(table::find(of).is_some(), "{row:?}");
            assert_eq!(row.names.len(), 1, "{row:?}");
        }
    }
    assert!(seen.len() > 180, "{}", seen.len());
}

/// Kafka's own consumers have these names, too.
#[test]
fn of_consumers_alone_are_not_taken_for_librdkafkas() {
    let warnings = warnings(&with(&[("enable.auto.commit", "false")]));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("about consumers"), "{warnings:?}");
}

#[test]
fn never_meet_an_unknown_property() {
    for name in librdkafka::names() {
        for value in ["0", "1", "true", "none", "x", ""] {
            if let Err(error) = ProducerConfig::from_properties(&with(&[(name, value)])) {
                let error = error.to_string();
                assert!(!error.contains("unknown property"), "{error}");
            }
        }
    }
}

#[test]
fn metadata_is_never_refreshed_for_its_age_where_librdkafka_turns_that_off() {
    for off in ["0", "-1"] {
        let config = config(&minimal().set("topic.metadata.refresh.interval.ms", off));
        assert!(
            config.metadata_max_age().as_secs() > 365 * 24 * 60 * 60,
            "{off}"
        );
    }
}

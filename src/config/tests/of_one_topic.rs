//! Properties of one topic: how their names are read, what their values may be, and what they must
//! not contradict.

use super::*;

const ANY_ACKS: (&str, &str) = ("enable.idempotence", "false");

#[test]
fn hold_for_this_topic_alone() {
    let properties = with(&[
        ANY_ACKS,
        ("acks", "0"),
        ("topic.orders.acks", "all"),
        ("topic.orders.delivery.timeout.ms", "40000"),
        ("topic.logs.acks", "1"),
    ]);
    let topics = config(&properties).topics;
    let settings = |acks, seconds| TopicSettings {
        acks,
        delivery_timeout: Duration::from_secs(seconds),
        compression: None,
    };
    assert_eq!(topics.of("orders"), settings(Acks::All, 40));
    assert_eq!(topics.of("logs"), settings(Acks::Leader, 120));
    assert_eq!(topics.of("order"), settings(Acks::None, 120));
    assert_eq!(warnings(&properties), [""; 0]);
}

#[test]
fn the_end_of_the_name_is_the_property_and_dots_before_it_are_the_topics() {
    let properties = with(&[
        ANY_ACKS,
        ("topic.my.topic.acks", "1"),
        ("topic.acks.acks", "0"),
        ("topic.a.delivery.timeout.ms.acks", "0"),
        ("topic.acks.delivery.timeout.ms", "50000"),
        ("topic.topic.a.acks", "1"),
        ("topic.-.acks", "1"),
    ]);
    let topics = config(&properties).topics;
    let acks = |topic: &str| topics.of(topic).acks;
    assert_eq!(acks("my.topic"), Acks::Leader);
    assert_eq!(acks("acks"), Acks::None);
    assert_eq!(acks("a.delivery.timeout.ms"), Acks::None);
    assert_eq!(acks("topic.a"), Acks::Leader);
    assert_eq!(acks("-"), Acks::Leader);
    assert_eq!(acks("a"), Acks::All);
    assert_eq!(topics.of("acks").delivery_timeout, Duration::from_secs(50));
}

#[test]
fn other_ends_are_refused_with_the_known_ones() {
    let known = "for one topic there are topic.NAME.acks, topic.NAME.delivery.timeout.ms, \
                 topic.NAME.compression.type, topic.NAME.compression.gzip.level, \
                 topic.NAME.compression.lz4.level, topic.NAME.compression.zstd.level";
    for name in [
        "topic.orders.linger.ms",
        "topic.orders",
        "topic.acks",
        "topic.orders.Acks",
        "topic.ordersacks",
        "topic.",
    ] {
        let message = refused(&minimal().set(name, "1"));
        assert_eq!(message, format!("unknown property {name:?}; {known}"));
    }
    // Without the dot it is another misspelled name.
    let message = refused(&minimal().set("topics.orders.acks", "1"));
    assert!(message.contains("; for one topic there are "), "{message}");
}

#[test]
fn illegal_topic_names_are_refused() {
    for (topic, why) in [
        ("", "it is empty"),
        (".", "it must not be . or .."),
        ("..", "it must not be . or .."),
        (
            "my topic",
            "only ASCII letters, digits, '.', '_' and '-' are allowed",
        ),
        (
            "*",
            "only ASCII letters, digits, '.', '_' and '-' are allowed",
        ),
    ] {
        let name = format!("topic.{topic}.acks");
        assert_eq!(
            refused(&minimal().set(&*name, "all")),
            format!("{name}: {topic:?} is not a legal topic name: {why}")
        );
    }
    let long = format!("topic.{}.acks", "x".repeat(250));
    let message = refused(&minimal().set(&*long, "all"));
    assert!(
        message.ends_with("it is longer than 249 characters"),
        "{message}"
    );
}

#[test]
fn values_are_those_of_the_property_for_all_topics() {
    let cases = [
        ("acks", "2", "it takes all, -1, 0, 1"),
        (
            "delivery.timeout.ms",
            "soon",
            "not a whole number; it takes 1 to 2147483647",
        ),
        (
            "delivery.timeout.ms",
            "2147483648",
            "out of range; it takes 1 to 2147483647",
        ),
        (
            "compression.type",
            "brotli",
            "it takes none, gzip, snappy, lz4, zstd",
        ),
        (
            "compression.zstd.level",
            "23",
            "out of range; it takes -131072 to 22",
        ),
    ];
    for (property, value, complaint) in cases {
        let name = format!("topic.my.topic.{property}");
        assert_eq!(
            refused(&minimal().set(&*name, value)),
            format!("{name}={value:?}: {complaint}")
        );
    }
    let object = PropertyObject::partitioner(AlwaysThree);
    assert_eq!(
        refused(&minimal().set_object("topic.orders.acks", object)),
        "topic.orders.acks takes text, not a partitioner"
    );
}

#[test]
fn wrong_ones_in_a_file_are_refused_with_the_line() {
    let text = "\ntopic.orders.acks=2\ntopic.orders.linger=5\n\ntopic.a.delivery.timeout.ms=1";
    let message = refused(&minimal().merge(Properties::parse(text)));
    assert!(message.contains("line 2: topic.orders.acks="), "{message}");
    assert!(message.contains("line 3: unknown property"), "{message}");
    let text = "\n\ntopic.a.delivery.timeout.ms=1\ntopic.a.acks=1";
    let message = refused(&minimal().merge(Properties::parse(text)));
    assert!(message.contains("line 3: topic.a.delivery"), "{message}");
    assert!(message.contains("line 4: topic.a.acks must"), "{message}");
}

#[test]
fn a_delivery_timeout_of_one_topic_has_the_same_lower_limit() {
    let name = "topic.orders.delivery.timeout.ms";
    assert_eq!(
        refused(&minimal().set(name, 30_004)),
        "topic.orders.delivery.timeout.ms (30004) is less than linger.ms (5) + \
         request.timeout.ms (30000)"
    );
    let enough = config(&minimal().set(name, 30_005)).topics;
    assert_eq!(
        enough.of("orders").delivery_timeout,
        Duration::from_millis(30_005)
    );
    // The others have what is raised, with a warning.
    let raised = with(&[("linger.ms", "100000"), (name, "130001")]);
    let topics = config(&raised).topics;
    assert_eq!(topics.of("a").delivery_timeout, Duration::from_secs(130));
    assert_eq!(warnings(&raised).len(), 1);
}

#[test]
fn acks_of_one_topic_do_not_take_idempotence_from_the_others() {
    for value in ["0", "1"] {
        let one = minimal().set("topic.logs.acks", value);
        assert_eq!(
            refused(&one),
            "topic.logs.acks must be all, as enable.idempotence is true; enable.idempotence=false \
             is for all topics at once"
        );
        assert_eq!(
            refused(&one.clone().set("enable.idempotence", true)),
            "topic.logs.acks must be all with enable.idempotence=true"
        );
        assert!(!config(&one.clone().set("enable.idempotence", false)).idempotence());
        // It is off already, for all of them.
        assert_eq!(warnings(&one.clone().set("acks", 1)).len(), 1);
        config(&one.set("retries", 0));
    }
    assert!(config(&minimal().set("topic.logs.acks", "-1")).idempotence());
}

#[test]
fn acks_of_one_topic_do_not_bring_idempotence_back() {
    let properties = with(&[("acks", "1"), ("topic.orders.acks", "all")]);
    let config = config(&properties);
    assert!(!config.idempotence());
    assert_eq!(config.topics.of("orders").acks, Acks::All);
    let explicit = properties.set("enable.idempotence", true);
    assert_eq!(
        refused(&explicit),
        "acks must be all with enable.idempotence=true"
    );
}

/// Codec and level of each topic.
#[cfg(all(feature = "gzip", feature = "zstd"))]
#[test]
fn a_topic_may_have_a_codec_of_its_own_or_a_level_or_both() {
    use crate::compression::{Codec, Compression};

    let properties = with(&[
        ("compression.type", "zstd"),
        ("compression.zstd.level", "5"),
        ("compression.gzip.level", "8"),
        ("topic.plain.compression.type", "none"),
        ("topic.codec.compression.type", "gzip"),
        ("topic.level.compression.zstd.level", "9"),
        ("topic.both.compression.type", "gzip"),
        ("topic.both.compression.gzip.level", "2"),
        ("topic.other.level.compression.lz4.level", "2"),
    ]);
    let topics = config(&properties).topics;
    let of = |topic: &str| topics.of(topic).compression;
    let expected = |codec, level| Some(Compression::new(codec, level).unwrap());
    assert_eq!(of("any"), expected(Codec::Zstd, 5));
    assert_eq!(of("plain"), None);
    assert_eq!(of("codec"), expected(Codec::Gzip, 8));
    assert_eq!(of("level"), expected(Codec::Zstd, 9));
    assert_eq!(of("both"), expected(Codec::Gzip, 2));
    assert_eq!(of("other.level"), expected(Codec::Zstd, 5));
}

/// What this build lacks is said once, with the name under which it was asked for.
#[cfg(not(feature = "zstd"))]
#[test]
fn a_codec_that_is_not_built_in_is_refused_by_the_name_it_was_set_with() {
    let one = minimal().set("topic.a.compression.type", "zstd");
    let message = refused(&one);
    let start = "topic.a.compression.type=zstd needs the feature `zstd`";
    assert!(message.starts_with(start), "{message}");
    let all = with(&[("compression.type", "zstd"), ("topic.a.acks", "all")]);
    let message = refused(&all);
    let start = "compression.type=zstd needs the feature `zstd`";
    assert!(message.starts_with(start), "{message}");
}

#[test]
fn the_longest_delivery_timeout_is_that_of_any_topic() {
    let longest = |pairs: &[(&str, &str)]| config(&with(pairs)).topics.longest_delivery_timeout();
    assert_eq!(longest(&[]), Duration::from_secs(120));
    let shorter = ("topic.a.delivery.timeout.ms", "60000");
    assert_eq!(longest(&[shorter]), Duration::from_secs(120));
    let longer = ("topic.b.delivery.timeout.ms", "200000");
    assert_eq!(longest(&[shorter, longer]), Duration::from_secs(200));
}

#[test]
fn the_property_that_holds_is_named() {
    let properties = with(&[("topic.b.c.delivery.timeout.ms", "200000")]);
    let topics = config(&properties.set("topic.d.acks", "all")).topics;
    let named = |topic: &str| topics.delivery_timeout_property(topic);
    assert_eq!(named("a"), "delivery.timeout.ms");
    assert_eq!(named("b.c"), "topic.b.c.delivery.timeout.ms");
    assert_eq!(named("d"), "delivery.timeout.ms");
}

#[test]
fn the_builder_has_a_method_for_each() {
    let builder = ProducerConfig::builder()
        .properties(minimal())
        .idempotence(false)
        .topic_acks("my.topic", Acks::Leader)
        .topic_delivery_timeout("my.topic", Duration::from_secs(40))
        .topic_compression("my.topic", CompressionType::None)
        .topic_gzip_level("my.topic", None)
        .topic_lz4_level("my.topic", 9)
        .topic_zstd_level("my.topic", 3);
    let set = builder.properties.iter().map(|(name, _)| name.to_owned());
    let set: BTreeSet<_> = set.filter(|name| name.starts_with("topic.")).collect();
    let known = table::per_topic().map(|one| format!("topic.my.topic.{}", one.name));
    assert_eq!(set, known.collect());
    let topics = builder.build().unwrap().topics;
    let expected = TopicSettings {
        acks: Acks::Leader,
        delivery_timeout: Duration::from_secs(40),
        compression: None,
    };
    assert_eq!(topics.of("my.topic"), expected);
    assert_eq!(topics.of("topic").acks, Acks::All);
}

#[test]
fn their_values_are_no_secrets_whatever_the_topic_is_called() {
    let shown = format!("{:?}", Properties::from([("topic.my.tokens.acks", "all")]));
    assert!(shown.contains("\"all\""), "{shown}");
}

//! Names that are not a producer's, or not any more; and what may be done about names in general.

use super::*;

#[test]
fn are_called_what_they_are() {
    let cases = [
        (
            "block.on.buffer.full",
            "is not a property any more: send waits",
        ),
        (
            "metadata.fetch.timeout.ms",
            "is not a property any more: max.block.ms",
        ),
        (
            "timeout.ms",
            "is not a property any more: request.timeout.ms",
        ),
        (
            "auto.include.jmx.reporter",
            "is not a property any more: metric.reporters",
        ),
        (
            "producer.type",
            "is not a property any more: send never waits",
        ),
        (
            "serializer.class",
            "is not a property any more: there are key.serializer",
        ),
        (
            "min.insync.replicas",
            "is a setting of topics, not of producers",
        ),
        ("retention.ms", "is a setting of topics, not of producers"),
        ("log.dirs", "is a setting of brokers, not of producers"),
        (
            "num.network.threads",
            "is a setting of brokers, not of producers",
        ),
        ("num.stream.threads", "belongs to Kafka Streams"),
        (
            "schema.registry.url",
            "is for serializers with a schema registry",
        ),
        (
            "spring.kafka.producer.acks",
            "is Spring's: Properties::subset",
        ),
    ];
    for (name, what) in cases {
        let message = refused(&with(&[(name, "1")]));
        assert!(message.starts_with(&format!("{name} {what}")), "{message}");
        assert!(!message.contains("did you mean"), "{message}");
    }
}

#[test]
fn of_consumers_are_ignored_with_a_warning() {
    let properties = with(&[("max.poll.records", "5"), ("key.deserializer", "x")]);
    assert_eq!(
        warnings(&properties),
        ["without effect, as it is about consumers: key.deserializer, max.poll.records"]
    );
}

#[test]
fn that_are_near_to_nothing_get_no_suggestion() {
    for name in ["compression.kind", "my.app", "order.format", "x"] {
        let message = refused(&with(&[(name, "1")]));
        assert_eq!(message, format!("unknown property {name:?}"));
    }
    assert_eq!(
        refused(&with(&[("shop.kafka.linger.ms", "1")])),
        "unknown property \"shop.kafka.linger.ms\"; Properties::subset(\"shop.kafka.\") would make \
         linger.ms of it"
    );
}

#[test]
fn are_warnings_when_the_properties_are_lenient() {
    let properties = with(&[
        ("lingr.ms", "1"),
        ("my.app", "1"),
        ("producer.type", "async"),
        ("topic.orders.linger.ms", "1"),
    ]);
    let known = "topic.orders.linger.ms (for one topic there are topic.NAME.acks";
    let lenient = warnings(&properties.clone().lenient());
    let start = "ignored, as nobody knows them: lingr.ms (did you mean \"linger.ms\"?), my.app, \
                 producer.type (send never waits for an answer, and send_wait does), ";
    assert_eq!(lenient.len(), 1);
    assert!(
        lenient[0].starts_with(&format!("{start}{known}")),
        "{lenient:?}"
    );
    // Whichever of two that are merged is so; and values are checked all the same.
    warnings(&Properties::new().lenient().merge(properties.clone()));
    let wrong = properties
        .merge(Properties::new().lenient())
        .set("acks", "7");
    assert!(refused(&wrong).starts_with("acks=\"7\""));
}

#[test]
fn may_be_taken_out() {
    let properties = with(&[("my.app", "1"), ("my.own", "2")]);
    let left = properties
        .clone()
        .remove("my.app")
        .remove("my.own")
        .remove("never.set")
        .set_object(
            "partitioner.class",
            PropertyObject::partitioner(AlwaysThree),
        );
    assert!(config(&left).partitioner().is_some());
    assert!(
        config(&left.remove("partitioner.class"))
            .partitioner()
            .is_none()
    );
    let kept = properties.retain(|name| !name.starts_with("my."));
    config(&kept);
}

#[test]
fn with_a_prefix_make_a_subset_with_objects_and_places() {
    let file = "producer.bootstrap.servers=a:1\nconsumer.group.id=g\nproducer.linger.ms=soon\n\
                producer.value.serializer=Mine\nproducer.=x";
    let properties = Properties::parse(file)
        .register("Mine", PropertyObject::serializer(OrderSerializer))
        .set_object(
            "producer.partitioner.class",
            PropertyObject::partitioner(AlwaysThree),
        );
    let subset = properties.subset("producer.");
    assert_eq!(
        refused(&subset),
        "line 3: linger.ms=\"soon\": not a whole number; it takes 0 or more"
    );
    let config = config(&subset.set("linger.ms", 1));
    assert!(config.value_serializer::<Order>().is_ok());
    assert!(config.partitioner().is_some());
    assert_eq!(config.linger(), Duration::from_millis(1));
    assert_eq!(properties.subset("nobodys.").iter().count(), 0);
}

fn environment(variables: &[(&str, &str)]) -> Properties {
    let variables = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    Properties::from_variables("KAFKA_", variables)
}

#[test]
fn may_come_from_the_environment() {
    let properties = environment(&[
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1"),
        ("KAFKA_LINGER_MS", "7"),
        ("KAFKA_LOG__LEVEL", "3"),
        ("KAFKA_TOPIC_my___orders_ACKS", "all"),
        ("KAFKA_", "nothing"),
        ("HOME", "/root"),
    ]);
    let names: Vec<_> = properties.iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "bootstrap.servers",
            "linger.ms",
            "log_level",
            "topic.my-orders.acks"
        ]
    );
    assert_eq!(config(&properties).linger(), Duration::from_millis(7));
}

#[test]
fn in_the_environment_are_told_by_the_variable() {
    let properties = environment(&[
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1"),
        ("KAFKA_HEAP_OPTS", "-Xmx1G"),
        ("KAFKA_LINGERMS", "1"),
    ]);
    assert_eq!(
        warnings(&properties),
        [
            "ignored, as nobody knows them: KAFKA_HEAP_OPTS, KAFKA_LINGERMS (did you mean \
             \"linger.ms\"?)"
        ]
    );
    assert_eq!(
        refused(&properties.merge(environment(&[("KAFKA_ACKS", "2")]))),
        "KAFKA_ACKS: acks=\"2\": it takes all, -1, 0, 1"
    );
}

#[cfg(unix)]
#[test]
fn in_the_environment_that_are_not_utf_8_hide_nothing() {
    use std::os::unix::ffi::OsStringExt;
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS".into(), vec![0xff]),
        ("KAFKA_ACKS".into(), b"2".to_vec()),
        ("KAFKA_UNKNOWN".into(), vec![0xff]),
    ];
    let variables = variables.map(|(name, value)| (name, OsStringExt::from_vec(value)));
    let message = refused(&Properties::from_variables("KAFKA_", variables.into_iter()));
    assert_eq!(
        message,
        "3 problems:\n  KAFKA_ACKS: acks=\"2\": it takes all, -1, 0, 1\n  \
         KAFKA_BOOTSTRAP_SERVERS: its value is not UTF-8\n  KAFKA_UNKNOWN: its value is not UTF-8"
    );
}

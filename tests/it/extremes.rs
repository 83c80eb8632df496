//! Every number of Kafka's table of properties at its smallest and its largest: either the producer is
//! refused with a reason, or it works as far as such a value lets it, and ends as always.

use std::time::Duration;

use linger::testing::MockCluster;
use linger::{ErrorKind, Producer, ProducerRecord, Properties};

use crate::support::{Outcomes, PATIENCE};

const TABLE: &str = include_str!("../data/producer-configs.tsv");

/// Names of numbers, and what each may be set to.
fn numbers() -> Vec<(&'static str, Vec<String>)> {
    let rows = TABLE.lines().skip(1).map(|row| row.split('\t'));
    let numbers = rows.filter_map(|mut cells| {
        let (name, kind) = (cells.next()?, cells.next()?);
        let (least, most) = match kind {
            "SHORT" => (i16::MIN.into(), i16::MAX.into()),
            "INT" => (i32::MIN.into(), i32::MAX.into()),
            "LONG" => (i64::MIN, i64::MAX),
            _ => return None,
        };
        let values = [least, -1, 0, 1, most];
        Some((name, values.map(|value| value.to_string()).into()))
    });
    numbers.collect()
}

/// Sends two records, as far as that works, and closes. Gives whether the producer was made.
fn runs(cluster: &MockCluster, properties: &Properties, what: &str) -> bool {
    let producer: Producer<str, str> = match Producer::new(properties) {
        Ok(producer) => producer,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Config, "{what}: {error}");
            return false;
        }
    };
    let outcomes = Outcomes::new();
    let mut accepted = 0;
    for key in ["a", "b"] {
        let record = ProducerRecord::new("orders", "value").key(key);
        let limit = Duration::from_millis(200);
        match producer.send_timeout(record, limit, outcomes.callback(key)) {
            Ok(()) => accepted += 1,
            Err(refused) => {
                assert_ne!(refused.kind(), ErrorKind::Internal, "{what}: {refused}");
            }
        }
    }
    let closed = producer.close_timeout(Duration::from_millis(500));
    let closed = closed.or_else(|_| producer.close_timeout(PATIENCE));
    closed.unwrap_or_else(|error| panic!("{what}: {error}"));
    for _ in 0..accepted {
        if let (_, Err(error)) = outcomes.next() {
            assert_ne!(error.kind(), ErrorKind::Internal, "{what}: {error}");
        }
    }
    assert!(outcomes.is_empty(), "{what}: each once");
    assert_eq!(producer.metrics().buffer_used_bytes, 0, "{what}");
    assert!(cluster.violations().is_empty(), "{what}");
    true
}

#[test]
fn every_number_at_its_smallest_and_largest_harms_nothing() {
    let cluster = MockCluster::builder().topic("orders", 2).start().unwrap();
    let base = Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("key.serializer", "string")
        .set("value.serializer", "string");
    // What most of the others contradict.
    let wide = [
        ("enable.idempotence", "false"),
        ("buffer.memory", "9223372036854775807"),
        ("delivery.timeout.ms", "2147483647"),
    ];
    let mut made = 0;
    for (name, values) in numbers() {
        for value in values {
            let what = format!("{name}={value}");
            made += usize::from(runs(&cluster, &base.clone().set(name, &value), &what));
            let wide = wide.iter().filter(|(other, _)| *other != name);
            let wide = wide.fold(base.clone(), |properties, (name, value)| {
                properties.set(*name, *value)
            });
            let what = format!("{what} with wide limits");
            made += usize::from(runs(&cluster, &wide.set(name, &value), &what));
        }
    }
    assert!(made > 100, "only {made} were made");
    // All of them together.
    for pick in [0, 2, 4] {
        let all = numbers().into_iter();
        let together = all.fold(base.clone(), |properties, (name, values)| {
            let properties_with = properties.clone().set(name, &values[pick]);
            match Producer::<str, str>::new(&properties_with) {
                Ok(_) => properties_with,
                Err(_) => properties,
            }
        });
        assert!(runs(&cluster, &together, "all together"));
    }
}

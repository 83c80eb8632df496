//! The names that Kafka's Java client has for what can go wrong: test tools compare them.

use linger::ErrorKind;

/// Every error code of Kafka 4.4.0 with its name and class, tab-separated, below a headline.
const CLASSES: &str = include_str!("kafka-4.4.0-exceptions.tsv");

/// The class of exception that Kafka's own producer would have reported.
pub(crate) fn class(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Config => "org.apache.kafka.common.config.ConfigException",
        ErrorKind::Misuse => "java.lang.IllegalStateException",
        ErrorKind::Serialization => "org.apache.kafka.common.errors.SerializationException",
        // Key, value and timestamp are this tool's own; only the topic can be illegal.
        ErrorKind::InvalidRecord => "org.apache.kafka.common.errors.InvalidTopicException",
        ErrorKind::RecordTooLarge => "org.apache.kafka.common.errors.RecordTooLargeException",
        ErrorKind::BufferFull => "org.apache.kafka.clients.producer.BufferExhaustedException",
        ErrorKind::UnknownTopicOrPartition => {
            "org.apache.kafka.common.errors.UnknownTopicOrPartitionException"
        }
        // Java keeps on trying to connect until the record's time is up.
        ErrorKind::TimedOut | ErrorKind::Connect => {
            "org.apache.kafka.common.errors.TimeoutException"
        }
        ErrorKind::Disconnected => "org.apache.kafka.common.errors.NetworkException",
        ErrorKind::UnsupportedVersion => {
            "org.apache.kafka.common.errors.UnsupportedVersionException"
        }
        ErrorKind::Broker(code) => of_code(code.code()),
        // Closed, a peer that is no Kafka, a defect: Java's root class of all of them.
        _ => "org.apache.kafka.common.KafkaException",
    }
}

/// The class for a broker's code; a code newer than the table is an unknown error to Java, too.
fn of_code(code: i16) -> &'static str {
    CLASSES
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once('\t'))
        .find(|(number, _)| number.parse() == Ok(code))
        .and_then(|(_, rest)| rest.split_once('\t'))
        .map_or(
            "org.apache.kafka.common.errors.UnknownServerException",
            |(_, class)| class,
        )
}

#[cfg(test)]
mod tests {
    use linger::ErrorCode;

    use super::*;

    #[test]
    fn knows_the_class_of_every_code() {
        let mut codes = 0;
        for line in CLASSES.lines().skip(1) {
            let columns: Vec<_> = line.split('\t').collect();
            let code = ErrorCode::from(columns[0].parse::<i16>().unwrap());
            assert_eq!(code.name(), columns[1]);
            assert_eq!(class(ErrorKind::Broker(code)), columns[2]);
            codes += 1;
        }
        assert_eq!(codes, 138);
    }

    #[test]
    fn calls_a_code_from_the_future_unknown() {
        let future = ErrorKind::Broker(ErrorCode::from(32_000));
        assert_eq!(
            class(future),
            "org.apache.kafka.common.errors.UnknownServerException"
        );
    }

    /// These three were seen with Kafka's own tool, under the same conditions.
    #[test]
    fn names_the_classes_that_kafka_printed() {
        let recorded = include_str!("kafka-4.3.1-output.jsonl");
        for kind in [
            ErrorKind::TimedOut,
            ErrorKind::RecordTooLarge,
            ErrorKind::InvalidRecord,
        ] {
            let field = format!("\"exception\":\"class {}\"", class(kind));
            assert!(recorded.contains(&field), "{field}");
        }
    }
}

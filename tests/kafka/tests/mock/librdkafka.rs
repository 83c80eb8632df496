//! librdkafka, through the rdkafka crate.

use std::sync::mpsc::{Receiver, Sender, channel};

use linger::ErrorCode;
use linger::testing::{Api, MockCluster};
use linger_kafka_tests::PATIENCE;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

/// Passes on where each record landed: what it was, partition, offset.
struct Landed(Sender<(usize, i32, i64)>);

impl ClientContext for Landed {}

impl ProducerContext for Landed {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, outcome: &DeliveryResult<'_>, number: Box<usize>) {
        // A record that failed is missed when the landed ones are counted.
        if let Ok(message) = outcome {
            let landed = (*number, message.partition(), message.offset());
            self.0
                .send(landed)
                .expect("the test listens as long as it has a producer");
        }
    }
}

type Landings = Receiver<(usize, i32, i64)>;

fn producer(cluster: &MockCluster, settings: &[(&str, &str)]) -> (BaseProducer<Landed>, Landings) {
    let (landed, landings) = channel();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    config.set("retry.backoff.ms", "20");
    for (name, value) in settings {
        config.set(*name, *value);
    }
    (
        config
            .create_with_context(Landed(landed))
            .expect("valid settings"),
        landings,
    )
}

#[test]
fn everything_that_librdkafka_sends_is_in_the_log() {
    let cluster = MockCluster::builder().topic("t", 2).start().expect("ports");
    let (producer, landings) = producer(&cluster, &[("enable.idempotence", "true")]);
    let headers = OwnedHeaders::new()
        .insert(Header {
            key: "h",
            value: Some("1"),
        })
        .insert(Header {
            key: "h",
            value: None::<&str>,
        })
        .insert(Header {
            key: "h",
            value: Some(""),
        });
    let full = BaseRecord::with_opaque_to("t", Box::new(0)).partition(1);
    let full = full
        .key("key")
        .payload("value")
        .timestamp(1_234_567)
        .headers(headers);
    producer
        .send(full)
        .map_err(|(error, _)| error)
        .expect("accepted");
    let tombstone: BaseRecord<'_, str, str, _> = BaseRecord::with_opaque_to("t", Box::new(1));
    producer
        .send(tombstone.partition(1).key(""))
        .map_err(|(error, _)| error)
        .expect("accepted");
    producer.flush(PATIENCE).expect("all is delivered");

    let records = cluster.records("t", 1);
    assert_eq!(
        landings.try_iter().collect::<Vec<_>>(),
        [(0, 1, 0), (1, 1, 1)]
    );
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].key.as_deref(), Some(&b"key"[..]));
    assert_eq!(records[0].value.as_deref(), Some(&b"value"[..]));
    assert_eq!(records[0].timestamp_ms, 1_234_567);
    let header =
        |value: Option<&str>| ("h".to_owned(), value.map(|value| value.as_bytes().to_vec()));
    assert_eq!(
        records[0].headers,
        [header(Some("1")), header(None), header(Some(""))]
    );
    assert_eq!(
        (records[1].key.as_deref(), &records[1].value),
        (Some(&b""[..]), &None)
    );
}

#[test]
fn librdkafka_is_told_what_the_log_holds_through_faults() {
    const RECORDS: usize = 5_000;
    for (acks, idempotence) in [("1", "false"), ("all", "false"), ("all", "true")] {
        let cluster = MockCluster::builder()
            .brokers(3)
            .topic("t", 6)
            .start()
            .expect("ports");
        let produce = || cluster.on(Api::Produce);
        produce()
            .partition("t", 0)
            .times(1)
            .answer(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        produce().partition("t", 3).times(1).close_before();
        let settings = [
            ("acks", acks),
            ("enable.idempotence", idempotence),
            ("linger.ms", "5"),
            // No broker knows the producer id yet when a first batch is refused: nothing may be behind.
            ("max.in.flight.requests.per.connection", "1"),
        ];
        let (producer, landings) = producer(&cluster, &settings);
        for number in 0..RECORDS {
            let value = number.to_string();
            let record: BaseRecord<'_, [u8], str, _> =
                BaseRecord::with_opaque_to("t", Box::new(number));
            let record = record.partition(i32::try_from(number % 6).expect("below 6"));
            producer
                .send(record.payload(&value))
                .map_err(|(error, _)| error)
                .expect("accepted");
        }
        producer.flush(PATIENCE).expect("all is delivered");
        assert_eq!(cluster.pending_faults(), 0);

        let logs: Vec<_> = (0..6)
            .map(|partition| cluster.records("t", partition))
            .collect();
        let mut landed = 0;
        for (number, partition, offset) in landings.try_iter() {
            let partition = usize::try_from(partition).expect("a partition");
            let record = &logs[partition][usize::try_from(offset).expect("an offset")];
            assert_eq!(record.value.as_deref(), Some(number.to_string().as_bytes()));
            landed += 1;
        }
        assert_eq!(landed, RECORDS);
        assert_eq!(cluster.violations(), [""; 0]);
    }
}

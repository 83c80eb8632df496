//! What the mock cluster makes of idempotent producers, correct ones and others.

use super::*;
use crate::protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};

impl Client {
    fn init(&mut self, transactional_id: Option<&str>, had: (i64, i16)) -> InitProducerIdResponse {
        let request = Request::InitProducerId(InitProducerIdRequest {
            transactional_id: transactional_id.map(Into::into),
            transaction_timeout_ms: i32::MAX,
            producer_id: had.0,
            producer_epoch: had.1,
        });
        self.send(&request, 5);
        match self.receive(ApiKey::InitProducerId, 5) {
            Response::InitProducerId(response) => response,
            other => panic!("{other:?}"),
        }
    }

    /// A new producer id.
    fn id(&mut self) -> i64 {
        let response = self.init(None, (-1, -1));
        assert_eq!(
            (response.error, response.producer_epoch),
            (ErrorCode::NONE, 0)
        );
        response.producer_id
    }

    /// Writes one record to `t-0` for each value.
    fn write(&mut self, stamp: ProducerStamp, values: &[&str]) -> ProducePartitionResponse {
        let request = one("t", 0, stamped(values, stamp));
        let mut response = self.produce_at(12, &request);
        response.topics.remove(0).partitions.remove(0)
    }

    /// Writes as [`write`](Self::write), and hears what was wrong.
    fn refused(&mut self, stamp: ProducerStamp, values: &[&str]) -> ErrorCode {
        let answer = self.write(stamp, values);
        assert_eq!(answer.base_offset, -1);
        answer.error
    }
}

fn stamp(producer_id: i64, epoch: i16, base_sequence: i32) -> ProducerStamp {
    ProducerStamp {
        producer_id,
        epoch,
        base_sequence,
    }
}

/// What the cluster complains about, without the partition in front.
fn complaints(cluster: &MockCluster) -> Vec<String> {
    let why = |text: &String| text.split_once(": ").map_or("", |(_, why)| why).to_owned();
    cluster.violations().iter().map(why).collect()
}

#[test]
fn every_broker_gives_producer_ids_that_are_unique() {
    let cluster = start(MockCluster::builder().brokers(2));
    let (mut one, mut two) = (Client::connect(&cluster, 1), Client::connect(&cluster, 2));
    let ids = [one.id(), two.id(), one.id()];
    assert_eq!(ids, [0, 1, 2]);
    let answer = one.init(None, (1, 4));
    assert_eq!(
        (answer.producer_id, answer.producer_epoch),
        (3, 0),
        "a new one"
    );
    for (transactional_id, had, error) in [
        (None, (1, -1), ErrorCode::INVALID_REQUEST),
        (None, (-1, 4), ErrorCode::INVALID_REQUEST),
    ] {
        let answer = one.init(transactional_id, had);
        assert_eq!(answer.error, error);
        assert_eq!((answer.producer_id, answer.producer_epoch), (-1, -1));
    }
    cluster
        .on(Api::InitProducerId)
        .answer(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    let answer = one.init(None, (-1, -1));
    assert_eq!(answer.error, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    assert_eq!(one.id(), 4);
    let requests = cluster.requests();
    assert_eq!(
        requests[3].content,
        MockRequestContent::InitProducerId {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            producer_id: 1,
            producer_epoch: 4,
        }
    );
}

#[test]
fn a_batch_that_comes_again_is_written_once_wherever_the_leader_is() {
    let cluster = start(MockCluster::builder().brokers(2).topic("t", 1));
    let mut client = Client::connect(&cluster, 1);
    let id = client.id();
    cluster.on(Api::Produce).skip(1).close_after();
    assert_eq!(client.write(stamp(id, 0, 0), &["a", "b"]).base_offset, 0);
    client.send(&one("t", 0, stamped(&["c"], stamp(id, 0, 2))), 12);
    assert!(client.is_closed());

    cluster.move_leader("t", 0, 2);
    let mut client = Client::connect(&cluster, 2);
    let again = client.write(stamp(id, 0, 2), &["c"]);
    assert_eq!((again.error, again.base_offset), (ErrorCode::NONE, 2));
    assert_eq!(
        again.log_append_time_ms, 1_000,
        "its timestamp, as in Kafka"
    );
    assert_eq!(client.write(stamp(id, 0, 3), &["d"]).base_offset, 3);
    let gap = client.refused(stamp(id, 0, 5), &["f"]);
    assert_eq!(gap, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);

    assert_eq!(values(&cluster, "t", 0), ["a", "b", "c", "d"]);
    let written: Vec<_> = cluster
        .batches("t", 0)
        .iter()
        .map(|batch| (batch.producer_id, batch.producer_epoch, batch.base_sequence))
        .collect();
    assert_eq!(written, [(id, 0, 0), (id, 0, 2), (id, 0, 3)]);
    let counters = cluster.counters();
    assert_eq!((counters.batches, counters.repeated_batches), (3, 1));
    let sent: Vec<_> = cluster
        .requests()
        .into_iter()
        .filter_map(|request| match request.content {
            MockRequestContent::Produce { partitions, .. } => Some(partitions[0].base_sequence),
            _ => None,
        })
        .collect();
    assert_eq!(sent, [0, 2, 2, 3, 5]);
    assert_eq!(cluster.violations(), [""; 0]);
}

#[test]
fn a_new_epoch_fences_the_old_one() {
    let cluster = one_broker();
    let mut client = Client::connect(&cluster, 1);
    let id = client.id();
    client.write(stamp(id, 0, 0), &["a"]);
    let refused = client.refused(stamp(id, 1, 1), &["b"]);
    assert_eq!(refused, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(client.write(stamp(id, 1, 0), &["b"]).base_offset, 1);
    let refused = client.refused(stamp(id, 0, 1), &["c"]);
    assert_eq!(refused, ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(values(&cluster, "t", 0), ["a", "b"]);
}

#[test]
fn a_forgotten_producer_continues_or_is_refused_by_an_older_broker() {
    for (builder, expected) in [
        (MockCluster::builder(), ErrorCode::NONE),
        (
            MockCluster::builder().unknown_producer_id_is_an_error(),
            ErrorCode::UNKNOWN_PRODUCER_ID,
        ),
    ] {
        let cluster = start(builder.topic("t", 1));
        let mut client = Client::connect(&cluster, 1);
        let id = client.id();
        client.write(stamp(id, 0, 0), &["a"]);
        cluster.forget_producers("t", 0);
        let answer = client.write(stamp(id, 0, 1), &["b"]);
        assert_eq!((answer.error, answer.log_start_offset), (expected, 0));
        assert_eq!(cluster.violations(), [""; 0]);
    }
}

#[test]
fn an_id_needs_an_epoch_and_a_sequence_that_are_numbers() {
    let cluster = one_broker();
    let mut client = Client::connect(&cluster, 1);
    let id = client.id();
    for (epoch, base_sequence) in [(0, -1), (-1, 0)] {
        let refused = client.refused(stamp(id, epoch, base_sequence), &["a"]);
        assert_eq!(refused, ErrorCode::INVALID_RECORD);
    }
    let complaints = complaints(&cluster);
    assert_eq!(complaints.len(), 2);
    for complaint in complaints {
        assert!(complaint.ends_with("not a whole stamp"), "{complaint}");
    }
    let mut control = stamped(&["a"], ProducerStamp::NONE);
    control[22] |= 0x20;
    let checksum = crc32c::crc32c(&control[21..]);
    control[17..21].copy_from_slice(&checksum.to_be_bytes());
    let response = client.produce_at(12, &one("t", 0, control));
    assert_eq!(
        response.topics[0].partitions[0].error,
        ErrorCode::INVALID_RECORD
    );
    assert!(cluster.records("t", 0).is_empty());
}

#[test]
fn sequences_of_a_batch_that_may_be_written_are_taken() {
    let doubtful: [fn(&MockCluster); 4] = [
        |_written_and_known| {},
        |cluster| cluster.on(Api::Produce).close_before(),
        |cluster| cluster.on(Api::Produce).close_after(),
        |cluster| {
            let fault = cluster.on(Api::Produce);
            fault.answer(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        },
    ];
    for (number, fault) in doubtful.into_iter().enumerate() {
        let cluster = one_broker();
        let mut client = Client::connect(&cluster, 1);
        let id = client.id();
        fault(&cluster);
        client.send(&one("t", 0, stamped(&["a", "b"], stamp(id, 0, 0))), 12);
        if matches!(number, 1 | 2) {
            assert!(client.is_closed());
            client = Client::connect(&cluster, 1);
        } else {
            client.receive(ApiKey::Produce, 12);
        }
        // The same again is what a producer should send.
        client.write(stamp(id, 0, 0), &["a", "b"]);
        client.write(stamp(id, 1, 0), &["in another epoch"]);
        assert_eq!(cluster.violations(), [""; 0]);
        for (base_sequence, values) in [(0, &["a", "c"][..]), (1, &["b"])] {
            client.write(stamp(id, 0, base_sequence), values);
        }
        let complaints = complaints(&cluster);
        assert_eq!(complaints.len(), 2, "{number}: {complaints:?}");
        assert_eq!(
            complaints[0],
            format!(
                "2 records from sequence 0 of producer {id} in epoch 0: may be written, with \
                 other content: record 1 had another value before"
            )
        );
        assert_eq!(
            complaints[1],
            format!(
                "1 records from sequence 1 of producer {id} in epoch 0: may be written, which may \
                 be among those of 2 records from sequence 0 of producer {id} in epoch 0"
            )
        );
    }
}

/// A batch of these records: key, value and the value of a header.
fn made_anew(first_timestamp_ms: i64, records: &[[&str; 3]], stamp: ProducerStamp) -> Vec<u8> {
    let mut batch = BatchEncoder::new(16_384);
    for (timestamp_ms, [key, value, header]) in (first_timestamp_ms..).zip(records) {
        let record = Record {
            timestamp_ms,
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            headers: &[Header {
                name: "h",
                value: Some(header.as_bytes()),
            }],
        };
        batch.append(&record, batch.next(timestamp_ms, record.content_size()));
    }
    batch.seal(stamp)
}

/// As kafkajs does: each attempt has the time of its own in its records, so other bytes. What a broker
/// compares are the sequences.
#[test]
fn a_retry_that_is_made_anew_of_the_same_records_is_no_offence() {
    let cluster = one_broker();
    let mut client = Client::connect(&cluster, 1);
    let id = client.id();
    let records = [["k", "a", "h"], ["k", "b", "h"]];
    let attempt = |time| one("t", 0, made_anew(time, &records, stamp(id, 0, 0)));
    cluster.on(Api::Produce).close_after();
    client.send(&attempt(1_000), 12);
    assert!(client.is_closed());
    let mut client = Client::connect(&cluster, 1);
    for time in [2_000, 3_000, 2_000] {
        let response = client.produce_at(12, &attempt(time));
        let answer = &response.topics[0].partitions[0];
        assert_eq!((answer.error, answer.base_offset), (ErrorCode::NONE, 0));
    }
    assert_eq!(cluster.violations(), [""; 0]);
    assert_eq!(values(&cluster, "t", 0), ["a", "b"]);

    // What is refused each time is not written, in whichever bytes it came.
    let gap = |time| one("t", 0, made_anew(time, &records, stamp(id, 0, 9)));
    for time in [1_000, 2_000] {
        client.produce_at(12, &gap(time));
    }
    client.refused(stamp(id, 0, 9), &["another"]);
    assert_eq!(cluster.violations(), [""; 0]);

    let others = [
        (
            [["k", "a", "h"], ["x", "b", "h"]],
            "record 1 had another key before",
        ),
        (
            [["k", "a", "x"], ["k", "b", "h"]],
            "record 0 had other headers before",
        ),
        (
            [["k", "x", "h"], ["k", "b", "h"]],
            "record 0 had another value before",
        ),
    ];
    for (records, difference) in others {
        let other = made_anew(1_000, &records, stamp(id, 0, 0));
        client.produce_at(12, &one("t", 0, other));
        let complaints = complaints(&cluster);
        let last = complaints.last().unwrap();
        assert!(last.ends_with(difference), "{last}");
    }
    assert_eq!(cluster.violations().len(), others.len());
}

#[test]
fn a_batch_that_was_too_large_may_come_in_parts() {
    let cluster = one_broker();
    let mut client = Client::connect(&cluster, 1);
    let id = client.id();
    cluster
        .on(Api::Produce)
        .times(2)
        .answer(ErrorCode::MESSAGE_TOO_LARGE);
    let too_large = client.refused(stamp(id, 0, 0), &["a", "b"]);
    assert_eq!(too_large, ErrorCode::MESSAGE_TOO_LARGE);
    client.refused(stamp(id, 0, 0), &["a", "b"]);
    client.write(stamp(id, 0, 0), &["a"]);
    client.write(stamp(id, 0, 1), &["b"]);
    assert_eq!(cluster.violations(), [""; 0]);

    // Even if an answer to it was lost: if it is there as a whole, no part of it follows.
    cluster.on(Api::Produce).close_before();
    cluster
        .on(Api::Produce)
        .answer(ErrorCode::MESSAGE_TOO_LARGE);
    client.send(&one("t", 0, stamped(&["c", "d"], stamp(id, 0, 2))), 12);
    assert!(client.is_closed());
    let mut client = Client::connect(&cluster, 1);
    client.refused(stamp(id, 0, 2), &["c", "d"]);
    client.write(stamp(id, 0, 2), &["c"]);
    assert_eq!(cluster.violations(), [""; 0]);

    // Nor is a copy of the whole that comes late.
    client.refused(stamp(id, 0, 2), &["c", "d"]);
    assert_eq!(cluster.violations(), [""; 0]);
}

#[test]
fn a_refusal_that_is_lost_proves_nothing_to_the_producer() {
    let cluster = one_broker();
    let mut client = Client::connect(&cluster, 1);
    let id = client.id();
    client.write(stamp(id, 0, 0), &["a"]);
    cluster.on(Api::Produce).close_after();
    client.send(&one("t", 0, stamped(&["gap"], stamp(id, 0, 5))), 12);
    assert!(client.is_closed());
    let mut client = Client::connect(&cluster, 1);
    client.refused(stamp(id, 0, 5), &["other"]);
    assert_eq!(cluster.violations().len(), 1);
    assert_eq!(values(&cluster, "t", 0), ["a"]);
}

#[test]
fn complains_about_ids_acks_and_mixtures() {
    let cluster = one_broker();
    let mut client = Client::connect(&cluster, 1);
    let id = client.id();
    client.write(stamp(id + 1, 0, 0), &["a"]);
    client.produce_at(12, &with_acks(1, "t", 0, stamped(&["a"], stamp(id, 0, 0))));
    let mut mixed = one("t", 0, stamped(&["b"], stamp(id, 0, 1)));
    if let Request::Produce(request) = &mut mixed {
        for index in [1, 1] {
            let records = SharedBytes::new(batch(&["c"]));
            let partition = ProducePartition { index, records };
            request.topics[0].partitions.push(partition);
        }
    }
    client.produce_at(12, &mixed);
    let violations = cluster.violations();
    for (violation, what) in violations.iter().zip([
        "nobody got this id",
        "sent with acks 1 instead of all",
        "t-1: came twice in one request",
        "one request has batches with a producer id and without",
    ]) {
        assert!(violation.ends_with(what), "{violation}");
    }
    assert_eq!(violations.len(), 4);
}

//! What the mock cluster makes of transactions: who may do what, and what a consumer of committed records
//! sees then.

use super::*;
use crate::protocol::messages::*;
use crate::testing::{MockMarker, MockRecord, MockTransactionState};

mod coordinators;
mod offsets;
mod takeovers;

const ID: &str = "copier";

/// A producer with a transactional id, as correct or wrong as a test lets it be.
struct Transactional {
    client: Client,
    version: TransactionVersion,
    producer_id: i64,
    epoch: i16,
    sequence: i32,
}

impl Transactional {
    /// Begins with [`ID`], at the only broker.
    fn start(cluster: &MockCluster, version: TransactionVersion) -> Self {
        let mut producer = Self::unknown(cluster, version);
        assert_eq!(producer.init((-1, -1)), ErrorCode::NONE);
        producer
    }

    /// One that has neither id nor epoch.
    fn unknown(cluster: &MockCluster, version: TransactionVersion) -> Self {
        Self {
            client: Client::connect(cluster, 1),
            version,
            producer_id: -1,
            epoch: -1,
            sequence: 0,
        }
    }

    fn init(&mut self, had: (i64, i16)) -> ErrorCode {
        self.init_for(60_000, had)
    }

    fn init_for(&mut self, timeout_ms: i32, had: (i64, i16)) -> ErrorCode {
        let request = InitProducerIdRequest {
            transactional_id: Some(ID.into()),
            transaction_timeout_ms: timeout_ms,
            producer_id: had.0,
            producer_epoch: had.1,
        };
        let answer = self.client.ask(&Request::InitProducerId(request), 5);
        let Response::InitProducerId(answer) = answer else {
            panic!("{answer:?}");
        };
        if answer.error == ErrorCode::NONE {
            self.becomes(answer.producer_id, answer.producer_epoch);
        }
        answer.error
    }

    fn becomes(&mut self, producer_id: i64, epoch: i16) {
        if (producer_id, epoch) != (self.producer_id, self.epoch) {
            self.sequence = 0;
        }
        (self.producer_id, self.epoch) = (producer_id, epoch);
    }

    /// Version 1: adds partitions of `t`.
    fn add(&mut self, partitions: &[i32]) -> Vec<ErrorCode> {
        self.add_at(3, partitions)
    }

    fn add_at(&mut self, version: i16, partitions: &[i32]) -> Vec<ErrorCode> {
        let request = AddPartitionsToTxnRequest {
            transactional_id: ID.into(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            topics: vec![TxnTopic {
                name: "t".into(),
                partitions: partitions.to_vec(),
            }],
        };
        let answer = self
            .client
            .ask(&Request::AddPartitionsToTxn(request), version);
        let Response::AddPartitionsToTxn(answer) = answer else {
            panic!("{answer:?}");
        };
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| partition.error).collect()
    }

    /// One record to a partition of `t`.
    fn write(&mut self, partition: i32, value: &str) -> ErrorCode {
        let version = match self.version {
            TransactionVersion::V1 => 11,
            TransactionVersion::V2 => 12,
        };
        self.write_at(version, partition, value)
    }

    fn write_at(&mut self, version: i16, partition: i32, value: &str) -> ErrorCode {
        let stamp = ProducerStamp {
            producer_id: self.producer_id,
            epoch: self.epoch,
            base_sequence: self.sequence,
        };
        let batch = transactional(&[value], stamp);
        let answer = self.client.produce_at(version, &produce(partition, batch));
        let error = answer.topics[0].partitions[0].error;
        if error == ErrorCode::NONE {
            self.sequence += 1;
        }
        error
    }

    fn end(&mut self, committed: bool) -> ErrorCode {
        let version = match self.version {
            TransactionVersion::V1 => 4,
            TransactionVersion::V2 => 5,
        };
        self.end_at(version, self.epoch, committed)
    }

    fn end_at(&mut self, version: i16, epoch: i16, committed: bool) -> ErrorCode {
        let request = EndTxnRequest {
            transactional_id: ID.into(),
            producer_id: self.producer_id,
            producer_epoch: epoch,
            committed,
            transactions: self.version,
        };
        let answer = self.client.ask(&Request::EndTxn(request), version);
        let Response::EndTxn(answer) = answer else {
            panic!("{answer:?}");
        };
        if answer.error == ErrorCode::NONE && version == 5 {
            self.becomes(answer.producer_id, answer.producer_epoch);
        }
        answer.error
    }

    /// A transaction of one record in partition 0.
    fn run(&mut self, value: &str, committed: bool) {
        if self.version == TransactionVersion::V1 {
            assert_eq!(self.add(&[0]), [ErrorCode::NONE]);
        }
        assert_eq!(self.write(0, value), ErrorCode::NONE);
        assert_eq!(self.end(committed), ErrorCode::NONE);
    }
}

impl Client {
    fn ask(&mut self, request: &Request, version: i16) -> Response {
        self.send(request, version);
        self.receive(request.api_key(), version)
    }
}

fn produce(partition: i32, batch: Vec<u8>) -> Request {
    let mut request = one("t", partition, batch);
    if let Request::Produce(produce) = &mut request {
        produce.transactional_id = Some(ID.into());
    }
    request
}

/// A batch that says that it belongs to a transaction.
fn transactional(values: &[&str], stamp: ProducerStamp) -> Vec<u8> {
    const TRANSACTIONAL: u8 = 0x10;
    let mut batch = stamped(values, stamp);
    batch[22] |= TRANSACTIONAL;
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

/// The values that a consumer of committed records sees in a partition of `t`.
fn committed(cluster: &MockCluster, partition: i32) -> Vec<String> {
    texts(cluster.committed_records("t", partition))
}

/// All values in a partition of `t`, whatever became of their transactions.
fn all(cluster: &MockCluster, partition: i32) -> Vec<String> {
    texts(cluster.records("t", partition))
}

fn texts(records: Vec<MockRecord>) -> Vec<String> {
    let text = |record: MockRecord| String::from_utf8(record.value.unwrap()).unwrap();
    records.into_iter().map(text).collect()
}

fn cluster(version: i16) -> MockCluster {
    let builder = MockCluster::builder().topic("t", 3);
    start(builder.transaction_version(version))
}

fn both() -> [(MockCluster, TransactionVersion); 2] {
    [
        (cluster(1), TransactionVersion::V1),
        (cluster(2), TransactionVersion::V2),
    ]
}

fn state(cluster: &MockCluster) -> MockTransactionState {
    cluster.transaction(ID).unwrap().state
}

#[test]
fn committed_records_are_seen_and_aborted_ones_are_not() {
    for (cluster, version) in both() {
        let mut producer = Transactional::start(&cluster, version);
        assert_eq!(state(&cluster), MockTransactionState::Empty);
        producer.run("one", true);
        assert_eq!(state(&cluster), MockTransactionState::Committed);
        producer.run("two", false);
        assert_eq!(state(&cluster), MockTransactionState::Aborted);
        assert_eq!(
            Client::connect(&cluster, 1)
                .produce("t", 0, "alone")
                .base_offset,
            4
        );
        producer.run("three", true);

        assert_eq!(committed(&cluster, 0), ["one", "alone", "three"]);
        assert_eq!(all(&cluster, 0), ["one", "two", "alone", "three"]);
        let markers: Vec<_> = cluster
            .batches("t", 0)
            .iter()
            .map(|one| one.marker)
            .collect();
        let (commit, abort) = (Some(MockMarker::Commit), Some(MockMarker::Abort));
        assert_eq!(markers, [None, commit, None, abort, None, None, commit]);
        assert_eq!(
            cluster.view(|view| view.record_count("t")),
            4,
            "markers are no records"
        );
        assert_eq!(cluster.view(|view| view.end_offset("t", 0)), 7);
        assert_eq!(cluster.violations(), [""; 0]);
    }
}

#[test]
fn a_transaction_is_all_or_nothing_over_its_partitions() {
    for (cluster, version) in both() {
        let mut producer = Transactional::start(&cluster, version);
        for (value, commits) in [("kept", true), ("dropped", false)] {
            if version == TransactionVersion::V1 {
                assert_eq!(producer.add(&[0, 2]), [ErrorCode::NONE; 2]);
            }
            let begins = producer.sequence;
            for partition in [0, 2] {
                producer.sequence = begins;
                assert_eq!(producer.write(partition, value), ErrorCode::NONE);
            }
            let mut joined = cluster.transaction(ID).unwrap().partitions;
            joined.sort();
            assert_eq!(joined, [("t".to_owned(), 0), ("t".to_owned(), 2)]);
            assert_eq!(producer.end(commits), ErrorCode::NONE);
        }
        assert_eq!(committed(&cluster, 0), ["kept"]);
        assert_eq!(committed(&cluster, 1), [""; 0]);
        assert_eq!(committed(&cluster, 2), ["kept"]);
        assert_eq!(cluster.batches("t", 1), [], "no marker where nothing was");
    }
}

#[test]
fn nobody_reads_past_an_open_transaction() {
    for (cluster, version) in both() {
        let mut producer = Transactional::start(&cluster, version);
        producer.run("before", true);
        if version == TransactionVersion::V1 {
            producer.add(&[0]);
        }
        assert_eq!(producer.write(0, "open"), ErrorCode::NONE);
        assert_eq!(
            Client::connect(&cluster, 1)
                .produce("t", 0, "behind")
                .base_offset,
            3
        );
        assert_eq!(cluster.last_stable_offset("t", 0), 2);
        assert_eq!(committed(&cluster, 0), ["before"]);
        assert_eq!(producer.end(true), ErrorCode::NONE);
        assert_eq!(cluster.last_stable_offset("t", 0), 5);
        assert_eq!(committed(&cluster, 0), ["before", "open", "behind"]);
    }
}

#[test]
fn in_version_1_a_partition_has_to_be_added_first() {
    let cluster = cluster(1);
    let mut producer = Transactional::start(&cluster, TransactionVersion::V1);
    assert_eq!(producer.write(0, "x"), ErrorCode::TRANSACTION_ABORTABLE);
    assert_eq!(producer.write_at(10, 0, "x"), ErrorCode::INVALID_TXN_STATE);
    assert_eq!(producer.add(&[1]), [ErrorCode::NONE]);
    assert_eq!(producer.write(0, "x"), ErrorCode::TRANSACTION_ABORTABLE);
    assert_eq!(producer.write(1, "x"), ErrorCode::NONE);
    assert_eq!(producer.end(true), ErrorCode::NONE);
    let late = producer.write(1, "y");
    assert_eq!(late, ErrorCode::TRANSACTION_ABORTABLE, "it has ended");
}

#[test]
fn partitions_are_added_all_or_none() {
    let cluster = cluster(1);
    let mut producer = Transactional::start(&cluster, TransactionVersion::V1);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let not_tried = ErrorCode::OPERATION_NOT_ATTEMPTED;
    assert_eq!(producer.add(&[0, 7, 1]), [not_tried, unknown, not_tried]);
    assert_eq!(state(&cluster), MockTransactionState::Empty);
    let fault = || cluster.on(Api::AddPartitionsToTxn).partition("t", 1);
    fault().answer(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    let refused = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    assert_eq!(producer.add(&[0, 1]), [not_tried, refused]);
    assert_eq!(state(&cluster), MockTransactionState::Empty);
    fault().apply_and_answer(ErrorCode::REQUEST_TIMED_OUT);
    let timed_out = ErrorCode::REQUEST_TIMED_OUT;
    assert_eq!(producer.add(&[0, 1]), [ErrorCode::NONE, timed_out]);
    assert_eq!(cluster.transaction(ID).unwrap().partitions.len(), 2);
    assert_eq!(producer.add(&[0, 1]), [ErrorCode::NONE; 2], "again");
}

#[test]
fn in_version_1_the_epoch_stays_and_a_late_end_hits_the_next_transaction() {
    let cluster = cluster(1);
    let mut producer = Transactional::start(&cluster, TransactionVersion::V1);
    producer.run("one", true);
    assert_eq!(producer.end(true), ErrorCode::NONE, "the answer was lost");
    assert_eq!(producer.end(false), ErrorCode::INVALID_TXN_STATE);
    assert_eq!((producer.epoch, producer.sequence), (0, 1));
    producer.add(&[0]);
    assert_eq!(producer.write(0, "two"), ErrorCode::NONE);
    assert_eq!(producer.end(true), ErrorCode::NONE, "late, and it counts");
    assert_eq!(committed(&cluster, 0), ["one", "two"]);
}

#[test]
fn in_version_2_every_end_raises_the_epoch_and_a_late_one_hits_nothing() {
    let cluster = cluster(2);
    let mut producer = Transactional::start(&cluster, TransactionVersion::V2);
    producer.run("one", true);
    assert_eq!((producer.epoch, producer.sequence), (1, 0));
    assert_eq!(producer.end_at(5, 0, false), ErrorCode::INVALID_TXN_STATE);
    assert_eq!(
        producer.end_at(5, 0, true),
        ErrorCode::NONE,
        "the answer was lost"
    );
    assert_eq!(producer.epoch, 1, "and is given again");
    assert_eq!(producer.write(0, "two"), ErrorCode::NONE);
    assert_eq!(producer.end_at(5, 0, true), ErrorCode::PRODUCER_FENCED);
    assert_eq!(committed(&cluster, 0), ["one"]);
    assert_eq!(producer.end(true), ErrorCode::NONE);
    assert_eq!(committed(&cluster, 0), ["one", "two"]);
}

#[test]
fn there_has_to_be_something_to_commit() {
    for (cluster, version) in both() {
        let mut producer = Transactional::start(&cluster, version);
        assert_eq!(producer.end(true), ErrorCode::INVALID_TXN_STATE);
        let aborted = producer.end(false);
        let (expected, epoch) = match version {
            TransactionVersion::V1 => (ErrorCode::INVALID_TXN_STATE, 0),
            TransactionVersion::V2 => (ErrorCode::NONE, 1),
        };
        assert_eq!((aborted, producer.epoch), (expected, epoch));
        producer.run("x", true);
    }
}

#[test]
fn the_next_transaction_waits_for_the_markers_of_the_one_before() {
    let wait = ErrorCode::CONCURRENT_TRANSACTIONS;
    for (cluster, version) in both() {
        let mut producer = Transactional::start(&cluster, version);
        if version == TransactionVersion::V1 {
            producer.add(&[0]);
        }
        producer.write(0, "x");
        cluster.hold_markers();
        assert_eq!(producer.end(true), ErrorCode::NONE);
        assert_eq!(state(&cluster), MockTransactionState::Committing);
        assert_eq!(committed(&cluster, 0), [""; 0]);
        match version {
            TransactionVersion::V1 => {
                assert_eq!(producer.add(&[0]), [wait]);
                assert_eq!(producer.write(1, "y"), ErrorCode::NOT_ENOUGH_REPLICAS);
                assert_eq!(producer.end(true), wait);
                assert_eq!(producer.end(false), ErrorCode::INVALID_TXN_STATE);
            }
            TransactionVersion::V2 => {
                assert_eq!(producer.write(1, "y"), wait);
                assert_eq!(producer.end_at(5, 0, true), wait);
                assert_eq!(producer.end_at(5, 0, false), ErrorCode::INVALID_TXN_STATE);
                assert_eq!(producer.end(true), ErrorCode::PRODUCER_FENCED);
            }
        }
        let next = Transactional::unknown(&cluster, version).init((-1, -1));
        assert_eq!(next, wait);
        cluster.release_markers();
        assert_eq!(state(&cluster), MockTransactionState::Committed);
        assert_eq!(committed(&cluster, 0), ["x"]);
        producer.run("y", true);
    }
}

#[test]
fn a_batch_does_not_take_the_place_of_one_before_it_that_has_to_wait() {
    for (cluster, version) in both() {
        let mut producer = Transactional::start(&cluster, version);
        if version == TransactionVersion::V1 {
            assert_eq!(producer.add(&[0]), [ErrorCode::NONE]);
        }
        assert_eq!(producer.write(0, "x"), ErrorCode::NONE);
        cluster.hold_markers();
        assert_eq!(producer.end(true), ErrorCode::NONE);
        let first = producer.sequence;
        assert_ne!(
            producer.write(1, "first"),
            ErrorCode::NONE,
            "it has to wait"
        );
        cluster.release_markers();
        if version == TransactionVersion::V1 {
            assert_eq!(producer.add(&[1]), [ErrorCode::NONE]);
        }
        producer.sequence = first + 1;
        let gap = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
        assert_eq!(producer.write(1, "second"), gap);
        producer.sequence = first;
        assert_eq!(producer.write(1, "first"), ErrorCode::NONE);
        assert_eq!(producer.write(1, "second"), ErrorCode::NONE);
        assert_eq!(producer.end(true), ErrorCode::NONE);
        assert_eq!(committed(&cluster, 1), ["first", "second"]);
    }
}

#[test]
fn in_version_2_every_transaction_begins_at_sequence_0() {
    let cluster = cluster(2);
    let mut producer = Transactional::start(&cluster, TransactionVersion::V2);
    producer.sequence = 5;
    let gap = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
    assert_eq!(
        producer.write(0, "x"),
        gap,
        "although the partition does not know it"
    );
    producer.sequence = 0;
    producer.run("x", true);
    producer.sequence = 1;
    assert_eq!(producer.write(0, "y"), gap);
}

#[test]
fn a_batch_and_its_request_agree_on_whether_there_is_a_transaction() {
    let cluster = cluster(2);
    let mut producer = Transactional::start(&cluster, TransactionVersion::V2);
    let stamp = |base_sequence| ProducerStamp {
        producer_id: producer.producer_id,
        epoch: 0,
        base_sequence,
    };
    let strange = one("t", 0, transactional(&["x"], stamp(0)));
    let plain = produce(0, stamped(&["x"], stamp(1)));
    let mut error = |request: &Request| {
        let answer = producer.client.produce_at(12, request);
        answer.topics[0].partitions[0].error
    };
    let refused = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    assert_eq!(error(&strange), refused);
    let good = produce(0, transactional(&["x"], stamp(0)));
    assert_eq!(error(&good), ErrorCode::NONE);
    assert_eq!(error(&plain), ErrorCode::INVALID_TXN_STATE);
    let violations = cluster.violations();
    assert!(
        violations[0].contains("without a transactional id"),
        "{violations:?}"
    );
    assert!(
        violations[1].contains("with a transactional id"),
        "{violations:?}"
    );
    assert_eq!(violations.len(), 2);
}

#[test]
fn a_batch_that_comes_again_after_the_commit_is_in_no_transaction() {
    for (cluster, version) in both() {
        let mut producer = Transactional::start(&cluster, version);
        producer.run("x", true);
        let (epoch, sequence) = (producer.epoch, producer.sequence);
        (producer.epoch, producer.sequence) = (0, 0);
        let expected = match version {
            TransactionVersion::V1 => ErrorCode::TRANSACTION_ABORTABLE,
            TransactionVersion::V2 => ErrorCode::INVALID_PRODUCER_EPOCH,
        };
        assert_eq!(producer.write(0, "x"), expected);
        (producer.epoch, producer.sequence) = (epoch, sequence);
        if version == TransactionVersion::V1 {
            // As at Kafka 4.4: the leader takes the late one for the first of this transaction.
            assert_eq!(producer.add(&[0]), [ErrorCode::NONE]);
            let gap = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
            assert_eq!(producer.write(0, "y"), gap);
            assert_eq!(producer.end(false), ErrorCode::NONE);
        }
        producer.run("y", true);
        assert_eq!(committed(&cluster, 0), ["x", "y"]);
    }
}

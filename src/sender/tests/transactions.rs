//! What a producer with a transactional id asks of its coordinator, in which order, and what becomes of a
//! transaction when something goes wrong.

use super::*;
use crate::error::Fate;
use crate::protocol::messages::{
    AddOffsetsToTxnResponse, AddPartitionsToTxnResponse, Coordinator, EndTxnResponse,
    FindCoordinatorResponse, InitProducerIdResponse, KeyType, TxnOffsetCommitResponse,
    TxnOffsetTopicResult, TxnPartitionResult, TxnTopicResult,
};
use crate::protocol::version::{FinalizedFeatures, TransactionVersion};
use crate::sender::{GroupMember, OffsetsOrder, PartitionOffset, TopicOffsets, Transactional};
use TransactionVersion::{V1, V2};

const ID: i64 = 7;
const GROUP: &str = "readers";

fn transactional() -> Settings {
    Settings {
        idempotence: true,
        transactional: Some(Transactional {
            id: Arc::from("orders-1"),
            timeout: Duration::from_secs(60),
        }),
        ..settings()
    }
}

impl World {
    /// Has its id; broker 1 is the coordinator.
    fn in_version(version: TransactionVersion) -> Self {
        let mut world = Self::ready(transactional());
        world.switch_to(version, 1);
        let init = world.command(Command::InitTransactions);
        world.find(ONE);
        world.identify_as(0);
        assert!(world.finished[&init].is_ok());
        world
    }

    fn switch_to(&mut self, transactions: TransactionVersion, epoch: i64) {
        self.handle(Input::Features(FinalizedFeatures {
            epoch,
            transactions,
        }));
    }

    /// The one request of the transaction without an answer.
    fn call(&self) -> (RequestId, NodeId, &Request) {
        let mut calls = self.sent.iter().filter(|(_, (_, request))| {
            !matches!(request, Request::Produce(_) | Request::Metadata(_))
        });
        let (id, (node, request)) = calls.next().expect("something is asked");
        assert!(calls.next().is_none(), "one at a time");
        (*id, *node, request)
    }

    fn assert_no_call(&self) {
        let is_call =
            |request: &Request| !matches!(request, Request::Produce(_) | Request::Metadata(_));
        let mut calls = self.sent.values().filter(|(_, request)| is_call(request));
        assert_eq!(calls.next(), None);
    }

    fn reply(&mut self, response: Response) {
        let (id, ..) = self.call();
        self.sent.remove(&id);
        self.handle(Input::Response(id, response));
    }

    /// Answers the search for a coordinator.
    fn find(&mut self, node: NodeId) {
        let Request::FindCoordinator(request) = self.call().2 else {
            panic!("{:?}", self.call());
        };
        let key = request.keys[0].to_string();
        let Address { host, port } = address(node);
        self.reply(Response::FindCoordinator(FindCoordinatorResponse {
            throttle_time_ms: 0,
            coordinators: vec![Coordinator {
                key,
                node,
                host,
                port: i32::from(port),
                error: ErrorCode::NONE,
                error_message: None,
            }],
        }));
    }

    /// Answers InitProducerId. Returns the id and epoch that it named.
    fn identify_as(&mut self, producer_epoch: i16) -> (i64, i16) {
        self.identify_with(ErrorCode::NONE, ID, producer_epoch)
    }

    fn identify_with(
        &mut self,
        error: ErrorCode,
        producer_id: i64,
        producer_epoch: i16,
    ) -> (i64, i16) {
        let Request::InitProducerId(request) = self.call().2 else {
            panic!("{:?}", self.call());
        };
        let named = (request.producer_id, request.producer_epoch);
        self.reply(Response::InitProducerId(InitProducerIdResponse {
            throttle_time_ms: 0,
            error,
            producer_id,
            producer_epoch,
        }));
        named
    }

    /// Answers AddPartitionsToTxn. Returns the partitions.
    fn add_partitions(&mut self, error: ErrorCode) -> Vec<i32> {
        let Request::AddPartitionsToTxn(request) = self.call().2 else {
            panic!("{:?}", self.call());
        };
        let partitions = request.topics[0].partitions.clone();
        let result = |index: &i32| TxnPartitionResult {
            index: *index,
            error,
        };
        self.reply(Response::AddPartitionsToTxn(AddPartitionsToTxnResponse {
            throttle_time_ms: 0,
            topics: vec![TxnTopicResult {
                name: TOPIC.to_owned(),
                partitions: partitions.iter().map(result).collect(),
            }],
        }));
        partitions
    }

    fn end(&mut self, commit: bool) -> CommandId {
        let before = self.accumulator.next_batch();
        self.command(Command::EndTransaction { commit, before })
    }

    /// Answers EndTxn, in version 2 with the next epoch. Returns whether it was a commit, and its epoch.
    fn answer_end(&mut self, error: ErrorCode) -> (bool, i16) {
        let Request::EndTxn(request) = self.call().2 else {
            panic!("{:?}", self.call());
        };
        let (committed, epoch) = (request.committed, request.producer_epoch);
        let has_next = error == ErrorCode::NONE && request.transactions == V2;
        let (producer_id, producer_epoch) = if has_next { (ID, epoch + 1) } else { (-1, -1) };
        self.reply(Response::EndTxn(EndTxnResponse {
            throttle_time_ms: 0,
            error,
            producer_id,
            producer_epoch,
        }));
        (committed, epoch)
    }

    fn error_of(&self, command: CommandId) -> &Error {
        self.finished[&command].as_ref().unwrap_err()
    }

    fn send_offsets(&mut self) -> CommandId {
        self.command(Command::SendOffsets(Box::new(OffsetsOrder {
            group: GroupMember {
                group_id: Arc::from(GROUP),
                generation: -1,
                member_id: String::new(),
                instance_id: None,
            },
            offsets: vec![TopicOffsets {
                topic: Arc::from("input"),
                partitions: vec![PartitionOffset {
                    partition: 0,
                    offset: 42,
                    leader_epoch: -1,
                    metadata: None,
                }],
            }],
        })))
    }

    fn answer_offsets(&mut self, error: ErrorCode) {
        let Request::TxnOffsetCommit(request) = self.call().2 else {
            panic!("{:?}", self.call());
        };
        assert_eq!(&*request.group_id, GROUP);
        self.reply(Response::TxnOffsetCommit(TxnOffsetCommitResponse {
            throttle_time_ms: 0,
            topics: vec![TxnOffsetTopicResult {
                name: "input".to_owned(),
                id: TopicId::default(),
                partitions: vec![TxnPartitionResult { index: 0, error }],
            }],
        }));
    }
}

#[test]
fn an_id_comes_from_the_coordinator_and_passing_errors_are_asked_again() {
    let mut world = World::ready(transactional());
    let init = world.command(Command::InitTransactions);
    let Request::FindCoordinator(request) = world.call().2 else {
        panic!("{:?}", world.call());
    };
    assert_eq!(
        (request.key_type, &*request.keys[0]),
        (KeyType::TRANSACTIONAL_ID, "orders-1")
    );
    world.find(TWO);
    assert_eq!(world.call().1, TWO);
    assert_eq!(
        world.identify_with(ErrorCode::CONCURRENT_TRANSACTIONS, -1, -1),
        (-1, -1)
    );
    world.assert_no_call();
    world.advance(ms(20));
    world.identify_with(ErrorCode::NOT_COORDINATOR, -1, -1);
    world.advance(BACKOFF);
    world.find(ONE);
    assert_eq!(world.call().1, ONE);
    world.identify_as(3);
    assert!(world.finished[&init].is_ok());
}

#[test]
fn an_id_that_is_refused_is_told_and_can_be_asked_for_again() {
    let mut world = World::ready(transactional());
    let init = world.command(Command::InitTransactions);
    world.find(ONE);
    world.identify_with(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, -1, -1);
    let code = world.error_of(init).broker_code();
    assert_eq!(code, Some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED));
    let init = world.command(Command::InitTransactions);
    world.identify_as(0);
    assert!(world.finished[&init].is_ok());
}

#[test]
fn in_version_1_partitions_are_added_together_before_they_get_batches() {
    let mut world = World::in_version(V1);
    world.append(0, "a");
    world.append(2, "b");
    world.advance(LINGER);
    world.assert_nothing_sent();
    assert_eq!(world.add_partitions(ErrorCode::NONE), [0, 2]);
    assert_eq!(world.produced().len(), 2);
    for request in world.produced() {
        world.answer(&request, ErrorCode::NONE);
    }
    world.send(0, "c");
    world.acknowledge();
    let commit = world.end(true);
    assert_eq!(world.answer_end(ErrorCode::NONE), (true, 0));
    assert!(world.finished[&commit].is_ok());
    // The next transaction begins without them.
    world.send(0, "d");
    world.assert_nothing_sent();
    assert_eq!(world.add_partitions(ErrorCode::NONE), [0]);
}

#[test]
fn in_version_2_batches_go_at_once_and_each_transaction_has_its_epoch() {
    let mut world = World::in_version(V2);
    for epoch in 0..3 {
        world.send(0, "a");
        let (id, (_, request)) = world.sent.first_key_value().unwrap();
        let (id, Request::Produce(request)) = (*id, request) else {
            panic!("{request:?}");
        };
        assert_eq!(request.transactional_id.as_deref(), Some("orders-1"));
        let (header, _) = decode(request.topics[0].partitions[0].records.as_slice()).unwrap();
        assert_eq!(
            (header.producer.epoch, header.producer.base_sequence),
            (epoch, 0)
        );
        assert_eq!(header.attributes & 0x10, 0x10, "its bit is set");
        world.answer_each(id, &[(0, ErrorCode::NONE)]);
        let commit = world.end(true);
        assert_eq!(world.answer_end(ErrorCode::NONE), (true, epoch));
        assert!(world.finished[&commit].is_ok());
    }
}

#[test]
fn a_commit_waits_for_each_record_and_sends_what_lingers() {
    let mut world = World::in_version(V2);
    world.append(0, "a");
    let commit = world.end(true);
    world.assert_no_call();
    let request = world.the_request();
    world.answer(&request, REFUSED);
    world.advance(BACKOFF);
    world.assert_no_call();
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["a"]);
    assert!(!world.finished.contains_key(&commit));
    world.answer_end(ErrorCode::NONE);
    assert!(world.finished[&commit].is_ok());
}

const REFUSED: ErrorCode = ErrorCode::NOT_ENOUGH_REPLICAS;

#[test]
fn the_end_of_nothing_asks_nobody() {
    for version in [V1, V2] {
        let mut world = World::in_version(version);
        for commit in [true, false] {
            let end = world.end(commit);
            assert!(world.finished[&end].is_ok());
            world.assert_no_call();
        }
    }
}

#[test]
fn a_record_that_fails_leaves_only_the_abort() {
    for version in [V1, V2] {
        let mut world = World::in_version(version);
        world.send(0, "a");
        if version == V1 {
            world.add_partitions(ErrorCode::NONE);
        }
        let request = world.the_request();
        world.append(0, "b");
        world.answer(&request, ErrorCode::INVALID_RECORD);
        assert_eq!(world.dooms.len(), 1);
        assert!(world.dooms[0].is_abortable());
        assert_eq!(world.delivered_after, [1, 1], "callbacks find it closed");
        let failed = world.failed();
        assert_eq!(failed[1], ("b".to_owned(), ErrorKind::TransactionAborted));
        let commit = world.end(true);
        let error = world.error_of(commit);
        assert!(error.is_abortable(), "{error}");
        assert!(
            error.to_string().contains("2 of its records have failed"),
            "{error}"
        );
        world.assert_no_call();
        let abort = world.end(false);
        assert_eq!(world.answer_end(ErrorCode::NONE), (false, 0));
        assert!(world.finished[&abort].is_ok());
        // Sequences have a gap: the next transaction is under another epoch.
        world.send(0, "c");
        if version == V1 {
            world.assert_nothing_sent();
            assert_eq!(world.identify_as(1), (ID, 0));
            world.add_partitions(ErrorCode::NONE);
        }
        world.acknowledge();
        let commit = world.end(true);
        assert_eq!(world.answer_end(ErrorCode::NONE), (true, 1));
        assert!(world.finished[&commit].is_ok());
    }
}

#[test]
fn an_abort_fails_what_is_queued_and_waits_for_what_is_on_its_way() {
    let mut world = World::in_version(V2);
    world.send(0, "a");
    world.append(0, "b");
    let abort = world.end(false);
    world.assert_no_call();
    let request = world.the_request();
    world.answer(&request, REFUSED);
    // It is not sent again.
    let kinds: Vec<_> = world.failed();
    assert_eq!(kinds.len(), 2);
    assert_eq!(kinds[1], ("b".to_owned(), ErrorKind::TransactionAborted));
    world.assert_nothing_sent();
    world.answer_end(ErrorCode::NONE);
    assert!(world.finished[&abort].is_ok());
    assert!(world.dooms.is_empty());
}

/// A commit that comes late would make half of the next transaction visible (KAFKA-17754).
#[test]
fn after_an_end_without_an_answer_version_1_takes_a_new_epoch() {
    let mut world = World::in_version(V1);
    world.send(0, "a");
    world.add_partitions(ErrorCode::NONE);
    world.acknowledge();
    let commit = world.end(true);
    world.lose(ONE);
    world.advance(BACKOFF * 2);
    world.accept();
    world.find(TWO);
    assert_eq!(world.answer_end(ErrorCode::NONE), (true, 0));
    assert!(world.finished[&commit].is_ok());
    world.send(2, "b");
    assert_eq!(world.identify_as(1), (ID, 0));
    assert_eq!(world.add_partitions(ErrorCode::NONE), [2]);
}

#[test]
fn a_commit_of_which_nothing_is_known_is_not_called_aborted() {
    for code in [
        ErrorCode::INVALID_PRODUCER_EPOCH,
        ErrorCode::PRODUCER_FENCED,
    ] {
        let mut world = World::in_version(V2);
        world.send(0, "a");
        world.acknowledge();
        let commit = world.end(true);
        world.lose(ONE);
        world.advance(BACKOFF * 2);
        world.accept();
        world.find(TWO);
        world.answer_end(code);
        let error = world.error_of(commit);
        assert_eq!(error.fate(), Fate::MayBeWritten);
        assert!(error.is_fatal() && !error.is_abortable());
        assert!(error.to_string().contains("not known"), "{error}");
    }
}

#[test]
fn a_transaction_that_took_too_long_is_aborted_and_the_next_one_succeeds() {
    let mut world = World::in_version(V1);
    world.send(0, "a");
    world.add_partitions(ErrorCode::NONE);
    world.acknowledge();
    let commit = world.end(true);
    world.answer_end(ErrorCode::INVALID_PRODUCER_EPOCH);
    let error = world.error_of(commit);
    assert!(error.is_abortable(), "{error}");
    assert!(
        error.to_string().contains("transaction.timeout.ms"),
        "{error}"
    );
    let abort = world.end(false);
    world.answer_end(ErrorCode::INVALID_PRODUCER_EPOCH);
    assert!(world.finished[&abort].is_ok());
    world.send(0, "b");
    assert_eq!(world.identify_as(2), (ID, 0));
    world.add_partitions(ErrorCode::NONE);
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["a", "b"]);
}

/// What Kafka 4.4 answers in version 2 after the timeout, or a takeover.
#[test]
fn a_commit_of_what_was_aborted_meanwhile_is_refused_and_the_abort_gives_the_next_epoch() {
    let mut world = World::in_version(V2);
    world.send(0, "a");
    world.acknowledge();
    let commit = world.end(true);
    world.answer_end(ErrorCode::INVALID_TXN_STATE);
    let error = world.error_of(commit);
    assert!(error.is_abortable(), "{error}");
    assert!(
        error.to_string().contains("transaction.timeout.ms"),
        "{error}"
    );
    let abort = world.end(false);
    world.answer_end(ErrorCode::NONE);
    assert!(world.finished[&abort].is_ok());
    world.send(0, "b");
    world.acknowledge();
    let commit = world.end(true);
    assert_eq!(world.answer_end(ErrorCode::NONE), (true, 1));
    assert!(world.finished[&commit].is_ok());
}

#[test]
fn who_is_fenced_can_only_be_closed() {
    let mut world = World::in_version(V2);
    world.send(0, "a");
    let request = world.the_request();
    world.append(2, "b");
    world.answer(&request, ErrorCode::PRODUCER_FENCED);
    assert!(world.dooms[0].is_fatal());
    assert_eq!(world.failed().len(), 2);
    for commit in [true, false] {
        let end = world.end(commit);
        assert!(world.error_of(end).is_fatal());
    }
    world.assert_no_call();
    let close = world.close(ms(1));
    assert!(world.finished[&close].is_ok() && world.stopped);
}

#[test]
fn an_old_epoch_in_a_produce_answer_is_decided_by_the_abort() {
    let mut world = World::in_version(V2);
    world.send(0, "a");
    let request = world.the_request();
    world.answer(&request, ErrorCode::INVALID_PRODUCER_EPOCH);
    assert!(world.dooms[0].is_abortable());
    let abort = world.end(false);
    world.answer_end(ErrorCode::NONE);
    assert!(world.finished[&abort].is_ok());
    world.send(0, "b");
    world.acknowledge();
}

#[test]
fn a_first_batch_that_comes_before_the_last_end_is_complete_is_soon_sent_again() {
    let mut world = World::in_version(V2);
    world.send(0, "a");
    let request = world.the_request();
    world.answer(&request, ErrorCode::CONCURRENT_TRANSACTIONS);
    world.advance(ms(20));
    world.acknowledge();
    assert!(world.dooms.is_empty());
}

#[test]
fn an_expired_batch_dooms_and_the_end_waits_for_its_request() {
    let mut world = World::in_version(V2);
    world.send(0, "a");
    let request = world.the_request();
    world.advance(DELIVERY);
    assert_eq!(world.failed(), [("a".to_owned(), ErrorKind::TimedOut)]);
    assert!(world.dooms[0].is_abortable());
    let abort = world.end(false);
    world.assert_no_call();
    world.answer(&request, ErrorCode::NONE);
    assert_eq!(world.answer_end(ErrorCode::NONE), (false, 0));
    assert!(world.finished[&abort].is_ok());
}

#[test]
fn a_sequence_that_the_broker_refuses_is_not_sent_under_another_epoch() {
    let mut world = World::in_version(V2);
    world.send(0, "a");
    world.acknowledge();
    world.send(0, "b");
    let request = world.the_request();
    world.answer(&request, ErrorCode::UNKNOWN_PRODUCER_ID);
    assert!(world.dooms[0].is_abortable());
    world.advance(BACKOFF * 2);
    world.assert_nothing_sent();
}

#[test]
fn offsets_go_to_the_coordinator_of_their_group() {
    for version in [V1, V2] {
        let mut world = World::in_version(version);
        let offsets = world.send_offsets();
        if version == V1 {
            let Request::AddOffsetsToTxn(request) = world.call().2 else {
                panic!("{:?}", world.call());
            };
            assert_eq!(&*request.group_id, GROUP);
            world.reply(Response::AddOffsetsToTxn(AddOffsetsToTxnResponse {
                throttle_time_ms: 0,
                error: ErrorCode::NONE,
            }));
        }
        world.find(TWO);
        assert_eq!(world.call().1, TWO);
        world.answer_offsets(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        world.advance(BACKOFF);
        world.answer_offsets(ErrorCode::NONE);
        assert!(world.finished[&offsets].is_ok());
        let commit = world.end(true);
        world.answer_end(ErrorCode::NONE);
        assert!(world.finished[&commit].is_ok());
    }
}

#[test]
fn offsets_of_a_member_that_has_left_leave_only_the_abort() {
    let mut world = World::in_version(V2);
    let offsets = world.send_offsets();
    world.find(ONE);
    world.answer_offsets(ErrorCode::ILLEGAL_GENERATION);
    let error = world.error_of(offsets);
    assert!(error.is_abortable());
    assert_eq!(error.broker_code(), Some(ErrorCode::ILLEGAL_GENERATION));
    let commit = world.end(true);
    assert!(world.error_of(commit).is_abortable());
    let abort = world.end(false);
    world.answer_end(ErrorCode::NONE);
    assert!(world.finished[&abort].is_ok());
}

#[test]
fn another_version_is_spoken_from_the_next_transaction_on_under_a_new_epoch() {
    let mut world = World::in_version(V1);
    world.send(0, "a");
    world.add_partitions(ErrorCode::NONE);
    world.acknowledge();
    world.switch_to(V2, 2);
    world.end(true);
    let Request::EndTxn(request) = world.call().2 else {
        panic!("{:?}", world.call());
    };
    assert_eq!(request.transactions, V1);
    world.answer_end(ErrorCode::NONE);
    assert_eq!(world.identify_as(1), (ID, 0));
    world.send(0, "b");
    world.acknowledge();
    world.end(true);
    assert_eq!(world.answer_end(ErrorCode::NONE), (true, 1));
}

#[test]
fn a_close_aborts_what_is_open() {
    let mut world = World::in_version(V2);
    world.send(0, "a");
    world.acknowledge();
    let close = world.close(Duration::from_secs(1));
    assert!(!world.stopped);
    assert_eq!(world.answer_end(ErrorCode::NONE), (false, 0));
    assert!(world.finished[&close].is_ok() && world.stopped);
}

#[test]
fn a_close_ends_a_commit_that_finds_no_answer() {
    let mut world = World::in_version(V2);
    world.send(0, "a");
    world.acknowledge();
    let commit = world.end(true);
    let close = world.close(ms(100));
    world.advance(ms(100));
    assert_eq!(world.error_of(commit).fate(), Fate::MayBeWritten);
    assert!(world.finished[&close].is_ok() && world.stopped);
}

/// Codes that the coordinator can give after it has written the end, and such that it cannot.
#[test]
fn a_commit_that_a_coordinator_may_have_written_is_not_called_aborted() {
    for (code, fate) in [
        (ErrorCode::COORDINATOR_NOT_AVAILABLE, Fate::MayBeWritten),
        (ErrorCode::NOT_COORDINATOR, Fate::MayBeWritten),
        (ErrorCode::REQUEST_TIMED_OUT, Fate::MayBeWritten),
        (ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, Fate::NotWritten),
    ] {
        for refusal in [
            ErrorCode::PRODUCER_FENCED,
            ErrorCode::INVALID_PRODUCER_EPOCH,
        ] {
            let mut world = World::in_version(V2);
            world.send(0, "a");
            world.acknowledge();
            let commit = world.end(true);
            world.answer_end(code);
            world.advance(BACKOFF);
            if matches!(world.call().2, Request::FindCoordinator(_)) {
                world.find(ONE);
            }
            world.answer_end(refusal);
            let error = world.error_of(commit);
            assert_eq!(error.fate(), fate, "{code}, {refusal}: {error}");
        }
    }
}

#[test]
fn a_commit_at_which_the_coordinator_failed_is_not_called_aborted() {
    for (code, fate) in [
        (ErrorCode::UNKNOWN_SERVER_ERROR, Fate::MayBeWritten),
        (ErrorCode::INVALID_PRODUCER_ID_MAPPING, Fate::NotWritten),
    ] {
        let mut world = World::in_version(V2);
        world.send(0, "a");
        world.acknowledge();
        let commit = world.end(true);
        world.answer_end(code);
        let error = world.error_of(commit);
        assert!(error.is_fatal(), "{error}");
        assert_eq!(error.fate(), fate, "{error}");
    }
}

#[test]
fn an_answer_about_no_offsets_is_asked_again_after_a_pause() {
    let mut world = World::in_version(V2);
    let offsets = world.send_offsets();
    world.find(ONE);
    world.reply(Response::TxnOffsetCommit(TxnOffsetCommitResponse {
        throttle_time_ms: 0,
        topics: Vec::new(),
    }));
    world.assert_no_call();
    world.advance(BACKOFF);
    world.find(ONE);
    world.answer_offsets(ErrorCode::NONE);
    assert!(world.finished[&offsets].is_ok());
}

#[test]
fn a_partition_that_an_answer_leaves_out_is_not_added() {
    let mut world = World::in_version(V1);
    world.send(0, "a");
    world.reply(Response::AddPartitionsToTxn(AddPartitionsToTxnResponse {
        throttle_time_ms: 0,
        topics: Vec::new(),
    }));
    world.assert_nothing_sent();
    world.advance(BACKOFF);
    world.find(ONE);
    assert_eq!(world.add_partitions(ErrorCode::NONE), [0]);
    world.acknowledge();
}

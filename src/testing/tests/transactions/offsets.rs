//! The offsets of consumer groups in transactions.

use super::*;

const GROUP: &str = "billing";

impl Transactional {
    fn add_group(&mut self) -> ErrorCode {
        let request = AddOffsetsToTxnRequest {
            transactional_id: ID.into(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            group_id: GROUP.into(),
        };
        match self.client.ask(&Request::AddOffsetsToTxn(request), 4) {
            Response::AddOffsetsToTxn(answer) => answer.error,
            other => panic!("{other:?}"),
        }
    }

    /// An offset for each of these partitions of `t`.
    fn commit(&mut self, offsets: &[(i32, i64)]) -> Vec<ErrorCode> {
        let version = match self.version {
            TransactionVersion::V1 => 4,
            TransactionVersion::V2 => 5,
        };
        let request = self.offsets("t", TopicId::default(), offsets);
        self.commit_at(version, request)
    }

    fn offsets(&self, topic: &str, id: TopicId, offsets: &[(i32, i64)]) -> TxnOffsetCommitRequest {
        let offset = |&(index, offset): &(i32, i64)| TxnOffset {
            index,
            offset,
            leader_epoch: 3,
            metadata: Some("note".into()),
        };
        TxnOffsetCommitRequest {
            transactional_id: ID.into(),
            group_id: GROUP.into(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            generation: -1,
            member_id: "".into(),
            group_instance_id: None,
            topics: vec![TxnOffsetTopic {
                name: topic.into(),
                id,
                partitions: offsets.iter().map(offset).collect(),
            }],
            transactions: self.version,
        }
    }

    fn commit_at(&mut self, version: i16, request: TxnOffsetCommitRequest) -> Vec<ErrorCode> {
        let answer = self.client.ask(&Request::TxnOffsetCommit(request), version);
        let Response::TxnOffsetCommit(answer) = answer else {
            panic!("{answer:?}");
        };
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| partition.error).collect()
    }
}

fn offsets(cluster: &MockCluster) -> Vec<(i32, i64)> {
    let offsets = cluster.committed_offsets(GROUP);
    offsets
        .iter()
        .map(|one| (one.partition, one.offset))
        .collect()
}

#[test]
fn offsets_are_the_group_s_when_the_transaction_is_committed() {
    for (cluster, version) in both() {
        let mut producer = Transactional::start(&cluster, version);
        for (position, commits) in [(10, true), (20, false), (30, true)] {
            let before = offsets(&cluster);
            if version == TransactionVersion::V1 {
                assert_eq!(producer.add_group(), ErrorCode::NONE);
            }
            let answers = producer.commit(&[(0, position), (2, position + 1)]);
            assert_eq!(answers, [ErrorCode::NONE; 2]);
            assert_eq!(cluster.transaction(ID).unwrap().groups, [GROUP]);
            assert_eq!(offsets(&cluster), before, "not yet");
            assert_eq!(producer.end(commits), ErrorCode::NONE);
        }
        assert_eq!(offsets(&cluster), [(0, 30), (2, 31)]);
        let one = &cluster.committed_offsets(GROUP)[0];
        assert_eq!((one.topic.as_str(), one.leader_epoch), ("t", 3));
        assert_eq!(one.metadata.as_deref(), Some("note"));
        assert_eq!(cluster.committed_offsets("another"), []);
    }
}

#[test]
fn in_version_1_the_group_has_to_be_added_first() {
    let cluster = cluster(1);
    let mut producer = Transactional::start(&cluster, TransactionVersion::V1);
    let abortable = ErrorCode::TRANSACTION_ABORTABLE;
    assert_eq!(producer.commit(&[(0, 1)]), [abortable]);
    let request = producer.offsets("t", TopicId::default(), &[(0, 1)]);
    assert_eq!(
        producer.commit_at(3, request),
        [ErrorCode::INVALID_TXN_STATE]
    );
    assert_eq!(producer.add_group(), ErrorCode::NONE);
    assert_eq!(producer.commit(&[(0, 1)]), [ErrorCode::NONE]);
}

#[test]
fn offsets_that_cannot_be_are_refused_and_the_others_are_not() {
    let cluster = cluster(2);
    let mut producer = Transactional::start(&cluster, TransactionVersion::V2);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(
        producer.commit(&[(0, 5), (9, 5)]),
        [ErrorCode::NONE, unknown]
    );
    let request = producer.offsets("nowhere", TopicId::default(), &[(0, 5)]);
    assert_eq!(producer.commit_at(5, request), [unknown]);
    let request = producer.offsets("", TopicId([9; 16]), &[(0, 5)]);
    assert_eq!(
        producer.commit_at(6, request),
        [ErrorCode::UNKNOWN_TOPIC_ID]
    );
    let mut request = producer.offsets("t", TopicId::default(), &[(1, 5)]);
    request.topics[0].partitions[0].metadata = Some("x".repeat(4_097).into());
    let answers = producer.commit_at(5, request);
    assert_eq!(answers, [ErrorCode::OFFSET_METADATA_TOO_LARGE]);
    assert_eq!(producer.end(true), ErrorCode::NONE);
    assert_eq!(offsets(&cluster), [(0, 5)]);
}

#[test]
fn topics_may_be_given_by_id() {
    let cluster = cluster(2);
    let mut producer = Transactional::start(&cluster, TransactionVersion::V2);
    let id = producer.client.metadata("t").topics[0].id;
    let request = producer.offsets("", id, &[(1, 7)]);
    assert_eq!(producer.commit_at(6, request), [ErrorCode::NONE]);
    assert_eq!(producer.end(true), ErrorCode::NONE);
    assert_eq!(offsets(&cluster), [(1, 7)]);
    let seen = cluster
        .requests()
        .into_iter()
        .find_map(|request| match request.content {
            MockRequestContent::TxnOffsetCommit { offsets, .. } => Some(offsets),
            _ => None,
        });
    assert_eq!(seen, Some(vec![("t".to_owned(), 1, 7)]));
}

#[test]
fn a_zombie_s_offsets_are_refused() {
    for (cluster, version) in both() {
        let mut old = Transactional::start(&cluster, version);
        let mut new = Transactional::start(&cluster, version);
        assert_eq!(old.commit(&[(0, 1)]), [ErrorCode::INVALID_PRODUCER_EPOCH]);
        old.producer_id += 7;
        assert_eq!(
            old.commit(&[(0, 1)]),
            [ErrorCode::INVALID_PRODUCER_ID_MAPPING]
        );
        new.run("x", true);
        assert_eq!(offsets(&cluster), []);
    }
}

#[test]
fn faults_reach_the_offsets_of_one_partition_or_all() {
    let cluster = cluster(2);
    let mut producer = Transactional::start(&cluster, TransactionVersion::V2);
    let fault = || cluster.on(Api::TxnOffsetCommit);
    fault().answer(ErrorCode::ILLEGAL_GENERATION);
    fault()
        .partition("t", 1)
        .answer(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    let all = [(0, 1), (1, 1)];
    assert_eq!(producer.commit(&all), [ErrorCode::ILLEGAL_GENERATION; 2]);
    assert_eq!(
        state(&cluster),
        MockTransactionState::Empty,
        "nothing was begun"
    );
    let loading = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    assert_eq!(producer.commit(&all), [ErrorCode::NONE, loading]);
    fault().apply_and_answer(ErrorCode::REQUEST_TIMED_OUT);
    assert_eq!(producer.commit(&all), [ErrorCode::REQUEST_TIMED_OUT; 2]);
    assert_eq!(producer.end(true), ErrorCode::NONE);
    assert_eq!(offsets(&cluster), all);
}

//! Offsets of consumer groups that are committed with a transaction.

use linger::testing::Api;
use linger::{ConsumerGroup, ConsumerOffset, ConsumerOffsets, ErrorCode, ErrorKind};

use super::{in_both_versions, send_to_all, setup, start, start_with};

fn offsets(offset: i64) -> ConsumerOffsets {
    ConsumerOffsets::from([ConsumerOffset::new("orders", 0, offset)])
}

#[test]
fn are_committed_with_the_transaction_or_not_at_all() {
    in_both_versions(|cluster, mut producer| {
        let group = ConsumerGroup::new("billing");
        let transaction = producer.begin().unwrap();
        send_to_all(&transaction, "one");
        transaction.send_offsets(&offsets(5), &group).unwrap();
        assert_eq!(cluster.committed_offsets("billing").len(), 0);
        transaction.commit().unwrap();
        let committed = cluster.committed_offsets("billing");
        assert_eq!(committed.len(), 1);
        assert_eq!(committed[0].offset, 5);

        let transaction = producer.begin().unwrap();
        transaction.send_offsets(&offsets(6), &group).unwrap();
        transaction.abort().unwrap();
        assert_eq!(cluster.committed_offsets("billing")[0].offset, 5);
    });
}

#[test]
fn none_are_nothing_to_do_and_wrong_ones_change_nothing() {
    let (cluster, mut producer) = start();
    let before = cluster.requests().len();
    let transaction = producer.begin().unwrap();
    let group = ConsumerGroup::new("billing");
    transaction
        .send_offsets(&ConsumerOffsets::new(), &group)
        .unwrap();
    let error = transaction.send_offsets(&offsets(-1), &group).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.to_string().starts_with("send_offsets: "), "{error}");
    assert_eq!(cluster.requests().len(), before);
    send_to_all(&transaction, "one");
    transaction.commit().unwrap();
}

#[test]
fn of_a_member_that_has_lost_its_partitions_leave_a_transaction_to_be_aborted() {
    let (cluster, mut producer) = start();
    cluster
        .on(Api::TxnOffsetCommit)
        .answer(ErrorCode::ILLEGAL_GENERATION);
    let transaction = producer.begin().unwrap();
    let member = ConsumerGroup::new("billing").generation(3).member("m-1");
    let error = transaction.send_offsets(&offsets(5), &member).unwrap_err();
    assert!(error.is_abortable(), "{error}");
    transaction.commit().unwrap_err();
    producer.begin().unwrap().commit().unwrap();
    assert_eq!(cluster.committed_offsets("billing").len(), 0);
}

#[test]
fn without_an_answer_leave_a_transaction_to_be_aborted() {
    let (cluster, mut producer) = start_with(setup().set("max.block.ms", 500));
    cluster.on(Api::TxnOffsetCommit).silence();
    let transaction = producer.begin().unwrap();
    let group = ConsumerGroup::new("billing");
    let error = transaction.send_offsets(&offsets(5), &group).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(error.is_abortable(), "{error}");
    let error = transaction.commit().unwrap_err();
    assert!(error.is_abortable(), "{error}");
    cluster.close_connections(1);
    producer.begin().unwrap().commit().unwrap();
    assert_eq!(cluster.committed_offsets("billing").len(), 0);
}

//! Who may use a transactional id: takeovers, epochs, time-outs.

use super::*;
use crate::sync::Arc;
use crate::testing::state::{ClusterState, Settings};
use crate::testing::transactions::Identity;

#[test]
fn in_version_1_a_newer_producer_fences_the_one_before() {
    let cluster = cluster(1);
    let mut old = Transactional::start(&cluster, TransactionVersion::V1);
    old.add(&[0]);
    assert_eq!(old.write(0, "left open"), ErrorCode::NONE);

    let mut new = Transactional::unknown(&cluster, TransactionVersion::V1);
    assert_eq!(new.init((-1, -1)), ErrorCode::CONCURRENT_TRANSACTIONS);
    assert_eq!(state(&cluster), MockTransactionState::Aborted);
    assert_eq!(new.init((-1, -1)), ErrorCode::NONE);
    assert_eq!((new.producer_id, new.epoch), (old.producer_id, 2));

    assert_eq!(old.write(0, "zombie"), ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(old.add(&[1]), [ErrorCode::PRODUCER_FENCED]);
    assert_eq!(old.add_at(1, &[1]), [ErrorCode::INVALID_PRODUCER_EPOCH]);
    assert_eq!(old.end(true), ErrorCode::PRODUCER_FENCED);
    assert_eq!(old.end_at(1, 0, true), ErrorCode::INVALID_PRODUCER_EPOCH);
    let known = (old.producer_id, old.epoch);
    assert_eq!(old.init(known), ErrorCode::PRODUCER_FENCED);
    new.run("new", true);
    assert_eq!(committed(&cluster, 0), ["new"]);
    assert_eq!(cluster.violations(), [""; 0]);
}

#[test]
fn in_version_2_the_one_before_learns_it_by_its_epoch_and_may_still_abort() {
    let cluster = cluster(2);
    let mut old = Transactional::start(&cluster, TransactionVersion::V2);
    assert_eq!(old.write(0, "left open"), ErrorCode::NONE);

    let mut new = Transactional::unknown(&cluster, TransactionVersion::V2);
    assert_eq!(new.init((-1, -1)), ErrorCode::CONCURRENT_TRANSACTIONS);
    assert_eq!(old.write(0, "late"), ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(old.end(true), ErrorCode::INVALID_TXN_STATE);
    assert_eq!(old.end(false), ErrorCode::NONE, "it is aborted");
    assert_eq!(old.epoch, 1, "and may go on, until the new one asks again");

    assert_eq!(new.init((-1, -1)), ErrorCode::NONE);
    assert_eq!(new.epoch, 2);
    assert_eq!(old.write(0, "zombie"), ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(old.end(false), ErrorCode::PRODUCER_FENCED);
    new.run("new", true);
    assert_eq!(old.end(false), ErrorCode::PRODUCER_FENCED);
    assert_eq!(committed(&cluster, 0), ["new"]);
}

#[test]
fn a_producer_may_ask_for_its_next_epoch_twice() {
    let cluster = cluster(1);
    let mut producer = Transactional::start(&cluster, TransactionVersion::V1);
    let first = (producer.producer_id, producer.epoch);
    assert_eq!(producer.init(first), ErrorCode::NONE);
    assert_eq!(producer.epoch, 1);
    assert_eq!(producer.init(first), ErrorCode::NONE, "the answer was lost");
    assert_eq!(producer.epoch, 1);
    assert_eq!(producer.init((first.0, 1)), ErrorCode::NONE);
    assert_eq!(producer.init(first), ErrorCode::PRODUCER_FENCED, "too old");
    assert_eq!(producer.init((first.0 + 9, 1)), ErrorCode::PRODUCER_FENCED);
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() {
    for (cluster, version) in both() {
        let mut producer = Transactional::start(&cluster, version);
        assert!(!cluster.expire_transaction(ID), "nothing is open");
        if version == TransactionVersion::V1 {
            producer.add(&[0]);
        }
        assert_eq!(producer.write(0, "slow"), ErrorCode::NONE);
        assert!(cluster.expire_transaction(ID));
        assert_eq!(cluster.last_stable_offset("t", 0), 2);
        assert_eq!(committed(&cluster, 0), [""; 0]);
        assert_eq!(producer.write(0, "late"), ErrorCode::INVALID_PRODUCER_EPOCH);
        match version {
            TransactionVersion::V1 => {
                assert_eq!(producer.end(false), ErrorCode::PRODUCER_FENCED);
                let known = (producer.producer_id, producer.epoch);
                assert_eq!(producer.init(known), ErrorCode::PRODUCER_FENCED);
            }
            TransactionVersion::V2 => {
                assert_eq!(producer.end(true), ErrorCode::INVALID_TXN_STATE);
                assert_eq!(producer.end(false), ErrorCode::NONE);
                producer.run("next", true);
                assert_eq!(committed(&cluster, 0), ["next"]);
            }
        }
    }
}

#[test]
fn time_passes_by_the_requests_of_anybody() {
    let addresses = vec![("localhost".to_owned(), 9)];
    let mut cluster = ClusterState::new(Settings::default(), addresses);
    let id = Arc::from(ID);
    let identity = cluster.init_transactions(&id, 5_000, None).unwrap();
    let metadata = Request::Metadata(MetadataRequest {
        topics: None,
        allow_auto_topic_creation: false,
        include_topic_operations: false,
    });
    let frame = encode_request(&metadata, 13, 1, "anybody").to_vec();
    cluster.handle(10_000, NodeId(1), &frame[4..]);
    let begun = cluster.add_partitions(ID, identity, []);
    assert_eq!(begun, Ok(()));
    cluster.handle(14_999, NodeId(1), &frame[4..]);
    assert_eq!(cluster.add_partitions(ID, identity, []), Ok(()));
    cluster.handle(15_000, NodeId(1), &frame[4..]);
    let late = cluster.add_partitions(ID, identity, []);
    assert_eq!(late, Err(ErrorCode::PRODUCER_FENCED));
}

#[test]
fn a_timeout_has_to_be_one_that_the_broker_allows() {
    let cluster = cluster(2);
    let mut producer = Transactional::unknown(&cluster, TransactionVersion::V2);
    for timeout_ms in [0, -1, 900_001] {
        let error = producer.init_for(timeout_ms, (-1, -1));
        assert_eq!(error, ErrorCode::INVALID_TRANSACTION_TIMEOUT);
    }
    assert_eq!(producer.init_for(900_000, (-1, -1)), ErrorCode::NONE);
    assert_eq!(cluster.transaction(ID).unwrap().timeout_ms, 900_000);
}

/// A cluster where the producer's id is about to be used up.
fn almost_used_up(version: TransactionVersion) -> (ClusterState, Arc<str>, Identity) {
    let settings = Settings {
        first_epoch: i16::MAX - 2,
        transactions: version,
        ..Settings::default()
    };
    let mut cluster = ClusterState::new(settings, vec![("localhost".to_owned(), 9)]);
    let id = Arc::from(ID);
    let identity = cluster.init_transactions(&id, 5_000, None).unwrap();
    (cluster, id, identity)
}

#[test]
fn when_the_epochs_are_used_up_there_is_another_id() {
    let v2 = TransactionVersion::V2;
    let (mut cluster, id, mut identity) = almost_used_up(v2);
    let first = identity.producer_id;
    cluster.add_partitions(&id, identity, []).unwrap();
    identity = cluster.end_transaction(&id, identity, true, v2).unwrap();
    assert_eq!(
        (identity.producer_id, identity.epoch),
        (first, i16::MAX - 1)
    );
    cluster.add_partitions(&id, identity, []).unwrap();
    let last = identity;
    identity = cluster.end_transaction(&id, last, true, v2).unwrap();
    assert_eq!((identity.producer_id, identity.epoch), (first + 1, 0));
    let again = cluster.end_transaction(&id, last, true, v2);
    assert_eq!(again, Ok(identity), "the answer was lost");
    cluster.add_partitions(&id, identity, []).unwrap();

    let v1 = TransactionVersion::V1;
    let (mut cluster, id, identity) = almost_used_up(v1);
    let last = cluster
        .init_transactions(&id, 5_000, Some(identity))
        .unwrap();
    let next = cluster.init_transactions(&id, 5_000, Some(last)).unwrap();
    assert_eq!(
        (next.producer_id, next.epoch),
        (identity.producer_id + 1, 0)
    );
    let again = cluster.init_transactions(&id, 5_000, Some(last));
    assert_eq!(again, Ok(next), "the answer was lost");
}

#[test]
fn an_id_whose_last_epoch_is_fenced_ends_no_transaction_beyond_it() {
    for version in [TransactionVersion::V1, TransactionVersion::V2] {
        let (mut cluster, id, identity) = almost_used_up(version);
        let mut identity = cluster
            .init_transactions(&id, 5_000, Some(identity))
            .unwrap();
        for _ in 0..3 {
            cluster.add_partitions(&id, identity, []).unwrap();
            let wait = cluster.init_transactions(&id, 5_000, None);
            assert_eq!(wait, Err(ErrorCode::CONCURRENT_TRANSACTIONS));
            identity = cluster.init_transactions(&id, 5_000, None).unwrap();
            assert!(identity.epoch < i16::MAX, "{identity:?}");
        }
    }
}

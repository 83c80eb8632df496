//! Who coordinates a transactional id, and what the cluster says of its features.

use super::*;

fn find(client: &mut Client, version: i16, key_type: KeyType, key: &str) -> Coordinator {
    let request = FindCoordinatorRequest {
        key_type,
        keys: vec![key.into()],
    };
    let answer = client.ask(&Request::FindCoordinator(request), version);
    match answer {
        Response::FindCoordinator(mut answer) => answer.coordinators.remove(0),
        other => panic!("{other:?}"),
    }
}

fn init(client: &mut Client) -> ErrorCode {
    let request = InitProducerIdRequest {
        transactional_id: Some(ID.into()),
        transaction_timeout_ms: 60_000,
        producer_id: -1,
        producer_epoch: -1,
    };
    match client.ask(&Request::InitProducerId(request), 5) {
        Response::InitProducerId(answer) => answer.error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_broker_names_the_same_coordinator_and_only_that_one_answers() {
    let cluster = start(MockCluster::builder().brokers(3));
    let coordinator = cluster.transaction_coordinator(ID).unwrap();
    for node in cluster.nodes() {
        let mut client = Client::connect(&cluster, node);
        for version in 1..=6 {
            let found = find(&mut client, version, KeyType::TRANSACTIONAL_ID, ID);
            let address = format!("{}:{}", found.host, found.port);
            assert_eq!(found.error, ErrorCode::NONE);
            assert_eq!(found.node, NodeId(coordinator));
            assert_eq!(address, cluster.address(coordinator));
        }
        let group = find(&mut client, 0, KeyType::GROUP, "billing");
        assert_eq!(Some(group.node.0), cluster.group_coordinator("billing"));
        let expected = match node == coordinator {
            true => ErrorCode::NONE,
            false => ErrorCode::NOT_COORDINATOR,
        };
        assert_eq!(init(&mut client), expected);
    }
    let share = find(&mut Client::connect(&cluster, 1), 6, KeyType(2), "shared");
    assert_eq!(
        (share.error, share.node),
        (ErrorCode::INVALID_REQUEST, NodeId(-1))
    );
}

#[test]
fn ids_are_spread_over_the_brokers() {
    let cluster = start(MockCluster::builder().brokers(3));
    for node in cluster.nodes() {
        let mut ids = (0..20).map(|number| format!("id-{number}"));
        let has = |id: String| cluster.transaction_coordinator(&id) == Some(node);
        assert!(ids.any(has), "broker {node} coordinates none of 20");
    }
}

#[test]
fn another_broker_takes_over_what_one_coordinates() {
    let cluster = start(MockCluster::builder().brokers(3));
    let first = cluster.transaction_coordinator(ID).unwrap();
    assert_eq!(init(&mut Client::connect(&cluster, first)), ErrorCode::NONE);
    let known = cluster.transaction(ID);
    let second = first % 3 + 1;
    cluster.move_transaction_coordinator(ID, second);
    let error = init(&mut Client::connect(&cluster, first));
    assert_eq!(error, ErrorCode::NOT_COORDINATOR);
    assert_eq!(cluster.transaction(ID), known, "nothing is forgotten");

    cluster.stop_broker(second);
    assert_eq!(
        cluster.transaction_coordinator(ID),
        Some(second),
        "nobody has noticed"
    );
    cluster.fail_over(second);
    let third = cluster.transaction_coordinator(ID).unwrap();
    assert_ne!(third, second);
    assert_eq!(init(&mut Client::connect(&cluster, third)), ErrorCode::NONE);
    assert_eq!(cluster.transaction(ID).unwrap().producer_epoch, 1);

    cluster
        .on(Api::FindCoordinator)
        .answer(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    let refused = find(
        &mut Client::connect(&cluster, third),
        4,
        KeyType::TRANSACTIONAL_ID,
        ID,
    );
    assert_eq!(refused.error, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    assert_eq!((refused.key.as_str(), refused.port), (ID, -1));
}

#[test]
fn the_version_of_transactions_is_a_feature_that_may_change() {
    let cluster = cluster(1);
    let mut client = Client::connect(&cluster, 1);
    let mut said = |cluster: &MockCluster| {
        let answer = client.api_versions(3);
        let feature = answer.finalized_features[0].clone();
        assert_eq!(feature.name, "transaction.version");
        assert_eq!(cluster.violations(), [""; 0]);
        (answer.finalized_features_epoch, feature.max_level)
    };
    assert_eq!(said(&cluster), (0, 1));
    cluster.set_transaction_version(2);
    assert_eq!(said(&cluster), (1, 2));
    cluster.set_transaction_version(1);
    assert_eq!(said(&cluster), (2, 1));
    assert_eq!(
        client.api_versions(2).finalized_features_epoch,
        -1,
        "too old"
    );
}

#[test]
fn a_producer_may_change_from_one_version_to_the_other_between_transactions() {
    let cluster = cluster(1);
    let mut producer = Transactional::start(&cluster, TransactionVersion::V1);
    producer.run("one", true);
    cluster.set_transaction_version(2);
    producer.version = TransactionVersion::V2;
    let known = (producer.producer_id, producer.epoch);
    assert_eq!(producer.init(known), ErrorCode::NONE);
    producer.run("two", true);
    producer.run("three", false);
    cluster.set_transaction_version(1);
    producer.version = TransactionVersion::V1;
    producer.run("four", true);
    assert_eq!(committed(&cluster, 0), ["one", "two", "four"]);
    assert_eq!(cluster.violations(), [""; 0]);
}

#[test]
fn faults_reach_the_requests_of_transactions() {
    let cluster = cluster(2);
    let mut producer = Transactional::start(&cluster, TransactionVersion::V2);
    producer.write(0, "x");
    let end = || cluster.on(Api::EndTxn);
    end().answer(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    end().apply_and_answer(ErrorCode::REQUEST_TIMED_OUT);
    assert_eq!(producer.end(true), ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    assert_eq!(state(&cluster), MockTransactionState::Ongoing);
    assert_eq!(producer.end(true), ErrorCode::REQUEST_TIMED_OUT);
    assert_eq!(state(&cluster), MockTransactionState::Committed, "and yet");
    assert_eq!(producer.end(true), ErrorCode::NONE, "asked again");
    assert_eq!(producer.epoch, 1);

    cluster
        .on(Api::InitProducerId)
        .apply_and_answer(ErrorCode::REQUEST_TIMED_OUT);
    assert_eq!(producer.init((-1, -1)), ErrorCode::REQUEST_TIMED_OUT);
    assert_eq!(cluster.transaction(ID).unwrap().producer_epoch, 2);
    cluster.on(Api::EndTxn).close_before();
    let request = Request::EndTxn(EndTxnRequest {
        transactional_id: ID.into(),
        producer_id: producer.producer_id,
        producer_epoch: 2,
        committed: false,
        transactions: TransactionVersion::V2,
    });
    producer.client.send(&request, 5);
    assert!(producer.client.is_closed());
    assert_eq!(cluster.pending_faults(), 0);
}

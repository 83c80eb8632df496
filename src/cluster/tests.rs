//! What a view takes over from an answer, and what it keeps of the one before.

use super::*;
use crate::protocol::messages::{MetadataBroker, Operations};

fn response(leader: i32, leader_epoch: i32) -> MetadataResponse {
    let broker = |id: i32| MetadataBroker {
        node: NodeId(id),
        host: "localhost".to_owned(),
        port: 9092 + id,
        rack: None,
    };
    MetadataResponse {
        brokers: vec![broker(1), broker(2)],
        topics: vec![MetadataTopic {
            error: ErrorCode::NONE,
            name: Some("orders".to_owned()),
            id: TopicId([7; 16]),
            is_internal: false,
            partitions: vec![MetadataPartition {
                error: ErrorCode::NONE,
                index: 0,
                leader: NodeId(leader),
                leader_epoch,
                replicas: vec![],
                in_sync_replicas: vec![],
                offline_replicas: vec![],
            }],
            operations: Operations::OMITTED,
        }],
        ..MetadataResponse::default()
    }
}

type Usual = Reading<fn(&str) -> bool, fn(&str, i32) -> bool>;

/// How a response is read if nothing is special about it.
fn all() -> Usual {
    Reading {
        answer: 1,
        is_wanted: |_| true,
        is_doubted: |_, _| false,
    }
}

#[test]
fn a_topic_that_was_not_asked_for_takes_no_room() {
    let mut reading = all();
    reading.is_wanted = |name| name == "a";
    let update = ClusterView::default().merged(&response(1, 5), &reading);
    assert!(update.view.topics.keys().next().is_none());
    assert!(update.view.refused.keys().next().is_none());
    assert!(update.changed.is_empty() && update.told.is_empty());
}

#[test]
fn an_answer_from_a_broker_that_lags_behind_changes_nothing() {
    let Update { view, .. } = ClusterView::default().merged(&response(1, 5), &all());
    let Update { view, .. } = view.merged(&response(2, 4), &all());
    assert_eq!(view.leader("orders", 0), Some(NodeId(1)));
    let Update { view, .. } = view.merged(&response(2, 6), &all());
    assert_eq!(view.leader("orders", 0), Some(NodeId(2)));
}

#[test]
fn each_answer_says_anew_which_broker_is_in_which_rack() {
    let mut racks = response(1, 5);
    racks.brokers[1].rack = Some("b".to_owned());
    let Update { mut view, .. } = ClusterView::default().merged(&racks, &all());
    assert_eq!(
        (view.rack(NodeId(1)), view.rack(NodeId(2))),
        (None, Some("b"))
    );
    let address = view.brokers.get(&NodeId(1)).unwrap().clone();
    view.add_broker(NodeId(2), address.clone(), Some("other"));
    view.add_broker(NodeId(3), address, Some("c"));
    assert_eq!(
        (view.rack(NodeId(2)), view.rack(NodeId(3))),
        (Some("b"), Some("c"))
    );
    assert_eq!(view.without_brokers().view.rack(NodeId(2)), None);
    let Update { view, .. } = view.merged(&response(1, 6), &all());
    assert_eq!((view.rack(NodeId(2)), view.rack(NodeId(3))), (None, None));
}

#[test]
fn a_topic_whose_leader_is_in_another_rack_now_is_told_to_callers() {
    let mut racks = response(1, 5);
    racks.brokers[0].rack = Some("a".to_owned());
    let Update { view, .. } = ClusterView::default().merged(&racks, &all());
    racks.brokers[0].rack = Some("b".to_owned());
    let Update { view, changed, .. } = view.merged(&racks, &all());
    assert_eq!(view.rack(NodeId(1)), Some("b"));
    assert_eq!(changed, [Arc::from("orders")]);
}

#[test]
fn a_refused_topic_keeps_what_was_known_of_it() {
    let Update { view, .. } = ClusterView::default().merged(&response(1, 5), &all());
    let mut refusal = response(1, 5);
    refusal.topics[0].error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    refusal.topics[0].partitions.clear();
    let Update { view, .. } = view.merged(&refusal, &all());
    assert_eq!(view.leader("orders", 0), Some(NodeId(1)));
    let code = view.refused.get("orders").map(|refusal| refusal.code);
    assert_eq!(code, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert!(view.is_lacking("orders"));
}

#[test]
fn the_name_of_a_refused_topic_is_known_until_the_topic_is() {
    let mut refusal = response(1, 5);
    refusal.topics[0].error = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    refusal.topics[0].partitions.clear();
    let Update { view, .. } = ClusterView::default().merged(&refusal, &all());
    assert!(!view.topics.contains_key("orders") && !view.is_lacking("orders"));
    assert!(view.refused.contains_key("orders"));
    assert!(view.without_brokers().view.refused.contains_key("orders"));
    let Update { view, .. } = view.merged(&response(1, 5), &all());
    assert!(!view.refused.contains_key("orders"));
}

#[test]
fn a_leader_outside_the_list_of_brokers_is_none() {
    let Update { view, .. } = ClusterView::default().merged(&response(9, 5), &all());
    assert_eq!(view.leader("orders", 0), None);
    assert!(view.is_lacking("orders"));
}

#[test]
fn a_broker_that_is_gone_leads_no_topic_that_the_answer_leaves_out() {
    let Update { view, .. } = ClusterView::default().merged(&response(2, 5), &all());
    let mut without = response(2, 5);
    without.topics.clear();
    without.brokers.pop();
    let Update { view, changed, .. } = view.merged(&without, &all());
    assert_eq!(view.leader("orders", 0), None);
    assert_eq!(changed, [Arc::from("orders")]);
    let Update { view, .. } = view.merged(&response(2, 5), &all());
    assert_eq!(view.leader("orders", 0), Some(NodeId(2)));
}

#[test]
fn a_hint_is_followed_only_if_it_is_newer() {
    let Update { mut view, .. } = ClusterView::default().merged(&response(1, 5), &all());
    assert!(!view.follow("orders", 0, NodeId(2), 5));
    assert!(!view.follow("orders", 0, NodeId(9), 6));
    assert!(view.follow("orders", 0, NodeId(2), 6));
    assert_eq!(view.leader("orders", 0), Some(NodeId(2)));
}

#[test]
fn a_partition_numbered_two_billion_allocates_nothing() {
    let mut hostile = response(1, 5);
    hostile.topics[0].partitions[0].index = 2_000_000_000;
    let Update { view, .. } = ClusterView::default().merged(&hostile, &all());
    let topic = view.topics.get("orders").unwrap();
    assert!(topic.partitions.len() <= 1);
}

#[test]
fn numbers_below_zero_are_no_brokers_and_no_partitions() {
    let mut hostile = response(-1, 5);
    hostile.brokers[0].node = NodeId(-1);
    let Update { view, .. } = ClusterView::default().merged(&hostile, &all());
    assert_eq!(view.brokers.keys().collect::<Vec<_>>(), [&NodeId(2)]);
    assert_eq!(view.leader("orders", 0), None);
    hostile.topics[0].partitions[0].index = i32::MIN;
    let Update { view, .. } = ClusterView::default().merged(&hostile, &all());
    assert!(!view.topics.contains_key("orders") && view.is_lacking("orders"));
}

#[test]
fn an_answer_that_says_nothing_new_changes_nothing() {
    let first = ClusterView::default().merged(&response(1, 5), &all());
    assert_eq!(first.changed, [Arc::from("orders")]);
    let second = first.view.merged(&response(1, 5), &all());
    assert!(second.changed.is_empty());
    assert_eq!(second.told.len(), 1);
}

#[test]
fn a_refusal_stands_until_an_answer_about_that_topic() {
    let mut refusal = response(1, 5);
    refusal.topics[0].error = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    let Update { view, .. } = ClusterView::default().merged(&refusal, &all());
    let mut other = response(1, 5);
    other.topics[0].name = Some("others".to_owned());
    let Update { view, .. } = view.merged(&other, &all());
    assert!(view.refused.contains_key("orders"));
}

/// The answer of a broker that lags behind is told by its epoch, so one that says none, or leaves
/// the partition out, must not make us forget it.
#[test]
fn an_epoch_that_one_answer_leaves_out_is_not_forgotten() {
    let Update { view, .. } = ClusterView::default().merged(&response(1, 5), &all());
    let Update { view, .. } = view.merged(&response(2, -1), &all());
    assert_eq!(
        view.leader("orders", 0),
        Some(NodeId(2)),
        "an answer without epochs counts"
    );
    let Update { view, .. } = view.merged(&response(1, 4), &all());
    assert_eq!(view.leader("orders", 0), Some(NodeId(2)));

    let mut two = response(1, 5);
    let mut second = two.topics[0].partitions[0].clone();
    second.index = 1;
    two.topics[0].partitions.push(second);
    let Update { view, .. } = ClusterView::default().merged(&two, &all());
    for left_out in [0, 1] {
        let mut less = two.clone();
        less.topics[0].partitions.remove(left_out);
        let Update { view, .. } = view.merged(&less, &all());
        let mut stale = two.clone();
        stale.topics[0].partitions[left_out].leader = NodeId(2);
        stale.topics[0].partitions[left_out].leader_epoch = 4;
        let Update { view, .. } = view.merged(&stale, &all());
        let index = i32::try_from(left_out).unwrap();
        assert_eq!(view.leader("orders", index), Some(NodeId(1)), "{left_out}");
    }
}

#[test]
fn a_doubted_leader_gives_way_to_one_of_an_older_epoch() {
    let Update { mut view, .. } = ClusterView::default().merged(&response(1, 5), &all());
    assert!(view.follow("orders", 0, NodeId(2), 1_000));
    let Update { view, .. } = view.merged(&response(1, 5), &all());
    assert_eq!(view.leader("orders", 0), Some(NodeId(2)));
    let mut doubting = all();
    doubting.is_doubted = |_, _| true;
    let Update { view, .. } = view.merged(&response(1, 5), &doubting);
    assert_eq!(view.leader("orders", 0), Some(NodeId(1)));
}

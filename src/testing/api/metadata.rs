//! `Metadata`, versions 4 to 13: brokers, topics, and the leaders of their partitions.
//!
//! A topic that does not exist is created at once, if request and cluster allow it, with a leader
//! for each partition; Kafka would take a moment for both. Otherwise it is
//! `UNKNOWN_TOPIC_OR_PARTITION`, and `INVALID_TOPIC_EXCEPTION` if its name is not a legal one.
//! Every client is authorized for everything. Every broker answers the same. A broker that is down
//! stays in the answer until [`MockCluster::fail_over`](crate::testing::MockCluster::fail_over).

use crate::ErrorCode;
use crate::ids::{NodeId, TopicId};
use crate::protocol::Response;
use crate::protocol::messages::{
    MetadataBroker, MetadataPartition, MetadataRequest, MetadataResponse, MetadataTopic, Operations,
};
use crate::sync::Arc;
use crate::testing::MockRequestContent;
use crate::testing::api::{Answer, Arrival, Handler};
use crate::testing::faults::{Plan, Subject};
use crate::testing::state::{ClusterState, Node, Partition};

impl Handler for MetadataRequest {
    fn content(&self, _state: &ClusterState) -> MockRequestContent {
        let topics = self.topics.as_ref();
        MockRequestContent::Metadata {
            topics: topics.map(|names| names.iter().map(ToString::to_string).collect()),
            allow_auto_topic_creation: self.allow_auto_topic_creation,
        }
    }

    fn subjects(&self, state: &ClusterState) -> Vec<Subject> {
        let names = topics_asked_for(state, self);
        names.into_iter().map(|name| (name, None)).collect()
    }

    fn handle(&self, state: &mut ClusterState, arrival: &Arrival<'_>) -> Answer {
        let topics: Vec<MetadataTopic> = topics_asked_for(state, self)
            .iter()
            .map(|name| describe(state, name, self, arrival.plan))
            .collect();
        let brokers: Vec<MetadataBroker> = state
            .nodes
            .iter()
            .filter(|node| !node.fenced)
            .map(broker)
            .collect();
        // Only version 13 can say that the request failed as a whole; older ones refuse each topic.
        let error = match arrival.plan.request() {
            Some(refusal) if arrival.version >= 13 => refusal.code,
            _ => ErrorCode::NONE,
        };
        let mut errors = [error]
            .into_iter()
            .chain(topics.iter().map(|topic| topic.error));
        let first = errors.find(|error| *error != ErrorCode::NONE);
        let response = MetadataResponse {
            throttle_time_ms: arrival.plan.throttle_time_ms(),
            controller: brokers.first().map_or(-1, |broker| broker.node.0),
            brokers,
            cluster_id: state.settings.cluster_id.clone(),
            topics,
            error,
        };
        Answer::Send(
            Response::Metadata(response),
            first.unwrap_or(ErrorCode::NONE),
        )
    }
}

fn topics_asked_for(state: &ClusterState, request: &MetadataRequest) -> Vec<Arc<str>> {
    match &request.topics {
        Some(names) => names.clone(),
        None => state.topics.keys().cloned().collect(),
    }
}

fn describe(
    state: &mut ClusterState,
    name: &Arc<str>,
    request: &MetadataRequest,
    plan: &Plan,
) -> MetadataTopic {
    let refused = |error| MetadataTopic {
        error,
        name: Some(name.to_string()),
        id: TopicId::default(),
        is_internal: false,
        partitions: Vec::new(),
        operations: Operations::OMITTED,
    };
    if let Some(refusal) = plan.topic(name) {
        return refused(refusal.code);
    }
    if !is_legal_name(name) {
        return refused(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    if !state.topics.contains_key(name) {
        if !(request.allow_auto_topic_creation && state.settings.auto_create) {
            return refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        state.create_topic(name, state.settings.auto_create_partitions);
    }
    let topic = state
        .topics
        .get(name)
        .expect("it existed or was just created");
    let id = if state.settings.topic_ids {
        topic.id
    } else {
        TopicId::default()
    };
    let partitions = (0..)
        .zip(&topic.partitions)
        .map(|(index, partition)| {
            let scripted = plan.partition(name, index).map(|refusal| refusal.code);
            describe_partition(index, partition, scripted)
        })
        .collect();
    MetadataTopic {
        error: ErrorCode::NONE,
        name: Some(name.to_string()),
        id,
        is_internal: false,
        partitions,
        operations: match request.include_topic_operations {
            true => Operations::ALL_OF_A_TOPIC,
            false => Operations::OMITTED,
        },
    }
}

fn describe_partition(
    index: i32,
    partition: &Partition,
    scripted: Option<ErrorCode>,
) -> MetadataPartition {
    let leader = match scripted {
        Some(_) => None,
        None => partition.leader,
    };
    let error = match (scripted, leader) {
        (Some(code), _) => code,
        (None, None) => ErrorCode::LEADER_NOT_AVAILABLE,
        (None, Some(_)) => ErrorCode::NONE,
    };
    MetadataPartition {
        error,
        index,
        leader: leader.unwrap_or(NodeId(-1)),
        leader_epoch: partition.leader_epoch,
        replicas: partition.replicas.clone(),
        in_sync_replicas: partition.replicas.clone(),
        offline_replicas: Vec::new(),
    }
}

fn broker(node: &Node) -> MetadataBroker {
    MetadataBroker {
        node: node.id,
        host: node.host.clone(),
        port: i32::from(node.port),
        rack: node.rack.clone(),
    }
}

/// Kafka's rule: 1 to 249 of these characters, and not the names of two directories.
pub(in crate::testing) fn is_legal_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && name.bytes().all(legal) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_legal_topic_name() {
        for name in ["a", "Orders.v2_eu-1", "...", &"x".repeat(249)] {
            assert!(is_legal_name(name), "{name}");
        }
        for name in ["", ".", "..", "a b", "a/b", "é", "a:b", &"x".repeat(250)] {
            assert!(!is_legal_name(name), "{name}");
        }
    }
}

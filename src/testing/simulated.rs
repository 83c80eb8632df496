//! How the simulation controls the brokers: the same state machine as behind the sockets of
//! [`MockCluster`](super::MockCluster), and methods for faults at random. No socket, no clock.
//! Compiled for tests only.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ErrorCode;
use crate::ids::NodeId;
use crate::protocol::ApiKey;
use crate::protocol::version::{TransactionVersion, VersionRange};
use crate::testing::faults::{ConnectionEffect, Effect, Refusal, Rule};
use crate::testing::legality::Attempts;
use crate::testing::state::{ClusterState, Settings};
use crate::testing::transactions::Key;
use crate::testing::{Api, MockRecord, MockRequestContent};

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub(crate) enum Blow {
    /// The broker refuses, for one partition of a Produce request or for all of them; of a Metadata
    /// request, the topic.
    Refuse {
        partition: Option<i32>,
        code: ErrorCode,
        /// Whether it appends the records all the same.
        applied: bool,
    },
    Throttle(Duration),
    /// Applies at once and answers so much later.
    Delay(Duration),
    CloseBefore,
    CloseAfter,
    SilenceBefore,
    SilenceAfter,
    Garbage(Vec<u8>),
}

/// The leader and the leader epoch of each partition.
pub(crate) type Leaders = Vec<(Option<NodeId>, i32)>;

impl ClusterState {
    /// Brokers numbered from 1, at ports counting from `first_port` + 1, and one topic.
    pub(crate) fn simulated(
        brokers: u16,
        first_port: u16,
        topic: &str,
        partitions: i32,
        versions: BTreeMap<ApiKey, VersionRange>,
        topic_ids: bool,
    ) -> Self {
        let settings = Settings {
            versions,
            topic_ids,
            auto_create: false,
            ..Settings::default()
        };
        let address = |id: u16| ("broker".to_owned(), first_port + id);
        let mut state = Self::new(settings, (1..=brokers).map(address).collect());
        state.create_topic(topic, partitions);
        state
    }

    /// By which version transactions are spoken.
    pub(crate) fn speak(&mut self, version: TransactionVersion) {
        self.transactions.version = version;
        self.transactions.features_epoch += 1;
    }

    /// The records of a partition that a reader of what is committed sees, once what is open has
    /// been aborted.
    pub(crate) fn committed(&mut self, topic: &str, partition: i32, id: &str) -> Vec<MockRecord> {
        self.expire_transaction(id);
        let index = usize::try_from(partition).expect("partitions count from 0");
        let topic = self.topics.get(topic).expect("it is there");
        topic.partitions[index].log.committed_records()
    }

    /// Another broker coordinates a transactional id.
    pub(crate) fn coordinate(&mut self, id: &str, node: NodeId) {
        self.set_coordinator(Key::TransactionalId(id.into()), node);
    }

    /// Refuses batches larger than this.
    pub(crate) fn limit_messages(&mut self, bytes: usize) {
        self.settings.max_message_bytes = bytes;
    }

    /// Lets this happen to the next request of this kind, until [`spare`](Self::spare).
    pub(crate) fn strike(&mut self, api: Api, topic: &str, blow: Blow) {
        let mut rule = Rule::new(api);
        rule.effect = match blow {
            Blow::Refuse {
                partition,
                code,
                applied,
            } => {
                let names_topics = matches!(api, Api::Produce | Api::Metadata);
                rule.topic = names_topics.then(|| topic.into());
                rule.partition = partition;
                Effect::Refuse(Refusal {
                    code,
                    message: None,
                    record_errors: Vec::new(),
                    applied,
                })
            }
            Blow::Throttle(pause) => Effect::Throttle(pause),
            Blow::Delay(delay) => Effect::Delay(delay),
            Blow::CloseBefore => Effect::Connection(ConnectionEffect::CloseBefore),
            Blow::CloseAfter => Effect::Connection(ConnectionEffect::CloseAfter),
            Blow::SilenceBefore => Effect::Connection(ConnectionEffect::SilenceBefore),
            Blow::SilenceAfter => Effect::Connection(ConnectionEffect::SilenceAfter),
            Blow::Garbage(bytes) => Effect::Connection(ConnectionEffect::Garbage(bytes)),
        };
        self.faults.add(rule);
    }

    /// Ends what [`strike`](Self::strike) began.
    pub(crate) fn spare(&mut self) {
        self.faults.clear();
    }

    pub(crate) fn set_running(&mut self, node: NodeId, running: bool) {
        for node in self.nodes.iter_mut().filter(|one| one.id == node) {
            node.running = running;
            node.fenced &= !running;
        }
    }

    pub(crate) fn lead(&mut self, topic: &str, partition: i32, leader: Option<NodeId>) {
        self.set_leader(topic, partition, leader);
    }

    /// The controller has noticed that a broker is gone.
    pub(crate) fn depose(&mut self, node: NodeId) {
        self.fail_over(node);
    }

    pub(crate) fn leaders(&self, topic: &str) -> Leaders {
        let partitions = self.topics.get(topic).map(|topic| topic.partitions.iter());
        let leader = |one: &crate::testing::state::Partition| (one.leader, one.leader_epoch);
        partitions.into_iter().flatten().map(leader).collect()
    }

    /// Exchanges the leaders in metadata for `leaders`, to imitate a broker that lags behind.
    pub(crate) fn swap_leaders(&mut self, topic: &str, leaders: &mut Leaders) {
        let Some(topic) = self.topics.get_mut(topic) else {
            return;
        };
        for (partition, (leader, epoch)) in topic.partitions.iter_mut().zip(leaders) {
            std::mem::swap(&mut partition.leader, leader);
            std::mem::swap(&mut partition.leader_epoch, epoch);
        }
    }

    pub(crate) fn written(&self, topic: &str, partition: i32) -> Vec<MockRecord> {
        let partition = self.partition(topic, partition);
        partition.map_or_else(Vec::new, |partition| partition.log.records())
    }

    /// What a producer sent that no correct one does.
    pub(crate) fn first_violation(&self) -> Option<&str> {
        self.violations.first().map(String::as_str)
    }

    /// How many batches were refused because one before them was missing.
    pub(crate) fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Producer ids are handed out in this epoch.
    pub(crate) fn set_first_epoch(&mut self, epoch: i16) {
        self.settings.first_epoch = epoch;
    }

    /// As if its producers had sent so much that their next sequence is this.
    pub(crate) fn wind_sequences(&mut self, topic: &str, partition: i32, next: i32) {
        if let Some(partition) = self.partition_mut(topic, partition) {
            partition.producers.wind(next);
            partition.attempts = Attempts::default();
        }
    }

    /// The partition has not heard of its producers for too long.
    pub(crate) fn forget(&mut self, topic: &str, partition: i32) {
        if let Some(partition) = self.partition_mut(topic, partition) {
            partition.producers.forget();
        }
    }

    /// The topic gets one more partition.
    pub(crate) fn grow(&mut self, topic: &str) {
        let partitions = self.leaders(topic).len() + 1;
        self.grow_topic(topic, i32::try_from(partitions).expect("few partitions"));
    }

    /// The topic is deleted, and one of its name and size made.
    pub(crate) fn recreate(&mut self, topic: &str) {
        let partitions = self.leaders(topic).len();
        self.create_topic(topic, i32::try_from(partitions).expect("few partitions"));
    }

    /// Another cluster takes the place of this one, with a topic of the same name and size. The ids that
    /// this one gave belong to others there, who have written whatever may come.
    pub(crate) fn replaced(&self, number: usize, topic: &str) -> Self {
        let mut new = self.made_anew(format!("cluster {number}"));
        let partitions = self.leaders(topic).len();
        new.create_topic(topic, i32::try_from(partitions).expect("few partitions"));
        new.next_producer_id = self.next_producer_id;
        for partition in new.topics.values_mut().flat_map(|one| &mut one.partitions) {
            partition.producers.set_others_below(self.next_producer_id);
        }
        new
    }

    /// How often a batch came that was in a log already.
    pub(crate) fn repeated_batches(&self) -> u64 {
        self.log.counters.repeated_batches
    }

    /// What was wrong with the last request, if the broker refused it as malformed.
    pub(crate) fn last_refusal(&self) -> Option<&str> {
        match &self.log.entries.last()?.content {
            MockRequestContent::Refused(why) => Some(why),
            _ => None,
        }
    }
}

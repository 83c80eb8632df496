//! Judges the topics by the metadata that a broker has of them.

use crate::sorted_map::SortedMap;

use super::findings::{Complaint, Findings};
use super::probe::Failure;
use super::report::{Cause, CheckedTopic, Severity, Suspect};
use super::wording;
use crate::ids::topic_name_fault;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{MetadataPartition, MetadataResponse, MetadataTopic};
use crate::sync::Arc;
use crate::transport::SocketAddr;

/// Which brokers there are, and whether they can be reached.
pub(super) type Reached = SortedMap<i32, Reach>;

/// Whether a broker can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Reached,
    Unreachable,
    /// It was not looked at, or not to the end.
    Unknown,
}

/// What came of asking a broker about the topics.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer<'a> {
    Metadata(&'a MetadataResponse),
    /// The broker that was asked, and why there is no metadata.
    Failed(SocketAddr, &'a Failure),
    /// The broker that was asked, or about to be, when the time was up.
    Late(SocketAddr),
    NobodyToAsk,
}

/// The topics, in the order of their names here.
pub(super) fn checked(
    names: &[Arc<str>],
    answer: &Answer<'_>,
    reached: &Reached,
) -> Vec<CheckedTopic> {
    let told: SortedMap<&str, &MetadataTopic> = match answer {
        Answer::Metadata(metadata) => metadata
            .topics
            .iter()
            .filter_map(|topic| Some((topic.name.as_deref()?, topic)))
            .collect(),
        Answer::Failed(..) | Answer::Late(_) | Answer::NobodyToAsk => SortedMap::new(),
    };
    let topic = |name: &Arc<str>| match topic_name_fault(name) {
        Some(fault) => unknown(name, illegal(name, fault)),
        None => match told.get(&**name) {
            Some(topic) => describe(name, topic, reached),
            None => unknown(name, not_told(answer)),
        },
    };
    names.iter().map(topic).collect()
}

fn findings(name: &str) -> Findings {
    Findings::new(Severity::Problem, format!("topic {}", wording::clean(name)))
}

/// A topic of which nothing is known but this complaint.
fn unknown(name: &str, complaint: Complaint) -> CheckedTopic {
    let mut findings = findings(name);
    findings.add(complaint);
    CheckedTopic {
        name: name.to_owned(),
        partitions: 0,
        without_leader: Vec::new(),
        with_unreachable_leader: Vec::new(),
        under_replicated: Vec::new(),
        may_write: None,
        findings: findings.all,
    }
}

fn describe(name: &str, topic: &MetadataTopic, reached: &Reached) -> CheckedTopic {
    if topic.error != ErrorCode::NONE {
        return unknown(name, refused(name, topic.error));
    }
    let of = |is_so: &dyn Fn(&MetadataPartition) -> bool| -> Vec<i32> {
        let some = topic.partitions.iter().filter(|one| is_so(one));
        let mut some: Vec<i32> = some.map(|one| one.index).collect();
        some.sort_unstable();
        some
    };
    let leader = |one: &MetadataPartition| reached.get(&one.leader.0).copied();
    let without_leader = of(&|one| leader(one).is_none());
    let with_unreachable_leader = of(&|one| leader(one) == Some(Reach::Unreachable));
    let with_unknown_leader = of(&|one| leader(one) == Some(Reach::Unknown));
    let under_replicated = of(&|one| one.in_sync_replicas.len() < one.replicas.len());
    let may_write = topic.operations.may_write();

    let mut findings = findings(name);
    if topic.partitions.is_empty() {
        findings.add(without_partitions());
    }
    if !without_leader.is_empty() {
        findings.add(leaderless(&without_leader));
    }
    if !with_unreachable_leader.is_empty() {
        findings.add(unreachable(&with_unreachable_leader));
    }
    if !with_unknown_leader.is_empty() {
        findings.add(not_looked_at(&with_unknown_leader));
    }
    if topic.is_internal {
        findings.add(internal());
    }
    if may_write == Some(false) {
        findings.add(forbidden(name));
    }
    if !under_replicated.is_empty() {
        findings.severity = Severity::Warning;
        findings.add(lagging(&under_replicated));
    }
    CheckedTopic {
        name: name.to_owned(),
        partitions: topic.partitions.len(),
        without_leader,
        with_unreachable_leader,
        under_replicated,
        may_write,
        findings: findings.all,
    }
}

fn complaint(cause: Cause, suspect: Suspect, message: String, advice: String) -> Complaint {
    Complaint {
        cause,
        suspect,
        message,
        advice,
    }
}

fn illegal(name: &str, fault: &str) -> Complaint {
    complaint(
        Cause::IllegalTopicName,
        Suspect::Client,
        format!(
            "No topic can be called {:?}: {fault}.",
            wording::clean(name)
        ),
        "Correct the name.".to_owned(),
    )
}

fn not_told(answer: &Answer<'_>) -> Complaint {
    let (message, advice) = match answer {
        Answer::Failed(asked, failure) => (
            wording::no_topics(&asked.to_string(), failure),
            "Check again in a moment, and then look at the log of the broker that was asked.",
        ),
        Answer::Late(asked) => (
            format!("{asked} had not answered about it when the time was up."),
            "Give the check more time.",
        ),
        Answer::Metadata(_) | Answer::NobodyToAsk => (
            "No broker has answered about it.".to_owned(),
            "See what is wrong with the brokers first.",
        ),
    };
    complaint(
        Cause::NotChecked,
        Suspect::Cluster,
        message,
        advice.to_owned(),
    )
}

fn refused(name: &str, code: ErrorCode) -> Complaint {
    if code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
        return complaint(
            Cause::UnknownTopic,
            Suspect::Client,
            "It does not exist.".to_owned(),
            format!(
                "Correct its name, or create it: kafka-topics.sh --bootstrap-server … --create --topic \
                 {name}. Brokers with auto.create.topics.enable create it when the first record is sent."
            ),
        );
    }
    let advice = match code {
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => format!(
            "Let this client write to it: kafka-acls.sh --bootstrap-server … --add \
             --allow-principal User:… --operation Describe --operation Write --topic {name}"
        ),
        code if code.is_retriable() => "It may pass: check again in a moment.".to_owned(),
        _ => "Look at the brokers' logs.".to_owned(),
    };
    complaint(
        Cause::TopicRefused(code),
        Suspect::Cluster,
        format!(
            "The brokers refuse to describe it: {code}, {}.",
            code.message()
        ),
        advice,
    )
}

fn without_partitions() -> Complaint {
    complaint(
        Cause::NoLeader,
        Suspect::Cluster,
        "It has no partitions.".to_owned(),
        "It may still be in creation: check again in a moment.".to_owned(),
    )
}

fn leaderless(partitions: &[i32]) -> Complaint {
    let (partitions, have) = named(partitions);
    complaint(
        Cause::NoLeader,
        Suspect::Cluster,
        format!("{partitions} {have} no leader: nothing can be written there."),
        "Start the brokers that hold their replicas; kafka-topics.sh --describe names them."
            .to_owned(),
    )
}

fn unreachable(partitions: &[i32]) -> Complaint {
    let (partitions, have) = named(partitions);
    complaint(
        Cause::LeaderUnreachable,
        Suspect::Network,
        format!("{partitions} {have} a leader that cannot be reached from here."),
        "See above what is wrong with that broker.".to_owned(),
    )
}

fn not_looked_at(partitions: &[i32]) -> Complaint {
    let (partitions, have) = named(partitions);
    complaint(
        Cause::NotChecked,
        Suspect::Client,
        format!("{partitions} {have} a leader that was not checked to the end."),
        "See above why, and give the check more time.".to_owned(),
    )
}

fn internal() -> Complaint {
    complaint(
        Cause::InternalTopic,
        Suspect::Client,
        "It is an internal topic of the brokers, which refuse records from clients.".to_owned(),
        "Write to another one.".to_owned(),
    )
}

fn forbidden(name: &str) -> Complaint {
    complaint(
        Cause::MayNotWrite,
        Suspect::Cluster,
        "This client may not write to it.".to_owned(),
        format!(
            "Let it: kafka-acls.sh --bootstrap-server … --add --allow-principal User:… --operation \
             Write --topic {name}"
        ),
    )
}

fn lagging(partitions: &[i32]) -> Complaint {
    let (partitions, have) = named(partitions);
    complaint(
        Cause::UnderReplicated,
        Suspect::Cluster,
        format!("{partitions} {have} fewer in-sync replicas than replicas."),
        "See whether a broker is down. With acks=all, records are refused once fewer are in sync than \
         min.insync.replicas."
            .to_owned(),
    )
}

/// "Partition 3", "has", or "Partitions 0 to 3, 7", "have".
fn named(partitions: &[i32]) -> (String, &'static str) {
    /// More would be hard to read.
    const MOST: usize = 10;
    let mut ranges: Vec<(i32, i32)> = Vec::new();
    for partition in partitions {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*partition) => *last = *partition,
            Some((_, last)) if last == partition => {}
            _ => ranges.push((*partition, *partition)),
        }
    }
    let range = |(first, last): &(i32, i32)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    };
    let shown: Vec<String> = ranges.iter().take(MOST).map(range).collect();
    let more = match ranges.len() > MOST {
        true => " and others",
        false => "",
    };
    match partitions {
        [only] => (format!("Partition {only}"), "has"),
        _ => (format!("Partitions {}{more}", shown.join(", ")), "have"),
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;
    use crate::ids::{NodeId, TopicId};
    use crate::protocol::messages::Operations;

    /// Partitions 0, 1, … with these leaders, of three replicas each; so many are in sync.
    fn topic(operations: Operations, partitions: &[(i32, usize)]) -> MetadataTopic {
        let replicas = [1, 2, 3].map(NodeId);
        let partition = |(index, (leader, in_sync)): (i32, &(i32, usize))| MetadataPartition {
            error: ErrorCode::NONE,
            index,
            leader: NodeId(*leader),
            leader_epoch: 1,
            replicas: replicas.to_vec(),
            in_sync_replicas: replicas.into_iter().take(*in_sync).collect(),
            offline_replicas: Vec::new(),
        };
        MetadataTopic {
            error: ErrorCode::NONE,
            name: Some("orders".to_owned()),
            id: TopicId::default(),
            is_internal: false,
            partitions: (0..).zip(partitions).map(partition).collect(),
            operations,
        }
    }

    fn check(topic: MetadataTopic) -> CheckedTopic {
        let told = MetadataResponse {
            topics: vec![topic],
            ..MetadataResponse::default()
        };
        let reached = Reached::from_iter([
            (1, Reach::Reached),
            (2, Reach::Reached),
            (3, Reach::Unreachable),
            (5, Reach::Unknown),
        ]);
        let checked = checked(&[Arc::from("orders")], &Answer::Metadata(&told), &reached);
        checked.into_iter().next().unwrap()
    }

    fn found(topic: &CheckedTopic) -> Vec<(Severity, Cause)> {
        let findings = topic.findings.iter();
        findings.map(|one| (one.severity, one.cause)).collect()
    }

    #[test]
    fn who_may_not_write_has_a_problem() {
        let all_but_write = Operations(Operations::ALL_OF_A_TOPIC.0 & !(1 << 4));
        for (operations, may_write) in [
            (Operations::ALL_OF_A_TOPIC, Some(true)),
            (all_but_write, Some(false)),
            (Operations(0), Some(false)),
            (Operations::OMITTED, None),
        ] {
            let topic = check(topic(operations, &[(1, 3)]));
            assert_eq!(topic.may_write, may_write);
            let expected: &[_] = match may_write {
                Some(false) => &[(Severity::Problem, Cause::MayNotWrite)],
                _ => &[],
            };
            assert_eq!(found(&topic), expected);
        }
    }

    #[test]
    fn each_partition_is_judged_by_its_leader_and_its_replicas() {
        // The leader 4 is in no list of brokers.
        let partitions = [(1, 3), (-1, 3), (2, 2), (3, 3), (4, 3), (3, 1), (5, 3)];
        let topic = check(topic(Operations::ALL_OF_A_TOPIC, &partitions));
        assert_eq!(topic.without_leader, [1, 4]);
        assert_eq!(topic.with_unreachable_leader, [3, 5]);
        assert_eq!(topic.under_replicated, [2, 5]);
        let expected = [
            (Severity::Problem, Cause::NoLeader),
            (Severity::Problem, Cause::LeaderUnreachable),
            (Severity::Problem, Cause::NotChecked),
            (Severity::Warning, Cause::UnderReplicated),
        ];
        assert_eq!(found(&topic), expected);
    }

    #[test]
    fn a_topic_without_partitions_cannot_be_written_to() {
        let topic = check(topic(Operations::ALL_OF_A_TOPIC, &[]));
        assert_eq!(found(&topic), [(Severity::Problem, Cause::NoLeader)]);
    }

    #[test]
    fn a_topic_of_the_brokers_own_is_a_problem() {
        let mut internal = topic(Operations::ALL_OF_A_TOPIC, &[(1, 3)]);
        internal.is_internal = true;
        let topic = check(internal);
        assert_eq!(found(&topic), [(Severity::Problem, Cause::InternalTopic)]);
    }

    #[test]
    fn what_nobody_has_told_is_not_taken_for_good() {
        let reached = Reached::new();
        let nothing = MetadataResponse::default();
        for answer in [Answer::NobodyToAsk, Answer::Metadata(&nothing)] {
            let topics = checked(&[Arc::from("orders")], &answer, &reached);
            assert_eq!(found(&topics[0]), [(Severity::Problem, Cause::NotChecked)]);
        }
    }

    #[test]
    fn partitions_are_named_in_as_few_words_as_can_be_read() {
        let many: Vec<i32> = (0..100).step_by(2).collect();
        for (partitions, words) in [
            (&[3][..], "Partition 3 has"),
            (&[0, 1, 2, 7], "Partitions 0 to 2, 7 have"),
            (
                &[i32::MIN, i32::MAX, i32::MAX],
                "Partitions -2147483648, 2147483647 have",
            ),
            (
                &many,
                "Partitions 0, 2, 4, 6, 8, 10, 12, 14, 16, 18 and others have",
            ),
        ] {
            let (named, have) = named(partitions);
            assert_eq!(format!("{named} {have}"), words);
        }
    }
}

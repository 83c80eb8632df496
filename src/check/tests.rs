//! What a report says of what was heard, without threads and sockets.

use super::*;
use crate::config::AddressFamily;
use crate::ids::{NodeId, TopicId};
use crate::protocol::ApiKey;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{
    ApiVersionRange, MetadataBroker, MetadataPartition, MetadataResponse, MetadataTopic, Operations,
};
use crate::protocol::version::ApiVersions;
use crate::sync::Arc;
use crate::transport::SocketAddr;

fn settings(ports: &[u16]) -> Settings {
    let server = |port: &u16| Address {
        host: "host".to_owned(),
        port: *port,
    };
    Settings {
        servers: ports.iter().map(server).collect(),
        client_id: Arc::from("tester"),
        setup_timeout: Duration::from_secs(30),
        idempotence: true,
        family: AddressFamily::Any,
    }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A broker of the cluster of this id.
fn broker(id: &str, brokers: &[(i32, i32)]) -> ProbeAnswer {
    let range = |api: &ApiKey| ApiVersionRange {
        api_key: api.code(),
        min: 0,
        max: api.versions().max,
    };
    let apis: Vec<_> = ApiKey::ALL.iter().map(range).collect();
    let broker = |(id, port): &(i32, i32)| MetadataBroker {
        node: NodeId(*id),
        host: "host".to_owned(),
        port: *port,
        rack: None,
    };
    ProbeAnswer {
        versions: ApiVersions::new(&apis),
        answered_after: Duration::ZERO,
        metadata: Ok(MetadataResponse {
            cluster_id: Some(id.to_owned()),
            brokers: brokers.iter().map(broker).collect(),
            ..MetadataResponse::default()
        }),
    }
}

/// The report of a check whose time was up before it began: only these results came, each
/// at an address of its own behind the endpoint.
fn report_of(ports: &[u16], heard: Vec<(usize, Result<ProbeAnswer, Failure>)>) -> CheckReport {
    let settings = settings(ports);
    let mut check = Check::new(&settings, Vec::new(), now());
    for server in &settings.servers {
        check.look_at(server.clone());
    }
    for (index, outcome) in heard {
        let port = 10_000 + u16::try_from(index).unwrap();
        check.handle(JobResult::Resolved(index, Ok(vec![at(port)])));
        check.handle(JobResult::Probed(index, at(port), Box::new(outcome)));
    }
    summary::report(check.settings, &check.topics, &check.evidence)
}

fn found(report: &CheckReport) -> Vec<(Severity, Cause)> {
    let findings = report.findings();
    findings.map(|one| (one.severity, one.cause)).collect()
}

#[test]
fn servers_of_two_clusters_are_a_problem_though_each_is_well() {
    let heard = vec![
        (0, Ok(broker("one", &[(1, 1)]))),
        (1, Ok(broker("two", &[(1, 2)]))),
    ];
    let report = report_of(&[1, 2], heard);
    assert_eq!(found(&report), [(Severity::Problem, Cause::OtherCluster)]);
    assert_eq!(report.servers[1].findings.len(), 1);
    assert_eq!(report.cluster.unwrap().id.as_deref(), Some("one"));
}

#[test]
fn a_broker_is_not_looked_at_twice_and_not_excused_by_another() {
    // Broker 1 is the bootstrap server, broker 2 is at an endpoint of its own.
    let heard = vec![
        (0, Ok(broker("one", &[(1, 1), (2, 2)]))),
        (1, Err(Failure::Closed)),
    ];
    let report = report_of(&[1], heard);
    assert_eq!(found(&report), [(Severity::Problem, Cause::Closed)]);
    let ports: Vec<u16> = report.brokers.iter().map(|one| one.server.port).collect();
    assert_eq!(ports, [1, 2]);
    assert!(report.brokers[0].server.findings.is_empty());
}

#[test]
fn whom_nobody_has_looked_at_is_not_taken_for_well() {
    let report = report_of(&[1], Vec::new());
    assert_eq!(found(&report), [(Severity::Problem, Cause::NotChecked)]);
    let finding = report.findings().next().unwrap();
    assert!(
        finding.advice.starts_with("Give the check more time"),
        "{finding:?}"
    );
    let heard = vec![(0, Ok(broker("one", &[(1, 2)])))];
    assert!(!report_of(&[1], heard).is_healthy());
}

#[test]
fn a_cluster_that_names_nobody_is_a_problem() {
    let report = report_of(&[1], vec![(0, Ok(broker("one", &[])))]);
    assert_eq!(found(&report), [(Severity::Problem, Cause::NoBrokers)]);
}

#[test]
fn brokers_beyond_a_thousand_are_counted() {
    let brokers: Vec<_> = (0..1_003).map(|id| (id, id + 1)).collect();
    let report = report_of(&[1], vec![(0, Ok(broker("one", &brokers)))]);
    let told = &report.cluster.as_ref().unwrap().findings;
    let told: Vec<Cause> = told.iter().map(|one| one.cause).collect();
    assert_eq!(told, [Cause::NotChecked]);
    assert_eq!(report.brokers.len(), 1_000);
}

#[test]
fn brokers_that_tell_clients_the_same_address_are_a_problem() {
    let brokers = [(1, 1), (2, 2), (3, 1)];
    let heard = vec![
        (0, Ok(broker("one", &brokers))),
        (1, Ok(broker("one", &brokers))),
    ];
    let report = report_of(&[1], heard);
    assert_eq!(found(&report), [(Severity::Problem, Cause::SharedAddress)]);
    let finding = report.findings().next().unwrap();
    let words = "Brokers 1 and 3 advertise the same address, host:1:";
    assert!(finding.message.starts_with(words), "{finding:?}");
}

#[test]
fn a_leader_that_was_not_looked_at_is_not_called_unreachable() {
    let settings = settings(&[1]);
    let mut check = Check::new(&settings, vec![Arc::from("orders")], now());
    check.look_at(settings.servers[0].clone());
    check.handle(JobResult::Resolved(0, Ok(vec![at(1)])));
    let well = broker("one", &[(1, 1), (2, 2)]);
    check.handle(JobResult::Probed(0, at(1), Box::new(Ok(well))));
    let partition = |index| MetadataPartition {
        error: ErrorCode::NONE,
        index,
        leader: NodeId(index + 1),
        leader_epoch: 1,
        replicas: Vec::new(),
        in_sync_replicas: Vec::new(),
        offline_replicas: Vec::new(),
    };
    let topic = MetadataTopic {
        error: ErrorCode::NONE,
        name: Some("orders".to_owned()),
        id: TopicId::default(),
        is_internal: false,
        partitions: (0..2).map(partition).collect(),
        operations: Operations::ALL_OF_A_TOPIC,
    };
    check.evidence.topics = Some(Ok(MetadataResponse {
        topics: vec![topic],
        ..MetadataResponse::default()
    }));
    let report = summary::report(check.settings, &check.topics, &check.evidence);
    // The broker, and the partition that it leads.
    assert_eq!(found(&report), [(Severity::Problem, Cause::NotChecked); 2]);
    assert_eq!(report.topics[0].with_unreachable_leader, [0; 0]);
    let finding = &report.topics[0].findings[0];
    assert!(
        finding.message.starts_with("Partition 1 has"),
        "{finding:?}"
    );
}

#[test]
fn why_nothing_is_known_of_a_topic_is_told() {
    let topics_of = |told: Option<Failure>| {
        let settings = settings(&[1]);
        let mut check = Check::new(&settings, vec![Arc::from("orders")], now());
        check.look_at(settings.servers[0].clone());
        check.handle(JobResult::Resolved(0, Ok(vec![at(1)])));
        let well = broker("one", &[(1, 1)]);
        check.handle(JobResult::Probed(0, at(1), Box::new(Ok(well))));
        check.evidence.topics = told.map(Err);
        let report = summary::report(check.settings, &check.topics, &check.evidence);
        assert_eq!(found(&report), [(Severity::Problem, Cause::NotChecked)]);
        let finding = report.findings().next().unwrap();
        format!("{} {}", finding.message, finding.advice)
    };
    for (told, words) in [
        (
            None,
            "127.0.0.1:1 had not answered about it when the time was up. Give the check",
        ),
        (
            Some(Failure::Closed),
            "127.0.0.1:1 closed the connection when it was asked",
        ),
        (
            Some(Failure::Refused(ErrorCode::REQUEST_TIMED_OUT)),
            "REQUEST_TIMED_OUT",
        ),
        (
            Some(Failure::NotKafka("one sentence".to_owned())),
            "one sentence",
        ),
    ] {
        let text = topics_of(told);
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn one_address_that_answers_excuses_the_others_of_its_host() {
    let settings = settings(&[1]);
    let mut check = Check::new(&settings, Vec::new(), now());
    check.look_at(settings.servers[0].clone());
    check.handle(JobResult::Resolved(0, Ok(vec![at(1), at(2)])));
    check.handle(JobResult::Probed(0, at(1), Box::new(Err(Failure::Closed))));
    let well = broker("one", &[(1, 1)]);
    check.handle(JobResult::Probed(0, at(2), Box::new(Ok(well))));
    let report = summary::report(check.settings, &check.topics, &check.evidence);
    assert_eq!(found(&report), [(Severity::Warning, Cause::Closed); 2]);
}

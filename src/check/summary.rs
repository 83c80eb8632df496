//! From what was told to the report: which of it is wrong, and how bad that is.

use std::collections::BTreeMap;

use super::probe::Failure;
use super::report::{
    Cause, CheckReport, CheckedAddress, CheckedApi, CheckedBroker, CheckedCluster, CheckedServer,
    Finding, Severity, Suspect, worst,
};
use super::topics::{Answer, Reach};
use super::words::{self, Role};
use super::{Candidate, Check, Cluster, Endpoint, Heard, Member, topics};
use crate::protocol::ApiKey;
use crate::protocol::version::ApiVersions;

/// What the check has come to; how long it took is not known here.
pub(super) fn report(check: &Check<'_>) -> CheckReport {
    let scene = Scene {
        needed: needed(check.settings.idempotence),
        cluster: check.cluster.as_ref(),
        endpoints: &check.endpoints,
    };
    let servers = check.settings.servers.len();
    let is_usable = |endpoint| scene.is_usable(endpoint);
    // The others are something to fall back on.
    let severity = match check.endpoints.iter().take(servers).any(is_usable) {
        true => Severity::Warning,
        false => Severity::Problem,
    };
    let server = |endpoint| scene.server(endpoint, &Role::Bootstrap, severity);
    let servers = check.endpoints.iter().take(servers).map(server).collect();
    let members = check.cluster.iter().flat_map(|cluster| &cluster.brokers);
    let brokers: Vec<_> = members.map(|member| scene.broker(member)).collect();
    let mut reach: BTreeMap<_, _> = brokers.iter().map(|one| (one.id, reach(one))).collect();
    let left_out = check.cluster.iter().flat_map(|cluster| &cluster.left_out);
    reach.extend(left_out.map(|id| (*id, Reach::Unknown)));
    let answer = match (&check.cluster, &check.told_topics) {
        (_, Some(Ok(metadata))) => Answer::Told(metadata),
        (Some(cluster), Some(Err(failure))) => Answer::Failed(cluster.asked, failure),
        (Some(cluster), None) => Answer::Late(cluster.asked),
        (None, _) => Answer::NobodyToAsk,
    };
    let topics = topics::checked(&check.topics, &answer, &reach);
    CheckReport {
        servers,
        cluster: check.cluster.as_ref().map(|cluster| scene.cluster(cluster)),
        brokers,
        topics,
        took: std::time::Duration::ZERO,
    }
}

fn reach(broker: &CheckedBroker) -> Reach {
    let findings = &broker.server.findings;
    match worst(findings) < Severity::Problem {
        true => Reach::Reached,
        false if findings.iter().any(|one| one.cause == Cause::NotChecked) => Reach::Unknown,
        false => Reach::Unreachable,
    }
}

/// What a producer asks brokers for, once it knows what they speak.
fn needed(idempotence: bool) -> Vec<ApiKey> {
    let mut needed = vec![ApiKey::Produce, ApiKey::Metadata];
    if idempotence {
        needed.push(ApiKey::InitProducerId);
    }
    needed
}

/// What judging one thing takes of the others.
struct Scene<'a> {
    needed: Vec<ApiKey>,
    cluster: Option<&'a Cluster>,
    endpoints: &'a [Endpoint],
}

impl Scene<'_> {
    /// Whether a producer can begin there.
    fn is_usable(&self, endpoint: &Endpoint) -> bool {
        let Some(Ok(candidates)) = &endpoint.resolved else {
            return false;
        };
        candidates.iter().any(|one| self.is_good(one))
    }

    fn is_good(&self, candidate: &Candidate) -> bool {
        let Some(Ok(heard)) = &candidate.heard else {
            return false;
        };
        heard.cluster_id.is_ok() && self.unspoken(&heard.versions).next().is_none()
    }

    /// The APIs in which we have no version in common.
    fn unspoken(&self, versions: &ApiVersions) -> impl Iterator<Item = ApiKey> {
        let is_spoken = |api: &ApiKey| versions.pick(*api, api.versions()).is_some();
        self.needed
            .iter()
            .copied()
            .filter(move |api| !is_spoken(api))
    }

    fn server(&self, endpoint: &Endpoint, role: &Role<'_>, severity: Severity) -> CheckedServer {
        let subject = role.subject(&endpoint.address.to_string());
        let mut findings = Findings {
            severity,
            subject,
            all: Vec::new(),
        };
        let mut addresses = Vec::new();
        match &endpoint.resolved {
            None => findings.add(words::not_resolved_in_time(&endpoint.address.host)),
            Some(Err(error)) => {
                findings.add(words::unresolved(&endpoint.address.host, error, role));
            }
            Some(Ok(candidates)) if candidates.is_empty() => {
                findings.add(words::without_address(&endpoint.address.host, role));
            }
            Some(Ok(candidates)) => {
                if candidates.iter().any(|one| self.is_good(one)) {
                    findings.severity = Severity::Warning;
                }
                for candidate in candidates {
                    self.judge(candidate, role, &mut findings);
                    addresses.push(self.address(candidate));
                }
            }
        }
        CheckedServer {
            host: endpoint.address.host.clone(),
            port: endpoint.address.port,
            addresses,
            findings: findings.all,
        }
    }

    fn judge(&self, candidate: &Candidate, role: &Role<'_>, findings: &mut Findings) {
        let place = candidate.address.to_string();
        let heard = match &candidate.heard {
            None => return findings.add(words::not_looked_at(&place)),
            Some(Err(failure)) => return findings.add(words::failed(&place, failure, role)),
            Some(Ok(heard)) => heard,
        };
        let before = findings.all.len();
        let has = |api| heard.versions.range(api).is_some();
        if !has(ApiKey::Produce) && !has(ApiKey::Metadata) {
            return findings.add(words::not_for_clients(&place, role));
        }
        for api in self.unspoken(&heard.versions) {
            findings.add(words::version(&place, api, heard.versions.range(api)));
        }
        let said_already = findings.all.len() > before;
        match &heard.cluster_id {
            Err(Failure::NoVersion(_)) if said_already => {}
            Err(failure) => findings.add(words::refused_to_tell(&place, failure, role)),
            Ok(id) => self.judge_cluster(&place, id.as_deref(), role, findings),
        }
    }

    /// Whether it belongs where the others do. Who is in another cluster is never something to fall
    /// back on: a producer that begins there writes there.
    fn judge_cluster(
        &self,
        place: &str,
        id: Option<&str>,
        role: &Role<'_>,
        findings: &mut Findings,
    ) {
        let ours = self.cluster.and_then(|cluster| cluster.id.as_deref());
        if let (Some(ours), Some(theirs)) = (ours, id)
            && ours != theirs
        {
            let severity = std::mem::replace(&mut findings.severity, Severity::Problem);
            findings.add(words::other_cluster(place, theirs, ours, role));
            findings.severity = severity;
        }
    }

    fn address(&self, candidate: &Candidate) -> CheckedAddress {
        let heard = candidate.heard.as_ref().and_then(|one| one.as_ref().ok());
        CheckedAddress {
            address: candidate.address,
            answered_after: heard.map(|heard| heard.answered_after),
            apis: heard.map(|heard| self.apis(heard)).unwrap_or_default(),
        }
    }

    fn apis(&self, heard: &Heard) -> Vec<CheckedApi> {
        let api = |api: &ApiKey| CheckedApi {
            name: api.to_string(),
            broker: heard
                .versions
                .range(*api)
                .map(|range| (range.min, range.max)),
            used: heard.versions.pick(*api, api.versions()),
        };
        self.needed.iter().map(api).collect()
    }

    fn broker(&self, member: &Member) -> CheckedBroker {
        let told = &member.told;
        let id = told.node.0;
        let cluster = self.cluster.expect("a member is one of a cluster");
        let told_by = self.endpoints.get(cluster.told_by);
        let told_by = told_by.map(|one| one.address.to_string());
        let role = Role::Broker {
            id,
            told_by: told_by.as_deref().unwrap_or_default(),
        };
        let endpoint = member.endpoint.and_then(|index| self.endpoints.get(index));
        let server = match endpoint {
            Some(endpoint) => self.server(endpoint, &role, Severity::Problem),
            None => {
                let host = words::clean(&told.host);
                let mut findings = Findings {
                    severity: Severity::Problem,
                    subject: role.subject(&format!("{host}:{}", told.port)),
                    all: Vec::new(),
                };
                findings.add(words::impossible_address(&host, told.port, &role));
                CheckedServer {
                    host,
                    port: 0,
                    addresses: Vec::new(),
                    findings: findings.all,
                }
            }
        };
        CheckedBroker {
            id,
            rack: told.rack.as_deref().map(words::clean),
            server,
        }
    }

    /// Where more than one broker tells clients to connect, and which.
    fn shared_places(&self, cluster: &Cluster) -> Vec<(String, Vec<i32>)> {
        let mut ids: BTreeMap<usize, Vec<i32>> = BTreeMap::new();
        for member in &cluster.brokers {
            if let Some(endpoint) = member.endpoint {
                ids.entry(endpoint).or_default().push(member.told.node.0);
            }
        }
        let shared = ids.into_iter().filter(|(_, ids)| ids.len() > 1);
        let shared = shared.filter_map(|(endpoint, ids)| {
            let endpoint = self.endpoints.get(endpoint)?;
            Some((endpoint.address.to_string(), ids))
        });
        shared.collect()
    }

    fn cluster(&self, cluster: &Cluster) -> CheckedCluster {
        let mut findings = Findings {
            severity: Severity::Problem,
            subject: "cluster".to_owned(),
            all: Vec::new(),
        };
        if cluster.brokers.is_empty() {
            findings.add(words::no_brokers());
        }
        for (place, ids) in self.shared_places(cluster) {
            findings.add(words::shared_address(&place, &ids));
        }
        if !cluster.left_out.is_empty() {
            findings.add(words::left_out(cluster.left_out.len()));
        }
        let told_by = self.endpoints.get(cluster.told_by);
        CheckedCluster {
            id: cluster.id.clone(),
            controller: Some(cluster.controller).filter(|id| *id >= 0),
            told_by: told_by
                .map(|one| one.address.to_string())
                .unwrap_or_default(),
            findings: findings.all,
        }
    }
}

/// The findings about one thing.
pub(super) struct Findings {
    pub(super) severity: Severity,
    pub(super) subject: String,
    pub(super) all: Vec<Finding>,
}

/// What is wrong and what to do, without the thing that it is about.
pub(super) struct Complaint {
    pub(super) cause: Cause,
    pub(super) suspect: Suspect,
    pub(super) message: String,
    pub(super) advice: String,
}

impl Findings {
    /// What is as wrong with one address as with the one before it is one finding.
    pub(super) fn add(&mut self, complaint: Complaint) {
        let Complaint {
            cause,
            suspect,
            message,
            advice,
        } = complaint;
        let severity = self.severity;
        if let Some(last) = self.all.last_mut()
            && (last.cause, last.severity, &last.advice) == (cause, severity, &advice)
        {
            last.message += " ";
            last.message += &message;
            return;
        }
        self.all.push(Finding {
            severity,
            cause,
            suspect,
            subject: self.subject.clone(),
            message,
            advice,
        });
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::time::Duration;

    use super::super::{Settings, Told};
    use super::*;
    use crate::address::Address;
    use crate::check::probe::Spoken;
    use crate::ids::{NodeId, TopicId};
    use crate::protocol::error_code::ErrorCode;
    use crate::protocol::messages::{
        ApiVersionRange, MetadataBroker, MetadataPartition, MetadataResponse, MetadataTopic,
        Operations,
    };
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
        }
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// A broker of the cluster of this id.
    fn broker(id: &str, brokers: &[(i32, i32)]) -> Spoken {
        let apis = ApiKey::ALL.map(|api| ApiVersionRange {
            api_key: api.code(),
            min: 0,
            max: api.versions().max,
        });
        let broker = |(id, port): &(i32, i32)| MetadataBroker {
            node: NodeId(*id),
            host: "host".to_owned(),
            port: *port,
            rack: None,
        };
        Spoken {
            versions: ApiVersions::new(&apis),
            answered_after: Duration::ZERO,
            metadata: Ok(MetadataResponse {
                cluster_id: Some(id.to_owned()),
                brokers: brokers.iter().map(broker).collect(),
                ..MetadataResponse::default()
            }),
        }
    }

    /// The report of a check whose time was over before it began: nobody but these was heard, each
    /// at an address of its own behind the endpoint.
    fn report_of(ports: &[u16], heard: Vec<(usize, Result<Spoken, Failure>)>) -> CheckReport {
        let settings = settings(ports);
        let mut check = Check::new(&settings, Vec::new(), super::super::now());
        for server in &settings.servers {
            check.look_at(server.clone());
        }
        for (index, outcome) in heard {
            let port = 10_000 + u16::try_from(index).unwrap();
            check.take(Told::Resolved(index, Ok(vec![at(port)])));
            check.take(Told::Probed(index, at(port), Box::new(outcome)));
        }
        report(&check)
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
        let words = "Brokers 1 and 3 tell clients the same address, host:1:";
        assert!(finding.message.starts_with(words), "{finding:?}");
    }

    #[test]
    fn a_leader_that_was_not_looked_at_is_not_called_unreachable() {
        let settings = settings(&[1]);
        let mut check = Check::new(&settings, vec![Arc::from("orders")], super::super::now());
        check.look_at(settings.servers[0].clone());
        check.take(Told::Resolved(0, Ok(vec![at(1)])));
        let well = broker("one", &[(1, 1), (2, 2)]);
        check.take(Told::Probed(0, at(1), Box::new(Ok(well))));
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
        check.told_topics = Some(Ok(MetadataResponse {
            topics: vec![topic],
            ..MetadataResponse::default()
        }));
        let report = report(&check);
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
            let mut check = Check::new(&settings, vec![Arc::from("orders")], super::super::now());
            check.look_at(settings.servers[0].clone());
            check.take(Told::Resolved(0, Ok(vec![at(1)])));
            let well = broker("one", &[(1, 1)]);
            check.take(Told::Probed(0, at(1), Box::new(Ok(well))));
            check.told_topics = told.map(Err);
            let report = report(&check);
            assert_eq!(found(&report), [(Severity::Problem, Cause::NotChecked)]);
            let finding = report.findings().next().unwrap();
            format!("{} {}", finding.message, finding.advice)
        };
        for (told, words) in [
            (
                None,
                "127.0.0.1:1 had not answered about it when the time was over. Give the check",
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
        let mut check = Check::new(&settings, Vec::new(), super::super::now());
        check.look_at(settings.servers[0].clone());
        check.take(Told::Resolved(0, Ok(vec![at(1), at(2)])));
        check.take(Told::Probed(0, at(1), Box::new(Err(Failure::Closed))));
        let well = broker("one", &[(1, 1)]);
        check.take(Told::Probed(0, at(2), Box::new(Ok(well))));
        let report = report(&check);
        assert_eq!(found(&report), [(Severity::Warning, Cause::Closed); 2]);
    }
}

//! Judges the evidence: what is wrong, and how bad that is. Judging waits until everything is in,
//! because how bad one thing is depends on the others: a bootstrap server that is down is a warning
//! beside one that answers, and a problem otherwise.

use crate::sorted_map::SortedMap;

use super::evidence::{BrokerAnswer, Candidate, Cluster, Endpoint, Evidence, Member};
use super::findings::Findings;
use super::probe::Failure;
use super::report::{
    Cause, CheckReport, CheckedAddress, CheckedApi, CheckedBroker, CheckedCluster, CheckedServer,
    Severity, worst,
};
use super::settings::Settings;
use super::topics::{self, Answer, Reach, Reached};
use super::wording::{self, Role};
use crate::protocol::ApiKey;
use crate::protocol::version::ApiVersions;
use crate::sync::Arc;

/// The report on what was found. Its `took` is not known here.
pub(super) fn report(settings: &Settings, topics: &[Arc<str>], evidence: &Evidence) -> CheckReport {
    let judge = Judge {
        needed: needed(settings.idempotence),
        cluster: evidence.cluster.as_ref(),
        endpoints: &evidence.endpoints,
    };
    let servers = judge.servers(settings.servers.len());
    let (brokers, reached) = judge.brokers();
    let answer = match (&evidence.cluster, &evidence.topics) {
        (_, Some(Ok(metadata))) => Answer::Metadata(metadata),
        (Some(cluster), Some(Err(failure))) => Answer::Failed(cluster.asked, failure),
        (Some(cluster), None) => Answer::Late(cluster.asked),
        (None, _) => Answer::NobodyToAsk,
    };
    CheckReport {
        servers,
        cluster: judge.cluster.map(|cluster| judge.judge_as_a_whole(cluster)),
        brokers,
        topics: topics::checked(topics, &answer, &reached),
        took: std::time::Duration::ZERO,
    }
}

/// Whether topics can count on this broker.
fn reach(broker: &CheckedBroker) -> Reach {
    let findings = &broker.server.findings;
    match worst(findings) < Severity::Problem {
        true => Reach::Reached,
        false if findings.iter().any(|one| one.cause == Cause::NotChecked) => Reach::Unknown,
        false => Reach::Unreachable,
    }
}

/// The APIs that a producer uses, once it knows which versions a broker has.
fn needed(idempotence: bool) -> Vec<ApiKey> {
    let mut needed = vec![ApiKey::Produce, ApiKey::Metadata];
    if idempotence {
        needed.push(ApiKey::InitProducerId);
    }
    needed
}

/// Judges one thing after the other, with a view of the others.
struct Judge<'a> {
    needed: Vec<ApiKey>,
    cluster: Option<&'a Cluster>,
    endpoints: &'a [Endpoint],
}

impl Judge<'_> {
    /// The entries of `bootstrap.servers`, which are the first `count` endpoints.
    fn servers(&self, count: usize) -> Vec<CheckedServer> {
        let endpoints = || self.endpoints.iter().take(count);
        // A producer needs one of them; the others are something to fall back on.
        let severity = match endpoints().any(|endpoint| self.is_usable(endpoint)) {
            true => Severity::Warning,
            false => Severity::Problem,
        };
        endpoints()
            .map(|endpoint| self.server(endpoint, &Role::Bootstrap, severity))
            .collect()
    }

    /// The brokers of the cluster, and which of them can be reached.
    fn brokers(&self) -> (Vec<CheckedBroker>, Reached) {
        let members = self.cluster.iter().flat_map(|cluster| &cluster.brokers);
        let brokers: Vec<_> = members.map(|member| self.broker(member)).collect();
        let mut reached: Reached = brokers.iter().map(|one| (one.id, reach(one))).collect();
        let left_out = self.cluster.iter().flat_map(|cluster| &cluster.left_out);
        for id in left_out {
            reached.insert(*id, Reach::Unknown);
        }
        (brokers, reached)
    }

    /// Whether a producer can begin with this server.
    fn is_usable(&self, endpoint: &Endpoint) -> bool {
        let Some(Ok(candidates)) = &endpoint.resolved else {
            return false;
        };
        candidates.iter().any(|one| self.is_well(one))
    }

    fn is_well(&self, candidate: &Candidate) -> bool {
        let Some(Ok(answer)) = &candidate.outcome else {
            return false;
        };
        answer.cluster_id.is_ok() && self.missing_apis(&answer.versions).next().is_none()
    }

    /// The APIs that a producer needs and that have no version in common with this broker.
    fn missing_apis(&self, versions: &ApiVersions) -> impl Iterator<Item = ApiKey> {
        let has_common_version = |api: &ApiKey| versions.pick(*api, api.versions()).is_some();
        self.needed
            .iter()
            .copied()
            .filter(move |api| !has_common_version(api))
    }

    fn server(&self, endpoint: &Endpoint, role: &Role<'_>, severity: Severity) -> CheckedServer {
        let subject = role.subject(&endpoint.address.to_string());
        let mut findings = Findings::new(severity, subject);
        let mut addresses = Vec::new();
        match &endpoint.resolved {
            None => findings.add(wording::not_resolved_in_time(&endpoint.address.host)),
            Some(Err(error)) => {
                findings.add(wording::unresolved(&endpoint.address.host, error, role));
            }
            Some(Ok(candidates)) if candidates.is_empty() => {
                findings.add(wording::without_address(&endpoint.address.host, role));
            }
            Some(Ok(candidates)) => {
                if candidates.iter().any(|one| self.is_well(one)) {
                    findings.severity = Severity::Warning;
                }
                for candidate in candidates {
                    self.judge_candidate(candidate, role, &mut findings);
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

    fn judge_candidate(&self, candidate: &Candidate, role: &Role<'_>, findings: &mut Findings) {
        let address = candidate.address.to_string();
        let answer = match &candidate.outcome {
            None => return findings.add(wording::not_tried(&address)),
            Some(Err(failure)) => return findings.add(wording::failed(&address, failure, role)),
            Some(Ok(answer)) => answer,
        };
        let before = findings.all.len();
        let has = |api| answer.versions.range(api).is_some();
        if !has(ApiKey::Produce) && !has(ApiKey::Metadata) {
            return findings.add(wording::not_for_clients(&address, role));
        }
        for api in self.missing_apis(&answer.versions) {
            findings.add(wording::version(&address, api, answer.versions.range(api)));
        }
        let said_already = findings.all.len() > before;
        match &answer.cluster_id {
            Err(Failure::NoVersion(_)) if said_already => {}
            Err(failure) => findings.add(wording::gave_no_metadata(&address, failure, role)),
            Ok(id) => self.judge_cluster(&address, id.as_deref(), role, findings),
        }
    }

    /// Whether this broker is in the same cluster as the others. If not, that is a problem even
    /// beside servers that are well: a producer uses the first server that answers, and would write
    /// its records to the wrong cluster.
    fn judge_cluster(
        &self,
        address: &str,
        id: Option<&str>,
        role: &Role<'_>,
        findings: &mut Findings,
    ) {
        let ours = self.cluster.and_then(|cluster| cluster.id.as_deref());
        if let (Some(ours), Some(theirs)) = (ours, id)
            && ours != theirs
        {
            let severity = std::mem::replace(&mut findings.severity, Severity::Problem);
            findings.add(wording::other_cluster(address, theirs, ours, role));
            findings.severity = severity;
        }
    }

    fn address(&self, candidate: &Candidate) -> CheckedAddress {
        let answer = candidate.outcome.as_ref().and_then(|one| one.as_ref().ok());
        CheckedAddress {
            address: candidate.address,
            answered_after: answer.map(|answer| answer.answered_after),
            apis: answer.map(|answer| self.apis(answer)).unwrap_or_default(),
        }
    }

    fn apis(&self, answer: &BrokerAnswer) -> Vec<CheckedApi> {
        let api = |api: &ApiKey| CheckedApi {
            name: api.to_string(),
            broker: answer
                .versions
                .range(*api)
                .map(|range| (range.min, range.max)),
            used: answer.versions.pick(*api, api.versions()),
        };
        self.needed.iter().map(api).collect()
    }

    fn broker(&self, member: &Member) -> CheckedBroker {
        let described = &member.described;
        let id = described.node.0;
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
                let host = wording::clean(&described.host);
                let subject = role.subject(&format!("{host}:{}", described.port));
                let mut findings = Findings::new(Severity::Problem, subject);
                findings.add(wording::impossible_address(&host, described.port, &role));
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
            rack: described.rack.as_deref().map(wording::clean),
            server,
        }
    }

    /// The addresses that more than one broker advertises, and the ids of these brokers.
    fn shared_addresses(&self, cluster: &Cluster) -> Vec<(String, Vec<i32>)> {
        let mut ids: SortedMap<usize, Vec<i32>> = SortedMap::new();
        for member in &cluster.brokers {
            if let Some(endpoint) = member.endpoint {
                ids.get_or_insert_with(endpoint, Vec::new)
                    .push(member.described.node.0);
            }
        }
        let shared = ids.into_iter().filter(|(_, ids)| ids.len() > 1);
        let shared = shared.filter_map(|(endpoint, ids)| {
            let endpoint = self.endpoints.get(endpoint)?;
            Some((endpoint.address.to_string(), ids))
        });
        shared.collect()
    }

    fn judge_as_a_whole(&self, cluster: &Cluster) -> CheckedCluster {
        let mut findings = Findings::new(Severity::Problem, "cluster".to_owned());
        if cluster.brokers.is_empty() {
            findings.add(wording::no_brokers());
        }
        for (address, ids) in self.shared_addresses(cluster) {
            findings.add(wording::shared_address(&address, &ids));
        }
        if !cluster.left_out.is_empty() {
            findings.add(wording::left_out(cluster.left_out.len()));
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

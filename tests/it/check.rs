//! A check of the cluster: what it finds on good clusters and bad ones, and on ports that are no
//! brokers, and that it keeps to its time and harms nothing.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use linger::check::{Cause, CheckReport, Finding, Severity, Suspect};
use linger::testing::{Api, MockCluster, MockClusterBuilder};
use linger::{ErrorCode, ErrorKind, Producer, ProducerRecord, Properties};

use crate::fakes::{DeafPort, Fake, Manner};
use crate::observe::timed;
use crate::support::{PATIENCE, Setup, send_all};

fn producer_of(servers: &str) -> Producer<str, str> {
    let properties = Properties::new()
        .set("bootstrap.servers", servers)
        .set("key.serializer", "string")
        .set("value.serializer", "string");
    Producer::new(&properties).unwrap()
}

fn check_of(servers: &str, topics: &[&str], timeout: Duration) -> CheckReport {
    producer_of(servers).check_topics(topics, timeout).unwrap()
}

fn check(cluster: &MockCluster, topics: &[&str]) -> CheckReport {
    check_of(&cluster.bootstrap_servers(), topics, PATIENCE)
}

fn causes(report: &CheckReport) -> Vec<Cause> {
    report.findings().map(|finding| finding.cause).collect()
}

fn find(report: &CheckReport, cause: Cause) -> &Finding {
    let mut found = report.findings().filter(|finding| finding.cause == cause);
    let first = found.next();
    assert!(found.next().is_none(), "{report}");
    first.unwrap_or_else(|| panic!("no {cause:?} in {report}"))
}

/// The only thing wrong in the report.
fn only(report: &CheckReport, cause: Cause) -> &Finding {
    assert_eq!(causes(report), [cause], "{report}");
    find(report, cause)
}

/// Where nobody listens, for as long as the cluster lives.
fn refusing() -> (MockCluster, String) {
    let cluster = MockCluster::start().unwrap();
    cluster.stop_broker(1);
    let address = cluster.address(1);
    (cluster, address)
}

fn port(address: &str) -> u16 {
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// A label of more than 63 characters is no name, so the resolver asks nobody about it.
fn no_name() -> String {
    "x".repeat(64)
}

#[test]
fn nothing_is_wrong_with_a_good_cluster() {
    let cluster = MockCluster::builder().brokers(3).topic("orders", 6);
    let cluster = cluster.start().unwrap();
    let report = check(&cluster, &["orders"]);
    assert_eq!(causes(&report), [], "{report}");
    assert!(report.is_healthy());
    assert_eq!(report.severity(), Severity::Ok);

    let places: Vec<_> = (1..=3).map(|node| cluster.address(node)).collect();
    let place = |server: &linger::check::CheckedServer| format!("{}:{}", server.host, server.port);
    assert!(report.servers.iter().map(place).eq(places.iter().cloned()));
    let told = report.cluster.as_ref().unwrap();
    assert_eq!(told.controller, Some(1));
    assert!(places.contains(&told.told_by), "{told:?}");
    for (id, (broker, at)) in (1..).zip(report.brokers.iter().zip(&places)) {
        assert_eq!((broker.id, place(&broker.server)), (id, at.clone()));
        let [address] = &broker.server.addresses[..] else {
            panic!("{broker:?}");
        };
        assert_eq!(address.address.to_string(), *at);
        assert!(address.answered_after.is_some());
        let produce = address.apis.iter().find(|api| api.name == "Produce");
        assert_eq!(produce.unwrap().used, Some(13));
    }
    let [topic] = &report.topics[..] else {
        panic!("{:?}", report.topics);
    };
    assert_eq!((topic.name.as_str(), topic.partitions), ("orders", 6));
    assert_eq!(topic.may_write, Some(true));
}

#[test]
fn more_brokers_are_looked_at_than_at_once() {
    let cluster = MockCluster::builder().brokers(80).start().unwrap();
    let report = check_of(&cluster.address(7), &[], PATIENCE);
    assert_eq!(causes(&report), [], "{report}");
    assert_eq!(report.brokers.len(), 80);
}

#[test]
fn without_topics_of_its_own_it_looks_at_those_that_were_sent_to() {
    let (_cluster, producer) = Setup::new().set("linger.ms", 0).start();
    assert_eq!(producer.check(PATIENCE).unwrap().topics, []);
    send_all(&producer, "orders", &["value"]);
    let report = producer.check(PATIENCE).unwrap();
    assert_eq!(report.topics[0].name, "orders");
    assert!(report.is_healthy(), "{report}");
}

#[test]
fn it_also_looks_at_topics_that_were_sent_to_in_vain() {
    let (cluster, producer) = Setup::new().start();
    let code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    let rule = cluster.on(Api::Metadata).topic("orders");
    rule.always().answer(code);
    let record = ProducerRecord::new("orders", "value");
    producer.send(record, |_| {}).unwrap_err();
    only(
        &producer.check(PATIENCE).unwrap(),
        Cause::TopicRefused(code),
    );
}

/// Nobody has ever answered, so nothing is known of the topic but that it was wanted.
#[test]
fn it_also_looks_at_topics_that_were_sent_to_while_nobody_answered() {
    let (_cluster, address) = refusing();
    let producer = producer_of(&address);
    let record = ProducerRecord::new("orders", "value");
    producer.try_send(record, |_| {}).unwrap_err();
    let report = producer.check(PATIENCE).unwrap();
    let names: Vec<_> = report.topics.iter().map(|topic| &topic.name).collect();
    assert_eq!(names, ["orders"], "{report}");
    assert_eq!(causes(&report), [Cause::Refused, Cause::NotChecked]);
}

#[test]
fn a_topic_that_is_missing_is_a_problem_and_is_not_made() {
    let cluster = MockCluster::start().unwrap();
    for _ in 0..2 {
        let report = check(&cluster, &["payments", "payments"]);
        let finding = only(&report, Cause::UnknownTopic);
        assert_eq!(finding.severity, Severity::Problem);
        assert_eq!(finding.subject, "topic payments");
        assert!(finding.advice.contains("--create"), "{finding:?}");
        assert!(!report.is_healthy());
    }
}

#[test]
fn a_name_that_no_topic_can_have_is_asked_of_nobody() {
    let cluster = MockCluster::builder().topic("orders", 1).start().unwrap();
    let long = "x".repeat(70_000);
    let report = check(&cluster, &["a b\u{1b}[31m", &long, "orders"]);
    let expected = [Cause::IllegalTopicName; 2];
    assert_eq!(causes(&report), expected);
    assert!(!report.to_string().contains('\u{1b}'));
    assert_eq!(report.topics[2].partitions, 1);
}

#[test]
fn topics_that_brokers_refuse_come_with_the_code() {
    let cluster = MockCluster::builder().topic("orders", 1).start().unwrap();
    let code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    cluster.on(Api::Metadata).topic("orders").answer(code);
    let report = check(&cluster, &["orders"]);
    let finding = only(&report, Cause::TopicRefused(code));
    assert_eq!(finding.suspect, Suspect::Cluster);
    assert!(finding.advice.contains("kafka-acls.sh"), "{finding:?}");
}

#[test]
fn partitions_without_a_leader_are_named() {
    let cluster = MockCluster::builder().topic("orders", 6).start().unwrap();
    for partition in [0, 1, 2, 5] {
        cluster.remove_leader("orders", partition);
    }
    let report = check(&cluster, &["orders"]);
    let finding = only(&report, Cause::NoLeader);
    let words = "Partitions 0 to 2, 5 have no leader";
    assert!(finding.message.starts_with(words), "{finding:?}");
    assert_eq!(report.topics[0].without_leader, [0, 1, 2, 5]);
}

#[test]
fn a_port_where_nobody_listens_is_named() {
    let (_refusing, dead) = refusing();
    let report = check_of(&dead, &["orders"], PATIENCE);
    assert_eq!(causes(&report), [Cause::Refused, Cause::NotChecked]);
    let finding = find(&report, Cause::Refused);
    assert_eq!(finding.severity, Severity::Problem);
    assert_eq!(finding.suspect, Suspect::Client);
    assert_eq!(finding.subject, format!("bootstrap server {dead}"));
    assert!(finding.message.contains(&dead), "{finding:?}");
    assert!(finding.advice.contains("bootstrap.servers"), "{finding:?}");
    assert_eq!(report.cluster, None);
}

#[test]
fn a_bootstrap_server_that_is_down_beside_one_that_is_not_is_a_warning() {
    let (_refusing, dead) = refusing();
    let cluster = MockCluster::start().unwrap();
    let servers = format!("{dead},{}", cluster.bootstrap_servers());
    let report = check_of(&servers, &[], PATIENCE);
    assert_eq!(only(&report, Cause::Refused).severity, Severity::Warning);
    assert!(report.is_healthy());
}

#[test]
fn a_name_that_does_not_resolve_is_named() {
    let report = check_of(&format!("{}:9092", no_name()), &[], PATIENCE);
    let finding = only(&report, Cause::Unresolved);
    assert!(finding.message.contains(&no_name()), "{finding:?}");
    assert!(finding.advice.contains("bootstrap.servers"), "{finding:?}");
}

#[test]
fn an_advertised_name_that_does_not_resolve_is_the_brokers_fault() {
    let cluster = MockCluster::builder().brokers(2).topic("orders", 4);
    let cluster = cluster.start().unwrap();
    cluster.advertise(2, &no_name(), 9092);
    let report = check(&cluster, &["orders"]);
    let expected = [Cause::Unresolved, Cause::LeaderUnreachable];
    assert_eq!(causes(&report), expected, "{report}");
    let finding = find(&report, Cause::Unresolved);
    assert_eq!(finding.severity, Severity::Problem);
    assert_eq!(finding.suspect, Suspect::Cluster);
    assert_eq!(finding.subject, format!("broker 2 at {}:9092", no_name()));
    assert!(
        finding.advice.contains("advertised.listeners"),
        "{finding:?}"
    );
    assert_eq!(report.topics[0].with_unreachable_leader.len(), 2);
}

#[test]
fn an_advertised_port_where_nobody_listens_is_the_brokers_fault() {
    let (_refusing, dead) = refusing();
    let cluster = MockCluster::builder().brokers(2).start().unwrap();
    cluster.advertise(2, "127.0.0.1", port(&dead));
    let report = check(&cluster, &[]);
    let finding = only(&report, Cause::Refused);
    assert_eq!(finding.severity, Severity::Problem);
    assert_eq!(finding.suspect, Suspect::Cluster);
    assert!(
        finding.advice.contains("advertised.listeners"),
        "{finding:?}"
    );
}

#[test]
fn brokers_that_tell_clients_the_same_address_are_named() {
    let cluster = MockCluster::builder().brokers(3).start().unwrap();
    cluster.advertise(3, "127.0.0.1", port(&cluster.address(1)));
    let report = check(&cluster, &[]);
    let finding = only(&report, Cause::SharedAddress);
    assert_eq!(finding.severity, Severity::Problem);
    assert_eq!(finding.subject, "cluster");
    let words = format!(
        "Brokers 1 and 3 advertise the same address, {}:",
        cluster.address(1)
    );
    assert!(finding.message.starts_with(&words), "{finding:?}");
}

#[test]
fn an_advertised_address_that_is_none_is_shown_without_its_tricks() {
    for (host, port) in [
        ("evil\u{1b}[31m\n", 9092),
        ("evil\u{202e}", 9092),
        ("", 9092),
        ("host", 0),
    ] {
        let cluster = MockCluster::start().unwrap();
        cluster.advertise(1, host, port);
        let report = check(&cluster, &[]);
        only(&report, Cause::ImpossibleAddress);
        assert!(!report.to_string().contains(['\u{1b}', '\u{202e}']));
    }
}

#[test]
fn ports_that_are_no_brokers_are_recognised() {
    let says = |bytes: &[u8]| Manner::Says(bytes.to_vec());
    let alert = [21, 3, 3, 0, 2, 2, 80];
    for (manner, cause, words) in [
        (
            says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            Cause::SpeaksHttp,
            "web server",
        ),
        (says(&alert), Cause::SpeaksTls, "TLS"),
        (
            says(b"SSH-2.0-OpenSSH_9.6\r\n"),
            Cause::NotKafka,
            "speaks SSH",
        ),
        (says(&[0xfe; 4_000]), Cause::NotKafka, "-16843010 bytes"),
        (
            says(&i32::MAX.to_be_bytes()),
            Cause::NotKafka,
            "2147483647 bytes",
        ),
        (says(&[0; 4]), Cause::NotKafka, "0 bytes that are none"),
        (
            says(b"\0\0\0\x04abcd"),
            Cause::NotKafka,
            "request 1633837924",
        ),
        (Manner::Closes, Cause::Closed, "closes the connection"),
        // It wants TLS, and says so to who speaks it only.
        (
            Manner::Understands(&[22, 3, 1], alert.to_vec(), true),
            Cause::SpeaksTls,
            "TLS",
        ),
    ] {
        let fake = Fake::start(manner);
        let report = check_of(&fake.address(), &[], PATIENCE);
        let finding = only(&report, cause);
        assert!(finding.message.contains(words), "{finding:?}");
        assert!(finding.message.contains(&fake.address()), "{finding:?}");
        assert_eq!(report.servers[0].addresses[0].answered_after, None);
    }
}

#[test]
fn whoever_never_answers_is_named_when_the_time_is_over() {
    let deaf = DeafPort::open();
    let silent = Fake::start(Manner::IsSilent);
    // It waits for the end of a line before it says that it is a web server.
    let ok = b"HTTP/1.0 200 OK\r\n\r\n".to_vec();
    let patient = Fake::start(Manner::Understands(b"HEAD / HTTP/1.0\r\n", ok, false));
    let cluster = MockCluster::builder().brokers(2).start().unwrap();
    cluster.pause_broker(2);
    let mut addresses = vec![deaf.address(), silent.address(), patient.address()];
    addresses.extend([2, 1].map(|node| cluster.address(node)));
    let expected = [
        (Cause::ConnectTimedOut, Severity::Warning),
        (Cause::Silent, Severity::Warning),
        (Cause::SpeaksHttp, Severity::Warning),
        (Cause::Silent, Severity::Warning),
        // The broker, where it tells clients to connect.
        (Cause::Silent, Severity::Problem),
    ];
    // On a machine that stands still for a moment, who can answer may be late, too.
    let limits = [2, 4, 8, 16].map(Duration::from_secs);
    let mut seen = Vec::new();
    for limit in limits {
        let report = check_of(&addresses.join(","), &[], limit);
        let found = report.findings().map(|one| (one.cause, one.severity));
        if found.eq(expected) {
            return;
        }
        seen.push(report.to_string());
    }
    panic!("{}", seen.join("\n"));
}

/// Measures again and again until a check was on time. That a machine stands still for a moment is
/// not its fault, but it does not do so each time.
fn assert_on_time(limit: Duration, measure: impl Fn() -> Duration) {
    const TOLERANCE: Duration = Duration::from_secs(2);
    let mut late = Vec::new();
    for _ in 0..5 {
        let took = measure();
        if took <= limit + TOLERANCE {
            return;
        }
        late.push(took);
    }
    panic!("always late: {late:?}");
}

#[test]
fn however_many_are_silent_it_is_back_in_time() {
    let silent: Vec<Fake> = (0..100).map(|_| Fake::start(Manner::IsSilent)).collect();
    let addresses: Vec<String> = silent.iter().map(Fake::address).collect();
    let producer = producer_of(&addresses.join(","));
    for limit in [Duration::ZERO, Duration::from_millis(300)] {
        assert_on_time(limit, || {
            let (report, took) = timed(|| producer.check_topics(&["orders"], limit).unwrap());
            assert!(!report.is_healthy());
            assert_eq!(report.servers.len(), 100);
            took
        });
    }
}

#[test]
fn a_time_without_end_is_no_trouble() {
    let cluster = MockCluster::start().unwrap();
    let servers = cluster.bootstrap_servers();
    assert!(check_of(&servers, &[], Duration::MAX).is_healthy());
}

#[test]
fn brokers_that_are_too_old_or_too_new_are_told_apart() {
    let check_with = |change: fn(MockClusterBuilder) -> MockClusterBuilder| {
        let cluster = change(MockCluster::builder()).start().unwrap();
        check(&cluster, &[])
    };
    let report = check_with(|cluster| cluster.versions(Api::Produce, 0..=2));
    let words = "speaks Produce in versions 0 to 2, and this crate in 3 to 13.";
    for finding in report.findings() {
        assert_eq!(finding.cause, Cause::BrokerTooOld);
        assert!(finding.message.ends_with(words), "{finding:?}");
    }
    assert_eq!(
        report.findings().count(),
        2,
        "as bootstrap server and as broker"
    );
    let report = check_with(|cluster| cluster.versions(Api::Metadata, 0..=3));
    assert_eq!(causes(&report), [Cause::BrokerTooOld]);
    let report = check_with(|cluster| cluster.versions(Api::Produce, 14..=15));
    assert_eq!(causes(&report), [Cause::BrokerTooNew; 2]);
}

#[test]
fn brokers_that_answer_no_question_about_versions_are_named() {
    let cluster = MockCluster::builder().versions(Api::ApiVersions, 50..=51);
    let cluster = cluster.start().unwrap();
    only(&check(&cluster, &[]), Cause::BrokerTooOld);

    let cluster = MockCluster::start().unwrap();
    let code = ErrorCode::INVALID_REQUEST;
    cluster.on(Api::ApiVersions).always().answer(code);
    only(&check(&cluster, &[]), Cause::BrokerRefused(code));
}

#[test]
fn old_brokers_do_not_tell_whether_one_may_write() {
    let cluster = MockCluster::builder().topic("orders", 1);
    let cluster = cluster.versions(Api::Metadata, 0..=7).start().unwrap();
    let report = check(&cluster, &["orders"]);
    assert_eq!(report.topics[0].may_write, None);
    assert!(report.is_healthy(), "{report}");
}

#[test]
fn a_broker_that_tells_nothing_before_a_login_is_recognised() {
    let cluster = MockCluster::start().unwrap();
    cluster.on(Api::Metadata).always().close_before();
    only(&check(&cluster, &[]), Cause::WantsLogin);
}

#[test]
fn junk_in_place_of_metadata_does_no_harm() {
    let frame = |body: &[u8]| {
        let length = i32::try_from(body.len()).unwrap().to_be_bytes();
        [&length, body].concat()
    };
    for junk in [
        frame(&[0xff; 200]),
        frame(b""),
        (100_i32 << 20).to_be_bytes().to_vec(),
        i32::MIN.to_be_bytes().to_vec(),
    ] {
        let cluster = MockCluster::builder().topic("orders", 1).start().unwrap();
        // First to everybody, then only to who asks for topics.
        for skip in [0, 1] {
            cluster.clear_faults();
            cluster
                .on(Api::Metadata)
                .skip(skip)
                .always()
                .garbage(&junk[..]);
            // One of them begins a frame that never ends.
            let limit = Duration::from_secs(2);
            let report = check_of(&cluster.bootstrap_servers(), &["orders"], limit);
            assert!(!report.is_healthy(), "{report}");
        }
    }
}

#[test]
fn it_works_while_the_producer_is_stuck_and_after_its_end() {
    let (_cluster, producer) = Setup::new().set("linger.ms", 0).start();
    let (release, released) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let callback = move |_| {
        tell.send(()).unwrap();
        released.recv().unwrap_err();
    };
    let record = ProducerRecord::new("orders", "holds up");
    producer.send(record, callback).unwrap();
    told.recv_timeout(PATIENCE).unwrap();
    assert!(producer.check(PATIENCE).unwrap().is_healthy());
    drop(release);
    producer.close().unwrap();
    assert!(producer.check(PATIENCE).unwrap().is_healthy());
}

#[test]
fn it_is_refused_inside_a_callback() {
    let (_cluster, producer) = Setup::new().set("linger.ms", 0).start();
    let (tell, told) = mpsc::channel();
    let inside = producer.clone();
    let callback = move |_| tell.send(inside.check(PATIENCE)).unwrap();
    producer
        .send(ProducerRecord::new("orders", "value"), callback)
        .unwrap();
    let error = told.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
}

#[test]
fn checks_of_many_threads_do_not_disturb_sending() {
    // A topic that is only being made would be found missing.
    let (cluster, producer) = Setup::new().topic("orders", 1).set("linger.ms", 0).start();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(producer.check(PATIENCE).unwrap().is_healthy()));
        }
        send_all(&producer, "orders", &["one", "two", "three"]);
    });
    assert_eq!(cluster.records("orders", 0).len(), 3);
    assert_eq!(cluster.violations(), [""; 0]);
}

//! The cluster is another one: it was deleted and made anew at the same addresses, or an address leads
//! to another one now. The new cluster gives the producer's id to somebody else, and would take its
//! batches for repeats of theirs.

use linger::testing::{Api, MockCluster, MockRequestContent};
use linger::{ErrorKind, Fate, Producer, ProducerRecord, Properties};

use crate::logged::{is_logged, keep_log};
use crate::support::{Outcomes, Setup, produced, values, wait_for_records};

fn setup() -> Setup {
    Setup::new()
        .topic("t", 1)
        .set("linger.ms", 0)
        .set("retry.backoff.ms", 5)
        .set("reconnect.backoff.ms", 5)
}

fn another_producer(cluster: &MockCluster) -> Producer<str, str> {
    let properties = Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("key.serializer", "string")
        .set("value.serializer", "string");
    Producer::new(&properties).unwrap()
}

/// One after the other; gives the values that were acknowledged. What failed may be written.
fn send_each(producer: &Producer<str, str>, values: impl Iterator<Item = String>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for value in values {
        match producer.send_wait(ProducerRecord::new("t", &*value)) {
            Ok(_) => acknowledged.push(value),
            Err(error) => assert_eq!(error.fate(), Fate::MayBeWritten, "{error}"),
        }
    }
    acknowledged
}

/// What a producer acknowledges after its cluster was made anew is in the log, although another one has
/// its id there.
fn assert_nothing_acknowledged_is_missing(setup: Setup) {
    let (cluster, producer) = setup.start();
    let all = |name: &str, from: i32, to: i32| -> Vec<String> {
        (from..to).map(|number| format!("{name}{number}")).collect()
    };
    let first = send_each(&producer, all("p", 0, 5).into_iter());
    assert_eq!(first, all("p", 0, 5));
    let id = cluster.batches("t", 0)[0].producer_id;
    cluster.make_anew().unwrap();
    let other = another_producer(&cluster);
    let mut expected = send_each(&other, all("q", 0, 10).into_iter());
    assert_eq!(expected, all("q", 0, 10));
    assert_eq!(cluster.batches("t", 0)[0].producer_id, id, "the same id");
    expected.extend(send_each(&producer, all("p", 5, 12).into_iter()));
    assert_eq!(values(&cluster, "t", 0), expected);
    assert_eq!(expected.last().map(String::as_str), Some("p11"));
    assert_eq!(cluster.violations(), Vec::<String>::new());
}

#[test]
fn nothing_acknowledged_is_missing_from_a_cluster_that_was_made_anew() {
    assert_nothing_acknowledged_is_missing(setup());
}

#[test]
fn nor_if_its_brokers_do_not_compare_clusters() {
    // Kafka 4.3 and 2.1.
    assert_nothing_acknowledged_is_missing(
        setup().cluster(|cluster| cluster.versions(Api::ApiVersions, 0..=4)),
    );
    assert_nothing_acknowledged_is_missing(setup().cluster(|cluster| {
        cluster
            .without_topic_ids()
            .versions(Api::ApiVersions, 0..=2)
            .versions(Api::Metadata, 4..=7)
            .versions(Api::Produce, 3..=7)
    }));
}

#[test]
fn nor_if_the_producer_must_not_tell_what_it_means_or_not_start_over() {
    assert_nothing_acknowledged_is_missing(setup().set("metadata.cluster.check.enable", false));
    assert_nothing_acknowledged_is_missing(setup().set("metadata.recovery.strategy", "none"));
}

#[test]
fn what_the_old_cluster_may_have_fails_and_what_was_never_sent_goes_to_the_new_one() {
    keep_log();
    let (cluster, producer) = setup().start();
    let old = cluster.cluster_id().unwrap();
    cluster.on(Api::Produce).silence_after();
    let outcomes = Outcomes::new();
    let send = |value: &'static str| {
        let record = ProducerRecord::new("t", value);
        producer.send(record, outcomes.callback(value)).unwrap();
    };
    send("written");
    wait_for_records(&cluster, "t", 1);
    send("never sent");
    cluster.make_anew().unwrap();
    let (value, result) = outcomes.next();
    let error = result.unwrap_err();
    assert_eq!((value, error.fate()), ("written", Fate::MayBeWritten));
    assert!(error.to_string().contains("cluster"), "{error}");
    assert_eq!(outcomes.acknowledged(1)[0].0, "never sent");
    assert_eq!(values(&cluster, "t", 0), ["never sent"]);
    let new = cluster.cluster_id().unwrap();
    assert!(is_logged(&["WARN", &old, &new]), "both are named");
}

/// Half of the cluster may be gone for a while: as long as one of its brokers answers, it is the cluster.
#[test]
fn what_waits_for_an_address_that_leads_to_another_cluster_is_not_sent_there() {
    let other = MockCluster::builder().topic("t", 2).start().unwrap();
    let (cluster, producer) = setup()
        .brokers(2)
        .cluster(|cluster| cluster.topic("two", 2))
        .set("request.timeout.ms", 400)
        .set("delivery.timeout.ms", 500)
        .start();
    let (host, port) = other.bootstrap_servers().split_once(':').map_or_else(
        || panic!("an address has a port"),
        |(host, port)| (host.to_owned(), port.parse().unwrap()),
    );
    cluster.advertise(2, &host, port);
    let to = |partition| ProducerRecord::new("two", "a").partition(partition);
    producer.send_wait(to(0)).unwrap();
    let error = producer.send_wait(to(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert_eq!(error.fate(), Fate::NotWritten, "{error}");
    let text = error.to_string();
    assert!(text.contains("not broker 2 of cluster"), "{text}");
    producer.send_wait(to(0)).unwrap();
    assert_eq!(produced(&other), []);
    assert_eq!(values(&cluster, "two", 0), ["a", "a"]);
}

/// The first to answer is the cluster; when none of its brokers is left, the other one is.
#[test]
fn of_two_clusters_in_one_list_one_gets_everything_and_the_other_takes_over() {
    let clusters = [(); 2].map(|()| MockCluster::builder().topic("t", 1).start().unwrap());
    let list = clusters.each_ref().map(MockCluster::bootstrap_servers);
    let properties = Properties::new()
        .set("bootstrap.servers", list.join(","))
        .set("key.serializer", "string")
        .set("value.serializer", "string")
        .set("reconnect.backoff.ms", 5)
        .set("retry.backoff.ms", 5);
    let producer = Producer::new(&properties).unwrap();
    let numbers = |range: std::ops::Range<i32>| range.map(|number| number.to_string());
    let first = send_each(&producer, numbers(0..5));
    assert_eq!(first.len(), 5);
    let is_chosen = |cluster: &&MockCluster| !cluster.records("t", 0).is_empty();
    let [chosen, other] = &clusters;
    let (chosen, other) = match is_chosen(&chosen) {
        true => (chosen, other),
        false => (other, chosen),
    };
    assert_eq!(values(chosen, "t", 0), first);
    assert_eq!(values(other, "t", 0), Vec::<String>::new());
    chosen.stop_broker(1);
    let second = send_each(&producer, numbers(5..10));
    assert_eq!(values(other, "t", 0), second);
    assert_eq!(second.last().map(String::as_str), Some("9"));
}

#[test]
fn brokers_are_told_which_cluster_and_broker_is_meant_unless_the_producer_must_not() {
    for (property, value, is_told) in [
        ("metadata.cluster.check.enable", "true", true),
        ("metadata.cluster.check.enable", "false", false),
        ("metadata.recovery.strategy", "none", false),
    ] {
        let (cluster, producer) = setup().set(property, value).start();
        producer.send_wait(ProducerRecord::new("t", "a")).unwrap();
        let requests = cluster.requests().into_iter();
        let named: Vec<_> = requests
            .filter_map(|request| match request.content {
                MockRequestContent::ApiVersions {
                    cluster_id, node, ..
                } => Some((cluster_id, node)),
                _ => None,
            })
            .collect();
        assert_eq!(named[0], (None, -1), "a bootstrap address is nobody's");
        let told = if is_told {
            (cluster.cluster_id(), 1)
        } else {
            (None, -1)
        };
        assert_eq!(named[1], told, "{property}={value}");
    }
}

/// Of such brokers nobody can tell whether they are others. This is what GUARANTEES says remains.
#[test]
fn brokers_that_name_no_cluster_are_taken_for_the_right_ones() {
    let (cluster, producer) = setup()
        .cluster(|cluster| cluster.without_cluster_id())
        .start();
    producer.send_wait(ProducerRecord::new("t", "a")).unwrap();
    cluster.close_connections(1);
    producer.send_wait(ProducerRecord::new("t", "b")).unwrap();
    assert_eq!(values(&cluster, "t", 0), ["a", "b"]);
}

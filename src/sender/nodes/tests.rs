//! Brokers alone: which one is asked, which pauses they make, and when they count as stuck.

use super::*;
use crate::error::ErrorKind;
use crate::sorted_map::SortedMap;

#[expect(clippy::disallowed_methods, reason = "an Instant has no other source")]
fn now() -> Instant {
    Instant::now()
}

fn address(port: u16) -> Address {
    Address {
        host: "localhost".to_owned(),
        port,
    }
}

const PAUSE: Duration = Duration::from_millis(100);

fn nodes(now: Instant, ports: &[u16]) -> Nodes {
    let bootstrap = ports.iter().map(|port| address(*port));
    let backoff = Backoff {
        initial: PAUSE,
        max: PAUSE,
    };
    Nodes::new(
        now,
        &Settings {
            bootstrap: bootstrap.collect(),
            retries: 0,
            idempotence: false,
            transactional: None,
            linger: Duration::ZERO,
            request_timeout: Duration::ZERO,
            max_request_size: 0,
            max_in_flight: 5,
            retry_backoff: backoff,
            reconnect_backoff: backoff,
            setup_timeout: Backoff {
                initial: PAUSE,
                max: PAUSE,
            },
            metadata_max_age: Duration::ZERO,
            metadata_max_idle: Duration::ZERO,
            checks_cluster: true,
            rebootstrap: None,
            resolve_timeout: None,
            connections_max_idle: None,
            availability_timeout: Some(PAUSE),
            seed: 1,
        },
    )
}

fn fail(nodes: &mut Nodes, now: Instant, id: NodeId) {
    let error = Error::new(ErrorKind::Connect, "refused");
    let agenda = &mut Agenda::new(1);
    nodes.connect(now, id, None, agenda);
    nodes.handle_lost(now, id, &error, agenda);
    nodes.get_mut(id).unwrap().handle_pause_over(now + PAUSE);
}

fn connect(nodes: &mut Nodes, now: Instant, id: NodeId) {
    let agenda = &mut Agenda::new(1);
    nodes.connect(now, id, None, agenda);
    assert!(nodes.handle_ready(now, id, agenda));
}

#[test]
fn a_bootstrap_address_that_does_not_answer_delays_the_next_by_the_stagger_only() {
    let start = now();
    let mut nodes = nodes(start, &[1, 2]);
    let first = NodeId(-1);
    assert_eq!(nodes.choose_any(start, true, false), Choice::Connect(first));
    nodes.connect(start, first, None, &mut Agenda::new(1));
    assert_eq!(
        nodes.choose_any(start, true, false),
        Choice::Wait(Some(start + STAGGER))
    );
    assert_eq!(
        nodes.choose_any(start + STAGGER, true, false),
        Choice::Connect(NodeId(-2))
    );
}

#[test]
fn a_broker_of_the_cluster_comes_before_a_bootstrap_address_unless_it_fails() {
    let start = now();
    let mut nodes = nodes(start, &[1]);
    let broker = NodeId(7);
    let brokers = SortedMap::from_iter([(broker, address(7))]);
    assert!(nodes.update(start, &brokers).is_empty());
    assert_eq!(
        nodes.choose_any(start, true, false),
        Choice::Connect(broker)
    );
    fail(&mut nodes, start, broker);
    assert_eq!(
        nodes.choose_any(start, false, false),
        Choice::Connect(broker)
    );
    assert_eq!(
        nodes.choose_any(start, true, false),
        Choice::Connect(NodeId(-1))
    );
    connect(&mut nodes, start, NodeId(-1));
    connect(&mut nodes, start, broker);
    assert_eq!(nodes.choose_any(start, true, false), Choice::Ask(broker));
}

#[test]
fn a_broker_that_moved_or_left_is_named() {
    let start = now();
    let mut nodes = nodes(start, &[1]);
    let both = SortedMap::from_iter([(NodeId(7), address(7)), (NodeId(8), address(8))]);
    nodes.update(start, &both);
    let moved = SortedMap::from_iter([(NodeId(7), address(70))]);
    assert_eq!(nodes.update(start, &moved), [NodeId(7), NodeId(8)]);
}

#[test]
fn the_error_of_a_broker_that_failed_is_known_until_one_is_reached() {
    let start = now();
    let mut nodes = nodes(start, &[1]);
    fail(&mut nodes, start, NodeId(-1));
    let text = |error: Option<Error>| error.map(|error| error.to_string());
    assert_eq!(text(nodes.why_silent(start)).as_deref(), Some("refused"));
    assert!(nodes.error_of(NodeId(7)).is_none());
    connect(&mut nodes, start, NodeId(-1));
    assert!(nodes.why_silent(start).is_none());
}

#[test]
fn a_broker_is_stuck_when_it_has_taken_nothing_for_too_long_and_until_it_does() {
    let start = now();
    let mut nodes = nodes(start, &[1]);
    let (id, agenda) = (NodeId(-1), &mut Agenda::new(1));
    let kind = RequestKind::of(&crate::config::TopicSettings::default());
    nodes.enqueue(start, id, kind, PartitionId(0), agenda);
    assert_eq!(agenda.next_timer(), Some(start + PAUSE));
    assert!(!nodes.handle_availability_timeout(start, id));
    assert!(nodes.handle_availability_timeout(start + PAUSE, id));
    assert!(nodes.is_stuck(id));
    assert!(nodes.handle_taken(id, agenda));
    assert!(!nodes.any_stuck());
}

#[test]
fn an_announced_pause_is_never_shortened() {
    let start = now();
    let mut nodes = nodes(start, &[1]);
    let (id, agenda) = (NodeId(-1), &mut Agenda::new(1));
    connect(&mut nodes, start, id);
    nodes.throttle(start, id, PAUSE, agenda);
    nodes.throttle(start, id, PAUSE / 2, agenda);
    let node = nodes.get_mut(id).unwrap();
    node.handle_pause_over(start + PAUSE / 2);
    assert!(!node.can_take(start + PAUSE / 2, 5));
    node.handle_pause_over(start + PAUSE);
    assert!(node.can_take(start + PAUSE, 5));
}

#[test]
fn a_bootstrap_server_has_its_address_for_a_name() {
    let start = now();
    let mut nodes = nodes(start, &[1]);
    assert_eq!(
        nodes.name(NodeId(-1)),
        format!("bootstrap server {}", address(1))
    );
    assert_eq!(nodes.name(NodeId(7)), "broker 7");
    let agenda = &mut Agenda::new(1);
    connect(&mut nodes, start, NodeId(-1));
    nodes.throttle(start, NodeId(-1), PAUSE, agenda);
    let text = nodes.why_silent(start).unwrap().to_string();
    let name = nodes.name(NodeId(-1));
    assert!(
        text.starts_with(&format!("{name} throttles this client (quota)")),
        "{text}"
    );
}

#[test]
fn a_failure_is_worth_a_line_once_and_so_is_that_all_have_failed() {
    let start = now();
    let mut nodes = nodes(start, &[1, 2]);
    let error = Error::new(ErrorKind::Connect, "refused");
    for (id, is_last) in [(NodeId(-1), false), (NodeId(-2), true)] {
        assert!(nodes.complain(start, id, &error).is_some());
        fail(&mut nodes, start, id);
        assert_eq!(nodes.complain_of_all(start, true).is_some(), is_last);
        assert!(nodes.complain(start, id, &error).is_none());
    }
    assert!(nodes.complain_of_all(start, true).is_none());
    connect(&mut nodes, start, NodeId(-2));
    let name = nodes.name(NodeId(-2));
    let lines: Vec<_> = nodes.praise(NodeId(-2)).collect();
    assert_eq!(
        lines,
        [
            format!("{name} is connected again"),
            "brokers can be reached again".to_owned()
        ]
    );
    assert!(
        nodes.complain_of_all(start, true).is_none(),
        "one is connected"
    );
    assert_eq!(nodes.praise(NodeId(-2)).count(), 0);
}

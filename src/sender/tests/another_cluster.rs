//! The cluster is another one: made anew at the same addresses, or these lead elsewhere now.

use super::idempotence::{REFUSED, idempotent};
use super::*;
use crate::error::Fate;

const OLD: &str = "old";
const NEW: &str = "new";

impl World {
    /// Connected to both brokers of the old cluster.
    fn in_old_cluster(settings: Settings) -> Self {
        let mut world = Self::new(settings);
        world.cluster_id = Some(OLD);
        world.connected()
    }

    /// The same, with a batch acknowledged and so an id in use.
    fn established_in_old_cluster() -> Self {
        let mut world = Self::in_old_cluster(rebootstrapping());
        world.send(0, "first");
        world.answer_inquiry(ErrorCode::NONE, 0);
        world.acknowledge();
        assert_eq!(world.acknowledged(), ["first"]);
        world
    }

    /// The old cluster goes, the new one comes, at the same addresses. Its leader epochs begin again.
    fn replace_cluster(&mut self) {
        self.cluster_id = Some(NEW);
        self.topic_id = TopicId([8; 16]);
        self.leader_epoch = 0;
        for node in [ONE, TWO] {
            self.lose(node);
        }
    }

    /// The bootstrap server is reached, and says who leads what.
    fn ask_bootstrap(&mut self) {
        self.settle();
        while !self.connects.contains(&BOOTSTRAP) {
            let wait = self.wait.expect("it will be tried");
            self.advance(wait.saturating_duration_since(self.now));
        }
        self.connects.retain(|node| *node != BOOTSTRAP);
        self.handle(Input::Ready(BOOTSTRAP));
        self.advance(BACKOFF);
        self.answer_metadata();
    }

    /// Whom the last attempt to connect to this node is meant to reach.
    fn destination(&self, node: NodeId) -> Option<&Destination> {
        let mut all = self.destinations.iter().rev();
        all.find(|(to, _)| *to == node)?.1.as_ref()
    }

    /// Somebody else answers at a broker's address.
    fn meet_stranger(&mut self, node: NodeId) {
        self.connects.retain(|one| *one != node);
        let kind = ErrorKind::Broker(ErrorCode::REBOOTSTRAP_REQUIRED);
        let error = Error::new(kind, "who answers there belongs to cluster new");
        self.handle(Input::Disconnected(node, error, Vec::new()));
    }

    /// Producer id, epoch and sequence of the only batch on its way.
    fn stamp(&self) -> (i64, i16, i32) {
        let id = self.the_request().id;
        let Request::Produce(request) = &self.sent[&id].1 else {
            panic!("a Produce request");
        };
        let (header, _) = decode(request.topics[0].partitions[0].records.as_slice()).unwrap();
        let stamp = header.producer;
        (stamp.producer_id, stamp.epoch, stamp.base_sequence)
    }
}

fn rebootstrapping() -> Settings {
    Settings {
        rebootstrap: Some(Duration::from_secs(300)),
        ..idempotent()
    }
}

#[test]
fn connections_to_brokers_are_meant_for_these_and_for_no_others() {
    let world = World::in_old_cluster(rebootstrapping());
    assert_eq!(world.destination(BOOTSTRAP), None);
    let meant = world.destination(TWO).unwrap();
    assert_eq!((&*meant.cluster_id, meant.node), (OLD, TWO));
    assert!(meant.is_named);
    for settings in [
        Settings {
            checks_cluster: false,
            ..rebootstrapping()
        },
        idempotent(),
    ] {
        let world = World::in_old_cluster(settings);
        assert!(!world.destination(TWO).unwrap().is_named);
    }
    assert_eq!(World::ready(rebootstrapping()).destination(TWO), None);
}

#[test]
fn what_the_old_cluster_may_have_fails_and_the_rest_goes_to_the_new_one_under_a_new_id() {
    let mut world = World::established_in_old_cluster();
    world.send(0, "sent");
    let old = world.stamp();
    world.append(0, "queued");
    world.replace_cluster();
    world.advance(LINGER);
    world.ask_bootstrap();
    let failed = world.delivered();
    let [(value, Err(error))] = &*failed else {
        panic!("{failed:?}");
    };
    assert_eq!(value, "sent");
    assert_eq!(error.fate(), Fate::MayBeWritten);
    assert!(error.to_string().contains("cluster"), "{error}");
    world.assert_nothing_sent();
    world.accept();
    world.answer_inquiry(ErrorCode::NONE, 0);
    world.accept();
    let new = world.stamp();
    assert_ne!(new.0, old.0, "another producer id");
    assert_eq!((new.1, new.2), (0, 0), "sequences begin again");
    assert_eq!(world.destination(ONE).unwrap().cluster_id, Arc::from(NEW));
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["queued"]);
    world.assert_idle();
}

#[test]
fn an_idle_producer_gets_a_new_id_too() {
    let mut world = World::established_in_old_cluster();
    world.replace_cluster();
    world.ask_bootstrap();
    world.append(0, "a");
    world.advance(LINGER);
    world.accept();
    assert_eq!(world.inquiries().len(), 1);
    world.assert_nothing_sent();
}

#[test]
fn what_the_old_cluster_has_refused_goes_to_the_new_one() {
    let mut world = World::established_in_old_cluster();
    world.send(0, "refused");
    let request = world.the_request();
    world.answer(&request, REFUSED);
    world.replace_cluster();
    world.ask_bootstrap();
    world.accept();
    world.answer_inquiry(ErrorCode::NONE, 0);
    world.accept();
    assert_eq!(world.stamp().2, 0);
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["refused"]);
}

#[test]
fn without_idempotence_everything_goes_to_the_new_one() {
    let mut world = World::in_old_cluster(Settings {
        idempotence: false,
        ..rebootstrapping()
    });
    world.send(0, "sent");
    world.replace_cluster();
    world.ask_bootstrap();
    world.advance(BACKOFF);
    world.accept();
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["sent"]);
}

#[test]
fn an_answer_of_the_new_cluster_ends_connections_to_the_old_one() {
    let mut world = World::established_in_old_cluster();
    world.send(2, "sent");
    world.cluster_id = Some(NEW);
    world.sender.metadata.request_all();
    world.advance(BACKOFF);
    world.answer_metadata();
    assert!(world.disconnects.contains(&ONE) && world.disconnects.contains(&TWO));
    assert_eq!(
        world.failed(),
        [("sent".to_owned(), ErrorKind::Disconnected)]
    );
    world.accept();
    world.assert_idle();
}

#[test]
fn a_stranger_at_the_last_address_makes_the_producer_start_over() {
    let mut world = World::established_in_old_cluster();
    for node in [ONE, TWO] {
        world.lose(node);
    }
    world.sender.connect(world.now, ONE);
    world.settle();
    world.meet_stranger(ONE);
    world.cluster_id = Some(NEW);
    world.ask_bootstrap();
    assert_eq!(
        world.sender.metadata.view().cluster_id,
        Some(Arc::from(NEW))
    );
}

#[test]
fn a_stranger_starts_over_without_a_recovery_strategy_too() {
    let mut world = World::in_old_cluster(idempotent());
    for node in [ONE, TWO] {
        world.lose(node);
    }
    world.sender.connect(world.now, ONE);
    world.settle();
    world.meet_stranger(ONE);
    world.ask_bootstrap();
}

#[test]
fn as_long_as_another_broker_is_connected_a_stranger_ends_nothing() {
    let mut world = World::established_in_old_cluster();
    world.lose(TWO);
    world.disconnects.clear();
    world.sender.connect(world.now, TWO);
    world.settle();
    world.meet_stranger(TWO);
    assert_eq!(world.disconnects, []);
    world.advance(BACKOFF);
    let asked: Vec<_> = world.asked().iter().map(|(_, node)| *node).collect();
    assert_eq!(asked, [ONE]);
    world.send(0, "a");
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["a"]);
}

/// A proxy that counts brokers otherwise would refuse each connection, and the bootstrap server name it
/// each time.
#[test]
fn a_stranger_that_the_bootstrap_server_keeps_naming_is_met_seldom() {
    let mut world = World::in_old_cluster(Settings {
        retry_backoff: Backoff {
            initial: ms(100),
            max: ms(1_000),
        },
        ..rebootstrapping()
    });
    world.leaders = vec![1, 1, 1];
    world.append(0, "a");
    for node in [ONE, TWO] {
        world.lose(node);
    }
    let mut met = 0;
    let end = world.now + DELIVERY;
    while world.now < end {
        world.advance(ms(10));
        for node in std::mem::take(&mut world.connects) {
            if node == BOOTSTRAP {
                world.handle(Input::Ready(node));
            } else {
                met += 1;
                world.meet_stranger(node);
            }
        }
        if !world.asked().is_empty() {
            world.answer_metadata();
        }
        if !world.inquiries().is_empty() {
            world.answer_inquiry(ErrorCode::NONE, 0);
        }
    }
    assert!((2..=12).contains(&met), "{met}");
}

#[test]
fn a_producer_id_comes_from_a_broker_that_belongs_to_the_cluster() {
    let mut world = World::with(
        Settings {
            bootstrap: vec![address(BOOTSTRAP), address(NodeId(-2))],
            ..rebootstrapping()
        },
        TopicTable::new(of_topics()),
    );
    world.cluster_id = Some(OLD);
    world.await_topic(TOPIC, None, None);
    world.advance(ms(250));
    assert_eq!(world.connects, [BOOTSTRAP, NodeId(-2)]);
    world.accept();
    let (_, asked) = world.asked()[0];
    world.answer_metadata();
    world.send(0, "a");
    let inquiry = world.inquiries()[0];
    assert_eq!(world.sent[&inquiry].0, asked, "and not from the other one");
}

#[test]
fn brokers_that_name_no_cluster_change_nothing() {
    let mut world = World::established_in_old_cluster();
    world.cluster_id = None;
    world.sender.metadata.request_all();
    world.advance(BACKOFF);
    world.answer_metadata();
    world.send(0, "a");
    world.acknowledge();
    world.cluster_id = Some(OLD);
    world.sender.metadata.request_all();
    world.advance(BACKOFF);
    world.answer_metadata();
    world.send(0, "b");
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["a", "b"]);
}

#[test]
fn partitions_avoided_for_a_broker_of_the_old_cluster_are_not_avoided_for_ever() {
    let mut world = World::in_old_cluster(Settings {
        availability_timeout: Some(ms(200)),
        ..rebootstrapping()
    });
    world.send(0, "first");
    world.answer_inquiry(ErrorCode::NONE, 0);
    world.acknowledge();
    world.lose(ONE);
    world.append(0, "a");
    world.advance(LINGER + ms(200));
    assert!(world.queue(0).is_stuck());
    assert!(world.queue(1).is_stuck());
    world.cluster_id = Some(NEW);
    world.topic_id = TopicId([8; 16]);
    world.leader_epoch = 0;
    world.lose(TWO);
    world.ask_bootstrap();
    for _ in 0..20 {
        world.accept();
        for _ in world.inquiries() {
            world.answer_inquiry(ErrorCode::NONE, 0);
        }
        if !world.asked().is_empty() {
            world.answer_metadata();
        }
        if !world.produced().is_empty() {
            world.acknowledge();
        }
        world.advance(ms(100));
    }
    assert_eq!(world.acknowledged(), ["first", "a"]);
    assert!(!world.queue(0).is_stuck(), "the one with a batch");
    assert!(!world.queue(1).is_stuck(), "the one without");
}

/// GUARANTEES: a bootstrap server of another cluster takes over when none of the brokers can be reached.
#[test]
fn a_bootstrap_server_of_another_cluster_does_not_take_over_from_brokers_that_are_slow_for_a_moment()
 {
    let mut world = World::with(
        Settings {
            request_timeout: ms(30_000),
            ..rebootstrapping()
        },
        patient(),
    );
    world.cluster_id = Some(OLD);
    let mut world = world.connected();
    world.send(0, "first");
    world.answer_inquiry(ErrorCode::NONE, 0);
    world.acknowledge();
    world.disconnects.clear();
    world.send(0, "second");
    // Both brokers take three seconds to answer with metadata; nothing else is wrong with them.
    world.sender.metadata.request_all();
    world.advance(ms(3_500));
    assert!(world.connects.contains(&BOOTSTRAP), "{:?}", world.connects);
    world.connects.retain(|node| *node != BOOTSTRAP);
    world.handle(Input::Ready(BOOTSTRAP));
    let asked = world.asked();
    let (id, _) = asked
        .iter()
        .copied()
        .find(|(_, node)| *node == BOOTSTRAP)
        .unwrap();
    let mut other = world.metadata();
    other.cluster_id = Some(NEW.to_owned());
    world.answer_metadata_of(id, other);
    eprintln!(
        "disconnects {:?} delivered {:?}",
        world.disconnects,
        world.delivered()
    );
    assert_eq!(
        world.sender.metadata.view().cluster_id,
        Some(Arc::from(OLD)),
        "its brokers are connected"
    );
}

//! Topics with settings of their own: what each request asks for, whose turn it is, and when records
//! expire.

use super::*;
#[cfg(feature = "zstd")]
use crate::compression::{Codec, Compression};

const OTHER: &str = "u";
const OTHER_ID: TopicId = TopicId([8; 16]);

/// Topic "u", which broker 1 leads, waits for no acknowledgement and gives its records half the time.
fn two_kinds() -> TopicTable {
    let mut topics = TopicTable::new(of_topics());
    let own = TopicSettings {
        acks: Acks::None,
        delivery_timeout: DELIVERY / 2,
        ..of_topics()
    };
    topics.set(OTHER, own);
    topics
}

/// Knows both topics, and is connected to broker 1.
fn world_with(settings: Settings) -> World {
    world_of(settings, two_kinds())
}

fn world_of(settings: Settings, topics: TopicTable) -> World {
    let mut world = World::with(settings, topics);
    world.await_topic(TOPIC, None, None);
    world.await_topic(OTHER, None, None);
    world.accept();
    world.leaders = vec![1; 8];
    let mut metadata = world.metadata();
    metadata.topics.push(MetadataTopic {
        name: Some(OTHER.to_owned()),
        id: OTHER_ID,
        ..metadata.topics[0].clone()
    });
    world.answer_metadata_with(metadata);
    world.sender.connect(world.now, ONE);
    world.accept();
    world
}

fn world() -> World {
    world_with(settings())
}

fn other_queue(world: &World, partition: i32) -> Arc<PartitionQueue> {
    let topic = world.accumulator.topic(OTHER).unwrap();
    Arc::clone(topic.queue(partition).unwrap())
}

fn append_other(world: &mut World, partition: i32, value: &str) {
    let queue = other_queue(world, partition);
    world.append_to(&queue, value, 0);
}

/// What each Produce request without an answer asks for, and the values in it.
fn requests(world: &World) -> Vec<(i16, Vec<String>)> {
    let sent = world.sent.values();
    let produce = |(_, request): &(NodeId, Request)| match request {
        Request::Produce(request) => {
            let values = values(request).into_iter().flat_map(|(_, values)| values);
            Some((request.acks, values.collect()))
        }
        _ => None,
    };
    sent.filter_map(produce).collect()
}

fn request(acks: i16, values: &[&str]) -> (i16, Vec<String>) {
    (acks, values.iter().map(ToString::to_string).collect())
}

/// Ends the oldest Produce request, in the way that it ends well.
fn end_oldest(world: &mut World) {
    let oldest = world.produced().remove(0);
    match &world.sent[&oldest.id].1 {
        Request::Produce(one) if one.acks == 0 => {
            world.sent.remove(&oldest.id);
            world.handle(Input::Sent(oldest.id));
        }
        _ => world.answer(&oldest, ErrorCode::NONE),
    }
}

#[test]
fn batches_with_other_acks_travel_in_a_request_of_their_own() {
    let mut world = world();
    world.append(0, "a");
    append_other(&mut world, 1, "b");
    world.append(2, "c");
    append_other(&mut world, 3, "d");
    world.advance(LINGER);
    let expected = [request(-1, &["a", "c"]), request(0, &["b", "d"])];
    assert_eq!(requests(&world), expected);
    end_oldest(&mut world);
    assert_eq!(world.acknowledged(), ["a", "c"]);
    end_oldest(&mut world);
    assert_eq!(world.acknowledged(), ["b", "d"]);
    world.assert_idle();
}

/// A broker that does not know zstd refuses all of a request.
#[cfg(feature = "zstd")]
#[test]
fn batches_compressed_with_zstd_share_no_request_with_others() {
    let mut topics = TopicTable::new(of_topics());
    let zstd = TopicSettings {
        compression: Compression::new(Codec::Zstd, 3).ok(),
        ..of_topics()
    };
    topics.set(OTHER, zstd);
    let mut world = world_of(settings(), topics);
    world.append(0, "a");
    append_other(&mut world, 1, "b");
    world.append(2, "c");
    append_other(&mut world, 3, "d");
    world.advance(LINGER);
    let [others, compressed] = world.produced().try_into().unwrap();
    let expected = [request(-1, &["a", "c"]), request(-1, &["b", "d"])];
    assert_eq!(requests(&world), expected);
    let text = "the broker speaks Produce versions 3 to 6";
    let error = Error::new(ErrorKind::UnsupportedVersion, text);
    world.sent.remove(&compressed.id);
    world.handle(Input::Refused(compressed.id, error));
    let refused = |value: &str| (value.to_owned(), ErrorKind::UnsupportedVersion);
    assert_eq!(world.failed(), ["b", "d"].map(refused));
    world.answer(&others, ErrorCode::NONE);
    assert_eq!(world.acknowledged(), ["a", "c"]);
    world.assert_idle();
}

#[test]
fn what_is_written_without_acks_says_nothing_of_what_waits_for_an_answer() {
    let mut world = world();
    world.send(0, "a");
    append_other(&mut world, 1, "b");
    world.advance(LINGER);
    let [first, second] = world.produced().try_into().unwrap();
    world.sent.remove(&second.id);
    world.handle(Input::Sent(second.id));
    assert_eq!(world.acknowledged(), ["b"]);
    // The broker refuses what has no answer by ending the connection.
    world.lose(ONE);
    assert!(
        world.delivered().is_empty(),
        "the other record is sent again"
    );
    world.advance(BACKOFF);
    world.accept();
    assert_eq!(world.the_request().batches, first.batches);
    world.acknowledge();
    assert_eq!(world.acknowledged(), ["a"]);
}

#[test]
fn all_requests_count_against_the_limit_and_neither_kind_starves_the_other() {
    let mut world = world_with(Settings {
        max_in_flight: 1,
        max_request_size: 100,
        ..settings()
    });
    for (partition, value) in (0..).zip(["a", "b", "c", "d"]) {
        world.append(partition, value);
    }
    for (partition, value) in (4..).zip(["w", "x", "y"]) {
        append_other(&mut world, partition, value);
    }
    world.advance(LINGER);
    let mut order = Vec::new();
    while let [(acks, values)] = requests(&world).as_slice() {
        order.push((*acks, values.concat()));
        end_oldest(&mut world);
    }
    let expected = [
        (-1, "a"),
        (0, "w"),
        (-1, "b"),
        (0, "x"),
        (-1, "c"),
        (0, "y"),
        (-1, "d"),
    ];
    assert_eq!(
        order,
        expected.map(|(acks, value)| (acks, value.to_owned()))
    );
    assert_eq!(world.acknowledged().len(), 7);
}

#[test]
fn a_queue_of_nothing_but_stale_entries_holds_no_other_up() {
    let mut world = world_with(Settings {
        max_in_flight: 1,
        ..settings()
    });
    world.send(0, "a");
    append_other(&mut world, 1, "x");
    world.advance(LINGER);
    world.append(2, "b");
    world.advance(LINGER);
    // The first in the queue expires there while the request before it is out.
    world.advance(DELIVERY / 2);
    assert_eq!(world.failed(), [("x".to_owned(), ErrorKind::TimedOut)]);
    end_oldest(&mut world);
    assert_eq!(requests(&world), [request(-1, &["b"])]);
}

#[test]
fn each_topic_has_its_own_time_and_the_error_names_the_property() {
    let mut world = world();
    world.lose(ONE);
    world.append(0, "patient");
    append_other(&mut world, 1, "hasty");
    world.advance(DELIVERY / 2 - ms(1));
    assert!(world.delivered().is_empty());
    world.advance(ms(1));
    let text = |world: &World| {
        let mut delivered = world.delivered();
        assert_eq!(delivered.len(), 1);
        delivered.remove(0).1.unwrap_err().to_string()
    };
    let start = "\"u\"-1: the batch was not acknowledged within topic.u.delivery.timeout.ms (1000 ms) \
                 after its first record, ";
    let hasty = text(&world);
    assert!(hasty.starts_with(start), "{hasty}");
    world.advance(DELIVERY / 2 - ms(1));
    assert!(world.delivered().is_empty());
    world.advance(ms(1));
    let start = "\"t\"-0: the batch was not acknowledged within delivery.timeout.ms (2000 ms) after its \
                 first record, ";
    let patient = text(&world);
    assert!(patient.starts_with(start), "{patient}");
    world.assert_idle();
}

#[test]
fn a_flush_waits_for_the_slowest_topic_only_as_long_as_that_may_take() {
    let mut world = world();
    world.lose(ONE);
    append_other(&mut world, 1, "hasty");
    let first = world.flush();
    world.append(0, "patient");
    let second = world.flush();
    world.advance(DELIVERY / 2);
    assert!(world.finished[&first].is_ok());
    assert!(!world.finished.contains_key(&second));
    world.advance(DELIVERY / 2);
    assert!(world.finished[&second].is_ok());
}

#[test]
fn the_parts_of_a_split_batch_keep_the_time_of_their_topic() {
    let mut topics = two_kinds();
    let own = TopicSettings {
        acks: Acks::All,
        ..topics.of(OTHER)
    };
    topics.set(TOPIC, own);
    let mut world = World::ready_with(settings(), topics);
    world.append(0, "a");
    world.append(0, "b");
    world.advance(LINGER);
    let request = world.the_request();
    world.answer(&request, ErrorCode::MESSAGE_TOO_LARGE);
    world.advance(own.delivery_timeout - LINGER - ms(1));
    assert!(world.delivered().is_empty());
    world.advance(ms(1));
    let expected = ["a", "b"].map(|value| (value.to_owned(), ErrorKind::TimedOut));
    assert_eq!(world.failed(), expected);
}

//! How much is compressed before the sockets have their turn.

use super::*;
use crate::compression::{Codec, Compression};

const SLOW: &str = "t";
const FAST: &str = "u";

/// Topic "t" is compressed slowly, and "u" is not compressed.
fn topics() -> TopicTable {
    let mut topics = TopicTable::new(of_topics());
    let slow = TopicSettings {
        compression: Compression::new(Codec::Zstd, 19).ok(),
        ..of_topics()
    };
    topics.set(SLOW, slow);
    topics
}

/// Both topics are known, and nobody compresses but the I/O thread.
fn world(settings: Settings) -> World {
    let mut world = World::ready_with(settings, topics());
    world.may_compress = false;
    world.await_topic(FAST, None, None);
    let mut response = world.metadata();
    let mut other = response.topics[0].clone();
    other.name = Some(FAST.to_owned());
    other.id = TopicId([8; 16]);
    response.topics.push(other);
    world.answer_metadata_with(response);
    world
}

/// Takes some ten milliseconds to be compressed, alone in its batch.
fn long() -> String {
    "x".repeat(12_000)
}

/// The topic and partition of each batch in a request.
type Batches = Vec<(String, i32)>;

impl World {
    /// Polls the sender until it yields or waits; gives the topics and partitions of each request, and
    /// whether it yields.
    fn series(&mut self) -> (Vec<Batches>, bool) {
        let mut sent = Vec::new();
        loop {
            match self.sender.poll(self.now, &self.accumulator) {
                Output::Send(node, id, request) => {
                    if let Request::Produce(produce) = &request {
                        sent.push(batches_of(produce));
                    }
                    self.sent.insert(id, (node, request));
                }
                Output::Yield => return (sent, true),
                Output::Wait(_) => return (sent, false),
                other => panic!("{other:?}"),
            }
        }
    }

    fn append_long(&mut self, topic: &str, partition: i32) {
        let topic = self.accumulator.topic(topic).unwrap();
        let queue = Arc::clone(topic.queue(partition).unwrap());
        self.append_to(&queue, &long(), 0);
    }
}

fn batches_of(request: &ProduceRequest) -> Batches {
    let topics = request.topics.iter();
    let batches = topics.flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|one| (topic.name.to_string(), one.index))
    });
    batches.collect()
}

fn batch_of(topic: &str, partition: i32) -> Batches {
    vec![(topic.to_owned(), partition)]
}

#[test]
fn what_takes_long_to_compress_goes_one_by_one_with_a_look_at_the_sockets_in_between() {
    let mut world = world(settings());
    for partition in 0..3 {
        world.append_long(SLOW, partition);
    }
    // The broker of partition 2 comes before the rest of the other one's.
    for (partition, is_more) in [(0, true), (2, true), (1, false)] {
        let (sent, yields) = world.series();
        assert_eq!(sent, [batch_of(SLOW, partition)]);
        assert_eq!(yields, is_more);
    }
    for request in world.produced() {
        world.answer(&request, ErrorCode::NONE);
    }
    assert_eq!(world.acknowledged().len(), 3);
    world.assert_idle();
}

#[test]
fn a_topic_without_compression_does_not_wait_for_those_that_compress_slowly() {
    let mut world = world(settings());
    for partition in 0..2 {
        world.append_long(SLOW, partition);
    }
    world.append_long(FAST, 0);
    let (sent, yields) = world.series();
    assert_eq!(sent, [batch_of(SLOW, 0), batch_of(FAST, 0)]);
    assert!(yields);
    let (sent, yields) = world.series();
    assert_eq!(sent, [batch_of(SLOW, 1)]);
    assert!(!yields);
}

#[test]
fn small_batches_are_compressed_together_whatever_the_level() {
    let mut world = world(settings());
    for partition in 0..2 {
        world.append(partition, "small");
    }
    world.advance(LINGER);
    let request = world.the_request();
    assert_eq!(request.batches.len(), 2);
    assert_eq!(world.yields, 0);
}

#[test]
fn a_broker_that_is_lost_leaves_the_io_thread_free_to_compress_for_others() {
    let mut world = world(settings());
    world.may_compress = true;
    world.append_long(SLOW, 0);
    // Before it was sent.
    world.sender.handle(
        world.now,
        Input::Disconnected(ONE, Error::new(ErrorKind::Disconnected, "gone"), Vec::new()),
        &world.accumulator,
    );
    world.append_long(SLOW, 2);
    let left = world.queue(2).head().unwrap();
    assert!(
        left.work > Duration::ZERO,
        "its caller has not compressed it"
    );
}

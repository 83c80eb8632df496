//! Requests that reach the broker when the producer has long given them up: their bytes lay in a
//! socket, or somewhere on the way. Whoever sends such batches again under a new epoch writes them
//! twice.

use std::thread;
use std::time::Duration;

use linger::Producer;
use linger_kafka_tests::{Direction, Load, properties, rounds, topic_name, wait_until};

use crate::{first_leader, three_nodes};

const DELIVERY_TIMEOUT: u64 = 1_500;
/// Between the first batch and the others, which are alive when the first one expires.
const STEP: Duration = Duration::from_millis(1_000);
const BATCHES: usize = 4;

/// What happens between the expiry of what is on its way and its arrival.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Nothing,
    /// What is sent later overtakes on another connection, and is acknowledged.
    Overtaken,
    /// What is sent later, or again, is on its way on another connection, and arrives second.
    Followed,
}

#[test]
fn batches_that_arrive_after_they_expired_are_not_doubled_and_overtake_nothing() {
    let cluster = three_nodes();
    let topic = topic_name("late");
    cluster.create_topic(&topic, 1, &[]);
    cluster.await_in_sync(&topic, 3);
    let properties = properties(&cluster.proxied_bootstrap())
        .set("linger.ms", 0)
        .set("request.timeout.ms", DELIVERY_TIMEOUT)
        .set("delivery.timeout.ms", DELIVERY_TIMEOUT);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topic);
    let situations = [
        Meanwhile::Nothing,
        Meanwhile::Overtaken,
        Meanwhile::Followed,
    ];
    for meanwhile in situations.repeat(rounds(2)) {
        let leader = first_leader(&cluster, &topic);
        let proxy = cluster.proxy(leader);
        // From the second batch of a sequence on, several are on their way at a time.
        load.send(1, 10);
        producer.flush().expect("open");
        let ended = || {
            let metrics = producer.metrics();
            metrics.records_failed + metrics.records_acknowledged
        };
        let before = ended();
        let stored = cluster.end_offsets(&topic)[0];
        match meanwhile {
            Meanwhile::Nothing | Meanwhile::Overtaken => proxy.hold_present(Direction::ToBroker),
            Meanwhile::Followed => proxy.hold(Direction::ToBroker),
        }
        for batch in 1..=BATCHES {
            load.send(1, 1);
            wait_until("the batch is on its way", || {
                proxy.held(Direction::ToBroker) >= batch || ended() > before
            });
            if batch == 1 {
                thread::sleep(STEP);
            }
        }
        wait_until("the first is given up", || ended() > before);
        load.send(1, 1);
        match meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::Overtaken => {
                let acknowledged = producer.metrics().records_acknowledged;
                let mut sent = load.so_far();
                wait_until("what was sent later is acknowledged", || {
                    // One that had no time to connect has expired by then.
                    if sent.has_ended() {
                        load.send(1, 1);
                        sent = load.so_far();
                    }
                    producer.metrics().records_acknowledged > acknowledged
                });
            }
            Meanwhile::Followed => {
                // Now or, if there was no time to connect, never.
                wait_until("something new is on its way", || {
                    proxy.held(Direction::ToBroker) > BATCHES || ended() > before + BATCHES as u64
                });
                // Nothing, if there was no connection when the first was sent; and a broker may
                // lose what it leads on a machine that is too busy for it.
                let is_coming = proxy.held(Direction::ToBroker) > 0;
                proxy.release_old(Direction::ToBroker);
                wait_until("what was given up is in the log", || {
                    !is_coming
                        || cluster.end_offsets(&topic)[0] > stored
                        || first_leader(&cluster, &topic) != leader
                });
            }
        }
        proxy.heal();
        wait_until("everything has arrived", || {
            proxy.held(Direction::ToBroker) == 0
        });
    }
    producer.close().expect("nothing is pending");

    let tally = load.assert_all_true(&cluster);
    assert!(tally.doubtful_stored > 0, "{tally:?}");
    assert!(tally.doubtful_absent > 0, "{tally:?}");
}

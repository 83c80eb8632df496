//! Requests that reach the broker when the producer has long given them up: their bytes lay in a
//! socket, or somewhere on the way. Whoever sends such batches again under a new epoch writes them
//! twice.

use std::thread;
use std::time::Duration;

use linger::Producer;
use linger_kafka_tests::{Direction, Load, properties, topic_name, wait_until};

use crate::three_nodes;

const DELIVERY_TIMEOUT: u64 = 1_500;
/// Between the batches, so that they expire one after the other.
const STEP: Duration = Duration::from_millis(100);
const BATCHES: usize = 4;

/// What is sent between the expiry of what is on its way and its arrival.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Nothing,
    /// It overtakes on another connection, and is acknowledged.
    Acknowledged,
    /// It is on its way on another connection when everything arrives.
    OnItsWay,
}

#[test]
fn batches_that_arrive_after_they_expired_are_not_doubled_and_overtake_nothing() {
    let cluster = three_nodes();
    let topic = topic_name("late");
    cluster.create_topic(&topic, 1, &[]);
    cluster.await_in_sync(&topic, 3);
    let leader = cluster.leaders(&topic)[0].leader;
    let proxy = cluster.proxy(leader);
    let properties = properties(&cluster.proxied_bootstrap())
        .set("linger.ms", 0)
        .set("request.timeout.ms", DELIVERY_TIMEOUT)
        .set("delivery.timeout.ms", DELIVERY_TIMEOUT);
    let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
    let load = Load::new(&producer, &topic);
    let rounds = [
        Meanwhile::Nothing,
        Meanwhile::Acknowledged,
        Meanwhile::OnItsWay,
    ];
    for meanwhile in rounds.repeat(2) {
        // From the second batch of a sequence on, several are on their way at a time.
        load.send(1, 10);
        producer.flush().expect("open");
        let ended = || {
            let metrics = producer.metrics();
            metrics.records_failed + metrics.records_acknowledged
        };
        let before = ended();
        proxy.hold_present(Direction::ToBroker);
        for batch in 1..=BATCHES {
            load.send(1, 1);
            wait_until("the batch is on its way", 20, || {
                proxy.held(Direction::ToBroker) >= batch
            });
            thread::sleep(STEP);
        }
        wait_until("they are given up", 20, || {
            ended() >= before + BATCHES as u64
        });
        match meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::Acknowledged => {
                let before = producer.metrics().records_acknowledged;
                load.send(1, 3);
                wait_until("what was sent later is acknowledged", 20, || {
                    producer.metrics().records_acknowledged > before
                });
            }
            Meanwhile::OnItsWay => {
                let held = proxy.held(Direction::ToBroker);
                proxy.hold(Direction::ToBroker);
                load.send(1, 3);
                // It may as well find no connection in time; then it fails, and never leaves.
                let failed = producer.metrics().records_failed;
                wait_until("something new is on its way", 20, || {
                    proxy.held(Direction::ToBroker) > held
                        || producer.metrics().records_failed > failed
                });
            }
        }
        proxy.heal();
        wait_until("everything has arrived", 20, || {
            proxy.held(Direction::ToBroker) == 0
        });
    }
    producer.close().expect("nothing is pending");

    let tally = load.assert_all_true(&cluster);
    assert!(tally.doubtful_stored > 0, "{tally:?}");
    assert!(tally.doubtful_absent > 0, "{tally:?}");
}
